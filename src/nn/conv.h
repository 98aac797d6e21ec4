/* Convolutions over batches of square maps, channels last, as products: the neighbourhood of each
 * output pixel is gathered into a row. */
#ifndef WI_NN_CONV_H
#define WI_NN_CONV_H

#include "nn/part.h"
#include "nn/run.h"

/* Row (b, y, x) holds the channels. */
typedef struct wi_features {
    float *x;
    size_t n, side, channels, ld;
} wi_features;

static inline size_t wi_features_rows(const wi_features *map)
{
    return map->n * map->side * map->side;
}

/* Maps need no cache-set padding: their rows are few channels wide. */
static inline size_t wi_ld_features(size_t channels)
{
    return wi_div_up(channels, WI_PANEL) * WI_PANEL;
}

static inline size_t wi_conv_out_side(const wi_conv *conv, size_t side)
{
    return (side + conv->stride - 1) / conv->stride;
}

/* A convolution of `channels` inputs to n outputs with its batch norm. */
void wi_walk_conv(wi_walker *walker, const char *prefix, const char *name, wi_conv *conv,
                  uint32_t n, uint32_t channels, double norm_eps);
/* A depthwise convolution of n channels with its batch norm; size: a side of its kernel. */
void wi_walk_depthwise(wi_walker *walker, const char *prefix, const char *name, wi_mat *mat,
                       uint32_t n, uint32_t size, double norm_eps, const wi_mat *from,
                       bool keep_float);
/* What TensorFlow's SAME puts before a side; the larger half comes behind. */
static inline size_t wi_same_padding(size_t side, size_t size, size_t stride)
{
    const size_t reach = (wi_div_up(side, stride) - 1) * stride + size;
    return reach > side ? (reach - side) / 2 : 0;
}
void wi_conv_need(const wi_conv *conv, wi_run_need *need);
/* out = act(conv(in) + before); memory: wi_features_rows(out) * wi_ld_features(channels out). before may be
 * NULL, or stand in memory itself. */
wi_features wi_convolve(wi_run *run, const wi_conv *conv, const wi_features *in, float *memory,
                        const wi_features *before, wi_act act);
/* 2x2 average, stride 2. */
wi_features wi_features_average(const wi_features *in, float *memory);
/* One picture's pixels as a map of three channels; values[3][256] as wi_pixel_values fills them. */
wi_features wi_features_of_pixels(const float *values, const uint8_t *pixels, size_t n, size_t side,
                                  float *memory);

#endif
