/* The engine: a kernel table and a thread pool. A value that models borrow, never a global. */
#ifndef WI_NN_ENGINE_H
#define WI_NN_ENGINE_H

#include "base/pool.h"
#include "kern/kern.h"
#include <whatsit/engine.h>

struct wi_engine {
    wi_kern kern;
    wi_kern_use use[WI_N_OPERATIONS];
    wi_pool *pool;
};

/* The engine's kernels; without an engine, *best, filled with those of this processor. */
static inline const wi_kern *wi_engine_kern(const wi_engine *engine, wi_kern *best)
{
    if (engine)
        return &engine->kern;
    wi_kern_best(best);
    return best;
}

#endif
