/* A file's bytes, read-only: mapped where the system can, so that processes share the pages. */
#ifndef WI_BASE_MAP_H
#define WI_BASE_MAP_H

#include <whatsit/status.h>

typedef struct wi_map {
    const uint8_t *bytes; /* NULL for an empty file */
    size_t n_bytes;
} wi_map;

/* What cannot be mapped, such as a pipe, is read to its end.
 * Errors: WI_ERR_IO (missing, a directory, no permission), WI_ERR_LIMIT when it exceeds the address
 * space, or as a pipe 1 GiB, WI_ERR_NOMEM. The caller closes with wi_map_close. A file that is cut short by someone else while mapped
 * ends the process (SIGBUS); model and head files are replaced by rename, never rewritten in place.
 */
wi_status wi_map_open(const char *path, wi_map *out, wi_error *error);
void wi_map_close(wi_map *map);

#endif
