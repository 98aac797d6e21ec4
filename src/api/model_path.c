/* Models by path. */
#include "checkpoint/checkpoint.h"

#include "base/error.h"

wi_status wi_model_open(wi_engine *engine, const char *path, const wi_model_options *options,
                        wi_model **out, wi_error *error)
{
    const wi_model_options defaults = {0};
    if (!engine || !path || !out)
        return wi_fail(error, WI_ERR_ARG,
                       "wi_model_open: an engine, a path and a place for the model are needed");
    if (!options)
        options = &defaults;
    const wi_status fits = wi_check_reserved(options->reserved, "wi_model_options", error);
    return fits == WI_OK ? wi_mdl_open(engine, path, options, out, error) : fits;
}

wi_status wi_model_convert(wi_engine *engine, const char *from, const char *to,
                           const wi_convert_options *options, wi_error *error)
{
    const wi_convert_options defaults = {0};
    if (!engine || !from || !to)
        return wi_fail(error, WI_ERR_ARG, "wi_model_convert: an engine and two paths are needed");
    if (!options)
        options = &defaults;
    const wi_status fits = wi_check_reserved(options->reserved, "wi_convert_options", error);
    return fits == WI_OK ? wi_mdl_convert(engine, from, to, options, error) : fits;
}
