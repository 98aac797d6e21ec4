#include "nn/tower.h"

#include <string.h>

/* A new kind: its file, and a line here. Modules for the web that describe nothing do without decoders. */
extern const wi_tower_kind wi_vit_kind, wi_vit_rope_kind, wi_vit_pooler_kind, wi_vit_map_kind,
    wi_resnet_kind, wi_mbconv_kind, wi_convnext_kind, wi_fastvit_kind, wi_text_kind,
    wi_decoder_kind, wi_coca_kind;
const wi_tower_kind *const wi_tower_kinds[] = {&wi_vit_kind,
                                               &wi_vit_rope_kind,
                                               &wi_vit_pooler_kind,
                                               &wi_vit_map_kind,
                                               &wi_resnet_kind,
                                               &wi_mbconv_kind,
                                               &wi_convnext_kind,
                                               &wi_fastvit_kind,
                                               &wi_text_kind,
#ifndef WI_WITHOUT_DECODER
                                               &wi_decoder_kind,
                                               &wi_coca_kind,
#endif
                                               NULL};
