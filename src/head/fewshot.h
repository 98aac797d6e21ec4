/* Few-shot heads: words and example photos together, or photos alone. */
#ifndef WI_HEAD_FEWSHOT_H
#define WI_HEAD_FEWSHOT_H

#include "head/head.h"
#include <whatsit/train.h>

/* As wi_head_add_photos and wi_head_from_photos. */
wi_status wi_fewshot_add(const wi_head *words, const wi_photos *photos, const wi_progress *progress,
                         wi_head **out, wi_error *error);
wi_status wi_fewshot_from_photos(const wi_head_model *model, const wi_training *training,
                                 wi_head **out, wi_error *error);

#endif
