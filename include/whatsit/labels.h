/* Label lists: the plain text from which heads are made.
 * Threads: a list is immutable, and may be shared. */
#ifndef WHATSIT_LABELS_H
#define WHATSIT_LABELS_H

#include <whatsit/head.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One label a line, synonyms behind '|', comments behind '#'. Comment lines of the form "# key:
 * value" before the first label describe the head: name, title, source, licence, group,
 * sensitivity, and template (any number). "[name]" puts the labels below it into a group, "[]" into
 * none. Every line is taken, or a note says that it was not: a label that came before is left out. */
typedef struct wi_label_list wi_label_list;

/* From a file or pipe. A list without a name is called as its file, without the ending; one without
 * prompts takes those that lie beside it, one a line, in NAME.templates.txt. Files of another kind
 * (JSON, tables, pages, pictures) are refused by name.
 * Owns: the caller closes *out; nothing is borrowed.
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
    uint64_t reserved[4];
} wi_label_list_info;
WI_API void wi_label_list_get_info(const wi_label_list *list, wi_label_list_info *out);
/* What a person should know of lines that were not taken as they stand ("line 7: 'cat' came before:
 * left out"), in their order; NULL past the last. */
WI_API const char *wi_label_list_note(const wi_label_list *list, size_t index);
/* The recipe of a zero-shot head with all that the list says: name ("labels" where there is none),
 * labels, groups, prompts, licence, source, sensitivity. The rest is zero, for the caller to fill.
 * Owns: the strings live as long as the list */
WI_API void wi_label_list_recipe(const wi_label_list *list, wi_head_recipe *out);

/* Walks through "a, b,c": start with *cursor = text; false at the end. Blanks around an item are left
 * out, empty items are skipped. *item is within the text and not NUL-terminated. */
WI_API bool wi_comma_next(const char **cursor, const char **item, size_t *n_item);

#ifdef __cplusplus
}
#endif
#endif
