/* Heads by name: the user's own, those shipped as label lists, labels typed on the spot. Lists are
 * compiled for the model on first use and kept in the cache folder. */
#ifndef CLI_HEADS_H
#define CLI_HEADS_H

#include "paths.h"
#include "runtime.h"
#include <whatsit/labels.h>

/* The labels and templates of one head, from whichever place; recipe's strings belong to the rest.
 */
typedef struct cli_recipe {
    wi_head_recipe recipe;
    wi_label_list *list, *distractors;
    const char **templates; /* typed ones: borrowed from the arguments */
} cli_recipe;

/* --labels: "a,b,c", the name of a file, or "-" for standard input. Templates of the arguments win
 * over those of the file. */
int cli_recipe_from_labels(cli_app *app, const cli_args *args, const char *spec, cli_recipe *out);
/* A label list in a file or on a pipe. */
int cli_recipe_from_file(cli_app *app, const char *path, cli_recipe *out);
void cli_recipe_free(cli_recipe *recipe);

/* Gives the recipe some thousand everyday nouns as words for what the head is not about, so that it
 * can answer none-of-these. Nothing where the shipped nouns are missing. */
void cli_recipe_add_distractors(cli_app *app, cli_recipe *recipe);

/* Builds the head, showing progress. */
int cli_head_build(const cli_runtime *runtime, const cli_recipe *recipe, wi_head **out);
/* The same by way of the cache: NAME-HASH.safetensors below the model's fingerprint. */
int cli_head_build_cached(const cli_runtime *runtime, const cli_recipe *recipe, wi_head **out);

/* --as NAME: the user's head, a head file, or a shipped list. sigmoid: independent answers per
 * label. */
int cli_head_open(const cli_runtime *runtime, const char *name, bool sigmoid, wi_head **out);
/* The model's everyday head: for whatsit-nano the concepts it knows, else common nouns. */
int cli_head_everyday(const cli_runtime *runtime, bool sigmoid, wi_head **out);

/* Says that the head has no such label, and which one may be meant. what: where the label was said. */
void cli_head_no_label(cli_app *app, const wi_head *head, const char *what, const char *label);

/* Warns where the head cannot but answer 100 %: one label, of which it chooses one, and no threshold below which it is
 * none of these. what: the head's name, or the option that made it. */
void cli_head_warn_single(cli_app *app, const char *what, const wi_head *head);

/* The user's head file for this name (not checked to exist); NULL without a home folder. */
char *cli_user_head_path(const char *name);
/* Where the user's new head goes, its folder made; NULL after saying why not: there is one already
 * (and no --force), or no home folder. The caller frees. */
char *cli_new_head_path(cli_app *app, const cli_args *args, const char *name);
/* Says that the user's new head hides a shipped one of the same name, where it does. */
void cli_head_note_namesake(cli_app *app, const char *name);
/* A head of the user's, or a head file, that is there; NULL after saying that it is not. */
char *cli_own_head_path(cli_app *app, const char *name);
/* The shipped list called name, or NULL. */
char *cli_shipped_head_path(const char *name);
/* The folder of the shipped lists, or NULL. */
char *cli_shipped_heads_folder(void);

#endif
