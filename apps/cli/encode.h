/* Pictures -> embeddings, in input order: decoded on worker threads, encoded in batches. */
#ifndef CLI_ENCODE_H
#define CLI_ENCODE_H

#include "paths.h"
#include "pipeline.h"
#include "runtime.h"

typedef struct cli_encode {
    const cli_runtime *runtime;
    const cli_list *paths;
    wi_image_options image;
    cli_cache *cache;  /* nullable: what it knows is not computed, what it does not is kept in it */
    bool with_content; /* items tell their content, with or without a cache */
    /* Called for every picture in order; embedding[dim] is not normalised, and NULL for a picture
     * that could not be read, which has been reported already. Return false to stop. */
    bool (*each)(void *context, const cli_item *item, const float *embedding, double encode_ms);
    void *context;
} cli_encode;

/* CLI_OK; CLI_FAILED when some pictures could not be read or nothing works; CLI_INTERRUPTED. */
int cli_encode_images(const cli_encode *encode);

/* to[dim] += sign * what the texts say together (wi_session_encode_mean_text); nothing when n is 0. */
int cli_add_texts(const cli_runtime *runtime, const char *const *texts, size_t n, float sign,
                  float *to);
/* The same with every value of an option. */
int cli_add_option(const cli_runtime *runtime, const cli_args *args, const char *option, float sign,
                   float *to);

#endif
