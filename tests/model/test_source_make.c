#include "test_source_make.h"

#include "fmt/gguf_write.h"
#include "fmt/safetensors.h"
#include "kern/half.h"
#include "support/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_ITEMS = 400 };

static uint32_t hash(const char *text)
{
    uint32_t h = 2166136261u;
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 16777619u;
    return h;
}

float expected_value(const char *ours, size_t row, size_t col)
{
    uint32_t h = hash(ours) + (uint32_t)row * 2654435761u + (uint32_t)col * 2246822519u;
    h ^= h >> 15;
    h *= 2654435761u;
    return (float)((int)(h >> 28) - 8) / 8;
}

/* ---- the list of our names ---- */

typedef struct list {
    item *items;
    size_t n, n_max;
} list;

#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
static void
add(list *l, size_t n_rows, size_t n_cols, const char *format, ...)
{
    assert_true(l->n < l->n_max);
    item *it = &l->items[l->n++];
    va_list args;
    va_start(args, format);
    vsnprintf(it->ours, sizeof it->ours, format, args);
    va_end(args);
    it->n_rows = n_rows;
    it->n_cols = n_cols;
}

static void add_blocks(list *l, char tower)
{
    for (int i = 0; i < LAYERS; i++) {
        for (int k = 1; k <= 2; k++) {
            add(l, 1, WIDTH, "%c.%d.ln%d.w", tower, i, k);
            add(l, 1, WIDTH, "%c.%d.ln%d.b", tower, i, k);
        }
        for (const char *m = "qkvo"; *m; m++) {
            add(l, WIDTH, WIDTH, "%c.%d.%c.w", tower, i, *m);
            add(l, 1, WIDTH, "%c.%d.%c.b", tower, i, *m);
        }
        add(l, MLP, WIDTH, "%c.%d.fc1.w", tower, i);
        add(l, 1, MLP, "%c.%d.fc1.b", tower, i);
        add(l, WIDTH, MLP, "%c.%d.fc2.w", tower, i);
        add(l, 1, WIDTH, "%c.%d.fc2.b", tower, i);
    }
}

static void add_conv(list *l, size_t out, size_t in, const char *name)
{
    add(l, out, in, "%s.w", name);
    for (const char *part = "w\0b\0mean\0var\0"; *part; part += strlen(part) + 1)
        add(l, 1, out, "%s.bn.%s", name, part);
}

/* Width 4, blocks 1, 2, 1, 1. */
static void add_resnet(list *l)
{
    size_t in = 4;
    add_conv(l, 2, 27, "v.stem.1");
    add_conv(l, 2, 18, "v.stem.2");
    add_conv(l, 4, 18, "v.stem.3");
    for (int stage = 1; stage <= 4; stage++)
        for (int i = 0; i < (stage == 2 ? 2 : 1); i++) {
            size_t planes = (size_t)4 << (stage - 1);
            char name[24];
            snprintf(name, sizeof name, "v.%d.%d.conv1", stage, i);
            add_conv(l, planes, in, name);
            snprintf(name, sizeof name, "v.%d.%d.conv2", stage, i);
            add_conv(l, planes, planes * 9, name);
            snprintf(name, sizeof name, "v.%d.%d.conv3", stage, i);
            add_conv(l, planes * 4, planes, name);
            snprintf(name, sizeof name, "v.%d.%d.down", stage, i);
            if (i == 0)
                add_conv(l, planes * 4, in, name);
            in = planes * 4;
        }
    add(l, 5, 128, "v.pool.pos");
    for (const char *m = "qkvc"; *m; m++) {
        add(l, *m == 'c' ? EMBEDDING : 128, 128, "v.pool.%c.w", *m);
        add(l, 1, *m == 'c' ? EMBEDDING : 128, "v.pool.%c.b", *m);
    }
}

static void add_vit(list *l)
{
    add(l, WIDTH, 3 * PATCH * PATCH, "v.patch.w");
    add(l, 1, WIDTH, "v.class");
    add(l, (SIDE / PATCH) * (SIDE / PATCH) + 1, WIDTH, "v.pos");
    for (const char *m = "pre\0post\0"; *m; m += strlen(m) + 1) {
        add(l, 1, WIDTH, "v.ln_%s.w", m);
        add(l, 1, WIDTH, "v.ln_%s.b", m);
    }
    add_blocks(l, 'v');
    add(l, EMBEDDING, WIDTH, "v.proj.w");
}

size_t list_items(const recipe *r, item *items, size_t n_max)
{
    list l = {items, 0, n_max};
    if ((r->towers & 1) && r->resnet)
        add_resnet(&l);
    else if (r->towers & 1)
        add_vit(&l);
    if (r->towers & 2) {
        add(&l, VOCABULARY, WIDTH, "t.tok");
        add(&l, CONTEXT, WIDTH, "t.pos");
        add_blocks(&l, 't');
        add(&l, 1, WIDTH, "t.ln_final.w");
        add(&l, 1, WIDTH, "t.ln_final.b");
        add(&l, EMBEDDING, WIDTH, "t.proj.w");
    }
    return l.n;
}

/* ---- their names: a separate telling of what the program knows, read off the original files ----
 */

typedef struct swap {
    const char *from, *to;
} swap;

/* Replaces the first pattern of the list that text has. */
static void rewrite(char *text, size_t n_text, const swap *swaps, size_t n_swaps)
{
    for (size_t i = 0; i < n_swaps; i++) {
        char *at = strstr(text, swaps[i].from);
        if (!at)
            continue;
        char rest[128];
        snprintf(rest, sizeof rest, "%s", at + strlen(swaps[i].from));
        snprintf(at, n_text - (size_t)(at - text), "%s%s", swaps[i].to, rest);
        return;
    }
}

/* "v.1.fc2.w" -> *block = 1, middle "fc2", part "weight". */
static bool split_block(const char *ours, int *block, char middle[16], const char **part)
{
    char last[8];
    if (sscanf(ours, "%*c.%d.%15[^.].%7s", block, middle, last) != 3)
        return false;
    *part = *last == 'w' ? "weight" : "bias";
    return true;
}

static void name_hf(const char *ours, char *out, size_t n_out)
{
    static const swap fixed[] = {
        {"v.patch.w", "vision_model.embeddings.patch_embedding.weight"},
        {"v.class", "vision_model.embeddings.class_embedding"},
        {"v.pos", "vision_model.embeddings.position_embedding.weight"},
        {"v.ln_pre.w", "vision_model.pre_layrnorm.weight"},
        {"v.ln_pre.b", "vision_model.pre_layrnorm.bias"},
        {"v.ln_post.w", "vision_model.post_layernorm.weight"},
        {"v.ln_post.b", "vision_model.post_layernorm.bias"},
        {"v.proj.w", "visual_projection.weight"},
        {"t.tok", "text_model.embeddings.token_embedding.weight"},
        {"t.pos", "text_model.embeddings.position_embedding.weight"},
        {"t.ln_final.w", "text_model.final_layer_norm.weight"},
        {"t.ln_final.b", "text_model.final_layer_norm.bias"},
        {"t.proj.w", "text_projection.weight"},
    };
    static const swap inner[] = {{"ln1", "layer_norm1"},    {"ln2", "layer_norm2"},
                                 {"fc1", "mlp.fc1"},        {"fc2", "mlp.fc2"},
                                 {"q", "self_attn.q_proj"}, {"k", "self_attn.k_proj"},
                                 {"v", "self_attn.v_proj"}, {"o", "self_attn.out_proj"}};
    int block;
    char middle[32];
    const char *part;
    if (split_block(ours, &block, middle, &part)) {
        rewrite(middle, sizeof middle, inner, 8);
        snprintf(out, n_out, "%s_model.encoder.layers.%d.%s.%s", *ours == 'v' ? "vision" : "text",
                 block, middle, part);
        return;
    }
    snprintf(out, n_out, "%s", ours);
    rewrite(out, n_out, fixed, sizeof fixed / sizeof *fixed);
}

static void name_cpp(const char *ours, bool straight, char *out, size_t n_out)
{
    static const swap fixed[] = {
        {"v.patch.w", "v.patch_embd.weight"},   {"v.class", "v.class_embd"},
        {"v.pos", "v.position_embd.weight"},    {"v.ln_pre.w", "v.pre_ln.weight"},
        {"v.ln_pre.b", "v.pre_ln.bias"},        {"v.ln_post.w", "v.post_ln.weight"},
        {"v.ln_post.b", "v.post_ln.bias"},      {"v.proj.w", "visual_projection.weight"},
        {"t.tok", "t.token_embd.weight"},       {"t.pos", "t.position_embd.weight"},
        {"t.ln_final.w", "t.post_ln.weight"},   {"t.ln_final.b", "t.post_ln.bias"},
        {"t.proj.w", "text_projection.weight"},
    };
    static const swap inner[] = {{"fc1", "ffn_down"}, {"fc2", "ffn_up"}, {"q", "attn_q"},
                                 {"k", "attn_k"},     {"v", "attn_v"},   {"o", "attn_out"}};
    static const swap other[] = {{"fc1", "ffn_up"}, {"fc2", "ffn_down"}};
    int block;
    char middle[32];
    const char *part;
    if (split_block(ours, &block, middle, &part)) {
        if (straight && middle[0] == 'f')
            rewrite(middle, sizeof middle, other, 2);
        else if (middle[0] != 'l')
            rewrite(middle, sizeof middle, inner, 6);
        snprintf(out, n_out, "%c.blk.%d.%s.%s", *ours, block, middle, part);
        return;
    }
    snprintf(out, n_out, "%s", ours);
    rewrite(out, n_out, fixed, sizeof fixed / sizeof *fixed);
}

static void name_openai(const char *ours, bool custom_text, char *out, size_t n_out)
{
    static const swap fixed[] = {
        {"v.patch.w", "visual.conv1.weight"},
        {"v.class", "visual.class_embedding"},
        {"v.pool.pos", "visual.attnpool.positional_embedding"},
        {"v.pos", "visual.positional_embedding"},
        {"v.proj.w", "visual.proj"},
        {"v.ln_", "visual.ln_"},
        {"v.stem.", "visual.conv"},
        {"v.pool.q", "visual.attnpool.q_proj"},
        {"v.pool.k", "visual.attnpool.k_proj"},
        {"v.pool.v", "visual.attnpool.v_proj"},
        {"v.pool.c", "visual.attnpool.c_proj"},
        {"t.tok", "token_embedding.weight"},
        {"t.pos", "positional_embedding"},
        {"t.ln_", "ln_"},
        {"t.proj.w", "text_projection"},
    };
    static const swap bn[] = {{"conv1.bn", "bn1"},
                              {"conv2.bn", "bn2"},
                              {"conv3.bn", "bn3"},
                              {"down.bn", "downsample.1"},
                              {"down", "downsample.0"}};
    static const swap tail[] = {{".mean", ".running_mean"}, {".var", ".running_var"}};
    static const swap inner[] = {{"ln1", "ln_1"},
                                 {"ln2", "ln_2"},
                                 {"fc1", "mlp.c_fc"},
                                 {"fc2", "mlp.c_proj"},
                                 {"o", "attn.out_proj"}};
    int block, stage;
    char middle[32];
    const char *part;
    if (sscanf(ours, "v.%d.%d.", &stage, &block) == 2) {
        snprintf(out, n_out, "visual.layer%d.%d.%s", stage, block, ours + 6);
    } else if (split_block(ours, &block, middle, &part)) {
        rewrite(middle, sizeof middle, inner, 5);
        snprintf(out, n_out, "%s%stransformer.resblocks.%d.%s.%s", *ours == 'v' ? "visual." : "",
                 *ours == 't' && custom_text ? "text." : "", block, middle, part);
        return;
    } else {
        bool text = *ours == 't' && custom_text;
        snprintf(out, n_out, "%s", ours);
        rewrite(out, n_out, fixed, sizeof fixed / sizeof *fixed);
        if (text) {
            char bare[100];
            snprintf(bare, sizeof bare, "%.99s", out);
            snprintf(out, n_out, "text.%s", bare);
        }
    }
    rewrite(out, n_out, bn, 5);
    rewrite(out, n_out, tail, 2);
    size_t n = strlen(out);
    if (n > 2 && strcmp(out + n - 2, ".w") == 0)
        snprintf(out + n - 1, n_out - n, "weight");
    else if (n > 2 && strcmp(out + n - 2, ".b") == 0)
        snprintf(out + n - 1, n_out - n, "bias");
}

/* ---- stored tensors ---- */

typedef struct stored {
    char name[128];
    wi_raw_type type;
    uint32_t rank;
    uint64_t shape[4]; /* row-major */
    uint8_t *bytes;
    size_t n_bytes;
} stored;

static size_t encode(wi_raw_type type, const float *values, size_t n, uint8_t *out)
{
    if (type == WI_RAW_F32) {
        memcpy(out, values, n * 4);
        return n * 4;
    }
    if (type == WI_RAW_F16 || type == WI_RAW_BF16) {
        for (size_t i = 0; i < n; i++) {
            uint16_t h = type == WI_RAW_F16 ? wi_f32_to_f16(values[i]) : wi_f32_to_bf16(values[i]);
            memcpy(out + 2 * i, &h, 2);
        }
        return n * 2;
    }
    size_t at = 0;
    for (size_t b = 0; b < n / 32; b++) {
        uint16_t scale = wi_f32_to_f16(0.125f);
        memcpy(out + at, &scale, 2);
        at += 2;
        for (size_t i = 0; i < 32; i++) {
            int q = (int)(values[b * 32 + i] * 8);
            if (type == WI_RAW_Q8_0)
                out[at + i] = (uint8_t)(int8_t)q;
            else if (i < 16)
                out[at + i] = (uint8_t)(q + 8);
            else
                out[at + i - 16] = (uint8_t)(out[at + i - 16] | (q + 8) << 4);
        }
        at += type == WI_RAW_Q8_0 ? 32 : 16;
    }
    return at;
}

static void set_shape(stored *s, const char *ours, size_t n_rows, size_t n_cols)
{
    bool conv3 = strstr(ours, "stem.") || strstr(ours, "conv2"),
         conv1 = strstr(ours, "conv") || strstr(ours, "down");
    s->rank = n_rows == 1 ? 1 : 2;
    s->shape[0] = n_rows == 1 ? n_cols : n_rows;
    s->shape[1] = n_cols;
    if (n_rows == 1)
        return;
    if (strcmp(ours, "v.patch.w") == 0 || conv3 || conv1) {
        uint64_t side = strcmp(ours, "v.patch.w") == 0 ? PATCH : conv3 ? 3 : 1;
        s->rank = 4;
        s->shape[1] = n_cols / side / side;
        s->shape[2] = s->shape[3] = side;
    }
}

static stored *add_stored(stored *all, size_t *n, const recipe *r, const item *it, const char *name)
{
    stored *s = &all[(*n)++];
    memset(s, 0, sizeof *s);
    snprintf(s->name, sizeof s->name, "%s", name);
    bool blocks = r->type == WI_RAW_Q8_0 || r->type == WI_RAW_Q4_0;
    bool plain =
        blocks && (it->n_rows == 1 || it->n_cols % 32 || strcmp(it->ours, "v.patch.w") == 0);
    s->type = plain ? (it->n_rows == 1 ? WI_RAW_F32 : WI_RAW_F16) : r->type;
    set_shape(s, it->ours, it->n_rows, it->n_cols);
    return s;
}

static float *values_of(const item *it, bool transposed)
{
    float *values = malloc(it->n_rows * it->n_cols * sizeof *values);
    assert_non_null(values);
    for (size_t r = 0; r < it->n_rows; r++)
        for (size_t c = 0; c < it->n_cols; c++)
            values[transposed ? c * it->n_rows + r : r * it->n_cols + c] =
                expected_value(it->ours, r, c);
    return values;
}

static void append_bytes(stored *s, const float *values, size_t n)
{
    s->bytes = realloc(s->bytes, s->n_bytes + n * 4);
    assert_non_null(s->bytes);
    memset(s->bytes + s->n_bytes, 0, n * 4);
    s->n_bytes += encode(s->type, values, n, s->bytes + s->n_bytes);
}

static void add_item(const recipe *r, const item *it, stored *all, size_t *n)
{
    char name[128];
    bool openai = r->layout == LAYOUT_OPEN_CLIP || r->layout == LAYOUT_OPENAI, transposed = false;
    char module = '\0', part = '\0';
    if (r->layout == LAYOUT_CLIP_CPP)
        name_cpp(it->ours, r->straight, name, sizeof name);
    else if (!openai)
        name_hf(it->ours, name, sizeof name);
    else
        name_openai(it->ours, r->custom_text, name, sizeof name);
    stored *s = NULL;
    int block;
    if (openai && sscanf(it->ours, "%*c.%d.%c.%c", &block, &module, &part) == 3 &&
        strchr("qkv", module)) {
        snprintf(name, sizeof name, "%s%stransformer.resblocks.%d.attn.in_proj_%s",
                 *it->ours == 'v' ? "visual." : "",
                 *it->ours == 't' && r->custom_text ? "text." : "", block,
                 part == 'w' ? "weight" : "bias");
        for (size_t i = 0; i < *n; i++)
            if (strcmp(all[i].name, name) == 0)
                s = &all[i];
        if (!s) {
            s = add_stored(all, n, r, it, name);
            s->shape[0] *= 3;
        }
    } else {
        s = add_stored(all, n, r, it, name);
    }
    if (openai && strcmp(it->ours + 1, ".proj.w") == 0) {
        transposed = true;
        s->shape[0] = it->n_cols;
        s->shape[1] = it->n_rows;
    }
    float *values = values_of(it, transposed);
    append_bytes(s, values, it->n_rows * it->n_cols);
    free(values);
}

static size_t make_stored(const recipe *r, stored *all)
{
    static item items[MAX_ITEMS];
    size_t n_items = list_items(r, items, MAX_ITEMS), n = 0, kept = 0;
    for (size_t i = 0; i < n_items; i++)
        add_item(r, &items[i], all, &n);
    if (!r->without_scale && r->layout != LAYOUT_CLIP_CPP) {
        const float scale = 2; /* of the logarithm */
        stored *s = &all[n++];
        *s = (stored){.name = "logit_scale", .type = WI_RAW_F32};
        append_bytes(s, &scale, 1);
    }
    if (r->layout == LAYOUT_OPENAI && !r->unmarked) {
        const float side = SIDE;
        stored *s = &all[n++];
        *s = (stored){.name = "input_resolution", .type = WI_RAW_F32};
        append_bytes(s, &side, 1);
    }
    for (size_t i = 0; i < n; i++) {
        if (r->omit && strcmp(all[i].name, r->omit) == 0) {
            free(all[i].bytes);
            continue;
        }
        if (r->wrong_shape && strcmp(all[i].name, r->wrong_shape) == 0) {
            uint64_t first = all[i].shape[0];
            all[i].shape[0] = all[i].rank > 1 ? all[i].shape[1] : first / 2;
            if (all[i].rank > 1)
                all[i].shape[1] = first;
            else
                all[i].n_bytes /= 2;
        }
        all[kept++] = all[i];
    }
    return kept;
}

/* ---- files ---- */

static void write_safetensors(const char *name, const recipe *r, const stored *all, size_t n)
{
    static wi_safetensors_tensor tensors[MAX_ITEMS];
    static const wi_safetensors_type types[] = {WI_ST_F32, WI_ST_F16, WI_ST_BF16};
    static const char *const metadata[1][2] = {{"license", "mit"}};
    for (size_t i = 0; i < n; i++) {
        bool wrong = r->wrong_type && strcmp(r->wrong_type, all[i].name) == 0;
        tensors[i] = (wi_safetensors_tensor){.name = all[i].name,
                                             .type = wrong ? WI_ST_I32 : types[all[i].type],
                                             .rank = all[i].rank,
                                             .data = all[i].bytes,
                                             .n_bytes = all[i].n_bytes};
        memcpy(tensors[i].shape, all[i].shape, sizeof all[i].shape);
    }
    wi_error error = {0};
    if (wi_safetensors_write(scratch_path(name), tensors, n, metadata, 1, &error) != WI_OK)
        fail_msg("%s", error.message);
}

static void write_hf_config(const recipe *r)
{
    char text[2000];
    snprintf(
        text, sizeof text,
        "{\"model_type\":\"clip\",\"projection_dim\":%d,\"logit_scale_init_value\":1.5,"
        "\"text_config\":{\"hidden_size\":%d,\"intermediate_size\":%d,\"num_hidden_layers\":%d,"
        "\"num_attention_heads\":1,\"vocab_size\":%d,\"max_position_embeddings\":%d,\"hidden_act\":"
        "\"gelu\"},"
        "\"vision_config\":{\"hidden_size\":%d,\"intermediate_size\":%d,\"num_hidden_layers\":%d,"
        "\"num_attention_heads\":2,\"image_size\":%d,\"patch_size\":%d}}",
        EMBEDDING, WIDTH, MLP, LAYERS, VOCABULARY, CONTEXT, WIDTH, MLP, LAYERS, SIDE, PATCH);
    (void)r;
    scratch_text("m/config.json", text);
    scratch_text(
        "m/preprocessor_config.json",
        "{\"size\":{\"shortest_edge\":10},\"crop_size\":{\"height\":8,\"width\":8},\"resample\":2,"
        "\"image_mean\":[0.5,0.5,0.5],\"image_std\":[0.25,0.25,0.25]}");
    scratch_text("m/merges.txt", "#version: 0.2\na b\r\nab c</w>\n");
}

static void write_shards(const recipe *r, const stored *all, size_t n)
{
    size_t half = n / 2, at = 0;
    char *index = malloc(n * 200 + 100);
    assert_non_null(index);
    at += (size_t)sprintf(index, "{\"metadata\":{},\"weight_map\":{");
    for (size_t i = 0; i < n; i++)
        at += (size_t)sprintf(index + at, "%s\"%s\":\"part-%d.safetensors\"", i ? "," : "",
                              all[i].name, i < half ? 1 : 2);
    sprintf(index + at, "}}");
    scratch_text("m/model.safetensors.index.json", index);
    free(index);
    write_safetensors("m/part-1.safetensors", r, all, half);
    write_safetensors("m/part-2.safetensors", r, all + half, n - half);
}

static void write_open_clip_config(const recipe *r)
{
    char vision[200], text[2000];
    if (r->resnet)
        snprintf(vision, sizeof vision, "{\"image_size\":64,\"layers\":[1,2,1,1],\"width\":4}");
    else
        snprintf(vision, sizeof vision,
                 "{\"image_size\":%d,\"layers\":%d,\"width\":%d,\"head_width\":32,\"patch_size\":%"
                 "d,\"mlp_ratio\":2.0}",
                 SIDE, LAYERS, WIDTH, PATCH);
    snprintf(text, sizeof text,
             "{\"model_cfg\":{\"embed_dim\":%d,\"vision_cfg\":%s,"
             "\"text_cfg\":{\"context_length\":%d,\"vocab_size\":%d,\"width\":%d,\"heads\":1,"
             "\"layers\":%d,"
             "\"mlp_ratio\":2.0}},"
             "\"preprocess_cfg\":{\"mean\":[0.5,0.5,0.5],\"std\":[0.25,0.25,0.25],"
             "\"interpolation\":\"bilinear\","
             "\"resize_mode\":\"squash\"}}",
             EMBEDDING, vision, CONTEXT, VOCABULARY, WIDTH, LAYERS);
    scratch_text("m/open_clip_config.json", text);
}

static void put_tower(wi_gguf_writer *w, const char *tower, uint32_t heads)
{
    static const char *const keys[] = {"embedding_length", "feed_forward_length", "block_count",
                                       "projection_dim", "attention.head_count"};
    const uint32_t values[] = {WIDTH, MLP, LAYERS, EMBEDDING, heads};
    char key[96];
    for (size_t i = 0; i < 5; i++) {
        snprintf(key, sizeof key, "clip.%s.%s", tower, keys[i]);
        wi_gguf_put_u32(w, key, values[i]);
    }
    snprintf(key, sizeof key, "clip.%s.attention.layer_norm_epsilon", tower);
    wi_gguf_put_f32(w, key, 1e-5f);
}

static void put_keys(wi_gguf_writer *w, const recipe *r)
{
    static const float mean[3] = {0.5f, 0.5f, 0.5f}, std[3] = {0.25f, 0.25f, 0.25f};
    wi_gguf_put_string(w, "general.architecture", "clip");
    wi_gguf_put_string(w, "general.name", "tiny");
    wi_gguf_put_bool(w, "clip.has_text_encoder", r->towers & 2);
    wi_gguf_put_bool(w, "clip.has_vision_encoder", r->towers & 1);
    wi_gguf_put_bool(w, "clip.has_llava_projector", false);
    wi_gguf_put_bool(w, "clip.use_gelu", true);
    if (r->towers & 2) {
        put_tower(w, "text", 1);
        wi_gguf_put_u32(w, "clip.text.context_length", CONTEXT);
    }
    if (r->towers & 1) {
        put_tower(w, "vision", 2);
        wi_gguf_put_u32(w, "clip.vision.image_size", SIDE);
        wi_gguf_put_u32(w, "clip.vision.patch_size", PATCH);
        wi_gguf_put_array(w, "clip.vision.image_mean", WI_GGUF_F32, mean, 3);
        wi_gguf_put_array(w, "clip.vision.image_std", WI_GGUF_F32, std, 3);
    }
}

static void write_gguf(const recipe *r, const stored *all, size_t n)
{
    static const wi_ggml_type types[] = {WI_GGML_F32, WI_GGML_F16, WI_GGML_BF16, WI_GGML_Q8_0,
                                         WI_GGML_Q4_0};
    wi_gguf_writer *w = NULL;
    wi_error error = {0};
    assert_int_equal(wi_gguf_writer_open(scratch_path("m.gguf"), 32, &w, &error), WI_OK);
    put_keys(w, r);
    for (size_t i = 0; i < n; i++) {
        uint64_t dims[4];
        for (uint32_t d = 0; d < all[i].rank; d++)
            dims[d] = all[i].shape[all[i].rank - 1 - d];
        bool wrong = r->wrong_type && strcmp(r->wrong_type, all[i].name) == 0;
        wi_gguf_put_tensor(w, all[i].name, wrong ? WI_GGML_I32 : types[all[i].type], all[i].rank,
                           dims);
    }
    if (wi_gguf_writer_begin(w, &error) != WI_OK)
        fail_msg("%s", error.message);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(wi_gguf_writer_data(w, all[i].bytes, all[i].n_bytes, &error), WI_OK);
    assert_int_equal(wi_gguf_writer_commit(w, &error), WI_OK);
    wi_gguf_writer_close(&w);
}

const char *make_checkpoint(const recipe *r)
{
    static stored all[MAX_ITEMS];
    static char path[512];
    size_t n = make_stored(r, all);
    const char *name = "m";
    scratch_text("m/.folder", "");
    switch (r->layout) {
    case LAYOUT_HF:
        write_safetensors("m/model.safetensors", r, all, n);
        write_hf_config(r);
        break;
    case LAYOUT_HF_SHARDED:
        write_shards(r, all, n);
        write_hf_config(r);
        break;
    case LAYOUT_OPEN_CLIP:
        write_safetensors("m/open_clip_model.safetensors", r, all, n);
        write_open_clip_config(r);
        break;
    case LAYOUT_OPENAI:
        name = "m/tiny.safetensors";
        write_safetensors(name, r, all, n);
        break;
    default:
        name = "m.gguf";
        write_gguf(r, all, n);
    }
    for (size_t i = 0; i < n; i++)
        free(all[i].bytes);
    snprintf(path, sizeof path, "%s", scratch_path(name));
    return path;
}
