/* /v1/libraries: photos of this machine that the operator shows. They are searched by /v1/search; here is what there is,
 * what is known of one photo, and small pictures of it. The photos' own files are not handed out. */
#include "access.h"
#include "fields.h"
#include "handlers.h"
#include "libraries.h"
#include "models.h"
#include "photos_json.h"
#include "pictures.h"
#include "services.h"
#include "thumbnails.h"
#include "utf8.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Of the longer side. Both are as wide as screens need them, and no more than a decoder gives at once (MAX_INPUT_PX). */
enum { THUMBNAIL_PX = 320, PREVIEW_PX = 1024 };

/* ---- as JSON ---- */

/* Paths are bytes; JSON has text. Bytes that are none are each a question mark, what is around them stays. */
static json_t *path_json(const char *path)
{
    json_t *text = json_string(path);
    char *copy = text ? NULL : strdup(path);
    const char *end = copy ? copy + strlen(copy) : NULL;
    for (char *at = copy; at < end;) {
        const size_t n = srv_utf8_length(at, (size_t)(end - at));
        *at = n > 0 ? *at : '?';
        at += n > 0 ? n : 1;
    }
    text = copy ? json_string(copy) : text;
    free(copy);
    return text;
}

/* Seconds of the clock where it was taken -> "2024-05-31T10:22:01". */
static json_t *time_json(int64_t taken)
{
    char text[32];
    struct tm parts;
    const time_t seconds = (time_t)taken;
    const bool good = gmtime_r(&seconds, &parts) && parts.tm_year > -1900 && parts.tm_year < 8100;
    return good && strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts) ? json_string(text)
                                                                            : json_null();
}

json_t *srv_photo_json(const catalog_seen *seen)
{
    const catalog_place *place = &seen->places[0];
    return json_pack("{s:o,s:I,s:I,s:o,s:I}", "path", path_json(place->path + place->n_above),
                     "width_px", (json_int_t)seen->width_px, "height_px",
                     (json_int_t)seen->height_px, "taken", time_json(seen->taken), "copies",
                     (json_int_t)seen->n_places);
}

/* ---- what there is ---- */

static const char *const no_names[] = {NULL};
static const char *const model_names[] = {"model", NULL};

static bool add_library(const srv_request *request, srv_library *library, json_t *list,
                        srv_response *response)
{
    json_t *models = json_array();
    srv_model *model;
    for (size_t i = 0; (model = srv_models_at(request->models, i)); i++) {
        const srv_model_about *about = srv_model_describe(model);
        wi_error error = {0};
        int64_t n = 0;
        if (srv_library_count(library, about, &n, &error) != WI_OK) {
            srv_error_of(request, response, &error);
            json_decref(models);
            return false;
        }
        if (n > 0) {
            json_array_append_new(
                models, json_pack("{s:s,s:I}", "model", about->name, "photos", (json_int_t)n));
        }
    }
    json_array_append_new(
        list, json_pack("{s:s,s:o}", "name", srv_library_name(library), "models", models));
    return true;
}

void srv_handle_libraries(srv_request *request, srv_response *response)
{
    srv_library *library;
    bool good = srv_query_check(request, no_names, response) &&
                srv_access_may_see_own(request->services->access, request, response);
    json_t *list = json_array();
    for (size_t i = 0; good && (library = srv_libraries_at(request->services->libraries, i)); i++) {
        good = add_library(request, library, list, response);
    }
    if (good) {
        srv_json(response, 200, json_pack("{s:O}", "libraries", list));
    }
    json_decref(list);
}

srv_library *srv_read_library(const srv_request *request, const char *name, srv_response *response)
{
    if (!srv_access_may_see_own(request->services->access, request, response)) {
        return NULL;
    }
    srv_library *library = srv_libraries_find(request->services->libraries, name);
    if (!library) {
        srv_error(request, response, 404, "not_found",
                  "there is no library '%.100s' here: see /v1/libraries", name);
    }
    return library;
}

/* ---- one photo ---- */

/* False: response says why. The caller frees *seen. */
static bool find_photo(srv_request *request, const char *const *names, catalog_seen *seen,
                       srv_response *response)
{
    wi_error error = {0};
    srv_library *library = srv_query_check(request, names, response)
                               ? srv_read_library(request, request->params[0], response)
                               : NULL;
    srv_model *model = library ? srv_read_model(request, NULL, response) : NULL;
    if (!model) {
        return false;
    }
    if (srv_library_photo(library, srv_model_describe(model), request->params[1], seen, NULL,
                          &error) != WI_OK) {
        srv_error_of(request, response, &error);
        return false;
    }
    return true;
}

void srv_handle_photo(srv_request *request, srv_response *response)
{
    catalog_seen seen = {.row = -1};
    if (find_photo(request, model_names, &seen, response)) {
        char hex[65];
        catalog_hex(seen.sha, hex);
        srv_json(response, 200, json_pack("{s:s,s:o}", "id", hex, "meta", srv_photo_json(&seen)));
    }
    catalog_free_seen(&seen);
}

/* The whole file; the memory is the request's. NULL: response says why. */
static uint8_t *read_file(srv_request *request, int fd, uint64_t n_bytes, srv_response *response)
{
    const uint64_t most = request->services->config->max_body_bytes;
    uint8_t *bytes = NULL;
    size_t n = 0;
    ssize_t some = 1;
    if (n_bytes > most) {
        srv_error(request, response, 413, "too_large",
                  "the photo's file has %llu MB, and %llu are read ('--max-body')",
                  (unsigned long long)(n_bytes >> 20), (unsigned long long)(most >> 20));
        return NULL;
    }
    if (!srv_request_take(request, (size_t)n_bytes) || !(bytes = malloc((size_t)n_bytes + 1))) {
        srv_header(response, "Retry-After", "1");
        srv_error(request, response, 503, "nomem", "too much is read at the moment");
        return NULL;
    }
    while (n < n_bytes && (some > 0 || (some < 0 && errno == EINTR))) {
        some = read(fd, bytes + n, (size_t)n_bytes - n);
        n += some > 0 ? (size_t)some : 0;
    }
    if (n < n_bytes) {
        free(bytes);
        srv_error(request, response, 404, "gone", "the photo's file cannot be read: %s",
                  some < 0 ? strerror(errno) : "it is shorter now");
        return NULL;
    }
    return bytes;
}

/* What may be kept by the asker's own browser, and by nothing in between. */
static bool begin_small(const srv_request *request, const char *etag, srv_response *response)
{
    char tag[90];
    snprintf(tag, sizeof tag, "\"%s\"", etag);
    srv_header(response, "ETag", tag);
    srv_header(response, "Cache-Control", "private, max-age=31536000, immutable");
    srv_header(response, "Vary", "Authorization, X-Api-Key");
    srv_header(response, "Cross-Origin-Resource-Policy", "same-origin");
    srv_header(response, "Content-Type", "image/jpeg");
    if (srv_etag_matches(request, etag)) {
        srv_empty(response, 304);
        return false;
    }
    return true;
}

/* fd: of the photo. What is answered is made anew. */
static void answer_made(srv_request *request, const catalog_seen *seen, uint32_t size_px, int fd,
                        uint64_t n_bytes, const char *etag, srv_response *response)
{
    srv_services *services = request->services;
    wi_error error = {0};
    uint8_t *jpeg = NULL, *bytes = read_file(request, fd, n_bytes, response);
    size_t n_jpeg = 0;
    if (!bytes) {
        return;
    }
    if (srv_thumbnail_make(services->decoder, &request->asker, bytes, (size_t)n_bytes, size_px,
                           &jpeg, &n_jpeg, &error) != WI_OK) {
        srv_picture_error(request, response, bytes, (size_t)n_bytes, &error);
    } else {
        srv_thumbnails_keep(services->thumbnails, seen->sha, size_px, jpeg, n_jpeg);
        begin_small(request, etag, response);
        response->status = 200;
        response->body = jpeg;
        response->n_body = n_jpeg;
    }
    free(bytes);
}

static void answer_small(srv_request *request, uint32_t size_px, srv_response *response)
{
    catalog_seen seen = {.row = -1};
    wi_error error = {0};
    char etag[80], hex[65];
    int fd = -1;
    uint64_t n_bytes = 0, n_kept = 0;
    if (!find_photo(request, no_names, &seen, response)) {
        return;
    }
    catalog_hex(seen.sha, hex);
    snprintf(etag, sizeof etag, "%s-%u", hex, (unsigned)size_px);
    /* Of a photo that was deleted nothing is shown any more, also what is kept of it. */
    if (srv_library_file(&seen, &fd, &n_bytes, &error) != WI_OK) {
        srv_error(request, response, 404, "gone", "%s", error.message);
    } else {
        const int kept =
            srv_thumbnails_find(request->services->thumbnails, seen.sha, size_px, &n_kept);
        if (kept < 0) {
            answer_made(request, &seen, size_px, fd, n_bytes, etag, response);
        } else if (begin_small(request, etag, response)) {
            srv_file_answer(request, response, etag, kept, n_kept);
        } else {
            close(kept);
        }
        close(fd);
    }
    catalog_free_seen(&seen);
}

void srv_handle_thumbnail(srv_request *request, srv_response *response)
{
    answer_small(request, THUMBNAIL_PX, response);
}

void srv_handle_preview(srv_request *request, srv_response *response)
{
    answer_small(request, PREVIEW_PX, response);
}
