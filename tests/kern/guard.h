/* Buffers that cannot be overrun unseen: each ends right before, or begins right behind, a page
 * that faults, and the slack on the other side must keep its pattern. They begin as bytes 255:
 * NaN in every float type, so what a kernel reads beyond its inputs shows in its outputs.
 * WebAssembly has no pages that fault; there the pattern alone stands guard, against writes. */
#ifndef TESTS_KERN_GUARD_H
#define TESTS_KERN_GUARD_H

#include <stddef.h>

typedef enum guard_side { GUARD_BEHIND = 0, GUARD_BEFORE, N_GUARD_SIDES } guard_side;

void *guard_take(size_t n_bytes, guard_side side);
/* Fails the test when something was written outside a buffer; frees all. */
void guard_release_all(void);

#endif
