/* What the kernel tests share: the variants to walk, random numbers from a printed seed, the name
 * of the case at hand for messages, and double-precision truth. */
#ifndef TESTS_KERN_CASES_H
#define TESTS_KERN_CASES_H

#include "kern/kern.h"

#if !defined(__wasm__)
#include <setjmp.h> /* cmocka wants it */
#endif
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

typedef struct case_variant {
    const char *isa;
    const wi_kern *table; /* operations that it leaves to others are NULL */
    bool runs;            /* this processor has what it needs */
} case_variant;

/* Every table that is compiled in, the scalar reference first. */
size_t case_variants(const case_variant **out);

/* Prints the seed: WHATSIT_TEST_SEED, or the time. */
void case_seed(void);
uint32_t case_random(uint32_t below);
float case_uniform(float low, float high);
/* Mostly -2..2, with exact zeros, small and large numbers among them. */
void case_fill(float *x, size_t n);
void case_fill_bytes(void *bytes, size_t n, unsigned low, unsigned high);
/* Finite halves, subnormals among them. */
void case_fill_halves(uint16_t *x, size_t n);

/* Sets the name of the case at hand; returns nothing to free. */
void case_name(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *case_now(void);

double case_act(wi_act act, double x);
/* How far a variant's activation may be from the truth at x: a share of |x|, because each is x
 * times a factor in 0..1 (GELUs dip a little below) whose error is absolute. */
double case_act_bound(wi_act act, double x);
const char *case_act_name(wi_act act);

/* One unit in the last place of 1, halved: the largest relative error of one rounding. */
#define CASE_EPS 5.9604644775390625e-8

/* Fails with the case's name unless |got - want| <= bound. */
void case_near(const char *what, size_t i, double got, double want, double bound);
void case_same_bits(const char *what, const void *got, const void *want, size_t n_bytes);
/* Both NaN, or the same number, or the same infinity. */
bool case_same_kind(float a, float b);

/* The largest bound that was used up, as a share of it, since the last call: tells how tight bounds
 * are. */
double case_tightness(void);

/* Runs test for every variant that has the operation and can run here, with both guard sides. Fails
 * when none could. */
#define CASE_EACH(operation, test)                                                                 \
    do {                                                                                           \
        const case_variant *list_;                                                                 \
        const size_t n_ = case_variants(&list_);                                                   \
        for (size_t v_ = 0; v_ < n_; v_++) {                                                       \
            if (!list_[v_].table->operation || !list_[v_].runs)                                    \
                continue;                                                                          \
            for (guard_side s_ = GUARD_BEHIND; s_ < N_GUARD_SIDES; s_++)                           \
                test(list_[v_].isa, list_[v_].table->operation, s_);                               \
            print_message("    %-10s %-12s used %.0f %% of its bound\n", #operation,               \
                          list_[v_].isa, 100.0 * case_tightness());                                \
        }                                                                                          \
    } while (0)

#endif
