/* How good a head is, as text, JSON, or one HTML page that needs nothing else. */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "output.h"
#include "save.h"

typedef struct cli_measured {
    const char *title;         /* "xray with whatsit-nano" */
    const char *head, *model;  /* for the table and JSON */
    const char *how;           /* one line: what was measured on what */
    const char *const *labels; /* n_labels */
    size_t n_labels;
    const wi_tally *tally; /* NULL: nothing could be measured */
    wi_metrics metrics;
    double photos_per_s; /* 0: not measured */
    double none_share;   /* photos that the head called none-of-these; NaN: it never does */
    double group_share;  /* photos whose group is right; NaN: the head has none */
    size_t n_left_out;   /* photos whose label the head does not have */
    size_t n_seen;       /* photos that the head was made from, as far as is known */
    size_t n_copies;     /* photos that are copies of others, which count once */
    size_t n_broader; /* answers that are the broader right word: the name of the label's group */
    bool held_out;    /* labels with a single photo could not be measured */
    bool can_say_none;
    size_t n_unknown;     /* photos that no label fits */
    double known_auc;     /* known against unknown; NaN: not measured */
    double false_accepts; /* share of the unknown ones that passed as known; NaN likewise */
} cli_measured;

/* Everything about one head, for people. */
void cli_report_text(const cli_measured *measured);
/* One line a head. */
void cli_report_table(const cli_measured *measured, size_t n);
json_t *cli_report_json(const cli_measured *measured);
/* Errors: WI_ERR_IO, WI_ERR_NOMEM */
wi_status cli_report_html(const char *path, const cli_measured *measured, size_t n,
                          wi_error *error);

#endif
