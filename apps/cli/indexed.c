#include "indexed.h"
#include "paths.h"
#include "photo_library.h"
#include "term.h"
#include <pthread.h>
#include <stdlib.h>

typedef struct kept_row {
    struct kept_row *next;
    float values[];
} kept_row;

struct cli_libraries {
    cli_library *all; /* [n] */
    size_t n, dim;
    kept_row *rows;
    pthread_mutex_t turn; /* SQLite's connection is one thread's at a time */
};

/* Without a word where there is nothing to use. */
static bool open_quietly(const cli_runtime *runtime, const char *name, cli_library *out)
{
    const wi_model_info *info = &runtime->info;
    *out = (cli_library){.folder = cli_library_folder(name)};
    char *path = out->folder ? cli_text("%s/catalog.db", out->folder) : NULL;
    char *vectors = out->folder ? cli_text("%s/%.16s", out->folder, info->fingerprint) : NULL;
    wi_index_options options = {
        .dim = info->embedding_dim, .fingerprint = info->fingerprint, .read_only = true};
    wi_index_info has = {0};
    bool good = path && vectors && catalog_open(path, false, &out->cat, NULL) == WI_OK &&
                catalog_find_model(out->cat, info->fingerprint, &out->model, NULL) == WI_OK &&
                wi_index_open(runtime->engine, vectors, &options, &out->index, NULL) == WI_OK &&
                wi_index_get_info(out->index, &has, NULL) == WI_OK &&
                has.n_rows >= (uint64_t)out->model.n_rows;
    free(path);
    free(vectors);
    return good;
}

cli_libraries *cli_libraries_open(const cli_runtime *runtime)
{
    char *folder = cli_data_path("libraries");
    cli_list names = {0};
    cli_libraries *out = calloc(1, sizeof *out);
    if (folder && out) {
        cli_list_names(folder, "", &names);
        out->dim = runtime->info.embedding_dim;
        out->all = calloc(names.n + 1, sizeof *out->all);
    }
    for (size_t i = 0; i < names.n && out && out->all; i++) {
        if (open_quietly(runtime, names.items[i], &out->all[out->n])) {
            out->n++;
        } else {
            cli_library_close(&out->all[out->n]);
        }
    }
    if (out) {
        pthread_mutex_init(&out->turn, NULL);
        if (out->n == 0) {
            cli_libraries_close(&out);
        }
    }
    cli_list_free(&names);
    free(folder);
    return out;
}

void cli_libraries_close(cli_libraries **libraries)
{
    cli_libraries *l = *libraries;
    if (!l) {
        return;
    }
    for (size_t i = 0; i < l->n; i++) {
        cli_library_close(&l->all[i]);
    }
    while (l->rows) {
        kept_row *row = l->rows;
        l->rows = row->next;
        free(row);
    }
    pthread_mutex_destroy(&l->turn);
    free(l->all);
    free(l);
    *libraries = NULL;
}

static bool ask_one(cli_libraries *l, const cli_library *library, const char *path,
                    const catalog_stamp *now, catalog_known *out, const float **values)
{
    if (catalog_find_file(library->cat, library->model.id, path, out, NULL) != WI_OK ||
        out->row < 0 || out->row >= library->model.n_rows || out->stamp.n_bytes != now->n_bytes ||
        out->stamp.mtime_ns != now->mtime_ns || out->stamp.inode != now->inode) {
        return false;
    }
    kept_row *row = malloc(sizeof *row + l->dim * sizeof(float));
    if (!row || wi_index_row(library->index, (uint64_t)out->row, row->values, NULL) != WI_OK) {
        free(row);
        return false;
    }
    row->next = l->rows;
    l->rows = row;
    *values = row->values;
    return true;
}

bool cli_libraries_ask(cli_libraries *l, const char *path, const catalog_stamp *now,
                       catalog_known *out, const float **row)
{
    char *absolute = l ? realpath(path, NULL) : NULL;
    bool found = false;
    if (absolute) {
        pthread_mutex_lock(&l->turn);
        for (size_t i = 0; i < l->n && !found; i++) {
            found = ask_one(l, &l->all[i], absolute, now, out, row);
        }
        pthread_mutex_unlock(&l->turn);
    }
    free(absolute);
    return found;
}
