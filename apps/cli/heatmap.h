/* A heat map of the network's input, laid over the photo it came from. */
#ifndef CLI_HEATMAP_H
#define CLI_HEATMAP_H

#include "cli.h"

typedef struct cli_heatmap {
    uint8_t *rgb; /* [height, width, 3]; the caller frees */
    uint32_t width_px, height_px;
} cli_heatmap;

/* heat[size_px, size_px] of the input that `how` makes of the image. Red: above zero, blue: below,
 * both by share of the largest. The longer side is at most 1,600 px. */
wi_status cli_heatmap_draw(wi_image *image, const wi_preprocess *how, const float *heat,
                           cli_heatmap *out, wi_error *error);

#endif
