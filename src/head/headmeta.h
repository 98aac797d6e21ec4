/* A head's texts and numbers as pairs of strings, the only metadata that safetensors has. */
#ifndef WI_HEAD_HEADMETA_H
#define WI_HEAD_HEADMETA_H

#include "base/buffer.h"
#include "head/head.h"

enum { WI_HEADMETA_MAX_PAIRS = 24 };

typedef struct wi_headmeta {
    const char *pairs[WI_HEADMETA_MAX_PAIRS][2]; /* key, value: borrowed from the head or owned[] */
    size_t n_pairs;
    char *owned[WI_HEADMETA_MAX_PAIRS];
    size_t n_owned;
} wi_headmeta;

/* Owns: the caller frees with wi_headmeta_free, also after a failure. */
wi_status wi_headmeta_write(const wi_head_parts *parts, wi_headmeta *out, wi_error *error);
void wi_headmeta_free(wi_headmeta *meta);

/* Fills the texts and numbers of parts (checked later by wi_head_create) from metadata.
 * get: the value of a key, or NULL; values live while parts are used
 * Owns: lists holds what the parts point to; freed with wi_headlists_free, also after a failure. */
typedef struct wi_headlists {
    struct json_t *trees[3]; /* labels, groups, templates */
    const char **items[3];
} wi_headlists;
typedef const char *wi_headmeta_get(const void *context, const char *key);
wi_status wi_headmeta_read(wi_headmeta_get *get, const void *context, const wi_kern *kern,
                           wi_head_parts *parts, wi_headlists *lists, wi_error *error);
void wi_headlists_free(wi_headlists *lists);

#endif
