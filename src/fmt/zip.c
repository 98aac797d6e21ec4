#include "fmt/zip.h"

#include "base/error.h"
#include "base/size.h"

#include <stdlib.h>
#include <string.h>

enum {
    LOCAL = 0x04034b50,
    CENTRAL = 0x02014b50,
    END = 0x06054b50,
    END64 = 0x06064b50,
    LOCATOR64 = 0x07064b50,
    LOCAL_BYTES = 30,
    CENTRAL_BYTES = 46,
    END_BYTES = 22,
    END64_BYTES = 56,
    LOCATOR64_BYTES = 20,
    MAX_COMMENT = 0xffff
};

struct wi_zip {
    wi_zip_entry *entries; /* by name */
    size_t n_entries;
};

typedef struct archive {
    const char *file;
    const uint8_t *bytes;
    size_t n_bytes;
} archive;

static uint64_t number(const uint8_t *at, size_t n)
{
    uint64_t value = 0;
    while (n-- > 0)
        value = value << 8 | at[n];
    return value;
}

static wi_status broken(const archive *a, wi_error *error)
{
    return wi_fail(error, WI_ERR_FORMAT, "%s: the archive's directory is damaged or cut short",
                   a->file);
}

/* ---- where the directory is ---- */

typedef struct directory {
    uint64_t n_entries, n_bytes, offset;
} directory;

static wi_status read_end64(const archive *a, size_t end, directory *out, wi_error *error)
{
    if (end < LOCATOR64_BYTES || number(a->bytes + end - LOCATOR64_BYTES, 4) != (uint64_t)LOCATOR64)
        return broken(a, error);
    const uint64_t at = number(a->bytes + end - LOCATOR64_BYTES + 8, 8);
    if (!wi_size_within(at, END64_BYTES, a->n_bytes) || number(a->bytes + at, 4) != (uint64_t)END64)
        return broken(a, error);
    const uint8_t *record = a->bytes + at;
    *out = (directory){number(record + 32, 8), number(record + 40, 8), number(record + 48, 8)};
    return WI_OK;
}

static wi_status find_directory(const archive *a, directory *out, wi_error *error)
{
    const size_t lowest =
        a->n_bytes > END_BYTES + MAX_COMMENT ? a->n_bytes - END_BYTES - MAX_COMMENT : 0;
    for (size_t at = a->n_bytes >= END_BYTES ? a->n_bytes - END_BYTES + 1 : 0; at-- > lowest;) {
        const uint8_t *record = a->bytes + at;
        if (number(record, 4) != (uint64_t)END ||
            number(record + 20, 2) != a->n_bytes - at - END_BYTES)
            continue;
        *out = (directory){number(record + 10, 2), number(record + 12, 4), number(record + 16, 4)};
        if (number(record + 4, 2) != 0 && number(record + 4, 2) != 0xffff)
            return wi_fail(error, WI_ERR_UNSUPPORTED, "%s: an archive in several parts", a->file);
        if (out->n_entries == 0xffff || out->n_bytes == 0xffffffff || out->offset == 0xffffffff)
            return read_end64(a, at, out, error);
        return WI_OK;
    }
    return broken(a, error);
}

/* ---- entries ---- */

/* Sizes of 0xffffffff stand in the extra field 0x0001, in this order. */
static bool widen(const uint8_t *extra, size_t n, uint64_t *whole, uint64_t *stored, uint64_t *at)
{
    uint64_t *const fields[] = {whole, stored, at};
    bool wide = false;
    for (size_t i = 0; i < 3; i++)
        wide |= *fields[i] == 0xffffffff;
    for (size_t pos = 0; wide && pos + 4 <= n;) {
        const size_t length = (size_t)number(extra + pos + 2, 2);
        if (length > n - pos - 4)
            return false;
        if (number(extra + pos, 2) == 1) {
            size_t used = 0;
            for (size_t i = 0; i < 3; i++) {
                if (*fields[i] != 0xffffffff)
                    continue;
                if (length - used < 8)
                    return false;
                *fields[i] = number(extra + pos + 4 + used, 8);
                used += 8;
            }
            return true;
        }
        pos += 4 + length;
    }
    return !wide;
}

/* The entry's data behind its local header, which repeats the name. */
static bool locate(const archive *a, uint64_t at, uint64_t n_bytes, wi_zip_entry *entry)
{
    if (!wi_size_within(at, LOCAL_BYTES, a->n_bytes) || number(a->bytes + at, 4) != LOCAL)
        return false;
    const uint64_t skip =
        LOCAL_BYTES + number(a->bytes + at + 26, 2) + number(a->bytes + at + 28, 2);
    if (!wi_size_within(at, skip, a->n_bytes) || !wi_size_within(at + skip, n_bytes, a->n_bytes))
        return false;
    entry->data = a->bytes + at + skip;
    entry->n_bytes = (size_t)n_bytes;
    return true;
}

/* Reads the entry at *pos of the directory and moves behind it. */
static bool read_entry(const archive *a, const directory *d, uint64_t *pos, wi_zip_entry *entry)
{
    const uint64_t left = d->n_bytes - *pos;
    const uint8_t *record = a->bytes + d->offset + *pos;
    if (left < CENTRAL_BYTES || number(record, 4) != CENTRAL)
        return false;
    const uint64_t n_name = number(record + 28, 2), n_extra = number(record + 30, 2),
                   n_comment = number(record + 32, 2);
    if (left - CENTRAL_BYTES < n_name + n_extra + n_comment)
        return false;
    *pos += CENTRAL_BYTES + n_name + n_extra + n_comment;
    uint64_t stored = number(record + 20, 4), whole = number(record + 24, 4),
             at = number(record + 42, 4);
    if (!widen(record + CENTRAL_BYTES + n_name, (size_t)n_extra, &whole, &stored, &at))
        return false;
    *entry = (wi_zip_entry){(const char *)record + CENTRAL_BYTES, (size_t)n_name, NULL, 0};
    const bool plain = number(record + 10, 2) == 0 && !(number(record + 8, 2) & 1);
    return !plain || (stored == whole && locate(a, at, stored, entry));
}

static int compare(const char *a, size_t n_a, const char *b, size_t n_b)
{
    const int order = memcmp(a, b, n_a < n_b ? n_a : n_b);
    return order ? order : (n_a > n_b) - (n_a < n_b);
}

static int by_name(const void *a, const void *b)
{
    const wi_zip_entry *x = a, *y = b;
    return compare(x->name, x->n_name, y->name, y->n_name);
}

static wi_status read_all(const archive *a, const directory *d, wi_zip *zip, wi_error *error)
{
    if (!wi_size_within(d->offset, d->n_bytes, a->n_bytes))
        return broken(a, error);
    if (d->n_entries > WI_ZIP_MAX_ENTRIES)
        return wi_fail(error, WI_ERR_LIMIT, "%s: more than %d entries", a->file,
                       (int)WI_ZIP_MAX_ENTRIES);
    zip->entries = calloc((size_t)d->n_entries + 1, sizeof *zip->entries);
    if (!zip->entries)
        return wi_fail_nomem(error, (size_t)d->n_entries * sizeof *zip->entries, "a directory");
    uint64_t pos = 0;
    for (; zip->n_entries < d->n_entries; zip->n_entries++)
        if (!read_entry(a, d, &pos, &zip->entries[zip->n_entries]))
            return broken(a, error);
    if (zip->n_entries)
        qsort(zip->entries, zip->n_entries, sizeof *zip->entries, by_name);
    for (size_t i = 1; i < zip->n_entries; i++)
        if (by_name(&zip->entries[i - 1], &zip->entries[i]) == 0)
            return wi_fail(error, WI_ERR_FORMAT, "%s: two entries have the same name", a->file);
    return WI_OK;
}

wi_status wi_zip_open(const char *file, const uint8_t *bytes, size_t n_bytes, wi_zip **out,
                      wi_error *error)
{
    const archive a = {file, bytes, n_bytes};
    directory d = {0};
    wi_status status = find_directory(&a, &d, error);
    if (status != WI_OK)
        return status;
    wi_zip *zip = calloc(1, sizeof *zip);
    if (!zip)
        return wi_fail_nomem(error, sizeof *zip, "a directory");
    status = read_all(&a, &d, zip, error);
    if (status == WI_OK)
        *out = zip;
    else
        wi_zip_close(&zip);
    return status;
}

void wi_zip_close(wi_zip **zip)
{
    if (!zip || !*zip)
        return;
    free((*zip)->entries);
    free(*zip);
    *zip = NULL;
}

size_t wi_zip_count(const wi_zip *zip)
{
    return zip->n_entries;
}

const wi_zip_entry *wi_zip_at(const wi_zip *zip, size_t index)
{
    return &zip->entries[index];
}

const wi_zip_entry *wi_zip_find(const wi_zip *zip, const char *name, size_t n_name)
{
    const wi_zip_entry key = {.name = name, .n_name = n_name};
    return zip->n_entries ? bsearch(&key, zip->entries, zip->n_entries, sizeof key, by_name) : NULL;
}
