/* The reference models open, with the parameters that their table gives and the numbers that stand
 * in their files, read here once more by a reader of its own. */
#include "checkpoint/source.h"
#include "kern/half.h"
#include "support/golden.h"
#include "test_source_make.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct reference {
    const char *folder, *format, *file;
    wi_raw_type type;
    const wi_tower_kind *kind;
    wi_activation activation;
    uint32_t image_px, patch_px, width, n_layers, n_heads, mlp_width;
    uint32_t text_width, text_layers, text_heads, text_mlp, embedding_dim;
} reference;

static const reference references[] = {
    {"a_vit_quickgelu_f32_emb16", "hugging face", "model.safetensors", WI_RAW_F32, &wi_vit_kind,
     WI_ACT_QUICK_GELU, 224, 32, 64, 3, 1, 256, 64, 3, 1, 256, 32},
    {"b_vit_gelu_f16", "hugging face", "model.safetensors", WI_RAW_F16, &wi_vit_kind, WI_ACT_GELU,
     96, 16, 128, 2, 2, 512, 32, 2, 2, 128, 48},
    {"c_vit_hd48_p14_sharded_f16", "hugging face", "model-00001-of-00002.safetensors", WI_RAW_F16,
     &wi_vit_kind, WI_ACT_GELU, 98, 14, 96, 3, 2, 418, 32, 2, 2, 139, 40},
    {"d_vit_quickgelu_bf16", "hugging face", "model.safetensors", WI_RAW_BF16, &wi_vit_kind,
     WI_ACT_QUICK_GELU, 224, 32, 64, 3, 1, 256, 64, 3, 1, 256, 32},
    {"f_openclip_vit_f16", "open_clip", "open_clip_model.safetensors", WI_RAW_F16, &wi_vit_kind,
     WI_ACT_QUICK_GELU, 224, 32, 64, 3, 1, 256, 64, 3, 1, 256, 32},
    {"g_openclip_resnet_f16", "open_clip", "open_clip_model.safetensors", WI_RAW_F16,
     &wi_resnet_kind, WI_ACT_QUICK_GELU, 64, 0, 16, 0, 8, 0, 32, 2, 1, 128, 32},
};

static wi_source *open_reference(const reference *r, char folder[512])
{
    char name[128];
    snprintf(name, sizeof name, "models/%s", r->folder);
    if (!golden_folder(name, folder, 512))
        skip();
    wi_source *source = NULL;
    wi_error error = {0};
    if (wi_source_open(folder, NULL, &source, &error) != WI_OK)
        fail_msg("%s", error.message);
    return source;
}

static void expect_blocks(const wi_block_params *b, uint32_t width, uint32_t n_layers,
                          uint32_t n_heads, uint32_t mlp_width)
{
    assert_int_equal(b->width, width);
    assert_int_equal(b->n_layers, n_layers);
    assert_int_equal(b->n_heads, n_heads);
    assert_int_equal(b->mlp_width, mlp_width);
    assert_true(b->ln_eps == 1e-5f);
}

static void parameters(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof references / sizeof *references; i++) {
        const reference *r = &references[i];
        char folder[512];
        wi_source *source = open_reference(r, folder);
        const wi_params *p = wi_source_params(source);
        const wi_text_params text = text_of(p);
        const wi_tower_facts facts = wi_tower_facts_of(&p->tower[WI_ROLE_IMAGE]);
        assert_ptr_equal(p->tower[WI_ROLE_IMAGE].kind, r->kind);
        assert_int_equal(facts.image_px, r->image_px);
        assert_int_equal(facts.patch_px, r->patch_px);
        assert_int_equal(facts.width, r->width);
        assert_int_equal(facts.n_heads, r->n_heads);
        assert_int_equal(facts.mlp_width, r->mlp_width);
        expect_blocks(&text.blocks, r->text_width, r->text_layers, r->text_heads, r->text_mlp);
        assert_int_equal(text.blocks.activation, r->activation);
        if (r->kind == &wi_vit_kind) {
            const wi_vit_params vit = vit_of(p);
            expect_blocks(&vit.blocks, r->width, r->n_layers, r->n_heads, r->mlp_width);
            assert_int_equal(vit.blocks.activation, r->activation);
        }
        assert_int_equal(p->embedding_dim, r->embedding_dim);
        assert_int_equal(text.context_length, 77);
        assert_int_equal(text.vocabulary_size, 49408);
        assert_int_equal(text.end_token, 49407);
        assert_int_equal(p->preprocess.size_px, r->image_px);
        assert_int_equal(p->preprocess.resize_px, 0);
        assert_int_equal(p->preprocess.interpolation, WI_BICUBIC);
        assert_string_equal(wi_source_format(source), r->format);
        assert_string_equal(wi_source_name(source), r->folder);
        wi_source_close(&source);
    }
}

static void logit_scales(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof references / sizeof *references; i++) {
        char folder[512], path[600];
        wi_source *source = open_reference(&references[i], folder);
        snprintf(path, sizeof path, "%s/expected.safetensors", folder);
        golden_tensors expected;
        golden_open(path, &expected);
        size_t n_bytes = 0;
        const uint8_t *bytes = golden_tensor(&expected, "logit_scale", &n_bytes);
        assert_int_equal(n_bytes, 4);
        float scale;
        memcpy(&scale, bytes, 4);
        float got = wi_source_params(source)->logit_scale;
        double expected_scale = exp((double)scale);
        if (fabs((double)got - expected_scale) > 1e-5 * expected_scale)
            fail_msg("%s: logit scale %.9g, not %.9g", references[i].folder, (double)got,
                     expected_scale);
        golden_close(&expected);
        wi_source_close(&source);
    }
}

static float direct(wi_raw_type type, const uint8_t *bytes, size_t index)
{
    uint16_t h;
    float f;
    if (type == WI_RAW_F32) {
        memcpy(&f, bytes + 4 * index, 4);
        return f;
    }
    memcpy(&h, bytes + 2 * index, 2);
    return type == WI_RAW_F16 ? wi_f16_to_f32(h) : wi_bf16_to_f32(h);
}

/* Every element of ours[n_rows,n_cols] equals the stored one, which begins at row `row0` of theirs.
 */
static void expect_stored(const reference *r, const wi_source *source, const golden_tensors *file,
                          const char *ours, const char *theirs, size_t row0, bool transposed)
{
    wi_raw raw;
    size_t n_bytes = 0;
    assert_true(wi_source_get(source, ours, &raw));
    const uint8_t *bytes = golden_tensor(file, theirs, &n_bytes);
    if (!bytes)
        fail_msg("%s is not in the reference file", theirs);
    float *rows = malloc(raw.n_rows * raw.n_cols * sizeof *rows);
    assert_non_null(rows);
    wi_raw_read_rows(&raw, 0, raw.n_rows, rows);
    for (size_t i = 0; i < raw.n_rows; i++)
        for (size_t c = 0; c < raw.n_cols; c++) {
            size_t at = transposed ? c * raw.n_rows + i : (row0 + i) * raw.n_cols + c;
            if (rows[i * raw.n_cols + c] != direct(r->type, bytes, at))
                fail_msg("%s: %s[%zu,%zu]", r->folder, ours, i, c);
        }
    free(rows);
}

static void numbers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof references / sizeof *references; i++) {
        const reference *r = &references[i];
        char folder[512], path[600];
        wi_source *source = open_reference(r, folder);
        snprintf(path, sizeof path, "%s/%s", folder, r->file);
        golden_tensors file;
        golden_open(path, &file);
        if (strcmp(r->format, "hugging face") == 0) {
            expect_stored(r, source, &file, "v.1.fc1.w",
                          "vision_model.encoder.layers.1.mlp.fc1.weight", 0, false);
            expect_stored(r, source, &file, "v.0.o.b",
                          "vision_model.encoder.layers.0.self_attn.out_proj.bias", 0, false);
            expect_stored(r, source, &file, "v.pos",
                          "vision_model.embeddings.position_embedding.weight", 0, false);
            expect_stored(r, source, &file, "v.proj.w", "visual_projection.weight", 0, false);
        } else {
            size_t width = r->text_width;
            expect_stored(r, source, &file, "t.1.q.w",
                          "transformer.resblocks.1.attn.in_proj_weight", 0, false);
            expect_stored(r, source, &file, "t.1.k.w",
                          "transformer.resblocks.1.attn.in_proj_weight", width, false);
            expect_stored(r, source, &file, "t.1.v.w",
                          "transformer.resblocks.1.attn.in_proj_weight", 2 * width, false);
            expect_stored(r, source, &file, "t.proj.w", "text_projection", 0, true);
            expect_stored(r, source, &file, "t.pos", "positional_embedding", 0, false);
        }
        if (r->kind == &wi_resnet_kind) {
            expect_stored(r, source, &file, "v.3.0.down.bn.var",
                          "visual.layer3.0.downsample.1.running_var", 0, false);
            expect_stored(r, source, &file, "v.stem.2.w", "visual.conv2.weight", 0, false);
            expect_stored(r, source, &file, "v.4.0.conv2.bn.mean",
                          "visual.layer4.0.bn2.running_mean", 0, false);
        }
        golden_close(&file);
        wi_source_close(&source);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters),
        cmocka_unit_test(logit_scales),
        cmocka_unit_test(numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
