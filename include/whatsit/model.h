/* A model: image tower, text tower, tokenizer and preprocessing; immutable once open.
 * Threads: any number of threads may share one; each encodes with a session of its own. */
#ifndef WHATSIT_MODEL_H
#define WHATSIT_MODEL_H

#include <whatsit/engine.h>
#include <whatsit/image.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wi_model wi_model;

enum { WI_TOWER_IMAGE = 1, WI_TOWER_TEXT = 2, WI_TOWERS_BOTH = 3, WI_TOWER_DECODER = 4 };

typedef enum wi_weights {
    WI_WEIGHTS_AUTO = 0, /* as stored */
    WI_WEIGHTS_F32,
    WI_WEIGHTS_F16,
    WI_WEIGHTS_BF16,
    WI_WEIGHTS_INT8
} wi_weights;

/* "f32", "f16", "bf16", "int8"; "as stored" for WI_WEIGHTS_AUTO, "" for any other number. */
WI_API const char *wi_weights_name(wi_weights weights);
/* The other way round; false when there is no such type. */
WI_API bool wi_weights_find(const char *name, wi_weights *out);

typedef struct wi_model_options {
    uint32_t towers; /* 0: both, when there */
    wi_weights
        weights; /* for folders, whose weights are packed while opening; files are used as stored */
    const char *config; /* a well-known open_clip configuration ("ViT-B-32-quickgelu"), for weights
                           in open_clip's names that bring none; NULL: what stands beside them */
    uint64_t reserved[4];
} wi_model_options;

/* Opens our GGUF file (one mmap, no copy), a clip.cpp GGUF, a Hugging Face CLIP folder, an
 * open_clip folder or a folder/file with an OpenAI-named state dict in safetensors.
 * Owns: the caller closes *out; the engine is borrowed and must outlive it.
 * Errors: WI_ERR_IO, WI_ERR_FORMAT, WI_ERR_UNSUPPORTED (a family we do not run), WI_ERR_NOMEM,
 *     WI_ERR_LIMIT */
WI_API wi_status wi_model_open(wi_engine *engine, const char *path, const wi_model_options *options,
                               wi_model **out, wi_error *error);
/* Our GGUF from memory; bytes are borrowed for the model's life. Owned: close *out. */
WI_API wi_status wi_model_open_memory(wi_engine *engine, const void *bytes, size_t n_bytes,
                                      const wi_model_options *options, wi_model **out,
                                      wi_error *error);
WI_API void wi_model_close(wi_model **model);

typedef struct wi_tower_info {
    bool present;
    const char *kind;       /* "vit", "resnet", "text" */
    const char *activation; /* "quick_gelu", "gelu", "gelu_tanh", "relu" */
    uint32_t width, n_layers, n_heads, mlp_width;
    uint32_t patch_px; /* ViT */
    uint64_t n_parameters;
    uint64_t macs; /* of one image, or of one text token */
    uint64_t reserved[4];
} wi_tower_info;

typedef struct wi_model_info {
    const char *name; /* "whatsit-nano", "clip-vit-base-patch32" */
    const char *licence;
    const char *source;
    const char *format; /* "whatsit gguf", "hugging face", "open_clip", "clip.cpp gguf" */
    wi_weights weights;
    char fingerprint[65]; /* 64 hex digits */
    uint32_t embedding_dim, image_px, context_length, vocabulary_size;
    float logit_scale; /* already exponentiated: about 100 for CLIP */
    float logit_bias;
    bool sigmoid; /* trained with SigLIP's loss */
    wi_preprocess preprocess;
    wi_tower_info image, text, decoder;
    const char
        *reads; /* of a decoder: what the model sees that it was made for (wi_model_sight), or "" */
    uint64_t file_bytes;
    uint64_t reserved[4];
} wi_model_info;

/* Owns: strings live as long as the model. */
WI_API wi_status wi_model_get_info(const wi_model *model, wi_model_info *out, wi_error *error);

/* Writes our single-file GGUF. The file appears under its name only when complete (rename). name
 * may be NULL: kept, or taken from the folder.
 * Errors: as wi_model_open, WI_ERR_IO when writing. */
typedef struct wi_convert_options {
    wi_weights weights; /* AUTO: as stored */
    const char *name, *licence, *source;
    wi_progress progress;
    const char *config; /* as in wi_model_options */
    uint64_t reserved[4];
} wi_convert_options;
WI_API wi_status wi_model_convert(wi_engine *engine, const char *from, const char *to,
                                  const wi_convert_options *options, wi_error *error);

/* Hashes the weights again and compares with the stored fingerprint: WI_ERR_FORMAT when they
 * differ. */
WI_API wi_status wi_model_verify(const wi_model *model, const wi_progress *progress,
                                 wi_error *error);

/* Token ids of a text after the original's clean-up.
 * Shapes: ids[context_length]; *n_ids counts both markers; the rest is zero *truncated tells that
 *     the text was longer; the end token is kept then. Either pointer may be NULL.
 * Errors: WI_ERR_UNSUPPORTED when the model has no tokenizer; WI_ERR_FORMAT when text is not UTF-8
 * Source: OpenAI CLIP clip.tokenize(truncate=True), simple_tokenizer.py */
WI_API wi_status wi_model_tokenize(const wi_model *model, const char *text, size_t n_bytes,
                                   int32_t *ids, size_t *n_ids, bool *truncated, wi_error *error);

#ifdef __cplusplus
}
#endif
#endif
