/* Beam search: the most probable sentences of a decoder. All memory is taken when it opens. */
#ifndef WI_MODEL_BEAM_H
#define WI_MODEL_BEAM_H

#include "model/session.h"

typedef struct wi_sentence {
    const int32_t *tokens; /* the words that were asked for first; valid until the next search */
    size_t n_tokens;       /* without markers */
    size_t n_counted;      /* tokens that logprob is of: those found, and the end */
    double logprob;
} wi_sentence;

typedef struct wi_search {
    uint32_t width;      /* 1..WI_DECODE_ROWS */
    uint32_t max_tokens; /* to be found; prompt and these fit the context */
    float power; /* sentences compare by logprob / n_counted^power; not read where the decoder
                            * has rules (wi_decode_rules) */
    const int32_t *prompt; /* the first words */
    size_t n_prompt;
    /* Nullable: told the best beginning so far of the first picture, before each step beyond the prompt;
     * false stops. */
    bool (*step)(void *context, const int32_t *tokens, size_t n_tokens);
    void *context;
} wi_search;

typedef struct wi_beam wi_beam;

/* session: of a decoder, borrowed. */
wi_status wi_beam_open(wi_session *session, wi_beam **out, wi_error *error);
void wi_beam_close(wi_beam **beam);

/* For n pictures that the session has looked at (wi_ses_look), best first: out[n, WI_DECODE_ROWS],
 * n_out[n]: at least one of each, unless the weights give no numbers. No memory is allocated. False, and
 * nothing is written, when search->step stopped it.
 * Exact:  the same sentences whatever n and the number of threads
 * Source: coca_model.py of open_clip 3.3 for decoders with rules; else the usual search, with the length's power of Wu et al. (arXiv:1609.08144) for its penalty */
bool wi_beam_run(wi_beam *beam, const wi_search *search, size_t n, wi_sentence *out, size_t *n_out);

#endif
