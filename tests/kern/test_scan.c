/* One vector against many: attention of one query, and the scans of an index. */
#include "suite.h"

#include "kern/half.h"
#include "kern/ref/ref.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(list) (sizeof(list) / sizeof *(list))

enum { GAP = 3 };

static const size_t some_d[] = {1,  2,  3,  4,  5,  7,  8,  9,  12,  15,  16, 17,
                                24, 31, 33, 48, 63, 64, 65, 80, 127, 129, 512};

/* --- attend --- */

typedef void attend_fn(size_t n_keys, size_t d, float scale, const float *q, const float *keys,
                       const float *values, size_t ld, const uint32_t *index, float *scores,
                       float *out);

/* Keys and values stand in one buffer as in the text tower: rows of key, value and a gap; rows that
 * no index names stay NaN. */
static void one_attend(const char *isa, attend_fn *attend, guard_side side, size_t n, size_t d)
{
    case_name("attend %s keys=%zu d=%zu", isa, n, d);
    const size_t n_rows = 2 * n, ld = 2 * d + GAP;
    float *q = guard_take(d * sizeof *q, side);
    float *keys = guard_take(((n_rows - 1) * ld + 2 * d) * sizeof *keys, side);
    uint32_t *index = guard_take(n * sizeof *index, side);
    float *scores = guard_take(n * sizeof *scores, side), *out = guard_take(d * sizeof *out, side);
    double *weight = malloc(2 * n * sizeof *weight), top = -1e30, sum = 0.0;
    double *doubt = weight ? weight + n : NULL; /* relative error of each weight */
    assert_non_null(weight);
    case_fill(q, d);
    for (size_t j = 0; j < n; j++) {
        index[j] = case_random((uint32_t)n_rows);
        case_fill(keys + index[j] * ld, 2 * d);
    }
    index[case_random((uint32_t)n)] = (uint32_t)n_rows - 1; /* the row at the guard */
    case_fill(keys + (n_rows - 1) * ld, 2 * d);
    const float *values = keys + d;
    const double scale = 1.0 / sqrt((double)d);
    for (size_t j = 0; j < n; j++) {
        double dot = 0.0, size = 0.0;
        for (size_t i = 0; i < d; i++) {
            const double product = (double)q[i] * keys[index[j] * ld + i];
            dot += product;
            size += fabs(product);
        }
        weight[j] = dot;
        doubt[j] = CASE_EPS * (double)(d + 2) * size * scale;
        top = fmax(top, dot);
    }
    double worst = 0.0;
    for (size_t j = 0; j < n; j++) {
        doubt[j] += CASE_EPS * 3.0 * scale * fabs(weight[j] - top);
        worst = fmax(worst, doubt[j]);
        sum += weight[j] = exp((double)(float)scale * (weight[j] - top));
    }
    attend(n, d, (float)scale, q, keys, values, ld, index, scores, out);
    for (size_t i = 0; i < d; i++) {
        double want = 0.0, bound = 0.0;
        for (size_t j = 0; j < n; j++) {
            const double part = weight[j] / sum * values[index[j] * ld + i];
            want += part;
            bound += fabs(part) * (4.0 * worst + CASE_EPS * (20.0 + 1.5 * (double)n));
        }
        case_near("out", i, out[i], want, bound + 1e-36);
    }
    free(weight);
    guard_release_all();
}

static void attends(const char *isa, attend_fn *attend, guard_side side)
{
    static const size_t some_keys[] = {1, 2, 3, 5, 8, 15, 16, 17, 33, 77};
    for (size_t i = 0; i < COUNT(some_d); i++)
        for (size_t j = i % 2; j < COUNT(some_keys); j += 2)
            one_attend(isa, attend, side, some_keys[j], some_d[i]);
}

void attend_sizes(void **unused)
{
    (void)unused;
    CASE_EACH(attend, attends);
}

/* --- dots --- */

typedef void dots_f32_fn(size_t n, size_t d, const float *rows, size_t ld, const float *q,
                         float *out);
typedef void dots_f16_fn(size_t n, size_t d, const uint16_t *rows, size_t ld, const float *q,
                         float *out);
typedef void dots_s8_fn(size_t n, size_t d, const int8_t *rows, size_t ld, const uint8_t *q,
                        int32_t zero, int32_t *out);

static void one_dots_f32(const char *isa, dots_f32_fn *dots, guard_side side, size_t n, size_t d)
{
    case_name("dots_f32 %s n=%zu d=%zu", isa, n, d);
    const size_t ld = d + GAP;
    float *rows = guard_take(n ? ((n - 1) * ld + d) * sizeof *rows : 0, side);
    float *q = guard_take(d * sizeof *q, side), *out = guard_take(n * sizeof *out, side);
    case_fill(q, d);
    for (size_t i = 0; i < n; i++)
        case_fill(rows + i * ld, d);
    dots(n, d, rows, ld, q, out);
    for (size_t i = 0; i < n; i++) {
        double sum = 0.0, size = 0.0;
        for (size_t j = 0; j < d; j++) {
            sum += (double)rows[i * ld + j] * q[j];
            size += fabs((double)rows[i * ld + j] * q[j]);
        }
        case_near("out", i, out[i], sum, CASE_EPS * (double)(d + 2) * size + 1e-44);
    }
    guard_release_all();
}

static void each_dots_f32(const char *isa, dots_f32_fn *dots, guard_side side)
{
    for (size_t i = 0; i < COUNT(some_d); i++)
        for (size_t n = 0; n < 9; n += 1 + i % 3)
            one_dots_f32(isa, dots, side, n, some_d[i]);
}

void dots_f32_sizes(void **unused)
{
    (void)unused;
    CASE_EACH(dots_f32, each_dots_f32);
}

static void one_dots_f16(const char *isa, dots_f16_fn *dots, guard_side side, size_t n, size_t d)
{
    case_name("dots_f16 %s n=%zu d=%zu", isa, n, d);
    const size_t ld = d + GAP;
    uint16_t *rows = guard_take(n ? ((n - 1) * ld + d) * sizeof *rows : 0, side);
    float *q = guard_take(d * sizeof *q, side), *out = guard_take(n * sizeof *out, side);
    case_fill(q, d);
    for (size_t i = 0; i < n; i++)
        case_fill_halves(rows + i * ld, d);
    dots(n, d, rows, ld, q, out);
    for (size_t i = 0; i < n; i++) {
        double sum = 0.0, size = 0.0;
        for (size_t j = 0; j < d; j++) {
            const double product = (double)wi_f16_to_f32(rows[i * ld + j]) * q[j];
            sum += product;
            size += fabs(product);
        }
        case_near("out", i, out[i], sum, CASE_EPS * (double)(d + 2) * size + 1e-44);
    }
    guard_release_all();
}

static void each_dots_f16(const char *isa, dots_f16_fn *dots, guard_side side)
{
    for (size_t i = 0; i < COUNT(some_d); i++)
        for (size_t n = 0; n < 9; n += 1 + i % 3)
            one_dots_f16(isa, dots, side, n, some_d[i]);
}

void dots_f16_sizes(void **unused)
{
    (void)unused;
    CASE_EACH(dots_f16, each_dots_f16);
}

/* extreme: the largest products */
static void one_dots_s8(const char *isa, dots_s8_fn *dots, guard_side side, size_t n, size_t d,
                        bool extreme)
{
    case_name("dots_s8 %s n=%zu d=%zu extreme=%d", isa, n, d, extreme);
    const size_t ld = d + GAP;
    const int32_t zero = extreme ? 0 : (int32_t)case_random(128);
    int8_t *rows = guard_take(n ? (n - 1) * ld + d : 0, side);
    uint8_t *q = guard_take(d, side);
    int32_t *out = guard_take(n * sizeof *out, side);
    case_fill_bytes(q, d, extreme ? 127 : 0, 127);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < d; j++)
            rows[i * ld + j] = (int8_t)(extreme ? -128 : (int)case_random(256) - 128);
    dots(n, d, rows, ld, q, zero, out);
    for (size_t i = 0; i < n; i++) {
        int64_t sum = 0;
        for (size_t j = 0; j < d; j++)
            sum += (q[j] - zero) * rows[i * ld + j];
        assert_int_equal(out[i], sum);
    }
    guard_release_all();
}

static void each_dots_s8(const char *isa, dots_s8_fn *dots, guard_side side)
{
    for (size_t i = 0; i < COUNT(some_d); i++)
        for (size_t n = 0; n < 9; n += 1 + i % 3)
            for (unsigned extreme = 0; extreme < 2; extreme++)
                one_dots_s8(isa, dots, side, n, some_d[i], extreme);
    one_dots_s8(isa, dots, side, 2, 131072, true);
}

void dots_s8_sizes(void **unused)
{
    (void)unused;
    CASE_EACH(dots_s8, each_dots_s8);
}
