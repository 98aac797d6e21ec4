#include "base/map.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

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
