/* Looking at heads: list, show, rm. Making them is in cmd_head_new.c. */
#include "heads.h"
#include "output.h"
#include "paths.h"
#include "photos.h"
#include "term.h"
#include "verbs.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const cli_option list_options[] = {
    {"names", 0, NULL, false, "names only, one a line", NULL},
    {"json", 0, NULL, false, "one JSON object a line", NULL},
    {0},
};

static const cli_option show_options[] = {
    {"json", 0, NULL, false, "as a JSON object", NULL},
    {0},
};

/* A head as it is listed: a file of the user's, or a shipped list. */
typedef struct entry {
    const wi_head_info *file; /* NULL for a shipped list */
    const char *name, *title, *model, *fingerprint, *kind, *licence, *source, *sensitivity;
    const char *const *labels, *const *groups, *const *templates; /* groups: NULL without any */
    size_t n_labels, n_templates;
    const json_t *
        works; /* how the built-in model answers a shipped list, where that was measured; NULL: not known */
    bool shipped;
} entry;

/* models/whatsit-nano-lists.json: {"lists": {name: {"mark": "well" | "some" | "poor", ...}}}; NULL without one. */
static json_t *read_works(void)
{
    char *path = cli_share_path("models/whatsit-nano-lists.json");
    json_t *root = path ? json_load_file(path, 0, NULL) : NULL;
    json_t *lists = json_incref(json_object_get(root, "lists"));
    json_decref(root);
    free(path);
    return lists;
}

/* For people: what the mark means. */
static const char *works_words(const json_t *works)
{
    const char *mark = json_string_value(json_object_get(works, "mark"));
    if (!mark) {
        return "";
    }
    return !strcmp(mark, "well")   ? "; works well with the built-in model"
           : !strcmp(mark, "poor") ? "; needs a larger model"
                                   : "; works in part with the built-in model";
}

static json_t *json_strings(const char *const *items, size_t n)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(array, cli_json_text(items[i]));
    }
    return array;
}

static json_t *json_entry(const entry *e, bool full)
{
    json_t *object =
        json_pack("{s:o,s:b,s:s,s:i,s:o,s:s,s:o,s:o,s:o}", "name", cli_json_text(e->name),
                  "shipped", (int)e->shipped, "kind", e->kind, "n_labels", (int)e->n_labels,
                  "model", cli_json_text(e->model), "fingerprint", e->fingerprint, "licence",
                  cli_json_text(e->licence), "source", cli_json_text(e->source), "sensitivity",
                  cli_json_text(e->sensitivity));
    if (object && e->file) {
        const wi_head_info *info = e->file;
        json_object_set_new(object, "multi", json_boolean(info->sigmoid));
        json_object_set_new(object, "n_photos", json_integer((json_int_t)info->n_examples));
        json_object_set_new(object, "temperature", cli_json_number(info->temperature));
        json_object_set_new(object, "none_threshold", cli_json_number(info->none_threshold));
        json_object_set_new(object, "none_rate", cli_json_number(info->none_rate));
    }
    if (object && e->works) {
        json_object_set_new(object, "works", json_deep_copy(e->works));
    }
    if (object && full) {
        json_object_set_new(object, "templates", json_strings(e->templates, e->n_templates));
        json_object_set_new(object, "labels", json_strings(e->labels, e->n_labels));
        if (e->groups) {
            json_object_set_new(object, "groups", json_strings(e->groups, e->n_labels));
        }
    }
    return object;
}

static void print_entry(const entry *e)
{
    char name[256], about[256];
    cli_printable(e->name, name, sizeof name);
    cli_printable(e->shipped ? e->title : e->model, about, sizeof about);
    int n = (int)cli_columns(name);
    char *namesake = e->shipped ? NULL : cli_shipped_head_path(e->name);
    printf("  %s%*s %6zu labels  %s%s%s%s\n", name, n < 22 ? 22 - n : 0, "", e->n_labels,
           e->shipped ? "" : "for ", about, namesake ? "; hides the shipped head" : "",
           works_words(e->works));
    free(namesake);
}

static void list_entry(const entry *e, const cli_args *args)
{
    if (cli_args_has(args, "json")) {
        cli_json_line(json_entry(e, false));
    } else {
        print_entry(e);
    }
}

/* Fills e from a head file and calls use; the entry's strings live during the call. */
static int with_file(cli_app *app, const char *path, const char *name,
                     void (*use)(const entry *e, const cli_args *args), const cli_args *args)
{
    wi_error error = {0};
    wi_head *head = NULL;
    wi_head_info info;
    if (wi_head_open(NULL, path, &head, &error) != WI_OK) {
        return cli_failed(app, path, &error);
    }
    wi_head_get_info(head, &info);
    const char **labels = calloc(2 * info.n_labels + info.n_templates + 1, sizeof *labels);
    if (!labels) {
        wi_head_close(&head);
        cli_error(app, "out of memory");
        return CLI_FAILED;
    }
    for (size_t i = 0; i < info.n_labels; i++) {
        labels[i] = wi_head_label_full(head, i);
        labels[info.n_labels + info.n_templates + i] = wi_head_group(head, i);
    }
    for (size_t i = 0; i < info.n_templates; i++) {
        labels[info.n_labels + i] = wi_head_template(head, i);
    }
    entry e = {.file = &info,
               .name = name,
               .title = "",
               .model = info.model_name,
               .fingerprint = info.model_fingerprint,
               .kind = wi_head_kind_name(info.kind),
               .licence = info.licence,
               .source = info.source,
               .sensitivity = info.sensitivity,
               .labels = labels,
               .groups = info.n_groups > 0 ? labels + info.n_labels + info.n_templates : NULL,
               .n_labels = info.n_labels,
               .templates = labels + info.n_labels,
               .n_templates = info.n_templates};
    use(&e, args);
    free((void *)labels);
    wi_head_close(&head);
    return CLI_OK;
}

static int with_list(cli_app *app, const char *path, const char *name,
                     void (*use)(const entry *e, const cli_args *args), const cli_args *args)
{
    cli_recipe recipe;
    wi_label_list_info info;
    int status = cli_recipe_from_file(app, path, &recipe);
    if (status == CLI_OK) {
        json_t *works = read_works();
        wi_label_list_get_info(recipe.list, &info);
        entry e = {.name = name,
                   .title = info.title,
                   .model = "",
                   .fingerprint = "",
                   .kind = wi_head_kind_name(WI_HEAD_ZERO_SHOT),
                   .licence = info.licence,
                   .source = info.source,
                   .sensitivity = info.sensitivity,
                   .labels = info.labels,
                   .groups = info.groups,
                   .n_labels = info.n_labels,
                   .templates = recipe.recipe.templates,
                   .n_templates = recipe.recipe.n_templates,
                   .works = json_object_get(works, name),
                   .shipped = true};
        use(&e, args);
        json_decref(works);
    }
    cli_recipe_free(&recipe);
    return status;
}

/* Shipped lists come with NAME.templates.txt beside them, which is no head. */
static bool is_list_name(const char *name)
{
    return !cli_ends_with(name, ".templates");
}

static int list_own(cli_app *app, const cli_args *args, const cli_list *names)
{
    int status = CLI_OK;
    if (names->n > 0 && !cli_args_has(args, "json")) {
        printf("Your heads:\n");
    }
    for (size_t i = 0; i < names->n; i++) {
        char *path = cli_user_head_path(names->items[i]);
        int listed = path ? with_file(app, path, names->items[i], list_entry, args) : CLI_FAILED;
        status = listed == CLI_OK ? status : listed;
        free(path);
    }
    return status;
}

/* "group\tname" of every shipped list, so that sorting brings the groups together. */
static void group_names(const cli_list *names, cli_list *out)
{
    for (size_t i = 0; i < names->n; i++) {
        wi_label_list *list = NULL;
        wi_label_list_info info = {.group = ""};
        char *path = is_list_name(names->items[i]) ? cli_shipped_head_path(names->items[i]) : NULL;
        if (path && wi_label_list_open(path, &list, NULL) == WI_OK) {
            wi_label_list_get_info(list, &info);
        }
        if (path) {
            cli_list_add(out,
                         cli_text("%s\t%s", info.group[0] ? info.group : "other", names->items[i]));
        }
        wi_label_list_close(&list);
        free(path);
    }
    cli_list_sort(out);
}

static int list_shipped(cli_app *app, const cli_args *args, const cli_list *names)
{
    cli_list grouped = {0};
    const char *group = "";
    bool json = cli_args_has(args, "json");
    int status = CLI_OK;
    group_names(names, &grouped);
    if (grouped.n > 0 && !json) {
        printf("Shipped heads, prepared for a model on first use:\n");
    }
    for (size_t i = 0; i < grouped.n; i++) {
        char *name = strchr(grouped.items[i], '\t');
        *name++ = '\0';
        if (!json && strcmp(group, grouped.items[i])) {
            printf(" %s\n", grouped.items[i]);
        }
        group = grouped.items[i];
        char *path = cli_shipped_head_path(name);
        int listed = path ? with_list(app, path, name, list_entry, args) : CLI_OK;
        status = listed == CLI_OK ? status : listed;
        free(path);
    }
    cli_list_free(&grouped);
    return status;
}

static int run_list(cli_app *app, const cli_args *args)
{
    cli_list own = {0}, shipped = {0};
    char *own_folder = cli_data_path("heads"), *shipped_folder = cli_shipped_heads_folder();
    cli_list_names(own_folder, ".safetensors", &own);
    cli_list_names(shipped_folder, ".txt", &shipped);
    cli_list_sort(&own);
    cli_list_sort(&shipped);
    int status = CLI_OK;
    if (cli_args_has(args, "names")) {
        for (size_t i = 0; i < own.n; i++) {
            puts(own.items[i]);
        }
        for (size_t i = 0; i < shipped.n; i++) {
            if (is_list_name(shipped.items[i])) {
                puts(shipped.items[i]);
            }
        }
    } else {
        status = list_own(app, args, &own);
        int listed = list_shipped(app, args, &shipped);
        status = status != CLI_OK ? status : listed;
        if (own.n + shipped.n == 0) {
            cli_note(app, "no heads yet: 'whatsit head new NAME --labels a,b,c' makes one");
        }
    }
    cli_list_free(&own);
    cli_list_free(&shipped);
    free(own_folder);
    free(shipped_folder);
    return status;
}

static void print_field(const char *name, const char *value)
{
    char text[1024];
    if (value[0]) {
        cli_printable(value, text, sizeof text);
        printf("%-13s %s\n", name, text);
    }
}

static void print_file_facts(const wi_head_info *info)
{
    printf("%-13s %s\n", "answers",
           info->sigmoid ? "yes or no for each label" : "one of its labels");
    if (info->n_examples > 0) {
        printf("%-13s %zu\n", "photos", info->n_examples);
    }
    if (fabsf(info->temperature - 1) > 1e-6F) {
        printf("%-13s %.4g\n", "temperature", (double)info->temperature);
    }
    if (isfinite(info->none_threshold)) {
        printf("%-13s at %.4g", "none of these", (double)info->none_threshold);
        if (isfinite(info->none_rate)) {
            printf("; %.3g %% of unknown photos pass", 100 * (double)info->none_rate);
        }
        printf("\n");
    }
}

/* All but the labels themselves. */
static void print_facts(const entry *e)
{
    print_field("name", e->name);
    print_field("title", e->title);
    print_field("kind", e->kind);
    print_field("model", e->shipped ? "any: prepared for each on first use" : e->model);
    print_field("fingerprint", e->fingerprint);
    print_field("source", e->source);
    print_field("licence", e->licence);
    print_field("note", e->sensitivity);
    if (e->file) {
        print_file_facts(e->file);
    }
    for (size_t i = 0; i < e->n_templates; i++) {
        print_field(i == 0 ? "templates" : "", e->templates[i]);
    }
    printf("%-13s %zu\n", "labels", e->n_labels);
}

static void show_entry(const entry *e, const cli_args *args)
{
    char text[1024];
    if (cli_args_has(args, "json")) {
        cli_json_line(json_entry(e, true));
        return;
    }
    print_facts(e);
    for (size_t i = 0; i < e->n_labels; i++) {
        if (e->groups && (i == 0 || strcmp(e->groups[i - 1], e->groups[i]) != 0)) {
            cli_printable(e->groups[i], text, sizeof text);
            printf(" [%s]\n", text);
        }
        cli_printable(e->labels[i], text, sizeof text);
        printf("  %s\n", text);
    }
}

static void show_facts(const entry *e, const cli_args *args)
{
    if (cli_args_has(args, "json")) {
        cli_json_line(json_entry(e, false));
    } else {
        print_facts(e);
    }
}

static int show_with(cli_app *app, const cli_args *args,
                     void (*show)(const entry *e, const cli_args *args))
{
    const char *name = args->operands[0];
    bool is_path = strchr(name, '/') || cli_ends_with(name, ".safetensors");
    char *own = !is_path && cli_name_ok(name) ? cli_user_head_path(name) : NULL;
    char *shipped = is_path ? NULL : cli_shipped_head_path(name);
    int status;
    if (is_path) {
        status = with_file(app, name, name, show, args);
    } else if (own && cli_exists(own)) {
        status = with_file(app, own, name, show, args);
    } else if (shipped) {
        status = with_list(app, shipped, name, show, args);
    } else {
        cli_error(app, "there is no head '%s': 'whatsit head list' shows all", name);
        status = CLI_FAILED;
    }
    free(own);
    free(shipped);
    return status;
}

static int run_show(cli_app *app, const cli_args *args)
{
    return show_with(app, args, show_entry);
}

static int run_info(cli_app *app, const cli_args *args)
{
    return show_with(app, args, show_facts);
}

static int run_rm(cli_app *app, const cli_args *args)
{
    int status = CLI_OK;
    for (size_t i = 0; i < args->n_operands; i++) {
        const char *name = args->operands[i];
        char *path = cli_name_ok(name) ? cli_user_head_path(name) : NULL;
        char *shipped = cli_shipped_head_path(name);
        if (path && unlink(path) == 0) {
            cli_photo_list_remove(name); /* there is none for a head of words */
            cli_note(app, "removed head '%s'", name);
        } else if (path && errno != ENOENT) {
            cli_error(app, "%s: %s", path, strerror(errno));
            status = CLI_FAILED;
        } else {
            cli_error(app,
                      shipped ? "'%s' is a shipped head: those are not removed"
                              : "there is no head '%s' of yours",
                      name);
            status = CLI_FAILED;
        }
        free(path);
        free(shipped);
    }
    return status;
}

const cli_verb cli_verb_head_list = {
    .name = "head list",
    .operands = "",
    .summary = "show your heads and the shipped ones",
    .examples = "whatsit head list\n    what can be given to --as?\n",
    .options = list_options,
    .run = run_list,
};

const cli_verb cli_verb_head_show = {
    .name = "head show",
    .operands = "NAME",
    .summary = "show a head's labels, prompts, source and model",
    .examples = "whatsit head show foods\n"
                "    a shipped head\n"
                "whatsit head show ./jobs.safetensors --json\n"
                "    a head file, for another program\n",
    .complete = "@head",
    .min_operands = 1,
    .max_operands = 1,
    .options = show_options,
    .run = run_show,
};

const cli_verb cli_verb_head_info = {
    .name = "head info",
    .operands = "NAME",
    .summary = "show what a head is: kind, model, source, licence, threshold",
    .details = "The same as 'head show' without the labels.",
    .examples = "whatsit head info ./jobs.safetensors\n    before taking in a file\n",
    .complete = "@head",
    .min_operands = 1,
    .max_operands = 1,
    .options = show_options,
    .run = run_info,
};

const cli_verb cli_verb_head_rm = {
    .name = "head rm",
    .operands = "NAME...",
    .summary = "remove heads of yours",
    .examples = "whatsit head rm jobs\n    it is gone for good\n",
    .complete = "@head",
    .min_operands = 1,
    .max_operands = SIZE_MAX,
    .run = run_rm,
};
