/* ConvNeXt as image tower: four stages of depthwise 7x7 convolutions, each followed by an MLP over the
 * channels. Source: ConvNeXt (arXiv:2201.03545); timm 1.0.31 convnext.py. */
#ifndef WI_NN_CONVNEXT_H
#define WI_NN_CONVNEXT_H

#include "nn/params.h"
#include "nn/tower.h"

enum { WI_CONVNEXT_STAGES = 4 };

typedef struct wi_convnext_params {
    uint32_t image_px;
    uint32_t width[WI_CONVNEXT_STAGES], blocks[WI_CONVNEXT_STAGES];
    uint32_t head_hidden; /* of an MLP in place of the projection; 0: a projection */
    float ln_eps;
} wi_convnext_params;

extern const wi_tower_kind wi_convnext_kind;

#endif
