#include "base/unit.h"

#include "base/error.h"

#include <math.h>

wi_status wi_unit(const float *x, size_t d, float *out, const char *what, wi_error *error)
{
    double squares = 0; /* in f64 no f32 square overflows or vanishes */
    for (size_t i = 0; i < d; i++) {
        if (!isfinite(x[i]))
            return wi_fail(error, WI_ERR_ARG, "%s holds %s at position %zu", what,
                           isnan(x[i]) ? "NaN" : "an infinity", i);
        squares += (double)x[i] * (double)x[i];
    }
    if (squares == 0)
        return wi_fail(error, WI_ERR_ARG, "%s is all zeros: it has no direction to compare", what);
    const double factor = 1 / sqrt(squares);
    for (size_t i = 0; i < d; i++)
        out[i] = (float)((double)x[i] * factor);
    return WI_OK;
}
