/* Matrix products: every shape around the tiles, every epilogue, both number types. */
#include "suite.h"

#include "kern/ref/ref.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows of matrices stand further apart than they are long; the gap holds NaN before and after. */
enum { GAP = 5, MAX_M = 64 };

typedef struct shape {
    size_t m, panels, k;
} shape;

typedef enum addend_kind { ADD_NONE = 0, ADD_APART, ADD_OUTPUT, N_ADDEND_KINDS } addend_kind;

typedef struct ending { /* one epilogue */
    bool bias;
    wi_act act;
    addend_kind before, after;
} ending;

/* kern.h: either may be the output, `after` only without an activation and without `before`. */
static bool is_allowed(const ending *e)
{
    if (e->after == ADD_OUTPUT)
        return e->act == WI_NO_ACT && e->before == ADD_NONE;
    return true;
}

static ending some_ending(void)
{
    ending e;
    do {
        e = (ending){.bias = case_random(2),
                     .act = (wi_act)case_random(WI_RELU6 + 1),
                     .before = (addend_kind)case_random(N_ADDEND_KINDS),
                     .after = (addend_kind)case_random(N_ADDEND_KINDS)};
    } while (!is_allowed(&e));
    return e;
}

/* Everything that a product reads and writes, each in a buffer of exactly its size. */
typedef struct operands {
    size_t columns, lda, ldc, ld_before, ld_after;
    float *c, *start; /* start: what c held before, where it is an addend */
    float *bias, *before, *after;
    wi_epilogue epilogue;
} operands;

static float *take_rows(size_t m, size_t n, size_t ld, guard_side side)
{
    /* The last row has no gap behind it. */
    float *x = guard_take(m ? ((m - 1) * ld + n) * sizeof *x : 0, side);
    for (size_t i = 0; i < m; i++)
        case_fill(x + i * ld, n);
    return x;
}

static operands take_operands(const shape *s, const ending *e, guard_side side)
{
    operands o = {.columns = s->panels * WI_PANEL};
    o.ldc = o.columns + GAP;
    o.ld_before = o.columns + GAP + 1;
    o.ld_after = o.columns + GAP + 2;
    const size_t n = s->m ? (s->m - 1) * o.ldc + o.columns : 0;
    o.c = guard_take(n * sizeof *o.c, side);
    if (e->bias) {
        o.bias = guard_take(o.columns * sizeof *o.bias, side);
        case_fill(o.bias, o.columns);
    }
    if (e->before == ADD_OUTPUT || e->after == ADD_OUTPUT)
        for (size_t i = 0; i < s->m; i++)
            case_fill(o.c + i * o.ldc, o.columns);
    o.start = malloc(n * sizeof *o.start + 1);
    assert_non_null(o.start);
    memcpy(o.start, o.c, n * sizeof *o.c);
    if (e->before == ADD_APART)
        o.before = take_rows(s->m, o.columns, o.ld_before, side);
    if (e->after == ADD_APART)
        o.after = take_rows(s->m, o.columns, o.ld_after, side);
    o.epilogue = (wi_epilogue){.bias = o.bias,
                               .before = e->before == ADD_OUTPUT ? o.c : o.before,
                               .after = e->after == ADD_OUTPUT ? o.c : o.after,
                               .ld_before = e->before == ADD_OUTPUT ? o.ldc : o.ld_before,
                               .ld_after = e->after == ADD_OUTPUT ? o.ldc : o.ld_after,
                               .act = e->act};
    return o;
}

/* The same epilogue on a copy of c, for a second opinion. */
static wi_epilogue moved(const operands *o, float *copy)
{
    wi_epilogue e = o->epilogue;
    e.before = e.before == o->c ? copy : e.before;
    e.after = e.after == o->c ? copy : e.after;
    return e;
}

static double addend_at(const operands *o, const float *apart, const float *used, size_t ld,
                        size_t i, size_t j)
{
    if (!used)
        return 0.0;
    return apart ? apart[i * ld + j] : o->start[i * o->ldc + j];
}

static void check_gap(const operands *o, size_t m)
{
    for (size_t i = 0; i + 1 < m; i++)
        for (size_t j = o->columns; j < o->ldc; j++)
            if (!isnan(o->c[i * o->ldc + j]))
                fail_msg("%s: wrote between the rows", case_now());
}

static void name_case(const char *what, const char *isa, const shape *s, const ending *e)
{
    case_name("%s %s m=%zu panels=%zu k=%zu bias=%d act=%s before=%d after=%d", what, isa, s->m,
              s->panels, s->k, e->bias, case_act_name(e->act), (int)e->before, (int)e->after);
}

/* Error of y = act(sum + bias + before) + after, given that of the sum. Slopes of the activations
 * stay below 1.2. */
static void check_value(const operands *o, const ending *e, size_t i, size_t j, double sum,
                        double sum_bound)
{
    const double bias = o->bias ? o->bias[j] : 0.0;
    const double before = addend_at(o, o->before, o->epilogue.before, o->ld_before, i, j);
    const double after = addend_at(o, o->after, o->epilogue.after, o->ld_after, i, j);
    const double z = sum + bias + before, y = case_act(e->act, z);
    const double z_bound =
        sum_bound + CASE_EPS * 2.0 * (fabs(sum) + fabs(bias) + fabs(before)) + 1e-44;
    const double bound =
        1.2 * z_bound + case_act_bound(e->act, z) + CASE_EPS * (fabs(y) + fabs(after));
    case_near("c", i * o->columns + j, o->c[i * o->ldc + j], y + after, bound * 1.01);
}

static float *pack_f32(const shape *s, guard_side side)
{
    const size_t n = s->panels * s->k * WI_PANEL;
    float *w = guard_take(n * sizeof *w, side);
    case_fill(w, n);
    return w;
}

static void check_gemm_f32(const operands *o, const shape *s, const ending *e, const float *a,
                           size_t lda, const float *w)
{
    for (size_t i = 0; i < s->m; i++)
        for (size_t j = 0; j < o->columns; j++) {
            const float *column = w + j / WI_PANEL * s->k * WI_PANEL + j % WI_PANEL;
            double sum = 0.0, size = 0.0;
            for (size_t p = 0; p < s->k; p++) {
                const double product = (double)a[i * lda + p] * column[p * WI_PANEL];
                sum += product;
                size += fabs(product);
            }
            check_value(o, e, i, j, sum, CASE_EPS * (double)(s->k + 1) * size);
        }
    check_gap(o, s->m);
}

static void one_gemm_f32(const char *isa, wi_gemm_f32_fn *gemm, guard_side side, const shape *s,
                         const ending *e)
{
    name_case("gemm_f32", isa, s, e);
    operands o = take_operands(s, e, side);
    const size_t lda = s->k + GAP;
    const float *a = take_rows(s->m, s->k, lda, side), *w = pack_f32(s, side);
    gemm(s->m, s->panels, s->k, a, lda, w, o.c, o.ldc, &o.epilogue);
    check_gemm_f32(&o, s, e, a, lda, w);
    free(o.start);
    guard_release_all();
}

static const size_t some_m[] = {1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 14, 15, 16, 17, 27, 28, 29};
static const size_t some_panels[] = {1, 2, 3, 5};
static const size_t some_k[] = {1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 64, 97};
/* Shapes of CLIP: patches, qkv, fc2 and the projection of B/32, a head's scores and values, the
 * text tower, attention over 197 tokens. */
static const shape clip_shapes[] = {{49, 3, 3072 / 4}, {50, 5, 768}, {50, 2, 3072}, {1, 32, 768},
                                    {50, 4, 64},       {50, 4, 50},  {7, 4, 512},   {56, 13, 64}};
#define COUNT(list) (sizeof(list) / sizeof *(list))

static void each_shape_f32(const char *isa, wi_gemm_f32_fn *gemm, guard_side side)
{
    for (size_t i = 0; i < COUNT(some_m); i++)
        for (size_t j = 0; j < COUNT(some_panels); j++)
            for (size_t l = case_random(3); l < COUNT(some_k); l += 3) {
                const shape s = {some_m[i], some_panels[j], some_k[l]};
                const ending e = some_ending();
                one_gemm_f32(isa, gemm, side, &s, &e);
            }
    for (size_t i = 0; i < COUNT(clip_shapes); i++) {
        const ending e = some_ending();
        one_gemm_f32(isa, gemm, side, &clip_shapes[i], &e);
    }
}

static void each_ending_f32(const char *isa, wi_gemm_f32_fn *gemm, guard_side side)
{
    static const shape shapes[] = {{17, 3, 11}, {1, 1, 1}, {0, 2, 3}, {3, 0, 3}};
    for (size_t i = 0; i < COUNT(shapes); i++)
        for (unsigned b = 0; b < 2; b++)
            for (wi_act act = WI_NO_ACT; act <= WI_RELU; act++)
                for (addend_kind before = ADD_NONE; before < N_ADDEND_KINDS; before++)
                    for (addend_kind after = ADD_NONE; after < N_ADDEND_KINDS; after++) {
                        const ending e = {b, act, before, after};
                        if (is_allowed(&e))
                            one_gemm_f32(isa, gemm, side, &shapes[i], &e);
                    }
}

void gemm_f32_shapes(void **unused)
{
    (void)unused;
    CASE_EACH(gemm_f32, each_shape_f32);
}

void gemm_f32_endings(void **unused)
{
    (void)unused;
    CASE_EACH(gemm_f32, each_ending_f32);
}

/* Each output is one sum in ascending order: any split into rows and panels gives the same bits. */
static void split_f32(const char *isa, wi_gemm_f32_fn *gemm, guard_side side)
{
    const shape s = {1 + case_random(40), 1 + case_random(6), 1 + case_random(90)};
    const ending e = {true, WI_GELU, ADD_NONE, ADD_NONE};
    name_case("gemm_f32 in parts", isa, &s, &e);
    operands o = take_operands(&s, &e, side);
    const float *a = take_rows(s.m, s.k, s.k, side), *w = pack_f32(&s, side);
    float *part = guard_take(WI_PANEL * sizeof *part, side);
    gemm(s.m, s.panels, s.k, a, s.k, w, o.c, o.ldc, &o.epilogue);
    for (size_t i = 0; i < s.m; i++)
        for (size_t p = 0; p < s.panels; p++) {
            const wi_epilogue alone = {.bias = o.bias + p * WI_PANEL, .act = e.act};
            gemm(1, 1, s.k, a + i * s.k, s.k, w + p * s.k * WI_PANEL, part, WI_PANEL, &alone);
            case_same_bits("a part", part, o.c + i * o.ldc + p * WI_PANEL, WI_PANEL * sizeof *part);
        }
    free(o.start);
    guard_release_all();
}

static void splits_f32(const char *isa, wi_gemm_f32_fn *gemm, guard_side side)
{
    for (int i = 0; i < 12; i++)
        split_f32(isa, gemm, side);
}

void gemm_f32_does_not_depend_on_its_split(void **unused)
{
    (void)unused;
    CASE_EACH(gemm_f32, splits_f32);
}

/* A number that is not finite reaches the outputs that use it, as in the reference, and no others.
 * (Sums that overflow may do so earlier without fused multiplications.) */
static void odd_numbers_f32(const char *isa, wi_gemm_f32_fn *gemm, guard_side side)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY, 1e-42f, -1e-45f, 3e38f};
    const shape s = {19, 3, 6};
    const ending e = {true, WI_NO_ACT, ADD_NONE, ADD_NONE};
    for (size_t t = 0; t < COUNT(odd); t++) {
        operands o = take_operands(&s, &e, side);
        float *a = take_rows(s.m, s.k, s.k, side), *w = pack_f32(&s, side);
        float *want = calloc(s.m * o.ldc, sizeof *want);
        assert_non_null(want);
        const size_t row = case_random((uint32_t)s.m), panel = case_random((uint32_t)s.panels);
        a[row * s.k + case_random((uint32_t)s.k)] = odd[t];
        w[(panel * s.k + case_random((uint32_t)s.k)) * WI_PANEL + 3] = odd[t];
        case_name("gemm_f32 %s with %g in row %zu, panel %zu", isa, (double)odd[t], row, panel);
        gemm(s.m, s.panels, s.k, a, s.k, w, o.c, o.ldc, &o.epilogue);
        wi_kern_ref.gemm_f32(s.m, s.panels, s.k, a, s.k, w, want, o.ldc, &o.epilogue);
        for (size_t i = 0; i < s.m; i++)
            for (size_t j = 0; j < o.columns; j++) {
                const float x = o.c[i * o.ldc + j], y = want[i * o.ldc + j];
                if (isfinite(y) && fabsf(y) < 1e30f)
                    case_near("c", i * o.columns + j, x, y, 1e-3);
                else if (!isfinite(odd[t]) && !isfinite(y) && !case_same_kind(x, y))
                    fail_msg("%s: c[%zu,%zu] is %g, the reference has %g", case_now(), i, j,
                             (double)x, (double)y);
            }
        free(want);
        free(o.start);
        guard_release_all();
    }
}

void gemm_f32_keeps_odd_numbers_apart(void **unused)
{
    (void)unused;
    CASE_EACH(gemm_f32, odd_numbers_f32);
}

/* --- integers --- */

typedef struct integers {
    size_t lda;
    uint8_t *q;
    wi_row_scale *rows;
    int8_t *w;
    float *scale;
    int32_t *sum;
} integers;

/* kind 0: any numbers; 1: the largest products of one sign; 2: of the other */
/* Weights of one panel within the bound of fours, all positive and at the bound (kind 1), or all negative
 * (kind 2). w[k4][16][4] */
static void fill_weights(int8_t *w, size_t k4, unsigned kind)
{
    static const int8_t at_bound[][4] = {
        {127, 127, 4, 0}, {0, 4, 127, 127}, {65, 64, 65, 64}, {127, 2, 127, 2}, {1, 127, 3, 127}};
    for (size_t i = 0; i < k4 * WI_PANEL * 4; i += 2) { /* i: a pair of the earlier group */
        if (i / (WI_PANEL * 4) % 2)
            continue;
        const bool alone = i / (WI_PANEL * 4) + 1 == k4;
        int8_t *four[4] = {w + i, w + i + 1, w + i + WI_PANEL * 4, w + i + WI_PANEL * 4 + 1};
        const int8_t *limit = at_bound[case_random(COUNT(at_bound))];
        int sum = 0, v[4];
        for (int j = 0; j < 4; j++) {
            v[j] = kind == 0 ? (int)case_random(255) - 127 : kind == 1 ? limit[j] : -limit[j];
            sum += abs(v[j]);
        }
        for (int j = 0; sum > WI_S8_FOUR; j = (j + 1) % 4)
            if (v[j] != 0) {
                v[j] -= v[j] > 0 ? 1 : -1;
                sum--;
            }
        for (int j = 0; j < (alone ? 2 : 4); j++)
            *four[j] = (int8_t)v[j];
    }
}

static integers take_integers(const shape *s, unsigned kind, guard_side side)
{
    const size_t columns = s->panels * WI_PANEL, n = s->panels * s->k * WI_PANEL * 4;
    integers t = {.lda = 4 * s->k + GAP};
    t.q = guard_take(s->m ? (s->m - 1) * t.lda + 4 * s->k : 0, side);
    t.rows = guard_take(s->m * sizeof *t.rows, side);
    t.w = guard_take(n, side);
    t.scale = guard_take(columns * sizeof *t.scale, side);
    t.sum = guard_take(columns * sizeof *t.sum, side);
    for (size_t i = 0; i < s->m; i++) {
        case_fill_bytes(t.q + i * t.lda, 4 * s->k, kind ? 127 : 0, 127);
        t.rows[i] =
            (wi_row_scale){case_uniform(0.001f, 0.1f), kind ? 0 : (int32_t)case_random(128)};
        if (kind == 0 && case_random(4) == 0) /* sums of 0, and of -0 where the scale is negative */
            memset(t.q + i * t.lda, t.rows[i].zero, 4 * s->k);
    }
    for (size_t p = 0; p < s->panels; p++)
        fill_weights(t.w + p * s->k * WI_PANEL * 4, s->k, kind);
    for (size_t j = 0; j < columns; j++) {
        const int8_t *column = t.w + (j / WI_PANEL * s->k * WI_PANEL + j % WI_PANEL) * 4;
        t.scale[j] = case_uniform(-0.02f, 0.02f);
        t.sum[j] = 0;
        for (size_t p = 0; p < 4 * s->k; p++)
            t.sum[j] += column[p / 4 * WI_PANEL * 4 + p % 4];
    }
    return t;
}

static double exact_sum(const integers *t, const shape *s, size_t i, size_t j)
{
    const int8_t *column = t->w + (j / WI_PANEL * s->k * WI_PANEL + j % WI_PANEL) * 4;
    int64_t sum = 0;
    for (size_t p = 0; p < 4 * s->k; p++)
        sum += (t->q[i * t->lda + p] - t->rows[i].zero) * column[p / 4 * WI_PANEL * 4 + p % 4];
    return (double)sum;
}

static void one_gemm_s8(const char *isa, wi_gemm_s8_fn *gemm, guard_side side, const shape *s,
                        const ending *e, unsigned kind)
{
    name_case("gemm_s8", isa, s, e);
    operands o = take_operands(s, e, side);
    const integers t = take_integers(s, kind, side);
    const size_t n = s->m ? (s->m - 1) * o.ldc + o.columns : 0;
    float *want = malloc(n * sizeof *want + 1);
    assert_non_null(want);
    memcpy(want, o.c, n * sizeof *want);
    const wi_epilogue copied = moved(&o, want);
    gemm(s->m, s->panels, s->k, t.q, t.lda, t.rows, t.w, t.scale, t.sum, o.c, o.ldc, &o.epilogue);
    wi_kern_ref.gemm_s8(s->m, s->panels, s->k, t.q, t.lda, t.rows, t.w, t.scale, t.sum, want, o.ldc,
                        &copied);
    for (size_t i = 0; i < s->m; i++) {
        if (e->act == WI_NO_ACT)
            case_same_bits("c against the reference", o.c + i * o.ldc, want + i * o.ldc,
                           o.columns * sizeof *want);
        for (size_t j = 0; j < o.columns; j++) {
            const double sum =
                exact_sum(&t, s, i, j) * ((double)t.rows[i].scale * (double)t.scale[j]);
            check_value(&o, e, i, j, sum, CASE_EPS * 4.0 * fabs(sum));
        }
    }
    check_gap(&o, s->m);
    free(want);
    free(o.start);
    guard_release_all();
}

static void each_shape_s8(const char *isa, wi_gemm_s8_fn *gemm, guard_side side)
{
    for (size_t i = 0; i < COUNT(some_m); i++)
        for (size_t j = 0; j < COUNT(some_panels); j++)
            for (size_t l = case_random(3); l < COUNT(some_k); l += 3) {
                const shape s = {some_m[i], some_panels[j], (some_k[l] + 3) / 4};
                ending e = some_ending();
                if (case_random(3)) { /* exact without an activation: mostly so */
                    e.act = WI_NO_ACT;
                }
                one_gemm_s8(isa, gemm, side, &s, &e, case_random(4) ? 0 : 1 + case_random(2));
            }
    for (size_t i = 0; i < COUNT(clip_shapes); i++) {
        const shape s = {clip_shapes[i].m, clip_shapes[i].panels, (clip_shapes[i].k + 3) / 4};
        const ending e = {true, WI_NO_ACT, ADD_NONE, i % 2 ? ADD_OUTPUT : ADD_NONE};
        one_gemm_s8(isa, gemm, side, &s, &e, 0);
    }
}

static void each_ending_s8(const char *isa, wi_gemm_s8_fn *gemm, guard_side side)
{
    static const shape shapes[] = {{17, 3, 3}, {1, 1, 1}, {0, 2, 3}, {3, 0, 3}};
    for (size_t i = 0; i < COUNT(shapes); i++)
        for (unsigned b = 0; b < 2; b++)
            for (wi_act act = WI_NO_ACT; act <= WI_RELU; act++)
                for (addend_kind before = ADD_NONE; before < N_ADDEND_KINDS; before++)
                    for (addend_kind after = ADD_NONE; after < N_ADDEND_KINDS; after++) {
                        const ending e = {b, act, before, after};
                        if (is_allowed(&e))
                            one_gemm_s8(isa, gemm, side, &shapes[i], &e, 0);
                    }
}

/* k = 131072, the longest sum that the contract allows, of the largest products. */
static void longest_sum(const char *isa, wi_gemm_s8_fn *gemm, guard_side side)
{
    const shape s = {2, 1, 131072 / 4};
    const ending e = {false, WI_NO_ACT, ADD_NONE, ADD_NONE};
    one_gemm_s8(isa, gemm, side, &s, &e, 1);
    one_gemm_s8(isa, gemm, side, &s, &e, 2);
}

void gemm_s8_shapes(void **unused)
{
    (void)unused;
    CASE_EACH(gemm_s8, each_shape_s8);
}

void gemm_s8_endings(void **unused)
{
    (void)unused;
    CASE_EACH(gemm_s8, each_ending_s8);
}

void gemm_s8_longest_sum(void **unused)
{
    (void)unused;
    CASE_EACH(gemm_s8, longest_sum);
}
