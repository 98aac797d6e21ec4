/* A tower: one encoder of a model, whichever kind it is.
 *
 * A kind is one file that defines a wi_tower_kind, and one line in towers.c. It says its parameters,
 * the tensors it has, how much memory it works in, how it runs, how much work that is, and what an
 * explanation may ask of it. Nothing outside asks which kind a tower is.
 *
 * Inside, a tower is a struct of its kind's own, in memory that the model keeps (wi_tower_kind.bytes);
 * its weights are views of packed or mapped tensors. Its working memory is another such struct,
 * whose buffers come from the arena of a session. docs/internals-of-a-tower.md walks through one. */
#ifndef WI_NN_TOWER_H
#define WI_NN_TOWER_H

#include "nn/field.h"
#include "nn/params.h"
#include "nn/part.h"
#include "nn/run.h"

typedef enum wi_role { WI_ROLE_IMAGE = 0, WI_ROLE_TEXT, WI_ROLE_DECODER, WI_N_ROLES } wi_role;

/* The ids of one text. Ids are below the vocabulary's size. */
typedef struct wi_prompt {
    const int32_t *ids;
    size_t n_ids;
} wi_prompt;

/* What a tower is told besides its own parameters. */
typedef struct wi_tower_setting {
    uint32_t embedding_dim;
    float mean[3], std[3]; /* of pixels / 255; image towers */
} wi_tower_setting;

/* What the rest of the program may know of any tower; fields without a meaning stay 0. */
typedef struct wi_tower_facts {
    uint32_t image_px, patch_px;
    uint32_t context_length, vocabulary_size;
    int32_t start_token, end_token; /* start: of decoders */
    uint32_t width, n_layers, n_heads, mlp_width;
    const char *activation;
} wi_tower_facts;

/* Layers that are looked at, units in each, the first one's number. */
typedef struct wi_unit_plan {
    uint32_t n_layers, first_layer, n_units;
} wi_unit_plan;

/* What an explanation may ask of an image tower. hidden and rows are room that the caller brings;
 * embedding[embedding_dim] is the picture's. */
typedef struct wi_tower_explain {
    uint32_t (*grid)(const void *tower);        /* positions a side */
    size_t (*hidden_floats)(const void *tower); /* at least 1; NULL: hidden is not used */
    /* out[grid*grid, embedding_dim]: each position's own embedding. rows[(grid*grid + 1) *
     * wi_ld(embedding_dim)]. */
    void (*regions)(const void *tower, wi_run *run, void *memory, const uint8_t *pixels,
                    float *hidden, float *rows, float *embedding, float *out);
    wi_unit_plan (*plan)(const void *tower);
    /* activation[n_layers, n_units]; direction[n_layers, n_units, embedding_dim]: what one unit of
     * activation adds to the embedding, up to one common factor. */
    void (*units)(const void *tower, wi_run *run, void *memory, const uint8_t *pixels,
                  float *hidden, float *rows, float *embedding, float *activation,
                  float *direction);
} wi_tower_explain;

/* What a decoder is shown of a picture: rows of channels by place, top left first, and one row for the
 * whole; pooled 0: there is none. */
typedef struct wi_sight_shape {
    uint32_t n_places, channels, pooled;
} wi_sight_shape;

/* What an image tower lets a decoder see. */
typedef struct wi_tower_sight {
    wi_sight_shape (*shape)(const void *tower);
    /* Of a picture of the batch that `images` ran over last: grid[n_places, channels],
     * pooled[pooled]. */
    void (*copy)(const void *tower, const void *memory, size_t picture, float *grid, float *pooled);
    /* Whether a part of the tower, by its name, has a say in what is seen. */
    bool (*shows)(const char *name);
} wi_tower_sight;

/* One token that continues a sentence about a picture. */
typedef struct wi_decode_row {
    int32_t token;
    uint32_t picture; /* of those that were looked at */
    uint32_t before;  /* the node of the token before, WI_DECODE_FIRST: none */
} wi_decode_row;
#define WI_DECODE_FIRST UINT32_MAX

/* Sentences side by side about one picture, at most. */
enum { WI_DECODE_ROWS = 8 };

/* How sentences are searched for where the decoder's makers said so: as CoCa.generate of open_clip 3.3
 * does, whose beams are scored by transformers' BeamSearchScorer. Candidates compare by sums of logits
 * that were not made probabilities, sentences by that sum over their length with both markers. */
typedef struct wi_decode_rules {
    uint32_t width;      /* sentences followed, unless told otherwise */
    uint32_t min_tokens; /* before an end, with the marker and the first words */
    uint32_t max_tokens; /* in all, with the marker and the first words */
} wi_decode_rules;

/* A decoder: which token may come next, one step after the other. Every token that was ever stepped to
 * is a node of a tree and keeps its keys and values, so that sentences share what they begin with, and
 * to go on from another one copies nothing. */
typedef struct wi_tower_decode {
    wi_sight_shape (*sees)(const void *tower);
    /* Looks at n pictures, <= the memory's max: grid[n, n_places, channels], pooled[n, pooled].
     * Forgets all nodes. */
    void (*look)(const void *tower, wi_run *run, void *memory, const float *grid,
                 const float *pooled, size_t n);
    /* logits[n, vocabulary_size], rows of wi_ld(vocabulary_size) floats, in the decoder's memory; they
     * are the caller's until the next step. Row i becomes node *first + i. n <= WI_DECODE_ROWS * max; no sentence is longer
     * than the context, and no more tokens are stepped to than fill it for all rows. */
    float *(*step)(const void *tower, wi_run *run, void *memory, const wi_decode_row *rows,
                   size_t n, uint32_t *first);
    /* [vocabulary_size], ascending: what each token is to the tokenizer. NULL: itself. */
    const float *(*ids)(const void *tower);
    /* [*n, 3]: where the decoder wavers between the first two tokens, it says the third. */
    const float *(*hedges)(const void *tower, size_t *n);
    const wi_decode_rules *rules; /* NULL: the house's search */
} wi_tower_decode;

struct wi_tower;
typedef struct wi_tower_kind {
    const char *name; /* in files and in what users see: "vit" */
    wi_role role;
    uint32_t number; /* in the first files (version 2), which knew kinds by number; else 0 */
    /* Parameters: a struct of the kind's own, at most WI_TOWER_VALUES bytes, and its list. */
    const wi_field *fields;
    size_t values_bytes;
    /* Beyond what the list says. Errors: WI_ERR_FORMAT, WI_ERR_UNSUPPORTED naming the parameter. */
    wi_status (*check)(const void *values, wi_error *error);
    void (*describe)(const void *values, wi_tower_facts *out);
    /* Bytes of a tower with its lists behind it; then fills zeroed memory of that size, all but the
     * weights. Values are checked. */
    size_t (*bytes)(const void *values);
    void (*open)(const void *values, const wi_tower_setting *setting, void *tower);
    /* Once all towers of a model are open (towers[WI_N_ROLES]): takes what it shares with others, refuses
     * what does not go together; may be NULL. Errors: WI_ERR_FORMAT, WI_ERR_UNSUPPORTED */
    wi_status (*join)(void *tower, const struct wi_tower *towers, wi_error *error);
    /* Visits every part. Writes nothing into the tower itself: a visitor may. */
    void (*walk)(void *tower, wi_walker *walker);
    /* Once the weights are there, what their list cannot say of them; may be NULL.
     * Errors: WI_ERR_FORMAT */
    wi_status (*bound)(const void *tower, wi_error *error);
    /* Turns what batch norms say of matrices' outputs (wi_mat.mean, .spread) into the mean of what
     * enters the next; may be NULL. */
    void (*foresee)(void *tower);
    uint64_t (*macs)(const void *tower); /* of one picture; of one token, without attention */
    /* Working memory for max pictures, or max tokens, at a time. need is raised to what products
     * take, buffers are cut from the arena; while that counts (base NULL) they come out NULL. */
    size_t memory_bytes;
    void (*need)(const void *tower, size_t max, wi_run_need *need);
    void (*take)(const void *tower, size_t max, size_t n_threads, void *memory, wi_arena *arena);
    void (*prepare)(const void *tower, void *memory); /* once, when memory is there; may be NULL */
    /* Image towers: pixels[n, image_px, image_px, 3] u8, n <= max; out[n, embedding_dim], not
     * normalised. */
    void (*images)(const void *tower, wi_run *run, void *memory, const uint8_t *pixels, size_t n,
                   float *out);
    /* Text towers: of ids[context_length], of which n_ids are not padding, how many matter to this
     * tower, counted from the first. */
    size_t (*used)(const void *tower, const int32_t *ids, size_t n_ids);
    /* Text towers: encodes as many of the n prompts as the memory takes, at least one, and returns
     * how many. Prompts are sorted by their ids and hold what `used` said. out[i, embedding_dim]
     * belongs to prompts[i], not normalised. max >= context_length. */
    size_t (*texts)(const void *tower, wi_run *run, void *memory, const wi_prompt *prompts,
                    size_t n, float *out);
    const wi_tower_explain *explain; /* NULL: cannot be looked into */
    const wi_tower_sight *sight;     /* image towers; NULL: no decoder can read it */
    const wi_tower_decode *decode;   /* decoders; their memory's max counts pictures */
} wi_tower_kind;

/* All kinds; the last is NULL. The list stands in towers.c alone. */
extern const wi_tower_kind *const wi_tower_kinds[];
/* NULL when there is none. */
const wi_tower_kind *wi_tower_kind_named(wi_role role, const char *name, size_t n_bytes);
const wi_tower_kind *wi_tower_kind_numbered(wi_role role, uint32_t number);

/* A kind with values for its parameters. */
enum { WI_TOWER_VALUES = 512 };
typedef struct wi_tower_params {
    const wi_tower_kind *kind; /* NULL: there is no such tower */
    _Alignas(8) unsigned char values[WI_TOWER_VALUES];
} wi_tower_params;

/* values: the kind's struct. */
void wi_tower_params_set(wi_tower_params *params, const wi_tower_kind *kind, const void *values);
/* False, and values untouched, when params is of another kind. */
bool wi_tower_params_get(const wi_tower_params *params, const wi_tower_kind *kind, void *values);
bool wi_tower_params_equal(const wi_tower_params *a, const wi_tower_params *b);
/* All zero when there is no tower. */
wi_tower_facts wi_tower_facts_of(const wi_tower_params *params);

/* A tower that is open. */
typedef struct wi_tower {
    const wi_tower_kind *kind; /* NULL: none */
    void *self;
} wi_tower;

#endif
