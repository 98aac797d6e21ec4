#define _GNU_SOURCE /* memmem */
#include "cost.h"
#include <stdbool.h>
#include <string.h>

/* Nanoseconds of one core for a pixel, measured with pictures of noise, which are the slowest. */
enum {
    NS_JPEG = 12,
    NS_JPEG_SCAN = 8,
    NS_PNG = 25,
    NS_WEBP = 25,
    NS_HEIF = 60,
    NS_OTHER = 10,
    NS_BYTE = 20
};
enum { MAX_BOXES = 64 };

static uint32_t be16(const uint8_t *b)
{
    return (uint32_t)b[0] << 8 | b[1];
}

static uint32_t be32(const uint8_t *b)
{
    return be16(b) << 16 | be16(b + 2);
}

static uint32_t le16(const uint8_t *b)
{
    return (uint32_t)b[1] << 8 | b[0];
}

/* Start of frame: the size; each start of scan is one pass when the frame is progressive. Entropy-coded bytes hold no
 * FF but before 00 or a restart, so every other marker counts, wherever it stands. */
static void read_jpeg(const uint8_t *b, size_t n, srv_cost *out)
{
    bool progressive = false;
    unsigned n_scans = 0;
    for (const uint8_t *at = b; (at = memchr(at, 0xff, n - (size_t)(at - b))) != NULL;) {
        size_t left = n - (size_t)(at - b);
        if (left < 2) {
            break;
        }
        uint8_t kind = at[1];
        bool frame = kind >= 0xc0 && kind <= 0xcf && kind != 0xc4 && kind != 0xc8 && kind != 0xcc;
        if (frame && left >= 9) {
            uint64_t pixels = (uint64_t)be16(at + 5) * be16(at + 7);
            progressive =
                progressive || kind == 0xc2 || kind == 0xc6 || kind == 0xca || kind == 0xce;
            out->n_pixels = pixels > out->n_pixels ? pixels : out->n_pixels;
        }
        n_scans += kind == 0xda;
        at += kind == 0xff ? 1 : 2;
        if (at >= b + n) {
            break;
        }
    }
    out->n_scans = progressive && n_scans > 1 ? n_scans : 1;
    out->seconds = (double)out->n_pixels * 1e-9 *
                   (out->n_scans > 1 ? NS_JPEG + (double)NS_JPEG_SCAN * out->n_scans : NS_JPEG);
}

/* The largest size that any item or tile claims. */
static void read_heif(const uint8_t *b, size_t n, srv_cost *out)
{
    const uint8_t *at = b, *end = b + n;
    for (unsigned i = 0; i < MAX_BOXES && (at = memmem(at, (size_t)(end - at), "ispe", 4)); i++) {
        at += 4;
        if (end - at >= 12) {
            uint64_t width = be32(at + 4), height = be32(at + 8);
            uint64_t pixels = width > 1 << 20 || height > 1 << 20 ? 0 : width * height;
            out->n_pixels = pixels > out->n_pixels ? pixels : out->n_pixels;
        }
    }
    out->seconds = (double)out->n_pixels * 1e-9 * NS_HEIF;
}

static void read_webp(const uint8_t *b, size_t n, srv_cost *out)
{
    uint64_t width = 0, height = 0;
    if (n >= 30 && !memcmp(b + 12, "VP8X", 4)) {
        width = (le16(b + 24) | (uint32_t)b[26] << 16) + 1;
        height = (le16(b + 27) | (uint32_t)b[29] << 16) + 1;
    } else if (n >= 25 && !memcmp(b + 12, "VP8L", 4)) {
        uint32_t bits = le16(b + 21) | le16(b + 23) << 16;
        width = (bits & 0x3fff) + 1;
        height = (bits >> 14 & 0x3fff) + 1;
    } else if (n >= 30) {
        width = le16(b + 26) & 0x3fff;
        height = le16(b + 28) & 0x3fff;
    }
    out->n_pixels = width * height;
    out->seconds = (double)out->n_pixels * 1e-9 * NS_WEBP;
}

srv_cost srv_cost_of(const void *bytes, size_t n_bytes)
{
    const uint8_t *b = bytes;
    srv_cost cost = {.n_scans = 1};
    if (n_bytes < 12) {
        return cost;
    }
    if (!memcmp(b, "\xff\xd8\xff", 3)) {
        read_jpeg(b, n_bytes, &cost);
    } else if (!memcmp(b, "\x89PNG", 4) && n_bytes >= 29) {
        cost.n_pixels = (uint64_t)be32(b + 16) * be32(b + 20);
        cost.n_scans = b[28] ? 2 : 1; /* interlaced: seven passes over twice as much in all */
        cost.seconds = (double)cost.n_pixels * 1e-9 * NS_PNG * cost.n_scans;
    } else if (!memcmp(b, "RIFF", 4) && !memcmp(b + 8, "WEBP", 4)) {
        read_webp(b, n_bytes, &cost);
    } else if (!memcmp(b + 4, "ftyp", 4)) {
        read_heif(b, n_bytes, &cost);
    } else if (!memcmp(b, "GIF8", 4)) {
        cost.n_pixels = (uint64_t)le16(b + 6) * le16(b + 8);
        cost.seconds = (double)cost.n_pixels * 1e-9 * NS_OTHER;
    } else if (!memcmp(b, "BM", 2) && n_bytes >= 26) {
        cost.n_pixels =
            (uint64_t)(le16(b + 18) | le16(b + 20) << 16) * (le16(b + 22) | le16(b + 24) << 16);
        cost.seconds = (double)cost.n_pixels * 1e-9 * NS_OTHER;
    }
    cost.seconds += (double)n_bytes * 1e-9 * NS_BYTE;
    return cost;
}
