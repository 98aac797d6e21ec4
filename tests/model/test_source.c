/* Sources: one set of numbers in every layout, and what is said about checkpoints that are not
 * right. */
#include "support/scratch.h"
#include "support/torture.h"
#include "test_source_make.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define BOTH .towers = WI_BOTH
enum { WI_BOTH = 3 };

static wi_source *open_checkpoint(const recipe *r)
{
    wi_source *source = NULL;
    wi_error error = {0};
    if (wi_source_open(make_checkpoint(r), NULL, &source, &error) != WI_OK)
        fail_msg("%s", error.message);
    return source;
}

static void expect_rows(const wi_source *source, const item *it)
{
    wi_raw raw;
    if (!wi_source_get(source, it->ours, &raw))
        fail_msg("%s is not there", it->ours);
    assert_int_equal(raw.n_rows, it->n_rows);
    assert_int_equal(raw.n_cols, it->n_cols);
    float *rows = malloc(it->n_rows * it->n_cols * sizeof *rows);
    assert_non_null(rows);
    wi_raw_read_rows(&raw, 0, it->n_rows, rows);
    for (size_t r = 0; r < it->n_rows; r++)
        for (size_t c = 0; c < it->n_cols; c++)
            if (rows[r * it->n_cols + c] != expected_value(it->ours, r, c))
                fail_msg("%s[%zu,%zu] is %g, not %g", it->ours, r, c,
                         (double)rows[r * it->n_cols + c], (double)expected_value(it->ours, r, c));
    size_t last = it->n_rows - 1; /* one row alone */
    wi_raw_read_rows(&raw, last, 1, rows);
    for (size_t c = 0; c < it->n_cols; c++)
        assert_true(rows[c] == expected_value(it->ours, last, c));
    free(rows);
}

static void expect_everything(const recipe *r)
{
    static item items[400];
    wi_source *source = open_checkpoint(r);
    size_t n = list_items(r, items, 400);
    for (size_t i = 0; i < n; i++)
        expect_rows(source, &items[i]);
    wi_raw raw;
    assert_false(wi_source_get(source, "v.patch.b", &raw));
    assert_false(wi_source_get(source, "", &raw));
    assert_false(wi_source_get(source, "a name that is longer than any of ours", &raw));
    const wi_params *p = wi_source_params(source);
    assert_int_equal(p->embedding_dim, EMBEDDING);
    assert_ptr_equal(p->tower[WI_ROLE_IMAGE].kind, !(r->towers & 1) ? NULL
                                                   : r->resnet      ? &wi_resnet_kind
                                                                    : &wi_vit_kind);
    assert_int_equal(p->tower[WI_ROLE_TEXT].kind != NULL, (r->towers & 2) != 0);
    assert_int_equal(wi_params_check(p, NULL), WI_OK);
    wi_source_close(&source);
    assert_null(source);
}

static void every_layout_and_type_gives_the_same_rows(void **state)
{
    (void)state;
    static const recipe recipes[] = {
        {LAYOUT_HF, WI_RAW_F32, BOTH},
        {LAYOUT_HF, WI_RAW_F16, BOTH},
        {LAYOUT_HF, WI_RAW_BF16, BOTH},
        {LAYOUT_HF_SHARDED, WI_RAW_F16, BOTH},
        {LAYOUT_OPEN_CLIP, WI_RAW_F16, BOTH},
        {LAYOUT_OPEN_CLIP, WI_RAW_F32, BOTH},
        {LAYOUT_OPEN_CLIP, WI_RAW_BF16, BOTH, .custom_text = true},
        {LAYOUT_OPEN_CLIP, WI_RAW_F16, BOTH, .resnet = true},
        {LAYOUT_OPENAI, WI_RAW_F16, BOTH},
        {LAYOUT_OPENAI, WI_RAW_F32, BOTH, .resnet = true},
        {LAYOUT_CLIP_CPP, WI_RAW_F32, BOTH},
        {LAYOUT_CLIP_CPP, WI_RAW_F16, BOTH},
        {LAYOUT_CLIP_CPP, WI_RAW_Q8_0, BOTH},
        {LAYOUT_CLIP_CPP, WI_RAW_Q4_0, BOTH},
        {LAYOUT_CLIP_CPP, WI_RAW_F16, BOTH, .straight = true},
    };
    for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++) {
        expect_everything(&recipes[i]);
        assert_int_equal(scratch_teardown(NULL), 0);
        assert_int_equal(scratch_setup(NULL), 0);
    }
}

static void single_towers(void **state)
{
    (void)state;
    for (int which = 0; which < N_LAYOUTS; which++)
        for (uint32_t towers = 1; towers <= 2; towers++) {
            recipe r = {(enum layout)which, WI_RAW_F16, .towers = towers};
            expect_everything(&r);
            assert_int_equal(scratch_teardown(NULL), 0);
            assert_int_equal(scratch_setup(NULL), 0);
        }
}

static void expect_float(float got, double expected)
{
    if (!(fabs((double)got - expected) <= 1e-5 * fabs(expected)))
        fail_msg("%.9g, not %.9g", (double)got, expected);
}

static void parameters_of_hugging_face(void **state)
{
    (void)state;
    wi_source *source = open_checkpoint(&(recipe){LAYOUT_HF, WI_RAW_F16, BOTH});
    const wi_params *p = wi_source_params(source);
    assert_int_equal(vit_of(p).blocks.width, WIDTH);
    assert_int_equal(vit_of(p).blocks.n_heads, 2);
    assert_int_equal(vit_of(p).blocks.n_layers, LAYERS);
    assert_int_equal(vit_of(p).blocks.mlp_width, MLP);
    assert_int_equal(vit_of(p).blocks.activation, WI_ACT_QUICK_GELU); /* the base model's */
    assert_int_equal(text_of(p).blocks.activation, WI_ACT_GELU);
    expect_float(text_of(p).blocks.ln_eps, 1e-5);
    assert_int_equal(text_of(p).context_length, CONTEXT);
    assert_int_equal(text_of(p).vocabulary_size, VOCABULARY);
    assert_int_equal(text_of(p).end_token, VOCABULARY - 1);
    assert_true(vit_of(p).has_pre_ln && !vit_of(p).has_patch_bias);
    assert_int_equal(p->preprocess.size_px, 8);
    assert_int_equal(p->preprocess.resize_px, 10);
    assert_int_equal(p->preprocess.mode, WI_RESIZE_CROP);
    assert_int_equal(p->preprocess.interpolation, WI_BILINEAR);
    assert_true(p->preprocess.mean[2] == 0.5f && p->preprocess.std[0] == 0.25f);
    assert_true(p->preprocess.crop_floor && p->preprocess.rgb_first);
    expect_float(p->logit_scale, exp(2));
    assert_false(p->sigmoid);
    assert_string_equal(wi_source_format(source), "hugging face");
    assert_string_equal(wi_source_name(source), "m");
    assert_string_equal(wi_source_licence(source), "mit");
    size_t n = 0;
    const char *merges = wi_source_merges(source, &n);
    assert_int_equal(n, 13);
    assert_memory_equal(merges, "a b\nab c</w>\n", 13);
    wi_source_close(&source);
}

static void parameters_of_open_clip(void **state)
{
    (void)state;
    wi_source *source = open_checkpoint(&(recipe){LAYOUT_OPEN_CLIP, WI_RAW_F16, BOTH});
    const wi_params *p = wi_source_params(source);
    assert_int_equal(vit_of(p).blocks.n_heads, 2);
    assert_int_equal(vit_of(p).blocks.activation,
                     WI_ACT_GELU); /* quick_gelu is false when it is not said */
    assert_int_equal(text_of(p).blocks.activation, WI_ACT_GELU);
    assert_int_equal(p->preprocess.mode, WI_RESIZE_SQUASH);
    assert_int_equal(p->preprocess.interpolation, WI_BILINEAR);
    assert_true(p->preprocess.mean[1] == 0.5f);
    expect_float(p->logit_scale, exp(2));
    assert_string_equal(wi_source_format(source), "open_clip");
    size_t n = 1;
    assert_null(wi_source_merges(source, &n));
    assert_int_equal(n, 0);
    wi_source_close(&source);
}

static void parameters_from_shapes(void **state)
{
    (void)state;
    wi_source *source = open_checkpoint(&(recipe){LAYOUT_OPENAI, WI_RAW_F16, BOTH});
    const wi_params *p = wi_source_params(source);
    assert_int_equal(vit_of(p).image_px, SIDE);
    assert_int_equal(vit_of(p).patch_px, PATCH);
    assert_int_equal(vit_of(p).blocks.n_heads, 1); /* 64 wide each */
    assert_int_equal(vit_of(p).blocks.activation, WI_ACT_QUICK_GELU);
    assert_int_equal(text_of(p).blocks.mlp_width, MLP);
    expect_float(p->preprocess.mean[0], 0.48145466);
    assert_string_equal(wi_source_format(source), "openai");
    assert_string_equal(wi_source_name(source), "tiny");
    wi_source_close(&source);
    source = open_checkpoint(&(recipe){LAYOUT_OPENAI, WI_RAW_F16, BOTH, .resnet = true});
    p = wi_source_params(source);
    assert_int_equal(resnet_of(p).width, 4);
    assert_int_equal(resnet_of(p).image_px, 64);
    assert_int_equal(resnet_of(p).stage_blocks[0], 1);
    assert_int_equal(resnet_of(p).stage_blocks[1], 2);
    assert_int_equal(resnet_of(p).n_heads, 2);
    wi_source_close(&source);
    /* A configuration beside the file rules. */
    scratch_text(
        "m/tiny.json",
        "{\"embed_dim\":32,\"quick_gelu\":false,"
        "\"vision_cfg\":{\"image_size\":64,\"layers\":[1,2,1,1],\"width\":4,\"head_width\":32},"
        "\"text_cfg\":{\"context_length\":8,\"vocab_size\":520,\"width\":64,\"heads\":4,"
        "\"layers\":2,\"mlp_ratio\":2},\"preprocess_cfg\":{}}");
    wi_error error = {0};
    assert_int_equal(wi_source_open(scratch_path("m/tiny.safetensors"), NULL, &source, &error),
                     WI_OK);
    assert_int_equal(text_of(wi_source_params(source)).blocks.n_heads, 4);
    assert_int_equal(text_of(wi_source_params(source)).blocks.activation, WI_ACT_GELU);
    assert_int_equal(resnet_of(wi_source_params(source)).n_heads, 4);
    wi_source_close(&source);
}

static void parameters_of_clip_cpp(void **state)
{
    (void)state;
    wi_source *source = open_checkpoint(&(recipe){LAYOUT_CLIP_CPP, WI_RAW_Q8_0, BOTH});
    const wi_params *p = wi_source_params(source);
    assert_int_equal(vit_of(p).blocks.n_heads, 2);
    assert_int_equal(vit_of(p).blocks.activation, WI_ACT_GELU);
    assert_int_equal(text_of(p).vocabulary_size, VOCABULARY);
    assert_true(p->preprocess.std[2] == 0.25f);
    assert_int_equal(p->preprocess.mode, WI_RESIZE_CROP);
    assert_true(p->logit_scale == 100);
    assert_string_equal(wi_source_format(source), "clip.cpp gguf");
    assert_string_equal(wi_source_name(source), "tiny");
    wi_source_close(&source);
}

static void a_folder_may_bring_another_file_name(void **state)
{
    (void)state;
    wi_source *source = NULL;
    wi_error error = {0};
    make_checkpoint(&(recipe){LAYOUT_OPENAI, WI_RAW_F16, BOTH});
    assert_int_equal(wi_source_open(scratch_path("m"), NULL, &source, &error), WI_OK);
    assert_string_equal(wi_source_format(source), "openai");
    wi_source_close(&source);
    scratch_text("m/other.safetensors", "");
    assert_int_equal(wi_source_open(scratch_path("m"), NULL, &source, &error), WI_ERR_FORMAT);
    assert_non_null(strstr(error.message, "2 .safetensors files"));
}

static void names_in_a_hub_cache(void **state)
{
    (void)state;
    wi_source *source = NULL;
    make_checkpoint(&(recipe){LAYOUT_HF, WI_RAW_F16, BOTH});
    scratch_text("models--openai--clip-vit-x/snapshots/.folder", "");
    assert_int_equal(
        rename(scratch_path("m"), scratch_path("models--openai--clip-vit-x/snapshots/3d74ac")), 0);
    assert_int_equal(wi_source_open(scratch_path("models--openai--clip-vit-x/snapshots/3d74ac/"),
                                    NULL, &source, NULL),
                     WI_OK);
    assert_string_equal(wi_source_name(source), "clip-vit-x");
    wi_source_close(&source);
}

/* Opens scratch `name` and expects a failure whose message has all parts of says, separated by '|'.
 */
static void expect_failure(const char *name, wi_status status, const char *says)
{
    wi_source *source = NULL;
    wi_error error = {0};
    char parts[256];
    wi_status got = wi_source_open(scratch_path(name), NULL, &source, &error);
    assert_null(source);
    snprintf(parts, sizeof parts, "%s", says);
    for (char *at = parts, *next; at; at = next) {
        next = strchr(at, '|');
        if (next)
            *next++ = '\0';
        if (got != status || !strstr(error.message, at))
            fail_msg("status %d, '%s'; expected %d and '%s'", got, error.message, status, at);
    }
    assert_int_equal(error.status, status);
}

static void missing_and_misshapen_tensors(void **state)
{
    (void)state;
    recipe r = {LAYOUT_HF, WI_RAW_F16, BOTH, .omit = "text_model.encoder.layers.1.mlp.fc2.bias"};
    make_checkpoint(&r);
    expect_failure("m", WI_ERR_FORMAT,
                   "/m: |'text_model.encoder.layers.1.mlp.fc2.bias' is missing");
    r = (recipe){LAYOUT_HF, WI_RAW_F16, BOTH,
                 .wrong_shape = "vision_model.encoder.layers.0.mlp.fc1.weight"};
    make_checkpoint(&r);
    expect_failure("m", WI_ERR_FORMAT,
                   "vision_model.encoder.layers.0.mlp.fc1.weight|[64,128]|128 x 64");
    r = (recipe){LAYOUT_HF, WI_RAW_F16, BOTH, .wrong_shape = "vision_model.post_layernorm.bias"};
    make_checkpoint(&r);
    expect_failure("m", WI_ERR_FORMAT, "vision_model.post_layernorm.bias|[32]|1 x 64");
    r = (recipe){LAYOUT_HF, WI_RAW_F32, BOTH, .wrong_type = "visual_projection.weight"};
    make_checkpoint(&r);
    expect_failure("m", WI_ERR_UNSUPPORTED, "'visual_projection.weight' is stored as I32|f32");
    r = (recipe){LAYOUT_OPEN_CLIP, WI_RAW_F16, BOTH, .omit = "visual.proj"};
    make_checkpoint(&r);
    unlink(scratch_path("m/model.safetensors"));
    unlink(scratch_path("m/config.json"));
    expect_failure("m", WI_ERR_FORMAT, "'visual.proj' is missing");
    r = (recipe){LAYOUT_OPEN_CLIP, WI_RAW_F16, BOTH,
                 .wrong_shape = "transformer.resblocks.0.attn.in_proj_weight"};
    make_checkpoint(&r);
    expect_failure("m", WI_ERR_FORMAT, "in_proj_weight|192 x 64");
    r = (recipe){LAYOUT_CLIP_CPP, WI_RAW_F32, BOTH, .wrong_type = "t.blk.0.attn_q.weight"};
    make_checkpoint(&r);
    expect_failure("m.gguf", WI_ERR_UNSUPPORTED, "'t.blk.0.attn_q.weight' is stored as i32");
    r = (recipe){LAYOUT_CLIP_CPP, WI_RAW_Q4_0, BOTH, .omit = "t.token_embd.weight"};
    make_checkpoint(&r);
    expect_failure("m.gguf", WI_ERR_FORMAT, "t.token_embd.weight");
}

static void shards(void **state)
{
    (void)state;
    make_checkpoint(&(recipe){LAYOUT_HF_SHARDED, WI_RAW_F16, BOTH});
    static const char *const names[] = {
        "../m/part-1.safetensors", "/etc/passwd",       "..", ".hidden",
        "a\\\\b.safetensors",      "sub/x.safetensors", ""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char index[200];
        snprintf(index, sizeof index, "{\"weight_map\":{\"logit_scale\":\"%s\"}}", names[i]);
        scratch_text("m/model.safetensors.index.json", index);
        expect_failure("m", WI_ERR_FORMAT, "index.json|is not the name of a file");
    }
    scratch_text("m/model.safetensors.index.json", "{\"weight_map\":{\"logit_scale\":7}}");
    expect_failure("m", WI_ERR_FORMAT, "is not the name of a file");
    scratch_text("m/model.safetensors.index.json",
                 "{\"weight_map\":{\"logit_scale\":\"gone.safetensors\"}}");
    expect_failure("m", WI_ERR_IO, "gone.safetensors: cannot open");
    scratch_text("m/model.safetensors.index.json", "{\"weight_map\":{}}");
    expect_failure("m", WI_ERR_FORMAT, "weight_map");
    scratch_text("m/model.safetensors.index.json",
                 "{\"weight_map\":{\"a\":\"part-1.safetensors\"}}");
    expect_failure("m", WI_ERR_FORMAT, "is missing");
}

static void configurations(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
        wi_status status;
    } cases[] = {
        {"{\"model_type\":\"siglip2\"}", "'siglip2' are not supported", WI_ERR_UNSUPPORTED},
        {"{\"model_type\":\"altclip\"}", "altclip", WI_ERR_UNSUPPORTED},
        {"{\"model_type\":7}", "'model_type' is not a string", WI_ERR_FORMAT},
        {"[]", "not a JSON object", WI_ERR_FORMAT},
        {"", "config.json: the file is empty", WI_ERR_FORMAT},
        {"{\"a\":1,\"a\":2}", "config.json: line 1", WI_ERR_FORMAT},
        {"{\"model_type\":\"clip\",\"projection_dim\":0}", "embedding width", WI_ERR_FORMAT},
        {"{\"model_type\":\"clip\",\"projection_dim\":4294967296}", "projection_dim",
         WI_ERR_FORMAT},
        {"{\"model_type\":\"clip\",\"projection_dim\":-1}", "projection_dim", WI_ERR_FORMAT},
        {"{\"model_type\":\"clip\",\"projection_dim\":32.5}", "projection_dim", WI_ERR_FORMAT},
        {"{\"vision_config\":{\"hidden_size\":\"64\"}}", "hidden_size", WI_ERR_FORMAT},
        {"{\"vision_config\":{\"hidden_size\":1000000}}", "image tower width", WI_ERR_FORMAT},
        {"{\"vision_config\":{\"num_attention_heads\":7}}", "7 heads do not divide", WI_ERR_FORMAT},
        {"{\"vision_config\":{\"num_attention_heads\":0}}", "heads: 0", WI_ERR_FORMAT},
        {"{\"vision_config\":{\"num_hidden_layers\":100000}}", "layers", WI_ERR_FORMAT},
        {"{\"vision_config\":{\"patch_size\":0}}", "patch size", WI_ERR_FORMAT},
        {"{\"vision_config\":{\"patch_size\":225}}", "patch size: 225", WI_ERR_FORMAT},
        {"{\"vision_config\":{\"patch_size\":4}}", "preprocessing makes 8", WI_ERR_FORMAT},
        {"{\"vision_config\":{\"num_channels\":1}}", "1 image channels", WI_ERR_UNSUPPORTED},
        {"{\"vision_config\":{\"hidden_act\":\"swish\"}}", "activation 'swish'",
         WI_ERR_UNSUPPORTED},
        {"{\"text_config\":{\"layer_norm_eps\":\"x\"}}", "layer_norm_eps", WI_ERR_FORMAT},
        {"{\"text_config\":{\"eos_token_id\":-7}}", "eos_token_id", WI_ERR_FORMAT},
        {"{\"vision_config\":{\"image_size\":8,\"patch_size\":4,\"layer_norm_eps\":2}}", "epsilon",
         WI_ERR_FORMAT},
        {"{\"vision_config\":{\"image_size\":8,\"patch_size\":4,\"hidden_size\":64,\"intermediate_"
         "size\":128,"
         "\"num_hidden_layers\":3,\"num_attention_heads\":2},\"text_config\":{\"vocab_size\":520,"
         "\"max_position_embeddings\":8,"
         "\"hidden_size\":64,\"intermediate_size\":128,\"num_hidden_layers\":2},\"projection_dim\":"
         "32}",
         "vision_model.encoder.layers.2.layer_norm1.weight' is missing", WI_ERR_FORMAT},
    };
    make_checkpoint(&(recipe){LAYOUT_HF, WI_RAW_F16, BOTH});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scratch_text("m/config.json", cases[i].text);
        expect_failure("m", cases[i].status, cases[i].says);
    }
    char deep[400];
    memset(deep, '[', sizeof deep);
    deep[sizeof deep - 1] = '\0';
    scratch_text("m/config.json", deep);
    expect_failure("m", WI_ERR_FORMAT, "config.json|nested");
}

static void old_configurations_with_dictionaries(void **state)
{
    (void)state;
    make_checkpoint(&(recipe){LAYOUT_HF, WI_RAW_F16, BOTH});
    scratch_text(
        "m/config.json",
        "{\"projection_dim\":32,\"text_config\":{\"hidden_act\":\"gelu\",\"hidden_size\":1},"
        "\"text_config_dict\":{\"hidden_size\":64,\"intermediate_size\":128,\"num_hidden_layers\":"
        "2,"
        "\"vocab_size\":520,\"max_position_embeddings\":8,\"eos_token_id\":5},\"vision_config_"
        "dict\":null,"
        "\"vision_config\":{\"hidden_size\":64,\"intermediate_size\":128,\"num_hidden_layers\":2,"
        "\"num_attention_heads\":2,\"image_size\":8,\"patch_size\":4}}");
    wi_source *source = NULL;
    wi_error error = {0};
    if (wi_source_open(scratch_path("m"), NULL, &source, &error) != WI_OK)
        fail_msg("%s", error.message);
    assert_int_equal(text_of(wi_source_params(source)).blocks.activation, WI_ACT_QUICK_GELU);
    assert_int_equal(text_of(wi_source_params(source)).blocks.n_heads, 8);
    assert_int_equal(text_of(wi_source_params(source)).end_token, 5);
    wi_source_close(&source);
}

static void towers_with_configurations_of_their_own(void **state)
{
    (void)state;
    make_checkpoint(&(recipe){LAYOUT_HF, WI_RAW_F16, .towers = 1, .without_scale = true});
    scratch_text("m/config.json",
                 "{\"model_type\":\"clip_vision_model\",\"projection_dim\":32,\"hidden_size\":64,"
                 "\"intermediate_size\":128,\"num_hidden_layers\":2,\"num_attention_heads\":4,"
                 "\"image_size\":8,"
                 "\"patch_size\":4,\"hidden_act\":\"gelu_pytorch_tanh\"}");
    wi_source *source = NULL;
    wi_error error = {0};
    if (wi_source_open(scratch_path("m"), NULL, &source, &error) != WI_OK)
        fail_msg("%s", error.message);
    assert_int_equal(vit_of(wi_source_params(source)).blocks.activation, WI_ACT_GELU_TANH);
    assert_int_equal(vit_of(wi_source_params(source)).blocks.n_heads, 4);
    assert_null(wi_source_params(source)->tower[WI_ROLE_TEXT].kind);
    assert_true(wi_source_params(source)->logit_scale == 100);
    wi_source_close(&source);
    make_checkpoint(&(recipe){LAYOUT_HF, WI_RAW_F16, .towers = 2, .without_scale = true});
    scratch_text("m/config.json",
                 "{\"model_type\":\"clip_text_model\",\"projection_dim\":32,\"hidden_size\":64,"
                 "\"intermediate_size\":128,\"num_hidden_layers\":2,\"num_attention_heads\":4,"
                 "\"vocab_size\":520,"
                 "\"max_position_embeddings\":8}");
    assert_int_equal(wi_source_open(scratch_path("m"), NULL, &source, &error), WI_OK);
    assert_null(wi_source_params(source)->tower[WI_ROLE_IMAGE].kind);
    assert_int_equal(text_of(wi_source_params(source)).blocks.n_heads, 4);
    wi_source_close(&source);
}

static void preprocessing_spellings(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says; /* says NULL: opens */
        wi_status status;
        uint32_t resize_px;
        wi_resize_mode mode;
    } cases[] = {
        {"{\"size\":8,\"crop_size\":8}", NULL, WI_OK, 0, WI_RESIZE_CROP},
        {"{\"size\":9}", NULL, WI_OK, 9, WI_RESIZE_CROP},
        {"{\"size\":{\"shortest_edge\":8},\"crop_size\":{\"height\":8,\"width\":8}}", NULL, WI_OK,
         0, WI_RESIZE_CROP},
        {"{\"size\":{\"height\":8,\"width\":8}}", NULL, WI_OK, 0, WI_RESIZE_SQUASH},
        {"{\"size\":[8,8]}", NULL, WI_OK, 0, WI_RESIZE_CROP},
        {"{}", NULL, WI_OK, 0, WI_RESIZE_CROP},
        {"{\"size\":{\"height\":8,\"width\":9}}", "9 x 8", WI_ERR_UNSUPPORTED, 0, 0},
        {"{\"size\":{\"height\":9,\"width\":9}}", "squashing", WI_ERR_UNSUPPORTED, 0, 0},
        {"{\"size\":8,\"crop_size\":7}", "makes 7 px, the network takes 8", WI_ERR_FORMAT, 0, 0},
        {"{\"size\":7}", "resizes to 7 px and crops 8", WI_ERR_UNSUPPORTED, 0, 0},
        {"{\"size\":{}}", "'size'", WI_ERR_FORMAT, 0, 0},
        {"{\"size\":\"8\"}", "'size'", WI_ERR_FORMAT, 0, 0},
        {"{\"resample\":0}", "resample 0", WI_ERR_UNSUPPORTED, 0, 0},
        {"{\"image_std\":[0,1,1]}", "std", WI_ERR_FORMAT, 0, 0},
        {"{\"image_mean\":[0,1]}", "image_mean", WI_ERR_FORMAT, 0, 0},
        {"{\"image_mean\":[0,1,\"x\"]}", "image_mean", WI_ERR_FORMAT, 0, 0},
        {"{\"do_rescale\":false}", "1/255", WI_ERR_UNSUPPORTED, 0, 0},
    };
    make_checkpoint(&(recipe){LAYOUT_HF, WI_RAW_F16, BOTH});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scratch_text("m/preprocessor_config.json", cases[i].text);
        if (cases[i].says) {
            expect_failure("m", cases[i].status, cases[i].says);
            continue;
        }
        wi_source *source = NULL;
        wi_error error = {0};
        if (wi_source_open(scratch_path("m"), NULL, &source, &error) != WI_OK)
            fail_msg("%s: %s", cases[i].text, error.message);
        const wi_preprocess *how = &wi_source_params(source)->preprocess;
        assert_int_equal(how->size_px, 8);
        assert_int_equal(how->resize_px, cases[i].resize_px);
        assert_int_equal(how->mode, cases[i].mode);
        wi_source_close(&source);
    }
}

static void open_clip_options(void **state)
{
    (void)state;
    static const struct {
        const char *vision, *text, *more, *says;
        wi_status status;
    } cases[] = {
        {",\"timm_model_name\":\"vit_base\"", "", "", "'timm_model_name=vit_base'",
         WI_ERR_UNSUPPORTED},
        {",\"attentional_pool\":true", "", "", "attn_pool.query", WI_ERR_FORMAT},
        {",\"attentional_pool\":true,\"pool_type\":\"avg\"", "", "", "a pooler and a mean",
         WI_ERR_UNSUPPORTED},
        {",\"attentional_pool\":\"cascade\"", "", "", "attentional_pool=cascade",
         WI_ERR_UNSUPPORTED},
        {",\"attentional_pool\":false,\"ls_init_value\":null,\"pool_type\":\"tok\"", "", "", "",
         WI_OK},
        {",\"pool_type\":\"avg\"", "", "", "", WI_OK},
        {",\"pool_type\":\"none\"", "", "", "pool_type=none", WI_ERR_UNSUPPORTED},
        {",\"no_ln_pre\":true", "", "", "'visual.ln_pre.", WI_ERR_UNSUPPORTED},
        {",\"norm_kwargs\":{\"eps\":1e-6}", "", "", "", WI_OK},
        {"", ",\"hf_tokenizer_name\":\"x/y\"", "", "tokenizer is missing", WI_ERR_NOT_FOUND},
        {"", ",\"tokenizer_kwargs\":{\"clean\":\"canonicalize\"}", "", "tokenizer_kwargs",
         WI_ERR_UNSUPPORTED},
        {"", ",\"no_causal_mask\":true", "", "", WI_OK},
        {"", ",\"embed_cls\":true", "", "positional_embedding", WI_ERR_FORMAT},
        {"", ",\"embed_cls\":true,\"no_causal_mask\":true", "", "a class token",
         WI_ERR_UNSUPPORTED},
        {"", ",\"heads\":0", "", "", WI_ERR_FORMAT},
        {"", "", ",\"multimodal_cfg\":{\"layers\":2}", "multimodal_cfg", WI_ERR_UNSUPPORTED},
        {",\"mlp_ratio\":1e30", "", "", "mlp width", WI_ERR_FORMAT},
        {",\"head_width\":0", "", "", "heads", WI_ERR_FORMAT},
        {",\"layers\":[1,2]", "", "", "line 1", WI_ERR_FORMAT},
    };
    make_checkpoint(&(recipe){LAYOUT_OPEN_CLIP, WI_RAW_F16, BOTH});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1000];
        bool heads = strstr(cases[i].text, "heads") != NULL,
             ratio = strstr(cases[i].vision, "mlp_ratio") != NULL;
        snprintf(text, sizeof text,
                 "{\"model_cfg\":{\"embed_dim\":32%s,\"vision_cfg\":{\"image_size\":8,\"layers\":2,"
                 "\"width\":64,"
                 "\"patch_size\":4%s%s},\"text_cfg\":{\"context_length\":8,\"vocab_size\":520,"
                 "\"width\":64,"
                 "\"layers\":2,\"mlp_ratio\":2%s%s}}}",
                 cases[i].more, ratio ? "" : ",\"mlp_ratio\":2", cases[i].vision,
                 heads ? "" : ",\"heads\":1", cases[i].text);
        scratch_text("m/open_clip_config.json", text);
        wi_source *source = NULL;
        wi_error error = {0};
        wi_status got = wi_source_open(scratch_path("m"), NULL, &source, &error);
        if (got != cases[i].status || !strstr(error.message, cases[i].says))
            fail_msg("case %zu: status %d, '%s'", i, got, error.message);
        wi_source_close(&source);
    }
}

static void write_scale(const char *type, const void *bytes, size_t n_bytes, const char *shape)
{
    /* The checkpoint's second shard is replaced by one of a single tensor; the first has all the
     * others. */
    char header[200];
    uint8_t file[300] = {0};
    int n = snprintf(header, sizeof header,
                     "{\"logit_scale\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[0,%zu]}}",
                     type, shape, n_bytes);
    file[0] = (uint8_t)n;
    memcpy(file + 8, header, (size_t)n);
    memcpy(file + 8 + n, bytes, n_bytes);
    scratch_write("m/scale.safetensors", file, 8 + (size_t)n + n_bytes);
}

static void logit_scales(void **state)
{
    (void)state;
    make_checkpoint(&(recipe){LAYOUT_HF, WI_RAW_F16, BOTH, .without_scale = true});
    assert_int_equal(
        rename(scratch_path("m/model.safetensors"), scratch_path("m/rest.safetensors")), 0);
    scratch_text(
        "m/model.safetensors.index.json",
        "{\"weight_map\":{\"x\":\"rest.safetensors\",\"logit_scale\":\"scale.safetensors\"}}");
    const float nan = NAN, inf = INFINITY, huge = 200, two[2] = {1, 2}, good = 4.5f;
    const int64_t integer = 4;
    write_scale("F32", &nan, 4, "[]");
    expect_failure("m", WI_ERR_FORMAT, "'logit_scale' is not one number");
    write_scale("F32", &inf, 4, "[]");
    expect_failure("m", WI_ERR_FORMAT, "logit_scale");
    write_scale("F32", &huge, 4, "[]"); /* its exponential is not */
    expect_failure("m", WI_ERR_FORMAT, "logit scale");
    write_scale("F32", two, 8, "[2]");
    expect_failure("m", WI_ERR_FORMAT, "logit_scale");
    write_scale("I64", &integer, 8, "[]");
    expect_failure("m", WI_ERR_FORMAT, "logit_scale");
    write_scale("F32", &good, 4, "[1,1]");
    wi_source *source = NULL;
    assert_int_equal(wi_source_open(scratch_path("m"), NULL, &source, NULL), WI_OK);
    expect_float(wi_source_params(source)->logit_scale, exp(4.5));
    wi_source_close(&source);
    /* Without the tensor the configuration's initial value stands. */
    scratch_text("m/model.safetensors.index.json", "{\"weight_map\":{\"x\":\"rest.safetensors\"}}");
    assert_int_equal(wi_source_open(scratch_path("m"), NULL, &source, NULL), WI_OK);
    expect_float(wi_source_params(source)->logit_scale, exp(1.5));
    wi_source_close(&source);
}

static void tokenizers(void **state)
{
    (void)state;
    make_checkpoint(&(recipe){LAYOUT_HF, WI_RAW_F16, BOTH});
    unlink(scratch_path("m/merges.txt"));
    static const struct {
        const char *text, *says;
        wi_status status;
    } cases[] = {
        {"{\"model\":{\"type\":\"BPE\",\"merges\":[\"a b\",[\"ab\",\"c</w>\"]]}}", "", WI_OK},
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[]}}", "'Unigram'", WI_ERR_UNSUPPORTED},
        {"{\"model\":{\"type\":\"BPE\"}}", "no list of merges", WI_ERR_FORMAT},
        {"{\"model\":{\"type\":\"BPE\",\"merges\":[]}}", "no merges", WI_ERR_FORMAT},
        {"{\"model\":{\"type\":\"BPE\",\"merges\":[[\"a\"]]}}", "no pair", WI_ERR_FORMAT},
        {"{\"model\":{\"type\":\"BPE\",\"merges\":[7]}}", "no pair", WI_ERR_FORMAT},
        {"{", "tokenizer.json: line 1", WI_ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scratch_text("m/tokenizer.json", cases[i].text);
        if (cases[i].status != WI_OK) {
            expect_failure("m", cases[i].status, cases[i].says);
            continue;
        }
        wi_source *source = NULL;
        size_t n = 0;
        assert_int_equal(wi_source_open(scratch_path("m"), NULL, &source, NULL), WI_OK);
        const char *merges = wi_source_merges(source, &n);
        assert_int_equal(n, 13);
        assert_memory_equal(merges, "a b\nab c</w>\n", 13);
        wi_source_close(&source);
    }
    /* What lies beyond the vocabulary is left out, as in the original. */
    scratch_text("m/merges.txt", "a b\nb c\nc d\nd e\ne f\nf g\ng h\nh i\n");
    wi_source *source = NULL;
    size_t n = 0;
    assert_int_equal(wi_source_open(scratch_path("m"), NULL, &source, NULL), WI_OK);
    assert_non_null(wi_source_merges(source, &n));
    assert_int_equal(n, (VOCABULARY - 514) * 4);
    wi_source_close(&source);
    scratch_text("m/merges.txt", "#version: 0.2\n");
    expect_failure("m", WI_ERR_FORMAT, "merges.txt: no merges");
    scratch_text("m/merges.txt", "");
    expect_failure("m", WI_ERR_FORMAT, "merges.txt: no merges");
}

static void places_that_hold_no_model(void **state)
{
    (void)state;
    expect_failure("nothing", WI_ERR_IO, "nothing: cannot open: No such file");
    scratch_text("empty/.folder", "");
    expect_failure("empty", WI_ERR_FORMAT, "no model here");
    scratch_text("pickle/pytorch_model.bin", "x");
    expect_failure("pickle", WI_ERR_UNSUPPORTED, "not a PyTorch archive");
    scratch_text("e.safetensors", "");
    expect_failure("e.safetensors", WI_ERR_FORMAT, "e.safetensors: the file is empty");
    scratch_text("e.gguf", "");
    expect_failure("e.gguf", WI_ERR_FORMAT, "e.gguf: the file is empty");
    scratch_text("e.txt", "hello");
    expect_failure("e.txt", WI_ERR_FORMAT, "not a GGUF file");
    scratch_text("f/model.safetensors/x", "");
    expect_failure("f", WI_ERR_IO, "model.safetensors: not a regular file");
    make_checkpoint(&(recipe){LAYOUT_HF, WI_RAW_F16, BOTH});
    unlink(scratch_path("m/config.json"));
    expect_failure("m", WI_ERR_FORMAT, "config.json is missing");
    assert_int_equal(mkdir(scratch_path("m/config.json"), 0777), 0);
    expect_failure("m", WI_ERR_IO, "config.json: not a regular file");
    if (geteuid() != 0) {
        assert_int_equal(chmod(scratch_path("m/model.safetensors"), 0), 0);
        expect_failure("m", WI_ERR_IO, "Permission denied");
    }
    wi_source_close(NULL);
}

static wi_status open_one(void *context, wi_error *error)
{
    wi_source *source = NULL;
    wi_status status = wi_source_open(context, NULL, &source, error);
    assert_true((status == WI_OK) == (source != NULL));
    wi_source_close(&source);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    for (int which = 0; which < N_LAYOUTS; which++) {
        recipe r = {(enum layout)which, WI_RAW_F16, BOTH};
        char path[512];
        snprintf(path, sizeof path, "%s", make_checkpoint(&r));
        assert_true(torture_run(open_one, path) >= 6);
        assert_int_equal(scratch_teardown(NULL), 0);
        assert_int_equal(scratch_setup(NULL), 0);
    }
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(every_layout_and_type_gives_the_same_rows),
        EACH(single_towers),
        EACH(parameters_of_hugging_face),
        EACH(parameters_of_open_clip),
        EACH(parameters_from_shapes),
        EACH(parameters_of_clip_cpp),
        EACH(a_folder_may_bring_another_file_name),
        EACH(names_in_a_hub_cache),
        EACH(missing_and_misshapen_tensors),
        EACH(shards),
        EACH(configurations),
        EACH(old_configurations_with_dictionaries),
        EACH(towers_with_configurations_of_their_own),
        EACH(preprocessing_spellings),
        EACH(open_clip_options),
        EACH(logit_scales),
        EACH(tokenizers),
        EACH(places_that_hold_no_model),
        EACH(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
