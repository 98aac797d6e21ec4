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

static void print_summary(const cli_measured *m)
{
    const wi_metrics *x = &m->metrics;
    if (m->n_seen > 0) {
        printf("  %-18s %6zu of these photos: on others it is worse\n", "made from", m->n_seen);
    }
    print_share("accuracy", x->top1);
    if (m->n_labels > 5) {
        print_share("in the best five", x->top5);
    }
    print_share("group right", m->group_share);
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

static void html_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            fputc(*text, out);
        }
    }
}

static void html_share(FILE *out, const char *name, double value)
{
    if (isfinite(value)) {
        fprintf(out, "<tr><th>%s</th><td>%.2f %%</td></tr>\n", name, 100 * value);
    }
}

static void html_summary(FILE *out, const cli_measured *m)
{
    const wi_metrics *x = &m->metrics;
    fprintf(out, "<table>\n<tr><th>photos</th><td>%llu</td></tr>\n", (unsigned long long)x->n);
    html_share(out, "accuracy (top 1)", x->top1);
    html_share(out, "in the best five", m->n_labels > 5 ? x->top5 : (double)NAN);
    if (m->n_seen > 0) {
        fprintf(out,
                "<tr><th>of these the head was made from</th><td>%zu: on others it is "
                "worse</td></tr>\n",
                m->n_seen);
    }
    html_share(out, "group right", m->group_share);
    html_share(out, "balanced accuracy", x->balanced);
    html_share(out, "calibration error", x->calibration_error);
    html_share(out, "none of these", m->none_share);
    html_share(out, "unknown photos that passed", m->false_accepts);
    if (isfinite(m->known_auc)) {
        fprintf(out, "<tr><th>AUC of known against unknown</th><td>%.4f</td></tr>\n", m->known_auc);
    }
    if (isfinite(x->auc)) {
        fprintf(out,
                "<tr><th>area under the ROC curve</th><td>%.4f (95 %%: %.4f to %.4f)</td></tr>\n",
                x->auc, x->auc_low, x->auc_high);
    }
    if (m->photos_per_s > 0) {
        fprintf(out, "<tr><th>photos a second</th><td>%.1f</td></tr>\n", m->photos_per_s);
    }
    fputs("</table>\n", out);
}

static void html_labels(FILE *out, const cli_measured *m)
{
    fputs("<h3>Labels</h3>\n<table>\n<tr><th>label</th><th>photos</th><th>precision</th>"
          "<th>recall</th></tr>\n",
          out);
    for (size_t i = 0; i < m->n_labels; i++) {
        wi_label_metrics x;
        wi_tally_label(m->tally, i, &x);
        if (x.n_true == 0 && x.n_answered == 0) {
            continue;
        }
        fputs("<tr><td>", out);
        html_text(out, m->labels[i]);
        fprintf(out, "</td><td>%llu</td>", (unsigned long long)x.n_true);
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
                    j * cell, i * cell, cell, cell, i == j ? "#1a7f4b" : "#c0392b",
                    0.15 + 0.85 * (double)n / (double)row);
            html_text(out, m->labels[i]);
            fputs(" answered as ", out);
            html_text(out, m->labels[j]);
            fprintf(out, ": %llu of %llu</title></rect>\n", (unsigned long long)n,
                    (unsigned long long)row);
            if (cell >= 24) {
                fprintf(out,
                        "<text x=\"%zu\" y=\"%zu\" text-anchor=\"middle\" "
                        "font-size=\"12\">%llu</text>\n",
                        j * cell + cell / 2, i * cell + cell / 2 + 4, (unsigned long long)n);
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
    fprintf(out,
            "<h3>Confusion</h3>\n<p>Rows are the truth, columns the answers in the same order; "
            "green is right. Point at a square for its numbers.</p>\n"
            "<svg width=\"%zu\" height=\"%zu\" viewBox=\"0 0 %zu %zu\" role=\"img\" "
            "aria-label=\"confusion matrix\">\n<rect width=\"%zu\" height=\"%zu\" "
            "fill=\"none\" stroke=\"#888\"/>\n",
            side + names, side + 2, side + names, side + 2, side, side);
    svg_cells(out, m, count, cell);
    for (size_t i = 0; i < m->n_labels && names; i++) {
        fprintf(out, "<text x=\"%zu\" y=\"%zu\" font-size=\"12\">", side + 8,
                i * cell + cell / 2 + 4);
        html_text(out, m->labels[i]);
        fputs("</text>\n", out);
    }
    fputs("</svg>\n", out);
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
        html_text(out, m->labels[confused[i].truth]);
        fputs(" taken for ", out);
        html_text(out, m->labels[confused[i].answer]);
        fprintf(out, ": %llu</li>\n", (unsigned long long)confused[i].count);
    }
    fputs("</ol>\n", out);
}

static bool html_one(FILE *out, const cli_measured *m)
{
    bool done = true;
    fputs("<h2>", out);
    html_text(out, m->title);
    fputs("</h2>\n<p>", out);
    html_text(out, m->how);
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
          "border-bottom:1px solid #ddd}svg{max-width:100%;height:auto}</style></head>\n"
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
