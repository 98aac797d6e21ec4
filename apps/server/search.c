#include "search.h"
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 500, MAX_KEPT = 2 * SRV_MAX_MODELS, MORE = 4, LEAST_LOOKED_AT = 200 };

/* What else a picture might show, of one model. */
typedef struct kept {
    char fingerprint[65];
    background words;
    bool is_made;
} kept;

struct srv_search {
    const srv_config *config;
    store *st;
    pthread_mutex_t mutex; /* guards the list; what is made does not change any more */
    kept *all[MAX_KEPT];
    size_t n;
};

double srv_search_least(void)
{
    return BACKGROUND_LEAST;
}

wi_status srv_search_open(const srv_config *config, store *st, srv_search **out, wi_error *error)
{
    srv_search *search = calloc(1, sizeof *search);
    if (!search) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    search->config = config;
    search->st = st;
    pthread_mutex_init(&search->mutex, NULL);
    *out = search;
    return WI_OK;
}

void srv_search_close(srv_search **search)
{
    srv_search *s = *search;
    if (!s) {
        return;
    }
    for (size_t i = 0; i < s->n; i++) {
        background_close(&s->all[i]->words);
        free(s->all[i]);
    }
    pthread_mutex_destroy(&s->mutex);
    free(s);
    *search = NULL;
}

/* ---- how sure ---- */

static kept *find_kept(srv_search *s, const char *fingerprint)
{
    kept *found = NULL;
    pthread_mutex_lock(&s->mutex);
    for (size_t i = 0; i < s->n && !found; i++) {
        found = !strcmp(s->all[i]->fingerprint, fingerprint) ? s->all[i] : NULL;
    }
    pthread_mutex_unlock(&s->mutex);
    return found;
}

/* Whoever comes first stays; *made is the list's or is gone afterwards. NULL: no more models are remembered. */
static kept *keep(srv_search *s, kept *made)
{
    kept *there = NULL;
    pthread_mutex_lock(&s->mutex);
    for (size_t i = 0; i < s->n && !there; i++) {
        there = !strcmp(s->all[i]->fingerprint, made->fingerprint) ? s->all[i] : NULL;
    }
    if (!there && s->n < MAX_KEPT) {
        s->all[s->n++] = there = made;
        made = NULL;
    }
    pthread_mutex_unlock(&s->mutex);
    if (made) {
        background_close(&made->words);
        free(made);
    }
    return there;
}

/* By the server's own account: whoever asks next finds it ready. *out NULL: nothing can be told. */
wi_status srv_search_background(srv_search *s, srv_model *model, const background **out,
                                wi_error *error)
{
    const srv_model_about *about = srv_model_describe(model);
    const srv_asker self = {.client = 0};
    wi_session *session = NULL;
    kept *found = find_kept(s, about->fingerprint);
    *out = NULL;
    if (!found && s->config->nouns) {
        kept *made = calloc(1, sizeof *made);
        if (!made) {
            return store_fail(error, WI_ERR_NOMEM, "out of memory");
        }
        memcpy(made->fingerprint, about->fingerprint, sizeof made->fingerprint);
        made->words = (background){.dim = about->dim, .scale = about->logit_scale};
        wi_status status = srv_model_text_begin(model, &self, SRV_LANE_HEADS, &session, error);
        if (status == WI_OK) {
            status = background_embed(session, s->config->nouns, &made->words, error);
            srv_model_text_end(model, &self, SRV_LANE_HEADS);
        }
        if (status != WI_OK) {
            free(made);
            return status;
        }
        found = keep(s, made);
    }
    *out = found ? &found->words : NULL;
    return WI_OK;
}

/* ---- the best of all ---- */

static float cosine(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)a[i] * (double)b[i];
    }
    return (float)sum;
}

static void swap(srv_found *a, srv_found *b)
{
    srv_found c = *a;
    *a = *b;
    *b = c;
}

/* Into its place among the best k, which are kept in order. Takes the vector, or leaves it. Pages come in order of
 * ids, so that of equal ones the first stays first. */
static void offer(srv_found *best, size_t *n, size_t k, store_vector *vector, float score)
{
    if (*n == k && best[k - 1].score >= score) {
        return;
    }
    if (*n == k) {
        store_vector_free(&best[k - 1].vector);
    } else {
        (*n)++;
    }
    size_t at = *n - 1;
    best[at] = (srv_found){.vector = *vector, .score = score, .confidence = NAN};
    *vector = (store_vector){0};
    for (; at > 0 && best[at - 1].score < best[at].score; at--) {
        swap(&best[at - 1], &best[at]);
    }
}

static wi_status look_at_all(srv_search *s, const srv_query *q, const char *fingerprint, size_t dim,
                             size_t k, srv_found *best, size_t *n, wi_error *error)
{
    char *after = strdup("");
    wi_status status = after ? WI_OK : store_fail(error, WI_ERR_NOMEM, "out of memory");
    for (size_t n_page = PAGE; status == WI_OK && n_page == PAGE;) {
        store_vector *page = NULL;
        status =
            store_vector_page(s->st, q->owner, fingerprint, after, PAGE, &page, &n_page, error);
        if (status == WI_OK && n_page == PAGE) {
            free(after);
            after = strdup(page[n_page - 1].id);
            status = after ? WI_OK : store_fail(error, WI_ERR_NOMEM, "out of memory");
        }
        for (size_t i = 0; status == WI_OK && i < n_page; i++) {
            if (page[i].dim == dim) {
                offer(best, n, k, &page[i], cosine(q->vector, page[i].row, dim));
            }
        }
        store_vectors_free(&page, n_page);
    }
    free(after);
    return status;
}

/* WI_ERR_UNSUPPORTED: the database cannot. */
static wi_status ask_database(srv_search *s, const srv_query *q, const char *fingerprint,
                              size_t dim, size_t k, srv_found *best, size_t *n, wi_error *error)
{
    store_vector *near = NULL;
    size_t n_near = 0;
    wi_status status =
        store_vector_near(s->st, q->owner, fingerprint, q->vector, dim, k, &near, &n_near, error);
    for (size_t i = 0; status == WI_OK && i < n_near; i++) {
        offer(best, n, k, &near[i], cosine(q->vector, near[i].row, dim));
    }
    store_vectors_free(&near, n_near);
    return status;
}

/* Leaves out what is not sure enough, and what is more than was asked for. */
static void sift(const background *words, const srv_query *q, srv_found *best, size_t *n)
{
    size_t n_good = 0;
    for (size_t i = 0; i < *n; i++) {
        best[i].confidence =
            words ? background_confidence(words, q->vector, best[i].vector.row) : (double)NAN;
        if (n_good < q->top && !(best[i].confidence < q->least)) {
            swap(&best[n_good++], &best[i]);
        }
    }
    for (size_t i = n_good; i < *n; i++) {
        store_vector_free(&best[i].vector);
    }
    *n = n_good;
}

wi_status srv_search_run(srv_search *s, srv_model *model, const srv_query *q, srv_found **out,
                         size_t *n, wi_error *error)
{
    const srv_model_about *about = srv_model_describe(model);
    const background *words = NULL;
    const bool sifts = q->is_words && q->least > 0;
    const size_t more = q->top * MORE > LEAST_LOOKED_AT ? q->top * MORE : LEAST_LOOKED_AT;
    const size_t k = sifts ? more : q->top;
    *n = 0;
    *out = NULL;
    wi_status status = q->is_words ? srv_search_background(s, model, &words, error) : WI_OK;
    srv_found *best = calloc(k, sizeof *best);
    if (status == WI_OK && !best) {
        status = store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    if (status == WI_OK) {
        status = ask_database(s, q, about->fingerprint, about->dim, k, best, n, error);
        status = status == WI_ERR_UNSUPPORTED
                     ? look_at_all(s, q, about->fingerprint, about->dim, k, best, n, error)
                     : status;
    }
    if (status != WI_OK) {
        srv_found_free(&best, *n);
        *n = 0;
        return status;
    }
    sift(words, q, best, n);
    *out = best;
    return WI_OK;
}

void srv_found_free(srv_found **found, size_t n)
{
    for (size_t i = 0; *found && i < n; i++) {
        store_vector_free(&(*found)[i].vector);
    }
    free(*found);
    *found = NULL;
}
