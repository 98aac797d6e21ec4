/* How good is a head? Heads and models on labelled photos, side by side. */
#include "eval_captions.h"
#include "inputs.h"
#include "photos.h"
#include "report.h"
#include "sentences.h"
#include "term.h"
#include "verbs.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const cli_option options[] = {
    {"head", 'a', "HEAD", true, "a head to measure: a name or a head file", "@head"},
    {"data", 'd', "DIR|TABLE", false,
     "a folder per label, or a table of path, tab, label (in a .csv: path, comma, label)", "@file"},
    {"model", 'm', "MODEL", true, "a model to measure with (default: as usual)", "@model"},
    {"unknown", 'u', "PHOTOS", true, "photos that no label fits: is it noticed?", "@file"},
    {"report", 'r', "FILE.html", false, "write a page with the confusion pictures", "@file"},
    {"captions", 0, "TABLE", false,
     "measure sentences: a table of path, tab, what somebody wrote about it, several lines a "
     "picture",
     "@file"},
    {"sentences", 0, "FILE", false,
     "with --captions: what 'whatsit describe --json' wrote, in place of describing now", "@file"},
    CLI_DESCRIBER_OPTION,
    {"json", 0, NULL, false, "one JSON object a line", NULL},
    {"fresh", 0, NULL, false, "embed every photo anew, which tells the throughput", NULL},
    CLI_INPUTS_OPTIONS,
    CLI_FORCE_OPTION,
    {0},
};

enum { MAX_MEASURED = 64 };

typedef struct job {
    cli_app *app;
    const cli_args *args;
    cli_dataset data, unknown;
    cli_copies copies; /* of the data */
    cli_measured measured[MAX_MEASURED];
    char *texts[MAX_MEASURED][4]; /* title, head, model, how */
    wi_head *heads[MAX_MEASURED];
    const char **labels[MAX_MEASURED];
    wi_tally *tallies[MAX_MEASURED];
    size_t n;
} job;

/* ---- which label of the head a folder means ---- */

static bool is_number(const char *text)
{
    return text[0] && strspn(text, "0123456789") == strlen(text);
}

/* ImageNet's folders are WordNet ids (n01440764), whose sorted order is the order of its classes. */
static bool is_wordnet_id(const char *text)
{
    return text[0] == 'n' && strlen(text) == 9 && is_number(text + 1);
}

static bool all_names(const cli_dataset *data, bool (*is)(const char *))
{
    for (size_t i = 0; i < data->names.n; i++) {
        if (!is(data->names.items[i])) {
            return false;
        }
    }
    return data->names.n > 0;
}

/* Numbered folders count from 1 when one has the number of labels as its name and none is called 0. */
static size_t first_number(const cli_dataset *data, size_t n_labels)
{
    bool past_the_end = false;
    for (size_t i = 0; i < data->names.n; i++) {
        size_t number = strtoul(data->names.items[i], NULL, 10);
        if (number == 0) {
            return 0;
        }
        past_the_end |= number == n_labels;
    }
    return past_the_end;
}

/* Letters and digits alone, in small: "ApplyEyeMakeup" and "apply_eye makeup" are the same. */
static void squeeze(const char *name, size_t n, char *out, size_t n_out)
{
    size_t used = 0;
    for (size_t i = 0; i < n && used + 1 < n_out; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')) {
            out[used++] = (char)c;
        } else if (c >= 'A' && c <= 'Z') {
            out[used++] = (char)(c - 'A' + 'a');
        }
    }
    out[used] = '\0';
}

static size_t find_squeezed(const wi_head *head, const char *name)
{
    char wanted[256], other[256];
    const char *label;
    squeeze(name, strlen(name), wanted, sizeof wanted);
    for (size_t i = 0; wanted[0] && (label = wi_head_label_full(head, i)); i++) {
        while (*label) {
            size_t n = strcspn(label, "|");
            squeeze(label, n, other, sizeof other);
            if (!strcmp(wanted, other)) {
                return i;
            }
            label += n + (label[n] == '|');
        }
    }
    return SIZE_MAX;
}

/* What a data set's own folder is called in the list of this head: heads/folders.tsv. */
static void find_known_folders(const wi_head *head, const char *list, const cli_dataset *data,
                               size_t *place)
{
    char line[512];
    char *path = cli_share_path("heads/folders.tsv");
    FILE *file = path ? fopen(path, "r") : NULL;
    while (file && fgets(line, sizeof line, file)) {
        char *folder = strchr(line, '\t'), *label = folder ? strchr(folder + 1, '\t') : NULL;
        if (!label) {
            continue;
        }
        *folder++ = *label++ = '\0';
        label[strcspn(label, "\r\n")] = '\0';
        for (size_t i = 0; !strcmp(line, list) && i < data->names.n; i++) {
            if (place[i] == SIZE_MAX && !strcmp(data->names.items[i], folder)) {
                place[i] = wi_head_find_label(head, label);
            }
        }
    }
    if (file) {
        fclose(file);
    }
    free(path);
}

/* place[names.n]: the head's label, SIZE_MAX when it has none. Returns how many were found. */
static size_t match(const wi_head *head, size_t n_labels, const cli_dataset *data, size_t *place)
{
    wi_head_info info;
    wi_head_get_info(head, &info);
    size_t found = 0;
    bool ids = data->names.n == n_labels && all_names(data, is_wordnet_id);
    bool numbers = all_names(data, is_number);
    size_t first = numbers ? first_number(data, n_labels) : 0;
    for (size_t i = 0; i < data->names.n; i++) {
        place[i] = wi_head_find_label(head, data->names.items[i]);
    }
    find_known_folders(head, info.name, data, place);
    for (size_t i = 0; i < data->names.n; i++) {
        if (place[i] == SIZE_MAX && !numbers) {
            place[i] = find_squeezed(head, data->names.items[i]);
        }
        if (place[i] == SIZE_MAX && ids) {
            place[i] = i;
        } else if (place[i] == SIZE_MAX && numbers) {
            size_t number = strtoul(data->names.items[i], NULL, 10) - first;
            place[i] = number < n_labels ? number : SIZE_MAX;
        }
        found += place[i] != SIZE_MAX;
    }
    return found;
}

/* ---- one head ---- */

typedef struct known_scores {
    float *known; /* photos of the head's labels, then unknown ones */
    bool *positive;
    size_t n;
} known_scores;

/* Is the answer no mistake, but the broader word: "fruit" for an orange in the group "fruit"? */
static bool says_broader(const wi_head *head, const float *scores, size_t n, size_t truth)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++) {
        best = scores[i] > scores[best] ? i : best;
    }
    return best != truth && wi_head_find_label(head, wi_head_group(head, truth)) == best;
}

/* Counts the photo whose likeliest group is that of its label. */
static wi_status ask_group(const wi_head *head, const float *row, size_t dim, size_t truth,
                           size_t *n_right, wi_error *error)
{
    wi_group_answer best;
    size_t n = 0;
    wi_status status = wi_head_answer_groups(head, row, dim, 1, &best, &n, error);
    *n_right += status == WI_OK && !strcmp(best.group, wi_head_group(head, truth));
    return status;
}

/* Tallies the photos whose label the head has; scores[n_labels] is room for one answer. */
static wi_status tally_photos(const job *j, const wi_head *head, const size_t *place,
                              const cli_vectors *v, float *scores, wi_tally *tally, cli_measured *m,
                              known_scores *known, wi_error *error)
{
    size_t n_none = 0, n = 0, n_grouped = 0, n_group_right = 0, n_broader = 0;
    wi_status status = WI_OK;
    for (size_t i = 0; i < v->n && status == WI_OK; i++) {
        size_t truth = place[j->data.labels[i]];
        bool none = false;
        if (!v->good[i] || j->copies.is_copy[i]) {
            continue;
        }
        if (truth == SIZE_MAX) {
            m->n_left_out++;
            continue;
        }
        const float *row = v->rows + i * v->dim;
        status = wi_head_scores(head, row, v->dim, scores, NULL, NULL, error);
        if (status == WI_OK) {
            status = wi_tally_add(tally, scores, truth, error);
        }
        if (status == WI_OK) {
            status = wi_head_known(head, row, v->dim, &known->known[known->n], &none, error);
            known->positive[known->n++] = true;
        }
        if (status == WI_OK && wi_head_group(head, truth)[0]) {
            status = ask_group(head, row, v->dim, truth, &n_group_right, error);
            n_broader += says_broader(head, scores, m->n_labels, truth);
            n_grouped++;
        }
        n_none += none;
        n++;
    }
    if (n_grouped > 0) {
        m->group_share = (double)n_group_right / (double)n_grouped;
        m->n_broader = n_broader;
    }
    if (m->can_say_none && n > 0) {
        m->none_share = (double)n_none / (double)n;
    }
    return status;
}

static wi_status try_unknown(const wi_head *head, const cli_vectors *v, cli_measured *m,
                             known_scores *known, wi_error *error)
{
    size_t n_passed = 0;
    wi_status status = WI_OK;
    for (size_t i = 0; i < v->n && status == WI_OK; i++) {
        bool none = false;
        if (!v->good[i]) {
            continue;
        }
        status = wi_head_known(head, v->rows + i * v->dim, v->dim, &known->known[known->n], &none,
                               error);
        known->positive[known->n++] = false;
        m->n_unknown++;
        n_passed += !none;
    }
    if (status == WI_OK && m->n_unknown > 0 && known->n > m->n_unknown) {
        status =
            wi_auc(known->known, known->positive, known->n, 0, &m->known_auc, NULL, NULL, error);
    }
    if (m->can_say_none && m->n_unknown > 0) {
        m->false_accepts = (double)n_passed / (double)m->n_unknown;
    }
    return status;
}

static int count_answers(job *j, size_t at, const size_t *place, const cli_vectors *v,
                         const cli_vectors *unknown)
{
    wi_error error = {0};
    cli_measured *m = &j->measured[at];
    known_scores known = {calloc(v->n + unknown->n + 1, sizeof(float)),
                          calloc(v->n + unknown->n + 1, sizeof(bool)), 0};
    float *scores = calloc(m->n_labels + 1, sizeof *scores);
    wi_status status = WI_ERR_NOMEM;
    if (!known.known || !known.positive || !scores) {
        cli_error(j->app, "out of memory");
    } else {
        status = wi_tally_open(m->n_labels, &j->tallies[at], &error);
        if (status == WI_OK) {
            status =
                tally_photos(j, j->heads[at], place, v, scores, j->tallies[at], m, &known, &error);
        }
        if (status == WI_OK) {
            status = try_unknown(j->heads[at], unknown, m, &known, &error);
        }
        if (status == WI_OK) {
            status = wi_tally_metrics(j->tallies[at], &m->metrics, &error);
        }
        m->tally = j->tallies[at];
        if (status != WI_OK) {
            cli_failed(j->app, m->head, &error);
        }
    }
    free(known.known);
    free(known.positive);
    free(scores);
    return status == WI_OK ? CLI_OK : CLI_FAILED;
}

/* The strings of one row, which live as long as the job. */
static bool describe(job *j, const cli_runtime *runtime, const char *name, const cli_vectors *v)
{
    size_t at = j->n;
    wi_head_info info;
    cli_measured *m = &j->measured[at];
    wi_head_get_info(j->heads[at], &info);
    *m = (cli_measured){.n_labels = info.n_labels,
                        .none_share = (double)NAN,
                        .group_share = (double)NAN,
                        .known_auc = (double)NAN,
                        .false_accepts = (double)NAN,
                        .can_say_none = isfinite(info.none_threshold) != 0};
    m->n_copies = j->copies.n;
    m->n_seen = cli_photo_list_count(name, &j->data.paths, (const uint8_t(*)[CLI_DIGEST])v->content,
                                     j->copies.is_copy);
    size_t n_new = v->n_good - v->n_cached;
    m->photos_per_s = n_new > 0 && v->seconds > 0 ? (double)n_new / v->seconds : 0;
    j->texts[at][0] = cli_text("head '%s' with %s", name, runtime->info.name);
    j->texts[at][1] = cli_text("%s", name);
    j->texts[at][2] = cli_text("%s", runtime->info.name);
    j->texts[at][3] = cli_text("a %s head with %zu labels on %s", wi_head_kind_name(info.kind),
                               info.n_labels, cli_args_value(j->args, "data"));
    j->labels[at] = calloc(info.n_labels + 1, sizeof *j->labels[at]);
    if (!j->texts[at][0] || !j->texts[at][1] || !j->texts[at][2] || !j->texts[at][3] ||
        !j->labels[at]) {
        cli_error(j->app, "out of memory");
        return false;
    }
    for (size_t i = 0; i < info.n_labels; i++) {
        j->labels[at][i] = wi_head_label(j->heads[at], i);
    }
    m->title = j->texts[at][0];
    m->head = j->texts[at][1];
    m->model = j->texts[at][2];
    m->how = j->texts[at][3];
    m->labels = j->labels[at];
    return true;
}

static int measure_head(job *j, const cli_runtime *runtime, const char *name, const cli_vectors *v,
                        const cli_vectors *unknown)
{
    int status = cli_head_open(runtime, name, false, &j->heads[j->n]);
    if (status != CLI_OK) {
        return status;
    }
    cli_head_warn_single(j->app, name, j->heads[j->n]);
    size_t *place = calloc(j->data.names.n + 1, sizeof *place);
    bool described = place && describe(j, runtime, name, v);
    size_t at = j->n++; /* closed with the job from here on */
    cli_measured *m = &j->measured[at];
    size_t found = described ? match(j->heads[at], m->n_labels, &j->data, place) : 0;
    if (!described) {
        status = CLI_FAILED;
    } else if (found == 0) {
        const char *first = j->data.names.items[0];
        if (j->data.names.n == 1) {
            cli_error(j->app, "the photos' only label, '%s', is none of head '%s'", first, name);
        } else {
            cli_error(j->app,
                      "none of the %zu labels of the photos ('%s', ...) is one of head '%s'",
                      j->data.names.n, first, name);
        }
        status = CLI_FAILED;
    } else {
        status = count_answers(j, at, place, v, unknown);
    }
    if (m->n_left_out > 0) {
        cli_note(j->app, "%zu photo%s left out: head '%s' does not have their labels",
                 m->n_left_out, m->n_left_out == 1 ? " is" : "s are", name);
    }
    if (m->n_seen > 0) {
        cli_note(j->app,
                 "head '%s' was made from %zu of these %zu photos, which it knows better than "
                 "others: measure it with those",
                 name, m->n_seen, j->data.paths.n - j->copies.n);
    }
    if (status != CLI_OK) {
        m->tally = NULL;
    }
    free(place);
    return status;
}

/* ---- one model ---- */

static int measure_model(job *j, const char *model)
{
    cli_runtime runtime = {0};
    cli_vectors v = {0}, unknown = {0};
    cli_vectors_options how = {.image = cli_picture_options(j->args),
                               .args = j->args,
                               .no_cache = cli_args_has(j->args, "fresh")};
    const char *name;
    size_t position = 0;
    int read = CLI_OK, status = cli_runtime_open_model(j->app, j->args, model, 0, &runtime);
    if (status == CLI_OK) {
        read = cli_vectors_open(&runtime, &j->data.paths, &how, &v);
        status = read != CLI_INTERRUPTED && v.n_good > 0 ? CLI_OK : read;
    }
    if (status == CLI_OK && j->unknown.paths.n > 0) {
        int more = cli_vectors_open(&runtime, &j->unknown.paths, &how, &unknown);
        read = read == CLI_OK ? more : read;
        status = more != CLI_INTERRUPTED ? CLI_OK : more;
    }
    if (status == CLI_OK && !j->copies.is_copy) {
        if (cli_copies_find((const uint8_t(*)[CLI_DIGEST])v.content, j->data.labels, v.n,
                            &j->copies)) {
            cli_photos_say_copies(j->app, &j->data, &j->copies);
        } else {
            cli_error(j->app, "out of memory");
            status = CLI_FAILED;
        }
    }
    bool ready = status == CLI_OK;
    while (ready && !cli_interrupted() && (name = cli_args_next(j->args, "head", &position))) {
        int measured = measure_head(j, &runtime, name, &v, &unknown);
        status = status == CLI_OK ? measured : status;
    }
    cli_vectors_free(&v);
    cli_vectors_free(&unknown);
    cli_runtime_close(&runtime);
    return status == CLI_OK ? read : status;
}

static int show(job *j)
{
    wi_error error = {0};
    const char *page = cli_args_value(j->args, "report");
    cli_measured good[MAX_MEASURED];
    size_t n = 0;
    for (size_t i = 0; i < j->n; i++) {
        if (j->measured[i].tally) {
            good[n++] = j->measured[i];
        }
    }
    if (cli_args_has(j->args, "json")) {
        for (size_t i = 0; i < n; i++) {
            cli_json_line(cli_report_json(&good[i]));
        }
    } else if (n == 1) {
        cli_report_text(&good[0]);
    } else if (n > 1) {
        cli_report_table(good, n);
    }
    if (n > 0 && page && cli_report_html(page, good, n, &error) != WI_OK) {
        return cli_failed(j->app, NULL, &error);
    }
    return CLI_OK;
}

static void close_job(job *j)
{
    for (size_t i = 0; i < j->n; i++) {
        wi_tally_close(&j->tallies[i]);
        wi_head_close(&j->heads[i]);
        free((void *)j->labels[i]);
        for (size_t k = 0; k < 4; k++) {
            free(j->texts[i][k]);
        }
    }
    cli_copies_free(&j->copies);
    cli_dataset_free(&j->data);
    cli_dataset_free(&j->unknown);
}

static int measure_all(job *j)
{
    const char *model;
    size_t position = 0;
    int status = cli_dataset_open(j->app, j->args, cli_args_value(j->args, "data"), &j->data);
    if (status == CLI_OK) {
        status = cli_unknown_photos(j->app, j->args, &j->unknown);
    }
    if (status == CLI_OK) {
        status = cli_may_write(j->app, j->args, "report", &j->data.paths);
    }
    if (status == CLI_OK) {
        status = cli_may_write(j->app, j->args, "report", &j->unknown.paths);
    }
    if (status != CLI_OK) {
        return status;
    }
    if (!cli_args_has(j->args, "model")) {
        status = measure_model(j, NULL);
    }
    while (!cli_interrupted() && (model = cli_args_next(j->args, "model", &position))) {
        int measured = measure_model(j, model);
        status = status == CLI_OK ? measured : status;
    }
    int shown = show(j);
    return status == CLI_OK ? shown : status;
}

static int run(cli_app *app, const cli_args *args)
{
    size_t n_heads = cli_args_count(args, "head"), n_models = cli_args_count(args, "model");
    if (cli_args_has(args, "captions")) {
        return n_heads || cli_args_has(args, "data") || n_models > 1
                   ? cli_usage(args->verb, "--captions goes without --head and --data")
                   : cli_eval_captions(app, args);
    }
    if (cli_args_has(args, "sentences")) {
        return cli_usage(args->verb, "--sentences goes with --captions");
    }
    if (n_heads == 0 || !cli_args_has(args, "data")) {
        return cli_usage(args->verb, "needs --head HEAD and --data DIR or TABLE");
    }
    if (n_heads * (n_models ? n_models : 1) > MAX_MEASURED) {
        return cli_usage(args->verb, "at most %d heads and models at once", MAX_MEASURED);
    }
    job *j = calloc(1, sizeof *j);
    if (!j) {
        cli_error(app, "out of memory");
        return CLI_FAILED;
    }
    j->app = app;
    j->args = args;
    int status = measure_all(j);
    close_job(j);
    free(j);
    return status;
}

const cli_verb cli_verb_eval = {
    .name = "eval",
    .operands = "",
    .summary = "measure heads and models on labelled photos",
    .details =
        "Tells how often the first answer is right (top-1) and the right one among five (top-5), "
        "precision and recall of every label, what is taken for what, and how far the "
        "probabilities are from the truth (calibration error). Several heads or models make one "
        "table.\n\n"
        "Folders mean the head's labels by any of their names, whatever the letter case, '_' or "
        "'-'. ImageNet's folders (n01440764) and numbered ones mean them by order, from 0, or "
        "from 1 where the last label has its number. Photos of labels that the head lacks are "
        "left out and counted.\n\n"
        "Standard tests have heads with the published class names and prompts ('whatsit head list' "
        "shows them): cifar10, cifar100, imagenet, food101, caltech101, ...\n\n"
        "--unknown brings photos that no label fits: how well the head tells them from the others "
        "(area under the ROC curve), and how many pass as known.\n\n"
        "--captions measures 'whatsit describe' against what people wrote: BLEU, ROUGE-L and "
        "CIDEr-D "
        "as COCO's own program computes them, times 100, and the share of sentences that are sure.",
    .examples = "whatsit eval --head flowers --data ~/Pictures/flowers --report flowers.html\n"
                "    a page with the confusion picture\n"
                "whatsit eval --head pets --data pets/ --model nano --model b32\n"
                "    two models in one table\n"
                "whatsit eval --head imagenet --data imagenet/val --json\n"
                "    for another program\n"
                "whatsit eval --captions captions.tsv\n"
                "    how near are sentences to what people wrote?\n",
    .max_operands = 0,
    .shared = CLI_TAKES_THREADS | CLI_TAKES_PICTURES,
    .options = options,
    .run = run,
};
