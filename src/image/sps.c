#include "image/sps.h"

#include "base/size.h"

enum {
    NAL_SPS = 33,
    HVCC_HEAD_BYTES = 23,
    MAX_SUB_LAYERS = 7,
    MAX_SETS = 64,
    ASPECT_RATIO_OF_ITS_OWN = 255
};

/* Bits of a unit without its emulation prevention bytes. Past the end there are zeros, and bad. */
typedef struct bits {
    const uint8_t *bytes;
    size_t n_bytes, at; /* at: next byte */
    unsigned zeros;     /* bytes of zero just before */
    unsigned left;      /* bits of current not yet read */
    uint8_t current;
    bool bad;
} bits;

static unsigned take(bits *b, unsigned n)
{
    unsigned value = 0;
    for (; n > 0; n--) {
        if (b->left == 0) {
            if (b->zeros >= 2 && b->at < b->n_bytes && b->bytes[b->at] == 3) {
                b->at++;
                b->zeros = 0;
            }
            b->bad = b->bad || b->at >= b->n_bytes;
            b->current = b->bad ? 0 : b->bytes[b->at++];
            b->zeros = b->current ? 0 : b->zeros + 1;
            b->left = 8;
        }
        value = value << 1 | (b->current >> --b->left & 1u);
    }
    return value;
}

static void drop(bits *b, unsigned n)
{
    for (; n > 16; n -= 16)
        take(b, 16);
    take(b, n);
}

/* ue(v); se(v) has as many bits. */
static unsigned take_golomb(bits *b)
{
    unsigned zeros = 0;
    while (!b->bad && zeros < 31 && take(b, 1) == 0)
        zeros++;
    return (1u << zeros) - 1 + take(b, zeros);
}

static void drop_golombs(bits *b, unsigned n)
{
    for (; n > 0 && !b->bad; n--)
        take_golomb(b);
}

static void drop_profile(bits *b, unsigned more_layers)
{
    unsigned profiles = 0, levels = 0;
    drop(b, 88); /* general profile; then its level */
    drop(b, 8);
    for (unsigned i = 0; i < more_layers; i++) {
        profiles += take(b, 1);
        levels += take(b, 1);
    }
    if (more_layers > 0)
        drop(b, 2 * (8 - more_layers));
    for (unsigned i = 0; i < profiles; i++)
        drop(b, 88);
    drop(b, 8 * levels);
}

static void drop_scaling_lists(bits *b)
{
    for (unsigned size = 0; size < 4; size++)
        for (unsigned matrix = 0; matrix < 6 && !b->bad; matrix += size == 3 ? 3 : 1) {
            if (take(b, 1) == 0) {
                take_golomb(b);
                continue;
            }
            unsigned n = 1u << (4 + 2 * size);
            drop_golombs(b, (n < 64 ? n : 64) + (size > 1));
        }
}

/* Sets that are told from others do not occur in stills, and are given up. */
static void drop_reference_sets(bits *b)
{
    unsigned n = take_golomb(b);
    b->bad = b->bad || n > MAX_SETS;
    for (unsigned i = 0; i < n && !b->bad; i++) {
        if (i > 0 && take(b, 1))
            b->bad = true;
        unsigned pictures = take_golomb(b) + take_golomb(b);
        b->bad = b->bad || pictures > 32;
        for (unsigned k = 0; k < pictures && !b->bad; k++) {
            take_golomb(b);
            take(b, 1);
        }
    }
}

/* To the flag that says whether there is usability information. */
static void drop_to_usability(bits *b)
{
    drop(b, 4);
    unsigned more_layers = take(b, 3);
    b->bad = more_layers >= MAX_SUB_LAYERS;
    drop(b, 1);
    drop_profile(b, more_layers);
    take_golomb(b);
    if (take_golomb(b) == 3) /* chroma format */
        drop(b, 1);
    drop_golombs(b, 2);
    if (take(b, 1)) /* conformance window */
        drop_golombs(b, 4);
    drop_golombs(b, 2); /* depths */
    unsigned counter_bits = take_golomb(b) + 4;
    drop_golombs(b, 3 * (take(b, 1) ? more_layers + 1 : 1));
    drop_golombs(b, 6);
    if (take(b, 1) && take(b, 1))
        drop_scaling_lists(b);
    drop(b, 2);
    if (take(b, 1)) { /* pcm */
        drop(b, 8);
        drop_golombs(b, 2);
        drop(b, 1);
    }
    drop_reference_sets(b);
    if (take(b, 1))
        for (unsigned n = take_golomb(b); n > 0 && !b->bad; n--)
            drop(b, counter_bits < 32 ? counter_bits + 1 : 32);
    drop(b, 2);
}

static bool read_sps(bits *b, unsigned *primaries, unsigned *transfer)
{
    drop_to_usability(b);
    if (!take(b, 1))
        return false;
    if (take(b, 1) && take(b, 8) == ASPECT_RATIO_OF_ITS_OWN)
        drop(b, 32);
    if (take(b, 1)) /* overscan */
        drop(b, 1);
    if (!take(b, 1)) /* video signal */
        return false;
    drop(b, 4);
    if (!take(b, 1)) /* colours */
        return false;
    unsigned first = take(b, 8), second = take(b, 8);
    if (b->bad)
        return false;
    *primaries = first;
    *transfer = second;
    return true;
}

bool wi_sps_colors(const uint8_t *hvcc, size_t n_bytes, unsigned *primaries, unsigned *transfer)
{
    size_t at = HVCC_HEAD_BYTES;
    if (n_bytes < HVCC_HEAD_BYTES)
        return false;
    for (unsigned arrays = hvcc[HVCC_HEAD_BYTES - 1]; arrays > 0; arrays--) {
        if (!wi_size_within(at, 3, n_bytes))
            return false;
        unsigned kind = hvcc[at] & 63u, n_units = (unsigned)hvcc[at + 1] << 8 | hvcc[at + 2];
        at += 3;
        for (; n_units > 0; n_units--) {
            if (!wi_size_within(at, 2, n_bytes))
                return false;
            size_t length = (size_t)hvcc[at] << 8 | hvcc[at + 1];
            if (length < 2 || !wi_size_within(at + 2, length, n_bytes))
                return false;
            bits b = {.bytes = hvcc + at + 4, .n_bytes = length - 2}; /* behind the unit's head */
            if (kind == NAL_SPS)
                return read_sps(&b, primaries, transfer);
            at += 2 + length;
        }
    }
    return false;
}
