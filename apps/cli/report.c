#include "report.h"
#include "load.h"
#include "term.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Larger tables help nobody on a terminal; the page has a picture, and JSON all of it. */
enum { MAX_TEXT_CONFUSION = 12, MAX_PICTURE_LABELS = 200, MAX_MISTAKES = 20 };

static uint64_t *confusion_of(const cli_measured *m)
{
    uint64_t *count = calloc(m->n_labels * m->n_labels + 1, sizeof *count);
    if (count) {
        wi_tally_confusion(m->tally, count);
    }
    return count;
}

/* ---- text ---- */

static void print_share(const char *name, double value)
{
    if (isfinite(value)) {
        printf("  %-18s %6.2f %%\n", name, 100 * value);
    }
}

/* Labels whose only photo every fit had seen; *first is one of them. */
static size_t count_alone(const cli_measured *m, const char **first)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n_labels && m->held_out && m->tally; i++) {
        wi_label_metrics x;
        wi_tally_label(m->tally, i, &x);
        if (x.n_true == 0 && n++ == 0) {
            *first = m->labels[i];
        }
    }
    return n;
}

static void print_summary(const cli_measured *m)
{
    const wi_metrics *x = &m->metrics;
    const char *alone = "";
    size_t n_alone = count_alone(m, &alone);
    char name[64];
    printf("  %-18s %6llu", "photos measured", (unsigned long long)x->n);
    if (m->n_copies > 0) {
        printf("  (%zu more %s of these)", m->n_copies,
               m->n_copies == 1 ? "is a copy" : "are copies");
    }
    putchar('\n');
    if (n_alone > 0) {
        cli_printable(alone, name, sizeof name);
        printf("  %-18s %6zu label%s with a single photo ('%s'%s): nothing is known of them\n",
               "not measured", n_alone, n_alone == 1 ? "" : "s", name, n_alone > 1 ? ", ..." : "");
    }
    if (m->n_seen > 0) {
        printf("  %-18s %6zu of these photos: on others it is worse\n", "made from", m->n_seen);
    }
    print_share("accuracy", x->top1);
    if (m->n_labels > 5) {
        print_share("in the best five", x->top5);
    }
    print_share("group right", m->group_share);
    if (m->n_broader > 0) {
        print_share("broader word", (double)m->n_broader / (double)x->n);
    }
    print_share("balanced accuracy", x->balanced);
    print_share("calibration error", x->calibration_error);
    printf("  %-18s %6.4f\n", "log loss", x->log_loss);
    if (isfinite(x->auc)) {
        printf("  %-18s %6.4f  (95 %%: %.4f to %.4f)\n", "AUC", x->auc, x->auc_low, x->auc_high);
    }
    print_share("none of these", m->none_share);
    if (isfinite(m->known_auc)) {
        printf("  %-18s %6.4f  (against %zu unknown photos)\n", "AUC of known", m->known_auc,
               m->n_unknown);
    }
    print_share("unknown passed", m->false_accepts);
    if (m->photos_per_s > 0) {
        printf("  %-18s %6.1f photos/s\n", "throughput", m->photos_per_s);
    }
}

/* A printable name at the left of a table. */
static void print_name(const char *name)
{
    int n = (int)cli_columns(name);
    printf("  %s%*s", name, n < 28 ? 28 - n : 0, "");
}

static void print_labels(const cli_measured *m)
{
    char name[64];
    printf("\n  %-28s %7s %10s %7s\n", "label", "photos", "precision", "recall");
    for (size_t i = 0; i < m->n_labels; i++) {
        wi_label_metrics x;
        wi_tally_label(m->tally, i, &x);
        if (x.n_true == 0 && x.n_answered == 0) {
            continue;
        }
        cli_printable(m->labels[i], name, sizeof name);
        print_name(name);
        printf(" %7llu", (unsigned long long)x.n_true);
        isfinite(x.precision) ? printf(" %8.1f %%", 100 * x.precision) : printf(" %10s", "-");
        isfinite(x.recall) ? printf(" %5.1f %%\n", 100 * x.recall) : printf(" %7s\n", "-");
    }
}

static void print_confusion(const cli_measured *m)
{
    char name[32];
    uint64_t *count = m->n_labels <= MAX_TEXT_CONFUSION ? confusion_of(m) : NULL;
    if (!count) {
        return;
    }
    printf("\n  confusion: rows are the truth, columns the answers in the same order\n");
    for (size_t i = 0; i < m->n_labels; i++) {
        cli_printable(m->labels[i], name, sizeof name);
        print_name(name);
        for (size_t j = 0; j < m->n_labels; j++) {
            printf(" %5llu", (unsigned long long)count[i * m->n_labels + j]);
        }
        printf("\n");
    }
    free(count);
}

static void print_mistakes(const cli_measured *m)
{
    wi_confused confused[5];
    char truth[64], answer[64];
    size_t n = 0;
    if (wi_tally_confused(m->tally, 5, confused, &n, NULL) != WI_OK || n == 0) {
        return;
    }
    printf("\n  most frequent mistakes\n");
    for (size_t i = 0; i < n; i++) {
        cli_printable(m->labels[confused[i].truth], truth, sizeof truth);
        cli_printable(m->labels[confused[i].answer], answer, sizeof answer);
        printf("  %5llu  %s taken for %s\n", (unsigned long long)confused[i].count, truth, answer);
    }
}

void cli_report_text(const cli_measured *m)
{
    char text[256];
    cli_printable(m->title, text, sizeof text);
    printf("%s\n", text);
    cli_printable(m->how, text, sizeof text);
    printf("  %s\n", text);
    if (!m->tally) {
        return;
    }
    print_summary(m);
    print_labels(m);
    print_confusion(m);
    print_mistakes(m);
}

void cli_report_table(const cli_measured *measured, size_t n)
{
    char head[40], model[40];
    printf("%-22s %-22s %6s %7s %7s %8s %7s %7s %9s\n", "head", "model", "photos", "top-1", "top-5",
           "balanced", "calib.", "none", "photos/s");
    for (size_t i = 0; i < n; i++) {
        const cli_measured *m = &measured[i];
        cli_printable(m->head, head, 23);
        cli_printable(m->model, model, 23);
        printf("%s%*s %s%*s %6llu %5.1f %% %5.1f %% %6.1f %% %5.1f %%", head,
               22 - (int)cli_columns(head), "", model, 22 - (int)cli_columns(model), "",
               (unsigned long long)m->metrics.n, 100 * m->metrics.top1, 100 * m->metrics.top5,
               100 * m->metrics.balanced, 100 * m->metrics.calibration_error);
        isfinite(m->none_share) ? printf(" %5.1f %%", 100 * m->none_share) : printf(" %7s", "-");
        m->photos_per_s > 0 ? printf(" %9.1f\n", m->photos_per_s) : printf(" %9s\n", "-");
    }
}

/* ---- JSON ---- */

static json_t *json_labels(const cli_measured *m)
{
    json_t *labels = json_array();
    for (size_t i = 0; i < m->n_labels; i++) {
        wi_label_metrics x;
        wi_tally_label(m->tally, i, &x);
        json_array_append_new(
            labels, json_pack("{s:o,s:I,s:I,s:I,s:o,s:o}", "label", cli_json_text(m->labels[i]),
                              "photos", (json_int_t)x.n_true, "answered", (json_int_t)x.n_answered,
                              "right", (json_int_t)x.n_right, "precision",
                              cli_json_number(x.precision), "recall", cli_json_number(x.recall)));
    }
    return labels;
}

/* [[truth, answer, count], ...] of the cells that are not empty. */
static json_t *json_confusion(const cli_measured *m)
{
    json_t *cells = json_array();
    uint64_t *count = confusion_of(m);
    for (size_t i = 0; count && i < m->n_labels * m->n_labels; i++) {
        if (count[i] > 0) {
            json_array_append_new(cells, json_pack("[i,i,I]", (int)(i / m->n_labels),
                                                   (int)(i % m->n_labels), (json_int_t)count[i]));
        }
    }
    free(count);
    return cells;
}

json_t *cli_report_json(const cli_measured *m)
{
    const wi_metrics *x = &m->metrics;
    json_t *object =
        json_pack("{s:o,s:o,s:o,s:I,s:I,s:I}", "head", cli_json_text(m->head), "model",
                  cli_json_text(m->model), "how", cli_json_text(m->how), "photos", (json_int_t)x->n,
                  "left_out", (json_int_t)m->n_left_out, "seen", (json_int_t)m->n_seen);
    const char *alone = "";
    if (object) {
        json_object_set_new(object, "copies", json_integer((json_int_t)m->n_copies));
        json_object_set_new(object, "broader", json_integer((json_int_t)m->n_broader));
        json_object_set_new(object, "not_measured",
                            json_integer((json_int_t)count_alone(m, &alone)));
    }
    const struct {
        const char *name;
        double value;
    } numbers[] = {{"top1", x->top1},
                   {"top5", x->top5},
                   {"group", m->group_share},
                   {"balanced", x->balanced},
                   {"log_loss", x->log_loss},
                   {"calibration_error", x->calibration_error},
                   {"auc", x->auc},
                   {"auc_low", x->auc_low},
                   {"auc_high", x->auc_high},
                   {"none", m->none_share},
                   {"known_auc", m->known_auc},
                   {"false_accepts", m->false_accepts},
                   {"photos_per_s", m->photos_per_s > 0 ? m->photos_per_s : (double)NAN}};
    for (size_t i = 0; object && i < sizeof numbers / sizeof numbers[0]; i++) {
        json_object_set_new(object, numbers[i].name, cli_json_number(numbers[i].value));
    }
    if (object && m->tally) {
        json_object_set_new(object, "labels", json_labels(m));
        json_object_set_new(object, "confusion", json_confusion(m));
    }
    return object;
}

/* ---- HTML ---- */

/* What a figure says, for people who meet it the first time. */
static const struct {
    const char *name, *means;
} meanings[] = {
    {"accuracy (top 1)", "how often the best answer is the right one"},
    {"in the best five", "how often the right one is among the five best"},
    {"group right", "how often the best answer is at least of the right group"},
    {"broader word",
     "answers that name the right group in place of the label itself: counted as wrong above"},
    {"balanced accuracy", "the mean over labels: rare ones count as much as common ones"},
    {"calibration error",
     "how far the percentages that are shown lie from how often they are true"},
    {"none of these", "photos of the head's labels that it took for something else"},
    {"unknown photos that passed", "photos of other things that it took for one of its labels"},
    {"AUC of known against unknown", "1: it always tells them apart, 0.5: it guesses"},
    {"area under the ROC curve", "1: the two labels are always told apart, 0.5: it guesses"},
};

static void html_meaning(FILE *out, const char *name)
{
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
        if (!strcmp(meanings[i].name, name)) {
            fprintf(out, "<td class=\"means\">%s</td>", meanings[i].means);
        }
    }
    fputs("</tr>\n", out);
}

static void html_share(FILE *out, const char *name, double value)
{
    if (isfinite(value)) {
        fprintf(out, "<tr><th scope=\"row\">%s</th><td>%.2f %%</td>", name, 100 * value);
        html_meaning(out, name);
    }
}

static void html_count(FILE *out, const char *name, uint64_t n, const char *means)
{
    fprintf(out, "<tr><th scope=\"row\">%s</th><td>%llu</td><td class=\"means\">%s</td></tr>\n",
            name, (unsigned long long)n, means);
}

static void html_summary(FILE *out, const cli_measured *m)
{
    const wi_metrics *x = &m->metrics;
    const char *alone = "";
    size_t n_alone = count_alone(m, &alone);
    fputs("<table>\n<tr><th scope=\"col\">figure</th><th scope=\"col\">value</th><th "
          "scope=\"col\">what it says</th></tr>\n",
          out);
    html_count(out, "photos measured", x->n, "all figures are about these");
    if (m->n_copies > 0) {
        html_count(out, "copies", m->n_copies, "the same bytes as another photo: counted once");
    }
    if (n_alone > 0) {
        html_count(out, "labels not measured", n_alone,
                   "with a single photo, which every fit has seen");
    }
    if (m->n_seen > 0) {
        html_count(out, "of these the head was made from", m->n_seen, "on others it is worse");
    }
    html_share(out, "accuracy (top 1)", x->top1);
    html_share(out, "in the best five", m->n_labels > 5 ? x->top5 : (double)NAN);
    html_share(out, "group right", m->group_share);
    html_share(out, "broader word",
               m->n_broader > 0 ? (double)m->n_broader / (double)x->n : (double)NAN);
    html_share(out, "balanced accuracy", x->balanced);
    html_share(out, "calibration error", x->calibration_error);
    html_share(out, "none of these", m->none_share);
    html_share(out, "unknown photos that passed", m->false_accepts);
    if (isfinite(m->known_auc)) {
        fprintf(out, "<tr><th scope=\"row\">AUC of known against unknown</th><td>%.4f</td>",
                m->known_auc);
        html_meaning(out, "AUC of known against unknown");
    }
    if (isfinite(x->auc)) {
        fprintf(out,
                "<tr><th scope=\"row\">area under the ROC curve</th><td>%.4f (95 %%: %.4f to "
                "%.4f)</td>",
                x->auc, x->auc_low, x->auc_high);
        html_meaning(out, "area under the ROC curve");
    }
    if (m->photos_per_s > 0) {
        fprintf(out, "<tr><th scope=\"row\">photos a second</th><td>%.1f</td><td></td></tr>\n",
                m->photos_per_s);
    }
    fputs("</table>\n", out);
}

static void html_labels(FILE *out, const cli_measured *m)
{
    fputs("<h3>Labels</h3>\n<table>\n<tr><th scope=\"col\">label</th><th scope=\"col\">photos</th>"
          "<th scope=\"col\">precision (of its answers, right)</th><th scope=\"col\">recall (of "
          "its photos, "
          "found)</th></tr>\n",
          out);
    for (size_t i = 0; i < m->n_labels; i++) {
        wi_label_metrics x;
        wi_tally_label(m->tally, i, &x);
        if (x.n_true == 0 && x.n_answered == 0) {
            continue;
        }
        fputs("<tr><th scope=\"row\">", out);
        cli_html_text(out, m->labels[i]);
        fprintf(out, "</th><td>%llu</td>", (unsigned long long)x.n_true);
        isfinite(x.precision) ? fprintf(out, "<td>%.1f %%</td>", 100 * x.precision)
                              : fprintf(out, "<td>-</td>");
        isfinite(x.recall) ? fprintf(out, "<td>%.1f %%</td></tr>\n", 100 * x.recall)
                           : fprintf(out, "<td>-</td></tr>\n");
    }
    fputs("</table>\n", out);
}

/* A square per cell, darker for a larger share of its row; a title tells the numbers. */
static void svg_cells(FILE *out, const cli_measured *m, const uint64_t *count, size_t cell)
{
    for (size_t i = 0; i < m->n_labels; i++) {
        uint64_t row = 0;
        for (size_t j = 0; j < m->n_labels; j++) {
            row += count[i * m->n_labels + j];
        }
        for (size_t j = 0; j < m->n_labels; j++) {
            uint64_t n = count[i * m->n_labels + j];
            if (n == 0) {
                continue;
            }
            fprintf(out,
                    "<rect x=\"%zu\" y=\"%zu\" width=\"%zu\" height=\"%zu\" fill=\"%s\" "
                    "fill-opacity=\"%.3f\"><title>",
                    j * cell, i * cell, cell, cell, i == j ? "#146c3e" : "#a5281b",
                    0.15 + 0.85 * (double)n / (double)row);
            cli_html_text(out, m->labels[i]);
            fputs(" answered as ", out);
            cli_html_text(out, m->labels[j]);
            fprintf(out, ": %llu of %llu</title></rect>\n", (unsigned long long)n,
                    (unsigned long long)row);
            if (cell >= 24) {
                /* White on what is dark: the text is to be read on every square. */
                bool dark = (double)n / (double)row > 0.8;
                fprintf(out,
                        "<text x=\"%zu\" y=\"%zu\" text-anchor=\"middle\" font-size=\"12\" "
                        "fill=\"%s\">%llu</text>\n",
                        j * cell + cell / 2, i * cell + cell / 2 + 4, dark ? "#fff" : "#111",
                        (unsigned long long)n);
            }
        }
    }
}

static bool html_confusion(FILE *out, const cli_measured *m)
{
    if (m->n_labels > MAX_PICTURE_LABELS) {
        fprintf(out, "<p>The confusion picture is left out for more than %d labels.</p>\n",
                MAX_PICTURE_LABELS);
        return true;
    }
    uint64_t *count = confusion_of(m);
    if (!count) {
        return false;
    }
    size_t cell = m->n_labels <= 12 ? 48 : m->n_labels <= 40 ? 24 : 800 / m->n_labels;
    size_t side = cell * m->n_labels, names = cell >= 12 ? 220 : 0;
    fprintf(
        out,
        "<h3>Confusion</h3>\n<p>A row for each true label, a column for each answer in the same "
        "order; green is right, and the darker, the larger the share of its row. Point at a square "
        "for its numbers.</p>\n"
        "<svg width=\"%zu\" height=\"%zu\" viewBox=\"0 0 %zu %zu\" role=\"img\" "
        "aria-label=\"confusion matrix\">\n<g transform=\"translate(0,%zu)\">\n"
        "<rect width=\"%zu\" height=\"%zu\" fill=\"none\" stroke=\"#666\"/>\n",
        side + names, side + names + 2, side + names, side + names + 2, names, side, side);
    svg_cells(out, m, count, cell);
    for (size_t i = 0; i < m->n_labels && names; i++) {
        fprintf(out, "<text x=\"%zu\" y=\"%zu\" font-size=\"12\" fill=\"#222\">", side + 8,
                i * cell + cell / 2 + 4);
        cli_html_text(out, m->labels[i]);
        fprintf(out,
                "</text>\n<text transform=\"translate(%zu,-8) rotate(-60)\" font-size=\"12\" "
                "fill=\"#222\">",
                i * cell + cell / 2 + 4);
        cli_html_text(out, m->labels[i]);
        fputs("</text>\n", out);
    }
    fputs("</g></svg>\n", out);
    free(count);
    return true;
}

static void html_mistakes(FILE *out, const cli_measured *m)
{
    wi_confused confused[MAX_MISTAKES];
    size_t n = 0;
    if (wi_tally_confused(m->tally, MAX_MISTAKES, confused, &n, NULL) != WI_OK || n == 0) {
        return;
    }
    fputs("<h3>Most frequent mistakes</h3>\n<ol>\n", out);
    for (size_t i = 0; i < n; i++) {
        fputs("<li>", out);
        cli_html_text(out, m->labels[confused[i].truth]);
        fputs(" taken for ", out);
        cli_html_text(out, m->labels[confused[i].answer]);
        fprintf(out, ": %llu</li>\n", (unsigned long long)confused[i].count);
    }
    fputs("</ol>\n", out);
}

static bool html_one(FILE *out, const cli_measured *m)
{
    bool done = true;
    fputs("<h2>", out);
    cli_html_text(out, m->title);
    fputs("</h2>\n<p>", out);
    cli_html_text(out, m->how);
    fputs("</p>\n", out);
    if (m->tally) {
        html_summary(out, m);
        done = html_confusion(out, m);
        html_labels(out, m);
        html_mistakes(out, m);
    }
    return done;
}

wi_status cli_report_html(const char *path, const cli_measured *measured, size_t n, wi_error *error)
{
    cli_save save = {0};
    wi_status status = cli_save_open(&save, path, error);
    if (status != WI_OK) {
        return status;
    }
    fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
          "<title>whatsit report</title>\n<style>body{font:16px/1.5 system-ui,sans-serif;"
          "max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}"
          "table{border-collapse:collapse}th,td{text-align:left;padding:.2rem .8rem .2rem 0;"
          "border-bottom:1px solid #ccc}.means{color:#444}"
          "svg{max-width:100%;height:auto}</style></head>\n"
          "<body><h1>How good is it?</h1>\n",
          save.stream);
    bool done = true;
    for (size_t i = 0; i < n; i++) {
        done = html_one(save.stream, &measured[i]) && done;
    }
    fputs("</body></html>\n", save.stream);
    if (done) {
        status = cli_save_commit(&save, error);
    } else {
        status = cli_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    cli_save_abandon(&save);
    return status;
}
