#include "checkpoint/fastvit.h"

#include "base/error.h"
#include "base/size.h"
#include "nn/fastvit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRUNK "visual.trunk."

/* ---- stored tensors ---- */

static uint32_t side_of(const wi_source *source, const char *name, uint32_t axis)
{
    wi_stored stored;
    if (!wi_source_find(source, name, &stored) || axis >= stored.rank ||
        stored.shape[axis] > WI_MAX_WIDTH * 8)
        return 0;
    return (uint32_t)stored.shape[axis];
}

static bool there(const wi_source *source, const char *prefix, const char *name)
{
    char full[WI_SOURCE_MAX_NAME];
    wi_stored stored;
    snprintf(full, sizeof full, "%s%s", prefix, name);
    return wi_source_find(source, full, &stored);
}

/* The n numbers of a tensor, or NULL when it is not there or has another size. Owns: free(). */
static float *read_all(const wi_source *source, const char *prefix, const char *name, size_t n)
{
    char full[WI_SOURCE_MAX_NAME];
    wi_stored stored;
    uint64_t all = 1;
    snprintf(full, sizeof full, "%s%s", prefix, name);
    if (!wi_source_find(source, full, &stored) || !stored.readable)
        return NULL;
    for (uint32_t i = 0; i < stored.rank; i++)
        all *= stored.shape[i];
    float *numbers = all == n && n ? malloc(n * sizeof *numbers) : NULL;
    const wi_raw raw = {stored.type, 1, n, false, stored.data};
    if (numbers)
        wi_raw_read_rows(&raw, 0, 1, numbers);
    return numbers;
}

/* ---- folding ---- */

/* Everything that is folded, in one list; the first mistake sticks. */
typedef struct folding {
    wi_source *source;
    wi_safetensors_tensor *tensors;
    size_t n, capacity;
    void **blocks; /* of each tensor: its name, its numbers */
    bool failed, nomem;
    char what[WI_SOURCE_MAX_NAME];
} folding;

static void fail(folding *f, const char *prefix, const char *name)
{
    if (!f->failed)
        snprintf(f->what, sizeof f->what, "%s%s", prefix, name);
    f->failed = true;
}

/* Numbers under a new name; they are taken over. */
static void emit(folding *f, const char *prefix, const char *name, float *numbers,
                 const uint64_t *shape, uint32_t rank)
{
    if (f->n == f->capacity) {
        const size_t capacity = f->capacity ? 2 * f->capacity : 128;
        void *tensors = realloc(f->tensors, capacity * sizeof *f->tensors);
        f->tensors = tensors ? tensors : f->tensors;
        void *blocks = tensors ? realloc(f->blocks, 2 * capacity * sizeof *f->blocks) : NULL;
        f->blocks = blocks ? blocks : f->blocks;
        f->capacity = blocks ? capacity : f->capacity;
    }
    const size_t n_name = strlen(prefix) + strlen(name) + 1;
    char *full = f->n < f->capacity && numbers ? malloc(n_name) : NULL;
    if (!full) {
        f->nomem = f->failed = true;
        free(numbers);
        return;
    }
    snprintf(full, n_name, "%s%s", prefix, name);
    wi_safetensors_tensor *t = &f->tensors[f->n];
    *t = (wi_safetensors_tensor){.name = full,
                                 .type = WI_ST_F32,
                                 .rank = rank,
                                 .data = (const uint8_t *)numbers,
                                 .n_bytes = sizeof(float)};
    for (uint32_t i = 0; i < rank; i++) {
        t->shape[i] = shape[i];
        t->n_bytes *= (size_t)shape[i];
    }
    f->blocks[2 * f->n] = full;
    f->blocks[2 * f->n++ + 1] = numbers;
}

/* One convolution in the making: [n, inputs, size, size] and its bias, in double. */
typedef struct unit {
    size_t n, inputs, size;
    double *w, *b;
} unit;

static bool open_unit(folding *f, unit *u, size_t n, size_t inputs, size_t size)
{
    size_t elements = 0;
    *u = (unit){.n = n, .inputs = inputs, .size = size};
    if (n && wi_size_mul3(n, inputs, size * size, &elements) && elements < SIZE_MAX / 16) {
        u->w = calloc(elements, sizeof *u->w);
        u->b = calloc(n, sizeof *u->b);
    }
    if (!u->w || !u->b)
        f->nomem = f->failed = true;
    return u->w && u->b;
}

static void close_unit(unit *u)
{
    free(u->w);
    free(u->b);
}

/* scale[n] and shift[n] of a batch norm. */
static bool read_norm(folding *f, const char *prefix, size_t n, double *scale, double *shift)
{
    float *w = read_all(f->source, prefix, ".weight", n),
          *b = read_all(f->source, prefix, ".bias", n),
          *mean = read_all(f->source, prefix, ".running_mean", n),
          *var = read_all(f->source, prefix, ".running_var", n);
    const bool good = w && b && mean && var;
    for (size_t i = 0; good && i < n; i++) {
        scale[i] = (double)w[i] / sqrt((double)var[i] + 1e-5);
        shift[i] = (double)b[i] - (double)mean[i] * scale[i];
    }
    if (!good)
        fail(f, prefix, ".weight (a batch norm)");
    free(w);
    free(b);
    free(mean);
    free(var);
    return good;
}

/* Adds sign * gamma * (a branch); gamma NULL: 1. */
static void add_conv(folding *f, unit *u, const char *prefix, const double *gamma)
{
    char conv[WI_SOURCE_MAX_NAME], norm[WI_SOURCE_MAX_NAME];
    snprintf(conv, sizeof conv, "%s.conv.weight", prefix);
    snprintf(norm, sizeof norm, "%s.bn", prefix);
    const size_t size = side_of(f->source, conv, 3), gap = (u->size - size) / 2;
    double *scale = calloc(2 * u->n, sizeof *scale), *shift = scale ? scale + u->n : NULL;
    float *w = size && size <= u->size
                   ? read_all(f->source, prefix, ".conv.weight", u->n * u->inputs * size * size)
                   : NULL;
    if (!w || !scale || !read_norm(f, norm, u->n, scale, shift)) {
        fail(f, prefix, ".conv.weight");
        free(w);
        free(scale);
        return;
    }
    for (size_t i = 0; i < u->n; i++) {
        const double g = gamma ? gamma[i] : 1.0;
        for (size_t c = 0; c < u->inputs; c++)
            for (size_t y = 0; y < size; y++)
                for (size_t x = 0; x < size; x++)
                    u->w[((i * u->inputs + c) * u->size + y + gap) * u->size + x + gap] +=
                        g * scale[i] * (double)w[((i * u->inputs + c) * size + y) * size + x];
        u->b[i] += g * shift[i];
    }
    free(w);
    free(scale);
}

/* Adds factor * gamma * (batch norm of the input itself); norm NULL: the input itself. */
static void add_identity(folding *f, unit *u, const char *norm, double factor, const double *gamma)
{
    double *scale = calloc(2 * u->n, sizeof *scale), *shift = scale ? scale + u->n : NULL;
    const size_t middle = u->size / 2 * u->size + u->size / 2;
    if (!scale) {
        f->nomem = f->failed = true;
        return;
    }
    for (size_t i = 0; i < u->n && !norm; i++)
        scale[i] = 1.0;
    if (!norm || read_norm(f, norm, u->n, scale, shift))
        for (size_t i = 0; i < u->n; i++) {
            const double g = factor * (gamma ? gamma[i] : 1.0);
            const size_t channel = u->inputs > 1 ? i : 0;
            if (channel < u->inputs)
                u->w[(i * u->inputs + channel) * u->size * u->size + middle] += g * scale[i];
            u->b[i] += g * shift[i];
        }
    free(scale);
}

static void emit_unit(folding *f, const unit *u, const char *prefix)
{
    const size_t elements = u->n * u->inputs * u->size * u->size;
    float *w = malloc(elements * sizeof *w), *b = malloc(u->n * sizeof *b);
    for (size_t i = 0; w && i < elements; i++)
        w[i] = (float)u->w[i];
    for (size_t i = 0; b && i < u->n; i++)
        b[i] = (float)u->b[i];
    emit(f, prefix, ".reparam_conv.weight", w,
         (const uint64_t[]){u->n, u->inputs, u->size, u->size}, 4);
    emit(f, prefix, ".reparam_conv.bias", b, (const uint64_t[]){u->n}, 1);
}

/* A unit under this name: the sum of the branches that are there. */
static void fold(folding *f, const char *prefix, size_t n, size_t inputs, size_t size)
{
    static const char *const branches[] = {".conv_kxk.0", ".conv_kxk.1", ".conv_kxk.2",
                                           ".conv_scale", ".large_conv", ".small_conv"};
    unit u;
    char name[WI_SOURCE_MAX_NAME];
    if (f->failed || there(f->source, prefix, ".reparam_conv.weight"))
        return;
    if (open_unit(f, &u, n, inputs, size)) {
        for (size_t i = 0; i < sizeof branches / sizeof *branches; i++) {
            snprintf(name, sizeof name, "%s%s.conv.weight", prefix, branches[i]);
            const bool is_there = side_of(f->source, name, 0) != 0;
            snprintf(name, sizeof name, "%s%s", prefix, branches[i]);
            if (is_there)
                add_conv(f, &u, name, NULL);
        }
        snprintf(name, sizeof name, "%s.identity", prefix);
        if (there(f->source, name, ".weight"))
            add_identity(f, &u, name, 1.0, NULL);
        emit_unit(f, &u, prefix);
    }
    close_unit(&u);
}

/* x + gamma * (mixer(x) - norm(x)) as one convolution. */
static void fold_mixer(folding *f, const char *prefix, size_t n)
{
    unit u;
    char name[WI_SOURCE_MAX_NAME];
    if (f->failed || there(f->source, prefix, ".reparam_conv.weight"))
        return;
    float *stored = read_all(f->source, prefix, ".layer_scale.gamma", n);
    double *gamma = stored ? calloc(n, sizeof *gamma) : NULL;
    if (gamma && open_unit(f, &u, n, 1, 3)) {
        for (size_t i = 0; i < n; i++)
            gamma[i] = (double)stored[i];
        add_identity(f, &u, NULL, 1.0, NULL);
        snprintf(name, sizeof name, "%s.mixer.conv_kxk.0", prefix);
        add_conv(f, &u, name, gamma);
        snprintf(name, sizeof name, "%s.mixer.conv_scale", prefix);
        if (there(f->source, name, ".conv.weight"))
            add_conv(f, &u, name, gamma);
        snprintf(name, sizeof name, "%s.mixer.identity", prefix);
        add_identity(f, &u, name, 1.0, gamma);
        snprintf(name, sizeof name, "%s.norm.identity", prefix);
        add_identity(f, &u, name, -1.0, gamma);
        emit_unit(f, &u, prefix);
        close_unit(&u);
    } else {
        fail(f, prefix, ".layer_scale.gamma");
    }
    free(gamma);
    free(stored);
}

/* x + a depthwise convolution with bias. */
static void fold_positions(folding *f, const char *prefix, size_t n)
{
    unit u;
    if (f->failed || there(f->source, prefix, ".reparam_conv.weight"))
        return;
    float *w = read_all(f->source, prefix, ".pos_enc.weight", n * 49),
          *b = read_all(f->source, prefix, ".pos_enc.bias", n);
    if (w && b && open_unit(f, &u, n, 1, 7)) {
        add_identity(f, &u, NULL, 1.0, NULL);
        for (size_t i = 0; i < n * 49; i++)
            u.w[i] += (double)w[i];
        for (size_t i = 0; i < n; i++)
            u.b[i] += (double)b[i];
        emit_unit(f, &u, prefix);
        close_unit(&u);
    } else {
        fail(f, prefix, ".pos_enc.weight");
    }
    free(w);
    free(b);
}

/* The numbers of one tensor under another name. */
static void copy(folding *f, const char *prefix, const char *from, const char *to, size_t n)
{
    float *numbers = read_all(f->source, prefix, from, n);
    if (numbers)
        emit(f, prefix, to, numbers, (const uint64_t[]){n}, 1);
    else
        fail(f, prefix, from);
}

/* The norm before attention as a weight and a bias, whichever it is. */
static void fold_norm(folding *f, const char *block, size_t n, bool layer_norm)
{
    char prefix[WI_SOURCE_MAX_NAME];
    snprintf(prefix, sizeof prefix, "%s.norm", block);
    if (layer_norm) {
        copy(f, prefix, ".weight", ".folded.weight", n);
        copy(f, prefix, ".bias", ".folded.bias", n);
        return;
    }
    double *scale = calloc(2 * n, sizeof *scale);
    float *w = malloc(n * sizeof *w), *b = malloc(n * sizeof *b);
    if (scale && w && b && read_norm(f, prefix, n, scale, scale + n)) {
        for (size_t i = 0; i < n; i++) {
            w[i] = (float)scale[i];
            b[i] = (float)scale[n + i];
        }
        emit(f, prefix, ".folded.weight", w, (const uint64_t[]){n}, 1);
        emit(f, prefix, ".folded.bias", b, (const uint64_t[]){n}, 1);
    } else {
        fail(f, prefix, ".weight");
        free(w);
        free(b);
    }
    free(scale);
}

static void fold_block(folding *f, const wi_fastvit_params *p, uint32_t s, uint32_t i)
{
    char block[80], name[WI_SOURCE_MAX_NAME];
    const size_t n = p->width[s];
    snprintf(block, sizeof block, TRUNK "stages.%u.blocks.%u", s, i);
    if (p->attention[s]) {
        fold_norm(f, block, n, p->layer_norm);
        copy(f, block, ".layer_scale_1.gamma", ".folded_1.gamma", n);
    } else {
        snprintf(name, sizeof name, "%s.token_mixer", block);
        fold_mixer(f, name, n);
    }
    copy(f, block, p->attention[s] ? ".layer_scale_2.gamma" : ".layer_scale.gamma",
         ".folded_2.gamma", n);
    unit u;
    snprintf(name, sizeof name, "%s.mlp.conv", block);
    if (open_unit(f, &u, n, 1, 7)) {
        add_conv(f, &u, name, NULL);
        emit_unit(f, &u, name);
    }
    close_unit(&u);
}

static void fold_all(folding *f, const wi_fastvit_params *p, uint32_t n_stages)
{
    fold(f, TRUNK "stem.0", p->width[0], 3, 3);
    fold(f, TRUNK "stem.1", p->width[0], 1, 3);
    fold(f, TRUNK "stem.2", p->width[0], p->width[0], 1);
    for (uint32_t s = 0; s < n_stages && !f->failed; s++) {
        char name[80];
        snprintf(name, sizeof name, TRUNK "stages.%u.downsample.proj.0", s);
        if (s)
            fold(f, name, p->width[s], 1, 7);
        name[strlen(name) - 1] = '1';
        if (s)
            fold(f, name, p->width[s], p->width[s], 1);
        snprintf(name, sizeof name, TRUNK "stages.%u.pos_emb", s);
        if (p->attention[s])
            fold_positions(f, name, p->width[s]);
        for (uint32_t i = 0; i < p->blocks[s] && !f->failed; i++)
            fold_block(f, p, s, i);
    }
    fold(f, TRUNK "final_conv", p->final_width, 1, 3);
}

static void free_blocks(folding *f)
{
    for (size_t i = 0; i < 2 * f->n; i++)
        free(f->blocks[i]);
    free(f->blocks);
    free(f->tensors);
}

/* What was made becomes one more file of the source, which owns its memory as one block. */
static wi_status keep(folding *f, wi_error *error)
{
    size_t n_bytes = 0, n_names = 0;
    for (size_t i = 0; i < f->n; i++) {
        n_bytes += f->tensors[i].n_bytes;
        n_names += strlen(f->tensors[i].name) + 1;
    }
    uint8_t *memory = malloc(n_bytes + n_names + 1);
    if (!memory)
        return wi_fail_nomem(error, n_bytes, "folded weights");
    uint8_t *at = memory;
    char *name = (char *)memory + n_bytes;
    for (size_t i = 0; i < f->n; i++) {
        wi_safetensors_tensor *t = &f->tensors[i];
        memcpy(at, t->data, t->n_bytes);
        t->data = at;
        at += t->n_bytes;
        const size_t n = strlen(t->name) + 1;
        memcpy(name, t->name, n);
        t->name = name;
        name += n;
    }
    wi_safetensors_tensor *tensors = f->tensors;
    f->tensors = NULL;
    return wi_source_add_tensors(f->source, tensors, f->n, memory, error);
}

/* ---- names ---- */

static void put(wi_place *out, const char *prefix, const char *name, const char *part)
{
    snprintf(out->name, sizeof out->name, TRUNK "%s%s%s", prefix, name, part);
}

/* "mixer" and "mixer_bias" are a convolution's two tensors. */
static bool is_conv(const char *module, const char *name, const char **part)
{
    const size_t n = strlen(name);
    if (strncmp(module, name, n) != 0)
        return false;
    *part = module[n] == '\0' ? ".reparam_conv.weight" : ".reparam_conv.bias";
    return module[n] == '\0' || strcmp(module + n, "_bias") == 0;
}

static void place_block(const wi_ours *ours, wi_place *out)
{
    char block[64];
    const char *m = ours->module, *part = *ours->part == 'b' ? ".bias" : ".weight", *conv;
    snprintf(block, sizeof block, "stages.%d.blocks.%d", ours->stage, ours->block);
    if (is_conv(m, "mixer", &conv))
        put(out, block, ".token_mixer", conv);
    else if (is_conv(m, "conv", &conv))
        put(out, block, ".mlp.conv", conv);
    else if (strcmp(m, "fc1") == 0 || strcmp(m, "fc2") == 0)
        put(out, block, m[2] == '1' ? ".mlp.fc1" : ".mlp.fc2", part);
    else if (strcmp(m, "ls1") == 0 || strcmp(m, "ls2") == 0)
        put(out, block, m[2] == '1' ? ".folded_1" : ".folded_2", ".gamma");
    else if (strcmp(m, "ln") == 0)
        put(out, block, ".norm.folded", part);
    else if (strcmp(m, "o") == 0)
        put(out, block, ".token_mixer.proj", part);
    else {
        put(out, block, ".token_mixer.qkv", ".weight");
        out->slice = *m == 'q' ? 0 : *m == 'k' ? 1 : 2;
        out->n_slices = 3;
    }
}

static void place(const wi_ours *ours, wi_place *out)
{
    const char *m = ours->module, *part = *ours->part == 'b' ? ".bias" : ".weight", *conv;
    char stage[40];
    if (ours->block >= 0) {
        place_block(ours, out);
    } else if (strncmp(m, "stage", 5) == 0) {
        snprintf(stage, sizeof stage, "stages.%c", m[5]);
        m += 7; /* "stage1_" */
        if (is_conv(m, "down", &conv))
            put(out, stage, ".downsample.proj.0", conv);
        else if (is_conv(m, "positions", &conv))
            put(out, stage, ".pos_emb", conv);
        else if (strcmp(m, "mix") == 0)
            put(out, stage, ".downsample.proj.1.reparam_conv", part);
        else /* se1, se2 */
            put(out, stage, m[2] == '1' ? ".downsample.proj.0.se.fc1" : ".downsample.proj.0.se.fc2",
                part);
    } else if (is_conv(m, "stem1", &conv)) {
        put(out, "stem.1", "", conv);
    } else if (is_conv(m, "final", &conv)) {
        put(out, "final_conv", "", conv);
    } else if (strcmp(m, "stem0") == 0 || strcmp(m, "stem2") == 0) {
        put(out, m[4] == '0' ? "stem.0" : "stem.2", ".reparam_conv", part);
    } else if (strncmp(m, "final_se", 8) == 0) {
        put(out, "final_conv.se.fc", m + 8, part);
    } else { /* proj */
        put(out, "head.fc", "", part);
    }
}

/* What was folded is read under its new name. */
static bool harmless(const char *name)
{
    static const char *const folded[] = {".conv_kxk.",   ".conv_scale.", ".large_conv.",
                                         ".small_conv.", ".identity.",   ".pos_enc.",
                                         ".mlp.conv.",   ".layer_scale", ".norm."};
    for (size_t i = 0; i < sizeof folded / sizeof *folded; i++)
        if (strncmp(name, TRUNK, strlen(TRUNK)) == 0 && strstr(name, folded[i]))
            return true;
    return false;
}

/* ---- parameters ---- */

static uint32_t read_stages(const wi_source *source, wi_fastvit_params *p)
{
    uint32_t s = 0;
    for (; s < WI_FASTVIT_STAGES; s++) {
        char name[WI_SOURCE_MAX_NAME];
        for (p->blocks[s] = 0; p->blocks[s] < WI_MAX_LAYERS; p->blocks[s]++) {
            snprintf(name, sizeof name, TRUNK "stages.%u.blocks.%u.mlp.fc1.weight", s,
                     p->blocks[s]);
            if (!side_of(source, name, 0))
                break;
        }
        if (!p->blocks[s])
            break;
        snprintf(name, sizeof name, TRUNK "stages.%u.blocks.0.mlp.fc1.weight", s);
        p->mlp_width[s] = side_of(source, name, 0);
        p->width[s] = side_of(source, name, 1);
        snprintf(name, sizeof name, TRUNK "stages.%u.blocks.0.token_mixer.qkv.weight", s);
        p->attention[s] = side_of(source, name, 0) != 0;
        snprintf(name, sizeof name, TRUNK "stages.%u.downsample.proj.0.se.fc1.weight", s);
        p->squeeze[s] = side_of(source, name, 0);
        snprintf(name, sizeof name, TRUNK "stages.%u.blocks.0.norm.running_mean", s);
        p->layer_norm |= p->attention[s] && !side_of(source, name, 0);
    }
    return s;
}

/* S3 and S4 have OpenAI's colours, the smaller ones 0..1.
 * Source: open_clip 3.3.0 pretrained.py */
static wi_preprocess usual_preprocess(const char *timm_name, uint32_t image_px)
{
    wi_preprocess how = wi_preprocess_openai(image_px);
    how.interpolation = WI_BILINEAR;
    if (!strstr(timm_name, "mci3") && !strstr(timm_name, "mci4"))
        for (int c = 0; c < 3; c++) {
            how.mean[c] = 0.0f;
            how.std[c] = 1.0f;
        }
    return how;
}

void wi_fastvit_read(wi_config *config, const wi_json *vision_cfg, wi_source *source)
{
    wi_fastvit_params p = {.image_px = wi_config_side(config, vision_cfg, "image_size", 256)};
    const uint32_t n_stages = read_stages(source, &p);
    const char *pool = wi_config_string(config, vision_cfg, "timm_pool", "avg"),
               *proj = wi_config_string(config, vision_cfg, "timm_proj", "");
    p.final_width = side_of(source, TRUNK "head.fc.weight", 1);
    p.final_squeeze = side_of(source, TRUNK "final_conv.se.fc1.weight", 0);
    if (strcmp(pool, "avg") != 0 || (*proj && strcmp(proj, "none") != 0))
        wi_config_fail(config, WI_ERR_UNSUPPORTED,
                       "open_clip options 'timm_pool=%.20s', 'timm_proj=%.20s' of FastViT", pool,
                       proj);
    if (n_stages == 0 || p.final_width == 0 || p.final_squeeze == 0)
        wi_config_fail(config, WI_ERR_FORMAT, "the weights beside it are not those of FastViT");
    source->params.preprocess =
        usual_preprocess(wi_config_string(config, vision_cfg, "timm_model_name", ""), p.image_px);
    wi_tower_params_set(&source->params.tower[WI_ROLE_IMAGE], &wi_fastvit_kind, &p);
    source->place_image = place;
    source->harmless_image = harmless;
    if (config->status != WI_OK)
        return;
    folding f = {.source = source};
    fold_all(&f, &p, n_stages);
    if (f.nomem)
        config->status = wi_fail_nomem(config->error, 0, "folded weights");
    else if (f.failed)
        wi_config_fail(config, WI_ERR_FORMAT, "tensor '%.100s' is missing or has another shape",
                       f.what);
    else
        config->status = keep(&f, config->error);
    free_blocks(&f);
}
