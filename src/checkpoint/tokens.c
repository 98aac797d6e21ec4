/* Merges that a folder brings itself. */
#include "base/buffer.h"
#include "base/error.h"
#include "checkpoint/layout.h"
#include "checkpoint/tokenizer_files.h"

#include <stdlib.h>
#include <string.h>

static wi_status append_line(wi_buffer *lines, const char *text, size_t n_bytes, wi_error *error)
{
    wi_status status = wi_buffer_append(lines, text, n_bytes, error);
    return status == WI_OK ? wi_buffer_append(lines, "\n", 1, error) : status;
}

/* The list in OpenAI's repository goes on beyond the vocabulary; the original stops where the ids
 * end. */
static wi_status read_lines(const wi_map *map, size_t n_max, wi_buffer *lines, wi_error *error)
{
    if (map->n_bytes == 0)
        return WI_OK;
    const char *at = (const char *)map->bytes, *end = at + map->n_bytes;
    wi_status status = WI_OK;
    for (size_t n = 0; at < end && n < n_max && status == WI_OK;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t n_bytes = (size_t)((stop ? stop : end) - at);
        bool comment = n == 0 && n_bytes >= 8 && memcmp(at, "#version", 8) == 0;
        size_t kept = n_bytes && at[n_bytes - 1] == '\r' ? n_bytes - 1 : n_bytes;
        if (kept && !comment) {
            status = append_line(lines, at, kept, error);
            n++;
        }
        at += n_bytes + (stop != NULL);
    }
    return status;
}

static wi_status append_merge(const char *path, const wi_json *merge, wi_buffer *lines,
                              wi_error *error)
{
    const char *both = wi_json_string(merge);
    if (both)
        return append_line(lines, both, strlen(both), error);
    const char *left = wi_json_string(wi_json_at(merge, 0)),
               *right = wi_json_string(wi_json_at(merge, 1));
    if (!left || !right || wi_json_count(merge) != 2)
        return wi_fail(error, WI_ERR_FORMAT, "%s: a merge that is no pair", path);
    wi_status status = wi_buffer_append(lines, left, strlen(left), error);
    if (status == WI_OK)
        status = wi_buffer_append(lines, " ", 1, error);
    return status == WI_OK ? append_line(lines, right, strlen(right), error) : status;
}

static wi_status read_tokenizer(const char *path, size_t n_max, wi_buffer *lines, wi_error *error)
{
    wi_json *json = NULL;
    wi_status status = wi_json_read(path, WI_SOURCE_MAX_TOKENS, &json, error);
    if (status != WI_OK)
        return status;
    const wi_json *model = wi_json_get(json, "model"), *merges = wi_json_get(model, "merges");
    const char *type = wi_json_string(wi_json_get(model, "type"));
    if (type && strcmp(type, "BPE") != 0)
        status = wi_fail(error, WI_ERR_UNSUPPORTED, "%s: a tokenizer of type '%s'; CLIP's is BPE",
                         path, type);
    else if (!wi_json_is_array(merges))
        status = wi_fail(error, WI_ERR_FORMAT, "%s: no list of merges", path);
    for (size_t i = 0; status == WI_OK && i < n_max && i < wi_json_count(merges); i++)
        status = append_merge(path, wi_json_at(merges, i), lines, error);
    wi_json_free(&json);
    return status;
}

static wi_status read_either(const char *path, bool is_json, size_t n_max, wi_buffer *lines,
                             wi_error *error)
{
    if (is_json)
        return read_tokenizer(path, n_max, lines, error);
    wi_map map = {NULL, 0};
    wi_status status = wi_map_open(path, &map, error);
    if (status == WI_OK)
        status = read_lines(&map, n_max, lines, error);
    wi_map_close(&map);
    return status;
}

wi_status wi_source_load_merges(const char *path, size_t n_max, char **out, size_t *n_bytes,
                                wi_error *error)
{
    wi_buffer lines;
    wi_buffer_init(&lines, WI_SOURCE_MAX_TOKENS);
    const size_t n_path = strlen(path);
    const bool is_json = n_path > 5 && strcmp(path + n_path - 5, ".json") == 0;
    wi_status status = read_either(path, is_json, n_max, &lines, error);
    if (status == WI_OK && lines.n_bytes == 0)
        status = wi_fail(error, WI_ERR_FORMAT, "%s: no merges", path);
    if (status == WI_OK) {
        *out = (char *)lines.bytes;
        *n_bytes = lines.n_bytes;
    } else {
        wi_buffer_free(&lines);
    }
    return status;
}

wi_status wi_source_read_merges(wi_source *source, const char *folder, wi_error *error)
{
    bool is_json = !wi_source_file_exists(folder, "merges.txt");
    const char *name = is_json ? "tokenizer.json" : "merges.txt";
    if (is_json && !wi_source_file_exists(folder, name))
        return WI_OK;
    char *path = wi_source_path(folder, name);
    if (!path)
        return wi_fail_nomem(error, strlen(folder), "a file name");
    /* 256 byte symbols, the same at a word's end, two markers: the rest of the ids are merges. */
    size_t n_ids = wi_tower_facts_of(&source->params.tower[WI_ROLE_TEXT]).vocabulary_size,
           n_max = n_ids > 514 ? n_ids - 514 : 0;
    wi_status status =
        wi_source_load_merges(path, n_max, &source->merges, &source->n_merges, error);
    free(path);
    return status;
}

wi_status wi_source_read_tokenizer(wi_source *source, const char *folder, wi_error *error)
{
    wi_status status =
        wi_tokenizer_files_read(folder, NULL, source->config_name, &source->tokenizer, error);
    if (status == WI_OK && !source->tokenizer.kind)
        status = wi_fail(error, WI_ERR_NOT_FOUND,
                         "%s: its tokenizer is missing (tokenizer.json, tokenizer.model or "
                         "spiece.model)",
                         source->label);
    const uint32_t vocabulary =
        wi_tower_facts_of(&source->params.tower[WI_ROLE_TEXT]).vocabulary_size;
    if (status == WI_OK && wi_tok_rules(&source->tokenizer).n_ids > vocabulary)
        status = wi_fail(error, WI_ERR_MISMATCH,
                         "%s: a tokenizer of %u pieces beside a network of %u: they do not belong "
                         "together",
                         source->label, wi_tok_rules(&source->tokenizer).n_ids, vocabulary);
    return status;
}
