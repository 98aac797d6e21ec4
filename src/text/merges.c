/* Reading merges.txt: names of symbols become ids, then the rows are sorted. */
#include "base/error.h"
#include "base/size.h"
#include "text/bpe.h"
#include "text/merge.h"
#include "text/unicode.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TEXT_BYTES = 1 << 24 };

/* A symbol's spelling: within the pool, where merges are written without the space between their
 * parts. */
typedef struct spelling {
    const char *bytes;
    size_t n;
} spelling;

typedef struct reader {
    const char *text;
    size_t n_bytes, pos, line;
    spelling *symbols; /* by id */
    uint32_t n_symbols;
    uint32_t *slots; /* open addressing: id + 1, 0 is free */
    size_t n_slots;
    char *pool;
    size_t pool_used;
    uint16_t (*rows)[3];
    uint32_t n_rows;
} reader;

static uint32_t *slot_of(const reader *r, spelling s)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < s.n; i++)
        hash = (hash ^ (unsigned char)s.bytes[i]) * 0x100000001b3u;
    size_t at = (size_t)(hash ^ hash >> 32) & (r->n_slots - 1);
    for (; r->slots[at]; at = (at + 1) & (r->n_slots - 1)) {
        const spelling *other = &r->symbols[r->slots[at] - 1];
        if (other->n == s.n && !memcmp(other->bytes, s.bytes, s.n))
            break;
    }
    return &r->slots[at];
}

static void add_symbol(reader *r, spelling s)
{
    r->symbols[r->n_symbols] = s;
    *slot_of(r, s) = ++r->n_symbols;
}

/* The printable character that stands for the byte with this id: itself, or one from U+0100 on. */
static uint32_t character_of(uint32_t id)
{
    return id < 94    ? 33 + id
           : id < 106 ? 161 + (id - 94)
           : id < 188 ? 174 + (id - 106)
                      : 256 + (id - 188);
}

static void add_bytes(reader *r)
{
    for (uint32_t i = 0; i < WI_BPE_N_SYMBOLS; i++) {
        spelling s = {r->pool + r->pool_used, 0};
        s.n = wi_utf8_put(character_of(i % WI_BPE_N_BYTES), r->pool + r->pool_used);
        if (i >= WI_BPE_N_BYTES) {
            memcpy(r->pool + r->pool_used + s.n, "</w>", 4);
            s.n += 4;
        }
        r->pool_used += s.n;
        add_symbol(r, s);
    }
}

/* The next line without its end; false behind the last. */
static bool next_line(reader *r, spelling *out)
{
    if (r->pos >= r->n_bytes)
        return false;
    const char *start = r->text + r->pos;
    const char *end = memchr(start, '\n', r->n_bytes - r->pos);
    out->bytes = start;
    out->n = end ? (size_t)(end - start) : r->n_bytes - r->pos;
    r->pos += out->n + 1;
    r->line++;
    if (out->n && start[out->n - 1] == '\r')
        out->n--;
    return true;
}

static bool is_version(const reader *r, spelling line)
{
    static const char mark[] = "#version";
    for (size_t i = 0; r->line == 1 && i + sizeof mark - 1 <= line.n; i++)
        if (!memcmp(line.bytes + i, mark, sizeof mark - 1))
            return true;
    return false;
}

static wi_status add_merge(reader *r, spelling line, wi_error *error)
{
    const char *space = memchr(line.bytes, ' ', line.n);
    if (!space)
        return wi_fail(error, WI_ERR_FORMAT, "merges: line %zu is not two symbols", r->line);
    spelling left = {line.bytes, (size_t)(space - line.bytes)};
    spelling right = {space + 1, line.n - left.n - 1};
    uint32_t left_slot = *slot_of(r, left), right_slot = *slot_of(r, right);
    if (!left_slot || !right_slot)
        return wi_fail(error, WI_ERR_FORMAT,
                       "merges: line %zu has a symbol that no line before it made", r->line);
    spelling whole = {r->pool + r->pool_used, left.n + right.n};
    memcpy(r->pool + r->pool_used, left.bytes, left.n);
    memcpy(r->pool + r->pool_used + left.n, right.bytes, right.n);
    if (*slot_of(r, whole))
        return wi_fail(error, WI_ERR_UNSUPPORTED,
                       "merges: line %zu makes a symbol that is there already", r->line);
    if (r->n_rows == WI_BPE_MAX_MERGES)
        return wi_fail(error, WI_ERR_LIMIT, "merges: more than %d lines", (int)WI_BPE_MAX_MERGES);
    r->pool_used += whole.n;
    uint16_t *row = r->rows[r->n_rows];
    row[0] = (uint16_t)(left_slot - 1);
    row[1] = (uint16_t)(right_slot - 1);
    row[2] = (uint16_t)r->n_rows++;
    add_symbol(r, whole);
    return WI_OK;
}

static int compare_rows(const void *a, const void *b)
{
    const uint16_t *x = a, *y = b;
    return x[0] != y[0] ? (x[0] > y[0]) - (x[0] < y[0]) : (x[1] > y[1]) - (x[1] < y[1]);
}

static wi_status read_all(reader *r, wi_error *error)
{
    add_bytes(r);
    for (spelling line; next_line(r, &line);) {
        if (line.n == 0 || is_version(r, line))
            continue;
        wi_status status = add_merge(r, line, error);
        if (status != WI_OK)
            return status;
    }
    if (r->n_rows)
        qsort(r->rows, r->n_rows, sizeof *r->rows, compare_rows);
    return WI_OK;
}

wi_status wi_bpe_parse_merges(const char *text, size_t n_bytes, wi_bpe *out, wi_error *error)
{
    if (n_bytes > MAX_TEXT_BYTES)
        return wi_fail(error, WI_ERR_LIMIT, "merges of %zu bytes are longer than %d", n_bytes,
                       (int)MAX_TEXT_BYTES);
    size_t n_lines = 1;
    for (size_t i = 0; i < n_bytes; i++)
        n_lines += text[i] == '\n';
    if (n_lines > WI_BPE_MAX_MERGES)
        n_lines = WI_BPE_MAX_MERGES;
    reader r = {.text = text, .n_bytes = n_bytes, .n_slots = 1024};
    while (r.n_slots < 2 * (n_lines + WI_BPE_N_SYMBOLS))
        r.n_slots *= 2;
    r.symbols = calloc(n_lines + WI_BPE_N_SYMBOLS, sizeof *r.symbols);
    r.slots = calloc(r.n_slots, sizeof *r.slots);
    r.pool = malloc(n_bytes + (size_t)6 * WI_BPE_N_SYMBOLS);
    r.rows = calloc(n_lines, sizeof *r.rows);
    wi_status status = WI_OK;
    if (!r.symbols || !r.slots || !r.pool || !r.rows)
        status = wi_fail_nomem(error, n_bytes, "merges");
    else
        status = read_all(&r, error);
    free(r.symbols);
    free(r.slots);
    free(r.pool);
    if (status != WI_OK) {
        free(r.rows);
        return status;
    }
    *out = (wi_bpe){(const uint16_t(*)[3])r.rows, r.n_rows};
    return WI_OK;
}
