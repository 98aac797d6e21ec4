/* Answers as text for people, JSON lines, CSV or TSV. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "load.h"
#include <jansson.h>

typedef enum cli_format { CLI_TEXT = 0, CLI_JSON, CLI_CSV, CLI_TSV } cli_format;

/* Reads --json, --csv and --tsv; at most one may be given. */
int cli_format_of(const cli_args *args, cli_format *out);

typedef struct cli_head_answers {
    const wi_head *head;
    wi_head_info info;
    wi_answer *answers;
    size_t n_answers;
    wi_group_answer *groups; /* the best ones; none in a head without groups */
    size_t n_groups;
    float known; /* how sure the head is that any label fits; NaN: it cannot tell */
    bool none;   /* none of them does */
    wi_verdict verdict;
} cli_head_answers;

typedef struct cli_result {
    const char *image, *model;
    uint32_t width_px, height_px;
    const cli_head_answers *heads;
    size_t n_heads;
    bool grouped;             /* tables have the columns of groups */
    const cli_loaded *loaded; /* its warnings; NULL: none */
    double decode_ms, preprocess_ms, encode_ms, score_ms;
} cli_result;

/* The header line of CSV and TSV, with group and group_score at the end when grouped; nothing for the
 * others. */
void cli_write_header(cli_format format, bool grouped);
/* One picture's answers. False when memory is out. */
bool cli_write_result(cli_app *app, cli_format format, const cli_result *result);

/* A field of CSV or TSV, quoted or escaped as that takes. */
void cli_write_field(FILE *out, cli_format format, const char *text);
void cli_write_tsv(FILE *out, const char *text);

/* {KEY: path, ...rest}. Where the path is no UTF-8, "path_bytes" tells its bytes as %XX. Steals rest
 * (NULL: memory is out, returns NULL). */
json_t *cli_json_with_path(const char *key, const char *path, json_t *rest);
/* {"image":...,"error":{"code","message"}} for a picture that gave no answer; NULL when memory is
 * out. */
json_t *cli_json_failed(const char *image, const wi_error *error);
/* The same as a line on standard output. False when memory is out. */
bool cli_json_failure(const char *image, const wi_error *error);

/* {"answered":n,"failed":n}, the last line where pictures failed: who reads learns that these were
 * all. */
json_t *cli_json_total(size_t n_answered, size_t n_failed);

/* A JSON string; bytes that are not UTF-8 become U+FFFD. */
json_t *cli_json_text(const char *text);
/* A path's bytes: those that are not plain ASCII as %XX. */
json_t *cli_json_path_bytes(const char *path);
/* One object on one line of standard output. Steals object (NULL: memory is out, returns false). */
bool cli_json_line(json_t *object);
/* A number, or null for what JSON cannot say (NaN, infinity). */
json_t *cli_json_number(double value);

/* Text within HTML. */
void cli_html_text(FILE *out, const char *text);

#endif
