#include "text/tokenizer.h"

#include "base/error.h"
#include "checkpoint/tokenizer_files.h"

#include <stdlib.h>

wi_status wi_tokenizer_open(const char *path, wi_tokenizer **out, wi_error *error)
{
    if (!path || !out)
        return wi_fail(error, WI_ERR_ARG, "wi_tokenizer_open: a NULL argument");
    wi_tokenizer *tokenizer = calloc(1, sizeof *tokenizer);
    if (!tokenizer)
        return wi_fail_nomem(error, sizeof *tokenizer, "a tokenizer");
    const wi_status status = wi_tokenizer_files_open(path, tokenizer, error);
    if (status == WI_OK)
        *out = tokenizer;
    else
        free(tokenizer);
    return status;
}

void wi_tokenizer_close(wi_tokenizer **tokenizer)
{
    if (!tokenizer || !*tokenizer)
        return;
    free((*tokenizer)->own);
    free(*tokenizer);
    *tokenizer = NULL;
}

wi_status wi_tokenizer_get_info(const wi_tokenizer *tokenizer, wi_tokenizer_info *out,
                                wi_error *error)
{
    if (!tokenizer || !out)
        return wi_fail(error, WI_ERR_ARG, "wi_tokenizer_get_info: a NULL argument");
    const wi_token_rules rules = wi_tok_rules(tokenizer);
    *out = (wi_tokenizer_info){.kind = tokenizer->kind->name,
                               .n_ids = rules.n_ids,
                               .context_length = rules.context_length,
                               .start = rules.start,
                               .end = rules.end,
                               .pad = rules.pad};
    return WI_OK;
}

wi_status wi_tokenizer_encode(const wi_tokenizer *tokenizer, const char *text, size_t n_bytes,
                              size_t context_length, int32_t *ids, size_t *n_ids, bool *truncated,
                              wi_error *error)
{
    if (!tokenizer || !text || !ids)
        return wi_fail(error, WI_ERR_ARG, "wi_tokenizer_encode: a NULL argument");
    return wi_tok_encode(tokenizer, text, n_bytes, context_length, ids, n_ids, truncated, error);
}
