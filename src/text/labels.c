#include "text/labels.h"

#include "base/error.h"
#include "base/size.h"
#include "text/lines.h"
#include "text/templates.h"

#include <stdlib.h>
#include <string.h>

typedef struct parser {
    wi_labels found;
    const char **labels, **groups, **templates;
    const char *group; /* of the labels to come */
    bool grouped;
    uint32_t *slots; /* open addressing over labels: index + 1, 0 is free */
    size_t n_slots;
    wi_lines lines;
    bool comments;
} parser;

/* The value of "# key: value", NULL for any other comment. */
static char *header_value(char *line, const char *key)
{
    char *at = line + 1 + strspn(line + 1, " \t");
    size_t n = strlen(key);
    if (strncmp(at, key, n) != 0 || at[n] != ':')
        return NULL;
    return wi_trim(at + n + 1);
}

static wi_status read_template(parser *p, const char *value, wi_error *error)
{
    wi_error why;
    if (wi_template_check(value, &why) != WI_OK)
        return wi_fail(error, WI_ERR_FORMAT, "line %zu: %s", p->lines.number, why.message);
    if (p->found.n_templates == WI_TEMPLATES_MAX)
        return wi_fail(error, WI_ERR_LIMIT, "line %zu: more than %d templates", p->lines.number,
                       (int)WI_TEMPLATES_MAX);
    p->templates[p->found.n_templates++] = value;
    return WI_OK;
}

static wi_status read_header(parser *p, char *line, wi_error *error)
{
    const struct {
        const char *key, **to;
    } fields[] = {
        {"name", &p->found.name},       {"title", &p->found.title},
        {"group", &p->found.group},     {"source", &p->found.source},
        {"licence", &p->found.licence}, {"sensitivity", &p->found.sensitivity},
    };
    char *value = header_value(line, "template");
    if (value)
        return read_template(p, value, error);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        value = header_value(line, fields[i].key);
        if (!value)
            continue;
        if (**fields[i].to)
            return wi_fail(error, WI_ERR_FORMAT, "line %zu: '%s' is given a second time",
                           p->lines.number, fields[i].key);
        *fields[i].to = value;
        break;
    }
    return WI_OK;
}

static size_t first_name(const char *label, const char **name)
{
    size_t n = 0;
    *name = label;
    wi_synonym_next(&label, name, &n);
    return n;
}

/* Where a label with the same first name is, or where it would go. */
static uint32_t *slot_of(const parser *p, const char *label)
{
    const char *name, *other;
    size_t n = first_name(label, &name);
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (unsigned char)name[i]) * 0x100000001b3u;
    size_t at = (size_t)(hash ^ hash >> 32) & (p->n_slots - 1);
    for (; p->slots[at]; at = (at + 1) & (p->n_slots - 1)) {
        size_t n_other = first_name(p->labels[p->slots[at] - 1], &other);
        if (n_other == n && !memcmp(other, name, n))
            break;
    }
    return &p->slots[at];
}

/* Every name between the bars says something. */
static bool has_empty_name(const char *label)
{
    size_t n_bars = 0;
    for (const char *at = label; (at = strchr(at, '|')); at++)
        n_bars++;
    return wi_synonym_count(label) != n_bars + 1;
}

static wi_status read_label(parser *p, char *line, wi_error *error)
{
    line[strcspn(line, "\t")] = '\0';
    line = wi_trim(line);
    size_t number = p->lines.number;
    if (strlen(line) > WI_LABEL_MAX_BYTES)
        return wi_fail(error, WI_ERR_LIMIT, "line %zu: label is longer than %d bytes", number,
                       (int)WI_LABEL_MAX_BYTES);
    if (has_empty_name(line))
        return wi_fail(error, WI_ERR_FORMAT, "line %zu: empty name in '%s'", number, line);
    uint32_t *slot = slot_of(p, line);
    if (*slot) {
        if (p->found.n_duplicates++ == 0)
            p->found.duplicate_line = number;
        return WI_OK;
    }
    if (p->found.n_labels == WI_LABELS_MAX)
        return wi_fail(error, WI_ERR_LIMIT, "line %zu: more than %d labels", number,
                       (int)WI_LABELS_MAX);
    p->groups[p->found.n_labels] = p->group;
    p->grouped = p->grouped || p->group[0];
    p->labels[p->found.n_labels++] = line;
    *slot = (uint32_t)p->found.n_labels;
    return WI_OK;
}

/* "[ vehicles ]" -> "vehicles" */
static const char *group_name(char *line)
{
    line[strlen(line) - 1] = '\0';
    return wi_trim(line + 1);
}

static wi_status read_lines(parser *p, wi_error *error)
{
    for (char *line;;) {
        wi_status status = wi_lines_next(&p->lines, &line, error);
        if (status != WI_OK || !line)
            return status;
        if (*line == '\0')
            continue;
        if (p->comments && *line == '#')
            status = p->found.n_labels ? WI_OK : read_header(p, line, error);
        else if (p->comments && *line == '[' && line[strlen(line) - 1] == ']')
            p->group = group_name(line);
        else
            status = read_label(p, line, error);
        if (status != WI_OK)
            return status;
    }
}

/* One block: both arrays of pointers, then the text that they point into. */
static wi_status parse(const char *text, size_t n_bytes, bool commas, wi_labels *out,
                       wi_error *error)
{
    if (n_bytes > WI_LABELS_MAX_BYTES)
        return wi_fail(error, WI_ERR_LIMIT, "labels of %zu bytes are longer than %d", n_bytes,
                       (int)WI_LABELS_MAX_BYTES);
    size_t n_lines = commas ? n_bytes + 1 : wi_lines_count(text, n_bytes);
    size_t most_labels = n_lines < WI_LABELS_MAX ? n_lines : WI_LABELS_MAX;
    size_t most_templates = n_lines < WI_TEMPLATES_MAX ? n_lines : WI_TEMPLATES_MAX;
    size_t n_pointers = (2 * most_labels + most_templates) * sizeof(char *);
    parser p = {.found = {"", "", "", "", "", "", .n_labels = 0},
                .group = "",
                .n_slots = 64,
                .comments = !commas};
    while (p.n_slots < 2 * most_labels)
        p.n_slots *= 2;
    char *memory = malloc(n_pointers + n_bytes + 1);
    p.slots = calloc(p.n_slots, sizeof *p.slots);
    wi_status status = WI_OK;
    if (!memory || !p.slots) {
        status = wi_fail_nomem(error, n_pointers + n_bytes, "labels");
        goto out;
    }
    p.labels = (const char **)(void *)memory;
    p.groups = p.labels + most_labels;
    p.templates = p.groups + most_labels;
    char *copy = memory + n_pointers;
    for (size_t i = 0; i < n_bytes; i++)
        copy[i] = (char)(commas && text[i] == ',' ? '\n' : text[i]);
    wi_lines_init(&p.lines, copy, n_bytes);
    status = read_lines(&p, error);
    if (status == WI_OK && p.found.n_labels == 0)
        status = wi_fail(error, WI_ERR_FORMAT, "no labels: one per line");
out:
    free(p.slots);
    if (status != WI_OK) {
        free(memory);
        return status;
    }
    *out = p.found;
    out->labels = p.labels;
    out->groups = p.grouped ? p.groups : NULL;
    out->templates = p.templates;
    out->memory = memory;
    return WI_OK;
}

wi_status wi_labels_parse(const char *text, size_t n_bytes, wi_labels *out, wi_error *error)
{
    return parse(text, n_bytes, false, out, error);
}

wi_status wi_labels_parse_commas(const char *text, size_t n_bytes, wi_labels *out, wi_error *error)
{
    return parse(text, n_bytes, true, out, error);
}

void wi_labels_free(wi_labels *labels)
{
    free(labels->memory);
    *labels = (wi_labels){0};
}
