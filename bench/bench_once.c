/* Times one call per line on standard input, for benches that alternate between programs.
 *
 *     bench_once MODEL THREADS [ISA]      lines "image N" and "text N"; answers for each the seconds
 *                                    by the clock and those of the process itself
 *
 * Texts are distinct each time they are asked for, so that nothing can be remembered between calls.
 */
#include "peak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <whatsit/whatsit.h>

enum { MAX_IMAGES = 8, MAX_TEXTS = 4000 };

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void fail(const wi_error *error)
{
    fprintf(stderr, "bench_once: %s\n", error->message);
    exit(1);
}

/* Eight tokens with both markers, as the peers' prompts: "a photo of a", two words of one token
 * each. */
static void write_prompt(char text[64], unsigned i)
{
    static const char *const words[] = {
        "red",   "old",   "cat",   "dog",   "house", "bird",  "tree",  "glass",
        "stone", "bread", "car",   "boat",  "lamp",  "chair", "horse", "fish",
        "book",  "road",  "river", "night", "snow",  "wall",  "clock", "phone",
        "child", "woman", "king",  "piano", "train", "sky",   "beach", "city"};
    snprintf(text, 64, "a photo of a %s %s", words[i % 32], words[i / 32 % 32]);
}

int main(int argc, char **argv)
{
    wi_engine *engine = NULL;
    wi_model *model = NULL;
    wi_session *session = NULL;
    wi_model_info info;
    wi_error error = {0};
    char line[64], what[16];
    unsigned n = 0;
    if (argc < 3) {
        fprintf(stderr, "usage: bench_once MODEL THREADS [ISA]\n");
        return 2;
    }
    const wi_engine_options eo = {.n_threads = atoi(argv[2]), .isa = argc > 3 ? argv[3] : NULL};
    const wi_session_options so = {.max_images = MAX_IMAGES, .max_tokens = 1024};
    if (wi_engine_open(&eo, &engine, &error) != WI_OK ||
        wi_model_open(engine, argv[1], NULL, &model, &error) != WI_OK ||
        wi_model_get_info(model, &info, &error) != WI_OK ||
        wi_session_open(model, &so, &session, &error) != WI_OK)
        fail(&error);
    const size_t picture = 3 * (size_t)info.image_px * info.image_px;
    uint8_t *pixels = malloc(MAX_IMAGES * picture);
    float *out = malloc(MAX_TEXTS * info.embedding_dim * sizeof *out);
    char(*prompts)[64] = malloc(MAX_TEXTS * sizeof *prompts);
    const char **texts = malloc(MAX_TEXTS * sizeof *texts);
    if (!pixels || !out || !prompts || !texts)
        return 1;
    for (size_t i = 0; i < MAX_IMAGES * picture; i++)
        pixels[i] = (uint8_t)(i * 2654435761u >> 24);
    while (fgets(line, sizeof line, stdin) && sscanf(line, "%15s %u", what, &n) == 2) {
        const bool image = strcmp(what, "image") == 0;
        n = n > (image ? MAX_IMAGES : MAX_TEXTS) ? (image ? MAX_IMAGES : MAX_TEXTS) : n;
        for (unsigned i = 0; i < n && !image; i++) {
            write_prompt(prompts[i], i);
            texts[i] = prompts[i];
        }
        const double start = seconds_now(), cpu = cpu_seconds();
        const wi_status status =
            image ? wi_session_encode_images(session, pixels, n, out, &error)
                  : wi_session_encode_texts(session, texts, n, out, NULL, NULL, &error);
        if (status != WI_OK)
            fail(&error);
        printf("%.9f %.9f\n", seconds_now() - start, cpu_seconds() - cpu);
        fflush(stdout);
    }
    free(pixels);
    free(out);
    free(prompts);
    free(texts);
    wi_session_close(&session);
    wi_model_close(&model);
    wi_engine_close(&engine);
    return 0;
}
