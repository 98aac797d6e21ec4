#include "text/labels.h"

#include "base/buffer.h"
#include "base/error.h"
#include "base/size.h"
#include "text/lines.h"
#include "text/templates.h"

#include <stdarg.h>
#include <stdio.h>
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
    uint32_t *number; /* n_labels: the line of each */
    wi_buffer notes;
    size_t n_notes, n_untold, n_tails;
    bool comments;
} parser;

enum { MAX_NOTES = 8, MAX_NOTE_BYTES = 160 };

/* "line 7: ..." for the person who wrote the list. */
#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
static wi_status
note(parser *p, size_t line, wi_error *error, const char *format, ...)
{
    char text[MAX_NOTE_BYTES], all[MAX_NOTE_BYTES + 32];
    if (p->n_notes == MAX_NOTES) {
        p->n_untold++;
        return WI_OK;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    int n = line ? snprintf(all, sizeof all, "line %zu: %s", line, text)
                 : snprintf(all, sizeof all, "%s", text);
    p->n_notes++;
    return wi_buffer_append(&p->notes, all, (size_t)n + 1, error);
}

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

/* How many letters must change: up to 2 is a slip of the pen, 3 stands for more. */
static size_t letters_apart(const char *a, size_t n, const char *b)
{
    size_t m = strlen(b), row[32];
    if (n == 0 || n > 30 || m > 30)
        return 3;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t changed = diagonal + (a[i - 1] != b[j - 1]);
            size_t shorter = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = changed < shorter ? changed : shorter;
        }
    }
    return row[m] < 3 ? row[m] : 3;
}

static const char *const keys[] = {"template", "name",    "title",      "group",
                                   "source",   "licence", "sensitivity"};
enum { N_KEYS = sizeof keys / sizeof *keys };

/* Of "# templat: ..." and "# template: ..." in the wrong place; other comments say nothing. */
static wi_status check_comment(parser *p, const char *line, wi_error *error)
{
    const char *at = line + 1 + strspn(line + 1, "# \t");
    size_t n = strcspn(at, ":"), number = p->lines.number;
    while (n > 0 && at[n] == ':' && at[n - 1] == ' ')
        n--;
    for (size_t i = 0; i < N_KEYS && at[n]; i++) {
        size_t apart = letters_apart(at, n, keys[i]);
        if (apart == 0 && p->found.n_labels > 0 && i == 0)
            return wi_fail(error, WI_ERR_FORMAT,
                           "line %zu: '# template:' must stand before the first label", number);
        if (apart == 0 && p->found.n_labels > 0)
            return note(p, number, error, "'# %s:' behind the first label is a comment", keys[i]);
        if (apart > 0 && apart < 3 && strlen(keys[i]) > 4)
            return note(p, number, error, "'# %.*s:' is a comment; is '# %s:' meant?", (int)n, at,
                        keys[i]);
    }
    if (line[1] && !strchr("# \t!-=*", line[1]))
        return note(p, number, error, "'%.60s' begins with '#': a comment, not a label", line);
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
        return WI_OK;
    }
    return check_comment(p, line, error);
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
    size_t number = p->lines.number, n_first = strcspn(line, "\t");
    if (line[n_first] && p->comments && p->n_tails++ == 0) {
        wi_status noted = note(p, number, error, "what follows the tab is not read");
        if (noted != WI_OK)
            return noted;
    }
    line[n_first] = '\0';
    line = wi_trim(line);
    if (strlen(line) > WI_LABEL_MAX_BYTES)
        return wi_fail(error, WI_ERR_LIMIT, "line %zu: label is longer than %d bytes", number,
                       (int)WI_LABEL_MAX_BYTES);
    if (has_empty_name(line))
        return wi_fail(error, WI_ERR_FORMAT, "line %zu: empty name in '%s'", number, line);
    uint32_t *slot = slot_of(p, line);
    if (*slot) {
        if (p->found.n_duplicates++ == 0)
            p->found.duplicate_line = number;
        return note(p, p->comments ? number : 0, error,
                    p->comments ? "'%.60s' came before, in line %u: left out"
                                : "'%.60s' is repeated: left out",
                    line, p->number[*slot - 1]);
    }
    if (p->found.n_labels == WI_LABELS_MAX)
        return wi_fail(error, WI_ERR_LIMIT, "line %zu: more than %d labels", number,
                       (int)WI_LABELS_MAX);
    p->number[p->found.n_labels] = (uint32_t)number;
    p->groups[p->found.n_labels] = p->group;
    p->grouped = p->grouped || p->group[0];
    p->labels[p->found.n_labels++] = line;
    *slot = (uint32_t)p->found.n_labels;
    if (p->comments && *line == '[')
        return note(p, number, error, "'%.60s' is a label: a group is written [name]", line);
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
            status =
                p->found.n_labels ? check_comment(p, line, error) : read_header(p, line, error);
        else if (p->comments && *line == '[' && line[strlen(line) - 1] == ']')
            p->group = group_name(line);
        else
            status = read_label(p, line, error);
        if (status != WI_OK)
            return status;
    }
}

/* What people take for a list by mistake, told by its first bytes; NULL for text. */
static const char *other_kind(const char *text, size_t n)
{
    static const struct {
        const char *bytes, *kind;
    } kinds[] = {{"%PDF", "a PDF document"},
                 {"\x89PNG", "a picture"},
                 {"\xff\xd8\xff", "a picture"},
                 {"GIF8", "a picture"},
                 {"RIFF", "a picture"},
                 {"GGUF", "a model"},
                 {"PK\x03\x04", "an archive or office document"},
                 {"<!doctype", "a page"},
                 {"<!DOCTYPE", "a page"},
                 {"<html", "a page"},
                 {"<?xml", "an XML document"},
                 {"{\"", "JSON"},
                 {"[\"", "JSON"},
                 {"[{", "JSON"}};
    char begin[16] = "";
    size_t n_begin = 0;
    for (size_t i = 0; i < n && n_begin < sizeof begin - 1; i++)
        if (n_begin > 0 || !strchr(" \t\r\n", text[i]) || !text[i])
            begin[n_begin++] = text[i];
    if (n_begin > 1 && (begin[0] == '{' || begin[0] == '[')) { /* blanks within */
        size_t gap = strspn(begin + 1, " \t\r\n");
        memmove(begin + 1, begin + 1 + gap, sizeof begin - 1 - gap);
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strncmp(begin, kinds[i].bytes, strlen(kinds[i].bytes)))
            return kinds[i].kind;
    return NULL;
}

static wi_status end_notes(parser *p, wi_error *error)
{
    char text[64];
    if (p->n_tails > 1)
        p->n_untold += p->n_tails - 1;
    if (p->n_untold == 0)
        return WI_OK;
    int n = snprintf(text, sizeof text, "and %zu more such line%s", p->n_untold,
                     p->n_untold == 1 ? "" : "s");
    p->n_notes++;
    return wi_buffer_append(&p->notes, text, (size_t)n + 1, error);
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
    const char *kind = commas ? NULL : other_kind(text, n_bytes);
    if (kind)
        return wi_fail(error, WI_ERR_FORMAT, "%s, not a label list: one label per line", kind);
    parser p = {.found = {"", "", "", "", "", "", .n_labels = 0},
                .group = "",
                .n_slots = 64,
                .comments = !commas};
    while (p.n_slots < 2 * most_labels)
        p.n_slots *= 2;
    char *memory = malloc(n_pointers + n_bytes + 1);
    p.slots = calloc(p.n_slots, sizeof *p.slots);
    p.number = calloc(most_labels + 1, sizeof *p.number);
    wi_buffer_init(&p.notes, (MAX_NOTES + 1) * (MAX_NOTE_BYTES + 32));
    wi_status status = WI_OK;
    if (!memory || !p.slots || !p.number) {
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
    if (status == WI_OK)
        status = end_notes(&p, error);
out:
    free(p.slots);
    free(p.number);
    if (status != WI_OK) {
        wi_buffer_free(&p.notes);
        free(memory);
        return status;
    }
    *out = p.found;
    out->labels = p.labels;
    out->groups = p.grouped ? p.groups : NULL;
    out->templates = p.templates;
    out->notes = (char *)p.notes.bytes;
    out->n_notes = p.n_notes;
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
    free(labels->notes);
    *labels = (wi_labels){0};
}
