/* Our model file: GGUF with architecture "whatsit". The tensors stand in it as the kernels read
 * them, so that opening binds pointers into the mapping. Keys and tensors are listed in
 * docs/FORMATS.md. */
#include "model/model.h"

#include "base/error.h"
#include "base/progress.h"
#include "fmt/gguf_write.h"
#include "model/pieces.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Version 2: int8 weights keep the bound WI_S8_FOUR (kern/kern.h). */
enum { FILE_VERSION = 2, TENSOR_ALIGNMENT = 64 };

wi_status wi_modelfile_probe(const uint8_t *bytes, size_t n_bytes, bool *ours, wi_error *error)
{
    wi_gguf *gguf = NULL;
    wi_gguf_text architecture;
    *ours = false;
    if (n_bytes < 4 || memcmp(bytes, "GGUF", 4) != 0)
        return WI_OK;
    const wi_status status = wi_gguf_parse("", bytes, n_bytes, &gguf, error);
    if (status != WI_OK)
        return status == WI_ERR_NOMEM ? status : WI_OK;
    *ours = wi_gguf_string(gguf, "general.architecture", &architecture, NULL) == WI_OK &&
            wi_gguf_text_is(architecture, "whatsit");
    wi_gguf_close(&gguf);
    return WI_OK;
}

/* --- keys: one table for reading and writing --- */

typedef enum key_type { KEY_U32, KEY_F32, KEY_BOOL, KEY_ENUM } key_type;
typedef struct key {
    const char *name;
    key_type type;
    size_t offset;  /* into wi_params */
    uint32_t below; /* enums: number of values */
} key;

#define AT(field) offsetof(wi_params, field)
static const key keys[] = {
    {"whatsit.embedding_dim", KEY_U32, AT(embedding_dim), 0},
    {"whatsit.logit_scale", KEY_F32, AT(logit_scale), 0},
    {"whatsit.logit_bias", KEY_F32, AT(logit_bias), 0},
    {"whatsit.sigmoid", KEY_BOOL, AT(sigmoid), 0},
    {"whatsit.image.kind", KEY_ENUM, AT(image.kind), WI_IMAGE_RESNET + 1},
    {"whatsit.image.size_px", KEY_U32, AT(image.image_px), 0},
    {"whatsit.image.patch_px", KEY_U32, AT(image.patch_px), 0},
    {"whatsit.image.width", KEY_U32, AT(image.blocks.width), 0},
    {"whatsit.image.layers", KEY_U32, AT(image.blocks.n_layers), 0},
    {"whatsit.image.heads", KEY_U32, AT(image.blocks.n_heads), 0},
    {"whatsit.image.mlp_width", KEY_U32, AT(image.blocks.mlp_width), 0},
    {"whatsit.image.activation", KEY_ENUM, AT(image.blocks.activation), WI_ACT_RELU + 1},
    {"whatsit.image.ln_eps", KEY_F32, AT(image.blocks.ln_eps), 0},
    {"whatsit.image.patch_bias", KEY_BOOL, AT(image.has_patch_bias), 0},
    {"whatsit.image.pre_ln", KEY_BOOL, AT(image.has_pre_ln), 0},
    {"whatsit.image.stage1", KEY_U32, AT(image.stage_blocks[0]), 0},
    {"whatsit.image.stage2", KEY_U32, AT(image.stage_blocks[1]), 0},
    {"whatsit.image.stage3", KEY_U32, AT(image.stage_blocks[2]), 0},
    {"whatsit.image.stage4", KEY_U32, AT(image.stage_blocks[3]), 0},
    {"whatsit.text.present", KEY_BOOL, AT(text.present), 0},
    {"whatsit.text.width", KEY_U32, AT(text.blocks.width), 0},
    {"whatsit.text.layers", KEY_U32, AT(text.blocks.n_layers), 0},
    {"whatsit.text.heads", KEY_U32, AT(text.blocks.n_heads), 0},
    {"whatsit.text.mlp_width", KEY_U32, AT(text.blocks.mlp_width), 0},
    {"whatsit.text.activation", KEY_ENUM, AT(text.blocks.activation), WI_ACT_RELU + 1},
    {"whatsit.text.ln_eps", KEY_F32, AT(text.blocks.ln_eps), 0},
    {"whatsit.text.context_length", KEY_U32, AT(text.context_length), 0},
    {"whatsit.text.vocabulary_size", KEY_U32, AT(text.vocabulary_size), 0},
    {"whatsit.text.end_token", KEY_U32, AT(text.end_token), 0},
    {"whatsit.preprocess.size_px", KEY_U32, AT(preprocess.size_px), 0},
    {"whatsit.preprocess.resize_px", KEY_U32, AT(preprocess.resize_px), 0},
    {"whatsit.preprocess.mode", KEY_ENUM, AT(preprocess.mode), WI_RESIZE_LONGEST + 1},
    {"whatsit.preprocess.interpolation", KEY_ENUM, AT(preprocess.interpolation), WI_BILINEAR + 1},
    {"whatsit.preprocess.crop_floor", KEY_BOOL, AT(preprocess.crop_floor), 0},
    {"whatsit.preprocess.rgb_first", KEY_BOOL, AT(preprocess.rgb_first), 0},
    {"whatsit.preprocess.mean0", KEY_F32, AT(preprocess.mean[0]), 0},
    {"whatsit.preprocess.mean1", KEY_F32, AT(preprocess.mean[1]), 0},
    {"whatsit.preprocess.mean2", KEY_F32, AT(preprocess.mean[2]), 0},
    {"whatsit.preprocess.std0", KEY_F32, AT(preprocess.std[0]), 0},
    {"whatsit.preprocess.std1", KEY_F32, AT(preprocess.std[1]), 0},
    {"whatsit.preprocess.std2", KEY_F32, AT(preprocess.std[2]), 0},
};
#undef AT
enum { N_KEYS = sizeof keys / sizeof *keys };

_Static_assert(sizeof(wi_image_kind) == 4 && sizeof(wi_activation) == 4, "enums are read as u32");

static wi_status read_key(const wi_gguf *gguf, const key *k, wi_params *params, wi_error *error)
{
    char *field = (char *)params + k->offset;
    if (k->type == KEY_F32)
        return wi_gguf_f32(gguf, k->name, (float *)(void *)field, error);
    if (k->type == KEY_BOOL)
        return wi_gguf_bool(gguf, k->name, (bool *)(void *)field, error);
    uint32_t value = 0;
    const wi_status status = wi_gguf_u32(gguf, k->name, &value, error);
    if (status != WI_OK)
        return status;
    if (k->type == KEY_ENUM && value >= k->below)
        return wi_fail(error, WI_ERR_UNSUPPORTED, "%s is %u, which this version does not know",
                       k->name, value);
    memcpy(field, &value, sizeof value);
    return WI_OK;
}

static void put_key(wi_gguf_writer *writer, const key *k, const wi_params *params)
{
    const char *field = (const char *)params + k->offset;
    float f;
    uint32_t u;
    switch (k->type) {
    case KEY_F32:
        memcpy(&f, field, sizeof f);
        wi_gguf_put_f32(writer, k->name, f);
        break;
    case KEY_BOOL:
        wi_gguf_put_bool(writer, k->name, *(const bool *)field);
        break;
    case KEY_U32:
    case KEY_ENUM:
        memcpy(&u, field, sizeof u);
        wi_gguf_put_u32(writer, k->name, u);
        break;
    }
}

/* --- binding --- */

static wi_status missing(const wi_part *part, const char *suffix, wi_error *error)
{
    return wi_fail(error, WI_ERR_FORMAT,
                   "tensor %s%s is missing or has the wrong shape: get the model again", part->name,
                   suffix);
}

/* The tensor's data when it has exactly this type and shape. */
static const void *bind(const wi_gguf *gguf, const wi_part *part, const char *suffix, uint32_t type,
                        uint64_t d0, uint64_t d1, uint64_t d2)
{
    char name[96];
    snprintf(name, sizeof name, "%s%s", part->name, suffix);
    const wi_gguf_tensor *t = wi_gguf_tensor_find(gguf, name);
    if (!t || t->type != type || t->dims[0] != d0 || t->dims[1] != d1 || t->dims[2] != d2 ||
        t->dims[3] != 1 || (uintptr_t)t->data % TENSOR_ALIGNMENT != 0)
        return NULL;
    return t->data;
}

static wi_status bind_apart(const wi_gguf *gguf, const wi_part *part, wi_mat *mat, wi_error *error)
{
    char name[96];
    snprintf(name, sizeof name, "%s.apart", part->name);
    const wi_gguf_tensor *t = wi_gguf_tensor_find(gguf, name);
    if (!t)
        return WI_OK;
    if (t->dims[0] < 1 || t->dims[0] > WI_MAX_APART)
        return missing(part, ".apart", error);
    mat->n_apart = (uint32_t)t->dims[0];
    mat->apart = bind(gguf, part, ".apart", WI_GGML_I32, mat->n_apart, 1, 1);
    mat->apart_panels =
        bind(gguf, part, ".apart.w", WI_GGML_F32, WI_PANEL, mat->n_apart, wi_mat_panels(mat));
    if (!mat->apart || !mat->apart_panels)
        return missing(part, ".apart", error);
    for (uint32_t i = 0; i < mat->n_apart; i++)
        if (mat->apart[i] >= mat->k || (i && mat->apart[i] <= mat->apart[i - 1]))
            return missing(part, ".apart", error);
    return WI_OK;
}

static wi_status bind_matrix(const wi_gguf *gguf, const wi_part *part, wi_error *error)
{
    wi_mat mat = {.n = part->n, .k = part->k};
    const uint64_t panels = wi_mat_panels(&mat), rows = panels * WI_PANEL,
                   k4 = ((uint64_t)mat.k + 3) / 4;
    static const struct {
        uint32_t ggml;
        wi_mat_type mine;
    } floats[] = {
        {WI_GGML_F32, WI_MAT_F32}, {WI_GGML_F16, WI_MAT_F16}, {WI_GGML_BF16, WI_MAT_BF16}};
    for (size_t i = 0; i < 3 && !mat.panels; i++) {
        mat.type = floats[i].mine;
        mat.panels = bind(gguf, part, ".w", floats[i].ggml, WI_PANEL, mat.k, panels);
    }
    if (!mat.panels) {
        mat.type = WI_MAT_S8;
        mat.panels = bind(gguf, part, ".w", WI_GGML_I8, 4 * WI_PANEL, k4, panels);
        mat.scale = bind(gguf, part, ".scale", WI_GGML_F32, rows, 1, 1);
        mat.sum = bind(gguf, part, ".sum", WI_GGML_I32, rows, 1, 1);
        if (!mat.panels || !mat.scale || !mat.sum)
            return missing(part, ".w", error);
        const wi_status status = bind_apart(gguf, part, &mat, error);
        if (status != WI_OK)
            return status;
    }
    if (part->has_bias) {
        mat.bias = bind(gguf, part, ".b", WI_GGML_F32, rows, 1, 1);
        if (!mat.bias)
            return missing(part, ".b", error);
    }
    *part->mat = mat;
    return WI_OK;
}

static wi_status bind_tokens(const wi_gguf *gguf, const wi_part *part, wi_error *error)
{
    static const uint32_t types[] = {WI_GGML_F32, WI_GGML_F16, WI_GGML_BF16, WI_GGML_I8};
    wi_text_net *t = part->text;
    t->tokens = NULL;
    for (wi_mat_type type = WI_MAT_F32; type <= WI_MAT_S8 && !t->tokens; type++) {
        t->token_type = type;
        t->tokens = bind(gguf, part, "", types[type], part->k, part->n, 1);
    }
    if (!t->tokens)
        return missing(part, "", error);
    if (t->token_type == WI_MAT_S8) {
        t->token_scale = bind(gguf, part, ".scale", WI_GGML_F32, part->n, 1, 1);
        if (!t->token_scale)
            return missing(part, ".scale", error);
    }
    return WI_OK;
}

static wi_status bind_part(void *context, const wi_part *part, wi_error *error)
{
    const wi_gguf *gguf = context;
    if (part->kind == WI_PART_TOKENS)
        return bind_tokens(gguf, part, error);
    if (part->kind != WI_PART_VECTOR)
        return bind_matrix(gguf, part, error);
    *part->vector = bind(gguf, part, "", WI_GGML_F32, part->n_floats, 1, 1);
    return *part->vector ? WI_OK : missing(part, "", error);
}

static uint32_t element_type(const wi_tokenizer_kind *kind)
{
    return kind->element_bytes == 2 ? WI_GGML_I16 : WI_GGML_I8;
}

static wi_status bind_tokenizer(const wi_gguf *gguf, wi_tokenizer *tokenizer, wi_error *error)
{
    for (size_t i = 0; wi_tokenizer_kinds[i]; i++) {
        const wi_tokenizer_kind *kind = wi_tokenizer_kinds[i];
        const wi_gguf_tensor *t = wi_gguf_tensor_find(gguf, kind->tensor);
        if (!t)
            continue;
        if (t->type != element_type(kind) || t->dims[0] != kind->row_elements || t->dims[2] != 1 ||
            t->dims[3] != 1 || (uintptr_t)t->data % TENSOR_ALIGNMENT != 0)
            return wi_fail(error, WI_ERR_FORMAT, "%s has the wrong shape: get the model again",
                           kind->tensor);
        return wi_tok_bind(kind, t->data, t->n_bytes, tokenizer, error);
    }
    return WI_OK;
}

static char *copy_string(const wi_gguf *gguf, const char *name)
{
    wi_gguf_text text = {"", 0};
    if (wi_gguf_has(gguf, name) && wi_gguf_string(gguf, name, &text, NULL) != WI_OK)
        text.n_bytes = 0;
    char *copy = malloc(text.n_bytes + 1);
    if (copy) {
        memcpy(copy, text.data, text.n_bytes);
        copy[text.n_bytes] = '\0';
    }
    return copy;
}

static wi_status read_strings(wi_model *model, wi_error *error)
{
    model->name = copy_string(model->gguf, "general.name");
    model->licence = copy_string(model->gguf, "general.license");
    model->source = copy_string(model->gguf, "general.source.url");
    char *fingerprint = copy_string(model->gguf, "whatsit.fingerprint");
    wi_status status = WI_OK;
    if (!model->name || !model->licence || !model->source || !fingerprint)
        status = wi_fail(error, WI_ERR_NOMEM, "out of memory for a model's name");
    else if (strlen(fingerprint) != 64 || strspn(fingerprint, "0123456789abcdef") != 64)
        status = wi_fail(error, WI_ERR_FORMAT, "whatsit.fingerprint is not 64 hex digits");
    else
        memcpy(model->fingerprint, fingerprint, sizeof model->fingerprint);
    free(fingerprint);
    return status;
}

static wi_status read_params(const wi_gguf *gguf, wi_params *params, wi_error *error)
{
    uint32_t version = 0;
    wi_status status = wi_gguf_u32(gguf, "whatsit.version", &version, error);
    if (status == WI_OK && version != FILE_VERSION)
        status = wi_fail(
            error, WI_ERR_UNSUPPORTED,
            "model file version %u, this program reads %d: convert the original model again, "
            "or use the program that made the file",
            version, FILE_VERSION);
    for (size_t i = 0; i < N_KEYS && status == WI_OK; i++)
        status = read_key(gguf, &keys[i], params, error);
    if (status == WI_OK)
        status = wi_params_check(params, error);
    return status;
}

static wi_status bind_all(wi_model *model, wi_error *error)
{
    wi_status status = read_params(model->gguf, &model->params, error);
    if (status == WI_OK)
        status = read_strings(model, error);
    if (status == WI_OK)
        status = wi_net_open(&model->params, &model->net, error);
    if (status == WI_OK)
        status = wi_net_walk(&model->net, &model->params, bind_part, model->gguf, error);
    if (status == WI_OK && model->params.text.present)
        status = bind_tokenizer(model->gguf, &model->tokenizer, error);
    if (status == WI_OK)
        status = wi_mdl_note_weights(model, error);
    return status;
}

wi_status wi_mdl_from_bytes(wi_engine *engine, const char *file, const uint8_t *bytes,
                            size_t n_bytes, wi_model **out, wi_error *error)
{
    wi_model *model = calloc(1, sizeof *model);
    if (!model)
        return wi_fail_nomem(error, sizeof *model, "a model");
    model->engine = engine;
    model->format = "whatsit gguf";
    model->file_bytes = n_bytes;
    wi_status status = wi_gguf_parse(file, bytes, n_bytes, &model->gguf, error);
    if (status == WI_OK) {
        status = bind_all(model, error);
        if (status != WI_OK)
            wi_error_prefix(error, file);
    }
    if (status == WI_OK)
        *out = model;
    else
        wi_mdl_close(&model);
    return status;
}

/* --- writing --- */

typedef struct writing {
    wi_gguf_writer *writer;
    const wi_progress *progress;
    uint64_t done, total;
} writing;

static wi_status declare_part(void *context, const wi_part *part, wi_error *error)
{
    (void)error;
    writing *w = context;
    wi_piece pieces[WI_MAX_PIECES];
    const size_t n = wi_part_pieces(part, pieces);
    for (size_t i = 0; i < n; i++) {
        wi_gguf_put_tensor(w->writer, pieces[i].name, (wi_ggml_type)pieces[i].type, pieces[i].rank,
                           pieces[i].dims);
        w->total += pieces[i].n_bytes;
    }
    return WI_OK;
}

static wi_status write_part(void *context, const wi_part *part, wi_error *error)
{
    writing *w = context;
    wi_piece pieces[WI_MAX_PIECES];
    const size_t n = wi_part_pieces(part, pieces);
    wi_status status = WI_OK;
    for (size_t i = 0; i < n && status == WI_OK; i++) {
        status = wi_gguf_writer_data(w->writer, pieces[i].data, pieces[i].n_bytes, error);
        w->done += pieces[i].n_bytes;
        if (status == WI_OK && !wi_progress_report(w->progress, w->done, w->total))
            status = wi_fail(error, WI_ERR_CANCELLED, "stopped");
    }
    return status;
}

static void put_keys(wi_gguf_writer *writer, const wi_model *model)
{
    wi_gguf_put_string(writer, "general.architecture", "whatsit");
    wi_gguf_put_string(writer, "general.name", model->name);
    wi_gguf_put_string(writer, "general.license", model->licence);
    wi_gguf_put_string(writer, "general.source.url", model->source);
    wi_gguf_put_u32(writer, "whatsit.version", FILE_VERSION);
    wi_gguf_put_string(writer, "whatsit.fingerprint", model->fingerprint);
    for (size_t i = 0; i < N_KEYS; i++)
        put_key(writer, &keys[i], &model->params);
}

wi_status wi_mdl_write(wi_model *model, const char *path, const wi_progress *progress,
                       wi_error *error)
{
    writing w = {.progress = progress};
    const wi_tokenizer *tokenizer = &model->tokenizer;
    const wi_tokenizer_kind *kind = tokenizer->kind;
    wi_status status = wi_mdl_fingerprint(model, NULL, model->fingerprint, error);
    if (status == WI_OK)
        status = wi_gguf_writer_open(path, TENSOR_ALIGNMENT, &w.writer, error);
    if (status != WI_OK)
        return status;
    put_keys(w.writer, model);
    if (kind)
        wi_gguf_put_tensor(
            w.writer, kind->tensor, element_type(kind), 2,
            (const uint64_t[]){kind->row_elements,
                               tokenizer->n_bytes / kind->element_bytes / kind->row_elements});
    status = wi_net_walk(&model->net, &model->params, declare_part, &w, error);
    if (status == WI_OK)
        status = wi_gguf_writer_begin(w.writer, error);
    if (status == WI_OK && kind)
        status = wi_gguf_writer_data(w.writer, tokenizer->table, tokenizer->n_bytes, error);
    if (status == WI_OK)
        status = wi_net_walk(&model->net, &model->params, write_part, &w, error);
    if (status == WI_OK)
        status = wi_gguf_writer_commit(w.writer, error);
    wi_gguf_writer_close(&w.writer);
    return status;
}
