/* The scalar reference: the truth that every other variant is tested against. */
#ifndef WI_KERN_REF_H
#define WI_KERN_REF_H

#include "kern/kern.h"

extern const wi_kern wi_kern_ref;

/* Scale and zero of a quantised row whose values lie in [low, high], low <= 0 <= high. Shared by
 * all variants, so that they agree to the bit. */
wi_row_scale wi_row_scale_of(float low, float high);

/* One value's activation, as the reference computes it. */
float wi_act_ref(wi_act act, float x);

#endif
