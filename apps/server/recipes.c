#include "recipes.h"
#include "heads.h"
#include "pictures.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <whatsit/labels.h>
#include <whatsit/sink.h>
#include <whatsit/train.h>

enum { MAX_LABELS = 100000, MAX_TEMPLATES = 200, MAX_EXAMPLES = 2000 };

json_t *srv_labels_of_commas(const char *text, size_t max)
{
    json_t *list = json_array();
    const char *item;
    size_t n;
    while (text && json_array_size(list) <= max && wi_comma_next(&text, &item, &n)) {
        json_array_append_new(list, json_stringn(item, n));
    }
    return list;
}

/* An array of strings; {"label","group"} where groups are wanted. */
static wi_status read_texts(const json_t *value, const char *what, size_t max, const char ***out,
                            const char ***groups, size_t *n, wi_error *error)
{
    *n = json_array_size(value);
    if (!json_is_array(value) || *n == 0) {
        return store_fail(error, WI_ERR_ARG, "'%s' must be a list of texts", what);
    }
    if (*n > max) {
        return store_fail(error, WI_ERR_LIMIT, "'%s' has %zu entries, %zu are allowed", what, *n,
                          max);
    }
    *out = calloc(*n, sizeof **out);
    if (groups) {
        *groups = calloc(*n, sizeof **groups);
    }
    if (!*out || (groups && !*groups)) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < *n; i++) {
        const json_t *item = json_array_get(value, i);
        const char *group = groups ? json_string_value(json_object_get(item, "group")) : NULL;
        (*out)[i] = json_string_value(
            groups && json_is_object(item) ? json_object_get(item, "label") : item);
        if (groups) {
            (*groups)[i] = group ? group : "";
        }
        if (!(*out)[i]) {
            return store_fail(error, WI_ERR_ARG, "'%s' must be a list of texts", what);
        }
    }
    return WI_OK;
}

wi_status srv_recipe_read(const json_t *body, srv_recipe *out, wi_error *error)
{
    wi_head_recipe *recipe = &out->recipe;
    const json_t *templates = json_object_get(body, "templates");
    const char *name = json_string_value(json_object_get(body, "name"));
    *out = (srv_recipe){0};
    recipe->name = name ? name : "labels";
    wi_status status = read_texts(json_object_get(body, "labels"), "labels", MAX_LABELS,
                                  &out->labels, &out->groups, &recipe->n_labels, error);
    if (status == WI_OK && templates && !json_is_null(templates) &&
        !(json_is_array(templates) && json_array_size(templates) == 0)) {
        status = read_texts(templates, "templates", MAX_TEMPLATES, &out->templates, NULL,
                            &recipe->n_templates, error);
    }
    for (size_t i = 0; i < recipe->n_templates && status == WI_OK; i++) {
        if (!strstr(out->templates[i], "{}")) {
            status =
                store_fail(error, WI_ERR_ARG, "the template '%.80s' has no {}", out->templates[i]);
        }
    }
    recipe->labels = out->labels;
    recipe->groups = out->groups;
    recipe->templates = out->templates;
    recipe->sigmoid = json_is_true(json_object_get(body, "multi"));
    recipe->softmax = json_is_false(json_object_get(body, "multi")); /* unsaid: as trained */
    recipe->licence = json_string_value(json_object_get(body, "licence"));
    recipe->source = json_string_value(json_object_get(body, "source"));
    recipe->sensitivity = json_string_value(json_object_get(body, "sensitivity"));
    return status;
}

void srv_recipe_free(srv_recipe *recipe)
{
    free((void *)recipe->labels);
    free((void *)recipe->groups);
    free((void *)recipe->templates);
    *recipe = (srv_recipe){0};
}

/* ---- examples ---- */

static wi_status label_of(const wi_head *words, const char *label, uint32_t *out, wi_error *error)
{
    size_t index = label ? wi_head_find_label(words, label) : SIZE_MAX;
    *out = (uint32_t)index;
    return index != SIZE_MAX
               ? WI_OK
               : store_fail(error, WI_ERR_ARG,
                            "an example has the label '%.80s', which is not among the labels",
                            label ? label : "");
}

static wi_status embed_example(srv_decoder *decoder, srv_model *model, const srv_asker *asker,
                               const json_t *example, size_t index, float *embedding,
                               wi_error *error)
{
    const char *image = json_string_value(json_object_get(example, "image"));
    uint8_t *bytes = NULL;
    size_t n_bytes = 0;
    srv_decoded decoded;
    wi_error why = {0};
    wi_status status = image ? srv_base64(image, &bytes, &n_bytes, &why)
                             : store_fail(&why, WI_ERR_ARG, "has no image");
    if (status == WI_OK) {
        status = srv_embed_picture(decoder, model, asker, bytes, n_bytes, NULL, embedding, &decoded,
                                   &why);
    }
    free(bytes);
    return status == WI_OK ? status
                           : store_fail(error, status, "example %zu: %.200s", index, why.message);
}

static wi_status add_examples(srv_decoder *decoder, srv_model *model, const srv_asker *asker,
                              const json_t *examples, const wi_progress *progress, wi_head **head,
                              wi_error *error)
{
    size_t n = json_array_size(examples), dim = srv_model_describe(model)->dim;
    if (n > MAX_EXAMPLES) {
        return store_fail(error, WI_ERR_LIMIT, "%zu examples, %d are allowed", n, MAX_EXAMPLES);
    }
    float *embeddings = malloc(n * dim * sizeof *embeddings);
    uint32_t *labels = malloc(n * sizeof *labels);
    wi_head *with_photos = NULL;
    wi_status status =
        embeddings && labels ? WI_OK : store_fail(error, WI_ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < n && status == WI_OK; i++) {
        const json_t *example = json_array_get(examples, i);
        status = label_of(*head, json_string_value(json_object_get(example, "label")), &labels[i],
                          error);
        if (status == WI_OK) {
            status = embed_example(decoder, model, asker, example, i, embeddings + i * dim, error);
        }
        if (status == WI_OK && progress->report && !progress->report(progress->context, i + 1, n)) {
            status = store_fail(error, WI_ERR_CANCELLED, "cancelled");
        }
    }
    if (status == WI_OK) {
        wi_photos photos = {.embeddings = embeddings, .labels = labels, .n = n, .dim = dim};
        status = wi_head_add_photos(*head, &photos, NULL, &with_photos, error);
    }
    if (status == WI_OK) {
        wi_head_close(head);
        *head = with_photos;
    }
    free(embeddings);
    free(labels);
    return status;
}

wi_status srv_head_build(srv_decoder *decoder, srv_model *model, const srv_asker *asker,
                         const json_t *body, srv_lane lane, const wi_progress *progress,
                         const wi_head_keeper *keeper, wi_head **out, wi_error *error)
{
    const wi_progress nobody = {0};
    const json_t *examples = json_object_get(body, "examples");
    srv_recipe recipe;
    wi_session *session = NULL;
    wi_head *head = NULL;
    wi_status status = srv_recipe_read(body, &recipe, error);
    recipe.recipe.progress = progress ? *progress : nobody;
    recipe.recipe.keeper = keeper;
    if (status == WI_OK) {
        status = srv_model_text_begin(model, asker, lane, &session, error);
    }
    if (status == WI_OK) {
        status = wi_head_build(session, &recipe.recipe, &head, NULL, error);
        srv_model_text_end(model, asker, lane);
    }
    if (status == WI_OK && json_array_size(examples) > 0) {
        status = add_examples(decoder, model, asker, examples, progress ? progress : &nobody, &head,
                              error);
    }
    srv_recipe_free(&recipe);
    if (status != WI_OK) {
        wi_head_close(&head);
        return status;
    }
    *out = head;
    return WI_OK;
}

/* ---- to the store ---- */

wi_status srv_head_file(const wi_head *head, void **bytes, size_t *n_bytes, wi_error *error)
{
    wi_sink *sink = NULL;
    wi_status status = wi_sink_to_memory(&sink, error);
    status = status ? status : wi_head_write(head, sink, error);
    status = status ? status : wi_sink_commit(sink, error);
    const void *made = status == WI_OK ? wi_sink_bytes(sink, n_bytes) : NULL;
    *bytes = made ? malloc(*n_bytes) : NULL;
    if (made && *bytes) {
        memcpy(*bytes, made, *n_bytes);
    } else if (status == WI_OK) {
        status = store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    wi_sink_close(&sink);
    return status;
}

wi_status srv_keeping_read(const srv_config *config, store *st, const char *owner,
                           const json_t *body, srv_keeping *out, wi_error *error)
{
    const json_t *visibility = json_object_get(body, "visibility");
    const char *said = json_string_value(visibility);
    bool is_guest = owner[0] == '~', is_key = owner[0] && !is_guest;
    wi_status status = WI_OK;
    *out = (srv_keeping){
        .owner = owner,
        .visibility = said       ? said
                      : is_guest ? "private"
                      : is_key   ? "shared"
                                 : "public",
        .replace = json_is_true(json_object_get(body, "replace")),
        .expires_ms = is_guest ? store_now_ms() + (int64_t)config->guest_days * 86400000 : 0,
        .bounds = {.own_heads = is_guest ? config->guest_heads : -1,
                   .own_bytes = is_guest ? config->guest_bytes : -1,
                   .anonymous_bytes = config->guests_bytes,
                   .all_bytes = config->all_bytes},
    };
    if (visibility && !json_is_null(visibility) &&
        (!said || (strcmp(said, "private") && strcmp(said, "shared") && strcmp(said, "public")))) {
        return store_fail(error, WI_ERR_ARG, "'visibility' is private, shared or public");
    }
    if (is_key) {
        store_key key = {0};
        status = store_key_get(st, owner, &key, error);
        out->bounds.own_heads = key.plan.heads_kept;
        out->bounds.own_bytes = key.plan.bytes_kept;
        store_key_free(&key);
    }
    return status;
}

wi_status srv_head_store(store *st, const srv_keeping *keeping, const wi_head *head,
                         const char *name, store_head *out, wi_error *error)
{
    wi_head_info info;
    void *bytes = NULL;
    size_t n_bytes = 0;
    char etag[65];
    wi_head_get_info(head, &info);
    wi_status status = srv_head_file(head, &bytes, &n_bytes, error);
    if (status == WI_OK) {
        status = srv_sha256(bytes, n_bytes, etag, error);
    }
    if (status == WI_OK) {
        *out = (store_head){
            .name = strdup(name),
            .model = strdup(info.model_name),
            .fingerprint = strdup(info.model_fingerprint),
            .kind = strdup(wi_head_kind_name(info.kind)),
            .owner = strdup(keeping->owner),
            .visibility = strdup(keeping->visibility),
            .expires_ms = keeping->expires_ms,
            .etag = strdup(etag),
            .n_labels = (int64_t)info.n_labels,
            .n_bytes = (int64_t)n_bytes,
            .created_ms = store_now_ms(),
            .bytes = bytes,
        };
        bytes = NULL;
        status = store_head_put(st, out, keeping->replace, &keeping->bounds, error);
        free(out->bytes);
        out->bytes = NULL;
        if (status != WI_OK) {
            store_head_free(out);
        }
    }
    free(bytes);
    return status;
}
