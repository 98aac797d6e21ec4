/* A tokenizer kind of one's own: this file is all that it takes. Its table replaces
 * src/text/tokenizers.c, so a model that brings it goes through a model file and encodes with it. */
#include "model/model.h"
#include "text/bpe.h"
#include "text/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <whatsit/whatsit.h>

/* One id per byte: where it stands in the table. */
static wi_status check(const void *table, size_t n_bytes, wi_error *error)
{
    (void)table;
    (void)error;
    return n_bytes > 0 ? WI_OK : WI_ERR_FORMAT;
}

static wi_status encode_bytes(const wi_tokenizer *tokenizer, const char *text, size_t n_bytes,
                              wi_tokens *out, wi_error *error)
{
    (void)error;
    const char *table = tokenizer->table;
    out->truncated = n_bytes > out->context_length;
    out->n_ids = out->truncated ? out->context_length : n_bytes;
    for (size_t i = 0; i < out->context_length; i++) {
        const char *at = i < out->n_ids ? memchr(table, text[i], tokenizer->n_bytes) : NULL;
        out->ids[i] = at ? (int32_t)(at - table) : 0;
    }
    return WI_OK;
}

static void rules(const wi_tokenizer *tokenizer, wi_token_rules *out)
{
    *out = (wi_token_rules){(uint32_t)tokenizer->n_bytes, -1, -1, 0, 8};
}

static const wi_tokenizer_kind bytes_kind = {.name = "bytes",
                                             .tensor = "tokenizer.bytes",
                                             .element_bytes = 1,
                                             .row_elements = 1,
                                             .check = check,
                                             .encode = encode_bytes,
                                             .rules = rules};

const wi_tokenizer_kind *const wi_tokenizer_kinds[] = {&wi_tokenizer_clip, &bytes_kind, NULL};

static void a_model_file_keeps_it(void **state)
{
    (void)state;
    static const char alphabet[] = ".abcdefgh";
    const char *from = WHATSIT_SOURCE_DIR "/models/whatsit-nano.gguf";
    char to[] = "/tmp/whatsit-kind-XXXXXX";
    const int file = mkstemp(to);
    assert_true(file >= 0);
    close(file);
    wi_engine *engine = NULL;
    wi_model *model = NULL, *again = NULL;
    wi_error error = {0};
    wi_model_info before, after;
    int32_t ids[128];
    size_t n = 0;
    assert_int_equal(wi_engine_open(NULL, &engine, NULL), WI_OK);
    if (wi_model_open(engine, from, NULL, &model, &error) != WI_OK)
        fail_msg("%s", error.message);
    assert_int_equal(wi_model_get_info(model, &before, NULL), WI_OK);
    assert_int_equal(
        wi_tok_bind(&bytes_kind, alphabet, sizeof alphabet - 1, &model->tokenizer, NULL), WI_OK);
    model->fingerprint[0] = '\0'; /* the file's own, which knew another tokenizer */
    if (wi_mdl_write(model, to, NULL, &error) != WI_OK)
        fail_msg("%s", error.message);
    if (wi_model_open(engine, to, NULL, &again, &error) != WI_OK)
        fail_msg("%s", error.message);
    assert_ptr_equal(again->tokenizer.kind, &bytes_kind);
    assert_int_equal(wi_model_tokenize(again, "bad", 3, ids, &n, NULL, NULL), WI_OK);
    assert_int_equal(n, 3);
    assert_int_equal(ids[0], 2);
    assert_int_equal(ids[1], 1);
    assert_int_equal(ids[2], 4);
    assert_int_equal(wi_model_get_info(again, &after, NULL), WI_OK);
    assert_string_not_equal(before.fingerprint, after.fingerprint);
    wi_model_close(&again);
    wi_model_close(&model);
    wi_engine_close(&engine);
    unlink(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_model_file_keeps_it)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
