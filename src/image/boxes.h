/* The boxes of HEIC and AVIF files as far as libheif of the older kind needs help with them: it
 * refuses references that phones write, and files that hold tracks only. All of it works on
 * untrusted bytes. */
#ifndef WI_IMAGE_BOXES_H
#define WI_IMAGE_BOXES_H

#include "base/buffer.h"

/* The larger side, in px, that the file gives any of its pictures; 0: none. */
uint32_t wi_boxes_largest_side(const uint8_t *bytes, size_t n_bytes);

/* Does the file end before its boxes or its items' data do? */
bool wi_boxes_are_cut(const uint8_t *bytes, size_t n_bytes);

/* What the bitstream of the first HEVC picture says of its colours; left alone where it is silent. */
void wi_boxes_bitstream_colors(const uint8_t *bytes, size_t n_bytes, unsigned *primaries,
                               unsigned *transfer);

typedef enum wi_boxes_tame {
    WI_BOXES_SEVERAL = 0, /* references to several items */
    WI_BOXES_TEXTS,       /* also those of texts and thumbnails */
    WI_BOXES_ALL,         /* also those of auxiliary pictures: gain maps, depth, transparency */
    WI_BOXES_TAMES
} wi_boxes_tame;

/* Renames references so that libheif passes over them; bytes are the caller's own copy. How many. */
size_t wi_boxes_tame_references(uint8_t *bytes, size_t n_bytes, wi_boxes_tame which);

/* The first picture of the first track, with its alpha, as a file of its own. WI_ERR_UNSUPPORTED
 * when there is none. Owns: out is the caller's, initialised. */
wi_status wi_boxes_still_of_track(const uint8_t *bytes, size_t n_bytes, wi_buffer *out,
                                  wi_error *error);

#endif
