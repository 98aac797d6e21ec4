/* Label lists: the plain text from which heads are made. */
#ifndef WHATSIT_LABELS_H
#define WHATSIT_LABELS_H

#include <whatsit/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One label a line, synonyms behind '|', comments behind '#'. Comment lines of the form "# key:
 * value" before the first label describe the head: name, title, source, licence, group,
 * sensitivity, and template (any number). "[name]" puts the labels below it into a group, "[]" into
 * none. A label that came before is left out and counted. */
typedef struct wi_label_list wi_label_list;

/* Owns: the caller closes *out; nothing is borrowed.
 * Errors: WI_ERR_IO, WI_ERR_FORMAT ("PATH: line N: ..."), WI_ERR_LIMIT, WI_ERR_NOMEM */
WI_API wi_status wi_label_list_open(const char *path, wi_label_list **out, wi_error *error);
WI_API wi_status wi_label_list_parse(const char *text, size_t n_bytes, wi_label_list **out,
                                     wi_error *error);
/* "cat,dog,fox": commas stand for line ends, and there are no comments. */
WI_API wi_status wi_label_list_parse_commas(const char *text, size_t n_bytes, wi_label_list **out,
                                            wi_error *error);
WI_API void wi_label_list_close(wi_label_list **list);

/* Strings live as long as the list; "" where the list says nothing. */
typedef struct wi_label_list_info {
    const char *name, *title, *source, *licence, *group, *sensitivity;
    const char *const *labels; /* n_labels, with their synonyms */
    const char *const *groups; /* n_labels, "" for none; NULL when no label has one */
    size_t n_labels;
    const char *const *templates; /* n_templates, each with one {} */
    size_t n_templates;
    size_t n_duplicates; /* labels that were left out */
} wi_label_list_info;
WI_API void wi_label_list_get_info(const wi_label_list *list, wi_label_list_info *out);

#ifdef __cplusplus
}
#endif
#endif
