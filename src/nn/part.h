/* The tensors of a tower, listed once: a tower kind's walk visits its parts in a fixed order.
 *
 * Packing a checkpoint, binding a mapped file, writing one, fingerprinting and counting all go
 * through the same walk, so that none of them can forget a tensor. Names begin with "v." in image
 * towers and "t." in text towers. */
#ifndef WI_NN_PART_H
#define WI_NN_PART_H

#include "nn/weights.h"

#include <whatsit/status.h>

typedef enum wi_part_kind {
    WI_PART_LINEAR = 0, /* a matrix from NAME.w and NAME.b */
    WI_PART_QKV,        /* three stacked; NAME ends in "qkv": from its q, k and v */
    WI_PART_CONV,       /* a convolution, its batch norm folded in */
    WI_PART_DEPTHWISE,  /* the same of each channel by itself (kern.h: wi_depthwise) */
    WI_PART_VECTOR,     /* f32 numbers from tensor NAME */
    WI_PART_TABLE       /* rows that are looked up: tokens */
} wi_part_kind;

typedef struct wi_part {
    wi_part_kind kind;
    char name[64];
    wi_mat *mat;          /* linear, qkv, conv: [n, k] */
    const float **vector; /* vector: [n, k] */
    wi_table *table;      /* table: [n, k] */
    uint32_t n, k;
    bool has_bias;   /* linear, qkv */
    bool keep_float; /* never stored as int8: small, or where most would be lost */
    uint32_t
        conv_size; /* conv: k = conv_size * conv_size * channels; depthwise: a side of its kernel */
    double norm_eps;    /* conv: of its batch norm */
    const wi_mat *from; /* whose outputs enter, where their mean may be known; or NULL */
} wi_part;

/* Floats of a vector, elements of a matrix or table. */
static inline size_t wi_part_elements(const wi_part *part)
{
    return (size_t)part->n * part->k;
}

typedef wi_status wi_part_visitor(void *context, const wi_part *part, wi_error *error);

typedef struct wi_walker {
    wi_part_visitor *visit;
    void *context;
    wi_error *error;
    wi_status status; /* the first failure stops everything after it */
} wi_walker;

/* Visits a part named PREFIX NAME. */
void wi_walk_part(wi_walker *walker, wi_part *part, const char *prefix, const char *name);
void wi_walk_linear(wi_walker *walker, const char *prefix, const char *name, wi_mat *mat,
                    uint32_t n, uint32_t k, bool has_bias);
/* The last layer: the answer itself, and small, so it stays in float. */
void wi_walk_projection(wi_walker *walker, const char *prefix, const char *name, wi_mat *mat,
                        uint32_t n, uint32_t k, bool has_bias);
/* vector[n, k]; n is 1 for a plain vector. */
void wi_walk_vector(wi_walker *walker, const char *prefix, const char *name, const float **vector,
                    uint32_t n, uint32_t k);
/* NAME.w and NAME.b of norm->n numbers. */
void wi_walk_norm(wi_walker *walker, const char *prefix, const char *name, wi_norm *norm);
void wi_walk_table(wi_walker *walker, const char *prefix, const char *name, wi_table *table,
                   uint32_t n, uint32_t k);

#endif
