/* The cache: one file per model, records of the photo's SHA-256, its embedding and a checksum, only
 * ever appended to. A record that is cut off or damaged is as if it were not there. */
#include "vectors.h"
#include "encode.h"
#include "term.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READING = 2, KEY = 64, CHECK = 16, MAX_CACHE_BYTES = 1 << 30 };

typedef struct cache {
    int fd; /* -1: none */
    uint8_t *bytes;
    size_t n, record; /* records; bytes of one */
    const uint8_t **sorted;
} cache;

typedef struct work {
    cli_vectors *out;
    cache *cache;
    const char (*keys)[KEY + 1]; /* "" for photos that are not kept */
    size_t *misses;              /* indices of the photos to encode */
    size_t n_done;
    uint8_t *record;
    cli_app *app;
} work;

static int compare_keys(const void *a, const void *b)
{
    return memcmp(*(const uint8_t *const *)a, *(const uint8_t *const *)b, KEY);
}

static void checksum(const uint8_t *record, size_t n_bytes, char check[KEY + 1])
{
    wi_digest *digest = NULL;
    memset(check, 0, KEY + 1);
    if (wi_digest_open(&digest, NULL) == WI_OK) {
        wi_digest_update(digest, record, n_bytes);
        wi_digest_finish(digest, check);
    }
    wi_digest_close(&digest);
}

/* A crash or a full disk may have left part of a record: what follows must start at a whole one. */
static void read_cache(cache *c)
{
    struct stat info;
    if (flock(c->fd, LOCK_EX) != 0 || fstat(c->fd, &info) != 0) {
        return;
    }
    size_t n_bytes = info.st_size > MAX_CACHE_BYTES ? 0 : (size_t)info.st_size;
    n_bytes -= n_bytes % c->record;
    if ((off_t)n_bytes != info.st_size && ftruncate(c->fd, (off_t)n_bytes) != 0) {
        n_bytes = 0;
    }
    c->bytes = malloc(n_bytes + 1);
    c->sorted = calloc(n_bytes / c->record + 1, sizeof *c->sorted);
    size_t got = 0;
    ssize_t some = 1;
    while (c->bytes && got < n_bytes && some > 0) {
        some = pread(c->fd, c->bytes + got, n_bytes - got, (off_t)got);
        got += some > 0 ? (size_t)some : 0;
    }
    flock(c->fd, LOCK_UN);
    for (size_t i = 0; c->sorted && c->bytes && (i + 1) * c->record <= got; i++) {
        c->sorted[c->n++] = c->bytes + i * c->record;
    }
    if (c->n > 1) {
        qsort(c->sorted, c->n, sizeof *c->sorted, compare_keys);
    }
}

static void open_cache(const cli_runtime *runtime, cache *c)
{
    char *folder = cli_cache_path("vectors");
    char *path = folder ? cli_text("%s/%s.bin", folder, runtime->info.fingerprint) : NULL;
    c->record = KEY + runtime->info.embedding_dim * sizeof(float) + CHECK;
    if (path && cli_make_folders(folder)) {
        c->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        if (c->fd >= 0) {
            read_cache(c);
        }
    }
    free(folder);
    free(path);
}

static void close_cache(cache *c)
{
    if (c->fd >= 0) {
        close(c->fd);
    }
    free(c->bytes);
    free((void *)c->sorted);
}

static bool look_up(const cache *c, const char *key, float *row)
{
    char check[KEY + 1];
    const uint8_t *wanted = (const uint8_t *)key;
    const uint8_t **found =
        c->n ? bsearch(&wanted, c->sorted, c->n, sizeof *c->sorted, compare_keys) : NULL;
    if (!found) {
        return false;
    }
    size_t n_checked = c->record - CHECK;
    checksum(*found, n_checked, check);
    if (memcmp(check, *found + n_checked, CHECK) != 0) {
        return false;
    }
    memcpy(row, *found + KEY, n_checked - KEY);
    return true;
}

static void keep(work *w, const char *key, const float *row)
{
    cache *c = w->cache;
    char check[KEY + 1];
    if (c->fd < 0 || !key[0]) {
        return;
    }
    size_t n_checked = c->record - CHECK;
    memcpy(w->record, key, KEY);
    memcpy(w->record + KEY, row, n_checked - KEY);
    checksum(w->record, n_checked, check);
    memcpy(w->record + n_checked, check, CHECK);
    flock(c->fd, LOCK_EX);
    off_t end = lseek(c->fd, 0, SEEK_END);
    ssize_t n = write(c->fd, w->record, c->record);
    int number = errno;
    if (n >= 0 && n != (ssize_t)c->record && ftruncate(c->fd, end) != 0) {
        number = errno; /* whoever opens it next cuts the part off */
    }
    flock(c->fd, LOCK_UN);
    if (n != (ssize_t)c->record) {
        cli_note(w->app, "the cache of embeddings cannot be written: %s",
                 n < 0 ? strerror(number) : "no space");
        close(c->fd);
        c->fd = -1;
    }
}

/* The photo's content and what else decides its embedding; "" when it cannot be read or stands on a
 * pipe. */
static void key_of(const char *path, const wi_image_options *how, char key[KEY + 1])
{
    struct stat info;
    wi_digest *digest = NULL;
    uint8_t buffer[1 << 14];
    size_t n;
    key[0] = '\0';
    if (!strcmp(path, "-") || stat(path, &info) != 0 || !S_ISREG(info.st_mode)) {
        return;
    }
    FILE *file = fopen(path, "rb");
    if (file && wi_digest_open(&digest, NULL) == WI_OK) {
        /* READING: raised when the default way to read pictures gives other pixels. */
        char words[64];
        int n_words =
            snprintf(words, sizeof words, "reading %d, exif %d, exact %d, alpha %d, strict %d",
                     READING, !how->ignore_exif, how->exact, (int)how->alpha, how->strict);
        wi_digest_update(digest, words, (size_t)n_words);
        while ((n = fread(buffer, 1, sizeof buffer, file)) > 0) {
            wi_digest_update(digest, buffer, n);
        }
        if (!ferror(file)) {
            wi_digest_finish(digest, key);
        }
    }
    wi_digest_close(&digest);
    if (file) {
        fclose(file);
    }
}

static bool take(void *context, const cli_item *item, const float *embedding, double encode_ms)
{
    work *w = context;
    size_t index = w->misses[w->n_done++];
    (void)item;
    (void)encode_ms;
    if (embedding) {
        float *row = w->out->rows + index * w->out->dim;
        memcpy(row, embedding, w->out->dim * sizeof *row);
        w->out->good[index] = true;
        w->out->n_good++;
        keep(w, w->keys[index], row);
    }
    return true;
}

static int encode_misses(const cli_runtime *runtime, const cli_list *paths,
                         const cli_vectors_options *options, work *w, size_t n_misses)
{
    cli_list wanted = {calloc(n_misses + 1, sizeof(char *)), n_misses, n_misses};
    if (!wanted.items) {
        cli_error(runtime->app, "out of memory");
        return CLI_FAILED;
    }
    for (size_t i = 0; i < n_misses; i++) {
        wanted.items[i] = paths->items[w->misses[i]];
    }
    cli_encode encode = {runtime, &wanted, options->image, take, w};
    double start = cli_now_ms();
    int status = n_misses > 0 ? cli_encode_images(&encode) : CLI_OK;
    w->out->seconds = (cli_now_ms() - start) / 1000;
    free(wanted.items);
    return status;
}

static int fill(const cli_runtime *runtime, const cli_list *paths,
                const cli_vectors_options *options, work *w, char (*keys)[KEY + 1])
{
    size_t n_misses = 0;
    for (size_t i = 0; i < paths->n && !cli_interrupted(); i++) {
        if (!options->no_cache) {
            key_of(paths->items[i], &options->image, keys[i]);
        }
        if (keys[i][0] && look_up(w->cache, keys[i], w->out->rows + i * w->out->dim)) {
            w->out->good[i] = true;
            w->out->n_good++;
            w->out->n_cached++;
        } else {
            w->misses[n_misses++] = i;
        }
    }
    return cli_interrupted() ? CLI_INTERRUPTED
                             : encode_misses(runtime, paths, options, w, n_misses);
}

int cli_vectors_open(const cli_runtime *runtime, const cli_list *paths,
                     const cli_vectors_options *options, cli_vectors *out)
{
    size_t n = paths->n, dim = runtime->info.embedding_dim;
    cache c = {.fd = -1};
    *out = (cli_vectors){.n = n, .dim = dim};
    if (!options->no_cache) {
        open_cache(runtime, &c);
    }
    char(*keys)[KEY + 1] = calloc(n + 1, sizeof *keys);
    work w = {.out = out, .cache = &c, .app = runtime->app};
    out->rows = calloc(n + 1, dim * sizeof *out->rows);
    out->good = calloc(n + 1, sizeof *out->good);
    w.keys = (const char(*)[KEY + 1]) keys;
    w.misses = calloc(n + 1, sizeof *w.misses);
    w.record = malloc(c.record + 1);
    int status = CLI_FAILED;
    if (out->rows && out->good && keys && w.misses && w.record) {
        status = fill(runtime, paths, options, &w, keys);
    } else {
        cli_error(runtime->app, "out of memory");
    }
    close_cache(&c);
    free(keys);
    free(w.misses);
    free(w.record);
    return status;
}

void cli_vectors_free(cli_vectors *vectors)
{
    free(vectors->rows);
    free(vectors->good);
    *vectors = (cli_vectors){0};
}
