/* The public face of heads: argument checks before the head room does the work. */
#include "base/error.h"
#include "base/size.h"
#include "head/groups.h"
#include "head/headfile.h"
#include "head/score.h"
#include "nn/engine.h"

#include <stdlib.h>
#include <string.h>

wi_status wi_head_open(const wi_engine *engine, const char *path, wi_head **out, wi_error *error)
{
    if (!path || !out)
        return wi_fail(error, WI_ERR_ARG, "wi_head_open needs a path and a place for the head");
    wi_kern best;
    return wi_headfile_open(wi_engine_kern(engine, &best), path, out, error);
}

wi_status wi_head_open_memory(const wi_engine *engine, const void *bytes, size_t n_bytes,
                              wi_head **out, wi_error *error)
{
    if (!bytes || !out)
        return wi_fail(error, WI_ERR_ARG,
                       "wi_head_open_memory needs bytes and a place for the head");
    wi_kern best;
    return wi_headfile_open_memory(wi_engine_kern(engine, &best), bytes, n_bytes, out, error);
}

wi_status wi_head_save(const wi_head *head, const char *path, wi_error *error)
{
    if (!head || !path)
        return wi_fail(error, WI_ERR_ARG, "wi_head_save needs a head and a path");
    wi_sink *sink = NULL;
    wi_status status = wi_sink_to_file(path, WI_SINK_REPLACE, &sink, error);
    if (status == WI_OK)
        status = wi_headfile_write(head, sink, error);
    if (status == WI_OK)
        status = wi_sink_commit(sink, error);
    wi_sink_close(&sink);
    return status;
}

wi_status wi_head_write(const wi_head *head, wi_sink *sink, wi_error *error)
{
    if (!head || !sink)
        return wi_fail(error, WI_ERR_ARG, "wi_head_write needs a head and a sink");
    return wi_headfile_write(head, sink, error);
}

void wi_head_get_info(const wi_head *head, wi_head_info *out)
{
    if (!out)
        return;
    if (!head) {
        *out = (wi_head_info){0};
        return;
    }
    const wi_head_parts *parts = &head->parts;
    *out = (wi_head_info){
        .name = parts->name,
        .kind = parts->kind,
        .n_labels = parts->n_labels,
        .dim = parts->dim,
        .n_templates = parts->n_templates,
        .n_groups = head->groups.n,
        .model_name = parts->model_name,
        .model_fingerprint = parts->model_fingerprint,
        .licence = parts->licence,
        .source = parts->source,
        .sensitivity = parts->sensitivity,
        .sigmoid = parts->sigmoid,
        .logit_scale = parts->logit_scale,
        .logit_bias = parts->logit_bias,
        .temperature = parts->temperature,
        .n_examples = parts->kind == WI_HEAD_FEW_SHOT ? parts->n_keys : 0,
        .none_threshold = parts->none_threshold,
        .none_rate = parts->none_rate,
    };
}

const char *wi_head_label(const wi_head *head, size_t index)
{
    return head && index < head->parts.n_labels ? head->firsts[index] : NULL;
}

const char *wi_head_label_full(const wi_head *head, size_t index)
{
    return head && index < head->parts.n_labels ? head->parts.labels[index] : NULL;
}

const char *wi_head_group(const wi_head *head, size_t index)
{
    if (!head || index >= head->parts.n_labels)
        return NULL;
    return head->parts.groups ? head->parts.groups[index] : "";
}

const char *wi_head_template(const wi_head *head, size_t index)
{
    return head && index < head->parts.n_templates ? head->parts.templates[index] : NULL;
}

wi_status wi_head_answer(const wi_head *head, const float *embedding, size_t dim, size_t k,
                         wi_answer *out, size_t *n_out, wi_error *error)
{
    if (!head || !embedding || (!out && k > 0) || !n_out)
        return wi_fail(error, WI_ERR_ARG,
                       "wi_head_answer needs a head, an embedding and room for answers");
    return wi_score_answer(head, embedding, dim, k, out, n_out, error);
}

wi_status wi_head_answer_groups(const wi_head *head, const float *embedding, size_t dim, size_t k,
                                wi_group_answer *out, size_t *n_out, wi_error *error)
{
    if (!head || !embedding || (!out && k > 0) || !n_out)
        return wi_fail(error, WI_ERR_ARG,
                       "wi_head_answer_groups needs a head, an embedding and room for answers");
    return wi_groups_answer(head, embedding, dim, k, out, n_out, error);
}

wi_status wi_head_verdict(const wi_head *head, const float *embedding, size_t dim, wi_verdict *out,
                          wi_error *error)
{
    if (!head || !embedding || !out)
        return wi_fail(error, WI_ERR_ARG, "wi_head_verdict needs a head, an embedding and a place");
    return wi_groups_verdict(head, embedding, dim, out, error);
}

wi_status wi_head_regroup(const wi_head *head, const char *const *groups, wi_head **out,
                          wi_error *error)
{
    if (!head || !groups || !out)
        return wi_fail(error, WI_ERR_ARG, "wi_head_regroup needs a head and groups");
    for (size_t i = 0; i < head->parts.n_labels; i++)
        if (!groups[i])
            return wi_fail(error, WI_ERR_ARG, "group %zu is missing", i + 1);
    wi_head_parts parts = head->parts;
    parts.groups = groups;
    return wi_head_copy(&parts, out, error);
}

wi_status wi_head_scores(const wi_head *head, const float *embedding, size_t dim, float *score,
                         float *cosine, float *logit, wi_error *error)
{
    if (!head || !embedding)
        return wi_fail(error, WI_ERR_ARG, "wi_head_scores needs a head and an embedding");
    return wi_score_all(head, embedding, dim, score, cosine, logit, error);
}
