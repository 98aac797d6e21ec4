#define _GNU_SOURCE /* memmem */
#include "pictures.h"
#include "encoder.h"
#include "models.h"
#include <ctype.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_PARTS = 256, MAX_BOUNDARY = 70 };
/* What jansson needs at most for a value that begins with '{', with '[' or behind a comma. */
enum { OBJECT_BYTES = 256, ARRAY_BYTES = 160, VALUE_BYTES = 112, MAX_JSON_BYTES = 128 << 20 };

bool srv_is_type(const srv_request *request, const char *type)
{
    const char *given = srv_pairs_get(&request->headers, "Content-Type");
    size_t n = strlen(type);
    return given && !strncasecmp(given, type, n) && (!given[n] || strchr("; \t", given[n]));
}

bool srv_is_multipart(const srv_request *request)
{
    return srv_is_type(request, "multipart/form-data");
}

/* ---- multipart ---- */

/* The value of a parameter such as boundary= or name= in a header's value; quotes are taken off. */
static bool parameter(const char *header, size_t n_header, const char *name, char *out,
                      size_t n_out)
{
    size_t n_name = strlen(name);
    const char *end = header + n_header;
    for (const char *at = header; at + n_name < end; at++) {
        bool begins = at > header && strchr("; \t", at[-1]);
        if (!begins || strncasecmp(at, name, n_name) || at[n_name] != '=') {
            continue;
        }
        at += n_name + 1;
        bool quoted = at < end && *at == '"';
        at += quoted;
        size_t n = 0;
        while (at < end && (quoted ? *at != '"' : !strchr("; \t\r\n", *at))) {
            if (quoted && *at == '\\' && at + 1 < end) {
                at++;
            }
            if (!*at || n + 1 >= n_out) {
                return false;
            }
            out[n++] = *at++;
        }
        out[n] = '\0';
        return n > 0;
    }
    return false;
}

/* One part's headers up to the empty line. */
static bool read_part(const uint8_t *bytes, size_t n_bytes, srv_part *part)
{
    static const char wanted[] = "content-disposition:";
    const char *text = (const char *)bytes;
    const char *body = memmem(text, n_bytes, "\r\n\r\n", 4);
    char name[200];
    if (!body) {
        return false;
    }
    part->name = NULL;
    for (const char *line = text; line && line < body + 2;) {
        const char *end = memmem(line, (size_t)(body + 2 - line), "\r\n", 2);
        size_t n = (size_t)((end ? end : body) - line);
        if (n > sizeof wanted && !strncasecmp(line, wanted, sizeof wanted - 1)) {
            if (part->name || !parameter(line, n, "name", name, sizeof name)) {
                return false;
            }
            part->name = strdup(name);
            part->is_file = memmem(line, n, "filename", 8) != NULL;
        }
        line = end ? end + 2 : NULL;
    }
    part->bytes = (const uint8_t *)body + 4;
    part->n_bytes = n_bytes - (size_t)(part->bytes - bytes);
    return part->name != NULL;
}

wi_status srv_parts_read(const srv_request *request, srv_parts *out, wi_error *error)
{
    const char *type = srv_pairs_get(&request->headers, "Content-Type");
    char boundary[MAX_BOUNDARY + 1], mark[MAX_BOUNDARY + 8];
    *out = (srv_parts){0};
    if (!type || !parameter(type, strlen(type), "boundary", boundary, sizeof boundary)) {
        return store_fail(error, WI_ERR_FORMAT, "multipart without a boundary");
    }
    size_t n_mark = (size_t)snprintf(mark, sizeof mark, "\r\n--%s", boundary);
    const uint8_t *at = request->body, *end = request->body ? request->body + request->n_body : at;
    if (request->n_body < n_mark - 2 || memcmp(at, mark + 2, n_mark - 2) != 0) {
        /* What stands before the first boundary is to be ignored. */
        at = request->body ? memmem(at, request->n_body, mark, n_mark) : NULL;
        if (!at) {
            return store_fail(error, WI_ERR_FORMAT, "multipart: no boundary in the body");
        }
        at += 2;
    }
    out->items = calloc(MAX_PARTS, sizeof *out->items);
    if (!out->items) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    for (at += n_mark - 2; end - at >= 2 && memcmp(at, "--", 2) != 0;) {
        const uint8_t *line = memmem(at, (size_t)(end - at), "\r\n", 2);
        const uint8_t *next = line ? memmem(line, (size_t)(end - line), mark, n_mark) : NULL;
        if (!next || out->n == MAX_PARTS) {
            return out->n == MAX_PARTS
                       ? store_fail(error, WI_ERR_LIMIT, "more than %d parts", MAX_PARTS)
                       : store_fail(error, WI_ERR_FORMAT,
                                    "multipart: the last boundary is missing");
        }
        size_t skip = next > line ? 2 : 0;
        if (!read_part(line + skip, (size_t)(next - line) - skip, &out->items[out->n])) {
            free((char *)(uintptr_t)out->items[out->n].name);
            return store_fail(error, WI_ERR_FORMAT, "multipart: a part has no name");
        }
        out->n++;
        at = next + n_mark;
    }
    return WI_OK;
}

const srv_part *srv_parts_find(const srv_parts *parts, const char *name)
{
    for (size_t i = 0; i < parts->n; i++) {
        if (!strcmp(parts->items[i].name, name)) {
            return &parts->items[i];
        }
    }
    return NULL;
}

void srv_parts_free(srv_parts *parts)
{
    for (size_t i = 0; i < parts->n; i++) {
        free((char *)(uintptr_t)parts->items[i].name);
    }
    free(parts->items);
    *parts = (srv_parts){0};
}

bool srv_part_is_picture(const srv_part *part)
{
    return !strcmp(part->name, "image") || !strcmp(part->name, "file");
}

/* n_query: so many stood in the query before the form was read. */
static bool add_field(srv_request *request, const srv_part *part, size_t n_query,
                      srv_response *response)
{
    const srv_pairs before = {.items = request->query.items, .n = n_query};
    if (srv_pairs_get(&before, part->name)) {
        srv_error(request, response, 422, "twice", "'%s' is in the query and in the form",
                  part->name);
        return false;
    }
    char *value = memchr(part->bytes, 0, part->n_bytes)
                      ? NULL
                      : strndup((const char *)part->bytes, part->n_bytes);
    const bool is_text = value && srv_text_ok(value);
    const bool added = is_text && srv_pairs_add(&request->query, part->name, value);
    free(value);
    if (!is_text) {
        srv_error(request, response, 400, "not_utf8", "the form's field '%s' is not UTF-8",
                  part->name);
    } else if (!added) {
        srv_error(request, response, 503, "nomem", "out of memory");
    }
    return added;
}

bool srv_read_form(srv_request *request, const char *const *names, srv_parts *parts,
                   srv_response *response)
{
    wi_error error = {0};
    const size_t n_query = request->query.n;
    bool good = true, has_picture = false;
    if (srv_parts_read(request, parts, &error) != WI_OK) {
        srv_error_of(request, response, &error);
        return false;
    }
    for (size_t i = 0; i < parts->n && good; i++) {
        const srv_part *part = &parts->items[i];
        const bool is_picture = srv_part_is_picture(part);
        has_picture = has_picture || is_picture;
        good = is_picture || (srv_name_check(request, part->name, names, "field", response) &&
                              add_field(request, part, n_query, response));
    }
    if (good && !has_picture) {
        srv_error(request, response, 400, "no_picture", "the form has no field 'image'");
    }
    return good && has_picture && srv_query_check(request, names, response);
}

/* ---- base64 ---- */

wi_status srv_base64(const char *text, uint8_t **out, size_t *n, wi_error *error)
{
    static const int variants[] = {
        sodium_base64_VARIANT_ORIGINAL, sodium_base64_VARIANT_ORIGINAL_NO_PADDING,
        sodium_base64_VARIANT_URLSAFE, sodium_base64_VARIANT_URLSAFE_NO_PADDING};
    if (!strncasecmp(text, "data:", 5)) {
        const char *comma = strchr(text, ',');
        if (!comma || comma - text < 12 || strncasecmp(comma - 7, ";base64", 7)) {
            return store_fail(error, WI_ERR_FORMAT, "a data: URL that is not base64");
        }
        text = comma + 1;
    }
    size_t n_text = strlen(text), capacity = n_text / 4 * 3 + 3;
    uint8_t *bytes = malloc(capacity);
    if (!bytes) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        if (sodium_base642bin(bytes, capacity, text, n_text, "\r\n ", n, NULL, variants[i]) == 0) {
            *out = bytes;
            return WI_OK;
        }
    }
    free(bytes);
    return store_fail(error, WI_ERR_FORMAT, "not base64");
}

char *srv_to_base64(const void *bytes, size_t n_bytes)
{
    size_t capacity = sodium_base64_encoded_len(n_bytes, sodium_base64_VARIANT_ORIGINAL);
    char *text = malloc(capacity);
    return text ? sodium_bin2base64(text, capacity, bytes, n_bytes, sodium_base64_VARIANT_ORIGINAL)
                : NULL;
}

/* ---- pictures ---- */

static bool wants(const srv_request *request, const json_t *body, const char *name)
{
    const char *text = srv_pairs_get(&request->query, name);
    return text ? !strcmp(text, "1") || !strcmp(text, "true")
                : json_is_true(json_object_get(body, name));
}

srv_model *srv_read_model(const srv_request *request, const json_t *body, srv_response *response)
{
    const char *name = srv_text_of(request, body, "model");
    srv_model *model = srv_models_find(request->models, name);
    if (!model) {
        srv_error(request, response, 404, "not_found", "there is no model '%.100s'", name);
    }
    return model;
}

bool srv_read_reading(const srv_request *request, const json_t *body, srv_response *response,
                      wi_image_options *out)
{
    const char *alpha = srv_pairs_get(&request->query, "alpha");
    alpha = alpha ? alpha : json_string_value(json_object_get(body, "alpha"));
    if (alpha && strcmp(alpha, "ground") != 0 && strcmp(alpha, "original") != 0) {
        srv_error(request, response, 400, "arg", "'alpha' is ground or original");
        return false;
    }
    *out =
        (wi_image_options){.exact = wants(request, body, "exact"),
                           .strict = wants(request, body, "strict"),
                           .ignore_exif = wants(request, body, "no_exif"),
                           .alpha = alpha && alpha[0] == 'o' ? WI_ALPHA_ORIGINAL : WI_ALPHA_GROUND};
    return true;
}

json_t *srv_warnings_json(const srv_decoded *decoded)
{
    json_t *list = json_array();
    for (size_t i = 0; i < decoded->n_warnings; i++) {
        json_array_append_new(list, json_string(decoded->warnings[i]));
    }
    return list;
}

wi_status srv_embed_picture(srv_decoder *decoder, srv_model *model, const srv_asker *asker,
                            const void *bytes, size_t n_bytes, const wi_image_options *reading,
                            float *embedding, srv_decoded *decoded, wi_error *error)
{
    const srv_model_about *about = srv_model_describe(model);
    uint8_t *pixels = malloc((size_t)about->image_px * about->image_px * 3);
    if (!pixels) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    srv_encoder *encoder = srv_model_encoder(model, asker);
    /* A batch waits a moment for what will be there soon, and not for what takes long. */
    bool quick = srv_decode_is_quick(bytes, n_bytes);
    if (quick) {
        srv_encoder_expect(encoder);
    }
    wi_status status = srv_decode(decoder, asker, bytes, n_bytes, reading, &about->preprocess,
                                  pixels, decoded, error);
    if (status == WI_OK) {
        if (!quick) {
            srv_encoder_expect(encoder);
        }
        status = srv_encode(encoder, asker, pixels, embedding, error);
    } else if (quick) {
        srv_encoder_unexpect(encoder);
    }
    free(pixels);
    return status;
}

void srv_picture_error(const srv_request *request, srv_response *response, const void *bytes,
                       size_t n_bytes, const wi_error *error)
{
    if (error->status == WI_ERR_FORMAT || error->status == WI_ERR_UNSUPPORTED) {
        bool picture = wi_image_probe(bytes, n_bytes) != NULL;
        unsigned status = !n_bytes                         ? 400
                          : !picture                       ? 415
                          : error->status == WI_ERR_FORMAT ? 400
                                                           : 422;
        srv_error(request, response, status, n_bytes && !picture ? "not_a_picture" : "bad_picture",
                  "the picture: %s", n_bytes ? error->message : "the body is empty");
        return;
    }
    if (error->status == WI_ERR_ARG) {
        srv_error(request, response, 422, "bad_picture", "the picture: %s", error->message);
        return;
    }
    srv_error_of(request, response, error);
}

/* Three bytes of JSON can make a hundred times as many in memory: what a text will need, before it is parsed. */
static size_t json_cost(const uint8_t *text, size_t n)
{
    size_t cost = 0;
    bool in_string = false;
    for (size_t i = 0; i < n; i++) {
        if (in_string && text[i] == '\\') {
            i++; /* the next one stands for itself */
        } else if (text[i] == '"') {
            in_string = !in_string;
        } else if (!in_string) {
            cost += text[i] == '{'   ? OBJECT_BYTES
                    : text[i] == '[' ? ARRAY_BYTES
                    : text[i] == ',' ? VALUE_BYTES
                                     : 0;
        }
    }
    return cost;
}

json_t *srv_body_json(srv_request *request, srv_response *response)
{
    json_error_t error;
    const char *type = srv_pairs_get(&request->headers, "Content-Type");
    bool is_json = !type || srv_is_type(request, "application/json") ||
                   srv_is_type(request, "text/plain") ||
                   srv_is_type(request, "application/x-www-form-urlencoded");
    if (!is_json) {
        srv_error(request, response, 415, "not_json", "the body must be application/json");
        return NULL;
    }
    size_t cost = json_cost(request->body, request->n_body);
    if (cost > MAX_JSON_BYTES) {
        srv_error(request, response, 413, "too_large", "the JSON holds too many values");
        return NULL;
    }
    /* Its texts are copied, and pictures are unpacked from them. */
    if (!srv_request_take(request, cost + 2 * request->n_body)) {
        srv_error(request, response, 503, "busy", "too much is being worked on at once: try again");
        return NULL;
    }
    json_t *body =
        json_loadb((const char *)request->body, request->n_body, JSON_REJECT_DUPLICATES, &error);
    if (!body) {
        srv_error(request, response, 400, "bad_json", "the body is not JSON: line %d: %s",
                  error.line, error.text);
    } else if (!json_is_object(body)) {
        srv_error(request, response, 400, "bad_json", "the body must be a JSON object");
        json_decref(body);
        body = NULL;
    }
    return body;
}

json_t *srv_read_json(srv_request *request, const srv_field *fields, size_t n_fields,
                      const char *const *names, srv_response *response)
{
    json_t *body = srv_body_json(request, response);
    if (body && (!srv_fields_check(request, body, fields, n_fields, response) ||
                 !srv_twice_check(request, body, names, response))) {
        json_decref(body);
        body = NULL;
    }
    return body;
}

const char *srv_text_of(const srv_request *request, const json_t *body, const char *name)
{
    const char *text = json_string_value(json_object_get(body, name));
    return text ? text : srv_pairs_get(&request->query, name);
}
