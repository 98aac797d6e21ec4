/* Clients that exist: Hugging Face's zero-shot image classification, Immich's machine learning. */
#include "handlers.h"
#include "heads.h"
#include "log.h"
#include "models.h"
#include "pictures.h"
#include "recipes.h"
#include "services.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_ENTRIES_BYTES = 64 << 10 };

/* ---- Hugging Face ---- */

/* The body in our own terms: {"labels":[...],"templates":[...]}. */
static json_t *words_of(const json_t *parameters)
{
    const json_t *candidates = json_object_get(parameters, "candidate_labels");
    const char *template = json_string_value(json_object_get(parameters, "hypothesis_template"));
    json_t *labels = json_is_array(candidates)
                         ? json_incref((json_t *)(uintptr_t)candidates)
                         : srv_labels_of_commas(json_string_value(candidates), SRV_MAX_WORDS);
    return json_pack("{s:o,s:[s]}", "labels", labels, "templates",
                     template ? template : "This is a photo of {}.");
}

static void answer_words(const srv_request *request, srv_model *model, const wi_head *head,
                         const uint8_t *bytes, size_t n_bytes, srv_response *response)
{
    wi_error error = {0};
    srv_decoded decoded;
    wi_head_info info;
    size_t dim = srv_model_describe(model)->dim, n = 0;
    wi_head_get_info(head, &info);
    float *embedding = malloc(dim * sizeof *embedding);
    wi_answer *answers = calloc(info.n_labels, sizeof *answers);
    wi_status status = embedding && answers
                           ? srv_embed_picture(request->services->decoder, model, &request->asker,
                                               bytes, n_bytes, NULL, embedding, &decoded, &error)
                           : store_fail(&error, WI_ERR_NOMEM, "out of memory");
    if (status != WI_OK) {
        srv_picture_error(request, response, bytes, n_bytes, &error);
    } else if (wi_head_answer(head, embedding, dim, info.n_labels, answers, &n, &error) != WI_OK) {
        srv_error_of(request, response, &error);
    } else {
        json_t *list = json_array();
        for (size_t i = 0; i < n; i++) {
            json_array_append_new(list, json_pack("{s:s,s:f}", "label",
                                                  wi_head_label_full(head, answers[i].label),
                                                  "score", (double)answers[i].score));
        }
        srv_json(response, 200, list);
    }
    free(embedding);
    free(answers);
}

static void classify(const srv_request *request, const json_t *body, srv_model *model,
                     srv_response *response)
{
    const json_t *inputs = json_object_get(body, "inputs");
    const char *image = json_string_value(inputs);
    uint8_t *bytes = NULL;
    size_t n_bytes = 0;
    wi_error error = {0};
    srv_recipe recipe = {0};
    srv_head *head = NULL;
    json_t *words = words_of(json_object_get(body, "parameters"));
    image = image ? image : json_string_value(json_object_get(inputs, "image"));
    wi_status status = image
                           ? srv_base64(image, &bytes, &n_bytes, &error)
                           : store_fail(&error, WI_ERR_ARG, "'inputs' must be a picture as base64");
    if (status == WI_OK) {
        status = srv_recipe_read(words, &recipe, &error);
    }
    if (status == WI_OK) {
        status = srv_heads_of_words(request->services->heads, model, &request->asker,
                                    &recipe.recipe, &head, &error);
    }
    if (status == WI_OK) {
        answer_words(request, model, srv_head_of(head), bytes, n_bytes, response);
    } else {
        srv_error_of(request, response, &error);
    }
    srv_head_release(request->services->heads, &head);
    srv_recipe_free(&recipe);
    json_decref(words);
    free(bytes);
}

void srv_handle_hugging_face(srv_request *request, srv_response *response)
{
    json_t *body = srv_body_json(request, response);
    srv_model *model = srv_models_find(request->models, request->params[0]);
    if (body && !model) {
        srv_error(request, response, 404, "not_found", "Model %.100s does not exist",
                  request->params[0]);
    } else if (body) {
        classify(request, body, model, response);
    }
    json_decref(body);
}

/* ---- Immich ---- */

void srv_handle_immich_ping(srv_request *request, srv_response *response)
{
    (void)request;
    srv_text(response, 200, "text/plain; charset=utf-8", "pong");
}

/* A list of numbers, as text inside the JSON. */
static json_t *vector_text(const float *embedding, size_t dim)
{
    json_t *list = json_array();
    for (size_t i = 0; i < dim; i++) {
        json_array_append_new(list, json_real((double)embedding[i]));
    }
    char *text = json_dumps(list, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_t *value = json_string(text ? text : "");
    free(text);
    json_decref(list);
    return value;
}

/* Any answer but 2xx makes Immich give the whole address up for a while, and one broken photo would stop all others: an
 * answer without "clip" fails the job of that photo alone. */
static bool is_pictures_fault(wi_status status)
{
    return status == WI_ERR_FORMAT || status == WI_ERR_UNSUPPORTED || status == WI_ERR_ARG ||
           status == WI_ERR_LIMIT;
}

/* Adds "clip" and the picture's size to the answer; false: answered with an error. */
static bool predict_picture(const srv_request *request, srv_model *model, const srv_part *image,
                            json_t *body, srv_response *response)
{
    wi_error error = {0};
    srv_decoded picture;
    size_t dim = srv_model_describe(model)->dim;
    float *embedding = malloc(dim * sizeof *embedding);
    wi_status status = embedding ? srv_embed_picture(request->services->decoder, model,
                                                     &request->asker, image->bytes, image->n_bytes,
                                                     NULL, embedding, &picture, &error)
                                 : store_fail(&error, WI_ERR_NOMEM, "out of memory");
    if (status == WI_OK) {
        json_object_set_new(body, "clip", vector_text(embedding, dim));
        json_object_set_new(body, "imageHeight", json_integer((json_int_t)picture.height_px));
        json_object_set_new(body, "imageWidth", json_integer((json_int_t)picture.width_px));
    } else if (is_pictures_fault(status)) {
        srv_header(response, "X-No-Vector", "1");
        srv_log_say(request->services->log, SRV_LOG_WARN, "immich",
                    "a photo was answered without a vector, so that Immich keeps this address: %s",
                    error.message);
        status = WI_OK;
    } else {
        srv_picture_error(request, response, image->bytes, image->n_bytes, &error);
    }
    free(embedding);
    return status == WI_OK;
}

static bool predict_text(const srv_request *request, srv_model *model, const srv_part *part,
                         json_t *body, srv_response *response)
{
    wi_error error = {0};
    wi_session *session = NULL;
    size_t dim = srv_model_describe(model)->dim;
    char *text = strndup((const char *)part->bytes, part->n_bytes);
    float *embedding = malloc(dim * sizeof *embedding);
    wi_status status = text && embedding ? srv_model_text_begin(model, &request->asker,
                                                                SRV_LANE_SHORT, &session, &error)
                                         : store_fail(&error, WI_ERR_NOMEM, "out of memory");
    if (status == WI_OK) {
        const char *texts[] = {text};
        status = wi_session_encode_texts(session, texts, 1, embedding, NULL, NULL, &error);
        srv_model_text_end(model, &request->asker, SRV_LANE_SHORT);
    }
    if (status == WI_OK) {
        wi_normalise(embedding, 1, dim);
        json_object_set_new(body, "clip", vector_text(embedding, dim));
    } else {
        srv_error_of(request, response, &error);
    }
    free(embedding);
    free(text);
    return status == WI_OK;
}

/* The one task that is done here. */
static bool predict_clip(const srv_request *request, const srv_parts *parts, const json_t *clip,
                         json_t *body, srv_response *response)
{
    const json_t *visual = json_object_get(clip, "visual");
    const json_t *textual = json_object_get(clip, "textual");
    const json_t *wanted = visual ? visual : textual;
    const char *name = json_string_value(json_object_get(wanted, "modelName"));
    const srv_part *image = srv_parts_find(parts, "image"), *text = srv_parts_find(parts, "text");
    if (!name || (visual && textual)) {
        srv_error(request, response, 422, "format", "Invalid request format.");
        return false;
    }
    if ((visual && !image) || (textual && !text)) {
        srv_error(request, response, 400, "arg", "Either image or text must be provided");
        return false;
    }
    srv_model *model = srv_models_find(request->models, name);
    if (!model) {
        srv_error(request, response, 500, "not_found", "Failed to load model '%.100s'", name);
        return false;
    }
    return visual ? predict_picture(request, model, image, body, response)
                  : predict_text(request, model, text, body, response);
}

/* Faces and text recognition are not here: no face and no text were found is the form of it that Immich takes without
 * giving the address up. Said in a header and once in the log, so that nobody takes it for a finding. */
static bool answer_absent(const srv_request *request, const char *task, json_t *body,
                          srv_response *response)
{
    if (!strcmp(task, "facial-recognition")) {
        json_object_set_new(body, task, json_array());
    } else if (!strcmp(task, "ocr")) {
        json_object_set_new(
            body, task, json_pack("{s:[],s:[],s:[],s:[]}", "text", "box", "boxScore", "textScore"));
    } else {
        srv_error(request, response, 422, "format", "Invalid request format.");
        return false;
    }
    srv_header(response, "X-Not-Here", "facial-recognition, ocr");
    srv_log_say(request->services->log, SRV_LOG_WARN, "immich",
                "%s is not done here and answered as nothing found: switch it off in Immich, or "
                "give it another address",
                task);
    return true;
}

static void predict(const srv_request *request, const srv_parts *parts, const json_t *entries,
                    srv_response *response)
{
    json_t *body = json_object();
    const char *task;
    const json_t *entry;
    bool good = json_object_size(entries) > 0;
    if (!good) {
        srv_error(request, response, 422, "format", "Invalid request format.");
    }
    json_object_foreach((json_t *)(uintptr_t)entries, task, entry)
    {
        good = good && (!strcmp(task, "clip") ? predict_clip(request, parts, entry, body, response)
                                              : answer_absent(request, task, body, response));
    }
    if (good) {
        srv_json(response, 200, json_incref(body));
    }
    json_decref(body);
}

void srv_handle_immich_predict(srv_request *request, srv_response *response)
{
    srv_parts parts = {0};
    wi_error error = {0};
    json_t *entries = NULL;
    if (srv_is_multipart(request) && srv_parts_read(request, &parts, &error) == WI_OK) {
        const srv_part *part = srv_parts_find(&parts, "entries");
        bool small = part && part->n_bytes <= MAX_ENTRIES_BYTES;
        entries = small ? json_loadb((const char *)part->bytes, part->n_bytes, 0, NULL) : NULL;
    }
    if (json_is_object(entries)) {
        predict(request, &parts, entries, response);
    } else {
        srv_error(request, response, 422, "format", "Invalid request format.");
    }
    json_decref(entries);
    srv_parts_free(&parts);
}
