/* NumPy's .npy files. */
#ifndef CLI_NPY_H
#define CLI_NPY_H

#include "cli.h"

/* Writes x[n,d] as little-endian f32, C order, format version 1.0.
 * Source: numpy/lib/format.py */
wi_status cli_npy_write(const char *path, const float *x, size_t n, size_t d, wi_error *error);

#endif
