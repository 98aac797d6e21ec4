/* What the library does for its callers' convenience: files to embeddings, the best of many numbers, where
 * things lie. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "support/scratch.h"

#include <whatsit/whatsit.h>

enum { N_PATHS = 7, MAX_DIM = 64, PATH_BYTES = 4096 };

static wi_engine *engine;
static wi_model *model;
static wi_model_info info;

static int open_model(void **state)
{
    if (scratch_setup(state) || wi_engine_open(NULL, &engine, NULL) ||
        wi_model_open(engine, WHATSIT_SOURCE_DIR "/tests/model/data/vit", NULL, &model, NULL) ||
        wi_model_get_info(model, &info, NULL) || info.embedding_dim > MAX_DIM)
        return -1;
    return 0;
}

static int close_model(void **state)
{
    wi_model_close(&model);
    wi_engine_close(&engine);
    return scratch_teardown(state);
}

/* A binary bitmap of 24 bits. */
static const char *write_picture(const char *name, uint8_t shade)
{
    enum { SIDE = 20, HEAD = 54 };
    uint8_t file[HEAD + SIDE * SIDE * 3] = {'B', 'M'};
    file[10] = HEAD, file[14] = 40, file[18] = SIDE, file[22] = SIDE, file[26] = 1, file[28] = 24;
    for (size_t i = HEAD; i < sizeof file; i++)
        file[i] = (uint8_t)(shade * i / 7);
    file[2] = sizeof file & 255, file[3] = sizeof file >> 8;
    return scratch_write(name, file, sizeof file);
}

static void one_by_one(const char *path, float *out)
{
    wi_session *session = NULL;
    wi_image *image = NULL;
    uint8_t *pixels = malloc(3 * (size_t)info.image_px * info.image_px);
    assert_int_equal(wi_session_open(model, NULL, &session, NULL), WI_OK);
    assert_int_equal(wi_image_from_file(path, NULL, &image, NULL), WI_OK);
    assert_int_equal(wi_image_preprocess(engine, image, &info.preprocess, pixels, NULL), WI_OK);
    assert_int_equal(wi_session_encode_images(session, pixels, 1, out, NULL), WI_OK);
    wi_normalise(out, 1, info.embedding_dim);
    free(pixels);
    wi_image_close(&image);
    wi_session_close(&session);
}

static bool count(void *context, uint64_t done, uint64_t total)
{
    *(uint64_t *)context = done;
    return total == N_PATHS && done < *((uint64_t *)context + 1);
}

/* In batches of every size, the bad ones at the ends and in the middle. */
static void files_become_rows(void **state)
{
    char kept[N_PATHS][256];
    const char *paths[N_PATHS];
    const size_t dim = info.embedding_dim;
    (void)state;
    for (size_t i = 0; i < N_PATHS; i++) {
        char name[32];
        snprintf(name, sizeof name, "%zu.bmp", i);
        snprintf(kept[i], sizeof kept[i], "%s",
                 i % 3 == 0 ? scratch_text(name, "no picture") : write_picture(name, (uint8_t)i));
        paths[i] = kept[i];
    }
    for (uint32_t max = 1; max <= N_PATHS + 1; max++) {
        float out[N_PATHS * MAX_DIM], want[MAX_DIM];
        uint64_t seen[2] = {0, UINT64_MAX};
        wi_error errors[N_PATHS];
        size_t n_failed = 99;
        wi_session *session = NULL;
        wi_session_options sizes = {.max_images = max, .one_thread = max % 2};
        wi_embed_options how = {.progress = {count, seen}};
        assert_int_equal(wi_session_open(model, &sizes, &session, NULL), WI_OK);
        assert_int_equal(
            wi_embed_files(session, paths, N_PATHS, &how, out, errors, &n_failed, NULL), WI_OK);
        assert_int_equal(n_failed, 3);
        assert_int_equal(seen[0], N_PATHS);
        for (size_t i = 0; i < N_PATHS; i++) {
            assert_int_equal(errors[i].status, i % 3 == 0 ? WI_ERR_FORMAT : WI_OK);
            if (i % 3 == 0) {
                assert_true(isnan(out[i * dim]) && isnan(out[i * dim + dim - 1]));
                assert_non_null(strstr(errors[i].message, "bmp"));
            } else {
                one_by_one(paths[i], want);
                assert_memory_equal(out + i * dim, want, dim * sizeof *want);
            }
        }
        assert_int_equal(wi_embed_files(session, paths, N_PATHS, NULL, out, NULL, NULL, NULL),
                         WI_OK);
        seen[1] = 1;
        assert_int_equal(
            wi_embed_files(session, paths, N_PATHS, &how, out, errors, &n_failed, NULL),
            WI_ERR_CANCELLED);
        assert_int_equal(wi_embed_files(session, paths, 0, NULL, NULL, NULL, &n_failed, NULL),
                         WI_OK);
        assert_int_equal(n_failed, 0);
        wi_session_close(&session);
    }
}

static void the_largest_first(void **state)
{
    const float value[] = {1, NAN, 3, 3, -INFINITY, 2, NAN};
    size_t index[8];
    (void)state;
    assert_int_equal(wi_top_k(value, 7, 3, index), 3);
    assert_true(index[0] == 2 && index[1] == 3 && index[2] == 5);
    assert_int_equal(wi_top_k(value, 7, 8, index), 5);
    assert_true(index[3] == 0 && index[4] == 4);
    assert_int_equal(wi_top_k(value, 2, 8, index), 1);
    assert_int_equal(wi_top_k(value + 1, 1, 8, index), 0);
    assert_int_equal(wi_top_k(value, 7, 0, index), 0);
}

static void models_lie_where_they_are_looked_for(void **state)
{
    char path[PATH_BYTES], want[PATH_BYTES];
    wi_error error;
    (void)state;
    setenv("XDG_DATA_HOME", scratch_path("data"), 1);
    setenv("WHATSIT_SHARE", scratch_path("share"), 1);
    unsetenv("WHATSIT_MODEL");
    snprintf(want, sizeof want, "%s",
             scratch_text("share/models/" WI_DEFAULT_MODEL ".gguf", "shipped"));
    assert_int_equal(wi_model_find(NULL, path, sizeof path, NULL), WI_OK);
    assert_string_equal(path, want);
    snprintf(want, sizeof want, "%s",
             scratch_text("data/whatsit/models/" WI_DEFAULT_MODEL ".gguf", "the user's own"));
    assert_int_equal(wi_model_find(WI_DEFAULT_MODEL, path, sizeof path, NULL), WI_OK);
    assert_string_equal(path, want);
    scratch_text("share/models/folder/config.json", "{}");
    assert_int_equal(wi_model_find("folder", path, sizeof path, NULL), WI_OK);
    assert_string_equal(path, scratch_path("share/models/folder"));
    setenv("WHATSIT_MODEL", path, 1);
    assert_int_equal(wi_model_find(NULL, want, sizeof want, NULL), WI_OK);
    assert_string_equal(path, want);
    setenv("WHATSIT_MODEL", "none", 1);
    assert_int_equal(wi_model_find(NULL, path, sizeof path, &error), WI_ERR_NOT_FOUND);
    assert_non_null(strstr(error.message, "$WHATSIT_MODEL: none"));
    assert_int_equal(wi_model_find("folder", path, 3, NULL), WI_ERR_LIMIT);
    assert_int_equal(wi_model_find("../share/models/folder", path, sizeof path, NULL),
                     WI_ERR_NOT_FOUND);
    assert_int_equal(wi_shipped_find("models/folder/config.json", path, sizeof path, NULL), WI_OK);
    assert_int_equal(wi_shipped_find("no such thing", path, sizeof path, NULL), WI_ERR_NOT_FOUND);
}

static void folders_of_the_user(void **state)
{
    char path[PATH_BYTES];
    (void)state;
    setenv("HOME", "/home of", 1);
    setenv("XDG_DATA_HOME", "relative", 1); /* to be ignored */
    unsetenv("XDG_CACHE_HOME");
    assert_int_equal(wi_user_path(WI_USER_DATA, "heads", path, sizeof path, NULL), WI_OK);
    assert_string_equal(path, "/home of/.local/share/whatsit/heads");
    assert_int_equal(wi_user_path(WI_USER_CACHE, "x", path, sizeof path, NULL), WI_OK);
    assert_string_equal(path, "/home of/.cache/whatsit/x");
    assert_int_equal(wi_user_path((wi_user_folder)7, "x", path, sizeof path, NULL), WI_ERR_ARG);
    unsetenv("HOME");
    assert_int_equal(wi_user_path(WI_USER_CACHE, "x", path, sizeof path, NULL), WI_ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_become_rows),
        cmocka_unit_test(the_largest_first),
        cmocka_unit_test(models_lie_where_they_are_looked_for),
        cmocka_unit_test(folders_of_the_user),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
