#include "thumbnails.h"
#include "jpeg.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A hash's first byte names a folder, so that none holds very many files. */
enum { N_FOLDERS = 256, QUALITY = 80, PATH_BYTES = 4096, DAY_S = 86400 };

struct srv_thumbnails {
    const char *folder; /* NULL: nothing is kept */
    int64_t most_bytes;
    pthread_mutex_t mutex;
    int64_t n_bytes; /* kept here, as far as this process knows; -1: not counted yet */
    uint64_t n_made; /* names of what is being written */
};

/* One file of the folder. */
typedef struct kept {
    char name[80];
    unsigned folder;
    int64_t n_bytes, used_s;
} kept;

typedef struct kept_list {
    kept *all;
    size_t n, capacity;
} kept_list;

wi_status srv_thumbnails_open(const char *folder, int64_t most_bytes, srv_thumbnails **out,
                              wi_error *error)
{
    srv_thumbnails *t = calloc(1, sizeof *t);
    if (!t) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    pthread_mutex_init(&t->mutex, NULL);
    t->folder = most_bytes > 0 ? folder : NULL;
    t->most_bytes = most_bytes;
    t->n_bytes = -1;
    *out = t;
    return WI_OK;
}

void srv_thumbnails_close(srv_thumbnails **thumbnails)
{
    if (*thumbnails) {
        pthread_mutex_destroy(&(*thumbnails)->mutex);
    }
    free(*thumbnails);
    *thumbnails = NULL;
}

/* FOLDER/ab/abcdef...-320.jpg; false when the path is too long. */
static bool path_of(const srv_thumbnails *t, const uint8_t sha[CATALOG_SHA_BYTES], uint32_t size_px,
                    char path[PATH_BYTES])
{
    char hex[2 * CATALOG_SHA_BYTES + 1];
    catalog_hex(sha, hex);
    const int n =
        snprintf(path, PATH_BYTES, "%s/%.2s/%s-%u.jpg", t->folder, hex, hex, (unsigned)size_px);
    return n > 0 && n < PATH_BYTES - 40; /* and room for what is being written */
}

int srv_thumbnails_find(srv_thumbnails *t, const uint8_t sha[CATALOG_SHA_BYTES], uint32_t size_px,
                        uint64_t *n_bytes)
{
    char path[PATH_BYTES];
    struct stat info;
    int fd = t->folder && path_of(t, sha, size_px, path)
                 ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
                 : -1;
    if (fd >= 0 && (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size == 0)) {
        close(fd);
        fd = -1;
    }
    if (fd >= 0) {
        *n_bytes = (uint64_t)info.st_size;
        if (info.st_mtim.tv_sec + DAY_S < time(NULL)) { /* the time says when it was of use */
            (void)utimensat(AT_FDCWD, path, NULL, 0);
        }
    }
    return fd;
}

/* ---- room ---- */

static bool add(kept_list *list, const kept *one)
{
    if (list->n == list->capacity) {
        const size_t capacity = list->capacity ? 2 * list->capacity : 1024;
        kept *all = realloc(list->all, capacity * sizeof *all);
        if (!all) {
            return false;
        }
        list->all = all;
        list->capacity = capacity;
    }
    list->all[list->n++] = *one;
    return true;
}

/* What lies there, and how much it is together; also what others wrote. */
static int64_t count(const srv_thumbnails *t, kept_list *list)
{
    int64_t total = 0;
    for (unsigned i = 0; i < N_FOLDERS; i++) {
        char path[PATH_BYTES];
        snprintf(path, sizeof path, "%s/%02x", t->folder, i);
        DIR *folder = opendir(path);
        const struct dirent *entry;
        struct stat info;
        while (folder && (entry = readdir(folder))) {
            kept one = {.folder = i};
            if (strlen(entry->d_name) >= sizeof one.name ||
                fstatat(dirfd(folder), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
                !S_ISREG(info.st_mode)) {
                continue;
            }
            strcpy(one.name, entry->d_name);
            one.n_bytes = (int64_t)info.st_size;
            one.used_s = (int64_t)info.st_mtim.tv_sec;
            total += one.n_bytes;
            if (list && !add(list, &one)) {
                break;
            }
        }
        if (folder) {
            closedir(folder);
        }
    }
    return total;
}

static int oldest_first(const void *a, const void *b)
{
    const kept *x = a, *y = b;
    return (x->used_s > y->used_s) - (x->used_s < y->used_s);
}

/* Down to three quarters, so that this is seldom. With the mutex held. */
static void make_room(srv_thumbnails *t)
{
    kept_list list = {0};
    t->n_bytes = count(t, &list);
    if (list.n > 1) {
        qsort(list.all, list.n, sizeof *list.all, oldest_first);
    }
    for (size_t i = 0; i < list.n && t->n_bytes > t->most_bytes / 4 * 3; i++) {
        char path[PATH_BYTES];
        snprintf(path, sizeof path, "%s/%02x/%s", t->folder, list.all[i].folder, list.all[i].name);
        if (unlink(path) == 0) {
            t->n_bytes -= list.all[i].n_bytes;
        }
    }
    free(list.all);
}

/* ---- keeping ---- */

static bool make_folders(const char *path)
{
    char text[PATH_BYTES];
    snprintf(text, sizeof text, "%s", path);
    for (char *slash = strchr(text + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(text, 0700) != 0 && errno != EEXIST) {
            return false;
        }
        *slash = '/';
    }
    return true;
}

/* Beside its place and then into it: nobody reads half of one. Not synced, since it can be made again; one that a
 * power cut emptied counts as none. */
static bool put(const char *path, const char *beside, const void *bytes, size_t n_bytes)
{
    const int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return false;
    }
    const bool good = write(fd, bytes, n_bytes) == (ssize_t)n_bytes;
    if (close(fd) == 0 && good && rename(beside, path) == 0) {
        return true;
    }
    unlink(beside);
    return false;
}

void srv_thumbnails_keep(srv_thumbnails *t, const uint8_t sha[CATALOG_SHA_BYTES], uint32_t size_px,
                         const void *jpeg, size_t n_bytes)
{
    char path[PATH_BYTES], beside[PATH_BYTES];
    if (!t->folder || (int64_t)n_bytes > t->most_bytes || !path_of(t, sha, size_px, path) ||
        !make_folders(path)) {
        return;
    }
    pthread_mutex_lock(&t->mutex);
    if (t->n_bytes < 0) {
        t->n_bytes = count(t, NULL);
    }
    const uint64_t number = t->n_made++;
    t->n_bytes += (int64_t)n_bytes;
    if (t->n_bytes > t->most_bytes) {
        make_room(t);
        t->n_bytes += (int64_t)n_bytes;
    }
    pthread_mutex_unlock(&t->mutex);
    char *slash = strrchr(strcpy(beside, path), '/');
    snprintf(slash + 1, (size_t)(beside + sizeof beside - slash - 1), "new-%ld-%llu",
             (long)getpid(), (unsigned long long)number);
    put(path, beside, jpeg, n_bytes);
}

/* ---- making ---- */

/* The longer side is size_px, and the other as much less as the decoder's resizing made it (Python's round). */
static uint32_t side_of(uint32_t side, uint32_t longer, uint32_t size_px)
{
    const double resized = rint((double)side / ((double)longer / size_px));
    return resized < 1 ? 1 : (uint32_t)resized;
}

wi_status srv_thumbnail_make(srv_decoder *decoder, const srv_asker *asker, const void *bytes,
                             size_t n_bytes, uint32_t size_px, uint8_t **jpeg, size_t *n_jpeg,
                             wi_error *error)
{
    const wi_preprocess how = {
        .size_px = size_px, .mode = WI_RESIZE_LONGEST, .interpolation = WI_BICUBIC, .fill = 255};
    srv_decoded seen;
    uint8_t *pixels = malloc((size_t)size_px * size_px * 3);
    if (!pixels) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    wi_status status = srv_decode(decoder, asker, bytes, n_bytes, NULL, &how, pixels, &seen, error);
    if (status == WI_OK && (seen.width_px == 0 || seen.height_px == 0)) {
        status = store_fail(error, WI_ERR_FORMAT, "the picture has no pixels");
    }
    if (status == WI_OK) {
        const uint32_t longer = seen.width_px > seen.height_px ? seen.width_px : seen.height_px;
        const uint32_t width = side_of(seen.width_px, longer, size_px);
        const uint32_t height = side_of(seen.height_px, longer, size_px);
        const size_t left = (size_px - width) / 2, above = (size_px - height) / 2;
        status = srv_jpeg_write(pixels + (above * size_px + left) * 3, width, height, size_px,
                                QUALITY, jpeg, n_jpeg, error);
    }
    free(pixels);
    return status;
}
