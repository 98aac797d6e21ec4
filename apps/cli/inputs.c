#include "inputs.h"
#include "term.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { MAX_DEPTH = 64 };

/* The folders from the operand down to the one being read: a link back to one of them is a loop. */
typedef struct walk {
    cli_app *app;
    cli_list *paths;
    struct {
        dev_t device;
        ino_t inode;
    } above[MAX_DEPTH];
    size_t depth;
    int status;
} walk;

static bool is_picture_name(const char *name)
{
    static const char *const endings[] = {".jpg", ".jpeg", ".jpe",  ".jfif", ".png", ".webp",
                                          ".gif", ".bmp",  ".heic", ".heif", ".avif"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof endings[0]; i++) {
        if (!strcasecmp(dot, endings[i])) {
            return true;
        }
    }
    return false;
}

static void fail(walk *w, const char *path, const char *why)
{
    cli_error(w->app, "%s: %s", path, why);
    w->status = CLI_FAILED;
}

/* Names in folder that do not begin with a dot, sorted. */
static void read_names(walk *w, const char *folder, cli_list *names)
{
    DIR *directory = opendir(folder);
    if (!directory) {
        fail(w, folder, strerror(errno));
        return;
    }
    struct dirent *entry;
    while ((entry = readdir(directory))) {
        if (entry->d_name[0] != '.' && !cli_list_add(names, cli_text("%s", entry->d_name))) {
            fail(w, folder, "out of memory");
            break;
        }
    }
    closedir(directory);
    cli_list_sort(names);
}

static bool is_loop(const walk *w, const struct stat *info)
{
    for (size_t i = 0; i < w->depth; i++) {
        if (w->above[i].device == info->st_dev && w->above[i].inode == info->st_ino) {
            return true;
        }
    }
    return false;
}

static void walk_folder(walk *w, const char *folder, const struct stat *info)
{
    if (w->depth == MAX_DEPTH) {
        fail(w, folder, "folders are nested too deeply here");
        return;
    }
    w->above[w->depth].device = info->st_dev;
    w->above[w->depth].inode = info->st_ino;
    w->depth++;
    cli_list names = {0};
    read_names(w, folder, &names);
    size_t n_folder = strlen(folder);
    const char *slash = n_folder > 0 && folder[n_folder - 1] == '/' ? "" : "/";
    for (size_t i = 0; i < names.n && !cli_interrupted(); i++) {
        struct stat inside;
        char *path = cli_text("%s%s%s", folder, slash, names.items[i]);
        if (!path) {
            fail(w, folder, "out of memory");
            break;
        }
        bool there = stat(path, &inside) == 0;
        if (there && S_ISDIR(inside.st_mode)) {
            if (!is_loop(w, &inside)) {
                walk_folder(w, path, &inside);
            }
            free(path);
        } else if (is_picture_name(names.items[i]) && (!there || S_ISREG(inside.st_mode))) {
            /* A dangling link is kept: it is reported when it is opened. */
            if (!cli_list_add(w->paths, path)) {
                fail(w, folder, "out of memory");
            }
        } else {
            free(path);
        }
    }
    cli_list_free(&names);
    w->depth--;
}

int cli_inputs_walk(cli_app *app, const char *folder, cli_list *paths)
{
    struct stat info;
    walk w = {.app = app, .paths = paths, .status = CLI_OK};
    if (stat(folder, &info) != 0) {
        fail(&w, folder, strerror(errno));
    } else {
        walk_folder(&w, folder, &info);
    }
    return w.status;
}

int cli_inputs_add(cli_app *app, const char *operand, cli_list *paths)
{
    struct stat info;
    walk w = {.app = app, .paths = paths, .status = CLI_OK};
    if (strcmp(operand, "-") && stat(operand, &info) == 0 && S_ISDIR(info.st_mode)) {
        size_t before = paths->n;
        walk_folder(&w, operand, &info);
        if (paths->n == before && w.status == CLI_OK && !cli_interrupted()) {
            fail(&w, operand, "no pictures in this folder");
        }
    } else if (!cli_list_add(paths, cli_text("%s", operand))) {
        fail(&w, operand, "out of memory");
    }
    return w.status;
}
