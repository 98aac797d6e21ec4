/* Checks of a head's texts, whether they come from a user, a label list or a file. */
#include "base/error.h"
#include "base/size.h"
#include "base/utf8.h"
#include "head/head.h"
#include "text/templates.h"

#include <stdlib.h>
#include <string.h>

const char *wi_text_fault(const char *text, size_t max_bytes)
{
    size_t n_bytes = strnlen(text, max_bytes + 1), at = 0;
    uint32_t c;
    if (n_bytes > max_bytes)
        return "is too long";
    while (at < n_bytes) {
        if (!wi_utf8_next(text, n_bytes, &at, &c))
            return "is not UTF-8";
        if (c < 0x20 || (c >= 0x7f && c < 0xa0))
            return "contains a control character";
    }
    return NULL;
}

wi_label_name wi_label_first_name(const char *label)
{
    wi_label_name name = {label, 0};
    wi_synonym_next(&label, &name.text, &name.n_bytes);
    return name;
}

static int compare_names(const void *a, const void *b)
{
    const wi_label_name *x = a, *y = b;
    size_t n = x->n_bytes < y->n_bytes ? x->n_bytes : y->n_bytes;
    int order = memcmp(x->text, y->text, n);
    if (order != 0)
        return order;
    return (x->n_bytes > y->n_bytes) - (x->n_bytes < y->n_bytes);
}

static wi_status check_label(const char *label, size_t index, wi_status bad, wi_error *error)
{
    const char *fault = wi_text_fault(label, WI_HEAD_MAX_LABEL_BYTES);
    if (fault)
        return wi_fail(error, bad, "label %zu %s", index + 1, fault);
    if (wi_synonym_count(label) == 0)
        return wi_fail(error, bad, "label %zu is empty", index + 1);
    return WI_OK;
}

/* Two labels of one first name could not be told apart in an answer. A synonym may be shared. */
static wi_status check_duplicates(const wi_head_parts *parts, wi_status bad, wi_error *error)
{
    wi_label_name *names = calloc(parts->n_labels, sizeof *names);
    if (!names)
        return wi_fail_nomem(error, parts->n_labels * sizeof *names, "label names");
    for (size_t i = 0; i < parts->n_labels; i++)
        names[i] = wi_label_first_name(parts->labels[i]);
    qsort(names, parts->n_labels, sizeof *names, compare_names);
    wi_status status = WI_OK;
    for (size_t i = 1; i < parts->n_labels && status == WI_OK; i++)
        if (compare_names(&names[i - 1], &names[i]) == 0)
            status = wi_fail(error, bad, "label '%.*s' appears twice",
                             names[i].n_bytes > 100 ? 100 : (int)names[i].n_bytes, names[i].text);
    free(names);
    return status;
}

static wi_status check_template(const char *template, size_t index, wi_status bad, wi_error *error)
{
    const char *fault = wi_text_fault(template, WI_HEAD_MAX_LABEL_BYTES);
    if (fault)
        return wi_fail(error, bad, "template %zu %s", index + 1, fault);
    wi_error why;
    if (wi_template_check(template, &why) != WI_OK)
        return wi_fail(error, bad, "template %zu: %s", index + 1, why.message);
    return WI_OK;
}

static wi_status check_notes(const wi_head_parts *parts, wi_status bad, wi_error *error)
{
    const struct {
        const char *what, *text;
        size_t max_bytes;
    } notes[] = {
        {"name", parts->name, WI_HEAD_MAX_NAME_BYTES},
        {"model name", parts->model_name, WI_HEAD_MAX_NAME_BYTES},
        {"model fingerprint", parts->model_fingerprint, WI_HEAD_MAX_NAME_BYTES},
        {"licence", parts->licence, WI_HEAD_MAX_NOTE_BYTES},
        {"source", parts->source, WI_HEAD_MAX_NOTE_BYTES},
        {"sensitivity note", parts->sensitivity, WI_HEAD_MAX_NOTE_BYTES},
    };
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++) {
        const char *fault = wi_text_fault(notes[i].text, notes[i].max_bytes);
        if (fault)
            return wi_fail(error, bad, "the head's %s %s", notes[i].what, fault);
    }
    return WI_OK;
}

wi_status wi_head_check_texts(const wi_head_parts *parts, wi_status bad, wi_error *error)
{
    if (parts->n_labels == 0)
        return wi_fail(error, bad, "no labels");
    if (parts->n_labels > WI_HEAD_MAX_LABELS)
        return wi_fail(error, WI_ERR_LIMIT, "%zu labels; at most %d are possible", parts->n_labels,
                       WI_HEAD_MAX_LABELS);
    if (parts->n_templates > WI_TEMPLATES_MAX)
        return wi_fail(error, WI_ERR_LIMIT, "%zu templates; at most %d are possible",
                       parts->n_templates, WI_TEMPLATES_MAX);
    wi_status status = check_notes(parts, bad, error);
    for (size_t i = 0; i < parts->n_labels && status == WI_OK; i++)
        status = check_label(parts->labels[i], i, bad, error);
    for (size_t i = 0; i < parts->n_templates && status == WI_OK; i++)
        status = check_template(parts->templates[i], i, bad, error);
    for (size_t i = 0; parts->groups && i < parts->n_labels && status == WI_OK; i++) {
        const char *fault = wi_text_fault(parts->groups[i], WI_HEAD_MAX_LABEL_BYTES);
        if (fault)
            status = wi_fail(error, bad, "the group of label %zu %s", i + 1, fault);
    }
    return status == WI_OK ? check_duplicates(parts, bad, error) : status;
}
