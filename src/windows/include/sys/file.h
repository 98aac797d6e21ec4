#ifndef WI_WINDOWS_SYS_FILE_H
#define WI_WINDOWS_SYS_FILE_H

enum { LOCK_EX = 2, LOCK_NB = 4, LOCK_UN = 8 };

int flock(int fd, int how);

#endif
