#include "part.h"
#include "load.h"
#include "paths.h"
#include "save.h"
#include "term.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Between two saves, and in times of what a save takes, so that saving stays a small part of the work. */
static const double least_pause_ms = 2000, pause_per_save = 20;

enum { KEPT_DAYS = 7 };

static bool load(void *context, void *bytes, size_t n_bytes)
{
    const cli_part *part = context;
    FILE *file = part->path ? fopen(part->path, "rb") : NULL;
    if (!file) {
        return false;
    }
    bool whole = fread(bytes, 1, n_bytes, file) == n_bytes && fgetc(file) == EOF;
    fclose(file);
    return whole;
}

static bool due(void *context)
{
    const cli_part *part = context;
    return part->path && !part->failed &&
           (cli_interrupted() || cli_now_ms() - part->saved_at >= part->pause_ms);
}

static bool make_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? cli_text("%.*s", (int)(slash - path), path) : NULL;
    bool made = folder && cli_make_folders(folder);
    free(folder);
    return made;
}

static void save(void *context, const void *bytes, size_t n_bytes)
{
    cli_part *part = context;
    cli_save file = {0};
    wi_error error = {0};
    double begun = cli_now_ms();
    wi_status status = make_folder(part->path)
                           ? cli_save_open(&file, part->path, &error)
                           : cli_fail(&error, WI_ERR_IO, "%.150s: %s", part->path, strerror(errno));
    if (status == WI_OK) {
        fwrite(bytes, 1, n_bytes, file.stream);
        status = cli_save_commit(&file, &error);
    }
    cli_save_abandon(&file);
    part->failed = status != WI_OK;
    part->kept = part->kept || !part->failed;
    if (part->failed) {
        cli_note(part->runtime->app, "%s: if head '%s' is interrupted, it begins anew",
                 error.message, part->head);
    }
    part->saved_at = cli_now_ms();
    double pause = pause_per_save * (part->saved_at - begun);
    part->pause_ms = pause > least_pause_ms ? pause : least_pause_ms;
}

static void resumed(void *context, uint64_t done, uint64_t total)
{
    cli_part *part = context;
    part->kept = true;
    cli_note(part->runtime->app, "head '%s': going on where it stopped, after %llu of %llu prompts",
             part->head, (unsigned long long)done, (unsigned long long)total);
}

/* What a build that never went on, or a crash while writing, left in the cache. */
static bool is_remainder(const char *name)
{
    return cli_ends_with(name, ".part") || strstr(name, ".part.tmp-") ||
           strstr(name, ".safetensors.tmp-");
}

static void remove_old_in(const char *folder, const char *own)
{
    cli_list names = {0};
    time_t now = time(NULL);
    cli_list_names(folder, "", &names);
    for (size_t i = 0; i < names.n; i++) {
        struct stat info;
        char *path =
            is_remainder(names.items[i]) ? cli_text("%s/%s", folder, names.items[i]) : NULL;
        if (path && strcmp(path, own) != 0 && lstat(path, &info) == 0 && S_ISREG(info.st_mode) &&
            difftime(now, info.st_mtime) > 24 * 3600.0 * KEPT_DAYS) {
            unlink(path);
        }
        free(path);
    }
    cli_list_free(&names);
}

/* Parts that nobody went on with for some days, of every model; a build under way writes to its own again and again. */
static void remove_old_parts(const char *own)
{
    cli_list models = {0};
    char *root = cli_cache_path("heads");
    cli_list_names(root, "", &models);
    for (size_t i = 0; i < models.n; i++) {
        char *folder = cli_text("%s/%s", root, models.items[i]);
        if (folder) {
            remove_old_in(folder, own);
        }
        free(folder);
    }
    cli_list_free(&models);
    free(root);
}

void cli_part_open(cli_part *part, const cli_runtime *runtime, const char *head, char *path)
{
    *part = (cli_part){.runtime = runtime,
                       .head = head,
                       .path = path,
                       .saved_at = cli_now_ms(),
                       .pause_ms = least_pause_ms,
                       .keeper = {load, due, save, resumed, part}};
    if (path) {
        remove_old_parts(path);
    }
}

void cli_part_close(cli_part *part, int status)
{
    if (part->kept && status == CLI_OK) {
        unlink(part->path);
    } else if (part->kept && status == CLI_INTERRUPTED) {
        cli_note(part->runtime->app, "head '%s': what is done is kept; run it again to go on",
                 part->head);
    }
    free(part->path);
}
