/* Any bytes as a describer's file: what opens looks at a picture, searches for sentences and spells them. */
#include "model/beam.h"
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

static void search(wi_session *session, const wi_tower_facts *p, wi_sight_shape shape,
                   const wi_spelling *spelling)
{
    wi_beam *beam = NULL;
    wi_sentence out[WI_DECODE_ROWS];
    size_t n_out = 0;
    const size_t cells = (size_t)shape.n_places * shape.channels;
    float *grid = calloc(cells, sizeof *grid),
          *pooled = calloc((size_t)shape.pooled + 1, sizeof *pooled);
    require(grid && pooled && wi_beam_open(session, &beam, NULL) == WI_OK);
    for (size_t i = 0; i < cells; i++)
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
        require(out[i].n_tokens <= p->context_length); /* the last one is never stepped to */
        for (size_t j = 0; j < out[i].n_tokens; j++)
            require(out[i].tokens[j] >= 0 && (uint32_t)out[i].tokens[j] < p->vocabulary_size);
        require(wi_spell(spelling, out[i].tokens, out[i].n_tokens, text, sizeof text) <
                sizeof text);
    }
    wi_beam_close(&beam);
    free(grid);
    free(pooled);
}

/* What the decoder keeps for each node, CoCa's in its text tower's layers as well. */
static bool is_small(const wi_model *model, const wi_tower_facts *p, wi_sight_shape shape)
{
    const wi_tower *tower = &model->net.tower[WI_ROLE_DECODER];
    const uint64_t layers =
        (uint64_t)p->n_layers + wi_tower_facts_of(&model->params.tower[WI_ROLE_TEXT]).n_layers;
    const uint64_t rows = shape.n_places + 64; /* and those made of the whole picture */
    return tower->kind->macs(tower->self) <= MAX_MACS &&
           layers * p->context_length * WI_DECODE_ROWS * p->width <= MAX_FLOATS &&
           layers * rows * p->width <= MAX_FLOATS &&
           (uint64_t)shape.n_places * shape.channels <= MAX_FLOATS;
}

static void use(const wi_model *model)
{
    wi_spelling spelling = {0};
    wi_session *session = NULL;
    const wi_session_options one = {.max_images = 1};
    const wi_tower *tower = &model->net.tower[WI_ROLE_DECODER];
    if (!tower->kind)
        return;
    const wi_tower_facts p = wi_tower_facts_of(&model->params.tower[WI_ROLE_DECODER]);
    const wi_sight_shape shape = tower->kind->decode->sees(tower->self);
    if (!is_small(model, &p, shape))
        return;
    if (wi_spelling_open(&model->tokenizer, tower->kind->decode->ids(tower->self),
                         p.vocabulary_size, &spelling, NULL) == WI_OK &&
        wi_ses_open(model, WI_TOWER_DECODER, &one, &session, NULL) == WI_OK)
        search(session, &p, shape, &spelling);
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
