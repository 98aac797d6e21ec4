#include "background.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <whatsit/labels.h>
#include <whatsit/vectors.h>

/* Every STRIDE-th of the shipped nouns; words nearer to the query than this do not compete with it. */
enum { STRIDE = 10 };
static const double near_words = 0.8;

static wi_status fail(wi_error *error, wi_status status, const char *message)
{
    if (error) {
        error->status = status;
        snprintf(error->message, sizeof error->message, "%s", message);
    }
    return status;
}

/* "a photo of a boat", from "boat|ship"; the caller frees. */
static char *sentence_of(const char *label)
{
    static const char begin[] = "a photo of a ";
    const size_t n = strcspn(label, "|");
    char *text = malloc(sizeof begin + n);
    if (text) {
        snprintf(text, sizeof begin + n, "%s%.*s", begin, (int)n, label);
    }
    return text;
}

wi_status background_embed_list(wi_session *session, const wi_label_list *list, background *out,
                                wi_error *error)
{
    wi_label_list_info nouns;
    wi_label_list_get_info(list, &nouns);
    const size_t n = nouns.n_labels / STRIDE;
    char **texts = calloc(n + 1, sizeof *texts);
    out->rows = calloc(n + 1, out->dim * sizeof *out->rows);
    wi_status status = texts && out->rows ? WI_OK : fail(error, WI_ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < n && status == WI_OK; i++) {
        texts[i] = sentence_of(nouns.labels[i * STRIDE]);
        status = texts[i] ? WI_OK : fail(error, WI_ERR_NOMEM, "out of memory");
    }
    if (status == WI_OK) {
        status = wi_session_encode_texts(session, (const char *const *)texts, n, out->rows, NULL,
                                         NULL, error);
    }
    if (status == WI_OK) {
        wi_normalise(out->rows, n, out->dim);
        out->n = n;
    } else {
        background_close(out);
    }
    for (size_t i = 0; i < n && texts; i++) {
        free(texts[i]);
    }
    free(texts);
    return status;
}

wi_status background_embed(wi_session *session, const char *nouns_path, background *out,
                           wi_error *error)
{
    wi_label_list *list = NULL;
    wi_status status = wi_label_list_open(nouns_path, &list, error);
    if (status == WI_OK) {
        status = background_embed_list(session, list, out, error);
    }
    wi_label_list_close(&list);
    return status;
}

void background_close(background *all)
{
    free(all->rows);
    all->rows = NULL;
    all->n = 0;
}

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)a[i] * (double)b[i];
    }
    return sum;
}

double background_confidence(const background *all, const float *query, const float *photo)
{
    double own = dot(query, photo, all->dim), others = 0;
    for (size_t i = 0; i < all->n; i++) {
        const float *word = all->rows + i * all->dim;
        if (dot(word, query, all->dim) < near_words) {
            others += exp((double)all->scale * (dot(word, photo, all->dim) - own));
        }
    }
    return all->n > 0 ? 1 / (1 + others) : (double)NAN;
}
