/* The rows of the verb table: each is defined in its cmd_*.c file. */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include "cli.h"

extern const cli_verb cli_verb_classify;
extern const cli_verb cli_verb_head_new;
extern const cli_verb cli_verb_head_train;
extern const cli_verb cli_verb_head_add;
extern const cli_verb cli_verb_head_calibrate;
extern const cli_verb cli_verb_head_list;
extern const cli_verb cli_verb_head_info;
extern const cli_verb cli_verb_head_export;
extern const cli_verb cli_verb_head_import;
extern const cli_verb cli_verb_head_show;
extern const cli_verb cli_verb_head_rm;
extern const cli_verb cli_verb_head_rebuild;
extern const cli_verb cli_verb_model_list;
extern const cli_verb cli_verb_model_info;
extern const cli_verb cli_verb_model_convert;
extern const cli_verb cli_verb_model_verify;
extern const cli_verb cli_verb_eval;
extern const cli_verb cli_verb_describe;
extern const cli_verb cli_verb_explain;
extern const cli_verb cli_verb_rank;
extern const cli_verb cli_verb_sort;
extern const cli_verb cli_verb_pull;
extern const cli_verb cli_verb_embed;
extern const cli_verb cli_verb_tokenize;
extern const cli_verb cli_verb_preprocess;
extern const cli_verb cli_verb_cache_list;
extern const cli_verb cli_verb_cache_clear;
extern const cli_verb cli_verb_cache_off;
extern const cli_verb cli_verb_cache_on;
extern const cli_verb cli_verb_kernels;
extern const cli_verb cli_verb_version;
/* With the server only. */
extern const cli_verb cli_verb_serve;
extern const cli_verb cli_verb_keys_new;
extern const cli_verb cli_verb_keys_list;
extern const cli_verb cli_verb_keys_change;
extern const cli_verb cli_verb_keys_rotate;
extern const cli_verb cli_verb_keys_revoke;
extern const cli_verb cli_verb_keys_usage;
extern const cli_verb cli_verb_lambda;
/* With the library of photos only. */
extern const cli_verb cli_verb_index;
extern const cli_verb cli_verb_search;
extern const cli_verb cli_verb_duplicates;
extern const cli_verb cli_verb_tag; /* and libexiv2 */
extern const cli_verb cli_verb_completion;
extern const cli_verb cli_verb_help;

#endif
