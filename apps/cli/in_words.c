#include "in_words.h"
#include "term.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What is shown is some tens of photos, the best by the model; of more than these, those whose sentence says least else. */
enum { MOST = 20000 };

/* Without these the others mean the same, and sentences of a picture begin with many of them. */
static bool is_little(const char *word, size_t n)
{
    static const char *const little[] = {
        "a",     "an",    "and",  "are", "at",  "by", "for",   "from", "her",   "his",
        "image", "in",    "is",   "it",  "its", "of", "on",    "or",   "our",   "picture",
        "the",   "their", "this", "to",  "my",  "me", "photo", "some", "there", "with"};
    for (size_t i = 0; i < sizeof little / sizeof *little; i++) {
        if (strlen(little[i]) == n && strncasecmp(little[i], word, n) == 0) {
            return true;
        }
    }
    return false;
}

/* Letters, digits and whatever is not ASCII: the index cuts these further as Unicode has it. */
static bool is_of_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (unsigned char)c >= 0x80;
}

/* The words of a text, each in quotation marks, which means all of them to FTS5; "" when there are but little ones. */
static char *quoted(const char *text)
{
    char *out = calloc(3 * strlen(text) + 1, 1), *at = out;
    while (out && *text) {
        size_t n = 0;
        while (is_of_word(text[n])) {
            n++;
        }
        if (n > 0 && !is_little(text, n)) {
            at += sprintf(at, "%s\"%.*s\"", at > out ? " " : "", (int)n, text);
        }
        text += n > 0 ? n : 1;
    }
    return out;
}

/* "" when nothing is asked for; NULL when memory is out. */
static char *expression(const char *words, const cli_list *without)
{
    char *wanted = quoted(words);
    char *out = wanted && wanted[0] ? cli_text("(%s)", wanted) : NULL;
    if (wanted && !wanted[0]) {
        return wanted;
    }
    for (size_t i = 0; i < without->n && out; i++) {
        char *other = quoted(without->items[i]);
        char *longer = !other     ? NULL
                       : other[0] ? cli_text("%s NOT (%s)", out, other)
                                  : cli_text("%s", out);
        free(other);
        free(out);
        out = longer;
    }
    free(wanted);
    return out;
}

static int by_row(const void *a, const void *b)
{
    const described_photo *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

int cli_in_words_find(cli_app *app, const cli_library *library, const char *words,
                      const cli_list *without, cli_in_words *out)
{
    wi_error error = {0};
    char *match = expression(words, without);
    *out = (cli_in_words){0};
    if (!match) {
        cli_error(app, "out of memory");
        return CLI_FAILED;
    }
    const wi_status status = match[0] ? described_find(library->cat, library->model.id, match, MOST,
                                                       &out->hits, &out->n, &error)
                                      : WI_OK;
    free(match);
    if (status != WI_OK) {
        return cli_failed(app, NULL, &error);
    }
    if (out->n > 1) {
        qsort(out->hits, out->n, sizeof *out->hits, by_row);
    }
    out->left_out = calloc(out->n + 1, sizeof *out->left_out);
    if (!out->left_out) {
        cli_error(app, "out of memory");
    }
    return out->left_out ? CLI_OK : CLI_FAILED;
}

static const described_photo *find_row(const cli_in_words *found, uint64_t row)
{
    const described_photo wanted = {.id = (int64_t)row};
    return found->n > 0 ? bsearch(&wanted, found->hits, found->n, sizeof *found->hits, by_row)
                        : NULL;
}

const char *cli_in_words_of(const cli_in_words *found, uint64_t row)
{
    const described_photo *hit = find_row(found, row);
    return hit ? hit->text : NULL;
}

void cli_in_words_leave_out(cli_in_words *found, const wi_index_hit *hits, size_t n_hits)
{
    for (size_t i = 0; i < n_hits; i++) {
        const described_photo *hit = find_row(found, hits[i].row);
        if (hit) {
            found->left_out[hit - found->hits] = true;
        }
    }
}

void cli_in_words_close(cli_in_words *found)
{
    described_free_photos(found->hits, found->n);
    free(found->left_out);
    *found = (cli_in_words){0};
}
