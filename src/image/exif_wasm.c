/* The C ABI of whatsit-marks.wasm: which way up a file says that its picture is, as the decoders natively
 * read it. For pages, whose browsers follow the usual form of the mark alone. One call at a time. */
#include "image/exif.h"

#include <stdlib.h>

/* JavaScript is the only caller, so there is no header. */
#pragma clang diagnostic ignored "-Wmissing-prototypes"
#define EXPORT(name) __attribute__((export_name(#name))) name

void *EXPORT(wm_alloc)(size_t n_bytes)
{
    return malloc(n_bytes ? n_bytes : 1);
}

void EXPORT(wm_free)(void *pointer)
{
    free(pointer);
}

/* EXIF orientation 1..8 of a whole file; of a PNG 0 when its texts are to be asked. */
int EXPORT(wm_jpeg)(const uint8_t *bytes, size_t n_bytes)
{
    return wi_exif_orientation_jpeg(bytes, n_bytes);
}

int EXPORT(wm_webp)(const uint8_t *bytes, size_t n_bytes)
{
    return wi_exif_orientation_webp(bytes, n_bytes);
}

int EXPORT(wm_gif)(const uint8_t *bytes, size_t n_bytes)
{
    return wi_exif_orientation_gif(bytes, n_bytes);
}

int EXPORT(wm_png)(const uint8_t *bytes, size_t n_bytes)
{
    return wi_exif_orientation_png(bytes, n_bytes);
}

/* Of one text of a PNG, unpacked; 0 where it says nothing. key: NUL-terminated. */
int EXPORT(wm_text)(const char *key, const char *text, size_t n_text)
{
    return wi_exif_orientation_text(key, text, n_text);
}
