#include "head/zeroshot.h"

#include "base/error.h"
#include "base/size.h"
#include "head/background.h"
#include "head/score.h"
#include "text/templates.h"

#include <stdlib.h>
#include <string.h>

/* Prompts handed to the text tower at a time: enough that shared beginnings are found, few enough
 * that their embeddings stay small (4 MiB at 512 numbers). */
enum { BATCH_PROMPTS = 2048 };

static const char *const default_templates[] = {wi_template_default};

/* A run over all prompts. They are ordered by template, then by name, because prompts of one
 * template share their beginning. */
typedef struct run {
    const wi_head_encoder *encoder;
    const wi_label_name *names;
    size_t n_rows;
    const char *const *templates;
    size_t n_prompts, n_done;
    wi_prompt_count *count; /* of the head: this run is a part of it */
    /* Of one batch: prompts[BATCH_PROMPTS], each in its slot of text; embeddings[BATCH_PROMPTS,
     * dim]. */
    size_t batch, slot_bytes;
    char *text;
    const char **prompts;
    float *embeddings;
} run;

static bool report_batch(void *context, uint64_t done, uint64_t total)
{
    const wi_prompt_count *count = context;
    (void)total;
    return !count->progress.report ||
           count->progress.report(count->progress.context, count->n_done + done, count->n_total);
}

static void write_prompt(const char *template, wi_label_name name, char *out)
{
    const char *hole = strstr(template, "{}");
    size_t before = (size_t)(hole - template);
    memcpy(out, template, before);
    memcpy(out + before, name.text, name.n_bytes);
    strcpy(out + before + name.n_bytes, hole + 2);
}

static wi_status open_run(run *r, size_t n_templates, wi_error *error)
{
    size_t longest_name = 0, longest_template = 0;
    for (size_t i = 0; i < r->n_rows; i++)
        if (r->names[i].n_bytes > longest_name)
            longest_name = r->names[i].n_bytes;
    for (size_t i = 0; i < n_templates; i++)
        if (strlen(r->templates[i]) > longest_template)
            longest_template = strlen(r->templates[i]);
    r->slot_bytes = longest_name + longest_template; /* {} leaves two bytes for the NUL */
    if (!wi_size_mul(r->n_rows, n_templates, &r->n_prompts))
        return wi_fail(error, WI_ERR_LIMIT, "too many prompts");
    r->batch = r->n_prompts < BATCH_PROMPTS ? r->n_prompts : BATCH_PROMPTS;
    r->text = malloc(r->batch * r->slot_bytes);
    r->prompts = malloc(r->batch * sizeof *r->prompts);
    r->embeddings = malloc(r->batch * r->encoder->model.dim * sizeof *r->embeddings);
    if (!r->text || !r->prompts || !r->embeddings)
        return wi_fail_nomem(error, r->batch * r->encoder->model.dim * sizeof *r->embeddings,
                             "prompts");
    return WI_OK;
}

static void close_run(run *r)
{
    free(r->embeddings);
    free(r->prompts);
    free(r->text);
}

static wi_status add_batch(run *r, float *sums, size_t *n_truncated, wi_error *error)
{
    size_t n = r->n_prompts - r->n_done < r->batch ? r->n_prompts - r->n_done : r->batch;
    for (size_t i = 0; i < n; i++) {
        size_t prompt = r->n_done + i;
        char *text = r->text + i * r->slot_bytes;
        write_prompt(r->templates[prompt / r->n_rows], r->names[prompt % r->n_rows], text);
        r->prompts[i] = text;
    }
    size_t dim = r->encoder->model.dim, truncated = 0;
    wi_progress progress = {report_batch, r->count};
    wi_status status = r->encoder->encode(r->encoder->context, r->prompts, n, r->embeddings,
                                          &truncated, &progress, error);
    for (size_t i = 0; i < n && status == WI_OK; i++) {
        float *row = r->embeddings + i * dim;
        float *sum = sums + (r->n_done + i) % r->n_rows * dim;
        status = wi_score_normalise(row, dim, row, error);
        for (size_t j = 0; j < dim && status == WI_OK; j++)
            sum[j] += row[j];
    }
    if (status != WI_OK)
        return status;
    *n_truncated += truncated;
    r->n_done += n;
    r->count->n_done += n;
    if (!report_batch(r->count, 0, 0))
        return wi_fail(error, WI_ERR_CANCELLED, "cancelled after %llu of %llu prompts",
                       (unsigned long long)r->count->n_done, (unsigned long long)r->count->n_total);
    return WI_OK;
}

wi_status wi_zeroshot_rows(const wi_head_encoder *encoder, const wi_label_name *names,
                           size_t n_rows, const char *const *templates, size_t n_templates,
                           wi_prompt_count *count, float *out, size_t *n_truncated, wi_error *error)
{
    run r = {.encoder = encoder,
             .names = names,
             .n_rows = n_rows,
             .templates = templates,
             .count = count};
    memset(out, 0, n_rows * encoder->model.dim * sizeof *out);
    wi_status status = open_run(&r, n_templates, error);
    while (status == WI_OK && r.n_done < r.n_prompts)
        status = add_batch(&r, out, n_truncated, error);
    for (size_t i = 0; i < n_rows && status == WI_OK; i++)
        status = wi_score_normalise(out + i * encoder->model.dim, encoder->model.dim,
                                    out + i * encoder->model.dim, error);
    close_run(&r);
    return status;
}

static void fill_parts(const wi_head_encoder *encoder, const wi_head_recipe *recipe,
                       wi_head_parts *parts)
{
    wi_head_parts_init(parts);
    parts->kind = WI_HEAD_ZERO_SHOT;
    parts->name = recipe->name ? recipe->name : "";
    parts->model_name = encoder->model.name;
    parts->model_fingerprint = encoder->model.fingerprint;
    parts->licence = recipe->licence ? recipe->licence : "";
    parts->source = recipe->source ? recipe->source : "";
    parts->sensitivity = recipe->sensitivity ? recipe->sensitivity : "";
    parts->labels = recipe->labels;
    parts->n_labels = recipe->n_labels;
    parts->groups = recipe->groups;
    parts->templates = recipe->n_templates ? recipe->templates : default_templates;
    parts->n_templates = recipe->n_templates ? recipe->n_templates : 1;
    parts->sigmoid = recipe->sigmoid;
    parts->dim = encoder->model.dim;
    parts->logit_scale = encoder->model.logit_scale;
    parts->logit_bias = encoder->model.logit_bias;
}

/* The names of all labels one behind the other, and whose they are. */
static wi_status list_names(const wi_head_parts *parts, wi_label_name **names, int32_t **row_label,
                            size_t *n_rows, wi_error *error)
{
    size_t n = 0;
    for (size_t i = 0; i < parts->n_labels; i++)
        n += wi_synonym_count(parts->labels[i]);
    if (n > WI_HEAD_MAX_ROWS)
        return wi_fail(error, WI_ERR_LIMIT, "more than %d labels and synonyms", WI_HEAD_MAX_ROWS);
    *names = malloc(n * sizeof **names);
    *row_label = malloc(n * sizeof **row_label);
    if (!*names || !*row_label)
        return wi_fail_nomem(error, n * sizeof **names, "label names");
    size_t row = 0;
    for (size_t i = 0; i < parts->n_labels; i++) {
        const char *cursor = parts->labels[i];
        wi_label_name name;
        while (wi_synonym_next(&cursor, &name.text, &name.n_bytes)) {
            (*names)[row] = name;
            (*row_label)[row++] = (int32_t)i;
        }
    }
    *n_rows = n;
    return WI_OK;
}

/* A head under way. */
typedef struct work {
    wi_head_parts parts;
    wi_label_name *names; /* [n_rows] */
    int32_t *row_label;
    float *weight; /* [n_rows, dim] */
    size_t n_rows, n_truncated;
    wi_background background;
    wi_prompt_count count;
} work;

static wi_status embed_labels(work *w, const wi_head_encoder *encoder, wi_error *error)
{
    wi_head_parts *parts = &w->parts;
    size_t n_floats;
    if (!wi_size_mul(w->n_rows, encoder->model.dim, &n_floats) ||
        n_floats > SIZE_MAX / sizeof(float))
        return wi_fail(error, WI_ERR_LIMIT, "too many labels");
    w->weight = malloc(n_floats * sizeof(float));
    if (!w->weight)
        return wi_fail_nomem(error, n_floats * sizeof(float), "label embeddings");
    parts->weight = w->weight;
    parts->n_rows = w->n_rows;
    parts->row_label = w->n_rows != parts->n_labels ? w->row_label : NULL;
    return wi_zeroshot_rows(encoder, w->names, w->n_rows, parts->templates, parts->n_templates,
                            &w->count, w->weight, &w->n_truncated, error);
}

static wi_status embed_background(work *w, const wi_head_encoder *encoder, wi_error *error)
{
    wi_head_parts *parts = &w->parts;
    wi_status status = wi_background_embed(&w->background, encoder, parts, &w->count, error);
    if (status == WI_OK && w->background.n > 0) {
        parts->background = w->background.rows;
        parts->n_background = w->background.n;
        if (!parts->sigmoid)
            parts->none_threshold = 0; /* labels and background words are equally likely */
    }
    return status;
}

wi_status wi_zeroshot_build(const wi_head_encoder *encoder, const wi_head_recipe *recipe,
                            wi_head **out, size_t *n_truncated, wi_error *error)
{
    work w = {.count = {.progress = recipe->progress}};
    fill_parts(encoder, recipe, &w.parts);
    wi_status status = wi_head_check_texts(&w.parts, WI_ERR_ARG, error);
    if (status == WI_OK)
        status = list_names(&w.parts, &w.names, &w.row_label, &w.n_rows, error);
    if (status == WI_OK)
        status =
            wi_background_list(&w.background, &encoder->model, recipe, w.names, w.n_rows, error);
    if (status == WI_OK) {
        w.count.n_total = (uint64_t)w.n_rows * w.parts.n_templates +
                          wi_background_prompts(&w.background, w.parts.n_templates);
        status = embed_labels(&w, encoder, error);
    }
    if (status == WI_OK)
        status = embed_background(&w, encoder, error);
    if (status == WI_OK)
        status = wi_head_copy(&w.parts, out, error);
    if (status == WI_OK && n_truncated)
        *n_truncated = w.n_truncated;
    wi_background_free(&w.background);
    free(w.weight);
    free(w.row_label);
    free(w.names);
    return status;
}
