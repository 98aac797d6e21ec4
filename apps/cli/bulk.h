/* Embeddings of more pictures than one file should hold, in parts that are whole or not there. */
#ifndef CLI_BULK_H
#define CLI_BULK_H

#include "listed.h"
#include "runtime.h"

/* The rows of a verb's options that cli_bulk reads. */
#define CLI_BULK_OPTIONS                                                                           \
    {"into",                                                                                       \
     0,                                                                                            \
     "DIR",                                                                                        \
     false,                                                                                        \
     "many pictures: parts DIR/img_emb/img_emb_NNNN.npy and DIR/metadata/metadata_NNNN.jsonl; a "  \
     "part "                                                                                       \
     "that is there is skipped",                                                                   \
     "@dir"},                                                                                      \
        {"shard",                                                                                  \
         0,                                                                                        \
         "I/N",                                                                                    \
         false,                                                                                    \
         "with --into: only each N-th part, beginning with part I (from 0)",                       \
         NULL},                                                                                    \
        {"part-size", 0, "N", false, "with --into: pictures of a part (default: 10000)", NULL},    \
        CLI_LISTED_OPTIONS

/* Embeds paths and then what --files-from names part by part, in this order, into --into. Every part counts all its pictures:
 * n_in = n_out + n_bad, in DIR/manifest/manifest_NNNN.json, which is written last.
 * CLI_OK; CLI_FAILED when some pictures could not be read or nothing works; CLI_USAGE; CLI_INTERRUPTED. */
int cli_bulk(const cli_runtime *runtime, const cli_args *args, const cli_list *paths);

#endif
