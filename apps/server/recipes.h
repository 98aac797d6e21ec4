/* From the JSON of a request to a head, and from a head to the store. */
#ifndef SERVER_RECIPES_H
#define SERVER_RECIPES_H

#include "config.h"
#include "decoder.h"
#include "message.h"
#include "model.h"

/* A recipe whose strings belong to the JSON it was read from; free with srv_recipe_free. */
typedef struct srv_recipe {
    wi_head_recipe recipe;
    const char **labels, **groups, **templates;
} srv_recipe;

enum { SRV_MAX_HEAD_BYTES = 128 << 20 };

/* "a,b,c" as a list of texts, of which at most max + 1 are read. The caller decrefs. */
json_t *srv_labels_of_commas(const char *text, size_t max);
/* {"name","labels":[...],"templates":[...],"multi",...}. Errors: WI_ERR_ARG, WI_ERR_LIMIT, WI_ERR_NOMEM */
wi_status srv_recipe_read(const json_t *body, srv_recipe *out, wi_error *error);
void srv_recipe_free(srv_recipe *recipe);
/* Builds what the body of POST /v1/heads asks for, for the model that it names. progress, keeper: nullable. */
wi_status srv_head_build(srv_decoder *decoder, srv_model *model, const srv_asker *asker,
                         const json_t *body, srv_lane lane, const wi_progress *progress,
                         const wi_head_keeper *keeper, wi_head **out, wi_error *error);
/* The head's file in memory; the caller frees *bytes. */
wi_status srv_head_file(const wi_head *head, void **bytes, size_t *n_bytes, wi_error *error);
/* How a head is kept: for whom, how long, and next to how much. */
typedef struct srv_keeping {
    const char *owner, *visibility;
    bool replace;
    int64_t expires_ms;
    store_bounds bounds;
} srv_keeping;

/* Of the owner's plan, or the bounds of addresses, and of what the body of POST /v1/heads says. Where it says nothing
 * of visibility, heads of an address are for nobody else, a key's for all keys, this machine's for everybody. */
wi_status srv_keeping_read(const srv_config *config, store *st, const char *owner,
                           const json_t *body, srv_keeping *out, wi_error *error);
/* Keeps it in the store. *out is what was stored, without its bytes. */
wi_status srv_head_store(store *st, const srv_keeping *keeping, const wi_head *head,
                         const char *name, store_head *out, wi_error *error);

#endif
