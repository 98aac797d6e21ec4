/* Lines of a small text file: CRLF, a byte order mark and blanks at both ends are taken off; what
 * is no clean text is refused with the line's number. */
#ifndef WI_TEXT_LINES_H
#define WI_TEXT_LINES_H

#include <whatsit/status.h>

typedef struct wi_lines {
    char *at, *end; /* what is left of a writable copy with one byte more than the text */
    size_t number;  /* of the line that came last, from 1 */
    bool is_utf16;  /* by its byte order mark: then nothing of it can be read */
} wi_lines;

/* text is n bytes followed by one writable byte. */
void wi_lines_init(wi_lines *lines, char *text, size_t n);

/* *line is the next one, NUL-terminated in place, or NULL behind the last.
 * Errors: WI_ERR_FORMAT ("line N: ..."): not UTF-8, control characters other than tabs */
wi_status wi_lines_next(wi_lines *lines, char **line, wi_error *error);

/* Cuts blanks, those of Unicode and without width too, off both ends of UTF-8 in place and returns the new beginning. */
char *wi_trim(char *text);

/* How many lines there can be at most. */
size_t wi_lines_count(const char *text, size_t n);

#endif
