/* Sizes, buffers, the arena. */
#include "base/buffer.h"
#include "base/mem.h"
#include "support/torture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void sizes_that_do_not_fit_are_noticed(void **state)
{
    (void)state;
    size_t out = 7;
    assert_true(wi_size_mul(SIZE_MAX / 2, 2, &out));
    assert_int_equal(out, SIZE_MAX - 1);
    assert_false(wi_size_mul(SIZE_MAX / 2 + 1, 2, &out));
    assert_true(wi_size_mul(0, SIZE_MAX, &out));
    assert_int_equal(out, 0);
    assert_true(wi_size_add(SIZE_MAX, 0, &out));
    assert_false(wi_size_add(SIZE_MAX, 1, &out));
    assert_true(wi_size_mul3(3, 5, 7, &out));
    assert_int_equal(out, 105);
    assert_false(wi_size_mul3(SIZE_MAX / 2, 2, 2, &out));
    assert_false(wi_size_mul3(SIZE_MAX, SIZE_MAX, 0, &out));
}

static void ranges_are_checked_without_wrapping(void **state)
{
    (void)state;
    assert_true(wi_size_within(0, 0, 0));
    assert_true(wi_size_within(4, 6, 10));
    assert_true(wi_size_within(10, 0, 10));
    assert_false(wi_size_within(11, 0, 10));
    assert_false(wi_size_within(4, 7, 10));
    assert_false(wi_size_within(UINT64_MAX, 2, 10));
    assert_false(wi_size_within(2, UINT64_MAX, 10));
}

static void rounding(void **state)
{
    (void)state;
    assert_int_equal(wi_round_up(0, 64), 0);
    assert_int_equal(wi_round_up(1, 64), 64);
    assert_int_equal(wi_round_up(64, 64), 64);
    assert_int_equal(wi_div_up(0, 3), 0);
    assert_int_equal(wi_div_up(7, 3), 3);
    assert_int_equal(wi_div_up(SIZE_MAX, 2), SIZE_MAX / 2 + 1);
}

static void a_buffer_keeps_its_content_when_an_append_fails(void **state)
{
    (void)state;
    wi_buffer buffer;
    wi_error error = {0};
    wi_buffer_init(&buffer, 1000);
    assert_int_equal(wi_buffer_append(&buffer, NULL, 0, &error), WI_OK);
    for (int i = 0; i < 10; i++)
        assert_int_equal(wi_buffer_append(&buffer, "0123456789", 10, &error), WI_OK);
    assert_int_equal(error.status, WI_OK);
    char large[901] = {0};
    assert_int_equal(wi_buffer_append(&buffer, large, sizeof large, &error), WI_ERR_LIMIT);
    assert_int_equal(error.status, WI_ERR_LIMIT);
    assert_int_equal(buffer.n_bytes, 100);
    assert_memory_equal(buffer.bytes + 90, "0123456789", 10);
    assert_int_equal(wi_buffer_append(&buffer, large, 900, &error), WI_OK);
    assert_true(buffer.capacity <= buffer.max_bytes);
    assert_int_equal(wi_buffer_append(&buffer, large, SIZE_MAX, NULL), WI_ERR_LIMIT);
    wi_buffer_free(&buffer);
    assert_int_equal(buffer.n_bytes, 0);
    assert_int_equal(buffer.max_bytes, 1000);
}

static wi_status grow(void *context, wi_error *error)
{
    (void)context;
    static const char bytes[700];
    wi_buffer buffer;
    wi_buffer_init(&buffer, 1 << 20);
    wi_status status = WI_OK;
    for (int i = 0; i < 8 && status == WI_OK; i++) {
        size_t n_before = buffer.n_bytes;
        status = wi_buffer_append(&buffer, bytes, sizeof bytes, error);
        if (status != WI_OK)
            assert_int_equal(buffer.n_bytes, n_before);
    }
    wi_buffer_free(&buffer);
    return status;
}

static void a_buffer_survives_every_failing_allocation(void **state)
{
    (void)state;
    assert_true(torture_run(grow, NULL) >= 4);
}

static void aligned_memory_is_aligned(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 63, 64, 65, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint8_t *p = wi_aligned_alloc(sizes[i]);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % WI_ALIGN, 0);
        memset(p, 1, sizes[i]);
        wi_aligned_free(p);
    }
    assert_null(wi_aligned_alloc(SIZE_MAX - 8));
    wi_aligned_free(NULL);
}

static void take_three(wi_arena *arena, uint8_t *taken[3])
{
    taken[0] = wi_arena_take(arena, 3, 5);
    taken[1] = wi_arena_take(arena, 0, 8);
    taken[2] = wi_arena_take(arena, 100, 4);
}

static void an_arena_counts_first_and_cuts_then(void **state)
{
    (void)state;
    wi_arena arena = {0};
    uint8_t *taken[3];
    take_three(&arena, taken);
    assert_null(taken[0]);
    assert_false(arena.overflow);
    assert_int_equal(arena.used, 64 + 448);
    arena = (wi_arena){wi_aligned_alloc(arena.used), 0, arena.used, false};
    take_three(&arena, taken);
    assert_false(arena.overflow);
    assert_int_equal(arena.used, arena.size);
    assert_ptr_equal(taken[2], arena.base + 64);
    assert_null(wi_arena_take(&arena, 1, 1));
    assert_true(arena.overflow);
    wi_aligned_free(arena.base);
}

static void an_arena_notices_products_that_do_not_fit(void **state)
{
    (void)state;
    wi_arena arena = {0};
    assert_null(wi_arena_take(&arena, SIZE_MAX / 2, 3));
    assert_true(arena.overflow);
    arena = (wi_arena){0};
    assert_null(wi_arena_take(&arena, SIZE_MAX - 3, 1));
    assert_true(arena.overflow);
    assert_null(wi_arena_take(&arena, 1, 1));
    assert_true(arena.overflow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_that_do_not_fit_are_noticed),
        cmocka_unit_test(ranges_are_checked_without_wrapping),
        cmocka_unit_test(rounding),
        cmocka_unit_test(a_buffer_keeps_its_content_when_an_append_fails),
        cmocka_unit_test(a_buffer_survives_every_failing_allocation),
        cmocka_unit_test(aligned_memory_is_aligned),
        cmocka_unit_test(an_arena_counts_first_and_cuts_then),
        cmocka_unit_test(an_arena_notices_products_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
