/* Files in WebAssembly: there are none. What is written becomes bytes that the page fetches with
 * ww_file; nothing can be mapped. One thread writes. */
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/map.h"

#include <stdlib.h>

#if defined(__wasm__)

/* The last file that was committed, until the next one begins. */
static wi_buffer written;
static bool is_complete;

__attribute__((export_name("ww_file"))) const uint8_t *ww_file(size_t *n_bytes);
const uint8_t *ww_file(size_t *n_bytes)
{
    *n_bytes = is_complete ? written.n_bytes : 0;
    return is_complete ? written.bytes : NULL;
}

__attribute__((export_name("ww_file_forget"))) void ww_file_forget(void);
void ww_file_forget(void)
{
    wi_buffer_free(&written);
    is_complete = false;
}

/* What formatted printing drags in of WASI, though it only ever prints into memory: answered here, so
 * that the module needs nothing of WASI from its page. 8 is WASI's "bad file descriptor". */
enum { BAD_DESCRIPTOR = 8 };
int32_t __imported_wasi_snapshot_preview1_fd_close(int32_t fd);
int32_t __imported_wasi_snapshot_preview1_fd_close(int32_t fd)
{
    (void)fd;
    return BAD_DESCRIPTOR;
}
int32_t __imported_wasi_snapshot_preview1_fd_seek(int32_t fd, int64_t offset, int32_t whence,
                                                  int32_t at);
int32_t __imported_wasi_snapshot_preview1_fd_seek(int32_t fd, int64_t offset, int32_t whence,
                                                  int32_t at)
{
    (void)fd, (void)offset, (void)whence, (void)at;
    return BAD_DESCRIPTOR;
}
int32_t __imported_wasi_snapshot_preview1_fd_write(int32_t fd, int32_t parts, int32_t n,
                                                   int32_t at);
int32_t __imported_wasi_snapshot_preview1_fd_write(int32_t fd, int32_t parts, int32_t n, int32_t at)
{
    (void)fd, (void)parts, (void)n, (void)at;
    return BAD_DESCRIPTOR;
}

wi_status wi_map_open(const char *path, wi_map *out, wi_error *error)
{
    (void)out;
    return wi_fail(error, WI_ERR_UNSUPPORTED, "%s: there are no files here", path);
}

void wi_map_close(wi_map *map)
{
    map->bytes = NULL;
    map->n_bytes = 0;
}

wi_status wi_file_writer_open(wi_file_writer *writer, const char *path, wi_error *error)
{
    (void)path;
    (void)error;
    *writer = (wi_file_writer){NULL, NULL, NULL, 0};
    ww_file_forget();
    wi_buffer_init(&written, SIZE_MAX / 4);
    return WI_OK;
}

wi_status wi_file_writer_write(wi_file_writer *writer, const void *bytes, size_t n_bytes,
                               wi_error *error)
{
    const wi_status status = wi_buffer_append(&written, bytes, n_bytes, error);
    writer->n_bytes += status == WI_OK ? n_bytes : 0;
    return status;
}

wi_status wi_file_writer_align(wi_file_writer *writer, size_t step, wi_error *error)
{
    wi_status status = WI_OK;
    while (writer->n_bytes % step && status == WI_OK)
        status = wi_file_writer_write(writer, "", 1, error);
    return status;
}

wi_status wi_file_writer_commit(wi_file_writer *writer, wi_error *error)
{
    (void)writer;
    (void)error;
    is_complete = true;
    return WI_OK;
}

void wi_file_writer_abandon(wi_file_writer *writer)
{
    (void)writer;
    if (!is_complete)
        ww_file_forget();
}

#endif
