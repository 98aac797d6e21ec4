/* The orientation tag, read by our own bounded parser: nothing else of EXIF is wanted. */
#ifndef WI_IMAGE_EXIF_H
#define WI_IMAGE_EXIF_H

#include <stddef.h>
#include <stdint.h>

/* EXIF orientation 1..8 of a whole file; 1 when there is none or it cannot be read. */
int wi_exif_orientation_jpeg(const uint8_t *bytes, size_t n_bytes);
int wi_exif_orientation_png(const uint8_t *bytes, size_t n_bytes);
int wi_exif_orientation_webp(const uint8_t *bytes, size_t n_bytes);

/* The same of a bare TIFF block (byte order mark first). */
int wi_exif_orientation_tiff(const uint8_t *tiff, size_t n_bytes);

#endif
