/* The scalar reference: the truth that every other variant is tested against. */
#ifndef WI_KERN_REF_H
#define WI_KERN_REF_H

#include "kern/kern.h"

#include <float.h>
#include <math.h>

extern const wi_kern wi_kern_ref;

/* Scale and zero of a quantised row whose values lie in [low, high], low <= 0 <= high. Shared by
 * all variants, so that they agree to the bit. */
static inline wi_row_scale wi_row_scale_of(float low, float high)
{
    /* Rows of zeros, and rows whose step or its inverse is no normal number, get a scale that keeps
     * everything at zero. NaN does not count for low and high. */
    const float range = high - low;
    if (!(range >= 127.0f * FLT_MIN) || !(range <= 3.0e38f))
        return (wi_row_scale){0.0f, 0};
    const float scale = range / 127.0f;
    return (wi_row_scale){scale, (int32_t)nearbyintf(-low / scale)};
}

/* One value's activation, as the reference computes it. */
float wi_act_ref(wi_act act, float x);

#endif
