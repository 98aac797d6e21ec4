/* What a file's name says of it; the file itself may be something else. */
#ifndef WI_IMAGE_NAMES_H
#define WI_IMAGE_NAMES_H

#include <whatsit/image.h>

/* As wi_image_name. */
wi_name_kind wi_names_kind(const char *name, bool *is_read);

#endif
