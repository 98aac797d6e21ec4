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
    long n, beam; /* beam 0: as the describer's makers had it */
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
        !read_number(request, a, "beam", 0, &a->beam, response)) {
        return false;
    }
    if (a->beam && a->beam < a->n) {
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

/* What is said of a picture. */
typedef struct told {
    srv_decoded picture; /* width_px 0: it was not read */
    srv_sentences sentences;
    float *embedding;
    bool stands;
    json_t *
        perhaps; /* where no sentence stands: what the everyday head says, null when it cannot tell */
} told;

/* Whether the sentence is to be told, where there is a scale to weigh it on. */
static wi_status weigh(const srv_request *request, const asked *a, told *t, wi_error *error)
{
    srv_head *head = NULL;
    wi_session *session = NULL;
    const wi_caption *best = &t->sentences.captions[0];
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
        status = wi_caption_weigh(best, srv_head_of(head), t->embedding, sentence, dim, &t->stands,
                                  &name, error);
    }
    if (status == WI_OK && !t->stands) {
        t->perhaps = *name ? json_string(name) : json_null();
    }
    if (head) {
        srv_head_release(request->services->heads, &head);
    }
    free(sentence);
    return status;
}

static json_t *captions_json(const srv_sentences *sentences)
{
    json_t *list = json_array();
    for (size_t i = 0; i < sentences->n; i++) {
        const wi_caption *c = &sentences->captions[i];
        json_array_append_new(list, json_pack("{s:s%,s:f,s:f}", "text", c->text, strlen(c->text),
                                              "logprob", (double)c->logprob, "mean_prob",
                                              (double)c->mean_prob));
    }
    return list;
}

static wi_status describe(const srv_request *request, const asked *a, told *t, wi_error *error)
{
    const srv_model_about *about = srv_model_describe(a->model);
    const wi_describe_options how = {
        .n_captions = (uint32_t)a->n, .beam = (uint32_t)a->beam, .about = a->about};
    srv_decoded picture = {0};
    uint8_t *pixels = malloc((size_t)about->image_px * about->image_px * 3);
    t->embedding = malloc(about->dim * sizeof *t->embedding);
    wi_status status =
        pixels && t->embedding
            ? srv_decode(request->services->decoder, &request->asker, a->bytes, a->n_bytes,
                         &a->reading, &about->preprocess, pixels, &picture, error)
            : store_fail(error, WI_ERR_NOMEM, "out of memory");
    if (status == WI_OK) {
        t->picture = picture;
        status = srv_describe(srv_model_describer(a->model, &request->asker), &request->asker,
                              pixels, &how, &t->sentences, t->embedding, error);
    }
    free(pixels);
    return status;
}

static void refuse(const srv_request *request, const asked *a, const told *t,
                   srv_response *response, const wi_error *error)
{
    const wi_status status = error->status;
    const bool was_read = t->picture.width_px > 0, is_of_words = status == WI_ERR_FORMAT ||
                                                                 status == WI_ERR_UNSUPPORTED ||
                                                                 status == WI_ERR_LIMIT;
    if (status == WI_ERR_NOT_FOUND) {
        srv_error(request, response, 404, "no_describer", "%s", error->message);
    } else if (was_read && is_of_words) { /* the first words, or the describer's file */
        srv_error(request, response, a->about ? 422 : 500, a->about ? "about" : "describer", "%s",
                  error->message);
    } else {
        srv_picture_error(request, response, a->bytes, a->n_bytes, error);
    }
}

static void tell(const asked *a, told *t, srv_response *response)
{
    const srv_decoded *picture = &t->picture;
    json_t *body =
        json_pack("{s:s,s:{s:i,s:i,s:s},s:o}", "model", srv_model_describe(a->model)->name,
                  "picture", "width", (int)picture->width_px, "height", (int)picture->height_px,
                  "format", picture->format, "captions", captions_json(&t->sentences));
    json_object_set_new(body, "sure",
                        t->sentences.has_scale ? json_boolean(t->stands) : json_null());
    if (t->perhaps) {
        json_object_set(body, "perhaps", t->perhaps);
    }
    if (picture->n_warnings > 0) {
        json_object_set_new(body, "warnings", srv_warnings_json(picture));
    }
    srv_json(response, 200, body);
}

static void answer(const srv_request *request, const asked *a, srv_response *response)
{
    wi_error error = {0};
    told *t = calloc(1, sizeof *t);
    if (!t) {
        srv_error(request, response, 503, "nomem", "out of memory");
        return;
    }
    wi_status status = describe(request, a, t, &error);
    if (status == WI_OK && t->sentences.has_scale) {
        status = weigh(request, a, t, &error);
    }
    if (status == WI_OK) {
        tell(a, t, response);
    } else {
        refuse(request, a, t, response, &error);
    }
    json_decref(t->perhaps);
    free(t->embedding);
    free(t);
}

void srv_handle_describe(srv_request *request, srv_response *response)
{
    asked a = {0};
    if (read_asked(request, &a, response)) {
        answer(request, &a, response);
    }
    free_asked(&a);
}
