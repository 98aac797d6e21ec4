#define _DEFAULT_SOURCE /* nftw's flags and inotify */
#include "watch.h"
#include "term.h"
#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

enum { QUIET_MS = 1000, LOOK_MS = 500, OPEN_FOLDERS = 32 };

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

static bool add_all(cli_app *app, catalog *cat)
{
    wi_error error = {0};
    catalog_root *roots = NULL;
    size_t n = 0;
    if (catalog_roots(cat, &roots, &n, &error) != WI_OK) {
        cli_failed(app, NULL, &error);
        return false;
    }
    for (size_t i = 0; i < n && watching.number == 0; i++) {
        nftw(roots[i].path, add_folder, OPEN_FOLDERS, FTW_PHYS);
    }
    catalog_free_roots(roots, n);
    if (watching.number != 0) {
        cli_error(app, "folders cannot be watched: %s%s", strerror(watching.number),
                  watching.number == ENOSPC ? " (raise fs.inotify.max_user_watches)" : "");
    }
    return watching.number == 0;
}

/* True when events came; they are thrown away, since an update looks at everything. */
static bool drain(int timeout_ms)
{
    char events[1 << 14];
    struct pollfd wait = {.fd = watching.fd, .events = POLLIN};
    return poll(&wait, 1, timeout_ms) > 0 && read(watching.fd, events, sizeof events) > 0;
}

bool cli_watch_wait(cli_app *app, catalog *cat)
{
    watching.number = 0;
    watching.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watching.fd < 0) {
        cli_error(app, "folders cannot be watched: %s", strerror(errno));
        return false;
    }
    bool good = add_all(app, cat), changed = false;
    while (good && !changed && !cli_interrupted()) {
        changed = drain(LOOK_MS);
    }
    while (good && !cli_interrupted() && drain(QUIET_MS)) {
    }
    close(watching.fd);
    return good && !cli_interrupted();
}
