/* Every allocation of building, opening, scoring and saving heads fails once: nothing leaks,
 * nothing is half made. */
#include "head/support.h"

#include "head/fewshot.h"
#include "head/headfile.h"
#include "head/none.h"
#include "head/train.h"
#include "support/torture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static wi_status build(void *context, wi_error *error)
{
    (void)context;
    static const char *const labels[] = {"cat|kitty", "dog"}, *const templates[] = {"a {}", "{}"};
    fake_tower tower = {.dim = 8};
    wi_head_encoder encoder = fake_encoder(&tower);
    wi_head_recipe recipe = {
        .labels = labels, .n_labels = 2, .templates = templates, .n_templates = 2};
    wi_head *head = NULL;
    wi_status status = wi_zeroshot_build(&encoder, &recipe, &head, NULL, error);
    assert_int_equal(status == WI_OK, head != NULL);
    wi_head_close(&head);
    return status;
}

static wi_status open_file(void *context, wi_error *error)
{
    wi_head *head = NULL;
    wi_status status = wi_head_open(NULL, context, &head, error);
    assert_int_equal(status == WI_OK, head != NULL);
    wi_head_close(&head);
    return status;
}

typedef struct blob {
    uint8_t *bytes;
    size_t n_bytes;
} blob;

static wi_status open_bytes(void *context, wi_error *error)
{
    const blob *b = context;
    wi_head *head = NULL;
    wi_status status = wi_head_open_memory(NULL, b->bytes, b->n_bytes, &head, error);
    assert_int_equal(status == WI_OK, head != NULL);
    wi_head_close(&head);
    return status;
}

enum { N_PHOTOS = 24, DIM = 16 };

typedef struct photo_case {
    wi_head *words;
    float x[N_PHOTOS * DIM];
    uint32_t label[N_PHOTOS];
} photo_case;

static wi_status train(void *context, wi_error *error)
{
    const photo_case *c = context;
    static const char *const labels[] = {"a", "b"};
    const wi_head_model model = {test_kern(), "fake", "00", DIM, 100, 0, false};
    wi_training training = {
        .labels = labels, .n_labels = 2, .photos = {c->x, c->label, N_PHOTOS, DIM}};
    wi_training_report report = {0};
    wi_head *head = NULL;
    wi_status status = wi_linear_train(&model, &training, &head, &report, error);
    assert_int_equal(status == WI_OK, head != NULL && report.tally != NULL);
    wi_metrics metrics;
    if (status == WI_OK)
        status = wi_tally_metrics(report.tally, &metrics, error);
    wi_tally_close(&report.tally);
    wi_head_close(&head);
    return status;
}

static wi_status add_photos(void *context, wi_error *error)
{
    const photo_case *c = context;
    wi_photos photos = {c->x, c->label, N_PHOTOS, DIM};
    wi_head *mixed = NULL;
    wi_status status = wi_fewshot_add(c->words, &photos, NULL, &mixed, error);
    assert_int_equal(status == WI_OK, mixed != NULL);
    wi_head_close(&mixed);
    return status;
}

static wi_status calibrate(void *context, wi_error *error)
{
    const photo_case *c = context;
    wi_calibration how = {c->x, N_PHOTOS, DIM, 0.2, {0}};
    wi_head *sure = NULL;
    wi_status status = wi_none_calibrate(c->words, &how, &sure, error);
    assert_int_equal(status == WI_OK, sure != NULL);
    float known = 0;
    if (status == WI_OK)
        status = wi_none_known(sure, c->x, DIM, &known, NULL, error);
    wi_head_close(&sure);
    return status;
}

static wi_status build_multi(void *context, wi_error *error)
{
    (void)context;
    static const char *const labels[] = {"cat", "dog"}, *const words[] = {"car", "tree", "bolt"};
    fake_tower tower = {.dim = 8};
    wi_head_encoder encoder = fake_encoder(&tower);
    wi_head_recipe recipe = {
        .labels = labels, .n_labels = 2, .sigmoid = true, .distractors = words, .n_distractors = 3};
    wi_head *head = NULL;
    wi_status status = wi_zeroshot_build(&encoder, &recipe, &head, NULL, error);
    assert_int_equal(status == WI_OK, head != NULL);
    wi_head_close(&head);
    return status;
}

static void making_heads_from_photos_may_fail(void **state)
{
    (void)state;
    photo_case c;
    dice d = {31};
    random_rows(&d, N_PHOTOS, DIM, c.x);
    for (uint32_t i = 0; i < N_PHOTOS; i++)
        c.label[i] = i % 2;
    for (int sigmoid = 0; sigmoid < 2; sigmoid++) {
        c.words = random_head(1, 10, DIM, 100, sigmoid);
        assert_true(torture_run(add_photos, &c) > 5);
        assert_true(torture_run(calibrate, &c) > 5);
        wi_head_close(&c.words);
    }
    assert_true(torture_run(train, &c) > 10);
    assert_true(torture_run(build_multi, NULL) > 8);
}

typedef struct save_case {
    const wi_head *head;
    const char *path;
} save_case;

/* A save that fails leaves what was there before. */
static wi_status save(void *context, wi_error *error)
{
    const save_case *c = context;
    write_whole(c->path, "before", 6);
    wi_status status = wi_head_save(c->head, c->path, error);
    struct stat there;
    assert_int_equal(stat(c->path, &there), 0);
    assert_int_equal(status == WI_OK, there.st_size != 6);
    return status;
}

static wi_status answer(void *context, wi_error *error)
{
    const float x[16] = {1, 2, 3};
    wi_answer out[3];
    size_t n = 0;
    return wi_head_answer(context, x, 16, 3, out, &n, error);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    char path[600];
    snprintf(path, sizeof path, "%s", scratch_path("torture.safetensors"));
    wi_head *head = random_head(1, 10, 16, 100, false);
    assert_int_equal(wi_head_save(head, path, NULL), WI_OK);
    blob b;
    b.bytes = read_whole(path, &b.n_bytes);
    assert_true(torture_run(build, NULL) > 5);
    assert_true(torture_run(open_file, path) > 5);
    assert_true(torture_run(open_bytes, &b) > 5);
    assert_true(torture_run(answer, head) > 0);
    save_case c = {head, path};
    assert_true(torture_run(save, &c) > 5);
    free(b.bytes);
    wi_head_close(&head);
    remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail),
                                       cmocka_unit_test(making_heads_from_photos_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
