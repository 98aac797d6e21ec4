#include "checkpoint/known.h"

#include <string.h>

/* Source: open_clip src/open_clip/model_configs/NAME.json, and the preprocessing of the weights that
 * were published for each (pretrained.py): OpenAI's unless said otherwise. */
#define TEXT(width, heads, layers)                                                                 \
    "\"text_cfg\":{\"context_length\":77,\"vocab_size\":49408,\"width\":" #width                   \
    ",\"heads\":" #heads ",\"layers\":" #layers "}"
#define CONFIG(embed, quick, vision, text, preprocess)                                             \
    "{\"model_cfg\":{\"embed_dim\":" #embed ",\"quick_gelu\":" #quick ",\"vision_cfg\":{" vision   \
    "}," text "},\"preprocess_cfg\":{" preprocess "}}"
#define VIT(px, layers, width, patch)                                                              \
    "\"image_size\":" #px ",\"layers\":" #layers ",\"width\":" #width ",\"patch_size\":" #patch
#define RESNET(px, layers, width) "\"image_size\":" #px ",\"layers\":" layers ",\"width\":" #width
#define BOTH(name, embed, vision, text)                                                            \
    {name, CONFIG(embed, false, vision, text, "")},                                                \
    {                                                                                              \
        name "-quickgelu", CONFIG(embed, true, vision, text, "")                                   \
    }
#define HEADS_OF_80 ",\"head_width\":80"

static const char *const configs[][2] = {
    BOTH("RN50", 1024, RESNET(224, "[3,4,6,3]", 64), TEXT(512, 8, 12)),
    BOTH("RN101", 512, RESNET(224, "[3,4,23,3]", 64), TEXT(512, 8, 12)),
    BOTH("RN50x4", 640, RESNET(288, "[4,6,10,6]", 80), TEXT(640, 10, 12)),
    BOTH("RN50x16", 768, RESNET(384, "[6,8,18,8]", 96), TEXT(768, 12, 12)),
    BOTH("RN50x64", 1024, RESNET(448, "[3,15,36,10]", 128), TEXT(1024, 16, 12)),
    BOTH("ViT-B-32", 512, VIT(224, 12, 768, 32), TEXT(512, 8, 12)),
    {"ViT-B-32-256", CONFIG(512, false, VIT(256, 12, 768, 32), TEXT(512, 8, 12), "")},
    BOTH("ViT-B-16", 512, VIT(224, 12, 768, 16), TEXT(512, 8, 12)),
    BOTH("ViT-L-14", 768, VIT(224, 24, 1024, 14), TEXT(768, 12, 12)),
    BOTH("ViT-L-14-336", 768, VIT(336, 24, 1024, 14), TEXT(768, 12, 12)),
    BOTH("ViT-H-14", 1024, VIT(224, 32, 1280, 14) HEADS_OF_80, TEXT(1024, 16, 24)),
    {"ViT-H-14-378-quickgelu", CONFIG(1024, true, VIT(378, 32, 1280, 14) HEADS_OF_80,
                                      TEXT(1024, 16, 24), "\"resize_mode\":\"squash\"")},
    {"ViT-g-14",
     CONFIG(1024, false, VIT(224, 40, 1408, 14) ",\"head_width\":88,\"mlp_ratio\":4.3637",
            TEXT(1024, 16, 24), "")},
    BOTH("ViT-bigG-14", 1280, VIT(224, 48, 1664, 14) ",\"head_width\":104,\"mlp_ratio\":4.9231",
         TEXT(1280, 20, 32)),
};
enum { N_CONFIGS = sizeof configs / sizeof *configs };

const char *wi_known_name(size_t index)
{
    return index < N_CONFIGS ? configs[index][0] : NULL;
}

const char *wi_known_config(const char *name)
{
    for (size_t i = 0; i < N_CONFIGS; i++)
        if (strcmp(name, configs[i][0]) == 0)
            return configs[i][1];
    return NULL;
}
