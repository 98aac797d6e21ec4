/* The C ABI of the WebAssembly module, over the public headers. wasm/README.md is its manual.
 *
 * Pointers and sizes are 32-bit. Texts go in as pointer and length or as NUL-terminated texts one
 * behind the other ("packed"), and come out NUL-terminated, valid until the next call that gives a
 * text or until their owner is closed. Functions that can fail give a wi_status, or NULL, or a
 * negative status in place of a count; ww_error() then says why. One thread calls all of them. */
#include <whatsit/whatsit.h>

#include <whatsit/labels.h>
#include <whatsit/train.h>

#include "../apps/library/background.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* JavaScript is the only caller, so there is no header. */
#pragma clang diagnostic ignored "-Wmissing-prototypes"
#define EXPORT(name) __attribute__((export_name(#name))) name

/* Called between batches: done, total; 0 to stop. */
__attribute__((import_module("env"), import_name("progress"))) int ww_host_progress(double done,
                                                                                    double total);

static wi_engine *engine;
static wi_error last;

static bool report(void *context, uint64_t done, uint64_t total)
{
    (void)context;
    return ww_host_progress((double)done, (double)total) != 0;
}
static const wi_progress progress = {report, NULL};

static wi_status out_of_memory(size_t n_bytes)
{
    last.status = WI_ERR_NOMEM;
    snprintf(last.message, sizeof last.message, "out of memory (%zu bytes)", n_bytes);
    return WI_ERR_NOMEM;
}

/* ---- the module ---- */

const char *EXPORT(ww_version)(void)
{
    return wi_version();
}

const char *EXPORT(ww_error)(void)
{
    return last.message;
}

int EXPORT(ww_error_status)(void)
{
    return (int)last.status;
}

const char *EXPORT(ww_status_name)(int status)
{
    return wi_status_name((wi_status)status);
}

/* n_threads - 1 workers call ww_worker(1), ww_worker(2), ... */
int EXPORT(ww_open)(int n_threads)
{
    const wi_engine_options options = {.n_threads = n_threads > 0 ? n_threads : 1};
    wi_engine_close(&engine);
    return (int)wi_engine_open(&options, &engine, &last);
}

int EXPORT(ww_threads)(void)
{
    return wi_engine_threads(engine);
}

/* "gemm_s8 wasm", or with what is wrong behind it; NULL past the last operation. */
const char *EXPORT(ww_kernel)(size_t index)
{
    static char text[160];
    wi_engine_kernel kernel;
    if (!wi_engine_kernel_at(engine, index, &kernel))
        return NULL;
    snprintf(text, sizeof text, "%s %s%s%s", kernel.operation, kernel.isa,
             kernel.warning ? " " : "", kernel.warning ? kernel.warning : "");
    return text;
}

/* At a 64-byte boundary; NULL when memory is out. */
void *EXPORT(ww_alloc)(size_t n_bytes)
{
    void *p = n_bytes < SIZE_MAX - 64 ? aligned_alloc(64, (n_bytes + 64) & ~(size_t)63) : NULL;
    if (!p)
        out_of_memory(n_bytes);
    return p;
}

void EXPORT(ww_free)(void *pointer)
{
    free(pointer);
}

/* ---- models ---- */

/* bytes: a model file at a 64-byte boundary, which must stay until ww_model_close. */
wi_model *EXPORT(ww_model_open)(const void *bytes, size_t n_bytes, uint32_t towers)
{
    wi_model *model = NULL;
    const wi_model_options options = {.towers = towers};
    return wi_model_open_memory(engine, bytes, n_bytes, &options, &model, &last) == WI_OK ? model
                                                                                          : NULL;
}

void EXPORT(ww_model_close)(wi_model *model)
{
    wi_model_close(&model);
}

/* Hashes all weights and compares with the fingerprint; reports progress. */
int EXPORT(ww_model_verify)(const wi_model *model)
{
    return (int)wi_model_verify(model, &progress, &last);
}

const char *EXPORT(ww_model_text)(const wi_model *model, int which)
{
    static wi_model_info info;
    if (wi_model_get_info(model, &info, &last) != WI_OK)
        return NULL;
    const char *const texts[] = {info.name,
                                 info.licence,
                                 info.source,
                                 info.fingerprint,
                                 wi_weights_name(info.weights),
                                 info.image.present ? info.image.kind : "",
                                 info.text.present ? info.text.kind : ""};
    return which >= 0 && which < (int)(sizeof texts / sizeof *texts) ? texts[which] : NULL;
}

double EXPORT(ww_model_number)(const wi_model *model, int which)
{
    wi_model_info i;
    if (wi_model_get_info(model, &i, &last) != WI_OK)
        return -1;
    const double numbers[] = {i.embedding_dim,
                              i.image_px,
                              i.context_length,
                              i.vocabulary_size,
                              i.logit_scale,
                              i.logit_bias,
                              i.sigmoid,
                              (double)i.file_bytes,
                              (double)i.image.n_parameters,
                              (double)i.text.n_parameters,
                              (double)i.image.macs,
                              (double)i.text.macs};
    return which >= 0 && which < (int)(sizeof numbers / sizeof *numbers) ? numbers[which] : -1;
}

/* ids[context_length]; the count of ids, bit 30 set when the text was cut; negative on failure. */
int EXPORT(ww_tokenize)(const wi_model *model, const char *text, size_t n_bytes, int32_t *ids)
{
    size_t n_ids = 0;
    bool truncated = false;
    const wi_status status =
        wi_model_tokenize(model, text, n_bytes, ids, &n_ids, &truncated, &last);
    return status == WI_OK ? (int)n_ids | (truncated ? 1 << 30 : 0) : -(int)status;
}

/* ---- pictures ---- */

/* pixels[height,width,channels]: 3 RGB, or 4 RGBA, which stands on a ground as in files.
 * out[image_px,image_px,3]. */
int EXPORT(ww_preprocess)(const wi_model *model, uint8_t *pixels, uint32_t width, uint32_t height,
                          int channels, uint8_t *out)
{
    wi_image *image = NULL;
    wi_model_info info;
    wi_status status = wi_model_get_info(model, &info, &last);
    if (status != WI_OK)
        return (int)status;
    status = channels == 4 ? wi_image_from_rgba(pixels, width, height, NULL, &image, &last)
                           : wi_image_from_rgb(pixels, width, height, &image, &last);
    if (status == WI_OK)
        status = wi_image_preprocess(engine, image, &info.preprocess, out, &last);
    wi_image_close(&image);
    return (int)status;
}

/* area[4]: x, y, width and height of what the model sees of such a picture. */
int EXPORT(ww_area)(const wi_model *model, double width, double height, double *area)
{
    wi_model_info info;
    const wi_status status = wi_model_get_info(model, &info, &last);
    const wi_input_area seen =
        status == WI_OK ? wi_preprocess_area(&info.preprocess, width, height) : (wi_input_area){0};
    memcpy(area, &seen, sizeof seen);
    return (int)status;
}

/* n texts that stand one behind the other; NULL when memory is out. The caller frees. */
static const char **unpack(const char *packed, size_t n)
{
    const char **texts = n < SIZE_MAX / sizeof *texts - 1 ? malloc((n + 1) * sizeof *texts) : NULL;
    if (!texts) {
        out_of_memory(n * sizeof *texts);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        texts[i] = packed;
        packed += strlen(packed) + 1;
    }
    return texts;
}

/* ---- sessions ---- */

wi_session *EXPORT(ww_session_open)(const wi_model *model, uint32_t max_images, uint32_t max_tokens)
{
    wi_session *session = NULL;
    const wi_session_options options = {.max_images = max_images, .max_tokens = max_tokens};
    return wi_session_open(model, &options, &session, &last) == WI_OK ? session : NULL;
}

void EXPORT(ww_session_close)(wi_session *session)
{
    wi_session_close(&session);
}

/* pixels[n,image_px,image_px,3] as ww_preprocess writes them; out[n,embedding_dim], not normalised. */
int EXPORT(ww_encode_images)(wi_session *session, const uint8_t *pixels, size_t n, float *out)
{
    return (int)wi_session_encode_images(session, pixels, n, out, &last);
}

/* Packed texts -> out[n,embedding_dim], not normalised. The number of texts that were cut, or a
 * negative status. */
int EXPORT(ww_encode_texts)(wi_session *session, const char *packed, size_t n, float *out)
{
    size_t truncated = 0;
    const char **texts = unpack(packed, n);
    if (!texts)
        return -(int)WI_ERR_NOMEM;
    const wi_status status =
        wi_session_encode_texts(session, texts, n, out, &truncated, &progress, &last);
    free(texts);
    return status == WI_OK ? (int)truncated : -(int)status;
}

/* ---- sentences ---- */

#ifndef WI_WITHOUT_DECODER /* whatsit-words.wasm */

/* decoder: a describer's file, opened as a model with towers 4. For one picture at a time. */
wi_describer *EXPORT(ww_describer_open)(const wi_model *model, const wi_model *decoder)
{
    wi_describer *describer = NULL;
    return wi_describer_open(model, decoder, NULL, &describer, &last) == WI_OK ? describer : NULL;
}

void EXPORT(ww_describer_close)(wi_describer *describer)
{
    wi_describer_close(&describer);
}

/* 1 where its makers made a scale, by which ww_caption_weigh weighs; else nothing weighs its sentences. */
int EXPORT(ww_describer_has_scale)(const wi_describer *describer)
{
    return wi_describer_has_scale(describer);
}

/* The n best sentences about pixels[image_px,image_px,3]; about: the words they begin with, or NULL.
 * out[n]: a text of WI_CAPTION_BYTES, f32 logprob, f32 mean_prob, u32 tokens, u8 sure (and three of
 * padding); embedding[embedding_dim], not normalised. The count, or a negative status. */
_Static_assert(sizeof(wi_caption) == WI_CAPTION_BYTES + 16, "the layout that callers read");
int EXPORT(ww_describe)(wi_describer *describer, const uint8_t *pixels, uint32_t n,
                        const char *about, wi_caption *out, float *embedding)
{
    size_t n_out = 0;
    const wi_describe_options options = {.n_captions = n, .about = about};
    const wi_status status =
        wi_describe(describer, pixels, 1, &options, out, &n_out, embedding, &last);
    return status == WI_OK ? (int)n_out : -(int)status;
}

/* What to tell of the picture whose best sentence is `best` (as ww_describe wrote it) and whose
 * embedding[dim] came with it: out[0] is 1 where that sentence stands, out[1] else the address of what the
 * everyday head names ("": nothing). sentence[dim]: the embedding of best's text, or NULL. */
int EXPORT(ww_caption_weigh)(const wi_caption *best, const wi_head *everyday,
                             const float *embedding, const float *sentence, size_t dim,
                             uint32_t out[2])
{
    bool stands = false;
    const char *perhaps = "";
    const wi_status status =
        wi_caption_weigh(best, everyday, embedding, sentence, dim, &stands, &perhaps, &last);
    out[0] = stands;
    out[1] = (uint32_t)(uintptr_t)perhaps;
    return (int)status;
}
#endif

/* ---- heads ---- */

/* From a label list as in heads/ (labels, templates and notes in one text). sigmoid: independent
 * answers. distractors: packed words for what the head is not about. Reports progress. */
wi_head *EXPORT(ww_head_build)(wi_session *session, const char *list, size_t n_bytes, int sigmoid,
                               const char *distractors, size_t n_distractors)
{
    wi_label_list *labels = NULL;
    wi_head *head = NULL;
    const char **words = unpack(distractors, n_distractors);
    if (!words || wi_label_list_parse(list, n_bytes, &labels, &last) != WI_OK) {
        free(words);
        return NULL;
    }
    wi_head_recipe recipe;
    wi_label_list_recipe(labels, &recipe);
    recipe.sigmoid = sigmoid != 0;
    recipe.distractors = words;
    recipe.n_distractors = n_distractors;
    recipe.progress = progress;
    if (wi_head_build(session, &recipe, &head, NULL, &last) != WI_OK)
        head = NULL;
    wi_label_list_close(&labels);
    free(words);
    return head;
}

static wi_photos photos_of(const float *embeddings, const uint32_t *labels, size_t n, size_t dim)
{
    return (wi_photos){.embeddings = embeddings, .labels = labels, .n = n, .dim = dim};
}

/* A head of words and example photos: embeddings[n,dim], labels[n] as indices into the head's. */
wi_head *EXPORT(ww_head_add_photos)(const wi_head *words, const float *embeddings,
                                    const uint32_t *labels, size_t n, size_t dim)
{
    wi_head *head = NULL;
    const wi_photos photos = photos_of(embeddings, labels, n, dim);
    return wi_head_add_photos(words, &photos, NULL, &head, &last) == WI_OK ? head : NULL;
}

/* A head of example photos alone: packed names of n_labels labels, each with a photo. */
wi_head *EXPORT(ww_head_from_photos)(const wi_model *model, const char *name, const char *packed,
                                     size_t n_labels, const float *embeddings,
                                     const uint32_t *labels, size_t n, size_t dim)
{
    wi_head *head = NULL;
    const char **names = unpack(packed, n_labels);
    if (!names)
        return NULL;
    const wi_training training = {.name = name,
                                  .labels = names,
                                  .n_labels = n_labels,
                                  .photos = photos_of(embeddings, labels, n, dim)};
    if (wi_head_from_photos(model, &training, &head, &last) != WI_OK)
        head = NULL;
    free(names);
    return head;
}

/* From a head file, which is copied. */
wi_head *EXPORT(ww_head_open)(const void *bytes, size_t n_bytes)
{
    wi_head *head = NULL;
    return wi_head_open_memory(engine, bytes, n_bytes, &head, &last) == WI_OK ? head : NULL;
}

/* The head's file, in a sink that ww_sink_bytes reads and ww_sink_close ends; NULL on failure. */
wi_sink *EXPORT(ww_head_save)(const wi_head *head)
{
    wi_sink *sink = NULL;
    if (wi_sink_to_memory(&sink, &last) != WI_OK)
        return NULL;
    if (wi_head_write(head, sink, &last) != WI_OK || wi_sink_commit(sink, &last) != WI_OK)
        wi_sink_close(&sink);
    return sink;
}

const void *EXPORT(ww_sink_bytes)(const wi_sink *sink, size_t *n_bytes)
{
    return wi_sink_bytes(sink, n_bytes);
}

void EXPORT(ww_sink_close)(wi_sink *sink)
{
    wi_sink_close(&sink);
}

void EXPORT(ww_head_close)(wi_head *head)
{
    wi_head_close(&head);
}

/* WI_ERR_MISMATCH unless the head was made for this model. */
int EXPORT(ww_head_check)(const wi_head *head, const wi_model *model)
{
    return (int)wi_head_check_model(head, model, &last);
}

const char *EXPORT(ww_head_text)(const wi_head *head, int which)
{
    wi_head_info i;
    wi_head_get_info(head, &i);
    const char *const texts[] = {i.name,       wi_head_kind_name(i.kind),
                                 i.model_name, i.model_fingerprint,
                                 i.licence,    i.source,
                                 i.sensitivity};
    return which >= 0 && which < (int)(sizeof texts / sizeof *texts) ? texts[which] : NULL;
}

double EXPORT(ww_head_number)(const wi_head *head, int which)
{
    wi_head_info i;
    wi_head_get_info(head, &i);
    const double numbers[] = {(double)i.n_labels, (double)i.dim,        (double)i.n_templates,
                              i.sigmoid,          i.logit_scale,        i.logit_bias,
                              i.temperature,      (double)i.n_examples, i.none_threshold,
                              i.none_rate,        (double)i.n_groups};
    return which >= 0 && which < (int)(sizeof numbers / sizeof *numbers) ? numbers[which] : -1;
}

/* The label's first name; with full, all its names ("cat|kitty"). */
const char *EXPORT(ww_head_label)(const wi_head *head, size_t index, int full)
{
    return full ? wi_head_label_full(head, index) : wi_head_label(head, index);
}

const char *EXPORT(ww_head_group)(const wi_head *head, size_t index)
{
    return wi_head_group(head, index);
}

const char *EXPORT(ww_head_template)(const wi_head *head, size_t index)
{
    return wi_head_template(head, index);
}

/* out[k]: u32 label, f32 score, f32 cosine, f32 logit; best first. The count, or a negative status. */
_Static_assert(sizeof(wi_answer) == 16, "the layout that callers read");
int EXPORT(ww_head_answer)(const wi_head *head, const float *embedding, size_t dim, size_t k,
                           wi_answer *out)
{
    size_t n = 0;
    const wi_status status = wi_head_answer(head, embedding, dim, k, out, &n, &last);
    return status == WI_OK ? (int)n : -(int)status;
}

/* out[k]: address of the group's name, f32 score; best first. The count, or a negative status. */
_Static_assert(sizeof(wi_group_answer) == 8, "the layout that callers read");
int EXPORT(ww_head_answer_groups)(const wi_head *head, const float *embedding, size_t dim, size_t k,
                                  wi_group_answer *out)
{
    size_t n = 0;
    const wi_status status = wi_head_answer_groups(head, embedding, dim, k, out, &n, &last);
    return status == WI_OK ? (int)n : -(int)status;
}

/* The one thing to say: address of the certainty's words, address of the name, u32 label (all ones: a
 * group or nothing), f32 score. */
int EXPORT(ww_head_verdict)(const wi_head *head, const float *embedding, size_t dim,
                            uint32_t out[4])
{
    wi_verdict verdict;
    const wi_status status = wi_head_verdict(head, embedding, dim, &verdict, &last);
    if (status != WI_OK)
        return (int)status;
    out[0] = (uint32_t)(uintptr_t)wi_certainty_name(verdict.certainty);
    out[1] = (uint32_t)(uintptr_t)verdict.name;
    out[2] = (uint32_t)verdict.label;
    memcpy(&out[3], &verdict.score, sizeof verdict.score);
    return WI_OK;
}

/* All labels in order; each array may be NULL. */
int EXPORT(ww_head_scores)(const wi_head *head, const float *embedding, size_t dim, float *score,
                           float *cosine, float *logit)
{
    return (int)wi_head_scores(head, embedding, dim, score, cosine, logit, &last);
}

/* How sure the head is that any of its labels fits, in known[0]; 1 when none of them does, 0 when
 * one may, or a negative status. */
int EXPORT(ww_head_known)(const wi_head *head, const float *embedding, size_t dim, float *known)
{
    bool none = false;
    const wi_status status = wi_head_known(head, embedding, dim, known, &none, &last);
    return status == WI_OK ? none : -(int)status;
}

/* ---- searches ---- */

static background nouns; /* what else a picture might show; of the model that it was made with */

/* From this confidence on a picture is shown. */
double EXPORT(ww_search_least)(void)
{
    return BACKGROUND_LEAST;
}

/* Makes the background of a list of nouns (heads/nouns.txt), or takes the rows[n,dim] of one that was kept; the count of its
 * rows, or a negative status. Their address: ww_background_rows, until the next one is made. */
int EXPORT(ww_background_make)(wi_session *session, const wi_model *model, const char *list,
                               size_t n_bytes)
{
    wi_label_list *labels = NULL;
    wi_model_info info;
    wi_status status = wi_model_get_info(model, &info, &last);
    background_close(&nouns);
    if (status == WI_OK)
        status = wi_label_list_parse(list, n_bytes, &labels, &last);
    nouns = (background){.dim = info.embedding_dim, .scale = info.logit_scale};
    if (status == WI_OK)
        status = background_embed_list(session, labels, &nouns, &last);
    wi_label_list_close(&labels);
    return status == WI_OK ? (int)nouns.n : -(int)status;
}

int EXPORT(ww_background_take)(const wi_model *model, const float *rows, size_t n)
{
    wi_model_info info;
    const wi_status status = wi_model_get_info(model, &info, &last);
    background_close(&nouns);
    if (status != WI_OK)
        return -(int)status;
    const size_t n_bytes = n * info.embedding_dim * sizeof *rows;
    float *copy = malloc(n_bytes + 1);
    if (!copy)
        return -(int)out_of_memory(n_bytes);
    memcpy(copy, rows, n_bytes);
    nouns =
        (background){.rows = copy, .n = n, .dim = info.embedding_dim, .scale = info.logit_scale};
    return (int)n;
}

const float *EXPORT(ww_background_rows)(void)
{
    return nouns.rows;
}

/* How sure it is that each picture shows what the query says: query[dim], pictures[n,dim], all of length 1; out[n], NaN
 * without a background. */
void EXPORT(ww_confidences)(const float *query, const float *pictures, size_t n, double *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = background_confidence(&nouns, query, pictures + i * nouns.dim);
}
