#include "photos.h"
#include "inputs.h"
#include "save.h"
#include "term.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void cli_photos_free(cli_photos *photos)
{
    cli_dataset_free(&photos->data);
    free(photos->embeddings);
    free(photos->labels);
    *photos = (cli_photos){0};
}

wi_photos cli_photos_view(const cli_photos *photos)
{
    return (wi_photos){photos->embeddings, photos->labels, photos->n, photos->dim};
}

void cli_photos_say_copies(cli_app *app, const cli_dataset *data, const cli_copies *copies)
{
    if (copies->n > 0) {
        cli_note(app, "%zu photo%s of others under the same label: counted once", copies->n,
                 copies->n == 1 ? " is a copy" : "s are copies");
    }
    if (copies->n_torn > 0) {
        const size_t *two = copies->torn;
        cli_note(app, "%zu photo%s under more than one label: %s is '%s', and as %s '%s'",
                 copies->n_torn, copies->n_torn == 1 ? " stands" : "s stand",
                 data->paths.items[two[0]], data->names.items[data->labels[two[0]]],
                 data->paths.items[two[1]], data->names.items[data->labels[two[1]]]);
    }
}

/* Moves the rows of good photos that are no copies together. */
static void take_rows(cli_vectors *v, const cli_copies *copies, cli_photos *photos)
{
    size_t used = 0, n_good = 0;
    for (size_t i = 0; i < v->n; i++) {
        n_good += v->good[i];
        if (v->good[i] && !copies->is_copy[i]) {
            memmove(v->rows + used * v->dim, v->rows + i * v->dim, v->dim * sizeof *v->rows);
            photos->labels[used++] = photos->data.labels[i];
        }
    }
    photos->embeddings = v->rows;
    v->rows = NULL;
    photos->n = used;
    photos->n_copies = copies->n;
    photos->n_left_out = v->n - n_good;
    photos->seconds = v->seconds;
    photos->n_embedded = n_good - v->n_cached;
}

int cli_photos_embed(const cli_runtime *runtime, const wi_image_options *how, cli_photos *photos)
{
    cli_vectors vectors;
    cli_copies copies = {0};
    cli_vectors_options options = {0};
    const cli_dataset *data = &photos->data;
    if (how) {
        options.image = *how;
    }
    int status = cli_vectors_open(runtime, &data->paths, &options, &vectors);
    photos->dim = vectors.dim;
    photos->labels = calloc(vectors.n + 1, sizeof *photos->labels);
    bool good = status != CLI_INTERRUPTED && photos->labels && vectors.n_good > 0 &&
                cli_copies_find((const uint8_t(*)[CLI_DIGEST])vectors.content, data->labels,
                                vectors.n, &copies);
    if (good) {
        cli_photos_say_copies(runtime->app, data, &copies);
        take_rows(&vectors, &copies, photos);
        status = CLI_OK;
    } else if (status != CLI_INTERRUPTED) {
        status = CLI_FAILED;
    }
    cli_copies_free(&copies);
    cli_vectors_free(&vectors);
    return status;
}

int cli_train(const cli_runtime *runtime, const cli_training *how, const cli_photos *photos,
              wi_head **out, wi_training_report *report)
{
    wi_error error = {0};
    cli_meter meter = {runtime->app, "fitting"};
    const cli_dataset *data = &photos->data;
    size_t *count = calloc(data->names.n + 1, sizeof *count);
    int status = count ? CLI_OK : CLI_FAILED;
    for (size_t i = 0; i < photos->n && count; i++) {
        count[photos->labels[i]]++;
    }
    for (size_t i = 0; i < data->names.n && status == CLI_OK; i++) {
        if (count[i] == 0) {
            cli_error(runtime->app, "none of the photos of '%s' can be read: nothing was made",
                      data->names.items[i]);
            status = CLI_FAILED;
        }
    }
    free(count);
    wi_training training = {
        .name = how->name,
        .labels = (const char *const *)data->names.items,
        .n_labels = data->names.n,
        .licence = how->licence,
        .source = how->source,
        .sensitivity = how->note,
        .photos = cli_photos_view(photos),
        .strength = how->strength,
        .balanced = how->balanced,
        .progress = cli_meter_progress(&meter),
    };
    if (status == CLI_OK &&
        wi_head_train(runtime->model, &training, out, report, &error) != WI_OK) {
        status = cli_failed(runtime->app, NULL, &error);
    }
    cli_progress_clear(runtime->app);
    return status;
}

/* ---- none of these ---- */

int cli_rate_option(const cli_args *args, double *rate)
{
    const char *value = cli_args_value(args, "rate");
    char *end = NULL;
    *rate = value ? strtod(value, &end) : 0.05;
    if (value && (end == value || *end || !(*rate > 0 && *rate < 1))) {
        return cli_usage(args->verb, "--rate takes a number between 0 and 1, not '%s'", value);
    }
    return CLI_OK;
}

int cli_unknown_photos(cli_app *app, const cli_args *args, cli_dataset *out)
{
    const char *folder;
    size_t position = 0;
    cli_inputs in;
    cli_inputs_open(&in, app, NULL);
    while ((folder = cli_args_next(args, "unknown", &position))) {
        cli_inputs_add(&in, folder);
    }
    cli_inputs_say(&in);
    int status = in.status;
    for (size_t i = 0; i < in.paths.n && status == CLI_OK; i++) {
        char *path = in.paths.items[i];
        in.paths.items[i] = NULL;
        if (!cli_dataset_add(out, path, "unknown")) {
            cli_error(app, "out of memory");
            status = CLI_FAILED;
        }
    }
    cli_inputs_close(&in);
    return status;
}

int cli_head_calibrate_by(const cli_runtime *runtime, const cli_args *args, wi_head **head)
{
    wi_error error = {0};
    cli_photos unknown = {0};
    wi_calibration how = {0};
    int status = cli_rate_option(args, &how.rate);
    if (status == CLI_OK) {
        status = cli_unknown_photos(runtime->app, args, &unknown.data);
    }
    if (status == CLI_OK && unknown.data.paths.n > 0) {
        wi_head *calibrated = NULL;
        status = cli_photos_embed(runtime, NULL, &unknown);
        how.unknown = unknown.embeddings;
        how.n = unknown.n;
        how.dim = unknown.dim;
        if (status == CLI_OK && wi_head_calibrate(*head, &how, &calibrated, &error) != WI_OK) {
            status = cli_failed(runtime->app, "--unknown", &error);
        } else if (status == CLI_OK) {
            double low, high;
            wi_head_close(head);
            *head = calibrated;
            wi_calibration_range(how.n, how.rate, &low, &high);
            cli_note(
                runtime->app,
                "threshold for %.3g %% set by %zu unknown photo%s: of others like them, %.1f to "
                "%.1f %% pass, nine times in ten",
                100 * how.rate, how.n, how.n == 1 ? "" : "s", 100 * low, 100 * high);
        }
    }
    cli_photos_free(&unknown);
    return status;
}

/* ---- the list beside a head ---- */

static const char list_title[] = "# photos of a head";

char *cli_photo_list_path(const char *name)
{
    char *folder = cli_data_path("heads");
    char *path = folder ? cli_text("%s/%s.photos.tsv", folder, name) : NULL;
    free(folder);
    return path;
}

static void hex_of(const uint8_t content[CLI_DIGEST], char hex[2 * CLI_DIGEST + 1])
{
    for (size_t i = 0; i < CLI_DIGEST; i++) {
        snprintf(hex + 2 * i, 3, "%02x", content[i]);
    }
}

static bool write_row(FILE *out, const cli_cache *cache, const char *path, const char *label)
{
    char hex[2 * CLI_DIGEST + 1] = "";
    cli_known known;
    char *absolute = realpath(path, NULL);
    bool good = absolute && !strpbrk(absolute, "\t\r\n") && !strpbrk(label, "\t\r\n");
    if (good) {
        cli_cache_ask(cache, absolute, &known);
        if (known.has_content) {
            hex_of(known.content, hex);
        }
        fprintf(out, "%s\t%s\t%s\n", absolute, label, hex);
    }
    free(absolute);
    return good;
}

void cli_photo_list_remove(const char *name)
{
    char *path = cli_photo_list_path(name);
    if (path) {
        unlink(path);
    }
    free(path);
}

void cli_photo_list_save(const cli_runtime *runtime, const char *name, const cli_dataset *data,
                         const char *options)
{
    static const wi_image_options how = {0};
    cli_app *app = runtime->app;
    cli_cache *cache = cli_cache_open(runtime, NULL, &how, false); /* for contents by place */
    wi_error error = {0};
    cli_save save = {0};
    char *path = cli_photo_list_path(name);
    size_t n_lost = 0;
    wi_status status = path ? cli_save_open(&save, path, &error) : WI_ERR_NOMEM;
    if (status == WI_OK) {
        fprintf(save.stream, "%s %s\n", list_title, options);
        for (size_t i = 0; i < data->paths.n; i++) {
            n_lost += !write_row(save.stream, cache, data->paths.items[i],
                                 data->names.items[data->labels[i]]);
        }
        status = cli_save_commit(&save, &error);
    }
    cli_save_abandon(&save);
    cli_cache_close(&cache);
    if (status != WI_OK) {
        cli_photo_list_remove(name); /* an older one tells of other photos */
    }
    if (status != WI_OK || n_lost > 0) {
        cli_note(app, "head '%s' works, but %s not kept for 'whatsit head rebuild'%s%s", name,
                 status != WI_OK ? "where its photos lie is" : "some of its photos' places are",
                 status != WI_OK && error.message[0] ? ": " : "", error.message);
    }
    free(path);
}

int cli_photo_list_open(cli_app *app, const char *name, cli_dataset *out, bool *balanced)
{
    char *path = cli_photo_list_path(name), first[128] = "";
    FILE *file = path ? fopen(path, "rb") : NULL;
    int status = CLI_FAILED;
    *out = (cli_dataset){0};
    if (!file) {
        cli_error(app,
                  "head '%s' was made from photos, and where they lie is not known here: make it "
                  "again from them",
                  name);
    } else {
        *balanced = fgets(first, sizeof first, file) && strstr(first, " balanced");
        status = cli_dataset_open(app, NULL, path, out);
    }
    if (file) {
        fclose(file);
    }
    free(path);
    return status;
}

/* Contents, and paths of photos that have none. */
static void read_list(FILE *file, cli_list *contents, cli_list *paths)
{
    char line[2 * PATH_MAX];
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\r\n")] = '\0';
        char *label = line[0] == '#' ? NULL : strchr(line, '\t');
        char *content = label ? strchr(label + 1, '\t') : NULL;
        if (content && content[1]) {
            cli_list_add(contents, cli_text("%s", content + 1));
        } else if (label) {
            cli_list_add(paths, cli_text("%.*s", (int)(label - line), line));
        }
    }
    cli_list_sort(contents);
    cli_list_sort(paths);
}

size_t cli_photo_list_count(const char *name, const cli_list *paths,
                            const uint8_t (*content)[CLI_DIGEST], const bool *is_copy)
{
    static const uint8_t unknown[CLI_DIGEST];
    char *list = cli_photo_list_path(name);
    FILE *file = list ? fopen(list, "rb") : NULL;
    cli_list contents = {0}, old = {0};
    size_t n = 0;
    if (file) {
        read_list(file, &contents, &old);
        fclose(file);
    }
    for (size_t i = 0; i < paths->n && contents.n + old.n > 0; i++) {
        char hex[2 * CLI_DIGEST + 1];
        hex_of(content[i], hex);
        bool known = memcmp(content[i], unknown, CLI_DIGEST) != 0 &&
                     cli_list_find(&contents, hex) < contents.n;
        char *path = known || old.n == 0 ? NULL : realpath(paths->items[i], NULL);
        known = known || (path && cli_list_find(&old, path) < old.n);
        n += known && !(is_copy && is_copy[i]);
        free(path);
    }
    cli_list_free(&contents);
    cli_list_free(&old);
    free(list);
    return n;
}
