/* GGUF: what is written is read back; whatever is wrong with a file is said and nothing is read
 * outside. */
#include "base/buffer.h"
#include "base/map.h"
#include "fmt/gguf_write.h"
#include "support/scratch.h"
#include "support/torture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ALIGNMENT = 64 };

static const float floats[6] = {1, -2, 3.5f, 4, 5, 6};
static const uint8_t blocks[2 * 34] = {1, 2, 3};
static const uint16_t numbers[3] = {7, 65535, 0};

static wi_status write_some(void *context, wi_error *error)
{
    (void)context;
    const wi_gguf_text words[3] = {{"a", 1}, {"", 0}, {"long\0er", 7}};
    const uint64_t dims[2] = {3, 2}, q_dims[2] = {32, 2}, none[1] = {0};
    wi_gguf_writer *w = NULL;
    wi_status status = wi_gguf_writer_open(scratch_path("m.gguf"), ALIGNMENT, &w, error);
    if (status != WI_OK)
        return status;
    wi_gguf_put_string(w, "general.architecture", "test");
    wi_gguf_put_u32(w, "u32", 4000000000u);
    wi_gguf_put_f32(w, "f32", 0.5f);
    wi_gguf_put_bool(w, "yes", true);
    wi_gguf_put_array(w, "numbers", WI_GGUF_U16, numbers, 3);
    wi_gguf_put_strings(w, "words", words, 3);
    wi_gguf_put_string(w, "digest", "0000");
    wi_gguf_put_tensor(w, "z.matrix", WI_GGML_F32, 2, dims);
    wi_gguf_put_tensor(w, "nothing", WI_GGML_F32, 1, none);
    wi_gguf_put_tensor(w, "a.blocks", WI_GGML_Q8_0, 2, q_dims);
    status = wi_gguf_writer_begin(w, error);
    if (status == WI_OK)
        status = wi_gguf_writer_data(w, floats, 8, error);
    if (status == WI_OK)
        status = wi_gguf_writer_data(w, floats + 2, 16, error);
    if (status == WI_OK)
        status = wi_gguf_writer_data(w, blocks, sizeof blocks, error);
    if (status == WI_OK)
        status = wi_gguf_writer_patch_string(w, "digest", "beef", error);
    if (status == WI_OK)
        status = wi_gguf_writer_commit(w, error);
    wi_gguf_writer_close(&w);
    return status;
}

static wi_map read_back(void)
{
    wi_map map = {NULL, 0};
    assert_int_equal(wi_map_open(scratch_path("m.gguf"), &map, NULL), WI_OK);
    return map;
}

static void keys_are_read_back(void **state)
{
    (void)state;
    assert_int_equal(write_some(NULL, NULL), WI_OK);
    wi_map map = read_back();
    wi_gguf *gguf = NULL;
    wi_error error = {0};
    assert_int_equal(wi_gguf_parse("f", map.bytes, map.n_bytes, &gguf, &error), WI_OK);
    uint32_t u = 0;
    float f = 0;
    bool b = false;
    wi_gguf_text text;
    assert_int_equal(wi_gguf_u32(gguf, "u32", &u, &error), WI_OK);
    assert_int_equal(u, 4000000000u);
    assert_int_equal(wi_gguf_f32(gguf, "f32", &f, &error), WI_OK);
    assert_true(f == 0.5f);
    assert_int_equal(wi_gguf_f32(gguf, "digest", &f, &error), WI_ERR_FORMAT);
    assert_int_equal(wi_gguf_bool(gguf, "yes", &b, &error), WI_OK);
    assert_true(b);
    assert_int_equal(wi_gguf_bool(gguf, "u32", &b, &error), WI_ERR_FORMAT);
    assert_int_equal(wi_gguf_string(gguf, "digest", &text, &error), WI_OK);
    assert_true(wi_gguf_text_is(text, "beef"));
    assert_false(wi_gguf_text_is(text, "bee"));
    assert_int_equal(wi_gguf_string(gguf, "u32", &text, &error), WI_ERR_FORMAT);
    assert_int_equal(wi_gguf_u32(gguf, "none", &u, &error), WI_ERR_NOT_FOUND);
    assert_string_equal(error.message, "f: key 'none' is missing");
    assert_true(wi_gguf_has(gguf, "general.alignment"));
    wi_gguf_type type;
    assert_int_equal(wi_gguf_n_keys(gguf), 8);
    assert_true(wi_gguf_text_is(wi_gguf_key_at(gguf, 0, &type), "digest"));
    assert_int_equal(type, WI_GGUF_STRING);
    wi_gguf_close(&gguf);
    wi_map_close(&map);
}

static void arrays_are_read_back(void **state)
{
    (void)state;
    assert_int_equal(write_some(NULL, NULL), WI_OK);
    wi_map map = read_back();
    wi_gguf *gguf = NULL;
    wi_gguf_array array;
    wi_gguf_text text;
    int64_t i;
    double d;
    assert_int_equal(wi_gguf_parse("f", map.bytes, map.n_bytes, &gguf, NULL), WI_OK);
    assert_int_equal(wi_gguf_array_of(gguf, "numbers", &array, NULL), WI_OK);
    assert_int_equal(array.n_left, 3);
    assert_false(wi_gguf_next_string(&array, &text));
    assert_true(wi_gguf_next_integer(&array, &i) && i == 7);
    assert_true(wi_gguf_next_number(&array, &d) && d == 65535);
    assert_true(wi_gguf_next_integer(&array, &i) && i == 0);
    assert_false(wi_gguf_next_integer(&array, &i));
    assert_false(wi_gguf_next_number(&array, &d));
    assert_int_equal(wi_gguf_array_of(gguf, "words", &array, NULL), WI_OK);
    assert_false(wi_gguf_next_integer(&array, &i));
    assert_true(wi_gguf_next_string(&array, &text) && wi_gguf_text_is(text, "a"));
    assert_true(wi_gguf_next_string(&array, &text) && text.n_bytes == 0);
    assert_true(wi_gguf_next_string(&array, &text) && text.n_bytes == 7);
    assert_memory_equal(text.data, "long\0er", 7);
    assert_false(wi_gguf_next_string(&array, &text));
    assert_int_equal(wi_gguf_array_of(gguf, "u32", &array, NULL), WI_ERR_FORMAT);
    wi_gguf_close(&gguf);
    wi_map_close(&map);
}

static void tensors_are_read_back(void **state)
{
    (void)state;
    assert_int_equal(write_some(NULL, NULL), WI_OK);
    wi_map map = read_back();
    wi_gguf *gguf = NULL;
    assert_int_equal(wi_gguf_parse("f", map.bytes, map.n_bytes, &gguf, NULL), WI_OK);
    assert_int_equal(wi_gguf_n_tensors(gguf), 3);
    assert_true(wi_gguf_text_is(wi_gguf_tensor_at(gguf, 0)->name, "a.blocks"));
    const wi_gguf_tensor *matrix = wi_gguf_tensor_find(gguf, "z.matrix");
    assert_non_null(matrix);
    assert_int_equal(matrix->rank, 2);
    assert_int_equal(matrix->dims[0], 3);
    assert_int_equal(matrix->dims[1], 2);
    assert_int_equal(matrix->dims[3], 1);
    assert_int_equal(matrix->n_bytes, sizeof floats);
    assert_memory_equal(matrix->data, floats, sizeof floats);
    assert_int_equal((uintptr_t)matrix->data % ALIGNMENT, 0);
    const wi_gguf_tensor *q = wi_gguf_tensor_find(gguf, "a.blocks");
    assert_int_equal(q->n_bytes, sizeof blocks);
    assert_memory_equal(q->data, blocks, sizeof blocks);
    assert_int_equal((uintptr_t)q->data % ALIGNMENT, 0);
    assert_int_equal(wi_gguf_tensor_find(gguf, "nothing")->n_bytes, 0);
    assert_null(wi_gguf_tensor_find(gguf, "a.block"));
    wi_gguf_close(&gguf);
    wi_gguf_close(&gguf);
    wi_gguf_close(NULL);
    wi_map_close(&map);
}

static wi_status parse_exact(const uint8_t *bytes, size_t n_bytes, wi_error *error)
{
    uint8_t *exact = malloc(n_bytes ? n_bytes : 1);
    assert_non_null(exact);
    memcpy(exact, bytes, n_bytes);
    wi_gguf *gguf = NULL;
    wi_status status = wi_gguf_parse("f", exact, n_bytes, &gguf, error);
    assert_true((status == WI_OK) == (gguf != NULL));
    wi_gguf_close(&gguf);
    free(exact);
    return status;
}

static void a_file_cut_anywhere_is_refused(void **state)
{
    (void)state;
    assert_int_equal(write_some(NULL, NULL), WI_OK);
    wi_map map = read_back();
    size_t n_padding = ALIGNMENT - sizeof blocks % ALIGNMENT; /* may be missing */
    for (size_t n = 0; n < map.n_bytes; n++) {
        wi_error error = {0};
        wi_status status = parse_exact(map.bytes, n, &error);
        assert_int_equal(status, n < map.n_bytes - n_padding ? WI_ERR_FORMAT : WI_OK);
    }
    wi_map_close(&map);
}

/* Every byte of the directories takes a few wrong values; nothing may be read outside (the
 * sanitizers see). */
static void a_byte_changed_anywhere_is_survived(void **state)
{
    (void)state;
    static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};
    assert_int_equal(write_some(NULL, NULL), WI_OK);
    wi_map map = read_back();
    uint8_t *copy = malloc(map.n_bytes);
    assert_non_null(copy);
    memcpy(copy, map.bytes, map.n_bytes);
    for (size_t at = 0; at < map.n_bytes - 100; at++) {
        for (size_t v = 0; v < sizeof values; v++) {
            copy[at] = values[v];
            wi_error error = {0};
            wi_status status = parse_exact(copy, map.n_bytes, &error);
            assert_true(status == WI_OK || error.message[0]);
        }
        copy[at] = map.bytes[at];
    }
    free(copy);
    wi_map_close(&map);
}

/* ---- files made by hand ---- */

static void put(wi_buffer *b, uint64_t value, size_t n)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
    assert_int_equal(wi_buffer_append(b, bytes, n, NULL), WI_OK);
}

static void put_text(wi_buffer *b, const char *text)
{
    put(b, strlen(text), 8);
    assert_int_equal(wi_buffer_append(b, text, strlen(text), NULL), WI_OK);
}

static wi_buffer begin(uint32_t version, uint64_t n_tensors, uint64_t n_keys)
{
    wi_buffer b;
    wi_buffer_init(&b, 1 << 20);
    assert_int_equal(wi_buffer_append(&b, "GGUF", 4, NULL), WI_OK);
    put(&b, version, 4);
    put(&b, n_tensors, 8);
    put(&b, n_keys, 8);
    return b;
}

static void put_tensor(wi_buffer *b, const char *name, uint32_t rank, uint64_t dim, uint32_t type,
                       uint64_t offset)
{
    put_text(b, name);
    put(b, rank, 4);
    for (uint32_t i = 0; i < rank && i < 8; i++)
        put(b, i ? 1 : dim, 8);
    put(b, type, 4);
    put(b, offset, 8);
}

/* Pads to 32 and n_data more, parses, expects. */
static void expect(wi_buffer *b, size_t n_data, wi_status status, const char *says)
{
    while (b->n_bytes % 32)
        put(b, 0, 1);
    for (size_t i = 0; i < n_data; i++)
        put(b, 0, 1);
    wi_error error = {0};
    wi_status got = parse_exact(b->bytes, b->n_bytes, &error);
    if (got != status || !strstr(error.message, says))
        fail_msg("status %d, '%s'; expected %d, '%s'", got, error.message, status, says);
    wi_buffer_free(b);
}

static void wrong_headers(void **state)
{
    (void)state;
    wi_buffer b = begin(1, 0, 0);
    expect(&b, 0, WI_ERR_UNSUPPORTED, "version 1");
    b = begin(0x03000000, 0, 0); /* big-endian */
    expect(&b, 0, WI_ERR_UNSUPPORTED, "version");
    b = begin(2, 0, 0);
    expect(&b, 0, WI_OK, "");
    b = begin(3, UINT64_MAX, 0);
    expect(&b, 0, WI_ERR_LIMIT, "more than");
    b = begin(3, 0, UINT64_MAX);
    expect(&b, 0, WI_ERR_LIMIT, "more than");
    b = begin(3, 60000, 0);
    expect(&b, 0, WI_ERR_FORMAT, "cut short");
    b = begin(3, 0, 60000);
    expect(&b, 0, WI_ERR_FORMAT, "cut short");
    wi_error error = {0};
    assert_int_equal(parse_exact((const uint8_t *)"", 0, &error), WI_ERR_FORMAT);
    assert_string_equal(error.message, "f: the file is empty");
    assert_int_equal(parse_exact((const uint8_t *)"GGML....", 8, &error), WI_ERR_FORMAT);
}

static wi_buffer one_key(const char *name, uint32_t type)
{
    wi_buffer b = begin(3, 0, 1);
    put_text(&b, name);
    put(&b, type, 4);
    return b;
}

/* Any integer type is read where its value fits. */
static void integers_of_every_type(void **state)
{
    static const struct {
        wi_gguf_type type;
        size_t n_bytes;
        uint64_t bits;
        bool fits; /* u32 */
        float f32;
    } cases[] = {
        {WI_GGUF_U8, 1, 0xff, true, 255},
        {WI_GGUF_I8, 1, 0xff, false, -1},
        {WI_GGUF_U16, 2, 0xfffb, true, 65531},
        {WI_GGUF_I16, 2, 0xfffb, false, -5},
        {WI_GGUF_U32, 4, 0xff000000, true, 4278190080.0f},
        {WI_GGUF_I32, 4, 0xfffffffb, false, -5},
        {WI_GGUF_I32, 4, 5, true, 5},
        {WI_GGUF_I64, 8, (uint64_t)-5, false, -5},
        {WI_GGUF_I64, 8, UINT64_C(1) << 32, false, 4294967296.0f},
        {WI_GGUF_U64, 8, 0xff000000, true, 4278190080.0f},
        {WI_GGUF_U64, 8, UINT64_MAX, false, 18446744073709551616.0f},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wi_buffer b = one_key("k", cases[i].type);
        wi_gguf *gguf = NULL;
        wi_error error = {0};
        uint32_t u = 0;
        float f = 0;
        put(&b, cases[i].bits, cases[i].n_bytes);
        while (b.n_bytes % 32)
            put(&b, 0, 1);
        assert_int_equal(wi_gguf_parse("f", b.bytes, b.n_bytes, &gguf, &error), WI_OK);
        assert_int_equal(wi_gguf_u32(gguf, "k", &u, &error), cases[i].fits ? WI_OK : WI_ERR_FORMAT);
        assert_true(!cases[i].fits || u == cases[i].bits);
        assert_int_equal(wi_gguf_f32(gguf, "k", &f, &error), WI_OK);
        assert_true(f == cases[i].f32);
        wi_gguf_close(&gguf);
        wi_buffer_free(&b);
    }
}

static void wrong_keys(void **state)
{
    (void)state;
    wi_buffer b = one_key("k", 13);
    expect(&b, 64, WI_ERR_FORMAT, "'k'");
    b = one_key("", WI_GGUF_U8);
    expect(&b, 64, WI_ERR_FORMAT, "name");
    b = one_key("k", WI_GGUF_BOOL);
    put(&b, 2, 1);
    expect(&b, 0, WI_ERR_FORMAT, "neither");
    b = one_key("k", WI_GGUF_STRING);
    put(&b, UINT64_MAX, 8);
    expect(&b, 64, WI_ERR_FORMAT, "cut short");
    b = one_key("k", WI_GGUF_ARRAY);
    put(&b, WI_GGUF_ARRAY, 4);
    put(&b, 1, 8);
    expect(&b, 64, WI_ERR_UNSUPPORTED, "array of type 9");
    b = one_key("k", WI_GGUF_ARRAY);
    put(&b, WI_GGUF_U64, 4);
    put(&b, (uint64_t)1 << 61, 8); /* times 8 wraps to zero */
    expect(&b, 64, WI_ERR_FORMAT, "cut short");
    b = one_key("k", WI_GGUF_ARRAY);
    put(&b, WI_GGUF_STRING, 4);
    put(&b, UINT64_MAX, 8);
    expect(&b, 64, WI_ERR_FORMAT, "cut short");
    b = begin(3, 0, 2);
    for (int i = 0; i < 2; i++) {
        put_text(&b, "same");
        put(&b, WI_GGUF_U8, 4);
        put(&b, 1, 1);
    }
    expect(&b, 0, WI_ERR_FORMAT, "'same' twice");
    static const uint64_t alignments[] = {0, 3, 1 << 21};
    for (size_t i = 0; i < 3; i++) {
        b = one_key("general.alignment", WI_GGUF_U32);
        put(&b, alignments[i], 4);
        expect(&b, 0, WI_ERR_FORMAT, "general.alignment");
    }
    b = one_key("general.alignment", WI_GGUF_STRING);
    put_text(&b, "32");
    expect(&b, 0, WI_ERR_FORMAT, "general.alignment");
}

static void wrong_tensors(void **state)
{
    (void)state;
    static const struct {
        uint32_t rank;
        uint64_t dim;
        uint32_t type;
        uint64_t offset;
        wi_status status;
        const char *says;
    } cases[] = {
        {1, 16, WI_GGML_F32, 0, WI_OK, ""},
        {0, 0, WI_GGML_F32, 0, WI_OK, ""},
        {5, 1, WI_GGML_F32, 0, WI_ERR_FORMAT, "rank"},
        {1, 17, WI_GGML_F32, 0, WI_ERR_FORMAT, "outside the file"},
        {1, 8, WI_GGML_F32, 64, WI_ERR_FORMAT, "outside the file"},
        {1, 1, WI_GGML_F32, UINT64_MAX - 31, WI_ERR_FORMAT, "outside the file"},
        {1, 1, WI_GGML_F32, 4, WI_ERR_FORMAT, "aligned"},
        {1, (uint64_t)1 << 62, WI_GGML_F32, 0, WI_ERR_FORMAT, "shape"},
        {1, 31, WI_GGML_Q8_0, 0, WI_ERR_FORMAT, "shape"},
        {1, 33, WI_GGML_Q4_0, 0, WI_ERR_FORMAT, "shape"},
        {1, 256, 12, 0, WI_OK, ""}, /* q4_k: known by name only */
        {1, 256, 12, 96, WI_ERR_FORMAT, "outside the file"},
        {1, 256, 0xffffffff, 0, WI_OK, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wi_buffer b = begin(3, 1, 0);
        put_tensor(&b, "t", cases[i].rank, cases[i].dim, cases[i].type, cases[i].offset);
        expect(&b, 64, cases[i].status, cases[i].says);
    }
    wi_buffer b = begin(3, 2, 0);
    put_tensor(&b, "t", 1, 16, WI_GGML_F32, 0);
    put_tensor(&b, "u", 1, 16, WI_GGML_F32, 32);
    expect(&b, 128, WI_ERR_FORMAT, "'u': it overlaps");
    b = begin(3, 2, 0);
    put_tensor(&b, "t", 1, 8, WI_GGML_F32, 0);
    put_tensor(&b, "t", 1, 8, WI_GGML_F32, 32);
    expect(&b, 64, WI_ERR_FORMAT, "'t' twice");
    b = begin(3, 1, 0);
    put_tensor(&b, "", 1, 8, WI_GGML_F32, 0);
    expect(&b, 64, WI_ERR_FORMAT, "name");
}

static void types_have_names_and_sizes(void **state)
{
    (void)state;
    size_t n = 0;
    assert_string_equal(wi_ggml_name(WI_GGML_Q4_0), "q4_0");
    assert_string_equal(wi_ggml_name(WI_GGML_Q8_0), "q8_0");
    assert_string_equal(wi_ggml_name(WI_GGML_I8), "i8");
    assert_string_equal(wi_ggml_name(WI_GGML_I64), "i64");
    assert_string_equal(wi_ggml_name(WI_GGML_BF16), "bf16");
    assert_string_equal(wi_ggml_name(12), "q4_k");
    assert_string_equal(wi_ggml_name(1000), "an unknown type");
    assert_true(wi_ggml_size(WI_GGML_Q4_0, (uint64_t[]){64, 3, 1, 1}, &n) && n == 2 * 3 * 18);
    assert_true(wi_ggml_size(WI_GGML_I64, (uint64_t[]){3, 1, 1, 1}, &n) && n == 24);
    assert_true(wi_ggml_size(WI_GGML_I8, (uint64_t[]){3, 0, 1, 1}, &n) && n == 0);
    assert_false(wi_ggml_size(3, (uint64_t[]){32, 1, 1, 1}, &n));
    assert_false(wi_ggml_size(WI_GGML_F16, (uint64_t[]){UINT64_MAX, 1, 1, 1}, &n));
}

/* ---- the writer's own mistakes ---- */

static void declare_wrong(wi_gguf_writer *w, int which)
{
    const uint64_t odd[1] = {31}, large[2] = {UINT64_MAX, 8}, fine[1] = {8};
    switch (which) {
    case 0:
        wi_gguf_put_u32(w, "", 1);
        break;
    case 1:
        wi_gguf_put_u32(w, "k", 1);
        wi_gguf_put_string(w, "k", "2");
        break;
    case 2:
        wi_gguf_put_array(w, "k", WI_GGUF_STRING, "", 1);
        break;
    case 3:
        wi_gguf_put_tensor(w, "t", WI_GGML_Q8_0, 1, odd);
        break;
    case 4:
        wi_gguf_put_tensor(w, "t", WI_GGML_F32, 2, large);
        break;
    case 5:
        wi_gguf_put_tensor(w, "t", WI_GGML_F32, 1, fine);
        wi_gguf_put_tensor(w, "t", WI_GGML_F32, 1, fine);
        break;
    case 6:
        wi_gguf_put_tensor(w, "t", (wi_ggml_type)3, 1, fine);
        break;
    default:
        wi_gguf_put_tensor(w, "", WI_GGML_F32, 1, fine);
    }
}

static void wrong_declarations_show_at_begin(void **state)
{
    (void)state;
    for (int which = 0; which < 8; which++) {
        wi_gguf_writer *w = NULL;
        wi_error error = {0};
        assert_int_equal(wi_gguf_writer_open(scratch_path("w.gguf"), 32, &w, &error), WI_OK);
        declare_wrong(w, which);
        assert_int_equal(wi_gguf_writer_begin(w, &error), WI_ERR_ARG);
        assert_int_equal(error.status, WI_ERR_ARG);
        assert_non_null(strstr(error.message, "w.gguf"));
        assert_int_equal(wi_gguf_writer_commit(w, &error), WI_ERR_ARG);
        wi_gguf_writer_close(&w);
    }
    wi_gguf_writer *w = NULL;
    assert_int_equal(wi_gguf_writer_open(scratch_path("w.gguf"), 48, &w, NULL), WI_ERR_ARG);
    assert_int_equal(wi_gguf_writer_open(scratch_path("no/w.gguf"), 32, &w, NULL), WI_ERR_IO);
    assert_int_equal(scratch_count(""), 0);
}

static void too_few_and_too_many_bytes(void **state)
{
    (void)state;
    const uint64_t dims[1] = {8};
    for (int which = 0; which < 4; which++) {
        wi_gguf_writer *w = NULL;
        assert_int_equal(wi_gguf_writer_open(scratch_path("w.gguf"), 32, &w, NULL), WI_OK);
        wi_gguf_put_string(w, "digest", "0000");
        wi_gguf_put_tensor(w, "t", WI_GGML_F32, 1, dims);
        assert_int_equal(wi_gguf_writer_begin(w, NULL), WI_OK);
        wi_status status = WI_OK;
        if (which == 0)
            status = wi_gguf_writer_data(w, blocks, 33, NULL);
        else if (which == 1)
            status = wi_gguf_writer_data(w, blocks, 31, NULL);
        else if (which == 2)
            status = wi_gguf_writer_patch_string(w, "digest", "12345", NULL);
        else
            status = wi_gguf_writer_begin(w, NULL);
        assert_int_equal(status, which == 1 ? WI_OK : WI_ERR_ARG);
        assert_int_equal(wi_gguf_writer_commit(w, NULL), WI_ERR_ARG);
        wi_gguf_writer_close(&w);
    }
    assert_int_equal(scratch_count(""), 0);
}

static wi_status parse_some(void *context, wi_error *error)
{
    const wi_map *map = context;
    wi_gguf *gguf = NULL;
    wi_status status = wi_gguf_parse("f", map->bytes, map->n_bytes, &gguf, error);
    wi_gguf_close(&gguf);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    assert_true(torture_run(write_some, NULL) >= 6);
    wi_map map = read_back();
    assert_true(torture_run(parse_some, &map) >= 4);
    wi_map_close(&map);
    assert_int_equal(scratch_count(""), 1);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(keys_are_read_back),
        EACH(arrays_are_read_back),
        EACH(tensors_are_read_back),
        EACH(a_file_cut_anywhere_is_refused),
        EACH(a_byte_changed_anywhere_is_survived),
        cmocka_unit_test(wrong_headers),
        cmocka_unit_test(integers_of_every_type),
        cmocka_unit_test(wrong_keys),
        cmocka_unit_test(wrong_tensors),
        cmocka_unit_test(types_have_names_and_sizes),
        EACH(wrong_declarations_show_at_begin),
        EACH(too_few_and_too_many_bytes),
        EACH(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
