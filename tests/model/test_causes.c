/* What a checkpoint holds or says beyond a plain CLIP is followed or refused by name, never ignored.
 * Each case changes an original (data/originals) in one place. */
#include "checkpoint/source.h"
#include "fmt/safetensors.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <whatsit/whatsit.h>

#include "base/map.h"

enum { MAX_TENSORS = 256 };

static const char model_cfg[] =
    "\"embed_dim\":16,\"vision_cfg\":{\"image_size\":12,\"layers\":2,\"width\":16,\"head_width\":8,"
    "\"patch_size\":4,\"mlp_ratio\":2.0},\"text_cfg\":{\"context_length\":10,\"vocab_size\":48,"
    "\"width\":16,\"heads\":2,\"layers\":2,\"mlp_ratio\":2.0}";

typedef struct cause {
    const char *what;
    const char *from;    /* an original */
    const char *weights; /* what its weights are called here */
    const char *add;     /* a tensor of 16 zeros more */
    const char *only;    /* beginning of the names that stay */
    size_t skip;         /* characters that each name loses at its front */
    const char *put;     /* what each name gains there */
    const char *config;  /* the name of a configuration, and its text; NULL: none */
    const char *text;
    const char *also, *also_text; /* one more file */
    wi_status status;
    const char *says;
} cause;

static const cause causes[] = {
    {.what = "open_clip without a configuration",
     .from = "open_clip_gelu",
     .weights = "model.safetensors",
     .status = WI_ERR_UNSUPPORTED,
     .says = "--config"},
    {.what = "open_clip with transformers' configuration",
     .from = "open_clip_gelu",
     .weights = "model.safetensors",
     .config = "config.json",
     .text = "{\"model_type\":\"clip\",\"vision_config\":{\"hidden_act\":\"gelu\"}}",
     .status = WI_ERR_UNSUPPORTED,
     .says = "--config"},
    {.what = "a bare configuration that is silent on preprocessing",
     .from = "open_clip_gelu",
     .weights = "model.safetensors",
     .config = "config.json",
     .text = "{%s}",
     .status = WI_ERR_UNSUPPORTED,
     .says = "preprocess_cfg"},
    {.what = "CoCa's, likewise: no known network has its decoder",
     .from = "open_clip_coca",
     .weights = "model.safetensors",
     .config = "config.json",
     .text = "{\"embed_dim\":16,\"custom_text\":true,\"text_cfg\":{\"context_length\":32,\"v"
             "ocab_size\":520,\"width\":16,\"heads\":2,\"layers\":2,\"mlp_ratio\":2.0,\"embe"
             "d_cls\":true,\"output_tokens\":true},\"vision_cfg\":{\"image_size\":12,\"layer"
             "s\":2,\"width\":24,\"head_width\":8,\"patch_size\":4,\"mlp_ratio\":2.0,\"atten"
             "tional_pool\":true,\"attn_pooler_queries\":6,\"attn_pooler_heads\":4,\"output_"
             "tokens\":true},\"multimodal_cfg\":{\"context_length\":32,\"vocab_size\":520,\""
             "width\":16,\"heads\":4,\"layers\":2}}",
     .status = WI_ERR_UNSUPPORTED,
     .says = "m/config.json: says nothing of preprocessing"},
    {.what = "one that is not",
     .from = "open_clip_gelu",
     .weights = "model.safetensors",
     .config = "config.json",
     .text = "{%s,\"preprocess_cfg\":{}}",
     .status = WI_OK},
    {.what = "LayerScale that the configuration does not speak of",
     .from = "open_clip_layer_scale",
     .weights = "open_clip_model.safetensors",
     .config = "open_clip_config.json",
     .text = "{\"model_cfg\":{%s}}",
     .status = WI_ERR_UNSUPPORTED,
     .says = "ls_1.gamma"},
    {.what = "norms of queries and keys that it does not speak of",
     .from = "open_clip_custom_blocks",
     .weights = "open_clip_model.safetensors",
     .config = "open_clip_config.json",
     .text = "{\"model_cfg\":{%s}}",
     .status = WI_ERR_UNSUPPORTED,
     .says = "nothing reads tensor"},
    {.what = "LongCLIP's second positions, of another shape",
     .from = "open_clip_gelu",
     .weights = "open_clip_model.safetensors",
     .add = "positional_embedding_res",
     .config = "open_clip_config.json",
     .text = "{\"model_cfg\":{%s}}",
     .status = WI_ERR_FORMAT,
     .says = "positional_embedding_res"},
    {.what = "CoCa's class token",
     .from = "open_clip_gelu",
     .weights = "open_clip_model.safetensors",
     .add = "cls_emb",
     .config = "open_clip_config.json",
     .text = "{\"model_cfg\":{%s}}",
     .status = WI_ERR_UNSUPPORTED,
     .says = "cls_emb"},
    {.what = "CoCa's decoder",
     .from = "open_clip_gelu",
     .weights = "open_clip_model.safetensors",
     .config = "open_clip_config.json",
     .text = "{\"model_cfg\":{%s,\"multimodal_cfg\":{\"layers\":2}}}",
     .status = WI_ERR_UNSUPPORTED,
     .says = "multimodal_cfg"},
    {.what = "an interpolation that we do not have",
     .from = "open_clip_gelu",
     .weights = "open_clip_model.safetensors",
     .config = "open_clip_config.json",
     .text = "{\"model_cfg\":{%s},\"preprocess_cfg\":{\"interpolation\":\"random\"}}",
     .status = WI_ERR_UNSUPPORTED,
     .says = "interpolation=random"},
    {.what = "a padding that is no grey",
     .from = "open_clip_gelu",
     .weights = "open_clip_model.safetensors",
     .config = "open_clip_config.json",
     .text = "{\"model_cfg\":{%s},\"preprocess_cfg\":{\"fill_color\":[1,2,3]}}",
     .status = WI_ERR_UNSUPPORTED,
     .says = "fill_color"},
    {.what = "EVA02 whose heads do not divide its width",
     .from = "open_clip_eva02",
     .weights = "open_clip_model.safetensors",
     .config = "open_clip_config.json",
     .text = "{\"model_cfg\":{\"vision_cfg\":{\"timm_model_name\":\"eva02_base_patch16_clip_224\","
             "\"image_size\":15,\"timm_pool\":\"token\",\"head_width\":48},\"text_cfg\":{}}}",
     .status = WI_ERR_UNSUPPORTED,
     .says = "heads of 48"},
    {.what = "PE-Core of a name that has other heads",
     .from = "open_clip_pe_core",
     .weights = "open_clip_model.safetensors",
     .config = "open_clip_config.json",
     .text = "{\"model_cfg\":{\"vision_cfg\":{\"timm_model_name\":"
             "\"vit_pe_core_gigantic_patch14_448\",\"image_size\":15,\"timm_pool\":\"map\"},"
             "\"text_cfg\":{}}}",
     .status = WI_ERR_UNSUPPORTED,
     .says = "heads are 96 wide"},
    {.what = "PE-Core of a name that is not known",
     .from = "open_clip_pe_core",
     .weights = "open_clip_model.safetensors",
     .config = "open_clip_config.json",
     .text = "{\"model_cfg\":{\"vision_cfg\":{\"timm_model_name\":\"vit_pe_core_mini_patch16\","
             "\"timm_pool\":\"map\"},\"text_cfg\":{}}}",
     .status = WI_ERR_UNSUPPORTED,
     .says = "vit_pe_core_mini"},
    {.what = "a configuration of something else",
     .from = "hf_clip",
     .weights = "model.safetensors",
     .config = "config.json",
     .text = "{\"architectures\":[\"Some\"],\"hidden_size\":16}",
     .status = WI_ERR_UNSUPPORTED,
     .says = "no 'model_type'"},
    {.what = "an adapter in a block",
     .from = "hf_clip",
     .weights = "model.safetensors",
     .add = "vision_model.encoder.layers.0.adapter.down.weight",
     .config = "preprocessor_config.json",
     .text = "{}",
     .status = WI_ERR_UNSUPPORTED,
     .says = "adapter.down.weight"},
    {.what = "a classifier beside both towers",
     .from = "hf_clip",
     .weights = "model.safetensors",
     .add = "classifier.weight",
     .config = "preprocessor_config.json",
     .text = "{\"do_center_crop\":true}",
     .status = WI_OK},
    {.what = "pictures that keep their shape",
     .from = "hf_clip",
     .weights = "model.safetensors",
     .config = "preprocessor_config.json",
     .text = "{\"do_center_crop\":false,\"size\":14}",
     .status = WI_ERR_UNSUPPORTED,
     .says = "do_center_crop"},
    {.what = "an image tower saved alone",
     .from = "hf_clip",
     .weights = "model.safetensors",
     .only = "vision_model.",
     .config = "preprocessor_config.json",
     .text = "{}",
     .status = WI_ERR_FORMAT,
     .says = "without its projection"},
    {.what = "one without its prefix",
     .from = "hf_clip",
     .weights = "model.safetensors",
     .only = "vision_model.",
     .skip = 13,
     .config = "preprocessor_config.json",
     .text = "{}",
     .status = WI_ERR_UNSUPPORTED,
     .says = "without its projection"},
    {.what = "a module of parallel training",
     .from = "open_clip_gelu",
     .weights = "model.safetensors",
     .put = "module.",
     .status = WI_ERR_UNSUPPORTED,
     .says = "'module.'"},
    {.what = "TinyCLIP's names",
     .from = "open_clip_gelu",
     .weights = "model.safetensors",
     .only = "visual.",
     .put = "_image_encoder.",
     .status = WI_ERR_UNSUPPORTED,
     .says = "TinyCLIP"},
    {.what = "names of no layout",
     .from = "open_clip_gelu",
     .weights = "model.safetensors",
     .put = "unheard_of.",
     .status = WI_ERR_UNSUPPORTED,
     .says = "such as 'unheard_of."},
    {.what = "ONNX beside a configuration",
     .also = "onnx/model.onnx",
     .also_text = "x",
     .config = "config.json",
     .text = "{}",
     .status = WI_ERR_UNSUPPORTED,
     .says = "ONNX"},
    {.what = "Keras",
     .also = "tf_model.h5",
     .also_text = "x",
     .status = WI_ERR_UNSUPPORTED,
     .says = "Keras"},
    {.what = "sentence-transformers",
     .also = "0_CLIPModel/config.json",
     .also_text = "{}",
     .status = WI_ERR_FORMAT,
     .says = "0_CLIPModel"},
    {.what = "nothing but a configuration",
     .config = "config.json",
     .text = "{}",
     .status = WI_ERR_FORMAT,
     .says = "without weights"},
};

static const char *original(const char *folder, const char *file)
{
    static char path[600];
    snprintf(path, sizeof path, "%s/tests/model/data/originals/%s/%s", WHATSIT_SOURCE_DIR, folder,
             file);
    return path;
}

static void copy_file(const char *folder, const char *name)
{
    wi_map map = {NULL, 0};
    char to[80];
    if (wi_map_open(original(folder, name), &map, NULL) != WI_OK)
        return;
    snprintf(to, sizeof to, "m/%s", name);
    scratch_write(to, map.bytes, map.n_bytes);
    wi_map_close(&map);
}

/* Its tensors under other names, some left out, one more. */
static void write_weights(const cause *c)
{
    static char names[MAX_TENSORS][160];
    static const uint8_t zeros[64];
    const bool hf = strcmp(c->from, "hf_clip") == 0;
    wi_map map = {NULL, 0};
    wi_safetensors *file = NULL;
    wi_tensor tensors[MAX_TENSORS];
    wi_error error = {0};
    char to[80];
    size_t n = 0;
    const char *path = original(c->from, hf ? "model.safetensors" : "open_clip_model.safetensors");
    assert_int_equal(wi_map_open(path, &map, &error), WI_OK);
    assert_int_equal(wi_safetensors_parse(path, map.bytes, map.n_bytes, &file, &error), WI_OK);
    for (size_t i = 0; i < wi_safetensors_count(file); i++) {
        const wi_safetensors_tensor *t = wi_safetensors_at(file, i);
        if (c->only && strncmp(t->name, c->only, strlen(c->only)) != 0)
            continue;
        snprintf(names[n], sizeof names[n], "%s%s", c->put ? c->put : "", t->name + c->skip);
        tensors[n] = (wi_tensor){.name = names[n],
                                 .dtype = (wi_dtype)t->type,
                                 .rank = t->rank,
                                 .data = t->data,
                                 .n_bytes = t->n_bytes};
        memcpy(tensors[n++].shape, t->shape, sizeof tensors->shape);
    }
    if (c->add)
        tensors[n++] = (wi_tensor){.name = c->add,
                                   .dtype = WI_F32,
                                   .rank = 1,
                                   .shape = {16},
                                   .data = zeros,
                                   .n_bytes = sizeof zeros};
    snprintf(to, sizeof to, "m/%s", c->weights);
    if (wi_tensors_write(scratch_path(to), tensors, n, NULL, 0, &error) != WI_OK)
        fail_msg("%s: %s", c->what, error.message);
    wi_safetensors_close(&file);
    wi_map_close(&map);
}

static void one_cause(const cause *c)
{
    wi_source *source = NULL;
    wi_error error = {0};
    char name[80], text[1200];
    scratch_text("m/.folder", "");
    if (c->from) {
        write_weights(c);
        if (strcmp(c->from, "hf_clip") == 0)
            copy_file(c->from, "config.json");
    }
    if (c->config) {
        const char *hole = strstr(c->text, "%s");
        snprintf(name, sizeof name, "m/%s", c->config);
        snprintf(text, sizeof text, "%.*s%s%s", hole ? (int)(hole - c->text) : (int)strlen(c->text),
                 c->text, hole ? model_cfg : "", hole ? hole + 2 : "");
        scratch_text(name, text);
    }
    if (c->also) {
        snprintf(name, sizeof name, "m/%s", c->also);
        scratch_text(name, c->also_text);
    }
    const wi_status got = wi_source_open(scratch_path("m"), NULL, &source, &error);
    if (got != c->status || (c->says && !strstr(error.message, c->says)))
        fail_msg("%s: status %d, '%s'; expected %d and '%s'", c->what, (int)got, error.message,
                 (int)c->status, c->says ? c->says : "");
    wi_source_close(&source);
}

static void every_cause(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof causes / sizeof *causes; i++) {
        one_cause(&causes[i]);
        assert_int_equal(scratch_teardown(NULL), 0);
        assert_int_equal(scratch_setup(NULL), 0);
    }
}

/* Without "preprocess_cfg" a family's pictures are resized as its published weights want it. */
static void a_silent_configuration_has_the_familys_preprocessing(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        wi_resize_mode mode;
        wi_interpolation interpolation;
        float std;
    } cases[] = {{"open_clip_fastvit", WI_RESIZE_CROP, WI_BILINEAR, 1.0f},
                 {"open_clip_pe_core", WI_RESIZE_SQUASH, WI_BILINEAR, 0.5f},
                 {"open_clip_eva02", WI_RESIZE_CROP, WI_BICUBIC, 0.26862954f},
                 {"open_clip_convnext", WI_RESIZE_CROP, WI_BICUBIC, 0.26862954f}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wi_source *source = NULL;
        wi_error error = {0};
        char folder[600];
        snprintf(folder, sizeof folder, "%s/tests/model/data/originals/%s", WHATSIT_SOURCE_DIR,
                 cases[i].name);
        if (wi_source_open(folder, NULL, &source, &error) != WI_OK)
            fail_msg("%s", error.message);
        const wi_preprocess *how = &wi_source_params(source)->preprocess;
        assert_int_equal(how->mode, cases[i].mode);
        assert_int_equal(how->interpolation, cases[i].interpolation);
        assert_true(how->std[0] == cases[i].std);
        wi_source_close(&source);
    }
}

/* A configuration that is called as the weights are rules the tokenizer, too. */
static void a_configuration_of_another_name_is_the_tokenizers(void **state)
{
    (void)state;
    static const char *const files[][2] = {{"open_clip_model.safetensors", "w.safetensors"},
                                           {"open_clip_config.json", "w.json"},
                                           {"tokenizer.json", "tokenizer.json"},
                                           {"tokenizer_config.json", "tokenizer_config.json"}};
    static const char folder[] = WHATSIT_SOURCE_DIR "/tests/model/data/families/clipa";
    const char *const paths[] = {folder, "m/w.safetensors"};
    int32_t ids[2][16];
    scratch_text("m/.folder", "");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char from[600], to[80];
        snprintf(from, sizeof from, "%s/%s", folder, files[i][0]);
        snprintf(to, sizeof to, "m/%s", files[i][1]);
        assert_int_equal(symlink(from, scratch_path(to)), 0);
    }
    for (int i = 0; i < 2; i++) {
        wi_source *source = NULL;
        wi_error error = {0};
        if (wi_source_open(i ? scratch_path(paths[i]) : paths[i], NULL, &source, &error) != WI_OK)
            fail_msg("%s", error.message);
        wi_tokenizer tokenizer = wi_source_take_tokenizer(source);
        assert_int_equal(wi_tok_encode(&tokenizer, "A Dog, 2!", 9, 16, ids[i], NULL, NULL, NULL),
                         WI_OK);
        free(tokenizer.own);
        wi_source_close(&source);
    }
    assert_memory_equal(ids[0], ids[1], sizeof ids[0]);
}

static void files_of_other_formats(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"x.onnx", "ONNX"},
                                           {"x.h5", "Keras"},
                                           {"x.npz", "NumPy"},
                                           {"x.weights", "not a GGUF file"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wi_source *source = NULL;
        wi_error error = {0};
        scratch_text(cases[i][0], "something else");
        assert_int_not_equal(wi_source_open(scratch_path(cases[i][0]), NULL, &source, &error),
                             WI_OK);
        if (!strstr(error.message, cases[i][1]))
            fail_msg("%s: %s", cases[i][0], error.message);
    }
}

/* A configuration that is known by name is one that open_clip would read itself. */
static void configurations_by_name(void **state)
{
    (void)state;
    wi_source *source = NULL;
    wi_error error = {0};
    const char *path = original("open_clip_gelu", "open_clip_model.safetensors");
    assert_int_equal(wi_source_open(path, "ViT-B-32", &source, &error), WI_ERR_FORMAT);
    assert_non_null(strstr(error.message, "needs 768 x 3072"));
    assert_int_equal(wi_source_open(path, "ViT-X", &source, &error), WI_ERR_ARG);
    assert_non_null(strstr(error.message, "'ViT-X'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_cause, scratch_setup, scratch_teardown),
        cmocka_unit_test(a_silent_configuration_has_the_familys_preprocessing),
        cmocka_unit_test_setup_teardown(a_configuration_of_another_name_is_the_tokenizers,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(files_of_other_formats, scratch_setup, scratch_teardown),
        cmocka_unit_test(configurations_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
