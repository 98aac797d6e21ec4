/* Where things lie: the user's data and cache folders, what is shipped beside the program, names.
 */
#ifndef CLI_PATHS_H
#define CLI_PATHS_H

#include "cli.h"

/* printf into new memory; NULL when memory is out. The caller frees. */
#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
char *
cli_text(const char *format, ...);

/* One word of a shell, to be copied from a message: as it is if that is plain, else in quotes. NULL when memory is out.
 * The caller frees. */
char *cli_shell_word(const char *text);

/* Letters, digits and the characters of plain as they are, other bytes as "%E9". NULL when memory is
 * out. The caller frees. */
char *cli_percent_form(const char *path, const char *plain);

/* A growing list of owned strings. */
typedef struct cli_list {
    char **items;
    size_t n, capacity;
} cli_list;
/* Takes ownership of item, also on failure; false when memory is out or item is NULL. */
bool cli_list_add(cli_list *list, char *item);
void cli_list_sort(cli_list *list);
/* Where text stands in a sorted list; list->n when it does not. */
size_t cli_list_find(const cli_list *sorted, const char *text);
/* The first that is not before the n_bytes of prefix: those that begin with them follow. */
size_t cli_list_lower(const cli_list *sorted, const char *prefix, size_t n_bytes);
void cli_list_free(cli_list *list);

/* $XDG_DATA_HOME/whatsit/NAME and $XDG_CACHE_HOME/whatsit/NAME; NULL when there is no home folder.
 */
char *cli_data_path(const char *name);
char *cli_cache_path(const char *name);
/* A shipped file or folder such as "heads/foods.txt": in $WHATSIT_SHARE, beside the program, in the
 * source tree around it, in PREFIX/share/whatsit. NULL when it is in none of them. */
char *cli_share_path(const char *name);

/* Does it begin at the root, or on Windows at a drive? */
bool cli_is_absolute(const char *path);
bool cli_exists(const char *path);
bool cli_is_folder(const char *path);
/* A device, pipe or the like: to be written to, never replaced. */
bool cli_is_special(const char *path);
bool cli_ends_with(const char *text, const char *end);
/* Makes the folder and its parents. False with errno set. */
bool cli_make_folders(const char *path);

/* May this be the name of a head or model: one to 100 bytes of text, no '/', no leading '.' or '-'.
 */
bool cli_name_ok(const char *name);
/* Adds the names of the files in folder that end with suffix, without it. A missing folder adds
 * none. */
bool cli_list_names(const char *folder, const char *suffix, cli_list *names);

/* The same as cli_model_path without a word; the caller frees. */
char *cli_model_find(const char *name);
/* The path of the model that was asked for (NULL: $WHATSIT_MODEL, else whatsit-nano). NULL after
 * printing why. The caller frees. */
char *cli_model_path(cli_app *app, const char *name);

#endif
