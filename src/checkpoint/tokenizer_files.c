/* Whose rules a tokenizer obeys is said by the configurations beside it:
 *
 *     open_clip_config.json   open_clip's HFTokenizer: its clean-up, then the file's own steps
 *     tokenizer_config.json   transformers: the class, markers, padding, length
 *     neither                 SigLIP's tokenizers for SentencePiece, Chinese-CLIP's for WordPiece
 */
#include "checkpoint/tokenizer_files.h"

#include "base/error.h"
#include "base/map.h"
#include "checkpoint/layout.h"
#include "checkpoint/tokenizer_json.h"
#include "text/bpe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), n_end = strlen(end);
    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

typedef struct reading {
    const char *folder, *file; /* file: NULL when there is none */
    const char *config_name;   /* open_clip's configuration, where it has a name of its own */
    wi_draft draft;
    wi_json *json;      /* tokenizer.json, when that is the file */
    wi_json *config;    /* tokenizer_config.json or NULL */
    wi_json *open_clip; /* open_clip's configuration or NULL */
} reading;

static wi_status read_json(const char *folder, const char *name, size_t max_bytes, wi_json **out,
                           wi_error *error)
{
    char *path = wi_source_path(folder, name);
    if (!path)
        return wi_fail_nomem(error, strlen(folder), "a file name");
    const wi_status status = wi_json_read(path, max_bytes, out, error);
    free(path);
    return status;
}

/* A whole configuration, or a bare one of open_clip's model_configs. */
static const wi_json *text_cfg(const reading *r)
{
    const wi_json *model = wi_json_get(r->open_clip, "model_cfg");
    return wi_json_get(model ? model : r->open_clip, "text_cfg");
}

static wi_status read_configs(reading *r, wi_error *error)
{
    wi_status status = WI_OK;
    if (wi_source_file_exists(r->folder, "tokenizer_config.json"))
        status =
            read_json(r->folder, "tokenizer_config.json", WI_SOURCE_MAX_INDEX, &r->config, error);
    const char *const names[] = {r->config_name, "open_clip_config.json", "config.json"};
    for (size_t i = 0; i < 3 && status == WI_OK && !text_cfg(r); i++) {
        wi_json_free(&r->open_clip);
        if (names[i] && wi_source_file_exists(r->folder, names[i]))
            status = read_json(r->folder, names[i], WI_SOURCE_MAX_CONFIG, &r->open_clip, error);
    }
    return status;
}

/* open_clip names the tokenizer of another package, or has CLIP's own. */
static bool open_clip_rules(const reading *r)
{
    return wi_json_string(wi_json_get(text_cfg(r), "hf_tokenizer_name")) != NULL;
}

static bool class_is(const reading *r, const char *name)
{
    const char *class = wi_json_string(wi_json_get(r->config, "tokenizer_class"));
    const size_t n = strlen(name);
    return class && strncmp(class, name, n) == 0 &&
           (class[n] == '\0' || strcmp(class + n, "Fast") == 0);
}

/* "pad_token": a string, or an object with its content. */
static const char *token_name(const reading *r, const char *key, const char *fallback)
{
    const wi_json *value = wi_json_get(r->config, key);
    const char *name = wi_json_string(value);
    name = name ? name : wi_json_string(wi_json_get(value, "content"));
    return name ? name : fallback;
}

static wi_status id_of(reading *r, const char *key, const char *fallback, int32_t *out,
                       wi_error *error)
{
    return wi_draft_id(&r->draft, token_name(r, key, fallback), out, error);
}

/* The first of the names that is a piece. */
static const char *first_piece(const reading *r, const char *a, const char *b)
{
    return wi_draft_find(&r->draft, a, strlen(a)) ? a : b;
}

static void mark_added(reading *r, const char *name, uint32_t flags)
{
    wi_draft_piece *piece = name ? wi_draft_find(&r->draft, name, strlen(name)) : NULL;
    if (!piece)
        return;
    piece->added = true;
    piece->flags = flags;
}

/* ---- whose rules ---- */

/* Source: transformers 5.24 tokenization_siglip.py */
static wi_status siglip_rules(reading *r, wi_error *error)
{
    wi_draft *d = &r->draft;
    bool lower = true;
    wi_json_boolean(wi_json_get(r->config, "do_lower_case"), &lower);
    if (!lower)
        return wi_fail(error, WI_ERR_UNSUPPORTED, "do_lower_case false is not supported here");
    for (size_t i = 0; i < d->n_pieces; i++)
        d->pieces[i].added = false;
    static const char *const keys[] = {"eos_token", "unk_token", "pad_token"};
    static const char *const names[] = {"</s>", "<unk>", "</s>"};
    for (size_t i = 0; i < 3; i++)
        mark_added(r, token_name(r, keys[i], names[i]), WI_ADDED_LEFT | WI_ADDED_RIGHT);
    const wi_json *more = wi_json_get(r->config, "added_tokens_decoder");
    for (wi_json_member m = wi_json_first(more); m.key; m = wi_json_next(more, m)) {
        bool left = false, right = false;
        wi_json_boolean(wi_json_get(m.value, "lstrip"), &left);
        wi_json_boolean(wi_json_get(m.value, "rstrip"), &right);
        mark_added(r, wi_json_string(wi_json_get(m.value, "content")),
                   (left ? WI_ADDED_LEFT : 0u) | (right ? WI_ADDED_RIGHT : 0u));
    }
    d->head.normal = WI_NORMAL_SIGLIP;
    d->head.flags = (d->head.flags & WI_VOCAB_BYTES) | WI_VOCAB_SQUEEZE | WI_VOCAB_ESCAPE |
                    WI_VOCAB_FLOATS | WI_VOCAB_UNK_TRICK | WI_VOCAB_END_ONCE;
    d->head.start = -1;
    wi_status status = id_of(r, "eos_token", "</s>", &d->head.end, error);
    return status == WI_OK ? id_of(r, "pad_token", "</s>", &d->head.pad, error) : status;
}

static void plain_added(wi_draft *d)
{
    for (size_t i = 0; i < d->n_pieces; i++) {
        const uint8_t type = d->pieces[i].type;
        d->pieces[i].added =
            type == WI_PIECE_USER || type == WI_PIECE_CONTROL || type == WI_PIECE_UNKNOWN;
    }
}

/* Markers of a tokenizer whose file says none: SentencePiece's .model. */
static wi_status model_markers(reading *r, wi_error *error)
{
    wi_vocab_head *h = &r->draft.head;
    plain_added(&r->draft);
    return id_of(r, "eos_token", first_piece(r, "<eos>", "</s>"), &h->end, error);
}

/* transformers puts markers as tokenizer_config.json has them, whatever tokenizer.json says. */
static wi_status config_markers(reading *r, wi_error *error)
{
    wi_vocab_head *h = &r->draft.head;
    bool on;
    wi_status status = WI_OK;
    if (wi_json_boolean(wi_json_get(r->config, "add_bos_token"), &on)) {
        h->start = -1;
        if (on)
            status = id_of(r, "bos_token", "<bos>", &h->start, error);
    }
    if (status == WI_OK && wi_json_boolean(wi_json_get(r->config, "add_eos_token"), &on)) {
        h->end = -1;
        if (on)
            status = id_of(r, "eos_token", "<eos>", &h->end, error);
    }
    return status;
}

/* SigLIP 2 was trained on lower case, which the published tokenizer.json does not do.
 * Source: transformers 5.24 tokenization_siglip2.py */
static wi_status gemma_rules(reading *r, wi_error *error)
{
    wi_vocab_head *h = &r->draft.head;
    bool lower = true;
    wi_json_boolean(wi_json_get(r->config, "do_lower_case"), &lower);
    h->normal = lower ? WI_NORMAL_LOWER : WI_NORMAL_NONE;
    return config_markers(r, error);
}

static wi_status bert_rules(reading *r, wi_error *error)
{
    wi_vocab_head *h = &r->draft.head;
    bool lower = true;
    if (r->json)
        return WI_OK;
    static const char *const keys[] = {"cls_token", "sep_token", "pad_token", "unk_token",
                                       "mask_token"};
    static const char *const names[] = {"[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"};
    int32_t *const to[] = {&h->start, &h->end, &h->pad, &h->unknown, NULL};
    wi_json_boolean(wi_json_get(r->config, "do_lower_case"), &lower);
    h->normal = lower ? WI_NORMAL_BERT : WI_NORMAL_BERT_CASED;
    wi_status status = WI_OK;
    for (size_t i = 0; i < 5 && status == WI_OK; i++) {
        mark_added(r, token_name(r, keys[i], names[i]), 0);
        if (to[i])
            status = id_of(r, keys[i], names[i], to[i], error);
    }
    return status;
}

/* The end marker of CLIPA's texts is taken away again: it counts, but 0 stands in its place.
 * Source: open_clip 3.3.0 tokenizer.py HFTokenizer, strip_sep_token */
static void strip_end(reading *r)
{
    wi_vocab_head *h = &r->draft.head;
    for (size_t i = 0; i < r->draft.n_pieces; i++)
        if (r->draft.pieces[i].id == (uint32_t)h->end)
            r->draft.pieces[i].id = 0;
    h->end = 0;
}

/* Source: open_clip 3.3.0 tokenizer.py HFTokenizer, get_clean_fn */
static wi_status clean_up(reading *r, wi_vocab_head *h, wi_error *error)
{
    static const char *const names[] = {
        [WI_CLEAN_LOWER] = "lower",
        [WI_CLEAN_WHITESPACE] = "whitespace",
        [WI_CLEAN_CANONICAL] = "canonicalize",
    };
    const wi_json *more = wi_json_get(text_cfg(r), "tokenizer_kwargs");
    const char *clean = wi_json_string(wi_json_get(more, "clean"));
    bool strips = false;
    for (wi_json_member m = wi_json_first(more); m.key; m = wi_json_next(more, m))
        if (strcmp(m.key, "clean") != 0 &&
            !(strcmp(m.key, "strip_sep_token") == 0 && wi_json_boolean(m.value, &strips)))
            return wi_fail(error, WI_ERR_UNSUPPORTED,
                           "open_clip option 'tokenizer_kwargs.%.60s' is not supported", m.key);
    if (strips && h->end >= 0)
        strip_end(r);
    h->clean = clean ? WI_CLEAN_NONE : WI_CLEAN_WHITESPACE;
    for (uint32_t i = WI_CLEAN_LOWER; clean && i < WI_N_CLEANS; i++)
        if (strcmp(clean, names[i]) == 0)
            h->clean = i;
    return h->clean != WI_CLEAN_NONE
               ? WI_OK
               : wi_fail(error, WI_ERR_UNSUPPORTED,
                         "open_clip option 'tokenizer_kwargs.clean=%.60s' is not supported", clean);
}

static wi_status dialect(reading *r, wi_error *error)
{
    wi_vocab_head *h = &r->draft.head;
    const bool siglip =
        class_is(r, "SiglipTokenizer") || !wi_json_get(r->config, "tokenizer_class");
    wi_status status = WI_OK;
    if (h->type == WI_VOCAB_WORDPIECE)
        status = bert_rules(r, error);
    else if (!r->json)
        status = model_markers(r, error);
    if (status == WI_OK && open_clip_rules(r)) {
        status = clean_up(r, h, error);
        return status == WI_OK ? config_markers(r, error) : status;
    }
    if (status != WI_OK || h->type == WI_VOCAB_WORDPIECE)
        return status;
    if (h->type == WI_VOCAB_PAIRS)
        return gemma_rules(r, error);
    if (siglip)
        return siglip_rules(r, error);
    if (!r->json && !class_is(r, "T5Tokenizer"))
        return wi_fail(error, WI_ERR_UNSUPPORTED,
                       "the tokenizer class '%.60s' is not supported without tokenizer.json",
                       wi_json_string(wi_json_get(r->config, "tokenizer_class")));
    return config_markers(r, error);
}

/* ---- reading ---- */

static uint32_t usual_length(uint32_t type)
{
    return type == WI_VOCAB_WORDPIECE ? 52 : 64; /* Chinese-CLIP; SigLIP */
}

static wi_status settle_length(reading *r, wi_error *error)
{
    wi_vocab_head *h = &r->draft.head;
    const wi_json *given = open_clip_rules(r) ? wi_json_get(text_cfg(r), "context_length")
                                              : wi_json_get(r->config, "model_max_length");
    int64_t length = 0;
    if (wi_json_integer(given, &length) && length > 1 && length <= 4096)
        h->context_length = (uint32_t)length;
    if (h->context_length == 0)
        h->context_length = usual_length(h->type);
    const char *pad = token_name(r, "pad_token", NULL);
    if (!pad)
        return WI_OK;
    return wi_draft_id(&r->draft, pad, &h->pad, error);
}

static wi_status fill_draft(reading *r, const char *path, wi_error *error)
{
    wi_map map = {NULL, 0};
    if (r->json)
        return wi_tokenizer_json_read(r->json, &r->draft, error);
    wi_status status = wi_map_open(path, &map, error);
    if (status != WI_OK)
        return status;
    if (ends_with(path, ".txt"))
        status = wi_draft_read_lines(&r->draft, (const char *)map.bytes, map.n_bytes, error);
    else
        status = wi_draft_read_spiece(&r->draft, map.bytes, map.n_bytes, error);
    wi_map_close(&map);
    return status;
}

static wi_status read_draft(reading *r, const char *path, wi_tokenizer *out, wi_error *error)
{
    wi_draft_init(&r->draft, WI_VOCAB_WORDPIECE);
    wi_status status = fill_draft(r, path, error);
    if (status == WI_OK)
        status = dialect(r, error);
    if (status == WI_OK)
        status = settle_length(r, error);
    if (status == WI_OK)
        status = wi_draft_compile(&r->draft, out, error);
    wi_draft_free(&r->draft);
    if (status != WI_OK && status != WI_ERR_IO)
        wi_error_prefix(error, path);
    return status;
}

static wi_status read_clip(const char *path, wi_tokenizer *out, wi_error *error)
{
    char *merges = NULL;
    size_t n_bytes = 0;
    wi_bpe bpe;
    wi_status status = wi_source_load_merges(path, SIZE_MAX, &merges, &n_bytes, error);
    if (status != WI_OK)
        return status;
    status = wi_bpe_parse_merges(merges, n_bytes, &bpe, error);
    free(merges);
    if (status != WI_OK) {
        wi_error_prefix(error, path);
        return status;
    }
    *out = wi_bpe_tokenizer(&bpe);
    out->own = (void *)(uintptr_t)bpe.sorted;
    return WI_OK;
}

static wi_status read_file(reading *r, const char *path, wi_tokenizer *out, wi_error *error)
{
    if (ends_with(path, ".json")) {
        const wi_status status = wi_json_read(path, WI_SOURCE_MAX_TOKENS, &r->json, error);
        if (status != WI_OK)
            return status;
        return wi_tokenizer_json_is_clip(r->json) ? read_clip(path, out, error)
                                                  : read_draft(r, path, out, error);
    }
    if (ends_with(path, "merges.txt"))
        return read_clip(path, out, error);
    if (ends_with(path, ".model") || ends_with(path, ".txt"))
        return read_draft(r, path, out, error);
    return wi_fail(error, WI_ERR_UNSUPPORTED,
                   "%s: no tokenizer; tokenizer.json, tokenizer.model, spiece.model, vocab.txt and "
                   "merges.txt are read",
                   path);
}

/* Which file is the tokenizer's: transformers reads SigLIP's from spiece.model, open_clip everything
 * from tokenizer.json. */
static const char *find_file(const reading *r)
{
    static const char *const names[] = {"merges.txt", "spiece.model", "tokenizer.json",
                                        "tokenizer.model", "vocab.txt"};
    static const char json[] = "tokenizer.json";
    if (open_clip_rules(r) && wi_source_file_exists(r->folder, json))
        return json;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (wi_source_file_exists(r->folder, names[i]))
            return names[i];
    return NULL;
}

wi_status wi_tokenizer_files_read(const char *folder, const char *file, const char *config_name,
                                  wi_tokenizer *out, wi_error *error)
{
    reading r = {.folder = folder, .file = file, .config_name = config_name};
    wi_status status = read_configs(&r, error);
    if (status == WI_OK && !r.file)
        r.file = find_file(&r);
    char *path = status == WI_OK && r.file ? wi_source_path(folder, r.file) : NULL;
    if (path)
        status = read_file(&r, path, out, error);
    else if (status == WI_OK && r.file)
        status = wi_fail_nomem(error, strlen(folder), "a file name");
    free(path);
    wi_json_free(&r.json);
    wi_json_free(&r.config);
    wi_json_free(&r.open_clip);
    return status;
}

wi_status wi_tokenizer_files_open(const char *path, wi_tokenizer *out, wi_error *error)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return wi_fail_errno(error, path, "cannot open", errno);
    if (S_ISDIR(st.st_mode)) {
        const wi_status status = wi_tokenizer_files_read(path, NULL, NULL, out, error);
        if (status == WI_OK && !out->kind)
            return wi_fail(error, WI_ERR_NOT_FOUND,
                           "%s: no tokenizer here (no tokenizer.json, tokenizer.model, "
                           "spiece.model, vocab.txt or merges.txt)",
                           path);
        return status;
    }
    const char *slash = strrchr(path, '/');
    const size_t n = slash ? (size_t)(slash - path) + (slash == path) : 1;
    char *folder = malloc(n + 1);
    if (!folder)
        return wi_fail_nomem(error, n + 1, "a file name");
    memcpy(folder, slash ? path : ".", n);
    folder[n] = '\0';
    const wi_status status =
        wi_tokenizer_files_read(folder, slash ? slash + 1 : path, NULL, out, error);
    free(folder);
    return status;
}
