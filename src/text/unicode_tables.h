/* The generated Unicode tables: a record per class of characters, found through two stages. */
#ifndef WI_TEXT_UNICODE_TABLES_H
#define WI_TEXT_UNICODE_TABLES_H

#include <stddef.h>
#include <stdint.h>

typedef struct wi_unicode_record {
    uint16_t flags; /* wi_unicode_flag */
    uint8_t ccc;    /* canonical combining class */
    int32_t lower;  /* what to add for the simple lower-case character */
} wi_unicode_record;

typedef struct wi_unicode_decomposition {
    uint32_t from;
    uint16_t at; /* into wi_unicode_decomposed */
    uint8_t n;
} wi_unicode_decomposition;

typedef struct wi_unicode_replacement {
    uint16_t from;
    uint16_t to[3];
    uint8_t n;
} wi_unicode_replacement;

enum { WI_UNICODE_BLOCK = 128 };

/* character / 128 -> block; block * 128 + character % 128 -> record. */
extern const uint16_t wi_unicode_blocks[];
extern const uint8_t wi_unicode_index[];
extern const wi_unicode_record wi_unicode_records[];

/* Full canonical decompositions, without Hangul syllables; sorted by `from`. */
extern const wi_unicode_decomposition wi_unicode_decompositions[];
extern const size_t wi_unicode_n_decompositions;
extern const uint32_t wi_unicode_decomposed[];

/* {first, second, composed}, sorted; without Hangul syllables. */
extern const uint32_t wi_unicode_compositions[][3];
extern const size_t wi_unicode_n_compositions;

/* ftfy's replacements of single characters, applied one after the other; sorted by `from`. */
extern const wi_unicode_replacement wi_unicode_replacements[];
extern const size_t wi_unicode_n_replacements;

#endif
