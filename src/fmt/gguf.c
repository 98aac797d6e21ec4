#include "fmt/gguf.h"

#include "base/error.h"
#include "base/size.h"

#include <stdlib.h>
#include <string.h>

typedef struct entry {
    wi_gguf_text name;
    wi_gguf_type type, element; /* element: of an array */
    uint64_t n_elements;
    const uint8_t *value; /* of an array: its first element */
} entry;

struct wi_gguf {
    const char *file;
    uint32_t version;
    entry *keys; /* by name */
    size_t n_keys;
    wi_gguf_tensor *tensors; /* by name */
    size_t n_tensors;
};

/* Reads forward over untrusted bytes; after the first short read it stays failed. */
typedef struct cursor {
    const uint8_t *bytes;
    size_t n_bytes, at;
    bool failed;
} cursor;

static uint64_t load(const uint8_t *bytes, size_t n)
{
    uint64_t value = 0;
    for (size_t i = n; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

static const uint8_t *take(cursor *c, uint64_t n)
{
    if (c->failed || !wi_size_within(c->at, n, c->n_bytes)) {
        c->failed = true;
        return NULL;
    }
    const uint8_t *bytes = c->bytes + c->at;
    c->at += (size_t)n;
    return bytes;
}

static uint64_t take_number(cursor *c, size_t n)
{
    const uint8_t *bytes = take(c, n);
    return bytes ? load(bytes, n) : 0;
}

static wi_gguf_text take_text(cursor *c)
{
    uint64_t n = take_number(c, 8);
    const uint8_t *bytes = take(c, n);
    return bytes ? (wi_gguf_text){(const char *)bytes, (size_t)n} : (wi_gguf_text){"", 0};
}

static size_t type_bytes(wi_gguf_type type)
{
    static const uint8_t bytes[WI_GGUF_N_TYPES] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return bytes[type];
}

static int compare_text(wi_gguf_text a, wi_gguf_text b)
{
    size_t n = a.n_bytes < b.n_bytes ? a.n_bytes : b.n_bytes;
    int order = n ? memcmp(a.data, b.data, n) : 0;
    return order ? order : (a.n_bytes > b.n_bytes) - (a.n_bytes < b.n_bytes);
}

static int compare_keys(const void *a, const void *b)
{
    return compare_text(((const entry *)a)->name, ((const entry *)b)->name);
}

static int compare_tensors(const void *a, const void *b)
{
    return compare_text(((const wi_gguf_tensor *)a)->name, ((const wi_gguf_tensor *)b)->name);
}

bool wi_gguf_text_is(wi_gguf_text text, const char *other)
{
    return text.n_bytes == strlen(other) && memcmp(text.data, other, text.n_bytes) == 0;
}

/* For messages: at most as much of a name as a message can show. */
static int shown(wi_gguf_text text)
{
    return text.n_bytes < 80 ? (int)text.n_bytes : 80;
}

static wi_status fail_short(const wi_gguf *gguf, wi_error *error)
{
    return wi_fail(error, WI_ERR_FORMAT, "%s: the GGUF directory is cut short", gguf->file);
}

bool wi_ggml_size(uint32_t type, const uint64_t dims[WI_GGUF_MAX_RANK], size_t *out)
{
    size_t block = 1, n_bytes;
    switch (type) {
    case WI_GGML_F32:
    case WI_GGML_I32:
        n_bytes = 4;
        break;
    case WI_GGML_F16:
    case WI_GGML_BF16:
    case WI_GGML_I16:
        n_bytes = 2;
        break;
    case WI_GGML_I8:
        n_bytes = 1;
        break;
    case WI_GGML_I64:
        n_bytes = 8;
        break;
    case WI_GGML_Q4_0: /* f16 scale, 32 nibbles */
        block = 32;
        n_bytes = 18;
        break;
    case WI_GGML_Q8_0: /* f16 scale, 32 bytes */
        block = 32;
        n_bytes = 34;
        break;
    default:
        return false;
    }
    if (dims[0] % block != 0 || dims[0] / block > SIZE_MAX)
        return false;
    bool fits = wi_size_mul(n_bytes, (size_t)(dims[0] / block), &n_bytes);
    for (size_t i = 1; i < WI_GGUF_MAX_RANK && fits; i++)
        fits = dims[i] <= SIZE_MAX && wi_size_mul(n_bytes, (size_t)dims[i], &n_bytes);
    if (fits)
        *out = n_bytes;
    return fits;
}

const char *wi_ggml_name(uint32_t type)
{
    static const char *const names[] = {
        "f32",     "f16",    "q4_0",    "q4_1",  "q4_2",   "q4_3",  "q5_0",  "q5_1",
        "q8_0",    "q8_1",   "q2_k",    "q3_k",  "q4_k",   "q5_k",  "q6_k",  "q8_k",
        "iq2_xxs", "iq2_xs", "iq3_xxs", "iq1_s", "iq4_nl", "iq3_s", "iq2_s", "iq4_xs",
        "i8",      "i16",    "i32",     "i64",   "f64",    "iq1_m", "bf16"};
    return type < sizeof names / sizeof *names ? names[type] : "an unknown type";
}

static wi_status read_array(wi_gguf *gguf, cursor *c, entry *key, wi_error *error)
{
    uint64_t element = take_number(c, 4);
    key->n_elements = take_number(c, 8);
    if (c->failed)
        return fail_short(gguf, error);
    if (element >= WI_GGUF_N_TYPES || element == WI_GGUF_ARRAY)
        return wi_fail(error, WI_ERR_UNSUPPORTED, "%s: key '%.*s': array of type %u", gguf->file,
                       shown(key->name), key->name.data, (unsigned)element);
    key->element = (wi_gguf_type)element;
    key->value = c->bytes + c->at;
    if (element != WI_GGUF_STRING) {
        size_t width = type_bytes(key->element);
        if (key->n_elements > c->n_bytes / width || !take(c, key->n_elements * width))
            return fail_short(gguf, error);
        return WI_OK;
    }
    for (uint64_t i = 0; i < key->n_elements; i++) {
        take_text(c);
        if (c->failed)
            return fail_short(gguf, error);
    }
    return WI_OK;
}

static wi_status read_key(wi_gguf *gguf, cursor *c, entry *key, wi_error *error)
{
    *key = (entry){.name = take_text(c)};
    uint64_t type = take_number(c, 4);
    if (c->failed)
        return fail_short(gguf, error);
    if (type >= WI_GGUF_N_TYPES || key->name.n_bytes == 0)
        return wi_fail(error, WI_ERR_FORMAT, "%s: key '%.*s': bad type or name", gguf->file,
                       shown(key->name), key->name.data);
    key->type = (wi_gguf_type)type;
    if (key->type == WI_GGUF_ARRAY)
        return read_array(gguf, c, key, error);
    key->value = c->bytes + c->at;
    if (key->type == WI_GGUF_STRING)
        take_text(c);
    else
        take(c, type_bytes(key->type));
    if (c->failed)
        return fail_short(gguf, error);
    if (key->type == WI_GGUF_BOOL && key->value[0] > 1)
        return wi_fail(error, WI_ERR_FORMAT, "%s: key '%.*s': neither true nor false", gguf->file,
                       shown(key->name), key->name.data);
    return WI_OK;
}

static wi_status read_keys(wi_gguf *gguf, cursor *c, uint64_t n_keys, wi_error *error)
{
    gguf->keys = malloc(((size_t)n_keys + 1) * sizeof *gguf->keys);
    if (!gguf->keys)
        return wi_fail_nomem(error, ((size_t)n_keys + 1) * sizeof *gguf->keys, "GGUF keys");
    for (; gguf->n_keys < n_keys; gguf->n_keys++) {
        wi_status status = read_key(gguf, c, &gguf->keys[gguf->n_keys], error);
        if (status != WI_OK)
            return status;
    }
    qsort(gguf->keys, gguf->n_keys, sizeof *gguf->keys, compare_keys);
    for (size_t i = 1; i < gguf->n_keys; i++)
        if (compare_keys(&gguf->keys[i - 1], &gguf->keys[i]) == 0)
            return wi_fail(error, WI_ERR_FORMAT, "%s: key '%.*s' twice", gguf->file,
                           shown(gguf->keys[i].name), gguf->keys[i].name.data);
    return WI_OK;
}

/* The offset is relative to the data section, whose place is not known yet. */
static wi_status read_tensor(wi_gguf *gguf, cursor *c, wi_gguf_tensor *tensor, uint64_t *offset,
                             wi_error *error)
{
    *tensor = (wi_gguf_tensor){.name = take_text(c), .dims = {1, 1, 1, 1}};
    uint64_t rank = take_number(c, 4);
    if (c->failed)
        return fail_short(gguf, error);
    if (tensor->name.n_bytes == 0 || tensor->name.n_bytes > WI_GGUF_MAX_NAME ||
        rank > WI_GGUF_MAX_RANK)
        return wi_fail(error, WI_ERR_FORMAT, "%s: tensor '%.*s': bad name or rank", gguf->file,
                       shown(tensor->name), tensor->name.data);
    tensor->rank = (uint32_t)rank;
    for (size_t i = 0; i < rank; i++)
        tensor->dims[i] = take_number(c, 8);
    tensor->type = (uint32_t)take_number(c, 4);
    *offset = take_number(c, 8);
    return c->failed ? fail_short(gguf, error) : WI_OK;
}

/* Offsets are multiples of the alignment and grow in the order of the directory, as ggml writes and
 * demands. */
static wi_status place_tensors(wi_gguf *gguf, const uint64_t *offsets, const uint8_t *data,
                               size_t n_data, uint32_t alignment, wi_error *error)
{
    uint64_t end = 0;
    for (size_t i = 0; i < gguf->n_tensors; i++) {
        wi_gguf_tensor *tensor = &gguf->tensors[i];
        const char *wrong = NULL;
        size_t n_bytes = 0;
        bool known = wi_ggml_size(tensor->type, (uint64_t[]){32, 1, 1, 1}, &n_bytes);
        if (!known)
            n_bytes = 0;
        if (known && !wi_ggml_size(tensor->type, tensor->dims, &n_bytes))
            wrong = "its shape does not fit its type";
        else if (!wi_size_within(offsets[i], n_bytes, n_data))
            wrong = "it ends outside the file: cut short";
        else if (offsets[i] % alignment != 0)
            wrong = "it is not aligned";
        else if (offsets[i] < end)
            wrong = "it overlaps another one";
        if (wrong)
            return wi_fail(error, WI_ERR_FORMAT, "%s: tensor '%.*s': %s", gguf->file,
                           shown(tensor->name), tensor->name.data, wrong);
        tensor->data = known ? data + (size_t)offsets[i] : NULL;
        tensor->n_bytes = n_bytes;
        end = offsets[i] + n_bytes;
    }
    return WI_OK;
}

static wi_status read_alignment(const wi_gguf *gguf, uint32_t *out, wi_error *error)
{
    *out = WI_GGUF_DEFAULT_ALIGNMENT;
    wi_status status = wi_gguf_u32(gguf, "general.alignment", out, NULL);
    if (status == WI_ERR_NOT_FOUND)
        return WI_OK;
    if (status != WI_OK || *out == 0 || *out > 1 << 20 || (*out & (*out - 1)) != 0)
        return wi_fail(error, WI_ERR_FORMAT, "%s: general.alignment is no power of two",
                       gguf->file);
    return WI_OK;
}

static wi_status read_tensors(wi_gguf *gguf, cursor *c, uint64_t n_tensors, wi_error *error)
{
    uint32_t alignment;
    wi_status status = read_alignment(gguf, &alignment, error);
    if (status != WI_OK)
        return status;
    size_t n = (size_t)n_tensors + 1;
    uint64_t *offsets = malloc(n * sizeof *offsets);
    gguf->tensors = malloc(n * sizeof *gguf->tensors);
    if (!offsets || !gguf->tensors)
        status = wi_fail_nomem(error, n * sizeof *gguf->tensors, "GGUF tensors");
    while (status == WI_OK && gguf->n_tensors < n_tensors) {
        status =
            read_tensor(gguf, c, &gguf->tensors[gguf->n_tensors], &offsets[gguf->n_tensors], error);
        gguf->n_tensors++;
    }
    size_t data_at = 0;
    if (status == WI_OK && !wi_size_add(c->at, alignment - 1, &data_at))
        status = fail_short(gguf, error);
    if (status == WI_OK) {
        data_at &= ~((size_t)alignment - 1);
        /* A file without tensors may end before the padding. */
        size_t n_data = data_at < c->n_bytes ? c->n_bytes - data_at : 0;
        const uint8_t *data = n_data ? c->bytes + data_at : c->bytes;
        status = place_tensors(gguf, offsets, data, n_data, alignment, error);
    }
    free(offsets);
    if (status != WI_OK)
        return status;
    qsort(gguf->tensors, gguf->n_tensors, sizeof *gguf->tensors, compare_tensors);
    for (size_t i = 1; i < gguf->n_tensors; i++)
        if (compare_tensors(&gguf->tensors[i - 1], &gguf->tensors[i]) == 0)
            return wi_fail(error, WI_ERR_FORMAT, "%s: tensor '%.*s' twice", gguf->file,
                           shown(gguf->tensors[i].name), gguf->tensors[i].name.data);
    return WI_OK;
}

static wi_status read_all(wi_gguf *gguf, cursor *c, wi_error *error)
{
    const uint8_t *magic = take(c, 4);
    if (!magic || memcmp(magic, "GGUF", 4) != 0)
        return wi_fail(error, WI_ERR_FORMAT, "%s: not a GGUF file", gguf->file);
    gguf->version = (uint32_t)take_number(c, 4);
    uint64_t n_tensors = take_number(c, 8), n_keys = take_number(c, 8);
    if (c->failed)
        return fail_short(gguf, error);
    if (gguf->version != 2 && gguf->version != 3)
        return wi_fail(error, WI_ERR_UNSUPPORTED, "%s: GGUF version %u; 2 and 3 are read",
                       gguf->file, (unsigned)gguf->version);
    if (n_tensors > WI_GGUF_MAX_TENSORS || n_keys > WI_GGUF_MAX_KEYS)
        return wi_fail(error, WI_ERR_LIMIT, "%s: more than %d keys or tensors", gguf->file,
                       WI_GGUF_MAX_KEYS);
    /* Shortest key: length, one letter, type, one byte. Shortest tensor: length, one letter, rank,
     * type, offset. */
    if (n_keys > c->n_bytes / 14 || n_tensors > c->n_bytes / 25)
        return fail_short(gguf, error);
    wi_status status = read_keys(gguf, c, n_keys, error);
    return status == WI_OK ? read_tensors(gguf, c, n_tensors, error) : status;
}

wi_status wi_gguf_parse(const char *file, const uint8_t *bytes, size_t n_bytes, wi_gguf **out,
                        wi_error *error)
{
    if (n_bytes == 0)
        return wi_fail(error, WI_ERR_FORMAT, "%s: the file is empty", file);
    wi_gguf *gguf = calloc(1, sizeof *gguf);
    if (!gguf)
        return wi_fail_nomem(error, sizeof *gguf, "a GGUF directory");
    gguf->file = file;
    cursor c = {bytes, n_bytes, 0, false};
    wi_status status = read_all(gguf, &c, error);
    if (status != WI_OK)
        wi_gguf_close(&gguf);
    else
        *out = gguf;
    return status;
}

void wi_gguf_close(wi_gguf **gguf)
{
    if (!gguf || !*gguf)
        return;
    free((*gguf)->keys);
    free((*gguf)->tensors);
    free(*gguf);
    *gguf = NULL;
}

size_t wi_gguf_n_keys(const wi_gguf *gguf)
{
    return gguf->n_keys;
}

static const entry *find(const wi_gguf *gguf, const char *key)
{
    entry wanted = {.name = {key, strlen(key)}};
    return bsearch(&wanted, gguf->keys, gguf->n_keys, sizeof wanted, compare_keys);
}

bool wi_gguf_has(const wi_gguf *gguf, const char *key)
{
    return find(gguf, key) != NULL;
}

wi_gguf_text wi_gguf_key_at(const wi_gguf *gguf, size_t index, wi_gguf_type *type)
{
    *type = gguf->keys[index].type;
    return gguf->keys[index].name;
}

/* False when value is no integer or lies outside i64. */
static bool integer_at(wi_gguf_type type, const uint8_t *value, int64_t *out)
{
    switch (type) {
    case WI_GGUF_U8:
    case WI_GGUF_U16:
    case WI_GGUF_U32:
        *out = (int64_t)load(value, type_bytes(type));
        return true;
    case WI_GGUF_U64:
        *out = (int64_t)load(value, 8);
        return *out >= 0;
    case WI_GGUF_I8:
        *out = (int8_t)value[0];
        return true;
    case WI_GGUF_I16:
        *out = (int16_t)load(value, 2);
        return true;
    case WI_GGUF_I32:
        *out = (int32_t)load(value, 4);
        return true;
    case WI_GGUF_I64:
        *out = (int64_t)load(value, 8);
        return true;
    default:
        return false;
    }
}

static bool number_at(wi_gguf_type type, const uint8_t *value, double *out)
{
    int64_t integer;
    if (type == WI_GGUF_F32) {
        uint32_t bits = (uint32_t)load(value, 4);
        float f;
        memcpy(&f, &bits, sizeof f);
        *out = (double)f;
    } else if (type == WI_GGUF_F64) {
        uint64_t bits = load(value, 8);
        memcpy(out, &bits, sizeof *out);
    } else if (type == WI_GGUF_U64) {
        *out = (double)load(value, 8);
    } else if (integer_at(type, value, &integer)) {
        *out = (double)integer;
    } else {
        return false;
    }
    return true;
}

static wi_status fail_missing(const wi_gguf *gguf, const char *key, wi_error *error)
{
    return wi_fail(error, WI_ERR_NOT_FOUND, "%s: key '%s' is missing", gguf->file, key);
}

static wi_status fail_kind(const wi_gguf *gguf, const char *key, const char *kind, wi_error *error)
{
    return wi_fail(error, WI_ERR_FORMAT, "%s: key '%s' is not %s", gguf->file, key, kind);
}

static wi_status read_i64(const wi_gguf *gguf, const char *key, int64_t *out, wi_error *error)
{
    const entry *found = find(gguf, key);
    if (!found)
        return fail_missing(gguf, key, error);
    int64_t value;
    if (!integer_at(found->type, found->value, &value))
        return fail_kind(gguf, key, "an integer that fits", error);
    *out = value;
    return WI_OK;
}

static wi_status read_u64(const wi_gguf *gguf, const char *key, uint64_t *out, wi_error *error)
{
    const entry *found = find(gguf, key);
    if (found && found->type == WI_GGUF_U64) {
        *out = load(found->value, 8);
        return WI_OK;
    }
    int64_t value = 0;
    wi_status status = read_i64(gguf, key, &value, error);
    if (status != WI_OK)
        return status;
    if (value < 0)
        return fail_kind(gguf, key, "a positive integer", error);
    *out = (uint64_t)value;
    return WI_OK;
}

wi_status wi_gguf_u32(const wi_gguf *gguf, const char *key, uint32_t *out, wi_error *error)
{
    uint64_t value = 0;
    wi_status status = read_u64(gguf, key, &value, error);
    if (status != WI_OK)
        return status;
    if (value > UINT32_MAX)
        return fail_kind(gguf, key, "an integer that fits 32 bits", error);
    *out = (uint32_t)value;
    return WI_OK;
}

wi_status wi_gguf_f32(const wi_gguf *gguf, const char *key, float *out, wi_error *error)
{
    const entry *found = find(gguf, key);
    if (!found)
        return fail_missing(gguf, key, error);
    double value;
    if (!number_at(found->type, found->value, &value))
        return fail_kind(gguf, key, "a number", error);
    *out = (float)value;
    return WI_OK;
}

wi_status wi_gguf_bool(const wi_gguf *gguf, const char *key, bool *out, wi_error *error)
{
    const entry *found = find(gguf, key);
    if (!found)
        return fail_missing(gguf, key, error);
    if (found->type != WI_GGUF_BOOL)
        return fail_kind(gguf, key, "true or false", error);
    *out = found->value[0] != 0;
    return WI_OK;
}

wi_status wi_gguf_string(const wi_gguf *gguf, const char *key, wi_gguf_text *out, wi_error *error)
{
    const entry *found = find(gguf, key);
    if (!found)
        return fail_missing(gguf, key, error);
    if (found->type != WI_GGUF_STRING)
        return fail_kind(gguf, key, "a string", error);
    *out = (wi_gguf_text){(const char *)found->value + 8, (size_t)load(found->value, 8)};
    return WI_OK;
}

wi_status wi_gguf_array_of(const wi_gguf *gguf, const char *key, wi_gguf_array *out,
                           wi_error *error)
{
    const entry *found = find(gguf, key);
    if (!found)
        return fail_missing(gguf, key, error);
    if (found->type != WI_GGUF_ARRAY)
        return fail_kind(gguf, key, "an array", error);
    *out = (wi_gguf_array){found->element, found->n_elements, found->value};
    return WI_OK;
}

bool wi_gguf_next_string(wi_gguf_array *array, wi_gguf_text *out)
{
    if (array->n_left == 0 || array->type != WI_GGUF_STRING)
        return false;
    size_t n = (size_t)load(array->next, 8);
    *out = (wi_gguf_text){(const char *)array->next + 8, n};
    array->next += 8 + n;
    array->n_left--;
    return true;
}

bool wi_gguf_next_integer(wi_gguf_array *array, int64_t *out)
{
    if (array->n_left == 0 || !integer_at(array->type, array->next, out))
        return false;
    array->next += type_bytes(array->type);
    array->n_left--;
    return true;
}

bool wi_gguf_next_number(wi_gguf_array *array, double *out)
{
    if (array->n_left == 0 || !number_at(array->type, array->next, out))
        return false;
    array->next += type_bytes(array->type);
    array->n_left--;
    return true;
}

size_t wi_gguf_n_tensors(const wi_gguf *gguf)
{
    return gguf->n_tensors;
}

const wi_gguf_tensor *wi_gguf_tensor_at(const wi_gguf *gguf, size_t index)
{
    return &gguf->tensors[index];
}

const wi_gguf_tensor *wi_gguf_tensor_find(const wi_gguf *gguf, const char *name)
{
    wi_gguf_tensor wanted = {.name = {name, strlen(name)}};
    return bsearch(&wanted, gguf->tensors, gguf->n_tensors, sizeof wanted, compare_tensors);
}
