/* Parameters are described once (nn/field.h): every field of every list goes through a model file,
 * changes the fingerprint where it changes a number, and stands in docs/FORMATS.md. */
#include "model/paramsfile.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/map.h"

/* Values that are right for most fields; the checks say for which. */
static const double candidates[] = {1,    2, 3, 0,  4,  8,     16,  32, 64,
                                    0.25, 5, 7, 12, 24, 49407, 224, 255};
enum { N_CANDIDATES = sizeof candidates / sizeof *candidates };

static void fill(const wi_field *fields, void *values)
{
    wi_fields_default(fields, values);
    for (const wi_field *f = fields; f->key; f++) {
        static const struct {
            const char *end;
            double number;
        } usual[] = {{".size_px", 64},   {"patch_px", 16},       {".width", 64},
                     {".layers", 2},     {".heads", 4},          {"mlp_width", 128},
                     {"ln_eps", 0.5},    {"context_length", 16}, {"vocabulary_size", 512},
                     {"end_token", 7},   {"embedding_dim", 32},  {"logit_scale", 100},
                     {"stage1", 1},      {"stage2", 1},          {"stage3", 1},
                     {"stage4", 1},      {"std0", 0.5},          {"std1", 0.5},
                     {"std2", 0.5},      {"pool_heads", 4},      {"stem_width", 8},
                     {"head_width", 16}, {"start_token", 6},     {"channels", 8},
                     {".places", 9},     {".pooled", 16},        {"pooled_rows", 2},
                     {"pool_queries", 5}};
        const size_t n_key = strlen(f->key);
        for (size_t u = 0; u < sizeof usual / sizeof *usual; u++) {
            const size_t n = strlen(usual[u].end);
            if (n_key >= n && strcmp(f->key + n_key - n, usual[u].end) == 0)
                for (size_t i = 0; i < wi_field_count(f); i++)
                    wi_field_set(f, values, i, usual[u].number);
        }
    }
}

/* What kinds have in stages, a number each. */
static void fill_stages(const wi_tower_kind *kind, void *values)
{
    enum { MOST = 5 };
    static const struct {
        const char *kind, *key;
        double numbers[MOST];
    } stages[] = {{"mbconv", "whatsit.image.stage_blocks", {1, 2}},
                  {"mbconv", "whatsit.image.stage_width", {16, 24}},
                  {"mbconv", "whatsit.image.stage_expansion", {1, 6}},
                  {"mbconv", "whatsit.image.stage_kernel", {3, 5}},
                  {"mbconv", "whatsit.image.stage_stride", {1, 2}},
                  {"convnext", "whatsit.image.stage_blocks", {1, 2, 1, 1}},
                  {"convnext", "whatsit.image.stage_width", {16, 24, 32, 40}},
                  {"fastvit", "whatsit.image.stage_blocks", {1, 2, 1}},
                  {"fastvit", "whatsit.image.stage_width", {16, 32, 64}},
                  {"fastvit", "whatsit.image.stage_mlp_width", {48, 96, 192}},
                  {"fastvit", "whatsit.image.final_width", {128}}};
    for (const wi_field *f = kind->fields; f->key; f++)
        for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
            if (strcmp(kind->name, stages[i].kind) == 0 && strcmp(f->key, stages[i].key) == 0)
                for (size_t k = 0; k < wi_field_count(f) && k < MOST; k++)
                    wi_field_set(f, values, k, stages[i].numbers[k]);
}

/* A model of these kinds (each nullable) that passes its checks. Whoever adds a kind adds what is usual in it
 * to the lists above. */
static wi_params make(const wi_tower_kind *image, const wi_tower_kind *text,
                      const wi_tower_kind *decoder)
{
    const wi_tower_kind *const kinds[WI_N_ROLES] = {
        [WI_ROLE_IMAGE] = image, [WI_ROLE_TEXT] = text, [WI_ROLE_DECODER] = decoder};
    wi_params params = wi_params_default();
    wi_error error = {0};
    fill(wi_params_fields, &params);
    for (int role = 0; role < WI_N_ROLES; role++)
        if ((params.tower[role].kind = kinds[role])) {
            fill(kinds[role]->fields, params.tower[role].values);
            fill_stages(kinds[role], params.tower[role].values);
        }
    params.preprocess.size_px = wi_params_image_px(&params);
    if (wi_params_check(&params, &error) != WI_OK)
        fail_msg("%s, %s, %s: %s", image ? image->name : "no image", text ? text->name : "no text",
                 decoder ? decoder->name : "no decoder", error.message);
    return params;
}

static void hash(const wi_params *params, uint8_t digest[32])
{
    wi_sha256 sha;
    wi_sha256_init(&sha);
    wi_params_hash(params, &sha);
    wi_sha256_finish(&sha, digest);
}

static wi_params through_a_file(const wi_params *params)
{
    wi_gguf_writer *writer = NULL;
    wi_gguf *gguf = NULL;
    wi_map map = {NULL, 0};
    wi_params back;
    wi_error error = {0};
    const char *path = scratch_path("params.gguf");
    assert_int_equal(wi_gguf_writer_open(path, 64, &writer, &error), WI_OK);
    wi_gguf_put_string(writer, "general.architecture", "whatsit");
    wi_params_write(writer, params);
    if (wi_gguf_writer_begin(writer, &error) != WI_OK ||
        wi_gguf_writer_commit(writer, &error) != WI_OK)
        fail_msg("%s", error.message);
    wi_gguf_writer_close(&writer);
    assert_int_equal(wi_map_open(path, &map, &error), WI_OK);
    assert_int_equal(wi_gguf_parse(path, map.bytes, map.n_bytes, &gguf, &error), WI_OK);
    if (wi_params_read(gguf, &back, &error) != WI_OK)
        fail_msg("%s", error.message);
    wi_gguf_close(&gguf);
    wi_map_close(&map);
    return back;
}

static void expect_equal(const wi_params *a, const wi_params *b, const char *changed)
{
    for (const wi_field *f = wi_params_fields; f->key; f++)
        if (wi_field_get(f, a, 0) != wi_field_get(f, b, 0))
            fail_msg("%s is lost on the way through a file (with %s changed)", f->key, changed);
    for (int role = 0; role < WI_N_ROLES; role++)
        if (!wi_tower_params_equal(&a->tower[role], &b->tower[role]))
            fail_msg("a parameter of a tower is lost on the way through a file (with %s changed)",
                     changed);
}

/* Gives one number of a field another value that passes the checks. */
static bool change(wi_params *params, const wi_field *f, void *values, size_t index)
{
    const double before = wi_field_get(f, values, index);
    for (size_t c = 0; c < N_CANDIDATES; c++) {
        if (f->type == WI_FIELD_BOOL && candidates[c] > 1)
            continue;
        if (f->type != WI_FIELD_F32 && candidates[c] == 0.25)
            continue;
        wi_field_set(f, values, index, candidates[c]);
        if (wi_field_get(f, values, index) == before)
            continue;
        const uint32_t size_px = params->preprocess.size_px;
        if (strstr(f->key, "image.size_px"))
            params->preprocess.size_px = wi_params_image_px(params);
        if (wi_params_check(params, NULL) == WI_OK)
            return true;
        params->preprocess.size_px = size_px;
    }
    return false;
}

static void try_field(const wi_params *base, const wi_field *f, int role)
{
    uint8_t was[32], is[32];
    hash(base, was);
    size_t n_changed = 0;
    for (size_t i = 0; i < wi_field_count(f); i++) {
        wi_params changed = *base;
        void *values = role < 0 ? (void *)&changed : changed.tower[role].values;
        if (!change(&changed, f, values, i))
            continue; /* one number of several may be tied to others */
        const wi_params back = through_a_file(&changed);
        expect_equal(&changed, &back, f->key);
        hash(&changed, is);
        if ((memcmp(was, is, sizeof was) != 0) != !(f->flags & WI_FIELD_IMPLIED))
            fail_msg("%s: %s fingerprint", f->key,
                     f->flags & WI_FIELD_IMPLIED ? "changes the" : "does not change the");
        n_changed++;
    }
    if (!n_changed && strcmp(f->key, "whatsit.preprocess.size_px")) /* follows the tower's side */
        fail_msg("%s: no value but the default passes the checks", f->key);
}

static void every_field_goes_through_a_file(void **state)
{
    (void)state;
    size_t n = 0;
    for (size_t k = 0; wi_tower_kinds[k]; k++) {
        const wi_tower_kind *kind = wi_tower_kinds[k];
        const wi_params base = make(kind->role == WI_ROLE_IMAGE ? kind : NULL,
                                    kind->role == WI_ROLE_TEXT ? kind : NULL,
                                    kind->role == WI_ROLE_DECODER ? kind : NULL);
        const wi_params back = through_a_file(&base);
        expect_equal(&base, &back, "nothing");
        for (const wi_field *f = kind->fields; f->key; f++, n++)
            try_field(&base, f, (int)kind->role);
        for (const wi_field *f = wi_params_fields; f->key && kind->role == WI_ROLE_IMAGE; f++)
            try_field(&base, f, -1);
    }
    assert_true(n > 100);
}

/* The text of docs/FORMATS.md, whole. */
static char *formats(void)
{
    FILE *file = fopen(WHATSIT_SOURCE_DIR "/docs/FORMATS.md", "rb");
    assert_non_null(file);
    static char text[1 << 17];
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void expect_documented(const char *text, const wi_field *fields)
{
    for (const wi_field *f = fields; f->key; f++) {
        char row[160];
        const char *type = f->type == WI_FIELD_BOOL  ? "bool"
                           : f->type == WI_FIELD_F32 ? "f32"
                                                     : "u32";
        char otherwise[40] = "required";
        if (!(f->flags & WI_FIELD_REQUIRED))
            snprintf(otherwise, sizeof otherwise, "%.6g", (double)f->otherwise);
        if (!(f->flags & WI_FIELD_REQUIRED) && f->type == WI_FIELD_BOOL)
            snprintf(otherwise, sizeof otherwise, "%s", f->otherwise != 0 ? "true" : "false");
        if (f->count)
            snprintf(row, sizeof row, "| `%s` | %s[%u] | %s |", f->key, type, f->count, otherwise);
        else
            snprintf(row, sizeof row, "| `%s` | %s | %s |", f->key, type, otherwise);
        if (!strstr(text, row))
            fail_msg("docs/FORMATS.md has no row that begins %s", row);
    }
}

static void every_field_is_documented(void **state)
{
    (void)state;
    const char *text = formats();
    expect_documented(text, wi_params_fields);
    for (size_t k = 0; wi_tower_kinds[k]; k++)
        expect_documented(text, wi_tower_kinds[k]->fields);
}

static void a_default_is_neither_required_nor_hashed(void **state)
{
    (void)state;
    const wi_params base = make(wi_tower_kind_named(WI_ROLE_IMAGE, "vit", 3),
                                wi_tower_kind_named(WI_ROLE_TEXT, "text", 4), NULL);
    /* What the fingerprint's text was before there were lists. */
    static const char before[] =
        "whatsit 1\nembedding 32 scale 100 bias 0 sigmoid 0\n"
        "image 1 px 64 patch 16 width 64 layers 2 heads 4 mlp 128 act 0 eps 0.5 stages 0 0 0 0\n"
        "text 1 width 64 layers 2 heads 4 mlp 128 act 0 eps 0.5 context 16 vocabulary 512 end 7\n"
        "preprocess 64 0 0 0 0 0 0 mean 0 0 0 std 0.5 0.5 0.5\n";
    uint8_t expected[32], got[32];
    wi_sha256 sha;
    wi_sha256_init(&sha);
    wi_sha256_update(&sha, before, strlen(before));
    wi_sha256_finish(&sha, expected);
    hash(&base, got);
    assert_memory_equal(expected, got, sizeof got);
}

static void a_key_of_a_later_version_is_refused(void **state)
{
    (void)state;
    const wi_params base = make(wi_tower_kind_named(WI_ROLE_IMAGE, "vit", 3), NULL, NULL);
    wi_params out;
    wi_gguf_writer *writer = NULL;
    wi_gguf *gguf = NULL;
    wi_map map = {NULL, 0};
    wi_error error = {0};
    const char *path = scratch_path("later.gguf");
    assert_int_equal(wi_gguf_writer_open(path, 64, &writer, &error), WI_OK);
    wi_params_write(writer, &base);
    wi_gguf_put_bool(writer, "whatsit.image.rope", true);
    assert_int_equal(wi_gguf_writer_begin(writer, &error), WI_OK);
    assert_int_equal(wi_gguf_writer_commit(writer, &error), WI_OK);
    wi_gguf_writer_close(&writer);
    assert_int_equal(wi_map_open(path, &map, &error), WI_OK);
    assert_int_equal(wi_gguf_parse(path, map.bytes, map.n_bytes, &gguf, &error), WI_OK);
    assert_int_equal(wi_params_read(gguf, &out, &error), WI_ERR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "whatsit.image.rope"));
    wi_gguf_close(&gguf);
    wi_map_close(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_field_goes_through_a_file, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test(every_field_is_documented),
        cmocka_unit_test(a_default_is_neither_required_nor_hashed),
        cmocka_unit_test_setup_teardown(a_key_of_a_later_version_is_refused, scratch_setup,
                                        scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
