#include "nn/engine.h"

#include "base/error.h"
#include "base/pool.h"

#include <stdlib.h>

enum { MAX_THREADS = 256 };

const char *wi_version(void)
{
    return WHATSIT_VERSION;
}

wi_status wi_engine_open(const wi_engine_options *options, wi_engine **out, wi_error *error)
{
    const wi_engine_options defaults = {0};
    if (!out)
        return wi_fail(error, WI_ERR_ARG, "wi_engine_open: out is NULL");
    if (!options)
        options = &defaults;
    const wi_status fits = wi_check_reserved(options->reserved, "wi_engine_options", error);
    if (fits != WI_OK)
        return fits;
    if (options->n_threads < 0 || options->n_threads > MAX_THREADS)
        return wi_fail(error, WI_ERR_ARG, "%d threads: choose 1 to %d", options->n_threads,
                       MAX_THREADS);
    wi_cpu_features features = wi_cpu_detect();
    if (options->isa && !wi_kern_limit(options->isa, features, &features))
        return wi_fail(error, WI_ERR_ARG,
                       "no kernels for '%s' on this processor: see 'whatsit kernels'",
                       options->isa);
    wi_engine *engine = calloc(1, sizeof *engine);
    if (!engine)
        return wi_fail_nomem(error, sizeof *engine, "an engine");
    wi_kern_init(&engine->kern, engine->use, features);
    const wi_status status = wi_pool_open(options->n_threads ? options->n_threads : wi_cpu_count(),
                                          &engine->pool, error);
    if (status != WI_OK) {
        free(engine);
        return status;
    }
    *out = engine;
    return WI_OK;
}

void wi_engine_close(wi_engine **engine)
{
    if (!engine || !*engine)
        return;
    wi_pool_close(&(*engine)->pool);
    free(*engine);
    *engine = NULL;
}

int wi_engine_threads(const wi_engine *engine)
{
    return engine ? wi_pool_threads(engine->pool) : 0;
}

bool wi_engine_kernel_at(const wi_engine *engine, size_t index, wi_engine_kernel *out)
{
    if (!engine || !out || index >= WI_N_OPERATIONS)
        return false;
    *out = (wi_engine_kernel){.operation = engine->use[index].operation,
                              .isa = engine->use[index].isa,
                              .warning = engine->use[index].warning};
    return true;
}
