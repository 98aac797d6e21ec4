/* Labelled photos: a folder with one folder per label, or a table of path<TAB>label. */
#ifndef CLI_DATASET_H
#define CLI_DATASET_H

#include "paths.h"

/* Row i of paths has the label names[labels[i]]. */
typedef struct cli_dataset {
    cli_list paths;
    uint32_t *labels; /* [paths.n] */
    cli_list names;   /* sorted, each once */
} cli_dataset;

/* args: nullable, for --exclude and --follow. path: a folder of folders, a folder with labels.tsv inside, or a table. Paths in a table start at
 * its folder; further columns and a header line "file<TAB>label" are skipped. Owns: the caller frees
 * with cli_dataset_free, also after failure. Returns CLI_OK, or CLI_FAILED after printing why. */
int cli_dataset_open(cli_app *app, const cli_args *args, const char *path, cli_dataset *out);
void cli_dataset_free(cli_dataset *data);

/* Adds one photo; takes ownership of path. False when memory is out. */
bool cli_dataset_add(cli_dataset *data, char *path, const char *label);
/* Sorts the names and renumbers the labels, so that the order of adding does not matter. */
bool cli_dataset_sort(cli_dataset *data);

#endif
