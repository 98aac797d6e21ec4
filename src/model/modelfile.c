/* Our model file: GGUF with architecture "whatsit". The tensors stand in it as the kernels read
 * them, so that opening binds pointers into the mapping. Keys and tensors are listed in
 * docs/FORMATS.md. */
#include "model/model.h"

#include "base/error.h"
#include "base/progress.h"
#include "model/paramsfile.h"
#include "model/pieces.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TENSOR_ALIGNMENT = 64 };

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
    const bool half = mat.type == WI_MAT_F16 || mat.type == WI_MAT_BF16;
    if (part->kind == WI_PART_DEPTHWISE && (half || mat.n_apart))
        return missing(part, ".w", error);
    if (part->has_bias) {
        mat.bias = bind(gguf, part, ".b", WI_GGML_F32, rows, 1, 1);
        if (!mat.bias)
            return missing(part, ".b", error);
    }
    *part->mat = mat;
    return WI_OK;
}

static wi_status bind_table(const wi_gguf *gguf, const wi_part *part, wi_error *error)
{
    static const uint32_t types[] = {WI_GGML_F32, WI_GGML_F16, WI_GGML_BF16, WI_GGML_I8};
    wi_table table = {0};
    for (wi_mat_type type = WI_MAT_F32; type <= WI_MAT_S8 && !table.rows; type++) {
        table.type = type;
        table.rows = bind(gguf, part, "", types[type], part->k, part->n, 1);
    }
    if (!table.rows)
        return missing(part, "", error);
    if (table.type == WI_MAT_S8) {
        table.scale = bind(gguf, part, ".scale", WI_GGML_F32, part->n, 1, 1);
        if (!table.scale)
            return missing(part, ".scale", error);
    }
    *part->table = table;
    return WI_OK;
}

static wi_status bind_part(void *context, const wi_part *part, wi_error *error)
{
    const wi_gguf *gguf = context;
    if (part->kind == WI_PART_TABLE)
        return bind_table(gguf, part, error);
    if (part->kind != WI_PART_VECTOR)
        return bind_matrix(gguf, part, error);
    *part->vector = bind(gguf, part, "", WI_GGML_F32, wi_part_elements(part), 1, 1);
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

static wi_status bind_all(wi_model *model, wi_error *error)
{
    wi_status status = wi_params_read(model->gguf, &model->params, error);
    if (status == WI_OK)
        status = read_strings(model, error);
    if (status == WI_OK)
        status = wi_net_open(&model->params, &model->net, error);
    if (status == WI_OK)
        status = wi_net_walk(&model->net, bind_part, model->gguf, error);
    if (status == WI_OK)
        status = wi_net_check(&model->net, error);
    if (status == WI_OK &&
        (model->params.tower[WI_ROLE_TEXT].kind || model->params.tower[WI_ROLE_DECODER].kind))
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
    wi_gguf_put_string(writer, "whatsit.fingerprint", model->fingerprint);
    wi_params_write(writer, &model->params);
}

wi_status wi_mdl_write(wi_model *model, const char *path, const wi_progress *progress,
                       wi_error *error)
{
    writing w = {.progress = progress};
    const wi_tokenizer *tokenizer = &model->tokenizer;
    const wi_tokenizer_kind *kind = tokenizer->kind;
    wi_status status =
        model->fingerprint[0] ? WI_OK : wi_mdl_fingerprint(model, NULL, model->fingerprint, error);
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
    status = wi_net_walk(&model->net, declare_part, &w, error);
    if (status == WI_OK)
        status = wi_gguf_writer_begin(w.writer, error);
    if (status == WI_OK && kind)
        status = wi_gguf_writer_data(w.writer, tokenizer->table, tokenizer->n_bytes, error);
    if (status == WI_OK)
        status = wi_net_walk(&model->net, write_part, &w, error);
    if (status == WI_OK)
        status = wi_gguf_writer_commit(w.writer, error);
    wi_gguf_writer_close(&w.writer);
    return status;
}
