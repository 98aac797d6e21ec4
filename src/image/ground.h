/* What stands behind a transparent picture. Part of the core: the browser's pixels take the same way. */
#ifndef WI_IMAGE_GROUND_H
#define WI_IMAGE_GROUND_H

#include "image/image.h"

/* LA becomes L and RGBA RGB, in place, on white; on black where white would hide what is drawn. A
 * picture that is transparent everywhere is taken as opaque, with a warning. Other modes are left
 * alone. */
void wi_ground_pixels(wi_image *image);

/* The same for an indexed picture whose colour i has alpha[i]: its palette is changed. Grey levels
 * become indices where some are transparent. */
void wi_ground_palette(wi_image *image, const uint8_t alpha[256]);

#endif
