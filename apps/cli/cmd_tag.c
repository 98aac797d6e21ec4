/* Keywords for photos, by what heads say: into a sidecar beside the photo, or into the photo itself. */
#include "../library/metadata.h"
#include "encode.h"
#include "heads.h"
#include "inputs.h"
#include "listed.h"
#include "output.h"
#include "party.h"
#include "scales.h"
#include "sentences.h"
#include "term.h"
#include "verbs.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_HEADS = 16, MAX_TOP = 20 };

static const cli_option options[] = {
    {"as", 'a', "HEAD", true, "answers of this head become keywords (default: the everyday head)",
     "@head"},
    {"min", 0, "SCORE", true,
     "only answers of at least this probability (default: 0.5); HEAD=SCORE for one of several "
     "heads",
     NULL},
    {"top", 'k', "K", false, "at most K keywords a head (default: 3)", NULL},
    {"describe", 0, NULL, false,
     "a sentence about the photo becomes its description, where it is told and nobody wrote one",
     NULL},
    CLI_DESCRIBER_OPTION,
    {"words", 0, "FILE", false,
     "the words to write, in your language: a label, a tab and its word on each line", "@file"},
    {"prefix", 0, "WORD", false,
     "what our keywords stand below in the hierarchy (default: whatsit)", NULL},
    {"in-file", 0, NULL, false, "write into the photo instead of a sidecar", NULL},
    {"sidecar", 0, "STYLE", false,
     "full: photo.jpg.xmp, as darktable and digiKam (the default); base: photo.xmp, as Lightroom; "
     "one that "
     "is there is used",
     "full base"},
    {"undo", 0, NULL, false,
     "take our keywords back: of the heads named by --as, else of all, and our descriptions", NULL},
    {"dry-run", 'n', NULL, false, "only say what would be written", NULL},
    {"json", 0, NULL, false, "one JSON object a photo and line", NULL},
    CLI_INPUTS_OPTIONS,
    {0},
};

typedef struct tagging {
    cli_app *app;
    const cli_args *args;
    cli_runtime runtime;
    cli_list paths, sorted; /* the same */
    cli_folder folder;
    wi_head *heads[MAX_HEADS];
    const char *names[MAX_HEADS];
    double least[MAX_HEADS]; /* of each head; < 0: min */
    size_t n_heads, top;
    double min;
    cli_list words; /* "label\tword", sorted */
    const char *prefix;
    bool in_file, base, dry, json;
    cli_scales scales; /* of sentences */
    size_t n_changed;
    int status;
} tagging;

/* --min SCORE and --min HEAD=SCORE; heads are named by --as, and their thresholds stand in its order. */
static int read_thresholds(tagging *t)
{
    const cli_args *args = t->args;
    const char *value;
    size_t position = 0;
    t->min = 0.5;
    for (size_t i = 0; i < MAX_HEADS; i++) {
        t->least[i] = -1;
    }
    while ((value = cli_args_next(args, "min", &position))) {
        const char *equals = strrchr(value, '='), *number = equals ? equals + 1 : value, *name;
        char *end = NULL;
        double least = strtod(number, &end);
        if (end == number || *end || !(least >= 0 && least <= 1)) {
            return cli_usage(args->verb, "--min takes a number from 0 to 1, not '%s'", value);
        }
        size_t at = 0, next = 0;
        bool found = !equals;
        t->min = equals ? t->min : least;
        while (equals && at < MAX_HEADS && (name = cli_args_next(args, "as", &next))) {
            if (strlen(name) == (size_t)(equals - value) && !strncmp(name, value, strlen(name))) {
                t->least[at] = least;
                found = true;
            }
            at++;
        }
        if (!found) {
            return cli_usage(args->verb, "--min %s: no --as names this head", value);
        }
    }
    return CLI_OK;
}

static int read_words(tagging *t)
{
    const char *file = cli_args_value(t->args, "words");
    int status = cli_lines_read(t->app, file, '\n', &t->words);
    for (size_t i = 0; i < t->words.n && status == CLI_OK; i++) {
        const char *tab = strchr(t->words.items[i], '\t');
        if (!tab || tab == t->words.items[i] || !tab[1] || strchr(tab + 1, '\t')) {
            cli_error(t->app, "%s: '%s' is no label, tab and word", file, t->words.items[i]);
            status = CLI_FAILED;
        }
    }
    cli_list_sort(&t->words);
    return status;
}

/* The word for a label in the user's language; the label where the list has none. */
static const char *word_of(const tagging *t, const char *label)
{
    char *begin = label ? cli_text("%s\t", label) : NULL;
    size_t n = begin ? strlen(begin) : 0;
    size_t at = begin ? cli_list_lower(&t->words, begin, n) : t->words.n;
    const char *word =
        at < t->words.n && !strncmp(t->words.items[at], begin, n) ? t->words.items[at] + n : label;
    free(begin);
    return word;
}

static int read_options(tagging *t)
{
    const cli_args *args = t->args;
    const char *style = cli_args_value(args, "sidecar");
    long top;
    int status = cli_args_number(args, "top", 1, MAX_TOP, 3, &top);
    if (status != CLI_OK) {
        return status;
    }
    t->top = (size_t)top;
    status = read_thresholds(t);
    if (status != CLI_OK) {
        return status;
    }
    t->prefix = cli_args_value(args, "prefix");
    if (t->prefix && (!t->prefix[0] || strchr(t->prefix, '|'))) {
        return cli_usage(args->verb, "--prefix takes a word without '|'");
    }
    if (style && strcmp(style, "full") && strcmp(style, "base")) {
        return cli_usage(args->verb, "--sidecar takes full or base, not '%s'", style);
    }
    t->base = style && !strcmp(style, "base");
    t->in_file = cli_args_has(args, "in-file");
    t->dry = cli_args_has(args, "dry-run");
    t->json = cli_args_has(args, "json");
    if (style && t->in_file) {
        return cli_usage(args->verb, "--sidecar and --in-file exclude each other");
    }
    if (cli_args_has(args, "describer") && !cli_args_has(args, "describe")) {
        return cli_usage(args->verb, "--describer goes with --describe");
    }
    return cli_args_count(args, "as") > MAX_HEADS
               ? cli_usage(args->verb, "at most %d heads at once", MAX_HEADS)
               : CLI_OK;
}

/* photo.jpg.xmp or photo.xmp: the one that is there, else by style. The caller frees. */
static char *sidecar_of(const tagging *t, const char *path)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
    size_t n_base = dot && dot > (slash ? slash + 1 : path) ? (size_t)(dot - path) : strlen(path);
    char *full = cli_text("%s.xmp", path), *base = cli_text("%.*s.xmp", (int)n_base, path);
    bool use_base = base && (cli_exists(base) || t->base) && !(full && cli_exists(full));
    free(use_base ? full : base);
    return use_base ? base : full;
}

static void say(tagging *t, const char *path, const char *target, const metadata_keyword *keywords,
                size_t n, const char *description, const metadata_change *change)
{
    const bool undo = cli_args_has(t->args, "undo");
    if (t->json) {
        json_t *list = json_array();
        for (size_t i = 0; i < n; i++) {
            json_array_append_new(list,
                                  json_pack("{s:s,s:s,s:s}", "head", keywords[i].head, "group",
                                            keywords[i].group ? keywords[i].group : "", "keyword",
                                            keywords[i].label));
        }
        json_t *line =
            json_pack("{s:o,s:o,s:o,s:I,s:I,s:b}", "image", cli_json_text(path), "target",
                      cli_json_text(target), "keywords", list, "added", (json_int_t)change->n_added,
                      "removed", (json_int_t)change->n_removed, "written", !t->dry);
        if (cli_args_has(t->args, "describe")) {
            json_object_set_new(line, "description",
                                description ? cli_json_text(description) : json_null());
            json_object_set_new(line, "described", json_boolean(change->described));
        }
        cli_json_line(line);
        return;
    }
    char text[1024];
    cli_printable(path, text, sizeof text);
    printf("%s:", text);
    for (size_t i = 0; i < n; i++) {
        printf("%s %s", i > 0 ? "," : "", keywords[i].label);
    }
    printf("%s\n", n == 0 ? (undo ? " ours taken back" : " no keyword") : "");
    if (description && description[0]) {
        cli_printable(description, text, sizeof text);
        printf("  %s%s\n", text, change->described ? "" : " (there is a description already)");
    }
}

/* Raw photos are what the camera wrote, and stay so. */
static bool is_raw(const char *path)
{
    return wi_image_name(path, NULL) == WI_NAME_RAW;
}

/* description: NULL leaves what is there, "" takes ours back. */
static void tag_file(tagging *t, const char *path, const metadata_keyword *keywords, size_t n,
                     const char *description)
{
    wi_error error = {0};
    metadata_change change;
    const metadata_wish wish = {keywords, n, t->names, t->n_heads, t->prefix, description, t->dry};
    char *target = t->in_file && !is_raw(path) ? cli_text("%s", path) : sidecar_of(t, path);
    if (!target) {
        cli_error(t->app, "out of memory");
        t->status = CLI_FAILED;
    } else if (cli_args_has(t->args, "undo") && !cli_exists(target)) {
        /* nothing of ours can be there */
    } else if (metadata_tag(target, strcmp(target, path) != 0, &wish, &change, &error) != WI_OK) {
        t->status = cli_failed(t->app, NULL, &error);
    } else {
        t->n_changed += change.n_added + change.n_removed > 0 || change.described;
        say(t, path, target, keywords, n, description, &change);
    }
    free(target);
}

/* Does the photo at path, a companion of another, have a sidecar of its own? */
static bool has_own_sidecar(const tagging *t, const char *path, const char *photo)
{
    char *own = sidecar_of(t, path), *other = t->in_file ? NULL : sidecar_of(t, photo);
    bool differs = own && !(other && !strcmp(own, other));
    free(own);
    free(other);
    return differs;
}

/* The photo, and the raw photo that belongs to it: programs that show the one may not show the other. */
static void tag_one(tagging *t, const char *path, const metadata_keyword *keywords, size_t n,
                    const char *description)
{
    cli_party party;
    tag_file(t, path, keywords, n, description);
    if (!cli_party_find(path, &t->sorted, &t->folder, &party)) {
        cli_error(t->app, "out of memory");
        t->status = CLI_FAILED;
    }
    for (size_t i = 0; i < party.companions.n; i++) {
        const char *name = party.companions.items[i];
        char *raw = cli_text("%.*s%s", (int)(cli_name_of(path) - path), path, name);
        if (raw && is_raw(name) && has_own_sidecar(t, raw, path)) {
            tag_file(t, raw, keywords, n, description);
        }
        free(raw);
    }
    cli_party_free(&party);
}

/* The answers of one head that are sure enough; else its group, if the labels together are. */
static size_t keywords_of(tagging *t, size_t head, const float *embedding, metadata_keyword *out)
{
    wi_answer answers[MAX_TOP];
    wi_group_answer group;
    wi_error error = {0};
    size_t n = 0, n_groups = 0, used = 0, dim = t->runtime.info.embedding_dim;
    float known;
    bool none = false;
    const double least = t->least[head] >= 0 ? t->least[head] : t->min;
    if (wi_head_answer(t->heads[head], embedding, dim, t->top, answers, &n, &error) != WI_OK) {
        t->status = cli_failed(t->app, NULL, &error);
        return 0;
    }
    (void)wi_head_known(t->heads[head], embedding, dim, &known, &none, NULL);
    for (size_t i = 0; i < n && !none; i++) {
        if ((double)answers[i].score >= least) {
            out[used++] = (metadata_keyword){
                t->names[head], word_of(t, wi_head_group(t->heads[head], answers[i].label)),
                word_of(t, wi_head_label(t->heads[head], answers[i].label))};
        }
    }
    if (used == 0 && !none &&
        wi_head_answer_groups(t->heads[head], embedding, dim, 1, &group, &n_groups, NULL) ==
            WI_OK &&
        n_groups == 1 && (double)group.score >= least && group.group[0]) {
        out[used++] = (metadata_keyword){t->names[head], NULL, word_of(t, group.group)};
    }
    return used;
}

static void tag_by(tagging *t, const char *path, const float *embedding, const char *description)
{
    metadata_keyword keywords[MAX_HEADS * MAX_TOP];
    size_t n = 0;
    for (size_t i = 0; i < t->n_heads; i++) {
        n += keywords_of(t, i, embedding, keywords + n);
    }
    tag_one(t, path, keywords, n, description);
}

static bool take(void *context, const cli_item *item, const float *embedding, double encode_ms)
{
    tagging *t = context;
    (void)encode_ms;
    if (embedding) {
        tag_by(t, item->path, embedding, NULL);
    }
    return cli_output_ok(t->app);
}

/* A sentence that is not told is none: ours of an earlier run goes. */
static bool take_sentence(void *context, const cli_item *item, const wi_caption *captions, size_t n,
                          const float *embedding, double ms)
{
    tagging *t = context;
    cli_told told;
    (void)ms;
    if (n > 0) {
        if (!cli_weigh(&t->scales, &captions[0], embedding, &told)) {
            t->status = CLI_FAILED;
            return false;
        }
        tag_by(t, item->path, embedding,
               told.sentence && cli_sentence_is_text(captions[0].text) ? captions[0].text : "");
    }
    return cli_output_ok(t->app);
}

static int open_heads(tagging *t)
{
    const char *name;
    size_t position = 0;
    int status = CLI_OK;
    while (status == CLI_OK && (name = cli_args_next(t->args, "as", &position))) {
        t->names[t->n_heads] = name;
        status = cli_head_open(&t->runtime, name, false, &t->heads[t->n_heads]);
        t->n_heads += status == CLI_OK;
    }
    if (status == CLI_OK && t->n_heads == 0) {
        t->names[0] = "everyday";
        status = cli_head_everyday(&t->runtime, false, &t->heads[0]);
        t->n_heads = status == CLI_OK;
    }
    return status;
}

static int undo(tagging *t)
{
    size_t position = 0;
    const char *name;
    while ((name = cli_args_next(t->args, "as", &position))) {
        t->names[t->n_heads++] = name;
    }
    for (size_t i = 0; i < t->paths.n && !cli_interrupted() && cli_output_ok(t->app); i++) {
        tag_one(t, t->paths.items[i], NULL, 0, t->n_heads ? NULL : "");
    }
    return t->status;
}

static int tag(tagging *t)
{
    int status = cli_runtime_open(t->app, t->args, WI_TOWERS_BOTH, &t->runtime);
    if (status == CLI_OK) {
        status = open_heads(t);
    }
    if (status == CLI_OK && cli_args_has(t->args, "describe")) {
        const cli_sentences job = {.runtime = &t->runtime,
                                   .args = t->args,
                                   .scales = &t->scales,
                                   .paths = &t->paths,
                                   .each = take_sentence,
                                   .context = t};
        status = cli_describe_images(&job);
    } else if (status == CLI_OK) {
        cli_encode job = {.runtime = &t->runtime, .paths = &t->paths, .each = take, .context = t};
        status = cli_encode_images(&job);
    }
    return status == CLI_OK ? t->status : status;
}

static int run(cli_app *app, const cli_args *args)
{
    tagging t = {.app = app, .args = args, .status = CLI_OK};
    int listed, status = read_options(&t);
    t.scales = (cli_scales){.runtime = &t.runtime};
    if (status == CLI_OK) {
        status = read_words(&t);
    }
    if (status != CLI_OK) {
        cli_list_free(&t.words);
        return status;
    }
    metadata_start();
    listed = cli_inputs_read(app, args, args->operands, args->n_operands, &t.paths);
    for (size_t i = 0; i < t.paths.n && status == CLI_OK; i++) {
        status = cli_list_add(&t.sorted, cli_text("%s", t.paths.items[i])) ? CLI_OK : CLI_FAILED;
    }
    cli_list_sort(&t.sorted);
    if (t.paths.n > 0 && status == CLI_OK) {
        status = cli_args_has(args, "undo") ? undo(&t) : tag(&t);
        cli_note(app, "keywords of %zu of %zu photos %s", t.n_changed, t.paths.n,
                 t.dry ? "would change" : "changed");
    }
    for (size_t i = 0; i < MAX_HEADS; i++) {
        wi_head_close(&t.heads[i]);
    }
    cli_scales_close(&t.scales);
    cli_runtime_close(&t.runtime);
    cli_list_free(&t.paths);
    cli_list_free(&t.sorted);
    cli_list_free(&t.words);
    cli_folder_free(&t.folder);
    return cli_interrupted() ? CLI_INTERRUPTED : status == CLI_OK ? listed : status;
}

const cli_verb cli_verb_tag = {
    .name = "tag",
    .operands = "IMAGE...",
    .summary = "write what is in photos as keywords that other programs read",
    .details =
        "Answers that are sure enough become keywords: dc:subject and lr:hierarchicalSubject in "
        "XMP, with "
        "--in-file also IPTC keywords. They go to a sidecar beside the photo unless --in-file is "
        "given; then "
        "the photo is written beside and put in its place, and nothing else in it changes. A raw "
        "photo is never "
        "written into; one beside its picture gets the same keywords, into a sidecar of its "
        "own.\n\n"
        "Keywords that people or other programs wrote stay. Ours stand below 'whatsit|HEAD|' (or "
        "--prefix) in "
        "the "
        "hierarchy and are remembered, so that running it again replaces them and --undo takes "
        "them back.\n\n"
        "With --describe a sentence about the photo becomes dc:description (x-default), if it is "
        "one "
        "that "
        "'whatsit describe' would tell and nobody else wrote one.",
    .examples =
        "whatsit tag ~/Pictures --dry-run\n"
        "    what would be written\n"
        "whatsit tag ~/Pictures --as scenes --as animals --min 0.7\n"
        "    two heads, surer\n"
        "whatsit tag ~/Pictures --as scenes --as animals --min animals=0.8 --words german.tsv\n"
        "    surer of one of them, and in German\n"
        "whatsit tag ~/Pictures --describe\n"
        "    a sentence as well, which screen readers read\n"
        "whatsit tag ~/Pictures --undo\n"
        "    all of ours taken back\n",
    .complete = "@file",
    .min_operands = 1,
    .max_operands = SIZE_MAX,
    .shared = CLI_TAKES_MODEL | CLI_TAKES_THREADS,
    .options = options,
    .run = run,
};
