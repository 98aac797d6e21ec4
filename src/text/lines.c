#include "text/lines.h"

#include "base/error.h"
#include "base/utf8.h"

#include <stdbool.h>
#include <string.h>

void wi_lines_init(wi_lines *lines, char *text, size_t n)
{
    *lines = (wi_lines){.at = text, .end = text + n};
    lines->is_utf16 = n >= 2 && (!memcmp(text, "\xff\xfe", 2) || !memcmp(text, "\xfe\xff", 2));
    if (n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
        lines->at += 3;
}

/* White space of Unicode 15 (PropList.txt), tabs among it, and what has no width: pages bring these along. */
static bool is_blank(uint32_t c)
{
    return c == ' ' || c == '\t' || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200b) ||
           c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x2060 || c == 0x3000 ||
           c == 0xfeff;
}

char *wi_trim(char *text)
{
    const size_t n = strlen(text);
    size_t begin = 0, end = 0;
    uint32_t c = 0;
    for (size_t at = 0; at < n && wi_utf8_next(text, n, &at, &c);) {
        if (!is_blank(c))
            end = at;
        else if (end == 0)
            begin = at;
    }
    text[end > begin ? end : begin] = '\0';
    return text + begin;
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
    uint32_t c;
    for (size_t at = 0; at < n;) {
        if (!wi_utf8_next(start, n, &at, &c))
            return wi_fail(error, WI_ERR_FORMAT, "line %zu: not UTF-8%s", lines->number,
                           lines->is_utf16 ? ", but UTF-16: save it as UTF-8" : "");
        if ((c < 0x20 && c != '\t') || (c >= 0x7f && c < 0xa0))
            return wi_fail(error, WI_ERR_FORMAT, "line %zu: control character%s", lines->number,
                           c == '\r' ? " (lines end in old Mac style: save it with line feeds)"
                                     : "");
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
