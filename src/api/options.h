/* What several files check in the options that callers hand in. */
#ifndef WI_API_OPTIONS_H
#define WI_API_OPTIONS_H

#include <whatsit/image.h>

/* options may be NULL. */
wi_status wi_check_image_options(const wi_image_options *options, wi_error *error);

#endif
