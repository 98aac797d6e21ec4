#include "model/beam.h"

#include "base/error.h"
#include "nn/decoder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = WI_DECODE_ROWS, CANDIDATES = 2 * ROWS, NONE = WI_DECODE_FIRST };

/* A sentence that may go on. */
typedef struct branch {
    uint32_t node;
    double score, logprob; /* what sentences compare by; of its tokens */
} branch;

/* One that is complete. */
typedef struct ending {
    uint32_t node; /* of its last word */
    size_t n_counted;
    double logprob, value;
} ending;

typedef struct candidate {
    double score, logprob;
    uint32_t before; /* the node it continues */
    int32_t token;
} candidate;

typedef struct picture {
    size_t n_live, n_done;
    branch live[ROWS];
    ending done[ROWS];
    size_t n_found;
    candidate found[CANDIDATES];
    bool closed;
} picture;

struct wi_beam {
    wi_session *session;
    wi_tower_facts facts;
    float hedge;
    const wi_decode_rules *rules; /* NULL: the house's */
    picture *pictures;
    wi_decode_row *rows;
    int32_t *token;   /* of each node */
    uint32_t *before; /* of each node */
    int32_t *words;   /* [pictures, ROWS, context]: the sentences that are given */
    float *chances;   /* [vocabulary]: of one row */
};

wi_status wi_beam_open(wi_session *session, wi_beam **out, wi_error *error)
{
    wi_decoder_params params = {0};
    const wi_tower_params *tower = &session->model->params.tower[WI_ROLE_DECODER];
    const wi_tower_facts facts = wi_tower_facts_of(tower);
    /* The first marker, and what is found last, which the session never sees. */
    const size_t n = session->max_images, n_rows = n * ROWS,
                 n_nodes = n_rows * (facts.context_length + 1);
    wi_beam *beam = calloc(1, sizeof *beam);
    if (beam) {
        beam->session = session;
        beam->facts = facts;
        beam->rules = session->model->net.tower[WI_ROLE_DECODER].kind->decode->rules;
        beam->hedge = wi_tower_params_get(tower, &wi_decoder_kind, &params) ? params.hedge : 0;
        beam->pictures = calloc(n, sizeof *beam->pictures);
        beam->rows = calloc(n_rows, sizeof *beam->rows);
        beam->token = calloc(n_nodes, sizeof *beam->token);
        beam->before = calloc(n_nodes, sizeof *beam->before);
        beam->words = calloc(n_nodes, sizeof *beam->words);
        beam->chances = calloc(facts.vocabulary_size, sizeof *beam->chances);
    }
    if (!beam || !beam->pictures || !beam->rows || !beam->token || !beam->before || !beam->words ||
        !beam->chances) {
        wi_beam_close(&beam);
        return wi_fail_nomem(error, n_nodes * sizeof *beam->token, "sentences");
    }
    *out = beam;
    return WI_OK;
}

void wi_beam_close(wi_beam **beam)
{
    if (!beam || !*beam)
        return;
    free((*beam)->pictures);
    free((*beam)->rows);
    free((*beam)->token);
    free((*beam)->before);
    free((*beam)->words);
    free((*beam)->chances);
    free(*beam);
    *beam = NULL;
}

/* --- one row of logits --- */

/* log(e^a + e^b) */
static float log_sum(float a, float b)
{
    const float most = fmaxf(a, b), least = fminf(a, b);
    return most + log1pf(expf(least - most));
}

/* "a man" only where it is no woman: two words that share the probability become the third. */
static void hedge(const wi_beam *beam, float *logits)
{
    const wi_tower *tower = &beam->session->model->net.tower[WI_ROLE_DECODER];
    size_t n = 0;
    const float *hedges = tower->kind->decode->hedges(tower->self, &n);
    for (size_t i = 0; i < n; i++) {
        const size_t a = (size_t)hedges[3 * i], b = (size_t)hedges[3 * i + 1],
                     c = (size_t)hedges[3 * i + 2];
        const float both = log_sum(logits[a], logits[b]);
        if (fmaxf(logits[a], logits[b]) - both >= logf(beam->hedge))
            continue;
        logits[c] = log_sum(logits[c], both);
        logits[a] = logits[b] = -INFINITY;
    }
}

/* ln of the sum of exp(logits), by the kernel's softmax of a copy: a vocabulary's exponentials one by one
 * take longer than a small decoder's step. */
static double log_total(const wi_beam *beam, const float *logits)
{
    const size_t n = beam->facts.vocabulary_size;
    size_t most = 0;
    for (size_t i = 1; i < n; i++)
        most = logits[i] > logits[most] ? i : most;
    memcpy(beam->chances, logits, n * sizeof *logits);
    beam->session->run.kern->softmax(n, 1.0f, beam->chances);
    return (double)logits[most] - log((double)beam->chances[most]);
}

/* Keeps the best, sorted; of equals the one that came first. */
static void offer(picture *p, size_t most, double score, double logprob, uint32_t before,
                  int32_t token)
{
    if (p->n_found == most && !(score > p->found[most - 1].score))
        return;
    size_t at = p->n_found < most ? p->n_found++ : most - 1;
    for (; at > 0 && score > p->found[at - 1].score; at--)
        p->found[at] = p->found[at - 1];
    p->found[at] = (candidate){score, logprob, before, token};
}

/* In float, as the original adds them. */
static void consider_as_told(const wi_beam *beam, const wi_search *search, picture *p,
                             const branch *from, uint32_t node, const float *logits, bool may_end)
{
    const size_t n = beam->facts.vocabulary_size, most = 2 * search->width;
    const double total = log_total(beam, logits);
    for (size_t i = 0; i < n; i++) {
        const float score = (float)from->score + logits[i];
        const bool allowed = may_end || i != (size_t)beam->facts.end_token;
        if (allowed && (p->n_found < most || (double)score > p->found[most - 1].score))
            offer(p, most, (double)score, from->logprob + (double)logits[i] - total, node,
                  (int32_t)i);
    }
}

static void consider(const wi_beam *beam, const wi_search *search, picture *p, const branch *from,
                     uint32_t node, float *logits)
{
    const size_t n = beam->facts.vocabulary_size, most = 2 * search->width;
    hedge(beam, logits);
    logits[beam->facts.start_token] = -INFINITY;
    const double total = log_total(beam, logits);
    for (size_t i = 0; i < n; i++) {
        const double score = from->score + (double)logits[i] - total;
        if (p->n_found < most || score > p->found[most - 1].score)
            offer(p, most, score, score, node, (int32_t)i);
    }
}

/* --- sentences --- */

static double value_of(const wi_beam *beam, const wi_search *search, double score, size_t n_counted)
{
    return beam->rules ? score / (double)(1 + search->n_prompt + n_counted)
                       : score / pow((double)n_counted, (double)search->power);
}

static void finish(const wi_beam *beam, picture *p, const wi_search *search, uint32_t node,
                   double score, double logprob, size_t n_counted)
{
    const ending e = {node, n_counted, logprob, value_of(beam, search, score, n_counted)};
    size_t at = p->n_done;
    if (p->n_done < search->width)
        p->n_done++;
    else if (at > 0 && e.value > p->done[at - 1].value)
        at--;
    else
        return;
    for (; at > 0 && e.value > p->done[at - 1].value; at--)
        p->done[at] = p->done[at - 1];
    p->done[at] = e;
}

/* Whether nothing that may still be found is better than the worst of what is complete. */
static bool is_settled(const wi_beam *beam, const wi_search *search, const picture *p,
                       size_t n_found_tokens)
{
    if (p->n_done < search->width)
        return false;
    const double worst = p->done[p->n_done - 1].value;
    if (!beam->rules)
        return worst >= value_of(beam, search, p->live[0].score, n_found_tokens + 2);
    /* Of one sentence, whose end was the likeliest token, nothing else is followed. */
    return search->width == 1 ||
           worst >= value_of(beam, search, p->found[0].score, n_found_tokens + 1);
}

/* Sorts what was found into sentences that end and those that go on; these are the next rows. The
 * original takes an end only from among the best, and looks at nothing behind the last that goes on. */
static void divide(wi_beam *beam, const wi_search *search, size_t index, size_t n_found_tokens,
                   size_t *n_rows)
{
    picture *p = &beam->pictures[index];
    p->n_live = 0;
    const size_t first = *n_rows;
    for (size_t i = 0; i < p->n_found; i++) {
        const candidate *c = &p->found[i];
        if (!(c->score > -INFINITY) || (beam->rules && p->n_live == search->width))
            break;
        if (c->token == beam->facts.end_token) {
            if (!beam->rules || i < search->width)
                finish(beam, p, search, c->before, c->score, c->logprob, n_found_tokens + 1);
        } else if (p->n_live < search->width) {
            beam->rows[(*n_rows)++] = (wi_decode_row){c->token, (uint32_t)index, c->before};
            p->live[p->n_live++] = (branch){NONE, c->score, c->logprob};
        }
    }
    if (p->n_live == 0 || is_settled(beam, search, p, n_found_tokens)) {
        p->closed = true;
        *n_rows = first;
    }
}

/* What the nodes of the rows say, in order. */
static void note(wi_beam *beam, size_t n_rows, uint32_t first)
{
    for (size_t i = 0; i < n_rows; i++) {
        beam->token[first + i] = beam->rows[i].token;
        beam->before[first + i] = beam->rows[i].before;
    }
}

static float *step(wi_beam *beam, size_t n_rows, uint32_t *first)
{
    float *logits = wi_ses_step(beam->session, beam->rows, n_rows, first);
    note(beam, n_rows, *first);
    return logits;
}

/* The marker and the prompt for all pictures at once; the logits are those behind it. */
static float *begin(wi_beam *beam, const wi_search *search, size_t n, uint32_t *first)
{
    float *logits = NULL;
    for (size_t t = 0; t <= search->n_prompt; t++) {
        for (size_t i = 0; i < n; i++)
            beam->rows[i] = (wi_decode_row){t ? search->prompt[t - 1] : beam->facts.start_token,
                                            (uint32_t)i, t ? *first + (uint32_t)i : NONE};
        logits = step(beam, n, first);
    }
    for (size_t i = 0; i < n; i++) {
        beam->pictures[i] = (picture){.n_live = 1};
        beam->pictures[i].live[0] = (branch){*first + (uint32_t)i, 0.0, 0.0};
    }
    return logits;
}

static void write_out(wi_beam *beam, const ending *e, int32_t *words, wi_sentence *out)
{
    size_t n = 0;
    for (uint32_t node = e->node; beam->before[node] != NONE; node = beam->before[node])
        n++;
    *out = (wi_sentence){words, n, e->n_counted, e->logprob};
    for (uint32_t node = e->node; n-- > 0; node = beam->before[node])
        words[n] = beam->token[node];
}

static void give(wi_beam *beam, const wi_search *search, size_t index, size_t n_found_tokens,
                 wi_sentence *out, size_t *n_out)
{
    picture *p = &beam->pictures[index];
    const size_t context = beam->facts.context_length;
    /* In the house's search only where nothing has come to an end. */
    const size_t n_open = p->closed || (p->n_done && !beam->rules) ? 0 : p->n_live;
    for (size_t i = 0; i < n_open; i++)
        finish(beam, p, search, p->live[i].node, p->live[i].score, p->live[i].logprob,
               n_found_tokens);
    *n_out = p->n_done;
    for (size_t i = 0; i < p->n_done; i++)
        write_out(beam, &p->done[i], beam->words + (index * ROWS + i) * context, &out[i]);
}

/* What the first picture's best sentence is so far: of those that go on, else one that is complete. */
static bool tell(wi_beam *beam, const wi_search *search)
{
    const picture *p = &beam->pictures[0];
    const bool goes_on = !p->closed && p->n_live > 0;
    const ending best = {.node = goes_on ? beam->rows[0].before : p->done[0].node};
    wi_sentence so_far = {beam->words, 0, 0, 0};
    if (!search->step)
        return true;
    if (goes_on || p->n_done > 0)
        write_out(beam, &best, beam->words, &so_far);
    if (goes_on)
        beam->words[so_far.n_tokens++] = beam->rows[0].token;
    return search->step(search->context, beam->words, so_far.n_tokens);
}

bool wi_beam_run(wi_beam *beam, const wi_search *search, size_t n, wi_sentence *out, size_t *n_out)
{
    const size_t ld = wi_ld(beam->facts.vocabulary_size);
    uint32_t first = 0;
    float *logits = begin(beam, search, n, &first);
    size_t n_rows = n, t = 0, n_stepped = n;
    while (n_rows > 0 && t < search->max_tokens) {
        size_t row = 0;
        for (size_t i = 0; i < n; i++) {
            picture *p = &beam->pictures[i];
            p->n_found = 0;
            for (size_t b = 0; !p->closed && b < p->n_live; b++, row++) {
                p->live[b].node = first + (uint32_t)row;
                if (beam->rules)
                    consider_as_told(beam, search, p, &p->live[b], p->live[b].node,
                                     logits + row * ld,
                                     1 + search->n_prompt + t >= beam->rules->min_tokens);
                else
                    consider(beam, search, p, &p->live[b], p->live[b].node, logits + row * ld);
            }
        }
        n_rows = 0;
        for (size_t i = 0; i < n; i++)
            if (!beam->pictures[i].closed)
                divide(beam, search, i, t, &n_rows);
        t++;
        if (t < search->max_tokens && n_rows > 0) {
            if (!tell(beam, search))
                return false;
            logits = step(beam, n_rows, &first);
        } else { /* nobody asks what would come behind the last tokens, and there may be no place */
            first += (uint32_t)n_stepped;
            note(beam, n_rows, first);
        }
        n_stepped = n_rows;
    }
    size_t row = 0;
    for (size_t i = 0; i < n; i++) {
        picture *p = &beam->pictures[i];
        for (size_t b = 0; !p->closed && b < p->n_live; b++, row++)
            p->live[b].node = first + (uint32_t)row;
        give(beam, search, i, t, out + i * ROWS, &n_out[i]);
    }
    return true;
}
