/* Files in WebAssembly: there are none. Nothing can be mapped, and what is written goes to memory. */
#include "base/error.h"
#include "base/map.h"
#include "base/sink.h"

#if defined(__wasm__)

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

wi_status wi_sink_to_file(const char *path, uint32_t flags, wi_sink **out, wi_error *error)
{
    (void)flags, (void)out;
    return wi_fail(error, WI_ERR_UNSUPPORTED, "%s: there are no files here", path ? path : "");
}

#endif
