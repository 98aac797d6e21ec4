#include "image/pictures.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int is_picture(const struct dirent *entry)
{
    static const char *const endings[] = {".jpg", ".png",  ".webp", ".gif",
                                          ".bmp", ".heic", ".avif"};
    const char *dot = strrchr(entry->d_name, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof endings[0]; i++)
        if (strcmp(dot, endings[i]) == 0)
            return 1;
    return 0;
}

static void read_one(const char *path, picture_file *file)
{
    FILE *stream = fopen(path, "rb");
    assert_non_null(stream);
    assert_int_equal(fseek(stream, 0, SEEK_END), 0);
    long size = ftell(stream);
    assert_true(size > 0);
    rewind(stream);
    file->n_bytes = (size_t)size;
    file->bytes = malloc(file->n_bytes);
    assert_non_null(file->bytes);
    assert_int_equal(fread(file->bytes, 1, file->n_bytes, stream), file->n_bytes);
    fclose(stream);
}

picture_file *pictures_read(size_t *n)
{
    const char *folder = WHATSIT_SOURCE_DIR "/tests/image/data";
    struct dirent **entries = NULL;
    int found = scandir(folder, &entries, is_picture, alphasort);
    assert_true(found > 0);
    picture_file *files = calloc((size_t)found, sizeof *files);
    assert_non_null(files);
    for (int i = 0; i < found; i++) {
        char path[2048];
        snprintf(files[i].name, sizeof files[i].name, "%.100s", entries[i]->d_name);
        snprintf(path, sizeof path, "%s/%s", folder, files[i].name);
        read_one(path, &files[i]);
        free(entries[i]);
    }
    free(entries);
    *n = (size_t)found;
    return files;
}

void pictures_free(picture_file *files, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(files[i].bytes);
    free(files);
}
