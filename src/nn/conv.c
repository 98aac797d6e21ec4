#include "nn/conv.h"

#include <string.h>

/* Rows of im2col and their quantised form live in each thread's scratch. */
enum { ROWS_AT_ONCE = 32 };

void wi_walk_conv(wi_walker *w, const char *prefix, const char *name, wi_conv *conv, uint32_t n,
                  uint32_t channels, double norm_eps)
{
    wi_part part = {.kind = WI_PART_CONV,
                    .mat = &conv->mat,
                    .n = n,
                    .k = channels * conv->size * conv->size,
                    .has_bias = true,
                    .keep_float = channels == 3,
                    .conv_size = conv->size,
                    .norm_eps = norm_eps};
    wi_walk_part(w, &part, prefix, name);
}

void wi_walk_depthwise(wi_walker *w, const char *prefix, const char *name, wi_mat *mat, uint32_t n,
                       uint32_t size, double norm_eps, const wi_mat *from, bool keep_float)
{
    wi_part part = {.kind = WI_PART_DEPTHWISE,
                    .from = from,
                    .mat = mat,
                    .n = n,
                    .k = size * wi_depthwise_pitch(size),
                    .has_bias = true,
                    .keep_float = keep_float,
                    .conv_size = size,
                    .norm_eps = norm_eps};
    wi_walk_part(w, &part, prefix, name);
}

void wi_conv_need(const wi_conv *conv, wi_run_need *need)
{
    const wi_mat *mat = &conv->mat;
    const size_t quantised = ROWS_AT_ONCE * (wi_ld_q(mat->k) / 4 + 2 + WI_MAX_APART);
    wi_need_mat(need, mat, ROWS_AT_ONCE);
    wi_need_scratch(need, wi_widened_floats(mat) + ROWS_AT_ONCE * wi_ld(mat->k) + quantised);
}

typedef struct conv_job {
    wi_run *run;
    const wi_conv *conv;
    const wi_features *in;
    wi_features out;
    wi_epilogue epilogue;
    size_t panels_per_job, n_panel_jobs;
} conv_job;

/* columns[m, size*size*channels]: the neighbourhood of each output pixel, zero outside the picture.
 */
static void gather_columns(const conv_job *job, size_t first, size_t m, float *columns, size_t ld)
{
    const wi_conv *conv = job->conv;
    const wi_features *in = job->in;
    const size_t side = job->out.side, pad = (conv->size - 1) / 2, c = in->channels;
    for (size_t i = 0; i < m; i++) {
        const size_t at = first + i, b = at / (side * side), y = at / side % side, x = at % side;
        for (size_t ky = 0; ky < conv->size; ky++)
            for (size_t kx = 0; kx < conv->size; kx++) {
                float *to = columns + i * ld + (ky * conv->size + kx) * c;
                const size_t sy = y * conv->stride + ky - pad, sx = x * conv->stride + kx - pad;
                if (sy < in->side && sx < in->side) /* also false after wrapping below zero */
                    memcpy(to, in->x + ((b * in->side + sy) * in->side + sx) * in->ld,
                           c * sizeof *to);
                else
                    memset(to, 0, c * sizeof *to);
            }
    }
}

/* The job's own quantised rows, in its thread's scratch: rows of one image must not wait for the
 * others. */
static void quantise_columns(const conv_job *job, float *columns, size_t ld, size_t m,
                             float *scratch, wi_input *in)
{
    const wi_mat *mat = &job->conv->mat;
    const size_t ld_q = wi_ld_q(mat->k);
    wi_row_scale *scale = (wi_row_scale *)scratch;
    float *apart = scratch + 2 * ROWS_AT_ONCE;
    uint8_t *q = (uint8_t *)(apart + ROWS_AT_ONCE * WI_MAX_APART);
    for (size_t i = 0; i < m; i++)
        scale[i] = wi_quantise_apart(job->run->kern, mat, columns + i * ld, q + i * ld_q,
                                     apart + i * WI_MAX_APART);
    *in = (wi_input){.x = columns, .ld = ld, .q = q, .ld_q = ld_q, .scale = scale, .apart = apart};
}

static void conv_run(void *context, size_t index, int worker)
{
    const conv_job *job = context;
    const wi_mat *mat = &job->conv->mat;
    const size_t first_panel = index % job->n_panel_jobs * job->panels_per_job;
    const size_t first = index / job->n_panel_jobs * ROWS_AT_ONCE;
    const size_t all_rows = wi_features_rows(&job->out), all_panels = wi_mat_panels(mat);
    const size_t m = all_rows - first < ROWS_AT_ONCE ? all_rows - first : ROWS_AT_ONCE;
    const size_t n = all_panels - first_panel < job->panels_per_job ? all_panels - first_panel
                                                                    : job->panels_per_job;
    /* The first part of the scratch is wi_linear_here's. */
    float *columns = job->run->scratch[worker] + wi_widened_floats(mat);
    const size_t ld = wi_ld(mat->k), column = first_panel * WI_PANEL;
    wi_input in = {.x = columns, .ld = ld};
    if (job->conv->size == 1 && mat->type != WI_MAT_S8 && !job->run->watch) {
        in.x = job->in->x + first * job->in->ld;
        in.ld = job->in->ld;
    } else {
        gather_columns(job, first, m, columns, ld);
        if (job->run->watch)
            job->run->watch(job->run->tap_context, mat, columns, m, ld);
        if (mat->type == WI_MAT_S8)
            quantise_columns(job, columns, ld, m, columns + ROWS_AT_ONCE * ld, &in);
    }
    wi_epilogue e = job->epilogue;
    e.bias = e.bias ? e.bias + column : NULL;
    e.before = e.before ? e.before + first * e.ld_before + column : NULL;
    wi_linear_here(job->run, worker, mat, first_panel, n, m, &in,
                   job->out.x + first * job->out.ld + column, job->out.ld, &e);
}

/* out = act(conv(in) + before). */
wi_features wi_convolve(wi_run *run, const wi_conv *conv, const wi_features *in, float *memory,
                        const wi_features *before, wi_act act)
{
    wi_features out = {memory, in->n, wi_conv_out_side(conv, in->side), conv->mat.n,
                       wi_ld_features(conv->mat.n)};
    conv_job job = {.run = run, .conv = conv, .in = in, .out = out};
    job.epilogue = (wi_epilogue){.bias = conv->mat.bias, .act = act};
    if (before) {
        job.epilogue.before = before->x;
        job.epilogue.ld_before = before->ld;
    }
    const size_t row_jobs = wi_div_up(wi_features_rows(&out), ROWS_AT_ONCE),
                 panels = wi_mat_panels(&conv->mat);
    const size_t n_threads = (size_t)wi_pool_threads(run->pool);
    job.n_panel_jobs = row_jobs >= 2 * n_threads || n_threads == 1 ? 1 : n_threads;
    job.panels_per_job = wi_div_up(panels, job.n_panel_jobs);
    job.n_panel_jobs = wi_div_up(panels, job.panels_per_job);
    if (run->watch) { /* a watcher is not asked to be thread-safe, and sees each row once */
        job.panels_per_job = panels;
        job.n_panel_jobs = 1;
        for (size_t i = 0; i < row_jobs; i++)
            conv_run(&job, i, 0);
    } else {
        wi_pool_run(run->pool, row_jobs * job.n_panel_jobs, conv_run, &job);
    }
    return out;
}

/* 2x2 average, stride 2. */
wi_features wi_features_average(const wi_features *in, float *memory)
{
    wi_features out = {memory, in->n, in->side / 2, in->channels, in->ld};
    for (size_t b = 0; b < in->n; b++)
        for (size_t y = 0; y < out.side; y++)
            for (size_t x = 0; x < out.side; x++) {
                const float *a = in->x + ((b * in->side + 2 * y) * in->side + 2 * x) * in->ld;
                const float *c = a + in->side * in->ld;
                float *to = out.x + ((b * out.side + y) * out.side + x) * out.ld;
                for (size_t i = 0; i < in->ld; i++)
                    to[i] = ((a[i] + a[in->ld + i]) + (c[i] + c[in->ld + i])) * 0.25f;
            }
    return out;
}

wi_features wi_features_of_pixels(const float *values, const uint8_t *pixels, size_t n, size_t side,
                                  float *memory)
{
    wi_features in = {memory, n, side, 3, WI_PANEL};
    for (size_t i = 0; i < wi_features_rows(&in); i++)
        for (size_t c = 0; c < 3; c++)
            in.x[i * in.ld + c] = values[c * 256 + pixels[3 * i + c]];
    return in;
}
