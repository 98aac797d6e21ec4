/* Any bytes through our own small parsers of pictures: orientation, the boxes of HEIC and AVIF, the
 * colours of a bitstream, kinds of files. No library, so that they are tried many times a second. */
#include "image/boxes.h"
#include "image/exif.h"
#include "image/kinds.h"
#include "image/sps.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

static void orientations(const uint8_t *bytes, size_t n_bytes)
{
    static const char *const keys[] = {"Raw profile type exif", "XML:com.adobe.xmp"};
    int found[] = {wi_exif_orientation_jpeg(bytes, n_bytes),
                   wi_exif_orientation_png(bytes, n_bytes),
                   wi_exif_orientation_webp(bytes, n_bytes),
                   wi_exif_orientation_gif(bytes, n_bytes),
                   wi_exif_orientation_tiff(bytes, n_bytes),
                   wi_exif_orientation_text(keys[0], (const char *)bytes, n_bytes),
                   wi_exif_orientation_text(keys[1], (const char *)bytes, n_bytes)};
    for (size_t i = 0; i < sizeof found / sizeof found[0]; i++)
        if (found[i] < 0 || found[i] > 8)
            abort();
}

/* A still made of a track is a file whose boxes are whole. */
static void boxes(const uint8_t *bytes, size_t n_bytes)
{
    wi_buffer still;
    unsigned primaries = 0, transfer = 0;
    wi_boxes_largest_side(bytes, n_bytes);
    wi_boxes_are_cut(bytes, n_bytes);
    wi_boxes_bitstream_colors(bytes, n_bytes, &primaries, &transfer);
    wi_buffer_init(&still, n_bytes + (1 << 16));
    if (wi_boxes_still_of_track(bytes, n_bytes, &still, NULL) == WI_OK &&
        wi_boxes_are_cut(still.bytes, still.n_bytes))
        abort();
    wi_buffer_free(&still);
    uint8_t *copy = malloc(n_bytes + 1);
    if (!copy)
        return;
    memcpy(copy, bytes, n_bytes);
    for (int which = 0; which < WI_BOXES_TAMES; which++)
        if (wi_boxes_tame_references(copy, n_bytes, (wi_boxes_tame)which) > 0 &&
            wi_boxes_tame_references(copy, n_bytes, (wi_boxes_tame)which) > 0)
            abort(); /* what is tamed stays so */
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    unsigned primaries, transfer;
    if (n_bytes == 0)
        return 0;
    orientations(bytes, n_bytes);
    boxes(bytes, n_bytes);
    wi_sps_colors(bytes, n_bytes, &primaries, &transfer);
    wi_kind_of(bytes, n_bytes);
    return 0;
}
