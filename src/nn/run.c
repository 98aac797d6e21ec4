#include "nn/run.h"

#include <string.h>

/* A job's share of a product: small enough to balance two threads, large enough to reuse each
 * weight it loads. */
enum { ROWS_PER_JOB = 512, NORM_ROWS_PER_JOB = 16 };

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t groups_of_four(size_t k)
{
    return (k + 3) / 4;
}

void wi_need_scratch(wi_run_need *need, size_t floats)
{
    need->scratch_floats = max_size(need->scratch_floats, floats);
}

void wi_need_mat(wi_run_need *need, const wi_mat *mat, size_t rows)
{
    need->rows = max_size(need->rows, rows);
    if (mat->type == WI_MAT_S8)
        need->q_bytes = max_size(need->q_bytes, rows * wi_ld_q(mat->k));
    if (mat->type == WI_MAT_F16 || mat->type == WI_MAT_BF16)
        wi_need_scratch(need, wi_widened_floats(mat));
}

void wi_run_take(wi_run *run, const wi_run_need *need, wi_arena *arena)
{
    const size_t n_threads = (size_t)wi_pool_threads(run->pool);
    run->max_rows = need->rows;
    run->q_bytes = need->q_bytes;
    run->q = wi_arena_take(arena, need->q_bytes, 1);
    run->q_scale = wi_arena_take(arena, 2 * need->rows, sizeof *run->q_scale);
    run->apart = wi_arena_take(arena, 2 * need->rows * WI_MAX_APART, sizeof *run->apart);
    run->scratch = wi_arena_take(arena, n_threads, sizeof *run->scratch);
    run->scratch_floats = need->scratch_floats;
    for (size_t i = 0; i < n_threads; i++) {
        float *mine = wi_arena_take(arena, need->scratch_floats + WI_PANEL, sizeof(float));
        if (run->scratch)
            run->scratch[i] = mine;
    }
}

wi_row_scale wi_quantise_apart(const wi_kern *kern, const wi_mat *mat, float *row, uint8_t *q,
                               float *apart)
{
    for (uint32_t j = 0; j < mat->n_apart; j++) {
        apart[j] = row[mat->apart[j]];
        row[mat->apart[j]] = 0.0f;
    }
    const wi_row_scale scale = kern->quantise_row(mat->k, row, q);
    for (uint32_t j = 0; j < mat->n_apart; j++)
        row[mat->apart[j]] = apart[j];
    memset(q + mat->k, 0, 4 * groups_of_four(mat->k) - mat->k);
    return scale;
}

/* --- rows on their way into a matrix --- */

typedef struct rows_job {
    wi_run *run;
    const wi_mat *mat;   /* NULL: only normalise */
    const wi_norm *norm; /* NULL: only quantise */
    const float *x;
    float *out;
    size_t m, ld_x, ld_out;
} rows_job;

/* Columns set apart are taken out of the row while it is quantised, so that they do not stretch its
 * scale. */
static void quantise(const rows_job *job, size_t i, float *row)
{
    wi_run *run = job->run;
    const wi_mat *mat = job->mat;
    uint8_t *q = run->q + i * wi_ld_q(mat->k);
    run->q_scale[i] = wi_quantise_apart(run->kern, mat, row, q, run->apart + i * WI_MAX_APART);
}

static void rows_run(void *context, size_t index, int worker)
{
    (void)worker;
    const rows_job *job = context;
    const size_t first = index * NORM_ROWS_PER_JOB,
                 end = min_size(job->m, first + NORM_ROWS_PER_JOB);
    for (size_t i = first; i < end; i++) {
        float *out = job->out + i * job->ld_out;
        if (job->norm)
            job->run->kern->layer_norm(job->norm->n, job->x + i * job->ld_x, job->norm->w,
                                       job->norm->b, job->norm->eps, out);
        if (job->mat && job->mat->type == WI_MAT_S8 && !job->run->watch)
            quantise(job, i, out);
    }
}

/* With a watcher, rows must be seen before they are quantised. */
static void watch_and_quantise(rows_job *job)
{
    wi_run *run = job->run;
    run->watch(run->tap_context, job->mat, job->out, job->m, job->ld_out);
    if (job->mat->type == WI_MAT_S8)
        for (size_t i = 0; i < job->m; i++)
            quantise(job, i, job->out + i * job->ld_out);
}

static wi_input run_rows(rows_job *job)
{
    wi_run *run = job->run;
    const bool is_s8 = job->mat && job->mat->type == WI_MAT_S8;
    if (job->norm || is_s8)
        wi_pool_run(run->pool, wi_div_up(job->m, NORM_ROWS_PER_JOB), rows_run, job);
    if (run->watch && job->mat)
        watch_and_quantise(job);
    wi_input input = {.x = job->out, .ld = job->ld_out};
    if (is_s8) {
        input.q = run->q;
        input.ld_q = wi_ld_q(job->mat->k);
        input.scale = run->q_scale;
        input.apart = run->apart;
    }
    return input;
}

wi_input wi_prepare(wi_run *run, const wi_mat *mat, size_t m, float *x, size_t ld)
{
    rows_job job = {run, mat, NULL, x, x, m, ld, ld};
    return run_rows(&job);
}

wi_input wi_norm_prepare(wi_run *run, const wi_norm *norm, size_t m, const float *x, size_t ld_x,
                         const wi_mat *mat, float *out, size_t ld_out)
{
    rows_job job = {run, mat, norm, x, out, m, ld_x, ld_out};
    return run_rows(&job);
}

void wi_norm_rows(wi_run *run, const wi_norm *norm, size_t m, const float *x, size_t ld_x,
                  float *out, size_t ld_out)
{
    rows_job job = {run, NULL, norm, x, out, m, ld_x, ld_out};
    run_rows(&job);
}

wi_input wi_input_every(wi_run *run, const wi_input *input, const wi_mat *mat, size_t stride,
                        size_t n)
{
    wi_input every = *input;
    every.ld = input->ld * stride;
    if (mat->type != WI_MAT_S8)
        return every;
    every.ld_q = input->ld_q * stride;
    /* Scales and columns set apart have no stride: copy them to the second half of their memory. */
    wi_row_scale *scale = run->q_scale + run->max_rows;
    float *apart = run->apart + run->max_rows * WI_MAX_APART;
    for (size_t i = 0; i < n; i++) {
        scale[i] = input->scale[i * stride];
        memcpy(apart + i * WI_MAX_APART, input->apart + i * stride * WI_MAX_APART,
               WI_MAX_APART * sizeof *apart);
    }
    every.scale = scale;
    every.apart = apart;
    return every;
}

/* --- products --- */

static size_t bytes_of_panels(const wi_mat *mat, size_t n)
{
    switch (mat->type) {
    case WI_MAT_F32:
        return n * mat->k * WI_PANEL * sizeof(float);
    case WI_MAT_S8:
        return n * groups_of_four(mat->k) * 4 * WI_PANEL;
    case WI_MAT_F16:
    case WI_MAT_BF16:
        break;
    }
    return n * mat->k * WI_PANEL * sizeof(uint16_t);
}

static const void *panel_at(const wi_mat *mat, size_t panel)
{
    return (const char *)mat->panels + bytes_of_panels(mat, panel);
}

static void linear_s8(const wi_run *run, const wi_mat *mat, size_t first, size_t n, size_t m,
                      const wi_input *in, float *c, size_t ldc, const wi_epilogue *epilogue)
{
    wi_epilogue e = *epilogue;
    const size_t k4 = groups_of_four(mat->k);
    if (mat->n_apart) {
        /* c = columns set apart (+ what was to be added before or after), then the integers on top
         * of it. */
        const bool after = e.after && e.act == WI_NO_ACT && !e.before;
        const wi_epilogue add = {.before = after ? e.after : e.before,
                                 .ld_before = after ? e.ld_after : e.ld_before};
        run->kern->gemm_f32(m, n, mat->n_apart, in->apart, WI_MAX_APART,
                            mat->apart_panels + first * mat->n_apart * WI_PANEL, c, ldc, &add);
        e.before = c;
        e.ld_before = ldc;
        if (after)
            e.after = NULL;
    }
    run->kern->gemm_s8(m, n, k4, in->q, in->ld_q, in->scale, panel_at(mat, first),
                       mat->scale + first * WI_PANEL, mat->sum + first * WI_PANEL, c, ldc, &e);
}

/* Half-precision panels are widened two at a time into memory that stays in the nearest caches; the
 * f32 kernel does the rest. One widening serves all rows. */
static void linear_half(const wi_run *run, int worker, const wi_mat *mat, size_t first, size_t n,
                        size_t m, const wi_input *in, float *c, size_t ldc,
                        const wi_epilogue *epilogue)
{
    void (*widen)(size_t, const uint16_t *, float *) =
        mat->type == WI_MAT_F16 ? run->kern->widen_f16 : run->kern->widen_bf16;
    const size_t panel = (size_t)mat->k * WI_PANEL;
    for (size_t p = 0; p < n; p += 2) {
        const size_t group = min_size(2, n - p), column = p * WI_PANEL;
        widen(group * panel, panel_at(mat, first + p), run->scratch[worker]);
        wi_epilogue e = *epilogue;
        e.bias = e.bias ? e.bias + column : NULL;
        e.before = e.before ? e.before + column : NULL;
        e.after = e.after ? e.after + column : NULL;
        if (p + group < n) {
            e.next = panel_at(mat, first + p + group);
            e.next_bytes = bytes_of_panels(mat, group);
        }
        run->kern->gemm_f32(m, group, mat->k, in->x, in->ld, run->scratch[worker], c + column, ldc,
                            &e);
    }
}

void wi_linear_here(const wi_run *run, int worker, const wi_mat *mat, size_t first_panel,
                    size_t n_panels, size_t m, const wi_input *in, float *c, size_t ldc,
                    const wi_epilogue *epilogue)
{
    switch (mat->type) {
    case WI_MAT_F32:
        run->kern->gemm_f32(m, n_panels, mat->k, in->x, in->ld, panel_at(mat, first_panel), c, ldc,
                            epilogue);
        break;
    case WI_MAT_F16:
    case WI_MAT_BF16:
        linear_half(run, worker, mat, first_panel, n_panels, m, in, c, ldc, epilogue);
        break;
    case WI_MAT_S8:
        linear_s8(run, mat, first_panel, n_panels, m, in, c, ldc, epilogue);
        break;
    }
}

typedef struct linear_job {
    wi_run *run;
    const wi_mat *mat;
    const wi_input *in;
    const wi_epilogue *epilogue;
    float *c;
    size_t first_panel, n_panels, m, ldc;
    size_t panels_per_job, rows_per_job, n_panel_jobs;
} linear_job;

static void linear_run(void *context, size_t index, int worker)
{
    const linear_job *job = context;
    const size_t p = index % job->n_panel_jobs * job->panels_per_job;
    const size_t r = index / job->n_panel_jobs * job->rows_per_job;
    const size_t n = min_size(job->panels_per_job, job->n_panels - p), column = p * WI_PANEL;
    const size_t m = min_size(job->rows_per_job, job->m - r);
    wi_input in = *job->in;
    in.x += r * in.ld;
    if (in.q) {
        in.q += r * in.ld_q;
        in.scale += r;
        in.apart += r * WI_MAX_APART;
    }
    wi_epilogue e = *job->epilogue;
    e.bias = e.bias ? e.bias + column : NULL;
    e.before = e.before ? e.before + r * e.ld_before + column : NULL;
    e.after = e.after ? e.after + r * e.ld_after + column : NULL;
    e.next = panel_at(job->mat, job->first_panel + p + n);
    e.next_bytes = bytes_of_panels(job->mat, min_size(2, job->n_panels - p - n));
    wi_linear_here(job->run, worker, job->mat, job->first_panel + p, n, m, &in,
                   job->c + r * job->ldc + column, job->ldc, &e);
}

void wi_linear_part(wi_run *run, const wi_mat *mat, size_t first_panel, size_t n_panels, size_t m,
                    const wi_input *in, float *c, size_t ldc, wi_epilogue epilogue)
{
    const size_t n_threads = (size_t)wi_pool_threads(run->pool);
    linear_job job = {run, mat, in,       &epilogue,    c, first_panel, n_panels,
                      m,   ldc, n_panels, ROWS_PER_JOB, 1};
    if (n_threads > 1) {
        /* About twelve jobs a thread, so that the end is not waited for long; an even number of panels
         * feeds two-panel tiles. */
        size_t share = wi_div_up(n_panels, 12 * n_threads);
        job.panels_per_job = max_size(2, share + share % 2);
        job.n_panel_jobs = wi_div_up(n_panels, job.panels_per_job);
        if (job.n_panel_jobs < 2 * n_threads)
            job.rows_per_job = max_size(32, wi_div_up(m, 3 * n_threads));
    }
    wi_pool_run(run->pool, job.n_panel_jobs * wi_div_up(m, job.rows_per_job), linear_run, &job);
}

void wi_linear(wi_run *run, const wi_mat *mat, size_t m, const wi_input *in, float *c, size_t ldc,
               wi_epilogue epilogue)
{
    epilogue.bias = mat->bias;
    wi_linear_part(run, mat, 0, wi_mat_panels(mat), m, in, c, ldc, epilogue);
}
