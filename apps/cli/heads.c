#include "heads.h"
#include "part.h"
#include "term.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <whatsit/digest.h>

/* Fewer prompts than this are not worth a file in the cache. */
enum { MIN_CACHED_PROMPTS = 100 };

void cli_head_warn_single(cli_app *app, const char *what, const wi_head *head)
{
    wi_head_info info;
    wi_head_get_info(head, &info);
    if (info.n_labels != 1 || info.sigmoid || isfinite(info.none_threshold)) {
        return;
    }
    cli_note(app, "%s: a single label always gets 100 %%: give it others, or %s", what,
             info.n_templates > 0
                 ? "--multi to judge it for itself, or 'whatsit head new' with --none "
                   "or --unknown PHOTOS to answer none-of-these"
                 : "photos of other things with 'whatsit head calibrate' to answer "
                   "none-of-these");
}

char *cli_user_head_path(const char *name)
{
    char *folder = cli_data_path("heads");
    char *path = folder ? cli_text("%s/%s.safetensors", folder, name) : NULL;
    free(folder);
    return path;
}

char *cli_shipped_heads_folder(void)
{
    return cli_share_path("heads");
}

char *cli_shipped_head_path(const char *name)
{
    char *file = cli_name_ok(name) ? cli_text("heads/%s.txt", name) : NULL;
    char *path = file && !cli_ends_with(name, ".templates") ? cli_share_path(file) : NULL;
    free(file);
    return path;
}

char *cli_new_head_path(cli_app *app, const cli_args *args, const char *name)
{
    char *folder = cli_data_path("heads"), *path = NULL;
    if (!folder) {
        cli_error(app, "no home folder to keep heads in: set HOME or XDG_DATA_HOME");
    } else if (!cli_make_folders(folder)) {
        cli_error(app, "%s: cannot make the folder: %s", folder, strerror(errno));
    } else {
        path = cli_user_head_path(name);
    }
    if (path && cli_exists(path) && !cli_args_has(args, "force")) {
        cli_error(app, "there is a head '%s' already: --force replaces it", name);
        free(path);
        path = NULL;
    }
    free(folder);
    return path;
}

void cli_head_no_label(cli_app *app, const wi_head *head, const char *what, const char *label)
{
    const char *best = NULL, *name;
    size_t distance = 3;
    for (size_t i = 0; (name = wi_head_label(head, i)); i++) {
        cli_nearest(label, name, &best, &distance);
    }
    if (best) {
        cli_error(app, "%s: there is no label '%s': did you mean '%s'?", what, label, best);
    } else {
        cli_error(app, "%s: there is no label '%s'", what, label);
    }
}

void cli_head_note_namesake(cli_app *app, const char *name)
{
    char *shipped = cli_shipped_head_path(name);
    if (shipped) {
        cli_note(
            app,
            "a shipped head is called '%s' too: yours is used from now on; 'whatsit head rm %s' "
            "brings the other one back",
            name, name);
    }
    free(shipped);
}

char *cli_own_head_path(cli_app *app, const char *name)
{
    bool is_path = strchr(name, '/') || cli_ends_with(name, ".safetensors");
    char *path = is_path             ? cli_text("%s", name)
                 : cli_name_ok(name) ? cli_user_head_path(name)
                                     : NULL;
    if (!path || !cli_exists(path)) {
        cli_error(app, "there is no head '%s' of yours", name);
        free(path);
        return NULL;
    }
    return path;
}

void cli_recipe_free(cli_recipe *recipe)
{
    wi_label_list_close(&recipe->list);
    wi_label_list_close(&recipe->distractors);
    free((void *)recipe->templates);
    *recipe = (cli_recipe){0};
}

/* Fills the recipe from out->list; what names it in its notes. */
static void use_list(cli_app *app, const char *what, cli_recipe *out)
{
    const char *note;
    for (size_t i = 0; (note = wi_label_list_note(out->list, i)); i++) {
        cli_note(app, "%s: %s", what, note);
    }
    wi_label_list_recipe(out->list, &out->recipe);
}

int cli_recipe_from_file(cli_app *app, const char *path, cli_recipe *out)
{
    wi_error error = {0};
    bool is_stdin = !strcmp(path, "-");
    *out = (cli_recipe){0};
    if (wi_label_list_open(is_stdin ? "/dev/stdin" : path, &out->list, &error) != WI_OK) {
        return cli_failed(app, is_stdin ? "standard input" : path, &error);
    }
    use_list(app, is_stdin ? "standard input" : path, out);
    return CLI_OK;
}

static int use_given_templates(const cli_args *args, cli_recipe *out)
{
    size_t n = cli_args_count(args, "template"), position = 0;
    if (n == 0) {
        return CLI_OK;
    }
    const char **templates = calloc(n, sizeof *templates);
    if (!templates) {
        fprintf(stderr, "whatsit: out of memory\n");
        return CLI_FAILED;
    }
    for (size_t i = 0; i < n; i++) {
        templates[i] = cli_args_next(args, "template", &position);
        const char *hole = strstr(templates[i], "{}");
        if (!hole || strstr(hole + 2, "{}")) {
            int status = cli_usage(args->verb, "the template '%s' needs {} for the label, once",
                                   templates[i]);
            free((void *)templates);
            return status;
        }
    }
    free((void *)out->templates);
    out->templates = templates;
    out->recipe.templates = templates;
    out->recipe.n_templates = n;
    return CLI_OK;
}

/* "jobs.txt": what ends like a file is none of the words that label a picture. */
static bool looks_like_file(const char *text, size_t n)
{
    static const char *const endings[] = {
        ".txt",  ".csv", ".tsv",  ".json", ".jsonl", ".list", ".html", ".xml",  ".yml",
        ".yaml", ".md",  ".xlsx", ".docx", ".pdf",   ".jpg",  ".png",  ".gguf", ".safetensors"};
    if (memchr(text, '/', n)) {
        return true;
    }
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t n_ending = strlen(endings[i]);
        if (n > n_ending && !strncasecmp(text + n - n_ending, endings[i], n_ending)) {
            return true;
        }
    }
    return false;
}

static int parse_typed(cli_app *app, const cli_args *args, const char *spec, cli_recipe *out)
{
    wi_error error = {0};
    const char *cursor = spec, *item;
    size_t n;
    while (wi_comma_next(&cursor, &item, &n)) {
        if (looks_like_file(item, n) && !memchr(item, '/', n)) {
            return cli_usage(
                args->verb,
                "--labels: '%.*s' is a file's name, and --labels takes one file or words", (int)n,
                item);
        }
    }
    if (wi_label_list_parse_commas(spec, strlen(spec), &out->list, &error) != WI_OK) {
        return cli_usage(args->verb, "--labels: %s", error.message);
    }
    use_list(app, "--labels", out);
    return CLI_OK;
}

int cli_recipe_from_labels(cli_app *app, const cli_args *args, const char *spec, cli_recipe *out)
{
    *out = (cli_recipe){0};
    bool file = !strcmp(spec, "-") || cli_exists(spec) ||
                (!strchr(spec, ',') && looks_like_file(spec, strlen(spec)));
    int status = file ? cli_recipe_from_file(app, spec, out) : parse_typed(app, args, spec, out);
    return status == CLI_OK ? use_given_templates(args, out) : status;
}

void cli_recipe_add_distractors(cli_app *app, cli_recipe *recipe)
{
    wi_label_list_info info;
    wi_error error = {0};
    char *path = cli_share_path("heads/nouns.txt");
    if (path && wi_label_list_open(path, &recipe->distractors, &error) != WI_OK) {
        cli_note(app, "%s: %s", path, error.message);
    } else if (path) {
        wi_label_list_get_info(recipe->distractors, &info);
        recipe->recipe.distractors = info.labels;
        recipe->recipe.n_distractors = info.n_labels;
    }
    free(path);
}

static void digest_text(wi_digest *digest, const char *text)
{
    wi_digest_update(digest, text ? text : "", strlen(text ? text : "") + 1);
}

/* CACHE/heads/FINGERPRINT/NAME-HASH, without an ending; NULL when there is no such place. */
static char *cache_path(const cli_runtime *runtime, const wi_head_recipe *recipe)
{
    char hex[65], key[64];
    wi_digest *digest = NULL;
    char *root = cli_name_ok(recipe->name) ? cli_cache_path("heads") : NULL;
    if (!root || wi_digest_open(&digest, NULL) != WI_OK) {
        free(root);
        return NULL;
    }
    snprintf(key, sizeof key, "head cache 2 %d %zu", recipe->sigmoid + 2 * recipe->softmax,
             recipe->n_labels);
    digest_text(digest, key);
    digest_text(digest, recipe->source);
    digest_text(digest, recipe->licence);
    digest_text(digest, recipe->sensitivity);
    for (size_t i = 0; i < recipe->n_labels; i++) {
        digest_text(digest, recipe->labels[i]);
        digest_text(digest, recipe->groups ? recipe->groups[i] : "");
    }
    for (size_t i = 0; i < recipe->n_templates; i++) {
        digest_text(digest, recipe->templates[i]);
    }
    wi_digest_finish(digest, hex);
    wi_digest_close(&digest);
    char *path = cli_text("%s/%s/%s-%.16s", root, runtime->info.fingerprint, recipe->name, hex);
    free(root);
    return path;
}

static char *with_ending(const char *path, const char *ending)
{
    return path ? cli_text("%s%s", path, ending) : NULL;
}

/* ---- labels that are the same to a model ---- */

typedef struct label_tokens {
    uint64_t hash;
    size_t label;
} label_tokens;

static int by_tokens(const void *a, const void *b)
{
    const label_tokens *x = a, *y = b;
    return x->hash != y->hash ? (x->hash > y->hash ? 1 : -1)
                              : (x->label > y->label) - (x->label < y->label);
}

/* FNV-1a of the tokens. False: they cannot be had. */
static bool hash_label(const wi_model *model, const char *label, int32_t *ids, uint64_t *hash)
{
    size_t n = 0;
    if (wi_model_tokenize(model, label, strlen(label), ids, &n, NULL, NULL) != WI_OK) {
        return false;
    }
    *hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) {
        *hash = (*hash ^ (uint32_t)ids[i]) * 0x100000001b3u;
    }
    return true;
}

/* "Cat" and "cat" have the same tokens where a tokenizer knows no capitals: each then gets half of what is one
 * probability, and looks unlikely. */
static void note_twins(const cli_runtime *runtime, const wi_head_recipe *recipe)
{
    const size_t n = recipe->n_labels;
    size_t n_twins = 0;
    const label_tokens *first = NULL;
    label_tokens *all = calloc(n, sizeof *all);
    int32_t *ids = calloc(runtime->info.context_length, sizeof *ids);
    bool good = all && ids;
    for (size_t i = 0; i < n && good; i++) {
        all[i].label = i;
        good = hash_label(runtime->model, recipe->labels[i], ids, &all[i].hash);
    }
    if (good) {
        qsort(all, n, sizeof *all, by_tokens);
        for (size_t i = 1; i < n; i++) {
            if (all[i].hash == all[i - 1].hash) {
                n_twins++;
                first = first && first->label < all[i].label ? first : &all[i];
            }
        }
    }
    if (n_twins > 0) {
        cli_note(runtime->app,
                 "to this model '%s' and '%s' are one label, and each gets a share: keep one%s",
                 recipe->labels[first[-1].label], recipe->labels[first->label],
                 n_twins > 1 ? " (and so with others)" : "");
    }
    free(ids);
    free(all);
}

int cli_head_build(const cli_runtime *runtime, const cli_recipe *recipe, wi_head **out)
{
    char what[140];
    wi_error error = {0};
    wi_session *session = NULL;
    wi_session_options options = {.max_images = 1};
    size_t n_truncated = 0;
    cli_meter meter = {runtime->app, what};
    wi_head_recipe full = recipe->recipe;
    snprintf(what, sizeof what, "preparing head '%.100s'", full.name);
    full.progress = cli_meter_progress(&meter);
    char *place = cache_path(runtime, &full);
    cli_part part;
    cli_part_open(&part, runtime, full.name, with_ending(place, ".part"));
    free(place);
    full.keeper = &part.keeper;
    wi_status status = wi_session_open(runtime->model, &options, &session, &error);
    if (status == WI_OK) {
        status = wi_head_build(session, &full, out, &n_truncated, &error);
    }
    wi_session_close(&session);
    cli_progress_clear(runtime->app);
    int result = status == WI_OK ? CLI_OK : cli_failed(runtime->app, NULL, &error);
    cli_part_close(&part, result);
    if (n_truncated > 0) {
        cli_note(runtime->app, "%zu prompt%s longer than the model can read: the end is cut off",
                 n_truncated, n_truncated == 1 ? " is" : "s are");
    }
    wi_head_info info = {0};
    if (result == CLI_OK) {
        wi_head_get_info(*out, &info);
    }
    if (result == CLI_OK && !info.sigmoid) {
        note_twins(runtime, &full);
    }
    return result;
}

/* Keeps the head for the next time; where that cannot be, it is only slower then. */
static void keep_head(const cli_runtime *runtime, const char *folder, const char *path,
                      const wi_head *head)
{
    wi_error error = {0};
    if (!cli_make_folders(folder)) {
        cli_note(runtime->app, "%s: %s: the head is prepared anew next time", folder,
                 strerror(errno));
    } else if (wi_head_save(head, path, &error) != WI_OK) {
        cli_note(runtime->app, "%s: the head is prepared anew next time", error.message);
    }
}

int cli_head_build_cached(const cli_runtime *runtime, const cli_recipe *recipe, wi_head **out)
{
    wi_error error = {0};
    size_t n_templates = recipe->recipe.n_templates ? recipe->recipe.n_templates : 1;
    char *place = recipe->recipe.n_labels * n_templates < MIN_CACHED_PROMPTS
                      ? NULL
                      : cache_path(runtime, &recipe->recipe);
    char *path = with_ending(place, ".safetensors");
    int status = CLI_FAILED;
    if (path && cli_exists(path) && wi_head_open(runtime->engine, path, out, &error) == WI_OK) {
        if (wi_head_check_model(*out, runtime->model, &error) == WI_OK) {
            status = CLI_OK;
        } else {
            wi_head_close(out);
        }
    }
    if (status != CLI_OK) {
        status = cli_head_build(runtime, recipe, out);
        if (status == CLI_OK && path) {
            *strrchr(place, '/') = '\0'; /* its folder */
            keep_head(runtime, place, path, *out);
        }
    }
    free(path);
    free(place);
    return status;
}

static int build_shipped(const cli_runtime *runtime, const char *path, bool sigmoid, wi_head **out)
{
    cli_recipe recipe;
    int status = cli_recipe_from_file(runtime->app, path, &recipe);
    if (status == CLI_OK) {
        recipe.recipe.sigmoid = sigmoid;
        status = cli_head_build_cached(runtime, &recipe, out);
    }
    cli_recipe_free(&recipe);
    return status;
}

/* A head has one file, for one model: made again for another, it is gone for the first. */
static void say_mismatch(const cli_runtime *runtime, const char *name, const wi_head_info *info)
{
    bool namesake = !strcmp(info->model_name, runtime->info.name);
    cli_error(
        runtime->app,
        "head '%s' is made for model %.8s... (%s), this is %.8s... (%s): 'whatsit head rebuild "
        "%s%s%s' makes it again for this one, in place of the one for %s",
        name, info->model_fingerprint, info->model_name, runtime->info.fingerprint,
        runtime->info.name, name, runtime->asked ? " --model " : "",
        runtime->asked ? runtime->asked : "", namesake ? "the other" : info->model_name);
}

/* sigmoid: asked for with --multi, which a head that chooses one of its labels cannot give. */
static int open_head_file(const cli_runtime *runtime, const char *path, const char *name,
                          bool sigmoid, wi_head **out)
{
    wi_head_info info;
    wi_error error = {0};
    if (wi_head_open(runtime->engine, path, out, &error) != WI_OK) {
        return cli_failed(runtime->app, path, &error);
    }
    wi_head_get_info(*out, &info);
    wi_status fits = wi_head_check_model(*out, runtime->model, &error);
    if (fits == WI_ERR_MISMATCH) {
        say_mismatch(runtime, name, &info);
    } else if (fits != WI_OK) {
        cli_failed(runtime->app, path, &error);
    }
    if (fits != WI_OK) {
        wi_head_close(out);
        return CLI_FAILED;
    }
    if (sigmoid && !info.sigmoid) {
        cli_error(
            runtime->app,
            "head '%s' chooses one of its labels: make it anew with 'whatsit head new --multi' "
            "to judge each for itself",
            info.name);
        wi_head_close(out);
        return CLI_FAILED;
    }
    return CLI_OK;
}

static int no_such_head(const cli_runtime *runtime, const char *name)
{
    const char *best = NULL;
    size_t distance = 3;
    cli_list names = {0};
    char *folder = cli_shipped_heads_folder(), *own = cli_data_path("heads");
    cli_list_names(folder, ".txt", &names);
    cli_list_names(own, ".safetensors", &names);
    for (size_t i = 0; i < names.n; i++) {
        cli_nearest(name, names.items[i], &best, &distance);
    }
    if (best) {
        cli_error(runtime->app,
                  "there is no head '%s': did you mean '%s'? ('whatsit head list' shows all)", name,
                  best);
    } else {
        cli_error(runtime->app, "there is no head '%s': 'whatsit head list' shows all", name);
    }
    free(folder);
    free(own);
    cli_list_free(&names);
    return CLI_FAILED;
}

int cli_head_open(const cli_runtime *runtime, const char *name, bool sigmoid, wi_head **out)
{
    int status;
    if (strchr(name, '/') || cli_ends_with(name, ".safetensors")) {
        return open_head_file(runtime, name, name, sigmoid, out);
    }
    char *own = cli_name_ok(name) ? cli_user_head_path(name) : NULL;
    char *shipped = cli_shipped_head_path(name);
    if (own && cli_exists(own)) {
        status = open_head_file(runtime, own, name, sigmoid, out);
    } else if (shipped) {
        status = build_shipped(runtime, shipped, sigmoid, out);
    } else if (!strcmp(name, "everyday")) {
        status = cli_head_everyday(runtime, sigmoid, out);
    } else {
        status = no_such_head(runtime, name);
    }
    free(own);
    free(shipped);
    return status;
}

int cli_head_everyday(const cli_runtime *runtime, bool sigmoid, wi_head **out)
{
    bool nano = !strcmp(runtime->info.name, "whatsit-nano");
    char *path = nano ? cli_share_path("models/nano-concepts.txt") : NULL;
    if (!path) {
        path = cli_share_path("heads/nouns.txt");
    }
    if (!path) {
        cli_error(runtime->app,
                  "the shipped heads are not beside the program: say what to look for with "
                  "--labels a,b,c");
        return CLI_FAILED;
    }
    int status = build_shipped(runtime, path, sigmoid, out);
    free(path);
    return status;
}
