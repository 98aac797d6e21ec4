/* FastViT as MobileCLIP has it, its training branches already folded into single convolutions.
 * Source: FastViT (arXiv:2303.14189), MobileCLIP (arXiv:2311.17049); timm 1.0.31 fastvit.py. */
#ifndef WI_NN_FASTVIT_H
#define WI_NN_FASTVIT_H

#include "nn/params.h"
#include "nn/tower.h"

enum { WI_FASTVIT_STAGES = 5 };

typedef struct wi_fastvit_params {
    uint32_t image_px;
    /* A stage of no blocks is not there; those come last. */
    uint32_t width[WI_FASTVIT_STAGES], blocks[WI_FASTVIT_STAGES], mlp_width[WI_FASTVIT_STAGES];
    uint32_t squeeze[WI_FASTVIT_STAGES];   /* of squeeze-and-excite where a stage begins; 0: none */
    uint32_t attention[WI_FASTVIT_STAGES]; /* 1: blocks attend, 0: they mix neighbours */
    uint32_t final_width, final_squeeze;
    bool layer_norm; /* before attention; else an affine map (a batch norm) */
} wi_fastvit_params;

extern const wi_tower_kind wi_fastvit_kind;

#endif
