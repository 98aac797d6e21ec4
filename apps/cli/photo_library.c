#include "photo_library.h"
#include "paths.h"
#include "term.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int cli_library_name(const cli_args *args, const char **out)
{
    const char *name = cli_args_value(args, "library");
    *out = name ? name : "photos";
    return cli_name_ok(*out) ? CLI_OK
                             : cli_usage(args->verb, "'%s' cannot be the name of a library", *out);
}

char *cli_library_folder(const char *name)
{
    char *all = cli_data_path("libraries");
    char *folder = all ? cli_text("%s/%s", all, name) : NULL;
    free(all);
    return folder;
}

static int open_catalog(const cli_runtime *runtime, bool writing, cli_library *library)
{
    wi_error error = {0};
    char *path = cli_text("%s/catalog.db", library->folder);
    if (!path) {
        cli_error(runtime->app, "out of memory");
        return CLI_FAILED;
    }
    if (!writing && !cli_exists(path)) {
        cli_error(runtime->app,
                  "there is no library '%s' yet: make it with 'whatsit index DIR%s%s'",
                  library->name, strcmp(library->name, "photos") ? " --library " : "",
                  strcmp(library->name, "photos") ? library->name : "");
        free(path);
        return CLI_FAILED;
    }
    wi_status status = catalog_open(path, writing, &library->cat, &error);
    free(path);
    return status == WI_OK ? CLI_OK : cli_failed(runtime->app, NULL, &error);
}

/* Rows that the catalogue does not know of are those of a run that was killed. */
static int agree(const cli_runtime *runtime, cli_library *library)
{
    wi_error error = {0};
    wi_index_info info;
    uint64_t n = (uint64_t)library->model.n_rows;
    wi_status status = wi_index_get_info(library->index, &info, &error);
    if (status == WI_OK && info.n_rows < n) {
        cli_error(
            runtime->app,
            "library '%s': vectors of %llu photos are gone from %s: run 'whatsit index --rebuild'",
            library->name, (unsigned long long)(n - info.n_rows), library->folder);
        return CLI_FAILED;
    }
    if (status == WI_OK) {
        status = wi_index_keep(library->index, n, &error);
    }
    return status == WI_OK ? CLI_OK : cli_failed(runtime->app, NULL, &error);
}

static int open_vectors(const cli_runtime *runtime, bool writing, cli_library *library)
{
    wi_error error = {0};
    const wi_model_info *info = &runtime->info;
    wi_status status =
        writing ? catalog_add_model(library->cat, info->fingerprint, info->name, &library->model,
                                    &error)
                : catalog_find_model(library->cat, info->fingerprint, &library->model, &error);
    if (status == WI_ERR_NOT_FOUND) {
        cli_error(runtime->app,
                  "library '%s' holds nothing of model %s: run 'whatsit index' with this model",
                  library->name, info->name);
        return CLI_FAILED;
    }
    char *path = cli_text("%s/%.16s", library->folder, info->fingerprint);
    wi_index_options options = {
        .dim = info->embedding_dim, .fingerprint = info->fingerprint, .read_only = !writing};
    if (status == WI_OK && !path) {
        cli_error(runtime->app, "out of memory");
        return CLI_FAILED;
    }
    if (status == WI_OK) {
        status = wi_index_open(runtime->engine, path, &options, &library->index, &error);
    }
    free(path);
    return status == WI_OK ? agree(runtime, library) : cli_failed(runtime->app, NULL, &error);
}

int cli_library_open(const cli_runtime *runtime, const char *name, bool writing, cli_library *out)
{
    *out = (cli_library){.name = name, .folder = cli_library_folder(name)};
    if (!out->folder) {
        cli_error(runtime->app, "there is no home folder to keep a library in: set XDG_DATA_HOME");
        return CLI_FAILED;
    }
    if (writing && !cli_make_folders(out->folder)) {
        cli_error(runtime->app, "%s: cannot make the folder: %s", out->folder, strerror(errno));
        return CLI_FAILED;
    }
    int status = open_catalog(runtime, writing, out);
    return status == CLI_OK ? open_vectors(runtime, writing, out) : status;
}

void cli_library_close(cli_library *library)
{
    wi_index_close(&library->index);
    catalog_close(&library->cat);
    free(library->folder);
    *library = (cli_library){0};
}

char *cli_library_near_path(const cli_runtime *runtime, const cli_library *library)
{
    return cli_text("%s/%.16s.ivf", library->folder, runtime->info.fingerprint);
}
