/* The models that have a short name here, and what is known of them before they are fetched. Sizes are
 * those of the hub's files; accuracies are the authors' own (model cards and papers: OpenAI CLIP,
 * DataComp, DFN, MetaCLIP, TinyCLIP, SigLIP, SigLIP 2, PE-Core, ...), CoCa's open_clip's. */
#include "output.h"
#include "pull.h"
#include <string.h>

/* The timm repositories hold OpenAI's weights as safetensors, which OpenAI's own mostly do not. */
static const cli_alias aliases[] = {
    {"b32",
     {"timm/vit_base_patch32_clip_224.openai", "openai/clip-vit-base-patch32", NULL},
     "OpenAI CLIP ViT-B/32, 224 px",
     605,
     63.3,
     "MIT",
     CLI_USE_FREE,
     "the one that papers and other programs compare with"},
    {"b16",
     {"timm/vit_base_patch16_clip_224.openai", "openai/clip-vit-base-patch16", NULL},
     "OpenAI CLIP ViT-B/16, 224 px",
     599,
     68.3,
     "MIT",
     CLI_USE_FREE,
     "finer detail than b32"},
    {"l14",
     {"timm/vit_large_patch14_clip_224.openai", "openai/clip-vit-large-patch14", NULL},
     "OpenAI CLIP ViT-L/14, 224 px",
     1710,
     75.5,
     "MIT",
     CLI_USE_FREE,
     "OpenAI's large one"},
    {"l14-336",
     {"timm/vit_large_patch14_clip_336.openai", "openai/clip-vit-large-patch14-336", NULL},
     "OpenAI CLIP ViT-L/14, 336 px",
     1711,
     76.6,
     "MIT",
     CLI_USE_FREE,
     "OpenAI's best, slow"},
    {"rn50",
     {"timm/resnet50_clip.openai", NULL},
     "OpenAI CLIP ResNet-50, 224 px",
     408,
     59.8,
     "MIT",
     CLI_USE_FREE,
     "comparisons with convolutions"},
    {"tinyclip",
     {"wkcn/TinyCLIP-ViT-8M-16-Text-3M-YFCC15M", NULL},
     "TinyCLIP ViT-8M/16, 224 px",
     94,
     41.1,
     "MIT",
     CLI_USE_FREE,
     "small machines, everyday things"},
    {"laion-b32",
     {"laion/CLIP-ViT-B-32-laion2B-s34B-b79K", NULL},
     "LAION-2B ViT-B/32, 224 px",
     605,
     66.6,
     "MIT",
     CLI_USE_FREE,
     "as fast as b32, better"},
    {"datacomp-b32",
     {"laion/CLIP-ViT-B-32-DataComp.XL-s13B-b90K", NULL},
     "DataComp ViT-B/32, 224 px",
     605,
     69.2,
     "MIT",
     CLI_USE_FREE,
     "the best as fast as b32"},
    {"datacomp-b32-256",
     {"laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K", NULL},
     "DataComp ViT-B/32, 256 px",
     605,
     72.8,
     "MIT",
     CLI_USE_FREE,
     "the first to try: quick and good"},
    {"datacomp-b16",
     {"laion/CLIP-ViT-B-16-DataComp.XL-s13B-b90K", NULL},
     "DataComp ViT-B/16, 224 px",
     599,
     73.5,
     "MIT",
     CLI_USE_FREE,
     "finer detail, moderate speed"},
    {"datacomp-l14",
     {"laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K", NULL},
     "DataComp ViT-L/14, 224 px",
     1710,
     79.2,
     "MIT",
     CLI_USE_FREE,
     "one answer of a set, free, large"},
    {"dfn-b16",
     {"timm/vit_base_patch16_clip_224.dfn2b", "apple/DFN2B-CLIP-ViT-B-16", NULL},
     "Apple DFN-2B ViT-B/16, 224 px",
     599,
     76.2,
     "Apple AMLR",
     CLI_USE_RESEARCH,
     "research: the best of its size"},
    {"dfn-l14",
     {"timm/vit_large_patch14_clip_224.dfn2b", "apple/DFN2B-CLIP-ViT-L-14", NULL},
     "Apple DFN-2B ViT-L/14, 224 px",
     1710,
     81.4,
     "Apple AMLR",
     CLI_USE_RESEARCH,
     "research: the best of its size"},
    {"metaclip-b32",
     {"timm/vit_base_patch32_clip_224.metaclip_2pt5b", "facebook/metaclip-b32-fullcc2.5b", NULL},
     "MetaCLIP ViT-B/32, 224 px",
     605,
     67.6,
     "CC-BY-NC-4.0",
     CLI_USE_NON_COMMERCIAL,
     "training data that is documented"},
    {"metaclip-b16",
     {"timm/vit_base_patch16_clip_224.metaclip_2pt5b", "facebook/metaclip-b16-fullcc2.5b", NULL},
     "MetaCLIP ViT-B/16, 224 px",
     599,
     72.1,
     "CC-BY-NC-4.0",
     CLI_USE_NON_COMMERCIAL,
     "training data that is documented"},
    {"metaclip-l14",
     {"timm/vit_large_patch14_clip_224.metaclip_2pt5b", "facebook/metaclip-l14-fullcc2.5b", NULL},
     "MetaCLIP ViT-L/14, 224 px",
     1710,
     79.2,
     "CC-BY-NC-4.0",
     CLI_USE_NON_COMMERCIAL,
     "training data that is documented"},
    {"metaclip2-h14",
     {"facebook/metaclip-2-worldwide-huge-quickgelu", NULL},
     "MetaCLIP 2 ViT-H/14, 224 px",
     7442,
     81.3,
     "CC-BY-NC-4.0",
     CLI_USE_NON_COMMERCIAL,
     "labels in any of 300 languages, slow"},
    {"clipa-l14",
     {"UCSC-VLAA/ViT-L-14-CLIPA-datacomp1B", NULL},
     "CLIPA ViT-L/14, 224 px",
     1656,
     79.6,
     "Apache-2.0",
     CLI_USE_FREE,
     "short labels; as good as datacomp-l14"},
    {"siglip-b16",
     {"google/siglip-base-patch16-224", NULL},
     "SigLIP ViT-B/16, 224 px",
     813,
     76.0,
     "Apache-2.0",
     CLI_USE_FREE,
     "yes or no for each label; English"},
    {"coca-b32",
     {"laion/mscoco_finetuned_CoCa-ViT-B-32-laion2B-s13B-b90k", NULL},
     "CoCa ViT-B/32, 224 px, tuned on COCO's captions",
     1014,
     0.9, /* so open_clip's docs/openclip_results.csv has it: tuning made it forget */
     "MIT",
     CLI_USE_FREE,
     "sentences about photos ('describe'), and nothing else"},
    {"coca-l14",
     {"laion/mscoco_finetuned_CoCa-ViT-L-14-laion2B-s13B-b90k", NULL},
     "CoCa ViT-L/14, 224 px, tuned on COCO's captions",
     2554,
     72.1,
     "MIT",
     CLI_USE_FREE,
     "better sentences, slow"},
    {"siglip2-b32",
     {"google/siglip2-base-patch32-256", NULL},
     "SigLIP 2 ViT-B/32, 256 px",
     1507,
     74.0,
     "Apache-2.0",
     CLI_USE_FREE,
     "yes or no for each label; many languages; quick"},
    {"siglip2-b16",
     {"google/siglip2-base-patch16-224", NULL},
     "SigLIP 2 ViT-B/16, 224 px",
     1501,
     78.2,
     "Apache-2.0",
     CLI_USE_FREE,
     "yes or no for each label; many languages"},
    {"siglip2-b16-256",
     {"google/siglip2-base-patch16-256", NULL},
     "SigLIP 2 ViT-B/16, 256 px",
     1502,
     79.1,
     "Apache-2.0",
     CLI_USE_FREE,
     "as siglip2-b16, finer detail"},
    {"siglip2-b16-384",
     {"google/siglip2-base-patch16-384", NULL},
     "SigLIP 2 ViT-B/16, 384 px",
     1503,
     80.6,
     "Apache-2.0",
     CLI_USE_FREE,
     "small things in large photos"},
    {"siglip2-l16-256",
     {"google/siglip2-large-patch16-256", NULL},
     "SigLIP 2 ViT-L/16, 256 px",
     3526,
     82.5,
     "Apache-2.0",
     CLI_USE_FREE,
     "better than any B, slow"},
    {"siglip2-so400m",
     {"google/siglip2-so400m-patch14-384", NULL},
     "SigLIP 2 So400m/14, 384 px",
     4544,
     84.1,
     "Apache-2.0",
     CLI_USE_FREE,
     "the best here, slow"},
    {"pe-core-t",
     {"timm/PE-Core-T-16-384", NULL},
     "PE-Core T/16, 384 px",
     278,
     62.1,
     "Apache-2.0",
     CLI_USE_FREE,
     "the smallest here, free"},
    {"pe-core-s",
     {"timm/PE-Core-S-16-384", NULL},
     "PE-Core S/16, 384 px",
     349,
     72.7,
     "Apache-2.0",
     CLI_USE_FREE,
     "phones and small machines, free"},
    {"pe-core-b",
     {"timm/PE-Core-B-16", NULL},
     "PE-Core B/16, 224 px",
     1791,
     78.4,
     "Apache-2.0",
     CLI_USE_FREE,
     "one answer of a set; as good as SigLIP 2 B/16"},
    {"pe-core-l",
     {"timm/PE-Core-L-14-336", NULL},
     "PE-Core L/14, 336 px",
     2685,
     83.5,
     "Apache-2.0",
     CLI_USE_FREE,
     "one answer of a set; the best free one of that kind, slow"},
    {"mobileclip2-s0",
     {"timm/MobileCLIP2-S0-OpenCLIP", NULL},
     "MobileCLIP2 S0, 256 px",
     299,
     71.5,
     "Apple AMLR",
     CLI_USE_RESEARCH,
     "research: phones"},
    {"mobileclip2-s2",
     {"timm/MobileCLIP2-S2-OpenCLIP", NULL},
     "MobileCLIP2 S2, 256 px",
     397,
     77.2,
     "Apple AMLR",
     CLI_USE_RESEARCH,
     "research: phones, better"},
    {"mobileclip2-s4",
     {"timm/MobileCLIP2-S4-OpenCLIP", NULL},
     "MobileCLIP2 S4, 256 px",
     1776,
     81.9,
     "Apple AMLR",
     CLI_USE_RESEARCH,
     "research: the best of its speed"},
    {"eva02-b16",
     {"timm/eva02_base_patch16_clip_224.merged2b_s8b_b131k", NULL},
     "EVA02-CLIP B/16, 224 px",
     599,
     74.7,
     "MIT",
     CLI_USE_FREE,
     "finer detail, moderate speed"},
    {"eva02-l14-336",
     {"timm/eva02_large_patch14_clip_336.merged2b_s6b_b61k", NULL},
     "EVA02-CLIP L/14, 336 px",
     1713,
     80.4,
     "MIT",
     CLI_USE_FREE,
     "one answer of a set, free, slow"},
    {"convnext-base",
     {"laion/CLIP-convnext_base_w-laion2B-s13B-b82K", NULL},
     "LAION-2B ConvNeXt base, 256 px",
     718,
     70.8,
     "MIT",
     CLI_USE_FREE,
     "comparisons with convolutions"},
    {"chinese-clip-b16",
     {"OFA-Sys/chinese-clip-vit-base-patch16", NULL},
     "Chinese-CLIP ViT-B/16, 224 px",
     753,
     0,
     "Apache-2.0",
     CLI_USE_FREE,
     "labels in Chinese"},
};

static const cli_alias *alias_at(size_t index)
{
    return index < sizeof aliases / sizeof aliases[0] ? &aliases[index] : NULL;
}

const char *cli_pull_hint(const char *name, char text[CLI_PULL_HINT])
{
#ifdef WHATSIT_HUB
    snprintf(text, CLI_PULL_HINT, "'whatsit pull %.60s' brings it", name);
#else
    snprintf(text, CLI_PULL_HINT,
             "'whatsit pull %.60s' brings it elsewhere (pull is not in " WHATSIT_BUILD
             "): copy the file, then --model FILE",
             name);
#endif
    return text;
}

const cli_alias *cli_pull_alias(const char *name)
{
    const cli_alias *alias;
    for (size_t i = 0; (alias = alias_at(i)); i++) {
        if (!strcmp(alias->name, name)) {
            return alias;
        }
    }
    return NULL;
}

/* Marks in the names that model cards use: cc-by-nc-..., apple-amlr, "research-only", ... */
cli_use cli_licence_use(const char *licence)
{
    static const struct {
        const char *mark;
        cli_use use;
    } marks[] = {{"amlr", CLI_USE_RESEARCH},
                 {"ascl", CLI_USE_RESEARCH},
                 {"research", CLI_USE_RESEARCH},
                 {"noncommercial", CLI_USE_NON_COMMERCIAL},
                 {"non-commercial", CLI_USE_NON_COMMERCIAL},
                 {"-nc", CLI_USE_NON_COMMERCIAL}};
    char lower[80];
    size_t n = 0;
    for (; licence[n] && n + 1 < sizeof lower; n++) {
        const char c = licence[n];
        lower[n] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }
    lower[n] = '\0';
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        if (strstr(lower, marks[i].mark)) {
            return marks[i].use;
        }
    }
    return CLI_USE_FREE;
}

const char *cli_use_text(cli_use use)
{
    return use == CLI_USE_RESEARCH         ? "for research only"
           : use == CLI_USE_NON_COMMERCIAL ? "not for commercial use"
                                           : "free to use";
}

static json_t *json_alias(const cli_alias *alias)
{
    static const char *const words[] = {"free", "non-commercial", "research"};
    return json_pack("{s:s,s:s,s:s,s:i,s:o,s:s,s:s,s:s}", "name", alias->name, "repository",
                     alias->repositories[0], "about", alias->about, "megabytes",
                     (int)alias->megabytes, "accuracy", cli_json_number(alias->accuracy), "licence",
                     alias->licence, "use", words[alias->use], "good_for", alias->good_for);
}

int cli_pull_list(bool json)
{
    const cli_alias *alias;
    if (!json) {
        printf("  %-17s %-30s %7s  %6s  %-13s %s\n", "name", "model", "MB", "top-1", "licence",
               "good for");
    }
    for (size_t i = 0; (alias = alias_at(i)); i++) {
        if (json) {
            cli_json_line(json_alias(alias));
        } else {
            char top1[16] = "-";
            if (alias->accuracy > 0) {
                snprintf(top1, sizeof top1, "%.1f %%", alias->accuracy);
            }
            printf("  %-17s %-30s %7u  %6s  %-13s %s%s\n", alias->name, alias->about,
                   alias->megabytes, top1, alias->licence, alias->good_for,
                   alias->use == CLI_USE_NON_COMMERCIAL ? " (not for commercial use)" : "");
        }
    }
    if (!json) {
        printf(
            "\nMB: to be fetched; int8 keeps a quarter of it. top-1: of ImageNet's 1000 classes, "
            "from words alone, as published.\nAny other repository of a supported kind: "
            "whatsit pull OWNER/NAME\n");
    }
    return CLI_OK;
}
