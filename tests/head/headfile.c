/* Head files: what is saved comes back to the bit, and nothing that is wrong gets in. */
#include "head/support.h"

#include "base/map.h"
#include "fmt/safetensors.h"
#include "head/headfile.h"
#include "head/score.h"
#include "kern/half.h"
#include "kern/ref/ref.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DIM = 12, N_LABELS = 3, N_ROWS = 4 };

/* Parts with every field in use; tensors live as long as the program. */
static void full_parts(wi_head_parts *parts)
{
    static const char *const labels[] = {"cat|kitty", "dog", "\xe7\x8b\x90 \"fox\"\\"};
    static const char *const groups[] = {"pets", "pets", ""};
    static const char *const templates[] = {"a photo of a {}.", "{}!"};
    static const int32_t row_label[] = {0, 0, 1, 2}, key_label[] = {2, 0};
    static const float bias[] = {0.5f, -1.25f, 1e-7f};
    static float weight[N_ROWS * DIM], keys[2 * DIM], background[3 * DIM], delta[N_LABELS * DIM];
    dice d = {99};
    random_unit_rows(&d, N_ROWS, DIM, weight);
    random_unit_rows(&d, 2, DIM, keys);
    random_unit_rows(&d, 3, DIM, background);
    random_rows(&d, N_LABELS, DIM, delta);
    *parts = (wi_head_parts){.kern = test_kern(),
                             .name = "every field",
                             .model_name = "clip-vit-base-patch32",
                             .model_fingerprint = "3f2a00",
                             .licence = "CC0",
                             .source = "hand-written",
                             .sensitivity = "says nothing about people",
                             .labels = labels,
                             .groups = groups,
                             .n_labels = N_LABELS,
                             .templates = templates,
                             .n_templates = 2,
                             .kind = WI_HEAD_FEW_SHOT,
                             .sigmoid = true,
                             .logit_scale = 99.999992f,
                             .logit_bias = -10.1f,
                             .temperature = 1.7f,
                             .words_weight = 0.75f,
                             .none_threshold = 0.1234567f,
                             .none_rate = 0.05f,
                             .dim = DIM,
                             .weight = weight,
                             .row_label = row_label,
                             .n_rows = N_ROWS,
                             .bias = bias,
                             .delta = delta,
                             .keys = keys,
                             .key_label = key_label,
                             .n_keys = 2,
                             .background = background,
                             .n_background = 3};
}

static wi_head *full_head(void)
{
    wi_head_parts parts;
    wi_head *head = NULL;
    wi_error error = {0};
    full_parts(&parts);
    wi_status status = wi_head_create(&parts, NULL, WI_ERR_ARG, &head, &error);
    if (status != WI_OK)
        fail_msg("%s", error.message);
    return head;
}

static void assert_same_answers(const wi_head *a, const wi_head *b)
{
    dice d = {3};
    float x[DIM], score[2][N_LABELS], cosine[2][N_LABELS], logit[2][N_LABELS];
    random_rows(&d, 1, DIM, x);
    assert_int_equal(wi_head_scores(a, x, DIM, score[0], cosine[0], logit[0], NULL), WI_OK);
    assert_int_equal(wi_head_scores(b, x, DIM, score[1], cosine[1], logit[1], NULL), WI_OK);
    assert_memory_equal(score[0], score[1], sizeof score[0]);
    assert_memory_equal(cosine[0], cosine[1], sizeof cosine[0]);
    assert_memory_equal(logit[0], logit[1], sizeof logit[0]);
}

/* An engine told to do without an ISA is obeyed: its heads do not choose again. */
static void heads_answer_with_the_engines_kernels(void **state)
{
    (void)state;
    const wi_engine_options options = {.n_threads = 1, .isa = "scalar"};
    wi_engine *engine = NULL;
    wi_head *head = full_head(), *opened = NULL, *copy = NULL;
    char path[600];
    snprintf(path, sizeof path, "%s", scratch_path("engine.safetensors"));
    assert_int_equal(wi_engine_open(&options, &engine, NULL), WI_OK);
    assert_int_equal(wi_head_save(head, path, NULL), WI_OK);
    assert_int_equal(wi_head_open(engine, path, &opened, NULL), WI_OK);
    wi_engine_close(&engine);
    assert_int_equal(wi_head_copy(&opened->parts, &copy, NULL), WI_OK);
    wi_head_close(&opened);
    assert_true(copy->kern.dots_f32 == wi_kern_ref.dots_f32);
    assert_ptr_equal(copy->parts.kern, &copy->kern);
    assert_true(head->kern.dots_f32 == test_kern()->dots_f32);
    wi_head_close(&copy);
    wi_head_close(&head);
}

static void comes_back_to_the_bit(void **state)
{
    (void)state;
    wi_head *head = full_head(), *again = NULL, *copied = NULL;
    size_t n[2];
    uint8_t *bytes[2];
    wi_error error = {0};
    char path[600];
    snprintf(path, sizeof path, "%s", scratch_path("trip.safetensors"));
    assert_int_equal(wi_head_save(head, path, &error), WI_OK);
    bytes[0] = read_whole(path, &n[0]);
    assert_int_equal(wi_head_open(NULL, path, &again, &error), WI_OK);
    assert_int_equal(wi_head_open_memory(NULL, bytes[0], n[0], &copied, &error), WI_OK);
    assert_int_equal(wi_head_save(again, path, &error),
                     WI_OK); /* over the file that it is mapped from */
    bytes[1] = read_whole(path, &n[1]);
    assert_int_equal(n[0], n[1]);
    assert_memory_equal(bytes[0], bytes[1], n[0]);
    assert_same_answers(head, again);
    assert_same_answers(head, copied);
    for (size_t i = 0; i < N_LABELS; i++) {
        assert_string_equal(wi_head_label(again, i), wi_head_label(head, i));
        assert_string_equal(wi_head_label_full(again, i), wi_head_label_full(head, i));
        assert_string_equal(wi_head_group(again, i), wi_head_group(head, i));
    }
    wi_head_info a, b;
    wi_head_get_info(head, &a);
    wi_head_get_info(again, &b);
    assert_string_equal(a.sensitivity, b.sensitivity);
    assert_string_equal(a.model_name, b.model_name);
    assert_true(a.kind == b.kind && a.sigmoid == b.sigmoid && a.logit_scale == b.logit_scale &&
                a.logit_bias == b.logit_bias && a.temperature == b.temperature &&
                a.none_threshold == b.none_threshold && a.none_rate == b.none_rate &&
                a.n_examples == b.n_examples && a.n_templates == b.n_templates);
    free(bytes[0]);
    free(bytes[1]);
    wi_head_close(&head);
    wi_head_close(&again);
    wi_head_close(&copied);
    remove(path);
}

static void weights_are_not_copied(void **state)
{
    (void)state;
    wi_head *head = random_head(1, 4000, 64, 100, false), *mapped = NULL;
    char path[600];
    snprintf(path, sizeof path, "%s", scratch_path("mapped.safetensors"));
    assert_int_equal(wi_head_save(head, path, NULL), WI_OK);
    assert_int_equal(wi_head_open(NULL, path, &mapped, NULL), WI_OK);
    const wi_map *map = mapped->file;
    const uint8_t *weight = (const uint8_t *)mapped->parts.weight;
    assert_null(mapped->block);
    assert_true(weight > map->bytes && weight + 4000 * 64 * 4 == map->bytes + map->n_bytes);
    assert_memory_equal(weight, head->parts.weight, 4000 * 64 * 4);
    wi_head_close(&head);
    wi_head_close(&mapped);
    remove(path);
}

/* A copy of exactly n bytes, so that a read past the end is seen by a sanitizer. */
static wi_status open_exact(const uint8_t *bytes, size_t n, wi_head **head, wi_error *error)
{
    uint8_t *exact = malloc(n ? n : 1);
    assert_non_null(exact);
    memcpy(exact, bytes, n);
    wi_status status = wi_head_open_memory(NULL, exact, n, head, error);
    free(exact);
    return status;
}

static void truncated_anywhere_fails(void **state)
{
    (void)state;
    wi_head *head = full_head(), *out = NULL;
    char path[600];
    size_t n;
    snprintf(path, sizeof path, "%s", scratch_path("cut.safetensors"));
    assert_int_equal(wi_head_save(head, path, NULL), WI_OK);
    uint8_t *bytes = read_whole(path, &n);
    for (size_t cut = 0; cut < n; cut++) {
        wi_error error = {0};
        assert_int_equal(open_exact(bytes, cut, &out, &error), WI_ERR_FORMAT);
        assert_null(out);
        assert_true(error.message[0] != '\0');
    }
    write_whole(path, bytes, n / 2);
    wi_error error = {0};
    assert_int_equal(wi_head_open(NULL, path, &out, &error), WI_ERR_FORMAT);
    assert_non_null(strstr(error.message, path));
    free(bytes);
    wi_head_close(&head);
    remove(path);
}

/* Every byte changed in three ways: opened or refused, never worse. */
static void damaged_bytes_do_no_harm(void **state)
{
    (void)state;
    wi_head *head = full_head();
    char path[600];
    size_t n, n_opened = 0;
    snprintf(path, sizeof path, "%s", scratch_path("flip.safetensors"));
    assert_int_equal(wi_head_save(head, path, NULL), WI_OK);
    uint8_t *bytes = read_whole(path, &n);
    for (size_t i = 0; i < n; i++)
        for (int bit = 0; bit < 8; bit += 3) {
            wi_head *out = NULL;
            bytes[i] ^= (uint8_t)(1 << bit);
            if (open_exact(bytes, n, &out, NULL) == WI_OK) {
                float x[DIM] = {1}, score[N_LABELS];
                assert_int_equal(wi_head_scores(out, x, DIM, score, NULL, NULL, NULL), WI_OK);
                for (size_t l = 0; l < N_LABELS; l++)
                    assert_true(score[l] >= 0 && score[l] <= 1);
                n_opened++;
                wi_head_close(&out);
            }
            bytes[i] ^= (uint8_t)(1 << bit);
        }
    assert_true(n_opened > 0); /* flips of low mantissa bits and of names are fine */
    free(bytes);
    wi_head_close(&head);
    remove(path);
}

/* ---- files that are well-formed safetensors, but no good heads ---- */

enum { MAX_PAIRS = 16, MAX_TENSORS = 4 };

typedef struct custom {
    const char *pairs[MAX_PAIRS][2];
    size_t n_pairs;
    wi_safetensors_tensor tensors[MAX_TENSORS];
    size_t n_tensors;
} custom;

static const float unit_weight[2 * 2] = {1, 0, 0, 1};

/* The smallest good head: two labels, two numbers each. */
static void minimal(custom *c)
{
    *c = (custom){.pairs = {{"format", "whatsit head"},
                            {"format_version", "1"},
                            {"kind", "zero-shot"},
                            {"labels", "[\"a\", \"b\"]"}},
                  .n_pairs = 4,
                  .tensors = {{"weight", WI_ST_F32, 2, {2, 2}, (const uint8_t *)unit_weight, 16}},
                  .n_tensors = 1};
}

static void set(custom *c, const char *key, const char *value)
{
    for (size_t i = 0; i < c->n_pairs; i++)
        if (strcmp(c->pairs[i][0], key) == 0) {
            c->pairs[i][1] = value;
            if (!value) {
                c->n_pairs--;
                c->pairs[i][0] = c->pairs[c->n_pairs][0];
                c->pairs[i][1] = c->pairs[c->n_pairs][1];
            }
            return;
        }
    c->pairs[c->n_pairs][0] = key;
    c->pairs[c->n_pairs++][1] = value;
}

static wi_status open_custom(const custom *c, wi_head **head, wi_error *error)
{
    char path[600];
    snprintf(path, sizeof path, "%s", scratch_path("custom.safetensors"));
    assert_int_equal(wi_safetensors_write(path, c->tensors, c->n_tensors,
                                          (const char *const(*)[2])c->pairs, c->n_pairs, error),
                     WI_OK);
    wi_status status = wi_head_open(NULL, path, head, error);
    if (status != WI_OK)
        assert_non_null(strstr(error->message, path));
    remove(path);
    return status;
}

static void hostile_metadata_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value;
        wi_status status;
        const char *says;
    } bad[] = {
        {"format", NULL, WI_ERR_FORMAT, "not a head file"},
        {"format", "pt", WI_ERR_FORMAT, "not a head file"},
        {"format_version", NULL, WI_ERR_UNSUPPORTED, "version ''"},
        {"format_version", "2", WI_ERR_UNSUPPORTED, "version '2'"},
        {"kind", NULL, WI_ERR_FORMAT, "kind is missing"},
        {"kind", "oracle", WI_ERR_UNSUPPORTED, "unknown kind 'oracle'"},
        {"scores", "guess", WI_ERR_UNSUPPORTED, "unknown kind 'guess'"},
        {"labels", NULL, WI_ERR_FORMAT, "no labels"},
        {"labels", "[]", WI_ERR_FORMAT, "no labels"},
        {"labels", "a, b", WI_ERR_FORMAT, "labels"},
        {"labels", "{\"a\": 1}", WI_ERR_FORMAT, "labels is not a list"},
        {"labels", "[\"a\", 7]", WI_ERR_FORMAT, "entry 2 is not a text"},
        {"labels", "[\"a\"]", WI_ERR_FORMAT, "2 weight rows for 1 labels"},
        {"labels", "[\"a\", \"a\"]", WI_ERR_FORMAT, "'a' appears twice"},
        {"labels", "[\"a\", \"\"]", WI_ERR_FORMAT, "label 2 is empty"},
        {"labels", "[\"a\", \"b\\u0007\"]", WI_ERR_FORMAT, "label 2 contains a control"},
        {"labels", "[\"a\", \"b\\u0000\"]", WI_ERR_FORMAT, "labels"},
        {"labels", "[\"a\", \"\\ud800\"]", WI_ERR_FORMAT, "labels"},
        {"groups", "[\"x\"]", WI_ERR_FORMAT, "1 groups for 2 labels"},
        {"templates", "[\"no hole\"]", WI_ERR_FORMAT, "template 1: template 'no hole' has no {}"},
        {"logit_scale", "fast", WI_ERR_FORMAT, "logit_scale is 'fast'"},
        {"logit_scale", "1,2", WI_ERR_FORMAT, "not a number"},
        {"logit_scale", "", WI_ERR_FORMAT, "not a number"},
        {"logit_scale", "-5", WI_ERR_FORMAT, "logit scale is -5"},
        {"logit_scale", "0", WI_ERR_FORMAT, "logit scale is 0"},
        {"logit_scale", "1e300", WI_ERR_FORMAT, "logit scale"},
        {"temperature", "0", WI_ERR_FORMAT, "temperature is 0"},
        {"none_rate", "1.5", WI_ERR_FORMAT, "false-accept rate is 1.5"},
        {"name", "two\nlines", WI_ERR_FORMAT, "name contains a control"},
    };
    custom c;
    wi_head *head = NULL;
    wi_error error = {0};
    minimal(&c);
    assert_int_equal(open_custom(&c, &head, &error), WI_OK); /* good as it is */
    wi_head_close(&head);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        minimal(&c);
        set(&c, bad[i].key, bad[i].value);
        wi_status status = open_custom(&c, &head, &error);
        if (status != bad[i].status || !strstr(error.message, bad[i].says))
            fail_msg("%s = %s: status %d, '%s'", bad[i].key,
                     bad[i].value ? bad[i].value : "(absent)", (int)status, error.message);
        assert_null(head);
    }
}

/* As it should be. */
#define WEIGHT {"weight", WI_ST_F32, 2, {2, 2}, (const uint8_t *)unit_weight, 16}

static void hostile_tensors_are_refused(void **state)
{
    (void)state;
    static const float not_unit[4] = {1, 0, 0, 3}, with_nan[4] = {1, 0, NAN, 1};
    static const float infinite[4] = {1, 0, INFINITY, 1};
    static const int32_t skips[2] = {0, 2}, negative[2] = {-1, 0}, falls[2] = {1, 0},
                         short_map[1] = {0};
    static const int32_t one_label[2] = {0, 0};
    const struct {
        wi_safetensors_tensor first, second;
        const char *says;
    } bad[] = {
        {{"weights", WI_ST_F32, 2, {2, 2}, (const uint8_t *)unit_weight, 16},
         {0},
         "without weights"},
        {{"weight", WI_ST_F32, 1, {4}, (const uint8_t *)unit_weight, 16}, {0}, "1 dimensions"},
        {{"weight", WI_ST_F32, 2, {2, 0}, (const uint8_t *)unit_weight, 0}, {0}, "is empty"},
        {{"weight", WI_ST_F32, 2, {4, 1}, (const uint8_t *)unit_weight, 16}, {0}, "4 weight rows"},
        {{"weight", WI_ST_I32, 2, {2, 2}, (const uint8_t *)unit_weight, 16}, {0}, "is I32"},
        {{"weight", WI_ST_F64, 2, {2, 1}, (const uint8_t *)unit_weight, 16}, {0}, "is F64"},
        {{"weight", WI_ST_F32, 2, {2, 2}, (const uint8_t *)not_unit, 16},
         {0},
         "row 1 has length 3"},
        {{"weight", WI_ST_F32, 2, {2, 2}, (const uint8_t *)with_nan, 16}, {0}, "row 1 holds"},
        {{"weight", WI_ST_F32, 2, {2, 2}, (const uint8_t *)infinite, 16}, {0}, "row 1 holds inf"},
        {WEIGHT, {"row_label", WI_ST_I32, 1, {2}, (const uint8_t *)skips, 8}, "out of order"},
        {WEIGHT, {"row_label", WI_ST_I32, 1, {2}, (const uint8_t *)negative, 8}, "out of order"},
        {WEIGHT, {"row_label", WI_ST_I32, 1, {2}, (const uint8_t *)falls, 8}, "out of order"},
        {WEIGHT, {"row_label", WI_ST_I32, 1, {2}, (const uint8_t *)one_label, 8}, "1 of 2 labels"},
        {WEIGHT,
         {"row_label", WI_ST_I32, 1, {1}, (const uint8_t *)short_map, 4},
         "1 entries in place of 2"},
        {WEIGHT,
         {"bias", WI_ST_F32, 1, {3}, (const uint8_t *)unit_weight, 12},
         "3 entries in place of 2"},
        {WEIGHT,
         {"bias", WI_ST_F32, 1, {2}, (const uint8_t *)(with_nan + 1), 8},
         "bias row 0 holds"},
        {WEIGHT,
         {"keys", WI_ST_F32, 2, {2, 2}, (const uint8_t *)unit_weight, 16},
         "without 'key_label'"},
        {WEIGHT,
         {"background", WI_ST_F32, 2, {4, 1}, (const uint8_t *)unit_weight, 16},
         "1 numbers in place"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        custom c;
        wi_head *head = NULL;
        wi_error error = {0};
        minimal(&c);
        c.tensors[0] = bad[i].first;
        c.tensors[1] = bad[i].second;
        c.n_tensors = bad[i].second.name ? 2 : 1;
        wi_status status = open_custom(&c, &head, &error);
        if (status == WI_OK || !strstr(error.message, bad[i].says))
            fail_msg("case %zu: status %d, '%s'", i, (int)status, error.message);
        assert_null(head);
    }
}

/* Half-precision weights, as somebody may have stored them to save space. */
static void half_precision_is_read(void **state)
{
    (void)state;
    uint16_t f16[4], bf16[4];
    for (int i = 0; i < 4; i++) {
        f16[i] = wi_f32_to_f16(unit_weight[i]);
        bf16[i] = wi_f32_to_bf16(unit_weight[i]);
    }
    const wi_safetensors_tensor tensors[2] = {
        {"weight", WI_ST_F16, 2, {2, 2}, (const uint8_t *)f16, 8},
        {"weight", WI_ST_BF16, 2, {2, 2}, (const uint8_t *)bf16, 8}};
    for (int i = 0; i < 2; i++) {
        custom c;
        wi_head *head = NULL;
        wi_error error = {0};
        minimal(&c);
        c.tensors[0] = tensors[i];
        assert_int_equal(open_custom(&c, &head, &error), WI_OK);
        assert_memory_equal(head->parts.weight, unit_weight, sizeof unit_weight);
        wi_head_close(&head);
    }
}

/* A writer that does not pad its header leaves the weights at any address. */
static void unaligned_weights_are_copied(void **state)
{
    (void)state;
    static const char header[] =
        "{\"__metadata__\":{\"format\":\"whatsit head\",\"format_version\":\"1\","
        "\"kind\":\"zero-shot\",\"labels\":\"[\\\"a\\\",\\\"b\\\"]\"},"
        "\"weight\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}";
    for (size_t pad = 0; pad < 8; pad++) {
        uint8_t bytes[512] = {0};
        size_t n_header = sizeof header - 1 + pad;
        bytes[0] = (uint8_t)(n_header & 255);
        bytes[1] = (uint8_t)(n_header >> 8);
        memset(bytes + 8, ' ', n_header);
        memcpy(bytes + 8, header, sizeof header - 1);
        memcpy(bytes + 8 + n_header, unit_weight, 16);
        wi_head *head = NULL;
        wi_error error = {0};
        if (open_exact(bytes, 8 + n_header + 16, &head, &error) != WI_OK)
            fail_msg("%s", error.message);
        assert_int_equal((uintptr_t)head->parts.weight % 4, 0);
        assert_memory_equal(head->parts.weight, unit_weight, 16);
        assert_int_equal(head->block != NULL, (8 + n_header) % 4 != 0);
        wi_head_close(&head);
    }
}

static void failed_saves_leave_nothing(void **state)
{
    (void)state;
    wi_head *head = full_head(), *out = NULL;
    wi_error error = {0};
    char path[600];
    assert_int_equal(wi_head_save(head, scratch_path("no-such-folder/x.safetensors"), &error),
                     WI_ERR_IO);
    snprintf(path, sizeof path, "%s", scratch_path("absent.safetensors"));
    assert_int_equal(wi_head_open(NULL, path, &out, &error), WI_ERR_IO);
    assert_non_null(strstr(error.message, path));
    assert_int_equal(wi_head_open(NULL, NULL, &out, &error), WI_ERR_ARG);
    assert_int_equal(wi_head_open_memory(NULL, NULL, 0, &out, &error), WI_ERR_ARG);
    assert_int_equal(wi_head_save(NULL, path, &error), WI_ERR_ARG);
    write_whole(path, "", 0);
    assert_int_equal(wi_head_open(NULL, path, &out, &error), WI_ERR_FORMAT);
    assert_null(out);
    remove(path);
    wi_head_close(&head);
    wi_head_close(&head);
    wi_head_close(NULL);
}

static void a_foreign_model_is_named(void **state)
{
    (void)state;
    wi_head *head = full_head(), *opened = NULL;
    wi_error error = {0};
    char path[600];
    assert_int_equal(wi_head_check_owner(head, "clip-vit-base-patch32", "3f2a00", &error), WI_OK);
    assert_int_equal(error.message[0], '\0');
    assert_int_equal(wi_head_check_owner(head, "nano", "9c1b0123456789", &error), WI_ERR_MISMATCH);
    assert_string_equal(error.message,
                        "every field: made for model 3f2a00... (clip-vit-base-patch32), this "
                        "is 9c1b0123... (nano): rebuild it with 'whatsit head rebuild every "
                        "field'");
    snprintf(path, sizeof path, "%s", scratch_path("foreign.safetensors"));
    assert_int_equal(wi_head_save(head, path, NULL), WI_OK);
    assert_int_equal(wi_head_open(NULL, path, &opened, NULL), WI_OK);
    assert_int_equal(wi_head_check_owner(opened, "nano", "9c1b", &error), WI_ERR_MISMATCH);
    assert_non_null(strstr(error.message, "foreign.safetensors: made for"));
    assert_non_null(strstr(error.message, "rebuild every field'"));
    remove(path);
    wi_head_close(&head);
    wi_head_close(&opened);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_to_the_bit),
        cmocka_unit_test(heads_answer_with_the_engines_kernels),
        cmocka_unit_test(weights_are_not_copied),
        cmocka_unit_test(truncated_anywhere_fails),
        cmocka_unit_test(damaged_bytes_do_no_harm),
        cmocka_unit_test(hostile_metadata_is_refused),
        cmocka_unit_test(hostile_tensors_are_refused),
        cmocka_unit_test(half_precision_is_read),
        cmocka_unit_test(unaligned_weights_are_copied),
        cmocka_unit_test(failed_saves_leave_nothing),
        cmocka_unit_test(a_foreign_model_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
