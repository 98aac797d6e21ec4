/* The orientation tag, read by our own bounded parser: nothing else of EXIF is wanted. */
#ifndef WI_IMAGE_EXIF_H
#define WI_IMAGE_EXIF_H

#include <stddef.h>
#include <stdint.h>

/* EXIF orientation 1..8 of a whole file, from EXIF, else from XMP; 1 when there is none or it cannot
 * be read. */
int wi_exif_orientation_jpeg(const uint8_t *bytes, size_t n_bytes);
int wi_exif_orientation_webp(const uint8_t *bytes, size_t n_bytes);
int wi_exif_orientation_gif(const uint8_t *bytes, size_t n_bytes);
/* Of a PNG's eXIf chunk, and of a text (XMP, a raw profile) by its key; 0 where that says nothing.
 * The texts may be packed, so that the decoder finds them. */
int wi_exif_orientation_png(const uint8_t *bytes, size_t n_bytes);
int wi_exif_orientation_text(const char *key, const char *text, size_t n_text);

/* The same of a bare TIFF block (byte order mark first). */
int wi_exif_orientation_tiff(const uint8_t *tiff, size_t n_bytes);

#endif
