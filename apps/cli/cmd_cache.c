/* What the program keeps of photos and heads, to be fast the second time: shown, emptied, switched off. */
#include "args.h"
#include "cache.h"
#include "output.h"
#include "paths.h"
#include "term.h"
#include "verbs.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const cli_option list_options[] = {
    {"json", 0, NULL, false, "one JSON object a line", NULL},
    {0},
};

typedef struct amount {
    size_t n_files;
    uint64_t n_bytes;
    bool failed;
} amount;

/* Adds up what lies below path, and removes it where that is asked for. Links are not followed. */
static void walk(cli_app *app, const char *path, bool remove_it, amount *out)
{
    struct stat info;
    if (lstat(path, &info) != 0) {
        return;
    }
    if (S_ISDIR(info.st_mode)) {
        DIR *directory = opendir(path);
        struct dirent *entry;
        while (directory && (entry = readdir(directory))) {
            char *inside = strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")
                               ? cli_text("%s/%s", path, entry->d_name)
                               : NULL;
            if (inside) {
                walk(app, inside, remove_it, out);
            }
            free(inside);
        }
        if (directory) {
            closedir(directory);
        }
    } else {
        out->n_files++;
        out->n_bytes += (uint64_t)info.st_size;
    }
    if (remove_it && (S_ISDIR(info.st_mode) ? rmdir(path) : unlink(path)) != 0) {
        cli_error(app, "%s: %s", path, strerror(errno));
        out->failed = true;
    }
}

/* The parts of the cache, by what they hold. */
static const struct {
    const char *name, *what;
} parts[] = {
    {"vectors", "vectors of photos in folders that were looked at, by content"},
    {"files.bin", "which file has which content, so that it need not be read again"},
    {"heads", "heads made of words, ready for each model"},
};

static int run_list(cli_app *app, const cli_args *args)
{
    char text[32];
    char *root = cli_cache_root();
    uint64_t total = 0;
    bool json = cli_args_has(args, "json");
    for (size_t i = 0; root && i < sizeof parts / sizeof parts[0]; i++) {
        amount found = {0};
        char *path = cli_text("%s/%s", root, parts[i].name);
        if (path) {
            walk(app, path, false, &found);
        }
        total += found.n_bytes;
        if (json) {
            cli_json_line(json_pack("{s:s,s:o,s:I,s:I}", "part", parts[i].name, "path",
                                    cli_json_text(path ? path : ""), "files",
                                    (json_int_t)found.n_files, "bytes", (json_int_t)found.n_bytes));
        } else {
            printf("%-10s %8s  %s\n", parts[i].name, cli_size_text(found.n_bytes, text),
                   parts[i].what);
        }
        free(path);
    }
    if (!json) {
        printf("%-10s %8s  in %s; photos are %s\n", "all", cli_size_text(total, text),
               root ? root : "no place: HOME is not set",
               cli_cache_is_off() ? "not kept: switched off" : "kept");
    }
    free(root);
    return CLI_OK;
}

static int run_clear(cli_app *app, const cli_args *args)
{
    char text[32];
    char *root = cli_cache_root();
    amount gone = {0};
    (void)args;
    for (size_t i = 0; root && i < sizeof parts / sizeof parts[0]; i++) {
        char *path = cli_text("%s/%s", root, parts[i].name);
        if (path) {
            walk(app, path, true, &gone);
        }
        free(path);
    }
    free(root);
    cli_note(app, "removed %s", cli_size_text(gone.n_bytes, text));
    return gone.failed ? CLI_FAILED : CLI_OK;
}

static int turn(cli_app *app, bool on)
{
    if (!cli_cache_switch(on)) {
        cli_error(app, "the cache cannot be switched: %s", strerror(errno));
        return CLI_FAILED;
    }
    cli_note(app, on ? "vectors of photos are kept again"
                     : "nothing is kept of photos from now on; 'whatsit cache clear' removes what "
                       "is there");
    return CLI_OK;
}

static int run_off(cli_app *app, const cli_args *args)
{
    (void)args;
    return turn(app, false);
}

static int run_on(cli_app *app, const cli_args *args)
{
    (void)args;
    return turn(app, true);
}

static const char about[] =
    "Of every photo in a folder that was looked at (also by rank, sort, eval and training) the "
    "cache "
    "holds its vector, its content's SHA-256, its size and the file's number and time, not its "
    "name "
    "and no picture. From a vector one can tell what a photo roughly shows. The files are readable "
    "by "
    "their owner alone. A photo that is named by itself leaves nothing. --fresh of a verb goes "
    "round "
    "the cache once; 'whatsit index' keeps a library of its own, which this does not touch.";

const cli_verb cli_verb_cache_list = {
    .name = "cache list",
    .operands = "",
    .summary = "show what is kept of photos and heads, and how much",
    .details = about,
    .examples = "whatsit cache list\n    where does it lie?\n",
    .options = list_options,
    .run = run_list,
};

const cli_verb cli_verb_cache_clear = {
    .name = "cache clear",
    .operands = "",
    .summary = "remove all that is kept: it is computed again when needed",
    .details = about,
    .examples = "whatsit cache clear\n    nothing but time is lost\n",
    .run = run_clear,
};

const cli_verb cli_verb_cache_off = {
    .name = "cache off",
    .operands = "",
    .summary = "keep nothing of photos from now on",
    .details = about,
    .examples = "whatsit cache off\n    and 'whatsit cache clear' for what is there\n",
    .run = run_off,
};

const cli_verb cli_verb_cache_on = {
    .name = "cache on",
    .operands = "",
    .summary = "keep vectors of photos again",
    .details = about,
    .examples = "whatsit cache on\n    the second look at a folder is quick again\n",
    .run = run_on,
};
