/* What the layouts of a source share: its files, stored tensors by their own names, and the one
 * routine that binds every tensor a tower needs. A layout says where our tensors are stored; it
 * never reads weights. */
#ifndef WI_CHECKPOINT_LAYOUT_H
#define WI_CHECKPOINT_LAYOUT_H

#include "base/map.h"
#include "checkpoint/source.h"
#include "fmt/gguf.h"
#include "fmt/json.h"
#include "fmt/safetensors.h"
#include "text/tokenizer.h"

enum {
    WI_SOURCE_MAX_SHARDS = 256,
    WI_SOURCE_MAX_CONFIG = 1 << 20,   /* bytes */
    WI_SOURCE_MAX_INDEX = 16 << 20,   /* bytes */
    WI_SOURCE_MAX_TOKENS = 160 << 20, /* bytes of tokenizer.json or merges.txt: XLM-V's are 60 MB */
    WI_SOURCE_MAX_NAME = 160
};

/* A file of the checkpoint. */
typedef struct wi_source_file {
    char *path;
    wi_map map;
    wi_safetensors *tensors; /* NULL for a GGUF */
} wi_source_file;

typedef struct wi_binding {
    char name[64]; /* ours */
    wi_raw raw;
} wi_binding;

struct wi_ours;
struct wi_place;

struct wi_source {
    wi_params params;
    const char *format;
    char *name, *licence, *merges;
    size_t n_merges;
    wi_tokenizer tokenizer; /* other than CLIP's, whose merges stand above */
    wi_source_file *files;
    size_t n_files;
    wi_gguf *gguf;
    wi_binding *bindings; /* by name */
    size_t n_bindings, n_bindings_held;
    /* Of an image tower whose names are another package's (timm.h); NULL: the layout's own. */
    void (*place_image)(const struct wi_ours *ours, struct wi_place *out);
    bool (*harmless_image)(const char *stored_name); /* of such a tower; NULL: nothing is */
    const char *text_prefix; /* open_clip: "" or "text." before the text tower's names */
    bool other_tokenizer;    /* the folder's own, not CLIP's (other merges are CLIP's still) */
    bool fc_swapped[2]; /* clip.cpp: fc1 is called ffn_up in the image tower, in the text tower */
    const char *config; /* a well-known configuration that the caller named, or NULL */
    const char *config_name; /* the file in the folder, while it is read; NULL: as usual */
    char *label;             /* what messages call the checkpoint: the path as given */
};

/* A tensor under its stored name. */
typedef struct wi_stored {
    bool readable; /* of a type that wi_raw has */
    wi_raw_type type;
    const char *type_name;
    uint32_t rank;
    uint64_t shape[WI_SAFETENSORS_MAX_RANK]; /* row-major */
    const uint8_t *data;
} wi_stored;

bool wi_source_find(const wi_source *source, const char *stored_name, wi_stored *out);
bool wi_source_has_prefix(const wi_source *source, const char *prefix);
/* A tensor of one number, such as logit_scale. False when there is none.
 * Errors: WI_ERR_FORMAT when it has another shape or is not finite. */
wi_status wi_source_scalar(const wi_source *source, const char *stored_name, bool *found,
                           float *out, wi_error *error);

/* Where a tensor of ours is stored. */
typedef struct wi_place {
    char name[WI_SOURCE_MAX_NAME];
    bool zero; /* nowhere: it is all zero */
    bool transposed;
    bool first_rows;          /* the stored table may have more rows than are read */
    uint32_t slice, n_slices; /* the slice-th of n_slices equal parts of the rows */
} wi_place;

/* Our name in pieces: 'v' or 't', the block (or stage and block), the rest such as "ln1", "conv1.bn",
 * and the last part "w", "b", "mean", "var" or "". */
typedef struct wi_ours {
    char tower;
    int stage, block; /* -1: none */
    char module[40];
    const char *part;
} wi_ours;

/* The names of a layout. The source keeps everything that the answers depend on. */
typedef struct wi_source_names {
    /* Fills out->name (and the rest, zeroed before). */
    void (*place)(const wi_source *source, const wi_ours *ours, wi_place *out);
    /* Whether a stored tensor that nothing reads may be left aside: buffers, and what belongs to no
     * tower. */
    bool (*harmless)(const wi_source *source, const char *stored_name);
} wi_source_names;

/* Checks params, then finds every tensor that a tower of these params walks through, with its shape,
 * and that nothing else is there but what is harmless.
 * Errors: WI_ERR_FORMAT naming the tensor and the checkpoint, WI_ERR_UNSUPPORTED for its type or
 * for a tensor that nothing reads. */
wi_status wi_source_bind(wi_source *source, const wi_source_names *names, wi_error *error);

/* Buffers that are no weights, whatever the layout: position_ids, counters of batch norms. */
bool wi_source_is_buffer(const char *stored_name);

/* A pair of a name of ours and of theirs. Lists end with {NULL, NULL}. */
typedef struct wi_rename {
    const char *ours, *theirs;
} wi_rename;
/* NULL when the list does not have it. */
const char *wi_rename_find(const wi_rename *list, const char *ours);

/* Files. folder/name, or NULL when memory is out. */
char *wi_source_path(const char *folder, const char *name);
bool wi_source_file_exists(const char *folder, const char *name);
wi_status wi_source_add_safetensors(wi_source *source, const char *folder, const char *name,
                                    wi_error *error);
/* Tensors that were made of others; all memory is taken over, after a failure too. */
wi_status wi_source_add_tensors(wi_source *source, wi_safetensors_tensor *tensors, size_t n,
                                void *memory, wi_error *error);
wi_status wi_source_add_gguf(wi_source *source, const char *path, wi_error *error);

/* The layouts. Weights are already open; folder is where configurations lie. */
wi_status wi_source_read_hf(wi_source *source, const char *folder, wi_error *error);
/* WI_ERR_UNSUPPORTED naming the family of the folder's config.json when it is not CLIP. */
wi_status wi_source_check_family(const char *folder, wi_error *error);
/* config_path NULL: parameters are inferred from the shapes, as OpenAI's build_model does. */
wi_status wi_source_read_openai(wi_source *source, const char *folder, const char *config_path,
                                wi_error *error);
wi_status wi_source_read_clipcpp(wi_source *source, wi_error *error);

/* config_path NULL: EfficientNet-Lite as it was published. */
wi_status wi_source_read_mbconv(wi_source *source, const char *folder, const char *config_path,
                                wi_error *error);
bool wi_source_is_mbconv(const wi_source *source);
/* A decoder of sentences. config_path NULL: as it is made by default. */
wi_status wi_source_read_describer(wi_source *source, const char *config_path, wi_error *error);
bool wi_source_is_describer(const wi_source *source);

/* OpenAI's names, for layouts that share a part of them: where a tensor of the text tower is stored,
 * that tower's parameters from its shapes, logit_scale and logit_bias. */
void wi_openai_place(const wi_source *source, const wi_ours *ours, wi_place *out);
bool wi_openai_harmless(const wi_source *source, const char *stored_name);
struct wi_text_params;
struct wi_text_params wi_openai_text(const wi_source *source);
wi_status wi_openai_scalars(wi_source *source, wi_error *error);
/* Side `axis` of a stored tensor PREFIX NAME, counted from the end when negative; 0 when it is not
 * there or absurd. */
uint32_t wi_source_side(const wi_source *source, const char *prefix, const char *name, int axis);
/* How many of PREFIX0SUFFIX, PREFIX1SUFFIX, ... there are without a gap. */
uint32_t wi_source_count(const wi_source *source, const char *prefix, const char *suffix);

/* tokenizer of a Hugging Face folder: merges.txt, else the merges of tokenizer.json, else nothing.
 */
/* The first n_max merges of merges.txt or of a tokenizer.json, as lines. Owns: free(*out). */
wi_status wi_source_load_merges(const char *path, size_t n_max, char **out, size_t *n_bytes,
                                wi_error *error);
wi_status wi_source_read_merges(wi_source *source, const char *folder, wi_error *error);

/* The folder's tokenizer, whichever it is (tokenizer_files.h); none is WI_ERR_NOT_FOUND. */
wi_status wi_source_read_tokenizer(wi_source *source, const char *folder, wi_error *error);
/* preprocessor_config.json, where the folder has one, over what params hold. */
wi_status wi_source_read_preprocess(wi_source *source, const char *folder, wi_error *error);

/* OpenAI's preprocessing for a square of image_px. */
wi_preprocess wi_preprocess_openai(uint32_t image_px);
/* CLIP's temperature after training, for checkpoints that lost theirs. */
#define WI_CLIP_LOGIT_SCALE 100.0f
/* The id that ends a text in a vocabulary of that size: 49407 for CLIP's own, the last one for a
 * smaller one. */
uint32_t wi_clip_end_token(uint32_t vocabulary_size);

#endif
