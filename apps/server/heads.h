/* Heads ready to answer: those of the store, those shipped as label lists, words typed into a
 * request. Compiled ones are kept in memory, the least used go first. */
#ifndef SERVER_HEADS_H
#define SERVER_HEADS_H

#include "models.h"

typedef struct srv_head srv_head;

wi_status srv_heads_open(srv_server *server, srv_heads **out, wi_error *error);
void srv_heads_close(srv_heads **heads);
/* Looks for label lists anew. */
wi_status srv_heads_reload(srv_heads *heads, wi_error *error);

/* By name; NULL or "": the everyday head. Give it back with srv_head_release.
 * Errors: WI_ERR_NOT_FOUND, WI_ERR_MISMATCH (of another model), WI_ERR_CANCELLED (another request compiles
 * it, and that takes long) */
wi_status srv_heads_acquire(srv_heads *heads, srv_model *model, const char *name, srv_head **out,
                            wi_error *error);
/* Of words that came with the request. Errors: WI_ERR_LIMIT: over SRV_MAX_WORDS prompts */
wi_status srv_heads_of_words(srv_heads *heads, srv_model *model, const wi_head_recipe *recipe,
                             srv_head **out, wi_error *error);
void srv_head_release(srv_heads *heads, srv_head **head);
const wi_head *srv_head_of(const srv_head *head);

/* A shipped list's name by index; NULL past the end. The caller frees. */
char *srv_heads_shipped_at(srv_heads *heads, size_t index);
bool srv_heads_is_shipped(srv_heads *heads, const char *name);

/* One to 100 bytes of UTF-8 without '/', '\\', control characters; no leading '.', '-' or '~'. */
bool srv_head_name_ok(const char *name);
const char *srv_head_kind_name(wi_head_kind kind);

/* The head's file in memory; the caller frees *bytes. */
wi_status srv_head_file(const wi_head *head, void **bytes, size_t *n_bytes, wi_error *error);

/* ---- from a request ---- */

/* A recipe whose strings belong to the JSON it was read from; free with srv_recipe_free. */
typedef struct srv_recipe {
    wi_head_recipe recipe;
    const char **labels, **groups, **templates;
} srv_recipe;

/* As many prompts as a request may bring along, 2,000; more of them make a head, once (POST /v1/heads). */
enum { SRV_MAX_WORDS = 2000, SRV_MAX_HEAD_BYTES = 128 << 20 };

/* "a,b,c" as a list of texts, of which at most max + 1 are read. The caller decrefs. */
json_t *srv_labels_of_commas(const char *text, size_t max);
/* {"name","labels":[...],"templates":[...],"multi",...}. Errors: WI_ERR_ARG, WI_ERR_LIMIT, WI_ERR_NOMEM */
wi_status srv_recipe_read(const json_t *body, srv_recipe *out, wi_error *error);
void srv_recipe_free(srv_recipe *recipe);
/* Builds what the body of POST /v1/heads asks for, for the model that it names. progress, keeper: nullable. */
wi_status srv_head_build(srv_server *server, srv_model *model, const json_t *body, srv_lane lane,
                         const wi_progress *progress, const wi_head_keeper *keeper, wi_head **out,
                         wi_error *error);
/* Keeps it in the store. *out is what was stored, without its bytes. */
wi_status srv_head_store(srv_server *server, const wi_head *head, const char *name,
                         const char *owner, bool replace, store_head *out, wi_error *error);

#endif
