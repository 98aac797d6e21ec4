/* Running a tower: the working memory of a session and the operations that towers are written in.
 *
 * Invariant: everything is taken from one arena when the session opens, nothing is allocated
 * afterwards. Rows of activations stand wi_ld(width) floats apart: whole panels, so that kernels
 * may store whole panels, and never a multiple of 4096 bytes, so that the rows of a tile do not
 * fight for the same cache sets. */
#ifndef WI_NN_RUN_H
#define WI_NN_RUN_H

#include "base/mem.h"
#include "base/pool.h"
#include "nn/weights.h"

static inline size_t wi_ld(size_t width)
{
    return (width + WI_PANEL - 1) / WI_PANEL * WI_PANEL + WI_PANEL;
}

/* Called with each intermediate result: name as in the reference dumps ("vision/hidden"), layer
 * from 0, x[rows, width] with leading dimension ld. For tests and explanations; NULL when nobody
 * looks. With a tap, the last layer is computed for all tokens. */
typedef void wi_tap_fn(void *context, const char *name, int layer, const float *x, size_t rows,
                       size_t width, size_t ld);
/* Called with the input of each matrix before it is multiplied: x[rows, k]. For calibration. */
typedef void wi_watch_fn(void *context, const wi_mat *mat, const float *x, size_t rows, size_t ld);

typedef struct wi_run {
    const wi_kern *kern;
    wi_pool *pool;
    wi_tap_fn *tap;
    wi_watch_fn *watch;
    void *tap_context;
    /* One for each thread of the pool, reached by the job's worker number. */
    float **scratch;
    size_t scratch_floats;
    /* The quantised form of the rows that enter an s8 matrix. */
    uint8_t *q;
    size_t q_bytes;
    wi_row_scale *q_scale;
    float *apart; /* [rows, WI_PANEL] */
    size_t max_rows;
} wi_run;

/* What a tower will need of the shared parts; each field is the largest over the matrices and
 * steps. */
typedef struct wi_run_need {
    size_t rows;           /* of any matrix product */
    size_t q_bytes;        /* rows * their leading dimension in bytes */
    size_t scratch_floats; /* per thread */
} wi_run_need;

/* Bytes between quantised rows: whole groups of four, off the 4 KiB grid. */
static inline size_t wi_ld_q(size_t k)
{
    return wi_round_up(k, 64) + 64;
}

/* Floats at the beginning of a thread's scratch that products with mat use: half-precision panels
 * are widened there, two at a time. */
static inline size_t wi_widened_floats(const wi_mat *mat)
{
    return (size_t)mat->k * 2 * WI_PANEL;
}

/* Raises need to what products of `rows` rows with mat take. */
void wi_need_mat(wi_run_need *need, const wi_mat *mat, size_t rows);
void wi_need_scratch(wi_run_need *need, size_t floats);
/* Takes the shared parts from the arena (counts when it has no memory). kern and pool are set by
 * the caller. */
void wi_run_take(wi_run *run, const wi_run_need *need, wi_arena *arena);

/* Rows that are ready to enter one matrix. */
typedef struct wi_input {
    const float *x;
    size_t ld;
    const uint8_t *q; /* s8 only */
    size_t ld_q;
    const wi_row_scale *scale;
    const float *apart;
} wi_input;

/* One row: q[k rounded up to 4] and the columns set apart. row is as before on return. */
wi_row_scale wi_quantise_apart(const wi_kern *kern, const wi_mat *mat, float *row, uint8_t *q,
                               float *apart);

/* Makes x[m, k] ready for mat: nothing for float weights, else quantises into the run's memory.
 * The result is valid until the next prepare. */
wi_input wi_prepare(wi_run *run, const wi_mat *mat, size_t m, float *x, size_t ld);
/* out[m, n] = layer norm of x[m, n], made ready for mat in the same pass. out may be x. */
wi_input wi_norm_prepare(wi_run *run, const wi_norm *norm, size_t m, const float *x, size_t ld_x,
                         const wi_mat *mat, float *out, size_t ld_out);
/* Every stride-th row of an input that is already prepared, counted from the first; at most the
 * rows of a run. */
wi_input wi_input_every(wi_run *run, const wi_input *input, const wi_mat *mat, size_t stride,
                        size_t n);

/* c[m, panels first..first+n] = epilogue(W x), written from column 0 of c; bias and addends are
 * those of whole c. Work is split over rows and panels. */
void wi_linear_part(wi_run *run, const wi_mat *mat, size_t first_panel, size_t n_panels, size_t m,
                    const wi_input *in, float *c, size_t ldc, wi_epilogue epilogue);
/* The whole matrix, with its own bias. */
void wi_linear(wi_run *run, const wi_mat *mat, size_t m, const wi_input *in, float *c, size_t ldc,
               wi_epilogue epilogue);
/* For jobs that have prepared their own rows: panels [first, first+n) on the calling thread,
 * epilogue as given (bias, before and after already moved to the part). */
void wi_linear_here(const wi_run *run, int worker, const wi_mat *mat, size_t first_panel,
                    size_t n_panels, size_t m, const wi_input *in, float *c, size_t ldc,
                    const wi_epilogue *epilogue);

void wi_norm_rows(wi_run *run, const wi_norm *norm, size_t m, const float *x, size_t ld_x,
                  float *out, size_t ld_out);

/* to[n] = a token where it stands: what it is plus where. May be in place. */
static inline void wi_at_position(size_t n, const float *token, const float *position, float *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] = token[i] + position[i];
}

static inline void wi_tap(const wi_run *run, const char *name, int layer, const float *x,
                          size_t rows, size_t width, size_t ld)
{
    if (run->tap)
        run->tap(run->tap_context, name, layer, x, rows, width, ld);
}

#endif
