/* /v1/index and /v1/search: pictures that a client has put, found again by words and by pictures like them. */
#include "fields.h"
#include "handlers.h"
#include "models.h"
#include "photos_json.h"
#include "pictures.h"
#include "search.h"
#include "services.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ITEMS = 64, MAX_ID = 512, MAX_META = 4096, MAX_TOP = 1000, MAX_PARTS = 16 };
enum { DAY_MS = 86400000 };

#define READING                                                                                    \
    {"model", SRV_TEXT | SRV_NULL}, {"exact", SRV_BOOL | SRV_NULL},                                \
        {"strict", SRV_BOOL | SRV_NULL}, {"no_exif", SRV_BOOL | SRV_NULL},                         \
    {                                                                                              \
        "alpha", SRV_TEXT | SRV_NULL                                                               \
    }

/* ---- putting ---- */

typedef struct item {
    const char *id;
    char *meta; /* JSON; owned; NULL: none */
    const uint8_t *bytes;
    size_t n_bytes;
    uint8_t *decoded; /* owned */
} item;

typedef struct putting {
    srv_model *model;
    item items[MAX_ITEMS];
    size_t n;
    wi_image_options reading;
    json_t *body; /* holds what the above points to */
    srv_parts parts;
} putting;

static void free_putting(putting *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->items[i].meta);
        free(p->items[i].decoded);
    }
    json_decref(p->body);
    srv_parts_free(&p->parts);
}

static bool id_ok(const char *id)
{
    const size_t n = id ? strlen(id) : 0;
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)id[i] < 0x20 || id[i] == 0x7f) {
            return false;
        }
    }
    return n > 0 && n <= MAX_ID;
}

/* meta: an object that is given back as it is; NULL: none. */
static bool add_item(const srv_request *request, putting *p, const char *id, const json_t *meta,
                     srv_response *response)
{
    item *it = &p->items[p->n];
    if (!id_ok(id)) {
        srv_error(request, response, 422, "bad_id",
                  "'id' says which picture it is, in 1 to %d bytes without control characters",
                  MAX_ID);
        return false;
    }
    it->id = id;
    it->meta = json_is_object(meta) ? json_dumps(meta, JSON_COMPACT) : NULL;
    if ((meta && !json_is_null(meta) && !it->meta) || (it->meta && strlen(it->meta) > MAX_META)) {
        free(it->meta);
        it->meta = NULL;
        srv_error(request, response, 422, "bad_meta", "'meta' is a JSON object of at most %d bytes",
                  MAX_META);
        return false;
    }
    p->n++;
    return true;
}

/* One picture; what is said of it stands in the query, or in a form beside it. */
static bool read_one(srv_request *request, putting *p, srv_response *response)
{
    static const char *const names[] = {"id",     "meta",    "model", "exact",
                                        "strict", "no_exif", "alpha", NULL};
    const uint8_t *bytes = request->body;
    size_t n_bytes = request->n_body, n_pictures = 0;
    if (srv_is_multipart(request)) {
        if (!srv_read_form(request, names, &p->parts, response)) {
            return false;
        }
        for (size_t i = 0; i < p->parts.n; i++) {
            if (srv_part_is_picture(&p->parts.items[i])) {
                bytes = p->parts.items[i].bytes;
                n_bytes = p->parts.items[i].n_bytes;
                n_pictures++;
            }
        }
    } else if (!srv_query_check(request, names, response)) {
        return false;
    }
    if (n_pictures > 1) {
        srv_error(request, response, 400, "arg", "one picture a form: send several as JSON");
        return false;
    }
    const char *text = srv_pairs_get(&request->query, "meta");
    json_t *meta = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const json_t *wrong =
        text && !meta ? json_true() : meta; /* anything but an object is refused */
    const bool good = add_item(request, p, srv_pairs_get(&request->query, "id"), wrong, response);
    json_decref(meta);
    p->items[0].bytes = bytes;
    p->items[0].n_bytes = n_bytes;
    return good;
}

static bool read_items(srv_request *request, putting *p, srv_response *response)
{
    static const char *const names[] = {"model", "exact", "strict", "no_exif", "alpha", NULL};
    static const srv_field fields[] = {{"items", SRV_LIST}, READING};
    static const srv_field of_item[] = {
        {"id", SRV_TEXT}, {"image", SRV_TEXT}, {"meta", SRV_OBJECT | SRV_NULL}};
    if (!srv_query_check(request, names, response)) {
        return false;
    }
    p->body = srv_read_json(request, fields, sizeof fields / sizeof fields[0], names, response);
    const json_t *items = json_object_get(p->body, "items");
    if (p->body && (json_array_size(items) < 1 || json_array_size(items) > MAX_ITEMS)) {
        srv_error(request, response, 422, "arg", "'items' is a list of 1 to %d", MAX_ITEMS);
        return false;
    }
    bool good = p->body != NULL;
    for (size_t i = 0; good && i < json_array_size(items); i++) {
        const json_t *one = json_array_get(items, i);
        const char *image = json_string_value(json_object_get(one, "image"));
        wi_error error = {0};
        if (!json_is_object(one)) {
            srv_error(request, response, 422, "wrong_type", "'items' must be objects");
            return false;
        }
        good = srv_fields_check(request, one, of_item, 3, response) &&
               add_item(request, p, json_string_value(json_object_get(one, "id")),
                        json_object_get(one, "meta"), response);
        item *it = &p->items[i];
        if (good && !image) {
            srv_error(request, response, 422, "no_picture",
                      "'image' must be the picture as base64");
            return false;
        }
        if (good && srv_base64(image, &it->decoded, &it->n_bytes, &error) != WI_OK) {
            srv_error(request, response, 400, "bad_base64", "'image': %s", error.message);
            return false;
        }
        it->bytes = it->decoded;
    }
    return good;
}

static store_vector_bounds bounds_of(const srv_request *request)
{
    const srv_config *config = request->services->config;
    const bool is_guest = request->owner[0] == '~' && !request->key.id;
    return (store_vector_bounds){.own = is_guest ? config->guest_vectors : config->own_vectors,
                                 .guests = config->guests_vectors,
                                 .all = config->all_vectors};
}

/* What is kept of an address without a key ends, as its heads do. */
static store_vector vector_of(const srv_request *request, const putting *p, const item *it,
                              float *row)
{
    const char *owner = srv_request_owner(request);
    const srv_model_about *about = srv_model_describe(p->model);
    const int64_t now = store_now_ms();
    const int64_t days = request->services->config->guest_days;
    return (store_vector){
        .id = (char *)(uintptr_t)it->id,
        .meta = it->meta,
        .row = row,
        .dim = about->dim,
        .added_ms = now,
        .expires_ms = owner[0] == '~' ? now + days * DAY_MS : 0,
        .owner = owner,
        .fingerprint = about->fingerprint,
    };
}

/* A row of the list, which has its error in it when the picture cannot be read. NULL: response says what would go wrong
 * with all of them, or with the only one. */
static json_t *embed_item(const srv_request *request, const putting *p, const item *it, float *row,
                          srv_response *response)
{
    wi_error error = {0};
    srv_decoded seen;
    srv_response why;
    json_t *one = json_pack("{s:s}", "id", it->id);
    if (srv_embed_picture(request->services->decoder, p->model, &request->asker, it->bytes,
                          it->n_bytes, &p->reading, row, &seen, &error) == WI_OK) {
        return one;
    }
    srv_response_init(&why);
    srv_picture_error(request, &why, it->bytes, it->n_bytes, &error);
    if (!p->body || why.status >= 500 || why.status == 429) {
        srv_response_free(response);
        *response = why;
        json_decref(one);
        return NULL;
    }
    json_t *said = json_loadb(why.body, why.n_body, 0, NULL);
    json_object_update(one, said);
    json_decref(said);
    srv_response_free(&why);
    return one;
}

/* False: response says why. */
static bool put_rows(const srv_request *request, const store_vector *vectors, size_t n,
                     srv_response *response)
{
    const store_vector_bounds bounds = bounds_of(request);
    wi_error error = {0};
    const wi_status status =
        store_vectors_put(request->services->store, vectors, n, &bounds, &error);
    if (status == WI_ERR_LIMIT) {
        srv_error(request, response, 413, "too_many", "%s", error.message);
    } else if (status != WI_OK) {
        srv_error_of(request, response, &error);
    }
    return status == WI_OK;
}

static void put_all(const srv_request *request, const putting *p, srv_response *response)
{
    const srv_model_about *about = srv_model_describe(p->model);
    store_vector vectors[MAX_ITEMS];
    size_t n = 0, i = 0;
    json_t *list = json_array(), *one = NULL;
    float *rows = malloc(p->n * about->dim * sizeof *rows);
    if (!rows) {
        srv_error(request, response, 503, "nomem", "out of memory");
    }
    for (; rows && i < p->n; i++) {
        float *row = rows + i * about->dim;
        if (!(one = embed_item(request, p, &p->items[i], row, response))) {
            break;
        }
        if (!json_object_get(one, "error")) {
            vectors[n++] = vector_of(request, p, &p->items[i], row);
        }
        json_array_append_new(list, one);
    }
    if (rows && i == p->n && put_rows(request, vectors, n, response)) {
        srv_json(response, 200,
                 json_pack("{s:s,s:s,s:O}", "model", about->name, "fingerprint", about->fingerprint,
                           "items", list));
    }
    json_decref(list);
    free(rows);
}

void srv_handle_index_put(srv_request *request, srv_response *response)
{
    putting p = {0};
    const bool good = srv_is_type(request, "application/json") ? read_items(request, &p, response)
                                                               : read_one(request, &p, response);
    if (good && (p.model = srv_read_model(request, p.body, response)) &&
        srv_read_reading(request, p.body, response, &p.reading)) {
        put_all(request, &p, response);
    }
    free_putting(&p);
}

/* ---- what is there ---- */

static json_t *meta_json(const char *meta)
{
    json_t *value = meta[0] ? json_loads(meta, 0, NULL) : NULL;
    return value ? value : json_null();
}

void srv_handle_index_status(srv_request *request, srv_response *response)
{
    static const char *const names[] = {NULL};
    store_vector_counted counted[MAX_PARTS];
    size_t n = 0;
    int64_t total = 0;
    wi_error error = {0};
    if (!srv_query_check(request, names, response)) {
        return;
    }
    if (store_vector_count(request->services->store, srv_request_owner(request), MAX_PARTS, counted,
                           &n, &error) != WI_OK) {
        srv_error_of(request, response, &error);
        return;
    }
    json_t *models = json_array();
    for (size_t i = 0; i < n; i++) {
        const char *name = NULL;
        srv_model *model;
        for (size_t m = 0; (model = srv_models_at(request->models, m)) && !name; m++) {
            const srv_model_about *about = srv_model_describe(model);
            name = !strcmp(about->fingerprint, counted[i].fingerprint) ? about->name : NULL;
        }
        json_array_append_new(models, json_pack("{s:s?,s:s,s:I}", "model", name, "fingerprint",
                                                counted[i].fingerprint, "pictures",
                                                (json_int_t)counted[i].n));
        total += counted[i].n;
    }
    const int64_t most = bounds_of(request).own;
    srv_json(response, 200,
             json_pack("{s:I,s:o,s:s,s:o}", "pictures", (json_int_t)total, "most",
                       most < 0 ? json_null() : json_integer((json_int_t)most), "search",
                       store_has_near(request->services->store) ? "pgvector" : "scan", "models",
                       models));
}

void srv_handle_index_get(srv_request *request, srv_response *response)
{
    static const char *const names[] = {"model", NULL};
    store_vector vector = {0};
    wi_error error = {0};
    srv_model *model =
        srv_query_check(request, names, response) ? srv_read_model(request, NULL, response) : NULL;
    if (!model) {
        return;
    }
    const srv_model_about *about = srv_model_describe(model);
    if (store_vector_get(request->services->store, srv_request_owner(request), about->fingerprint,
                         request->params[0], &vector, &error) != WI_OK) {
        srv_error_of(request, response, &error);
        return;
    }
    srv_json(
        response, 200,
        json_pack("{s:s,s:s,s:I,s:o,s:o}", "id", vector.id, "model", about->name, "added_ms",
                  (json_int_t)vector.added_ms, "expires_ms",
                  vector.expires_ms ? json_integer((json_int_t)vector.expires_ms) : json_null(),
                  "meta", meta_json(vector.meta)));
    store_vector_free(&vector);
}

void srv_handle_index_delete(srv_request *request, srv_response *response)
{
    static const char *const names[] = {NULL};
    wi_error error = {0};
    if (!srv_query_check(request, names, response)) {
        return;
    }
    if (store_vector_delete(request->services->store, srv_request_owner(request),
                            request->params[0], &error) != WI_OK) {
        srv_error_of(request, response, &error);
        return;
    }
    srv_empty(response, 204);
}

/* ---- searching ---- */

typedef struct texts {
    const char *items[MAX_PARTS];
    size_t n;
} texts;

typedef struct searching {
    srv_model *model;
    srv_library *library; /* of the operator's; NULL: the asker's own index */
    const char *words;
    texts nots, ids;       /* ids: of pictures that are there already */
    item likes[MAX_PARTS]; /* pictures that come with the request */
    size_t n_likes, top;
    double least; /* confidence */
    wi_image_options reading;
    json_t *body; /* holds what the above points to */
    srv_parts parts;
} searching;

static void free_searching(searching *s)
{
    for (size_t i = 0; i < s->n_likes; i++) {
        free(s->likes[i].decoded);
    }
    json_decref(s->body);
    srv_parts_free(&s->parts);
}

static const char *const search_names[] = {"q",     "not",   "like_id", "library", "top",   "min",
                                           "model", "exact", "strict",  "no_exif", "alpha", NULL};

/* A text or a list of them, from the body or the query. */
static bool read_texts(const srv_request *request, const json_t *body, const char *name, texts *out,
                       srv_response *response)
{
    const json_t *value = json_object_get(body, name);
    const char *one = srv_text_of(request, body, name);
    bool good = json_array_size(value) <= MAX_PARTS;
    for (size_t i = 0; good && i < json_array_size(value); i++) {
        out->items[out->n++] = json_string_value(json_array_get(value, i));
    }
    if (one) {
        out->items[out->n++] = one;
    }
    for (size_t i = 0; good && i < out->n; i++) {
        good = out->items[i][0] != '\0';
    }
    if (!good) {
        srv_error(request, response, 422, "arg", "'%s' is a text, or a list of at most %d", name,
                  MAX_PARTS);
    }
    return good;
}

static bool read_numbers(const srv_request *request, searching *s, srv_response *response)
{
    const json_t *top = json_object_get(s->body, "top"), *min = json_object_get(s->body, "min");
    const char *top_text = srv_pairs_get(&request->query, "top");
    const char *min_text = srv_pairs_get(&request->query, "min");
    char *top_end = NULL, *min_end = NULL;
    const long n = json_is_integer(top) ? (long)json_integer_value(top)
                   : top_text           ? strtol(top_text, &top_end, 10)
                                        : 20;
    s->least = json_is_number(min) ? json_number_value(min)
               : min_text          ? strtod(min_text, &min_end)
                                   : srv_search_least();
    s->top = (size_t)n;
    if (n < 1 || n > MAX_TOP || (top_end && (*top_end || !*top_text))) {
        srv_error(request, response, 400, "arg", "'top' is a number from 1 to %d", MAX_TOP);
        return false;
    }
    if (!(s->least >= 0 && s->least <= 1) || (min_end && (*min_end || !*min_text))) {
        srv_error(request, response, 400, "arg", "'min' is a number from 0 to 1");
        return false;
    }
    return true;
}

static bool add_like(const srv_request *request, searching *s, const uint8_t *bytes, size_t n_bytes,
                     uint8_t *decoded, srv_response *response)
{
    if (s->n_likes == MAX_PARTS) {
        free(decoded);
        srv_error(request, response, 422, "arg", "at most %d pictures", MAX_PARTS);
        return false;
    }
    s->likes[s->n_likes++] = (item){.bytes = bytes, .n_bytes = n_bytes, .decoded = decoded};
    return true;
}

static bool read_search_json(srv_request *request, searching *s, srv_response *response)
{
    static const srv_field fields[] = {
        {"q", SRV_TEXT | SRV_NULL},
        {"not", SRV_TEXT | SRV_TEXTS | SRV_NULL},
        {"like", SRV_TEXT | SRV_TEXTS | SRV_NULL},
        {"like_id", SRV_TEXT | SRV_TEXTS | SRV_NULL},
        {"library", SRV_TEXT | SRV_NULL},
        {"top", SRV_NUMBER | SRV_NULL},
        {"min", SRV_REAL | SRV_NULL},
        READING,
    };
    texts likes = {0};
    wi_error error = {0};
    if (!srv_query_check(request, search_names, response)) {
        return false;
    }
    s->body =
        srv_read_json(request, fields, sizeof fields / sizeof fields[0], search_names, response);
    bool good = s->body && read_texts(request, s->body, "like", &likes, response);
    for (size_t i = 0; good && i < likes.n; i++) {
        uint8_t *decoded = NULL;
        size_t n_bytes = 0;
        if (srv_base64(likes.items[i], &decoded, &n_bytes, &error) != WI_OK) {
            srv_error(request, response, 400, "bad_base64", "'like': %s", error.message);
            return false;
        }
        good = add_like(request, s, decoded, n_bytes, decoded, response);
    }
    return good;
}

static bool read_search(srv_request *request, searching *s, srv_response *response)
{
    bool good;
    if (request->n_body > 0 && srv_is_type(request, "application/json")) {
        good = read_search_json(request, s, response);
    } else if (srv_is_multipart(request)) {
        good = srv_read_form(request, search_names, &s->parts, response);
        for (size_t i = 0; good && i < s->parts.n; i++) {
            const srv_part *part = &s->parts.items[i];
            good = !srv_part_is_picture(part) ||
                   add_like(request, s, part->bytes, part->n_bytes, NULL, response);
        }
    } else {
        good = srv_query_check(request, search_names, response) &&
               (request->n_body == 0 ||
                add_like(request, s, request->body, request->n_body, NULL, response));
    }
    s->words = good ? srv_text_of(request, s->body, "q") : NULL;
    good = good && read_texts(request, s->body, "not", &s->nots, response) &&
           read_texts(request, s->body, "like_id", &s->ids, response) &&
           read_numbers(request, s, response) &&
           srv_read_reading(request, s->body, response, &s->reading);
    if (good && !(s->words && s->words[0]) && s->n_likes == 0 && s->ids.n == 0) {
        srv_error(request, response, 400, "no_query", "give words ('q'), 'like' or 'like_id'");
        good = false;
    }
    const char *library = good ? srv_text_of(request, s->body, "library") : NULL;
    if (library && !(s->library = srv_read_library(request, library, response))) {
        good = false;
    }
    return good;
}

static void add_row(float *query, const float *row, size_t dim, float weight)
{
    for (size_t i = 0; i < dim; i++) {
        query[i] += weight * row[i];
    }
}

/* What is searched for, and what is not: in one go of the text tower. */
static wi_status add_words(const srv_request *request, const searching *s, float *query, size_t dim,
                           wi_error *error)
{
    const char *all[MAX_PARTS + 2];
    size_t n = 0;
    wi_session *session = NULL;
    const bool has_words = s->words && s->words[0];
    if (has_words) {
        all[n++] = s->words;
    }
    for (size_t i = 0; i < s->nots.n; i++) {
        all[n++] = s->nots.items[i];
    }
    if (n == 0) {
        return WI_OK;
    }
    float *rows = malloc(n * dim * sizeof *rows);
    wi_status status =
        rows ? srv_model_text_begin(s->model, &request->asker, SRV_LANE_SHORT, &session, error)
             : store_fail(error, WI_ERR_NOMEM, "out of memory");
    if (status == WI_OK) {
        status = wi_session_encode_texts(session, all, n, rows, NULL, NULL, error);
        srv_model_text_end(s->model, &request->asker, SRV_LANE_SHORT);
    }
    if (status == WI_OK) {
        wi_normalise(rows, n, dim);
        for (size_t i = 0; i < n; i++) {
            add_row(query, rows + i * dim, dim, has_words && i == 0 ? 1 : -1 / (float)s->nots.n);
        }
    }
    free(rows);
    return status;
}

/* The vector of a picture that is there already. The caller frees with store_vector_free. */
static wi_status row_of(const srv_request *request, const searching *s, const char *id,
                        store_vector *out, wi_error *error)
{
    const srv_model_about *about = srv_model_describe(s->model);
    catalog_seen seen = {.row = -1};
    if (!s->library) {
        return store_vector_get(request->services->store, srv_request_owner(request),
                                about->fingerprint, id, out, error);
    }
    float *row = calloc(about->dim, sizeof *row);
    wi_status status = row ? srv_library_photo(s->library, about, id, &seen, row, error)
                           : store_fail(error, WI_ERR_NOMEM, "out of memory");
    catalog_free_seen(&seen);
    if (status != WI_OK) {
        free(row);
        return status;
    }
    *out = (store_vector){.row = row, .dim = about->dim};
    return WI_OK;
}

/* False: response says why. */
static bool add_pictures(const srv_request *request, const searching *s, float *query, float *row,
                         size_t dim, srv_response *response)
{
    wi_error error = {0};
    for (size_t i = 0; i < s->n_likes; i++) {
        srv_decoded seen;
        if (srv_embed_picture(request->services->decoder, s->model, &request->asker,
                              s->likes[i].bytes, s->likes[i].n_bytes, &s->reading, row, &seen,
                              &error) != WI_OK) {
            srv_picture_error(request, response, s->likes[i].bytes, s->likes[i].n_bytes, &error);
            return false;
        }
        add_row(query, row, dim, 1);
    }
    for (size_t i = 0; i < s->ids.n; i++) {
        store_vector there = {0};
        if (row_of(request, s, s->ids.items[i], &there, &error) != WI_OK) {
            srv_error_of(request, response, &error);
            return false;
        }
        if (there.dim == dim) {
            add_row(query, there.row, dim, 1);
        }
        store_vector_free(&there);
    }
    return true;
}

static json_t *hit_json(const char *id, float score, double confidence, json_t *meta)
{
    return json_pack("{s:s,s:f,s:o,s:o}", "id", id, "score", (double)score, "confidence",
                     isnan(confidence) ? json_null() : json_real(confidence), "meta", meta);
}

static json_t *found_json(const srv_found *found, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(list, hit_json(found[i].vector.id, found[i].score,
                                             found[i].confidence, meta_json(found[i].vector.meta)));
    }
    return list;
}

static json_t *photos_json(const srv_photo *photos, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        char hex[65];
        catalog_hex(photos[i].seen.sha, hex);
        json_array_append_new(list, hit_json(hex, photos[i].score, photos[i].confidence,
                                             srv_photo_json(&photos[i].seen)));
    }
    return list;
}

/* NULL: error says why. */
static json_t *search_library(const srv_request *request, const searching *s, const float *query,
                              bool is_words, wi_error *error)
{
    srv_photo *photos = NULL;
    size_t n = 0;
    srv_library_query how = {.vector = query, .top = s->top, .least = s->least};
    wi_status status =
        is_words ? srv_search_background(request->services->search, s->model, &how.words, error)
                 : WI_OK;
    if (status == WI_OK) {
        status =
            srv_library_search(s->library, srv_model_describe(s->model), &how, &photos, &n, error);
    }
    json_t *list = status == WI_OK ? photos_json(photos, n) : NULL;
    srv_photos_free(&photos, n);
    return list;
}

static json_t *search_own(const srv_request *request, const searching *s, const float *query,
                          bool is_words, wi_error *error)
{
    srv_found *found = NULL;
    size_t n = 0;
    const srv_query how = {.owner = srv_request_owner(request),
                           .vector = query,
                           .top = s->top,
                           .is_words = is_words,
                           .least = s->least};
    if (srv_search_run(request->services->search, s->model, &how, &found, &n, error) != WI_OK) {
        return NULL;
    }
    json_t *list = found_json(found, n);
    srv_found_free(&found, n);
    return list;
}

static void search(const srv_request *request, const searching *s, float *query, size_t dim,
                   srv_response *response)
{
    const bool is_words = s->n_likes == 0 && s->ids.n == 0;
    wi_error error = {0};
    wi_normalise(query, 1, dim);
    json_t *found = s->library ? search_library(request, s, query, is_words, &error)
                               : search_own(request, s, query, is_words, &error);
    if (!found) {
        srv_error_of(request, response, &error);
        return;
    }
    srv_json(response, 200,
             json_pack("{s:s,s:o,s:o}", "model", srv_model_describe(s->model)->name, "min",
                       is_words ? json_real(s->least) : json_null(), "results", found));
}

void srv_handle_search(srv_request *request, srv_response *response)
{
    searching s = {0};
    wi_error error = {0};
    float *query = NULL;
    if (read_search(request, &s, response) &&
        (s.model = srv_read_model(request, s.body, response))) {
        const size_t dim = srv_model_describe(s.model)->dim;
        query = calloc(2 * dim, sizeof *query); /* and room for one more row */
        const wi_status status = query ? add_words(request, &s, query, dim, &error)
                                       : store_fail(&error, WI_ERR_NOMEM, "out of memory");
        if (status != WI_OK) {
            srv_error_of(request, response, &error);
        } else if (add_pictures(request, &s, query, query + dim, dim, response)) {
            search(request, &s, query, dim, response);
        }
    }
    free(query);
    free_searching(&s);
}
