#include "output.h"
#include "heads.h"
#include "paths.h"
#include "term.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

int cli_format_of(const cli_args *args, cli_format *out)
{
    bool json = cli_args_has(args, "json"), csv = cli_args_has(args, "csv"),
         tsv = cli_args_has(args, "tsv");
    if (json + csv + tsv > 1) {
        return cli_usage(args->verb, "only one of --json, --csv and --tsv");
    }
    *out = json ? CLI_JSON : csv ? CLI_CSV : tsv ? CLI_TSV : CLI_TEXT;
    return CLI_OK;
}

json_t *cli_json_text(const char *text)
{
    json_t *string = json_string(text);
    if (string) {
        return string;
    }
    /* Not UTF-8: keep the ASCII part, as file names of another encoding mostly are. */
    size_t n = strlen(text), used = 0;
    char *copy = malloc(3 * n + 1);
    for (size_t i = 0; copy && i < n; i++) {
        if ((unsigned char)text[i] < 0x80) {
            copy[used++] = text[i];
        } else {
            memcpy(copy + used, "\xef\xbf\xbd", 3);
            used += 3;
        }
    }
    string = copy ? json_stringn(copy, used) : NULL;
    free(copy);
    return string;
}

/* "caf%E9.png": every byte that is not plain ASCII. */
json_t *cli_json_path_bytes(const char *path)
{
    char *bytes = cli_percent_form(path, "!\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~");
    json_t *text = bytes ? json_string(bytes) : NULL;
    free(bytes);
    return text;
}

json_t *cli_json_with_path(const char *key, const char *path, json_t *rest)
{
    json_t *plain = json_string(path);
    json_t *object = rest ? json_pack("{s:o}", key, cli_json_text(path)) : NULL;
    if (object && !plain) {
        json_object_set_new(object, "path_bytes", cli_json_path_bytes(path));
    }
    if (object && json_object_update(object, rest) != 0) {
        json_decref(object);
        object = NULL;
    }
    json_decref(plain);
    json_decref(rest);
    return object;
}

json_t *cli_json_failed(const char *image, const wi_error *error)
{
    return cli_json_with_path("image", image,
                              json_pack("{s:{s:s,s:o}}", "error", "code",
                                        wi_status_name(error->status), "message",
                                        cli_json_text(error->message)));
}

bool cli_json_failure(const char *image, const wi_error *error)
{
    return cli_json_line(cli_json_failed(image, error));
}

json_t *cli_json_total(size_t n_answered, size_t n_failed)
{
    return json_pack("{s:I,s:I}", "answered", (json_int_t)n_answered, "failed",
                     (json_int_t)n_failed);
}

json_t *cli_json_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

bool cli_json_line(json_t *object)
{
    if (!object) {
        return false;
    }
    int failed = json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(object);
    fputc('\n', stdout);
    /* A failed write shows in ferror; without one, it was memory. */
    return failed == 0 || ferror(stdout);
}

static json_t *json_answers(const cli_head_answers *head)
{
    json_t *answers = json_array();
    for (size_t i = 0; i < head->n_answers; i++) {
        const wi_answer *answer = &head->answers[i];
        json_t *object = json_pack(
            "{s:o,s:o,s:o,s:o}", "label", cli_json_text(wi_head_label(head->head, answer->label)),
            "score", cli_json_number(answer->score), "cosine", cli_json_number(answer->cosine),
            "logit", cli_json_number(answer->logit));
        const char *group = wi_head_group(head->head, answer->label);
        if (object && group[0]) {
            json_object_set_new(object, "group", cli_json_text(group));
        }
        json_array_append_new(answers, object);
    }
    return answers;
}

static json_t *json_groups(const cli_head_answers *head)
{
    json_t *groups = json_array();
    for (size_t i = 0; i < head->n_groups; i++) {
        json_array_append_new(groups,
                              json_pack("{s:o,s:o}", "group", cli_json_text(head->groups[i].group),
                                        "score", cli_json_number((double)head->groups[i].score)));
    }
    return groups;
}

static json_t *json_verdict(const wi_verdict *verdict)
{
    return json_pack("{s:o,s:s,s:o,s:b}", "name",
                     verdict->name[0] ? cli_json_text(verdict->name) : json_null(), "certainty",
                     wi_certainty_name(verdict->certainty), "score",
                     cli_json_number((double)verdict->score), "group",
                     (int)(verdict->name[0] && verdict->label == SIZE_MAX));
}

/* none and known are told by heads that can answer none-of-these only. */
static json_t *json_head(const cli_head_answers *head)
{
    json_t *object = json_pack("{s:o,s:s}", "name", cli_json_text(head->info.name), "kind",
                               wi_head_kind_name(head->info.kind));
    if (object && isfinite(head->info.none_threshold)) {
        json_object_set_new(object, "none", json_boolean(head->none));
        json_object_set_new(object, "known", cli_json_number((double)head->known));
    }
    json_object_set_new(object, "verdict", json_verdict(&head->verdict));
    json_object_set_new(object, "answers", json_answers(head));
    if (head->n_groups > 0) {
        json_object_set_new(object, "groups", json_groups(head));
    }
    return object;
}

static json_t *json_warnings(const cli_loaded *loaded)
{
    json_t *list = json_array();
    for (size_t i = 0; i < loaded->n_warnings; i++) {
        json_array_append_new(list, cli_json_text(loaded->warnings[i]));
    }
    return list;
}

static bool write_json(const cli_result *result)
{
    json_t *heads = json_array();
    for (size_t i = 0; i < result->n_heads; i++) {
        json_array_append_new(heads, json_head(&result->heads[i]));
    }
    json_t *object = cli_json_with_path(
        "image", result->image,
        json_pack("{s:o,s:i,s:i,s:o,s:{s:f,s:f,s:f,s:f}}", "model", cli_json_text(result->model),
                  "width", (int)result->width_px, "height", (int)result->height_px, "heads", heads,
                  "ms", "decode", result->decode_ms, "preprocess", result->preprocess_ms, "encode",
                  result->encode_ms, "score", result->score_ms));
    if (object && result->loaded && result->loaded->n_warnings > 0) {
        json_object_set_new(object, "warnings", json_warnings(result->loaded));
    }
    return cli_json_line(object);
}

static void write_csv(FILE *out, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"') {
            fputc('"', out);
        }
        fputc(*text, out);
    }
    fputc('"', out);
}

void cli_write_tsv(FILE *out, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '\t':
            fputs("\\t", out);
            break;
        case '\n':
            fputs("\\n", out);
            break;
        case '\r':
            fputs("\\r", out);
            break;
        case '\\':
            fputs("\\\\", out);
            break;
        default:
            fputc(*text, out);
        }
    }
}

void cli_write_field(FILE *out, cli_format format, const char *text)
{
    if (format == CLI_CSV) {
        write_csv(out, text);
    } else {
        cli_write_tsv(out, text);
    }
}

/* ",GROUP,SHARE": empty for a label without a group. */
static void write_group(cli_format format, char mark, const cli_head_answers *head,
                        const char *group)
{
    fputc(mark, stdout);
    cli_write_field(stdout, format, group);
    fputc(mark, stdout);
    for (size_t i = 0; i < head->n_groups; i++) {
        if (!strcmp(head->groups[i].group, group)) {
            printf("%.9g", (double)head->groups[i].score);
        }
    }
}

/* "IMAGE,HEAD,RANK,LABEL": rank 0 is none-of-these. */
static void begin_row(cli_format format, char mark, const char *image, const char *head,
                      size_t rank, const char *label)
{
    cli_write_field(stdout, format, image);
    fputc(mark, stdout);
    cli_write_field(stdout, format, head);
    printf("%c%zu%c", mark, rank, mark);
    cli_write_field(stdout, format, label);
    fputc(mark, stdout);
}

static void write_rows(cli_format format, const cli_result *result)
{
    char mark = format == CLI_CSV ? ',' : '\t';
    for (size_t i = 0; i < result->n_heads; i++) {
        const cli_head_answers *head = &result->heads[i];
        if (head->none) {
            begin_row(format, mark, result->image, head->info.name, 0, "none of these");
            printf("%c%c", mark, mark);
            if (result->grouped) {
                write_group(format, mark, head, "");
            }
            putchar('\n');
        }
        for (size_t j = 0; j < head->n_answers; j++) {
            const wi_answer *answer = &head->answers[j];
            begin_row(format, mark, result->image, head->info.name, j + 1,
                      wi_head_label(head->head, answer->label));
            printf("%.9g%c", (double)answer->score, mark);
            if (isfinite(answer->cosine)) {
                printf("%.9g", (double)answer->cosine);
            }
            printf("%c%.9g", mark, (double)answer->logit);
            if (result->grouped) {
                write_group(format, mark, head, wi_head_group(head->head, answer->label));
            }
            putchar('\n');
        }
    }
}

void cli_write_header(cli_format format, bool grouped)
{
    char mark = format == CLI_CSV ? ',' : '\t';
    static const char *const columns[] = {"image",  "head",  "rank",  "label",      "score",
                                          "cosine", "logit", "group", "group_score"};
    size_t n = sizeof columns / sizeof *columns - (grouped ? 0 : 2);
    for (size_t i = 0; i < n && (format == CLI_CSV || format == CLI_TSV); i++) {
        printf("%s%c", columns[i], i + 1 < n ? mark : '\n');
    }
}

/* A bar of up to 10 cells in eighths; ASCII where the terminal's locale is not UTF-8. */
static void write_bar(const cli_app *app, float score)
{
    static const char *const eighths[] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    enum { CELLS = 10 };
    float clipped = score > 0 ? (score < 1 ? score : 1) : 0;
    int filled = (int)lroundf(clipped * (float)(CELLS * 8));
    for (int cell = 0; cell < CELLS; cell++) {
        int part = filled - cell * 8;
        if (app->utf8) {
            fputs(part >= 8 ? "█" : part > 0 ? eighths[part] : " ", stdout);
        } else {
            fputc(part >= 4 ? '#' : ' ', stdout);
        }
    }
    fputs("  ", stdout);
}

/* What colours a line's parts; empty where there are no colours. */
typedef struct style {
    const char *bold, *dim, *bar, *plain;
} style;

/* "  93.1 %  cat"; without a share, where the label does not fit anyway. */
static void write_line(const cli_app *app, const style *s, float score, bool share,
                       const char *name, bool first)
{
    char text[1024];
    cli_printable(name, text, sizeof text);
    if (share) {
        printf("  %5.1f %%  ", 100 * (double)score);
    } else {
        printf("           ");
    }
    if (share && app->out_terminal) {
        fputs(s->bar, stdout);
        write_bar(app, score);
        fputs(s->plain, stdout);
    }
    printf("%s%s%s", first ? s->bold : "", text, first ? s->plain : "");
}

/* What is said before the answers, and whether the first of them is what it is. */
static bool write_verdict(const cli_app *app, const style *s, const cli_head_answers *head)
{
    const wi_verdict *v = &head->verdict;
    if (head->none || v->certainty == WI_CANNOT_TELL) {
        printf("  %s%s%s%s; the nearest would be%s\n", s->bold,
               wi_certainty_name(head->none ? WI_NONE_OF_THESE : WI_CANNOT_TELL), s->plain, s->dim,
               s->plain);
        return false;
    }
    if (v->label == SIZE_MAX) {
        write_line(app, s, v->score, true, v->name, true);
        printf("  %s(%s; which one is not clear)%s\n", s->dim, wi_certainty_name(v->certainty),
               s->plain);
        return false;
    }
    return true;
}

static void write_head(const cli_app *app, const style *s, const cli_head_answers *head)
{
    char text[1024];
    bool first_is_it = write_verdict(app, s, head);
    for (size_t i = 0; i < head->n_answers; i++) {
        const wi_answer *answer = &head->answers[i];
        const char *group = wi_head_group(head->head, answer->label);
        bool is_it = i == 0 && first_is_it;
        const char *words = is_it ? wi_certainty_name(head->verdict.certainty) : "";
        write_line(app, s, answer->score, !head->none, wi_head_label(head->head, answer->label),
                   is_it);
        cli_printable(group, text, sizeof text);
        if (text[0] || words[0]) {
            printf("  %s(%s%s%s)%s", s->dim, text, text[0] && words[0] ? ", " : "", words,
                   s->plain);
        }
        putchar('\n');
    }
    if (head->n_groups > 0 && !head->none) {
        printf("  %sby group:%s\n", s->dim, s->plain);
    }
    for (size_t i = 0; i < head->n_groups && !head->none; i++) {
        write_line(app, s, head->groups[i].score, true, head->groups[i].group, i == 0);
        putchar('\n');
    }
    if (head->info.sensitivity[0]) {
        cli_printable(head->info.sensitivity, text, sizeof text);
        printf("  %snote: %s%s\n", s->dim, text, s->plain);
    }
}

static void write_text(const cli_app *app, const cli_result *result)
{
    static const style colours = {"\033[1m", "\033[2m", "\033[36m", "\033[0m"};
    static const style none = {"", "", "", ""};
    const style *s = app->colour ? &colours : &none;
    char text[1024];
    cli_printable(result->image, text, sizeof text);
    printf("%s%s%s\n", s->bold, text, s->plain);
    for (size_t i = 0; i < result->n_heads; i++) {
        if (result->n_heads > 1) {
            cli_printable(result->heads[i].info.name, text, sizeof text);
            printf("  %sas %s:%s\n", s->dim, text, s->plain);
        }
        write_head(app, s, &result->heads[i]);
    }
}

bool cli_write_result(cli_app *app, cli_format format, const cli_result *result)
{
    if (app->out_terminal) {
        cli_progress_clear(app);
    }
    if (format == CLI_JSON) {
        return write_json(result);
    }
    if (format == CLI_TEXT) {
        write_text(app, result);
    } else {
        write_rows(format, result);
    }
    return true;
}

void cli_html_text(FILE *out, const char *text)
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
