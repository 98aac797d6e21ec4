/* Small random networks of inverted residual blocks, as checkpoints under the published names. */
#ifndef TESTS_MODEL_MBCONV_MAKE_H
#define TESTS_MODEL_MBCONV_MAKE_H

#include <stdbool.h>
#include <stdint.h>
#include <whatsit/whatsit.h>

enum { MBCONV_TENSORS = 200, MBCONV_BLOCKS = 8, DIM = 24, BRANCH = 37, HEAD = 72 };

/* A network: per block its width, expansion, kernel and stride. */
typedef struct mbconv_plan {
    uint32_t image_px, stem, n_blocks;
    uint32_t block[MBCONV_BLOCKS][4];
    const char *branch; /* its activation, or NULL: no branch */
    bool projection;
    uint32_t look_heads;
} mbconv_plan;

typedef struct mbconv_tensors {
    wi_tensor list[MBCONV_TENSORS];
    char names[MBCONV_TENSORS][80];
    size_t n;
    uint64_t state;
} mbconv_tensors;

/* The same numbers every time. mbconv_free gives them back. */
void mbconv_make(const mbconv_plan *p, mbconv_tensors *t);
void mbconv_free(mbconv_tensors *t);
/* Adds a text tower of one layer: width 16, 2 heads, 8 positions. */
void mbconv_add_text(mbconv_tensors *t, uint32_t vocabulary);
/* A tensor's numbers, or NULL when there is none of that name. */
const float *mbconv_find(const mbconv_tensors *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Writes it into the scratch folder; config NULL: what belongs to p. Returns the folder to open, a
 * string that lives until the next call. */
const char *mbconv_write(const mbconv_plan *p, const mbconv_tensors *t, const char *config);
/* pixels[image_px, image_px, 3]: smooth with edges, as photos are; noise alone would tell little of
 * int8. */
void mbconv_paint(const mbconv_plan *p, uint32_t seed, uint8_t *pixels);

#endif
