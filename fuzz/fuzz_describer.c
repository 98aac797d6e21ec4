/* Any bytes as a describer's file: what opens looks at a picture, searches for sentences and spells them. */
#include "model/beam.h"
#include "nn/decoder.h"
#include "text/spell.h"

#include <stdlib.h>
#include <string.h>
#include <whatsit/whatsit.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

enum { MAX_MACS = 4000000, MAX_FLOATS = 1 << 22 };

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void search(wi_session *session, const wi_decoder_params *p, const wi_spelling *spelling)
{
    wi_beam *beam = NULL;
    wi_sentence out[WI_DECODE_ROWS];
    size_t n_out = 0;
    float *grid = calloc((size_t)p->n_places * p->channels, sizeof *grid),
          *pooled = calloc((size_t)p->pooled + 1, sizeof *pooled);
    require(grid && pooled && wi_beam_open(session, &beam, NULL) == WI_OK);
    for (size_t i = 0; i < (size_t)p->n_places * p->channels; i++)
        grid[i] = (float)(i % 13) - 6.0f;
    wi_ses_look(session, grid, pooled, 1);
    const int32_t first[] = {0};
    const uint32_t room = p->context_length - 1;
    const wi_search how = {.width = 2,
                           .max_tokens = room < 5 ? room : 5,
                           .power = 0.7f,
                           .prompt = first,
                           .n_prompt = 1};
    wi_beam_run(beam, &how, 1, out, &n_out);
    for (size_t i = 0; i < n_out; i++) {
        char text[64];
        require(out[i].n_tokens < p->context_length);
        for (size_t j = 0; j < out[i].n_tokens; j++)
            require(out[i].tokens[j] >= 0 && (uint32_t)out[i].tokens[j] < p->vocabulary_size);
        require(wi_spell(spelling, out[i].tokens, out[i].n_tokens, text, sizeof text) <
                sizeof text);
    }
    wi_beam_close(&beam);
    free(grid);
    free(pooled);
}

static void use(const wi_model *model)
{
    wi_decoder_params p;
    wi_spelling spelling = {0};
    wi_session *session = NULL;
    const wi_session_options one = {.max_images = 1};
    const wi_tower *tower = &model->net.tower[WI_ROLE_DECODER];
    if (!wi_tower_params_get(&model->params.tower[WI_ROLE_DECODER], &wi_decoder_kind, &p) ||
        tower->kind->macs(tower->self) > MAX_MACS ||
        (uint64_t)p.n_layers * p.context_length * WI_DECODE_ROWS * p.width > MAX_FLOATS ||
        (uint64_t)p.n_layers * (p.n_places + p.pooled_rows) * p.width > MAX_FLOATS ||
        (uint64_t)p.n_places * p.channels > MAX_FLOATS)
        return;
    if (wi_spelling_open(&model->tokenizer, tower->kind->decode->ids(tower->self),
                         p.vocabulary_size, &spelling, NULL) == WI_OK &&
        wi_ses_open(model, WI_TOWER_DECODER, &one, &session, NULL) == WI_OK)
        search(session, &p, &spelling);
    wi_spelling_free(&spelling);
    wi_session_close(&session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    static wi_engine *engine; /* one for all inputs, as in a program */
    const wi_engine_options one_thread = {.n_threads = 1};
    wi_model *model = NULL;
    if (!engine)
        require(wi_engine_open(&one_thread, &engine, NULL) == WI_OK);
    /* As aligned as a mapping, and ending where the input ends. */
    void *block = NULL;
    require(posix_memalign(&block, 64, n_bytes ? n_bytes : 1) == 0);
    if (n_bytes)
        memcpy(block, data, n_bytes);
    if (wi_model_open_memory(engine, block, n_bytes, NULL, &model, NULL) == WI_OK)
        use(model);
    wi_model_close(&model);
    free(block);
    return 0;
}
