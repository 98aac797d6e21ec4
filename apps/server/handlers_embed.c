/* POST /v1/embed and OpenAI's POST /v1/embeddings: vectors of pictures and texts. */
#include "handlers.h"
#include "models.h"
#include "pictures.h"
#include "services.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_INPUTS = 256 };

/* Inputs in the order of the answer; each is a picture (bytes) or a text. */
typedef struct input {
    const char *text;
    const uint8_t *bytes;
    size_t n_bytes;
    uint8_t *decoded; /* owned */
} input;

typedef struct inputs {
    input *items;
    size_t n;
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
        store_fail(error, WI_ERR_LIMIT, "more than %d inputs", MAX_INPUTS);
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
static wi_status embed_texts(srv_model *model, const inputs *all, float *out, size_t dim,
                             size_t *n_tokens, wi_error *error)
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
        status = srv_model_text_begin(model, SRV_LANE_SHORT, &session, error);
        if (status == WI_OK) {
            status = wi_session_encode_texts(session, texts, n, rows, NULL, NULL, error);
            for (size_t i = 0; i < n && n_tokens; i++) {
                *n_tokens += srv_model_n_tokens(model, texts[i]);
            }
            srv_model_text_end(model, SRV_LANE_SHORT);
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
static float *embed(const srv_request *request, srv_model *model, const inputs *all,
                    size_t *n_tokens, srv_response *response)
{
    size_t dim = srv_model_describe(model)->dim;
    wi_error error = {0};
    srv_decoded decoded;
    float *out = calloc(all->n, dim * sizeof *out);
    wi_status status = out ? embed_texts(model, all, out, dim, n_tokens, &error)
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
    if (srv_is_type(request, "application/json")) {
        *body = srv_body_json(request, response);
        if (!*body) {
            return false;
        }
        good = read_json(*body, all, &error);
    } else if (srv_is_multipart(request)) {
        good = srv_parts_read(request, parts, &error) == WI_OK;
        for (size_t i = 0; good && i < parts->n; i++) {
            const srv_part *part = &parts->items[i];
            if (!strcmp(part->name, "image") || !strcmp(part->name, "file")) {
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
        const char *name = srv_pairs_get(&request->query, "model");
        model = find_model(request, name ? name : json_string_value(json_object_get(body, "model")),
                           response);
        rows = model && srv_read_reading(request, body, response, &all.reading)
                   ? embed(request, model, &all, NULL, response)
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

/* ---- /v1/embeddings ---- */

/* Strings, or objects such as {"text": "..."} and {"image": "..."}. */
static bool read_openai_item(const json_t *item, bool pictures, inputs *all, wi_error *error)
{
    const char *text = json_string_value(item);
    const char *inner = json_string_value(json_object_get(item, "text"));
    const char *image = json_string_value(json_object_get(item, "image"));
    if (text) {
        bool is_picture = pictures || !strncmp(text, "data:image/", 11);
        return add_input(all, is_picture ? NULL : text, is_picture ? text : NULL, error);
    }
    if (inner || image) {
        return add_input(all, inner, inner ? NULL : image, error);
    }
    store_fail(error, WI_ERR_ARG,
               json_is_integer(item) ? "'input' must be text: tokens of other models are not known"
                                     : "'input' must be a text, a picture or a list of them");
    return false;
}

static bool read_openai(const json_t *body, inputs *all, wi_error *error)
{
    const char *modality = json_string_value(json_object_get(body, "modality"));
    const json_t *in = json_object_get(body, "input");
    bool pictures = modality && !strcmp(modality, "image");
    bool good = true;
    if (!json_is_array(in)) {
        return read_openai_item(in, pictures, all, error);
    }
    for (size_t i = 0; good && i < json_array_size(in); i++) {
        good = read_openai_item(json_array_get(in, i), pictures, all, error);
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

static bool check_openai(const srv_request *request, const json_t *body, size_t dim,
                         srv_response *response)
{
    const json_t *dimensions = json_object_get(body, "dimensions");
    const json_t *format = json_object_get(body, "encoding_format");
    const char *name = json_string_value(format);
    if (format && (!name || (strcmp(name, "float") && strcmp(name, "base64")))) {
        srv_error(request, response, 400, "arg", "'encoding_format' is float or base64");
        return false;
    }
    if (dimensions && !json_is_null(dimensions) &&
        json_integer_value(dimensions) != (json_int_t)dim) {
        srv_error(request, response, 400, "arg", "this model has %zu dimensions, and cannot be cut",
                  dim);
        return false;
    }
    return true;
}

void srv_handle_openai_embeddings(srv_request *request, srv_response *response)
{
    inputs all = {0};
    wi_error error = {0};
    size_t n_tokens = 0;
    float *rows = NULL;
    srv_model *model = NULL;
    json_t *body = srv_body_json(request, response);
    const char *name = json_string_value(json_object_get(body, "model"));
    const char *format = json_string_value(json_object_get(body, "encoding_format"));
    if (body) {
        model = find_model(request, name, response);
    }
    if (model && check_openai(request, body, srv_model_describe(model)->dim, response)) {
        if (read_openai(body, &all, &error)) {
            rows = embed(request, model, &all, &n_tokens, response);
        } else {
            srv_error_of(request, response, &error);
        }
    }
    if (rows) {
        json_t *data = openai_json(rows, all.n, srv_model_describe(model)->dim,
                                   format && !strcmp(format, "base64"));
        srv_json(response, 200,
                 json_pack("{s:s,s:o,s:s,s:{s:I,s:I}}", "object", "list", "data", data, "model",
                           name ? name : srv_model_describe(model)->name, "usage", "prompt_tokens",
                           (json_int_t)n_tokens, "total_tokens", (json_int_t)n_tokens));
    }
    free(rows);
    free_inputs(&all);
    json_decref(body);
}
