/* What the kinds of sinks have in common. A kind is a struct that begins with a wi_sink, and a row
 * of functions. Invariant: nothing is called after commit but close, and nothing but close after a
 * failure. */
#ifndef WI_BASE_SINK_H
#define WI_BASE_SINK_H

#include <whatsit/sink.h>

typedef struct wi_sink_kind {
    wi_status (*write)(wi_sink *sink, const void *bytes, size_t n_bytes, wi_error *error);
    /* Nullable: what was written once cannot be changed then. */
    wi_status (*patch)(wi_sink *sink, uint64_t offset, const void *bytes, size_t n_bytes,
                       wi_error *error);
    wi_status (*commit)(wi_sink *sink, wi_error *error);
    void (*free)(wi_sink *sink); /* with all that was not committed */
} wi_sink_kind;

struct wi_sink {
    const wi_sink_kind *kind;
    uint64_t n_bytes;
    wi_error failed; /* the first failure; its status is WI_OK until then */
    bool committed;
};

/* Pads with zero bytes to a multiple of step. */
wi_status wi_sink_align(wi_sink *sink, size_t step, wi_error *error);
/* Replaces bytes that were written before. Errors: WI_ERR_UNSUPPORTED where wi_sink_can_patch says
 * so, those of wi_sink_write */
wi_status wi_sink_patch(wi_sink *sink, uint64_t offset, const void *bytes, size_t n_bytes,
                        wi_error *error);
bool wi_sink_can_patch(const wi_sink *sink);

#endif
