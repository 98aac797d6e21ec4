/* Chinese-CLIP in transformers' layout. */
#ifndef WI_CHECKPOINT_CHINESE_H
#define WI_CHECKPOINT_CHINESE_H

#include "checkpoint/layout.h"

bool wi_chinese_is_hf(const wi_json *config);
/* path: of json, for messages. Errors: those of wi_source_open */
wi_status wi_chinese_read(wi_source *source, const char *folder, const char *path,
                          const wi_json *json, wi_error *error);

#endif
