/* As much of it as maps a whole file to read it, or memory of no file. */
#ifndef WI_WINDOWS_SYS_MMAN_H
#define WI_WINDOWS_SYS_MMAN_H

#include <sys/types.h>

enum {
    PROT_NONE = 0,
    PROT_READ = 1,
    PROT_WRITE = 2,
    MAP_SHARED = 1,
    MAP_PRIVATE = 2,
    MAP_ANONYMOUS = 32
};
#define MAP_FAILED ((void *)-1)

void *mmap(void *at, size_t n_bytes, int protection, int flags, int fd, off_t offset);
int mprotect(void *at, size_t n_bytes, int protection);
int munmap(void *at, size_t n_bytes);

#endif
