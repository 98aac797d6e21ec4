/* Pictures from strangers -> a network's input pixels, in processes of their own: a hostile file can
 * at worst end the process that reads it, which has no files, no network and a bound on its memory
 * and time. Bytes go in and pixels come out through shared memory. */
#ifndef SERVER_DECODER_H
#define SERVER_DECODER_H

#include "../store/fail.h"
#include "asker.h"
#include "burden.h"
#include <whatsit/image.h>

typedef struct srv_decoder srv_decoder;

typedef struct srv_decoder_options {
    unsigned n_processes;
    size_t max_bytes; /* of one file */
    uint64_t max_pixels;
    uint32_t max_size_px; /* of the network's input */
    bool no_sandbox;      /* decode in this process */
    const char *isa;      /* of the kernels that resize; NULL: the best */
    double max_seconds;   /* of one core, of one picture */
    srv_burden *burden;   /* what clients' pictures cost is added here; borrowed; NULL: nowhere */
    size_t max_waiting,
        max_costly_waiting; /* threads that wait for cheap and for costly pictures */
    /* What a process does with a file in place of decoding it; for tests of what it can do. NULL: decodes. */
    wi_status (*instead)(const void *bytes, size_t n_bytes, uint8_t *pixels);
} srv_decoder_options;

typedef struct srv_decoded {
    uint32_t width_px, height_px; /* of the picture */
    char format[16];
    size_t n_warnings;
    char warnings[4][100]; /* what wi_image_warning tells */
} srv_decoded;

/* Forks: call it before any thread has begun. Owns: the caller closes *out.
 * Errors: WI_ERR_UNSUPPORTED when the processes cannot be confined as they must be */
wi_status srv_decoder_open(const srv_decoder_options *options, srv_decoder **out, wi_error *error);
void srv_decoder_close(srv_decoder **decoder);
/* What confines the processes, as they have told; "none". */
const char *srv_decoder_kind(const srv_decoder *decoder);
/* Will it be there soon, or after many others? */
bool srv_decode_is_quick(const void *bytes, size_t n_bytes);

/* Each class of pictures has processes of its own: cheap ones; cheap ones of clients that give way (asker.h), and those
 * that take long, whose processes give way to everything else. */
enum { SRV_DECODING_CHEAP = 0, SRV_DECODING_HEAVY, SRV_DECODING_COSTLY, SRV_N_DECODING };

typedef struct srv_decoder_figures {
    uint64_t n_deaths; /* decodings that ended their process */
    /* of each class */
    uint64_t n_pictures[SRV_N_DECODING];
    double seconds[SRV_N_DECODING];
    size_t n_waiting[SRV_N_DECODING];
    double age_s[SRV_N_DECODING]; /* of the one that has waited longest */
} srv_decoder_figures;

void srv_decoder_measure(srv_decoder *decoder, srv_decoder_figures *out);

/* reading: exact, strict, alpha and ignore_exif count; NULL: the defaults.
 * Waits for a free process and the asker's turn. Shapes: pixels[size_px,size_px,3]. Threads: any.
 * Errors: as wi_image_from_memory and wi_image_preprocess; WI_ERR_FORMAT when the process died; WI_ERR_LIMIT when it
 * would cost too much; SRV_ERR_BUDGET; WI_ERR_CANCELLED when too many wait, or the asker has gone */
wi_status srv_decode(srv_decoder *decoder, const srv_asker *asker, const void *bytes,
                     size_t n_bytes, const wi_image_options *reading, const wi_preprocess *how,
                     uint8_t *pixels, srv_decoded *out, wi_error *error);

#endif
