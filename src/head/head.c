/* Making and closing heads: the one gate that every head passes. */
#include "head/head.h"

#include "base/error.h"
#include "base/size.h"
#include "head/groups.h"
#include "head/score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Far outside anything that real heads hold, and small enough that no sum of products overflows. */
static const float max_weight = 1e6f;

void wi_head_parts_init(wi_head_parts *parts, const wi_kern *kern)
{
    memset(parts, 0, sizeof *parts);
    parts->kern = kern;
    parts->name = parts->model_name = parts->model_fingerprint = "";
    parts->licence = parts->source = parts->sensitivity = "";
    parts->logit_scale = parts->temperature = parts->words_weight = 1;
    parts->none_threshold = parts->none_rate = NAN;
}

static bool in_range(float x, float low, float high)
{
    return x >= low && x <= high; /* false for NaN */
}

static wi_status check_numbers(const wi_head_parts *parts, wi_status bad, wi_error *error)
{
    const struct {
        const char *what;
        float value, low, high;
        bool optional; /* NaN stands for none */
    } numbers[] = {
        {"logit scale", parts->logit_scale, 1e-6f, 1e6f, false},
        {"logit bias", parts->logit_bias, -1e6f, 1e6f, false},
        {"temperature", parts->temperature, 1e-3f, 1e3f, false},
        {"words' weight", parts->words_weight, 1e-6f, 1e6f, false},
        {"none-of-these threshold", parts->none_threshold, -1e9f, 1e9f, true},
        {"false-accept rate", parts->none_rate, 0, 1, true},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!in_range(numbers[i].value, numbers[i].low, numbers[i].high) &&
            !(numbers[i].optional && isnan(numbers[i].value)))
            return wi_fail(error, bad, "the head's %s is %g; %g to %g is possible", numbers[i].what,
                           (double)numbers[i].value, (double)numbers[i].low,
                           (double)numbers[i].high);
    return WI_OK;
}

static wi_status check_sizes(const wi_head_parts *parts, wi_status bad, wi_error *error)
{
    if (!parts->weight)
        return wi_fail(error, bad, "a head without weights");
    if (parts->dim == 0 || parts->dim > WI_HEAD_MAX_DIM)
        return wi_fail(error, bad, "embeddings of %zu numbers; 1 to %d are possible", parts->dim,
                       WI_HEAD_MAX_DIM);
    if (parts->n_rows > WI_HEAD_MAX_ROWS || parts->n_keys > WI_HEAD_MAX_ROWS ||
        parts->n_background > WI_HEAD_MAX_ROWS)
        return wi_fail(error, WI_ERR_LIMIT, "a head with more than %d rows", WI_HEAD_MAX_ROWS);
    if (parts->weight && !parts->row_label && parts->n_rows != parts->n_labels)
        return wi_fail(error, bad, "%zu weight rows for %zu labels", parts->n_rows,
                       parts->n_labels);
    if (parts->kind < WI_HEAD_ZERO_SHOT || parts->kind > WI_HEAD_FEW_SHOT)
        return wi_fail(error, bad, "an unknown kind of head");
    return WI_OK;
}

/* Says which number of a row is wrong; the row is known to be bad. */
static wi_status refuse_row(const char *what, const float *row, size_t index, size_t dim,
                            wi_status bad, wi_error *error)
{
    double squares = 0;
    for (size_t j = 0; j < dim; j++) {
        if (!in_range(row[j], -max_weight, max_weight))
            return wi_fail(error, bad, "%s row %zu holds %g", what, index, (double)row[j]);
        squares += (double)row[j] * (double)row[j];
    }
    return wi_fail(error, bad, "%s row %zu has length %g", what, index, sqrt(squares));
}

/* unit: rows must have length 1, within what half precision leaves of it. A row's squared length tells all: it
 * is NaN or infinite as soon as one number is. */
static wi_status check_rows(wi_dots_f32_fn *dots, const char *what, const float *rows, size_t n,
                            size_t dim, bool unit, wi_status bad, wi_error *error)
{
    float low = unit ? 0.98f : 0, high = unit ? 1.02f : max_weight * max_weight;
    for (size_t i = 0; rows && i < n; i++) {
        const float *row = rows + i * dim;
        float squares;
        dots(1, dim, row, dim, row, &squares);
        if (!in_range(squares, low, high))
            return refuse_row(what, row, i, dim, bad, error);
    }
    return WI_OK;
}

static wi_status check_tensors(const wi_head_parts *parts, wi_dots_f32_fn *dots, wi_status bad,
                               wi_error *error)
{
    int32_t next = 0; /* every label needs a row, in order */
    for (size_t i = 0; parts->weight && parts->row_label && i < parts->n_rows; i++) {
        int32_t label = parts->row_label[i];
        if (label != next && !(label == next - 1 && i > 0))
            return wi_fail(error, bad, "weight row %zu belongs to label %d out of order", i,
                           (int)label);
        next = label + 1;
    }
    if (parts->weight && parts->row_label && (size_t)next != parts->n_labels)
        return wi_fail(error, bad, "weight rows for %d of %zu labels", (int)next, parts->n_labels);
    for (size_t i = 0; i < parts->n_keys; i++)
        if (parts->key_label[i] < 0 || (size_t)parts->key_label[i] >= parts->n_labels)
            return wi_fail(error, bad, "example %zu belongs to label %d of %zu", i,
                           (int)parts->key_label[i], parts->n_labels);
    bool unit = parts->kind != WI_HEAD_LINEAR;
    wi_status status =
        check_rows(dots, "weight", parts->weight, parts->n_rows, parts->dim, unit, bad, error);
    if (status == WI_OK)
        status = check_rows(dots, "bias", parts->bias, 1, parts->n_labels, false, bad, error);
    if (status == WI_OK)
        status =
            check_rows(dots, "delta", parts->delta, parts->n_labels, parts->dim, false, bad, error);
    if (status == WI_OK)
        status = check_rows(dots, "keys", parts->keys, parts->n_keys, parts->dim, true, bad, error);
    if (status == WI_OK)
        status = check_rows(dots, "background", parts->background, parts->n_background, parts->dim,
                            true, bad, error);
    return status;
}

/* Copies texts one behind the other; counts only while bytes is NULL. */
typedef struct string_block {
    char *bytes;
    size_t used;
} string_block;

static const char *put(string_block *block, const char *text, size_t n_bytes)
{
    char *at = block->bytes ? block->bytes + block->used : NULL;
    if (at) {
        memcpy(at, text, n_bytes);
        at[n_bytes] = '\0';
    }
    block->used += n_bytes + 1;
    return at;
}

static void put_list(string_block *block, const char *const *from, size_t n, const char **to)
{
    for (size_t i = 0; i < n; i++) {
        const char *at = put(block, from[i], strlen(from[i]));
        if (to)
            to[i] = at;
    }
}

/* Writes all texts of `from` behind the pointer arrays and points `head` at them; the same code
 * counts (head == NULL). Texts are bounded by the checks before, so the sums do not overflow on 64
 * bits, and on 32 bits they are bounded by what the texts already take in memory. */
static void put_texts(string_block *block, const wi_head_parts *from, wi_head *head,
                      const char **pointers)
{
    size_t n = from->n_labels;
    const char **labels = pointers, **firsts = pointers ? pointers + n : NULL;
    const char **templates = pointers ? pointers + 2 * n : NULL;
    const char **groups = pointers ? pointers + 2 * n + from->n_templates : NULL;
    put_list(block, from->labels, n, labels);
    put_list(block, from->templates, from->n_templates, templates);
    put_list(block, from->groups, from->groups ? n : 0, groups);
    for (size_t i = 0; i < n; i++) {
        wi_label_name first = wi_label_first_name(from->labels[i]);
        const char *at = put(block, first.text, first.n_bytes);
        if (firsts)
            firsts[i] = at;
    }
    const char *notes[6] = {from->name,    from->model_name, from->model_fingerprint,
                            from->licence, from->source,     from->sensitivity};
    for (int i = 0; i < 6; i++)
        notes[i] = put(block, notes[i], strlen(notes[i]));
    if (!head)
        return;
    wi_head_parts *to = &head->parts;
    to->labels = labels;
    to->templates = templates;
    to->groups = from->groups ? groups : NULL;
    head->firsts = firsts;
    to->name = notes[0];
    to->model_name = notes[1];
    to->model_fingerprint = notes[2];
    to->licence = notes[3];
    to->source = notes[4];
    to->sensitivity = notes[5];
}

static wi_status copy_texts(const wi_head_parts *from, wi_head *head, wi_error *error)
{
    string_block count = {NULL, 0};
    put_texts(&count, from, NULL, NULL);
    size_t n_pointers = (from->groups ? 3 : 2) * from->n_labels + from->n_templates;
    size_t pointer_bytes = n_pointers * sizeof(char *), n_bytes;
    if (!wi_size_add(pointer_bytes, count.used, &n_bytes))
        return wi_fail(error, WI_ERR_LIMIT, "too many labels");
    head->strings = malloc(n_bytes);
    if (!head->strings)
        return wi_fail_nomem(error, n_bytes, "labels");
    string_block block = {head->strings + pointer_bytes, 0};
    put_texts(&block, from, head, (const char **)(void *)head->strings);
    return WI_OK;
}

wi_status wi_head_create(const wi_head_parts *parts, void *block, wi_status bad, wi_head **out,
                         wi_error *error)
{
    wi_status status = wi_head_check_texts(parts, bad, error);
    if (status == WI_OK)
        status = check_numbers(parts, bad, error);
    if (status == WI_OK)
        status = check_sizes(parts, bad, error);
    if (status == WI_OK)
        status = check_tensors(parts, parts->kern->dots_f32, bad, error);
    if (status != WI_OK)
        return status;
    wi_head *head = calloc(1, sizeof *head);
    if (!head)
        return wi_fail_nomem(error, sizeof *head, "a head");
    head->parts = *parts;
    head->kern = *parts->kern;
    head->parts.kern = &head->kern;
    status = copy_texts(parts, head, error);
    if (status == WI_OK)
        status = wi_groups_find(head, error);
    if (status != WI_OK) {
        wi_head_close(&head);
        return status;
    }
    head->block = block;
    *out = head;
    return WI_OK;
}

/* Copies n elements of 4 bytes to *at and moves it on; NULL stays NULL. */
static const void *move_to(uint32_t **at, const void *from, size_t n)
{
    if (!from)
        return NULL;
    uint32_t *to = memcpy(*at, from, n * sizeof *to);
    *at += n;
    return to;
}

wi_status wi_head_copy(const wi_head_parts *parts, wi_head **out, wi_error *error)
{
    wi_head_parts copy = *parts;
    size_t dim = parts->dim;
    /* No overflow: all that is counted exists in memory. */
    size_t n = (parts->weight ? parts->n_rows * dim : 0) + (parts->row_label ? parts->n_rows : 0) +
               (parts->bias ? parts->n_labels : 0) + (parts->delta ? parts->n_labels * dim : 0) +
               (parts->keys ? parts->n_keys * (dim + 1) : 0) +
               (parts->background ? parts->n_background * dim : 0);
    uint32_t *block = malloc(n ? n * sizeof *block : 1), *at = block;
    if (!block)
        return wi_fail_nomem(error, n * sizeof *block, "a head");
    copy.weight = move_to(&at, parts->weight, parts->n_rows * dim);
    copy.row_label = move_to(&at, parts->row_label, parts->n_rows);
    copy.bias = move_to(&at, parts->bias, parts->n_labels);
    copy.delta = move_to(&at, parts->delta, parts->n_labels * dim);
    copy.keys = move_to(&at, parts->keys, parts->n_keys * dim);
    copy.key_label = move_to(&at, parts->keys ? parts->key_label : NULL, parts->n_keys);
    copy.background = move_to(&at, parts->background, parts->n_background * dim);
    wi_status status = wi_head_create(&copy, block, WI_ERR_ARG, out, error);
    if (status != WI_OK)
        free(block);
    return status;
}

wi_status wi_head_check_owner(const wi_head *head, const char *model_name, const char *fingerprint,
                              wi_error *error)
{
    const wi_head_parts *parts = &head->parts;
    if (strcmp(parts->model_fingerprint, fingerprint) == 0)
        return WI_OK;
    /* The way out stands at the end: a long path must not push it out of the message. */
    const char *where = head->origin ? head->origin : parts->name;
    size_t n = strlen(where), shown = n < 60 ? n : 60;
    return wi_fail(error, WI_ERR_MISMATCH,
                   "%s%s: made for model %.8s... (%.30s), this is %.8s... (%.30s): rebuild it with "
                   "'whatsit head rebuild %.40s'",
                   shown < n ? "..." : "", where + n - shown, parts->model_fingerprint,
                   parts->model_name, fingerprint, model_name, parts->name);
}

void wi_head_close(wi_head **head)
{
    if (!head || !*head)
        return;
    wi_head *h = *head;
    if (h->file)
        h->close_file(h->file);
    free(h->block);
    free(h->origin);
    wi_groups_free(&h->groups);
    free(h->strings);
    free(h);
    *head = NULL;
}
