/* The index against a plain search in double precision, across reopening, crashes and threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <whatsit/index.h>
#include <whatsit/session.h>

static const char model_a[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
static const char model_b[] = "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

static uint32_t dice(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* Rows in clusters, as photos are: a centre of its own for each dozen. */
static float *make_rows(uint64_t seed, size_t n, size_t dim)
{
    float *rows = calloc(n + 1, dim * sizeof *rows), centre[512] = {0};
    assert_true(rows && dim <= 512);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < dim; j++) {
            if (i % 12 == 0)
                centre[j] = (float)dice(&seed) / 2147483648.0f - 0.5f;
            rows[i * dim + j] = centre[j] + 0.6f * ((float)dice(&seed) / 2147483648.0f - 0.5f);
        }
    return rows;
}

static double cosine(const float *a, const float *b, size_t dim)
{
    double ab = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < dim; i++) {
        ab += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}

static char folder[256];

static const char *fresh_path(void)
{
    static char path[512];
    static int n = 0;
    snprintf(path, sizeof path, "%s/index-%d", folder, n++);
    return path;
}

static wi_engine *open_engine(int n_threads, const char *isa)
{
    wi_engine *engine = NULL;
    wi_engine_options options = {.n_threads = n_threads, .isa = isa};
    assert_int_equal(wi_engine_open(&options, &engine, NULL), WI_OK);
    return engine;
}

static wi_index *open_index(wi_engine *engine, const char *path, uint32_t dim)
{
    wi_index *index = NULL;
    wi_error error = {0};
    wi_index_options options = {.dim = dim, .fingerprint = model_a};
    if (wi_index_open(engine, path, &options, &index, &error) != WI_OK)
        fail_msg("%s", error.message);
    return index;
}

/* Every hit's score is its cosine, hits are in order, and nothing clearly better was left out. */
static void check_hits(const float *rows, size_t n, size_t dim, const float *query,
                       const uint8_t *filter, const wi_index_hit *hits, size_t n_hits, size_t k)
{
    size_t n_counting = 0, n_better = 0;
    for (size_t i = 0; i < n_hits; i++) {
        assert_true(hits[i].row < n);
        assert_true(!filter || (filter[hits[i].row / 8] >> (hits[i].row % 8) & 1));
        double want = cosine(rows + hits[i].row * dim, query, dim);
        assert_true(fabs((double)hits[i].score - want) < 1e-3);
        assert_true(i == 0 || hits[i - 1].score > hits[i].score ||
                    (hits[i - 1].score == hits[i].score && hits[i - 1].row < hits[i].row));
    }
    for (size_t i = 0; i < n; i++)
        if (!filter || (filter[i / 8] >> (i % 8) & 1)) {
            n_counting++;
            n_better += n_hits > 0 &&
                        cosine(rows + i * dim, query, dim) > (double)hits[n_hits - 1].score + 0.005;
        }
    assert_int_equal(n_hits, n_counting < k ? n_counting : k);
    assert_true(n_better < k || k == 0);
}

static void search_case(size_t n, size_t dim, size_t k, bool filtered, wi_engine *engine)
{
    float *rows = make_rows(n * 31 + dim, n, dim), *query = make_rows(dim + 5, 1, dim);
    uint8_t *filter = calloc(n / 8 + 1, 1);
    wi_index_hit *hits = calloc(k + 1, sizeof *hits);
    wi_index *index = open_index(engine, fresh_path(), (uint32_t)dim);
    size_t n_hits = 99;
    uint64_t first = 99;
    assert_non_null(hits);
    assert_non_null(filter);
    assert_int_equal(wi_index_append(index, rows, n / 2, &first, NULL), WI_OK);
    assert_int_equal(first, 0);
    assert_int_equal(wi_index_append(index, rows + n / 2 * dim, n - n / 2, &first, NULL), WI_OK);
    assert_int_equal(first, n / 2);
    for (size_t i = 0; i < n; i++)
        filter[i / 8] |= (uint8_t)((i % 3 == 1) << (i % 8));
    const uint8_t *given = filtered ? filter : NULL;
    assert_int_equal(wi_index_search(index, query, k, given, hits, &n_hits, NULL), WI_OK);
    check_hits(rows, n, dim, query, given, hits, n_hits, k);
    wi_index_close(&index);
    free(rows);
    free(query);
    free(filter);
    free(hits);
}

static void finds_what_a_plain_search_finds(void **state)
{
    static const char *const isas[] = {NULL, "scalar"};
    static const size_t sizes[] = {0, 1, 7, 255, 257, 3000};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        wi_engine *engine = open_engine(2, isas[i]);
        for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++)
            for (size_t filtered = 0; filtered < 2; filtered++) {
                search_case(sizes[n], 256, 10, filtered, engine);
                search_case(sizes[n], 3, 5, filtered, engine);
                search_case(sizes[n], 67, 1, filtered, engine);
            }
        wi_engine_close(&engine);
    }
}

/* More rows than one job takes, so that several threads each keep candidates. */
static void threads_change_nothing(void **state)
{
    enum { N = 40000, DIM = 24, K = 50 };
    float *rows = make_rows(3, N, DIM), *query = make_rows(4, 1, DIM);
    wi_index_hit hits[3][K];
    const char *path = fresh_path();
    (void)state;
    for (int t = 0; t < 3; t++) {
        size_t n_hits;
        wi_engine *engine = open_engine(t + 1, NULL);
        wi_index *index = open_index(engine, path, DIM);
        if (t == 0)
            assert_int_equal(wi_index_append(index, rows, N, NULL, NULL), WI_OK);
        assert_int_equal(wi_index_search(index, query, K, NULL, hits[t], &n_hits, NULL), WI_OK);
        assert_int_equal(n_hits, K);
        for (size_t i = 0; i < K; i++) {
            assert_int_equal(hits[t][i].row, hits[0][i].row);
            assert_true(hits[t][i].score == hits[0][i].score);
        }
        wi_index_close(&index);
        wi_engine_close(&engine);
    }
    check_hits(rows, N, DIM, query, NULL, hits[2], K, K);
    free(rows);
    free(query);
}

static void add_bytes(const char *path, const char *ending, const char *bytes, size_t n)
{
    char name[600];
    snprintf(name, sizeof name, "%s%s", path, ending);
    FILE *file = fopen(name, "ab");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    fclose(file);
}

static void survives_cut_rows_and_forgets_unknown_ones(void **state)
{
    enum { N = 20, DIM = 16 };
    float *rows = make_rows(9, N, DIM), row[DIM];
    const char *path = fresh_path();
    wi_engine *engine = open_engine(1, NULL);
    wi_index *index = open_index(engine, path, DIM);
    wi_index_info info;
    uint64_t first;
    (void)state;
    assert_int_equal(wi_index_append(index, rows, N, NULL, NULL), WI_OK);
    assert_int_equal(wi_index_sync(index, NULL), WI_OK);
    wi_index_close(&index);
    /* A writer died in the middle of a row of one file, and after some rows in the other. */
    add_bytes(path, ".s8", "abcde", 5);
    add_bytes(path, ".f16", (const char *)rows, 3 * DIM * 2 + 1);
    index = open_index(engine, path, 0);
    assert_int_equal(wi_index_get_info(index, &info, NULL), WI_OK);
    assert_int_equal(info.n_rows, N);
    assert_int_equal(info.dim, DIM);
    assert_string_equal(info.fingerprint, model_a);
    assert_int_equal(wi_index_keep(index, N + 1, NULL), WI_ERR_ARG);
    assert_int_equal(wi_index_keep(index, 5, NULL), WI_OK);
    assert_int_equal(wi_index_append(index, rows + 19 * DIM, 1, &first, NULL), WI_OK);
    assert_int_equal(first, 5);
    assert_int_equal(wi_index_row(index, 5, row, NULL), WI_OK);
    assert_true(cosine(row, rows + 19 * DIM, DIM) > 0.99999);
    assert_int_equal(wi_index_row(index, 6, row, NULL), WI_ERR_NOT_FOUND);
    wi_index_close(&index);
    wi_engine_close(&engine);
    free(rows);
}

static void refuses_what_does_not_fit(void **state)
{
    enum { DIM = 8 };
    const char *path = fresh_path();
    wi_engine *engine = open_engine(1, NULL);
    wi_error error = {0};
    wi_index *index = NULL, *second = NULL;
    wi_index_options old = {.dim = 0}, other = {.dim = DIM, .fingerprint = model_b},
                     wider = {.dim = 9, .fingerprint = model_a}, reader = {.read_only = true};
    float rows[2 * DIM] = {1, 2, 3, 4, 5, 6, 7, 8}, wrong[DIM] = {NAN};
    wi_index_info info;
    wi_index_hit hit;
    size_t n_hits = 7;
    (void)state;
    assert_int_equal(wi_index_open(engine, path, &old, &index, &error), WI_ERR_NOT_FOUND);
    assert_int_equal(wi_index_open(engine, path, &reader, &index, &error), WI_ERR_NOT_FOUND);
    index = open_index(engine, path, DIM);
    assert_int_equal(wi_index_open(engine, path, &wider, &second, &error), WI_ERR_IO);
    assert_non_null(strstr(error.message, "another process is writing"));
    assert_int_equal(wi_index_append(index, rows, 2, NULL, &error), WI_ERR_ARG); /* one is zero */
    assert_int_equal(wi_index_append(index, wrong, 1, NULL, &error), WI_ERR_ARG);
    assert_int_equal(wi_index_get_info(index, &info, NULL), WI_OK);
    assert_int_equal(info.n_rows, 0);
    assert_int_equal(wi_index_search(index, rows, 1, NULL, &hit, &n_hits, NULL), WI_OK);
    assert_int_equal(n_hits, 0);
    assert_int_equal(wi_index_append(index, rows, 1, NULL, &error), WI_OK);
    assert_int_equal(wi_index_search(index, wrong, 1, NULL, &hit, &n_hits, &error), WI_ERR_ARG);
    wi_index_close(&index);
    assert_int_equal(wi_index_open(engine, path, &other, &index, &error), WI_ERR_MISMATCH);
    assert_int_equal(wi_index_open(engine, path, &wider, &index, &error), WI_ERR_MISMATCH);
    assert_int_equal(wi_index_open(engine, path, &reader, &index, &error), WI_OK);
    assert_int_equal(wi_index_append(index, rows, 1, NULL, &error), WI_ERR_ARG);
    wi_index_close(&index);
    path = fresh_path();
    add_bytes(path, ".s8",
              "not an index, but long enough to be one, were it not for the magic "
              "that it begins with; so much for that, and then some more bytes",
              130);
    assert_int_equal(wi_index_open(engine, path, &other, &index, &error), WI_ERR_FORMAT);
    wi_engine_close(&engine);
}

typedef struct found_pairs {
    uint64_t pair[64][2];
    size_t n, stop_at;
} found_pairs;

static bool take_pair(void *context, uint64_t a, uint64_t b, float score)
{
    found_pairs *found = context;
    assert_true(score > 0.98f && found->n < 64 && a < b);
    found->pair[found->n][0] = a;
    found->pair[found->n++][1] = b;
    return found->n != found->stop_at;
}

static void finds_pairs_in_order(void **state)
{
    enum { N = 2100, DIM = 32 };
    float *rows = make_rows(77, N, DIM);
    wi_engine *engine = open_engine(2, NULL);
    wi_index *index = open_index(engine, fresh_path(), DIM);
    static const size_t copies[][2] = {{0, 2099}, {5, 6}, {5, 1500}, {6, 1500}, {1023, 1024}};
    uint8_t filter[N / 8 + 1];
    found_pairs found = {.n = 0};
    (void)state;
    for (size_t i = 0; i < 5; i++) /* scaled, so that only the direction is equal */
        for (size_t j = 0; j < DIM; j++)
            rows[copies[i][1] * DIM + j] = 2 * rows[copies[i][0] * DIM + j];
    assert_int_equal(wi_index_append(index, rows, N, NULL, NULL), WI_OK);
    assert_int_equal(wi_index_pairs(index, 0.99f, NULL, take_pair, &found, NULL), WI_OK);
    assert_int_equal(found.n, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(found.pair[i][0], copies[i][0]);
        assert_int_equal(found.pair[i][1], copies[i][1]);
    }
    memset(filter, 0xff, sizeof filter);
    filter[1500 / 8] &= (uint8_t)~(1 << (1500 % 8));
    found = (found_pairs){.n = 0};
    assert_int_equal(wi_index_pairs(index, 0.99f, filter, take_pair, &found, NULL), WI_OK);
    assert_int_equal(found.n, 3);
    found = (found_pairs){.stop_at = 2};
    assert_int_equal(wi_index_pairs(index, 0.99f, NULL, take_pair, &found, NULL), WI_ERR_CANCELLED);
    assert_int_equal(found.n, 2);
    wi_index_close(&index);
    wi_engine_close(&engine);
    free(rows);
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "%s/index-test-XXXXXX", WHATSIT_BINARY_DIR);
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[300];
    (void)state;
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_a_plain_search_finds),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(survives_cut_rows_and_forgets_unknown_ones),
        cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(finds_pairs_in_order),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
