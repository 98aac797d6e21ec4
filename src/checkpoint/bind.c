#include "base/error.h"
#include "base/size.h"
#include "checkpoint/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct binder {
    wi_source *source;
    wi_source_placer *place;
    wi_status status; /* of the first failure; later needs do nothing */
    wi_error *error;
} binder;

const char *wi_rename_find(const wi_rename *list, const char *ours)
{
    for (; list->ours; list++)
        if (strcmp(list->ours, ours) == 0)
            return list->theirs;
    return NULL;
}

static void write_our_name(const wi_ours *ours, char name[32])
{
    const char *dot = *ours->part ? "." : "";
    if (ours->stage >= 0)
        snprintf(name, 32, "%c.%d.%d.%s%s%s", ours->tower, ours->stage, ours->block, ours->module,
                 dot, ours->part);
    else if (ours->block >= 0)
        snprintf(name, 32, "%c.%d.%s%s%s", ours->tower, ours->block, ours->module, dot, ours->part);
    else
        snprintf(name, 32, "%c.%s%s%s", ours->tower, ours->module, dot, ours->part);
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
    return rows == 1 ? first > 0 || stored->rank == 1 : stored->shape[first] == rows;
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

static wi_status add_binding(binder *b, const wi_ours *ours, const wi_raw *raw)
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
    write_our_name(ours, binding->name);
    binding->raw = *raw;
    return WI_OK;
}

static void need(binder *b, wi_ours ours, size_t n_rows, size_t n_cols)
{
    if (b->status != WI_OK)
        return;
    wi_place place = {.name = ""};
    b->place(b->source, &ours, &place);
    wi_stored stored;
    if (!wi_source_find(b->source, place.name, &stored)) {
        b->status = wi_fail(b->error, WI_ERR_FORMAT, "%s: tensor '%s' is missing", b->source->label,
                            place.name);
        return;
    }
    b->status = check_stored(b, &stored, &place, n_rows, n_cols);
    if (b->status != WI_OK)
        return;
    size_t skip = place.n_slices > 1 ? place.slice * n_rows * n_cols : 0;
    wi_raw raw = {stored.type, n_rows, n_cols, place.transposed,
                  stored.data + skip / 32 * bytes_per_32(stored.type) +
                      skip % 32 * (bytes_per_32(stored.type) / 32)};
    b->status = add_binding(b, &ours, &raw);
}

/* A weight and its bias. */
static void need_linear(binder *b, wi_ours ours, size_t n_rows, size_t n_cols)
{
    ours.part = "w";
    need(b, ours, n_rows, n_cols);
    ours.part = "b";
    need(b, ours, 1, n_rows);
}

static void need_norm(binder *b, wi_ours ours, size_t width)
{
    ours.part = "w";
    need(b, ours, 1, width);
    ours.part = "b";
    need(b, ours, 1, width);
}

static void need_blocks(binder *b, char tower, const wi_block_params *blocks)
{
    static const char *const attention[] = {"q", "k", "v", "o"};
    size_t width = blocks->width, mlp = blocks->mlp_width;
    for (uint32_t i = 0; i < blocks->n_layers; i++) {
        wi_ours ours = {tower, -1, (int)i, "ln1", ""};
        need_norm(b, ours, width);
        ours.module = "ln2";
        need_norm(b, ours, width);
        for (size_t a = 0; a < 4; a++) {
            ours.module = attention[a];
            need_linear(b, ours, width, width);
        }
        ours.module = "fc1";
        need_linear(b, ours, mlp, width);
        ours.module = "fc2";
        need_linear(b, ours, width, mlp);
    }
}

static wi_ours whole(char tower, const char *module, const char *part)
{
    return (wi_ours){tower, -1, -1, module, part};
}

static void need_vit(binder *b, const wi_params *params)
{
    const wi_image_params *image = &params->image;
    size_t width = image->blocks.width, patch = image->patch_px, side = image->image_px / patch;
    need(b, whole('v', "patch", "w"), width, 3 * patch * patch);
    if (image->has_patch_bias)
        need(b, whole('v', "patch", "b"), 1, width);
    need(b, whole('v', "class", ""), 1, width);
    need(b, whole('v', "pos", ""), side * side + 1, width);
    if (image->has_pre_ln)
        need_norm(b, whole('v', "ln_pre", ""), width);
    need_blocks(b, 'v', &image->blocks);
    need_norm(b, whole('v', "ln_post", ""), width);
    need(b, whole('v', "proj", "w"), params->embedding_dim, width);
}

/* A convolution without bias and its batch norm. */
static void need_conv(binder *b, wi_ours ours, const char *bn_module, size_t out, size_t in)
{
    static const char *const parts[] = {"w", "b", "mean", "var"};
    ours.part = "w";
    need(b, ours, out, in);
    ours.module = bn_module;
    for (size_t i = 0; i < 4; i++) {
        ours.part = parts[i];
        need(b, ours, 1, out);
    }
}

static void need_resnet(binder *b, const wi_params *params)
{
    const wi_image_params *image = &params->image;
    size_t width = image->blocks.width, in = width, side = image->image_px / 32,
           channels = width * 32;
    need_conv(b, whole('v', "stem.1", ""), "stem.1.bn", width / 2, 3 * 9);
    need_conv(b, whole('v', "stem.2", ""), "stem.2.bn", width / 2, width / 2 * 9);
    need_conv(b, whole('v', "stem.3", ""), "stem.3.bn", width, width / 2 * 9);
    for (int stage = 1; stage <= 4; stage++) {
        size_t planes = width << (stage - 1);
        for (int i = 0; i < (int)image->stage_blocks[stage - 1]; i++) {
            wi_ours ours = {'v', stage, i, "conv1", ""};
            need_conv(b, ours, "conv1.bn", planes, in);
            ours.module = "conv2";
            need_conv(b, ours, "conv2.bn", planes, planes * 9);
            ours.module = "conv3";
            need_conv(b, ours, "conv3.bn", planes * 4, planes);
            ours.module = "down";
            if (i == 0)
                need_conv(b, ours, "down.bn", planes * 4, in);
            in = planes * 4;
        }
    }
    need(b, whole('v', "pool.pos", ""), side * side + 1, channels);
    need_linear(b, whole('v', "pool.q", ""), channels, channels);
    need_linear(b, whole('v', "pool.k", ""), channels, channels);
    need_linear(b, whole('v', "pool.v", ""), channels, channels);
    need_linear(b, whole('v', "pool.c", ""), params->embedding_dim, channels);
}

static void need_text(binder *b, const wi_params *params)
{
    const wi_text_params *text = &params->text;
    size_t width = text->blocks.width;
    need(b, whole('t', "tok", ""), text->vocabulary_size, width);
    need(b, whole('t', "pos", ""), text->context_length, width);
    need_blocks(b, 't', &text->blocks);
    need_norm(b, whole('t', "ln_final", ""), width);
    need(b, whole('t', "proj", "w"), params->embedding_dim, width);
}

static int compare_bindings(const void *a, const void *b)
{
    return strcmp(((const wi_binding *)a)->name, ((const wi_binding *)b)->name);
}

wi_status wi_source_bind(wi_source *source, wi_source_placer *place, wi_error *error)
{
    const wi_params *params = &source->params;
    wi_status status = wi_params_check(params, error);
    if (status != WI_OK) {
        wi_error_prefix(error, source->label);
        return status;
    }
    binder b = {source, place, WI_OK, error};
    if (params->image.kind == WI_IMAGE_VIT)
        need_vit(&b, params);
    else if (params->image.kind == WI_IMAGE_RESNET)
        need_resnet(&b, params);
    if (params->text.present)
        need_text(&b, params);
    if (b.status == WI_OK)
        qsort(source->bindings, source->n_bindings, sizeof *source->bindings, compare_bindings);
    return b.status;
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

/* Embedding tables are left out: mixed checkpoints keep them in another type than the layers. */
wi_raw_type wi_source_main_type(const wi_source *source)
{
    double n_elements[5] = {0, 0, 0, 0, 0};
    for (size_t i = 0; i < source->n_bindings; i++) {
        const wi_raw *raw = &source->bindings[i].raw;
        const char *name = source->bindings[i].name;
        if (raw->n_rows > 1 && strcmp(name, "t.tok") != 0 && strcmp(name, "t.pos") != 0 &&
            strcmp(name, "v.pos") != 0)
            n_elements[raw->type] += (double)raw->n_rows * (double)raw->n_cols;
    }
    size_t best = 0;
    for (size_t i = 1; i < 5; i++)
        if (n_elements[i] > n_elements[best])
            best = i;
    return (wi_raw_type)best;
}
