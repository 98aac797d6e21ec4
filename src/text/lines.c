#include "text/lines.h"

#include "base/error.h"
#include "text/unicode.h"

#include <string.h>

void wi_lines_init(wi_lines *lines, char *text, size_t n)
{
    *lines = (wi_lines){text, text + n, 0};
    if (n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
        lines->at += 3;
}

char *wi_trim(char *text)
{
    text += strspn(text, " \t");
    size_t n = strlen(text);
    while (n && (text[n - 1] == ' ' || text[n - 1] == '\t'))
        n--;
    text[n] = '\0';
    return text;
}

wi_status wi_lines_next(wi_lines *lines, char **line, wi_error *error)
{
    *line = NULL;
    if (lines->at >= lines->end)
        return WI_OK;
    lines->number++;
    char *start = lines->at;
    char *stop = memchr(start, '\n', (size_t)(lines->end - start));
    lines->at = stop ? stop + 1 : lines->end;
    stop = stop ? stop : lines->end;
    if (stop > start && stop[-1] == '\r')
        stop--;
    size_t n = (size_t)(stop - start);
    if (!wi_utf8_check(start, n, NULL))
        return wi_fail(error, WI_ERR_FORMAT, "line %zu: not UTF-8", lines->number);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)start[i];
        bool is_c1 = c == 0xc2 && (unsigned char)start[i + 1] < 0xa0;
        if ((c < 0x20 && c != '\t') || c == 0x7f || is_c1)
            return wi_fail(error, WI_ERR_FORMAT, "line %zu: control character", lines->number);
    }
    *stop = '\0';
    *line = wi_trim(start);
    return WI_OK;
}

size_t wi_lines_count(const char *text, size_t n)
{
    size_t count = 1;
    for (size_t i = 0; i < n; i++)
        count += text[i] == '\n';
    return count;
}
