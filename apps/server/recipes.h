/* From the JSON of a request to a head, and from a head to the store. */
#ifndef SERVER_RECIPES_H
#define SERVER_RECIPES_H

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
/* Keeps it in the store. *out is what was stored, without its bytes. */
wi_status srv_head_store(store *st, const wi_head *head, const char *name, const char *owner,
                         bool replace, store_head *out, wi_error *error);

#endif
