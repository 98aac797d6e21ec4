/* From what a file says of its colours to sRGB. Pictures are converted when they are resized, so that
 * a large one costs no more than a small one. */
#ifndef WI_IMAGE_COLOR_H
#define WI_IMAGE_COLOR_H

#include "image/image.h"

/* Gives image the conversion that its profile asks for: none where that is sRGB already or near it,
 * where the profile is of another kind of picture, or where it cannot be read.
 * Errors: WI_ERR_NOMEM */
wi_status wi_color_attach(wi_image *image, wi_error *error);

/* Differences up to this, of 255, are not worth a conversion. */
enum { WI_COLOR_NEAR = 2 };

/* The two ways, for wi_color_attach. *out stays NULL where there is nothing to convert. */
wi_status wi_color_from_numbers(const wi_image *image, wi_color **out, wi_error *error);
wi_status wi_color_from_icc(const wi_image *image, wi_color **out, wi_error *error);

/* Does a conversion of RGB leave all but what it was? Then it is not worth its time: sRGB by another hand. */
bool wi_color_is_near_srgb(const wi_color *color);

/* Are the numbers those of a picture of high dynamic range (PQ, HLG)? */
bool wi_color_is_hdr(const wi_profile *profile);

#endif
