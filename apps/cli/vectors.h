/* Embeddings of many photos, by way of the cache. */
#ifndef CLI_VECTORS_H
#define CLI_VECTORS_H

#include "cache.h"
#include "paths.h"

typedef struct cli_vectors {
    float *rows;                    /* [n, dim], not normalised */
    bool *good;                     /* [n]; false: could not be read, and was reported */
    uint8_t (*content)[CLI_DIGEST]; /* [n]: SHA-256 of each file; zero where there is none */
    size_t n, dim, n_good, n_cached;
    double seconds; /* spent on the photos that were not in the cache */
} cli_vectors;

typedef struct cli_vectors_options {
    wi_image_options image;
    const cli_args *args; /* nullable: of --isa */
    bool no_cache;        /* neither read nor write it: for measuring */
    /* Nullable: called for each photo that could not be read, in order. */
    void (*failed)(void *context, const char *path, const wi_error *error);
    void *context;
} cli_vectors_options;

/* Owns: the caller frees with cli_vectors_free, also after failure. CLI_OK; CLI_FAILED when some
 * photos could not be read (the others are there) or nothing works (n_good is 0); CLI_INTERRUPTED.
 */
int cli_vectors_open(const cli_runtime *runtime, const cli_list *paths,
                     const cli_vectors_options *options, cli_vectors *out);
void cli_vectors_free(cli_vectors *vectors);

#endif
