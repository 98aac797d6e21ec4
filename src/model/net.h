/* The towers of one model and the walk over all their parts.
 *
 * The walk is the single place that knows which tensors a network has, under which names and
 * shapes; packing a checkpoint, binding a mapped file, writing a file and fingerprinting all go
 * through it. */
#ifndef WI_MODEL_NET_H
#define WI_MODEL_NET_H

#include "model/params.h"
#include "nn/weights.h"

typedef struct wi_net {
    wi_vit vit; /* when params.image.kind says so */
    wi_resnet resnet;
    wi_text_net text; /* when params.text.present */
    wi_block *image_blocks, *text_blocks;
    wi_bottleneck *bottlenecks;
    uint8_t *stage_of;
} wi_net;

/* Allocates the lists of blocks and fills in every size.
 * Errors: WI_ERR_NOMEM. */
wi_status wi_net_open(const wi_params *params, wi_net *out, wi_error *error);
void wi_net_close(wi_net *net);

typedef enum wi_part_kind {
    WI_PART_LINEAR = 0, /* a matrix from NAME.w and NAME.b */
    WI_PART_QKV,        /* three stacked: BLOCK.q, .k, .v */
    WI_PART_CONV,       /* a convolution with its batch norm */
    WI_PART_VECTOR,     /* f32 numbers from tensor NAME */
    WI_PART_TOKENS      /* the token table */
} wi_part_kind;

typedef struct wi_part {
    wi_part_kind kind;
    char name[64];
    wi_mat *mat; /* linear, qkv, conv */
    uint32_t n, k;
    bool has_bias;
    bool keep_float;      /* never stored as int8: small, and where most is lost (net.c) */
    uint32_t conv_size;   /* conv: 1 or 3 */
    const float **vector; /* vector */
    size_t n_floats;
    wi_text_net *text; /* tokens */
} wi_part;

/* Visits every part of the towers that params has, in a fixed order, until one visit fails. */
typedef wi_status wi_part_visitor(void *context, const wi_part *part, wi_error *error);
wi_status wi_net_walk(wi_net *net, const wi_params *params, wi_part_visitor *visit, void *context,
                      wi_error *error);

#endif
