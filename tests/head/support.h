/* What the tests of heads share: random numbers with a seed, a text tower made of hashes, ready
 * heads. */
#ifndef TESTS_HEAD_SUPPORT_H
#define TESTS_HEAD_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "head/head.h"
#include "head/zeroshot.h"

/* A fixed sequence per seed. */
typedef struct dice {
    uint64_t state;
} dice;
uint32_t dice_next(dice *d);
double dice_uniform(dice *d);  /* [0, 1) */
double dice_gaussian(dice *d); /* mean 0, variance 1 */

void random_rows(dice *d, size_t n, size_t dim, float *out);
void random_unit_rows(dice *d, size_t n, size_t dim, float *out);

/* A text tower: the embedding is a hash of the text. Counts its calls. */
typedef struct fake_tower {
    size_t dim, n_calls, n_texts, longest_batch;
    size_t truncate_bytes; /* texts longer than this count as truncated; 0: none */
} fake_tower;
wi_head_encoder fake_encoder(fake_tower *tower);
void fake_embedding(const char *text, size_t dim, float *out);

/* Labels "label 0", ...; owned by the caller: free_labels. */
char **make_labels(size_t n);
void free_labels(char **labels, size_t n);

/* The kernels of this processor. */
const wi_kern *test_kern(void);

/* A zero-shot head of n random unit rows. The caller closes it. */
wi_head *random_head(uint64_t seed, size_t n, size_t dim, float scale, bool sigmoid);

/* A path in the build folder, for files of one test. */
const char *scratch_path(const char *name);
/* Whole files. read_whole's result is freed by the caller. */
uint8_t *read_whole(const char *path, size_t *n_bytes);
void write_whole(const char *path, const void *bytes, size_t n_bytes);

#endif
