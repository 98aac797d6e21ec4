#include "model/net.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static wi_act act_of(wi_activation activation)
{
    switch (activation) {
    case WI_ACT_QUICK_GELU:
        return WI_QUICK_GELU;
    case WI_ACT_GELU:
        return WI_GELU;
    case WI_ACT_GELU_TANH:
        return WI_GELU_TANH;
    case WI_ACT_RELU:
        break;
    }
    return WI_RELU;
}

static wi_stack stack_of(const wi_block_params *p, const wi_block *blocks)
{
    return (wi_stack){p->width,     p->n_layers,           p->n_heads,
                      p->mlp_width, act_of(p->activation), blocks};
}

static wi_norm norm_of(uint32_t n, float eps)
{
    return (wi_norm){.eps = eps, .n = n};
}

static wi_block *open_blocks(const wi_block_params *p)
{
    wi_block *blocks = calloc(p->n_layers, sizeof *blocks);
    for (uint32_t i = 0; blocks && i < p->n_layers; i++) {
        blocks[i].ln1 = norm_of(p->width, p->ln_eps);
        blocks[i].ln2 = norm_of(p->width, p->ln_eps);
    }
    return blocks;
}

static bool open_vit(const wi_params *params, wi_net *net)
{
    const wi_image_params *p = &params->image;
    net->image_blocks = open_blocks(&p->blocks);
    net->vit = (wi_vit){.image_px = p->image_px,
                        .patch_px = p->patch_px,
                        .embedding_dim = params->embedding_dim,
                        .has_pre_norm = p->has_pre_ln,
                        .pre_norm = norm_of(p->blocks.width, p->blocks.ln_eps),
                        .post_norm = norm_of(p->blocks.width, p->blocks.ln_eps),
                        .stack = stack_of(&p->blocks, net->image_blocks)};
    memcpy(net->vit.mean, params->preprocess.mean, sizeof net->vit.mean);
    memcpy(net->vit.std, params->preprocess.std, sizeof net->vit.std);
    return net->image_blocks != NULL;
}

static bool open_resnet(const wi_params *params, wi_net *net)
{
    const wi_image_params *p = &params->image;
    uint32_t n = 0;
    for (int s = 0; s < 4; s++)
        n += p->stage_blocks[s];
    net->bottlenecks = calloc(n, sizeof *net->bottlenecks);
    net->stage_of = calloc(n, 1);
    if (!net->bottlenecks || !net->stage_of)
        return false;
    for (uint32_t s = 0, i = 0; s < 4; s++)
        for (uint32_t j = 0; j < p->stage_blocks[s]; j++, i++) {
            net->stage_of[i] = (uint8_t)(s + 1);
            net->bottlenecks[i] = (wi_bottleneck){.conv1 = {.size = 1, .stride = 1},
                                                  .conv2 = {.size = 3, .stride = 1},
                                                  .conv3 = {.size = 1, .stride = 1},
                                                  .down = {.size = 1, .stride = 1},
                                                  .has_down = j == 0,
                                                  .stride = j == 0 && s > 0 ? 2 : 1};
        }
    net->resnet = (wi_resnet){
        .image_px = p->image_px,
        .embedding_dim = params->embedding_dim,
        .n_heads = p->blocks.n_heads,
        .stem = {{.size = 3, .stride = 2}, {.size = 3, .stride = 1}, {.size = 3, .stride = 1}},
        .n_bottlenecks = n,
        .bottlenecks = net->bottlenecks,
        .stage_of = net->stage_of};
    memcpy(net->resnet.mean, params->preprocess.mean, sizeof net->resnet.mean);
    memcpy(net->resnet.std, params->preprocess.std, sizeof net->resnet.std);
    return true;
}

static bool open_text(const wi_params *params, wi_net *net)
{
    const wi_text_params *p = &params->text;
    net->text_blocks = open_blocks(&p->blocks);
    net->text = (wi_text_net){.embedding_dim = params->embedding_dim,
                              .context_length = p->context_length,
                              .vocabulary_size = p->vocabulary_size,
                              .stack = stack_of(&p->blocks, net->text_blocks),
                              .final_norm = norm_of(p->blocks.width, p->blocks.ln_eps)};
    return net->text_blocks != NULL;
}

wi_status wi_net_open(const wi_params *params, wi_net *out, wi_error *error)
{
    bool ok = true;
    memset(out, 0, sizeof *out);
    if (params->image.kind == WI_IMAGE_VIT)
        ok = open_vit(params, out);
    else if (params->image.kind == WI_IMAGE_RESNET)
        ok = open_resnet(params, out);
    if (ok && params->text.present)
        ok = open_text(params, out);
    if (ok)
        return WI_OK;
    wi_net_close(out);
    return wi_fail(error, WI_ERR_NOMEM, "out of memory for the list of a model's layers");
}

void wi_net_close(wi_net *net)
{
    free(net->image_blocks);
    free(net->text_blocks);
    free(net->bottlenecks);
    free(net->stage_of);
    memset(net, 0, sizeof *net);
}

/* --- the walk --- */

typedef struct walker {
    wi_part_visitor *visit;
    void *context;
    wi_error *error;
    wi_status status; /* the first failure stops everything after it */
} walker;

static void visit(walker *w, wi_part *part, const char *prefix, const char *name)
{
    if (w->status != WI_OK)
        return;
    snprintf(part->name, sizeof part->name, "%s%s", prefix, name);
    w->status = w->visit(w->context, part, w->error);
}

static void linear(walker *w, const char *prefix, const char *name, wi_mat *mat, uint32_t n,
                   uint32_t k, bool has_bias)
{
    wi_part part = {.kind = WI_PART_LINEAR, .mat = mat, .n = n, .k = k, .has_bias = has_bias};
    part.keep_float = strcmp(name, "proj") == 0; /* the answer itself, and small */
    visit(w, &part, prefix, name);
}

static void vector(walker *w, const char *prefix, const char *name, const float **to,
                   size_t n_floats)
{
    wi_part part = {.kind = WI_PART_VECTOR, .vector = to, .n_floats = n_floats};
    visit(w, &part, prefix, name);
}

static void norm(walker *w, const char *prefix, const char *name, wi_norm *n)
{
    char full[48];
    snprintf(full, sizeof full, "%s.w", name);
    vector(w, prefix, full, &n->w, n->n);
    snprintf(full, sizeof full, "%s.b", name);
    vector(w, prefix, full, &n->b, n->n);
}

static void blocks(walker *w, const char *tower, wi_block *list, const wi_stack *s)
{
    for (uint32_t i = 0; i < s->n_layers; i++) {
        char prefix[24];
        snprintf(prefix, sizeof prefix, "%s.%u.", tower, i);
        norm(w, prefix, "ln1", &list[i].ln1);
        wi_part qkv = {.kind = WI_PART_QKV,
                       .mat = &list[i].qkv,
                       .n = 3 * s->width,
                       .k = s->width,
                       .has_bias = true,
                       /* Tokens differ most from each other before the first attention: a quarter
                        * of the text tower's int8 error comes from here. */
                       .keep_float = i == 0 && strcmp(tower, "t") == 0};
        visit(w, &qkv, prefix, "qkv");
        linear(w, prefix, "o", &list[i].out, s->width, s->width, true);
        norm(w, prefix, "ln2", &list[i].ln2);
        linear(w, prefix, "fc1", &list[i].fc1, s->mlp_width, s->width, true);
        linear(w, prefix, "fc2", &list[i].fc2, s->width, s->mlp_width, true);
    }
}

static void walk_vit(walker *w, wi_net *net, const wi_params *params)
{
    wi_vit *v = &net->vit;
    const uint32_t width = v->stack.width, side = v->image_px / v->patch_px;
    linear(w, "v.", "patch", &v->patch, width, 3 * v->patch_px * v->patch_px,
           params->image.has_patch_bias);
    vector(w, "v.", "class", &v->class_token, width);
    vector(w, "v.", "pos", &v->position, ((size_t)side * side + 1) * width);
    if (v->has_pre_norm)
        norm(w, "v.", "ln_pre", &v->pre_norm);
    blocks(w, "v", net->image_blocks, &v->stack);
    norm(w, "v.", "ln_post", &v->post_norm);
    linear(w, "v.", "proj", &v->projection, v->embedding_dim, width, false);
}

static void conv(walker *w, const char *prefix, const char *name, wi_conv *c, uint32_t n,
                 uint32_t channels_in)
{
    wi_part part = {.kind = WI_PART_CONV,
                    .mat = &c->mat,
                    .n = n,
                    .k = channels_in * c->size * c->size,
                    .has_bias = true,
                    .conv_size = c->size};
    part.keep_float = channels_in == 3;
    visit(w, &part, prefix, name);
}

/* Channels of CLIP's ResNets: stem w/2, w/2, w; stage s has planes w * 2^(s-1) and gives four times
 * as many. */
static void walk_resnet(walker *w, wi_net *net, const wi_params *params)
{
    wi_resnet *r = &net->resnet;
    const uint32_t width = params->image.blocks.width, side = r->image_px / 32, last = 32 * width;
    conv(w, "v.", "stem.1", &r->stem[0], width / 2, 3);
    conv(w, "v.", "stem.2", &r->stem[1], width / 2, width / 2);
    conv(w, "v.", "stem.3", &r->stem[2], width, width / 2);
    uint32_t channels = width;
    for (uint32_t s = 1, i = 0; s <= 4; s++)
        for (uint32_t j = 0; j < params->image.stage_blocks[s - 1]; j++, i++) {
            wi_bottleneck *b = &net->bottlenecks[i];
            const uint32_t planes = width << (s - 1);
            char prefix[24];
            snprintf(prefix, sizeof prefix, "v.%u.%u.", s, j);
            conv(w, prefix, "conv1", &b->conv1, planes, channels);
            conv(w, prefix, "conv2", &b->conv2, planes, planes);
            conv(w, prefix, "conv3", &b->conv3, 4 * planes, planes);
            if (b->has_down)
                conv(w, prefix, "down", &b->down, 4 * planes, channels);
            channels = 4 * planes;
        }
    vector(w, "v.", "pool.pos", &r->position, ((size_t)side * side + 1) * last);
    linear(w, "v.", "pool.q", &r->q, last, last, true);
    linear(w, "v.", "pool.k", &r->k, last, last, true);
    linear(w, "v.", "pool.v", &r->v, last, last, true);
    linear(w, "v.", "pool.c", &r->c, r->embedding_dim, last, true);
}

static void walk_text(walker *w, wi_net *net)
{
    wi_text_net *t = &net->text;
    const uint32_t width = t->stack.width;
    wi_part tokens = {.kind = WI_PART_TOKENS, .n = t->vocabulary_size, .k = width, .text = t};
    visit(w, &tokens, "t.", "tok");
    vector(w, "t.", "pos", &t->position, (size_t)t->context_length * width);
    blocks(w, "t", net->text_blocks, &t->stack);
    norm(w, "t.", "ln_final", &t->final_norm);
    linear(w, "t.", "proj", &t->projection, t->embedding_dim, width, false);
}

wi_status wi_net_walk(wi_net *net, const wi_params *params, wi_part_visitor *visitor, void *context,
                      wi_error *error)
{
    walker w = {visitor, context, error, WI_OK};
    if (params->image.kind == WI_IMAGE_VIT)
        walk_vit(&w, net, params);
    else if (params->image.kind == WI_IMAGE_RESNET)
        walk_resnet(&w, net, params);
    if (params->text.present)
        walk_text(&w, net);
    return w.status;
}
