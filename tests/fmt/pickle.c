/* PyTorch files: what is in them is found, everything that would have to be run is refused by name,
 * and damage is noticed. The files are data/make_pickles.py's. */
#include "fmt/pickle.h"
#include "support/torture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static uint8_t *read_file(const char *name, size_t *n_bytes)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/tests/fmt/data/%s", WHATSIT_SOURCE_DIR, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("cannot open %s", path);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    const long size = ftell(file);
    assert_true(size > 0);
    rewind(file);
    uint8_t *bytes = malloc((size_t)size);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, (size_t)size, file), (size_t)size);
    fclose(file);
    *n_bytes = (size_t)size;
    return bytes;
}

static const wi_safetensors_tensor *expect(const wi_safetensors *st, const char *name,
                                           wi_safetensors_type type, uint32_t rank)
{
    const wi_safetensors_tensor *t = wi_safetensors_find(st, name);
    if (!t)
        fail_msg("no tensor '%s'", name);
    assert_int_equal(t->type, type);
    assert_int_equal(t->rank, rank);
    return t;
}

static float float_at(const wi_safetensors_tensor *t, size_t i)
{
    float value;
    memcpy(&value, t->data + 4 * i, sizeof value);
    return value;
}

static void check_state(const wi_safetensors *st)
{
    assert_int_equal(wi_safetensors_count(st), 8);
    const wi_safetensors_tensor *a = expect(st, "a", WI_ST_F32, 2);
    assert_int_equal(a->shape[0], 2);
    assert_int_equal(a->shape[1], 3);
    for (size_t i = 0; i < 6; i++)
        assert_true(float_at(a, i) == (float)i);
    const wi_safetensors_tensor *turned = expect(st, "turned", WI_ST_F32, 2);
    assert_int_equal(turned->shape[0], 3);
    static const float column[] = {0, 3, 1, 4, 2, 5};
    for (size_t i = 0; i < 6; i++)
        assert_true(float_at(turned, i) == column[i]);
    const wi_safetensors_tensor *part = expect(st, "part", WI_ST_F32, 1);
    assert_int_equal(part->shape[0], 3);
    for (size_t i = 0; i < 3; i++)
        assert_true(float_at(part, i) == (float)(2 + 2 * i));
    assert_true(float_at(expect(st, "scale", WI_ST_F32, 0), 0) == 1.5f);
    assert_int_equal(expect(st, "half", WI_ST_F16, 1)->n_bytes, 6);
    const wi_safetensors_tensor *p = expect(st, "parameter", WI_ST_BF16, 1);
    assert_int_equal(p->data[0] | p->data[1] << 8, 0x4040);
    assert_int_equal(expect(st, "count", WI_ST_I64, 0)->data[0], 3);
    assert_int_equal(expect(st, "empty", WI_ST_F32, 2)->n_bytes, 0);
}

static wi_safetensors *open_good(const char *name, uint8_t **bytes)
{
    size_t n;
    wi_safetensors *st = NULL;
    wi_error error = {0};
    *bytes = read_file(name, &n);
    if (wi_pickle_read(name, *bytes, n, &st, &error) != WI_OK)
        fail_msg("%s", error.message);
    return st;
}

static void tensors_are_found(void **state)
{
    (void)state;
    static const char *const files[] = {"state.pt", "checkpoint.pt"};
    for (size_t i = 0; i < 2; i++) {
        uint8_t *bytes;
        wi_safetensors *st = open_good(files[i], &bytes);
        check_state(st);
        wi_safetensors_close(&st);
        free(bytes);
    }
}

static void scripts_are_dictionaries(void **state)
{
    (void)state;
    uint8_t *bytes;
    wi_safetensors *st = open_good("script.pt", &bytes);
    assert_int_equal(wi_safetensors_count(st), 2);
    assert_int_equal(expect(st, "visual.proj", WI_ST_F32, 2)->shape[1], 3);
    assert_true(float_at(expect(st, "scale", WI_ST_F32, 0), 0) == 2.0f);
    wi_safetensors_close(&st);
    free(bytes);
}

static void the_rest_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *file, *words;
        wi_status status;
    } cases[] = {
        {"evil.pt", "posix.system", WI_ERR_UNSUPPORTED},
        {"module.pt", "__main__.Net", WI_ERR_UNSUPPORTED},
        {"numpy.pt", "numpy.core.multiarray.scalar", WI_ERR_UNSUPPORTED},
        {"old.pt", "before PyTorch 1.6", WI_ERR_UNSUPPORTED},
        {"other.zip", "data.pkl", WI_ERR_UNSUPPORTED},
        {"past.pt", "past its storage", WI_ERR_FORMAT},
        {"offset.pt", "past its storage", WI_ERR_FORMAT},
        {"wide.pt", "past its storage", WI_ERR_FORMAT},
        {"short.pt", "shorter", WI_ERR_FORMAT},
        {"lost.pt", "missing", WI_ERR_FORMAT},
        {"big.pt", "big-endian", WI_ERR_UNSUPPORTED},
        {"packed.pt", "compressed", WI_ERR_UNSUPPORTED},
        {"loop.pt", "nested too deeply", WI_ERR_LIMIT},
        {"list.pt", "no tensors", WI_ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n;
        wi_error error = {0};
        wi_safetensors *st = NULL;
        uint8_t *bytes = read_file(cases[i].file, &n);
        const wi_status status = wi_pickle_read(cases[i].file, bytes, n, &st, &error);
        if (status != cases[i].status || !strstr(error.message, cases[i].words) ||
            !strstr(error.message, cases[i].file))
            fail_msg("%s: status %d, '%s'", cases[i].file, (int)status, error.message);
        assert_null(st);
        free(bytes);
    }
    assert_int_equal(access("/tmp/whatsit-was-here", F_OK), -1);
}

/* A file that is cut anywhere, or has one byte changed, is refused or read within its bytes. */
static void damage_does_no_harm(void **state)
{
    (void)state;
    size_t n;
    uint8_t *bytes = read_file("checkpoint.pt", &n);
    for (size_t cut = 0; cut < n; cut += 7) {
        uint8_t *copy = malloc(cut ? cut : 1);
        wi_safetensors *st = NULL;
        assert_non_null(copy);
        memcpy(copy, bytes, cut);
        assert_int_not_equal(wi_pickle_read("f", copy, cut, &st, NULL), WI_OK);
        free(copy);
    }
    for (size_t i = 0; i < n; i++) {
        wi_safetensors *st = NULL;
        const uint8_t before = bytes[i];
        bytes[i] ^= (uint8_t)(1u << i % 8);
        if (wi_pickle_read("f", bytes, n, &st, NULL) == WI_OK)
            for (size_t t = 0; t < wi_safetensors_count(st); t++) {
                unsigned sum = 0;
                const wi_safetensors_tensor *tensor = wi_safetensors_at(st, t);
                for (size_t k = 0; k < tensor->n_bytes; k++)
                    sum += tensor->data[k];
                assert_true(sum < UINT32_MAX);
            }
        wi_safetensors_close(&st);
        bytes[i] = before;
    }
    free(bytes);
}

typedef struct archive {
    uint8_t *bytes;
    size_t n;
} archive;

static wi_status read_some(void *context, wi_error *error)
{
    const archive *a = context;
    wi_safetensors *st = NULL;
    const wi_status status = wi_pickle_read("f", a->bytes, a->n, &st, error);
    assert_true((status == WI_OK) == (st != NULL));
    wi_safetensors_close(&st);
    return status;
}

static void memory_may_be_short(void **state)
{
    (void)state;
    archive a;
    a.bytes = read_file("checkpoint.pt", &a.n);
    assert_true(torture_run(read_some, &a) >= 8);
    free(a.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_are_found),   cmocka_unit_test(scripts_are_dictionaries),
        cmocka_unit_test(the_rest_is_refused), cmocka_unit_test(damage_does_no_harm),
        cmocka_unit_test(memory_may_be_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
