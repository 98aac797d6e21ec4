/* Well-known configurations of open_clip by name, for weights that bring none. */
#ifndef WI_CHECKPOINT_KNOWN_H
#define WI_CHECKPOINT_KNOWN_H

#include <stddef.h>

/* As an open_clip_config.json. NULL past the end, or when there is none of that name. */
const char *wi_known_name(size_t index);
const char *wi_known_config(const char *name);

#endif
