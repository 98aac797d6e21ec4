#include "text.h"

#include <errno.h>
#include <langinfo.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

static const struct {
    DWORD error;
    int number;
} numbers[] = {{ERROR_FILE_NOT_FOUND, ENOENT},      {ERROR_PATH_NOT_FOUND, ENOENT},
               {ERROR_INVALID_NAME, ENOENT},        {ERROR_INVALID_DRIVE, ENOENT},
               {ERROR_BAD_NETPATH, ENOENT},         {ERROR_BAD_NET_NAME, ENOENT},
               {ERROR_NOT_READY, ENOENT},           {ERROR_DIRECTORY, ENOTDIR},
               {ERROR_FILE_EXISTS, EEXIST},         {ERROR_ALREADY_EXISTS, EEXIST},
               {ERROR_DIR_NOT_EMPTY, ENOTEMPTY},    {ERROR_NOT_SAME_DEVICE, EXDEV},
               {ERROR_DISK_FULL, ENOSPC},           {ERROR_HANDLE_DISK_FULL, ENOSPC},
               {ERROR_NOT_ENOUGH_MEMORY, ENOMEM},   {ERROR_OUTOFMEMORY, ENOMEM},
               {ERROR_COMMITMENT_LIMIT, ENOMEM},    {ERROR_LOCK_VIOLATION, EWOULDBLOCK},
               {ERROR_TOO_MANY_OPEN_FILES, EMFILE}, {ERROR_INVALID_HANDLE, EBADF},
               {ERROR_BROKEN_PIPE, EPIPE},          {ERROR_FILENAME_EXCED_RANGE, ENAMETOOLONG},
               {ERROR_TOO_MANY_LINKS, EMLINK},      {ERROR_NOT_SUPPORTED, ENOTSUP},
               {ERROR_INVALID_FUNCTION, ENOTSUP},   {ERROR_PRIVILEGE_NOT_HELD, EPERM},
               {ERROR_ACCESS_DENIED, EACCES},       {ERROR_SHARING_VIOLATION, EACCES},
               {ERROR_WRITE_PROTECT, EACCES},       {ERROR_USER_MAPPED_FILE, EACCES}};

int wi_windows_failed(void)
{
    const DWORD error = GetLastError();
    errno = EIO;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (numbers[i].error == error)
            errno = numbers[i].number;
    return -1;
}

/* A path of 248 characters and more goes past the system's limit in its full form alone. */
static wchar_t *full(wchar_t *path)
{
    static const wchar_t plain[] = L"\\\\?\\", net[] = L"\\\\?\\UNC";
    const DWORD n = GetFullPathNameW(path, 0, NULL, NULL);
    if (n < MAX_PATH - 12 || wcsncmp(path, plain, 4) == 0)
        return path;
    wchar_t *out = malloc((n + 8) * sizeof *out), *at = out ? out + 8 : NULL;
    if (!out || GetFullPathNameW(path, n, at, NULL) == 0) {
        free(out);
        free(path);
        errno = out ? ENOENT : ENOMEM;
        return NULL;
    }
    const bool is_net = at[0] == L'\\' && at[1] == L'\\';
    const wchar_t *head = is_net ? net : plain;
    at += is_net ? 1 : 0;
    memmove(out + wcslen(head), at, (wcslen(at) + 1) * sizeof *out);
    memcpy(out, head, wcslen(head) * sizeof *out);
    free(path);
    return out;
}

wchar_t *wi_windows_path(const char *path)
{
    if (strcmp(path, "/dev/null") == 0)
        path = "NUL";
    const int n = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, NULL, 0);
    wchar_t *wide = n > 0 ? malloc((size_t)n * sizeof *wide) : NULL;
    if (!wide) {
        errno = n > 0 ? ENOMEM : ENOENT;
        return NULL;
    }
    MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, wide, n);
    return full(wide);
}

char *wi_windows_utf8(const wchar_t *text)
{
    const int n = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
    char *out = n > 0 ? malloc((size_t)n) : NULL;
    if (out)
        WideCharToMultiByte(CP_UTF8, 0, text, -1, out, n, NULL, NULL);
    else
        errno = ENOMEM;
    return out;
}

char *wi_windows_utf8_path(const wchar_t *path)
{
    const bool is_long = wcsncmp(path, L"\\\\?\\", 4) == 0;
    const bool is_net = is_long && wcsncmp(path + 4, L"UNC\\", 4) == 0;
    char *out = wi_windows_utf8(path + (is_net ? 6 : is_long ? 4 : 0));
    if (out && is_net) /* the C of UNC */
        out[0] = '/';
    for (char *c = out; c && *c; c++)
        *c = *c == '\\' ? '/' : *c;
    return out;
}

/* ---- characters ---- */

const char *nl_langinfo(int item)
{
    return item == CODESET ? "UTF-8" : "";
}

size_t wi_posix_mbrtowc(wchar_t *out, const char *text, size_t n_bytes, mbstate_t *state)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *c = (const unsigned char *)text;
    (void)state;
    if (n_bytes == 0 || c[0] == 0)
        return 0;
    const size_t n = c[0] < 0x80             ? 1
                     : (c[0] & 0xe0) == 0xc0 ? 2
                     : (c[0] & 0xf0) == 0xe0 ? 3
                     : (c[0] & 0xf8) == 0xf0 ? 4
                                             : 0;
    uint32_t code = n == 1 ? c[0] : n == 0 ? 0 : c[0] & (0x7fu >> n);
    bool good = n > 0 && n <= n_bytes;
    for (size_t i = 1; good && i < n; i++) {
        good = (c[i] & 0xc0) == 0x80;
        code = code << 6 | (c[i] & 0x3f);
    }
    if (!good || code < least[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return (size_t)-1;
    *out = (wchar_t)(code < 0x10000 ? code : 0xd800 + ((code - 0x10000) >> 10));
    return n;
}

/* The blocks that terminals show two columns wide (Unicode's East Asian Width, and emoji), and combining marks. */
int wcwidth(wchar_t c)
{
    static const wchar_t wide[][2] = {
        {0x1100, 0x115f}, {0x2e80, 0xa4cf}, {0xa960, 0xa97f}, {0xac00, 0xd7a3}, {0xf900, 0xfaff},
        {0xfe30, 0xfe6f}, {0xff00, 0xff60}, {0xffe0, 0xffe6}, {0xd83c, 0xd83e}, {0xd840, 0xd8bf}};
    if (c < 0x20 || (c >= 0x7f && c < 0xa0))
        return -1;
    if ((c >= 0x300 && c < 0x370) || (c >= 0x200b && c <= 0x200f) || (c >= 0xfe00 && c <= 0xfe0f))
        return 0;
    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++)
        if (c >= wide[i][0] && c <= wide[i][1])
            return 2;
    return 1;
}

char *strndup(const char *text, size_t n_bytes)
{
    const size_t n = strnlen(text, n_bytes);
    char *copy = malloc(n + 1);
    if (copy) {
        memcpy(copy, text, n);
        copy[n] = '\0';
    }
    return copy;
}
