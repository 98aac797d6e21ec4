/* The table of tokenizer kinds: one line each. */
#include "text/bpe.h"
#include "text/vocab.h"

const wi_tokenizer_kind *const wi_tokenizer_kinds[] = {
    &wi_tokenizer_clip, &wi_tokenizer_unigram, &wi_tokenizer_pairs, &wi_tokenizer_wordpiece, NULL,
};
