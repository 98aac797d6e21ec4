#include "eval_captions.h"
#include "captions.h"
#include "load.h"
#include "output.h"
#include "sentences.h"
#include "term.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct row {
    char *path, *text;
} row;

typedef struct measuring {
    cli_app *app;
    const cli_args *args;
    row *rows;
    size_t n_rows, capacity;
    cli_list paths; /* sorted, each once */
    cli_captions *captions;
    size_t n_sure, n_weighed, n_told; /* n_weighed: of which it is known whether they are sure */
    cli_scales scales;
    bool nomem;
} measuring;

static int fail_nomem(measuring *m)
{
    cli_error(m->app, "out of memory");
    return CLI_FAILED;
}

static bool add_row(measuring *m, char *path, char *text)
{
    if (m->n_rows == m->capacity) {
        const size_t capacity = m->capacity ? 2 * m->capacity : 1024;
        row *grown = realloc(m->rows, capacity * sizeof *grown);
        if (!grown) {
            free(path);
            free(text);
            return false;
        }
        m->rows = grown;
        m->capacity = capacity;
    }
    m->rows[m->n_rows++] = (row){path, text};
    return path && text;
}

/* path, tab, what somebody wrote about it; several lines a picture. Paths start at the table's folder. */
static int read_table(measuring *m, const char *table)
{
    FILE *file = fopen(table, "r");
    char *text = NULL;
    size_t room = 0, number = 0;
    ssize_t length;
    const char *slash = strrchr(table, '/');
    const int n_folder = slash ? (int)(slash - table) + 1 : 0;
    int status = CLI_OK;
    if (!file) {
        cli_error(m->app, "%s: %s", table, strerror(errno));
        return CLI_FAILED;
    }
    while (status == CLI_OK && (length = getline(&text, &room, file)) >= 0) {
        char *tab = memchr(text, '\t', (size_t)length);
        number++;
        text[strcspn(text, "\r\n")] = '\0';
        if (!text[0]) {
            continue;
        }
        if (!tab || tab == text || !tab[1]) {
            cli_error(m->app, "%s:%zu: a line is path, tab, caption", table, number);
            status = CLI_FAILED;
            break;
        }
        *tab = '\0';
        char *path = cli_is_absolute(text) ? cli_text("%s", text)
                                           : cli_text("%.*s%s", n_folder, table, text);
        status = add_row(m, path, cli_text("%s", tab + 1)) ? CLI_OK : fail_nomem(m);
    }
    free(text);
    fclose(file);
    if (status == CLI_OK && m->n_rows == 0) {
        cli_error(m->app, "%s: holds no captions", table);
        status = CLI_FAILED;
    }
    return status;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const row *)a)->path, ((const row *)b)->path);
}

static int take_references(measuring *m)
{
    qsort(m->rows, m->n_rows, sizeof *m->rows, by_path);
    for (size_t i = 0; i < m->n_rows; i++) {
        const bool fresh = i == 0 || strcmp(m->rows[i].path, m->rows[i - 1].path) != 0;
        if ((fresh && !cli_list_add(&m->paths, cli_text("%s", m->rows[i].path))) ||
            !cli_captions_reference(m->captions, m->paths.n - 1, m->rows[i].text)) {
            return fail_nomem(m);
        }
    }
    return CLI_OK;
}

static bool take_sentence(measuring *m, const char *path, const char *text, bool weighed, bool sure)
{
    const size_t at = cli_list_find(&m->paths, path);
    if (at < m->paths.n) {
        m->n_told++;
        m->n_weighed += weighed;
        m->n_sure += weighed && sure;
        m->nomem = m->nomem || !cli_captions_sentence(m->captions, at, text);
    }
    return !m->nomem;
}

/* What `whatsit describe --json` wrote. */
static int read_sentences(measuring *m, const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = NULL;
    size_t room = 0, number = 0;
    int status = CLI_OK;
    if (!file) {
        cli_error(m->app, "%s: %s", path, strerror(errno));
        return CLI_FAILED;
    }
    while (status == CLI_OK && getline(&text, &room, file) >= 0) {
        json_t *object = json_loads(text, 0, NULL);
        number++;
        const char *image = json_string_value(json_object_get(object, "image"));
        const char *caption = json_string_value(
            json_object_get(json_array_get(json_object_get(object, "captions"), 0), "text"));
        const json_t *sure = json_object_get(object, "sure");
        bool is_total = !image && json_is_integer(json_object_get(object, "failed"));
        if (!is_total && (!image || (!caption && !json_object_get(object, "error")))) {
            cli_error(m->app, "%s:%zu: is not what 'whatsit describe --json' writes", path, number);
            status = CLI_FAILED;
        } else if (image && caption &&
                   !take_sentence(m, image, caption, json_is_boolean(sure), json_is_true(sure))) {
            status = fail_nomem(m);
        }
        json_decref(object);
    }
    free(text);
    fclose(file);
    return status;
}

static bool hear(void *context, const cli_item *item, const wi_caption *captions, size_t n,
                 const float *embedding, double ms)
{
    (void)embedding;
    (void)ms;
    measuring *m = context;
    return n == 0 ||
           take_sentence(m, item->path, captions[0].text, m->scales.has_scale, captions[0].sure);
}

static int describe_all(measuring *m)
{
    cli_runtime runtime = {0};
    int status = cli_runtime_open(m->app, m->args, WI_TOWER_IMAGE, &runtime);
    if (status == CLI_OK) {
        const cli_sentences job = {.runtime = &runtime,
                                   .args = m->args,
                                   .scales = &m->scales,
                                   .paths = &m->paths,
                                   .image = cli_picture_options(m->args),
                                   .each = hear,
                                   .context = m};
        status = cli_describe_images(&job);
    }
    cli_runtime_close(&runtime);
    return m->nomem ? fail_nomem(m) : status;
}

static int show(measuring *m)
{
    cli_caption_scores s;
    if (!cli_captions_score(m->captions, &s)) {
        return fail_nomem(m);
    }
    if (s.n == 0) {
        cli_error(m->app, "no picture of the table has a sentence");
        return CLI_FAILED;
    }
    const bool weighed = m->n_weighed == m->n_told;
    const double sure = (double)m->n_sure / (double)m->n_told;
    if (cli_args_has(m->args, "json")) {
        return cli_json_line(json_pack("{s:I,s:[f,f,f,f],s:f,s:f,s:o}", "pictures", (json_int_t)s.n,
                                       "bleu", s.bleu[0], s.bleu[1], s.bleu[2], s.bleu[3],
                                       "rouge_l", s.rouge_l, "cider_d", s.cider_d, "sure",
                                       weighed ? json_real(sure) : json_null()))
                   ? CLI_OK
                   : fail_nomem(m);
    }
    printf("%-10s %zu\n", "pictures", s.n);
    for (int k = 0; k < 4; k++) {
        printf("BLEU-%d     %.1f\n", k + 1, 100 * s.bleu[k]);
    }
    printf("%-10s %.1f\n%-10s %.1f\n", "ROUGE-L", 100 * s.rouge_l, "CIDEr-D", 100 * s.cider_d);
    if (weighed) {
        printf("%-10s %.1f %%\n", "sure", 100 * sure);
    }
    return CLI_OK;
}

int cli_eval_captions(cli_app *app, const cli_args *args)
{
    measuring m = {.app = app, .args = args, .captions = cli_captions_open()};
    const char *sentences = cli_args_value(args, "sentences");
    int told = CLI_OK,
        status = m.captions ? read_table(&m, cli_args_value(args, "captions")) : fail_nomem(&m);
    if (status == CLI_OK) {
        status = take_references(&m);
    }
    if (status == CLI_OK) {
        told = sentences ? read_sentences(&m, sentences) : describe_all(&m);
        status = told != CLI_INTERRUPTED && (told == CLI_OK || m.n_told > 0) ? show(&m) : told;
    }
    for (size_t i = 0; i < m.n_rows; i++) {
        free(m.rows[i].path);
        free(m.rows[i].text);
    }
    free(m.rows);
    cli_list_free(&m.paths);
    cli_captions_close(&m.captions);
    return status == CLI_OK ? told : status;
}
