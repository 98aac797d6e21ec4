/* libFuzzer entry: the first byte chooses between a SentencePiece model, a vocab.txt, a
 * tokenizer.json and a finished table; what comes out keeps the promises of text/tokenizer.h for
 * texts that are the input's own bytes, too. */
#include "checkpoint/tokenizer_json.h"
#include "fmt/json.h"
#include "text/draft.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

enum { CONTEXT = 16, MAX_TEXT = 600 };

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_encode(const wi_tokenizer *tokenizer, const char *text, size_t n_bytes)
{
    const wi_token_rules rules = wi_tok_rules(tokenizer);
    int32_t ids[CONTEXT];
    size_t n = 0;
    bool truncated = false;
    wi_error error = {0};
    const wi_status status =
        wi_tok_encode(tokenizer, text, n_bytes, CONTEXT, ids, &n, &truncated, &error);
    if (status != WI_OK) {
        require(error.status == status && error.message[0] != '\0');
        return;
    }
    require(n <= CONTEXT);
    for (size_t i = 0; i < CONTEXT; i++)
        require(ids[i] >= 0 && (uint32_t)ids[i] < rules.n_ids && (i < n || ids[i] == rules.pad));
}

static void check_texts(const wi_tokenizer *tokenizer, const uint8_t *bytes, size_t n_bytes)
{
    static const char fixed[] = " a photo of the  cat, \xe4\xbd\xa0 \xef\xac\x81 <unk> <b>\n\n101 ";
    check_encode(tokenizer, fixed, sizeof fixed - 1);
    /* The input itself, with whatever is no ASCII left out. */
    char text[MAX_TEXT];
    size_t n = 0;
    for (size_t i = 0; i < n_bytes && n < sizeof text; i++)
        if (bytes[i] < 0x80)
            text[n++] = (char)bytes[i];
    check_encode(tokenizer, text, n);
}

static void check_draft(char kind, const uint8_t *bytes, size_t n_bytes)
{
    wi_draft draft;
    wi_tokenizer tokenizer = {0};
    wi_error error = {0};
    wi_status status = WI_OK;
    wi_json *json = NULL;
    wi_draft_init(&draft, WI_VOCAB_WORDPIECE);
    if (kind == 's') {
        status = wi_draft_read_spiece(&draft, bytes, n_bytes, &error);
        if (n_bytes % 2)
            draft.head.flags |= WI_VOCAB_UNK_TRICK | WI_VOCAB_END_ONCE;
    } else if (kind == 'l') {
        status = wi_draft_read_lines(&draft, (const char *)bytes, n_bytes, &error);
        draft.head.normal = WI_NORMAL_BERT;
    } else {
        status = wi_json_parse("t", bytes, n_bytes, &json, &error);
        if (status == WI_OK)
            status = wi_tokenizer_json_read(json, &draft, &error);
    }
    if (status == WI_OK)
        status = wi_draft_compile(&draft, &tokenizer, &error);
    require(status == WI_OK || error.message[0] != '\0');
    if (status == WI_OK)
        check_texts(&tokenizer, bytes, n_bytes);
    wi_json_free(&json);
    wi_draft_free(&draft);
    free(tokenizer.own);
}

static void check_table(const uint8_t *bytes, size_t n_bytes)
{
    static const wi_tokenizer_kind *const kinds[] = {&wi_tokenizer_unigram, &wi_tokenizer_pairs,
                                                     &wi_tokenizer_wordpiece};
    for (size_t i = 0; i < 3; i++) {
        wi_tokenizer tokenizer;
        if (wi_tok_bind(kinds[i], bytes, n_bytes, &tokenizer, NULL) == WI_OK)
            check_texts(&tokenizer, bytes, n_bytes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    if (n_bytes == 0)
        return 0;
    n_bytes--;
    uint8_t *exact = malloc(n_bytes ? n_bytes : 1);
    require(exact != NULL);
    memcpy(exact, data + 1, n_bytes);
    if (data[0] == 't')
        check_table(exact, n_bytes);
    else
        check_draft((char)data[0], exact, n_bytes);
    free(exact);
    return 0;
}
