/* safetensors: what is written is read back; whatever is wrong with a file is said and nothing is
 * read outside. */
#include "fmt/safetensors.h"
#include "support/scratch.h"
#include "support/torture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <whatsit/tensors.h>

#include <cmocka.h>

/* A header of text and n_data zero bytes, in a block of exactly that size. */
static uint8_t *make(const char *header, size_t n_data, size_t *n_bytes)
{
    size_t n_header = strlen(header);
    *n_bytes = 8 + n_header + n_data;
    uint8_t *bytes = calloc(1, *n_bytes);
    assert_non_null(bytes);
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)((uint64_t)n_header >> 8 * i);
    memcpy(bytes + 8, header, n_header);
    return bytes;
}

static wi_status parse(const char *header, size_t n_data, wi_error *error)
{
    size_t n_bytes;
    uint8_t *bytes = make(header, n_data, &n_bytes);
    wi_safetensors *file = NULL;
    wi_status status = wi_safetensors_parse("f", bytes, n_bytes, &file, error);
    assert_true((status == WI_OK) == (file != NULL));
    wi_safetensors_close(&file);
    free(bytes);
    return status;
}

static void a_plain_file(void **state)
{
    (void)state;
    size_t n_bytes;
    uint8_t *bytes = make("{\"__metadata__\":{\"k\":\"v\",\"e\":\"\"},"
                          "\"b\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[3,27]},"
                          "\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
                          "\"none\":{\"dtype\":\"I64\",\"shape\":[4,0],\"data_offsets\":[3,3]},"
                          "\"one\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[27,29]}}  ",
                          29, &n_bytes);
    wi_safetensors *file = NULL;
    assert_int_equal(wi_safetensors_parse("f", bytes, n_bytes, &file, NULL), WI_OK);
    assert_int_equal(wi_safetensors_count(file), 4);
    const wi_safetensors_tensor *b = wi_safetensors_find(file, "b");
    assert_non_null(b);
    assert_int_equal(b->type, WI_ST_F32);
    assert_int_equal(b->rank, 2);
    assert_int_equal(b->shape[1], 3);
    assert_ptr_equal(b->data, bytes + n_bytes - 29 + 3);
    assert_int_equal(wi_safetensors_find(file, "one")->rank, 0);
    assert_int_equal(wi_safetensors_find(file, "one")->n_bytes, 2);
    assert_int_equal(wi_safetensors_find(file, "none")->n_bytes, 0);
    assert_null(wi_safetensors_find(file, "c"));
    assert_null(wi_safetensors_find(file, "__metadata__"));
    assert_string_equal(wi_safetensors_metadata(file, "k"), "v");
    assert_string_equal(wi_safetensors_metadata(file, "e"), "");
    assert_null(wi_safetensors_metadata(file, "x"));
    assert_string_equal(wi_safetensors_at(file, 0)->name, "a");
    wi_safetensors_close(&file);
    wi_safetensors_close(&file);
    wi_safetensors_close(NULL);
    free(bytes);
}

static const struct {
    const char *header, *says;
    size_t n_data;
    wi_status status;
} wrong_headers[] = {
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]}}",
     "'b' overlaps", 6, WI_ERR_FORMAT},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}",
     "overlaps", 4, WI_ERR_FORMAT},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[1,5]}}", "hole", 5, WI_ERR_FORMAT},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", "1 bytes after", 5,
     WI_ERR_FORMAT},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", "cut short", 3,
     WI_ERR_FORMAT},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,3]}}", "needs 4", 3,
     WI_ERR_FORMAT},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,0]}}", "data_offsets", 4,
     WI_ERR_FORMAT},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[-4,0]}}", "data_offsets", 4,
     WI_ERR_FORMAT},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0]}}", "data_offsets", 4,
     WI_ERR_FORMAT},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4]}}", "data_offsets", 4, WI_ERR_FORMAT},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,9223372036854775807]}}",
     "cut short", 4, WI_ERR_FORMAT},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[-4],\"data_offsets\":[0,4]}}", "shape", 4, WI_ERR_FORMAT},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4.0],\"data_offsets\":[0,4]}}", "shape", 4,
     WI_ERR_FORMAT},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":4,\"data_offsets\":[0,4]}}", "shape", 4, WI_ERR_FORMAT},
    {"{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,4]}}", "shape", 4, WI_ERR_FORMAT},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}",
     "too large", 0, WI_ERR_FORMAT},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}",
     "too large", 0, WI_ERR_FORMAT},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}",
     "9 dimensions", 1, WI_ERR_UNSUPPORTED},
    {"{\"a\":{\"dtype\":\"F4\",\"shape\":[4],\"data_offsets\":[0,4]}}", "'F4'", 4,
     WI_ERR_UNSUPPORTED},
    {"{\"a\":{\"shape\":[4],\"data_offsets\":[0,4]}}", "dtype", 4, WI_ERR_FORMAT},
    {"{\"a\":{\"dtype\":7,\"shape\":[4],\"data_offsets\":[0,4]}}", "dtype", 4, WI_ERR_FORMAT},
    {"{\"a\":[]}", "dtype", 4, WI_ERR_FORMAT},
    {"{\"a\":null}", "dtype", 4, WI_ERR_FORMAT},
    {"{\"a\":{},\"a\":{}}", "duplicate", 4, WI_ERR_FORMAT},
    {"{\"__metadata__\":{\"k\":1}}", "metadata 'k'", 0, WI_ERR_FORMAT},
    {"{\"__metadata__\":[]}", "__metadata__", 0, WI_ERR_FORMAT},
    {"[]", "not a safetensors file", 0, WI_ERR_FORMAT},
    {"{", "not a safetensors file", 0, WI_ERR_FORMAT},
    {"{}}", "line 1", 0, WI_ERR_FORMAT},
    {"{}", "4 bytes after", 4, WI_ERR_FORMAT},
};

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong_headers / sizeof *wrong_headers; i++) {
        wi_error error = {0};
        assert_int_equal(parse(wrong_headers[i].header, wrong_headers[i].n_data, &error),
                         wrong_headers[i].status);
        assert_int_equal(error.status, wrong_headers[i].status);
        if (!strstr(error.message, wrong_headers[i].says))
            fail_msg("'%s' does not say '%s'", error.message, wrong_headers[i].says);
        assert_memory_equal(error.message, "f: ", 3);
    }
    assert_int_equal(parse("{}", 0, NULL), WI_OK);
}

static void lengths_of_the_header(void **state)
{
    (void)state;
    static const uint64_t lengths[] = {
        0, 1, 3, 100, 1 << 20, (uint64_t)1 << 32, UINT64_MAX - 8, UINT64_MAX - 7, UINT64_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        size_t n_bytes;
        uint8_t *bytes = make("{}", 0, &n_bytes);
        wi_safetensors *file = NULL;
        for (int b = 0; b < 8; b++)
            bytes[b] = (uint8_t)(lengths[i] >> 8 * b);
        assert_int_equal(wi_safetensors_parse("f", bytes, n_bytes, &file, NULL), WI_ERR_FORMAT);
        free(bytes);
    }
}

/* A header over the limit is refused before it is parsed. */
static void a_header_over_the_limit(void **state)
{
    (void)state;
    size_t n_bytes = 8 + WI_SAFETENSORS_MAX_HEADER + 1;
    uint8_t *bytes = calloc(1, n_bytes);
    assert_non_null(bytes);
    for (int b = 0; b < 8; b++)
        bytes[b] = (uint8_t)((uint64_t)(WI_SAFETENSORS_MAX_HEADER + 1) >> 8 * b);
    bytes[8] = '{';
    wi_safetensors *file = NULL;
    assert_int_equal(wi_safetensors_parse("f", bytes, n_bytes, &file, NULL), WI_ERR_LIMIT);
    free(bytes);
}

static const float floats[3] = {1.5f, -2, 0.25f};
static const uint8_t pixels[5] = {1, 2, 3, 4, 255};
static const char *const pairs[2][2] = {{"name", "caf\xc3\xa9 \"1\""}, {"empty", ""}};

static const wi_tensor written[3] = {
    {"bytes", WI_U8, 2, {5, 1}, pixels, sizeof pixels},
    {"floats\n", WI_F32, 1, {3}, floats, sizeof floats},
    {"scalar", WI_F32, 0, {0}, floats + 1, 4},
};

static wi_status write_some(void *context, wi_error *error)
{
    (void)context;
    return wi_tensors_write(scratch_path("t.safetensors"), written, 3, pairs, 2, error);
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    wi_tensors *tensors = NULL;
    wi_tensor got;
    wi_error error = {0};
    assert_int_equal(write_some(NULL, &error), WI_OK);
    assert_int_equal(wi_tensors_open(scratch_path("t.safetensors"), &tensors, &error), WI_OK);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(wi_tensors_get(tensors, written[i].name, &got, &error), WI_OK);
        assert_string_equal(got.name, written[i].name);
        assert_int_equal(got.dtype, written[i].dtype);
        assert_int_equal(got.rank, written[i].rank);
        assert_memory_equal(got.shape, written[i].shape, got.rank * sizeof *got.shape);
        assert_int_equal(got.n_bytes, written[i].n_bytes);
        assert_memory_equal(got.data, written[i].data, got.n_bytes);
        if (got.dtype == WI_F32)
            assert_int_equal((uintptr_t)got.data % 4,
                             0); /* wider types first, behind a padded header */
    }
    assert_int_equal(wi_tensors_get(tensors, "no", &got, &error), WI_ERR_NOT_FOUND);
    wi_tensors_close(&tensors);
    wi_tensors_close(&tensors);
    wi_tensors_close(NULL);
}

static void a_file_cut_anywhere_is_refused(void **state)
{
    (void)state;
    assert_int_equal(write_some(NULL, NULL), WI_OK);
    FILE *file = fopen(scratch_path("t.safetensors"), "rb");
    assert_non_null(file);
    uint8_t whole[1024];
    size_t n_whole = fread(whole, 1, sizeof whole, file);
    fclose(file);
    assert_true(n_whole > 100 && n_whole < sizeof whole);
    for (size_t n = 0; n < n_whole; n++) {
        uint8_t *cut = malloc(n ? n : 1);
        assert_non_null(cut);
        memcpy(cut, whole, n);
        wi_safetensors *parsed = NULL;
        wi_error error = {0};
        assert_int_equal(wi_safetensors_parse("f", cut, n, &parsed, &error), WI_ERR_FORMAT);
        assert_true(error.message[0] != '\0');
        free(cut);
        scratch_write("cut", whole, n);
        wi_tensors *tensors = NULL;
        assert_int_equal(wi_tensors_open(scratch_path("cut"), &tensors, NULL), WI_ERR_FORMAT);
        assert_null(tensors);
    }
}

static void types_that_the_api_lacks(void **state)
{
    (void)state;
    static const char header[] = "{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]}}";
    size_t n_bytes;
    uint8_t *bytes = make(header, 8, &n_bytes);
    wi_tensors *tensors = NULL;
    wi_tensor got;
    wi_error error = {0};
    assert_int_equal(wi_tensors_open(scratch_write("f64", bytes, n_bytes), &tensors, NULL), WI_OK);
    assert_int_equal(wi_tensors_get(tensors, "a", &got, &error), WI_ERR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "F64"));
    wi_tensors_close(&tensors);
    free(bytes);
}

static void tensors_that_cannot_be_written(void **state)
{
    (void)state;
    static const wi_tensor wrong[] = {
        {"a", WI_F32, 1, {3}, floats, 11},
        {"a", WI_F32, 9, {1}, floats, 4},
        {"a", (wi_dtype)77, 1, {3}, floats, 12},
        {NULL, WI_F32, 1, {3}, floats, 12},
        {"__metadata__", WI_F32, 1, {3}, floats, 12},
        {"a", WI_F32, 2, {UINT64_MAX, 3}, floats, 12},
        {"a", WI_F32, 1, {3}, NULL, 12},
        {"\xff", WI_F32, 1, {3}, floats, 12},
    };
    wi_error error = {0};
    const char *path = scratch_path("t.safetensors");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(wi_tensors_write(path, &wrong[i], 1, NULL, 0, &error), WI_ERR_ARG);
    const wi_tensor twice[2] = {written[0], written[0]};
    assert_int_equal(wi_tensors_write(path, twice, 2, NULL, 0, &error), WI_ERR_ARG);
    const char *const doubled[2][2] = {{"k", "1"}, {"k", "2"}};
    assert_int_equal(wi_tensors_write(path, written, 3, doubled, 2, &error), WI_ERR_ARG);
    const char *const empty[1][2] = {{"k", NULL}};
    assert_int_equal(wi_tensors_write(path, written, 3, empty, 1, &error), WI_ERR_ARG);
    assert_int_equal(wi_tensors_write(NULL, written, 3, NULL, 0, &error), WI_ERR_ARG);
    assert_int_equal(wi_tensors_open(NULL, NULL, &error), WI_ERR_ARG);
    assert_int_equal(scratch_count(""), 0);
    assert_int_equal(wi_tensors_write(path, NULL, 0, NULL, 0, &error), WI_OK);
    assert_int_equal(wi_tensors_write(scratch_path("no/t"), written, 3, NULL, 0, &error),
                     WI_ERR_IO);
}

static wi_status open_some(void *context, wi_error *error)
{
    wi_tensors *tensors = NULL;
    wi_status status = wi_tensors_open(context, &tensors, error);
    assert_true((status == WI_OK) == (tensors != NULL));
    wi_tensors_close(&tensors);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    assert_true(torture_run(write_some, NULL) >= 4);
    char path[512];
    strcpy(path, scratch_path("t.safetensors"));
    assert_true(torture_run(open_some, path) >= 4);
    assert_int_equal(scratch_count(""), 1);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_file),          cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(lengths_of_the_header), cmocka_unit_test(a_header_over_the_limit),
        EACH(what_is_written_is_read_back),      EACH(a_file_cut_anywhere_is_refused),
        EACH(types_that_the_api_lacks),          EACH(tensors_that_cannot_be_written),
        EACH(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
