/* Two kinds of files, both of records that are only ever appended to. A record that is cut off or
 * damaged is as if it were not there; of two for the same thing the later one counts.
 *
 * vectors/FINGERPRINT.bin: a key in 64 digits (of the photo's content and of how it is read), the
 * vector, 16 digits of a checksum. files.bin: a place, as its identity and how the photo is read, its
 * content's digest, width and height, a checksum. */
#include "cache.h"
#ifdef WHATSIT_LIBRARY
#include "indexed.h"
#endif
#include "paths.h"
#include "term.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* READING: raised when the default way to read pictures gives other pixels. */
enum { READING = 3, KEY = 64, CHECK = 16, MAX_CACHE_BYTES = 1 << 30 };

/* As it lies in files.bin. */
typedef struct place {
    cli_identity identity;
    uint64_t reading; /* of cache->reading */
    uint8_t content[CLI_DIGEST];
    uint32_t width_px, height_px;
    uint64_t check;
} place;

typedef struct records {
    int fd; /* -1: none */
    uint8_t *bytes;
    size_t n, record; /* records; bytes of one */
    const uint8_t **sorted;
} records;

struct cli_cache {
    records vectors, places;
    size_t dim;
    char words[64];   /* how photos are read */
    uint64_t reading; /* the same as a number */
    bool with_size;
    uint8_t *record;
#ifdef WHATSIT_LIBRARY
    cli_libraries *libraries; /* what was indexed; NULL: nothing, or read in another way */
#endif
};

static uint64_t hash(const void *bytes, size_t n)
{
    const uint8_t *b = bytes;
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ b[i]) * 0x100000001b3u;
    }
    return h;
}

/* ---- reading ---- */

static int compare_keys(const void *a, const void *b)
{
    const uint8_t *x = *(const uint8_t *const *)a, *y = *(const uint8_t *const *)b;
    int order = memcmp(x, y, KEY);
    return order ? order : (x > y) - (x < y);
}

enum { PLACE_KEY = sizeof(cli_identity) + sizeof(uint64_t) };

static int compare_places(const void *a, const void *b)
{
    const uint8_t *x = *(const uint8_t *const *)a, *y = *(const uint8_t *const *)b;
    int order = memcmp(x, y, PLACE_KEY);
    return order ? order : (x > y) - (x < y);
}

/* A crash or a full disk may have left part of a record: what follows must start at a whole one. */
static void read_records(records *r, int (*compare)(const void *, const void *))
{
    struct stat info;
    if (flock(r->fd, LOCK_EX) != 0 || fstat(r->fd, &info) != 0) {
        return;
    }
    size_t n_bytes = info.st_size > MAX_CACHE_BYTES ? 0 : (size_t)info.st_size;
    n_bytes -= n_bytes % r->record;
    if ((off_t)n_bytes != info.st_size && ftruncate(r->fd, (off_t)n_bytes) != 0) {
        n_bytes = 0;
    }
    r->bytes = malloc(n_bytes + 1);
    r->sorted = calloc(n_bytes / r->record + 1, sizeof *r->sorted);
    size_t got = 0;
    ssize_t some = 1;
    while (r->bytes && got < n_bytes && some > 0) {
        some = pread(r->fd, r->bytes + got, n_bytes - got, (off_t)got);
        got += some > 0 ? (size_t)some : 0;
    }
    flock(r->fd, LOCK_UN);
    for (size_t i = 0; r->sorted && r->bytes && (i + 1) * r->record <= got; i++) {
        r->sorted[r->n++] = r->bytes + i * r->record;
    }
    if (r->n > 1) {
        qsort(r->sorted, r->n, sizeof *r->sorted, compare);
    }
}

/* The last record whose first n_key bytes are key's; NULL when there is none. */
static const uint8_t *find(const records *r, const void *key, size_t n_key)
{
    size_t low = 0, high = r->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(r->sorted[middle], key, n_key) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0 && !memcmp(r->sorted[low - 1], key, n_key) ? r->sorted[low - 1] : NULL;
}

static void checksum(const void *bytes, size_t n_bytes, char check[KEY + 1])
{
    wi_digest *digest = NULL;
    memset(check, 0, KEY + 1);
    if (wi_digest_open(&digest, NULL) == WI_OK) {
        wi_digest_update(digest, bytes, n_bytes);
        wi_digest_finish(digest, check);
    }
    wi_digest_close(&digest);
}

/* ---- opening ---- */

char *cli_cache_root(void)
{
    char *inside = cli_cache_path("x");
    if (inside) {
        *strrchr(inside, '/') = '\0';
    }
    return inside;
}

/* Where it is written that nothing is to be kept: not in the cache, which may be emptied. */
static char *switch_path(void)
{
    return cli_data_path("cache-off");
}

bool cli_cache_is_off(void)
{
    char *path = switch_path();
    bool off = path && cli_exists(path);
    free(path);
    return off;
}

bool cli_cache_switch(bool on)
{
    char *path = switch_path(), *folder = cli_data_path("x");
    bool done = path && folder;
    if (done) {
        *strrchr(folder, '/') = '\0';
        done = on ? unlink(path) == 0 || errno == ENOENT : cli_make_folders(folder);
    }
    if (done && !on) {
        FILE *file = fopen(path, "w");
        done = file && fputs("'whatsit cache on' removes this file\n", file) >= 0;
        done = file && fclose(file) == 0 && done;
    }
    free(path);
    free(folder);
    return done;
}

static void open_records(records *r, const char *path, size_t record,
                         int (*compare)(const void *, const void *))
{
    r->record = record;
    r->fd = path ? open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (r->fd >= 0) {
        read_records(r, compare);
    }
}

static void close_records(records *r)
{
    if (r->fd >= 0) {
        close(r->fd);
    }
    free(r->bytes);
    free((void *)r->sorted);
}

cli_cache *cli_cache_open(const cli_runtime *runtime, const cli_args *args,
                          const wi_image_options *how, bool with_size)
{
    if (cli_cache_is_off() || (args && cli_args_has(args, "isa"))) {
        return NULL;
    }
    char *folder = cli_cache_path("vectors"), *files = cli_cache_path("files.bin");
    char *path = folder ? cli_text("%s/%s.bin", folder, runtime->info.fingerprint) : NULL;
    cli_cache *cache = calloc(1, sizeof *cache);
    if (cache) {
        cache->vectors.fd = cache->places.fd = -1;
        cache->dim = runtime->info.embedding_dim;
        cache->with_size = with_size;
        snprintf(cache->words, sizeof cache->words,
                 "reading %d, exif %d, exact %d, alpha %d, strict %d", READING, !how->ignore_exif,
                 how->exact, (int)how->alpha, how->strict);
        cache->reading = hash(cache->words, strlen(cache->words));
        cache->record = malloc(KEY + cache->dim * sizeof(float) + CHECK);
    }
    if (cache && cache->record && path && cli_make_folders(folder)) {
        chmod(folder, 0700);
        open_records(&cache->vectors, path, KEY + cache->dim * sizeof(float) + CHECK, compare_keys);
        open_records(&cache->places, files, sizeof(place), compare_places);
    }
    if (cache && cache->vectors.fd < 0) {
        cli_cache_close(&cache);
    }
#ifdef WHATSIT_LIBRARY
    static const wi_image_options as_indexed = {0};
    if (cache && how->ignore_exif == as_indexed.ignore_exif && how->exact == as_indexed.exact &&
        how->alpha == as_indexed.alpha && how->strict == as_indexed.strict) {
        cache->libraries = cli_libraries_open(runtime);
    }
#endif
    free(folder);
    free(files);
    free(path);
    return cache;
}

cli_cache *cli_cache_of_folders(const cli_runtime *runtime, const cli_args *args, bool with_size)
{
    wi_image_options how = cli_picture_options(args);
    const char *value;
    size_t position = 0;
    bool folder = false;
    for (size_t i = 0; i < args->n_operands && !folder; i++) {
        folder = cli_is_folder(args->operands[i]);
    }
    while (!folder && (value = cli_args_next(args, "image", &position))) {
        folder = cli_is_folder(value);
    }
    return folder && !cli_args_has(args, "fresh") ? cli_cache_open(runtime, args, &how, with_size)
                                                  : NULL;
}

void cli_cache_close(cli_cache **cache)
{
    if (!*cache) {
        return;
    }
    close_records(&(*cache)->vectors);
    close_records(&(*cache)->places);
#ifdef WHATSIT_LIBRARY
    cli_libraries_close(&(*cache)->libraries);
#endif
    free((*cache)->record);
    free(*cache);
    *cache = NULL;
}

/* ---- asking ---- */

static uint64_t nanoseconds(struct timespec t)
{
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool identify(const char *path, cli_identity *out)
{
    struct stat info;
    if (!strcmp(path, "-") || stat(path, &info) != 0 || !S_ISREG(info.st_mode)) {
        return false;
    }
    *out = (cli_identity){(uint64_t)info.st_dev, (uint64_t)info.st_ino, (uint64_t)info.st_size,
                          nanoseconds(info.st_mtim), nanoseconds(info.st_ctim)};
    return true;
}

static int digit(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

bool cli_content_read(const char *path, uint8_t content[CLI_DIGEST])
{
    char hex[KEY + 1] = "";
    wi_digest *digest = NULL;
    uint8_t buffer[1 << 14];
    size_t n;
    FILE *file = fopen(path, "rb");
    if (file && wi_digest_open(&digest, NULL) == WI_OK) {
        while ((n = fread(buffer, 1, sizeof buffer, file)) > 0) {
            wi_digest_update(digest, buffer, n);
        }
        if (!ferror(file)) {
            wi_digest_finish(digest, hex);
        }
    }
    wi_digest_close(&digest);
    if (file) {
        fclose(file);
    }
    for (size_t i = 0; i < CLI_DIGEST && hex[0]; i++) {
        content[i] = (uint8_t)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
    }
    return hex[0] != '\0';
}

static void key_of(const cli_cache *cache, const uint8_t content[CLI_DIGEST], char key[KEY + 1])
{
    uint8_t both[sizeof cache->words + CLI_DIGEST] = {0};
    memcpy(both, cache->words, strlen(cache->words));
    memcpy(both + sizeof cache->words, content, CLI_DIGEST);
    checksum(both, sizeof both, key);
}

static const float *look_up(const cli_cache *cache, const uint8_t content[CLI_DIGEST])
{
    char key[KEY + 1], check[KEY + 1];
    key_of(cache, content, key);
    const uint8_t *found = find(&cache->vectors, key, KEY);
    size_t n_checked = cache->vectors.record - CHECK;
    if (!found) {
        return NULL;
    }
    checksum(found, n_checked, check);
    return memcmp(check, found + n_checked, CHECK) ? NULL
                                                   : (const float *)(const void *)(found + KEY);
}

/* What its place tells. */
static void look_at_place(const cli_cache *cache, cli_known *out)
{
    place wanted = {.identity = out->identity, .reading = cache->reading}, found;
    const uint8_t *record = find(&cache->places, &wanted, PLACE_KEY);
    if (record) {
        memcpy(&found, record, sizeof found);
        if (found.check == hash(&found, sizeof found - sizeof found.check)) {
            memcpy(out->content, found.content, CLI_DIGEST);
            out->width_px = found.width_px;
            out->height_px = found.height_px;
            out->has_content = out->by_place = true;
        }
    }
}

#ifdef WHATSIT_LIBRARY
/* What is there is not kept once more. */
static bool look_into_libraries(const cli_cache *cache, const char *path, cli_known *out)
{
    const catalog_stamp now = {(int64_t)out->identity.n_bytes, (int64_t)out->identity.mtime_ns,
                               (int64_t)out->identity.inode};
    catalog_known known;
    if (!cli_libraries_ask(cache->libraries, path, &now, &known, &out->row)) {
        return false;
    }
    memcpy(out->content, known.sha, CLI_DIGEST);
    out->width_px = (uint32_t)known.width_px;
    out->height_px = (uint32_t)known.height_px;
    out->has_content = out->by_place = out->is_kept = true;
    return true;
}
#endif

void cli_cache_ask(const cli_cache *cache, const char *path, cli_known *out)
{
    *out = (cli_known){0};
    if (!identify(path, &out->identity)) {
        return;
    }
    if (cache) {
        look_at_place(cache, out);
    }
#ifdef WHATSIT_LIBRARY
    if (cache && !out->has_content && look_into_libraries(cache, path, out)) {
        return;
    }
#endif
    if (!out->has_content) {
        out->has_content = cli_content_read(path, out->content);
    }
    if (cache && out->has_content) {
        const float *row = look_up(cache, out->content);
        out->is_kept = row != NULL;
        out->row = !cache->with_size || out->width_px > 0 ? row : NULL;
    }
}

/* ---- keeping ---- */

static bool append(records *r, const void *record)
{
    flock(r->fd, LOCK_EX);
    off_t end = lseek(r->fd, 0, SEEK_END);
    ssize_t n = write(r->fd, record, r->record);
    int number = n < 0 ? errno : ENOSPC;
    if (n >= 0 && n != (ssize_t)r->record && ftruncate(r->fd, end) != 0) {
        number = errno; /* whoever opens it next cuts the part off */
    }
    flock(r->fd, LOCK_UN);
    errno = number;
    return n == (ssize_t)r->record;
}

/* The clock of some file systems is coarse: what changed just now may change again unseen. */
static bool is_settled(const cli_identity *identity)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t then =
        identity->mtime_ns > identity->ctime_ns ? identity->mtime_ns : identity->ctime_ns;
    return nanoseconds(now) > then + 2000000000u;
}

static bool keep_place(cli_cache *cache, const cli_known *known, uint32_t width_px,
                       uint32_t height_px)
{
    place p = {.identity = known->identity,
               .reading = cache->reading,
               .width_px = width_px,
               .height_px = height_px};
    memcpy(p.content, known->content, CLI_DIGEST);
    p.check = hash(&p, sizeof p - sizeof p.check);
    return append(&cache->places, &p);
}

static bool keep_row(cli_cache *cache, const cli_known *known, const float *row)
{
    char key[KEY + 1], check[KEY + 1];
    size_t n_checked = cache->vectors.record - CHECK;
    key_of(cache, known->content, key);
    memcpy(cache->record, key, KEY);
    memcpy(cache->record + KEY, row, n_checked - KEY);
    checksum(cache->record, n_checked, check);
    memcpy(cache->record + n_checked, check, CHECK);
    return append(&cache->vectors, cache->record);
}

void cli_cache_keep(cli_cache *cache, cli_app *app, const cli_known *known, const float *row,
                    uint32_t width_px, uint32_t height_px)
{
    if (!cache || cache->vectors.fd < 0 || !known->has_content) {
        return;
    }
    bool new_size = width_px > 0 && known->width_px == 0;
    bool kept = known->is_kept || !row || keep_row(cache, known, row);
    /* Without its place a photo is read again next time: no word about that. */
    if (kept && cache->places.fd >= 0 && (!known->by_place || new_size) &&
        is_settled(&known->identity) && !keep_place(cache, known, width_px, height_px)) {
        close(cache->places.fd);
        cache->places.fd = -1;
    }
    if (!kept) {
        cli_note(app, "the cache of embeddings cannot be written: %s",
                 errno == ENOSPC ? "no space" : strerror(errno));
        close(cache->vectors.fd);
        cache->vectors.fd = -1;
    }
}
