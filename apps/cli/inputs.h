/* The pictures a command line names: files, folders (walked), "-". Each picture and each folder
 * counts once, whichever way it is reached; a raw photo beside its picture of the same name counts as
 * that one. */
#ifndef CLI_INPUTS_H
#define CLI_INPUTS_H

#include "args.h"
#include "paths.h"

/* The rows of a verb's options that cli_inputs_open reads. */
#define CLI_INPUTS_OPTIONS                                                                         \
    {"exclude",                                                                                    \
     0,                                                                                            \
     "PATTERN",                                                                                    \
     true,                                                                                         \
     "leave out files and folders of this name, such as 'thumb_*' or 'old/raw'",                   \
     NULL},                                                                                        \
    {                                                                                              \
        "follow", 0, NULL, false, "go into folders that are reached by a link, too", NULL          \
    }

/* What a walk found and did not take. */
typedef struct cli_left_out {
    size_t n_links;                   /* to folders */
    size_t n_tool_folders;            /* of other programs */
    char tool_folders[96];            /* the names of some */
    size_t n_videos, n_raw, n_others; /* others: pictures of formats that are not read */
    size_t n_companions; /* films and raw photos that belong to a picture beside them */
    size_t n_hidden;     /* folders */
    size_t n_dangling;   /* links to pictures that are not there */
} cli_left_out;

typedef struct cli_inputs {
    cli_app *app;
    const cli_args *args;
    cli_list paths;
    cli_left_out left_out;
    const cli_list *exclude; /* nullable: more patterns than --exclude gives */
    bool takes_videos;       /* as pictures, unless they belong to one */
    bool leaves_dangling; /* links to nothing are left out, else tried as pictures that are named */
    const char *without;  /* nullable: a folder that is not walked where it lies within another */
    const cli_list *without_in_it; /* nullable: sorted names of folders in it that are not either,
                                      when it is itself an operand */
    struct cli_seen *seen;
    size_t n_operand; /* bytes of the operand being walked */
    size_t n_again;   /* folders and pictures that were met before */
    int status;       /* CLI_FAILED once something was wrong, and said */
} cli_inputs;

/* args: nullable, for a verb without the options above. Owns: freed with cli_inputs_close. */
void cli_inputs_open(cli_inputs *inputs, cli_app *app, const cli_args *args);
/* Adds operand: a folder's picture files in sorted order, folders inside it included; anything else
 * as it is. A folder without pictures is an error. Returns CLI_OK, or CLI_FAILED after printing what
 * is wrong (the rest is added all the same). */
int cli_inputs_add(cli_inputs *inputs, const char *operand);
/* Adds the pictures in folder and below, which may be none. */
int cli_inputs_walk(cli_inputs *inputs, const char *folder);
/* Would a walk of folder leave this file, which lies below it, out by one of the patterns? */
bool cli_inputs_is_excluded(const cli_list *patterns, const char *folder, const char *path);
/* Would a walk leave this raw photo or film out because a picture beside it has its name? */
bool cli_inputs_is_companion(const cli_list *patterns, const char *path);
/* Says what was left out, once. */
void cli_inputs_say(cli_inputs *inputs);
void cli_inputs_close(cli_inputs *inputs);

/* All at once: the pictures of n operands, and what was left out. *paths belongs to the caller, also
 * after failure. */
int cli_inputs_read(cli_app *app, const cli_args *args, const char *const *operands, size_t n,
                    cli_list *paths);

#endif
