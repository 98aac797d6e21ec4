/* Looking into a ViT. */
#include "nn/explain.h"
#include "nn/vit.h"

static uint32_t grid(const void *tower)
{
    return (uint32_t)wi_patches_grid(&((const wi_vit *)tower)->patches);
}

static size_t hidden_floats(const void *tower)
{
    const wi_vit *vit = tower;
    return wi_patches_tokens(&vit->patches) * wi_ld(vit->params.blocks.width);
}

/* rows[m] = the projection of the last norm of x[m]. */
static void answer(const wi_vit *vit, wi_run *run, wi_stack_memory *m, size_t n, float *rows)
{
    const size_t ld = wi_ld(vit->params.blocks.width);
    const wi_input in =
        wi_norm_prepare(run, &vit->post_norm, n, m->x, ld, &vit->projection, m->h, ld);
    wi_linear(run, &vit->projection, n, &in, rows, wi_ld(vit->embedding_dim), (wi_epilogue){0});
}

/* The last block with each token attending to itself alone: x + out(v(ln1 x)), then the MLP. */
static void regions(const void *tower, wi_run *run, void *of_session, const uint8_t *pixels,
                    float *hidden, float *rows, float *embedding, float *out)
{
    const wi_vit *vit = tower;
    wi_stack_memory *m = &((wi_vit_memory *)of_session)->stack;
    const size_t width = vit->params.blocks.width, ld = wi_ld(width),
                 n = wi_patches_tokens(&vit->patches), dim = vit->embedding_dim,
                 ld_rows = wi_ld(dim);
    wi_capture c = {"vision/hidden", (int)vit->params.blocks.n_layers - 1, hidden, 0};
    run->tap = wi_capture_tap;
    run->tap_context = &c;
    wi_vit_forward(vit, run, of_session, pixels, 1, embedding);
    run->tap = NULL;
    run->tap_context = NULL;
    wi_copy_rows(m->x, ld, hidden, ld, n, width);
    wi_stack_alone(&vit->stack, run, m, n);
    answer(vit, run, m, n, rows);
    wi_copy_rows(out, dim, rows + ld_rows, ld_rows, n - 1, dim);
}

static wi_unit_plan plan(const void *tower)
{
    const wi_block_params *p = &((const wi_vit *)tower)->params.blocks;
    const uint32_t n = p->n_layers < 2 ? p->n_layers : 2;
    return (wi_unit_plan){n, p->n_layers - n, p->mlp_width};
}

typedef struct watching {
    const wi_block *first; /* of the watched blocks */
    uint32_t n_watched, mlp_width;
    bool mean;         /* over the patches; else of the class token, the first row */
    float *activation; /* [n_watched, mlp_width] */
} watching;

static void keep_activations(void *context, const wi_mat *mat, const float *x, size_t rows,
                             size_t ld)
{
    const watching *w = context;
    for (uint32_t i = 0; i < w->n_watched; i++) {
        if (mat != &w->first[i].fc2)
            continue;
        float *to = w->activation + (size_t)i * w->mlp_width;
        memcpy(to, x, w->mlp_width * sizeof *x);
        for (size_t j = 0; w->mean && j < w->mlp_width; j++) {
            float sum = 0.0f;
            for (size_t t = 1; t < rows; t++)
                sum += x[t * ld + j];
            to[j] = sum / (float)(rows - 1);
        }
    }
}

static void units(const void *tower, wi_run *run, void *of_session, const uint8_t *pixels,
                  float *hidden, float *rows, float *embedding, float *activation, float *direction)
{
    (void)hidden;
    const wi_vit *vit = tower;
    wi_stack_memory *memory = &((wi_vit_memory *)of_session)->stack;
    const wi_unit_plan p = plan(tower);
    const size_t ld = wi_ld(vit->params.blocks.width), wide = memory->ld_mlp,
                 dim = vit->embedding_dim, ld_rows = wi_ld(dim),
                 batch = wi_patches_tokens(&vit->patches);
    watching w = {.first = vit->stack.blocks + p.first_layer,
                  .n_watched = p.n_layers,
                  .mlp_width = p.n_units,
                  .mean = vit->params.pool == WI_VIT_MEAN,
                  .activation = activation};
    run->watch = keep_activations;
    run->tap_context = &w;
    wi_vit_forward(vit, run, of_session, pixels, 1, embedding);
    run->watch = NULL;
    run->tap_context = NULL;
    for (uint32_t i = 0; i < p.n_layers; i++) {
        const wi_block *block = &w.first[i];
        for (size_t u = 0; u < p.n_units; u += batch) {
            const size_t m = p.n_units - u < batch ? p.n_units - u : batch;
            wi_one_hot(memory->mlp, m, p.n_units, wide, u);
            wi_turn(run, &block->fc2, m, memory->mlp, wide, memory->h, ld);
            wi_through_norm(&vit->post_norm, block->scale2, memory->h, m, ld);
            wi_turn(run, &vit->projection, m, memory->h, ld, rows, ld_rows);
            wi_copy_rows(direction + ((size_t)i * p.n_units + u) * dim, dim, rows, ld_rows, m, dim);
        }
    }
}

const wi_tower_explain wi_vit_explain = {
    .grid = grid, .hidden_floats = hidden_floats, .regions = regions, .plan = plan, .units = units};
