#include "image/pictures.h"

#include <whatsit/image.h>

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int is_picture(const struct dirent *entry)
{
    static const char *const endings[] = {".jpg",  ".png",  ".webp", ".gif", ".bmp",
                                          ".heic", ".avif", ".tif",  ".jxl", ".dng"};
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

static bool opens(const picture_file *file)
{
    wi_image *image = NULL;
    bool good = wi_image_from_memory(file->bytes, file->n_bytes, NULL, &image, NULL) == WI_OK;
    wi_image_close(&image);
    return good;
}

/* Those of a folder, appended; only_good: without those that this build does not read, or that are
 * there to be refused. */
static picture_file *read_folder(const char *folder, bool only_good, picture_file *files, size_t *n)
{
    struct dirent **entries = NULL;
    int found = scandir(folder, &entries, is_picture, alphasort);
    assert_true(found > 0);
    files = realloc(files, (*n + (size_t)found) * sizeof *files);
    assert_non_null(files);
    for (int i = 0; i < found; i++) {
        char path[2048];
        picture_file *file = &files[*n];
        snprintf(file->name, sizeof file->name, "%.100s", entries[i]->d_name);
        snprintf(path, sizeof path, "%s/%s", folder, file->name);
        read_one(path, file);
        if (only_good && !opens(file))
            free(file->bytes);
        else
            (*n)++;
        free(entries[i]);
    }
    free(entries);
    return files;
}

picture_file *pictures_read(size_t *n)
{
    *n = 0;
    picture_file *files = read_folder(WHATSIT_SOURCE_DIR "/tests/image/data", false, NULL, n);
    return read_folder(WHATSIT_SOURCE_DIR "/tests/image/photographers", true, files, n);
}

void pictures_free(picture_file *files, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(files[i].bytes);
    free(files);
}
