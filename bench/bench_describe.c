/* Times one call per line on standard input, for benches that alternate between programs (bench/web/sentence.mjs).
 *
 *     bench_describe MODEL DESCRIBER PHOTO [ISA]    lines "trunk", "sentence" (with its trunk) and "text"; answers with
 *                                                   the seconds of the process itself, or the sentence
 *
 * One thread. DESCRIBER: a describer's file, or MODEL again where it describes by itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <whatsit/whatsit.h>

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void require(wi_status status, const wi_error *error)
{
    if (status != WI_OK) {
        fprintf(stderr, "bench_describe: %s\n", error->message);
        exit(1);
    }
}

static uint8_t *read_photo(wi_engine *engine, const wi_model_info *info, const char *path)
{
    wi_image *image = NULL;
    wi_error error = {0};
    const uint32_t px = info->image_px;
    uint8_t *pixels = malloc(3 * (size_t)px * px);
    require(pixels ? WI_OK : WI_ERR_NOMEM, &error);
    require(wi_image_from_file(path, NULL, &image, &error), &error);
    require(wi_image_preprocess(engine, image, &info->preprocess, pixels, &error), &error);
    wi_image_close(&image);
    return pixels;
}

int main(int argc, char **argv)
{
    wi_engine *engine = NULL;
    wi_model *model = NULL, *decoder = NULL;
    wi_session *session = NULL;
    wi_describer *describer = NULL;
    wi_model_info info;
    wi_error error = {0};
    wi_caption caption = {0};
    size_t n = 0;
    char line[64];
    if (argc < 4) {
        fprintf(stderr, "usage: bench_describe MODEL DESCRIBER PHOTO [ISA]\n");
        return 2;
    }
    const wi_engine_options one = {.n_threads = 1, .isa = argc > 4 ? argv[4] : NULL};
    const wi_session_options room = {.max_images = 1};
    require(wi_engine_open(&one, &engine, &error), &error);
    require(wi_model_open(engine, argv[1], NULL, &model, &error), &error);
    require(wi_model_get_info(model, &info, &error), &error);
    require(wi_model_open(engine, argv[2], NULL, &decoder, &error), &error);
    require(wi_session_open(model, &room, &session, &error), &error);
    require(wi_describer_open(model, decoder, NULL, &describer, &error), &error);
    uint8_t *pixels = read_photo(engine, &info, argv[3]);
    float *embedding = malloc(info.embedding_dim * sizeof *embedding);
    require(embedding ? WI_OK : WI_ERR_NOMEM, &error);
    while (fgets(line, sizeof line, stdin)) {
        const double start = cpu_seconds();
        if (line[0] == 't' && line[1] == 'e') {
            puts(caption.text);
        } else {
            require(line[0] == 't'
                        ? wi_session_encode_images(session, pixels, 1, embedding, &error)
                        : wi_describe(describer, pixels, 1, NULL, &caption, &n, embedding, &error),
                    &error);
            printf("%.9f\n", cpu_seconds() - start);
        }
        fflush(stdout);
    }
    free(pixels);
    free(embedding);
    wi_describer_close(&describer);
    wi_session_close(&session);
    wi_model_close(&decoder);
    wi_model_close(&model);
    wi_engine_close(&engine);
    return 0;
}
