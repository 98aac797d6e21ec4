/* Files of a Hugging Face hub (or anything that serves the same paths) over HTTP: the only user of
 * libcurl. */
#ifndef CLI_HUB_H
#define CLI_HUB_H

#include "cli.h"

typedef struct cli_hub cli_hub;

/* $HF_ENDPOINT or the hub's usual address; with $HF_TOKEN, or the token that the hub's own program
 * keeps. revision: NULL for "main"; borrowed. Owns: the caller closes *out. */
wi_status cli_hub_open(cli_app *app, const char *revision, cli_hub **out, wi_error *error);
void cli_hub_close(cli_hub **hub);
/* The address without a slash at the end. */
const char *cli_hub_address(const cli_hub *hub);
const char *cli_hub_revision(const cli_hub *hub);

/* Where the hub's Python package keeps what it fetched: $HF_HUB_CACHE, $HF_HOME/hub or
 * ~/.cache/huggingface/hub. NULL when there is no home. Owns: free(). */
char *cli_hub_cache_folder(void);

typedef struct cli_hub_file {
    uint64_t n_bytes;
    bool size_known;
    char sha256[65]; /* "" when the hub does not say */
} cli_hub_file;

/* Asks for size and checksum of ADDRESS/REPOSITORY/resolve/REVISION/NAME.
 * Errors: WI_ERR_NOT_FOUND (404, and 401/403 with a message that says so), WI_ERR_IO */
wi_status cli_hub_look(cli_hub *hub, const char *repository, const char *name, cli_hub_file *out,
                       wi_error *error);

/* Brings the file to path by way of path.part, from which a later call goes on. Checks size and
 * checksum; a file that fails them is thrown away. progress: "WHAT  12 / 605 MB". */
wi_status cli_hub_fetch(cli_hub *hub, const char *repository, const char *name,
                        const cli_hub_file *file, const char *path, wi_error *error);

/* SHA-256 of a file, in hexadecimal. */
wi_status cli_file_sha256(const char *path, char hex[65], wi_error *error);

#endif
