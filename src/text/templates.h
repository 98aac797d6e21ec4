/* Prompts: a template has one `{}`, a label may have synonyms ("cat|kitty|tomcat"), and a prompt is
 * one template filled with one name. */
#ifndef WI_TEXT_TEMPLATES_H
#define WI_TEXT_TEMPLATES_H

#include <stdbool.h>
#include <stddef.h>
#include <whatsit/status.h>

enum { WI_TEMPLATE_MAX_BYTES = 1024, WI_TEMPLATES_MAX = 1024 };

/* What a head without templates uses: "a photo of a {}." */
extern const char wi_template_default[];

/* Errors: WI_ERR_ARG unless the template has exactly one `{}` and at most WI_TEMPLATE_MAX_BYTES. */
wi_status wi_template_check(const char *template_text, wi_error *error);

/* Walks through a label's names: start with *cursor = label; false at the end. Blanks around a name
 * are left out, empty names are skipped. *name is within the label and not NUL-terminated. */
bool wi_synonym_next(const char **cursor, const char **name, size_t *n_name);
size_t wi_synonym_count(const char *label);

#endif
