/* The tests of this folder, in one program so that it also runs where cmocka does not. */
#ifndef TESTS_KERN_SUITE_H
#define TESTS_KERN_SUITE_H

#include "cases.h"
#include "guard.h"

#define KERNEL_TESTS(X)                                                                            \
    X(every_row_is_known)                                                                          \
    X(limits_name_every_row)                                                                       \
    X(best_variants_are_chosen)                                                                    \
    X(start_up_check_notices_each_fault)                                                           \
    X(halves_convert_exactly)                                                                      \
    X(gemm_f32_shapes)                                                                             \
    X(gemm_f32_endings)                                                                            \
    X(gemm_f32_does_not_depend_on_its_split)                                                       \
    X(gemm_f32_keeps_odd_numbers_apart)                                                            \
    X(gemm_s8_shapes)                                                                              \
    X(gemm_s8_endings)                                                                             \
    X(gemm_s8_u7_shapes)                                                                           \
    X(depthwise_f32_shapes)                                                                        \
    X(depthwise_f32_odd_numbers)                                                                   \
    X(depthwise_s8_shapes)                                                                         \
    X(depthwise_s8_largest_sums)                                                                   \
    X(clamp_u7_sizes)                                                                              \
    X(gemm_s8_longest_sum)                                                                         \
    X(widening_is_exact)                                                                           \
    X(layer_norm_sizes)                                                                            \
    X(layer_norm_odd_numbers)                                                                      \
    X(quantise_row_sizes)                                                                          \
    X(quantise_row_edges)                                                                          \
    X(softmax_sizes)                                                                               \
    X(softmax_odd_numbers)                                                                         \
    X(activations_over_a_sweep)                                                                    \
    X(activations_in_place)                                                                        \
    X(activations_of_odd_numbers)                                                                  \
    X(attend_sizes)                                                                                \
    X(dots_f32_sizes)                                                                              \
    X(dots_f16_sizes)                                                                              \
    X(dots_s8_sizes)

#define X(name) void name(void **unused);
KERNEL_TESTS(X)
#undef X

#endif
