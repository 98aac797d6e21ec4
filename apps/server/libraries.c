#include "libraries.h"
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <whatsit/index.h>

enum { MAX_HELD = 2 * SRV_MAX_MODELS, HEX = 2 * CATALOG_SHA_BYTES };

/* The vectors of one model, as they were when they were mapped. Whoever searches holds them. */
typedef struct held {
    char fingerprint[65];
    catalog_model model;
    dev_t device;
    ino_t inode; /* of the file: 'whatsit index --rebuild' makes another one */
    wi_index *index;
    unsigned n_users; /* the list is one of them */
} held;

struct srv_library {
    const char *name, *folder;
    wi_engine *engine;
    pthread_mutex_t mutex; /* guards all that follows */
    catalog *cat;
    held *held[MAX_HELD];
};

struct srv_libraries {
    srv_library *all[SRV_MAX_LIBRARIES];
    size_t n;
};

/* ---- opening ---- */

static void drop(held *h)
{
    if (h && --h->n_users == 0) {
        wi_index_close(&h->index);
        free(h);
    }
}

static void close_one(srv_library *library)
{
    for (size_t i = 0; i < MAX_HELD; i++) {
        drop(library->held[i]);
    }
    catalog_close(&library->cat);
    pthread_mutex_destroy(&library->mutex);
    free(library);
}

static wi_status open_one(wi_engine *engine, const srv_named_path *from, srv_library **out,
                          wi_error *error)
{
    char path[4096];
    srv_library *library = calloc(1, sizeof *library);
    if (!library) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    library->name = from->name;
    library->folder = from->path;
    library->engine = engine;
    pthread_mutex_init(&library->mutex, NULL);
    const int n = snprintf(path, sizeof path, "%s/catalog.db", from->path);
    wi_status status = n > 0 && (size_t)n < sizeof path
                           ? catalog_open(path, false, &library->cat, error)
                           : store_fail(error, WI_ERR_ARG, "the path of the library is too long");
    if (status == WI_ERR_NOT_FOUND) {
        status = store_fail(error, status,
                            "there is no library '%.100s' yet: make it with 'whatsit index DIR'",
                            from->name);
    }
    if (status != WI_OK) {
        close_one(library);
        return status;
    }
    *out = library;
    return WI_OK;
}

wi_status srv_libraries_open(wi_engine *engine, const srv_config *config, srv_libraries **out,
                             wi_error *error)
{
    srv_libraries *all = calloc(1, sizeof *all);
    wi_status status = all ? WI_OK : store_fail(error, WI_ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < config->n_libraries && status == WI_OK; i++) {
        status = open_one(engine, &config->libraries[i], &all->all[all->n], error);
        all->n += status == WI_OK;
    }
    if (status != WI_OK) {
        srv_libraries_close(&all);
    }
    *out = all;
    return status;
}

void srv_libraries_close(srv_libraries **libraries)
{
    for (size_t i = 0; *libraries && i < (*libraries)->n; i++) {
        close_one((*libraries)->all[i]);
    }
    free(*libraries);
    *libraries = NULL;
}

srv_library *srv_libraries_at(const srv_libraries *libraries, size_t index)
{
    return index < libraries->n ? libraries->all[index] : NULL;
}

srv_library *srv_libraries_find(const srv_libraries *libraries, const char *name)
{
    for (size_t i = 0; i < libraries->n; i++) {
        if (!strcmp(libraries->all[i]->name, name)) {
            return libraries->all[i];
        }
    }
    return NULL;
}

const char *srv_library_name(const srv_library *library)
{
    return library->name;
}

/* ---- vectors ---- */

static wi_status map_vectors(const srv_library *library, const srv_model_about *about,
                             const char *path, held *h, wi_error *error)
{
    const wi_index_options options = {
        .dim = about->dim, .fingerprint = about->fingerprint, .read_only = true};
    wi_status status = wi_index_open(library->engine, path, &options, &h->index, error);
    /* Rows behind those that the catalogue knows of are those of a run that was killed, or is under way. */
    return status == WI_OK ? wi_index_keep(h->index, (uint64_t)h->model.n_rows, error) : status;
}

/* Makes what is held of the model that of now. With the mutex held. */
static wi_status renew(srv_library *library, const srv_model_about *about, held **place,
                       wi_error *error)
{
    char path[4096], file[4200];
    struct stat info;
    catalog_model model = {0};
    wi_status status = catalog_find_model(library->cat, about->fingerprint, &model, error);
    if (status == WI_ERR_NOT_FOUND) {
        return store_fail(error, status,
                          "library '%.100s' holds nothing of model %.100s: run 'whatsit index' "
                          "with this model",
                          library->name, about->name);
    }
    if (status != WI_OK) {
        return status;
    }
    snprintf(path, sizeof path, "%s/%.16s", library->folder, about->fingerprint);
    snprintf(file, sizeof file, "%s.s8", path);
    if (stat(file, &info) != 0) {
        return store_fail(error, WI_ERR_NOT_FOUND, "library '%.100s': its vectors are not there",
                          library->name);
    }
    if (*place && (*place)->model.n_rows == model.n_rows && (*place)->inode == info.st_ino &&
        (*place)->device == info.st_dev) {
        return WI_OK;
    }
    held *made = calloc(1, sizeof *made);
    if (!made) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    *made = (held){.model = model, .device = info.st_dev, .inode = info.st_ino, .n_users = 1};
    memcpy(made->fingerprint, about->fingerprint, sizeof made->fingerprint);
    status = map_vectors(library, about, path, made, error);
    if (status != WI_OK) {
        drop(made);
        return status;
    }
    drop(*place);
    *place = made;
    return WI_OK;
}

/* *out: to be given back with let_go. */
static wi_status hold(srv_library *library, const srv_model_about *about, held **out,
                      wi_error *error)
{
    wi_status status = WI_OK;
    pthread_mutex_lock(&library->mutex);
    size_t at = MAX_HELD - 1; /* when more models have come and gone, the last place changes */
    for (size_t i = MAX_HELD; i > 0; i--) {
        at = !library->held[i - 1] ? i - 1 : at;
    }
    for (size_t i = 0; i < MAX_HELD; i++) {
        at =
            library->held[i] && !strcmp(library->held[i]->fingerprint, about->fingerprint) ? i : at;
    }
    held *other = library->held[at];
    if (other && strcmp(other->fingerprint, about->fingerprint) != 0) {
        library->held[at] = NULL;
        drop(other);
    }
    status = renew(library, about, &library->held[at], error);
    if (status == WI_OK) {
        *out = library->held[at];
        (*out)->n_users++;
    }
    pthread_mutex_unlock(&library->mutex);
    return status;
}

static void let_go(srv_library *library, held *h)
{
    pthread_mutex_lock(&library->mutex);
    drop(h);
    pthread_mutex_unlock(&library->mutex);
}

wi_status srv_library_count(srv_library *library, const srv_model_about *about, int64_t *out,
                            wi_error *error)
{
    catalog_model model = {0};
    catalog_counts counts = {0};
    pthread_mutex_lock(&library->mutex);
    wi_status status = catalog_find_model(library->cat, about->fingerprint, &model, error);
    status = status == WI_OK ? catalog_count(library->cat, model.id, &counts, error) : status;
    pthread_mutex_unlock(&library->mutex);
    *out = counts.with_vector;
    return status == WI_ERR_NOT_FOUND ? WI_OK : status;
}

/* ---- searching ---- */

/* Into out[*n], unless it does not fit well enough or no file has it any more. */
static wi_status take_hit(srv_library *library, const held *h, const srv_library_query *q,
                          const wi_index_hit *hit, float *row, srv_photo *out, size_t *n,
                          wi_error *error)
{
    wi_status status = wi_index_row(h->index, hit->row, row, error);
    if (status != WI_OK) {
        return status;
    }
    const double sure = q->words ? background_confidence(q->words, q->vector, row) : (double)NAN;
    if (sure < q->least) {
        return WI_OK;
    }
    srv_photo *photo = &out[*n];
    *photo = (srv_photo){.score = hit->score, .confidence = sure};
    pthread_mutex_lock(&library->mutex);
    status = catalog_seen_at(library->cat, h->model.id, (int64_t)hit->row, &photo->seen, error);
    pthread_mutex_unlock(&library->mutex);
    if (status == WI_OK && photo->seen.n_places > 0) {
        (*n)++;
    } else if (status == WI_OK) {
        catalog_free_seen(&photo->seen);
    }
    return status;
}

static wi_status look(srv_library *library, const held *h, const srv_model_about *about,
                      const srv_library_query *q, srv_photo *out, size_t *n, wi_error *error)
{
    /* Photos that are gone and those that do not fit take places among the nearest: as many as 'whatsit search' looks at. */
    const size_t n_rows = (size_t)h->model.n_rows;
    const size_t n_asked = 2 * q->top + 100 < n_rows ? 2 * q->top + 100 : n_rows;
    size_t n_hits = 0;
    wi_index_hit *hits = calloc(n_asked + 1, sizeof *hits);
    float *row = calloc(about->dim + 1, sizeof *row);
    wi_status status = hits && row ? WI_OK : store_fail(error, WI_ERR_NOMEM, "out of memory");
    if (status == WI_OK) {
        status = wi_index_search(h->index, q->vector, n_asked, NULL, hits, &n_hits, error);
    }
    for (size_t i = 0; i < n_hits && *n < q->top && status == WI_OK; i++) {
        status = take_hit(library, h, q, &hits[i], row, out, n, error);
    }
    free(hits);
    free(row);
    return status;
}

wi_status srv_library_search(srv_library *library, const srv_model_about *about,
                             const srv_library_query *query, srv_photo **out, size_t *n,
                             wi_error *error)
{
    held *h = NULL;
    *n = 0;
    *out = NULL;
    wi_status status = hold(library, about, &h, error);
    if (status != WI_OK) {
        return status;
    }
    srv_photo *photos = calloc(query->top + 1, sizeof *photos);
    status = photos ? look(library, h, about, query, photos, n, error)
                    : store_fail(error, WI_ERR_NOMEM, "out of memory");
    let_go(library, h);
    if (status != WI_OK) {
        srv_photos_free(&photos, *n);
        *n = 0;
    }
    *out = photos;
    return status;
}

void srv_photos_free(srv_photo **photos, size_t n)
{
    for (size_t i = 0; *photos && i < n; i++) {
        catalog_free_seen(&(*photos)[i].seen);
    }
    free(*photos);
    *photos = NULL;
}

/* ---- one photo ---- */

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(const char *hex, uint8_t sha[CATALOG_SHA_BYTES])
{
    for (size_t i = 0; i < CATALOG_SHA_BYTES; i++) {
        const int high = strlen(hex) == HEX ? digit(hex[2 * i]) : -1;
        const int low = high < 0 ? -1 : digit(hex[2 * i + 1]);
        if (low < 0) {
            return false;
        }
        sha[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

static wi_status read_row(srv_library *library, const srv_model_about *about, int64_t at,
                          float *row, wi_error *error)
{
    held *h = NULL;
    wi_status status = hold(library, about, &h, error);
    if (status == WI_OK) {
        status = at >= 0 && at < h->model.n_rows
                     ? wi_index_row(h->index, (uint64_t)at, row, error)
                     : store_fail(error, WI_ERR_NOT_FOUND,
                                  "the photo has no vector of model %.100s", about->name);
        let_go(library, h);
    }
    return status;
}

wi_status srv_library_photo(srv_library *library, const srv_model_about *about, const char *hex,
                            catalog_seen *out, float *row, wi_error *error)
{
    uint8_t sha[CATALOG_SHA_BYTES];
    catalog_model model = {0};
    catalog_seen seen = {.row = -1};
    wi_status status = WI_ERR_NOT_FOUND;
    if (read_hex(hex, sha)) {
        pthread_mutex_lock(&library->mutex);
        status = catalog_find_model(library->cat, about->fingerprint, &model, NULL);
        if (status == WI_OK || status == WI_ERR_NOT_FOUND) {
            status = catalog_seen_of(library->cat, model.id, sha, &seen, error);
        }
        pthread_mutex_unlock(&library->mutex);
    }
    if (status == WI_ERR_NOT_FOUND || (status == WI_OK && seen.n_places == 0)) {
        catalog_free_seen(&seen);
        return store_fail(error, WI_ERR_NOT_FOUND, "library '%.100s' has no such photo",
                          library->name);
    }
    status = status == WI_OK && row ? read_row(library, about, seen.row, row, error) : status;
    if (status != WI_OK) {
        catalog_free_seen(&seen);
        return status;
    }
    *out = seen;
    return WI_OK;
}

wi_status srv_library_file(const catalog_seen *seen, int *fd, uint64_t *n_bytes, wi_error *error)
{
    for (size_t i = 0; i < seen->n_places; i++) {
        const catalog_place *place = &seen->places[i];
        struct stat info;
        const int file = open(place->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (file >= 0 && fstat(file, &info) == 0 && S_ISREG(info.st_mode) &&
            (int64_t)info.st_size == place->stamp.n_bytes &&
            (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec ==
                place->stamp.mtime_ns) {
            *fd = file;
            *n_bytes = (uint64_t)info.st_size;
            return WI_OK;
        }
        if (file >= 0) {
            close(file);
        }
    }
    return store_fail(error, WI_ERR_NOT_FOUND,
                      "the photo is not there any more, or was changed: 'whatsit index' brings the "
                      "library up to date");
}
