/* Finding and reading the tokenizer that belongs to a folder or stands in one file. */
#ifndef WI_CHECKPOINT_TOKENIZER_FILES_H
#define WI_CHECKPOINT_TOKENIZER_FILES_H

#include "text/tokenizer.h"

/* folder: where configurations lie. file: the tokenizer's file in it, or NULL to look for one. config_name:
 * open_clip's configuration in it, when it has a name of its own (nullable).
 * *out stays without a kind when nothing is found and file is NULL.
 * Owns: free(out->own)
 * Errors: those of wi_tokenizer_open (whatsit/tokenizer.h) */
wi_status wi_tokenizer_files_read(const char *folder, const char *file, const char *config_name,
                                  wi_tokenizer *out, wi_error *error);

/* path: a folder or one of its files. */
wi_status wi_tokenizer_files_open(const char *path, wi_tokenizer *out, wi_error *error);

#endif
