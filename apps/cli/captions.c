#include "captions.h"
#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_N = 4, MAX_TOKEN = 64 };
#define SIGMA 6.0
#define BETA 1.2

/* A sentence as numbers of its tokens. */
typedef struct line {
    size_t picture, n;
    uint32_t *tokens;
} line;

typedef struct lines {
    line *items;
    size_t n, capacity;
} lines;

struct cli_captions {
    char **words; /* by number */
    size_t n_words, words_capacity;
    uint32_t *slots; /* a hash table of number + 1 */
    size_t n_slots;
    lines sentences, references;
};

/* ---- tokens ---- */

/* Called for each token that counts. False stops. */
typedef bool token_fn(void *context, const char *token, size_t n);

static bool is_punctuation(const char *t, size_t n)
{
    static const char *const dropped[] = {"''", "'", "``", "`",  ".",   "?", "!",
                                          ",",  ":", "-",  "--", "...", ";"};
    for (size_t i = 0; i < sizeof dropped / sizeof dropped[0]; i++) {
        if (strlen(dropped[i]) == n && !memcmp(dropped[i], t, n)) {
            return true;
        }
    }
    return false;
}

static bool emit(token_fn *each, void *context, const char *token, size_t n)
{
    return n == 0 || is_punctuation(token, n) || each(context, token, n);
}

static bool is_word(unsigned char c)
{
    return isalnum(c) || c >= 0x80;
}

/* "n't" of "don't" begins at the n; the ending of "it's" at the apostrophe; 0: the word has none. */
static size_t clitic(const char *word, size_t n)
{
    static const char *const endings[] = {"n't", "'s", "'re", "'ve", "'ll", "'d", "'m"};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        const size_t m = strlen(endings[i]);
        if (n > m && !memcmp(word + n - m, endings[i], m)) {
            return n - m;
        }
    }
    return 0;
}

/* Words that are written as one and count as two: where they part. */
static size_t parts_at(const char *word, size_t n)
{
    static const struct {
        const char *word;
        size_t at;
    } two[] = {{"cannot", 3}, {"gonna", 3}, {"gotta", 3}, {"wanna", 3}, {"lemme", 3}, {"gimme", 3}};
    for (size_t i = 0; i < sizeof two / sizeof two[0]; i++) {
        if (strlen(two[i].word) == n && !memcmp(two[i].word, word, n)) {
            return two[i].at;
        }
    }
    return 0;
}

static bool emit_word(token_fn *each, void *context, const char *word, size_t n)
{
    size_t at = clitic(word, n);
    at = at ? at : parts_at(word, n);
    return at ? emit(each, context, word, at) && emit(each, context, word + at, n - at)
              : emit(each, context, word, n);
}

/* Whether a dot behind this word belongs to it: "st.", "t.v.", and "w." before more words. */
static bool is_short_form(const char *word, size_t n, const char *behind)
{
    static const char *const known[] = {"st", "ave", "blvd", "rd", "ft",  "dr",  "mr", "mrs",
                                        "ms", "jr",  "sr",   "vs", "etc", "inc", "mt", "ky"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strlen(known[i]) == n && !memcmp(known[i], word, n)) {
            return true;
        }
    }
    if (n >= 3 && word[n - 2] == '.') {
        return true;
    }
    return n == 1 && isalpha((unsigned char)word[0]) && behind[0] == ' ' && behind[1];
}

/* How long the word at text is: letters and digits, with single hyphens, apostrophes, slashes, and dots,
 * commas or colons between digits inside; "5:54pm" ends before its letters. */
static size_t word_length(const char *t)
{
    size_t n = 0;
    bool time = false;
    while (t[n]) {
        const unsigned char c = (unsigned char)t[n], next = (unsigned char)t[n + 1];
        const bool inside = n > 0 && is_word((unsigned char)t[n - 1]) && is_word(next);
        const bool digits = inside && isdigit((unsigned char)t[n - 1]) && isdigit(next);
        if (time && isalpha(c)) {
            break;
        }
        time = time || (digits && c == ':');
        if (!is_word(c) && c != '_' && !(inside && strchr("-'&@/", c)) &&
            !(digits && strchr(".,:", c)) &&
            !(inside && c == '.' && isalpha((unsigned char)t[n - 1]) && isalpha(next))) {
            break;
        }
        n++;
    }
    return n > 0 && t[n] == '.' && is_short_form(t, n, t + n + 1) ? n + 1 : n;
}

static bool tokenise(const char *text, token_fn *each, void *context)
{
    char small[1024];
    size_t n = 0;
    for (; text[n] && n < sizeof small - 2; n++) {
        small[n] = (char)tolower((unsigned char)text[n]);
    }
    small[n] = small[n + 1] = '\0';
    for (const char *t = small; *t;) {
        const size_t word = word_length(t);
        size_t length = word;
        if (word > 0) {
            if (!emit_word(each, context, t, word)) {
                return false;
            }
        } else if (isspace((unsigned char)*t)) {
            length = 1;
        } else {
            const char *bracket = strchr("()[]{}", *t);
            static const char *const names[] = {"-lrb-", "-rrb-", "-lsb-",
                                                "-rsb-", "-lcb-", "-rcb-"};
            static const char quotes[] = "\"`'.-";
            length = 1;
            while (strchr(quotes, *t) && t[length] == *t) {
                length++;
            }
            if (bracket) {
                const char *name = names[bracket - "()[]{}"];
                if (!emit(each, context, name, strlen(name))) {
                    return false;
                }
            } else if (!strchr(quotes, *t) && !emit(each, context, t, length)) {
                return false;
            }
        }
        t += length;
    }
    return true;
}

/* ---- numbers of words ---- */

static uint64_t hash(const char *text, size_t n)
{
    uint64_t h = 1469598103934665603ull;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ (unsigned char)text[i]) * 1099511628211ull;
    }
    return h ^ h >> 29;
}

static bool grow_slots(cli_captions *c)
{
    const size_t n = c->n_slots ? 2 * c->n_slots : 4096;
    uint32_t *slots = calloc(n, sizeof *slots);
    if (!slots) {
        return false;
    }
    for (size_t i = 0; i < c->n_words; i++) {
        size_t at = hash(c->words[i], strlen(c->words[i])) & (n - 1);
        while (slots[at]) {
            at = (at + 1) & (n - 1);
        }
        slots[at] = (uint32_t)i + 1;
    }
    free(c->slots);
    c->slots = slots;
    c->n_slots = n;
    return true;
}

static bool number_of(cli_captions *c, const char *token, size_t n, uint32_t *out)
{
    if (2 * (c->n_words + 1) > c->n_slots && !grow_slots(c)) {
        return false;
    }
    size_t at = hash(token, n) & (c->n_slots - 1);
    for (; c->slots[at]; at = (at + 1) & (c->n_slots - 1)) {
        const char *word = c->words[c->slots[at] - 1];
        if (!strncmp(word, token, n) && !word[n]) {
            *out = c->slots[at] - 1;
            return true;
        }
    }
    if (c->n_words == c->words_capacity) {
        const size_t capacity = c->words_capacity ? 2 * c->words_capacity : 1024;
        char **grown = realloc(c->words, capacity * sizeof *grown);
        if (!grown) {
            return false;
        }
        c->words = grown;
        c->words_capacity = capacity;
    }
    char *copy = strndup(token, n);
    if (!copy) {
        return false;
    }
    *out = (uint32_t)c->n_words;
    c->words[c->n_words++] = copy;
    c->slots[at] = *out + 1;
    return true;
}

/* ---- gathering ---- */

cli_captions *cli_captions_open(void)
{
    return calloc(1, sizeof(cli_captions));
}

static void free_lines(lines *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->items[i].tokens);
    }
    free(l->items);
}

void cli_captions_close(cli_captions **captions)
{
    cli_captions *c = *captions;
    if (!c) {
        return;
    }
    for (size_t i = 0; i < c->n_words; i++) {
        free(c->words[i]);
    }
    free(c->words);
    free(c->slots);
    free_lines(&c->sentences);
    free_lines(&c->references);
    free(c);
    *captions = NULL;
}

typedef struct reading {
    cli_captions *captions;
    line *to;
    size_t capacity;
} reading;

static bool read_token(void *context, const char *token, size_t n)
{
    reading *r = context;
    if (r->to->n == r->capacity) {
        r->capacity = r->capacity ? 2 * r->capacity : 16;
        uint32_t *grown = realloc(r->to->tokens, r->capacity * sizeof *grown);
        if (!grown) {
            return false;
        }
        r->to->tokens = grown;
    }
    return number_of(r->captions, token, n, &r->to->tokens[r->to->n]) && ++r->to->n;
}

static bool add(cli_captions *c, lines *l, size_t picture, const char *text)
{
    if (l->n == l->capacity) {
        const size_t capacity = l->capacity ? 2 * l->capacity : 256;
        line *grown = realloc(l->items, capacity * sizeof *grown);
        if (!grown) {
            return false;
        }
        l->items = grown;
        l->capacity = capacity;
    }
    l->items[l->n] = (line){.picture = picture};
    reading r = {c, &l->items[l->n], 0};
    l->n++;
    return tokenise(text, read_token, &r);
}

bool cli_captions_reference(cli_captions *captions, size_t picture, const char *text)
{
    return add(captions, &captions->references, picture, text);
}

bool cli_captions_sentence(cli_captions *captions, size_t picture, const char *text)
{
    return add(captions, &captions->sentences, picture, text);
}

/* ---- n-grams ---- */

/* Unused places hold UINT32_MAX, so that grams of different lengths differ. */
typedef struct gram {
    uint32_t tokens[MAX_N];
    uint32_t n, count;
} gram;

static int by_tokens(const void *a, const void *b)
{
    return memcmp(((const gram *)a)->tokens, ((const gram *)b)->tokens, sizeof(uint32_t[MAX_N]));
}

/* Sorts; of equal ones the first stays, with the counts of all. Returns how many are left. */
static size_t merge(gram *grams, size_t n)
{
    size_t kept = 0;
    qsort(grams, n, sizeof *grams, by_tokens);
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && by_tokens(&grams[kept - 1], &grams[i]) == 0) {
            grams[kept - 1].count += grams[i].count;
        } else {
            grams[kept++] = grams[i];
        }
    }
    return kept;
}

/* The grams of lengths 1..4, sorted, each once with its count: at most 4 n. Returns how many. */
static size_t grams_of(const line *l, gram *out)
{
    size_t n = 0;
    for (uint32_t k = 1; k <= MAX_N; k++) {
        for (size_t i = 0; i + k <= l->n; i++, n++) {
            memset(out[n].tokens, 0xff, sizeof out[n].tokens);
            memcpy(out[n].tokens, l->tokens + i, k * sizeof(uint32_t));
            out[n].n = k;
            out[n].count = 1;
        }
    }
    return merge(out, n);
}

static const gram *find(const gram *sorted, size_t n, const gram *wanted)
{
    return n ? bsearch(wanted, sorted, n, sizeof *sorted, by_tokens) : NULL;
}

/* All grams of one kind of lines together: those of line i begin at first[i]. */
typedef struct table {
    gram *grams;
    size_t *first; /* [lines + 1] */
} table;

static bool make_table(const lines *l, table *out)
{
    size_t most = 1;
    for (size_t i = 0; i < l->n; i++) {
        most += MAX_N * l->items[i].n;
    }
    out->grams = malloc(most * sizeof *out->grams);
    out->first = calloc(l->n + 1, sizeof *out->first);
    if (!out->grams || !out->first) {
        return false;
    }
    for (size_t i = 0; i < l->n; i++) {
        out->first[i + 1] = out->first[i] + grams_of(&l->items[i], out->grams + out->first[i]);
    }
    return true;
}

static void free_table(table *t)
{
    free(t->grams);
    free(t->first);
}

/* ---- scores of one picture ---- */

/* One picture: its sentence and references, as indices into the lines, which are sorted by picture. */
typedef struct one {
    size_t sentence, first, end;
} one;

typedef struct scoring {
    const cli_captions *captions;
    table sentences, references;
    gram *frequency; /* sorted; count: of pictures whose references have it */
    size_t n_frequency;
    double log_n;
    uint64_t correct[MAX_N], guess[MAX_N], length, reference_length;
    double rouge, cider;
} scoring;

static void add_bleu(scoring *s, const one *o)
{
    const line *sentence = &s->captions->sentences.items[o->sentence];
    const gram *mine = s->sentences.grams + s->sentences.first[o->sentence];
    const size_t n = s->sentences.first[o->sentence + 1] - s->sentences.first[o->sentence];
    size_t nearest = SIZE_MAX, away = SIZE_MAX;
    for (size_t r = o->first; r < o->end; r++) {
        const size_t length = s->captions->references.items[r].n;
        const size_t off = length > sentence->n ? length - sentence->n : sentence->n - length;
        if (off < away || (off == away && length < nearest)) {
            away = off;
            nearest = length;
        }
    }
    s->length += sentence->n;
    s->reference_length += nearest;
    for (size_t k = 0; k < MAX_N; k++) {
        s->guess[k] += sentence->n > k ? sentence->n - k : 0;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t most = 0;
        for (size_t r = o->first; r < o->end; r++) {
            const gram *found = find(s->references.grams + s->references.first[r],
                                     s->references.first[r + 1] - s->references.first[r], &mine[i]);
            most = found && found->count > most ? found->count : most;
        }
        s->correct[mine[i].n - 1] += mine[i].count < most ? mine[i].count : most;
    }
}

/* The longest common subsequence. Sentences are short; what is longer is cut. */
static size_t common(const line *a, const line *b)
{
    enum { LONGEST = 512 };
    size_t row[LONGEST + 1] = {0};
    const size_t n = b->n < LONGEST ? b->n : LONGEST;
    for (size_t i = 0; i < a->n; i++) {
        size_t diagonal = 0;
        for (size_t j = 0; j < n; j++) {
            const size_t above = row[j + 1];
            row[j + 1] = a->tokens[i] == b->tokens[j] ? diagonal + 1
                         : above > row[j]             ? above
                                                      : row[j];
            diagonal = above;
        }
    }
    return row[n];
}

static void add_rouge(scoring *s, const one *o)
{
    const line *sentence = &s->captions->sentences.items[o->sentence];
    double precision = 0, recall = 0;
    for (size_t r = o->first; r < o->end; r++) {
        const line *reference = &s->captions->references.items[r];
        const double both = (double)common(reference, sentence);
        precision = fmax(precision, sentence->n ? both / (double)sentence->n : 0);
        recall = fmax(recall, reference->n ? both / (double)reference->n : 0);
    }
    if (precision > 0 && recall > 0) {
        s->rouge += (1 + BETA * BETA) * precision * recall / (recall + BETA * BETA * precision);
    }
}

static double rarity(const scoring *s, const gram *g)
{
    const gram *found = find(s->frequency, s->n_frequency, g);
    return s->log_n - log(fmax(1, found ? found->count : 0));
}

/* The squared lengths of a line's vectors, one for each n. */
static void norms(const scoring *s, const gram *grams, size_t n, double out[MAX_N])
{
    memset(out, 0, MAX_N * sizeof *out);
    for (size_t i = 0; i < n; i++) {
        const double weight = grams[i].count * rarity(s, &grams[i]);
        out[grams[i].n - 1] += weight * weight;
    }
}

static double bigrams(const line *l)
{
    return l->n > 1 ? (double)l->n - 1 : 0;
}

static void add_cider(scoring *s, const one *o)
{
    const line *sentence = &s->captions->sentences.items[o->sentence];
    const gram *mine = s->sentences.grams + s->sentences.first[o->sentence];
    const size_t n = s->sentences.first[o->sentence + 1] - s->sentences.first[o->sentence];
    double own[MAX_N], sum = 0;
    norms(s, mine, n, own);
    for (size_t r = o->first; r < o->end; r++) {
        const gram *theirs = s->references.grams + s->references.first[r];
        const size_t n_theirs = s->references.first[r + 1] - s->references.first[r];
        double other[MAX_N], value[MAX_N] = {0};
        norms(s, theirs, n_theirs, other);
        for (size_t i = 0; i < n; i++) {
            const gram *found = find(theirs, n_theirs, &mine[i]);
            if (found) {
                const double weight = rarity(s, found);
                value[mine[i].n - 1] +=
                    fmin(mine[i].count, found->count) * weight * found->count * weight;
            }
        }
        const double off = bigrams(sentence) - bigrams(&s->captions->references.items[r]);
        for (size_t k = 0; k < MAX_N; k++) {
            if (own[k] > 0 && other[k] > 0) {
                value[k] /= sqrt(own[k]) * sqrt(other[k]);
            }
            sum += value[k] * exp(-off * off / (2 * SIGMA * SIGMA));
        }
    }
    s->cider += 10 * sum / MAX_N / (double)(o->end - o->first);
}

/* ---- all of them ---- */

static int by_picture(const void *a, const void *b)
{
    const line *x = a, *y = b;
    return (x->picture > y->picture) - (x->picture < y->picture);
}

/* In how many pictures' references each gram is. */
static bool count_pictures(scoring *s, const one *ones, size_t n)
{
    size_t most = 1, used = 0;
    for (size_t i = 0; i < n; i++) {
        most += s->references.first[ones[i].end] - s->references.first[ones[i].first];
    }
    gram *all = malloc(most * sizeof *all);
    if (!all) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const size_t first = s->references.first[ones[i].first];
        const size_t n_grams = s->references.first[ones[i].end] - first;
        gram *own = all + used;
        memcpy(own, s->references.grams + first, n_grams * sizeof *own);
        const size_t n_own = merge(own, n_grams);
        for (size_t g = 0; g < n_own; g++) {
            own[g].count = 1;
        }
        used += n_own;
    }
    s->frequency = all;
    s->n_frequency = merge(all, used);
    s->log_n = log((double)n);
    return true;
}

/* Pictures that have both; the last sentence of one counts. */
static size_t pair(const cli_captions *c, one *out)
{
    size_t n = 0, r = 0;
    for (size_t i = 0; i < c->sentences.n; i++) {
        const size_t picture = c->sentences.items[i].picture;
        if (i + 1 < c->sentences.n && c->sentences.items[i + 1].picture == picture) {
            continue;
        }
        while (r < c->references.n && c->references.items[r].picture < picture) {
            r++;
        }
        const size_t first = r;
        while (r < c->references.n && c->references.items[r].picture == picture) {
            r++;
        }
        if (r > first) {
            out[n++] = (one){i, first, r};
        }
    }
    return n;
}

static void finish(const scoring *s, size_t n, cli_caption_scores *out)
{
    double product = 1;
    const double ratio = ((double)s->length + 1e-15) / ((double)s->reference_length + 1e-9);
    for (size_t k = 0; k < MAX_N; k++) {
        product *= ((double)s->correct[k] + 1e-15) / ((double)s->guess[k] + 1e-9);
        out->bleu[k] = pow(product, 1.0 / (double)(k + 1)) * (ratio < 1 ? exp(1 - 1 / ratio) : 1);
    }
    out->n = n;
    out->rouge_l = s->rouge / (double)n;
    out->cider_d = s->cider / (double)n;
}

bool cli_captions_score(const cli_captions *c, cli_caption_scores *out)
{
    scoring s = {.captions = c};
    one *ones = calloc(c->sentences.n + 1, sizeof *ones);
    *out = (cli_caption_scores){0};
    if (c->sentences.n > 0) {
        qsort(c->sentences.items, c->sentences.n, sizeof(line), by_picture);
    }
    if (c->references.n > 0) {
        qsort(c->references.items, c->references.n, sizeof(line), by_picture);
    }
    bool done = ones && make_table(&c->sentences, &s.sentences) &&
                make_table(&c->references, &s.references);
    const size_t n = done ? pair(c, ones) : 0;
    done = done && count_pictures(&s, ones, n);
    for (size_t i = 0; i < n && done; i++) {
        add_bleu(&s, &ones[i]);
        add_rouge(&s, &ones[i]);
        add_cider(&s, &ones[i]);
    }
    if (done && n > 0) {
        finish(&s, n, out);
    }
    free_table(&s.sentences);
    free_table(&s.references);
    free(s.frequency);
    free(ones);
    return done;
}
