/* Where bytes are written to: a file that appears whole or not at all, memory, or a function.
 * Threads: one call on a sink at a time. */
#ifndef WHATSIT_SINK_H
#define WHATSIT_SINK_H

#include <whatsit/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wi_sink wi_sink;

/* WI_SINK_KEEP: never replace what is at the path, also not what comes there while writing. */
enum { WI_SINK_REPLACE = 0, WI_SINK_KEEP = 1 };

/* A file: written beside in the same folder, and put in place by commit, synced, with the access
 * rights of the one it replaces; a link is followed. A pipe or device is written to directly.
 * Owns: the caller closes *out; path is copied
 * Errors: WI_ERR_IO (also WI_SINK_KEEP and something is there), WI_ERR_NOMEM;
 *     WI_ERR_UNSUPPORTED in WebAssembly, which has no files */
WI_API wi_status wi_sink_to_file(const char *path, uint32_t flags, wi_sink **out, wi_error *error);
/* Memory, which wi_sink_bytes gives after commit. Owns: as above. Errors: WI_ERR_NOMEM */
WI_API wi_status wi_sink_to_memory(wi_sink **out, wi_error *error);
/* A function that takes the bytes as they come, and returns WI_OK or fills error.
 * Owns: as above. Errors: WI_ERR_NOMEM */
typedef wi_status wi_sink_write_fn(void *context, const void *bytes, size_t n_bytes,
                                   wi_error *error);
WI_API wi_status wi_sink_to_function(wi_sink_write_fn *write, void *context, wi_sink **out,
                                     wi_error *error);

/* A failure sticks: later calls return it. Errors: WI_ERR_IO, WI_ERR_NOMEM, the function's own */
WI_API wi_status wi_sink_write(wi_sink *sink, const void *bytes, size_t n_bytes, wi_error *error);
/* Finishes; once. On failure nothing is left of what was written to a file, and the old one is as
 * it was. */
WI_API wi_status wi_sink_commit(wi_sink *sink, wi_error *error);
/* What was written to memory, until the sink is closed; NULL for other kinds, and before commit. */
WI_API const void *wi_sink_bytes(const wi_sink *sink, size_t *n_bytes);
/* Throws away what was not committed. Accepts NULL. */
WI_API void wi_sink_close(wi_sink **sink);

#ifdef __cplusplus
}
#endif
#endif
