/* POST /v1/classify: what is in the picture? */
#include "fields.h"
#include "handlers.h"
#include "heads.h"
#include "models.h"
#include "pictures.h"
#include "recipes.h"
#include "services.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <whatsit/train.h>

enum { MAX_HEADS = 16, MAX_TOP = 1000, DEFAULT_TOP = 5, MAX_PICTURES = 64 };

typedef struct picture {
    const uint8_t *bytes;
    size_t n_bytes;
    uint8_t *decoded; /* owned */
} picture;

/* What is asked, from wherever it was written. */
typedef struct asked {
    srv_model *model;
    picture pictures[MAX_PICTURES];
    size_t n_pictures, top;
    bool many; /* the answer is a list */
    char *heads[MAX_HEADS];
    size_t n_heads;
    json_t *words; /* labels, templates, multi: a head of this request alone; NULL: none */
    bool explain;
    wi_image_options reading;
    json_t *body; /* holds what the above points to */
    srv_parts parts;
} asked;

static void free_asked(asked *a)
{
    for (size_t i = 0; i < a->n_heads; i++) {
        free(a->heads[i]);
    }
    json_decref(a->words);
    json_decref(a->body);
    for (size_t i = 0; i < a->n_pictures; i++) {
        free(a->pictures[i].decoded);
    }
    srv_parts_free(&a->parts);
}

/* "a,b" adds two. */
static bool add_heads(asked *a, const char *names)
{
    while (*names && a->n_heads < MAX_HEADS) {
        size_t n = strcspn(names, ",");
        if (n > 0) {
            a->heads[a->n_heads] = strndup(names, n);
            a->n_heads += a->heads[a->n_heads] != NULL;
        }
        names += n + (names[n] == ',');
    }
    return !*names;
}

static bool read_top(asked *a, const char *text)
{
    char *end;
    long top = text ? strtol(text, &end, 10) : DEFAULT_TOP;
    a->top = (size_t)top;
    return top >= 1 && top <= MAX_TOP && (!text || (*text && !*end));
}

static bool is_yes(const char *text)
{
    return text && (!strcmp(text, "1") || !strcmp(text, "true"));
}

/* A head typed on the spot: labels as "a,b,c". multi: NULL leaves it to the model. */
static void words_of_texts(asked *a, const char *labels, const char *template, const char *multi)
{
    a->words = json_pack("{s:o}", "labels", srv_labels_of_commas(labels, SRV_MAX_WORDS));
    if (multi) {
        json_object_set_new(a->words, "multi", json_boolean(is_yes(multi)));
    }
    if (template) {
        json_object_set_new(a->words, "templates", json_pack("[s]", template));
    }
}

/* Values from the query string, or from the fields of a form. */
static bool read_fields(const srv_request *request, asked *a, srv_response *response)
{
    const srv_pairs *query = &request->query;
    for (size_t i = 0; i < query->n; i++) {
        if (!strcmp(query->items[i].name, "head") && !add_heads(a, query->items[i].value)) {
            srv_error(request, response, 400, "arg", "more than %d heads", MAX_HEADS);
            return false;
        }
    }
    if (!read_top(a, srv_pairs_get(query, "top"))) {
        srv_error(request, response, 400, "arg", "'top' is a number from 1 to %d", MAX_TOP);
        return false;
    }
    a->explain = is_yes(srv_pairs_get(query, "explain"));
    const char *labels = srv_pairs_get(query, "labels");
    if (!labels && srv_pairs_get(query, "template")) {
        srv_error(request, response, 422, "no_labels",
                  "'template' is of 'labels', which are not there");
        return false;
    }
    if (labels) {
        words_of_texts(a, labels, srv_pairs_get(query, "template"), srv_pairs_get(query, "multi"));
    }
    return true;
}

/* What the query string and the fields of a form may say. */
static const char *const names[] = {"head",  "top",   "labels", "template", "multi", "explain",
                                    "model", "exact", "strict", "no_exif",  "alpha", NULL};
static const srv_field json_fields[] = {
    {"image", SRV_TEXT | SRV_NULL},
    {"images", SRV_TEXTS | SRV_NULL},
    {"head", SRV_TEXT | SRV_TEXTS | SRV_NULL},
    {"top", SRV_NUMBER | SRV_NULL},
    {"labels", SRV_LIST | SRV_NULL},
    {"templates", SRV_TEXTS | SRV_NULL},
    {"multi", SRV_BOOL | SRV_NULL},
    {"explain", SRV_BOOL | SRV_NULL},
    {"model", SRV_TEXT | SRV_NULL},
    {"exact", SRV_BOOL | SRV_NULL},
    {"strict", SRV_BOOL | SRV_NULL},
    {"no_exif", SRV_BOOL | SRV_NULL},
    {"alpha", SRV_TEXT | SRV_NULL},
};

static bool has_room(const srv_request *request, const asked *a, srv_response *response)
{
    if (a->n_pictures == MAX_PICTURES) {
        srv_error(request, response, 400, "arg", "more than %d pictures", MAX_PICTURES);
        return false;
    }
    return true;
}

/* Every field 'image' of a form is a picture. */
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
        if (!has_room(request, a, response)) {
            return false;
        }
        a->pictures[a->n_pictures++] = (picture){part->bytes, part->n_bytes, NULL};
    }
    a->many = a->n_pictures > 1;
    return read_fields(request, a, response);
}

static bool read_json_heads(asked *a, const json_t *head)
{
    bool good = true;
    for (size_t i = 0; i < json_array_size(head); i++) {
        const char *name = json_string_value(json_array_get(head, i));
        good = good && name && add_heads(a, name);
    }
    const char *one = json_string_value(head);
    return one ? add_heads(a, one) : good && (!head || json_is_array(head));
}

/* 'image' as base64, or several in 'images'. */
static bool add_packed(const srv_request *request, asked *a, srv_response *response)
{
    const json_t *image = json_object_get(a->body, "image");
    const json_t *images = json_object_get(a->body, "images");
    a->many = json_array_size(images) > 0;
    if (json_is_string(image) == a->many) {
        srv_error(request, response, 400, "no_picture",
                  "'image' must be the picture as base64, or 'images' a list of them");
        return false;
    }
    for (size_t i = 0; i < (a->many ? json_array_size(images) : 1); i++) {
        const char *text = json_string_value(a->many ? json_array_get(images, i) : image);
        picture p = {0};
        wi_error error = {0};
        if (!has_room(request, a, response)) {
            return false;
        }
        if (srv_base64(text, &p.decoded, &p.n_bytes, &error) != WI_OK) {
            srv_error(request, response, 400, "bad_base64", "'%s': %s",
                      a->many ? "images" : "image", error.message);
            return false;
        }
        p.bytes = p.decoded;
        a->pictures[a->n_pictures++] = p;
    }
    return true;
}

static bool read_json(srv_request *request, asked *a, srv_response *response)
{
    a->body = srv_read_json(request, json_fields, sizeof json_fields / sizeof json_fields[0], names,
                            response);
    if (!a->body || !read_fields(request, a, response)) {
        return false;
    }
    const json_t *top = json_object_get(a->body, "top");
    if (!add_packed(request, a, response)) {
        return false;
    }
    if (!json_is_null(json_object_get(a->body, "head")) &&
        !read_json_heads(a, json_object_get(a->body, "head"))) {
        srv_error(request, response, 400, "arg", "'head' is a name or a list of at most %d",
                  MAX_HEADS);
        return false;
    }
    if (top && !json_is_null(top)) {
        a->top = (size_t)json_integer_value(top);
        if (!json_is_integer(top) || a->top < 1 || a->top > MAX_TOP) {
            srv_error(request, response, 400, "arg", "'top' is a number from 1 to %d", MAX_TOP);
            return false;
        }
    }
    a->explain = a->explain || json_is_true(json_object_get(a->body, "explain"));
    if (json_is_array(json_object_get(a->body, "labels"))) {
        json_decref(a->words);
        a->words = json_incref(a->body);
    } else if (json_is_array(json_object_get(a->body, "templates"))) {
        srv_error(request, response, 422, "no_labels",
                  "'templates' are of 'labels', which are not there");
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
                                                           : read_fields(request, a, response);
    if (a->n_pictures == 0) {
        a->pictures[a->n_pictures++] = (picture){request->body, request->n_body, NULL};
    }
    a->model = good ? srv_read_model(request, a->body, response) : NULL;
    return a->model && srv_read_reading(request, a->body, response, &a->reading);
}

/* ---- answering ---- */

static json_t *number(float value)
{
    return isfinite(value) ? json_real((double)value) : json_null();
}

static json_t *answer_json(const wi_head *head, const wi_answer *answer, bool explain)
{
    json_t *value = json_pack("{s:s,s:f}", "label", wi_head_label(head, answer->label), "score",
                              (double)answer->score);
    if (explain) {
        json_object_set_new(value, "index", json_integer((json_int_t)answer->label));
        json_object_set_new(value, "cosine", number(answer->cosine));
        json_object_set_new(value, "logit", number(answer->logit));
        json_object_set_new(value, "label_full",
                            json_string(wi_head_label_full(head, answer->label)));
        json_object_set_new(value, "group", json_string(wi_head_group(head, answer->label)));
    }
    return value;
}

static wi_status add_groups(const wi_head *head, const float *embedding, size_t dim, size_t top,
                            json_t *out, wi_error *error)
{
    size_t n = 0;
    wi_group_answer *groups = calloc(top, sizeof *groups);
    wi_status status = groups ? wi_head_answer_groups(head, embedding, dim, top, groups, &n, error)
                              : store_fail(error, WI_ERR_NOMEM, "out of memory");
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(list, json_pack("{s:s,s:f}", "group", groups[i].group, "score",
                                              (double)groups[i].score));
    }
    json_object_set_new(out, "groups", list);
    free(groups);
    return status;
}

/* The one thing to say; name is null when there is nothing. */
static json_t *verdict_json(const wi_verdict *verdict)
{
    return json_pack("{s:s?,s:s,s:f,s:b}", "name", verdict->name[0] ? verdict->name : NULL,
                     "certainty", wi_certainty_name(verdict->certainty), "score",
                     (double)verdict->score, "group",
                     verdict->name[0] && verdict->label == SIZE_MAX);
}

static wi_status answer_head(const wi_head *head, const float *embedding, size_t dim,
                             const asked *a, json_t **out, wi_error *error)
{
    wi_head_info info;
    wi_verdict verdict = {0};
    size_t n = 0;
    float known = NAN;
    bool none = false;
    wi_head_get_info(head, &info);
    wi_answer *answers = calloc(a->top, sizeof *answers);
    wi_status status = answers ? wi_head_answer(head, embedding, dim, a->top, answers, &n, error)
                               : store_fail(error, WI_ERR_NOMEM, "out of memory");
    if (status == WI_OK) {
        status = wi_head_verdict(head, embedding, dim, &verdict, error);
    }
    if (status == WI_OK) {
        status = wi_head_known(head, embedding, dim, &known, &none, error);
    }
    if (status == WI_OK) {
        json_t *list = json_array();
        for (size_t i = 0; i < n; i++) {
            json_array_append_new(list, answer_json(head, &answers[i], a->explain));
        }
        *out = json_pack("{s:s,s:s,s:b,s:o}", "head", info.name, "kind",
                         wi_head_kind_name(info.kind), "multi", info.sigmoid, "answers", list);
        json_object_set_new(*out, "verdict", verdict_json(&verdict));
        json_object_set_new(*out, "none",
                            isfinite(info.none_threshold) ? json_boolean(none) : json_null());
        if (status == WI_OK && info.n_groups > 0) {
            status = add_groups(head, embedding, dim, a->top, *out, error);
        }
        if (info.sensitivity[0]) {
            json_object_set_new(*out, "sensitivity", json_string(info.sensitivity));
        }
        if (a->explain) {
            json_object_set_new(*out, "known", number(known));
            json_object_set_new(*out, "logit_scale", number(info.logit_scale));
            json_object_set_new(*out, "temperature", number(info.temperature));
        }
    }
    free(answers);
    return status;
}

/* Every head is opened before the picture is read: a wrong name costs nothing. */
static wi_status open_heads(const srv_request *request, const asked *a, srv_head **heads, size_t *n,
                            wi_error *error)
{
    srv_heads *all = request->services->heads;
    wi_status status = WI_OK;
    if (a->words) {
        srv_recipe recipe;
        status = srv_recipe_read(a->words, &recipe, error);
        if (status == WI_OK) {
            status = srv_heads_of_words(all, a->model, &request->asker, &recipe.recipe, &heads[*n],
                                        error);
            *n += status == WI_OK;
        }
        srv_recipe_free(&recipe);
    }
    for (size_t i = 0; i < a->n_heads && status == WI_OK; i++) {
        status = srv_heads_acquire(all, a->model, request, a->heads[i], &heads[*n], error);
        *n += status == WI_OK;
    }
    if (status == WI_OK && *n == 0) {
        status = srv_heads_acquire(all, a->model, request, NULL, &heads[0], error);
        *n += status == WI_OK;
    }
    return status;
}

/* What each head says to a picture, and the picture itself. */
static wi_status answer_heads(const asked *a, srv_head **heads, size_t n, const float *embedding,
                              const srv_decoded *seen, json_t **out, wi_error *error)
{
    const srv_model_about *about = srv_model_describe(a->model);
    wi_status status = WI_OK;
    json_t *results = json_array();
    for (size_t i = 0; i < n && status == WI_OK; i++) {
        json_t *result = NULL;
        status = answer_head(srv_head_of(heads[i]), embedding, about->dim, a, &result, error);
        json_array_append_new(results, result);
    }
    if (status != WI_OK) {
        json_decref(results);
        return status;
    }
    *out = json_pack("{s:{s:i,s:i,s:s},s:o}", "picture", "width", (int)seen->width_px, "height",
                     (int)seen->height_px, "format", seen->format, "results", results);
    if (seen->n_warnings > 0) {
        json_object_set_new(*out, "warnings", srv_warnings_json(seen));
    }
    return WI_OK;
}

/* NULL: response says why. */
static json_t *answer_picture(const srv_request *request, const asked *a, const picture *p,
                              srv_head **heads, size_t n, srv_response *response)
{
    wi_error error = {0};
    srv_decoded seen;
    json_t *out = NULL;
    float *embedding = malloc(srv_model_describe(a->model)->dim * sizeof *embedding);
    wi_status status =
        embedding ? srv_embed_picture(request->services->decoder, a->model, &request->asker,
                                      p->bytes, p->n_bytes, &a->reading, embedding, &seen, &error)
                  : store_fail(&error, WI_ERR_NOMEM, "out of memory");
    if (status != WI_OK) {
        srv_picture_error(request, response, p->bytes, p->n_bytes, &error);
    } else if (answer_heads(a, heads, n, embedding, &seen, &out, &error) != WI_OK) {
        srv_error_of(request, response, &error);
    }
    free(embedding);
    return out;
}

/* One picture that cannot be read is said to be so in its place; what would go wrong with all of them ends it. */
static void answer_many(const srv_request *request, const asked *a, srv_head **heads, size_t n,
                        srv_response *response)
{
    json_t *list = json_array();
    for (size_t i = 0; i < a->n_pictures; i++) {
        srv_response why;
        srv_response_init(&why);
        json_t *one = answer_picture(request, a, &a->pictures[i], heads, n, &why);
        if (!one && (why.status >= 500 || why.status == 429)) {
            srv_response_free(response);
            *response = why;
            json_decref(list);
            return;
        }
        json_array_append_new(list, one ? one : json_loadb(why.body, why.n_body, 0, NULL));
        srv_response_free(&why);
    }
    srv_json(response, 200,
             json_pack("{s:s,s:o}", "model", srv_model_describe(a->model)->name, "pictures", list));
}

static void answer(const srv_request *request, const asked *a, srv_head **heads, size_t n,
                   srv_response *response)
{
    if (a->many) {
        answer_many(request, a, heads, n, response);
        return;
    }
    json_t *one = answer_picture(request, a, &a->pictures[0], heads, n, response);
    if (one) {
        json_t *whole = json_pack("{s:s}", "model", srv_model_describe(a->model)->name);
        json_object_update(whole, one);
        json_decref(one);
        srv_json(response, 200, whole);
    }
}

bool srv_classify_check(srv_request *request, srv_response *response)
{
    asked a = {.top = DEFAULT_TOP};
    srv_head *heads[MAX_HEADS + 1] = {0};
    size_t n = 0;
    wi_error error = {0};
    bool good = read_asked(request, &a, response);
    if (good && open_heads(request, &a, heads, &n, &error) != WI_OK) {
        srv_error_of(request, response, &error);
        good = false;
    }
    for (size_t i = 0; i < n; i++) {
        srv_head_release(request->services->heads, &heads[i]);
    }
    free_asked(&a);
    return good;
}

void srv_handle_classify(srv_request *request, srv_response *response)
{
    asked a = {.top = DEFAULT_TOP};
    srv_head *heads[MAX_HEADS + 1] = {0};
    size_t n = 0;
    wi_error error = {0};
    if (read_asked(request, &a, response)) {
        if (open_heads(request, &a, heads, &n, &error) == WI_OK) {
            answer(request, &a, heads, n, response);
        } else {
            srv_error_of(request, response, &error);
        }
    }
    for (size_t i = 0; i < n; i++) {
        srv_head_release(request->services->heads, &heads[i]);
    }
    free_asked(&a);
}
