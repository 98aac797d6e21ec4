/* The directory of a ZIP archive whose entries are stored as they are, read in place.
 *
 * Invariant: the data of every stored entry lies within the archive. Memory is taken for the
 * directory only. Source: PKWARE APPNOTE 6.3 (ZIP64 included; several disks, encryption not). */
#ifndef WI_FMT_ZIP_H
#define WI_FMT_ZIP_H

#include <whatsit/status.h>

enum { WI_ZIP_MAX_ENTRIES = 1 << 20 };

typedef struct wi_zip_entry {
    const char *name; /* not terminated */
    size_t n_name;
    const uint8_t *data; /* NULL when it is compressed or encrypted */
    size_t n_bytes;
} wi_zip_entry;

typedef struct wi_zip wi_zip;

/* file: for messages. Owns: the caller closes *out; bytes are borrowed for its life.
 * Errors: WI_ERR_FORMAT, WI_ERR_UNSUPPORTED, WI_ERR_LIMIT, WI_ERR_NOMEM */
wi_status wi_zip_open(const char *file, const uint8_t *bytes, size_t n_bytes, wi_zip **out,
                      wi_error *error);
void wi_zip_close(wi_zip **zip);

size_t wi_zip_count(const wi_zip *zip);
/* In the order of names; index < count. */
const wi_zip_entry *wi_zip_at(const wi_zip *zip, size_t index);
/* NULL when there is no such entry. */
const wi_zip_entry *wi_zip_find(const wi_zip *zip, const char *name, size_t n_name);

#endif
