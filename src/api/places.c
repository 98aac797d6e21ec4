/* The only file of the library that reads the environment. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr */
#endif
#include <whatsit/places.h>

#include "base/error.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_PATH = 4096 };

/* "A/B/C" and what follows; false when it does not fit. */
static bool join(char path[MAX_PATH], const char *a, const char *b, const char *c, const char *end)
{
    const int n = snprintf(path, MAX_PATH, "%s/%s%s%s", a, b, c, end);
    return n > 0 && n < MAX_PATH;
}

static bool is_there(const char *path, bool folder)
{
    struct stat info;
    return stat(path, &info) == 0 && (!folder || S_ISDIR(info.st_mode));
}

static wi_status give(const char *found, char *path, size_t path_bytes, wi_error *error)
{
    const size_t n = strlen(found) + 1;
    if (n > path_bytes)
        return wi_fail(error, WI_ERR_LIMIT, "a path of %zu bytes, and room for %zu", n, path_bytes);
    memcpy(path, found, n);
    return WI_OK;
}

/* ---- the user's folders ---- */

static bool user_path(wi_user_folder folder, const char *name, const char *end, char path[MAX_PATH])
{
    const bool data = folder == WI_USER_DATA;
    const char *base = getenv(data ? "XDG_DATA_HOME" : "XDG_CACHE_HOME"), *home = getenv("HOME");
    if (base && base[0] == '/')
        return join(path, base, "whatsit/", name, end);
    return home && home[0] &&
           join(path, home, data ? ".local/share/whatsit/" : ".cache/whatsit/", name, end);
}

wi_status wi_user_path(wi_user_folder folder, const char *name, char *path, size_t path_bytes,
                       wi_error *error)
{
    char whole[MAX_PATH];
    if (!name || !path || (folder != WI_USER_DATA && folder != WI_USER_CACHE))
        return wi_fail(error, WI_ERR_ARG, "wi_user_path: a folder, a name and room are needed");
    if (!user_path(folder, name, "", whole))
        return wi_fail(error, WI_ERR_NOT_FOUND, "there is no home folder for '%s'", name);
    return give(whole, path, path_bytes, error);
}

/* ---- what is shipped ---- */

/* The folder of the program, or of the file that this function is in; "" when it cannot be known. */
static void folder_of(bool program, char folder[MAX_PATH])
{
    ssize_t n = 0;
    Dl_info info;
    if (program) {
        n = readlink("/proc/self/exe", folder, MAX_PATH - 1);
    } else if (dladdr((void *)(uintptr_t)wi_shipped_find, &info) && info.dli_fname &&
               strlen(info.dli_fname) < MAX_PATH) {
        n = (ssize_t)strlen(strcpy(folder, info.dli_fname));
    }
    folder[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(folder, '/');
    if (slash)
        *slash = '\0';
    else
        folder[0] = '\0';
}

static bool shipped(const char *name, const char *end, bool is_folder, char path[MAX_PATH])
{
    static const char *const beside[] = {"", "../", "share/", "../share/whatsit/",
                                         "../../share/whatsit/"};
    const char *share = getenv("WHATSIT_SHARE");
    if (share && share[0] && join(path, share, "", name, end) && is_there(path, is_folder))
        return true;
    for (int program = 1; program >= 0; program--) {
        char folder[MAX_PATH];
        folder_of(program, folder);
        for (size_t i = 0; folder[0] && i < sizeof beside / sizeof *beside; i++)
            if (join(path, folder, beside[i], name, end) && is_there(path, is_folder))
                return true;
    }
    return false;
}

wi_status wi_shipped_find(const char *name, char *path, size_t path_bytes, wi_error *error)
{
    char found[MAX_PATH];
    if (!name || !path)
        return wi_fail(error, WI_ERR_ARG, "wi_shipped_find: a name and room are needed");
    if (!shipped(name, "", false, found))
        return wi_fail(error, WI_ERR_NOT_FOUND, "%s is not beside the program or the library",
                       name);
    return give(found, path, path_bytes, error);
}

/* ---- models ---- */

/* A file NAME.gguf, or a folder NAME. */
static bool named_model(const char *name, char path[MAX_PATH])
{
    char beside[MAX_PATH];
    if (snprintf(beside, sizeof beside, "models/%s", name) >= (int)sizeof beside)
        return false;
    return (user_path(WI_USER_DATA, beside, ".gguf", path) && is_there(path, false)) ||
           (user_path(WI_USER_DATA, beside, "", path) && is_there(path, true)) ||
           shipped(beside, ".gguf", false, path) || shipped(beside, "", true, path);
}

wi_status wi_model_find(const char *name, char *path, size_t path_bytes, wi_error *error)
{
    char found[MAX_PATH];
    if (!path)
        return wi_fail(error, WI_ERR_ARG, "wi_model_find: room for a path is needed");
    const char *variable = name ? NULL : getenv("WHATSIT_MODEL");
    const bool by_default = !name && (!variable || !variable[0]);
    const char *wanted = name ? name : by_default ? WI_DEFAULT_MODEL : variable;
    if (wanted[0] && wanted[0] != '.' && wanted[0] != '-' && !strchr(wanted, '/') &&
        named_model(wanted, found))
        return give(found, path, path_bytes, error);
    if (!by_default && is_there(wanted, false))
        return give(wanted, path, path_bytes, error);
    return wi_fail(error, WI_ERR_NOT_FOUND, "%s%s: there is no such model",
                   name || by_default ? "" : "$WHATSIT_MODEL: ", wanted);
}
