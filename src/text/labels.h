/* Label lists and shipped heads as plain text. A list is UTF-8, one label per line:
 *
 *     # name: pets
 *     # template: a photo of a {}, a type of pet.
 *     # any other line that begins with '#' is a comment
 *     cat|kitty|tomcat
 *     dog<TAB>what follows a tab is not read
 *
 *     [vehicles]
 *     car
 *
 * `[name]` puts the labels below it into a group, `[]` into none.
 * `# key: value` lines before the first label describe the head: name, title, source, licence,
 * group, sensitivity (once each) and template (any number, one {} each). Unknown keys are comments.
 * Empty lines are skipped; CRLF and a byte order mark are allowed. A label that came before (its
 * first name, byte for byte) is left out and counted. Of whatever is not taken as it stands there is
 * a note; bytes that are JSON, a page or a picture are refused by name. */
#ifndef WI_TEXT_LABELS_H
#define WI_TEXT_LABELS_H

#include <whatsit/status.h>

enum { WI_LABELS_MAX = 1 << 20, WI_LABEL_MAX_BYTES = 1024, WI_LABELS_MAX_BYTES = 1 << 26 };

typedef struct wi_labels {
    const char *name, *title, *source, *licence, *group, *sensitivity; /* "" when there is none */
    const char *const *templates; /* n_templates, each checked */
    size_t n_templates;
    const char *const *labels; /* n_labels, at least one */
    const char *const *groups; /* n_labels, "" for none; NULL when no label has one */
    size_t n_labels;
    size_t n_duplicates, duplicate_line; /* how many were left out, and the first one's line */
    char *notes; /* n_notes texts one behind the other, freed with the rest */
    size_t n_notes;
    void *memory;
} wi_labels;

/* Owns: the caller frees with wi_labels_free; text is not kept
 * Errors: WI_ERR_FORMAT, WI_ERR_LIMIT ("line N: ..."), WI_ERR_NOMEM; out is untouched */
wi_status wi_labels_parse(const char *text, size_t n_bytes, wi_labels *out, wi_error *error);

/* The same for "cat,dog,fox", where commas stand for line ends and '#' means nothing. */
wi_status wi_labels_parse_commas(const char *text, size_t n_bytes, wi_labels *out, wi_error *error);

void wi_labels_free(wi_labels *labels);

#endif
