/* An engine: a thread pool and the kernels chosen for this processor. Make one per process.
 * Threads: any, also at once: work that finds the pool busy runs on the thread that asks. A child of
 *     fork() has none of the pool's threads and makes an engine of its own. */
#ifndef WHATSIT_ENGINE_H
#define WHATSIT_ENGINE_H

#include <whatsit/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wi_engine wi_engine;

typedef struct wi_engine_options {
    int n_threads;   /* 0: one per online core; at most 256 */
    const char *isa; /* NULL: the best; else "scalar", "avx2", "avx512", "neon", "wasm", ...: at
                        most that */
    uint64_t reserved[4];
} wi_engine_options;

/* Owns: the caller closes *out with wi_engine_close; models and sessions borrow it.
 * Errors: WI_ERR_ARG for an unknown or impossible isa; WI_ERR_NOMEM. */
WI_API wi_status wi_engine_open(const wi_engine_options *options, wi_engine **out, wi_error *error);
WI_API void wi_engine_close(wi_engine **engine);

WI_API int wi_engine_threads(const wi_engine *engine);

/* Which variant runs each operation; index from 0 until false. Strings live as long as the engine.
 * warning is NULL, or says why a faster variant was set aside at start-up. */
typedef struct wi_engine_kernel {
    const char *operation; /* "gemm_f32" */
    const char *isa;       /* "avx2" */
    const char *warning;
    uint64_t reserved[4];
} wi_engine_kernel;
WI_API bool wi_engine_kernel_at(const wi_engine *engine, size_t index, wi_engine_kernel *out);

#ifdef __cplusplus
}
#endif
#endif
