#include "cases.h"

#include "kern/half.h"
#include "kern/ref/ref.h"
#include "kern/variants.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_VARIANTS = 16 };

size_t case_variants(const case_variant **out)
{
    static case_variant list[MAX_VARIANTS];
    size_t n = 0;
    const wi_cpu_features here = wi_cpu_detect();
    list[n++] = (case_variant){"scalar", &wi_kern_ref, true};
#define X(isa, need, table) list[n++] = (case_variant){isa, &table, ((need) & here) == (need)};
    WI_KERN_VARIANTS(X)
#undef X
    *out = list;
    return n;
}

static uint64_t state;

void case_seed(void)
{
    const char *from = getenv("WHATSIT_TEST_SEED");
    state = from ? strtoull(from, NULL, 0) : (uint64_t)time(NULL);
    print_message("WHATSIT_TEST_SEED=%llu\n", (unsigned long long)state);
}

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t next(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint32_t case_random(uint32_t below)
{
    return (uint32_t)((next() >> 32) * below >> 32);
}

float case_uniform(float low, float high)
{
    return low + (high - low) * ((float)(next() >> 40) / 16777216.0f);
}

void case_fill(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = case_uniform(-2.0f, 2.0f);
        switch (case_random(24)) {
        case 0:
            x[i] = 0.0f;
            break;
        case 1:
            x[i] *= 1e-6f;
            break;
        case 2:
            x[i] *= 10.0f;
            break;
        default:
            break;
        }
    }
}

void case_fill_bytes(void *bytes, size_t n, unsigned low, unsigned high)
{
    unsigned char *b = bytes;
    for (size_t i = 0; i < n; i++)
        b[i] = (unsigned char)(low + case_random(high - low + 1));
}

void case_fill_halves(uint16_t *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (uint16_t)((case_random(1u << 16) & 0x83ff) | case_random(20) << 10);
}

static char name[200];

void case_name(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
}

const char *case_now(void)
{
    return name;
}

double case_act(wi_act act, double x)
{
    switch (act) {
    case WI_QUICK_GELU:
        return x / (1.0 + exp(-1.702 * x));
    case WI_GELU:
        return 0.5 * x * erfc(-x / 1.4142135623730950488);
    case WI_GELU_TANH:
        return x / (1.0 + exp(-2.0 * 0.79788456080286535588 * (x + 0.044715 * x * x * x)));
    case WI_RELU:
        return x > 0.0 ? x : 0.0;
    case WI_RELU6:
        return x > 0.0 ? (x < 6.0 ? x : 6.0) : 0.0;
    case WI_NO_ACT:
        break;
    }
    return x;
}

double case_act_bound(wi_act act, double x)
{
    if (act == WI_NO_ACT || act == WI_RELU || act == WI_RELU6)
        return 0.0;
    return 5e-7 * fabs(x) + 1e-37;
}

const char *case_act_name(wi_act act)
{
    static const char *const names[] = {"none", "quick_gelu", "gelu", "gelu_tanh", "relu", "relu6"};
    return names[act];
}

static double tightest;

double case_tightness(void)
{
    const double t = tightest;
    tightest = 0.0;
    return t;
}

void case_near(const char *what, size_t i, double got, double want, double bound)
{
    const double off = fabs(got - want);
    if (!(off <= bound))
        fail_msg("%s: %s[%zu] is %.9g, should be %.9g within %.3g", name, what, i, got, want,
                 bound);
    if (bound > 0.0 && off / bound > tightest)
        tightest = off / bound;
}

void case_same_bits(const char *what, const void *got, const void *want, size_t n_bytes)
{
    const unsigned char *a = got, *b = want;
    for (size_t i = 0; i < n_bytes; i++)
        if (a[i] != b[i])
            fail_msg("%s: %s differs at byte %zu of %zu", name, what, i, n_bytes);
}

bool case_same_kind(float a, float b)
{
    return isnan(a) ? isnan(b) != 0 : a == b;
}
