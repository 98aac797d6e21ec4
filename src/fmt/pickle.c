#include "fmt/pickle.h"

#include "base/buffer.h"
#include "base/error.h"
#include "base/size.h"
#include "base/utf8.h"
#include "fmt/pickle_machine.h"
#include "fmt/zip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 64, MAX_VISITS = 1 << 21, MAX_NAMES = 64 << 20, MAX_NAME = 1024 };

/* The names that a pickle may say, and what each stands for. */
typedef enum name_kind {
    NAME_DICT,                                 /* called with nothing: an empty dictionary */
    NAME_TENSOR,                               /* (storage, offset, size, stride, ...) */
    NAME_FIRST,                                /* called: its first argument */
    NAME_NOTHING,                              /* called with anything: of no interest */
    NAME_STORAGE,                              /* + type */
    NAME_MODULE = NAME_STORAGE + WI_ST_N_TYPES /* a TorchScript class: a dictionary */
} name_kind;

static const struct {
    const char *module, *name;
    int kind;
} names[] = {
    {"collections", "OrderedDict", NAME_DICT},
    {"torch._utils", "_rebuild_tensor", NAME_TENSOR},
    {"torch._utils", "_rebuild_tensor_v2", NAME_TENSOR},
    {"torch._utils", "_rebuild_parameter", NAME_FIRST},
    {"torch.jit._pickle", "build_intlist", NAME_FIRST},
    {"torch.jit._pickle", "build_doublelist", NAME_FIRST},
    {"torch.jit._pickle", "build_boollist", NAME_FIRST},
    {"torch.jit._pickle", "build_tensorlist", NAME_FIRST},
    {"torch.jit._pickle", "restore_type_tag", NAME_FIRST},
    {"torch", "Size", NAME_FIRST},
    {"torch", "device", NAME_NOTHING},
    {"torch", "FloatStorage", NAME_STORAGE + WI_ST_F32},
    {"torch", "HalfStorage", NAME_STORAGE + WI_ST_F16},
    {"torch", "BFloat16Storage", NAME_STORAGE + WI_ST_BF16},
    {"torch", "DoubleStorage", NAME_STORAGE + WI_ST_F64},
    {"torch", "LongStorage", NAME_STORAGE + WI_ST_I64},
    {"torch", "IntStorage", NAME_STORAGE + WI_ST_I32},
    {"torch", "ShortStorage", NAME_STORAGE + WI_ST_I16},
    {"torch", "CharStorage", NAME_STORAGE + WI_ST_I8},
    {"torch", "ByteStorage", NAME_STORAGE + WI_ST_U8},
    {"torch", "BoolStorage", NAME_STORAGE + WI_ST_BOOL},
};

/* What an OTHER value stands for: number >= 0 a tensor, below 0 the storage ~number. */
typedef struct storage {
    const uint8_t *data;
    uint64_t n_elements;
    wi_safetensors_type type;
} storage;

typedef struct tensor {
    uint32_t storage;
    uint32_t rank;
    uint64_t offset, shape[WI_SAFETENSORS_MAX_RANK], stride[WI_SAFETENSORS_MAX_RANK];
} tensor;

typedef struct reading {
    const char *file;
    const wi_zip *zip;
    const wi_zip_entry *pickle;
    size_t n_bytes;  /* of the archive */
    size_t n_prefix; /* of "NAME/" before "data.pkl" */
    storage *storages;
    tensor *tensors;
    size_t n_storages, storage_capacity, n_tensors, tensor_capacity;
    wi_pk machine;
    /* Collected: */
    wi_buffer texts; /* names, terminated */
    struct found {
        size_t name;
        uint32_t tensor;
    } *found;
    size_t n_found, found_capacity, n_visits;
} reading;

static wi_status room(void **array, size_t n, size_t *capacity, size_t element_bytes,
                      wi_error *error)
{
    if (n < *capacity)
        return WI_OK;
    const size_t wanted = *capacity ? 2 * *capacity : 64;
    void *grown = realloc(*array, wanted * element_bytes);
    if (!grown)
        return wi_fail_nomem(error, wanted * element_bytes, "a pickle");
    *array = grown;
    *capacity = wanted;
    return WI_OK;
}

/* ---- hooks ---- */

static bool text_is(const char *text, size_t n, const char *wanted)
{
    return n == strlen(wanted) && memcmp(text, wanted, n) == 0;
}

/* A name for a message: what is no plain character is left out. */
static void printable(const char *text, size_t n, char out[80])
{
    size_t to = 0;
    for (size_t i = 0; i < n && to < 79; i++)
        if (text[i] > ' ' && text[i] < 0x7f)
            out[to++] = text[i];
    out[to] = '\0';
}

static wi_status take_name(wi_pk *machine, const char *module, size_t n_module, const char *name,
                           size_t n_name, uint32_t *out, wi_error *error)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (text_is(module, n_module, names[i].module) && text_is(name, n_name, names[i].name))
            return wi_pk_new(machine, WI_PK_NAME, names[i].kind, out, error);
    static const char script[] = "__torch__";
    const size_t n_script = sizeof script - 1;
    if (n_module >= n_script && memcmp(module, script, n_script) == 0 &&
        (n_module == n_script || module[n_script] == '.'))
        return wi_pk_new(machine, WI_PK_NAME, NAME_MODULE, out, error);
    char of[80], what[80];
    printable(module, n_module, of);
    printable(name, n_name, what);
    return wi_fail(error, WI_ERR_UNSUPPORTED,
                   "the pickle asks for %s.%s, which only running it could make; nothing in it is "
                   "run: save the state_dict alone, or get safetensors",
                   of, what);
}

static wi_status odd(wi_error *error)
{
    return wi_fail(error, WI_ERR_FORMAT, "the pickle makes a tensor of something else");
}

/* A list of whole numbers as shape or stride. */
static bool take_numbers(const wi_pk *m, const wi_pk_value *list, uint64_t *out, uint32_t *n)
{
    if (!list || list->kind != WI_PK_LIST || list->n_items > WI_SAFETENSORS_MAX_RANK)
        return false;
    uint32_t cell = list->first;
    for (uint32_t i = 0; i < list->n_items; i++, cell = m->cells[cell].next) {
        const wi_pk_value *item = &m->values[m->cells[cell].value];
        if (item->kind != WI_PK_INTEGER || item->number < 0)
            return false;
        out[i] = (uint64_t)item->number;
    }
    *n = list->n_items;
    return true;
}

/* The last element that the tensor reaches lies within its storage. */
static bool fits(const tensor *t, uint64_t n_elements)
{
    uint64_t last = t->offset, count = 1;
    for (uint32_t i = 0; i < t->rank; i++) {
        uint64_t reach;
        if (t->shape[i] == 0)
            return t->offset <= n_elements;
        if (__builtin_mul_overflow(t->shape[i] - 1, t->stride[i], &reach) ||
            __builtin_add_overflow(last, reach, &last) ||
            __builtin_mul_overflow(count, t->shape[i], &count))
            return false;
    }
    /* As many elements as the storage has: a stride of 0 could ask for any number. */
    return last < n_elements && count <= n_elements;
}

static wi_status make_tensor(reading *r, wi_pk *m, uint32_t arguments, uint32_t *out,
                             wi_error *error)
{
    const wi_pk_value *of = wi_pk_item(m, arguments, 0), *offset = wi_pk_item(m, arguments, 1);
    tensor t = {0};
    uint32_t n_strides = 0;
    if (!of || of->kind != WI_PK_OTHER || of->number >= 0 || !offset ||
        offset->kind != WI_PK_INTEGER || offset->number < 0 ||
        !take_numbers(m, wi_pk_item(m, arguments, 2), t.shape, &t.rank) ||
        !take_numbers(m, wi_pk_item(m, arguments, 3), t.stride, &n_strides) || n_strides != t.rank)
        return odd(error);
    t.storage = (uint32_t)~of->number;
    t.offset = (uint64_t)offset->number;
    if (!fits(&t, r->storages[t.storage].n_elements))
        return wi_fail(error, WI_ERR_FORMAT, "a tensor reaches past its storage");
    void *tensors = r->tensors;
    const wi_status status =
        room(&tensors, r->n_tensors, &r->tensor_capacity, sizeof *r->tensors, error);
    r->tensors = tensors;
    if (status != WI_OK)
        return status;
    r->tensors[r->n_tensors] = t;
    return wi_pk_new(m, WI_PK_OTHER, (int64_t)r->n_tensors++, out, error);
}

static wi_status call(wi_pk *machine, uint32_t callee, uint32_t arguments, uint32_t *out,
                      wi_error *error)
{
    reading *r = machine->hooks->context;
    const wi_pk_value *name = &machine->values[callee];
    const uint32_t n = machine->values[arguments].n_items;
    if (name->kind != WI_PK_NAME)
        return wi_fail(error, WI_ERR_UNSUPPORTED,
                       "the pickle calls something that is no function; nothing in it is run");
    if ((name->number == NAME_DICT || name->number == NAME_MODULE) && n == 0)
        return wi_pk_new(machine, WI_PK_DICT, 0, out, error);
    if (name->number == NAME_NOTHING)
        return wi_pk_new(machine, WI_PK_NONE, 0, out, error);
    if (name->number == NAME_TENSOR)
        return make_tensor(r, machine, arguments, out, error);
    if (name->number == NAME_FIRST && n > 0) {
        *out = machine->cells[machine->values[arguments].first].value;
        return WI_OK;
    }
    return wi_fail(error, WI_ERR_UNSUPPORTED,
                   "the pickle makes an object with arguments that are not known");
}

/* ("storage", TYPE, key, device, number of elements): the archive's entry data/KEY. */
static wi_status take_storage(wi_pk *machine, uint32_t id, uint32_t *out, wi_error *error)
{
    reading *r = machine->hooks->context;
    const wi_pk_value *tag = wi_pk_item(machine, id, 0), *type = wi_pk_item(machine, id, 1),
                      *key = wi_pk_item(machine, id, 2), *count = wi_pk_item(machine, id, 4);
    if (!wi_pk_text_is(tag, "storage") || !type || type->kind != WI_PK_NAME ||
        type->number < NAME_STORAGE || type->number >= NAME_MODULE || !key ||
        key->kind != WI_PK_STRING || !count || count->kind != WI_PK_INTEGER || count->number < 0 ||
        r->n_prefix + 5 + key->n_text > MAX_NAME)
        return odd(error);
    char name[MAX_NAME];
    memcpy(name, r->pickle->name, r->n_prefix);
    memcpy(name + r->n_prefix, "data/", 5);
    memcpy(name + r->n_prefix + 5, key->text, key->n_text);
    const wi_zip_entry *entry = wi_zip_find(r->zip, name, r->n_prefix + 5 + key->n_text);
    if (!entry || !entry->data)
        return wi_fail(error, WI_ERR_FORMAT, "a tensor's data is missing or compressed");
    const wi_safetensors_type st = (wi_safetensors_type)(type->number - NAME_STORAGE);
    uint64_t n_bytes;
    if (__builtin_mul_overflow((uint64_t)count->number, wi_safetensors_type_bytes(st), &n_bytes) ||
        n_bytes > entry->n_bytes)
        return wi_fail(error, WI_ERR_FORMAT, "a tensor's data is shorter than it should be");
    void *storages = r->storages;
    const wi_status status =
        room(&storages, r->n_storages, &r->storage_capacity, sizeof *r->storages, error);
    r->storages = storages;
    if (status != WI_OK)
        return status;
    r->storages[r->n_storages] = (storage){entry->data, (uint64_t)count->number, st};
    return wi_pk_new(machine, WI_PK_OTHER, ~(int64_t)r->n_storages++, out, error);
}

/* ---- names of tensors ---- */

typedef struct key_path {
    char text[MAX_NAME];
    size_t n;
} key_path;

static wi_status keep(reading *r, const key_path *p, uint32_t index, wi_error *error)
{
    void *found = r->found;
    wi_status status = room(&found, r->n_found, &r->found_capacity, sizeof *r->found, error);
    r->found = found;
    if (status != WI_OK)
        return status;
    r->found[r->n_found++] = (struct found){r->texts.n_bytes, index};
    status = wi_buffer_append(&r->texts, p->text, p->n, error);
    return status == WI_OK ? wi_buffer_append(&r->texts, "", 1, error) : status;
}

/* Appends ".KEY"; false when the key is no name or the whole is too long. */
static bool append_key(key_path *p, const wi_pk_value *key)
{
    char number[24];
    const char *text = key->text;
    size_t n = key->n_text;
    if (key->kind == WI_PK_INTEGER) {
        n = (size_t)snprintf(number, sizeof number, "%lld", (long long)key->number);
        text = number;
    } else if (key->kind != WI_PK_STRING || memchr(text, '\0', n) ||
               !wi_utf8_check(text, n, NULL)) {
        return false;
    }
    if (n >= sizeof p->text - p->n - 1)
        return false;
    if (p->n)
        p->text[p->n++] = '.';
    memcpy(p->text + p->n, text, n);
    p->n += n;
    return true;
}

static wi_status visit(reading *r, uint32_t index, key_path *p, int depth, wi_error *error)
{
    const wi_pk *m = &r->machine;
    const wi_pk_value *value = &m->values[index];
    if (depth > MAX_DEPTH || ++r->n_visits > MAX_VISITS)
        return wi_fail(error, WI_ERR_LIMIT, "the pickle's dictionaries are nested too deeply");
    if (value->kind == WI_PK_OTHER && value->number >= 0)
        return keep(r, p, (uint32_t)value->number, error);
    if (value->kind != WI_PK_DICT)
        return WI_OK;
    wi_status status = WI_OK;
    for (uint32_t cell = value->first; cell != WI_PK_NOTHING && status == WI_OK;
         cell = m->cells[cell].next) {
        const size_t before = p->n;
        const wi_pk_cell *c = &m->cells[cell];
        const wi_pk_kind kind = m->values[c->value].kind;
        if (kind != WI_PK_OTHER && kind != WI_PK_DICT)
            continue;
        if (!append_key(p, &m->values[c->key]))
            return wi_fail(error, WI_ERR_FORMAT, "a tensor's name is no text, or too long");
        status = visit(r, c->value, p, depth + 1, error);
        p->n = before;
    }
    return status;
}

/* The value under a key of a dictionary; `fallback` when there is no dictionary there. */
static uint32_t inner(const wi_pk *m, uint32_t root, const char *key, uint32_t fallback)
{
    const wi_pk_value *value = &m->values[root];
    if (value->kind != WI_PK_DICT)
        return fallback;
    for (uint32_t cell = value->first; cell != WI_PK_NOTHING; cell = m->cells[cell].next)
        if (wi_pk_text_is(&m->values[m->cells[cell].key], key) &&
            m->values[m->cells[cell].value].kind == WI_PK_DICT)
            return m->cells[cell].value;
    return fallback;
}

/* ---- the directory ---- */

static bool is_contiguous(const tensor *t)
{
    uint64_t expected = 1;
    for (uint32_t i = t->rank; i-- > 0;) {
        if (t->shape[i] != 1 && t->stride[i] != expected)
            return false;
        expected *= t->shape[i];
    }
    return true;
}

static void gather(const tensor *t, const uint8_t *from, size_t element_bytes, uint8_t *to)
{
    uint64_t at[WI_SAFETENSORS_MAX_RANK] = {0};
    for (;;) {
        uint64_t where = t->offset;
        for (uint32_t i = 0; i < t->rank; i++)
            where += at[i] * t->stride[i];
        memcpy(to, from + where * element_bytes, element_bytes);
        to += element_bytes;
        uint32_t i = t->rank;
        while (i > 0 && ++at[i - 1] == t->shape[i - 1])
            at[--i] = 0;
        if (i == 0)
            return;
    }
}

/* Bytes of all tensors that do not lie in one piece. */
static bool copied_bytes(const reading *r, size_t *total)
{
    *total = 0;
    for (size_t i = 0; i < r->n_found; i++) {
        const tensor *t = &r->tensors[r->found[i].tensor];
        size_t n = wi_safetensors_type_bytes(r->storages[t->storage].type);
        for (uint32_t k = 0; k < t->rank; k++)
            n *= (size_t)t->shape[k]; /* checked by fits */
        if (!is_contiguous(t) && !wi_size_add(*total, n, total))
            return false;
        if (*total > 2 * r->n_bytes) /* one view of each is honest */
            return false;
    }
    return true;
}

/* "module." before every name: what DistributedDataParallel adds. */
static size_t common_prefix(const reading *r)
{
    static const char prefix[] = "module.";
    for (size_t i = 0; i < r->n_found; i++)
        if (strncmp((const char *)r->texts.bytes + r->found[i].name, prefix, sizeof prefix - 1))
            return 0;
    return sizeof prefix - 1;
}

static wi_status make_directory(reading *r, wi_safetensors **out, wi_error *error)
{
    size_t n_copied, n_bytes, n_tensors_bytes;
    if (!copied_bytes(r, &n_copied) ||
        !wi_size_mul(r->n_found, sizeof(wi_safetensors_tensor), &n_tensors_bytes) ||
        !wi_size_add(n_copied, r->texts.n_bytes + 16, &n_bytes))
        return wi_fail(error, WI_ERR_LIMIT, "%s: more tensors than fit", r->file);
    uint8_t *memory = malloc(n_bytes);
    wi_safetensors_tensor *tensors = malloc(n_tensors_bytes + 1);
    if (!memory || !tensors) {
        free(memory);
        free(tensors);
        return wi_fail_nomem(error, n_bytes, "tensors");
    }
    uint8_t *copy = memory;
    char *texts = (char *)memory + n_copied;
    const size_t skip = common_prefix(r);
    if (r->texts.n_bytes)
        memcpy(texts, r->texts.bytes, r->texts.n_bytes);
    for (size_t i = 0; i < r->n_found; i++) {
        const tensor *t = &r->tensors[r->found[i].tensor];
        const storage *s = &r->storages[t->storage];
        const size_t element = wi_safetensors_type_bytes(s->type);
        wi_safetensors_tensor st = {.name = texts + r->found[i].name + skip,
                                    .type = s->type,
                                    .rank = t->rank,
                                    .data = s->data + t->offset * element,
                                    .n_bytes = element};
        for (uint32_t k = 0; k < t->rank; k++) {
            st.shape[k] = t->shape[k];
            st.n_bytes *= (size_t)t->shape[k];
        }
        if (!is_contiguous(t) && st.n_bytes) {
            gather(t, s->data, element, copy);
            st.data = copy;
            copy += st.n_bytes;
        }
        tensors[i] = st;
    }
    return wi_safetensors_collect(r->file, tensors, r->n_found, memory, out, error);
}

/* ---- the archive ---- */

static wi_status find_pickle(reading *r, wi_error *error)
{
    static const char name[] = "data.pkl";
    const size_t n = sizeof name - 1;
    for (size_t i = 0; i < wi_zip_count(r->zip); i++) {
        const wi_zip_entry *e = wi_zip_at(r->zip, i);
        if (e->n_name < n || memcmp(e->name + e->n_name - n, name, n) != 0)
            continue;
        const char *slash = memchr(e->name, '/', e->n_name);
        if (e->n_name != n && (!slash || slash + 1 != e->name + e->n_name - n))
            continue; /* one folder deep, or none */
        r->pickle = e;
        r->n_prefix = e->n_name - n;
        if (!e->data)
            return wi_fail(error, WI_ERR_UNSUPPORTED, "%s: data.pkl is compressed", r->file);
        return r->n_prefix < MAX_NAME / 2
                   ? WI_OK
                   : wi_fail(error, WI_ERR_LIMIT, "%s: a folder's name is too long", r->file);
    }
    return wi_fail(error, WI_ERR_UNSUPPORTED, "%s: a ZIP archive without PyTorch's data.pkl",
                   r->file);
}

static wi_status check_byte_order(const reading *r, wi_error *error)
{
    char name[MAX_NAME];
    memcpy(name, r->pickle->name, r->n_prefix);
    memcpy(name + r->n_prefix, "byteorder", 9);
    const wi_zip_entry *e = wi_zip_find(r->zip, name, r->n_prefix + 9);
    if (e && e->data && !(e->n_bytes >= 6 && memcmp(e->data, "little", 6) == 0))
        return wi_fail(error, WI_ERR_UNSUPPORTED, "%s: its numbers are big-endian", r->file);
    return WI_OK;
}

static wi_status read_tensors(reading *r, wi_safetensors **out, wi_error *error)
{
    const wi_pk_hooks hooks = {r, take_name, call, take_storage};
    uint32_t root = 0;
    key_path p = {.n = 0};
    wi_status status =
        wi_pk_run(&r->machine, &hooks, r->pickle->data, r->pickle->n_bytes, &root, error);
    if (status == WI_OK) {
        root = inner(&r->machine, root, "state_dict", inner(&r->machine, root, "model", root));
        status = visit(r, root, &p, 0, error);
    }
    if (status == WI_OK && r->n_found == 0)
        status = wi_fail(error, WI_ERR_FORMAT, "no tensors in it");
    if (status != WI_OK) {
        wi_error_prefix(error, r->file);
        return status;
    }
    return make_directory(r, out, error);
}

/* The first bytes of such a file (a ZIP archive). */
static bool probe(const uint8_t *bytes, size_t n_bytes)
{
    return n_bytes >= 4 && memcmp(bytes, "PK\x03\x04", 4) == 0;
}

wi_status wi_pickle_read(const char *file, const uint8_t *bytes, size_t n_bytes,
                         wi_safetensors **out, wi_error *error)
{
    wi_zip *zip = NULL;
    reading r = {.file = file, .n_bytes = n_bytes};
    if (!probe(bytes, n_bytes))
        return wi_fail(
            error, WI_ERR_UNSUPPORTED,
            "%s: not a PyTorch archive (files from before PyTorch 1.6 are not read: load "
            "and save it once more there)",
            file);
    wi_status status = wi_zip_open(file, bytes, n_bytes, &zip, error);
    if (status != WI_OK)
        return status;
    r.zip = zip;
    wi_buffer_init(&r.texts, MAX_NAMES);
    status = find_pickle(&r, error);
    if (status == WI_OK)
        status = check_byte_order(&r, error);
    if (status == WI_OK)
        status = read_tensors(&r, out, error);
    wi_pk_free(&r.machine);
    wi_buffer_free(&r.texts);
    free(r.storages);
    free(r.tensors);
    free(r.found);
    wi_zip_close(&zip);
    return status;
}
