/* Carries models to processors that this machine is not: converts each reference model (and one
 * made here, for checkouts without the reference data) to our file in f32 and int8, and writes
 * beside it a case: pictures, texts, and the embeddings that the original and this machine give. Models
 * without a tokenizer have no texts here and no head.
 *
 * CASE.case, little-endian: "WICASE1\n"; u32 px, n_images, n_texts, dim, has_reference; pixels
 * [n_images,px,px,3] u8; f32 native image [n_images,dim], native text [n_texts,dim], and, with
 * has_reference, the original's of both; then each text as u32 n_bytes and its bytes, and its token
 * ids as u32 n_ids and i32 ids; then u32 n_photos, and each as u32 width, height, RGB pixels and the
 * input pixels [px,px,3] that preprocessing makes of them. MODEL.head is a head file of this machine.
 */
#include "model/mbconv_make.h"
#include "model/test_source_make.h"
#include "support/golden.h"
#include "support/scratch.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <jansson.h>
#include <whatsit/whatsit.h>

enum { N_IMAGES = 6, N_TEXTS = 12, MAX_CONTEXT = 256 };

static const char *const plain_texts[N_TEXTS] = {"a photo of a cat",
                                                 "a photo of a dog",
                                                 "a photo of a fox.",
                                                 "CATS &amp; dogs",
                                                 "an old, wet street",
                                                 "na\xc3\xafve caf\xc3\xa9",
                                                 "1234 5678",
                                                 "it's",
                                                 "\xe7\x8c\xab \xf0\x9f\x90\xb1",
                                                 "",
                                                 "a",
                                                 "a photo of"};

typedef struct example {
    uint32_t px, dim;
    size_t n_images, n_texts;
    const uint8_t *pixels;
    const char *texts[N_TEXTS];
    const uint8_t *image, *text; /* the original's embeddings, or NULL */
} example;

static const char *out_folder(void)
{
    const char *folder = getenv("WHATSIT_CASES");
    return folder ? folder : WHATSIT_BINARY_DIR "/tests/cross/cases";
}

static void put(FILE *f, const void *bytes, size_t n)
{
    if (n)
        assert_int_equal(fwrite(bytes, 1, n, f), n);
}

static void put_u32(FILE *f, size_t value)
{
    const uint32_t v = (uint32_t)value;
    put(f, &v, sizeof v);
}

static void put_text(FILE *f, const wi_model *model, const char *text)
{
    int32_t ids[MAX_CONTEXT];
    size_t n_ids = 0;
    const size_t n_bytes = strlen(text);
    assert_int_equal(wi_model_tokenize(model, text, n_bytes, ids, &n_ids, NULL, NULL), WI_OK);
    put_u32(f, n_bytes);
    put(f, text, n_bytes);
    put_u32(f, n_ids);
    put(f, ids, n_ids * sizeof *ids);
}

/* Noise with some structure: what resampling could get wrong shows. */
static void put_photo(FILE *f, const wi_preprocess *how, uint32_t width, uint32_t height)
{
    wi_image *image = NULL;
    const size_t n = (size_t)width * height * 3, n_out = (size_t)how->size_px * how->size_px * 3;
    uint8_t *rgb = malloc(n), *out = malloc(n_out);
    uint32_t state = width * 31 + height;
    assert_true(rgb && out);
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        rgb[i] = (uint8_t)(i / 3 % width * 255 / width / 2 + (state >> 25));
    }
    assert_int_equal(wi_image_from_rgb(rgb, width, height, &image, NULL), WI_OK);
    assert_int_equal(wi_image_preprocess(NULL, image, how, out, NULL), WI_OK);
    put_u32(f, width);
    put_u32(f, height);
    put(f, rgb, n);
    put(f, out, n_out);
    wi_image_close(&image);
    free(rgb);
    free(out);
}

static void put_photos(FILE *f, const wi_model *model)
{
    static const uint32_t sizes[][2] = {{320, 240}, {61, 97}, {5, 3}};
    wi_model_info info;
    assert_int_equal(wi_model_get_info(model, &info, NULL), WI_OK);
    put_u32(f, sizeof sizes / sizeof *sizes);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        put_photo(f, &info.preprocess, sizes[i][0], sizes[i][1]);
}

static void write_head(const wi_model *model, const char *path)
{
    static const char *const labels[] = {"cat|kitty", "dog", "fox", "an old car"};
    static const char *const templates[] = {"a photo of a {}.", "a drawing of a {}."};
    const wi_head_recipe wanted = {.name = "animals",
                                   .labels = labels,
                                   .n_labels = 4,
                                   .templates = templates,
                                   .n_templates = 2};
    wi_session *session = NULL;
    wi_head *head = NULL;
    wi_error error = {0};
    if (wi_session_open(model, NULL, &session, &error) != WI_OK ||
        wi_head_build(session, &wanted, &head, NULL, &error) != WI_OK ||
        wi_head_save(head, path, &error) != WI_OK)
        fail_msg("%s: %s", path, error.message);
    wi_head_close(&head);
    wi_session_close(&session);
}

static void write_case(const wi_model *model, const example *e, const char *path)
{
    wi_session *session = NULL;
    wi_error error = {0};
    float *image = calloc(e->n_images * e->dim, sizeof *image);
    float *text = calloc((e->n_texts + 1) * e->dim, sizeof *text);
    assert_true(image && text);
    if (wi_session_open(model, NULL, &session, &error) != WI_OK ||
        wi_session_encode_images(session, e->pixels, e->n_images, image, &error) != WI_OK ||
        (e->n_texts &&
         wi_session_encode_texts(session, e->texts, e->n_texts, text, NULL, NULL, &error) != WI_OK))
        fail_msg("%s: %s", path, error.message);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    put(f, "WICASE1\n", 8);
    put_u32(f, e->px);
    put_u32(f, e->n_images);
    put_u32(f, e->n_texts);
    put_u32(f, e->dim);
    put_u32(f, e->image != NULL);
    put(f, e->pixels, e->n_images * e->px * e->px * 3);
    put(f, image, e->n_images * e->dim * sizeof *image);
    put(f, text, e->n_texts * e->dim * sizeof *text);
    if (e->image) {
        put(f, e->image, e->n_images * e->dim * sizeof *image);
        put(f, e->text, e->n_texts * e->dim * sizeof *text);
    }
    for (size_t i = 0; i < e->n_texts; i++)
        put_text(f, model, e->texts[i]);
    put_photos(f, model);
    assert_int_equal(fclose(f), 0);
    wi_session_close(&session);
    free(image);
    free(text);
}

/* The original's numbers are those of the stored weights: int8 is compared with this machine alone.
 */
static void export_model(wi_engine *engine, const char *from, const char *name, example *e)
{
    static const struct {
        const char *suffix;
        wi_weights weights;
    } types[] = {{"f32", WI_WEIGHTS_F32}, {"int8", WI_WEIGHTS_INT8}};
    for (size_t i = 0; i < 2; i++) {
        char path[700], case_path[720], head_path[720];
        wi_model *model = NULL;
        wi_error error = {0};
        const wi_convert_options options = {.weights = types[i].weights};
        wi_model_info info;
        snprintf(path, sizeof path, "%.500s/%.100s-%s.gguf", out_folder(), name, types[i].suffix);
        snprintf(case_path, sizeof case_path, "%.600s.case", path);
        if (wi_model_convert(engine, from, path, &options, &error) != WI_OK ||
            wi_model_open(engine, path, NULL, &model, &error) != WI_OK ||
            wi_model_get_info(model, &info, &error) != WI_OK)
            fail_msg("%s: %s", from, error.message);
        assert_int_equal(info.image_px, e->px);
        e->dim = info.embedding_dim;
        example mine = *e;
        if (types[i].weights != WI_WEIGHTS_F32)
            mine.image = mine.text = NULL;
        write_case(model, &mine, case_path);
        snprintf(head_path, sizeof head_path, "%.600s.head", path);
        if (e->n_texts)
            write_head(model, head_path);
        wi_model_close(&model);
    }
}

static wi_engine *open_engine(void)
{
    wi_engine *engine = NULL;
    const wi_engine_options options = {.n_threads = 2};
    assert_int_equal(wi_engine_open(&options, &engine, NULL), WI_OK);
    return engine;
}

/* Pictures of smooth colours with some noise. */
static uint8_t *make_pixels(uint32_t px)
{
    uint8_t *pixels = malloc((size_t)N_IMAGES * px * px * 3);
    uint32_t state = 1;
    assert_non_null(pixels);
    for (uint32_t i = 0; i < N_IMAGES * px * px * 3; i++) {
        state = state * 1664525u + 1013904223u;
        pixels[i] =
            (uint8_t)((i / 3 % px * 255 / px + i / 3 / px * (i % 3 + 1) + (state >> 28)) & 255);
    }
    return pixels;
}

/* A small model: what other processors make of it is compared with this one, which is compared with the
 * originals elsewhere (tests/model). */
static void export_family(wi_engine *engine, const char *folder, const char *name)
{
    example e = {0};
    wi_model *model = NULL;
    wi_model_info info;
    wi_error error = {0};
    if (wi_model_open(engine, folder, NULL, &model, &error) != WI_OK ||
        wi_model_get_info(model, &info, &error) != WI_OK)
        fail_msg("%s", error.message);
    e.px = info.image_px;
    wi_model_close(&model);
    e.n_images = N_IMAGES;
    e.n_texts = N_TEXTS;
    memcpy(e.texts, plain_texts, sizeof e.texts);
    uint8_t *pixels = make_pixels(e.px);
    e.pixels = pixels;
    export_model(engine, folder, name, &e);
    free(pixels);
}

static void export_made_model(void **state)
{
    (void)state;
    wi_engine *engine = open_engine();
    const recipe r = {.layout = LAYOUT_HF, .type = WI_RAW_F32, .towers = 3};
    export_family(engine, make_checkpoint(&r), "made-vit");
    wi_engine_close(&engine);
}

static json_t *load_texts(const char *golden, example *e)
{
    char path[700];
    json_error_t why;
    snprintf(path, sizeof path, "%.600s/inputs/inputs.json", golden);
    json_t *root = json_load_file(path, 0, &why);
    assert_non_null(root);
    e->n_images = N_IMAGES;
    e->n_texts = N_TEXTS;
    json_t *list = json_object_get(root, "texts");
    assert_int_equal(json_array_size(list), N_TEXTS);
    for (size_t i = 0; i < N_TEXTS; i++)
        e->texts[i] = json_string_value(json_array_get(list, i));
    return root;
}

static void export_reference_model(wi_engine *engine, const char *golden, const char *name,
                                   example *e)
{
    char folder[620], path[700];
    golden_tensors expected, inputs;
    wi_model *model = NULL;
    wi_model_info info;
    wi_error error = {0};
    size_t n_image, n_text, n_pixels;
    snprintf(folder, sizeof folder, "%.400s/%.200s", golden, name);
    if (wi_model_open(engine, folder, NULL, &model, &error) != WI_OK ||
        wi_model_get_info(model, &info, &error) != WI_OK)
        fail_msg("%s", error.message);
    e->px = info.image_px;
    wi_model_close(&model);
    snprintf(path, sizeof path, "%s/expected.safetensors", folder);
    golden_open(path, &expected);
    snprintf(path, sizeof path, "%.400s/inputs/pixels_%u.safetensors", golden, e->px);
    golden_open(path, &inputs);
    e->pixels = golden_tensor(&inputs, "pixels_u8", &n_pixels);
    e->image = golden_tensor(&expected, "image_embeds", &n_image);
    e->text = golden_tensor(&expected, "text_embeds", &n_text);
    assert_true(e->pixels && e->image && e->text);
    assert_int_equal(n_pixels, (size_t)N_IMAGES * e->px * e->px * 3);
    assert_int_equal(n_image, N_IMAGES * info.embedding_dim * sizeof(float));
    assert_int_equal(n_text, N_TEXTS * info.embedding_dim * sizeof(float));
    export_model(engine, folder, name, e);
    golden_close(&expected);
    golden_close(&inputs);
}

static void export_reference_models(void **state)
{
    (void)state;
    char golden[512];
    example e = {0};
    size_t n = 0;
    if (!golden_folder("models", golden, sizeof golden))
        skip();
    json_t *texts = load_texts(golden, &e);
    wi_engine *engine = open_engine();
    DIR *dir = opendir(golden);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        char file[800];
        struct stat st;
        snprintf(file, sizeof file, "%.500s/%.200s/expected.safetensors", golden, entry->d_name);
        if (entry->d_name[0] == '.' || stat(file, &st) != 0)
            continue;
        export_reference_model(engine, golden, entry->d_name, &e);
        n++;
    }
    closedir(dir);
    assert_true(n > 0);
    wi_engine_close(&engine);
    json_decref(texts);
}

static void export_families(void **state)
{
    (void)state;
    static const char *const own[] = {"siglip2", "chinese_clip"};
    static const char *const reference[] = {"eva02_b16_f16", "convnext_base_w_f16",
                                            "mobileclip2_s0_f16"};
    char folder[700];
    wi_engine *engine = open_engine();
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        snprintf(folder, sizeof folder, "%s/tests/model/data/families/%s", WHATSIT_SOURCE_DIR,
                 own[i]);
        export_family(engine, folder, own[i]);
    }
    for (size_t i = 0; i < sizeof reference / sizeof *reference; i++) {
        char name[100];
        snprintf(name, sizeof name, "families/%s", reference[i]);
        if (golden_folder(name, folder, sizeof folder))
            export_family(engine, folder, reference[i]);
    }
    wi_engine_close(&engine);
}

/* Inverted residual blocks with a branch and heads that look, which stand on image towers of ours. */
static void export_mbconv(void **state)
{
    (void)state;
    const mbconv_plan plan = {
        37,
        24,
        6,
        {{8, 1, 3, 1}, {12, 6, 5, 2}, {12, 6, 5, 1}, {20, 3, 7, 2}, {20, 3, 7, 1}, {28, 2, 3, 1}},
        "softmax",
        true,
        3};
    mbconv_tensors t;
    wi_engine *engine = open_engine();
    example e = {.px = plan.image_px, .n_images = N_IMAGES};
    const size_t n = (size_t)3 * plan.image_px * plan.image_px;
    uint8_t *pixels = malloc(N_IMAGES * n);
    assert_non_null(pixels);
    for (uint32_t i = 0; i < N_IMAGES; i++)
        mbconv_paint(&plan, i + 1, pixels + i * n);
    e.pixels = pixels;
    mbconv_make(&plan, &t);
    export_model(engine, mbconv_write(&plan, &t, NULL), "made-mbconv", &e);
    mbconv_free(&t);
    free(pixels);
    wi_engine_close(&engine);
}

/* Pictures alone: the original's text tower has token ids, but no tokenizer. */
static void export_pe_core(void **state)
{
    (void)state;
    const char *folder = WHATSIT_SOURCE_DIR "/tests/model/data/originals/open_clip_pe_core";
    char path[700];
    golden_tensors expected;
    wi_engine *engine = open_engine();
    example e = {.px = 15};
    size_t n_pixels = 0, n_image = 0;
    snprintf(path, sizeof path, "%s/expected.safetensors", folder);
    golden_open(path, &expected);
    e.pixels = golden_tensor(&expected, "pixels", &n_pixels);
    e.image = golden_tensor(&expected, "image_embeds", &n_image);
    e.text = e.image; /* of no texts */
    assert_true(e.pixels && e.image);
    e.n_images = n_pixels / (3 * e.px * e.px);
    assert_true(e.n_images > 0);
    export_model(engine, folder, "open-clip-pe-core", &e);
    assert_int_equal(n_image, e.n_images * e.dim * sizeof(float));
    golden_close(&expected);
    wi_engine_close(&engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(export_made_model), cmocka_unit_test(export_families),
        cmocka_unit_test(export_mbconv), cmocka_unit_test(export_pe_core),
        cmocka_unit_test(export_reference_models)};
    mkdir(out_folder(), 0777);
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
