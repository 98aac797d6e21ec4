#define _DEFAULT_SOURCE /* nftw's flags and inotify */
#include "watch.h"
#include "paths.h"
#include "term.h"
#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum { QUIET_MS = 1000, LOOK_MS = 500, LONG_MS = 20000, OPEN_FOLDERS = 32 };

/* nftw's visitor takes no context. One thread watches at a time. */
static struct {
    int fd;
    int number; /* errno of the first folder that could not be watched */
} watching;

static int add_folder(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)where;
    if (kind == FTW_D &&
        inotify_add_watch(watching.fd, path,
                          IN_CREATE | IN_CLOSE_WRITE | IN_MOVE | IN_DELETE | IN_DELETE_SELF |
                              IN_ATTRIB | IN_ONLYDIR) < 0 &&
        errno != ENOENT && errno != EACCES && watching.number == 0) {
        watching.number = errno;
    }
    return cli_interrupted() || watching.number != 0;
}

static cli_watched look_at(const char *path)
{
    struct stat info;
    const bool there = stat(path, &info) == 0;
    return (cli_watched){NULL, there ? (uint64_t)info.st_dev : 0,
                         there ? (uint64_t)info.st_ino : 0};
}

static void forget_roots(cli_watch *watch)
{
    for (size_t i = 0; i < watch->n_roots; i++) {
        free(watch->roots[i].path);
    }
    free(watch->roots);
    watch->roots = NULL;
    watch->n_roots = 0;
}

static bool add_all(cli_app *app, const catalog_root *roots, size_t n, cli_watch *watch)
{
    watching.fd = watch->fd;
    watching.number = 0;
    forget_roots(watch);
    watch->roots = calloc(n + 1, sizeof *watch->roots);
    for (size_t i = 0; i < n && watching.number == 0 && watch->roots; i++) {
        watch->roots[i] = look_at(roots[i].path);
        watch->roots[i].path = cli_text("%s", roots[i].path);
        watch->n_roots++;
        nftw(roots[i].path, add_folder, OPEN_FOLDERS, FTW_PHYS);
    }
    if (watching.number != 0 || !watch->roots) {
        cli_error(app, "folders cannot be watched: %s%s",
                  watch->roots ? strerror(watching.number) : "out of memory",
                  watching.number == ENOSPC ? " (raise fs.inotify.max_user_watches)" : "");
        return false;
    }
    return true;
}

bool cli_watch_folders(cli_app *app, catalog *cat, cli_watch *watch)
{
    wi_error error = {0};
    catalog_root *roots = NULL;
    size_t n = 0;
    bool good = false;
    if (watch->fd < 0 && (watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) < 0) {
        cli_error(app, "folders cannot be watched: %s", strerror(errno));
    } else if (catalog_roots(cat, &roots, &n, &error) != WI_OK) {
        cli_failed(app, NULL, &error);
    } else {
        good = add_all(app, roots, n, watch);
    }
    catalog_free_roots(roots, n);
    return good;
}

/* True when events came; they are thrown away, since an update looks at everything. */
static bool drain(const cli_watch *watch, int timeout_ms)
{
    char events[1 << 14];
    struct pollfd wait = {.fd = watch->fd, .events = POLLIN};
    return poll(&wait, 1, timeout_ms) > 0 && read(watch->fd, events, sizeof events) > 0;
}

/* A drive that comes is no event for what watched the folder below it, or nothing. */
static bool is_another_drive(const cli_watch *watch)
{
    bool differs = false;
    for (size_t i = 0; i < watch->n_roots && !differs; i++) {
        const cli_watched now = look_at(watch->roots[i].path);
        differs = now.device != watch->roots[i].device || now.inode != watch->roots[i].inode;
    }
    return differs;
}

bool cli_watch_wait(const cli_watch *watch)
{
    bool changed = false;
    while (!changed && !cli_interrupted()) {
        changed = drain(watch, LOOK_MS) || is_another_drive(watch);
    }
    const double since = cli_now_ms();
    while (!cli_interrupted() && cli_now_ms() - since < LONG_MS && drain(watch, QUIET_MS)) {
    }
    return !cli_interrupted();
}

void cli_watch_close(cli_watch *watch)
{
    forget_roots(watch);
    if (watch->fd >= 0) {
        close(watch->fd);
        watch->fd = -1;
    }
}
