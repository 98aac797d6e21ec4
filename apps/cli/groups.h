/* Groups of labels: a group's probability is the sum of its labels'. */
#ifndef CLI_GROUPS_H
#define CLI_GROUPS_H

#include "args.h"
#include <whatsit/head.h>

/* The row of a verb's options that cli_head_group_by reads. */
#define CLI_GROUP_OPTION                                                                           \
    {"group", 0, "NAME=a,b", true, "labels that belong together and are also counted together",    \
     NULL}

/* --group NAME=LABEL,...: replaces *head by one with these groups. Nothing without --group. */
int cli_head_group_by(cli_app *app, const cli_args *args, wi_head **head);
/* The groups of old, by label, for a head that was made again. */
int cli_head_group_as(cli_app *app, const wi_head *old, wi_head **head);

#endif
