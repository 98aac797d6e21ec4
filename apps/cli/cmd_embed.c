/* Embeddings of pictures and texts, for other programs. */
#include "bulk.h"
#include "encode.h"
#include "inputs.h"
#include "load.h"
#include "npy.h"
#include "output.h"
#include "save.h"
#include "term.h"
#include "verbs.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const cli_option options[] = {
    {"image", 'i', "FILE", true, "a picture (also as plain operands; folders are walked)", "@file"},
    {"text", 'x', "TEXT", true, "a text", NULL},
    {"texts", 0, "FILE", false, "texts from a file, one a line; '-': standard input", "@file"},
    {"output", 'o', "FILE", false, "where to write; '-' is standard output (the default for lines)",
     "@file"},
    {"format", 'f', "FORMAT", false,
     "safetensors, npy, jsonl, csv or tsv (default: by the ending of FILE, else jsonl)",
     "safetensors npy jsonl csv tsv"},
    {"raw", 0, NULL, false, "do not bring the vectors to length 1", NULL},
    CLI_INPUTS_OPTIONS,
    {"fresh", 0, NULL, false, "compute everything anew, without the cache", NULL},
    CLI_FORCE_OPTION,
    CLI_BULK_OPTIONS,
    {0},
};

/* From JSONL on: a line for each row, as it comes. */
typedef enum format { SAFETENSORS = 0, NPY, JSONL, CSV, TSV, N_FORMATS } format;
static const char *const format_names[N_FORMATS] = {"safetensors", "npy", "jsonl", "csv", "tsv"};

typedef struct job {
    cli_app *app;
    const cli_args *args;
    format format;
    const char *output; /* never NULL */
    char *names;        /* where the rows of a table are named; NULL: nowhere */
    cli_list paths;
    cli_list listed; /* texts from a file */
    const char **texts;
    size_t n_texts, dim, n_images_done, n_failed;
    cli_runtime runtime;
    float *image, *text; /* [paths.n, dim], [n_texts, dim] */
    cli_save save;       /* lines */
    bool raw, out_of_memory;
} job;

/* N_FORMATS: none. */
static format format_named(const char *name)
{
    format found = SAFETENSORS;
    while (found < N_FORMATS && strcmp(name, format_names[found])) {
        found++;
    }
    return found;
}

static format format_of_ending(const char *path)
{
    const char *ending = strrchr(path, '.');
    return ending ? format_named(ending + 1) : N_FORMATS;
}

static int read_format(job *j)
{
    const char *name = cli_args_value(j->args, "format"),
               *output = cli_args_value(j->args, "output");
    if (name) {
        j->format = format_named(name);
        if (j->format == N_FORMATS) {
            return cli_usage(j->args->verb,
                             "--format is safetensors, npy, jsonl, csv or tsv, not '%s'", name);
        }
    } else {
        j->format = output ? format_of_ending(output) : JSONL;
        if (j->format == N_FORMATS &&
            (!strcmp(output, "-") || cli_is_special(output) || cli_is_folder(output))) {
            j->format = SAFETENSORS;
        }
        if (j->format == N_FORMATS) {
            return cli_usage(j->args->verb,
                             "'%s' does not say how to write: give --format, or end the name in "
                             ".npy, .safetensors, .jsonl, .csv or .tsv",
                             output);
        }
    }
    if (!output && j->format < JSONL) {
        return cli_usage(j->args->verb, "needs -o FILE (or '-o -' for standard output)");
    }
    j->output = output ? output : "-";
    return CLI_OK;
}

static int read_inputs(job *j)
{
    const char *value;
    size_t position = 0;
    cli_inputs in;
    cli_inputs_open(&in, j->app, j->args);
    for (size_t i = 0; i < j->args->n_operands; i++) {
        cli_inputs_add(&in, j->args->operands[i]);
    }
    while ((value = cli_args_next(j->args, "image", &position))) {
        cli_inputs_add(&in, value);
    }
    cli_inputs_say(&in);
    int status = in.status;
    j->paths = in.paths;
    in.paths = (cli_list){0};
    cli_inputs_close(&in);
    const int texts = cli_lines_read(j->app, cli_args_value(j->args, "texts"), '\n', &j->listed);
    const size_t n_given = cli_args_count(j->args, "text");
    j->n_texts = n_given + j->listed.n;
    j->texts = calloc(j->n_texts + 1, sizeof *j->texts);
    if (!j->texts) {
        cli_error(j->app, "out of memory");
        return CLI_FAILED;
    }
    position = 0;
    for (size_t i = 0; i < j->n_texts; i++) {
        j->texts[i] =
            i < n_given ? cli_args_next(j->args, "text", &position) : j->listed.items[i - n_given];
    }
    return texts == CLI_OK ? status : texts;
}

static json_t *json_vector(const float *x, size_t n)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(array, cli_json_number(x[i]));
    }
    return array;
}

static void write_json(job *j, json_t *line)
{
    j->out_of_memory = j->out_of_memory || !line;
    json_dumpf(line, j->save.stream, JSON_COMPACT | JSON_REAL_PRECISION(9));
    fputc('\n', j->save.stream);
    cli_save_ok(&j->save);
    json_decref(line);
}

/* NAME,0.1,...; x NULL: the header NAME,0,1,... */
static void write_row(job *j, const char *name, const float *x)
{
    const char mark = j->format == CSV ? ',' : '\t';
    cli_write_field(j->save.stream, j->format == CSV ? CLI_CSV : CLI_TSV, name);
    for (size_t i = 0; i < j->dim; i++) {
        if (x) {
            fprintf(j->save.stream, "%c%.9g", mark, (double)x[i]);
        } else {
            fprintf(j->save.stream, "%c%zu", mark, i);
        }
    }
    fputc('\n', j->save.stream);
    cli_save_ok(&j->save);
}

/* {"image":...,"embedding":[...]} or {"text":...}, or a row of a table. */
static void write_line(job *j, const char *key, const char *value, const float *embedding)
{
    if (j->format != JSONL) {
        write_row(j, value, embedding);
        return;
    }
    write_json(j, cli_json_with_path(
                      key, value, json_pack("{s:o}", "embedding", json_vector(embedding, j->dim))));
}

/* Rows of pictures that could not be read stay NaN, so that rows and inputs stay in step. Lines
 * need one row only, whatever the number of pictures. */
static bool take_image(void *context, const cli_item *item, const float *embedding,
                       double encode_ms)
{
    job *j = context;
    float *row = j->image + j->n_images_done * j->dim;
    (void)encode_ms;
    for (size_t i = 0; i < j->dim; i++) {
        row[i] = embedding ? embedding[i] : NAN;
    }
    if (embedding && !j->raw) {
        wi_normalise(row, 1, j->dim);
    }
    if (j->format < JSONL) {
        j->n_images_done++;
        return true;
    }
    if (embedding || j->format != JSONL) {
        write_line(j, "image", item->path, row);
    } else {
        j->n_failed++;
        write_json(j, cli_json_failed(item->path, &item->error));
    }
    return cli_save_ok(&j->save);
}

static int encode_images(job *j)
{
    size_t n_rows = j->format >= JSONL ? 1 : j->paths.n;
    cli_encode encode = {.runtime = &j->runtime,
                         .paths = &j->paths,
                         .image = cli_picture_options(j->args),
                         .each = take_image,
                         .context = j};
    if (j->paths.n == 0) {
        return CLI_OK;
    }
    j->image = calloc(n_rows, j->dim * sizeof(float));
    if (!j->image) {
        cli_error(j->app, "out of memory");
        return CLI_FAILED;
    }
    encode.cache = cli_cache_of_folders(&j->runtime, j->args, false);
    int status = cli_encode_images(&encode);
    cli_cache_close(&encode.cache);
    return status;
}

static int encode_texts(job *j)
{
    wi_error error = {0};
    wi_session *session = NULL;
    wi_session_options sizes = {.max_images = 1};
    cli_meter meter = {j->app, "texts"};
    wi_progress progress = cli_meter_progress(&meter);
    size_t n_truncated = 0;
    if (j->n_texts == 0) {
        return CLI_OK;
    }
    j->text = calloc(j->n_texts, j->dim * sizeof(float));
    if (!j->text) {
        cli_error(j->app, "out of memory");
        return CLI_FAILED;
    }
    wi_status status = wi_session_open(j->runtime.model, &sizes, &session, &error);
    if (status == WI_OK) {
        status = wi_session_encode_texts(session, j->texts, j->n_texts, j->text, &n_truncated,
                                         &progress, &error);
    }
    wi_session_close(&session);
    cli_progress_clear(j->app);
    if (status != WI_OK) {
        return cli_failed(j->app, NULL, &error);
    }
    if (n_truncated > 0) {
        cli_note(j->app, "%zu text%s too long for the model: the end is cut off", n_truncated,
                 n_truncated == 1 ? " is" : "s are");
    }
    if (!j->raw) {
        wi_normalise(j->text, j->n_texts, j->dim);
    }
    for (size_t i = 0; i < j->n_texts && j->format >= JSONL; i++) {
        write_line(j, "text", j->texts[i], j->text + i * j->dim);
    }
    return CLI_OK;
}

static char *json_names(const char *const *names, size_t n)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(array, cli_json_text(names[i]));
    }
    char *text = json_dumps(array, JSON_COMPACT);
    json_decref(array);
    return text;
}

static wi_status write_safetensors(job *j, wi_error *error)
{
    wi_tensor tensors[2];
    size_t n = 0;
    char *images = json_names((const char *const *)j->paths.items, j->paths.n);
    char *texts = json_names(j->texts, j->n_texts);
    if (j->paths.n > 0) {
        tensors[n++] = (wi_tensor){"image",  WI_F32,
                                   2,        {j->paths.n, j->dim},
                                   j->image, j->paths.n * j->dim * sizeof(float)};
    }
    if (j->n_texts > 0) {
        tensors[n++] = (wi_tensor){
            "text", WI_F32, 2, {j->n_texts, j->dim}, j->text, j->n_texts * j->dim * sizeof(float)};
    }
    const char *const metadata[][2] = {
        {"model", j->runtime.info.name},
        {"model_fingerprint", j->runtime.info.fingerprint},
        {"normalised", j->raw ? "false" : "true"},
        {"images", images ? images : "[]"},
        {"texts", texts ? texts : "[]"},
    };
    wi_status status = cli_save_tensors(j->output, tensors, n, metadata,
                                        sizeof metadata / sizeof metadata[0], error);
    free(images);
    free(texts);
    return status;
}

static wi_status write_names(const job *j, wi_error *error)
{
    cli_save save = {0};
    wi_status status = j->names ? cli_save_open(&save, j->names, error) : WI_OK;
    for (size_t i = 0; i < j->paths.n && status == WI_OK && j->names; i++) {
        cli_write_tsv(save.stream, j->paths.items[i]);
        fputc('\n', save.stream);
        cli_save_ok(&save);
    }
    if (status == WI_OK && j->names) {
        status = cli_save_commit(&save, error);
    }
    cli_save_abandon(&save);
    return status;
}

static int write_output(job *j)
{
    wi_error error = {0};
    wi_status status;
    if (j->out_of_memory) {
        cli_error(j->app, "out of memory");
        return CLI_FAILED;
    }
    if (j->format >= JSONL) {
        status = cli_save_commit(&j->save, &error);
    } else if (j->format == NPY) {
        bool images = j->paths.n > 0;
        status = cli_npy_write(j->output, images ? j->image : j->text,
                               images ? j->paths.n : j->n_texts, j->dim, &error);
        status = status == WI_OK ? write_names(j, &error) : status;
    } else {
        status = write_safetensors(j, &error);
    }
    return status == WI_OK ? CLI_OK : cli_failed(j->app, NULL, &error);
}

/* A picture that could not be read makes the exit status 1, but what worked is written. */
static int encode_and_write(job *j)
{
    wi_error error = {0};
    if (j->format >= JSONL && cli_save_open(&j->save, j->output, &error) != WI_OK) {
        return cli_failed(j->app, NULL, &error);
    }
    if (j->format > JSONL) {
        write_row(j, j->paths.n > 0 ? "image" : "text", NULL);
    }
    int images = encode_images(j);
    int texts = images == CLI_INTERRUPTED ? CLI_INTERRUPTED : encode_texts(j);
    if (images == CLI_INTERRUPTED || texts != CLI_OK) {
        return texts;
    }
    if (j->format == JSONL && j->n_failed > 0) {
        write_json(j, cli_json_total(j->paths.n - j->n_failed, j->n_failed));
    }
    int written = write_output(j);
    return written != CLI_OK ? written : images;
}

/* A table says nothing of its rows: their names go into a text beside it. */
static int check_outputs(job *j)
{
    if (j->format == NPY && j->paths.n > 0 && strcmp(j->output, "-") &&
        !cli_is_special(j->output)) {
        j->names = cli_text("%s.txt", j->output);
    }
    int status = cli_may_write(j->app, j->args, "output", &j->paths);
    return status == CLI_OK ? cli_may_replace(j->app, j->args, "output", j->names, &j->paths)
                            : status;
}

/* Many pictures, in parts. */
static int run_bulk(cli_app *app, const cli_args *args)
{
    static const char *const others[] = {"text", "texts", "output", "format", "fresh"};
    job j = {.app = app, .args = args};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (cli_args_has(args, others[i])) {
            return cli_usage(args->verb, "--into writes parts of its own form: leave out --%s",
                             others[i]);
        }
    }
    int listed = read_inputs(&j), status = cli_runtime_open(app, args, WI_TOWER_IMAGE, &j.runtime);
    if (status == CLI_OK) {
        status = cli_bulk(&j.runtime, args, &j.paths);
    }
    cli_runtime_close(&j.runtime);
    cli_list_free(&j.paths);
    free((void *)j.texts);
    cli_list_free(&j.listed);
    return status == CLI_OK ? listed : status;
}

static int run(cli_app *app, const cli_args *args)
{
    if (cli_args_has(args, "into")) {
        return run_bulk(app, args);
    }
    if (cli_args_has(args, "shard") || cli_args_has(args, "part-size")) {
        return cli_usage(args->verb, "--shard and --part-size go with --into DIR");
    }
    job j = {.app = app, .args = args, .raw = cli_args_has(args, "raw")};
    bool nothing =
        args->n_operands + cli_args_count(args, "image") + cli_args_count(args, "text") == 0 &&
        !cli_args_has(args, "texts") && !cli_args_has(args, "files-from");
    int status = nothing ? cli_usage(args->verb, "needs an IMAGE, --image FILE, --files-from FILE, "
                                                 "--text TEXT or --texts FILE")
                         : read_format(&j);
    if (status != CLI_OK) {
        return status;
    }
    int listed = read_inputs(&j);
    if (cli_listed_read(app, args, &j.paths) != CLI_OK ||
        (j.texts && check_outputs(&j) != CLI_OK)) {
        cli_list_free(&j.paths);
        free((void *)j.texts);
        cli_list_free(&j.listed);
        free(j.names);
        return CLI_FAILED;
    }
    if (j.paths.n + j.n_texts == 0 || !j.texts) {
        status = CLI_FAILED;
    } else if (j.format != JSONL && j.format != SAFETENSORS && j.paths.n > 0 && j.n_texts > 0) {
        status = cli_usage(args->verb, "%s holds one table: give pictures or texts, not both",
                           format_names[j.format]);
    } else {
        uint32_t towers = j.paths.n == 0   ? WI_TOWER_TEXT
                          : j.n_texts == 0 ? WI_TOWER_IMAGE
                                           : WI_TOWERS_BOTH;
        status = cli_runtime_open(app, args, towers, &j.runtime);
    }
    if (status == CLI_OK) {
        j.dim = j.runtime.info.embedding_dim;
        status = encode_and_write(&j);
    }
    cli_save_abandon(&j.save);
    cli_runtime_close(&j.runtime);
    cli_list_free(&j.paths);
    free((void *)j.texts);
    cli_list_free(&j.listed);
    free(j.names);
    free(j.image);
    free(j.text);
    return status != CLI_OK ? status : listed;
}

const cli_verb cli_verb_embed = {
    .name = "embed",
    .operands = "[IMAGE...]",
    .summary = "write the vectors of pictures and texts",
    .details =
        "Writes f32 tensors 'image [n,d]' and 'text [m,d]' as safetensors, one table as npy, csv "
        "or tsv, or one JSON object a line. Vectors have length 1 unless --raw is given. The row "
        "of a picture that cannot be read is NaN (in jsonl an \"error\" stands in its place), and "
        "the exit status is 1. Beside a table FILE.npy of pictures, FILE.npy.txt names its rows; "
        "in csv and tsv their first column does. A file that is there is not replaced without "
        "--force, and one that is read never.",
    .examples = "whatsit embed --image cat.jpg --text \"a cat\" -o out.safetensors\n"
                "    both towers into one file\n"
                "whatsit embed ~/Pictures -o pictures.npy\n"
                "    a table for numpy.load\n"
                "whatsit embed --into vectors --files-from list.txt --shard 0/8\n"
                "    the first of eight machines, in parts\n"
                "whatsit embed --text \"a red bicycle\"\n"
                "    a JSON line on standard output\n",
    .complete = "@file",
    .max_operands = SIZE_MAX,
    .shared = CLI_TAKES_MODEL | CLI_TAKES_THREADS | CLI_TAKES_PICTURES,
    .options = options,
    .run = run,
};
