/* Any bytes as our own model file: what opens tells about itself, tokenizes and encodes a picture
 * and a text. */
#include <whatsit/whatsit.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

enum { MAX_MACS = 20000000, MAX_PX = 256 };

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void encode(const wi_model *model, const wi_model_info *info)
{
    static const char *const texts[] = {"a photo of a dog", ""};
    wi_session *session = NULL;
    wi_session_options options = {.max_images = 1, .max_tokens = 0};
    if (wi_session_open(model, &options, &session, NULL) != WI_OK)
        return;
    float *out = calloc(2 * (size_t)info->embedding_dim, sizeof *out);
    uint8_t *pixels = calloc((size_t)info->image_px * info->image_px, 3);
    require(out && pixels);
    if (info->image.present)
        require(wi_session_encode_images(session, pixels, 1, out, NULL) == WI_OK);
    if (info->text.present)
        (void)wi_session_encode_texts(session, texts, 2, out, NULL, NULL, NULL);
    free(pixels);
    free(out);
    wi_session_close(&session);
}

static void use(const wi_model *model)
{
    wi_model_info info;
    wi_error error = {0};
    require(wi_model_get_info(model, &info, &error) == WI_OK);
    require(info.name && info.licence && info.source && info.format);
    require(strlen(info.fingerprint) == 64);
    (void)wi_model_verify(model, NULL, &error);
    if (info.image.present && (info.image.macs > MAX_MACS || info.image_px > MAX_PX))
        return;
    if (info.text.present && info.text.macs * info.context_length > MAX_MACS)
        return;
    encode(model, &info);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    static wi_engine *engine; /* one for all inputs, as in a program */
    wi_engine_options one_thread = {.n_threads = 1};
    wi_model *model = NULL;
    wi_error error = {0};
    if (!engine)
        require(wi_engine_open(&one_thread, &engine, NULL) == WI_OK);
    /* As aligned as a mapping, and ending where the input ends. */
    void *block = NULL;
    require(posix_memalign(&block, 64, n_bytes ? n_bytes : 1) == 0);
    uint8_t *exact = block;
    if (n_bytes)
        memcpy(exact, data, n_bytes);
    wi_status status = wi_model_open_memory(engine, exact, n_bytes, NULL, &model, &error);
    require((status == WI_OK) == (model != NULL));
    require(status == WI_OK || (error.status == status && error.message[0]));
    if (model)
        use(model);
    wi_model_close(&model);
    free(exact);
    return 0;
}
