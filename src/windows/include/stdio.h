/* Paths are UTF-8, files are bytes. */
#ifndef WI_WINDOWS_STDIO_H
#define WI_WINDOWS_STDIO_H

#include_next <stdio.h>
#include <sys/types.h>

FILE *wi_posix_fopen(const char *path, const char *mode);
FILE *wi_posix_freopen(const char *path, const char *mode, FILE *stream);
int wi_posix_fflush(FILE *stream);
int wi_posix_fclose(FILE *stream);
int wi_posix_rename(const char *from, const char *to);
int wi_posix_remove(const char *path);
FILE *open_memstream(char **bytes, size_t *n_bytes);
ssize_t getdelim(char **line, size_t *room, int end, FILE *stream);
ssize_t getline(char **line, size_t *room, FILE *stream);

#undef fopen
#undef freopen
#define fopen wi_posix_fopen
#define freopen wi_posix_freopen
#define fflush(stream) wi_posix_fflush(stream)
#define fclose(stream) wi_posix_fclose(stream)
#define rename wi_posix_rename
#define remove wi_posix_remove

#endif
