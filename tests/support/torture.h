/* Failing the n-th allocation, to see that every one is checked and nothing leaks.
 * The program must be linked with wi_torture(TARGET) of support/torture.cmake; allocations inside
 * shared libraries are not touched. */
#ifndef TESTS_SUPPORT_TORTURE_H
#define TESTS_SUPPORT_TORTURE_H

#include <stdbool.h>
#include <whatsit/status.h>

/* The nth allocation (1, 2, ...) from now on fails, once. 0: none fails, they are only counted. */
void torture_arm(long nth);
/* Back to normal. Returns whether one was made to fail. */
bool torture_disarm(void);
/* Allocations since torture_arm. */
long torture_count(void);

/* Repeats what() with the 1st, 2nd, ... allocation failing, until it runs through with none
 * failing. Asserts WI_ERR_NOMEM with a message for each failing run and WI_OK for the last. Returns
 * how many failed runs there were. what must leave nothing behind, whether it succeeds or fails. */
typedef wi_status torture_case(void *context, wi_error *error);
long torture_run(torture_case *what, void *context);

#endif
