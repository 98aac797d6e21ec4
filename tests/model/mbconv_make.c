#include "model/mbconv_make.h"

#include "support/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static float uniform(mbconv_tensors *t)
{
    t->state = t->state * 6364136223846793005u + 1442695040888963407u;
    return (float)((int32_t)(t->state >> 33) - (1 << 30)) / (float)(1 << 30);
}

/* center +- spread */
static const float *add(mbconv_tensors *t, float center, float spread, uint32_t a, uint32_t b,
                        uint32_t c, const char *format, ...) __attribute__((format(printf, 7, 8)));
static const float *add(mbconv_tensors *t, float center, float spread, uint32_t a, uint32_t b,
                        uint32_t c, const char *format, ...)
{
    const size_t n = (size_t)a * (b ? b : 1) * (c ? c * c : 1);
    float *data = malloc(n * sizeof *data);
    va_list args;
    assert_non_null(data);
    assert_true(t->n < MBCONV_TENSORS);
    for (size_t i = 0; i < n; i++)
        data[i] = center + spread * uniform(t);
    va_start(args, format);
    vsnprintf(t->names[t->n], sizeof t->names[t->n], format, args);
    va_end(args);
    t->list[t->n] = (wi_tensor){.name = t->names[t->n],
                                .dtype = WI_F32,
                                .rank = c   ? 4
                                        : b ? 2
                                            : 1,
                                .shape = {a, b, c, c},
                                .data = data,
                                .n_bytes = n * sizeof *data};
    t->n++;
    return data;
}

const float *mbconv_find(const mbconv_tensors *t, const char *format, ...)
{
    char name[80];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->names[i], name) == 0)
            return t->list[i].data;
    return NULL;
}

static void add_conv(mbconv_tensors *t, const char *conv, const char *norm, uint32_t out,
                     uint32_t in, uint32_t size)
{
    const float spread = 1.7f / sqrtf((float)(in * size * size));
    add(t, 0, spread, out, in, size, "%s.weight", conv);
    add(t, 1, 0.4f, out, 0, 0, "%s.weight", norm);
    add(t, 0.3f, 0.5f, out, 0, 0, "%s.bias", norm);
    add(t, 0, 0.2f, out, 0, 0, "%s.running_mean", norm);
    add(t, 0.8f, 0.5f, out, 0, 0, "%s.running_var", norm);
}

static uint32_t last_side(const mbconv_plan *p)
{
    uint32_t side = (p->image_px + 1) / 2;
    for (uint32_t i = 0; i < p->n_blocks; i++)
        side = (side + p->block[i][3] - 1) / p->block[i][3];
    return side;
}

void mbconv_make(const mbconv_plan *p, mbconv_tensors *t)
{
    const char *prefix = p->projection ? "visual." : "";
    char conv[80], norm[80];
    uint32_t in = p->stem;
    memset(t, 0, sizeof *t);
    t->state = 77 + p->image_px;
    snprintf(conv, sizeof conv, "%s_conv_stem", prefix);
    snprintf(norm, sizeof norm, "%s_bn0", prefix);
    add_conv(t, conv, norm, p->stem, 3, 3);
    for (uint32_t i = 0; i < p->n_blocks; i++) {
        const uint32_t *b = p->block[i], hidden = in * b[1];
        static const char *const convs[] = {"_expand_conv", "_depthwise_conv", "_project_conv"};
        const uint32_t sizes[3][3] = {{hidden, in, 1}, {hidden, 1, b[2]}, {b[0], hidden, 1}};
        for (uint32_t j = b[1] > 1 ? 0 : 1; j < 3; j++) {
            snprintf(conv, sizeof conv, "%s_blocks.%u.%s", prefix, i, convs[j]);
            snprintf(norm, sizeof norm, "%s_blocks.%u._bn%u", prefix, i, j);
            add_conv(t, conv, norm, sizes[j][0], sizes[j][1], sizes[j][2]);
        }
        in = b[0];
    }
    snprintf(conv, sizeof conv, "%s_conv_head", prefix);
    snprintf(norm, sizeof norm, "%s_bn1", prefix);
    add_conv(t, conv, norm, HEAD, in, 1);
    add(t, 0, 0.1f, 10, HEAD, 0, "%s_fc.weight", prefix);
    if (p->projection) {
        add(t, 0, 0.2f, DIM, HEAD, 0, "visual.projection.weight");
        add(t, 0, 0.2f, DIM, 0, 0, "visual.projection.bias");
    }
    if (p->branch) {
        add(t, 0, 0.2f, BRANCH, HEAD, 0, "visual.branch.fc1.weight");
        add(t, 0, 0.2f, BRANCH, 0, 0, "visual.branch.fc1.bias");
        add(t, 0, 0.5f, DIM, BRANCH, 0, "visual.branch.fc2.weight");
    }
    if (p->look_heads) {
        add(t, 0, 1.0f, p->look_heads, in, 0, "visual.look.query.weight");
        add(t, 0, 2.0f, p->look_heads, last_side(p) * last_side(p), 0, "visual.look.place");
        add(t, 0, 0.1f, DIM, p->look_heads * in, 0, "visual.look.out.weight");
    }
}

void mbconv_add_text(mbconv_tensors *t, uint32_t vocabulary)
{
    enum { W = 16 };
    static const struct {
        const char *name;
        uint32_t rows, columns;
    } parts[] = {{"ln_1.weight", W, 0},
                 {"ln_1.bias", W, 0},
                 {"attn.in_proj_weight", 3 * W, W},
                 {"attn.in_proj_bias", 3 * W, 0},
                 {"attn.out_proj.weight", W, W},
                 {"attn.out_proj.bias", W, 0},
                 {"ln_2.weight", W, 0},
                 {"ln_2.bias", W, 0},
                 {"mlp.c_fc.weight", 4 * W, W},
                 {"mlp.c_fc.bias", 4 * W, 0},
                 {"mlp.c_proj.weight", W, 4 * W},
                 {"mlp.c_proj.bias", W, 0}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        add(t, 0, 0.3f, parts[i].rows, parts[i].columns, 0, "transformer.resblocks.0.%s",
            parts[i].name);
    add(t, 0, 1, vocabulary, W, 0, "token_embedding.weight");
    add(t, 0, 0.1f, 8, W, 0, "positional_embedding");
    add(t, 1, 0.1f, W, 0, 0, "ln_final.weight");
    add(t, 0, 0.1f, W, 0, 0, "ln_final.bias");
    add(t, 0, 0.3f, W, DIM, 0, "text_projection");
}

void mbconv_free(mbconv_tensors *t)
{
    for (size_t i = 0; i < t->n; i++)
        free((void *)(uintptr_t)t->list[i].data);
}

const char *mbconv_write(const mbconv_plan *p, const mbconv_tensors *t, const char *config)
{
    static char folder[512];
    char own[300], strides[64] = "";
    wi_error error = {0};
    for (uint32_t i = 0; i < p->n_blocks; i++)
        snprintf(strides + strlen(strides), sizeof strides - strlen(strides), "%s%u", i ? "," : "",
                 p->block[i][3]);
    snprintf(own, sizeof own,
             "{\"image_size\": %u, \"strides\": [%s], \"branch_activation\": \"%s\"}", p->image_px,
             strides, p->branch ? p->branch : "gelu");
    scratch_text("mbconv/config.json", config ? config : own);
    snprintf(folder, sizeof folder, "%s", scratch_path("mbconv"));
    if (wi_tensors_write(scratch_path("mbconv/model.safetensors"), t->list, t->n, NULL, 0,
                         &error) != WI_OK)
        fail_msg("%s", error.message);
    return folder;
}

void mbconv_paint(const mbconv_plan *p, uint32_t seed, uint8_t *pixels)
{
    for (uint32_t y = 0; y < p->image_px; y++)
        for (uint32_t x = 0; x < p->image_px; x++)
            for (uint32_t c = 0; c < 3; c++) {
                const float u = (float)x / (float)p->image_px, v = (float)y / (float)p->image_px;
                const float s =
                    sinf(9 * u * (float)(c + 1) + 5 * v * (float)seed) * (u > v ? 1.0f : 0.4f);
                pixels[(y * p->image_px + x) * 3 + c] = (uint8_t)(127.5f + 127 * s);
            }
}
