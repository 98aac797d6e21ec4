/* Depthwise convolutions in f32 whose weights a tower keeps as plain vectors: a session turns them into
 * the panels that the kernel reads when it opens. Padding keeps the side, or halves it with stride 2. */
#ifndef WI_NN_DEPTHWISE_H
#define WI_NN_DEPTHWISE_H

#include "nn/part.h"
#include "nn/run.h"

typedef struct wi_channels {
    const float *weights, *bias; /* [width, size*size], [width] */
    uint32_t width, size, stride;
} wi_channels;

/* NAME and NAME_bias. */
void wi_walk_channels(wi_walker *walker, const char *prefix, const char *name, wi_channels *conv);
float *wi_channels_take(const wi_channels *conv, wi_arena *arena);
void wi_channels_prepare(const wi_channels *conv, float *panels);
/* out[n, (side/stride)^2, ld] of in[n, side^2, ld]; ld >= width in whole panels. */
void wi_channels_run(const wi_channels *conv, wi_run *run, const float *panels, const float *in,
                     size_t n, size_t side, size_t ld, float *out);

#endif
