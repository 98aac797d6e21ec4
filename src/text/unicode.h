/* What the tokenizer needs of Unicode, without a locale: classes, lower case and NFC.
 * Text in the middle of its clean-up is an array of code points, wi_chars. */
#ifndef WI_TEXT_UNICODE_H
#define WI_TEXT_UNICODE_H

#include "base/utf8.h"

#include <whatsit/status.h>

typedef enum wi_unicode_flag {
    WI_UNICODE_LETTER = 1,        /* category L */
    WI_UNICODE_NUMBER = 2,        /* category N */
    WI_UNICODE_DIGIT = 4,         /* category Nd */
    WI_UNICODE_SPACE = 8,         /* Python's str.isspace() */
    WI_UNICODE_CASED = 16,        /* property Cased */
    WI_UNICODE_IGNORABLE = 32,    /* property Case_Ignorable */
    WI_UNICODE_DECOMPOSES = 64,   /* has a canonical decomposition */
    WI_UNICODE_NFC_UNSURE = 128,  /* may be changed or moved by NFC */
    WI_UNICODE_NONSPACING = 256,  /* category Mn */
    WI_UNICODE_PUNCTUATION = 512, /* category P */
    WI_UNICODE_CONTROL = 1024     /* categories Cc, Cf and Co */
} wi_unicode_flag;

/* A growing array of code points. Zero-initialised is empty; freed with wi_chars_free.
 * Invariant: every code point is below 0x110000. */
typedef struct wi_chars {
    uint32_t *at;
    size_t n, capacity;
} wi_chars;

wi_status wi_chars_reserve(wi_chars *chars, size_t capacity, wi_error *error);
wi_status wi_chars_copy(wi_chars *to, const uint32_t *from, size_t n, wi_error *error);
void wi_chars_free(wi_chars *chars);

/* The flags of a code point below 0x110000. */
unsigned wi_unicode_flags(uint32_t c);

/* What ftfy puts in the place of a single character (Windows-1252 for C1 controls, ligatures taken
 * apart, usual widths, straight quotes, "\n" for line breaks): up to 3 code points, whose number is
 * returned. */
size_t wi_unicode_replace(uint32_t c, uint32_t out[3]);

/* Normalisation form C in place; `spare` is working memory kept between calls.
 * Source: Unicode Standard Annex 15 */
wi_status wi_unicode_nfc(wi_chars *text, wi_chars *spare, wi_error *error);

/* Normalisation form D, likewise. */
wi_status wi_unicode_nfd(wi_chars *text, wi_chars *spare, wi_error *error);

/* Every character by itself, in place: no final sigma. Source: Rust char::to_lowercase */
wi_status wi_unicode_lower_each(wi_chars *text, wi_chars *spare, wi_error *error);

/* Python's str.lower(): simple mappings, U+0130 to two characters, and the final sigma by its
 * context. */
wi_status wi_unicode_lower(const wi_chars *text, wi_chars *out, wi_error *error);

#endif
