/* What the tests of decoders share: they are opened, stepped and compared alike. */
#ifndef TESTS_MODEL_SAYER_H
#define TESTS_MODEL_SAYER_H

#include "model/session.h"
#include "support/golden.h"

/* Each fails the test when it cannot. isa: NULL: the best; one that this processor has not gives NULL. */
wi_engine *sayer_engine(int n_threads, const char *isa);
wi_model *sayer_model(wi_engine *engine, const char *path);
/* For n pictures. */
wi_session *sayer_session(const wi_model *model, uint32_t towers, uint32_t n);
/* A tensor of numbers of four bytes, n of them. */
const void *sayer_reference(const golden_tensors *file, const char *name, size_t *n);

/* The logits behind each of the tokens, for n_pictures that were looked at: out[n_pictures, n_tokens,
 * n_words]. */
void sayer_steps(wi_session *session, size_t n_pictures, const int32_t *tokens, size_t n_tokens,
                 size_t n_words, float *out);
/* The largest difference, as a share of the largest of b. */
double sayer_distance(const float *a, const float *b, size_t n);

#endif
