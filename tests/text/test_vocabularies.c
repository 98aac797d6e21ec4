/* SentencePiece's tokenizers and WordPiece: ids against those of the originals, and tables from
 * nowhere. */
#include "support/golden.h"
#include "text/support.h"
#include "text/vocab.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <whatsit/tokenizer.h>

enum { MAX_IDS = 256 };

static wi_tokenizer *open_at(const char *folder, const char *file)
{
    char path[2048];
    wi_tokenizer *tokenizer = NULL;
    wi_error error = {0};
    snprintf(path, sizeof path, "%s%s%s", folder, *file ? "/" : "", file);
    if (wi_tokenizer_open(path, &tokenizer, &error) != WI_OK)
        fail_msg("%s", error.message);
    return tokenizer;
}

static bool row_equal(const wi_tokenizer *tokenizer, const json_t *row, const char *column)
{
    const json_t *text = json_object_get(row, "text"), *ids = json_object_get(row, column);
    wi_tokenizer_info info;
    int32_t got[MAX_IDS];
    size_t n = 0;
    assert_int_equal(wi_tokenizer_get_info(tokenizer, &info, NULL), WI_OK);
    assert_true(info.context_length <= MAX_IDS);
    bool equal = wi_tokenizer_encode(tokenizer, json_string_value(text), json_string_length(text),
                                     info.context_length, got, &n, NULL, NULL) == WI_OK &&
                 n == json_array_size(ids);
    for (size_t i = 0; equal && i < n; i++)
        equal = got[i] == json_integer_value(json_array_get(ids, i));
    for (size_t i = n; equal && i < info.context_length; i++)
        equal = got[i] == info.pad;
    return equal;
}

/* tokens: folder/tokens.jsonl of the expected ids; file: of the tokenizer, "" for its folder. */
static void check_rows(const char *tokens, const char *folder, const char *file, const char *column)
{
    char path[2048];
    snprintf(path, sizeof path, "%s/tokens.jsonl", tokens);
    char *text = read_file(path, NULL);
    assert_non_null(text);
    wi_tokenizer *tokenizer = open_at(folder, file);
    size_t n_rows = 0, n_wrong = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        json_t *row = json_loads(line, JSON_ALLOW_NUL, NULL);
        assert_non_null(row);
        n_rows++;
        if (!row_equal(tokenizer, row, column)) {
            n_wrong++;
            print_error("%s:%zu differs (%s): %.200s\n", path, n_rows, file, line);
        }
        json_decref(row);
    }
    wi_tokenizer_close(&tokenizer);
    free(text);
    assert_true(n_rows > 100);
    assert_int_equal(n_wrong, 0);
}

static const char own[] = WHATSIT_SOURCE_DIR "/tests/text/data";

static void own_lines_are_equal(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"unigram", ""},   {"unigram", "spiece.model"},     {"unigram", "tokenizer.json"},
        {"pairs", ""},     {"pairs", "tokenizer.model"},    {"pairs", "tokenizer.json"},
        {"wordpiece", ""}, {"wordpiece", "tokenizer.json"}, {"wordpiece", "vocab.txt"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char folder[1024];
        snprintf(folder, sizeof folder, "%s/%s", own, cases[i][0]);
        check_rows(folder, folder, cases[i][1], "ids");
    }
}

static void golden_lines_are_equal(void **state)
{
    (void)state;
    static const char *const names[] = {"siglip_unigram_3800", "siglip2_gemma_3000",
                                        "bert_chinese_21128"};
    static const char *const files[][2] = {{"spiece.model", "tokenizer.json"},
                                           {"tokenizer.model", "tokenizer.json"},
                                           {"vocab.txt", "tokenizer.json"}};
    char root[1024], folder[1200];
    if (!golden_folder("families/tokenizers", root, sizeof root))
        skip();
    for (size_t i = 0; i < 3; i++) {
        snprintf(folder, sizeof folder, "%s/%s", root, names[i]);
        check_rows(folder, folder, "", "ids");
        check_rows(folder, folder, files[i][0], "ids");
        check_rows(folder, folder, files[i][1], "ids");
    }
}

/* With the configuration of another class beside it, tokenizer.json's own steps rule. */
static void plain_lines_are_equal(void **state)
{
    (void)state;
    char folder[] = "/tmp/whatsit-vocab-XXXXXX", from[1024], to[128];
    assert_non_null(mkdtemp(folder));
    snprintf(from, sizeof from, "%s/unigram", own);
    snprintf(to, sizeof to, "%s/unigram/tokenizer.json", own);
    char source[1024];
    snprintf(source, sizeof source, "%s/tokenizer.json", from);
    snprintf(to, sizeof to, "%s/tokenizer.json", folder);
    assert_int_equal(symlink(source, to), 0);
    char config[128];
    snprintf(config, sizeof config, "%s/tokenizer_config.json", folder);
    FILE *f = fopen(config, "w");
    assert_non_null(f);
    fputs("{\"tokenizer_class\":\"T5Tokenizer\",\"pad_token\":\"</s>\"}", f);
    fclose(f);
    check_rows(from, folder, "", "ids_plain");
    unlink(config);
    unlink(to);
    rmdir(folder);
}

/* ---- tables ---- */

static const char *const folders[] = {"unigram", "pairs", "wordpiece"};

static void context_is_kept(void **state)
{
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        wi_tokenizer *tokenizer = open_at(own, folders[k]);
        wi_tokenizer_info info;
        int32_t ids[16];
        size_t n = 99;
        bool truncated = false;
        assert_int_equal(wi_tokenizer_get_info(tokenizer, &info, NULL), WI_OK);
        const size_t least = 1 + (info.start >= 0);
        for (size_t length = 0; length < 16; length++) {
            wi_error error = {0};
            const wi_status status = wi_tokenizer_encode(tokenizer, "one two three four five", 23,
                                                         length, ids, &n, &truncated, &error);
            if (length < least) {
                assert_int_equal(status, WI_ERR_ARG);
                assert_int_equal(n, 99);
                continue;
            }
            assert_int_equal(status, WI_OK);
            assert_true(n <= length && n >= least);
            assert_int_equal(ids[n - 1], info.end);
            assert_true(truncated == (n == length) || n == length);
        }
        assert_int_equal(wi_tokenizer_encode(tokenizer, "\xff", 1, 8, ids, &n, &truncated, NULL),
                         WI_ERR_FORMAT);
        wi_tokenizer_close(&tokenizer);
    }
}

/* Every byte of the head and of the first arrays is changed in turn: the check says no, or encoding
 * stays within memory and ids below n_ids. */
static void damaged_tables_do_no_harm(void **state)
{
    (void)state;
    static const char text[] = "a photo of a cat, \xe4\xbd\xa0 ﬁne <b>\n\n  & more";
    size_t n_refused = 0;
    for (size_t k = 0; k < 3; k++) {
        wi_tokenizer *good = open_at(own, folders[k]);
        uint8_t *copy = malloc(good->n_bytes);
        assert_non_null(copy);
        memcpy(copy, good->table, good->n_bytes);
        for (size_t i = 0; i < good->n_bytes; i += i < 512 ? 1 : 37) {
            const uint8_t before = copy[i];
            copy[i] = (uint8_t)(before ^ (i % 2 ? 0xff : 0x01));
            wi_tokenizer bad;
            int32_t ids[32];
            if (wi_tok_bind(good->kind, copy, good->n_bytes, &bad, NULL) == WI_OK) {
                const wi_token_rules rules = wi_tok_rules(&bad);
                if (wi_tok_encode(&bad, text, sizeof text - 1, 32, ids, NULL, NULL, NULL) == WI_OK)
                    for (size_t j = 0; j < 32; j++)
                        assert_true(ids[j] >= 0 && (uint32_t)ids[j] < rules.n_ids);
            } else {
                n_refused++;
            }
            copy[i] = before;
        }
        for (size_t n = 0; n < good->n_bytes; n += 97) {
            wi_tokenizer bad;
            assert_int_equal(wi_tok_bind(good->kind, copy, n, &bad, NULL), WI_ERR_FORMAT);
        }
        free(copy);
        wi_tokenizer_close(&good);
    }
    assert_true(n_refused > 100);
}

/* ---- what is refused ---- */

static void expect_refusal(const char *name, const char *content, wi_status status,
                           const char *words)
{
    char folder[] = "/tmp/whatsit-vocab-XXXXXX", path[128];
    wi_tokenizer *tokenizer = NULL;
    wi_error error = {0};
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(content, f);
    fclose(f);
    assert_int_equal(wi_tokenizer_open(path, &tokenizer, &error), status);
    assert_null(tokenizer);
    if (!strstr(error.message, words) || !strstr(error.message, name))
        fail_msg("'%s' does not say '%s'", error.message, words);
    unlink(path);
    rmdir(folder);
}

static void unknown_steps_are_refused(void **state)
{
    (void)state;
#define PAIRS                                                                                      \
    "\"model\":{\"type\":\"BPE\",\"byte_fallback\":true,\"unk_token\":\"u\","                      \
    "\"vocab\":{\"u\":0,\"a\":1,\"b\":2,\"ab\":3}"
    static const struct {
        const char *content, *words;
        wi_status status;
    } cases[] = {
        {"{\"model\":{\"type\":\"WordLevel\"}}", "'WordLevel'", WI_ERR_UNSUPPORTED},
        {"{" PAIRS ",\"merges\":[\"a b\"]},\"normalizer\":{\"type\":\"NFKC\"}}", "'NFKC'",
         WI_ERR_UNSUPPORTED},
        {"{" PAIRS ",\"merges\":[\"a b\"]},\"pre_tokenizer\":{\"type\":\"ByteLevel\"}}",
         "'ByteLevel'", WI_ERR_UNSUPPORTED},
        {"{" PAIRS ",\"merges\":[\"a b\"]},\"normalizer\":{\"type\":\"Replace\",\"pattern\":{"
         "\"String\":\"x\"},\"content\":\"y\"}}",
         "'Replace'", WI_ERR_UNSUPPORTED},
        {"{" PAIRS ",\"merges\":[\"b a\"]}}", "merge 1", WI_ERR_FORMAT},
        {"{" PAIRS ",\"merges\":[\"ab\"]}}", "merge 1 is no pair", WI_ERR_FORMAT},
        {"{" PAIRS ",\"ignore_merges\":true,\"merges\":[]}}", "'BPE'", WI_ERR_UNSUPPORTED},
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",-1]]}}", "no unk_id", WI_ERR_FORMAT},
        {"{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"a\",-1],[\"a\",-2]]}}",
         "twice", WI_ERR_FORMAT},
        {"{\"model\":{\"type\":\"WordPiece\",\"continuing_subword_prefix\":\"@@\"}}", "'WordPiece'",
         WI_ERR_UNSUPPORTED},
        {"{" PAIRS ",\"merges\":[]},\"added_tokens\":[{\"id\":1,\"content\":\"a\",\"single_word\":"
         "true}]}",
         "single_word", WI_ERR_UNSUPPORTED},
    };
#undef PAIRS
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refusal("tokenizer.json", cases[i].content, cases[i].status, cases[i].words);
    expect_refusal("tokenizer.model", "not a protobuf", WI_ERR_FORMAT, "SentencePiece");
    expect_refusal("vocab.txt", "", WI_ERR_FORMAT, "empty");
    expect_refusal("vocab.txt", "a\nb\n", WI_ERR_FORMAT, "[CLS]");
    expect_refusal("tokens.bin", "x", WI_ERR_UNSUPPORTED, "no tokenizer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_lines_are_equal),       cmocka_unit_test(golden_lines_are_equal),
        cmocka_unit_test(plain_lines_are_equal),     cmocka_unit_test(context_is_kept),
        cmocka_unit_test(damaged_tables_do_no_harm), cmocka_unit_test(unknown_steps_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
