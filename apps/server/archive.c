#include "archive.h"
#include "utf8.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
    ZIP_END_BYTES = 22,
    ZIP_MAX_COMMENT = 65535,
    ZIP_CENTRAL_BYTES = 46,
    ZIP_LOCAL_BYTES = 30,
    ZIP_ENCRYPTED = 1,
    ZIP_STORED = 0,
    ZIP_DEFLATED = 8,
    TAR_BLOCK = 512
};

typedef struct reader {
    const uint8_t *bytes;
    size_t n_bytes;
    uint64_t max_bytes, total;
    size_t capacity;
    srv_archive *out;
} reader;

static uint32_t le16(const uint8_t *b)
{
    return b[0] | (uint32_t)b[1] << 8;
}

static uint32_t le32(const uint8_t *b)
{
    return le16(b) | le16(b + 2) << 16;
}

/* ---- what both have ---- */

/* The end of a name, from the beginning of a letter on; what is no UTF-8 becomes '?'. */
static void copy_name(const uint8_t *from, size_t n, char *out)
{
    const uint8_t *nul = memchr(from, 0, n);
    n = nul ? (size_t)(nul - from) : n;
    while (n > SRV_MAX_ENTRY_NAME || (n > 0 && (*from & 0xc0) == 0x80)) {
        from++;
        n--;
    }
    size_t at = 0;
    for (size_t i = 0; i < n;) {
        const size_t length = srv_utf8_length((const char *)from + i, n - i);
        const bool good = length > 0 && from[i] >= 0x20 && from[i] != 0x7f;
        if (good) {
            memcpy(out + at, from + i, length);
            at += length;
        } else {
            out[at++] = '?';
        }
        i += good ? length : 1;
    }
    out[at] = '\0';
}

static bool is_hidden(const char *name)
{
    const char *slash = strrchr(name, '/');
    return (slash ? slash[1] : name[0]) == '.' || !strncmp(name, "__MACOSX/", 9);
}

static wi_status add(reader *r, const srv_entry *entry, wi_error *error)
{
    size_t n_name = strlen(entry->name);
    if (n_name == 0 || entry->name[n_name - 1] == '/' || is_hidden(entry->name)) {
        return WI_OK;
    }
    r->total += entry->n_bytes;
    if (r->out->n == SRV_MAX_ENTRIES || r->total > r->max_bytes) {
        return store_fail(error, WI_ERR_LIMIT,
                          "the archive holds more than %d files, or more than %llu MB",
                          SRV_MAX_ENTRIES, (unsigned long long)(r->max_bytes >> 20));
    }
    if (r->out->n == r->capacity) {
        size_t capacity = r->capacity ? 2 * r->capacity : 64;
        srv_entry *larger = realloc(r->out->entries, capacity * sizeof *larger);
        if (!larger) {
            return store_fail(error, WI_ERR_NOMEM, "out of memory");
        }
        r->out->entries = larger;
        r->capacity = capacity;
    }
    r->out->entries[r->out->n++] = *entry;
    return WI_OK;
}

/* ---- zip ---- */

/* The record at the end, behind which a comment may stand. NULL: there is none. */
static const uint8_t *find_end(const reader *r)
{
    size_t most = r->n_bytes - ZIP_END_BYTES;
    for (size_t back = 0; back <= most && back <= ZIP_MAX_COMMENT; back++) {
        const uint8_t *at = r->bytes + most - back;
        if (!memcmp(at, "PK\5\6", 4) && le16(at + 20) == back) {
            return at;
        }
    }
    return NULL;
}

/* What the central directory says of one file, and where its own header says that its bytes begin. */
static wi_status read_central(reader *r, const uint8_t *at, wi_error *error)
{
    srv_entry entry = {.n_packed = le32(at + 20), .n_bytes = le32(at + 24), .crc = le32(at + 16)};
    uint32_t flags = le16(at + 8), method = le16(at + 10), local = le32(at + 42);
    copy_name(at + ZIP_CENTRAL_BYTES, le16(at + 28), entry.name);
    if (flags & ZIP_ENCRYPTED) {
        return store_fail(error, WI_ERR_UNSUPPORTED, "the archive is encrypted");
    }
    if (method != ZIP_STORED && method != ZIP_DEFLATED) {
        return store_fail(error, WI_ERR_UNSUPPORTED,
                          "'%.80s' is packed by method %u: only stored and deflated files are read",
                          entry.name, (unsigned)method);
    }
    if (entry.n_packed == UINT32_MAX || entry.n_bytes == UINT32_MAX || local == UINT32_MAX) {
        return store_fail(error, WI_ERR_UNSUPPORTED, "the archive is a zip64");
    }
    entry.is_deflated = method == ZIP_DEFLATED;
    if (local > r->n_bytes || r->n_bytes - local < ZIP_LOCAL_BYTES ||
        memcmp(r->bytes + local, "PK\3\4", 4) != 0) {
        return store_fail(error, WI_ERR_FORMAT, "'%.80s' is not where the archive says",
                          entry.name);
    }
    size_t from =
        (size_t)local + ZIP_LOCAL_BYTES + le16(r->bytes + local + 26) + le16(r->bytes + local + 28);
    if (from > r->n_bytes || r->n_bytes - from < entry.n_packed ||
        (!entry.is_deflated && entry.n_packed != entry.n_bytes)) {
        return store_fail(error, WI_ERR_FORMAT, "'%.80s' is cut short", entry.name);
    }
    entry.bytes = r->bytes + from;
    return add(r, &entry, error);
}

static wi_status read_zip(reader *r, wi_error *error)
{
    const uint8_t *end = r->n_bytes >= ZIP_END_BYTES ? find_end(r) : NULL;
    if (!end) {
        return store_fail(error, WI_ERR_FORMAT, "the zip archive has no end");
    }
    size_t n = le16(end + 10), size = le32(end + 12), from = le32(end + 16);
    if (le16(end + 4) || le16(end + 6) || le16(end + 8) != n) {
        return store_fail(error, WI_ERR_UNSUPPORTED, "the archive is one of several");
    }
    if (n == UINT16_MAX || from == UINT32_MAX) {
        return store_fail(error, WI_ERR_UNSUPPORTED, "the archive is a zip64");
    }
    size_t before = (size_t)(end - r->bytes);
    if (from > before || size > before - from) {
        return store_fail(error, WI_ERR_FORMAT, "the archive's list of files is not in it");
    }
    const uint8_t *at = r->bytes + from, *stop = at + size;
    wi_status status = WI_OK;
    for (; n > 0 && status == WI_OK; n--) {
        size_t left = (size_t)(stop - at);
        size_t length =
            left < ZIP_CENTRAL_BYTES || memcmp(at, "PK\1\2", 4) != 0
                ? SIZE_MAX
                : (size_t)ZIP_CENTRAL_BYTES + le16(at + 28) + le16(at + 30) + le16(at + 32);
        if (length > left) {
            return store_fail(error, WI_ERR_FORMAT, "the archive's list of files is cut short");
        }
        status = read_central(r, at, error);
        at += length;
    }
    return status;
}

/* ---- tar ---- */

/* Octal digits, up to a blank or NUL. */
static bool octal(const uint8_t *at, size_t n, uint64_t *out)
{
    *out = 0;
    while (n > 0 && *at == ' ') {
        at++;
        n--;
    }
    size_t digits = 0;
    for (; n > 0 && *at >= '0' && *at <= '7'; at++, n--, digits++) {
        *out = *out << 3 | (uint64_t)(*at - '0');
    }
    return digits > 0 && (n == 0 || *at == ' ' || *at == '\0');
}

static bool is_tar_head(const uint8_t *at)
{
    uint64_t said, sum = 0;
    for (size_t i = 0; i < TAR_BLOCK; i++) {
        sum += i >= 148 && i < 156 ? ' ' : at[i];
    }
    return octal(at + 148, 8, &said) && said == sum;
}

/* The value of "path" in a pax header: lines of "LENGTH KEY=VALUE\n". */
static void pax_name(const uint8_t *at, size_t n, char *out)
{
    while (n > 0) {
        size_t length = 0, i = 0;
        for (; i < n && i < 9 && at[i] >= '0' && at[i] <= '9'; i++) {
            length = 10 * length + (size_t)(at[i] - '0');
        }
        if (i == 0 || i == n || at[i] != ' ' || length <= i + 1 || length > n) {
            return;
        }
        if (length - i - 1 > 6 && !memcmp(at + i + 1, "path=", 5)) {
            copy_name(at + i + 6, length - i - 7, out);
        }
        at += length;
        n -= length;
    }
}

static void tar_name(const uint8_t *head, char *out)
{
    uint8_t whole[256];
    size_t n = 0;
    if (!memcmp(head + 257, "ustar\0", 6) && head[345]) {
        n = strnlen((const char *)head + 345, 155);
        memcpy(whole, head + 345, n);
        whole[n++] = '/';
    }
    size_t more = strnlen((const char *)head, 100);
    memcpy(whole + n, head, more);
    copy_name(whole, n + more, out);
}

static wi_status read_tar(reader *r, wi_error *error)
{
    char longer[SRV_MAX_ENTRY_NAME + 1] = "";
    size_t at = 0;
    wi_status status = WI_OK;
    while (status == WI_OK && r->n_bytes - at >= TAR_BLOCK && r->bytes[at]) {
        const uint8_t *head = r->bytes + at;
        uint64_t size;
        at += TAR_BLOCK;
        if (!is_tar_head(head) || !octal(head + 124, 12, &size)) {
            return store_fail(error, WI_ERR_FORMAT, "the tar archive is damaged");
        }
        if (size > r->n_bytes - at) {
            return store_fail(error, WI_ERR_FORMAT, "the tar archive is cut short");
        }
        uint8_t kind = head[156];
        if (kind == 'L') {
            copy_name(r->bytes + at, size, longer);
        } else if (kind == 'x') {
            pax_name(r->bytes + at, size, longer);
        } else if (kind == '0' || kind == '\0') {
            srv_entry entry = {.bytes = r->bytes + at, .n_packed = size, .n_bytes = size};
            tar_name(head, entry.name);
            if (longer[0]) {
                memcpy(entry.name, longer, sizeof longer);
            }
            longer[0] = '\0';
            status = add(r, &entry, error);
        } else if (kind == 'S') {
            return store_fail(error, WI_ERR_UNSUPPORTED, "the tar archive has sparse files");
        } else {
            longer[0] = '\0'; /* folders, links, devices: nothing to look at */
        }
        uint64_t whole = (size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
        at = whole > r->n_bytes - at ? r->n_bytes : at + (size_t)whole;
    }
    return status;
}

/* ---- both ---- */

wi_status srv_archive_read(const void *bytes, size_t n_bytes, uint64_t max_bytes, srv_archive *out,
                           wi_error *error)
{
    reader r = {.bytes = bytes, .n_bytes = n_bytes, .max_bytes = max_bytes, .out = out};
    *out = (srv_archive){0};
    wi_status status;
    if (n_bytes >= 4 && (!memcmp(bytes, "PK\3\4", 4) || !memcmp(bytes, "PK\5\6", 4))) {
        status = read_zip(&r, error);
    } else if (n_bytes >= TAR_BLOCK && is_tar_head(bytes)) {
        status = read_tar(&r, error);
    } else {
        status = store_fail(error, WI_ERR_FORMAT, "neither a zip nor a tar archive");
    }
    if (status == WI_OK && out->n == 0) {
        status = store_fail(error, WI_ERR_FORMAT, "the archive holds no file");
    }
    if (status != WI_OK) {
        srv_archive_free(out);
    }
    return status;
}

void srv_archive_free(srv_archive *archive)
{
    free(archive->entries);
    *archive = (srv_archive){0};
}

static bool inflate_all(const srv_entry *entry, uint8_t *out)
{
    z_stream stream = {.next_in = (uint8_t *)(uintptr_t)entry->bytes,
                       .avail_in = (uInt)entry->n_packed,
                       .next_out = out,
                       .avail_out = (uInt)entry->n_bytes};
    if (entry->n_packed > UINT32_MAX || entry->n_bytes > UINT32_MAX ||
        inflateInit2(&stream, -MAX_WBITS) != Z_OK) {
        return false;
    }
    bool whole = inflate(&stream, Z_FINISH) == Z_STREAM_END && stream.avail_out == 0;
    inflateEnd(&stream);
    return whole && crc32(0, out, (uInt)entry->n_bytes) == entry->crc;
}

wi_status srv_entry_unpack(const srv_entry *entry, uint8_t **out, wi_error *error)
{
    uint8_t *bytes = malloc(entry->n_bytes ? entry->n_bytes : 1);
    if (!bytes) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    if (!entry->is_deflated) {
        memcpy(bytes, entry->bytes, entry->n_bytes);
    } else if (!inflate_all(entry, bytes)) {
        free(bytes);
        return store_fail(error, WI_ERR_FORMAT, "'%.80s' is damaged in the archive", entry->name);
    }
    *out = bytes;
    return WI_OK;
}
