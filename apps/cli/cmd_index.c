/* A library of photos: made from folders, brought up to date, asked how it is. */
#include "../library/approximate.h"
#include "../library/described.h"
#include "describing.h"
#include "indexing.h"
#include "output.h"
#include "paths.h"
#include "sentences.h"
#include "term.h"
#include "verbs.h"
#include "watch.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const cli_option options[] = {
    {"library", 'l', "NAME", false, "the library (default: photos)", NULL},
    {"status", 0, NULL, false, "only say what it holds", NULL},
    {"forget", 0, "DIR", true, "take a folder out of the library; its photos stay where they are",
     "@dir"},
    {"exclude", 0, "PATTERN", true,
     "leave out files and folders of this name, such as 'thumb_*' or 'old/raw', now and later",
     NULL},
    {"include", 0, "PATTERN", true, "take an earlier --exclude back", NULL},
    {"rebuild", 0, NULL, false, "embed all photos anew", NULL},
    {"approximate", 0, NULL, false,
     "for libraries of millions: make an approximate index, by which a search need not read all "
     "vectors; later runs keep it up to date",
     NULL},
    {"describe", 0, NULL, false,
     "keep a sentence about each photo as well, where one is told, by which it is found, too",
     NULL},
    CLI_DESCRIBER_OPTION,
    {"watch", 'w', NULL, false, "stay, and bring it up to date whenever something changes", NULL},
    {"json", 0, NULL, false, "one JSON object a line", NULL},
    {0},
};

/* From here on a pass over all vectors is felt. */
enum { MANY_ROWS = 2000000 };

/* Is path the folder itself, or below it? */
static bool is_inside(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    return !strncmp(path, folder, n) && (path[n] == '\0' || path[n] == '/' || !strcmp(folder, "/"));
}

/* A folder inside one that is there already is part of it; those inside a new one become part of it. */
static int add_folder(cli_app *app, cli_library *library, const char *operand)
{
    wi_error error = {0};
    catalog_root *roots = NULL;
    size_t n = 0;
    int64_t id = 0;
    bool inside = false;
    char *path = realpath(operand, NULL);
    if (!path || !cli_is_folder(path)) {
        cli_error(app, "%s: %s", operand, path ? "is no folder" : "there is no such folder");
        free(path);
        return CLI_FAILED;
    }
    wi_status status = catalog_roots(library->cat, &roots, &n, &error);
    for (size_t i = 0; i < n; i++) {
        inside = inside || is_inside(path, roots[i].path);
    }
    if (status == WI_OK && !inside) {
        status = catalog_add_root(library->cat, path, &id, &error);
    }
    for (size_t i = 0; i < n && status == WI_OK && !inside; i++) {
        if (is_inside(roots[i].path, path)) {
            status = catalog_merge_root(library->cat, roots[i].id, id, &error);
        }
    }
    catalog_free_roots(roots, n);
    free(path);
    return status == WI_OK ? CLI_OK : cli_failed(app, NULL, &error);
}

static int forget_folder(cli_app *app, cli_library *library, const char *operand)
{
    wi_error error = {0};
    catalog_root *roots = NULL;
    size_t n = 0;
    char *path = realpath(operand, NULL);
    const char *wanted = path ? path : operand; /* it may be gone */
    wi_status status = catalog_roots(library->cat, &roots, &n, &error);
    int result = CLI_FAILED;
    for (size_t i = 0; i < n && status == WI_OK; i++) {
        if (!strcmp(roots[i].path, wanted)) {
            status = catalog_remove_root(library->cat, roots[i].id, &error);
            result = CLI_OK;
        }
    }
    if (status != WI_OK) {
        result = cli_failed(app, NULL, &error);
    } else if (result != CLI_OK) {
        cli_error(app, "%s: is no folder of library '%s': see 'whatsit index --status'", operand,
                  library->name);
    }
    catalog_free_roots(roots, n);
    free(path);
    return result;
}

static int rebuild(const cli_runtime *runtime, const char *name)
{
    wi_error error = {0};
    catalog *cat = NULL;
    char *folder = cli_library_folder(name);
    char *path = folder ? cli_text("%s/catalog.db", folder) : NULL;
    int status = CLI_OK;
    if (path && cli_exists(path) &&
        (catalog_open(path, false, &cat, &error) != WI_OK ||
         catalog_forget_model(cat, runtime->info.fingerprint, &error) != WI_OK)) {
        status = cli_failed(runtime->app, NULL, &error);
    }
    static const char *const endings[] = {"ivf", "s8", "f16"};
    for (size_t i = 0; i < 3 && folder && status == CLI_OK; i++) {
        char *file = cli_text("%s/%.16s.%s", folder, runtime->info.fingerprint, endings[i]);
        if (file) {
            unlink(file);
        }
        free(file);
    }
    catalog_close(&cat);
    free(path);
    free(folder);
    return status;
}

static void say_update(cli_app *app, const cli_library *library, const cli_indexed *done,
                       const cli_described *described, bool json)
{
    if (json) {
        json_t *line =
            json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:f}", "library", library->name, "files",
                      (json_int_t)done->n_files, "videos", (json_int_t)done->n_videos, "new",
                      (json_int_t)done->n_new, "moved", (json_int_t)done->n_known, "gone",
                      (json_int_t)done->n_gone, "unreadable", (json_int_t)done->n_unreadable,
                      "folders_away", (json_int_t)done->n_away, "seconds", done->seconds);
        if (described) {
            json_object_set_new(line, "described", json_integer((json_int_t)described->n_told));
            json_object_set_new(line, "not_told", json_integer((json_int_t)described->n_untold));
        }
        cli_json_line(line);
        fflush(stdout); /* --watch goes on */
        return;
    }
    char videos[48] = "";
    if (done->n_videos > 0) {
        snprintf(videos, sizeof videos, " and %zu video%s", done->n_videos,
                 done->n_videos == 1 ? "" : "s");
    }
    cli_note(
        app,
        "library '%s': %zu pictures%s in its folders; %zu new, %zu moved or copied, %zu gone, %zu "
        "cannot be read (%.1f s)",
        library->name, done->n_files - done->n_videos, videos, done->n_new, done->n_known,
        done->n_gone, done->n_unreadable, done->seconds);
    if (described) {
        cli_note(app, "%zu photos described; of %zu it is not sure enough to tell",
                 described->n_told, described->n_untold);
    }
}

/* n_described: -1 when nothing ever was. */
static void status_json(const cli_runtime *runtime, const cli_library *library,
                        const catalog_counts *counts, int64_t n_described,
                        const catalog_root *roots, size_t n, const cli_list *excludes)
{
    json_t *folders = json_array(), *excluded = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(folders, json_pack("{s:o,s:I}", "path", cli_json_text(roots[i].path),
                                                 "files", (json_int_t)roots[i].n_files));
    }
    for (size_t i = 0; i < excludes->n; i++) {
        json_array_append_new(excluded, cli_json_text(excludes->items[i]));
    }
    cli_json_line(json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:o,s:o,s:o}", "library", library->name,
                            "model", runtime->info.name, "files", (json_int_t)counts->files,
                            "contents", (json_int_t)counts->contents, "embedded",
                            (json_int_t)counts->with_vector, "unreadable",
                            (json_int_t)counts->unreadable, "described",
                            n_described < 0 ? json_null() : json_integer(n_described), "folders",
                            folders, "excluded", excluded));
}

static int say_status(const cli_runtime *runtime, cli_library *library, bool json)
{
    wi_error error = {0};
    catalog_root *roots = NULL;
    catalog_counts counts = {0};
    cli_list excludes = {0};
    int64_t n_described = -1;
    size_t n = 0;
    wi_status status = catalog_roots(library->cat, &roots, &n, &error);
    if (status == WI_OK) {
        status = catalog_excludes(library->cat, &excludes.items, &excludes.n, &error);
    }
    if (status == WI_OK) {
        status = catalog_count(library->cat, library->model.id, &counts, &error);
    }
    if (status == WI_OK) {
        status = described_count(library->cat, &n_described, &error);
    }
    if (status == WI_OK && json) {
        status_json(runtime, library, &counts, n_described, roots, n, &excludes);
    } else if (status == WI_OK) {
        char text[1024];
        printf("library '%s', model %s\n", library->name, runtime->info.name);
        printf("  %lld files of %lld different contents, %lld embedded, %lld cannot be read\n",
               (long long)counts.files, (long long)counts.contents, (long long)counts.with_vector,
               (long long)counts.unreadable);
        if (n_described >= 0) {
            printf("  %lld have a sentence\n", (long long)n_described);
        }
        for (size_t i = 0; i < n; i++) {
            cli_printable(roots[i].path, text, sizeof text);
            printf("  %8lld  %s%s\n", (long long)roots[i].n_files, text,
                   cli_is_folder(roots[i].path) ? "" : "  (not there now)");
        }
        for (size_t i = 0; i < excludes.n; i++) {
            cli_printable(excludes.items[i], text, sizeof text);
            printf("  excluded  %s\n", text);
        }
    }
    cli_list_free(&excludes);
    catalog_free_roots(roots, n);
    return status == WI_OK ? CLI_OK : cli_failed(runtime->app, NULL, &error);
}

static int change_folders(cli_app *app, cli_library *library, const cli_args *args)
{
    int status = CLI_OK;
    const char *folder;
    size_t position = 0;
    while (status == CLI_OK && (folder = cli_args_next(args, "forget", &position))) {
        status = forget_folder(app, library, folder);
    }
    position = 0;
    while (status == CLI_OK && (folder = cli_args_next(args, "exclude", &position))) {
        wi_error error = {0};
        status = catalog_add_exclude(library->cat, folder, &error) == WI_OK
                     ? CLI_OK
                     : cli_failed(app, NULL, &error);
    }
    position = 0;
    while (status == CLI_OK && (folder = cli_args_next(args, "include", &position))) {
        wi_error error = {0};
        status = catalog_remove_exclude(library->cat, folder, &error) == WI_OK
                     ? CLI_OK
                     : cli_failed(app, folder, &error);
    }
    for (size_t i = 0; i < args->n_operands && status == CLI_OK; i++) {
        status = add_folder(app, library, args->operands[i]);
    }
    return status;
}

/* The approximate index: made when it is wanted, and brought up to date where there is one. */
static int update_near(const cli_runtime *runtime, const cli_library *library, bool wanted)
{
    wi_error error = {0};
    cli_meter meter = {runtime->app, "vectors"};
    const wi_progress progress = cli_meter_progress(&meter);
    const uint64_t n_rows = (uint64_t)library->model.n_rows;
    char *path = cli_library_near_path(runtime, library);
    int status = path ? CLI_OK : CLI_FAILED;
    if (path && (wanted || cli_exists(path)) &&
        !approximate_is_current(path, library->index, n_rows)) {
        const wi_status made = approximate_update(
            path, library->index, n_rows, wi_engine_threads(runtime->engine), &progress, &error);
        cli_progress_clear(runtime->app);
        if (made == WI_ERR_UNSUPPORTED && !wanted) { /* what is there goes on serving */
            cli_note(runtime->app, "%s", error.message);
        } else {
            status = made == WI_OK              ? CLI_OK
                     : made == WI_ERR_CANCELLED ? CLI_INTERRUPTED
                                                : cli_failed(runtime->app, NULL, &error);
        }
    } else if (path && !cli_exists(path) && n_rows > MANY_ROWS) {
        cli_note(runtime->app,
                 "each search reads the vectors of all %llu photos; 'whatsit index "
                 "--approximate' makes it quick",
                 (unsigned long long)n_rows);
    }
    free(path);
    return status;
}

static int update(const cli_runtime *runtime, cli_library *library, const cli_args *args)
{
    cli_indexed done;
    cli_described described = {0};
    const bool describes = cli_args_has(args, "describe");
    int status = cli_index_update(runtime, library, &done);
    if (status != CLI_INTERRUPTED && describes) {
        const int told = cli_describe_library(runtime, args, library, &described);
        status = told == CLI_OK ? status : told;
    }
    say_update(runtime->app, library, &done, describes ? &described : NULL,
               cli_args_has(args, "json"));
    return status == CLI_OK ? update_near(runtime, library, cli_args_has(args, "approximate"))
                            : status;
}

/* The folders are watched before they are looked at: what changes meanwhile is for the next round. */
static int watch(const cli_runtime *runtime, cli_library *library, const cli_args *args)
{
    cli_watch watch = {.fd = -1};
    bool told = false;
    int status = CLI_OK;
    while (status != CLI_INTERRUPTED && cli_watch_folders(runtime->app, library->cat, &watch)) {
        status = update(runtime, library, args);
        if (!told && status != CLI_INTERRUPTED) {
            cli_note(runtime->app, "watching; Ctrl-C ends it");
            told = true;
        }
        if (status == CLI_INTERRUPTED || !cli_watch_wait(&watch)) {
            break;
        }
    }
    cli_watch_close(&watch);
    return cli_interrupted() ? CLI_INTERRUPTED : CLI_FAILED;
}

static int run(cli_app *app, const cli_args *args)
{
    cli_runtime runtime = {0};
    cli_library library = {0};
    const char *name;
    bool only_status = cli_args_has(args, "status"), json = cli_args_has(args, "json");
    int status = cli_library_name(args, &name);
    if (status == CLI_OK && only_status &&
        (args->n_operands > 0 || cli_args_has(args, "forget") || cli_args_has(args, "rebuild") ||
         cli_args_has(args, "exclude") || cli_args_has(args, "include") ||
         cli_args_has(args, "watch") || cli_args_has(args, "approximate"))) {
        status = cli_usage(args->verb, "--status changes nothing: leave the rest out");
    }
    if (status == CLI_OK && cli_args_has(args, "describer") && !cli_args_has(args, "describe")) {
        status = cli_usage(args->verb, "--describer goes with --describe");
    }
    if (status != CLI_OK) {
        return status;
    }
    status = cli_runtime_open(app, args, WI_TOWER_IMAGE, &runtime);
    if (status == CLI_OK && cli_args_has(args, "rebuild")) {
        status = rebuild(&runtime, name);
    }
    if (status == CLI_OK) {
        status = cli_library_open(&runtime, name, !only_status, &library);
    }
    if (status == CLI_OK && only_status) {
        status = say_status(&runtime, &library, json);
    } else if (status == CLI_OK) {
        status = change_folders(app, &library, args);
        if (status == CLI_OK) {
            status = cli_args_has(args, "watch") ? watch(&runtime, &library, args)
                                                 : update(&runtime, &library, args);
        }
    }
    cli_library_close(&library);
    cli_runtime_close(&runtime);
    return status;
}

const cli_verb cli_verb_index = {
    .name = "index",
    .operands = "[DIR...]",
    .summary = "remember the photos of folders, to search them at once",
    .details =
        "Embeds the pictures in the folders and below, and keeps what it learnt in a library in "
        "the user's data folder: paths, sizes, a vector and a thumbprint of each photo, not the "
        "photos. "
        "Run it again, without folders, to bring the library up to date: only files that are new "
        "or have "
        "changed are read; those that were moved or renamed are known by their content. It may be "
        "stopped "
        "at any moment and goes on from there.\n\n"
        "With --describe each photo gets a sentence, as 'whatsit describe' tells it, which search "
        "then "
        "reads as well; only photos without one are described.\n\n"
        "A folder that is not there, as on a drive that is not plugged in, keeps its photos. Each "
        "model "
        "has vectors of its own; search uses those of the model in use.",
    .examples = "whatsit index ~/Pictures\n"
                "    make or extend the library\n"
                "whatsit index\n"
                "    bring it up to date\n"
                "whatsit index --describe\n"
                "    bring it up to date, and describe what has no sentence yet\n"
                "whatsit index --status\n"
                "    what it holds\n",
    .complete = "@dir",
    .min_operands = 0,
    .max_operands = SIZE_MAX,
    .shared = CLI_TAKES_MODEL | CLI_TAKES_THREADS,
    .options = options,
    .run = run,
};
