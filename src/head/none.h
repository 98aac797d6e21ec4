/* None of these: how sure a head is that any of its labels fits, and the threshold for it. */
#ifndef WI_HEAD_NONE_H
#define WI_HEAD_NONE_H

#include "head/head.h"
#include <whatsit/train.h>

/* As wi_head_known, wi_head_calibrate and wi_calibration_range. */
wi_status wi_none_known(const wi_head *head, const float *embedding, size_t dim, float *known,
                        bool *none, wi_error *error);
wi_status wi_none_calibrate(const wi_head *head, const wi_calibration *calibration, wi_head **out,
                            wi_error *error);
void wi_none_range(size_t n, double rate, double *low, double *high);

#endif
