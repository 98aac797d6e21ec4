#ifndef WI_WINDOWS_DIRENT_H
#define WI_WINDOWS_DIRENT_H

enum { WI_NAME_BYTES = 3 * 260 };

struct dirent {
    char d_name[WI_NAME_BYTES];
};

typedef struct wi_posix_folder DIR;

DIR *opendir(const char *path);
struct dirent *readdir(DIR *folder);
int closedir(DIR *folder);

#endif
