/* Why this answer? A heat map over the photo, words per region, units that fire. */
#include "heads.h"
#include "heatmap.h"
#include "load.h"
#include "output.h"
#include "png.h"
#include "save.h"
#include "term.h"
#include "verbs.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <whatsit/explain.h>

static const cli_option options[] = {
    {"label", 'l', "LABEL", false, "the answer to explain (default: the best one)", NULL},
    {"as", 'a', "HEAD", false, "the head whose answer it is (default: the everyday one)", "@head"},
    {"output", 'o', "MAP.png", false, "where to write the heat map", "@file"},
    {"method", 0, "METHOD", false, "occlusion (default) or regions", "occlusion regions"},
    {"window", 0, "PX", false, "occlusion: side of the window in the model's pixels", NULL},
    {"words", 'w', "K", false, "the K best words of each region, as text", NULL},
    {"neurons", 'n', "K", false, "the K units that give this photo's embedding most", NULL},
    {"json", 0, NULL, false, "one JSON object", NULL},
    CLI_FORCE_OPTION,
    {0},
};

typedef struct job {
    cli_app *app;
    const cli_args *args;
    cli_runtime runtime;
    wi_session *session;
    wi_head *head;
    wi_head_info info;
    size_t label, size, dim;
    bool by_regions;
    long window, n_words, n_neurons;
    uint32_t side; /* of the grid of regions */
    uint8_t *pixels;
    float *embedding, *heat, *regions; /* [dim], [size, size], [side * side, dim] */
    wi_answer answer;
    json_t *json; /* NULL: text */
} job;

static int read_options(job *j)
{
    const char *method = cli_args_value(j->args, "method");
    j->by_regions = method && !strcmp(method, "regions");
    if (method && !j->by_regions && strcmp(method, "occlusion") != 0) {
        return cli_usage(j->args->verb, "--method is occlusion or regions, not '%s'", method);
    }
    int status = cli_args_number(j->args, "window", 1, 4096, 0, &j->window);
    if (status == CLI_OK) {
        status = cli_args_number(j->args, "words", 1, 100, 0, &j->n_words);
    }
    if (status == CLI_OK) {
        status = cli_args_number(j->args, "neurons", 1, 1000, 0, &j->n_neurons);
    }
    return status;
}

/* A label that no head at hand has is weighed against words that fit anything. */
static int open_own_label(job *j, const char *label)
{
    static const char *const others[] = {"thing",   "object",  "scene", "background",
                                         "texture", "pattern", "place", "text"};
    enum { N = 1 + sizeof others / sizeof others[0] };
    const char *labels[N] = {label};
    cli_recipe recipe = {.recipe = {.name = "label", .labels = labels, .n_labels = N}};
    memcpy(labels + 1, others, sizeof others);
    wi_head_close(&j->head);
    return cli_head_build(&j->runtime, &recipe, &j->head);
}

static int open_head(job *j)
{
    const char *name = cli_args_value(j->args, "as"), *label = cli_args_value(j->args, "label");
    int status = name ? cli_head_open(&j->runtime, name, false, &j->head)
                      : cli_head_everyday(&j->runtime, false, &j->head);
    j->label = SIZE_MAX;
    for (size_t i = 0; status == CLI_OK && label && wi_head_label(j->head, i); i++) {
        if (!strcmp(label, wi_head_label(j->head, i))) {
            j->label = i;
        }
    }
    if (status == CLI_OK && name) {
        cli_head_warn_single(j->app, name, j->head);
    }
    if (status == CLI_OK && label && j->label == SIZE_MAX && name) {
        char *what = cli_text("head '%s'", name);
        cli_head_no_label(j->app, j->head, what ? what : name, label);
        free(what);
        return CLI_FAILED;
    }
    if (status == CLI_OK && label && j->label == SIZE_MAX) {
        status = open_own_label(j, label);
        j->label = 0;
    }
    if (status == CLI_OK) {
        wi_head_get_info(j->head, &j->info);
    }
    return status;
}

static wi_status open_room(job *j, wi_error *error)
{
    wi_session_options sizes = {.max_images = 8, .max_tokens = j->runtime.info.context_length};
    wi_status status = wi_session_open(j->runtime.model, &sizes, &j->session, error);
    j->side = 1; /* occlusion asks no position of the network and works with every tower */
    if (status == WI_OK && (j->by_regions || cli_args_has(j->args, "words"))) {
        status = wi_explain_grid(j->session, &j->side, error);
    }
    if (status != WI_OK) {
        return status;
    }
    j->size = j->runtime.info.preprocess.size_px;
    j->dim = j->runtime.info.embedding_dim;
    j->pixels = calloc(j->size * j->size, 3);
    j->embedding = calloc(j->dim, sizeof *j->embedding);
    j->heat = calloc(j->size * j->size, sizeof *j->heat);
    j->regions = calloc((size_t)j->side * j->side, j->dim * sizeof *j->regions);
    return j->pixels && j->embedding && j->heat && j->regions
               ? WI_OK
               : cli_fail(error, WI_ERR_NOMEM, "out of memory");
}

/* The answer that is explained, with its score. */
static wi_status answer(job *j, wi_error *error)
{
    cli_loaded loaded;
    cli_load_options load = {j->runtime.engine, j->runtime.info.preprocess,
                             cli_picture_options(j->args)};
    size_t n = j->info.n_labels;
    wi_answer *answers = calloc(n + 1, sizeof *answers);
    wi_status status = answers ? cli_load(j->args->operands[0], &load, j->pixels, &loaded, error)
                               : cli_fail(error, WI_ERR_NOMEM, "out of memory");
    if (status == WI_OK) {
        status = wi_session_encode_images(j->session, j->pixels, 1, j->embedding, error);
    }
    if (status == WI_OK) {
        status = wi_head_answer(j->head, j->embedding, j->dim, n, answers, &n, error);
    }
    for (size_t i = 0; status == WI_OK && i < n; i++) {
        if (answers[i].label == j->label || j->label == SIZE_MAX) {
            j->answer = answers[i];
            j->label = answers[i].label;
            break;
        }
    }
    free(answers);
    return status;
}

/* ---- heat ---- */

/* The label's share at each position, as a map of the input's size. */
static wi_status heat_of_regions(job *j, wi_error *error)
{
    size_t n = j->info.n_labels;
    float *score = calloc(n + 1, sizeof *score);
    wi_status status = score ? WI_OK : cli_fail(error, WI_ERR_NOMEM, "out of memory");
    size_t cell = j->size / j->side;
    for (size_t i = 0; i < (size_t)j->side * j->side && status == WI_OK; i++) {
        status = wi_head_scores(j->head, j->regions + i * j->dim, j->dim, score, NULL, NULL, error);
        size_t y0 = i / j->side * cell, x0 = i % j->side * cell;
        for (size_t y = y0; y < y0 + cell && status == WI_OK; y++) {
            for (size_t x = x0; x < x0 + cell; x++) {
                j->heat[y * j->size + x] = score[j->label];
            }
        }
    }
    free(score);
    return status;
}

static wi_status make_heat(job *j, wi_error *error)
{
    cli_meter meter = {j->app, "windows"};
    wi_occlusion how = {.window_px = (uint32_t)j->window, .progress = cli_meter_progress(&meter)};
    if (j->by_regions) {
        return heat_of_regions(j, error);
    }
    wi_status status =
        wi_explain_occlusion(j->session, j->pixels, j->head, j->label, &how, j->heat, error);
    cli_progress_clear(j->app);
    return status;
}

static wi_status write_map(job *j, const char *path, wi_error *error)
{
    wi_image_options how = cli_picture_options(j->args);
    wi_image *image = NULL;
    cli_heatmap map = {0};
    const char *photo = j->args->operands[0];
    bool ready = cli_ends_with(photo, ".safetensors") || !strcmp(photo, "-");
    wi_status status =
        ready ? wi_image_from_rgb(j->pixels, (uint32_t)j->size, (uint32_t)j->size, &image, error)
              : wi_image_from_file(photo, &how, &image, error);
    if (status == WI_OK) {
        status = cli_heatmap_draw(image, &j->runtime.info.preprocess, j->heat, &map, error);
    }
    if (status == WI_OK) {
        status = cli_png_write(path, map.rgb, map.width_px, map.height_px, error);
    }
    free(map.rgb);
    wi_image_close(&image);
    return status;
}

/* ---- words and units ---- */

static const char *best_words(const wi_head *head, const float *embedding, size_t dim, size_t k,
                              json_t *into, char *text, size_t n_text)
{
    wi_answer answers[100];
    size_t n = 0, used = 0;
    char word[128];
    text[0] = '\0';
    if (wi_head_answer(head, embedding, dim, k < 100 ? k : 100, answers, &n, NULL) != WI_OK) {
        return text;
    }
    for (size_t i = 0; i < n; i++) {
        const char *label = wi_head_label(head, answers[i].label);
        cli_printable(label, word, sizeof word);
        if (into) {
            json_array_append_new(into, cli_json_text(label));
        }
        if (used < n_text) {
            int some = snprintf(text + used, n_text - used, "%s%s", i ? ", " : "", word);
            used += some > 0 ? (size_t)some : 0;
        }
    }
    return text;
}

static void show_words(job *j)
{
    char text[512];
    json_t *all = j->json ? json_array() : NULL;
    if (!j->json) {
        printf("\nwhat stands where (%u x %u regions)\n", j->side, j->side);
    }
    for (size_t i = 0; i < (size_t)j->side * j->side; i++) {
        json_t *words = j->json ? json_array() : NULL;
        best_words(j->head, j->regions + i * j->dim, j->dim, (size_t)j->n_words, words, text,
                   sizeof text);
        if (j->json) {
            json_array_append_new(all, json_pack("{s:i,s:i,s:o}", "row", (int)(i / j->side),
                                                 "column", (int)(i % j->side), "words", words));
        } else {
            printf("  row %zu, column %zu: %s\n", i / j->side + 1, i % j->side + 1, text);
        }
    }
    if (j->json) {
        json_object_set_new(j->json, "regions", all);
    }
}

/* The concepts come from the shipped nouns, or the model's everyday head. */
static int show_neurons(job *j)
{
    wi_error error = {0};
    wi_head *nouns = NULL;
    size_t k = (size_t)j->n_neurons, n = 0;
    wi_unit *units = calloc(k, sizeof *units);
    float *direction = calloc(k, j->dim * sizeof *direction);
    json_t *all = j->json ? json_array() : NULL;
    char text[256];
    int status = units && direction ? CLI_OK : CLI_FAILED;
    char *list = cli_shipped_head_path("nouns");
    if (status == CLI_OK) {
        status = list ? cli_head_open(&j->runtime, "nouns", false, &nouns)
                      : cli_head_everyday(&j->runtime, false, &nouns);
    }
    free(list);
    if (status == CLI_OK &&
        wi_explain_units(j->session, j->pixels, k, units, direction, &n, &error) != WI_OK) {
        status = cli_failed(j->app, NULL, &error);
    }
    if (status == CLI_OK && !j->json) {
        printf("\nunits that fire for this photo, and what they push towards\n");
    }
    for (size_t i = 0; i < n; i++) {
        json_t *words = j->json ? json_array() : NULL;
        best_words(nouns, direction + i * j->dim, j->dim, 4, words, text, sizeof text);
        if (j->json) {
            json_array_append_new(
                all, json_pack("{s:i,s:i,s:o,s:o,s:o}", "layer", (int)units[i].layer, "unit",
                               (int)units[i].index, "activation",
                               cli_json_number((double)units[i].activation), "share",
                               cli_json_number((double)units[i].share), "words", words));
        } else {
            printf("  layer %2u unit %5u  fires %8.3f  gives %5.1f %%  %s\n", units[i].layer,
                   units[i].index, (double)units[i].activation, 100 * (double)units[i].share, text);
        }
    }
    if (j->json) {
        json_object_set_new(j->json, "neurons", all);
    }
    wi_head_close(&nouns);
    free(units);
    free(direction);
    return status;
}

/* ---- all of it ---- */

static void show_answer(job *j)
{
    char text[256];
    const char *label = wi_head_label(j->head, j->label), *method;
    method = j->by_regions ? "regions" : "occlusion";
    if (cli_args_has(j->args, "json")) {
        j->json =
            json_pack("{s:o,s:o,s:o,s:o,s:o,s:s}", "image", cli_json_text(j->args->operands[0]),
                      "model", cli_json_text(j->runtime.info.name), "head",
                      cli_json_text(j->info.name), "label", cli_json_text(label), "score",
                      cli_json_number((double)j->answer.score), "method", method);
    } else {
        cli_printable(label, text, sizeof text);
        printf("%5.1f %%  %s\n", 100 * (double)j->answer.score, text);
    }
}

static int explain(job *j)
{
    wi_error error = {0};
    const char *output = cli_args_value(j->args, "output");
    wi_status status = open_room(j, &error);
    if (status == WI_OK) {
        status = answer(j, &error);
    }
    if (status == WI_OK && (j->n_words > 0 || j->by_regions)) {
        status = wi_explain_regions(j->session, j->pixels, j->regions, &error);
    }
    if (status == WI_OK && output) {
        status = make_heat(j, &error);
    }
    if (status != WI_OK) {
        return cli_failed(j->app, j->args->operands[0], &error);
    }
    if (output && write_map(j, output, &error) != WI_OK) {
        return cli_failed(j->app, NULL, &error);
    }
    show_answer(j);
    if (j->n_words > 0) {
        show_words(j);
    }
    int shown = j->n_neurons > 0 ? show_neurons(j) : CLI_OK;
    if (j->json && shown == CLI_OK) {
        json_t *json = j->json;
        j->json = NULL;
        cli_json_line(json);
    }
    return shown;
}

/* The map is a PNG, whatever its file is called. */
static int check_output(const job *j)
{
    static const char *const others[] = {".jpg",  ".jpeg", ".webp", ".gif", ".bmp", ".heic",
                                         ".avif", ".tif",  ".tiff", ".svg", ".pdf"};
    const char *output = cli_args_value(j->args, "output");
    for (size_t i = 0; output && i < sizeof others / sizeof others[0]; i++) {
        if (cli_ends_with(output, others[i])) {
            return cli_usage(j->args->verb, "the map is a PNG: end its name in .png, not in %s",
                             others[i]);
        }
    }
    return cli_may_write(j->app, j->args, "output", NULL);
}

static int run(cli_app *app, const cli_args *args)
{
    job j = {.app = app, .args = args};
    int status = read_options(&j);
    if (status == CLI_OK && !cli_args_has(args, "output") && j.n_words == 0 && j.n_neurons == 0) {
        status = cli_usage(args->verb, "needs -o MAP.png, --words K or --neurons K");
    }
    if (status == CLI_OK) {
        status = check_output(&j);
    }
    if (status == CLI_OK) {
        status = cli_runtime_open(app, args, WI_TOWERS_BOTH, &j.runtime);
    }
    if (status == CLI_OK) {
        status = open_head(&j);
    }
    if (status == CLI_OK) {
        status = explain(&j);
    }
    json_decref(j.json);
    wi_head_close(&j.head);
    wi_session_close(&j.session);
    cli_runtime_close(&j.runtime);
    free(j.pixels);
    free(j.embedding);
    free(j.heat);
    free(j.regions);
    return status;
}

const cli_verb cli_verb_explain = {
    .name = "explain",
    .operands = "IMAGE",
    .summary = "show which parts of a picture speak for an answer",
    .details =
        "Writes the picture with a heat map: red parts speak for the label, blue ones against it; "
        "what the model does not see is dimmed.\n\n"
        "--method occlusion hides one part after the other and looks how far the label falls back "
        "behind the head's others (Zeiler & Fergus, arXiv:1311.2901): true to the model, and as "
        "slow as some dozens of pictures. --method regions asks each position of the network for "
        "itself (MaskCLIP, arXiv:2112.01071): one picture's time, and less exact. --words tells "
        "the best answers of each such position.\n\n"
        "--neurons shows the units of the last layers that give this picture's embedding most, and "
        "the nouns towards which each pushes it. Compare a photo, a drawing and the written word "
        "of a thing: some units fire for all three.",
    .examples = "whatsit explain photo.jpg --label spider -o map.png\n"
                "    where is the spider?\n"
                "whatsit explain photo.jpg --words 2\n"
                "    what stands where?\n"
                "whatsit explain photo.jpg --neurons 10\n"
                "    which units fire, and for what?\n",
    .complete = "@file",
    .min_operands = 1,
    .max_operands = 1,
    .shared = CLI_TAKES_MODEL | CLI_TAKES_THREADS | CLI_TAKES_PICTURES,
    .options = options,
    .run = run,
};
