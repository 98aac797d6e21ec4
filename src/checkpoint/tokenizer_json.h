/* Reading tokenizer.json, the form of the package "tokenizers": only steps that are known exactly
 * are taken, every other one is refused by its name. */
#ifndef WI_CHECKPOINT_TOKENIZER_JSON_H
#define WI_CHECKPOINT_TOKENIZER_JSON_H

#include "fmt/json.h"
#include "text/draft.h"

/* Whether this is CLIP's own kind of BPE, which wi_bpe reads by its merges. */
bool wi_tokenizer_json_is_clip(const wi_json *root);

/* Fills an empty draft: pieces, merges, normalisation, markers, padding and truncation.
 * Errors: WI_ERR_FORMAT, WI_ERR_UNSUPPORTED, WI_ERR_LIMIT, WI_ERR_NOMEM */
wi_status wi_tokenizer_json_read(const wi_json *root, wi_draft *draft, wi_error *error);

#endif
