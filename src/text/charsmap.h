/* SentencePiece's normalisation: a map of character sequences, and what becomes of spaces. */
#ifndef WI_TEXT_CHARSMAP_H
#define WI_TEXT_CHARSMAP_H

#include "text/vocab.h"

/* Appends what text becomes under the vocabulary's map and flags to work->bytes.
 * prefix: U+2581 comes first, where anything is left
 * Errors: WI_ERR_LIMIT, WI_ERR_NOMEM
 * Source: sentencepiece 0.1.97 normalizer.cc Normalizer::Normalize */
wi_status wi_charsmap_normalise(const wi_vocab *vocab, const char *text, size_t n, bool prefix,
                                wi_vocab_work *work, wi_error *error);

/* The same for work->bytes itself. */
wi_status wi_charsmap_normalise_in_place(const wi_vocab *vocab, bool prefix, wi_vocab_work *work,
                                         wi_error *error);

#endif
