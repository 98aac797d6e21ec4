/* The original tokenizer's clean-up of a text, up to the point where it is cut into pieces:
 *
 *     ftfy.fix_text -> html.unescape twice -> strip -> runs of white space to one space -> lower
 * case
 *
 * ftfy's steps are all here but one: the repair of mojibake (text decoded with the wrong encoding,
 * such as "cafÃ©"), which guesses. Such a text is taken as it stands, as
 * ftfy.fix_text(fix_encoding=False) does. */
#ifndef WI_TEXT_CLEAN_H
#define WI_TEXT_CLEAN_H

#include <whatsit/status.h>

enum { WI_CLEAN_MAX_BYTES = 1 << 20, WI_CLEAN_SMALL_BYTES = 512 };

/* UTF-8, lower case, no two spaces in a row. Short plain texts need no memory but this. */
typedef struct wi_clean_text {
    char *bytes; /* small or heap */
    size_t n_bytes;
    char small[WI_CLEAN_SMALL_BYTES];
} wi_clean_text;

/* The last steps. */
typedef enum wi_clean_mode {
    WI_CLEAN_TO_LOWER = 0, /* CLIP's, as above */
    WI_CLEAN_TO_SPACES,    /* without lower case */
    WI_CLEAN_TO_CANONICAL  /* '_' to space, ASCII punctuation left out, lower case, then spaces */
} wi_clean_mode;

/* Owns: out is freed with wi_clean_free, after a failure too
 * Errors: WI_ERR_FORMAT (not UTF-8), WI_ERR_LIMIT (over 1 MiB, or HTML references nested so
 *     deeply that resolving them would take seconds), WI_ERR_NOMEM
 * Exact: as the original, mojibake aside; Unicode 15.0
 * Source: OpenAI CLIP simple_tokenizer.py basic_clean and whitespace_clean; ftfy 6.3.1 */
wi_status wi_clean(const char *text, size_t n_bytes, wi_clean_text *out, wi_error *error);
/* Source: open_clip 3.3.0 tokenizer.py get_clean_fn, canonicalize_text */
wi_status wi_clean_as(const char *text, size_t n_bytes, wi_clean_mode mode, wi_clean_text *out,
                      wi_error *error);
void wi_clean_free(wi_clean_text *text);

#endif
