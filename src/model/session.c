#include "model/session.h"

#include "base/error.h"
#include "base/progress.h"

#include <stdlib.h>
#include <string.h>

/* Takes everything from the arena; the same walk counts (base == NULL) and cuts. */
static void take(wi_session *s, wi_arena *arena)
{
    const size_t n_threads = (size_t)wi_pool_threads(s->run.pool);
    wi_run_need need = {0, 0, 0};
    for (int role = 0; role < WI_N_ROLES; role++) {
        const wi_tower *tower = &s->model->net.tower[role];
        const size_t most = role == WI_ROLE_TEXT ? s->max_tokens : s->max_images;
        if (!s->memory[role])
            continue;
        tower->kind->need(tower->self, most, &need);
        tower->kind->take(tower->self, most, n_threads, s->memory[role], arena);
    }
    wi_run_take(&s->run, &need, arena);
}

static wi_status allocate(wi_session *s, wi_error *error)
{
    wi_arena arena = {NULL, 0, 0, false};
    take(s, &arena);
    if (arena.overflow)
        return wi_fail(error, WI_ERR_LIMIT,
                       "a session for %u pictures and %u tokens at a time is too large",
                       s->max_images, s->max_tokens);
    s->block_bytes = arena.used;
    s->block = wi_aligned_alloc(arena.used);
    if (!s->block)
        return wi_fail_nomem(error, arena.used, "a session");
    arena = (wi_arena){s->block, 0, s->block_bytes, false};
    take(s, &arena);
    if (arena.overflow)
        return wi_fail(error, WI_ERR_INTERNAL, "a session's memory was counted wrongly");
    return WI_OK;
}

static wi_status open_memory(wi_session *s, uint32_t towers, wi_error *error)
{
    static const uint32_t bits[WI_N_ROLES] = {WI_TOWER_IMAGE, WI_TOWER_TEXT, WI_TOWER_DECODER};
    for (int role = 0; role < WI_N_ROLES; role++) {
        const wi_tower_kind *kind = s->model->net.tower[role].kind;
        if (!(towers & bits[role]) || !kind)
            continue;
        s->memory[role] = calloc(1, kind->memory_bytes);
        if (!s->memory[role])
            return wi_fail_nomem(error, kind->memory_bytes, "a session");
    }
    return WI_OK;
}

wi_status wi_ses_open(const wi_model *model, uint32_t towers, const wi_session_options *options,
                      wi_session **out, wi_error *error)
{
    wi_session *s = calloc(1, sizeof *s);
    if (!s)
        return wi_fail_nomem(error, sizeof *s, "a session");
    const uint32_t context = wi_params_context(&model->params);
    s->model = model;
    s->max_images = options->max_images ? options->max_images : 1;
    s->max_tokens = options->max_tokens ? options->max_tokens : 512;
    s->max_tokens = s->max_tokens < context ? context : s->max_tokens;
    s->run.kern = &model->engine->kern;
    wi_status status = options->one_thread ? wi_pool_open(1, &s->own_pool, error) : WI_OK;
    const wi_engine *engine = options->engine ? options->engine : model->engine;
    s->run.pool = s->own_pool ? s->own_pool : engine->pool;
    if (status == WI_OK)
        status = open_memory(s, towers, error);
    if (status == WI_OK)
        status = allocate(s, error);
    if (status != WI_OK) {
        wi_ses_close(&s);
        return status;
    }
    for (int role = 0; role < WI_N_ROLES; role++)
        if (s->memory[role] && model->net.tower[role].kind->prepare)
            model->net.tower[role].kind->prepare(model->net.tower[role].self, s->memory[role]);
    *out = s;
    return WI_OK;
}

void wi_ses_close(wi_session **session)
{
    if (!session || !*session)
        return;
    for (int role = 0; role < WI_N_ROLES; role++)
        free((*session)->memory[role]);
    wi_aligned_free((*session)->block);
    wi_pool_close(&(*session)->own_pool);
    free(*session);
    *session = NULL;
}

wi_status wi_ses_images(wi_session *s, const uint8_t *pixels, size_t n, float *out, wi_error *error)
{
    const wi_params *p = &s->model->params;
    const wi_tower *tower = &s->model->net.tower[WI_ROLE_IMAGE];
    void *memory = s->memory[WI_ROLE_IMAGE];
    if (!memory)
        return wi_fail(error, WI_ERR_UNSUPPORTED, "%s has no image tower open", s->model->name);
    const size_t px = wi_params_image_px(p), picture = 3 * px * px;
    for (size_t done = 0; done < n;) {
        const size_t batch = n - done < s->max_images ? n - done : s->max_images;
        tower->kind->images(tower->self, &s->run, memory, pixels + done * picture, batch,
                            out + done * p->embedding_dim);
        done += batch;
    }
    return WI_OK;
}

void wi_ses_sight(const wi_session *s, size_t index, float *grid, float *pooled)
{
    const wi_tower *tower = &s->model->net.tower[WI_ROLE_IMAGE];
    tower->kind->sight->copy(tower->self, s->memory[WI_ROLE_IMAGE], index, grid, pooled);
}

void wi_ses_look(wi_session *s, const float *grid, const float *pooled, size_t n)
{
    const wi_tower *tower = &s->model->net.tower[WI_ROLE_DECODER];
    tower->kind->decode->look(tower->self, &s->run, s->memory[WI_ROLE_DECODER], grid, pooled, n);
}

float *wi_ses_step(wi_session *s, const wi_decode_row *rows, size_t n, uint32_t *first)
{
    const wi_tower *tower = &s->model->net.tower[WI_ROLE_DECODER];
    return tower->kind->decode->step(tower->self, &s->run, s->memory[WI_ROLE_DECODER], rows, n,
                                     first);
}

/* --- texts --- */

typedef struct prompt {
    wi_prompt tokens;
    size_t index; /* among the caller's texts */
} prompt;

static int by_tokens(const void *left, const void *right)
{
    const wi_prompt *a = &((const prompt *)left)->tokens, *b = &((const prompt *)right)->tokens;
    for (size_t i = 0; i < a->n_ids && i < b->n_ids; i++)
        if (a->ids[i] != b->ids[i])
            return a->ids[i] < b->ids[i] ? -1 : 1;
    return a->n_ids < b->n_ids ? -1 : a->n_ids > b->n_ids;
}

typedef struct batch {
    int32_t *ids; /* of all prompts, one after the other */
    size_t n_ids, capacity;
    prompt *prompts;
    wi_prompt *sorted;
    float *rows;
} batch;

static void batch_free(batch *b)
{
    free(b->ids);
    free(b->prompts);
    free(b->sorted);
    free(b->rows);
}

/* Appends what of one text's ids matters to the tower. ids may move, so prompts hold offsets until
 * all are in. */
static wi_status add_text(const wi_model *m, batch *b, size_t index, const char *text,
                          size_t *n_truncated, wi_error *error)
{
    const wi_tower *tower = &m->net.tower[WI_ROLE_TEXT];
    const wi_tower_facts facts = wi_tower_facts_of(&m->params.tower[WI_ROLE_TEXT]);
    const size_t context = facts.context_length;
    if (b->capacity - b->n_ids < context) {
        const size_t capacity = 2 * b->capacity + 64 * context;
        int32_t *grown = realloc(b->ids, capacity * sizeof *grown);
        if (!grown)
            return wi_fail_nomem(error, capacity * sizeof *grown, "tokens");
        b->ids = grown;
        b->capacity = capacity;
    }
    int32_t *ids = b->ids + b->n_ids;
    size_t n = 0;
    bool truncated = false;
    const wi_status status =
        wi_tok_encode(&m->tokenizer, text, strlen(text), context, ids, &n, &truncated, error);
    if (status != WI_OK)
        return status;
    if (truncated && n_truncated)
        ++*n_truncated;
    const size_t used = tower->kind->used(tower->self, ids, n);
    for (size_t i = 0; i < used; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= facts.vocabulary_size)
            return wi_fail(error, WI_ERR_MISMATCH,
                           "the tokenizer gives token %d, the model has %u: they do not "
                           "belong together",
                           (int)ids[i], facts.vocabulary_size);
    b->prompts[index] = (prompt){{NULL, used}, index};
    b->n_ids += used;
    return WI_OK;
}

static wi_status batch_fill(const wi_model *m, batch *b, const char *const *texts, size_t n,
                            size_t *n_truncated, wi_error *error)
{
    b->prompts = calloc(n, sizeof *b->prompts);
    b->sorted = calloc(n, sizeof *b->sorted);
    if (!b->prompts || !b->sorted)
        return wi_fail_nomem(error, n * sizeof *b->prompts, "prompts");
    for (size_t i = 0; i < n; i++) {
        const wi_status status = add_text(m, b, i, texts[i], n_truncated, error);
        if (status != WI_OK)
            return status;
    }
    const int32_t *ids = b->ids;
    for (size_t i = 0; i < n; i++) {
        b->prompts[i].tokens.ids = ids;
        ids += b->prompts[i].tokens.n_ids;
    }
    qsort(b->prompts, n, sizeof *b->prompts, by_tokens);
    for (size_t i = 0; i < n; i++)
        b->sorted[i] = b->prompts[i].tokens;
    return WI_OK;
}

static wi_status encode_batch(wi_session *s, batch *b, size_t n, float *out,
                              const wi_progress *progress, wi_error *error)
{
    const size_t dim = s->model->params.embedding_dim;
    const wi_tower *tower = &s->model->net.tower[WI_ROLE_TEXT];
    b->rows = calloc(s->max_tokens, dim * sizeof *b->rows); /* at most one prompt a node */
    if (!b->rows)
        return wi_fail_nomem(error, s->max_tokens * dim * sizeof *b->rows, "text embeddings");
    for (size_t done = 0; done < n;) {
        if (!wi_progress_report(progress, done, n))
            return wi_fail(error, WI_ERR_CANCELLED, "stopped");
        const size_t some = tower->kind->texts(tower->self, &s->run, s->memory[WI_ROLE_TEXT],
                                               b->sorted + done, n - done, b->rows);
        for (size_t i = 0; i < some; i++)
            memcpy(out + b->prompts[done + i].index * dim, b->rows + i * dim, dim * sizeof *out);
        done += some;
    }
    (void)wi_progress_report(progress, n, n); /* done: nothing is left to stop */
    return WI_OK;
}

wi_status wi_ses_texts(wi_session *s, const char *const *texts, size_t n, float *out,
                       size_t *n_truncated, const wi_progress *progress, wi_error *error)
{
    if (!s->memory[WI_ROLE_TEXT])
        return wi_fail(error, WI_ERR_UNSUPPORTED, "%s has no text tower open", s->model->name);
    if (!s->model->tokenizer.kind)
        return wi_fail(error, WI_ERR_UNSUPPORTED, "%s has no tokenizer that this program knows",
                       s->model->name);
    if (n == 0)
        return WI_OK;
    batch b = {0};
    size_t truncated = 0;
    wi_status status = batch_fill(s->model, &b, texts, n, &truncated, error);
    if (status == WI_OK)
        status = encode_batch(s, &b, n, out, progress, error);
    batch_free(&b);
    if (status == WI_OK && n_truncated)
        *n_truncated = truncated;
    return status;
}
