#include "paths.h"
#include "pull.h"
#include "term.h"
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

char *cli_text(const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int n = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = n < 0 ? NULL : malloc((size_t)n + 1);
    if (text) {
        vsnprintf(text, (size_t)n + 1, format, again);
    }
    va_end(again);
    return text;
}

char *cli_shell_word(const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    if (text[0] && strspn(text, plain) == strlen(text)) {
        return cli_text("%s", text);
    }
    char *out = malloc(4 * strlen(text) + 3), *at = out;
    if (out) {
        *at++ = '\'';
        for (; *text; text++) {
            static const char inner[] = "'\\''"; /* out, a quotation mark, and in again */
            const size_t n = *text == '\'' ? sizeof inner - 1 : 1;
            memcpy(at, n > 1 ? inner : text, n);
            at += n;
        }
        memcpy(at, "'", 2);
    }
    return out;
}

char *cli_percent_form(const char *path, const char *plain)
{
    size_t used = 0;
    char *out = malloc(3 * strlen(path) + 1);
    if (!out) {
        return NULL;
    }
    out[0] = '\0';
    for (const unsigned char *c = (const unsigned char *)path; *c; c++) {
        bool stays = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                     (*c >= '0' && *c <= '9') || strchr(plain, *c);
        used += (size_t)snprintf(out + used, 4, stays ? "%c" : "%%%02X", *c);
    }
    return out;
}

bool cli_list_add(cli_list *list, char *item)
{
    if (!item) {
        return false;
    }
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 16;
        char **items = realloc(list->items, capacity * sizeof *items);
        if (!items) {
            free(item);
            return false;
        }
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->n++] = item;
    return true;
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void cli_list_sort(cli_list *list)
{
    if (list->n > 1) {
        qsort(list->items, list->n, sizeof *list->items, compare_text);
    }
}

size_t cli_list_find(const cli_list *sorted, const char *text)
{
    char **found = sorted->n > 0 ? bsearch(&text, sorted->items, sorted->n, sizeof *sorted->items,
                                           compare_text)
                                 : NULL;
    return found ? (size_t)(found - sorted->items) : sorted->n;
}

size_t cli_list_lower(const cli_list *sorted, const char *prefix, size_t n_bytes)
{
    size_t low = 0, high = sorted->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strncmp(sorted->items[middle], prefix, n_bytes) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void cli_list_free(cli_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        free(list->items[i]);
    }
    free(list->items);
    *list = (cli_list){0};
}

/* A copy of what the library found; NULL when it found nothing. */
static char *found(wi_status status, const char *path)
{
    return status == WI_OK ? cli_text("%s", path) : NULL;
}

char *cli_data_path(const char *name)
{
    char path[PATH_MAX];
    return found(wi_user_path(WI_USER_DATA, name, path, sizeof path, NULL), path);
}

char *cli_cache_path(const char *name)
{
    char path[PATH_MAX];
    return found(wi_user_path(WI_USER_CACHE, name, path, sizeof path, NULL), path);
}

bool cli_is_absolute(const char *path)
{
#ifdef _WIN32
    if (path[0] && path[1] == ':' && (path[2] == '/' || path[2] == '\\')) {
        return true;
    }
#endif
    return path[0] == '/';
}

bool cli_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

bool cli_is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool cli_is_special(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

bool cli_ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), n_end = strlen(end);
    return n >= n_end && !strcmp(text + n - n_end, end);
}

char *cli_share_path(const char *name)
{
    char path[PATH_MAX];
    return found(wi_shipped_find(name, path, sizeof path, NULL), path);
}

bool cli_make_folders(const char *path)
{
    char *copy = cli_text("%s", path);
    if (!copy) {
        errno = ENOMEM;
        return false;
    }
    bool made = true, last = false;
    for (char *slash = copy + 1; made && !last; slash++) {
        slash += strcspn(slash, "/");
        last = !*slash;
        *slash = '\0';
        if (mkdir(copy, 0777) != 0) {
            int number = errno;
            made = cli_is_folder(copy);
            errno = number == EEXIST ? ENOTDIR : number;
        }
        *slash = last ? '\0' : '/';
    }
    int number = errno;
    free(copy);
    errno = number;
    return made;
}

bool cli_name_ok(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > 100 || name[0] == '.' || name[0] == '-') {
        return false;
    }
    for (const char *c = name; *c; c++) {
        if (*c == '/' || *c == '\\' || (unsigned char)*c < 0x20 || *c == 0x7f) {
            return false;
        }
    }
    return true;
}

bool cli_list_names(const char *folder, const char *suffix, cli_list *names)
{
    DIR *directory = folder ? opendir(folder) : NULL;
    struct dirent *entry;
    bool done = true;
    while (directory && done && (entry = readdir(directory))) {
        size_t n = strlen(entry->d_name), n_suffix = strlen(suffix);
        if (entry->d_name[0] != '.' && n > n_suffix && cli_ends_with(entry->d_name, suffix)) {
            done = cli_list_add(names, cli_text("%.*s", (int)(n - n_suffix), entry->d_name));
        }
    }
    if (directory) {
        closedir(directory);
    }
    return done;
}

/* NULL: what $WHATSIT_MODEL says, else the built-in one. */
static const char *wanted_model(const char *name, const char **from, bool *by_default)
{
    const char *variable = getenv("WHATSIT_MODEL");
    *from = name ? "" : "$WHATSIT_MODEL: ";
    *by_default = !name && (!variable || !variable[0]);
    return name ? name : *by_default ? WI_DEFAULT_MODEL : variable;
}

static bool is_bare(const char *name)
{
    return !strchr(name, '/') && cli_name_ok(name);
}

char *cli_model_find(const char *name)
{
    char path[PATH_MAX];
    return found(wi_model_find(name, path, sizeof path, NULL), path);
}

char *cli_model_path(cli_app *app, const char *name)
{
    const char *from;
    bool by_default;
    char *path = cli_model_find(name);
    if (path) {
        return path;
    }
    name = wanted_model(name, &from, &by_default);
    if (by_default) {
        cli_error(app,
                  "the built-in model whatsit-nano is not beside the program: give another with "
                  "--model");
    } else if (cli_pull_alias(name)) {
        char hint[CLI_PULL_HINT];
        cli_error(app, "%sthere is no model '%s' here yet: %s", from, name,
                  cli_pull_hint(name, hint));
    } else if (is_bare(name) && !strchr(name, '.')) {
        cli_error(app, "%sthere is no model '%s': 'whatsit model list' shows what is here", from,
                  name);
    } else {
        cli_error(app, "%s%s: no such file or folder", from, name);
    }
    return NULL;
}
