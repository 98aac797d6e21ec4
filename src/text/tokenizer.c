#include "text/tokenizer.h"

#include "base/error.h"

wi_status wi_tok_bind(const wi_tokenizer_kind *kind, const void *table, size_t n_bytes,
                      wi_tokenizer *out, wi_error *error)
{
    const wi_status status = kind->check(table, n_bytes, error);
    if (status == WI_OK)
        *out = (wi_tokenizer){kind, table, n_bytes, NULL};
    return status;
}

wi_status wi_tok_encode(const wi_tokenizer *tokenizer, const char *text, size_t n_bytes,
                        size_t context_length, int32_t *ids, size_t *n_ids, bool *truncated,
                        wi_error *error)
{
    if (!tokenizer->kind)
        return wi_fail(error, WI_ERR_UNSUPPORTED, "there is no tokenizer");
    wi_tokens out = {ids, context_length, 0, false};
    const wi_status status = tokenizer->kind->encode(tokenizer, text, n_bytes, &out, error);
    if (status != WI_OK)
        return status;
    if (n_ids)
        *n_ids = out.n_ids;
    if (truncated)
        *truncated = out.truncated;
    return WI_OK;
}

wi_token_rules wi_tok_rules(const wi_tokenizer *tokenizer)
{
    wi_token_rules rules = {0, -1, -1, 0, 0};
    if (tokenizer->kind)
        tokenizer->kind->rules(tokenizer, &rules);
    return rules;
}
