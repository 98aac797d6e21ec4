#include "model/explain.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What the towers need besides the session's memory. */
typedef struct room {
    float *hidden, *rows, *embedding;
} room;

static void close_room(room *r)
{
    wi_aligned_free(r->hidden);
    wi_aligned_free(r->rows);
    wi_aligned_free(r->embedding);
}

static const wi_tower_explain *explain_of(const wi_session *s)
{
    return s->model->net.tower[WI_ROLE_IMAGE].kind->explain;
}

static const void *tower_of(const wi_session *s)
{
    return s->model->net.tower[WI_ROLE_IMAGE].self;
}

static wi_status open_room(const wi_session *s, room *r, wi_error *error)
{
    const size_t dim = s->model->params.embedding_dim, side = explain_of(s)->grid(tower_of(s));
    const wi_tower_explain *explain = explain_of(s);
    const size_t n_hidden = explain->hidden_floats ? explain->hidden_floats(tower_of(s)) : 1;
    const size_t n_rows = (side * side + 1) * wi_ld(dim);
    r->hidden = wi_aligned_alloc(n_hidden * sizeof(float));
    r->rows = wi_aligned_alloc(n_rows * sizeof(float));
    r->embedding = wi_aligned_alloc(dim * sizeof(float));
    if (r->hidden && r->rows && r->embedding)
        return WI_OK;
    close_room(r);
    return wi_fail_nomem(error, (n_hidden + n_rows) * sizeof(float), "an explanation");
}

static wi_status check_tower(const wi_session *s, wi_error *error)
{
    if (!s->memory[WI_ROLE_IMAGE])
        return wi_fail(error, WI_ERR_UNSUPPORTED, "%s has no image tower open", s->model->name);
    if (!explain_of(s))
        return wi_fail(error, WI_ERR_UNSUPPORTED,
                       "%s: a tower of the kind %s cannot be looked into; occlusion works with any",
                       s->model->name, s->model->net.tower[WI_ROLE_IMAGE].kind->name);
    return WI_OK;
}

wi_status wi_ses_grid(const wi_session *s, uint32_t *side, wi_error *error)
{
    const wi_status status = check_tower(s, error);
    if (status == WI_OK)
        *side = explain_of(s)->grid(tower_of(s));
    return status;
}

wi_status wi_ses_regions(wi_session *s, const uint8_t *pixels, float *out, wi_error *error)
{
    room r = {0};
    wi_status status = check_tower(s, error);
    if (status == WI_OK)
        status = open_room(s, &r, error);
    if (status != WI_OK)
        return status;
    explain_of(s)->regions(tower_of(s), &s->run, s->memory[WI_ROLE_IMAGE], pixels, r.hidden, r.rows,
                           r.embedding, out);
    close_room(&r);
    return WI_OK;
}

static float dot(const float *a, const float *b, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return (float)sum;
}

static int largest_share_first(const void *left, const void *right)
{
    const wi_unit *a = left, *b = right;
    if (a->share != b->share)
        return a->share < b->share ? 1 : -1;
    if (a->layer != b->layer)
        return a->layer < b->layer ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

/* share: of the sum of what all units that push along the embedding give. */
static void weigh(const wi_unit_plan *plan, const float *activation, const float *direction,
                  const float *embedding, size_t dim, wi_unit *units)
{
    const size_t n = (size_t)plan->n_layers * plan->n_units;
    double total = 0.0;
    for (size_t i = 0; i < n; i++) {
        units[i] = (wi_unit){plan->first_layer + (uint32_t)(i / plan->n_units),
                             (uint32_t)(i % plan->n_units), activation[i],
                             activation[i] * dot(direction + i * dim, embedding, dim)};
        total += units[i].share > 0 ? (double)units[i].share : 0.0;
    }
    for (size_t i = 0; i < n && total > 0; i++)
        units[i].share = (float)((double)units[i].share / total);
    qsort(units, n, sizeof *units, largest_share_first);
}

/* direction[n_units, dim] of all -> normalised ones of the best k. */
static void give(const wi_unit_plan *plan, const wi_unit *units, const float *all, size_t dim,
                 size_t k, wi_unit *out, float *direction)
{
    for (size_t i = 0; i < k; i++) {
        const size_t at =
            (size_t)(units[i].layer - plan->first_layer) * plan->n_units + units[i].index;
        /* A unit below zero pushes the other way. */
        const float norm = sqrtf(dot(all + at * dim, all + at * dim, dim)),
                    factor = norm > 0 ? (units[i].activation < 0 ? -1 / norm : 1 / norm) : 0;
        out[i] = units[i];
        for (size_t j = 0; direction && j < dim; j++)
            direction[i * dim + j] = all[at * dim + j] * factor;
    }
}

wi_status wi_ses_units(wi_session *s, const uint8_t *pixels, size_t k, wi_unit *out,
                       float *direction, size_t *n_out, wi_error *error)
{
    room r = {0};
    wi_status status = check_tower(s, error);
    if (status == WI_OK)
        status = open_room(s, &r, error);
    if (status != WI_OK)
        return status;
    const wi_unit_plan plan = explain_of(s)->plan(tower_of(s));
    const size_t dim = s->model->params.embedding_dim, n = (size_t)plan.n_layers * plan.n_units;
    float *activation = calloc(n, sizeof *activation), *all = calloc(n, dim * sizeof *all);
    wi_unit *units = calloc(n, sizeof *units);
    if (!activation || !all || !units) {
        status = wi_fail_nomem(error, n * dim * sizeof *all, "an explanation");
    } else {
        explain_of(s)->units(tower_of(s), &s->run, s->memory[WI_ROLE_IMAGE], pixels, r.hidden,
                             r.rows, r.embedding, activation, all);
        weigh(&plan, activation, all, r.embedding, dim, units);
        *n_out = k < n ? k : n;
        give(&plan, units, all, dim, *n_out, out, direction);
    }
    free(activation);
    free(all);
    free(units);
    close_room(&r);
    return status;
}
