#include "model/paramsfile.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

/* What the first files hold, in the order of their fingerprint, and what precedes each value in its
 * text. A key that a model's kinds do not have counts as 0. */
typedef struct frame_row {
    const char *before, *key;
    wi_field_type type;
} frame_row;

static const char *const kind_keys[WI_N_ROLES] = {"whatsit.image.kind", "whatsit.text.kind",
                                                  "whatsit.decoder.kind"};
/* What the model sees that a decoder reads (wi_mdl_sight). */
static const char reads_key[] = "whatsit.reads";
static const char text_present[] = "whatsit.text.present";

#define IMAGE(name) "whatsit.image." name
#define TEXT(name) "whatsit.text." name
#define PRE(name) "whatsit.preprocess." name
static const frame_row frame[] = {
    {"whatsit 1\nembedding ", "whatsit.embedding_dim", WI_FIELD_U32},
    {" scale ", "whatsit.logit_scale", WI_FIELD_F32},
    {" bias ", "whatsit.logit_bias", WI_FIELD_F32},
    {" sigmoid ", "whatsit.sigmoid", WI_FIELD_BOOL},
    {"\nimage ", IMAGE("kind"), WI_FIELD_U32},
    {" px ", IMAGE("size_px"), WI_FIELD_U32},
    {" patch ", IMAGE("patch_px"), WI_FIELD_U32},
    {" width ", IMAGE("width"), WI_FIELD_U32},
    {" layers ", IMAGE("layers"), WI_FIELD_U32},
    {" heads ", IMAGE("heads"), WI_FIELD_U32},
    {" mlp ", IMAGE("mlp_width"), WI_FIELD_U32},
    {" act ", IMAGE("activation"), WI_FIELD_U32},
    {" eps ", IMAGE("ln_eps"), WI_FIELD_F32},
    {" stages ", IMAGE("stage1"), WI_FIELD_U32},
    {" ", IMAGE("stage2"), WI_FIELD_U32},
    {" ", IMAGE("stage3"), WI_FIELD_U32},
    {" ", IMAGE("stage4"), WI_FIELD_U32},
    {"\ntext ", text_present, WI_FIELD_BOOL},
    {" width ", TEXT("width"), WI_FIELD_U32},
    {" layers ", TEXT("layers"), WI_FIELD_U32},
    {" heads ", TEXT("heads"), WI_FIELD_U32},
    {" mlp ", TEXT("mlp_width"), WI_FIELD_U32},
    {" act ", TEXT("activation"), WI_FIELD_U32},
    {" eps ", TEXT("ln_eps"), WI_FIELD_F32},
    {" context ", TEXT("context_length"), WI_FIELD_U32},
    {" vocabulary ", TEXT("vocabulary_size"), WI_FIELD_U32},
    {" end ", TEXT("end_token"), WI_FIELD_U32},
    {"\npreprocess ", PRE("size_px"), WI_FIELD_U32},
    {" ", PRE("resize_px"), WI_FIELD_U32},
    {" ", PRE("mode"), WI_FIELD_U32},
    {" ", PRE("interpolation"), WI_FIELD_U32},
    {" ", PRE("fill"), WI_FIELD_U8},
    {" ", PRE("crop_floor"), WI_FIELD_BOOL},
    {" ", PRE("rgb_first"), WI_FIELD_BOOL},
    {" mean ", PRE("mean0"), WI_FIELD_F32},
    {" ", PRE("mean1"), WI_FIELD_F32},
    {" ", PRE("mean2"), WI_FIELD_F32},
    {" std ", PRE("std0"), WI_FIELD_F32},
    {" ", PRE("std1"), WI_FIELD_F32},
    {" ", PRE("std2"), WI_FIELD_F32},
};
/* In the first files, but not in their fingerprint. */
static const frame_row beside[] = {
    {"", IMAGE("patch_bias"), WI_FIELD_BOOL},
    {"", IMAGE("pre_ln"), WI_FIELD_BOOL},
};
enum { N_FRAME = sizeof frame / sizeof *frame, N_BESIDE = sizeof beside / sizeof *beside };

/* The lists of one model: its own and those of its towers. */
typedef struct list {
    const wi_field *fields;
    void *values;
} list;

static size_t lists_of(wi_params *params, list out[1 + WI_N_ROLES])
{
    size_t n = 0;
    out[n++] = (list){wi_params_fields, params};
    for (int role = 0; role < WI_N_ROLES; role++)
        if (params->tower[role].kind)
            out[n++] = (list){params->tower[role].kind->fields, params->tower[role].values};
    return n;
}

static const wi_field *find_field(const wi_field *fields, const char *key)
{
    for (; fields->key; fields++)
        if (strcmp(fields->key, key) == 0)
            return fields;
    return NULL;
}

static bool in_rows(const frame_row *rows, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].key, key) == 0)
            return true;
    return false;
}

/* --- reading --- */

static wi_status read_one(const wi_gguf *gguf, const wi_field *f, void *values, wi_error *error)
{
    uint32_t u = 0;
    float number = 0;
    bool truth = false;
    wi_status status;
    if (f->type == WI_FIELD_BOOL)
        status = wi_gguf_bool(gguf, f->key, &truth, error);
    else if (f->type == WI_FIELD_F32)
        status = wi_gguf_f32(gguf, f->key, &number, error);
    else
        status = wi_gguf_u32(gguf, f->key, &u, error);
    if (status != WI_OK)
        return status;
    if (f->type == WI_FIELD_U8 && u > UINT8_MAX)
        return wi_fail(error, WI_ERR_FORMAT, "%s is %u", f->key, u);
    wi_field_set(f, values, 0,
                 f->type == WI_FIELD_BOOL  ? (double)truth
                 : f->type == WI_FIELD_F32 ? (double)number
                                           : (double)u);
    return WI_OK;
}

static wi_status read_array(const wi_gguf *gguf, const wi_field *f, void *values, wi_error *error)
{
    wi_gguf_array array;
    const wi_status status = wi_gguf_array_of(gguf, f->key, &array, error);
    if (status != WI_OK)
        return status;
    if (array.n_left != f->count)
        return wi_fail(error, WI_ERR_FORMAT, "%s does not hold %u numbers", f->key, f->count);
    for (size_t i = 0; i < f->count; i++) {
        double number = 0;
        if (!wi_gguf_next_number(&array, &number) ||
            (f->type != WI_FIELD_F32 && !(number >= 0 && number <= UINT32_MAX)))
            return wi_fail(error, WI_ERR_FORMAT, "%s holds something else than numbers in range",
                           f->key);
        wi_field_set(f, values, i, number);
    }
    return WI_OK;
}

static wi_status read_fields(const wi_gguf *gguf, const list *l, wi_error *error)
{
    wi_fields_default(l->fields, l->values);
    for (const wi_field *f = l->fields; f->key; f++) {
        if (!(f->flags & WI_FIELD_REQUIRED) && !wi_gguf_has(gguf, f->key))
            continue;
        const wi_status status =
            f->count ? read_array(gguf, f, l->values, error) : read_one(gguf, f, l->values, error);
        if (status != WI_OK)
            return status;
    }
    return WI_OK;
}

static wi_status unknown_kind(wi_role role, wi_error *error)
{
    return wi_fail(error, WI_ERR_UNSUPPORTED, "%s is one that this version does not know",
                   kind_keys[role]);
}

/* The first files know kinds by number, text towers by being there. */
static wi_status read_kind(const wi_gguf *gguf, wi_role role, const wi_tower_kind **out,
                           wi_error *error)
{
    wi_gguf_text name;
    uint32_t number = 0;
    bool present = false;
    *out = NULL;
    if (wi_gguf_string(gguf, kind_keys[role], &name, NULL) == WI_OK) {
        *out = wi_tower_kind_named(role, name.data, name.n_bytes);
        return *out ? WI_OK : unknown_kind(role, error);
    }
    if (role == WI_ROLE_DECODER)
        return WI_OK;
    wi_status status = WI_OK;
    if (role == WI_ROLE_IMAGE)
        status = wi_gguf_u32(gguf, kind_keys[role], &number, error);
    else if ((status = wi_gguf_bool(gguf, text_present, &present, error)) == WI_OK)
        number = present;
    if (status != WI_OK)
        return status;
    *out = wi_tower_kind_numbered(role, number);
    return *out || !number ? WI_OK : unknown_kind(role, error);
}

/* A key of ours that no list has would change the numbers if only we knew how. */
static wi_status check_known(const wi_gguf *gguf, wi_params *params, wi_error *error)
{
    list lists[1 + WI_N_ROLES];
    const size_t n_lists = lists_of(params, lists);
    for (size_t i = 0; i < wi_gguf_n_keys(gguf); i++) {
        wi_gguf_type type;
        const wi_gguf_text key = wi_gguf_key_at(gguf, i, &type);
        char name[128];
        if (key.n_bytes < 8 || memcmp(key.data, "whatsit.", 8) != 0)
            continue;
        snprintf(name, sizeof name, "%.*s", key.n_bytes < 120 ? (int)key.n_bytes : 120, key.data);
        bool known =
            strcmp(name, "whatsit.version") == 0 || strcmp(name, "whatsit.fingerprint") == 0 ||
            strcmp(name, kind_keys[WI_ROLE_TEXT]) == 0 ||
            strcmp(name, kind_keys[WI_ROLE_DECODER]) == 0 || strcmp(name, reads_key) == 0 ||
            in_rows(frame, N_FRAME, name) || in_rows(beside, N_BESIDE, name);
        /* What a text tower would need changes nothing where there is none. */
        known |= !params->tower[WI_ROLE_TEXT].kind && strncmp(name, "whatsit.text.", 13) == 0;
        for (size_t l = 0; l < n_lists && !known; l++)
            known = find_field(lists[l].fields, name) != NULL;
        if (!known)
            return wi_fail(error, WI_ERR_UNSUPPORTED,
                           "%s is a parameter that this version does not know: use a newer one",
                           name);
    }
    return WI_OK;
}

static wi_status read_reads(const wi_gguf *gguf, char reads[65], wi_error *error)
{
    wi_gguf_text text;
    if (!wi_gguf_has(gguf, reads_key))
        return WI_OK;
    const wi_status status = wi_gguf_string(gguf, reads_key, &text, error);
    if (status != WI_OK)
        return status;
    if (text.n_bytes != 64)
        return wi_fail(error, WI_ERR_FORMAT, "%s is not 64 hex digits", reads_key);
    memcpy(reads, text.data, 64);
    reads[64] = '\0';
    return strspn(reads, "0123456789abcdef") == 64
               ? WI_OK
               : wi_fail(error, WI_ERR_FORMAT, "%s is not 64 hex digits", reads_key);
}

wi_status wi_params_read(const wi_gguf *gguf, wi_params *out, wi_error *error)
{
    uint32_t version = 0;
    list lists[1 + WI_N_ROLES];
    wi_params params = wi_params_default();
    wi_status status = wi_gguf_u32(gguf, "whatsit.version", &version, error);
    if (status == WI_OK && (version < WI_FILE_OLDEST || version > WI_FILE_NEWEST))
        status = wi_fail(error, WI_ERR_UNSUPPORTED,
                         "model file version %u, this program reads %d to %d: convert the original "
                         "model again, or use the program that made the file",
                         version, WI_FILE_OLDEST, WI_FILE_NEWEST);
    for (int role = 0; role < WI_N_ROLES && status == WI_OK; role++)
        status = read_kind(gguf, (wi_role)role, &params.tower[role].kind, error);
    const size_t n = lists_of(&params, lists);
    for (size_t i = 0; i < n && status == WI_OK; i++)
        status = read_fields(gguf, &lists[i], error);
    if (status == WI_OK)
        status = check_known(gguf, &params, error);
    if (status == WI_OK)
        status = read_reads(gguf, params.reads, error);
    if (status == WI_OK)
        status = wi_params_check(&params, error);
    if (status == WI_OK)
        *out = params;
    return status;
}

/* --- writing --- */

static void put(wi_gguf_writer *writer, const char *key, wi_field_type type, double number)
{
    if (type == WI_FIELD_BOOL)
        wi_gguf_put_bool(writer, key, number != 0);
    else if (type == WI_FIELD_F32)
        wi_gguf_put_f32(writer, key, (float)number);
    else
        wi_gguf_put_u32(writer, key, (uint32_t)number);
}

enum { MAX_ARRAY = 128 };

static void put_field(wi_gguf_writer *writer, const wi_field *f, const void *values)
{
    uint32_t u[MAX_ARRAY];
    float numbers[MAX_ARRAY];
    if (!f->count) {
        put(writer, f->key, f->type, wi_field_get(f, values, 0));
        return;
    }
    for (size_t i = 0; i < f->count && i < MAX_ARRAY; i++) {
        numbers[i] = (float)wi_field_get(f, values, i);
        u[i] = f->type == WI_FIELD_F32 ? 0 : (uint32_t)wi_field_get(f, values, i);
    }
    if (f->type == WI_FIELD_F32)
        wi_gguf_put_array(writer, f->key, WI_GGUF_F32, numbers, f->count);
    else
        wi_gguf_put_array(writer, f->key, WI_GGUF_U32, u, f->count);
}

static bool is_first(const wi_params *params)
{
    list lists[1 + WI_N_ROLES];
    wi_params copy = *params;
    const size_t n = lists_of(&copy, lists);
    for (size_t i = 0; i < n; i++)
        for (const wi_field *f = lists[i].fields; f->key; f++)
            if (!(f->flags & WI_FIELD_FIRST) && !wi_field_is_default(f, lists[i].values))
                return false;
    for (int role = 0; role < WI_N_ROLES; role++)
        if (params->tower[role].kind && !params->tower[role].kind->number)
            return false;
    return true;
}

static void put_kind(wi_gguf_writer *writer, const wi_params *params, wi_role role)
{
    const wi_tower_kind *kind = params->tower[role].kind;
    const bool by_name = kind && !kind->number;
    if (by_name)
        wi_gguf_put_string(writer, kind_keys[role], kind->name);
    if (role == WI_ROLE_TEXT)
        wi_gguf_put_bool(writer, text_present, kind != NULL);
    else if (!by_name && role == WI_ROLE_IMAGE)
        wi_gguf_put_u32(writer, kind_keys[role], kind ? kind->number : 0);
}

void wi_params_write(wi_gguf_writer *writer, const wi_params *params)
{
    list lists[1 + WI_N_ROLES];
    wi_params copy = *params;
    const size_t n = lists_of(&copy, lists);
    wi_gguf_put_u32(writer, "whatsit.version", is_first(params) ? WI_FILE_OLDEST : WI_FILE_NEWEST);
    for (int role = 0; role < WI_N_ROLES; role++)
        put_kind(writer, params, (wi_role)role);
    if (params->reads[0])
        wi_gguf_put_string(writer, reads_key, params->reads);
    for (size_t i = 0; i < n; i++)
        for (const wi_field *f = lists[i].fields; f->key; f++)
            if ((f->flags & (WI_FIELD_FIRST | WI_FIELD_REQUIRED)) ||
                !wi_field_is_default(f, lists[i].values))
                put_field(writer, f, lists[i].values);
    /* Programs of the first files expect every key of theirs. */
    for (size_t i = 0; is_first(params) && i < N_FRAME + N_BESIDE; i++) {
        const frame_row *row = i < N_FRAME ? &frame[i] : &beside[i - N_FRAME];
        bool written = strcmp(row->key, IMAGE("kind")) == 0 ||
                       strcmp(row->key, text_present) == 0 || row->type == WI_FIELD_U8;
        for (size_t l = 0; l < n && !written; l++)
            written = find_field(lists[l].fields, row->key) != NULL;
        if (!written)
            put(writer, row->key, row->type, 0);
    }
}

/* --- fingerprint --- */

static void hash_text(wi_sha256 *sha, const char *text)
{
    wi_sha256_update(sha, text, strlen(text));
}

static void hash_number(wi_sha256 *sha, wi_field_type type, double number)
{
    char text[48];
    if (type == WI_FIELD_F32)
        snprintf(text, sizeof text, "%.9g", number);
    else
        snprintf(text, sizeof text, "%u", (unsigned)number);
    hash_text(sha, text);
}

static void hash_kind(wi_sha256 *sha, const wi_tower_kind *kind)
{
    if (kind && !kind->number)
        hash_text(sha, kind->name);
    else
        hash_number(sha, WI_FIELD_U32, kind ? kind->number : 0);
}

static void hash_row(wi_sha256 *sha, const frame_row *row, const wi_params *params,
                     const list *lists, size_t n)
{
    hash_text(sha, row->before);
    if (strcmp(row->key, IMAGE("kind")) == 0) {
        hash_kind(sha, params->tower[WI_ROLE_IMAGE].kind);
        return;
    }
    if (strcmp(row->key, text_present) == 0) {
        hash_kind(sha, params->tower[WI_ROLE_TEXT].kind);
        return;
    }
    double number = 0;
    for (size_t i = 0; i < n; i++) {
        const wi_field *f = find_field(lists[i].fields, row->key);
        if (f)
            number = wi_field_get(f, lists[i].values, 0);
    }
    hash_number(sha, row->type, number);
}

void wi_params_hash(const wi_params *params, wi_sha256 *sha)
{
    list lists[1 + WI_N_ROLES];
    wi_params copy = *params;
    const size_t n = lists_of(&copy, lists);
    for (size_t i = 0; i < N_FRAME; i++)
        hash_row(sha, &frame[i], params, lists, n);
    hash_text(sha, "\n");
    if (params->tower[WI_ROLE_DECODER].kind) {
        hash_kind(sha, params->tower[WI_ROLE_DECODER].kind);
        hash_text(sha, " reads ");
        hash_text(sha, params->reads);
        hash_text(sha, "\n");
    }
    for (size_t l = 0; l < n; l++)
        for (const wi_field *f = lists[l].fields; f->key; f++) {
            if ((f->flags & WI_FIELD_IMPLIED) || in_rows(frame, N_FRAME, f->key) ||
                (!(f->flags & WI_FIELD_REQUIRED) && wi_field_is_default(f, lists[l].values)))
                continue;
            hash_text(sha, f->key);
            for (size_t i = 0; i < wi_field_count(f); i++) {
                hash_text(sha, " ");
                hash_number(sha, f->type, wi_field_get(f, lists[l].values, i));
            }
            hash_text(sha, "\n");
        }
}
