#include "head/headfile.h"

#include "base/error.h"
#include "base/map.h"
#include "base/size.h"
#include "fmt/safetensors.h"
#include "head/headmeta.h"
#include "kern/half.h"

#include <stdlib.h>
#include <string.h>

enum { WEIGHT, ROW_LABEL, BIAS, DELTA, KEYS, KEY_LABEL, BACKGROUND, N_TENSORS };

static const struct {
    const char *name;
    wi_safetensors_type type; /* in memory */
    uint32_t rank;
} layout[N_TENSORS] = {
    [WEIGHT] = {"weight", WI_ST_F32, 2},
    [ROW_LABEL] = {"row_label", WI_ST_I32, 1},
    [BIAS] = {"bias", WI_ST_F32, 1},
    [DELTA] = {"delta", WI_ST_F32, 2},
    [KEYS] = {"keys", WI_ST_F32, 2},
    [KEY_LABEL] = {"key_label", WI_ST_I32, 1},
    [BACKGROUND] = {"background", WI_ST_F32, 2},
};

/* ---- saving ---- */

static void put_tensor(wi_safetensors_tensor *tensors, size_t *n, int which, const void *data,
                       size_t rows, size_t columns)
{
    if (!data)
        return;
    wi_safetensors_tensor *tensor = &tensors[(*n)++];
    *tensor = (wi_safetensors_tensor){.name = layout[which].name,
                                      .type = layout[which].type,
                                      .rank = layout[which].rank,
                                      .shape = {rows, columns},
                                      .data = data,
                                      .n_bytes = rows * 4};
    if (layout[which].rank == 2)
        tensor->n_bytes *= columns;
    else
        tensor->shape[1] = 0;
}

wi_status wi_headfile_write(const wi_head *head, wi_sink *sink, wi_error *error)
{
    const wi_head_parts *parts = &head->parts;
    wi_safetensors_tensor tensors[N_TENSORS];
    size_t n = 0;
    put_tensor(tensors, &n, WEIGHT, parts->weight, parts->n_rows, parts->dim);
    put_tensor(tensors, &n, ROW_LABEL, parts->row_label, parts->n_rows, 0);
    put_tensor(tensors, &n, BIAS, parts->bias, parts->n_labels, 0);
    put_tensor(tensors, &n, DELTA, parts->delta, parts->n_labels, parts->dim);
    put_tensor(tensors, &n, KEYS, parts->keys, parts->n_keys, parts->dim);
    put_tensor(tensors, &n, KEY_LABEL, parts->key_label, parts->n_keys, 0);
    put_tensor(tensors, &n, BACKGROUND, parts->background, parts->n_background, parts->dim);
    wi_headmeta meta;
    wi_status status = wi_headmeta_write(parts, &meta, error);
    if (status == WI_OK)
        status = wi_safetensors_write_to(sink, tensors, n, (const char *const(*)[2])meta.pairs,
                                         meta.n_pairs, error);
    wi_headmeta_free(&meta);
    return status;
}

/* ---- opening ---- */

/* A tensor of the file as the head will see it: where it lies, or a converted copy. */
typedef struct tensor_view {
    const wi_safetensors_tensor *found; /* NULL: absent */
    const void *data;
    size_t rows, columns;
} tensor_view;

static bool usable_in_place(const wi_safetensors_tensor *tensor, int which)
{
    return tensor->type == layout[which].type && (uintptr_t)tensor->data % 4 == 0;
}

static wi_status find_tensor(const wi_safetensors *st, int which, tensor_view *view,
                             wi_error *error)
{
    const wi_safetensors_tensor *tensor = wi_safetensors_find(st, layout[which].name);
    *view = (tensor_view){.found = tensor};
    if (!tensor)
        return WI_OK;
    bool half = tensor->type == WI_ST_F16 || tensor->type == WI_ST_BF16;
    if (tensor->type != layout[which].type && !(half && layout[which].type == WI_ST_F32))
        return wi_fail(error, WI_ERR_UNSUPPORTED, "tensor '%s' is %s", tensor->name,
                       wi_safetensors_type_name(tensor->type));
    if (tensor->rank != layout[which].rank || tensor->n_bytes == 0)
        return wi_fail(error, WI_ERR_FORMAT,
                       "tensor '%s' has %u dimensions in place of %u, or is empty", tensor->name,
                       (unsigned)tensor->rank, (unsigned)layout[which].rank);
    view->rows = (size_t)tensor->shape[0];
    view->columns = tensor->rank == 2 ? (size_t)tensor->shape[1] : 1;
    view->data = tensor->data;
    return WI_OK;
}

static void convert(const wi_safetensors_tensor *from, size_t n, uint32_t *to)
{
    if (from->type == WI_ST_F32 || from->type == WI_ST_I32) {
        memcpy(to, from->data, n * 4);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint16_t half;
        memcpy(&half, from->data + 2 * i, 2);
        to[i] =
            wi_f32_to_bits(from->type == WI_ST_F16 ? wi_f16_to_f32(half) : wi_bf16_to_f32(half));
    }
}

/* Gives every view numbers of 4 bytes at 4-byte boundaries; *block holds those that had to be
 * copied. */
static wi_status convert_tensors(tensor_view views[N_TENSORS], void **block, wi_error *error)
{
    size_t n_elements = 0;
    for (int i = 0; i < N_TENSORS; i++)
        if (views[i].found && !usable_in_place(views[i].found, i))
            n_elements += views[i].rows * views[i].columns; /* they are in the file: no overflow */
    if (n_elements == 0)
        return WI_OK;
    if (n_elements > SIZE_MAX / 4)
        return wi_fail(error, WI_ERR_LIMIT, "too many weights");
    uint32_t *at = malloc(n_elements * 4);
    if (!at)
        return wi_fail_nomem(error, n_elements * 4, "weights");
    *block = at;
    for (int i = 0; i < N_TENSORS; i++)
        if (views[i].found && !usable_in_place(views[i].found, i)) {
            size_t n = views[i].rows * views[i].columns;
            convert(views[i].found, n, at);
            views[i].data = at;
            at += n;
        }
    return WI_OK;
}

static wi_status check_shapes(const tensor_view views[N_TENSORS], size_t n_labels, wi_error *error)
{
    const struct {
        int which;
        size_t want;
    } rows[] = {{ROW_LABEL, views[WEIGHT].rows},
                {BIAS, n_labels},
                {DELTA, n_labels},
                {KEY_LABEL, views[KEYS].rows}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (views[rows[i].which].found && views[rows[i].which].rows != rows[i].want)
            return wi_fail(error, WI_ERR_FORMAT, "tensor '%s' has %zu entries in place of %zu",
                           layout[rows[i].which].name, views[rows[i].which].rows, rows[i].want);
    if (views[KEYS].found && !views[KEY_LABEL].found)
        return wi_fail(error, WI_ERR_FORMAT, "tensor 'keys' without 'key_label'");
    size_t dim = views[WEIGHT].found ? views[WEIGHT].columns : views[KEYS].columns;
    for (int i = 0; i < N_TENSORS; i++)
        if (views[i].found && layout[i].rank == 2 && views[i].columns != dim)
            return wi_fail(error, WI_ERR_FORMAT,
                           "tensor '%s' has rows of %zu numbers in place of %zu", layout[i].name,
                           views[i].columns, dim);
    return WI_OK;
}

static wi_status read_tensors(const wi_safetensors *st, wi_head_parts *parts, void **block,
                              wi_error *error)
{
    tensor_view views[N_TENSORS];
    wi_status status = WI_OK;
    for (int i = 0; i < N_TENSORS && status == WI_OK; i++)
        status = find_tensor(st, i, &views[i], error);
    if (status == WI_OK)
        status = check_shapes(views, parts->n_labels, error);
    if (status == WI_OK)
        status = convert_tensors(views, block, error);
    if (status != WI_OK)
        return status;
    parts->dim = views[WEIGHT].found ? views[WEIGHT].columns : views[KEYS].columns;
    parts->weight = views[WEIGHT].data;
    parts->n_rows = views[WEIGHT].rows;
    parts->row_label = views[ROW_LABEL].data;
    parts->bias = views[BIAS].data;
    parts->delta = views[DELTA].data;
    parts->keys = views[KEYS].data;
    parts->key_label = views[KEY_LABEL].data;
    parts->n_keys = views[KEYS].rows;
    parts->background = views[BACKGROUND].data;
    parts->n_background = views[BACKGROUND].rows;
    return WI_OK;
}

static const char *get_metadata(const void *context, const char *key)
{
    return wi_safetensors_metadata(context, key);
}

/* On success the head's tensors may point into bytes. */
static wi_status parse_head(const wi_kern *kern, const char *file, const uint8_t *bytes,
                            size_t n_bytes, wi_head **out, wi_error *error)
{
    wi_safetensors *st = NULL;
    wi_head_parts parts;
    wi_headlists lists = {0};
    void *block = NULL;
    wi_status status = wi_safetensors_parse(file, bytes, n_bytes, &st, error);
    if (status != WI_OK)
        return status;
    status = wi_headmeta_read(get_metadata, st, kern, &parts, &lists, error);
    if (status == WI_OK)
        status = read_tensors(st, &parts, &block, error);
    if (status == WI_OK)
        status = wi_head_create(&parts, block, WI_ERR_FORMAT, out, error);
    if (status != WI_OK) {
        wi_error_prefix(error, file);
        free(block);
    }
    wi_headlists_free(&lists);
    wi_safetensors_close(&st);
    return status;
}

static void close_map(void *file)
{
    wi_map_close(file);
    free(file);
}

wi_status wi_headfile_open(const wi_kern *kern, const char *path, wi_head **out, wi_error *error)
{
    wi_head *head = NULL;
    char *origin = malloc(strlen(path) + 1);
    wi_map *map = calloc(1, sizeof *map);
    wi_status status = WI_OK;
    if (!origin || !map)
        status = wi_fail_nomem(error, strlen(path), "a path");
    if (status == WI_OK) {
        strcpy(origin, path);
        status = wi_map_open(path, map, error);
    }
    if (status == WI_OK)
        status = parse_head(kern, path, map->bytes, map->n_bytes, &head, error);
    if (status != WI_OK) {
        if (map)
            close_map(map);
        free(origin);
        return status;
    }
    head->origin = origin;
    head->file = map;
    head->close_file = close_map;
    *out = head;
    return WI_OK;
}

wi_status wi_headfile_open_memory(const wi_kern *kern, const void *bytes, size_t n_bytes,
                                  wi_head **out, wi_error *error)
{
    wi_head *head = NULL;
    uint8_t *copy = malloc(n_bytes ? n_bytes : 1);
    if (!copy)
        return wi_fail_nomem(error, n_bytes, "a head");
    memcpy(copy, bytes, n_bytes);
    wi_status status = parse_head(kern, "head", copy, n_bytes, &head, error);
    if (status != WI_OK) {
        free(copy);
        return status;
    }
    head->file = copy;
    head->close_file = free;
    *out = head;
    return WI_OK;
}
