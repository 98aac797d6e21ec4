/* Models by path: opening whatever stands there, and converting. */
#ifndef WI_CHECKPOINT_CHECKPOINT_H
#define WI_CHECKPOINT_CHECKPOINT_H

#include "model/model.h"

/* As the public functions of the same names; arguments are not NULL. */
wi_status wi_mdl_open(wi_engine *engine, const char *path, const wi_model_options *options,
                      wi_model **out, wi_error *error);
wi_status wi_mdl_convert(wi_engine *engine, const char *from, const char *to,
                         const wi_convert_options *options, wi_error *error);

/* Turns the large matrices into int8, choosing the columns to set apart by running the towers on
 * built-in pictures and sentences. */
wi_status wi_mdl_quantise(wi_model *model, const wi_progress *progress, wi_error *error);

#endif
