/* POST /v1/describe: a sentence about the picture. */
#include "fields.h"
#include "handlers.h"
#include "heads.h"
#include "models.h"
#include "pictures.h"
#include "services.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_ABOUT = 200 };

typedef struct asked {
    srv_model *model;
    const uint8_t *bytes; /* of the picture */
    size_t n_bytes;
    long n, beam;
    const char *about;
    wi_image_options reading;
    json_t *body; /* holds what the above points to */
    uint8_t *decoded;
    srv_parts parts;
} asked;

static const char *const names[] = {"n",      "beam",    "about", "model", "exact",
                                    "strict", "no_exif", "alpha", NULL};
static const srv_field json_fields[] = {
    {"image", SRV_TEXT},
    {"n", SRV_NUMBER | SRV_NULL},
    {"beam", SRV_NUMBER | SRV_NULL},
    {"about", SRV_TEXT | SRV_NULL},
    {"model", SRV_TEXT | SRV_NULL},
    {"exact", SRV_BOOL | SRV_NULL},
    {"strict", SRV_BOOL | SRV_NULL},
    {"no_exif", SRV_BOOL | SRV_NULL},
    {"alpha", SRV_TEXT | SRV_NULL},
};

static void free_asked(asked *a)
{
    json_decref(a->body);
    free(a->decoded);
    srv_parts_free(&a->parts);
}

static bool read_form(srv_request *request, asked *a, srv_response *response)
{
    if (!srv_read_form(request, names, &a->parts, response)) {
        return false;
    }
    for (size_t i = 0; i < a->parts.n; i++) {
        const srv_part *part = &a->parts.items[i];
        if (!srv_part_is_picture(part)) {
            continue;
        }
        if (a->bytes) {
            srv_error(request, response, 400, "arg", "more than one picture");
            return false;
        }
        a->bytes = part->bytes;
        a->n_bytes = part->n_bytes;
    }
    return true;
}

static bool read_json(srv_request *request, asked *a, srv_response *response)
{
    wi_error error = {0};
    a->body = srv_read_json(request, json_fields, sizeof json_fields / sizeof json_fields[0], names,
                            response);
    if (!a->body) {
        return false;
    }
    const char *image = json_string_value(json_object_get(a->body, "image"));
    if (!image) {
        srv_error(request, response, 400, "no_picture", "'image' must be the picture as base64");
        return false;
    }
    if (srv_base64(image, &a->decoded, &a->n_bytes, &error) != WI_OK) {
        srv_error(request, response, 400, "bad_base64", "'image': %s", error.message);
        return false;
    }
    a->bytes = a->decoded;
    return true;
}

/* 1..8 from the body or the query; fallback when it is in neither. */
static bool read_number(const srv_request *request, const asked *a, const char *name, long fallback,
                        long *out, srv_response *response)
{
    const json_t *value = json_object_get(a->body, name);
    const char *text = srv_pairs_get(&request->query, name);
    char *end = NULL;
    *out = fallback;
    if (json_is_integer(value)) {
        *out = (long)json_integer_value(value);
    } else if (text) {
        *out = strtol(text, &end, 10);
    } else {
        return true;
    }
    if (*out < 1 || *out > WI_DESCRIBE_MAX_BEAM || (text && end && (*end || !*text))) {
        srv_error(request, response, 400, "arg", "'%s' is a number from 1 to %d", name,
                  WI_DESCRIBE_MAX_BEAM);
        return false;
    }
    return true;
}

static bool read_asked(srv_request *request, asked *a, srv_response *response)
{
    if (!srv_query_check(request, names, response)) {
        return false;
    }
    bool good = srv_is_multipart(request)                  ? read_form(request, a, response)
                : srv_is_type(request, "application/json") ? read_json(request, a, response)
                                                           : true;
    if (!good) {
        return false;
    }
    if (!a->bytes) {
        a->bytes = request->body;
        a->n_bytes = request->n_body;
    }
    if (!read_number(request, a, "n", 1, &a->n, response) ||
        !read_number(request, a, "beam", a->n > 3 ? a->n : 3, &a->beam, response)) {
        return false;
    }
    if (a->beam < a->n) {
        srv_error(request, response, 400, "arg", "'beam' is at least 'n'");
        return false;
    }
    a->about = srv_text_of(request, a->body, "about");
    if (a->about && strlen(a->about) > MAX_ABOUT) {
        srv_error(request, response, 400, "arg", "'about' has more than %d bytes", MAX_ABOUT);
        return false;
    }
    a->model = srv_read_model(request, a->body, response);
    return a->model && srv_read_reading(request, a->body, response, &a->reading);
}

/* Whether the sentence is to be told; *perhaps: else what the everyday head says, null when it cannot tell. */
static wi_status weigh(const srv_request *request, const asked *a, const wi_caption *best,
                       const float *embedding, bool *stands, json_t **perhaps, wi_error *error)
{
    srv_head *head = NULL;
    wi_session *session = NULL;
    const char *name = "", *text = best->text;
    const size_t dim = srv_model_describe(a->model)->dim;
    float *sentence = malloc(dim * sizeof *sentence);
    wi_status status = sentence ? srv_heads_acquire(request->services->heads, a->model, request,
                                                    NULL, &head, error)
                                : store_fail(error, WI_ERR_NOMEM, "out of memory");
    if (status == WI_OK) {
        status = srv_model_text_begin(a->model, &request->asker, SRV_LANE_SHORT, &session, error);
    }
    if (status == WI_OK) {
        status = wi_session_encode_texts(session, &text, 1, sentence, NULL, NULL, error);
        srv_model_text_end(a->model, &request->asker, SRV_LANE_SHORT);
    }
    if (status == WI_OK) {
        status = wi_caption_weigh(best, srv_head_of(head), embedding, sentence, dim, stands, &name,
                                  error);
    }
    if (status == WI_OK && !*stands) {
        *perhaps = *name ? json_string(name) : json_null();
    }
    if (head) {
        srv_head_release(request->services->heads, &head);
    }
    free(sentence);
    return status;
}

static json_t *captions_json(const wi_caption *captions, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(list, json_pack("{s:s%,s:f,s:f}", "text", captions[i].text,
                                              strlen(captions[i].text), "logprob",
                                              (double)captions[i].logprob, "mean_prob",
                                              (double)captions[i].mean_prob));
    }
    return list;
}

static wi_status describe(const srv_request *request, const asked *a, uint8_t *pixels,
                          float *embedding, srv_decoded *picture, wi_caption *captions, size_t *n,
                          wi_error *error)
{
    const srv_model_about *about = srv_model_describe(a->model);
    const wi_describe_options how = {
        .n_captions = (uint32_t)a->n, .beam = (uint32_t)a->beam, .about = a->about};
    wi_status status = srv_decode(request->services->decoder, &request->asker, a->bytes, a->n_bytes,
                                  &a->reading, &about->preprocess, pixels, picture, error);
    return status == WI_OK ? srv_describe(srv_model_describer(a->model), &request->asker, pixels,
                                          &how, captions, n, embedding, error)
                           : status;
}

static void refuse(const srv_request *request, const asked *a, const srv_decoded *picture,
                   srv_response *response, const wi_error *error)
{
    const wi_status status = error->status;
    const bool is_of_words =
        status == WI_ERR_FORMAT || status == WI_ERR_UNSUPPORTED || status == WI_ERR_LIMIT;
    if (status == WI_ERR_NOT_FOUND) {
        srv_error(request, response, 404, "no_describer", "%s", error->message);
    } else if (a->about && picture->width_px > 0 && is_of_words) {
        srv_error(request, response, 422, "about", "%s", error->message);
    } else {
        srv_picture_error(request, response, a->bytes, a->n_bytes, error);
    }
}

static void answer(const srv_request *request, const asked *a, srv_response *response)
{
    const srv_model_about *about = srv_model_describe(a->model);
    wi_caption captions[WI_DESCRIBE_MAX_BEAM];
    wi_error error = {0};
    srv_decoded picture = {0};
    size_t n = 0;
    uint8_t *pixels = malloc((size_t)about->image_px * about->image_px * 3);
    float *embedding = malloc(about->dim * sizeof *embedding);
    json_t *perhaps = NULL;
    bool stands = false;
    wi_status status = pixels && embedding
                           ? describe(request, a, pixels, embedding, &picture, captions, &n, &error)
                           : store_fail(&error, WI_ERR_NOMEM, "out of memory");
    if (status == WI_OK) {
        status = weigh(request, a, &captions[0], embedding, &stands, &perhaps, &error);
    }
    free(pixels);
    free(embedding);
    if (status != WI_OK) {
        json_decref(perhaps);
        refuse(request, a, &picture, response, &error);
        return;
    }
    json_t *body =
        json_pack("{s:s,s:{s:i,s:i,s:s},s:o,s:b}", "model", about->name, "picture", "width",
                  (int)picture.width_px, "height", (int)picture.height_px, "format", picture.format,
                  "captions", captions_json(captions, n), "sure", stands);
    if (perhaps) {
        json_object_set_new(body, "perhaps", perhaps);
    }
    if (picture.n_warnings > 0) {
        json_object_set_new(body, "warnings", srv_warnings_json(&picture));
    }
    srv_json(response, 200, body);
}

void srv_handle_describe(srv_request *request, srv_response *response)
{
    asked a = {0};
    if (read_asked(request, &a, response)) {
        answer(request, &a, response);
    }
    free_asked(&a);
}
