/* Sinks that are files. realpath is of the X/Open System Interfaces. */
#define _XOPEN_SOURCE 700
#include "base/error.h"
#include "base/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_ATTEMPTS = 1000 };

typedef struct file {
    wi_sink sink;
    FILE *stream;
    char *path;      /* where links lead */
    char *temporary; /* NULL: a pipe or device, or in place already */
    bool keep;
} file;

static void file_free(wi_sink *sink)
{
    file *f = (file *)sink;
    if (f->stream)
        fclose(f->stream);
    if (f->temporary)
        unlink(f->temporary);
    free(f->temporary);
    free(f->path);
    free(f);
}

static wi_status file_write(wi_sink *sink, const void *bytes, size_t n_bytes, wi_error *error)
{
    file *f = (file *)sink;
    errno = 0;
    if (fwrite(bytes, 1, n_bytes, f->stream) != n_bytes)
        return wi_fail_errno(error, f->path, "cannot write", errno ? errno : EIO);
    return WI_OK;
}

static wi_status file_patch(wi_sink *sink, uint64_t offset, const void *bytes, size_t n_bytes,
                            wi_error *error)
{
    file *f = (file *)sink;
    if (fseeko(f->stream, (off_t)offset, SEEK_SET) != 0 ||
        fwrite(bytes, 1, n_bytes, f->stream) != n_bytes || fseeko(f->stream, 0, SEEK_END) != 0)
        return wi_fail_errno(error, f->path, "cannot write", errno);
    return WI_OK;
}

/* The rename is on disk only when the folder is. Some file systems cannot sync a folder: not an
 * error. */
static void sync_folder(char *path)
{
    char *slash = strrchr(path, '/');
    const char *folder = ".";
    char first = '\0';
    if (slash) {
        size_t keep = slash == path ? 1 : 0;
        first = slash[keep];
        slash[keep] = '\0';
        folder = path;
    }
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    if (slash)
        slash[slash == path ? 1 : 0] = first;
}

/* A link never replaces, unlike a rename; file systems without links get a last look. */
static int put_in_place(file *f)
{
    struct stat st;
    if (f->keep) {
        if (link(f->temporary, f->path) == 0)
            return unlink(f->temporary) == 0 ? 0 : errno;
        if (errno == EEXIST || lstat(f->path, &st) == 0)
            return EEXIST;
    }
    return rename(f->temporary, f->path) == 0 ? 0 : errno;
}

static wi_status file_commit(wi_sink *sink, wi_error *error)
{
    file *f = (file *)sink;
    bool good = fflush(f->stream) == 0 && (!f->temporary || fsync(fileno(f->stream)) == 0);
    int number = good ? 0 : errno;
    if (fclose(f->stream) != 0 && number == 0)
        number = errno;
    f->stream = NULL;
    if (number != 0)
        return wi_fail_errno(error, f->path, "cannot write", number);
    if (!f->temporary)
        return WI_OK;
    number = put_in_place(f);
    if (number != 0)
        return wi_fail_errno(error, f->path, "cannot put the new file in place", number);
    sync_folder(f->path);
    free(f->temporary);
    f->temporary = NULL;
    return WI_OK;
}

static const wi_sink_kind file_kind = {file_write, file_patch, file_commit, file_free};
static const wi_sink_kind pipe_kind = {file_write, NULL, file_commit, file_free};

/* Opens "PATH.tmp-PID-N" in the same folder. old: what it will replace, or NULL. */
static wi_status open_temporary(file *f, const struct stat *old, wi_error *error)
{
    size_t n_temporary = strlen(f->path) + 48;
    int fd = -1;
    f->temporary = malloc(n_temporary);
    if (!f->temporary)
        return wi_fail_nomem(error, n_temporary, "a file name");
    for (int n = 0; n < MAX_ATTEMPTS && fd < 0; n++) {
        snprintf(f->temporary, n_temporary, "%s.tmp-%" PRIdMAX "-%d", f->path, (intmax_t)getpid(),
                 n);
        fd = open(f->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno != EEXIST)
            break;
    }
    if (fd < 0) {
        int number = errno;
        free(f->temporary); /* there is none to remove */
        f->temporary = NULL;
        return wi_fail_errno(error, f->path, "cannot write beside it", number);
    }
    if (old)
        (void)fchmod(fd, old->st_mode & 0777); /* not ours to change: as good as it goes */
    f->stream = fdopen(fd, "wb");
    if (!f->stream) {
        int number = errno;
        close(fd);
        return wi_fail_errno(error, f->path, "cannot write", number);
    }
    return WI_OK;
}

static wi_status open_file(file *f, wi_error *error)
{
    struct stat st;
    bool there = stat(f->path, &st) == 0;
    if (f->keep && (there || lstat(f->path, &st) == 0) && !S_ISFIFO(st.st_mode) &&
        !S_ISCHR(st.st_mode))
        return wi_fail(error, WI_ERR_IO, "%s: is there already", f->path);
    if (there && S_ISDIR(st.st_mode))
        return wi_fail(error, WI_ERR_IO, "%s: is a folder, not a regular file", f->path);
    f->sink.kind = &file_kind;
    if (!there || S_ISREG(st.st_mode))
        return open_temporary(f, there ? &st : NULL, error);
    f->sink.kind = &pipe_kind;
    f->stream = fopen(f->path, "wb");
    return f->stream ? WI_OK : wi_fail_errno(error, f->path, "cannot write", errno);
}

wi_status wi_sink_to_file(const char *path, uint32_t flags, wi_sink **out, wi_error *error)
{
    struct stat st;
    if (!path || !out || flags > WI_SINK_KEEP)
        return wi_fail(error, WI_ERR_ARG, "a sink needs a path and a place");
    file *f = calloc(1, sizeof *f);
    if (!f)
        return wi_fail_nomem(error, sizeof *f, "a sink");
    f->sink.kind = &file_kind;
    f->keep = flags == WI_SINK_KEEP;
    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode) && stat(path, &st) == 0 && S_ISREG(st.st_mode))
        f->path = realpath(path, NULL);
    if (!f->path) {
        f->path = malloc(strlen(path) + 1);
        if (f->path)
            memcpy(f->path, path, strlen(path) + 1);
    }
    wi_status status =
        f->path ? open_file(f, error) : wi_fail_nomem(error, strlen(path), "a file name");
    if (status == WI_OK)
        *out = &f->sink;
    else
        file_free(&f->sink);
    return status;
}
