#ifndef WI_WINDOWS_UNISTD_H
#define WI_WINDOWS_UNISTD_H

#include <sys/types.h>
#include_next <unistd.h>

enum { _SC_NPROCESSORS_ONLN, _SC_PAGESIZE };

int wi_posix_access(const char *path, int how);
int wi_posix_isatty(int fd);
int wi_posix_rmdir(const char *path);
int wi_posix_unlink(const char *path);
ssize_t wi_posix_read(int fd, void *out, size_t n_bytes);
ssize_t wi_posix_write(int fd, const void *bytes, size_t n_bytes);
int fsync(int fd);
int fdatasync(int fd);
int link(const char *from, const char *to);
long sysconf(int what);
ssize_t pread(int fd, void *out, size_t n_bytes, off_t offset);
ssize_t pwrite(int fd, const void *bytes, size_t n_bytes, off_t offset);
/* Of "/proc/self/exe" alone, which is the program's file; of other paths ENOSYS. */
ssize_t readlink(const char *path, char *out, size_t n_bytes);
int symlink(const char *target, const char *path);

#undef read
#undef write
#define read wi_posix_read
#define write wi_posix_write
#define access wi_posix_access
#define isatty wi_posix_isatty
#define rmdir wi_posix_rmdir
#define unlink wi_posix_unlink

#endif
