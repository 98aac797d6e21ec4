#ifndef WI_WINDOWS_SYS_STAT_H
#define WI_WINDOWS_SYS_STAT_H

#include <stdint.h>
#include_next <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#undef stat
#undef fstat
#undef lstat
#undef mkdir
#define dev_t uint64_t
#define ino_t uint64_t
#define stat wi_posix_stat
#define fstat wi_posix_fstat
#define lstat wi_posix_lstat
#define mkdir wi_posix_mkdir
#define st_atime st_atim.tv_sec
#define st_mtime st_mtim.tv_sec
#define st_ctime st_ctim.tv_sec

struct wi_posix_stat {
    uint64_t st_dev, st_ino;
    unsigned st_mode;
    unsigned st_nlink;
    off_t st_size;
    struct timespec st_atim, st_mtim, st_ctim; /* st_ctim: when it was made */
};

int wi_posix_stat(const char *path, struct wi_posix_stat *out);
int wi_posix_lstat(const char *path, struct wi_posix_stat *out);
int wi_posix_fstat(int fd, struct wi_posix_stat *out);
int wi_posix_mkdir(const char *path, unsigned mode);
int fchmod(int fd, unsigned mode);
int futimens(int fd, const struct timespec times[2]);

#define S_IFLNK 0120000
#define S_ISLNK(mode) (((mode) & S_IFMT) == S_IFLNK)

#endif
