#include "bulk.h"
#include "encode.h"
#include "npy.h"
#include "output.h"
#include "save.h"
#include "term.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PART = 10000, MAX_PART = 1000000, MAX_SHARDS = 1000000 };

static const char *const kinds[] = {"img_emb", "metadata", "bad", "manifest"};

typedef struct bulk {
    const cli_runtime *runtime;
    const cli_args *args;
    const char *folder;
    size_t shard, n_shards, part_size, dim;
    bool raw;
    float *rows; /* [part_size, dim] */
    cli_save metadata, bad;
    size_t n_out, n_bad;                         /* of the part */
    size_t n_parts, n_skipped, all_out, all_bad; /* of the run */
} bulk;

/* ---- one part ---- */

/* DIR/KIND/KIND_NNNN.ENDING; the caller frees. */
static char *part_path(const bulk *b, const char *kind, size_t part, const char *ending)
{
    return cli_text("%s/%s/%s_%04zu.%s", b->folder, kind, kind, part, ending);
}

static void write_record(cli_save *save, json_t *record)
{
    json_dumpf(record, save->stream, JSON_COMPACT | JSON_REAL_PRECISION(9));
    fputc('\n', save->stream);
    cli_save_ok(save);
    json_decref(record);
}

static bool take(void *context, const cli_item *item, const float *embedding, double encode_ms)
{
    bulk *b = context;
    (void)encode_ms;
    if (!embedding) {
        write_record(&b->bad, cli_json_with_path(
                                  "image_path", item->path,
                                  json_pack("{s:o}", "error", cli_json_text(item->error.message))));
        b->n_bad++;
        return true;
    }
    float *row = b->rows + b->n_out * b->dim;
    memcpy(row, embedding, b->dim * sizeof *row);
    if (!b->raw) {
        wi_normalise(row, 1, b->dim);
    }
    json_t *record =
        json_pack("{s:I,s:I,s:I}", "row", (json_int_t)b->n_out, "width",
                  (json_int_t)item->loaded.width_px, "height", (json_int_t)item->loaded.height_px);
    write_record(&b->metadata, cli_json_with_path("image_path", item->path, record));
    b->n_out++;
    return cli_save_ok(&b->metadata);
}

/* Which pictures, by which model, in which form: a part is only taken for done when all of it is the same. */
static void key_of(const bulk *b, const cli_list *paths, char hex[65])
{
    wi_digest *digest = NULL;
    hex[0] = '\0';
    if (wi_digest_open(&digest, NULL) == WI_OK) {
        wi_digest_update(digest, b->runtime->info.fingerprint,
                         strlen(b->runtime->info.fingerprint) + 1);
        wi_digest_update(digest, b->raw ? "raw" : "unit", 5 - b->raw);
        for (size_t i = 0; i < paths->n; i++) {
            wi_digest_update(digest, paths->items[i], strlen(paths->items[i]) + 1);
        }
        wi_digest_finish(digest, hex);
    }
    wi_digest_close(&digest);
}

static wi_status write_manifest(const bulk *b, size_t part, const cli_list *paths, wi_error *error)
{
    char key[65];
    key_of(b, paths, key);
    cli_save save = {0};
    char *path = part_path(b, "manifest", part, "json");
    wi_status status = path ? cli_save_open(&save, path, error) : WI_ERR_NOMEM;
    if (status == WI_OK) {
        write_record(&save,
                     json_pack("{s:I,s:I,s:I,s:I,s:s,s:s,s:I,s:b,s:s}", "part", (json_int_t)part,
                               "n_in", (json_int_t)paths->n, "n_out", (json_int_t)b->n_out, "n_bad",
                               (json_int_t)b->n_bad, "model", b->runtime->info.name, "fingerprint",
                               b->runtime->info.fingerprint, "dim", (json_int_t)b->dim,
                               "normalised", !b->raw, "key", key));
        status = cli_save_commit(&save, error);
    }
    cli_save_abandon(&save);
    free(path);
    return status;
}

/* The manifest comes last: a part with one is whole. */
static wi_status keep_part(bulk *b, size_t part, const cli_list *paths, wi_error *error)
{
    char *path = part_path(b, "img_emb", part, "npy");
    wi_status status = path ? cli_npy_write(path, b->rows, b->n_out, b->dim, error) : WI_ERR_NOMEM;
    free(path);
    if (status == WI_OK) {
        status = cli_save_commit(&b->metadata, error);
    }
    if (status == WI_OK) {
        status = cli_save_commit(&b->bad, error);
    }
    return status == WI_OK ? write_manifest(b, part, paths, error) : status;
}

static int run_part(bulk *b, size_t part, const cli_list *paths)
{
    wi_error error = {0};
    cli_encode encode = {.runtime = b->runtime,
                         .paths = paths,
                         .image = cli_picture_options(b->args),
                         .each = take,
                         .context = b};
    char *metadata = part_path(b, "metadata", part, "jsonl"),
         *bad = part_path(b, "bad", part, "jsonl");
    b->n_out = b->n_bad = 0;
    wi_status opened =
        metadata && bad ? cli_save_open(&b->metadata, metadata, &error) : WI_ERR_NOMEM;
    if (opened == WI_OK) {
        opened = cli_save_open(&b->bad, bad, &error);
    }
    int status =
        opened == WI_OK ? cli_encode_images(&encode) : cli_failed(b->runtime->app, NULL, &error);
    /* Pictures that cannot be read are counted; anything else leaves the part out. */
    if (opened == WI_OK && status != CLI_INTERRUPTED && b->n_out + b->n_bad == paths->n) {
        status = keep_part(b, part, paths, &error) == WI_OK
                     ? CLI_OK
                     : cli_failed(b->runtime->app, NULL, &error);
    } else if (status == CLI_OK) {
        status = CLI_FAILED;
    }
    cli_save_abandon(&b->metadata);
    cli_save_abandon(&b->bad);
    free(metadata);
    free(bad);
    return status;
}

/* ---- all of them ---- */

static int read_options(bulk *b)
{
    const char *shard = cli_args_value(b->args, "shard");
    long part;
    int used = 0, status = cli_args_number(b->args, "part-size", 1, MAX_PART, PART, &part);
    b->folder = cli_args_value(b->args, "into");
    b->raw = cli_args_has(b->args, "raw");
    b->part_size = (size_t)part;
    b->n_shards = 1;
    if (status == CLI_OK && shard &&
        (sscanf(shard, "%7zu/%7zu%n", &b->shard, &b->n_shards, &used) != 2 || shard[used] ||
         b->n_shards == 0 || b->n_shards > MAX_SHARDS || b->shard >= b->n_shards)) {
        status =
            cli_usage(b->args->verb, "--shard takes I/N with I from 0 to N - 1, not '%s'", shard);
    }
    return status;
}

static int make_folders(const bulk *b)
{
    int status = CLI_OK;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && status == CLI_OK; i++) {
        char *folder = cli_text("%s/%s", b->folder, kinds[i]);
        if (!folder || !cli_make_folders(folder)) {
            cli_error(b->runtime->app, "%s: cannot make the folder: %s", b->folder,
                      strerror(errno));
            status = CLI_FAILED;
        }
        free(folder);
    }
    return status;
}

/* CLI_USAGE after saying so when a part is there that is of other pictures or another model. */
static int look_for(const bulk *b, size_t part, const cli_list *paths, bool *done)
{
    char key[65], *path = part_path(b, "manifest", part, "json");
    json_t *manifest = path && cli_exists(path) ? json_load_file(path, 0, NULL) : NULL;
    const char *kept = json_string_value(json_object_get(manifest, "key"));
    int status = CLI_OK;
    key_of(b, paths, key);
    *done = path && cli_exists(path);
    if (*done && (!kept || strcmp(kept, key))) {
        cli_error(b->runtime->app,
                  "%s: is of other pictures, another model or another --part-size: write "
                  "into another folder",
                  path);
        status = CLI_FAILED;
    }
    json_decref(manifest);
    free(path);
    return status;
}

/* NUMBER in "KIND_NUMBER.ENDING.tmp-...", the name of a file that was being written; false for others. */
static bool is_remainder(const char *name, const char *kind, size_t *part)
{
    const size_t n = strlen(kind);
    return !strncmp(name, kind, n) && strstr(name, ".tmp-") &&
           sscanf(name + n, "_%7zu.", part) == 1;
}

/* What runs that were killed left of parts that are whole by now. Those of other parts may be in use. */
static void remove_remainders(const bulk *b)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        cli_list names = {0};
        char *folder = cli_text("%s/%s", b->folder, kinds[i]);
        cli_list_names(folder, "", &names);
        for (size_t k = 0; k < names.n; k++) {
            size_t part;
            char *whole = is_remainder(names.items[k], kinds[i], &part)
                              ? part_path(b, "manifest", part, "json")
                              : NULL,
                 *path = whole ? cli_text("%s/%s", folder, names.items[k]) : NULL;
            if (path && cli_exists(whole)) {
                remove(path);
            }
            free(path);
            free(whole);
        }
        cli_list_free(&names);
        free(folder);
    }
}

/* What is asked for: the operands, then the lines of a list, of which no more than a part is in memory. */
typedef struct source {
    const cli_list *paths;
    size_t n_taken;  /* of paths */
    cli_lines lines; /* file NULL: there is no list */
} source;

static const char *next_path(source *s)
{
    if (s->n_taken < s->paths->n) {
        return s->paths->items[s->n_taken++];
    }
    return s->lines.file ? cli_lines_next(&s->lines) : NULL;
}

/* Goes on by one part; *n: its pictures. out (NULL: nobody asks): their names, in place of what it held. */
static int next_part(const bulk *b, source *s, cli_list *out, size_t *n)
{
    const char *path;
    if (out) {
        cli_list_free(out);
    }
    for (*n = 0; *n < b->part_size && (path = next_path(s)); ++*n) {
        if (out && !cli_list_add(out, cli_text("%s", path))) {
            cli_error(b->runtime->app, "out of memory");
            return CLI_FAILED;
        }
    }
    return s->lines.failed ? CLI_FAILED : CLI_OK; /* said when the list is closed */
}

static int run_parts(bulk *b, source *s)
{
    cli_list some = {0};
    int status = CLI_OK;
    size_t n = b->part_size;
    for (size_t part = 0; status == CLI_OK && n == b->part_size; part++) {
        const bool mine = part % b->n_shards == b->shard;
        bool done = false;
        status = next_part(b, s, mine ? &some : NULL, &n);
        if (status == CLI_OK && part == 0 && n == 0) {
            cli_error(b->runtime->app, "there are no pictures to embed");
            status = CLI_FAILED;
        }
        if (status != CLI_OK || !mine || n == 0) {
            continue;
        }
        status = look_for(b, part, &some, &done);
        b->n_skipped += done;
        if (status == CLI_OK && !done) {
            status = run_part(b, part, &some);
            b->n_parts += status == CLI_OK;
            b->all_out += status == CLI_OK ? b->n_out : 0;
            b->all_bad += status == CLI_OK ? b->n_bad : 0;
        }
    }
    cli_list_free(&some);
    return status;
}

int cli_bulk(const cli_runtime *runtime, const cli_args *args, const cli_list *paths)
{
    bulk b = {.runtime = runtime, .args = args, .dim = runtime->info.embedding_dim};
    source s = {.paths = paths};
    int status = read_options(&b);
    if (status == CLI_OK && cli_args_has(args, "files-from")) {
        status = cli_lines_open(runtime->app, cli_args_value(args, "files-from"),
                                cli_args_has(args, "null") ? '\0' : '\n', &s.lines);
    }
    if (status == CLI_OK) {
        status = make_folders(&b);
    }
    if (status == CLI_OK) {
        b.rows = calloc(b.part_size, b.dim * sizeof *b.rows);
        if (b.rows) {
            status = run_parts(&b, &s);
            remove_remainders(&b);
        } else {
            cli_error(runtime->app, "out of memory");
            status = CLI_FAILED;
        }
    }
    const int closed = cli_lines_close(runtime->app, &s.lines);
    status = status == CLI_OK ? closed : status;
    if (status == CLI_OK) {
        cli_note(runtime->app,
                 "%zu part%s written, %zu there already: %zu embeddings, %zu pictures that "
                 "cannot be read",
                 b.n_parts, b.n_parts == 1 ? "" : "s", b.n_skipped, b.all_out, b.all_bad);
    }
    free(b.rows);
    return status == CLI_OK && b.all_bad > 0 ? CLI_FAILED : status;
}
