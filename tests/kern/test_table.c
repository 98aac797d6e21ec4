/* The table: which variant is chosen, and whether the start-up check would notice a wrong one. */
#include "suite.h"

#include "kern/check.h"
#include "kern/ref/ref.h"

#include <string.h>

typedef void any_fn(void);

static any_fn *operation_at(const wi_kern *table, size_t i)
{
    any_fn *f;
    memcpy(&f, (const char *)table + i * sizeof f, sizeof f);
    return f;
}

/* Says which rows ran, and demands that every operation has at least the reference. */
void every_row_is_known(void **unused)
{
    (void)unused;
    const case_variant *list;
    const size_t n = case_variants(&list);
    for (size_t v = 0; v < n; v++) {
        size_t n_operations = 0;
        for (size_t i = 0; i < WI_N_OPERATIONS; i++)
            n_operations += operation_at(list[v].table, i) != NULL;
        print_message("    %-10s %2zu operations%s\n", list[v].isa, n_operations,
                      list[v].runs ? "" : ", not run: this processor lacks it");
        assert_true(n_operations > 0);
        for (size_t i = 0; i < WI_N_OPERATIONS && list[v].runs; i++)
            assert_true(!operation_at(list[v].table, i) || wi_kern_agrees(list[v].table, i));
    }
    for (size_t i = 0; i < WI_N_OPERATIONS; i++)
        assert_non_null((void *)(uintptr_t)operation_at(&wi_kern_ref, i));
}

void limits_name_every_row(void **unused)
{
    (void)unused;
    const case_variant *list;
    const size_t n = case_variants(&list);
    const wi_cpu_features all = ~(wi_cpu_features)0;
    wi_cpu_features limited = 123;
    assert_true(wi_kern_limit("scalar", all, &limited));
    assert_int_equal(limited, 0);
    assert_false(wi_kern_limit("mmx", all, &limited));
    assert_false(wi_kern_limit("", all, &limited));
    for (size_t v = 1; v < n; v++) {
        assert_true(wi_kern_limit(list[v].isa, all, &limited));
        assert_true(limited != 0);
        assert_false(wi_kern_limit(list[v].isa, 0, &limited));
        assert_int_equal(wi_kern_limit(list[v].isa, wi_cpu_detect(), &limited), list[v].runs);
        assert_int_equal(limited & ~wi_cpu_detect(), 0);
    }
}

void best_variants_are_chosen(void **unused)
{
    (void)unused;
    const case_variant *list;
    const size_t n = case_variants(&list);
    for (size_t v = 0; v < n; v++) {
        wi_cpu_features limited = 0;
        wi_kern kern;
        wi_kern_use use[WI_N_OPERATIONS];
        if (!list[v].runs)
            continue;
        assert_true(wi_kern_limit(list[v].isa, wi_cpu_detect(), &limited));
        wi_kern_init(&kern, use, limited);
        for (size_t i = 0; i < WI_N_OPERATIONS; i++) {
            /* The last row up to this one that has the operation. */
            size_t best = v;
            while (!list[best].runs || !operation_at(list[best].table, i))
                best--;
            assert_string_equal(use[i].isa, list[best].isa);
            assert_true(operation_at(&kern, i) == operation_at(list[best].table, i));
            assert_null(use[i].warning);
            for (size_t j = 0; j < i; j++)
                assert_string_not_equal(use[i].operation, use[j].operation);
        }
    }
}

/* --- tables with one fault each --- */

static void bad_gemm_f32(size_t m, size_t n_panels, size_t k, const float *a, size_t lda,
                         const float *panels, float *c, size_t ldc, const wi_epilogue *e)
{
    wi_kern_ref.gemm_f32(m, n_panels, k, a, lda, panels, c, ldc, e);
    c[(m - 1) * ldc + n_panels * WI_PANEL - 1] += 0.01f;
}

static void bad_gemm_s8(size_t m, size_t n_panels, size_t k4, const uint8_t *q, size_t lda,
                        const wi_row_scale *rows, const int8_t *panels, const float *scale,
                        const int32_t *sum, float *c, size_t ldc, const wi_epilogue *e)
{
    wi_kern_ref.gemm_s8(m, n_panels, k4, q, lda, rows, panels, scale, sum, c, ldc, e);
    float *last = &c[(m - 1) * ldc + n_panels * WI_PANEL - 1];
    uint32_t bits;
    memcpy(&bits, last, sizeof bits);
    bits ^= 1; /* one unit in the last place */
    memcpy(last, &bits, sizeof bits);
}

static void bad_widen_f16(size_t n, const uint16_t *x, float *out)
{
    wi_kern_ref.widen_f16(n, x, out);
    out[n - 1] *= 1.0000001f;
}

static void bad_widen_bf16(size_t n, const uint16_t *x, float *out)
{
    wi_kern_ref.widen_bf16(n, x, out);
    out[n - 1] *= 1.0000001f;
}

static void bad_layer_norm(size_t n, const float *x, const float *w, const float *b, float eps,
                           float *out)
{
    wi_kern_ref.layer_norm(n, x, w, b, eps, out);
    out[n - 1] += 0.01f;
}

static wi_row_scale bad_quantise_row(size_t n, const float *x, uint8_t *q)
{
    wi_row_scale row = wi_kern_ref.quantise_row(n, x, q);
    q[n - 1] ^= 1;
    return row;
}

static void bad_softmax(size_t n, float scale, float *x)
{
    wi_kern_ref.softmax(n, scale, x);
    x[n - 1] += 0.01f;
}

static void bad_activate(size_t n, wi_act act, float *x)
{
    wi_kern_ref.activate(n, act, x);
    if (act == WI_RELU)
        x[n - 1] += 0.01f;
}

static void bad_attend(size_t n_keys, size_t d, float scale, const float *q, const float *keys,
                       const float *values, size_t ld, const uint32_t *index, float *scores,
                       float *out)
{
    wi_kern_ref.attend(n_keys, d, scale, q, keys, values, ld, index, scores, out);
    out[d - 1] += 0.01f;
}

static void bad_dots_f32(size_t n, size_t d, const float *rows, size_t ld, const float *q,
                         float *out)
{
    wi_kern_ref.dots_f32(n, d, rows, ld, q, out);
    out[n - 1] += 0.1f;
}

static void bad_dots_f16(size_t n, size_t d, const uint16_t *rows, size_t ld, const float *q,
                         float *out)
{
    wi_kern_ref.dots_f16(n, d, rows, ld, q, out);
    out[n - 1] *= 1.01f;
    out[n - 1] += 0.1f;
}

static void bad_dots_s8(size_t n, size_t d, const int8_t *rows, size_t ld, const uint8_t *q,
                        int32_t zero, int32_t *out)
{
    wi_kern_ref.dots_s8(n, d, rows, ld, q, zero, out);
    out[n - 1] += 1;
}

static void bad_gemm_s8_u7(size_t m, size_t n_panels, size_t k4, const uint8_t *q, size_t lda,
                           const wi_row_scale *rows, const int8_t *panels, const float *scale,
                           const int32_t *sum, const float *bias, uint8_t *out, size_t ldo)
{
    wi_kern_ref.gemm_s8_u7(m, n_panels, k4, q, lda, rows, panels, scale, sum, bias, out, ldo);
    out[(m - 1) * ldo + n_panels * WI_PANEL - 1] ^= 1;
}

/* Errs where the row ends outside the picture. */
static void bad_depthwise_f32(const wi_depthwise *d, const float *const *rows, size_t ld,
                              const float *panels, const float *bias, wi_act act, float *out,
                              size_t ld_out)
{
    wi_kern_ref.depthwise_f32(d, rows, ld, panels, bias, act, out, ld_out);
    out[(d->out_width - 1) * ld_out + d->n_panels * WI_PANEL - 1] += 0.01f;
}

static void bad_depthwise_s8(const wi_depthwise *d, const uint8_t *const *rows, size_t ld,
                             uint8_t pad, const int8_t *panels, const float *scale,
                             const float *bias, uint8_t *out, size_t ld_out)
{
    wi_kern_ref.depthwise_s8(d, rows, ld, pad, panels, scale, bias, out, ld_out);
    out[(d->out_width - 1) * ld_out + d->n_panels * WI_PANEL - 1] ^= 1;
}

static void bad_clamp_u7(size_t n, const float *x, float inverse, uint8_t *q)
{
    wi_kern_ref.clamp_u7(n, x, inverse, q);
    q[n - 1] ^= 1;
}

static void bad_resample_along(const wi_taps *taps, uint32_t channels,
                               const uint8_t *const source[WI_RESAMPLE_ROWS],
                               uint8_t *const out[WI_RESAMPLE_ROWS])
{
    wi_kern_ref.resample_along(taps, channels, source, out);
    out[WI_RESAMPLE_ROWS - 1][taps->n_out * channels - 1] ^= 1;
}

static void bad_resample_down(const wi_taps *taps, uint32_t i, const uint8_t *rows,
                              size_t stride_bytes, size_t n_bytes, uint8_t *out)
{
    wi_kern_ref.resample_down(taps, i, rows, stride_bytes, n_bytes, out);
    out[n_bytes - 1] ^= 1;
}

void start_up_check_notices_each_fault(void **unused)
{
    (void)unused;
#define X(name) .name = bad_##name,
    static const wi_kern bad = {WI_KERN_OPERATIONS(X)};
#undef X
    for (size_t i = 0; i < WI_N_OPERATIONS; i++) {
        assert_true(wi_kern_agrees(&wi_kern_ref, i));
        assert_false(wi_kern_agrees(&bad, i));
    }
}
