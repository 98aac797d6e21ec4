#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

struct wi_posix_folder {
    HANDLE search;
    WIN32_FIND_DATAW found;
    bool first; /* found was not given yet */
    struct dirent entry;
};

DIR *opendir(const char *path)
{
    const size_t n = strlen(path);
    char *all = malloc(n + 3);
    DIR *folder = all ? malloc(sizeof *folder) : NULL;
    if (folder)
        snprintf(all, n + 3, "%s/*", n ? path : ".");
    wchar_t *wide = folder ? wi_windows_path(all) : NULL;
    free(all);
    if (!wide) {
        free(folder);
        return NULL;
    }
    folder->first = true;
    folder->search = FindFirstFileW(wide, &folder->found);
    free(wide);
    if (folder->search == INVALID_HANDLE_VALUE) {
        wi_windows_failed();
        free(folder);
        return NULL;
    }
    return folder;
}

struct dirent *readdir(DIR *folder)
{
    if (!folder->first && !FindNextFileW(folder->search, &folder->found)) {
        if (GetLastError() != ERROR_NO_MORE_FILES)
            wi_windows_failed();
        return NULL;
    }
    folder->first = false;
    char *name = wi_windows_utf8(folder->found.cFileName);
    if (!name)
        return NULL;
    snprintf(folder->entry.d_name, sizeof folder->entry.d_name, "%s", name);
    free(name);
    return &folder->entry;
}

int closedir(DIR *folder)
{
    FindClose(folder->search);
    free(folder);
    return 0;
}

/* ---- patterns ---- */

/* Behind the '[' at class: does c fit? *end: behind its ']'; NULL: there is none, and '[' is plain. */
static bool fits_class(const char *class, char c, const char **end)
{
    const bool inverted = *class == '!' || *class == '^';
    const char *at = class + (inverted ? 1 : 0);
    bool found = false;
    *end = NULL;
    do {
        if (!*at)
            return false;
        const char low = *at++;
        char high = low;
        if (at[0] == '-' && at[1] && at[1] != ']') {
            high = at[1];
            at += 2;
        }
        found = found ||
                ((unsigned char)c >= (unsigned char)low && (unsigned char)c <= (unsigned char)high);
    } while (*at != ']');
    *end = at + 1;
    return found != inverted;
}

/* How many bytes of the pattern stand for one byte that c fits; 0: it does not. */
static size_t fits_one(const char *pattern, char c)
{
    const char *end = NULL;
    if (!c || !*pattern)
        return 0;
    if (*pattern == '?')
        return 1;
    if (*pattern == '[') {
        const bool fits = fits_class(pattern + 1, c, &end);
        if (end)
            return fits ? (size_t)(end - pattern) : 0;
    }
    if (*pattern == '\\' && pattern[1])
        return pattern[1] == c ? 2 : 0;
    return *pattern == c ? 1 : 0;
}

int fnmatch(const char *pattern, const char *name, int flags)
{
    const char *star = NULL, *from = NULL; /* the last '*', and the name where it ends for now */
    (void)flags;
    while (*name || *pattern == '*') {
        const size_t n = *pattern == '*' ? 0 : fits_one(pattern, *name);
        if (*pattern == '*') {
            star = ++pattern;
            from = name;
        } else if (n > 0) {
            pattern += n;
            name++;
        } else if (star && *name) {
            pattern = star;
            name = ++from;
        } else {
            return 1;
        }
    }
    return *pattern ? 1 : 0;
}
