/* Files by POSIX's names. A file that somebody maps or has open cannot be replaced or removed here, unlike there: EACCES. */
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <windows.h>

static HANDLE handle_of(int fd)
{
    return (HANDLE)_get_osfhandle(fd);
}

/* ---- opening ---- */

int wi_posix_open(const char *path, int flags, ...)
{
    if (flags & O_DIRECTORY) {
        errno = ENOSYS;
        return -1;
    }
    wchar_t *wide = wi_windows_path(path);
    if (!wide)
        return -1;
    const int fd = _wopen(wide, flags | _O_BINARY, _S_IREAD | _S_IWRITE);
    if (fd < 0) {
        const int number = errno;
        const DWORD kind = number == EACCES ? GetFileAttributesW(wide) : INVALID_FILE_ATTRIBUTES;
        const bool is_folder = kind != INVALID_FILE_ATTRIBUTES && kind & FILE_ATTRIBUTE_DIRECTORY;
        errno = is_folder ? EISDIR : number;
    }
    free(wide);
    return fd;
}

FILE *wi_posix_fopen(const char *path, const char *mode)
{
    const bool more = strchr(mode, '+') != NULL;
    int flags = (more ? _O_RDWR : mode[0] == 'r' ? _O_RDONLY : _O_WRONLY) | _O_NOINHERIT;
    flags |= mode[0] == 'w' ? _O_CREAT | _O_TRUNC : mode[0] == 'a' ? _O_CREAT | _O_APPEND : 0;
    flags |= strchr(mode, 'x') ? _O_EXCL : 0;
    const int fd = wi_posix_open(path, flags);
    const char plain[] = {mode[0], 'b', more ? '+' : '\0', '\0'};
    FILE *stream = fd < 0 ? NULL : _fdopen(fd, plain);
    if (fd >= 0 && !stream)
        _close(fd);
    return stream;
}

FILE *wi_posix_freopen(const char *path, const char *mode, FILE *stream)
{
    const wchar_t plain[] = {(wchar_t)mode[0], L'b', L'\0'};
    wchar_t *wide = wi_windows_path(path);
    FILE *again = wide ? _wfreopen(wide, plain, stream) : NULL;
    free(wide);
    return again;
}

/* ---- streams into memory: temporary files, which the system keeps in memory as long as it has room ---- */

typedef struct memory {
    FILE *stream;
    char **bytes;
    size_t *n_bytes;
    struct memory *next;
} memory;

static memory *memories;
static SRWLOCK memories_lock = SRWLOCK_INIT;

static FILE *temporary(void)
{
    wchar_t folder[MAX_PATH + 1], path[MAX_PATH + 1];
    if (GetTempPathW(MAX_PATH, folder) == 0 || GetTempFileNameW(folder, L"wi", 0, path) == 0) {
        wi_windows_failed();
        return NULL;
    }
    const int fd = _wopen(path,
                          _O_RDWR | _O_BINARY | _O_TRUNC | _O_CREAT | _O_TEMPORARY |
                              _O_SHORT_LIVED | _O_NOINHERIT,
                          _S_IREAD | _S_IWRITE);
    return fd < 0 ? NULL : _fdopen(fd, "w+b");
}

FILE *open_memstream(char **bytes, size_t *n_bytes)
{
    memory *m = malloc(sizeof *m);
    FILE *stream = m ? temporary() : NULL;
    if (!stream) {
        free(m);
        return NULL;
    }
    *m = (memory){.stream = stream, .bytes = bytes, .n_bytes = n_bytes};
    *bytes = NULL;
    *n_bytes = 0;
    AcquireSRWLockExclusive(&memories_lock);
    m->next = memories;
    memories = m;
    ReleaseSRWLockExclusive(&memories_lock);
    return stream;
}

/* NULL: an ordinary stream. */
static memory *memory_of(FILE *stream, bool take)
{
    AcquireSRWLockExclusive(&memories_lock);
    memory **at = &memories;
    while (*at && (*at)->stream != stream)
        at = &(*at)->next;
    memory *found = *at;
    if (found && take)
        *at = found->next;
    ReleaseSRWLockExclusive(&memories_lock);
    return found;
}

static int fill(const memory *m)
{
    const int64_t end = _ftelli64(m->stream);
    const int fd = _fileno(m->stream);
    char *bytes = end < 0 ? NULL : realloc(*m->bytes, (size_t)end + 1);
    if (!bytes)
        return EOF;
    *m->bytes = bytes;
    *m->n_bytes = 0;
    ssize_t some = 1;
    while (some > 0 && (int64_t)*m->n_bytes < end) {
        some = pread(fd, bytes + *m->n_bytes, (size_t)end - *m->n_bytes, (off_t)*m->n_bytes);
        *m->n_bytes += some > 0 ? (size_t)some : 0;
    }
    bytes[*m->n_bytes] = '\0';
    return (int64_t)*m->n_bytes == end ? 0 : EOF;
}

int wi_posix_fflush(FILE *stream)
{
    const int failed = (fflush)(stream);
    const memory *m = stream && failed == 0 ? memory_of(stream, false) : NULL;
    return m ? fill(m) : failed;
}

int wi_posix_fclose(FILE *stream)
{
    int failed = wi_posix_fflush(stream);
    free(memory_of(stream, true));
    return (fclose)(stream) != 0 ? EOF : failed;
}

ssize_t getdelim(char **line, size_t *room, int end, FILE *stream)
{
    size_t n = 0;
    int c = 0;
    while (c != end && (c = getc(stream)) != EOF) {
        if (n + 2 > *room || !*line) {
            const size_t more = n < 64 ? 128 : 2 * n + 2;
            char *grown = realloc(*line, more);
            if (!grown)
                return -1;
            *line = grown;
            *room = more;
        }
        (*line)[n++] = (char)c;
    }
    if (n == 0)
        return -1;
    (*line)[n] = '\0';
    return (ssize_t)n;
}

ssize_t getline(char **line, size_t *room, FILE *stream)
{
    return getdelim(line, room, '\n', stream);
}

/* ---- what a path leads to ---- */

static struct timespec time_of(FILETIME time)
{
    const uint64_t ticks = (uint64_t)time.dwHighDateTime << 32 | time.dwLowDateTime;
    const int64_t since = (int64_t)ticks - 116444736000000000; /* 1601 to 1970, in 100 ns */
    return (struct timespec){.tv_sec = since / 10000000, .tv_nsec = (long)(since % 10000000) * 100};
}

static int stat_handle(HANDLE file, struct stat *out)
{
    BY_HANDLE_FILE_INFORMATION info;
    if (!GetFileInformationByHandle(file, &info))
        return wi_windows_failed();
    *out = (struct stat){.st_dev = info.dwVolumeSerialNumber, .st_nlink = info.nNumberOfLinks};
    out->st_ino = (uint64_t)info.nFileIndexHigh << 32 | info.nFileIndexLow;
    out->st_size = (off_t)((uint64_t)info.nFileSizeHigh << 32 | info.nFileSizeLow);
    const bool is_folder = info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY;
    const bool is_fixed = info.dwFileAttributes & FILE_ATTRIBUTE_READONLY;
    out->st_mode = is_folder ? S_IFDIR | 0755 : S_IFREG | (is_fixed ? 0444u : 0644u);
    out->st_atim = time_of(info.ftLastAccessTime);
    out->st_mtim = time_of(info.ftLastWriteTime);
    out->st_ctim = time_of(info.ftCreationTime);
    return 0;
}

/* A junction to a folder is a link, too. */
static bool is_link(HANDLE file)
{
    FILE_ATTRIBUTE_TAG_INFO tag;
    return GetFileInformationByHandleEx(file, FileAttributeTagInfo, &tag, sizeof tag) &&
           tag.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT &&
           (tag.ReparseTag == IO_REPARSE_TAG_SYMLINK ||
            tag.ReparseTag == IO_REPARSE_TAG_MOUNT_POINT);
}

static HANDLE open_to_look(const wchar_t *path, DWORD flags)
{
    return CreateFileW(path, FILE_READ_ATTRIBUTES,
                       FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL, OPEN_EXISTING,
                       FILE_FLAG_BACKUP_SEMANTICS | flags, NULL);
}

static int stat_path(const char *path, bool follow, struct stat *out)
{
    wchar_t *wide = wi_windows_path(path);
    if (!wide)
        return -1;
    HANDLE file = open_to_look(wide, follow ? 0 : FILE_FLAG_OPEN_REPARSE_POINT);
    free(wide);
    if (file == INVALID_HANDLE_VALUE)
        return wi_windows_failed();
    int status = 0;
    if (GetFileType(file) == FILE_TYPE_CHAR)
        *out = (struct stat){.st_mode = S_IFCHR | 0666}; /* NUL */
    else
        status = stat_handle(file, out);
    if (status == 0 && !follow && is_link(file))
        out->st_mode = S_IFLNK | 0777;
    CloseHandle(file);
    return status;
}

int wi_posix_stat(const char *path, struct stat *out)
{
    return stat_path(path, true, out);
}

int wi_posix_lstat(const char *path, struct stat *out)
{
    return stat_path(path, false, out);
}

int wi_posix_fstat(int fd, struct stat *out)
{
    HANDLE file = handle_of(fd);
    const DWORD type = file == INVALID_HANDLE_VALUE ? FILE_TYPE_UNKNOWN : GetFileType(file);
    if (type == FILE_TYPE_DISK)
        return stat_handle(file, out);
    if (type == FILE_TYPE_UNKNOWN) {
        errno = EBADF;
        return -1;
    }
    *out = (struct stat){.st_mode = (type == FILE_TYPE_PIPE ? S_IFIFO : S_IFCHR) | 0666};
    return 0;
}

int wi_posix_access(const char *path, int how)
{
    struct stat info;
    (void)how; /* F_OK is all that is asked */
    return wi_posix_stat(path, &info);
}

char *realpath(const char *path, char *room)
{
    wchar_t *wide = room ? NULL : wi_windows_path(path), *found = NULL;
    HANDLE file = wide ? open_to_look(wide, 0) : INVALID_HANDLE_VALUE;
    char *out = NULL;
    if (wide && file == INVALID_HANDLE_VALUE) {
        wi_windows_failed();
    } else if (wide) {
        const DWORD n = GetFinalPathNameByHandleW(file, NULL, 0, 0);
        found = n ? malloc((n + 1) * sizeof *found) : NULL;
        if (found && GetFinalPathNameByHandleW(file, found, n + 1, 0) > 0)
            out = wi_windows_utf8_path(found);
        else
            wi_windows_failed();
        CloseHandle(file);
    }
    free(found);
    free(wide);
    return out;
}

ssize_t readlink(const char *path, char *out, size_t n_bytes)
{
    wchar_t wide[MAX_PATH + 1];
    if (strcmp(path, "/proc/self/exe") != 0) {
        errno = ENOSYS;
        return -1;
    }
    /* A program may be started by a link to it, as winget makes them. */
    const DWORD n = GetModuleFileNameW(NULL, wide, MAX_PATH);
    char *named = n > 0 && n < MAX_PATH ? wi_windows_utf8_path(wide) : NULL;
    char *text = named ? realpath(named, NULL) : NULL;
    free(named);
    const size_t n_text = text ? strlen(text) : 0, n_out = n_text < n_bytes ? n_text : n_bytes;
    memcpy(out, text ? text : "", n_out);
    free(text);
    return text ? (ssize_t)n_out : -1;
}

/* ---- changes ---- */

/* One path, or two. */
static int change(const char *path, BOOL(WINAPI *one)(const wchar_t *))
{
    wchar_t *wide = wi_windows_path(path);
    if (!wide)
        return -1;
    const int status = one(wide) ? 0 : wi_windows_failed();
    free(wide);
    return status;
}

static int change_two(const char *from, const char *to,
                      BOOL (*two)(const wchar_t *, const wchar_t *))
{
    wchar_t *wide = wi_windows_path(from), *other = wide ? wi_windows_path(to) : NULL;
    const int status = !other ? -1 : two(wide, other) ? 0 : wi_windows_failed();
    free(wide);
    free(other);
    return status;
}

static BOOL WINAPI make_folder(const wchar_t *path)
{
    return CreateDirectoryW(path, NULL);
}

/* A link to a folder is a folder to Windows. */
static BOOL WINAPI remove_file(const wchar_t *path)
{
    const DWORD kind = GetFileAttributesW(path);
    const DWORD folder_link = FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_REPARSE_POINT;
    if (kind != INVALID_FILE_ATTRIBUTES && (kind & folder_link) == folder_link)
        return RemoveDirectoryW(path);
    return DeleteFileW(path);
}

static BOOL move(const wchar_t *from, const wchar_t *to)
{
    return MoveFileExW(from, to, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH);
}

static BOOL make_hard_link(const wchar_t *from, const wchar_t *to)
{
    return CreateHardLinkW(to, from, NULL);
}

static BOOL make_link(const wchar_t *target, const wchar_t *path)
{
    const DWORD kind = GetFileAttributesW(target);
    const bool is_folder = kind != INVALID_FILE_ATTRIBUTES && kind & FILE_ATTRIBUTE_DIRECTORY;
    return CreateSymbolicLinkW(path, target,
                               (is_folder ? SYMBOLIC_LINK_FLAG_DIRECTORY : 0u) |
                                   SYMBOLIC_LINK_FLAG_ALLOW_UNPRIVILEGED_CREATE);
}

int wi_posix_mkdir(const char *path, unsigned mode)
{
    (void)mode;
    return change(path, make_folder);
}

int wi_posix_rmdir(const char *path)
{
    return change(path, RemoveDirectoryW);
}

int wi_posix_unlink(const char *path)
{
    return change(path, remove_file);
}

int wi_posix_remove(const char *path)
{
    struct stat info;
    return wi_posix_lstat(path, &info) == 0 && S_ISDIR(info.st_mode) ? wi_posix_rmdir(path)
                                                                     : wi_posix_unlink(path);
}

int wi_posix_rename(const char *from, const char *to)
{
    return change_two(from, to, move);
}

int link(const char *from, const char *to)
{
    return change_two(from, to, make_hard_link);
}

int symlink(const char *target, const char *path)
{
    return change_two(target, path, make_link);
}

/* ---- open files ---- */

int fsync(int fd)
{
    return FlushFileBuffers(handle_of(fd)) ? 0 : wi_windows_failed();
}

int fdatasync(int fd)
{
    return fsync(fd);
}

/* As much as an int counts at a time, as POSIX allows. */
static unsigned some_of(size_t n_bytes)
{
    return n_bytes < 1u << 30 ? (unsigned)n_bytes : 1u << 30;
}

ssize_t wi_posix_read(int fd, void *out, size_t n_bytes)
{
    return _read(fd, out, some_of(n_bytes));
}

ssize_t wi_posix_write(int fd, const void *bytes, size_t n_bytes)
{
    return _write(fd, bytes, some_of(n_bytes));
}

static OVERLAPPED place_of(off_t offset)
{
    const uint64_t at = (uint64_t)offset;
    return (OVERLAPPED){.Offset = (DWORD)at, .OffsetHigh = (DWORD)(at >> 32)};
}

ssize_t pwrite(int fd, const void *bytes, size_t n_bytes, off_t offset)
{
    const int64_t before = _lseeki64(fd, 0, SEEK_CUR);
    DWORD n = 0;
    OVERLAPPED at = place_of(offset);
    if (!WriteFile(handle_of(fd), bytes, some_of(n_bytes), &n, &at))
        return wi_windows_failed();
    _lseeki64(fd, before, SEEK_SET);
    return (ssize_t)n;
}

ssize_t pread(int fd, void *out, size_t n_bytes, off_t offset)
{
    const int64_t before = _lseeki64(fd, 0, SEEK_CUR);
    DWORD n = 0;
    OVERLAPPED at = place_of(offset);
    const bool good = ReadFile(handle_of(fd), out, some_of(n_bytes), &n, &at);
    const bool at_end = !good && GetLastError() == ERROR_HANDLE_EOF;
    if (!good && !at_end)
        return wi_windows_failed();
    _lseeki64(fd, before, SEEK_SET);
    return (ssize_t)n;
}

/* Who may read a file is said by the folder that it lies in. */
int fchmod(int fd, unsigned mode)
{
    (void)fd, (void)mode;
    return 0;
}

static FILETIME filetime_of(struct timespec time)
{
    const uint64_t ticks =
        (uint64_t)time.tv_sec * 10000000 + (uint64_t)time.tv_nsec / 100 + 116444736000000000;
    return (FILETIME){(DWORD)ticks, (DWORD)(ticks >> 32)};
}

int futimens(int fd, const struct timespec times[2])
{
    const FILETIME read = filetime_of(times[0]), written = filetime_of(times[1]);
    return SetFileTime(handle_of(fd), NULL, &read, &written) ? 0 : wi_windows_failed();
}

/* Locks bar others from what they lock, so a byte is locked that no file has. */
int flock(int fd, int how)
{
    OVERLAPPED at = {.OffsetHigh = 1u << 30};
    if (how & LOCK_UN)
        return UnlockFileEx(handle_of(fd), 0, 1, 0, &at) ? 0 : wi_windows_failed();
    const DWORD flags = LOCKFILE_EXCLUSIVE_LOCK | (how & LOCK_NB ? LOCKFILE_FAIL_IMMEDIATELY : 0u);
    return LockFileEx(handle_of(fd), flags, 0, 1, 0, &at) ? 0 : wi_windows_failed();
}

/* ---- mapping ---- */

void *mmap(void *at, size_t n_bytes, int protection, int flags, int fd, off_t offset)
{
    void *bytes = NULL;
    if (at || offset != 0) {
        errno = EINVAL;
        return MAP_FAILED;
    }
    if (flags & MAP_ANONYMOUS) {
        bytes = VirtualAlloc(NULL, n_bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    } else if (protection == PROT_READ) {
        HANDLE mapping = CreateFileMappingW(handle_of(fd), NULL, PAGE_READONLY, 0, 0, NULL);
        bytes = mapping ? MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, n_bytes) : NULL;
        if (mapping)
            CloseHandle(mapping); /* the view holds it */
    } else {
        errno = EINVAL;
        return MAP_FAILED;
    }
    if (!bytes)
        wi_windows_failed();
    return bytes ? bytes : MAP_FAILED;
}

int mprotect(void *at, size_t n_bytes, int protection)
{
    DWORD before;
    const DWORD now = protection & PROT_WRITE  ? PAGE_READWRITE
                      : protection & PROT_READ ? PAGE_READONLY
                                               : PAGE_NOACCESS;
    return VirtualProtect(at, n_bytes, now, &before) ? 0 : wi_windows_failed();
}

int munmap(void *at, size_t n_bytes)
{
    (void)n_bytes;
    if (UnmapViewOfFile(at) || VirtualFree(at, 0, MEM_RELEASE))
        return 0;
    return wi_windows_failed();
}
