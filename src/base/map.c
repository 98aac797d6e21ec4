/* MAP_ANONYMOUS is of no standard: what comes over a pipe lies in such a mapping, so that closing is
 * the same for all. */
#define _DEFAULT_SOURCE
#include "base/map.h"

#include "base/buffer.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_STREAM_BYTES = 1 << 30, PIECE = 1 << 16 };

static wi_status read_stream(const char *path, int fd, wi_map *map, wi_error *error)
{
    wi_buffer buffer;
    uint8_t *piece = malloc(PIECE);
    ssize_t n = 1;
    wi_status status = piece ? WI_OK : wi_fail_nomem(error, PIECE, "a pipe's bytes");
    wi_buffer_init(&buffer, MAX_STREAM_BYTES);
    while (status == WI_OK && n > 0) {
        n = read(fd, piece, PIECE);
        if (n < 0)
            status = wi_fail_errno(error, path, "cannot read", errno);
        else if (n > 0)
            status = wi_buffer_append(&buffer, piece, (size_t)n, error);
    }
    free(piece);
    if (status != WI_OK) {
        wi_buffer_free(&buffer);
        return status;
    }
    if (buffer.n_bytes > 0) {
        void *p =
            mmap(NULL, buffer.n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) {
            status = wi_fail_nomem(error, buffer.n_bytes, "a pipe's bytes");
        } else {
            memcpy(p, buffer.bytes, buffer.n_bytes);
            *map = (wi_map){p, buffer.n_bytes};
        }
    }
    wi_buffer_free(&buffer);
    return status;
}

wi_status wi_map_open(const char *path, wi_map *out, wi_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return wi_fail_errno(error, path, "cannot open", errno);
    wi_status status = WI_OK;
    struct stat st;
    wi_map map = {NULL, 0};
    if (fstat(fd, &st) != 0) {
        status = wi_fail_errno(error, path, "cannot read its size", errno);
    } else if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)) {
        status = read_stream(path, fd, &map, error);
    } else if (!S_ISREG(st.st_mode)) {
        status = wi_fail(error, WI_ERR_IO, "%s: not a regular file", path);
    } else if (st.st_size > 0) {
        if ((uint64_t)st.st_size > SIZE_MAX / 2) {
            status = wi_fail(error, WI_ERR_LIMIT, "%s: too large for this machine's address space",
                             path);
        } else {
            map.n_bytes = (size_t)st.st_size;
            void *p = mmap(NULL, map.n_bytes, PROT_READ, MAP_SHARED, fd, 0);
            if (p == MAP_FAILED)
                status = wi_fail_errno(error, path, "cannot map", errno);
            else
                map.bytes = p;
        }
    }
    close(fd);
    if (status == WI_OK)
        *out = map;
    return status;
}

void wi_map_close(wi_map *map)
{
    if (map->bytes)
        munmap((void *)(uintptr_t)map->bytes, map->n_bytes);
    map->bytes = NULL;
    map->n_bytes = 0;
}
