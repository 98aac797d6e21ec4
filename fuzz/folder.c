#define _XOPEN_SOURCE 700 /* mkdtemp */
#include "folder.h"

#include "checkpoint/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64], written[16][40];
static size_t n_written;

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void remove_all(void)
{
    for (size_t i = 0; i < n_written; i++)
        unlink(folder_path(written[i]));
    rmdir(folder);
}

const char *folder_path(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    if (!folder[0]) {
        strcpy(folder, "/tmp/whatsit-fuzz-XXXXXX");
        require(mkdtemp(folder) != NULL);
        atexit(remove_all);
    }
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

void folder_write(const char *name, const void *bytes, size_t n_bytes)
{
    FILE *file = fopen(folder_path(name), "wb");
    require(file != NULL);
    require(fwrite(bytes, 1, n_bytes, file) == n_bytes);
    require(fclose(file) == 0);
    for (size_t i = 0; i < n_written; i++)
        if (strcmp(written[i], name) == 0)
            return;
    require(n_written < sizeof written / sizeof *written && strlen(name) < sizeof *written);
    strcpy(written[n_written++], name);
}

void folder_remove(const char *name)
{
    unlink(folder_path(name));
}

void folder_copy(const char *base, const char *name)
{
    char path[512];
    static uint8_t bytes[1 << 16];
    snprintf(path, sizeof path, "%s/fuzz/base/%s", WHATSIT_SOURCE_DIR, base);
    FILE *file = fopen(path, "rb");
    require(file != NULL);
    size_t n = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    require(n > 0 && n < sizeof bytes);
    folder_write(name, bytes, n);
}

static void read_rows(const wi_source *source)
{
    for (size_t i = 0; i < source->n_bindings; i++) {
        wi_raw raw;
        require(wi_source_get(source, source->bindings[i].name, &raw));
        require(raw.n_rows > 0 && raw.n_cols > 0);
        float *row = malloc(raw.n_cols * sizeof *row);
        require(row != NULL);
        wi_raw_read_rows(&raw, 0, 1, row);
        wi_raw_read_rows(&raw, raw.n_rows - 1, 1, row);
        free(row);
    }
}

void folder_open_source(const char *name)
{
    wi_source *source = NULL;
    wi_error error = {0};
    wi_status status = wi_source_open(folder_path(name), NULL, &source, &error);
    require((status == WI_OK) == (source != NULL));
    require(status == WI_OK || (error.status == status && error.message[0]));
    if (!source)
        return;
    size_t n_merges;
    require(wi_params_check(wi_source_params(source), NULL) == WI_OK);
    require(wi_source_name(source) && wi_source_licence(source) && wi_source_format(source));
    (void)wi_source_merges(source, &n_merges);
    read_rows(source);
    wi_source_close(&source);
}
