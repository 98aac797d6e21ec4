/* The files of a zip or a tar archive from a stranger. Bounded and strict: what is not understood (encryption, several
 * disks, zip64, other ways of packing, sparse files) is refused by name, and nothing is written anywhere.
 * Source: PKWARE APPNOTE 6.3; POSIX ustar and pax, GNU tar's long names. */
#ifndef SERVER_ARCHIVE_H
#define SERVER_ARCHIVE_H

#include "../store/fail.h"
#include <stddef.h>
#include <stdint.h>

enum { SRV_MAX_ENTRIES = 10000, SRV_MAX_ENTRY_NAME = 255 };

typedef struct srv_entry {
    char name[SRV_MAX_ENTRY_NAME + 1]; /* UTF-8; its end, if it is longer */
    const uint8_t *bytes;              /* packed, inside the archive */
    size_t n_packed, n_bytes;          /* n_bytes: unpacked, as the archive says */
    bool is_deflated;
    uint32_t crc; /* of what is deflated */
} srv_entry;

typedef struct srv_archive {
    srv_entry *entries; /* in the archive's order, without folders and hidden files */
    size_t n;
} srv_archive;

/* Borrows the bytes for as long as *out is used; the caller frees it. max_bytes: of all files unpacked.
 * Errors: WI_ERR_FORMAT, WI_ERR_UNSUPPORTED, WI_ERR_LIMIT */
wi_status srv_archive_read(const void *bytes, size_t n_bytes, uint64_t max_bytes, srv_archive *out,
                           wi_error *error);
void srv_archive_free(srv_archive *archive);
/* The file's own bytes: entry->n_bytes of them. Owns: the caller frees *out.
 * Errors: WI_ERR_FORMAT when they are not what the archive says */
wi_status srv_entry_unpack(const srv_entry *entry, uint8_t **out, wi_error *error);

#endif
