/* Building heads from labels and templates with a text tower made of hashes. */
#include "head/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIM = 48 };

static void normalise(double *x)
{
    double squares = 0;
    for (int j = 0; j < DIM; j++)
        squares += x[j] * x[j];
    for (int j = 0; j < DIM; j++)
        x[j] /= sqrt(squares);
}

/* normalise(sum over templates of normalise(embedding of the prompt)), in double precision. */
static void reference_row(const char *name, const char *const *templates, size_t n, double *out)
{
    memset(out, 0, DIM * sizeof *out);
    for (size_t t = 0; t < n; t++) {
        char prompt[256];
        float embedding[DIM];
        double x[DIM];
        const char *hole = strstr(templates[t], "{}");
        snprintf(prompt, sizeof prompt, "%.*s%s%s", (int)(hole - templates[t]), templates[t], name,
                 hole + 2);
        fake_embedding(prompt, DIM, embedding);
        for (int j = 0; j < DIM; j++)
            x[j] = (double)embedding[j];
        normalise(x);
        for (int j = 0; j < DIM; j++)
            out[j] += x[j];
    }
    normalise(out);
}

static void check_row(const wi_head *head, size_t row, const char *name,
                      const char *const *templates, size_t n)
{
    double want[DIM];
    reference_row(name, templates, n, want);
    for (int j = 0; j < DIM; j++)
        assert_true(fabs((double)head->parts.weight[row * DIM + (size_t)j] - want[j]) < 1e-6);
}

static void ensembles_templates(void **state)
{
    (void)state;
    static const char *const labels[] = {"cat", "dog|hound", "\xd0\xbb\xd0\xb8\xd1\x81\xd0\xb0"};
    static const char *const templates[] = {"a photo of a {}.", "{}", "the {} in the wild"};
    fake_tower tower = {.dim = DIM};
    wi_head_encoder encoder = fake_encoder(&tower);
    wi_head_recipe recipe = {.name = "pets",
                             .labels = labels,
                             .n_labels = 3,
                             .templates = templates,
                             .n_templates = 3,
                             .licence = "CC0",
                             .sensitivity = "none"};
    wi_head *head = NULL;
    wi_error error;
    assert_int_equal(wi_zeroshot_build(&encoder, &recipe, &head, NULL, &error), WI_OK);
    assert_int_equal(tower.n_texts, 12);
    assert_int_equal(head->parts.n_rows, 4);
    check_row(head, 0, "cat", templates, 3);
    check_row(head, 1, "dog", templates, 3);
    check_row(head, 2, "hound", templates, 3);
    check_row(head, 3, labels[2], templates, 3);
    wi_head_info info;
    wi_head_get_info(head, &info);
    assert_true(info.n_labels == 3 && info.n_templates == 3 && info.dim == DIM &&
                info.logit_scale == 100);
    assert_string_equal(info.name, "pets");
    assert_string_equal(info.model_name, "fake");
    assert_string_equal(info.model_fingerprint, "00ff");
    assert_string_equal(info.licence, "CC0");
    assert_string_equal(info.source, "");
    assert_string_equal(wi_head_template(head, 2), "the {} in the wild");
    assert_null(wi_head_template(head, 3));
    assert_string_equal(wi_head_group(head, 1), "");
    wi_head_close(&head);
}

static void default_template_is_openais(void **state)
{
    (void)state;
    static const char *const labels[] = {"cat"}, *const templates[] = {"a photo of a {}."};
    fake_tower tower = {.dim = DIM};
    wi_head_encoder encoder = fake_encoder(&tower);
    wi_head_recipe recipe = {.labels = labels, .n_labels = 1};
    wi_head *head = NULL;
    assert_int_equal(wi_zeroshot_build(&encoder, &recipe, &head, NULL, NULL), WI_OK);
    check_row(head, 0, "cat", templates, 1);
    wi_head_close(&head);
}

typedef struct listener {
    uint64_t last, total, stop_at;
    bool fell;
} listener;

static bool listen(void *context, uint64_t done, uint64_t total)
{
    listener *l = context;
    l->fell = l->fell || done < l->last;
    l->last = done;
    l->total = total;
    return !l->stop_at || done < l->stop_at;
}

/* 2,100 labels x 3 templates cross the batches of 2,048. */
static void large_heads_run_in_batches(void **state)
{
    (void)state;
    enum { N = 2100 };
    static const char *const templates[] = {"{}", "a {}", "{} b"};
    char **labels = make_labels(N);
    listener heard = {0};
    fake_tower tower = {.dim = DIM, .truncate_bytes = 11};
    wi_head_encoder encoder = fake_encoder(&tower);
    wi_head_recipe recipe = {.labels = (const char *const *)labels,
                             .n_labels = N,
                             .templates = templates,
                             .n_templates = 3,
                             .progress = {listen, &heard}};
    wi_head *head = NULL;
    size_t n_truncated = 0;
    assert_int_equal(wi_zeroshot_build(&encoder, &recipe, &head, &n_truncated, NULL), WI_OK);
    assert_int_equal(tower.n_texts, 3 * N);
    assert_int_equal(tower.n_calls, 4);
    assert_int_equal(tower.longest_batch, 2048);
    assert_int_equal(n_truncated, 2 * (N - 1000)); /* "a label 1000" and "label 1000 b" */
    assert_true(heard.last == 3 * N && heard.total == 3 * N && !heard.fell);
    for (size_t i = 0; i < N; i += 83)
        check_row(head, i, labels[i], templates, 3);
    wi_head_close(&head);

    heard = (listener){.stop_at = 2500};
    n_truncated = 5;
    assert_int_equal(wi_zeroshot_build(&encoder, &recipe, &head, &n_truncated, NULL),
                     WI_ERR_CANCELLED);
    assert_null(head);
    assert_int_equal(n_truncated, 5);
    free_labels(labels, N);
}

/* A keeper in memory; the build is stopped once stop_at prompts are done. */
typedef struct keeper {
    uint8_t *bytes; /* what was saved last, or NULL */
    size_t n_bytes, n_saves;
    uint64_t stop_at, resumed_at, total;
    bool undue;
} keeper;

static bool load_kept(void *context, void *bytes, size_t n_bytes)
{
    const keeper *k = context;
    if (k->bytes && k->n_bytes <= n_bytes) /* as a file that was cut off is read */
        memcpy(bytes, k->bytes, k->n_bytes);
    return k->bytes && k->n_bytes == n_bytes;
}

static bool is_due(void *context)
{
    return !((const keeper *)context)->undue;
}

static void save_kept(void *context, const void *bytes, size_t n_bytes)
{
    keeper *k = context;
    free(k->bytes);
    k->bytes = malloc(n_bytes);
    assert_non_null(k->bytes);
    memcpy(k->bytes, bytes, n_bytes);
    k->n_bytes = n_bytes;
    k->n_saves++;
}

static void note_resumed(void *context, uint64_t done, uint64_t total)
{
    keeper *k = context;
    k->resumed_at = done;
    k->total = total;
}

static bool stop_there(void *context, uint64_t done, uint64_t total)
{
    const keeper *k = context;
    (void)total;
    return !k->stop_at || done < k->stop_at;
}

enum { N_KEPT_LABELS = 2500, N_KEPT_WORDS = 2300, N_KEPT_TEMPLATES = 3 };

/* 7,500 prompts of labels in 4 batches and 6,900 of background words in 4 more. */
static wi_status build_kept(keeper *k, fake_tower *tower, const char *fingerprint,
                            const char *const *templates, wi_head **out, size_t *n_truncated)
{
    char **labels = make_labels(N_KEPT_LABELS), **words = make_labels(N_KEPT_WORDS);
    for (size_t i = 0; i < N_KEPT_WORDS; i++)
        words[i][0] = 'w'; /* "wabel 7" */
    wi_head_encoder encoder = fake_encoder(tower);
    const wi_head_keeper keep = {load_kept, is_due, save_kept, note_resumed, k, {0}};
    encoder.model.fingerprint = fingerprint;
    wi_head_recipe recipe = {.labels = (const char *const *)labels,
                             .n_labels = N_KEPT_LABELS,
                             .templates = templates,
                             .n_templates = N_KEPT_TEMPLATES,
                             .distractors = (const char *const *)words,
                             .n_distractors = N_KEPT_WORDS,
                             .progress = {stop_there, k},
                             .keeper = k ? &keep : NULL};
    if (!k)
        recipe.progress = (wi_progress){0};
    wi_error error;
    wi_status status = wi_zeroshot_build(&encoder, &recipe, out, n_truncated, &error);
    free_labels(labels, N_KEPT_LABELS);
    free_labels(words, N_KEPT_WORDS);
    return status;
}

static const char *const kept_templates[] = {"{}", "a {}", "{} b"};

static void check_same_head(const wi_head *a, const wi_head *b)
{
    assert_int_equal(a->parts.n_rows, b->parts.n_rows);
    assert_int_equal(a->parts.n_background, b->parts.n_background);
    assert_memory_equal(a->parts.weight, b->parts.weight, a->parts.n_rows * DIM * sizeof(float));
    assert_memory_equal(a->parts.background, b->parts.background,
                        a->parts.n_background * DIM * sizeof(float));
}

/* Stopped in and after every batch, also between labels and background words: each run goes on
 * where the one before stopped, and the head is the one of a single run. */
static void interrupted_builds_go_on(void **state)
{
    (void)state;
    static const uint64_t begins[] = {0, 2048, 4096, 6144, 7500, 9548, 11596, 13644};
    fake_tower tower = {.dim = DIM, .truncate_bytes = 11};
    wi_head *whole = NULL, *head = NULL;
    size_t want_truncated = 0, n_truncated = 0;
    assert_int_equal(build_kept(NULL, &tower, "00ff", kept_templates, &whole, &want_truncated),
                     WI_OK);
    keeper k = {0};
    for (size_t i = 0; i + 1 < sizeof begins / sizeof *begins; i++) {
        for (int within = 1; within >= 0; within--) {
            k.stop_at = within ? begins[i] + 1 : begins[i + 1];
            k.resumed_at = 0;
            assert_int_equal(build_kept(&k, &tower, "00ff", kept_templates, &head, &n_truncated),
                             WI_ERR_CANCELLED);
            assert_null(head);
            assert_int_equal(k.resumed_at, begins[i]);
        }
    }
    k.stop_at = 0;
    tower.n_texts = 0;
    assert_int_equal(build_kept(&k, &tower, "00ff", kept_templates, &head, &n_truncated), WI_OK);
    assert_int_equal(k.resumed_at, 13644);
    assert_int_equal(k.total, 14400);
    assert_int_equal(tower.n_texts, 14400 - 13644);
    assert_int_equal(n_truncated, want_truncated);
    check_same_head(head, whole);
    wi_head_close(&head);
    wi_head_close(&whole);
    free(k.bytes);
}

/* Of another model, of other prompts, cut off or changed in one bit: as if there was nothing. */
static void what_does_not_fit_is_ignored(void **state)
{
    (void)state;
    static const char *const others[] = {"{}", "a {}", "{} c"};
    fake_tower tower = {.dim = DIM};
    wi_head *whole = NULL, *head = NULL;
    assert_int_equal(build_kept(NULL, &tower, "00ff", kept_templates, &whole, NULL), WI_OK);
    keeper k = {.stop_at = 7000};
    assert_int_equal(build_kept(&k, &tower, "00ff", kept_templates, &head, NULL), WI_ERR_CANCELLED);
    const size_t n_bytes = k.n_bytes;
    uint8_t *good = malloc(n_bytes);
    assert_non_null(good);
    memcpy(good, k.bytes, n_bytes);
    const struct {
        const char *fingerprint, *const *templates;
        size_t n_bytes, flipped;
        uint64_t resumed_at;
    } cases[] = {
        {"00ff", kept_templates, n_bytes, SIZE_MAX, 7500},
        {"00fe", kept_templates, n_bytes, SIZE_MAX, 0},
        {"00ff", others, n_bytes, SIZE_MAX, 0},
        {"00ff", kept_templates, n_bytes - 1, SIZE_MAX, 0},
        {"00ff", kept_templates, 0, SIZE_MAX, 0},
        {"00ff", kept_templates, n_bytes, 3, 0},
        {"00ff", kept_templates, n_bytes, 80, 0},
        {"00ff", kept_templates, n_bytes, n_bytes / 2, 0},
        {"00ff", kept_templates, n_bytes, n_bytes - 1, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memcpy(k.bytes, good, n_bytes);
        k.n_bytes = cases[i].n_bytes;
        k.stop_at = k.resumed_at = 0;
        k.undue = true; /* so that it stays */
        if (cases[i].flipped != SIZE_MAX)
            k.bytes[cases[i].flipped] ^= 0x10;
        assert_int_equal(
            build_kept(&k, &tower, cases[i].fingerprint, cases[i].templates, &head, NULL), WI_OK);
        assert_int_equal(k.resumed_at, cases[i].resumed_at);
        if (cases[i].templates == kept_templates)
            check_same_head(head, whole);
        wi_head_close(&head);
    }
    wi_head_close(&whole);
    free(good);
    free(k.bytes);
}

static void small_builds_are_not_kept(void **state)
{
    (void)state;
    static const char *const labels[] = {"cat", "dog"};
    fake_tower tower = {.dim = DIM};
    wi_head_encoder encoder = fake_encoder(&tower);
    keeper k = {0};
    const wi_head_keeper keep = {load_kept, is_due, save_kept, note_resumed, &k, {0}};
    wi_head_recipe recipe = {.labels = labels, .n_labels = 2, .keeper = &keep};
    wi_head *head = NULL;
    assert_int_equal(wi_zeroshot_build(&encoder, &recipe, &head, NULL, NULL), WI_OK);
    assert_int_equal(k.n_saves, 0);
    wi_head_close(&head);
}

static void refuses_bad_recipes(void **state)
{
    (void)state;
    static const char *const good[] = {"cat", "dog"}, *const plain[] = {"a {}"};
    static const char *const same[] = {"cat", "dog", "cat"}, *const alike[] = {"cat|x", " cat |y"};
    static const char *const empty[] = {"cat", ""}, *const hollow[] = {"| |"};
    static const char *const latin[] = {"caf\xe9"}, *const control[] = {"cat\ndog"};
    static const char *const overlong[] = {"\xc0\xaf"}, *const surrogate[] = {"\xed\xa0\x80"};
    static const char *const no_hole[] = {"a photo"}, *const two_holes[] = {"{} and {}"};
    static const struct {
        const char *const *labels;
        size_t n_labels;
        const char *const *templates;
        size_t n_templates;
        const char *says;
    } bad[] = {
        {good, 0, plain, 1, "no labels"},
        {same, 3, plain, 1, "label 'cat' appears twice"},
        {alike, 2, plain, 1, "label 'cat' appears twice"},
        {empty, 2, plain, 1, "label 2 is empty"},
        {hollow, 1, plain, 1, "label 1 is empty"},
        {latin, 1, plain, 1, "label 1 is not UTF-8"},
        {overlong, 1, plain, 1, "label 1 is not UTF-8"},
        {surrogate, 1, plain, 1, "label 1 is not UTF-8"},
        {control, 1, plain, 1, "label 1 contains a control character"},
        {good, 2, no_hole, 1, "has no {}"},
        {good, 2, two_holes, 1, "has more than one {}"},
    };
    fake_tower tower = {.dim = DIM};
    wi_head_encoder encoder = fake_encoder(&tower);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        wi_head_recipe recipe = {.labels = bad[i].labels,
                                 .n_labels = bad[i].n_labels,
                                 .templates = bad[i].templates,
                                 .n_templates = bad[i].n_templates};
        wi_head *head = NULL;
        wi_error error = {0};
        assert_int_equal(wi_zeroshot_build(&encoder, &recipe, &head, NULL, &error), WI_ERR_ARG);
        assert_null(head);
        assert_non_null(strstr(error.message, bad[i].says));
    }
    assert_int_equal(tower.n_calls, 0); /* refused before any work */
}

static void long_labels_are_refused(void **state)
{
    (void)state;
    char *text = malloc(WI_HEAD_MAX_LABEL_BYTES + 2);
    assert_non_null(text);
    memset(text, 'x', WI_HEAD_MAX_LABEL_BYTES + 1);
    text[WI_HEAD_MAX_LABEL_BYTES + 1] = '\0';
    const char *const labels[] = {text};
    fake_tower tower = {.dim = DIM};
    wi_head_encoder encoder = fake_encoder(&tower);
    wi_head_recipe recipe = {.labels = labels, .n_labels = 1};
    wi_head *head = NULL;
    wi_error error;
    assert_int_equal(wi_zeroshot_build(&encoder, &recipe, &head, NULL, &error), WI_ERR_ARG);
    assert_non_null(strstr(error.message, "label 1 is too long"));
    text[WI_HEAD_MAX_LABEL_BYTES] = '\0';
    assert_int_equal(wi_zeroshot_build(&encoder, &recipe, &head, NULL, &error), WI_OK);
    wi_head_close(&head);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ensembles_templates),
        cmocka_unit_test(default_template_is_openais),
        cmocka_unit_test(large_heads_run_in_batches),
        cmocka_unit_test(interrupted_builds_go_on),
        cmocka_unit_test(what_does_not_fit_is_ignored),
        cmocka_unit_test(small_builds_are_not_kept),
        cmocka_unit_test(refuses_bad_recipes),
        cmocka_unit_test(long_labels_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
