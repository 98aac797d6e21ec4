/* Heads ready to answer: those of the store, those shipped as label lists, words typed into a
 * request. Compiled ones are kept in memory, the least used go first. */
#ifndef SERVER_HEADS_H
#define SERVER_HEADS_H

#include "config.h"
#include "memory.h"
#include "message.h"
#include "model.h"

typedef struct srv_head srv_head;
typedef struct srv_heads srv_heads;

/* All are borrowed. */
wi_status srv_heads_open(const wi_engine *engine, const srv_config *config, store *st,
                         srv_memory *memory, srv_heads **out, wi_error *error);
void srv_heads_close(srv_heads **heads);
/* Looks for label lists anew. */
wi_status srv_heads_reload(srv_heads *heads, wi_error *error);

/* By name; NULL or "": the everyday head. Give it back with srv_head_release.
 * Errors: WI_ERR_NOT_FOUND, WI_ERR_MISMATCH (of another model), WI_ERR_CANCELLED (another request compiles
 * it, and that takes long) */
wi_status srv_heads_acquire(srv_heads *heads, srv_model *model, const srv_request *request,
                            const char *name, srv_head **out, wi_error *error);
/* May whoever asks see it? Others are told that there is none. */
bool srv_head_is_visible(const srv_request *request, const store_head *head);
/* Of words that came with the request. Errors: WI_ERR_LIMIT: over SRV_MAX_WORDS prompts */
wi_status srv_heads_of_words(srv_heads *heads, srv_model *model, const srv_asker *asker,
                             const wi_head_recipe *recipe, srv_head **out, wi_error *error);
void srv_head_release(srv_heads *heads, srv_head **head);
const wi_head *srv_head_of(const srv_head *head);

/* A shipped list's name by index; NULL past the end. The caller frees. */
char *srv_heads_shipped_at(srv_heads *heads, size_t index);
bool srv_heads_is_shipped(srv_heads *heads, const char *name);

/* One to 100 bytes of UTF-8 without '/', '\\', control characters; no leading '.', '-' or '~'. */
bool srv_head_name_ok(const char *name);

/* As many prompts as a request may bring along; more of them make a head, once (POST /v1/heads). */
enum { SRV_MAX_WORDS = 2000 };

#endif
