/* Names: of kinds, of how sure an answer is, and which label one means. */
#include "head/head.h"
#include "text/templates.h"

#include <string.h>

const char *wi_head_kind_name(wi_head_kind kind)
{
    static const char *const names[] = {"zero-shot", "linear", "few-shot"};
    return (size_t)kind < sizeof names / sizeof *names ? names[kind] : "";
}

const char *wi_certainty_name(wi_certainty certainty)
{
    static const char *const names[] = {"none of these", "can't tell", "perhaps", "probably",
                                        "almost certainly"};
    return (size_t)certainty < sizeof names / sizeof *names ? names[certainty] : "";
}

static int folded(char c)
{
    return c == '_' || c == '-' ? ' ' : c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : (unsigned char)c;
}

static bool is_same(const char *a, size_t n_a, const char *b)
{
    size_t i = 0;
    while (i < n_a && b[i] && folded(a[i]) == folded(b[i]))
        i++;
    return i == n_a && !b[i];
}

size_t wi_head_find_label(const wi_head *head, const char *name)
{
    size_t found = SIZE_MAX;
    for (size_t i = 0; head && name && i < head->parts.n_labels; i++) {
        const char *cursor = head->parts.labels[i], *part;
        size_t n;
        if (!strcmp(head->firsts[i], name))
            return i;
        while (found == SIZE_MAX && wi_synonym_next(&cursor, &part, &n))
            found = is_same(part, n, name) ? i : SIZE_MAX;
    }
    return found;
}
