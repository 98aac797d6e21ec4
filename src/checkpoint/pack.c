#include "checkpoint/pack.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/progress.h"
#include "kern/half.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t type_bytes[] = {
    [WI_MAT_F32] = 4, [WI_MAT_F16] = 2, [WI_MAT_BF16] = 2, [WI_MAT_S8] = 1};

typedef struct packer {
    const wi_engine *engine;
    const wi_source *source;
    wi_pack_type type;
    wi_owned *owned;
    const wi_progress *progress;
} packer;

static wi_mat_type type_for(const packer *pk, const wi_part *part, const wi_raw *raw)
{
    static const wi_mat_type kept[] = {[WI_RAW_F32] = WI_MAT_F32,
                                       [WI_RAW_F16] = WI_MAT_F16,
                                       [WI_RAW_BF16] = WI_MAT_BF16,
                                       [WI_RAW_Q8_0] = WI_MAT_F32,
                                       [WI_RAW_Q4_0] = WI_MAT_F32};
    if (part->kind == WI_PART_DEPTHWISE) /* few numbers, read as they are */
        return WI_MAT_F32;
    switch (pk->type) {
    case WI_PACK_F32:
        return WI_MAT_F32;
    case WI_PACK_F16:
        return WI_MAT_F16;
    case WI_PACK_BF16:
        return WI_MAT_BF16;
    case WI_PACK_AUTO:
        break;
    }
    return part->kind == WI_PART_CONV ? WI_MAT_F32 : kept[raw->type];
}

/* The checkpoint's matrices behind one part: three for qkv. */
typedef struct stacked {
    wi_raw w[3], b[3];
    bool has_b;
    int n;
} stacked;

static bool find(const packer *pk, const char *base, const char *suffix, wi_raw *out)
{
    char name[96];
    snprintf(name, sizeof name, "%s%s", base, suffix);
    return wi_source_get(pk->source, name, out);
}

static bool find_stacked(const packer *pk, const wi_part *part, stacked *s)
{
    static const char *const letters[] = {"q", "k", "v"};
    const bool qkv = part->kind == WI_PART_QKV;
    s->n = qkv ? 3 : 1;
    s->has_b = part->has_bias;
    for (int i = 0; i < s->n; i++) {
        char base[72];
        snprintf(base, sizeof base, "%s", part->name);
        if (qkv) /* "v.0.qkv" -> "v.0.q" */
            snprintf(base + strlen(base) - 3, 4, "%s", letters[i]);
        if (!find(pk, base, ".w", &s->w[i]))
            return false;
        s->has_b = s->has_b && find(pk, base, ".b", &s->b[i]);
    }
    return true;
}

typedef struct panel_job {
    const wi_part *part;
    const stacked *from;
    const float *channel_scale; /* [n] or NULL */
    wi_mat_type type;
    void *out;
    float *scratch; /* [threads][17 * k] */
    atomic_bool not_finite;
} panel_job;

/* Checkpoints order a convolution's inputs (channel, row, column), our maps are channels-last. */
static void to_channels_last(float *row, float *copy, size_t k, size_t taps)
{
    memcpy(copy, row, k * sizeof *row);
    const size_t channels = k / taps;
    for (size_t c = 0; c < channels; c++)
        for (size_t t = 0; t < taps; t++)
            row[t * channels + c] = copy[c * taps + t];
}

/* (row, column) -> (column, row) with the rows padded to fours. */
static void to_depthwise(float *row, float *copy, size_t size)
{
    const size_t pitch = wi_depthwise_pitch((uint32_t)size);
    memcpy(copy, row, size * size * sizeof *row);
    memset(row, 0, size * pitch * sizeof *row);
    for (size_t y = 0; y < size; y++)
        for (size_t x = 0; x < size; x++)
            row[x * pitch + y] = copy[y * size + x];
}

static void store_panel(wi_mat_type type, const float *rows, size_t k, void *out)
{
    for (size_t i = 0; i < k; i++)
        for (size_t r = 0; r < WI_PANEL; r++) {
            const float v = rows[r * k + i];
            const size_t at = i * WI_PANEL + r;
            if (type == WI_MAT_F32)
                ((float *)out)[at] = v;
            else
                ((uint16_t *)out)[at] = type == WI_MAT_F16 ? wi_f32_to_f16(v) : wi_f32_to_bf16(v);
        }
}

static bool fits(wi_mat_type type, float v)
{
    return isfinite(v) && (type != WI_MAT_F16 || fabsf(v) < 65520.0f);
}

static void pack_panel(void *context, size_t p, int worker)
{
    panel_job *job = context;
    const wi_part *part = job->part;
    const size_t k = part->k, each = part->n / (size_t)job->from->n;
    float *rows = job->scratch + (size_t)worker * (WI_PANEL + 1) * k;
    bool finite = true;
    for (size_t r = 0; r < WI_PANEL; r++) {
        const size_t row = p * WI_PANEL + r;
        float *to = rows + r * k;
        if (row >= part->n) {
            memset(to, 0, k * sizeof *to);
            continue;
        }
        wi_raw_read_rows(&job->from->w[row / each], row % each, 1, to);
        if (part->kind == WI_PART_CONV && part->conv_size > 1)
            to_channels_last(to, rows + WI_PANEL * k, k, (size_t)part->conv_size * part->conv_size);
        if (part->kind == WI_PART_DEPTHWISE)
            to_depthwise(to, rows + WI_PANEL * k, part->conv_size);
        for (size_t i = 0; i < k; i++) {
            if (job->channel_scale)
                to[i] *= job->channel_scale[row];
            finite = finite && fits(job->type, to[i]);
        }
    }
    if (!finite)
        atomic_store(&job->not_finite, true);
    store_panel(job->type, rows, k, (char *)job->out + p * k * WI_PANEL * type_bytes[job->type]);
}

static wi_status fail_finite(const wi_part *part, wi_error *error)
{
    return wi_fail(error, WI_ERR_FORMAT, "the weights of %s hold numbers that are not finite%s",
                   part->name, part->kind == WI_PART_VECTOR ? "" : " or too large for their type");
}

/* scale and shift [n] of the batch norm behind a convolution. After it, a channel's mean is the norm's
 * bias and its deviation the norm's weight, over what the network was trained on. */
static wi_status fold_batch_norm(const packer *pk, const wi_part *part, float *scale, float *shift,
                                 wi_error *error)
{
    wi_raw w, b, mean, var;
    if (!find(pk, part->name, ".bn.w", &w) || !find(pk, part->name, ".bn.b", &b) ||
        !find(pk, part->name, ".bn.mean", &mean) || !find(pk, part->name, ".bn.var", &var))
        return wi_fail(error, WI_ERR_FORMAT, "the batch norm of %s is missing", part->name);
    float *numbers = malloc(4 * (size_t)part->n * sizeof *numbers);
    if (!numbers)
        return wi_fail_nomem(error, 4 * (size_t)part->n * sizeof *numbers, "a batch norm");
    const size_t n = part->n;
    wi_raw_read_rows(&w, 0, 1, numbers);
    wi_raw_read_rows(&b, 0, 1, numbers + n);
    wi_raw_read_rows(&mean, 0, 1, numbers + 2 * n);
    wi_raw_read_rows(&var, 0, 1, numbers + 3 * n);
    bool finite = true;
    float *spread = wi_own(pk->owned, 2 * n, sizeof *spread, error);
    if (!spread) {
        free(numbers);
        return WI_ERR_NOMEM;
    }
    part->mat->spread = spread;
    part->mat->mean = memcpy(spread + n, numbers + n, n * sizeof *spread);
    for (size_t i = 0; i < n; i++) {
        spread[i] = fabsf(numbers[i]);
        const double s = numbers[i] / sqrt((double)numbers[3 * n + i] + part->norm_eps);
        scale[i] = (float)s;
        shift[i] = (float)(numbers[n + i] - numbers[2 * n + i] * s);
        finite = finite && isfinite(scale[i]) && isfinite(shift[i]);
    }
    free(numbers);
    return finite ? WI_OK : fail_finite(part, error);
}

static wi_status pack_panels(const packer *pk, const wi_part *part, const stacked *from,
                             const float *channel_scale, wi_error *error)
{
    wi_mat *mat = part->mat;
    const size_t n_threads = (size_t)wi_pool_threads(pk->engine->pool),
                 n_panels = wi_mat_panels(mat);
    panel_job job = {.part = part, .from = from, .channel_scale = channel_scale, .type = mat->type};
    job.out = wi_own(pk->owned, n_panels * WI_PANEL * mat->k, type_bytes[mat->type], error);
    if (!job.out)
        return WI_ERR_NOMEM;
    const size_t scratch = n_threads * (WI_PANEL + 1) * mat->k * sizeof *job.scratch;
    job.scratch = malloc(scratch);
    if (!job.scratch)
        return wi_fail_nomem(error, scratch, "packing");
    atomic_init(&job.not_finite, false);
    wi_pool_run(pk->engine->pool, n_panels, pack_panel, &job);
    free(job.scratch);
    mat->panels = job.out;
    return atomic_load(&job.not_finite) ? fail_finite(part, error) : WI_OK;
}

static wi_status pack_matrix(const packer *pk, const wi_part *part, wi_error *error)
{
    stacked from;
    if (!find_stacked(pk, part, &from))
        return wi_fail(error, WI_ERR_FORMAT, "the tensor for %s is missing", part->name);
    wi_mat *mat = part->mat;
    *mat = (wi_mat){.type = type_for(pk, part, &from.w[0]), .n = part->n, .k = part->k};
    const size_t padded = wi_mat_panels(mat) * WI_PANEL, each = part->n / (size_t)from.n;
    float *bias = NULL, *channel_scale = NULL;
    const bool has_norm = part->kind == WI_PART_CONV || part->kind == WI_PART_DEPTHWISE;
    if (has_norm || from.has_b) {
        bias = wi_own(pk->owned, padded, sizeof *bias, error);
        if (!bias)
            return WI_ERR_NOMEM;
        memset(bias, 0, padded * sizeof *bias);
        mat->bias = bias;
    }
    if (has_norm) {
        channel_scale = wi_own(pk->owned, padded, sizeof *channel_scale, error);
        if (!channel_scale)
            return WI_ERR_NOMEM;
        const wi_status status = fold_batch_norm(pk, part, channel_scale, bias, error);
        if (status != WI_OK)
            return status;
    } else if (bias) {
        for (int i = 0; i < from.n; i++)
            wi_raw_read_rows(&from.b[i], 0, 1, bias + (size_t)i * each);
        for (size_t i = 0; i < padded; i++)
            if (!isfinite(bias[i]))
                return fail_finite(part, error);
    }
    return pack_panels(pk, part, &from, channel_scale, error);
}

static wi_status pack_vector(const packer *pk, const wi_part *part, wi_error *error)
{
    wi_raw raw;
    if (!wi_source_get(pk->source, part->name, &raw))
        return wi_fail(error, WI_ERR_FORMAT, "the tensor for %s is missing", part->name);
    float *out = wi_own(pk->owned, wi_part_elements(part), sizeof *out, error);
    if (!out)
        return WI_ERR_NOMEM;
    wi_raw_read_rows(&raw, 0, raw.n_rows, out);
    for (size_t i = 0; i < wi_part_elements(part); i++)
        if (!isfinite(out[i]))
            return fail_finite(part, error);
    *part->vector = out;
    return WI_OK;
}

static wi_status pack_table(const packer *pk, const wi_part *part, wi_error *error)
{
    wi_raw raw;
    if (!wi_source_get(pk->source, part->name, &raw))
        return wi_fail(error, WI_ERR_FORMAT, "the table %s is missing", part->name);
    const wi_mat_type type = type_for(pk, part, &raw);
    uint8_t *out = wi_own(pk->owned, (size_t)part->n * part->k, type_bytes[type], error);
    float *row = malloc(part->k * sizeof *row);
    if (!out || !row) {
        free(row);
        return out ? wi_fail_nomem(error, part->k * sizeof *row, "a token row") : WI_ERR_NOMEM;
    }
    bool finite = true;
    for (size_t i = 0; i < part->n; i++) {
        wi_raw_read_rows(&raw, i, 1, row);
        for (size_t j = 0; j < part->k; j++) {
            const size_t at = i * part->k + j;
            finite = finite && fits(type, row[j]);
            if (type == WI_MAT_F32)
                ((float *)(void *)out)[at] = row[j];
            else
                ((uint16_t *)(void *)out)[at] =
                    type == WI_MAT_F16 ? wi_f32_to_f16(row[j]) : wi_f32_to_bf16(row[j]);
        }
    }
    free(row);
    *part->table = (wi_table){.type = type, .rows = out};
    return finite ? WI_OK : fail_finite(part, error);
}

static wi_status pack_part(void *context, const wi_part *part, wi_error *error)
{
    const packer *pk = context;
    const wi_status status = wi_progress_check(pk->progress, error);
    if (status != WI_OK)
        return status;
    if (part->kind == WI_PART_VECTOR)
        return pack_vector(pk, part, error);
    if (part->kind == WI_PART_TABLE)
        return pack_table(pk, part, error);
    return pack_matrix(pk, part, error);
}

wi_status wi_pack(const wi_engine *engine, const wi_source *source, wi_pack_type type,
                  const wi_net *net, wi_owned *owned, const wi_progress *progress, wi_error *error)
{
    packer pk = {engine, source, type, owned, progress};
    const wi_status status = wi_net_walk(net, pack_part, &pk, error);
    for (int role = 0; role < WI_N_ROLES && status == WI_OK; role++)
        if (net->tower[role].kind && net->tower[role].kind->foresee)
            net->tower[role].kind->foresee(net->tower[role].self);
    return status;
}
