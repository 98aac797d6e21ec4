/* Pictures decoded and preprocessed on worker threads, handed out in input order with bounded
 * memory: at most n_slots pictures are between decoding and release. */
#ifndef CLI_PIPELINE_H
#define CLI_PIPELINE_H

#include "cache.h"

typedef struct cli_pipeline cli_pipeline;

typedef struct cli_item {
    const char *path;      /* borrowed */
    const uint8_t *pixels; /* [size_px,size_px,3] when status is WI_OK */
    cli_loaded loaded;
    cli_known known; /* before it was read: with a row, there are no pixels */
    wi_status status;
    wi_error error;
} cli_item;

/* cache: nullable, asked for each picture; with_content: contents are found without it, too.
 * Threads: take and close belong to one thread. Owns: the caller closes *out; paths are borrowed.
 */
wi_status cli_pipeline_open(const char *const *paths, size_t n_paths,
                            const cli_load_options *options, const cli_cache *cache,
                            bool with_content, int n_threads, size_t n_slots, cli_pipeline **out,
                            wi_error *error);
/* Waits for the next picture in order, then gives it and those ready behind it: 1..max items, which
 * stay valid until the next take. 0 at the end, or after Ctrl-C. max < n_slots. */
size_t cli_pipeline_take(cli_pipeline *pipeline, size_t max, const cli_item **items);
void cli_pipeline_close(cli_pipeline **pipeline);

#endif
