#include "head/zeroshot.h"

#include "base/error.h"
#include "base/size.h"
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
    wi_progress progress;
    /* Of one batch: prompts[BATCH_PROMPTS], each in its slot of text; embeddings[BATCH_PROMPTS,
     * dim]. */
    size_t batch, slot_bytes;
    char *text;
    const char **prompts;
    float *embeddings;
} run;

static bool report_batch(void *context, uint64_t done, uint64_t total)
{
    const run *r = context;
    (void)total;
    return !r->progress.report ||
           r->progress.report(r->progress.context, r->n_done + done, r->n_prompts);
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
    wi_progress progress = {report_batch, r};
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
    if (!report_batch(r, 0, 0))
        return wi_fail(error, WI_ERR_CANCELLED, "cancelled after %zu of %zu prompts", r->n_done,
                       r->n_prompts);
    return WI_OK;
}

wi_status wi_zeroshot_rows(const wi_head_encoder *encoder, const wi_label_name *names,
                           size_t n_rows, const char *const *templates, size_t n_templates,
                           wi_progress progress, float *out, size_t *n_truncated, wi_error *error)
{
    run r = {.encoder = encoder,
             .names = names,
             .n_rows = n_rows,
             .templates = templates,
             .progress = progress};
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

wi_status wi_zeroshot_build(const wi_head_encoder *encoder, const wi_head_recipe *recipe,
                            wi_head **out, size_t *n_truncated, wi_error *error)
{
    wi_head_parts parts;
    wi_label_name *names = NULL;
    int32_t *row_label = NULL;
    float *block = NULL;
    size_t n_floats, n_rows = 0, truncated = 0;
    fill_parts(encoder, recipe, &parts);
    wi_status status = wi_head_check_texts(&parts, WI_ERR_ARG, error);
    if (status == WI_OK)
        status = list_names(&parts, &names, &row_label, &n_rows, error);
    if (status != WI_OK)
        goto out;
    /* One block: the rows, behind them row_label (both of 4 bytes). */
    if (!wi_size_mul(n_rows, encoder->model.dim + 1, &n_floats) ||
        n_floats > SIZE_MAX / sizeof(float)) {
        status = wi_fail(error, WI_ERR_LIMIT, "too many labels");
        goto out;
    }
    block = malloc(n_floats * sizeof *block);
    if (!block) {
        status = wi_fail_nomem(error, n_floats * sizeof *block, "label embeddings");
        goto out;
    }
    status = wi_zeroshot_rows(encoder, names, n_rows, parts.templates, parts.n_templates,
                              recipe->progress, block, &truncated, error);
    if (status != WI_OK)
        goto out;
    parts.weight = block;
    parts.n_rows = n_rows;
    if (n_rows != parts.n_labels) {
        memcpy(block + n_rows * encoder->model.dim, row_label, n_rows * sizeof *row_label);
        parts.row_label = (const int32_t *)(const void *)(block + n_rows * encoder->model.dim);
    }
    status = wi_head_create(&parts, block, WI_ERR_ARG, out, error);
    if (status == WI_OK) {
        block = NULL; /* the head's */
        if (n_truncated)
            *n_truncated = truncated;
    }
out:
    free(block);
    free(row_label);
    free(names);
    return status;
}
