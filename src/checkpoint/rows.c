#include "checkpoint/source.h"
#include "kern/half.h"

#include <string.h>

static uint16_t load16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static float load_f32(const uint8_t *p)
{
    return wi_bits_to_f32((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
                          (uint32_t)p[3] << 24);
}

/* n elements that lie `stride` elements apart, beginning with element `first`. */
static void read_elements(const wi_raw *raw, size_t first, size_t stride, size_t n, float *out)
{
    const uint8_t *data = raw->data;
    if (raw->type == WI_RAW_F32)
        for (size_t i = 0; i < n; i++)
            out[i] = load_f32(data + (first + i * stride) * 4);
    else if (raw->type == WI_RAW_F16)
        for (size_t i = 0; i < n; i++)
            out[i] = wi_f16_to_f32(load16(data + (first + i * stride) * 2));
    else
        for (size_t i = 0; i < n; i++)
            out[i] = wi_bf16_to_f32(load16(data + (first + i * stride) * 2));
}

/* ggml's blocks of 32: an f16 scale, then 32 signed bytes. */
static void read_q8_0(const uint8_t *blocks, size_t n_blocks, float *out)
{
    for (size_t b = 0; b < n_blocks; b++, blocks += 34, out += 32) {
        float scale = wi_f16_to_f32(load16(blocks));
        for (int i = 0; i < 32; i++)
            out[i] = scale * (float)(int8_t)blocks[2 + i];
    }
}

/* ggml's blocks of 32: an f16 scale, then 16 bytes; the low nibbles are the first 16 values, all
 * offset by 8. */
static void read_q4_0(const uint8_t *blocks, size_t n_blocks, float *out)
{
    for (size_t b = 0; b < n_blocks; b++, blocks += 18, out += 32) {
        float scale = wi_f16_to_f32(load16(blocks));
        for (int i = 0; i < 16; i++) {
            out[i] = scale * (float)((blocks[2 + i] & 15) - 8);
            out[i + 16] = scale * (float)((blocks[2 + i] >> 4) - 8);
        }
    }
}

void wi_raw_read_rows(const wi_raw *raw, size_t first, size_t n, float *out)
{
    size_t n_cols = raw->n_cols, n_blocks = n_cols / 32;
    if (!raw->data)
        memset(out, 0, n * n_cols * sizeof *out);
    else if (raw->type == WI_RAW_Q8_0) {
        read_q8_0(raw->data + first * n_blocks * 34, n * n_blocks, out);
    } else if (raw->type == WI_RAW_Q4_0) {
        read_q4_0(raw->data + first * n_blocks * 18, n * n_blocks, out);
    } else if (raw->transposed) {
        for (size_t r = 0; r < n; r++)
            read_elements(raw, first + r, raw->n_rows, n_cols, out + r * n_cols);
    } else {
        read_elements(raw, first * n_cols, 1, n * n_cols, out);
    }
}
