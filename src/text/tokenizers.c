/* The table of tokenizer kinds: one line each. */
#include "text/bpe.h"

const wi_tokenizer_kind *const wi_tokenizer_kinds[] = {
    &wi_tokenizer_clip,
    NULL,
};
