/* The public face of label lists. */
#include "text/labels.h"
#include "base/error.h"
#include "base/map.h"

#include <stdlib.h>
#include <whatsit/labels.h>

struct wi_label_list {
    wi_labels labels;
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

wi_status wi_label_list_open(const char *path, wi_label_list **out, wi_error *error)
{
    wi_map map = {0};
    if (!path || !out)
        return wi_fail(error, WI_ERR_ARG,
                       "wi_label_list_open needs a path and a place for the list");
    wi_status status = wi_map_open(path, &map, error);
    if (status != WI_OK)
        return status;
    status = wi_label_list_parse((const char *)map.bytes, map.n_bytes, out, error);
    if (status != WI_OK)
        wi_error_prefix(error, path);
    wi_map_close(&map);
    return status;
}

void wi_label_list_close(wi_label_list **list)
{
    if (!list || !*list)
        return;
    wi_labels_free(&(*list)->labels);
    free(*list);
    *list = NULL;
}

void wi_label_list_get_info(const wi_label_list *list, wi_label_list_info *out)
{
    const wi_labels *labels = &list->labels;
    *out = (wi_label_list_info){
        .name = labels->name,
        .title = labels->title,
        .source = labels->source,
        .licence = labels->licence,
        .group = labels->group,
        .sensitivity = labels->sensitivity,
        .labels = labels->labels,
        .groups = labels->groups,
        .n_labels = labels->n_labels,
        .templates = labels->templates,
        .n_templates = labels->n_templates,
        .n_duplicates = labels->n_duplicates,
    };
}
