#include "text/templates.h"

#include "base/error.h"

#include <string.h>

const char wi_template_default[] = "a photo of a {}.";

wi_status wi_template_check(const char *template_text, wi_error *error)
{
    const char *at = strstr(template_text, "{}");
    if (!at)
        return wi_fail(error, WI_ERR_ARG, "template '%s' has no {} for the label", template_text);
    if (strstr(at + 2, "{}"))
        return wi_fail(error, WI_ERR_ARG, "template '%s' has more than one {}", template_text);
    if (strlen(template_text) > WI_TEMPLATE_MAX_BYTES)
        return wi_fail(error, WI_ERR_ARG, "template is longer than %d bytes",
                       (int)WI_TEMPLATE_MAX_BYTES);
    return WI_OK;
}

bool wi_synonym_next(const char **cursor, const char **name, size_t *n_name)
{
    for (const char *at = *cursor; *at;) {
        size_t n = strcspn(at, "|");
        const char *start = at;
        at += n + (at[n] == '|');
        while (n && (*start == ' ' || *start == '\t')) {
            start++;
            n--;
        }
        while (n && (start[n - 1] == ' ' || start[n - 1] == '\t'))
            n--;
        if (n) {
            *cursor = at;
            *name = start;
            *n_name = n;
            return true;
        }
    }
    return false;
}

size_t wi_synonym_count(const char *label)
{
    const char *name;
    size_t n_name, n = 0;
    while (wi_synonym_next(&label, &name, &n_name))
        n++;
    return n;
}
