#include "dataset.h"
#include "inputs.h"
#include "term.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LINE = 1 << 16 };

void cli_dataset_free(cli_dataset *data)
{
    cli_list_free(&data->paths);
    cli_list_free(&data->names);
    free(data->labels);
    *data = (cli_dataset){0};
}

/* The label's number, new at the end if need be; UINT32_MAX when memory is out. Photos mostly come
 * label by label, so the last one is tried first. */
static uint32_t number_of(cli_dataset *data, const char *label)
{
    for (size_t i = data->names.n; i-- > 0;) {
        if (!strcmp(data->names.items[i], label)) {
            return (uint32_t)i;
        }
    }
    return cli_list_add(&data->names, cli_text("%s", label)) ? (uint32_t)(data->names.n - 1)
                                                             : UINT32_MAX;
}

bool cli_dataset_add(cli_dataset *data, char *path, const char *label)
{
    uint32_t number = path ? number_of(data, label) : UINT32_MAX;
    size_t n = data->paths.n;
    if (number == UINT32_MAX) {
        free(path);
        return false;
    }
    if ((n & (n - 1)) == 0) { /* room for the next power of two */
        uint32_t *labels = realloc(data->labels, (n ? 2 * n : 1) * sizeof *labels);
        if (!labels) {
            free(path);
            return false;
        }
        data->labels = labels;
    }
    if (!cli_list_add(&data->paths, path)) {
        return false;
    }
    data->labels[n] = number;
    return true;
}

bool cli_dataset_sort(cli_dataset *data)
{
    cli_list sorted = {0};
    uint32_t *place = calloc(data->names.n + 1, sizeof *place);
    bool done = place != NULL;
    for (size_t i = 0; i < data->names.n && done; i++) {
        done = cli_list_add(&sorted, cli_text("%s", data->names.items[i]));
    }
    if (!done) {
        free(place);
        cli_list_free(&sorted);
        return false;
    }
    cli_list_sort(&sorted);
    for (size_t i = 0; i < data->names.n; i++) {
        place[i] = (uint32_t)cli_list_find(&sorted, data->names.items[i]);
    }
    for (size_t i = 0; i < data->paths.n; i++) {
        data->labels[i] = place[data->labels[i]];
    }
    free(place);
    cli_list_free(&data->names);
    data->names = sorted;
    return true;
}

static int out_of_memory(cli_app *app)
{
    cli_error(app, "out of memory");
    return CLI_FAILED;
}

/* ---- a folder per label ---- */

/* Each label's folder by itself: a photo that two labels share is one of both. */
static int add_label_folder(cli_app *app, const cli_args *args, const char *folder,
                            const char *label, cli_dataset *out)
{
    cli_inputs in;
    cli_inputs_open(&in, app, args);
    int status = cli_inputs_walk(&in, folder);
    if (status == CLI_OK && in.paths.n == 0 && !cli_interrupted()) {
        cli_note(app, "%s: no pictures in this folder: there is no such label then", folder);
    }
    cli_inputs_say(&in);
    for (size_t i = 0; i < in.paths.n; i++) {
        char *path = in.paths.items[i];
        in.paths.items[i] = NULL;
        if (!cli_dataset_add(out, path, label)) {
            status = out_of_memory(app);
            break;
        }
    }
    cli_inputs_close(&in);
    return status;
}

/* Names of the folders in a folder, sorted. */
static int list_folders(cli_app *app, const char *folder, cli_list *names)
{
    DIR *directory = opendir(folder);
    if (!directory) {
        cli_error(app, "%s: %s", folder, strerror(errno));
        return CLI_FAILED;
    }
    struct dirent *entry;
    int status = CLI_OK;
    while (status == CLI_OK && (entry = readdir(directory))) {
        char *path = entry->d_name[0] != '.' ? cli_text("%s/%s", folder, entry->d_name) : NULL;
        if (path && cli_is_folder(path) && !cli_list_add(names, cli_text("%s", entry->d_name))) {
            status = out_of_memory(app);
        }
        free(path);
    }
    closedir(directory);
    cli_list_sort(names);
    return status;
}

/* "train", "val", "test": parts of a data set, of which one is to be named. */
static bool are_parts(const cli_list *names)
{
    static const char *const parts[] = {"train",      "training", "val",    "valid",
                                        "validation", "test",     "testing"};
    size_t n = 0;
    for (size_t i = 0; i < names->n; i++) {
        for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++) {
            n += !strcmp(names->items[i], parts[k]);
        }
    }
    return names->n > 0 && n == names->n;
}

/* Folders by the first letter of what is in them: a/abbey, b/bakery/shop, as SUN397 comes. */
static bool are_letters(cli_app *app, const char *folder, const cli_list *names)
{
    bool letters = names->n > 0;
    for (size_t i = 0; i < names->n && letters; i++) {
        cli_list inside = {0};
        char *path = cli_text("%s/%s", folder, names->items[i]);
        letters = path && strlen(names->items[i]) == 1 &&
                  list_folders(app, path, &inside) == CLI_OK && inside.n > 0;
        for (size_t k = 0; k < inside.n && letters; k++) {
            letters = inside.items[k][0] == names->items[i][0];
        }
        cli_list_free(&inside);
        free(path);
    }
    return letters;
}

/* Every folder without folders below is a label: "church/indoor" is "church indoor". */
static int add_leaves(cli_app *app, const cli_args *args, const char *folder, const char *label,
                      cli_dataset *out)
{
    cli_list names = {0};
    int status = list_folders(app, folder, &names);
    if (status == CLI_OK && names.n == 0) {
        status = add_label_folder(app, args, folder, label, out);
    }
    for (size_t i = 0; i < names.n && status == CLI_OK && !cli_interrupted(); i++) {
        char *path = cli_text("%s/%s", folder, names.items[i]);
        char *longer = cli_text("%s%s%s", label, label[0] ? " " : "", names.items[i]);
        status = path && longer ? add_leaves(app, args, path, longer, out) : out_of_memory(app);
        free(path);
        free(longer);
    }
    cli_list_free(&names);
    return status;
}

static int read_folder(cli_app *app, const cli_args *args, const char *folder, cli_dataset *out)
{
    cli_list names = {0};
    int status = list_folders(app, folder, &names);
    if (status == CLI_OK && are_parts(&names)) {
        cli_error(app, "%s: '%s' is a part of a data set, not a label: give %s/%s", folder,
                  names.items[0], folder, names.items[names.n - 1]);
        status = CLI_FAILED;
    }
    if (status != CLI_OK) {
        cli_list_free(&names);
        return status;
    }
    bool letters = are_letters(app, folder, &names);
    for (size_t i = 0; i < names.n && !cli_interrupted(); i++) {
        char *path = cli_text("%s/%s", folder, names.items[i]);
        int added = !path     ? out_of_memory(app)
                    : letters ? add_leaves(app, args, path, "", out)
                              : add_label_folder(app, args, path, names.items[i], out);
        status = added == CLI_OK ? status : added;
        free(path);
    }
    cli_list_free(&names);
    return status;
}

/* ---- a table ---- */

static bool is_header(const char *first, const char *second)
{
    static const char *const names[] = {"file", "path", "image", "filename", "photo"};
    bool known = false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        known = known || !strcmp(first, names[i]);
    }
    return known && (!strcmp(second, "label") || !strcmp(second, "class"));
}

/* Ends the first field of a line of CSV ("" in quotes are one) in its place; the rest of the line, or
 * NULL: there is no other field. *bad: quotes are not closed, or something follows them. */
static char *end_field(char *field, bool *bad)
{
    char *to = field, *from = field;
    bool quoted = *from == '"';
    for (from += quoted; *from && (quoted || *from != ','); from++) {
        if (quoted && *from == '"') {
            if (from[1] != '"') {
                quoted = false;
                from++;
                *bad = *bad || (*from != ',' && *from != '\0');
                break;
            }
            from++;
        }
        *to++ = *from;
    }
    *bad = *bad || quoted;
    char *rest = *from ? from + 1 : NULL;
    *to = '\0';
    return rest;
}

/* path,label[,...] with fields as CSV writes them; NULL: it is no such line. */
static char *split_csv(char *line)
{
    bool bad = false;
    char *label = end_field(line, &bad);
    if (label && !bad) {
        end_field(label, &bad);
    }
    return bad ? NULL : label;
}

/* line: path<TAB>label[<TAB>...], without its end; with commas in a table named .csv. */
static int add_line(cli_app *app, const char *table, size_t number, char *line, cli_dataset *out)
{
    if (number == 1 && !strncmp(line, "\xef\xbb\xbf", 3)) {
        line += 3;
    }
    if (!line[0] || line[0] == '#') {
        return CLI_OK;
    }
    bool csv = cli_ends_with(table, ".csv");
    char *label = csv ? split_csv(line) : strchr(line, '\t');
    if (!label) {
        cli_error(app, "%s: line %zu: not a path, a %s and a label", table, number,
                  csv ? "comma" : "tab");
        return CLI_FAILED;
    }
    if (!csv) {
        *label++ = '\0';
        label[strcspn(label, "\t")] = '\0';
    }
    if (number == 1 && is_header(line, label)) {
        return CLI_OK;
    }
    if (!line[0] || !label[0]) {
        cli_error(app, "%s: line %zu: the %s is empty", table, number, line[0] ? "label" : "path");
        return CLI_FAILED;
    }
    const char *slash = strrchr(table, '/');
    char *path = cli_is_absolute(line) || !slash
                     ? cli_text("%s", line)
                     : cli_text("%.*s/%s", (int)(slash - table), table, line);
    return cli_dataset_add(out, path, label) ? CLI_OK : out_of_memory(app);
}

static int read_table(cli_app *app, const char *path, cli_dataset *out)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        cli_error(app, "%s: %s", path, strerror(errno));
        return CLI_FAILED;
    }
    char *line = malloc(MAX_LINE);
    int status = line ? CLI_OK : out_of_memory(app);
    for (size_t number = 1; status == CLI_OK && fgets(line, MAX_LINE, file); number++) {
        size_t n = strlen(line);
        if (n + 1 == MAX_LINE || (n == 0 && !feof(file))) {
            cli_error(app, "%s: line %zu: not a table of paths and labels", path, number);
            status = CLI_FAILED;
            break;
        }
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r')) {
            line[--n] = '\0';
        }
        status = add_line(app, path, number, line, out);
    }
    if (status == CLI_OK && ferror(file)) {
        cli_error(app, "%s: cannot read: %s", path, strerror(errno));
        status = CLI_FAILED;
    }
    free(line);
    fclose(file);
    return status;
}

int cli_dataset_open(cli_app *app, const cli_args *args, const char *path, cli_dataset *out)
{
    *out = (cli_dataset){0};
    char *inside = cli_is_folder(path) ? cli_text("%s/labels.tsv", path) : NULL;
    int status = inside && cli_exists(inside) ? read_table(app, inside, out)
                 : cli_is_folder(path)        ? read_folder(app, args, path, out)
                                              : read_table(app, path, out);
    free(inside);
    if (out->paths.n == 0 && status == CLI_OK) {
        cli_error(app,
                  "%s: no labelled photos: a folder per label, or a table of path, tab, label "
                  "(.csv: comma)",
                  path);
        status = CLI_FAILED;
    }
    if (out->paths.n > 0 && !cli_dataset_sort(out)) {
        status = out_of_memory(app);
    }
    return status;
}
