#include "base/error.h"
#include "base/size.h"
#include "checkpoint/layout.h"
#include "model/net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct binder {
    wi_source *source;
    const wi_source_names *names;
    wi_error *error;
} binder;

const char *wi_rename_find(const wi_rename *list, const char *ours)
{
    for (; list->ours; list++)
        if (strcmp(list->ours, ours) == 0)
            return list->theirs;
    return NULL;
}

bool wi_source_is_buffer(const char *name)
{
    static const char *const buffers[] = {"position_ids", "num_batches_tracked", "attn_mask"};
    const char *dot = strrchr(name, '.'), *last = dot ? dot + 1 : name;
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        if (strcmp(last, buffers[i]) == 0)
            return true;
    return false;
}

static void describe_shape(const wi_stored *stored, char text[96])
{
    size_t at = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < stored->rank && at < 70; i++)
        at += (size_t)snprintf(text + at, 96 - at, "%s%llu", i ? "," : "",
                               (unsigned long long)stored->shape[i]);
}

/* True when the stored tensor is the wanted matrix, whatever the number of its dimensions:
 * convolutions are [out, in, h, w], vectors may carry leading ones. Products cannot overflow: the
 * file's size bounds them. */
static bool shape_fits(const wi_stored *stored, const wi_place *place, size_t n_rows, size_t n_cols)
{
    uint64_t rows = place->transposed ? n_cols : n_rows, cols = place->transposed ? n_rows : n_cols;
    if (place->n_slices > 1)
        rows *= place->n_slices;
    if (rows == 1 && stored->rank == 0)
        return cols == 1;
    if (place->first_rows)
        return stored->rank == 2 && stored->shape[0] >= rows && stored->shape[1] == cols;
    uint32_t first = 0;
    while (first + 1 < stored->rank && stored->shape[first] == 1)
        first++;
    uint64_t all = 1;
    for (uint32_t i = first; i < stored->rank; i++)
        all *= stored->shape[i];
    if (all != rows * cols)
        return false;
    if (n_rows == 1 && place->n_slices > 1) /* slices of a vector */
        return stored->shape[first] == all;
    return rows == 1 ? first > 0 || stored->shape[first] == all : stored->shape[first] == rows;
}

static size_t bytes_per_32(wi_raw_type type)
{
    static const uint8_t bytes[] = {128, 64, 64, 34, 18};
    return bytes[type];
}

static wi_status check_stored(const binder *b, const wi_stored *stored, const wi_place *place,
                              size_t n_rows, size_t n_cols)
{
    const char *label = b->source->label;
    if (!shape_fits(stored, place, n_rows, n_cols)) {
        char shape[96];
        describe_shape(stored, shape);
        size_t n_slices = place->n_slices ? place->n_slices : 1;
        return wi_fail(b->error, WI_ERR_FORMAT,
                       "%s: tensor '%s' is [%s], but the configuration needs %zu x %zu", label,
                       place->name, shape, place->transposed ? n_cols : n_rows * n_slices,
                       place->transposed ? n_rows : n_cols);
    }
    if (!stored->readable)
        return wi_fail(b->error, WI_ERR_UNSUPPORTED,
                       "%s: tensor '%s' is stored as %s; f32, f16, bf16, q8_0 and q4_0 are read",
                       label, place->name, stored->type_name);
    bool blocks = stored->type == WI_RAW_Q8_0 || stored->type == WI_RAW_Q4_0;
    if (blocks && (place->transposed || n_cols % 32 != 0))
        return wi_fail(b->error, WI_ERR_UNSUPPORTED, "%s: tensor '%s': blocks of 32 across rows",
                       label, place->name);
    return WI_OK;
}

static wi_status add_binding(binder *b, const char *name, const wi_raw *raw)
{
    wi_source *source = b->source;
    if (source->n_bindings == source->n_bindings_held) {
        size_t n = source->n_bindings_held ? 2 * source->n_bindings_held : 256;
        wi_binding *grown = realloc(source->bindings, n * sizeof *grown);
        if (!grown)
            return wi_fail_nomem(b->error, n * sizeof *grown, "tensor names");
        source->bindings = grown;
        source->n_bindings_held = n;
    }
    wi_binding *binding = &source->bindings[source->n_bindings++];
    snprintf(binding->name, sizeof binding->name, "%s", name);
    binding->raw = *raw;
    return WI_OK;
}

/* A leading number and its dot; -1 when there is none. */
static int take_number(const char **at)
{
    char *end;
    if (**at < '0' || **at > '9')
        return -1;
    const long n = strtol(*at, &end, 10);
    if (*end != '.')
        return -1;
    *at = end + 1;
    return (int)n;
}

/* "v.2.0.conv1.bn.mean" -> tower v, stage 2, block 0, module conv1.bn, part mean. */
static wi_ours split_name(const char *name)
{
    static const char *const parts[] = {"w", "b", "mean", "var"};
    wi_ours ours = {.tower = name[0], .stage = -1, .part = ""};
    const char *at = name + 2;
    ours.block = take_number(&at);
    const int second = ours.block < 0 ? -1 : take_number(&at);
    if (second >= 0) {
        ours.stage = ours.block;
        ours.block = second;
    }
    snprintf(ours.module, sizeof ours.module, "%s", at);
    char *dot = strrchr(ours.module, '.');
    for (size_t i = 0; dot && i < sizeof parts / sizeof *parts; i++)
        if (strcmp(dot + 1, parts[i]) == 0) {
            ours.part = parts[i];
            *dot = '\0';
            break;
        }
    return ours;
}

/* Towers are often saved without the projection that makes their numbers comparable. */
static wi_status fail_missing(const binder *b, const char *name)
{
    const char *end = strstr(name, "_projection.weight");
    return wi_fail(b->error, WI_ERR_FORMAT, "%s: tensor '%s' is missing%s", b->source->label, name,
                   end ? ": one tower without its projection, whose numbers compare with nothing; "
                         "get the whole model"
                       : "");
}

/* Finds one tensor of ours, [n_rows, n_cols]. */
static wi_status need(binder *b, const char *name, size_t n_rows, size_t n_cols)
{
    const wi_ours ours = split_name(name);
    wi_place place = {.name = ""};
    wi_stored stored;
    b->names->place(b->source, &ours, &place);
    if (place.zero)
        return add_binding(b, name, &(wi_raw){WI_RAW_F32, n_rows, n_cols, false, NULL});
    if (!wi_source_find(b->source, place.name, &stored))
        return fail_missing(b, place.name);
    const wi_status status = check_stored(b, &stored, &place, n_rows, n_cols);
    if (status != WI_OK)
        return status;
    const size_t skip = place.n_slices > 1 ? place.slice * n_rows * n_cols : 0;
    const size_t blocks = bytes_per_32(stored.type);
    const wi_raw raw = {stored.type, n_rows, n_cols, place.transposed,
                        stored.data + skip / 32 * blocks + skip % 32 * (blocks / 32)};
    return add_binding(b, name, &raw);
}

static wi_status need_of(binder *b, const char *base, const char *suffix, size_t n_rows,
                         size_t n_cols)
{
    char name[96];
    snprintf(name, sizeof name, "%s%s", base, suffix);
    return need(b, name, n_rows, n_cols);
}

static wi_status need_linear(binder *b, const char *base, size_t n, size_t k, bool has_bias)
{
    wi_status status = need_of(b, base, ".w", n, k);
    if (status == WI_OK && has_bias)
        status = need_of(b, base, ".b", 1, n);
    return status;
}

/* Three matrices; their names end in q, k and v in place of qkv. */
static wi_status need_qkv(binder *b, const wi_part *part)
{
    wi_status status = WI_OK;
    for (size_t i = 0; i < 3 && status == WI_OK; i++) {
        char base[sizeof part->name];
        snprintf(base, sizeof base, "%.*s%c", (int)strlen(part->name) - 3, part->name, "qkv"[i]);
        status = need_linear(b, base, part->n / 3, part->k, part->has_bias);
    }
    return status;
}

/* A convolution without bias and its batch norm. */
static wi_status need_conv(binder *b, const wi_part *part)
{
    static const char *const parts[] = {".bn.w", ".bn.b", ".bn.mean", ".bn.var"};
    const size_t taps = (size_t)part->conv_size * part->conv_size;
    const size_t k = part->kind == WI_PART_DEPTHWISE ? taps : part->k;
    wi_status status = need_of(b, part->name, ".w", part->n, k);
    for (size_t i = 0; i < 4 && status == WI_OK; i++)
        status = need_of(b, part->name, parts[i], 1, part->n);
    return status;
}

static wi_status bind_part(void *context, const wi_part *part, wi_error *error)
{
    binder *b = context;
    (void)error;
    switch (part->kind) {
    case WI_PART_LINEAR:
        return need_linear(b, part->name, part->n, part->k, part->has_bias);
    case WI_PART_QKV:
        return need_qkv(b, part);
    case WI_PART_CONV:
    case WI_PART_DEPTHWISE:
        return need_conv(b, part);
    case WI_PART_VECTOR:
    case WI_PART_TABLE:
        break;
    }
    return need(b, part->name, part->n, part->k);
}

/* --- what is left --- */

static int compare_places(const void *a, const void *b)
{
    const uint8_t *x = *(const uint8_t *const *)a, *y = *(const uint8_t *const *)b;
    return (x > y) - (x < y);
}

/* Whether a binding reads from [data, data + n). */
static bool is_read(const uint8_t *const *places, size_t n_places, const uint8_t *data, size_t n)
{
    size_t low = 0, high = n_places;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (places[middle] < data)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n_places && places[low] < data + n;
}

static wi_status check_tensor(const binder *b, const char *name, const uint8_t *data,
                              size_t n_bytes, const uint8_t *const *places)
{
    if (n_bytes == 0 || is_read(places, b->source->n_bindings, data, n_bytes) ||
        b->names->harmless(b->source, name))
        return WI_OK;
    return wi_fail(
        b->error, WI_ERR_UNSUPPORTED,
        "%s: nothing reads tensor '%s': the configuration does not speak of it, or that part of "
        "the network is not supported; without it the numbers would be wrong",
        b->source->label, name);
}

/* What stands in the file and nothing reads would be ignored, and the numbers wrong. */
static wi_status check_leftovers(const binder *b)
{
    const wi_source *source = b->source;
    const uint8_t **places = malloc((source->n_bindings + 1) * sizeof *places);
    if (!places)
        return wi_fail_nomem(b->error, source->n_bindings * sizeof *places, "tensor names");
    for (size_t i = 0; i < source->n_bindings; i++)
        places[i] = source->bindings[i].raw.data;
    qsort(places, source->n_bindings, sizeof *places, compare_places);
    wi_status status = WI_OK;
    for (size_t f = 0; f < source->n_files; f++) {
        const wi_safetensors *file = source->files[f].tensors;
        for (size_t i = 0; file && i < wi_safetensors_count(file) && status == WI_OK; i++) {
            const wi_safetensors_tensor *t = wi_safetensors_at(file, i);
            status = check_tensor(b, t->name, t->data, t->n_bytes, places);
        }
    }
    for (size_t i = 0; source->gguf && i < wi_gguf_n_tensors(source->gguf) && status == WI_OK;
         i++) {
        const wi_gguf_tensor *t = wi_gguf_tensor_at(source->gguf, i);
        char name[WI_GGUF_MAX_NAME + 1];
        snprintf(name, sizeof name, "%.*s", (int)t->name.n_bytes, t->name.data);
        status = check_tensor(b, name, t->data, t->n_bytes, places);
    }
    free(places);
    return status;
}

static int compare_bindings(const void *a, const void *b)
{
    return strcmp(((const wi_binding *)a)->name, ((const wi_binding *)b)->name);
}

wi_status wi_source_bind(wi_source *source, const wi_source_names *names, wi_error *error)
{
    wi_net net;
    wi_status status = wi_params_check(&source->params, error);
    if (status != WI_OK) {
        wi_error_prefix(error, source->label);
        return status;
    }
    status = wi_net_open(&source->params, &net, error);
    if (status != WI_OK)
        return status;
    binder b = {source, names, error};
    status = wi_net_walk(&net, bind_part, &b, error);
    wi_net_close(&net);
    if (status == WI_OK)
        status = check_leftovers(&b);
    if (status == WI_OK)
        qsort(source->bindings, source->n_bindings, sizeof *source->bindings, compare_bindings);
    return status;
}

bool wi_source_get(const wi_source *source, const char *name, wi_raw *out)
{
    wi_binding wanted = {.name = ""};
    size_t n = strlen(name);
    if (n >= sizeof wanted.name || source->n_bindings == 0)
        return false;
    memcpy(wanted.name, name, n + 1);
    const wi_binding *found =
        bsearch(&wanted, source->bindings, source->n_bindings, sizeof wanted, compare_bindings);
    if (found)
        *out = found->raw;
    return found != NULL;
}
