/* Which picture fits a text best? The way CLIP chose among generated pictures. */
#include "encode.h"
#include "inputs.h"
#include "listed.h"
#include "output.h"
#include "term.h"
#include "vectors.h"
#include "verbs.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const cli_option options[] = {
    {"text", 'x', "TEXT", true, "what the picture should show; several are averaged", NULL},
    {"not", 0, "TEXT", true, "what it should not show", NULL},
    {"top", 'k', "K", false, "show the K best pictures (default: all)", NULL},
    {"json", 0, NULL, false, "one JSON object a line", NULL},
    {"csv", 0, NULL, false, "comma-separated values with a header line", NULL},
    {"tsv", 0, NULL, false, "tab-separated values with a header line", NULL},
    {"names", 0, NULL, false, "paths only, one a line", NULL},
    CLI_INPUTS_OPTIONS,
    CLI_LISTED_OPTIONS,
    {0},
};

typedef struct ranked {
    size_t index; /* of the picture */
    float score;  /* cosine, less that of what it should not show */
} ranked;

static int best_first(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    return x->score != y->score ? (x->score < y->score ? 1 : -1)
                                : (x->index > y->index) - (x->index < y->index);
}

static ranked *rank_all(const cli_vectors *v, const float *wanted, size_t *n)
{
    ranked *out = calloc(v->n + 1, sizeof *out);
    *n = 0;
    for (size_t i = 0; i < v->n && out; i++) {
        double dot = 0;
        if (!v->good[i]) {
            continue;
        }
        wi_normalise(v->rows + i * v->dim, 1, v->dim);
        for (size_t j = 0; j < v->dim; j++) {
            dot += (double)v->rows[i * v->dim + j] * (double)wanted[j];
        }
        out[(*n)++] = (ranked){i, (float)dot};
    }
    if (out && *n > 1) {
        qsort(out, *n, sizeof *out, best_first);
    }
    return out;
}

static void write_one(const cli_args *args, cli_format format, const char *path, size_t rank,
                      float score)
{
    char text[1024];
    if (cli_args_has(args, "names")) {
        puts(path);
    } else if (format == CLI_JSON) {
        cli_json_line(cli_json_with_path("image", path,
                                         json_pack("{s:I,s:o}", "rank", (json_int_t)rank, "score",
                                                   cli_json_number((double)score))));
    } else if (format != CLI_TEXT) {
        printf("%zu%c%.9g%c", rank, format == CLI_CSV ? ',' : '\t', (double)score,
               format == CLI_CSV ? ',' : '\t');
        cli_write_field(stdout, format, path);
        fputc('\n', stdout);
    } else {
        cli_printable(path, text, sizeof text);
        printf("%5zu  %7.4f  %s\n", rank, (double)score, text);
    }
}

static void write_failure(void *context, const char *path, const wi_error *error)
{
    const cli_runtime *runtime = context;
    if (!cli_json_failure(path, error)) {
        cli_error(runtime->app, "%s: out of memory", path);
    }
}

static int rank_and_write(cli_runtime *runtime, const cli_args *args, cli_format format, size_t top,
                          const cli_list *paths)
{
    cli_vectors v = {0};
    cli_vectors_options how = {.image = cli_picture_options(args), .args = args};
    how.failed = format == CLI_JSON && !cli_args_has(args, "names") ? write_failure : NULL;
    how.context = runtime;
    float *wanted = calloc(runtime->info.embedding_dim + 1, sizeof *wanted);
    int status = wanted ? cli_add_option(runtime, args, "text", 1, wanted) : CLI_FAILED,
        read = CLI_OK;
    if (status == CLI_OK) {
        status = cli_add_option(runtime, args, "not", -1, wanted);
    }
    if (status == CLI_OK) {
        read = cli_vectors_open(runtime, paths, &how, &v);
        status = read != CLI_INTERRUPTED && v.n_good > 0 ? CLI_OK : read;
    }
    if (status == CLI_OK) {
        size_t n = 0;
        ranked *best = rank_all(&v, wanted, &n);
        if (format == CLI_CSV || format == CLI_TSV) {
            puts(format == CLI_CSV ? "rank,score,image" : "rank\tscore\timage");
        }
        for (size_t i = 0; best && i < n && i < top && cli_output_ok(runtime->app); i++) {
            write_one(args, format, paths->items[best[i].index], i + 1, best[i].score);
        }
        if (how.failed && v.n_good < v.n) {
            cli_json_line(cli_json_total(v.n_good, v.n - v.n_good));
        }
        free(best);
    }
    cli_vectors_free(&v);
    free(wanted);
    return status == CLI_OK ? read : status;
}

static int run(cli_app *app, const cli_args *args)
{
    cli_format format;
    cli_list paths = {0};
    cli_runtime runtime = {0};
    long top;
    int listed = CLI_OK, status = cli_format_of(args, &format);
    if (status == CLI_OK) {
        status = cli_args_number(args, "top", 1, 1000000000, 1000000000, &top);
    }
    if (status == CLI_OK && !cli_args_has(args, "text")) {
        status = cli_usage(args->verb, "needs --text TEXT");
    }
    if (status == CLI_OK && args->n_operands == 0 && !cli_args_has(args, "files-from")) {
        status = cli_usage(args->verb, "needs an IMAGE, or --files-from FILE");
    }
    if (status != CLI_OK) {
        return status;
    }
    listed = cli_inputs_read(app, args, args->operands, args->n_operands, &paths);
    status = cli_listed_read(app, args, &paths);
    listed = listed == CLI_OK ? status : listed;
    status = paths.n > 0 ? cli_runtime_open(app, args, WI_TOWERS_BOTH, &runtime) : CLI_FAILED;
    if (status == CLI_OK) {
        status = rank_and_write(&runtime, args, format, (size_t)top, &paths);
    }
    cli_runtime_close(&runtime);
    cli_list_free(&paths);
    return status == CLI_OK ? listed : status;
}

const cli_verb cli_verb_rank = {
    .name = "rank",
    .operands = "IMAGE...",
    .summary = "order pictures by how well they fit a text, best first",
    .details = "Compares the text's embedding with each picture's (cosine). Several texts are "
               "averaged; --not takes away what a picture should not show.",
    .examples = "whatsit rank --text \"a red bicycle\" *.jpg\n"
                "    the best candidate comes first\n"
                "whatsit rank --text \"a beach\" --not \"people\" ~/Pictures --top 20 --names\n"
                "    paths for another program\n",
    .complete = "@file",
    .min_operands = 0, /* --files-from names them too */
    .max_operands = SIZE_MAX,
    .shared = CLI_TAKES_MODEL | CLI_TAKES_THREADS | CLI_TAKES_PICTURES,
    .options = options,
    .run = run,
};
