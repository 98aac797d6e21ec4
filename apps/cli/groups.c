#include "groups.h"
#include "heads.h"
#include "term.h"
#include <stdlib.h>
#include <string.h>
#include <whatsit/labels.h>

/* "pets=cat,dog" into groups[]; the text is cut at its marks, and the names point into it. */
static int read_group(cli_app *app, const cli_args *args, const wi_head *head, char *text,
                      const char **groups)
{
    char *labels = strchr(text, '=');
    if (!labels || labels == text || !labels[1]) {
        return cli_usage(args->verb, "--group takes NAME=LABEL,..., not '%s'", text);
    }
    *labels++ = '\0';
    const char *cursor = labels, *item;
    size_t n;
    while (wi_comma_next(&cursor, &item, &n)) {
        char *name = cli_text("%.*s", (int)n, item);
        size_t label = name ? wi_head_find_label(head, name) : SIZE_MAX;
        if (label == SIZE_MAX) {
            char *what = cli_text("--group %s", text);
            cli_head_no_label(app, head, what ? what : "--group", name ? name : "");
            free(what);
        } else {
            groups[label] = text;
        }
        free(name);
        if (label == SIZE_MAX) {
            return CLI_FAILED;
        }
    }
    return CLI_OK;
}

static int regroup(cli_app *app, const char *const *groups, wi_head **head)
{
    wi_error error = {0};
    wi_head *grouped = NULL;
    if (wi_head_regroup(*head, groups, &grouped, &error) != WI_OK) {
        return cli_failed(app, "--group", &error);
    }
    wi_head_close(head);
    *head = grouped;
    return CLI_OK;
}

int cli_head_group_by(cli_app *app, const cli_args *args, wi_head **head)
{
    wi_head_info info;
    const char *value;
    size_t position = 0, n_texts = 0;
    int status = CLI_OK;
    if (cli_args_count(args, "group") == 0) {
        return CLI_OK;
    }
    wi_head_get_info(*head, &info);
    const char **groups = calloc(info.n_labels, sizeof *groups);
    char **texts = calloc(cli_args_count(args, "group"), sizeof *texts);
    if (!groups || !texts) {
        cli_error(app, "out of memory");
        status = CLI_FAILED;
    }
    for (size_t i = 0; i < info.n_labels && status == CLI_OK; i++) {
        groups[i] = wi_head_group(*head, i);
    }
    while (status == CLI_OK && (value = cli_args_next(args, "group", &position))) {
        char *text = texts[n_texts++] = cli_text("%s", value);
        status = text ? read_group(app, args, *head, text, groups) : CLI_FAILED;
    }
    if (status == CLI_OK) {
        status = regroup(app, groups, head);
    }
    for (size_t i = 0; i < n_texts; i++) {
        free(texts[i]);
    }
    free(texts);
    free((void *)groups);
    return status;
}

int cli_head_group_as(cli_app *app, const wi_head *old, wi_head **head)
{
    wi_head_info was, info;
    wi_head_get_info(old, &was);
    wi_head_get_info(*head, &info);
    if (was.n_groups == 0) {
        return CLI_OK;
    }
    const char **groups = calloc(info.n_labels, sizeof *groups);
    if (!groups) {
        cli_error(app, "out of memory");
        return CLI_FAILED;
    }
    for (size_t i = 0; i < info.n_labels; i++) {
        size_t label = wi_head_find_label(old, wi_head_label(*head, i));
        groups[i] = label == SIZE_MAX ? "" : wi_head_group(old, label);
    }
    int status = regroup(app, groups, head);
    free((void *)groups);
    return status;
}
