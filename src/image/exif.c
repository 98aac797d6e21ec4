#include "image/exif.h"

#include "base/size.h"

#include <string.h>

enum { TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3, UPRIGHT = 1 };

static uint32_t read_be(const uint8_t *at, size_t n)
{
    uint32_t value = 0;
    for (size_t i = 0; i < n; i++)
        value = value << 8 | at[i];
    return value;
}

static uint32_t read_le(const uint8_t *at, size_t n)
{
    uint32_t value = 0;
    while (n-- > 0)
        value = value << 8 | at[n];
    return value;
}

/* Only the first directory counts (the next one is the thumbnail's), so there is nothing to loop
 * over. */
int wi_exif_orientation_tiff(const uint8_t *tiff, size_t n_bytes)
{
    if (n_bytes < 8)
        return UPRIGHT;
    uint32_t (*read)(const uint8_t *, size_t);
    if (memcmp(tiff, "II*\0", 4) == 0)
        read = read_le;
    else if (memcmp(tiff, "MM\0*", 4) == 0)
        read = read_be;
    else
        return UPRIGHT;
    size_t directory = read(tiff + 4, 4);
    if (!wi_size_within(directory, 2, n_bytes))
        return UPRIGHT;
    size_t n_entries = read(tiff + directory, 2);
    for (size_t i = 0; i < n_entries; i++) {
        size_t entry = directory + 2 + 12 * i;
        if (!wi_size_within(entry, 12, n_bytes))
            return UPRIGHT;
        if (read(tiff + entry, 2) != TAG_ORIENTATION)
            continue;
        uint32_t value = read(tiff + entry + 8, 2);
        bool usable = read(tiff + entry + 2, 2) == TYPE_SHORT && value >= 1 && value <= 8;
        return usable ? (int)value : UPRIGHT;
    }
    return UPRIGHT;
}

static int orientation_after_prefix(const uint8_t *block, size_t n_bytes)
{
    static const uint8_t prefix[6] = {'E', 'x', 'i', 'f', 0, 0};
    if (n_bytes < sizeof prefix || memcmp(block, prefix, sizeof prefix) != 0)
        return 0;
    return wi_exif_orientation_tiff(block + sizeof prefix, n_bytes - sizeof prefix);
}

int wi_exif_orientation_jpeg(const uint8_t *bytes, size_t n_bytes)
{
    size_t at = 2; /* after SOI */
    while (wi_size_within(at, 4, n_bytes) && bytes[at] == 0xFF) {
        uint8_t marker = bytes[at + 1];
        if (marker == 0xFF) { /* fill byte */
            at++;
            continue;
        }
        bool alone = marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8);
        if (marker == 0xD9 || marker == 0xDA) /* EOI, SOS: headers are over */
            break;
        size_t length = alone ? 0 : read_be(bytes + at + 2, 2);
        if (!wi_size_within(at + 2, length, n_bytes))
            break;
        if (marker == 0xE1 && length >= 2) {
            int orientation = orientation_after_prefix(bytes + at + 4, length - 2);
            if (orientation)
                return orientation;
        }
        at += 2 + length;
    }
    return UPRIGHT;
}

int wi_exif_orientation_png(const uint8_t *bytes, size_t n_bytes)
{
    size_t at = 8; /* after the signature */
    while (wi_size_within(at, 12, n_bytes)) {
        size_t length = read_be(bytes + at, 4);
        if (!wi_size_within(at + 12, length, n_bytes))
            break;
        if (memcmp(bytes + at + 4, "eXIf", 4) == 0) {
            int prefixed = orientation_after_prefix(bytes + at + 8, length);
            return prefixed ? prefixed : wi_exif_orientation_tiff(bytes + at + 8, length);
        }
        at += 12 + length;
    }
    return UPRIGHT;
}

int wi_exif_orientation_webp(const uint8_t *bytes, size_t n_bytes)
{
    size_t at = 12; /* after RIFF, size, WEBP */
    while (wi_size_within(at, 8, n_bytes)) {
        size_t length = read_le(bytes + at + 4, 4);
        if (!wi_size_within(at + 8, length, n_bytes))
            break;
        if (memcmp(bytes + at, "EXIF", 4) == 0) {
            int prefixed = orientation_after_prefix(bytes + at + 8, length);
            return prefixed ? prefixed : wi_exif_orientation_tiff(bytes + at + 8, length);
        }
        at += 8 + length + length % 2;
    }
    return UPRIGHT;
}
