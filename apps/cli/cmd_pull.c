/* Bringing a model from a hub: look, show the size, fetch, convert. */
#include "hub.h"
#include "load.h"
#include "output.h"
#include "paths.h"
#include "pull.h"
#include "runtime.h"
#include "term.h"
#include "verbs.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { MAX_FILES = 128 };

static const cli_option options[] = {
    {"name", 'n', "NAME", false, "call it NAME here (default: the short name, or the repository's)",
     NULL},
    {"type", 'w', "TYPE", false, "keep weights as f32, f16, bf16 or int8 (default: int8)",
     "f32 f16 bf16 int8"},
    {"force", 0, NULL, false, "bring it again even if it is here", NULL},
    {"accept", 0, NULL, false, "agree to a licence that allows research or non-commercial use only",
     NULL},
    {"revision", 'r', "REV", false, "a branch, tag or commit of the repository (default: main)",
     NULL},
    {"keep", 0, NULL, false, "keep the downloaded files after converting", NULL},
    {0},
};

/* One run. */
typedef struct job {
    cli_app *app;
    const cli_args *args;
    cli_hub *hub;
    const char *name, *repository;
    const cli_alias *alias; /* NULL: OWNER/NAME was given */
    char *folder, *target;  /* of the download; the model's file */
    int lock;
    struct {
        char *name;
        cli_hub_file about;
    } files[MAX_FILES];
    size_t n_files;
    wi_weights weights;
} job;

static bool part_ok(const char *text, size_t n)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    if (n == 0 || n > 96 || text[0] == '.' || text[0] == '-') {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!strchr(allowed, text[i]) || (text[i] == '.' && i + 1 < n && text[i + 1] == '.')) {
            return false;
        }
    }
    return true;
}

/* OWNER/NAME, with nothing in it that could leave a folder or change the address. */
static bool repository_ok(const char *text)
{
    const char *slash = strchr(text, '/');
    return slash && part_ok(text, (size_t)(slash - text)) && part_ok(slash + 1, strlen(slash + 1));
}

/* Asks for one file and puts it on the list. WI_ERR_NOT_FOUND is left to the caller. */
static wi_status plan_file(job *j, const char *name, wi_error *error)
{
    cli_hub_file about;
    if (j->n_files == MAX_FILES) {
        return cli_fail(error, WI_ERR_LIMIT, "%s has too many files", j->repository);
    }
    wi_status status = cli_hub_look(j->hub, j->repository, name, &about, error);
    if (status != WI_OK) {
        return status;
    }
    j->files[j->n_files].name = cli_text("%s", name);
    j->files[j->n_files].about = about;
    if (!j->files[j->n_files].name) {
        return cli_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    j->n_files++;
    return WI_OK;
}

/* Absent is fine. */
static wi_status plan_optional(job *j, const char *name, bool *there, wi_error *error)
{
    wi_status status = plan_file(j, name, error);
    *there = status == WI_OK;
    return status == WI_ERR_NOT_FOUND ? WI_OK : status;
}

static void forget_plan(job *j)
{
    for (size_t i = 0; i < j->n_files; i++) {
        free(j->files[i].name);
    }
    j->n_files = 0;
}

static wi_status plan_shard(job *j, const char *name, const char *ending, wi_error *error)
{
    for (size_t i = 0; i < j->n_files; i++) {
        if (!strcmp(j->files[i].name, name)) {
            return WI_OK;
        }
    }
    if (!part_ok(name, strlen(name)) || !cli_ends_with(name, ending)) {
        return cli_fail(error, WI_ERR_FORMAT, "%.80s names a file that is refused: '%.80s'",
                        j->repository, name);
    }
    return plan_file(j, name, error);
}

/* The shards that an index names. */
static wi_status plan_shards(job *j, const char *index_name, const char *ending, wi_error *error)
{
    cli_hub_file about;
    json_error_t why;
    const char *key;
    json_t *value;
    wi_status status = cli_hub_look(j->hub, j->repository, index_name, &about, error);
    if (status == WI_OK) {
        status = plan_file(j, index_name, error);
    }
    if (status != WI_OK) {
        return status;
    }
    char *path = cli_text("%s/%s", j->folder, index_name);
    status = path ? cli_hub_fetch(j->hub, j->repository, index_name, &about, path, error)
                  : cli_fail(error, WI_ERR_NOMEM, "out of memory");
    json_t *index = status == WI_OK ? json_load_file(path, 0, &why) : NULL;
    json_t *map = json_object_get(index, "weight_map");
    if (status == WI_OK && !json_is_object(map)) {
        status = cli_fail(error, WI_ERR_FORMAT, "%s: no list of shards in it", index_name);
    }
    json_object_foreach(map, key, value)
    {
        if (status == WI_OK) {
            status = json_is_string(value)
                         ? plan_shard(j, json_string_value(value), ending, error)
                         : cli_fail(error, WI_ERR_FORMAT, "%s: not a list of shards", index_name);
        }
    }
    json_decref(index);
    free(path);
    return status;
}

/* CLIP's two lists, or whatever other tokenizers are kept in. */
static wi_status plan_tokenizer(job *j, wi_error *error)
{
    static const char *const names[] = {"tokenizer_config.json", "tokenizer.json", "spiece.model",
                                        "tokenizer.model", "vocab.txt"};
    bool merges = false, vocabulary = false, there = false;
    wi_status status = plan_optional(j, "merges.txt", &merges, error);
    if (status == WI_OK && merges) {
        status = plan_optional(j, "vocab.json", &vocabulary, error);
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (status == WI_OK && !(merges && vocabulary)) {
            status = plan_optional(j, names[i], &there, error);
        }
    }
    return status;
}

static wi_status plan_hugging_face(job *j, wi_error *error)
{
    bool weights = false, there = false;
    wi_status status = plan_file(j, "config.json", error);
    if (status == WI_OK) {
        status = plan_optional(j, "model.safetensors", &weights, error);
    }
    if (status == WI_OK && !weights) {
        status = plan_shards(j, "model.safetensors.index.json", ".safetensors", error);
        weights = status == WI_OK;
        status = status == WI_ERR_NOT_FOUND ? WI_OK : status;
    }
    if (status == WI_OK && !weights) { /* a pickle, of which nothing is run */
        status = plan_optional(j, "pytorch_model.bin", &weights, error);
    }
    if (status == WI_OK && !weights) {
        return cli_fail(error, WI_ERR_NOT_FOUND,
                        "%.60s has no %.80s with safetensors or PyTorch weights",
                        cli_hub_address(j->hub), j->repository);
    }
    return status == WI_OK ? plan_optional(j, "preprocessor_config.json", &there, error) : status;
}

/* Which files make the model: an open_clip folder when there is one, else a Hugging Face one. */
static wi_status plan(job *j, wi_error *error)
{
    bool config = false, weights = false;
    wi_status status = plan_optional(j, "open_clip_config.json", &config, error);
    if (status == WI_OK && config) {
        status = plan_optional(j, "open_clip_model.safetensors", &weights, error);
    }
    if (status == WI_OK && config && !weights) {
        status = plan_optional(j, "open_clip_pytorch_model.bin", &weights, error);
    }
    if (status == WI_OK && !weights) {
        forget_plan(j);
        status = plan_hugging_face(j, error);
    }
    return status == WI_OK ? plan_tokenizer(j, error) : status;
}

/* ---- licences ---- */

/* "license: mit" in the front matter of a model card; "" when it says nothing. */
static void licence_of_card(const char *path, char *out, size_t n_out)
{
    char line[256];
    FILE *card = fopen(path, "r");
    bool inside = false;
    out[0] = '\0';
    for (int i = 0; card && i < 400 && fgets(line, sizeof line, card); i++) {
        if (!strncmp(line, "---", 3)) {
            if (inside) {
                break;
            }
            inside = true;
        } else if (inside &&
                   (!strncmp(line, "license:", 8) || !strncmp(line, "license_name:", 13))) {
            const char *value = strchr(line, ':') + 1;
            value += strspn(value, " \t\"'");
            const bool other = !strncmp(value, "other", 5);
            if (!other || !out[0]) {
                snprintf(out, n_out, "%.*s", (int)strcspn(value, " \t\"'\r\n"), value);
            }
        }
    }
    if (card) {
        fclose(card);
    }
}

/* The repository's card: who gives an OWNER/NAME is told its licence too, before weights come. */
static wi_status read_card(job *j, char *licence, size_t n_licence, wi_error *error)
{
    static const char name[] = "README.md";
    cli_hub_file about;
    licence[0] = '\0';
    wi_status status = cli_hub_look(j->hub, j->repository, name, &about, error);
    if (status == WI_ERR_NOT_FOUND) {
        return WI_OK;
    }
    char *path = status == WI_OK ? cli_text("%s/%s", j->folder, name) : NULL;
    if (status == WI_OK) {
        status = path ? cli_hub_fetch(j->hub, j->repository, name, &about, path, error)
                      : cli_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    if (status == WI_OK) {
        licence_of_card(path, licence, n_licence);
    }
    free(path);
    return status;
}

/* Weights that not everybody may use are brought only when that was read. */
static wi_status agree(job *j, const char *licence, cli_use use, wi_error *error)
{
    char answer[16] = "";
    if (use == CLI_USE_FREE || cli_args_has(j->args, "accept")) {
        return WI_OK;
    }
    if (isatty(STDIN_FILENO) && j->app->err_terminal) {
        fprintf(stderr, "Its licence (%s) is %s. Bring it? [y/N] ", licence, cli_use_text(use));
        if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y')) {
            return WI_OK;
        }
    }
    return cli_fail(error, WI_ERR_ARG,
                    "%.80s: its licence (%.40s) is %s; --accept says that you read it and agree",
                    j->name, licence, cli_use_text(use));
}

static wi_status tell_licence(job *j, wi_error *error)
{
    char licence[64];
    if (j->alias) {
        char accuracy[48] = "";
        if (j->alias->accuracy > 0) {
            snprintf(accuracy, sizeof accuracy, "%.1f %% on ImageNet from words; ",
                     j->alias->accuracy);
        }
        cli_note(j->app, "%s: %s; %slicence %s, %s", j->name, j->alias->about, accuracy,
                 j->alias->licence, cli_use_text(j->alias->use));
        return agree(j, j->alias->licence, j->alias->use, error);
    }
    wi_status status = read_card(j, licence, sizeof licence, error);
    if (status != WI_OK || !licence[0]) {
        return status;
    }
    cli_note(j->app, "%s: licence %s, %s", j->name, licence,
             cli_use_text(cli_licence_use(licence)));
    return agree(j, licence, cli_licence_use(licence), error);
}

static uint64_t total_bytes(const job *j)
{
    uint64_t total = 0;
    for (size_t i = 0; i < j->n_files; i++) {
        uint64_t n = j->files[i].about.n_bytes;
        total = total + n < total ? UINT64_MAX : total + n;
    }
    return total;
}

/* What is here already from an earlier try does not need room again. */
static uint64_t bytes_here(const job *j)
{
    uint64_t here = 0;
    for (size_t i = 0; i < j->n_files; i++) {
        struct stat info;
        char *path = cli_text("%s/%s", j->folder, j->files[i].name),
             *part = cli_text("%s.part", path);
        if (path && stat(path, &info) == 0) {
            here += (uint64_t)info.st_size;
        } else if (part && stat(part, &info) == 0) {
            here += (uint64_t)info.st_size;
        }
        free(path);
        free(part);
    }
    return here;
}

static wi_status check_room(const job *j, wi_error *error)
{
    struct statvfs info;
    char needs[24], has[24];
    uint64_t total = total_bytes(j), here = bytes_here(j);
    if (statvfs(j->folder, &info) != 0) {
        return WI_OK;
    }
    uint64_t room = (uint64_t)info.f_bavail * info.f_frsize;
    uint64_t left = total > here ? total - here : 0;
    if (left > room) {
        return cli_fail(error, WI_ERR_IO,
                        "%.120s: the disk is too full: %s are needed, %s are free", j->folder,
                        cli_size_text(left, needs), cli_size_text(room, has));
    }
    return WI_OK;
}

/* A file of an earlier try counts when its size and checksum are right. */
static bool is_here(const job *j, size_t i, const char *path)
{
    char hex[65];
    wi_error error;
    struct stat info;
    const cli_hub_file *about = &j->files[i].about;
    return about->sha256[0] && stat(path, &info) == 0 && (uint64_t)info.st_size == about->n_bytes &&
           cli_file_sha256(path, hex, &error) == WI_OK && !strcmp(hex, about->sha256);
}

static wi_status fetch_all(job *j, wi_error *error)
{
    wi_status status = WI_OK;
    for (size_t i = 0; i < j->n_files && status == WI_OK; i++) {
        char *path = cli_text("%s/%s", j->folder, j->files[i].name);
        if (!path) {
            return cli_fail(error, WI_ERR_NOMEM, "out of memory");
        }
        if (!is_here(j, i, path)) {
            status = cli_hub_fetch(j->hub, j->repository, j->files[i].name, &j->files[i].about,
                                   path, error);
        }
        free(path);
    }
    cli_progress_clear(j->app);
    return status;
}

static wi_status convert(job *j, const char *folder, wi_error *error)
{
    wi_engine *engine = NULL;
    cli_meter meter = {j->app, "converting"};
    char *source = cli_text("%s/%s", cli_hub_address(j->hub), j->repository);
    wi_convert_options how = {.weights = j->weights,
                              .name = j->name,
                              .source = source,
                              .progress = cli_meter_progress(&meter)};
    wi_status status = wi_engine_open(&(wi_engine_options){0}, &engine, error);
    if (status == WI_OK) {
        status = wi_model_convert(engine, folder, j->target, &how, error);
    }
    cli_progress_clear(j->app);
    wi_engine_close(&engine);
    free(source);
    return status;
}

static void remove_download(job *j)
{
    DIR *directory = opendir(j->folder);
    struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        char *path = cli_text("%s/%s", j->folder, entry->d_name);
        if (path && strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) {
            unlink(path);
        }
        free(path);
    }
    if (directory) {
        closedir(directory);
    }
    rmdir(j->folder);
}

/* Makes the download folder and keeps other runs out of it. */
static wi_status open_folder(job *j, wi_error *error)
{
    char *root = cli_cache_path("downloads");
    const char *slash = strchr(j->repository, '/');
    free(j->folder);
    j->folder = root
                    ? cli_text("%s/%.*s--%s%s%s", root, (int)(slash - j->repository), j->repository,
                               slash + 1, cli_args_has(j->args, "revision") ? "@" : "",
                               cli_args_has(j->args, "revision") ? cli_hub_revision(j->hub) : "")
                    : NULL;
    free(root);
    if (!j->folder) {
        return cli_fail(error, WI_ERR_IO,
                        "no home folder to download to: set HOME or XDG_CACHE_HOME");
    }
    if (!cli_make_folders(j->folder)) {
        return cli_fail(error, WI_ERR_IO, "%.150s: cannot make the folder: %s", j->folder,
                        strerror(errno));
    }
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char *path = cli_text("%s/.lock", j->folder);
    if (j->lock >= 0) {
        close(j->lock);
    }
    j->lock = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666) : -1;
    free(path);
    if (j->lock < 0) {
        return cli_fail(error, WI_ERR_IO, "%.150s: cannot write: %s", j->folder, strerror(errno));
    }
    if (fcntl(j->lock, F_SETLK, &lock) != 0) {
        return cli_fail(error, WI_ERR_IO, "another 'whatsit pull' is bringing this model just now");
    }
    return WI_OK;
}

/* The hub's own cache folder, where its Python package keeps what it fetched, when the whole model
 * lies there: snapshots/COMMIT, to which refs/REVISION leads. */
static char *cached_snapshot(const job *j)
{
    static const char *const pairs[][2] = {{"open_clip_config.json", "open_clip_model.safetensors"},
                                           {"open_clip_config.json", "open_clip_pytorch_model.bin"},
                                           {"config.json", "model.safetensors"},
                                           {"config.json", "model.safetensors.index.json"},
                                           {"config.json", "pytorch_model.bin"}};
    char *root = cli_hub_cache_folder(), commit[96] = "";
    const char *slash = strchr(j->repository, '/'), *revision = cli_hub_revision(j->hub);
    char *base = root ? cli_text("%s/models--%.*s--%s", root, (int)(slash - j->repository),
                                 j->repository, slash + 1)
                      : NULL;
    char *ref = base ? cli_text("%s/refs/%s", base, revision) : NULL;
    FILE *file = ref ? fopen(ref, "r") : NULL;
    if (file && !fgets(commit, sizeof commit, file)) {
        commit[0] = '\0';
    }
    if (file) {
        fclose(file);
    }
    commit[strcspn(commit, "\r\n")] = '\0';
    const char *named = commit[0] ? commit : revision;
    char *folder =
        base && part_ok(named, strlen(named)) ? cli_text("%s/snapshots/%s", base, named) : NULL;
    bool whole = false;
    for (size_t i = 0; folder && i < sizeof pairs / sizeof pairs[0] && !whole; i++) {
        char *config = cli_text("%s/%s", folder, pairs[i][0]);
        char *weights = cli_text("%s/%s", folder, pairs[i][1]);
        whole = config && weights && cli_exists(config) && cli_exists(weights);
        free(config);
        free(weights);
    }
    if (!whole) {
        free(folder);
        folder = NULL;
    }
    free(root);
    free(base);
    free(ref);
    return folder;
}

/* *done: the model was made of what lies in the hub's cache. What cannot be made of it is fetched. */
static wi_status use_cache(job *j, bool *done, wi_error *error)
{
    char *folder = cli_args_has(j->args, "force") ? NULL : cached_snapshot(j);
    *done = false;
    if (!folder) {
        return WI_OK;
    }
    if (j->alias) {
        const wi_status status = tell_licence(j, error);
        if (status != WI_OK) {
            free(folder);
            return status;
        }
    }
    cli_note(j->app, "%s: from %s, where it lies already (--force fetches it anew)", j->name,
             folder);
    wi_error why = {0};
    *done = convert(j, folder, &why) == WI_OK;
    if (!*done && why.status == WI_ERR_CANCELLED) {
        *error = why;
        free(folder);
        return WI_ERR_CANCELLED;
    }
    if (!*done) {
        cli_note(j->app, "%s; fetching it", why.message);
    }
    free(folder);
    return WI_OK;
}

static wi_status pull_repository(job *j, wi_error *error)
{
    char size[24];
    bool done = false;
    wi_status status = use_cache(j, &done, error);
    if (status != WI_OK || done) {
        return status;
    }
    status = open_folder(j, error);
    if (status == WI_OK) {
        status = plan(j, error);
    }
    if (status == WI_OK) {
        status = tell_licence(j, error);
    }
    if (status != WI_OK) {
        return status;
    }
    cli_note(j->app, "%s: %s in %zu files from %s/%s", j->name, cli_size_text(total_bytes(j), size),
             j->n_files, cli_hub_address(j->hub), j->repository);
    status = check_room(j, error);
    if (status == WI_OK) {
        status = fetch_all(j, error);
    }
    if (status == WI_OK) {
        status = convert(j, j->folder, error);
    }
    if (status == WI_OK && !cli_args_has(j->args, "keep")) {
        remove_download(j);
    }
    return status;
}

static int pull(job *j, const cli_alias *alias)
{
    wi_error error = {0};
    wi_status status = cli_hub_open(j->app, cli_args_value(j->args, "revision"), &j->hub, &error);
    j->alias = alias;
    if (status == WI_OK && alias) {
        for (size_t i = 0; alias->repositories[i]; i++) {
            j->repository = alias->repositories[i];
            status = pull_repository(j, &error);
            if (status != WI_ERR_NOT_FOUND) {
                break;
            }
            if (j->folder) {
                remove_download(j);
            }
            forget_plan(j);
        }
    } else if (status == WI_OK) {
        status = pull_repository(j, &error);
    }
    cli_progress_clear(j->app);
    if (status == WI_ERR_NOT_FOUND && j->folder) {
        remove_download(j);
    }
    return status == WI_OK ? CLI_OK : cli_failed(j->app, NULL, &error);
}

static int prepare(job *j)
{
    char *folder = cli_data_path("models");
    if (!folder) {
        cli_error(j->app, "no home folder to keep models in: set HOME or XDG_DATA_HOME");
        return CLI_FAILED;
    }
    int status = CLI_OK;
    if (!cli_make_folders(folder)) {
        cli_error(j->app, "%s: cannot make the folder: %s", folder, strerror(errno));
        status = CLI_FAILED;
    } else {
        j->target = cli_text("%s/%s.gguf", folder, j->name);
        status = j->target ? CLI_OK : CLI_FAILED;
    }
    free(folder);
    return status;
}

static int run(cli_app *app, const cli_args *args)
{
    const char *what = args->operands[0];
    const cli_alias *alias = cli_pull_alias(what);
    job j = {.app = app, .args = args, .lock = -1};
    if (!alias && !repository_ok(what)) {
        return cli_usage(args->verb,
                         "'%s' is neither a short name (b32, b16, l14, ...) nor OWNER/NAME", what);
    }
    const char *revision = cli_args_value(args, "revision");
    if (revision && !part_ok(revision, strlen(revision))) {
        return cli_usage(args->verb, "--revision '%s' is no name of a branch, a tag or a commit",
                         revision);
    }
    j.repository = alias ? alias->repositories[0] : what;
    j.name = cli_args_value(args, "name");
    j.name = j.name ? j.name : alias ? alias->name : strchr(what, '/') + 1;
    if (!cli_name_ok(j.name)) {
        return cli_usage(args->verb,
                         "'%s' cannot be a model's name: no '/', no '.' or '-' in front", j.name);
    }
    int status = cli_weights_option(args, WI_WEIGHTS_INT8, &j.weights);
    if (status == CLI_OK) {
        status = prepare(&j);
    }
    if (status == CLI_OK && cli_exists(j.target) && !cli_args_has(args, "force")) {
        cli_note(app, "%s is here already: use it with --model %s (--force brings it again)",
                 j.name, j.name);
    } else if (status == CLI_OK) {
        status = pull(&j, alias);
        if (status == CLI_OK) {
            cli_note(app, "%s is here: use it with --model %s, or for good with WHATSIT_MODEL=%s",
                     j.name, j.name, j.name);
        }
    }
    forget_plan(&j);
    cli_hub_close(&j.hub);
    if (j.lock >= 0) {
        close(j.lock);
    }
    free(j.folder);
    free(j.target);
    return status;
}

const cli_verb cli_verb_pull = {
    .name = "pull",
    .operands = "NAME|REPOSITORY",
    .summary = "bring a model from the Hugging Face hub",
    .details =
        "'whatsit model list --remote' shows the short names with size, accuracy and licence. "
        "Any other CLIP or SigLIP repository is named OWNER/NAME.\n\n"
        "Shows licence and size first, asks before it brings weights that are for research "
        "or non-commercial use only, checks what came, and converts it into one file. A "
        "download that was broken off goes on where it stopped; a busy hub is asked again "
        "later. What lies in the hub's own cache folder is used. HF_TOKEN opens what needs "
        "a key. Nothing else of whatsit uses the network.",
    .examples = "whatsit pull b32\n"
                "    OpenAI's ViT-B/32; then: whatsit photo.jpg --model b32\n"
                "whatsit pull laion/CLIP-ViT-B-32-laion2B-s34B-b79K --name laion\n"
                "    another one, called laion here\n"
                "HF_ENDPOINT=http://mirror.example whatsit pull b32\n"
                "    from a mirror\n",
    .complete = "b32 b16 l14 l14-336 rn50 laion-b32 tinyclip",
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .run = run,
};
