#include "head/headmeta.h"

#include "base/error.h"
#include "fmt/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char format_name[] = "whatsit head", format_version[] = "1";

/* ---- writing ---- */

static void add(wi_headmeta *meta, const char *key, const char *value)
{
    meta->pairs[meta->n_pairs][0] = key;
    meta->pairs[meta->n_pairs++][1] = value;
}

static void add_text(wi_headmeta *meta, const char *key, const char *value)
{
    if (*value)
        add(meta, key, value);
}

static void add_owned(wi_headmeta *meta, const char *key, char *value)
{
    meta->owned[meta->n_owned++] = value;
    add(meta, key, value);
}

/* Nine digits bring every float back exactly. */
static wi_status add_number(wi_headmeta *meta, const char *key, float value, wi_error *error)
{
    if (isnan(value))
        return WI_OK;
    char *text = malloc(32);
    if (!text)
        return wi_fail_nomem(error, 32, "a head's metadata");
    snprintf(text, 32, "%.9g", (double)value);
    for (char *p = text; *p; p++) /* a program that set its locale may have another decimal mark */
        if (*p == ',')
            *p = '.';
    add_owned(meta, key, text);
    return WI_OK;
}

static wi_status add_list(wi_headmeta *meta, const char *key, const char *const *items, size_t n,
                          wi_error *error)
{
    wi_buffer json;
    wi_buffer_init(&json, SIZE_MAX / 4);
    wi_status status = wi_buffer_append(&json, "[", 1, error);
    for (size_t i = 0; i < n && status == WI_OK; i++) {
        if (i > 0)
            status = wi_buffer_append(&json, ", ", 2, error);
        if (status == WI_OK)
            status = wi_json_append_string(&json, items[i], error);
    }
    if (status == WI_OK)
        status = wi_buffer_append(&json, "]", 2, error);
    if (status != WI_OK) {
        wi_buffer_free(&json);
        return status;
    }
    add_owned(meta, key, (char *)json.bytes);
    return WI_OK;
}

wi_status wi_headmeta_write(const wi_head_parts *parts, wi_headmeta *out, wi_error *error)
{
    memset(out, 0, sizeof *out);
    add(out, "format", format_name);
    add(out, "format_version", format_version);
    add_text(out, "name", parts->name);
    add(out, "kind", wi_head_kind_name(parts->kind));
    add(out, "scores", parts->sigmoid ? "sigmoid" : "softmax");
    add_text(out, "model", parts->model_name);
    add_text(out, "model_fingerprint", parts->model_fingerprint);
    add_text(out, "licence", parts->licence);
    add_text(out, "source", parts->source);
    add_text(out, "sensitivity", parts->sensitivity);
    const struct {
        const char *key;
        float value;
    } numbers[] = {
        {"logit_scale", parts->logit_scale},
        {"logit_bias", parts->logit_bias},
        {"temperature", parts->temperature},
        {"words_weight", parts->delta ? parts->words_weight : NAN},
        {"none_threshold", parts->none_threshold},
        {"none_rate", parts->none_rate},
    };
    wi_status status = add_list(out, "labels", parts->labels, parts->n_labels, error);
    if (status == WI_OK && parts->groups)
        status = add_list(out, "groups", parts->groups, parts->n_labels, error);
    if (status == WI_OK && parts->n_templates)
        status = add_list(out, "templates", parts->templates, parts->n_templates, error);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && status == WI_OK; i++)
        status = add_number(out, numbers[i].key, numbers[i].value, error);
    return status;
}

void wi_headmeta_free(wi_headmeta *meta)
{
    for (size_t i = 0; i < meta->n_owned; i++)
        free(meta->owned[i]);
    meta->n_owned = meta->n_pairs = 0;
}

/* ---- reading ---- */

static wi_status read_list(wi_headmeta_get *get, const void *context, const char *key,
                           struct json_t **tree, const char ***items, size_t *n, wi_error *error)
{
    const char *text = get(context, key);
    *n = 0;
    if (!text)
        return WI_OK;
    wi_status status = wi_json_parse(key, text, strlen(text), tree, error);
    if (status != WI_OK)
        return status;
    if (!wi_json_is_array(*tree))
        return wi_fail(error, WI_ERR_FORMAT, "%s is not a list", key);
    size_t count = wi_json_count(*tree);
    *items = calloc(count ? count : 1, sizeof **items);
    if (!*items)
        return wi_fail_nomem(error, count * sizeof **items, key);
    for (size_t i = 0; i < count; i++) {
        (*items)[i] = wi_json_string(wi_json_at(*tree, i));
        if (!(*items)[i])
            return wi_fail(error, WI_ERR_FORMAT, "%s: entry %zu is not a text", key, i + 1);
    }
    *n = count;
    return WI_OK;
}

static wi_status read_number(wi_headmeta_get *get, const void *context, const char *key, float *out,
                             wi_error *error)
{
    const char *text = get(context, key);
    if (!text)
        return WI_OK;
    char list[40];
    wi_json *tree = NULL;
    wi_error why;
    double value = 0;
    /* The JSON library reads numbers the same way in every locale; it wants a list or an object. */
    int n = snprintf(list, sizeof list, "[%s]", text);
    wi_status status = n > 0 && (size_t)n < sizeof list
                           ? wi_json_parse(key, list, (size_t)n, &tree, &why)
                           : WI_ERR_FORMAT;
    if (status == WI_ERR_NOMEM)
        return wi_fail(error, status, "%s", why.message);
    bool good =
        status == WI_OK && wi_json_count(tree) == 1 && wi_json_number(wi_json_at(tree, 0), &value);
    wi_json_free(&tree);
    if (!good)
        return wi_fail(error, WI_ERR_FORMAT, "%s is '%.30s', not a number", key, text);
    *out = (float)value;
    return WI_OK;
}

static wi_status read_kind(wi_headmeta_get *get, const void *context, wi_head_parts *parts,
                           wi_error *error)
{
    const char *format = get(context, "format"), *version = get(context, "format_version");
    const char *kind = get(context, "kind"), *scores = get(context, "scores");
    if (!format || strcmp(format, format_name) != 0)
        return wi_fail(error, WI_ERR_FORMAT, "not a head file: its metadata does not say '%s'",
                       format_name);
    if (!version || strcmp(version, format_version) != 0)
        return wi_fail(error, WI_ERR_UNSUPPORTED,
                       "head format version '%.20s'; this program reads %s", version ? version : "",
                       format_version);
    if (!kind)
        return wi_fail(error, WI_ERR_FORMAT, "the head's kind is missing");
    unsigned i = 0, n = WI_HEAD_FEW_SHOT + 1;
    while (i < n && strcmp(kind, wi_head_kind_name((wi_head_kind)i)) != 0)
        i++;
    if (i == n)
        return wi_fail(error, WI_ERR_UNSUPPORTED, "a head of the unknown kind '%.30s'", kind);
    parts->kind = (wi_head_kind)i;
    if (scores && strcmp(scores, "softmax") != 0 && strcmp(scores, "sigmoid") != 0)
        return wi_fail(error, WI_ERR_UNSUPPORTED, "scores of the unknown kind '%.30s'", scores);
    parts->sigmoid = scores && strcmp(scores, "sigmoid") == 0;
    return WI_OK;
}

static wi_status read_lists(wi_headmeta_get *get, const void *context, wi_head_parts *parts,
                            wi_headlists *lists, wi_error *error)
{
    static const char *const keys[3] = {"labels", "groups", "templates"};
    size_t n[3];
    for (int i = 0; i < 3; i++) {
        wi_status status =
            read_list(get, context, keys[i], &lists->trees[i], &lists->items[i], &n[i], error);
        if (status != WI_OK)
            return status;
    }
    if (lists->items[1] && n[1] != n[0])
        return wi_fail(error, WI_ERR_FORMAT, "%zu groups for %zu labels", n[1], n[0]);
    parts->labels = lists->items[0];
    parts->n_labels = n[0];
    parts->groups = lists->items[1];
    parts->templates = lists->items[2];
    parts->n_templates = n[2];
    return WI_OK;
}

wi_status wi_headmeta_read(wi_headmeta_get *get, const void *context, const wi_kern *kern,
                           wi_head_parts *parts, wi_headlists *lists, wi_error *error)
{
    memset(lists, 0, sizeof *lists);
    wi_head_parts_init(parts, kern);
    wi_status status = read_kind(get, context, parts, error);
    if (status == WI_OK)
        status = read_lists(get, context, parts, lists, error);
    float alpha = 0;
    const struct {
        const char *key;
        float *value;
    } numbers[] = {
        {"alpha", &alpha},
        {"logit_scale", &parts->logit_scale},
        {"logit_bias", &parts->logit_bias},
        {"temperature", &parts->temperature},
        {"words_weight", &parts->words_weight},
        {"none_threshold", &parts->none_threshold},
        {"none_rate", &parts->none_rate},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && status == WI_OK; i++)
        status = read_number(get, context, numbers[i].key, numbers[i].value, error);
    if (status == WI_OK && alpha > 0)
        return wi_fail(error, WI_ERR_UNSUPPORTED,
                       "a few-shot head of an early form: make it anew from its photos");
    const struct {
        const char *key;
        const char **value;
    } texts[] = {
        {"name", &parts->name},
        {"model", &parts->model_name},
        {"model_fingerprint", &parts->model_fingerprint},
        {"licence", &parts->licence},
        {"source", &parts->source},
        {"sensitivity", &parts->sensitivity},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts && status == WI_OK; i++) {
        const char *text = get(context, texts[i].key);
        if (text)
            *texts[i].value = text;
    }
    return status;
}

void wi_headlists_free(wi_headlists *lists)
{
    for (int i = 0; i < 3; i++) {
        free(lists->items[i]);
        wi_json_free(&lists->trees[i]);
    }
}
