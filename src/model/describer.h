/* A model that sees and a decoder that speaks, with the memory of one thread. */
#ifndef WI_MODEL_DESCRIBER_H
#define WI_MODEL_DESCRIBER_H

#include "model/model.h"

#include <whatsit/describe.h>

/* As the public functions of these names; arguments are not NULL. */
wi_status wi_dsc_open(const wi_model *model, const wi_model *decoder,
                      const wi_describer_options *options, wi_describer **out, wi_error *error);
void wi_dsc_close(wi_describer **describer);
bool wi_dsc_has_scale(const wi_describer *describer);
wi_status wi_dsc_describe(wi_describer *describer, const uint8_t *pixels, size_t n,
                          const wi_describe_options *options, wi_caption *out, size_t *n_out,
                          float *embeddings, wi_error *error);

#endif
