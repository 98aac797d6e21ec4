/* Models by path: opening whatever stands there, converting, describing. */
#ifndef WI_MODEL_MODELPATH_H
#define WI_MODEL_MODELPATH_H

#include "model/model.h"

/* As the public functions of the same names; arguments are not NULL. */
wi_status wi_mdl_open(wi_engine *engine, const char *path, const wi_model_options *options,
                      wi_model **out, wi_error *error);
wi_status wi_mdl_info(const wi_model *model, wi_model_info *out, wi_error *error);
wi_status wi_mdl_convert(wi_engine *engine, const char *from, const char *to,
                         const wi_convert_options *options, wi_error *error);

#endif
