/* The public face of label lists. */
#include "text/labels.h"
#include "base/error.h"
#include "base/map.h"

#include <stdlib.h>
#include <string.h>
#include <whatsit/labels.h>

struct wi_label_list {
    wi_labels labels, beside; /* beside: prompts from a file of their own, as its labels */
    char *name;               /* of the file; NULL when the list has one, or is no file */
};

typedef wi_status parse_labels(const char *text, size_t n_bytes, wi_labels *out, wi_error *error);

static wi_status parse(parse_labels *how, const char *text, size_t n_bytes, wi_label_list **out,
                       wi_error *error)
{
    if ((!text && n_bytes > 0) || !out)
        return wi_fail(error, WI_ERR_ARG, "a label list needs text and a place for the list");
    wi_label_list *list = calloc(1, sizeof *list);
    if (!list)
        return wi_fail_nomem(error, sizeof *list, "a label list");
    wi_status status = how(text ? text : "", n_bytes, &list->labels, error);
    if (status == WI_OK)
        *out = list;
    else
        free(list);
    return status;
}

wi_status wi_label_list_parse(const char *text, size_t n_bytes, wi_label_list **out,
                              wi_error *error)
{
    return parse(wi_labels_parse, text, n_bytes, out, error);
}

wi_status wi_label_list_parse_commas(const char *text, size_t n_bytes, wi_label_list **out,
                                     wi_error *error)
{
    return parse(wi_labels_parse_commas, text, n_bytes, out, error);
}

/* Endings that say that it is something else, whatever the bytes look like. */
static const char *refused_ending(const char *path)
{
    static const char *const endings[][2] = {
        {".csv", "a table, not a label list: 'cut -d, -f1' gives its first column"},
        {".json", "JSON, not a label list: one label per line"},
        {".jsonl", "JSON, not a label list: one label per line"},
        {".html", "a page, not a label list: one label per line"},
        {".xml", "an XML document, not a label list: one label per line"},
        {".yaml", "YAML, not a label list: one label per line"},
        {".yml", "YAML, not a label list: one label per line"},
        {".md", "a document, not a label list: one label per line in a text file"},
        {".rtf", "a document, not a label list: one label per line in a text file"},
        {".svg", "a picture, not a label list: one label per line"}};
    size_t n = strlen(path);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t n_ending = strlen(endings[i][0]);
        if (n > n_ending && !strcmp(path + n - n_ending, endings[i][0]))
            return endings[i][1];
    }
    return NULL;
}

static wi_status parse_file(const char *path, wi_labels *out, wi_error *error)
{
    wi_map map = {0};
    wi_status status = wi_map_open(path, &map, error);
    if (status != WI_OK)
        return status;
    status = wi_labels_parse(map.bytes ? (const char *)map.bytes : "", map.n_bytes, out, error);
    if (status != WI_OK)
        wi_error_prefix(error, path);
    wi_map_close(&map);
    return status;
}

static char *copy_of(const char *text, size_t n, const char *end)
{
    char *copy = malloc(n + strlen(end) + 1);
    if (copy) {
        memcpy(copy, text, n);
        strcpy(copy + n, end);
    }
    return copy;
}

/* Its name, and prompts beside it, where the list itself says neither. */
static wi_status complete(const char *path, wi_label_list *list, wi_error *error)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    size_t n = strlen(path);
    bool is_text = n > 4 && !strcmp(path + n - 4, ".txt");
    wi_status status = WI_OK;
    if (!list->labels.name[0] && strncmp(path, "/dev/", 5) != 0) {
        list->name = copy_of(name, dot && dot > name ? (size_t)(dot - name) : strlen(name), "");
        if (!list->name)
            return wi_fail_nomem(error, n, "a name");
    }
    if (is_text && list->labels.n_templates == 0) {
        char *beside = copy_of(path, n - 4, ".templates.txt");
        if (!beside)
            return wi_fail_nomem(error, n, "a path");
        wi_map there = {0};
        if (wi_map_open(beside, &there, NULL) == WI_OK) {
            wi_map_close(&there);
            status = parse_file(beside, &list->beside, error);
        }
        free(beside);
    }
    return status;
}

wi_status wi_label_list_open(const char *path, wi_label_list **out, wi_error *error)
{
    if (!path || !out)
        return wi_fail(error, WI_ERR_ARG,
                       "wi_label_list_open needs a path and a place for the list");
    const char *refused = refused_ending(path);
    if (refused)
        return wi_fail(error, WI_ERR_FORMAT, "%s: %s", path, refused);
    wi_label_list *list = calloc(1, sizeof *list);
    if (!list)
        return wi_fail_nomem(error, sizeof *list, "a label list");
    wi_status status = parse_file(path, &list->labels, error);
    if (status == WI_OK)
        status = complete(path, list, error);
    if (status == WI_OK)
        *out = list;
    else
        wi_label_list_close(&list);
    return status;
}

void wi_label_list_close(wi_label_list **list)
{
    if (!list || !*list)
        return;
    wi_labels_free(&(*list)->labels);
    wi_labels_free(&(*list)->beside);
    free((*list)->name);
    free(*list);
    *list = NULL;
}

void wi_label_list_get_info(const wi_label_list *list, wi_label_list_info *out)
{
    if (!out)
        return;
    if (!list) {
        *out = (wi_label_list_info){"", "", "", "", "", "", .n_labels = 0};
        return;
    }
    const wi_labels *labels = &list->labels;
    bool beside = labels->n_templates == 0;
    *out = (wi_label_list_info){
        .name = list->name ? list->name : labels->name,
        .title = labels->title,
        .source = labels->source,
        .licence = labels->licence,
        .group = labels->group,
        .sensitivity = labels->sensitivity,
        .labels = labels->labels,
        .groups = labels->groups,
        .n_labels = labels->n_labels,
        .templates = beside ? list->beside.labels : labels->templates,
        .n_templates = beside ? list->beside.n_labels : labels->n_templates,
        .n_duplicates = labels->n_duplicates,
    };
}

const char *wi_label_list_note(const wi_label_list *list, size_t index)
{
    if (!list || index >= list->labels.n_notes)
        return NULL;
    const char *note = list->labels.notes;
    while (index-- > 0)
        note += strlen(note) + 1;
    return note;
}

void wi_label_list_recipe(const wi_label_list *list, wi_head_recipe *out)
{
    wi_label_list_info info;
    if (!out)
        return;
    wi_label_list_get_info(list, &info);
    *out = (wi_head_recipe){
        .name = info.name[0] ? info.name : "labels",
        .labels = info.labels,
        .groups = info.groups,
        .n_labels = info.n_labels,
        .templates = info.templates,
        .n_templates = info.n_templates,
        .licence = info.licence[0] ? info.licence : NULL,
        .source = info.source[0] ? info.source : NULL,
        .sensitivity = info.sensitivity[0] ? info.sensitivity : NULL,
    };
}

bool wi_comma_next(const char **cursor, const char **item, size_t *n_item)
{
    if (!cursor || !*cursor || !item || !n_item)
        return false;
    for (const char *at = *cursor; *at;) {
        size_t n = strcspn(at, ",");
        const char *start = at;
        at += n + (at[n] == ',');
        for (; n && strchr(" \t", *start); n--)
            start++;
        while (n && strchr(" \t", start[n - 1]))
            n--;
        if (n) {
            *cursor = at;
            *item = start;
            *n_item = n;
            return true;
        }
        *cursor = at;
    }
    return false;
}
