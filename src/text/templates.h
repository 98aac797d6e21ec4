/* Prompts: a template has one `{}`, a label may have synonyms ("cat|kitty|tomcat"), and a prompt is
 * one template filled with one name. */
#ifndef WI_TEXT_TEMPLATES_H
#define WI_TEXT_TEMPLATES_H

#include "base/buffer.h"

enum { WI_TEMPLATE_MAX_BYTES = 1024, WI_TEMPLATES_MAX = 1024 };

/* What a head without templates uses: "a photo of a {}." */
extern const char wi_template_default[];

/* Errors: WI_ERR_ARG unless the template has exactly one `{}` and at most WI_TEMPLATE_MAX_BYTES. */
wi_status wi_template_check(const char *template_text, wi_error *error);

/* Replaces the content of out by the template with the name in the place of `{}`, NUL-terminated
 * (the NUL is not counted in out->n_bytes).
 * Errors: those of wi_template_check, WI_ERR_LIMIT (out's maximum), WI_ERR_NOMEM; out is then empty
 */
wi_status wi_template_fill(const char *template_text, const char *name, size_t n_name,
                           wi_buffer *out, wi_error *error);

/* Walks through a label's names: start with *cursor = label; false at the end. Blanks around a name
 * are left out, empty names are skipped. *name is within the label and not NUL-terminated. */
bool wi_synonym_next(const char **cursor, const char **name, size_t *n_name);
size_t wi_synonym_count(const char *label);

typedef struct wi_templates {
    const char *const *items; /* n, each checked */
    size_t n;
    void *memory;
} wi_templates;

/* One template per line; empty lines, lines that begin with '#', CRLF and a byte order mark are
 * allowed.
 * Owns: the caller frees with wi_templates_free
 * Errors: WI_ERR_FORMAT with the line number (not UTF-8, not one `{}`, no template at all),
 *     WI_ERR_LIMIT, WI_ERR_NOMEM */
wi_status wi_templates_parse(const char *text, size_t n_bytes, wi_templates *out, wi_error *error);
void wi_templates_free(wi_templates *templates);

#endif
