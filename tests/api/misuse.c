/* No function of the library crashes for a NULL argument, and none ignores what a later version put into a
 * struct. The calls are made from the headers by make_calls.py, so that a new function is called, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/scratch.h"

#include <whatsit/whatsit.h>

enum { ROOM_BYTES = 1 << 19, N_ROOMS = 12 };

static void *room(bool floats);
static bool visit(void *context, uint64_t a, uint64_t b, float score);
static wi_status take(void *context, const void *bytes, size_t n_bytes, wi_error *error);
static void begin(const char *what);
static void end(void);
static int tell(void **state);

#include "calls.inc.c"

static float rooms[N_ROOMS][ROOM_BYTES / sizeof(float)];
static size_t next_room;
static const char *now = "";

/* Memory of its own for each argument of a call: zeros, or floats of 0.5. */
static void *room(bool floats)
{
    float *memory = rooms[next_room++ % N_ROOMS];
    memset(memory, 0, ROOM_BYTES);
    for (size_t i = 0; floats && i < ROOM_BYTES / sizeof *memory; i++)
        memory[i] = 0.5f;
    return memory;
}

static bool visit(void *context, uint64_t a, uint64_t b, float score)
{
    (void)context;
    return a < b && score > 0;
}

static wi_status take(void *context, const void *bytes, size_t n_bytes, wi_error *error)
{
    (void)context;
    (void)error;
    return bytes && n_bytes ? WI_OK : WI_ERR_ARG;
}

/* After a crash, which cmocka has caught: what was being called. */
static int tell(void **state)
{
    (void)state;
    if (now[0])
        print_message("in %s\n", now);
    now = "";
    return 0;
}

/* What the last call may have changed is as before. */
static void begin(const char *what)
{
    static const uint8_t black[3 * 8 * 8];
    now = what;
    f.at = "some, more";
    f.good_wi_photos =
        (wi_photos){(const float *)room(true), (const uint32_t *)room(false), 1, f.dim};
    f.good_wi_calibration.unknown = room(true);
    if (!f.wi_sink)
        assert_int_equal(wi_sink_to_memory(&f.wi_sink, NULL), WI_OK);
    if (!f.wi_image)
        assert_int_equal(wi_image_from_rgb(black, 8, 8, &f.wi_image, NULL), WI_OK);
}

static void end(void)
{
    now = "";
    wi_tally_close(&f.good_wi_training_report.tally);
    wi_sink_close(&f.wi_sink);
    close_slots();
}

static void fill(void)
{
    static const char *const texts[] = {"some", "more", "most", "all"};
    memcpy(f.texts, texts, sizeof texts);
    f.metadata[0][0] = "key", f.metadata[0][1] = "value";
    f.good_wi_head_recipe = (wi_head_recipe){.name = "some", .labels = f.texts, .n_labels = 2};
    f.good_wi_training =
        (wi_training){.name = "some", .labels = f.texts, .n_labels = 2, .strength = 1};
    f.good_wi_preprocess = f.good_wi_model_info.preprocess;
    f.good_wi_calibration = (wi_calibration){.n = 1, .dim = f.dim, .rate = 0.5};
    f.good_wi_index_options =
        (wi_index_options){.dim = (uint32_t)f.dim, .fingerprint = f.good_wi_model_info.fingerprint};
    f.good_wi_engine_options = (wi_engine_options){.n_threads = 1};
    f.good_wi_session_options = (wi_session_options){.max_images = 1};
    f.good_wi_tensor = (wi_tensor){.name = "some", .dtype = WI_F32, .rank = 1, .shape = {1}};
    f.good_wi_tensor.data = rooms[0];
    f.good_wi_tensor.n_bytes = sizeof(float);
}

static int open_all(void **state)
{
    wi_error error = {0};
    const float row[4096] = {1};
    const wi_tensor tensor = {"some", WI_F32, 1, {1}, row, sizeof *row};
    if (scratch_setup(state) || chdir(scratch_path("")))
        return -1;
    wi_engine_options one = {.n_threads = 2};
    if (wi_engine_open(&one, &f.wi_engine, &error) ||
        wi_model_open(f.wi_engine, WHATSIT_SOURCE_DIR "/tests/model/data/vit", NULL, &f.wi_model,
                      &error) ||
        wi_model_get_info(f.wi_model, &f.good_wi_model_info, &error) ||
        wi_session_open(f.wi_model, NULL, &f.wi_session, &error) ||
        wi_tokenizer_open(WHATSIT_SOURCE_DIR "/tests/model/data/vit", &f.wi_tokenizer, &error) ||
        wi_label_list_parse_commas("some,more", 9, &f.wi_label_list, &error) ||
        wi_digest_open(&f.wi_digest, &error) || wi_tally_open(2, &f.wi_tally, &error) ||
        wi_tensors_write("kept", &tensor, 1, NULL, 0, &error) ||
        wi_tensors_open("kept", &f.wi_tensors, &error)) {
        fprintf(stderr, "%s\n", error.message);
        return -1;
    }
    f.dim = f.good_wi_model_info.embedding_dim;
    fill();
    if (wi_head_build(f.wi_session, &f.good_wi_head_recipe, &f.wi_head, NULL, &error) ||
        wi_index_open(f.wi_engine, "index", &f.good_wi_index_options, &f.wi_index, &error) ||
        wi_index_append(f.wi_index, row, 1, NULL, &error)) {
        fprintf(stderr, "%s\n", error.message);
        return -1;
    }
    return 0;
}

static int close_all(void **state)
{
    wi_tokenizer_close(&f.wi_tokenizer);
    wi_tensors_close(&f.wi_tensors);
    wi_tally_close(&f.wi_tally);
    wi_sink_close(&f.wi_sink);
    wi_digest_close(&f.wi_digest);
    wi_label_list_close(&f.wi_label_list);
    wi_index_close(&f.wi_index);
    wi_image_close(&f.wi_image);
    wi_head_close(&f.wi_head);
    wi_session_close(&f.wi_session);
    wi_model_close(&f.wi_model);
    wi_engine_close(&f.wi_engine);
    return chdir("/") || scratch_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {CALLS};
    return cmocka_run_group_tests(tests, open_all, close_all);
}
