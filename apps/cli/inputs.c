#include "inputs.h"
#include "seen.h"
#include "term.h"
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <whatsit/image.h>

enum { MAX_DEPTH = 128 };

/* ---- what a name says ---- */

static bool is_excluded(const cli_inputs *in, const char *path, const char *name);

/* Is there a picture in folder of this name with another ending? Then that one is the photo, and this file
 * (its raw numbers, its film) comes along with it (party.h). */
static bool is_companion(const cli_inputs *in, const char *folder, const cli_list *names,
                         const char *name)
{
    size_t n_stem = (size_t)(strrchr(name, '.') - name) + 1; /* the dot too */
    bool found = false;
    for (size_t i = cli_list_lower(names, name, n_stem);
         i < names->n && !found && !strncmp(names->items[i], name, n_stem); i++) {
        bool is_read = false;
        const char *other = names->items[i];
        if (!strchr(other + n_stem, '.') && wi_image_name(other, &is_read) == WI_NAME_PICTURE &&
            is_read) {
            char *path = cli_text("%s/%s", folder, other);
            found = path && !is_excluded(in, path, other);
            free(path);
        }
    }
    return found;
}

bool cli_inputs_is_companion(const cli_list *patterns, const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? cli_text("%.*s", (int)(slash - path), path) : NULL;
    cli_list names = {0};
    bool found = false;
    const wi_name_kind kind = wi_image_name(path, NULL);
    if (folder && (kind == WI_NAME_RAW || kind == WI_NAME_VIDEO)) {
        const cli_inputs in = {.exclude = patterns, .n_operand = strlen(folder)};
        cli_list_names(folder, "", &names);
        cli_list_sort(&names);
        found = is_companion(&in, folder, &names, slash + 1);
    }
    cli_list_free(&names);
    free(folder);
    return found;
}

/* Is the name one of a picture that is to be read? What is not is counted. */
static bool takes_name(cli_inputs *in, const char *folder, const cli_list *names, const char *name)
{
    bool is_read = false;
    wi_name_kind kind = wi_image_name(name, &is_read);
    bool alone = kind == WI_NAME_PICTURE || (kind != WI_NAME_RAW && kind != WI_NAME_VIDEO) ||
                 !is_companion(in, folder, names, name);
    is_read = is_read || (kind == WI_NAME_VIDEO && in->takes_videos);
    if (is_read && alone) {
        return true;
    }
    in->left_out.n_companions += !alone;
    in->left_out.n_videos += alone && kind == WI_NAME_VIDEO;
    in->left_out.n_raw += alone && kind == WI_NAME_RAW;
    in->left_out.n_others += kind == WI_NAME_PICTURE;
    return false;
}

/* Where network storage, systems and tools put thumbnails, what was deleted, and pictures of their
 * own. */
static bool is_tool_folder(const char *name)
{
    static const char *const names[] = {"@eaDir",
                                        "#recycle",
                                        "#snapshot",
                                        "@Recycle",
                                        "@Recently-Snapshot",
                                        "$RECYCLE.BIN",
                                        "System Volume Information",
                                        "RECYCLER",
                                        "lost+found",
                                        "__MACOSX",
                                        "__pycache__",
                                        "node_modules",
                                        "site-packages"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!strcasecmp(name, names[i])) {
            return true;
        }
    }
    return false;
}

/* Photos' own library: the originals, not what it made of them. */
static bool is_library_part(const char *folder, const char *name)
{
    size_t n = strlen(folder);
    while (n > 1 && folder[n - 1] == '/') {
        n--;
    }
    static const char ending[] = ".photoslibrary";
    return n > sizeof ending - 1 &&
           !strncasecmp(folder + n - (sizeof ending - 1), ending, sizeof ending - 1) &&
           strcasecmp(name, "originals") && strcasecmp(name, "Masters");
}

/* A pattern with '/' is compared with the path below the operand, another with the name. */
static bool matches(const char *pattern, const char *below, const char *name)
{
    size_t n = strlen(pattern);
    char *plain = cli_text("%.*s", (int)(n > 1 && pattern[n - 1] == '/' ? n - 1 : n), pattern);
    bool match = plain && !fnmatch(plain, strchr(plain, '/') ? below : name, 0);
    free(plain);
    return match;
}

static bool is_excluded(const cli_inputs *in, const char *path, const char *name)
{
    const char *pattern;
    size_t position = 0;
    bool found = false;
    const char *below = path + in->n_operand;
    below += strspn(below, "/");
    while (!found && in->args && (pattern = cli_args_next(in->args, "exclude", &position))) {
        found = matches(pattern, below, name);
    }
    for (size_t i = 0; in->exclude && i < in->exclude->n && !found; i++) {
        found = matches(in->exclude->items[i], below, name);
    }
    return found;
}

/* Each folder on the way down counts, as in a walk. */
bool cli_inputs_is_excluded(const cli_list *patterns, const char *folder, const char *path)
{
    const cli_inputs in = {.exclude = patterns, .n_operand = strlen(folder)};
    char *part = cli_text("%s", path);
    bool found = false;
    for (size_t at = in.n_operand + 1; part && at <= strlen(path) && !found; at++) {
        if (path[at] == '/' || path[at] == '\0') {
            part[at] = '\0';
            found = is_excluded(&in, part, strrchr(part, '/') + 1);
            part[at] = path[at];
        }
    }
    free(part);
    return found;
}

/* ---- walking ---- */

static void fail(cli_inputs *in, const char *path, const char *why)
{
    cli_error(in->app, "%s: %s", path, why);
    in->status = CLI_FAILED;
}

/* Names in folder that do not begin with a dot, sorted; hidden folders are counted. */
static void read_names(cli_inputs *in, const char *folder, cli_list *names)
{
    DIR *directory = opendir(folder);
    if (!directory) {
        fail(in, folder, strerror(errno));
        return;
    }
    struct dirent *entry;
    while ((errno = 0, entry = readdir(directory))) {
        if (entry->d_name[0] == '.') {
            char *path = cli_text("%s/%s", folder, entry->d_name);
            in->left_out.n_hidden += path && strcmp(entry->d_name, ".") &&
                                     strcmp(entry->d_name, "..") && cli_is_folder(path);
            free(path);
        } else if (!cli_list_add(names, cli_text("%s", entry->d_name))) {
            fail(in, folder, "out of memory");
            break;
        }
    }
    if (!entry &&
        errno != 0) { /* what follows is not known: without a word it would be as if deleted */
        fail(in, folder, strerror(errno));
    }
    closedir(directory);
    cli_list_sort(names);
}

static void walk_folder(cli_inputs *in, const char *folder, const struct stat *info, int depth);

/* Each name once, as long as there is room. */
static void add_tool_folder(cli_left_out *out, const char *name)
{
    char clean[40];
    size_t used = strlen(out->tool_folders);
    cli_printable(name, clean, sizeof clean);
    if (!strstr(out->tool_folders, clean) && used + strlen(clean) + 3 < sizeof out->tool_folders) {
        snprintf(out->tool_folders + used, sizeof out->tool_folders - used, "%s%s",
                 used ? ", " : "", clean);
    }
}

static bool is_same_folder(const char *path, const struct stat *info)
{
    struct stat other;
    return stat(path, &other) == 0 && other.st_dev == info->st_dev && other.st_ino == info->st_ino;
}

/* A folder within one that is walked. */
static void enter(cli_inputs *in, const char *folder, const struct stat *above, const char *path,
                  const char *name, const struct stat *info, int depth)
{
    struct stat itself;
    bool is_link = lstat(path, &itself) == 0 && S_ISLNK(itself.st_mode);
    bool without = in->without && is_same_folder(in->without, info);
    if (in->without_in_it && is_same_folder(in->without, above)) {
        without = without || cli_list_find(in->without_in_it, name) < in->without_in_it->n;
    }
    if (without) {
        return;
    }
    if (is_link && !(in->args && cli_args_has(in->args, "follow"))) {
        in->left_out.n_links++;
    } else if (is_tool_folder(name) || is_library_part(folder, name)) {
        in->left_out.n_tool_folders++;
        add_tool_folder(&in->left_out, name);
    } else {
        walk_folder(in, path, info, depth + 1);
    }
}

/* A place of which nothing can be learned may be a folder of pictures. What a link leads to is not asked for here. */
static void say_unknown(cli_inputs *in, const char *path)
{
    struct stat itself;
    if (lstat(path, &itself) != 0 && errno != ENOENT) {
        fail(in, path, strerror(errno));
    }
}

static void walk_entry(cli_inputs *in, const char *folder, const struct stat *info,
                       const cli_list *names, const char *name, int depth)
{
    struct stat inside;
    size_t n = strlen(folder);
    char *path = cli_text("%s%s%s", folder, n > 0 && folder[n - 1] == '/' ? "" : "/", name);
    if (!path) {
        fail(in, folder, "out of memory");
        return;
    }
    bool there = stat(path, &inside) == 0;
    if (is_excluded(in, path, name)) {
        free(path);
    } else if (there && S_ISDIR(inside.st_mode)) {
        enter(in, folder, info, path, name, &inside, depth);
        free(path);
    } else if ((!there || S_ISREG(inside.st_mode)) && takes_name(in, folder, names, name)) {
        bool first = cli_seen_first(in->seen, info, name), left = !there && in->leaves_dangling;
        in->n_again += !first;
        in->left_out.n_dangling += first && left;
        /* A dangling link that is kept is reported when it is opened. */
        if (!first || left) {
            free(path);
        } else if (!cli_list_add(&in->paths, path)) {
            fail(in, folder, "out of memory");
        }
    } else {
        if (!there) {
            say_unknown(in, path);
        }
        free(path);
    }
}

static void walk_folder(cli_inputs *in, const char *folder, const struct stat *info, int depth)
{
    if (!cli_seen_first(in->seen, info, "")) {
        in->n_again++;
        return;
    }
    if (depth == MAX_DEPTH) {
        fail(in, folder, "folders are nested too deeply here");
        return;
    }
    cli_list names = {0};
    read_names(in, folder, &names);
    for (size_t i = 0; i < names.n && !cli_interrupted(); i++) {
        walk_entry(in, folder, info, &names, names.items[i], depth);
    }
    cli_list_free(&names);
}

/* ---- operands ---- */

void cli_inputs_open(cli_inputs *inputs, cli_app *app, const cli_args *args)
{
    *inputs = (cli_inputs){.app = app, .args = args, .seen = cli_seen_open()};
    if (!inputs->seen) {
        fail(inputs, "folders", "out of memory");
    }
}

/* True the first time that a file is named. */
static bool is_new_file(const cli_inputs *in, const char *path)
{
    struct stat folder;
    const char *slash = strrchr(path, '/');
    char *above =
        slash ? cli_text("%.*s", (int)(slash == path ? 1 : slash - path), path) : cli_text(".");
    bool first = !above || stat(above, &folder) != 0 ||
                 cli_seen_first(in->seen, &folder, slash ? slash + 1 : path);
    free(above);
    return first;
}

int cli_inputs_walk(cli_inputs *in, const char *folder)
{
    struct stat info;
    int before = in->status;
    in->status = CLI_OK;
    in->n_operand = strlen(folder);
    if (!in->seen) {
        in->status = CLI_FAILED;
    } else if (stat(folder, &info) != 0) {
        fail(in, folder, strerror(errno));
    } else {
        walk_folder(in, folder, &info, 0);
    }
    int status = in->status;
    in->status = before == CLI_OK ? status : before;
    return status;
}

/* ", 2 videos" */
static void add_count(char *text, size_t n_text, size_t n, const char *one, const char *many)
{
    size_t used = strlen(text);
    if (n > 0) {
        snprintf(text + used, n_text - used, "%s%zu %s", used ? ", " : "", n, n == 1 ? one : many);
    }
}

/* "left out: 2 videos", or "". */
static void summary(const cli_inputs *in, char *text, size_t n_text)
{
    const cli_left_out *out = &in->left_out;
    text[0] = '\0';
    add_count(text, n_text, out->n_companions, "companion of a photo (film, raw)",
              "companions of photos (films, raw)");
    add_count(text, n_text, out->n_videos, "video", "videos");
    add_count(text, n_text, out->n_raw, "raw photo", "raw photos");
    add_count(text, n_text, out->n_others, "picture of another format",
              "pictures of other formats");
    if (out->n_tool_folders > 0) {
        size_t used;
        add_count(text, n_text, out->n_tool_folders, "folder of a tool", "folders of tools");
        used = strlen(text);
        snprintf(text + used, n_text - used, " (%s)", out->tool_folders);
    }
    add_count(text, n_text, out->n_hidden, "hidden folder", "hidden folders");
    /* Verbs with options of the walk have --follow. */
    add_count(text, n_text, out->n_links,
              in->args ? "link to a folder (--follow goes in)" : "link to a folder",
              in->args ? "links to folders (--follow goes in)" : "links to folders");
    add_count(text, n_text, out->n_dangling, "link to nothing", "links to nothing");
}

void cli_inputs_say(cli_inputs *in)
{
    char text[512];
    summary(in, text, sizeof text);
    if (text[0]) {
        cli_note(in->app, "left out: %s", text);
    }
    in->left_out = (cli_left_out){0};
}

int cli_inputs_add(cli_inputs *in, const char *operand)
{
    struct stat info;
    if (!in->seen) {
        return CLI_FAILED;
    }
    if (strcmp(operand, "-") && stat(operand, &info) == 0 && S_ISDIR(info.st_mode)) {
        size_t n_before = in->paths.n + in->n_again;
        int status = cli_inputs_walk(in, operand);
        if (in->paths.n + in->n_again == n_before && status == CLI_OK && !cli_interrupted()) {
            char text[512];
            summary(in, text, sizeof text);
            in->left_out = (cli_left_out){0};
            cli_error(in->app, "%s: no pictures in this folder%s%s", operand,
                      text[0] ? "; left out: " : "", text);
            status = in->status = CLI_FAILED;
        }
        return status;
    }
    if (strcmp(operand, "-") && !is_new_file(in, operand)) {
        return CLI_OK;
    }
    if (!cli_list_add(&in->paths, cli_text("%s", operand))) {
        fail(in, operand, "out of memory");
        return CLI_FAILED;
    }
    return CLI_OK;
}

void cli_inputs_close(cli_inputs *in)
{
    cli_seen_close(&in->seen);
    cli_list_free(&in->paths);
}

int cli_inputs_read(cli_app *app, const cli_args *args, const char *const *operands, size_t n,
                    cli_list *paths)
{
    cli_inputs in;
    cli_inputs_open(&in, app, args);
    for (size_t i = 0; i < n && !cli_interrupted(); i++) {
        cli_inputs_add(&in, operands[i]);
    }
    cli_inputs_say(&in);
    int status = in.status;
    *paths = in.paths;
    in.paths = (cli_list){0};
    cli_inputs_close(&in);
    return status;
}
