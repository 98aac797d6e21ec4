/* Files that appear whole or not at all: written beside, fsynced, renamed. */
#ifndef WI_BASE_FILE_H
#define WI_BASE_FILE_H

#include <stdio.h>
#include <whatsit/status.h>

/* Opaque to users but for passing it on. Lives on the caller's stack between open and
 * commit/abandon. */
typedef struct wi_file_writer {
    FILE *stream;
    char *path, *temporary;
    uint64_t n_bytes;
} wi_file_writer;

/* Opens "PATH.tmp-PID-N" in the same folder. Errors: WI_ERR_IO, WI_ERR_NOMEM. */
wi_status wi_file_writer_open(wi_file_writer *writer, const char *path, wi_error *error);
wi_status wi_file_writer_write(wi_file_writer *writer, const void *bytes, size_t n_bytes,
                               wi_error *error);
/* Pads with zero bytes to a multiple of step. */
wi_status wi_file_writer_align(wi_file_writer *writer, size_t step, wi_error *error);
/* Flushes, fsyncs file and folder, renames. On failure the temporary file is gone and the old one
 * untouched. */
wi_status wi_file_writer_commit(wi_file_writer *writer, wi_error *error);
/* Removes the temporary file. Safe after commit and on a zeroed writer. */
void wi_file_writer_abandon(wi_file_writer *writer);

#endif
