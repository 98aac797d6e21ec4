/* Photos of a library by words, by a picture, by both, and by what is known of them. */
#include "../library/approximate.h"
#include "background.h"
#include "encode.h"
#include "heads.h"
#include "in_words.h"
#include "listed.h"
#include "output.h"
#include "paths.h"
#include "photo_library.h"
#include "place.h"
#include "sheet.h"
#include "term.h"
#include "verbs.h"
#include "videos.h"
#include "viewer.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const cli_option options[] = {
    {"library", 'l', "NAME", false, "the library (default: photos)", NULL},
    {"queries", 0, "FILE", false,
     "a search for each line of a file ('-': standard input), answered by JSON lines that say "
     "which",
     "@file"},
    {"like", 0, "IMAGE", true, "photos like this one; with words, both count", "@file"},
    {"not", 0, "TEXT", true, "what the photos should not show", NULL},
    {"as", 'a', "HEAD", false, "with --is: only photos that this head answers with the label",
     "@head"},
    {"is", 0, "LABEL", false, "the label that --as has to give", NULL},
    {"folder", 0, "DIR", false, "only photos in this folder and below", "@dir"},
    {"after", 0, "DATE", false, "taken on this day or later: 2024, 2024-05 or 2024-05-31", NULL},
    {"before", 0, "DATE", false, "taken before this day", NULL},
    {"camera", 0, "TEXT", false, "the camera's name holds this", NULL},
    {"orientation", 0, "WHICH", false, "landscape, portrait or square",
     "landscape portrait square"},
    {"min-px", 0, "N", false, "width and height at least", NULL},
    {"min", 0, "C", false,
     "how sure it has to be that a photo shows the words, 0 to 1 (default: 0.4; 0 shows the "
     "nearest "
     "whatever they are)",
     NULL},
    {"in-words", 0, NULL, false,
     "only photos whose sentence ('whatsit index --describe') has all the words", NULL},
    {"no-words", 0, NULL, false, "leave sentences out: what the model sees decides alone", NULL},
    {"exact", 0, NULL, false, "read all vectors, also where there is an approximate index", NULL},
    {"top", 'k', "K", false, "at most K photos (default: 20)", NULL},
    {"json", 0, NULL, false, "one JSON object a line, best first", NULL},
    {"csv", 0, NULL, false, "comma-separated values with a header line", NULL},
    {"tsv", 0, NULL, false, "tab-separated values with a header line", NULL},
    {"names", 0, NULL, false, "paths only, one a line", NULL},
    {"html", 0, "FILE", false, "also a contact sheet of the photos, to look at in a browser",
     "@file"},
    {"copy-to", 0, "DIR", false, "copy the photos into this folder, with what belongs to them",
     "@dir"},
    {"open", 0, NULL, false,
     "show the photos: in the program that WHATSIT_VIEWER names, else in a contact sheet", NULL},
    CLI_FORCE_OPTION,
    {"null", '0', NULL, false, "paths only, each ended by a zero byte, for xargs -0", NULL},
    {0},
};

/* Of some rows' videos one frame is shown: so many more rows are asked for. */
enum { MOST_SCANNED = 100000, MORE_FOR_VIDEOS = 8 };

typedef struct searching {
    cli_app *app;
    const cli_args *args;
    cli_runtime runtime;
    cli_library library;
    approximate *near; /* or NULL */
    background background;
    catalog_filter filter;
    cli_format format;
    char *words;       /* the operands as one text, or NULL */
    cli_list without;  /* what --not says */
    cli_list queries;  /* of --queries */
    const char *asked; /* the one that is searched for; NULL: it goes without saying */
    size_t top, dim;
    double min;
    bool has_words_only; /* then a confidence can be told */
    bool in_words_only;
    cli_in_words in_words; /* whose sentences have the words that are searched for */
    float *query;          /* [dim], of length 1 */
    wi_head *head;
    size_t label; /* of head: what --is wants */
    size_t n_shown;
    bool has_videos;
    int64_t *videos; /* [n_videos] contents that were shown: each once, by its best frame */
    size_t n_videos;
    cli_list shown; /* paths, best first, when something is to be done with them */
    bool keeps;
    cli_sheet sheet;
    char *page; /* of sheet */
} searching;

/* ---- options ---- */

static int read_date(const cli_args *args, const char *option, int64_t *out)
{
    const char *text = cli_args_value(args, option);
    int year, month = 1, day = 1, used = 0;
    *out = 0;
    if (!text) {
        return CLI_OK;
    }
    bool good = (sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &used) == 3 && !text[used]) ||
                (day = 1, sscanf(text, "%4d-%2d%n", &year, &month, &used) == 2 && !text[used]) ||
                (month = 1, sscanf(text, "%4d%n", &year, &used) == 1 && !text[used]);
    if (!good || year < 1000 || month < 1 || month > 12 || day < 1 || day > 31) {
        return cli_usage(args->verb, "--%s takes a day such as 2024-05-31, not '%s'", option, text);
    }
    /* Days since 1970 of the proleptic Gregorian calendar; a year begins in March here. */
    int64_t y = year - (month <= 2), era = y / 400, yoe = y - era * 400;
    int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t days = era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
    *out = days * 86400;
    return CLI_OK;
}

static int read_filter(searching *s)
{
    const cli_args *args = s->args;
    const char *orientation = cli_args_value(args, "orientation");
    const char *folder = cli_args_value(args, "folder");
    long px;
    int status = read_date(args, "after", &s->filter.after);
    status = status == CLI_OK ? read_date(args, "before", &s->filter.before) : status;
    status = status == CLI_OK ? cli_args_number(args, "min-px", 1, 1000000, 0, &px) : status;
    if (status != CLI_OK) {
        return status;
    }
    s->filter.least_px = px;
    s->filter.camera = cli_args_value(args, "camera");
    if (orientation) {
        s->filter.orientation = !strcmp(orientation, "landscape")  ? 1
                                : !strcmp(orientation, "portrait") ? 2
                                : !strcmp(orientation, "square")   ? 3
                                                                   : 0;
        if (!s->filter.orientation) {
            return cli_usage(args->verb,
                             "--orientation takes landscape, portrait or square, not '%s'",
                             orientation);
        }
    }
    /* The catalogue has absolute paths; one that is gone is taken as it is written. */
    s->filter.folder = folder ? realpath(folder, NULL) : NULL;
    if (folder && !s->filter.folder) {
        s->filter.folder = cli_text("%s", folder);
    }
    return CLI_OK;
}

static int read_queries(searching *s)
{
    static const char *const alone[] = {"like",  "not",  "as",      "csv",  "tsv",
                                        "names", "null", "copy-to", "html", "open"};
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++) {
        if (s->args->n_operands > 0 || cli_args_has(s->args, alone[i])) {
            return cli_usage(s->args->verb,
                             "--queries goes with filters, --top, --min and --json: "
                             "leave %s%s out",
                             s->args->n_operands > 0 ? "the words" : "--",
                             s->args->n_operands > 0 ? "" : alone[i]);
        }
    }
    s->format = CLI_JSON;
    s->has_words_only = true;
    return cli_lines_read(s->app, cli_args_value(s->args, "queries"), '\n', &s->queries);
}

static int read_options(searching *s)
{
    const cli_args *args = s->args;
    const char *min = cli_args_value(args, "min");
    char *end = NULL;
    long top;
    int status = cli_format_of(args, &s->format);
    status = status == CLI_OK ? cli_args_number(args, "top", 1, 1000000, 20, &top) : status;
    status = status == CLI_OK ? read_filter(s) : status;
    if (status != CLI_OK) {
        return status;
    }
    s->top = (size_t)top;
    s->min = min ? strtod(min, &end) : BACKGROUND_LEAST;
    if (min && (end == min || *end || !(s->min >= 0 && s->min <= 1))) {
        return cli_usage(args->verb, "--min takes a number from 0 to 1, not '%s'", min);
    }
    if (cli_args_has(args, "as") != cli_args_has(args, "is")) {
        return cli_usage(args->verb, "--as HEAD and --is LABEL go together");
    }
    s->in_words_only = cli_args_has(args, "in-words");
    if (s->in_words_only && cli_args_has(args, "no-words")) {
        return cli_usage(args->verb, "--in-words and --no-words exclude each other");
    }
    if (cli_args_has(args, "queries")) {
        return read_queries(s);
    }
    if (s->in_words_only && args->n_operands == 0) {
        return cli_usage(args->verb, "--in-words needs the words");
    }
    if (args->n_operands == 0 && !cli_args_has(args, "like") && !cli_args_has(args, "as")) {
        return cli_usage(args->verb, "needs words, --like IMAGE, or --as HEAD --is LABEL");
    }
    bool has_words = args->n_operands == 0;
    for (size_t i = 0; i < args->n_operands; i++) {
        has_words = has_words || args->operands[i][strspn(args->operands[i], " \t\r\n")];
        char *longer =
            cli_text("%s%s%s", s->words ? s->words : "", s->words ? " " : "", args->operands[i]);
        free(s->words);
        s->words = longer;
    }
    if (!has_words) { /* a script's variable that holds nothing */
        return cli_usage(args->verb, "the words are empty");
    }
    s->has_words_only = s->words && !cli_args_has(args, "like");
    return cli_may_write(s->app, args, "html", NULL);
}

/* ---- the query ---- */

static bool take_like(void *context, const cli_item *item, const float *embedding, double encode_ms)
{
    searching *s = context;
    (void)item;
    (void)encode_ms;
    if (embedding) {
        double squares = 0;
        for (size_t i = 0; i < s->dim; i++) {
            squares += (double)embedding[i] * (double)embedding[i];
        }
        for (size_t i = 0; i < s->dim && squares > 0; i++) {
            s->query[i] += (float)((double)embedding[i] / sqrt(squares));
        }
    }
    return embedding != NULL;
}

static int add_likes(searching *s)
{
    cli_list paths = {0};
    const char *path;
    size_t position = 0;
    int status = CLI_OK;
    while (status == CLI_OK && (path = cli_args_next(s->args, "like", &position))) {
        status = cli_list_add(&paths, cli_text("%s", path)) ? CLI_OK : CLI_FAILED;
    }
    if (status == CLI_OK && paths.n > 0) {
        cli_encode job = {.runtime = &s->runtime, .paths = &paths, .each = take_like, .context = s};
        status = cli_encode_images(&job);
    }
    cli_list_free(&paths);
    return status;
}

static int make_query(searching *s)
{
    const char *words = s->words;
    int status = s->query ? CLI_OK : CLI_FAILED;
    if (status == CLI_OK && words) {
        status = cli_add_texts(&s->runtime, &words, 1, 1, s->query);
    }
    if (status == CLI_OK) {
        status = add_likes(s);
    }
    if (status == CLI_OK) {
        status = cli_add_option(&s->runtime, s->args, "not", -1, s->query);
    }
    wi_normalise(s->query, 1, s->dim);
    return status;
}

static int open_head(searching *s)
{
    const char *name = cli_args_value(s->args, "as"), *label = cli_args_value(s->args, "is");
    int status = name ? cli_head_open(&s->runtime, name, false, &s->head) : CLI_OK;
    wi_head_info info;
    if (status != CLI_OK || !name) {
        return status;
    }
    wi_head_get_info(s->head, &info);
    const char *near = NULL;
    size_t distance = 3;
    for (size_t i = 0; i < info.n_labels; i++) {
        const char *other = wi_head_label(s->head, i);
        if (!strcmp(other, label)) {
            s->label = i;
            return CLI_OK;
        }
        cli_nearest(label, other, &near, &distance);
    }
    return cli_usage(s->args->verb, "head '%s' has no label '%s'%s%s%s", name, label,
                     near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* ---- answers ---- */

/* sentence: where it has the words; NULL: it has not. */
static const char *matched(const searching *s, double confidence, const char *sentence)
{
    const bool seen = isnan(confidence) || confidence >= s->min;
    return seen && sentence ? "both" : sentence ? "words" : "picture";
}

static void write_text(const catalog_photo *known, float score, double confidence,
                       const char *sentence)
{
    char text[1024], when[24];
    cli_printable(known->paths[0], text, sizeof text);
    if (isnan(confidence)) {
        printf("  %6.3f  %s", (double)score, text);
    } else {
        printf("  %3.0f %%  %6.3f  %s", 100 * confidence, (double)score, text);
    }
    if (known->at_ms >= 0) {
        printf("  at %s", cli_time_text(known->at_ms, when));
    }
    if (sentence) {
        cli_printable(sentence, text, sizeof text);
        printf("  in words: %s", text);
    }
    putchar('\n');
}

static void write_photo(searching *s, const catalog_photo *known, float score, double confidence,
                        const char *sentence)
{
    const char *by = matched(s, confidence, sentence), *path = known->paths[0];
    const int64_t at_ms = known->at_ms;
    if (cli_args_has(s->args, "null")) {
        fwrite(path, 1, strlen(path) + 1, stdout);
    } else if (cli_args_has(s->args, "names")) {
        puts(path);
    } else if (s->format == CLI_JSON) {
        json_t *line = json_object();
        json_t *found =
            cli_json_with_path("path", path,
                               json_pack("{s:o,s:o}", "score", cli_json_number((double)score),
                                         "confidence", cli_json_number(confidence)));
        json_object_set_new(found, "matched", json_string(by));
        if (sentence) {
            json_object_set_new(found, "sentence", cli_json_text(sentence));
        }
        if (s->asked) {
            json_object_set_new(line, "query", cli_json_text(s->asked));
        }
        if (at_ms >= 0) {
            json_object_set_new(found, "at", json_real((double)at_ms / 1000));
        }
        json_object_update(line, found);
        json_decref(found);
        cli_json_line(line);
    } else if (s->format != CLI_TEXT) {
        char separator = s->format == CLI_CSV ? ',' : '\t';
        printf("%.9g%c", (double)score, separator);
        if (!isnan(confidence)) {
            printf("%.9g", confidence);
        }
        putchar(separator);
        cli_write_field(stdout, s->format, path);
        putchar(separator);
        if (at_ms >= 0) {
            printf("%.3f", (double)at_ms / 1000);
        }
        printf("%c%s\n", separator, by);
    } else {
        write_text(known, score, confidence, sentence);
    }
}

/* Is the head's answer for this photo the label that is wanted? */
static bool head_agrees(searching *s, const float *photo)
{
    wi_answer best;
    size_t n = 0;
    return !s->head || (wi_head_answer(s->head, photo, s->dim, 1, &best, &n, NULL) == WI_OK &&
                        n == 1 && best.label == s->label);
}

/* Notes that the video is shown; false when it was already, or memory is out. */
static bool is_first(searching *s, const catalog_photo *known)
{
    if (known->at_ms < 0) {
        return true;
    }
    for (size_t i = 0; i < s->n_videos; i++) {
        if (s->videos[i] == known->content) {
            return false;
        }
    }
    int64_t *videos = realloc(s->videos, (s->n_videos + 1) * sizeof *videos);
    if (videos) {
        s->videos = videos;
        videos[s->n_videos++] = known->content;
    }
    return videos != NULL;
}

static void add_to_sheet(searching *s, const catalog_photo *known, float score, double confidence)
{
    char text[64], when[24], at[32] = "";
    if (known->at_ms >= 0) {
        snprintf(at, sizeof at, ", at %s", cli_time_text(known->at_ms, when));
    }
    if (isnan(confidence)) {
        snprintf(text, sizeof text, "%.3f%s", (double)score, at);
    } else {
        snprintf(text, sizeof text, "%.3f, %.0f %%%s", (double)score, 100 * confidence, at);
    }
    cli_sheet_video(&s->sheet, known->paths[0], known->at_ms, text, false);
}

/* Shows the photos of a row; false when something failed. */
static bool show_row(searching *s, const float *photo, uint64_t row, float score)
{
    wi_error error = {0};
    catalog_photo known;
    double confidence =
        s->has_words_only ? background_confidence(&s->background, s->query, photo) : (double)NAN;
    const char *sentence = cli_in_words_of(&s->in_words, row);
    if ((!sentence && (confidence < s->min || s->in_words_only)) || !head_agrees(s, photo)) {
        return true;
    }
    if (catalog_photo_of(s->library.cat, s->library.model.id, (int64_t)row, &s->filter, &known,
                         &error) != WI_OK) {
        cli_failed(s->app, NULL, &error);
        return false;
    }
    if (known.n_paths > 0 && is_first(s, &known)) { /* no path: no file has it any more */
        write_photo(s, &known, score, confidence, sentence);
        s->n_shown++;
        add_to_sheet(s, &known, score, confidence);
        if (s->keeps && !cli_list_add(&s->shown, cli_text("%s", known.paths[0]))) {
            cli_error(s->app, "out of memory");
        }
    }
    catalog_free_photo(&known);
    return cli_output_ok(s->app);
}

static void write_heading(const searching *s)
{
    bool plain = cli_args_has(s->args, "names") || cli_args_has(s->args, "null");
    if (!plain && (s->format == CLI_CSV || s->format == CLI_TSV)) {
        puts(s->format == CLI_CSV ? "score,confidence,path,at,matched"
                                  : "score\tconfidence\tpath\tat\tmatched");
    }
}

static int best_first(const void *a, const void *b)
{
    const wi_index_hit *x = a, *y = b;
    return x->score != y->score ? (x->score < y->score ? 1 : -1)
                                : (x->row > y->row) - (x->row < y->row);
}

/* Photos that are found by their sentence take part, wherever the model has them. */
static wi_status add_in_words(searching *s, wi_index_hit *hits, size_t *n, float *photo,
                              wi_error *error)
{
    wi_status status = WI_OK;
    const size_t n_seen = *n;
    cli_in_words_leave_out(&s->in_words, hits, n_seen);
    for (size_t i = 0; i < s->in_words.n && status == WI_OK; i++) {
        const uint64_t row = (uint64_t)s->in_words.hits[i].id;
        if (s->in_words.left_out[i] || row >= (uint64_t)s->library.model.n_rows) {
            continue;
        }
        status = wi_index_row(s->library.index, row, photo, error);
        double score = 0;
        for (size_t j = 0; j < s->dim && status == WI_OK; j++) {
            score += (double)s->query[j] * (double)photo[j];
        }
        hits[(*n)++] = (wi_index_hit){row, (float)score};
    }
    if (*n > n_seen) {
        qsort(hits, *n, sizeof *hits, best_first);
    }
    return status;
}

static int scan(searching *s, size_t n_asked, wi_index_hit *hits, float *photo, const uint8_t *bits)
{
    wi_error error = {0};
    size_t n = 0;
    wi_status status =
        s->near && !bits
            ? approximate_search(s->near, s->library.index, (uint64_t)s->library.model.n_rows,
                                 s->query, n_asked, hits, &n, &error)
            : wi_index_search(s->library.index, s->query, n_asked, bits, hits, &n, &error);
    if (status == WI_OK) {
        status = add_in_words(s, hits, &n, photo, &error);
    }
    write_heading(s);
    for (size_t i = 0; i < n && s->n_shown < s->top && status == WI_OK && !cli_interrupted(); i++) {
        status = wi_index_row(s->library.index, hits[i].row, photo, &error);
        if (status == WI_OK && !show_row(s, photo, hits[i].row, hits[i].score)) {
            return CLI_FAILED;
        }
    }
    return status == WI_OK ? CLI_OK : cli_failed(s->app, NULL, &error);
}

/* A head without words: every photo is asked. */
static int scan_by_head(searching *s, wi_index_hit *hits, float *photo, const uint8_t *bits)
{
    wi_head_info info;
    wi_head_get_info(s->head, &info);
    float *scores = calloc(info.n_labels + 1, sizeof *scores);
    size_t n = 0, n_rows = (size_t)s->library.model.n_rows;
    for (size_t row = 0; row < n_rows && scores && !cli_interrupted(); row++) {
        if ((!bits || (bits[row / 8] >> (row % 8) & 1)) &&
            wi_index_row(s->library.index, row, photo, NULL) == WI_OK &&
            wi_head_scores(s->head, photo, s->dim, scores, NULL, NULL, NULL) == WI_OK) {
            hits[n++] = (wi_index_hit){row, scores[s->label]};
        }
    }
    free(scores);
    if (n > 1) {
        qsort(hits, n, sizeof *hits, best_first);
    }
    write_heading(s);
    for (size_t i = 0; i < n && s->n_shown < s->top && !cli_interrupted(); i++) {
        if (wi_index_row(s->library.index, hits[i].row, photo, NULL) != WI_OK ||
            !show_row(s, photo, hits[i].row, hits[i].score)) {
            return CLI_FAILED;
        }
    }
    return CLI_OK;
}

static int find_in_words(searching *s)
{
    const char *words = s->asked ? s->asked : s->words;
    cli_in_words_close(&s->in_words);
    if (!words || cli_args_has(s->args, "no-words") || !(s->has_words_only || s->in_words_only)) {
        return CLI_OK;
    }
    return cli_in_words_find(s->app, &s->library, words, &s->without, &s->in_words);
}

static int search(searching *s)
{
    wi_error error = {0};
    size_t n_rows = (size_t)s->library.model.n_rows;
    /* Photos that are gone and those that do not fit take places among the nearest. */
    size_t n_asked = s->head ? MOST_SCANNED : 2 * s->top + 100;
    n_asked *= s->has_videos ? MORE_FOR_VIDEOS : 1;
    n_asked = n_asked < n_rows ? n_asked : n_rows;
    bool by_query = s->words || s->asked || cli_args_has(s->args, "like");
    if (find_in_words(s) != CLI_OK) {
        return CLI_FAILED;
    }
    wi_index_hit *hits = calloc((by_query ? n_asked + s->in_words.n : n_rows) + 1, sizeof *hits);
    float *photo = calloc(s->dim + 1, sizeof *photo);
    uint8_t *bits = NULL;
    int status = hits && photo ? CLI_OK : CLI_FAILED;
    if (status == CLI_OK && !catalog_filter_is_empty(&s->filter)) {
        bits = calloc(n_rows / 8 + 1, 1);
        if (!bits || catalog_rows(s->library.cat, s->library.model.id, &s->filter, n_rows, bits,
                                  &error) != WI_OK) {
            status = cli_failed(s->app, NULL, &error);
        }
    }
    if (status == CLI_OK) {
        status =
            by_query ? scan(s, n_asked, hits, photo, bits) : scan_by_head(s, hits, photo, bits);
    }
    free(bits);
    free(photo);
    free(hits);
    return status;
}

/* The query of a text that was encoded. */
static int use_text(searching *s, const char *text, const float *row)
{
    s->asked = text;
    s->n_shown = s->n_videos = 0;
    memcpy(s->query, row, s->dim * sizeof *row);
    wi_normalise(s->query, 1, s->dim);
    return search(s);
}

/* Texts are encoded many at a time; answers come as they are found. */
static int search_each(searching *s)
{
    enum { SOME = 64 };
    wi_error error = {0};
    wi_session *session = NULL;
    wi_session_options sizes = {.max_images = 1};
    float *rows = calloc(SOME, s->dim * sizeof *rows);
    int result = CLI_OK;
    wi_status status =
        rows ? wi_session_open(s->runtime.model, &sizes, &session, &error) : WI_ERR_NOMEM;
    for (size_t at = 0; at < s->queries.n && status == WI_OK && result == CLI_OK; at += SOME) {
        const char *const *texts = (const char *const *)s->queries.items + at;
        const size_t n = s->queries.n - at < SOME ? s->queries.n - at : SOME;
        status = wi_session_encode_texts(session, texts, n, rows, NULL, NULL, &error);
        for (size_t i = 0; i < n && status == WI_OK && result == CLI_OK && !cli_interrupted();
             i++) {
            result = use_text(s, texts[i], rows + i * s->dim);
        }
    }
    wi_session_close(&session);
    free(rows);
    return status == WI_OK ? result : cli_failed(s->app, NULL, &error);
}

/* ---- what is done with what was found ---- */

static int open_sheet(searching *s)
{
    const char *page = cli_args_value(s->args, "html"), *viewer = getenv("WHATSIT_VIEWER");
    bool shows = cli_args_has(s->args, "open") && !(viewer && viewer[0]);
    s->keeps = cli_args_has(s->args, "open") || cli_args_has(s->args, "copy-to");
    s->page = page ? cli_text("%s", page) : shows ? cli_cache_path("search.html") : NULL;
    if (!s->page) {
        return CLI_OK;
    }
    char *folder = page ? NULL : cli_text("%s", s->page);
    if (folder) {
        *strrchr(folder, '/') = '\0';
        cli_make_folders(folder); /* what fails is told when the page is written */
    }
    free(folder);
    char *title = s->words ? cli_text("%s", s->words) : cli_text("Photos that were found");
    int status =
        title ? cli_sheet_open(s->app, s->runtime.engine, s->page, title, &s->sheet) : CLI_FAILED;
    if (status == CLI_OK) {
        cli_sheet_group(&s->sheet, "best first");
    }
    free(title);
    return status;
}

static int copy_shown(searching *s)
{
    wi_error error = {0};
    cli_placing placing = {.how = CLI_PLACE_COPY, .into = cli_args_value(s->args, "copy-to")};
    cli_list sorted = {0};
    cli_folder folder = {0};
    size_t n_done = 0;
    int status = cli_place_open_log(s->app, &placing, "search");
    for (size_t i = 0; i < s->shown.n && status == CLI_OK; i++) {
        status = cli_list_add(&sorted, cli_text("%s", s->shown.items[i])) ? CLI_OK : CLI_FAILED;
    }
    cli_list_sort(&sorted);
    for (size_t i = 0; i < s->shown.n && status == CLI_OK && !cli_interrupted(); i++) {
        cli_party party;
        wi_status placed = cli_party_find(s->shown.items[i], &sorted, &folder, &party)
                               ? cli_place_party(&placing, &party, placing.into, &error)
                               : cli_fail(&error, WI_ERR_NOMEM, "out of memory");
        cli_party_free(&party);
        n_done += placed == WI_OK;
        if (placed != WI_OK) {
            status = cli_failed(s->app, s->shown.items[i], &error);
        }
    }
    if (placing.log) {
        int closed = cli_place_close_log(s->app, &placing, status != CLI_OK);
        status = status == CLI_OK ? closed : status;
        n_done -= placing.n_there < n_done ? placing.n_there : n_done;
        if (n_done > 0) {
            char *log = cli_shell_word(placing.log_path);
            cli_note(s->app, "%zu photo%s copied; take it back with: whatsit sort --undo %s",
                     n_done, n_done == 1 ? "" : "s", log ? log : "");
            free(log);
        }
    }
    cli_list_free(&sorted);
    cli_folder_free(&folder);
    cli_placing_free(&placing);
    return status;
}

static int use_shown(searching *s)
{
    int status = s->sheet.app ? cli_sheet_close(&s->sheet) : CLI_OK;
    if (status == CLI_OK && s->shown.n > 0 && cli_args_has(s->args, "copy-to")) {
        status = copy_shown(s);
    }
    if (status == CLI_OK && s->shown.n > 0 && cli_args_has(s->args, "open")) {
        status = cli_viewer_show(s->app, &s->shown, s->page);
    }
    return status;
}

/* Without one that can be used, all vectors are read. */
static void open_near(searching *s)
{
    wi_error error = {0};
    char *path = cli_library_near_path(&s->runtime, &s->library);
    if (path && cli_exists(path) &&
        approximate_open(path, s->library.index, (uint64_t)s->library.model.n_rows,
                         wi_engine_threads(s->runtime.engine), &s->near, &error) != WI_OK) {
        cli_note(s->app, "%s: all vectors are read", error.message);
    }
    free(path);
}

/* What --not says, and whether there are sentences where they are asked for. */
static int open_in_words(searching *s)
{
    wi_error error = {0};
    const char *text;
    size_t position = 0;
    int64_t n = 0;
    while ((text = cli_args_next(s->args, "not", &position))) {
        if (!cli_list_add(&s->without, cli_text("%s", text))) {
            cli_error(s->app, "out of memory");
            return CLI_FAILED;
        }
    }
    if (s->in_words_only && described_count(s->library.cat, &n, &error) != WI_OK) {
        return cli_failed(s->app, NULL, &error);
    }
    if (n < 0) {
        cli_error(s->app,
                  "library '%s' has no sentences yet: make them with 'whatsit index --describe'",
                  s->library.name);
        return CLI_FAILED;
    }
    return CLI_OK;
}

static int open_all(searching *s)
{
    wi_error error = {0};
    const char *name;
    int status = cli_library_name(s->args, &name);
    if (status == CLI_OK) {
        status = cli_runtime_open(s->app, s->args, WI_TOWERS_BOTH, &s->runtime);
    }
    if (status == CLI_OK) {
        status = cli_library_open(&s->runtime, name, false, &s->library);
    }
    if (status == CLI_OK && !cli_args_has(s->args, "exact") && !cli_args_has(s->args, "as") &&
        catalog_filter_is_empty(&s->filter)) {
        open_near(s);
    }
    s->dim = s->runtime.info.embedding_dim;
    s->query = calloc(s->dim + 1, sizeof *s->query);
    if (status == CLI_OK &&
        catalog_has_videos(s->library.cat, s->library.model.id, &s->has_videos, &error) != WI_OK) {
        status = cli_failed(s->app, NULL, &error);
    }
    if (status == CLI_OK && s->has_words_only) {
        status = cli_background_open(&s->runtime, &s->library, &s->background);
    }
    if (status == CLI_OK) {
        status = open_in_words(s);
    }
    return status == CLI_OK ? open_head(s) : status;
}

static int run(cli_app *app, const cli_args *args)
{
    searching s = {.app = app, .args = args};
    int status = read_options(&s);
    if (status == CLI_OK) {
        status = open_all(&s);
    }
    if (status == CLI_OK && (s.words || cli_args_has(args, "like"))) {
        status = make_query(&s);
    }
    if (status == CLI_OK) {
        status = open_sheet(&s);
    }
    if (status == CLI_OK) {
        status = cli_args_has(args, "queries") ? search_each(&s) : search(&s);
    }
    if (status == CLI_OK && !cli_interrupted()) {
        status = use_shown(&s);
    }
    if (status == CLI_OK && s.n_shown == 0 && !s.asked && !cli_interrupted()) {
        cli_note(app, "nothing in library '%s' fits%s", s.library.name,
                 s.has_words_only && s.min > 0 ? " well; --min 0 shows the nearest" : "");
    }
    wi_head_close(&s.head);
    approximate_close(&s.near);
    background_close(&s.background);
    cli_library_close(&s.library);
    cli_runtime_close(&s.runtime);
    free((void *)(uintptr_t)s.filter.folder);
    cli_save_abandon(&s.sheet.save);
    cli_list_free(&s.shown);
    cli_list_free(&s.queries);
    cli_list_free(&s.without);
    cli_in_words_close(&s.in_words);
    free(s.videos);
    free(s.page);
    free(s.query);
    free(s.words);
    return cli_interrupted() ? CLI_INTERRUPTED : status;
}

const cli_verb cli_verb_search = {
    .name = "search",
    .operands = "[WORD...]",
    .summary = "find photos of a library by words, by a picture, or both",
    .details =
        "Compares the words (taken together as one text) with every photo of the library that "
        "'whatsit index' made, best first. A photo is shown when it fits the words better than it "
        "fits "
        "some hundreds of other things, so that a search for what is not there finds nothing; "
        "--min says "
        "how much better. The first number is that confidence, the second the cosine by which "
        "photos are ordered. "
        "A video is shown once, with the time of its best frame.\n\n"
        "Where photos have sentences ('whatsit index --describe'), those whose sentence has all "
        "the "
        "words are shown as well, however sure the model is, and the sentence is told beside them: "
        "dogs and a dog are one word, and little words do not count. \"matched\" says by what a "
        "photo was found: picture, words or both.",
    .examples = "whatsit search a dog on a beach\n"
                "    the best twenty\n"
                "whatsit search --like holiday.jpg --not people\n"
                "    photos like this one, without people\n"
                "whatsit search a red car --html cars.html --copy-to ~/cars\n"
                "    a page to look at, and copies of the photos\n"
                "whatsit search a man on a horse --in-words\n"
                "    only photos whose sentence says so\n"
                "whatsit search --queries words.txt --top 5\n"
                "    many searches in one run, as JSON lines\n"
                "whatsit search birthday cake --after 2024 --null | xargs -0 ls -l\n"
                "    paths for another program\n",
    .complete = NULL,
    .min_operands = 0,
    .max_operands = SIZE_MAX,
    .shared = CLI_TAKES_MODEL | CLI_TAKES_THREADS,
    .options = options,
    .run = run,
};
