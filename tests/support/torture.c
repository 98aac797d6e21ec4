#include "support/torture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static atomic_long left = -1; /* allocations until the failing one; negative: never */
static atomic_long count;
static atomic_bool failed;

/* The linker's --wrap sends each call of malloc to __wrap_malloc and each __real_malloc to malloc.
 */
void *__real_malloc(size_t n_bytes);
void *__real_calloc(size_t n, size_t n_bytes);
void *__real_realloc(void *pointer, size_t n_bytes);
void *__real_aligned_alloc(size_t alignment, size_t n_bytes);
void *__wrap_malloc(size_t n_bytes);
void *__wrap_calloc(size_t n, size_t n_bytes);
void *__wrap_realloc(void *pointer, size_t n_bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t n_bytes);

static bool refuse(void)
{
    atomic_fetch_add(&count, 1);
    if (atomic_load(&left) < 0 || atomic_fetch_sub(&left, 1) != 0)
        return false;
    atomic_store(&failed, true);
    return true;
}

void *__wrap_malloc(size_t n_bytes)
{
    return refuse() ? NULL : __real_malloc(n_bytes);
}

void *__wrap_calloc(size_t n, size_t n_bytes)
{
    return refuse() ? NULL : __real_calloc(n, n_bytes);
}

void *__wrap_realloc(void *pointer, size_t n_bytes)
{
    return refuse() ? NULL : __real_realloc(pointer, n_bytes);
}

void *__wrap_aligned_alloc(size_t alignment, size_t n_bytes)
{
    return refuse() ? NULL : __real_aligned_alloc(alignment, n_bytes);
}

void torture_arm(long nth)
{
    atomic_store(&failed, false);
    atomic_store(&count, 0);
    atomic_store(&left, nth - 1);
}

bool torture_disarm(void)
{
    atomic_store(&left, -1);
    return atomic_load(&failed);
}

long torture_count(void)
{
    return atomic_load(&count);
}

long torture_run(torture_case *what, void *context)
{
    for (long nth = 1;; nth++) {
        wi_error error = {0};
        torture_arm(nth);
        wi_status status = what(context, &error);
        if (!torture_disarm()) {
            assert_int_equal(status, WI_OK);
            return nth - 1;
        }
        if (status != WI_ERR_NOMEM)
            fail_msg("allocation %ld of %ld failed: status %s (%s), not nomem", nth,
                     torture_count(), wi_status_name(status), error.message);
        assert_int_equal(error.status, WI_ERR_NOMEM);
        assert_true(error.message[0] != '\0');
    }
}
