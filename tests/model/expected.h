/* Readers of what the originals made of the reference inputs, and of how far we are from it. */
#ifndef TESTS_MODEL_EXPECTED_H
#define TESTS_MODEL_EXPECTED_H

#include <whatsit/whatsit.h>

enum { N_IMAGES = 6, N_TEXTS = 12 };

/* "texts" of a JSON file -> texts[N_TEXTS]: strings that live until the next call. */
void expected_texts(const char *path, const char *texts[N_TEXTS]);
/* Fails the test when there is none of that name. */
wi_tensor expected_tensor(const wi_tensors *file, const char *name);

/* The largest difference of two rows of numbers; b may be unaligned. NaN when one is. */
double expected_worst(const float *a, const void *b, size_t n);
/* The lowest cosine of n pairs of rows; b may be unaligned. */
double expected_cosine(const float *a, const void *b, size_t n, size_t dim);

/* Prints the first layer that leaves the reference's, of the first picture and of text, where the
 * folder holds its layers (expected_debug.safetensors). out[dim] is overwritten. */
void expected_diverging(const wi_model *model, const char *folder, const uint8_t *pixels,
                        const char *text, float *out);

#endif
