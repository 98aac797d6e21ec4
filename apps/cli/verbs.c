#include "verbs.h"
#include <string.h>

/* In the order in which help shows them. */
static const cli_verb *const verbs[] = {
    &cli_verb_classify,     &cli_verb_head_new,       &cli_verb_head_train,
    &cli_verb_head_add,     &cli_verb_head_calibrate, &cli_verb_head_list,
    &cli_verb_head_show,    &cli_verb_head_info,      &cli_verb_head_rebuild,
    &cli_verb_head_export,  &cli_verb_head_import,    &cli_verb_head_rm,
    &cli_verb_describe,     &cli_verb_eval,           &cli_verb_explain,
    &cli_verb_rank,         &cli_verb_sort,
#ifdef WHATSIT_HUB
    &cli_verb_pull,
#endif
    &cli_verb_model_list,   &cli_verb_model_info,     &cli_verb_model_convert,
    &cli_verb_model_verify, &cli_verb_embed,          &cli_verb_tokenize,
    &cli_verb_preprocess,
#ifdef WHATSIT_LIBRARY
    &cli_verb_index,        &cli_verb_search,         &cli_verb_duplicates,
#endif
#ifdef WHATSIT_METADATA
    &cli_verb_tag,
#endif
#ifdef WHATSIT_SERVER
    &cli_verb_serve,        &cli_verb_keys_new,       &cli_verb_keys_list,
    &cli_verb_keys_change,  &cli_verb_keys_rotate,    &cli_verb_keys_revoke,
    &cli_verb_keys_usage,   &cli_verb_lambda,
#endif
    &cli_verb_cache_list,   &cli_verb_cache_clear,    &cli_verb_cache_off,
    &cli_verb_cache_on,     &cli_verb_kernels,        &cli_verb_version,
    &cli_verb_completion,   &cli_verb_help,
};

/* First words of the verbs that this build lacks. */
static const char *const left_out[] = {
#ifndef WHATSIT_HUB
    "pull",
#endif
#ifndef WHATSIT_LIBRARY
    "index", "search", "duplicates",
#endif
#ifndef WHATSIT_METADATA
    "tag",
#endif
#ifndef WHATSIT_SERVER
    "serve", "keys",   "lambda",
#endif
    NULL};

bool cli_verb_is_left_out(const char *word)
{
    const char *const *at = left_out;
    while (*at && strcmp(*at, word) != 0) {
        at++;
    }
    return *at != NULL;
}

const cli_verb *cli_verb_at(size_t index)
{
    return index < sizeof verbs / sizeof verbs[0] ? verbs[index] : NULL;
}

const cli_verb *cli_verb_find(const char *name)
{
    const cli_verb *verb;
    for (size_t i = 0; (verb = cli_verb_at(i)); i++) {
        if (!strcmp(verb->name, name)) {
            return verb;
        }
    }
    return NULL;
}
