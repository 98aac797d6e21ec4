/* Describing pictures in words: a decoder that reads what a model's image tower sees.
 * Threads: one call per describer at a time; describers of one model at once. */
#ifndef WHATSIT_DESCRIBE_H
#define WHATSIT_DESCRIBE_H

#include <whatsit/head.h>
#include <whatsit/session.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wi_describer wi_describer;

enum { WI_DESCRIBE_MAX_BEAM = 8, WI_CAPTION_BYTES = 512 };

/* Which pictures a model shows to describers: SHA-256 over its preprocessing and the parts of its image tower
 * that they read. A describer tells it of the model that it was made for (wi_model_info.reads); models that
 * differ in nothing else share their describers.
 * Errors: WI_ERR_UNSUPPORTED when no describer can read its image tower */
WI_API wi_status wi_model_sight(const wi_model *model, char hex[65], wi_error *error);

/* The working memory of one thread that describes, taken here for max_images pictures (0: 1) at a time.
 * model: whose image tower sees; decoder: a describer's file, opened as a model. one_thread: as in
 * wi_session_options.
 * Owns: the caller closes *out; both models are borrowed. Threads: one call per describer at a time.
 * Errors: WI_ERR_MISMATCH when the decoder was made for another model; WI_ERR_UNSUPPORTED when decoder
 *     is none, or the image tower shows no grid; WI_ERR_LIMIT, WI_ERR_NOMEM */
typedef struct wi_describer_options {
    uint32_t max_images;
    bool one_thread;
    uint64_t reserved[4];
} wi_describer_options;
WI_API wi_status wi_describer_open(const wi_model *model, const wi_model *decoder,
                                   const wi_describer_options *options, wi_describer **out,
                                   wi_error *error);
WI_API void wi_describer_close(wi_describer **describer);
/* Whether the decoder's makers measured from which mean_prob on captions are true. Where they did not, as
 * with decoders of others, wi_caption.sure says nothing: it is true of every caption. */
WI_API bool wi_describer_has_scale(const wi_describer *describer);

typedef struct wi_describe_options {
    uint32_t n_captions; /* of each picture, 1..8; 0: 1 */
    uint32_t beam;       /* sentences followed at a time, n_captions..8; 0: 3, or n_captions */
    uint32_t max_tokens; /* to be found; 0: as many as the decoder has room for */
    float power; /* sentences compare by logprob / tokens^power; 0: 0.7; below 0: by logprob */
    const char *about; /* nullable: the words that every caption begins with */
    /* Nullable: called from the calling thread before each step with the best beginning so far ("" before
     * there is one) of the first of the pictures that are looked at together; false stops, with
     * WI_ERR_CANCELLED. */
    bool (*step)(void *context, const char *begun);
    void *context;
    uint64_t reserved[2];
} wi_describe_options;

typedef struct wi_caption {
    /* UTF-8 without controls and full stop; U+FFFD where the decoder's tokens spell what is none */
    char text[WI_CAPTION_BYTES];
    float logprob;   /* of the tokens found, natural logarithm; those of `about` are not counted */
    float mean_prob; /* their geometric mean */
    uint32_t n_tokens; /* found, the end among them */
    bool sure; /* mean_prob reaches what the decoder's makers found that true captions reach; see
                * wi_describer_has_scale */
} wi_caption;

/* Captions of n pictures, best first.
 * Shapes: pixels[n,size,size,3] u8 as wi_image_preprocess writes them; out[n,n_captions]; n_out[n]: how
 *     many there are, at least one; embeddings (nullable): [n,embedding_dim], as
 *     wi_session_encode_images gives them
 * Exact:  results do not depend on n or on the number of threads; nothing is allocated once `about` is
 *     read
 * Errors: WI_ERR_ARG for options out of range; WI_ERR_FORMAT when about is not UTF-8; WI_ERR_UNSUPPORTED
 *     for a word in it that the decoder does not know; WI_ERR_LIMIT when it leaves no room;
 *     WI_ERR_CANCELLED when `step` stopped it */
WI_API wi_status wi_describe(wi_describer *describer, const uint8_t *pixels, size_t n,
                             const wi_describe_options *options, wi_caption *out, size_t *n_out,
                             float *embeddings, wi_error *error);

/* What a person should be told: the sentence, or, where that is a guess, what the picture is of, broadly.
 * A decoder tells tales of what it was never shown, and surely. So a sentence stands when it is sure, when
 * the everyday head does not find that there is nothing to see (probably one of WI_GROUP_NOTHING), and when
 * the model finds the sentence in the picture: its cosine is WI_SENTENCE_SHARE of the best everyday word's.
 * Shapes: embedding[dim] as wi_describe gives it; sentence[dim] (nullable: not looked at) as
 *     wi_session_encode_texts gives it for best->text
 * everyday: a head of everyday things for the describer's model, best with groups
 * *stands: whether to tell the sentence; *perhaps: else the group's or label's name, "" when the head
 *     cannot tell, as long as the head lives
 * Errors: as wi_head_answer */
#define WI_GROUP_NOTHING "nothing to see"
#define WI_SENTENCE_SHARE 0.36f /* 2 to 3 of 100 photos of COCO lose their sentence by it */
WI_API wi_status wi_caption_weigh(const wi_caption *best, const wi_head *everyday,
                                  const float *embedding, const float *sentence, size_t dim,
                                  bool *stands, const char **perhaps, wi_error *error);

#ifdef __cplusplus
}
#endif
#endif
