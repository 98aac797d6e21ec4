#include "nn/depthwise.h"

#include <stdio.h>
#include <string.h>

static size_t padded(const wi_channels *c)
{
    return wi_div_up(c->width, WI_PANEL) * WI_PANEL;
}

static size_t taps(const wi_channels *c)
{
    return (size_t)c->size * wi_depthwise_pitch(c->size);
}

void wi_walk_channels(wi_walker *w, const char *prefix, const char *name, wi_channels *c)
{
    char bias[40];
    snprintf(bias, sizeof bias, "%s_bias", name);
    wi_walk_vector(w, prefix, name, &c->weights, c->width, c->size * c->size);
    wi_walk_vector(w, prefix, bias, &c->bias, 1, c->width);
}

float *wi_channels_take(const wi_channels *c, wi_arena *arena)
{
    return wi_arena_take(arena, padded(c), (taps(c) + 1) * sizeof(float));
}

/* The kernel reads columns, their rows padded to fours; the bias stands behind all panels. */
void wi_channels_prepare(const wi_channels *c, float *panels)
{
    const size_t size = c->size, pitch = wi_depthwise_pitch(c->size);
    float *bias = panels + padded(c) * taps(c);
    memset(panels, 0, padded(c) * (taps(c) + 1) * sizeof *panels);
    for (size_t i = 0; i < c->width; i++) {
        float *to = panels + i / WI_PANEL * WI_PANEL * taps(c) + i % WI_PANEL;
        for (size_t y = 0; y < size; y++)
            for (size_t x = 0; x < size; x++)
                to[(x * pitch + y) * WI_PANEL] = c->weights[i * size * size + y * size + x];
        bias[i] = c->bias[i];
    }
}

typedef struct job {
    const wi_channels *conv;
    wi_run *run;
    const float *panels, *in;
    float *out;
    size_t side, out_side, ld;
} job;

/* One output row of pixels. */
static void one_row(void *context, size_t index, int worker)
{
    (void)worker;
    const job *j = context;
    const wi_channels *c = j->conv;
    const size_t y = index % j->out_side, picture = index / j->out_side * j->side,
                 pad = (c->size - 1) / 2;
    const wi_depthwise shape = {c->size,
                                c->stride,
                                (uint32_t)pad,
                                (uint32_t)j->side,
                                (uint32_t)j->out_side,
                                (uint32_t)(padded(c) / WI_PANEL)};
    const float *rows[WI_DEPTHWISE_MAX];
    for (size_t k = 0; k < c->size; k++) {
        const size_t row = y * c->stride + k - pad; /* wraps below zero */
        rows[k] = row < j->side ? j->in + (picture + row) * j->side * j->ld : NULL;
    }
    j->run->kern->depthwise_f32(&shape, rows, j->ld, j->panels, j->panels + padded(c) * taps(c),
                                WI_NO_ACT, j->out + index * j->out_side * j->ld, j->ld);
}

void wi_channels_run(const wi_channels *c, wi_run *run, const float *panels, const float *in,
                     size_t n, size_t side, size_t ld, float *out)
{
    const size_t out_side = (side + c->stride - 1) / c->stride;
    job j = {c, run, panels, in, out, side, out_side, ld};
    wi_pool_run(run->pool, n * out_side, one_row, &j);
}
