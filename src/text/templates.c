#include "text/templates.h"

#include "base/error.h"
#include "base/size.h"
#include "text/lines.h"

#include <stdlib.h>
#include <string.h>

const char wi_template_default[] = "a photo of a {}.";

enum { MAX_TEXT_BYTES = 1 << 20 };

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

wi_status wi_template_fill(const char *template_text, const char *name, size_t n_name,
                           wi_buffer *out, wi_error *error)
{
    out->n_bytes = 0;
    wi_status status = wi_template_check(template_text, error);
    if (status != WI_OK)
        return status;
    const char *at = strstr(template_text, "{}");
    status = wi_buffer_append(out, template_text, (size_t)(at - template_text), error);
    if (status == WI_OK)
        status = wi_buffer_append(out, name, n_name, error);
    if (status == WI_OK)
        status = wi_buffer_append(out, at + 2, strlen(at + 2) + 1, error);
    out->n_bytes = status == WI_OK ? out->n_bytes - 1 : 0;
    return status;
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

static wi_status parse_lines(wi_lines *lines, const char **items, wi_templates *out,
                             wi_error *error)
{
    for (char *line;;) {
        wi_status status = wi_lines_next(lines, &line, error);
        if (status != WI_OK || !line)
            return status;
        if (*line == '\0' || *line == '#')
            continue;
        if (out->n == WI_TEMPLATES_MAX)
            return wi_fail(error, WI_ERR_LIMIT, "line %zu: more than %d templates", lines->number,
                           (int)WI_TEMPLATES_MAX);
        wi_error why;
        if (wi_template_check(line, &why) != WI_OK)
            return wi_fail(error, WI_ERR_FORMAT, "line %zu: %s", lines->number, why.message);
        items[out->n++] = line;
    }
}

wi_status wi_templates_parse(const char *text, size_t n_bytes, wi_templates *out, wi_error *error)
{
    if (n_bytes > MAX_TEXT_BYTES)
        return wi_fail(error, WI_ERR_LIMIT, "templates of %zu bytes are longer than %d", n_bytes,
                       (int)MAX_TEXT_BYTES);
    size_t n_pointers = wi_lines_count(text, n_bytes) * sizeof(char *);
    char *memory = malloc(n_pointers + n_bytes + 1);
    if (!memory)
        return wi_fail_nomem(error, n_pointers + n_bytes, "templates");
    const char **items = (const char **)(void *)memory;
    wi_templates found = {items, 0, memory};
    if (n_bytes)
        memcpy(memory + n_pointers, text, n_bytes);
    wi_lines lines;
    wi_lines_init(&lines, memory + n_pointers, n_bytes);
    wi_status status = parse_lines(&lines, items, &found, error);
    if (status == WI_OK && found.n == 0)
        status = wi_fail(error, WI_ERR_FORMAT, "no templates: one per line, with {} for the label");
    if (status != WI_OK) {
        free(memory);
        return status;
    }
    *out = found;
    return WI_OK;
}

void wi_templates_free(wi_templates *templates)
{
    free(templates->memory);
    *templates = (wi_templates){0};
}
