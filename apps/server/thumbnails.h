/* Small copies of photos: made in the decoder's processes when they are first asked for, kept on disk within a bound,
 * under the hash of the photo's content. Nothing of a request becomes part of a path. */
#ifndef SERVER_THUMBNAILS_H
#define SERVER_THUMBNAILS_H

#include "../library/catalog.h"
#include "decoder.h"

typedef struct srv_thumbnails srv_thumbnails;

/* folder: made when the first one is kept; NULL, or most_bytes 0: none is kept. Borrowed.
 * Owns: the caller closes *out. */
wi_status srv_thumbnails_open(const char *folder, int64_t most_bytes, srv_thumbnails **out,
                              wi_error *error);
void srv_thumbnails_close(srv_thumbnails **thumbnails);

/* The one that is kept, for reading; the caller closes it. -1: there is none. */
int srv_thumbnails_find(srv_thumbnails *thumbnails, const uint8_t sha[CATALOG_SHA_BYTES],
                        uint32_t size_px, uint64_t *n_bytes);
/* Keeps it; what has not been asked for longest makes room. What cannot be kept is made again: no error. */
void srv_thumbnails_keep(srv_thumbnails *thumbnails, const uint8_t sha[CATALOG_SHA_BYTES],
                         uint32_t size_px, const void *jpeg, size_t n_bytes);

/* A JPEG whose longer side has size_px pixels, of a picture's file.
 * Owns: the caller frees *jpeg. Errors: those of srv_decode; WI_ERR_NOMEM */
wi_status srv_thumbnail_make(srv_decoder *decoder, const srv_asker *asker, const void *bytes,
                             size_t n_bytes, uint32_t size_px, uint8_t **jpeg, size_t *n_jpeg,
                             wi_error *error);

#endif
