#include "model/describer.h"

#include "base/error.h"
#include "base/utf8.h"
#include "model/beam.h"
#include "nn/decoder.h"
#include "text/spell.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct wi_describer {
    const wi_model *model, *decoder;
    wi_session *see, *say;
    wi_beam *beam;
    wi_spelling spelling;
    wi_sight_shape shape;
    wi_tower_facts facts; /* of the decoder */
    float least_mean;
    float *grid, *pooled, *embedding; /* of max_images */
    wi_sentence *sentences;           /* [max_images, WI_DECODE_ROWS] */
    size_t *n_sentences;
    int32_t *prompt; /* [context] */
};

/* --- opening --- */

static wi_status check_pair(const wi_model *model, const wi_model *decoder, wi_error *error)
{
    const wi_tower *eyes = &model->net.tower[WI_ROLE_IMAGE],
                   *mouth = &decoder->net.tower[WI_ROLE_DECODER];
    if (!mouth->kind)
        return wi_fail(error, WI_ERR_UNSUPPORTED, "%s is no describer", decoder->name);
    const char *reads = decoder->params.reads;
    char sight[65];
    const wi_status status = wi_mdl_sight(model, sight, error);
    if (status != WI_OK)
        return status;
    if (reads[0] && strcmp(reads, sight) != 0)
        return wi_fail(error, WI_ERR_MISMATCH,
                       "%s describes what another model sees (%.12s); %s sees otherwise (%.12s)",
                       decoder->name, reads, model->name, sight);
    const wi_sight_shape has = eyes->kind->sight->shape(eyes->self),
                         wants = mouth->kind->decode->sees(mouth->self);
    if (has.n_places != wants.n_places || has.channels != wants.channels ||
        (wants.pooled && has.pooled != wants.pooled))
        return wi_fail(error, WI_ERR_MISMATCH,
                       "%s reads %u places of %u channels, %s shows %u of %u", decoder->name,
                       wants.n_places, wants.channels, model->name, has.n_places, has.channels);
    return WI_OK;
}

static wi_status take_rooms(wi_describer *d, size_t n, wi_error *error)
{
    size_t floats = 0;
    if (!wi_size_mul3(n, d->shape.n_places, d->shape.channels, &floats))
        return wi_fail(error, WI_ERR_LIMIT, "a describer for %zu pictures is too large", n);
    d->grid = calloc(floats, sizeof *d->grid);
    d->pooled = calloc(n * (d->shape.pooled + 1), sizeof *d->pooled);
    d->embedding = calloc(n, d->model->params.embedding_dim * sizeof *d->embedding);
    d->sentences = calloc(n * WI_DECODE_ROWS, sizeof *d->sentences);
    d->n_sentences = calloc(n, sizeof *d->n_sentences);
    d->prompt = calloc(d->facts.context_length, sizeof *d->prompt);
    if (!d->grid || !d->pooled || !d->embedding || !d->sentences || !d->n_sentences || !d->prompt)
        return wi_fail_nomem(error, floats * sizeof *d->grid, "a describer");
    return WI_OK;
}

static wi_status open_all(wi_describer *d, const wi_describer_options *options, wi_error *error)
{
    const wi_tower *mouth = &d->decoder->net.tower[WI_ROLE_DECODER];
    const wi_session_options session = {.max_images = options->max_images ? options->max_images : 1,
                                        .one_thread = options->one_thread};
    wi_decoder_params params = {0};
    d->facts = wi_tower_facts_of(&d->decoder->params.tower[WI_ROLE_DECODER]);
    if (wi_tower_params_get(&d->decoder->params.tower[WI_ROLE_DECODER], &wi_decoder_kind, &params))
        d->least_mean = params.least_mean;
    const wi_tower *eyes = &d->model->net.tower[WI_ROLE_IMAGE];
    d->shape = eyes->kind->sight->shape(eyes->self);
    wi_status status =
        wi_spelling_open(&d->decoder->tokenizer, mouth->kind->decode->ids(mouth->self),
                         d->facts.vocabulary_size, &d->spelling, error);
    if (status == WI_OK)
        status = wi_ses_open(d->model, WI_TOWER_IMAGE, &session, &d->see, error);
    if (status == WI_OK)
        status = wi_ses_open(d->decoder, WI_TOWER_DECODER, &session, &d->say, error);
    if (status == WI_OK)
        status = wi_beam_open(d->say, &d->beam, error);
    return status == WI_OK ? take_rooms(d, session.max_images, error) : status;
}

wi_status wi_dsc_open(const wi_model *model, const wi_model *decoder,
                      const wi_describer_options *options, wi_describer **out, wi_error *error)
{
    wi_status status = check_pair(model, decoder, error);
    if (status != WI_OK)
        return status;
    wi_describer *d = calloc(1, sizeof *d);
    if (!d)
        return wi_fail_nomem(error, sizeof *d, "a describer");
    d->model = model;
    d->decoder = decoder;
    status = open_all(d, options, error);
    if (status == WI_OK)
        *out = d;
    else
        wi_dsc_close(&d);
    return status;
}

void wi_dsc_close(wi_describer **describer)
{
    if (!describer || !*describer)
        return;
    wi_describer *d = *describer;
    wi_beam_close(&d->beam);
    wi_ses_close(&d->see);
    wi_ses_close(&d->say);
    wi_spelling_free(&d->spelling);
    free(d->grid);
    free(d->pooled);
    free(d->embedding);
    free(d->sentences);
    free(d->n_sentences);
    free(d->prompt);
    free(d);
    *describer = NULL;
}

/* --- the first words --- */

/* Which of the decoder's tokens a tokenizer's id is; -1: none. */
static int32_t token_of(const wi_describer *d, int32_t id)
{
    const wi_tower *mouth = &d->decoder->net.tower[WI_ROLE_DECODER];
    const float *ids = mouth->kind->decode->ids(mouth->self);
    if (!ids)
        return id >= 0 && (uint32_t)id < d->facts.vocabulary_size ? id : -1;
    size_t low = 0, high = d->facts.vocabulary_size;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (ids[middle] < (float)id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < d->facts.vocabulary_size && ids[low] == (float)id ? (int32_t)low : -1;
}

static wi_status read_about(wi_describer *d, const char *about, wi_search *search, wi_error *error)
{
    const size_t context = d->facts.context_length;
    int32_t ids[WI_MAX_CONTEXT];
    size_t n = 0;
    bool truncated = false;
    const wi_status status = wi_tok_encode(&d->decoder->tokenizer, about, strlen(about), context,
                                           ids, &n, &truncated, error);
    if (status != WI_OK)
        return status;
    for (size_t i = 1; i + 1 < n; i++) {
        d->prompt[i - 1] = token_of(d, ids[i]);
        if (d->prompt[i - 1] < 0 || d->prompt[i - 1] == d->facts.end_token ||
            d->prompt[i - 1] == d->facts.start_token)
            return wi_fail(error, WI_ERR_UNSUPPORTED,
                           "'%.100s' has a word that %s does not know: begin with plainer ones",
                           about, d->decoder->name);
    }
    search->prompt = d->prompt;
    search->n_prompt = n - 2;
    if (truncated || search->n_prompt + 2 > context)
        return wi_fail(error, WI_ERR_LIMIT, "'%.100s' leaves no room for more: at most %zu tokens",
                       about, context - 3);
    return WI_OK;
}

/* Tokens to be found. A sentence that is followed alone ends at the last one whatever it is. */
static size_t room_by_rules(const wi_decode_rules *rules, const wi_search *search)
{
    const size_t taken = 1 + search->n_prompt + (search->width == 1);
    return rules->max_tokens > taken ? rules->max_tokens - taken : 1;
}

static wi_status read_options(wi_describer *d, const wi_describe_options *o, wi_search *search,
                              size_t *n_captions, wi_error *error)
{
    const wi_decode_rules *rules = d->decoder->net.tower[WI_ROLE_DECODER].kind->decode->rules;
    *n_captions = o->n_captions ? o->n_captions : 1;
    const size_t least = rules ? rules->width : 3,
                 usual = *n_captions > least ? *n_captions : least;
    *search = (wi_search){.width = o->beam ? o->beam : (uint32_t)usual,
                          .power = o->power == 0  ? 0.7f
                                   : o->power < 0 ? 0.0f
                                                  : o->power};
    if (search->width > WI_DESCRIBE_MAX_BEAM || *n_captions > search->width)
        return wi_fail(error, WI_ERR_ARG, "%zu captions of %u sentences at a time; 1 to %u of 8",
                       *n_captions, search->width, search->width);
    if (!isfinite(search->power))
        return wi_fail(error, WI_ERR_ARG, "the length's power is not a number");
    const wi_status status = o->about ? read_about(d, o->about, search, error) : WI_OK;
    if (status != WI_OK)
        return status;
    /* The marker takes one place; the last token found is never stepped to. */
    size_t most = d->facts.context_length - search->n_prompt;
    if (rules && room_by_rules(rules, search) < most)
        most = room_by_rules(rules, search);
    search->max_tokens = o->max_tokens && o->max_tokens < most ? o->max_tokens : (uint32_t)most;
    return WI_OK;
}

/* --- describing --- */

bool wi_dsc_has_scale(const wi_describer *d)
{
    return d->least_mean > 0;
}

/* Whether what stands at the end is the beginning of a character whose other tokens are still to come. */
static bool is_begun(const char *at, size_t n)
{
    const unsigned char lead = (unsigned char)at[0];
    return n < (lead >= 0xF0 ? 4u : lead >= 0xE0 ? 3u : lead >= 0xC2 ? 2u : 1u);
}

/* Tokens are bytes, and a decoder may put any of them beside each other: what is no text becomes U+FFFD. */
static void spell(const wi_describer *d, const int32_t *tokens, size_t n, bool goes_on,
                  char out[WI_CAPTION_BYTES])
{
    char raw[WI_CAPTION_BYTES];
    const size_t n_raw = wi_spell(&d->spelling, tokens, n, raw, sizeof raw);
    size_t used = 0;
    for (size_t at = 0; at < n_raw && used + 4 < WI_CAPTION_BYTES;) {
        const size_t from = at;
        uint32_t c = 0;
        if (!wi_utf8_next(raw, n_raw, &at, &c)) {
            if (goes_on && is_begun(raw + from, n_raw - from))
                break;
            at = from + 1;
            c = 0;
        }
        used += wi_utf8_put(c < ' ' || (c >= 0x7F && c < 0xA0) ? 0xFFFD : c, out + used);
    }
    out[used] = '\0';
}

typedef struct listener {
    const wi_describer *describer;
    const wi_describe_options *options;
} listener;

static bool hear(void *context, const int32_t *tokens, size_t n_tokens)
{
    const listener *l = context;
    char begun[WI_CAPTION_BYTES];
    spell(l->describer, tokens, n_tokens, true, begun);
    return l->options->step(l->options->context, begun);
}

static wi_status stopped(wi_error *error)
{
    return wi_fail(error, WI_ERR_CANCELLED, "stopped");
}

static void fill(const wi_describer *d, const wi_sentence *s, wi_caption *out)
{
    memset(out, 0, sizeof *out);
    spell(d, s->tokens, s->n_tokens, false, out->text);
    out->logprob = (float)s->logprob;
    out->mean_prob = (float)exp(s->logprob / (double)s->n_counted);
    out->n_tokens = (uint32_t)s->n_counted;
    out->sure = out->mean_prob >= d->least_mean;
}

wi_status wi_dsc_describe(wi_describer *d, const uint8_t *pixels, size_t n,
                          const wi_describe_options *options, wi_caption *out, size_t *n_out,
                          float *embeddings, wi_error *error)
{
    wi_search search;
    size_t n_captions = 0;
    wi_status status = read_options(d, options, &search, &n_captions, error);
    listener ears = {d, options};
    if (status == WI_OK && options->step) {
        search.step = hear;
        search.context = &ears;
    }
    const size_t px = wi_params_image_px(&d->model->params), picture = 3 * px * px,
                 dim = d->model->params.embedding_dim, most = d->see->max_images,
                 cells = (size_t)d->shape.n_places * d->shape.channels;
    for (size_t done = 0; done < n && status == WI_OK;) {
        const size_t batch = n - done < most ? n - done : most;
        if (options->step && !options->step(options->context, ""))
            return stopped(error);
        status = wi_ses_images(d->see, pixels + done * picture, batch, d->embedding, error);
        if (status != WI_OK)
            break;
        for (size_t i = 0; i < batch; i++)
            wi_ses_sight(d->see, i, d->grid + i * cells, d->pooled + i * d->shape.pooled);
        if (embeddings)
            memcpy(embeddings + done * dim, d->embedding, batch * dim * sizeof *embeddings);
        wi_ses_look(d->say, d->grid, d->pooled, batch);
        if (!wi_beam_run(d->beam, &search, batch, d->sentences, d->n_sentences))
            return stopped(error);
        for (size_t i = 0; i < batch; i++) {
            const size_t found = d->n_sentences[i];
            if (found == 0)
                return wi_fail(error, WI_ERR_FORMAT,
                               "%s: its weights give no sentence: get the describer again",
                               d->decoder->name);
            n_out[done + i] = found < n_captions ? found : n_captions;
            for (size_t j = 0; j < n_out[done + i]; j++)
                fill(d, &d->sentences[i * WI_DECODE_ROWS + j], &out[(done + i) * n_captions + j]);
        }
        done += batch;
    }
    return status;
}
