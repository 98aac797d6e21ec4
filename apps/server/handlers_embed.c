/* POST /v1/embed, and what clients of OpenAI, Infinity, Jina, Cohere and Ollama send for vectors of pictures and
 * texts. */
#include "fields.h"
#include "handlers.h"
#include "models.h"
#include "pictures.h"
#include "services.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_INPUTS = 2048, LEAST_PICTURE_TEXT = 64 };

/* Inputs in the order of the answer; each is a picture (bytes) or a text. */
typedef struct input {
    const char *text;
    const uint8_t *bytes;
    size_t n_bytes;
    uint8_t *decoded; /* owned */
} input;

typedef struct inputs {
    input *items;
    size_t n, n_tokens, n_truncated;
    bool counts; /* tokens are wanted, for which every text is read a second time */
    wi_image_options reading;
} inputs;

static void free_inputs(inputs *all)
{
    for (size_t i = 0; i < all->n; i++) {
        free(all->items[i].decoded);
    }
    free(all->items);
    *all = (inputs){0};
}

static bool add_input(inputs *all, const char *text, const char *image, wi_error *error)
{
    if (all->n == MAX_INPUTS) {
        store_fail(error, WI_ERR_ARG, "more than %d inputs", MAX_INPUTS);
        return false;
    }
    if (!all->items) {
        all->items = calloc(MAX_INPUTS, sizeof *all->items);
    }
    if (!all->items) {
        store_fail(error, WI_ERR_NOMEM, "out of memory");
        return false;
    }
    input *in = &all->items[all->n];
    *in = (input){.text = text};
    if (image && srv_base64(image, &in->decoded, &in->n_bytes, error) != WI_OK) {
        return false;
    }
    in->bytes = in->decoded;
    all->n++;
    return true;
}

/* Texts in one go, so that they share prefixes; pictures one by one into the encoder's batches. */
static wi_status embed_texts(const srv_request *request, srv_model *model, inputs *all, float *out,
                             size_t dim, wi_error *error)
{
    const char **texts = calloc(all->n, sizeof *texts);
    float *rows = malloc(all->n * dim * sizeof *rows);
    wi_session *session = NULL;
    size_t n = 0, at = 0;
    for (size_t i = 0; texts && i < all->n; i++) {
        if (all->items[i].text) {
            texts[n++] = all->items[i].text;
        }
    }
    wi_status status = texts && rows ? WI_OK : store_fail(error, WI_ERR_NOMEM, "out of memory");
    if (status == WI_OK && n > 0) {
        status = srv_model_text_begin(model, &request->asker, SRV_LANE_SHORT, &session, error);
        if (status == WI_OK) {
            status =
                wi_session_encode_texts(session, texts, n, rows, &all->n_truncated, NULL, error);
            for (size_t i = 0; i < n && all->counts; i++) {
                all->n_tokens += srv_model_n_tokens(model, texts[i]);
            }
            srv_model_text_end(model, &request->asker, SRV_LANE_SHORT);
        }
    }
    if (status == WI_OK) {
        wi_normalise(rows, n, dim);
        for (size_t i = 0; i < all->n; i++) {
            if (all->items[i].text) {
                memcpy(out + i * dim, rows + at++ * dim, dim * sizeof *rows);
            }
        }
    }
    free((void *)texts);
    free(rows);
    return status;
}

/* Answers and returns NULL when something is wrong. */
static float *embed(const srv_request *request, srv_model *model, inputs *all,
                    srv_response *response)
{
    size_t dim = srv_model_describe(model)->dim;
    wi_error error = {0};
    srv_decoded decoded;
    float *out = calloc(all->n, dim * sizeof *out);
    wi_status status = out ? embed_texts(request, model, all, out, dim, &error)
                           : store_fail(&error, WI_ERR_NOMEM, "out of memory");
    if (status != WI_OK) {
        srv_error_of(request, response, &error);
    }
    for (size_t i = 0; i < all->n && status == WI_OK; i++) {
        const input *in = &all->items[i];
        if (!in->text) {
            status =
                srv_embed_picture(request->services->decoder, model, &request->asker, in->bytes,
                                  in->n_bytes, &all->reading, out + i * dim, &decoded, &error);
            if (status != WI_OK) {
                srv_picture_error(request, response, in->bytes, in->n_bytes, &error);
            }
        }
    }
    if (status != WI_OK) {
        free(out);
        return NULL;
    }
    return out;
}

static json_t *row_json(const float *row, size_t dim)
{
    json_t *list = json_array();
    for (size_t i = 0; i < dim; i++) {
        json_array_append_new(list, json_real((double)row[i]));
    }
    return list;
}

static srv_model *find_model(const srv_request *request, const char *name, srv_response *response)
{
    srv_model *model = srv_models_find(request->models, name);
    if (!model) {
        srv_error(request, response, 404, "model_not_found", "there is no model '%.100s'", name);
    }
    return model;
}

/* ---- /v1/embed ---- */

static bool add_list(inputs *all, const json_t *list, bool pictures, wi_error *error)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *item = json_string_value(json_array_get(list, i));
        if (!item) {
            store_fail(error, WI_ERR_ARG, "'%s' must be a list of texts",
                       pictures ? "images" : "texts");
            return false;
        }
        if (!add_input(all, pictures ? NULL : item, pictures ? item : NULL, error)) {
            return false;
        }
    }
    return true;
}

static bool read_json(const json_t *body, inputs *all, wi_error *error)
{
    const char *image = json_string_value(json_object_get(body, "image"));
    const char *text = json_string_value(json_object_get(body, "text"));
    return (!image || add_input(all, NULL, image, error)) &&
           add_list(all, json_object_get(body, "images"), true, error) &&
           (!text || add_input(all, text, NULL, error)) &&
           add_list(all, json_object_get(body, "texts"), false, error);
}

static bool read_inputs(srv_request *request, json_t **body, srv_parts *parts, inputs *all,
                        srv_response *response)
{
    wi_error error = {0};
    bool good = true;
    static const char *const names[] = {"model", "exact", "strict", "no_exif", "alpha", NULL};
    static const srv_field fields[] = {
        {"image", SRV_TEXT | SRV_NULL},  {"images", SRV_TEXTS | SRV_NULL},
        {"text", SRV_TEXT | SRV_NULL},   {"texts", SRV_TEXTS | SRV_NULL},
        {"model", SRV_TEXT | SRV_NULL},  {"exact", SRV_BOOL | SRV_NULL},
        {"strict", SRV_BOOL | SRV_NULL}, {"no_exif", SRV_BOOL | SRV_NULL},
        {"alpha", SRV_TEXT | SRV_NULL},
    };
    if (!srv_query_check(request, names, response)) {
        return false;
    }
    if (srv_is_type(request, "application/json")) {
        *body = srv_read_json(request, fields, sizeof fields / sizeof fields[0], names, response);
        if (!*body) {
            return false;
        }
        good = read_json(*body, all, &error);
    } else if (srv_is_multipart(request)) {
        if (!srv_read_form(request, names, parts, response)) {
            return false;
        }
        for (size_t i = 0; good && i < parts->n; i++) {
            const srv_part *part = &parts->items[i];
            if (srv_part_is_picture(part)) {
                good = add_input(all, NULL, NULL, &error);
                if (good) {
                    all->items[all->n - 1].bytes = part->bytes;
                    all->items[all->n - 1].n_bytes = part->n_bytes;
                }
            }
        }
    } else {
        good = add_input(all, NULL, NULL, &error);
        if (good) {
            all->items[0].bytes = request->body;
            all->items[0].n_bytes = request->n_body;
        }
    }
    if (!good) {
        srv_error_of(request, response, &error);
    } else if (all->n == 0) {
        srv_error(request, response, 400, "no_input", "give 'image', 'images', 'text' or 'texts'");
        good = false;
    }
    return good;
}

void srv_handle_embed(srv_request *request, srv_response *response)
{
    inputs all = {0};
    json_t *body = NULL;
    srv_parts parts = {0};
    float *rows = NULL;
    srv_model *model = NULL;
    if (read_inputs(request, &body, &parts, &all, response)) {
        model = find_model(request, srv_text_of(request, body, "model"), response);
        rows = model && srv_read_reading(request, body, response, &all.reading)
                   ? embed(request, model, &all, response)
                   : NULL;
    }
    if (rows) {
        size_t dim = srv_model_describe(model)->dim;
        json_t *list = json_array();
        for (size_t i = 0; i < all.n; i++) {
            json_array_append_new(list, row_json(rows + i * dim, dim));
        }
        srv_json(response, 200,
                 json_pack("{s:s,s:s,s:i,s:o}", "model", srv_model_describe(model)->name,
                           "fingerprint", srv_model_describe(model)->fingerprint, "dim", (int)dim,
                           "embeddings", list));
    }
    free(rows);
    free_inputs(&all);
    srv_parts_free(&parts);
    json_decref(body);
}

/* ---- OpenAI, Infinity, Jina: /v1/embeddings, /embeddings ---- */

static bool is_address(const char *text)
{
    return (!strncasecmp(text, "http://", 7) || !strncasecmp(text, "https://", 8)) &&
           !strpbrk(text, " \t\n");
}

/* A long text of base64's letters alone is bytes that somebody meant to be seen, not words to be read. */
static bool is_packed(const char *text)
{
    size_t n =
        strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=\r\n");
    return n >= LEAST_PICTURE_TEXT && !text[n] && strpbrk(text, "0123456789+/=");
}

/* A text, or a picture as a data: address or as base64; never the letters of a picture as words. */
static bool add_text_or_picture(inputs *all, const char *text, bool picture, wi_error *error)
{
    if (is_address(text)) {
        store_fail(error, WI_ERR_UNSUPPORTED,
                   "'input' is an address, and nothing is fetched from here: send the picture as "
                   "data:image/...;base64,");
        return false;
    }
    bool is_picture = picture || !strncasecmp(text, "data:", 5);
    if (!is_picture && is_packed(text)) {
        uint8_t *bytes = NULL;
        size_t n = 0;
        is_picture = srv_base64(text, &bytes, &n, NULL) == WI_OK && wi_image_probe(bytes, n);
        free(bytes);
        if (!is_picture) {
            store_fail(error, WI_ERR_UNSUPPORTED,
                       "'input' looks like base64 of something that is no picture; words have "
                       "blanks between");
            return false;
        }
    }
    return add_input(all, is_picture ? NULL : text, is_picture ? text : NULL, error);
}

/* Strings, or objects such as {"text": "..."} and {"image": "..."}. */
static bool read_item(const json_t *item, bool pictures, inputs *all, wi_error *error)
{
    const char *text = json_string_value(item);
    const char *inner = json_string_value(json_object_get(item, "text"));
    const char *image = json_string_value(json_object_get(item, "image"));
    if (text || image) {
        return add_text_or_picture(all, text ? text : image, pictures || !text, error);
    }
    if (inner) {
        return add_text_or_picture(all, inner, false, error);
    }
    bool tokens =
        json_is_integer(item) || (json_is_array(item) && json_is_integer(json_array_get(item, 0)));
    store_fail(
        error, WI_ERR_ARG,
        tokens ? "'input' holds numbers of tokens, of a vocabulary that is not named: send texts "
                 "(LangChain: check_embedding_ctx_length=False)"
               : "'input' must be a text, a picture or a list of them");
    return false;
}

static bool read_list(const json_t *in, bool pictures, inputs *all, wi_error *error)
{
    bool good = true;
    if (!json_is_array(in)) {
        return read_item(in, pictures, all, error);
    }
    for (size_t i = 0; good && i < json_array_size(in); i++) {
        good = read_item(json_array_get(in, i), pictures, all, error);
    }
    if (good && all->n == 0) {
        store_fail(error, WI_ERR_ARG, "'input' is empty");
        good = false;
    }
    return good;
}

static json_t *openai_json(const float *rows, size_t n, size_t dim, bool base64)
{
    json_t *data = json_array();
    for (size_t i = 0; i < n; i++) {
        char *text = base64 ? srv_to_base64(rows + i * dim, dim * sizeof *rows) : NULL;
        json_array_append_new(
            data, json_pack("{s:s,s:i,s:o}", "object", "embedding", "index", (int)i, "embedding",
                            base64 ? json_string(text) : row_json(rows + i * dim, dim)));
        free(text);
    }
    return data;
}

static const srv_field openai_fields[] = {
    {"model", SRV_TEXT | SRV_NULL},
    {"input", SRV_TEXT | SRV_LIST | SRV_OBJECT},
    {"encoding_format", SRV_TEXT | SRV_NULL},
    {"dimensions", SRV_NUMBER | SRV_NULL},
    {"modality", SRV_TEXT | SRV_NULL}, /* Infinity */
    {"user", SRV_TEXT | SRV_NULL},
    {"embedding_type", SRV_TEXT | SRV_TEXTS | SRV_NULL}, /* Jina, from here on */
    {"task", SRV_TEXT | SRV_NULL},
    {"normalized", SRV_BOOL | SRV_NULL},
    {"truncate", SRV_BOOL | SRV_NULL},
    {"late_chunking", SRV_BOOL | SRV_NULL},
};

/* *base64: in which form vectors are wanted. */
static bool check_openai(const srv_request *request, const json_t *body, size_t dim, bool *base64,
                         srv_response *response)
{
    const json_t *dimensions = json_object_get(body, "dimensions");
    const json_t *format = json_object_get(body, "encoding_format");
    const char *name = json_string_value(format);
    name = name ? name : json_string_value(json_object_get(body, "embedding_type"));
    const char *modality = json_string_value(json_object_get(body, "modality"));
    *base64 = name && !strcmp(name, "base64");
    if (modality && strcmp(modality, "text") && strcmp(modality, "image")) {
        srv_error(request, response, 422, "unsupported", "'modality' is text or image");
        return false;
    }
    if (name && strcmp(name, "float") && strcmp(name, "base64")) {
        srv_error(request, response, 400, "arg", "'encoding_format' is float or base64");
        return false;
    }
    if (json_is_integer(dimensions) && json_integer_value(dimensions) != (json_int_t)dim) {
        srv_error(request, response, 400, "arg", "this model has %zu dimensions, and cannot be cut",
                  dim);
        return false;
    }
    if (json_is_true(json_object_get(body, "late_chunking")) ||
        json_is_false(json_object_get(body, "normalized"))) {
        srv_error(request, response, 422, "unsupported",
                  "vectors have length 1 and are of one text each here");
        return false;
    }
    return true;
}

/* The model's vectors of what a body holds, which `read` finds in it; NULL: answered. */
static float *vectors_of(const srv_request *request, const json_t *body, inputs *all,
                         bool (*read)(const json_t *, inputs *, wi_error *), srv_model **model,
                         srv_response *response)
{
    wi_error error = {0};
    all->counts = true;
    *model = find_model(request, json_string_value(json_object_get(body, "model")), response);
    if (!*model) {
        return NULL;
    }
    if (!read(body, all, &error)) {
        srv_error_of(request, response, &error);
        return NULL;
    }
    return embed(request, *model, all, response);
}

static bool read_openai(const json_t *body, inputs *all, wi_error *error)
{
    const char *modality = json_string_value(json_object_get(body, "modality"));
    return read_list(json_object_get(body, "input"), modality && !strcmp(modality, "image"), all,
                     error);
}

void srv_handle_openai_embeddings(srv_request *request, srv_response *response)
{
    inputs all = {0};
    float *rows = NULL;
    bool base64 = false;
    srv_model *model = NULL;
    json_t *body = srv_body_json(request, response);
    const char *name = json_string_value(json_object_get(body, "model"));
    if (body && srv_fields_check(request, body, openai_fields,
                                 sizeof openai_fields / sizeof openai_fields[0], response)) {
        model = find_model(request, name, response);
        if (model &&
            check_openai(request, body, srv_model_describe(model)->dim, &base64, response)) {
            rows = vectors_of(request, body, &all, read_openai, &model, response);
        }
    }
    if (rows) {
        json_t *data = openai_json(rows, all.n, srv_model_describe(model)->dim, base64);
        srv_json(response, 200,
                 json_pack("{s:s,s:o,s:s,s:{s:I,s:I,s:I}}", "object", "list", "data", data, "model",
                           name ? name : srv_model_describe(model)->name, "usage", "prompt_tokens",
                           (json_int_t)all.n_tokens, "total_tokens", (json_int_t)all.n_tokens,
                           "truncated", (json_int_t)all.n_truncated));
    }
    free(rows);
    free_inputs(&all);
    json_decref(body);
}

static json_t *rows_json(const float *rows, size_t n, size_t dim)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(list, row_json(rows + i * dim, dim));
    }
    return list;
}

/* ---- Cohere: /v2/embed ---- */

static bool read_cohere(const json_t *body, inputs *all, wi_error *error)
{
    const json_t *texts = json_object_get(body, "texts"), *images = json_object_get(body, "images");
    bool good = true;
    for (size_t i = 0; good && i < json_array_size(texts); i++) {
        good = add_text_or_picture(all, json_string_value(json_array_get(texts, i)), false, error);
    }
    for (size_t i = 0; good && i < json_array_size(images); i++) {
        good = add_text_or_picture(all, json_string_value(json_array_get(images, i)), true, error);
    }
    if (good && all->n == 0) {
        store_fail(error, WI_ERR_ARG, "give 'texts' or 'images'");
        good = false;
    }
    return good;
}

/* Vectors of numbers with a point only. */
static bool check_cohere(const srv_request *request, const json_t *body, srv_response *response)
{
    const json_t *types = json_object_get(body, "embedding_types");
    for (size_t i = 0; i < json_array_size(types); i++) {
        if (strcmp(json_string_value(json_array_get(types, i)), "float")) {
            srv_error(request, response, 422, "unsupported", "'embedding_types' can only be float");
            return false;
        }
    }
    return true;
}

void srv_handle_cohere_embed(srv_request *request, srv_response *response)
{
    static const srv_field fields[] = {
        {"model", SRV_TEXT | SRV_NULL},        {"texts", SRV_TEXTS | SRV_NULL},
        {"images", SRV_TEXTS | SRV_NULL},      {"input_type", SRV_TEXT | SRV_NULL},
        {"truncate", SRV_TEXT | SRV_NULL},     {"embedding_types", SRV_TEXTS | SRV_NULL},
        {"max_tokens", SRV_NUMBER | SRV_NULL},
    };
    inputs all = {0};
    srv_model *model = NULL;
    json_t *body = srv_body_json(request, response);
    float *rows = NULL;
    if (body &&
        srv_fields_check(request, body, fields, sizeof fields / sizeof fields[0], response) &&
        check_cohere(request, body, response)) {
        rows = vectors_of(request, body, &all, read_cohere, &model, response);
    }
    if (rows) {
        json_t *list = rows_json(rows, all.n, srv_model_describe(model)->dim);
        const json_t *texts = json_object_get(body, "texts");
        srv_json(
            response, 200,
            json_pack("{s:s,s:{s:o},s:o,s:{s:{s:s},s:{s:I}}}", "id", "embed", "embeddings", "float",
                      list, "texts",
                      json_is_array(texts) ? json_incref((json_t *)(uintptr_t)texts) : json_array(),
                      "meta", "api_version", "version", "2", "billed_units", "input_tokens",
                      (json_int_t)all.n_tokens));
    }
    free(rows);
    free_inputs(&all);
    json_decref(body);
}

/* ---- Ollama: /api/embed ---- */

/* 'input' as Ollama has it, and 'images' as its users wish. */
static bool read_ollama(const json_t *body, inputs *all, wi_error *error)
{
    const json_t *in = json_object_get(body, "input"), *images = json_object_get(body, "images");
    bool good = !in || json_is_null(in) || read_list(in, false, all, error);
    for (size_t i = 0; good && i < json_array_size(images); i++) {
        good = add_text_or_picture(all, json_string_value(json_array_get(images, i)), true, error);
    }
    if (good && all->n == 0) {
        store_fail(error, WI_ERR_ARG, "give 'input' or 'images'");
        good = false;
    }
    return good;
}

void srv_handle_ollama_embed(srv_request *request, srv_response *response)
{
    static const srv_field fields[] = {
        {"model", SRV_TEXT | SRV_NULL},        {"input", SRV_TEXT | SRV_TEXTS | SRV_NULL},
        {"images", SRV_TEXTS | SRV_NULL},      {"truncate", SRV_BOOL | SRV_NULL},
        {"options", SRV_OBJECT | SRV_NULL},    {"keep_alive", SRV_TEXT | SRV_NUMBER | SRV_NULL},
        {"dimensions", SRV_NUMBER | SRV_NULL},
    };
    inputs all = {0};
    srv_model *model = NULL;
    bool base64 = false;
    json_t *body = srv_body_json(request, response);
    float *rows = NULL;
    if (body &&
        srv_fields_check(request, body, fields, sizeof fields / sizeof fields[0], response)) {
        model = find_model(request, json_string_value(json_object_get(body, "model")), response);
        if (model &&
            check_openai(request, body, srv_model_describe(model)->dim, &base64, response)) {
            rows = vectors_of(request, body, &all, read_ollama, &model, response);
        }
    }
    if (rows) {
        const char *name = json_string_value(json_object_get(body, "model"));
        srv_json(response, 200,
                 json_pack("{s:s,s:o,s:I}", "model", name ? name : srv_model_describe(model)->name,
                           "embeddings", rows_json(rows, all.n, srv_model_describe(model)->dim),
                           "prompt_eval_count", (json_int_t)all.n_tokens));
    }
    free(rows);
    free_inputs(&all);
    json_decref(body);
}
