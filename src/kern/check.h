/* Comparing a variant with the scalar reference on a tiny case, at start-up. */
#ifndef WI_KERN_CHECK_H
#define WI_KERN_CHECK_H

#include "kern/kern.h"

/* operation: an index in the table's order. True when the variant agrees: to the bit for the
 * integer operations, within rounding for the others. */
bool wi_kern_agrees(const wi_kern *variant, size_t operation);

#endif
