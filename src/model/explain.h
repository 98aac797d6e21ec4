/* Looking into a session's image tower, whichever kind it is. */
#ifndef WI_MODEL_EXPLAIN_H
#define WI_MODEL_EXPLAIN_H

#include "model/session.h"

#include <whatsit/explain.h>

/* As wi_explain_grid, wi_explain_regions and wi_explain_units. */
wi_status wi_ses_grid(const wi_session *session, uint32_t *side, wi_error *error);
wi_status wi_ses_regions(wi_session *session, const uint8_t *pixels, float *out, wi_error *error);
wi_status wi_ses_units(wi_session *session, const uint8_t *pixels, size_t k, wi_unit *out,
                       float *direction, size_t *n_out, wi_error *error);

#endif
