#include "head/zeroshot.h"

#include "base/error.h"
#include "base/progress.h"
#include "base/sha256.h"
#include "base/size.h"
#include "base/unit.h"
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
    return wi_progress_report(&count->progress, count->n_done + done, count->n_total);
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

static wi_status add_batch(run *r, float *sums, wi_error *error)
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
        status = wi_unit(row, dim, row, "the embedding", error);
        for (size_t j = 0; j < dim && status == WI_OK; j++)
            sum[j] += row[j];
    }
    if (status != WI_OK)
        return status;
    r->count->n_truncated += truncated;
    r->n_done += n;
    r->count->n_done += n;
    return WI_OK;
}

/* A batch and what follows it: the rows of the last one are finished, the keeper and the listener told. */
static wi_status do_batch(run *r, float *out, wi_error *error)
{
    size_t dim = r->encoder->model.dim;
    wi_prompt_count *count = r->count;
    wi_status status = add_batch(r, out, error);
    for (size_t i = 0; i < r->n_rows && r->n_done == r->n_prompts && status == WI_OK; i++)
        status = wi_unit(out + i * dim, dim, out + i * dim, "the embedding", error);
    if (status == WI_ERR_CANCELLED || (status == WI_OK && count->n_done < count->n_total))
        wi_resume_save(count->resume, count->n_done, count->n_truncated);
    if (status == WI_OK && !report_batch(count, 0, 0))
        status = wi_fail(error, WI_ERR_CANCELLED, "cancelled after %llu of %llu prompts",
                         (unsigned long long)count->n_done, (unsigned long long)count->n_total);
    return status;
}

wi_status wi_zeroshot_rows(const wi_head_encoder *encoder, const wi_label_name *names,
                           size_t n_rows, const char *const *templates, size_t n_templates,
                           wi_prompt_count *count, float *out, wi_error *error)
{
    run r = {.encoder = encoder,
             .names = names,
             .n_rows = n_rows,
             .templates = templates,
             .count = count};
    wi_status status = open_run(&r, n_templates, error);
    uint64_t first = count->n_passed;
    count->n_passed += r.n_prompts;
    if (status != WI_OK || count->n_done >= count->n_passed) { /* all done before */
        close_run(&r);
        return status;
    }
    r.n_done = (size_t)(count->n_done - first);
    while (status == WI_OK && r.n_done < r.n_prompts)
        status = do_batch(&r, out, error);
    close_run(&r);
    return status;
}

static void fill_parts(const wi_head_encoder *encoder, const wi_head_recipe *recipe,
                       wi_head_parts *parts)
{
    wi_head_parts_init(parts, encoder->model.kern);
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
    parts->sigmoid = recipe->sigmoid || (encoder->model.sigmoid && !recipe->softmax);
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
    size_t n_rows;
    wi_background background;
    wi_resume resume; /* rows: [n_rows, dim] of the labels, then those of the background's words */
    wi_prompt_count count;
} work;

static void digest_text(wi_sha256 *sha, const char *text, size_t n_bytes)
{
    wi_sha256_update(sha, &n_bytes, sizeof n_bytes);
    wi_sha256_update(sha, text, n_bytes);
}

/* Of all that the rows depend on. */
static void digest_work(const work *w, uint8_t digest[32])
{
    const wi_head_parts *parts = &w->parts;
    const size_t counts[] = {parts->n_templates, w->n_rows, w->background.n_names};
    wi_sha256 sha;
    wi_sha256_init(&sha);
    digest_text(&sha, parts->model_fingerprint, strlen(parts->model_fingerprint));
    wi_sha256_update(&sha, counts, sizeof counts);
    for (size_t i = 0; i < parts->n_templates; i++)
        digest_text(&sha, parts->templates[i], strlen(parts->templates[i]));
    for (size_t i = 0; i < w->n_rows; i++)
        digest_text(&sha, w->names[i].text, w->names[i].n_bytes);
    for (size_t i = 0; i < w->background.n_names; i++)
        digest_text(&sha, w->background.names[i].text, w->background.names[i].n_bytes);
    wi_sha256_finish(&sha, digest);
}

/* Room for the rows, with what was done before in it. */
static wi_status begin(work *w, const wi_head_encoder *encoder, const wi_head_recipe *recipe,
                       wi_error *error)
{
    uint8_t digest[32];
    wi_prompt_count *count = &w->count;
    const wi_head_keeper *keeper = recipe->keeper;
    count->n_total = (uint64_t)w->n_rows * w->parts.n_templates +
                     wi_background_prompts(&w->background, w->parts.n_templates);
    count->resume = &w->resume;
    digest_work(w, digest);
    wi_status status =
        wi_resume_open(&w->resume, count->n_total > BATCH_PROMPTS ? keeper : NULL, digest,
                       w->n_rows + w->background.n_names, encoder->model.dim, error);
    if (status != WI_OK ||
        !wi_resume_load(&w->resume, count->n_total, &count->n_done, &count->n_truncated))
        return status;
    if (keeper->resumed)
        keeper->resumed(keeper->context, count->n_done, count->n_total);
    return WI_OK;
}

static wi_status embed_labels(work *w, const wi_head_encoder *encoder, wi_error *error)
{
    wi_head_parts *parts = &w->parts;
    parts->weight = w->resume.rows;
    parts->n_rows = w->n_rows;
    parts->row_label = w->n_rows != parts->n_labels ? w->row_label : NULL;
    return wi_zeroshot_rows(encoder, w->names, w->n_rows, parts->templates, parts->n_templates,
                            &w->count, w->resume.rows, error);
}

static wi_status embed_background(work *w, const wi_head_encoder *encoder, wi_error *error)
{
    wi_head_parts *parts = &w->parts;
    wi_status status = wi_background_embed(&w->background, encoder, parts, &w->count,
                                           w->resume.rows + w->n_rows * parts->dim, error);
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
    if (status == WI_OK)
        status = begin(&w, encoder, recipe, error);
    if (status == WI_OK)
        status = embed_labels(&w, encoder, error);
    if (status == WI_OK)
        status = embed_background(&w, encoder, error);
    if (status == WI_OK)
        status = wi_head_copy(&w.parts, out, error);
    if (status == WI_OK && n_truncated)
        *n_truncated = w.count.n_truncated;
    wi_background_free(&w.background);
    free(w.resume.block);
    free(w.row_label);
    free(w.names);
    return status;
}
