/* The store, on whichever database $WHATSIT_STORE_URL names; test_store.py runs it on each. Every test starts
 * from an empty database: a fresh file, or a schema of its own. */
#include "../../apps/store/db.h"
#include "../../apps/store/fail.h"
#include "../../apps/store/store.h"
#include "../../apps/store/tx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char url[512];
static wi_error error;
#define OK(call) assert_int_equal(call, WI_OK)

static bool is_postgres(void)
{
    return !strncmp(url, "postgres", 8);
}

static const db_driver *driver(void)
{
    return is_postgres() ? &db_postgres : &db_sqlite;
}

/* Runs a script on a connection of its own. */
static void script(const char *sql)
{
    db_connection *connection = NULL;
    OK(driver()->open(url, &connection, &error));
    wi_status status = driver()->script(connection, sql, &error);
    if (status != WI_OK) {
        fail_msg("%s: %s", sql, error.message);
    }
    driver()->close(&connection);
}

static int empty(void **state)
{
    (void)state;
    error = (wi_error){0};
    if (is_postgres()) {
        script("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    } else {
        static const char *const ends[] = {"", "-wal", "-shm"};
        for (size_t i = 0; i < 3; i++) {
            char path[600];
            snprintf(path, sizeof path, "%s%s", url, ends[i]);
            unlink(path);
        }
    }
    return 0;
}

static store *open_store(void)
{
    store *st = NULL;
    if (store_open(url, &st, &error) != WI_OK) {
        fail_msg("%s", error.message);
    }
    return st;
}

static store_head head_of(const char *name, const char *owner, const char *bytes)
{
    return (store_head){
        .name = (char *)(uintptr_t)name,
        .model = "m",
        .fingerprint = "f",
        .kind = "zero-shot",
        .owner = (char *)(uintptr_t)owner,
        .etag = "e",
        .n_labels = 2,
        .n_bytes = (int64_t)strlen(bytes) + 1,
        .created_ms = 5000000000,
        .bytes = (void *)(uintptr_t)bytes,
    };
}

static void heads(void **state)
{
    (void)state;
    store *st = open_store();
    store_head got = {0}, *list = NULL;
    size_t n = 0;
    store_head one = head_of("one", "", ""), two = head_of("zw\xc3\xb6lf", "k", "");
    one.bytes = (void *)(uintptr_t)"a\0b";
    one.n_bytes = 4;
    OK(store_head_put(st, &one, false, NULL, &error));
    OK(store_head_put(st, &two, false, NULL, &error));
    assert_int_equal(store_head_put(st, &one, false, NULL, &error), WI_ERR_MISMATCH);
    OK(store_head_get(st, "one", &got, &error));
    assert_int_equal(got.n_bytes, 4);
    assert_memory_equal(got.bytes, "a\0b\0", 4);
    assert_int_equal(got.created_ms, 5000000000);
    store_head_free(&got);
    one.owner = "thief";
    assert_int_equal(store_head_put(st, &one, true, NULL, &error), WI_ERR_MISMATCH);
    one.owner = "";
    one.etag = "new";
    OK(store_head_put(st, &one, true, NULL, &error));
    OK(store_head_find(st, "one", &got, &error));
    assert_string_equal(got.etag, "new");
    assert_null(got.bytes);
    store_head_free(&got);
    OK(store_head_list(st, NULL, true, "", 10, &list, &n, &error));
    assert_int_equal(n, 2);
    assert_string_equal(list[1].name, "zw\xc3\xb6lf");
    store_heads_free(&list, n);
    OK(store_head_list(st, NULL, true, "one", 10, &list, &n, &error));
    assert_int_equal(n, 1);
    store_heads_free(&list, n);
    assert_int_equal(store_head_delete(st, "zw\xc3\xb6lf", "", &error), WI_ERR_MISMATCH);
    OK(store_head_delete(st, "zw\xc3\xb6lf", NULL, &error));
    assert_int_equal(store_head_delete(st, "zw\xc3\xb6lf", NULL, &error), WI_ERR_NOT_FOUND);
    assert_int_equal(store_head_get(st, "nobody'; DROP TABLE heads; --", &got, &error),
                     WI_ERR_NOT_FOUND);
    store_close(&st);
    st = open_store();
    OK(store_head_find(st, "one", &got, &error));
    store_head_free(&got);
    store_close(&st);
}

static void keys(void **state)
{
    (void)state;
    store *st = open_store();
    store_key key = {.id = "id", .name = "name", .plan = {1, 2, 3, 4, 5, 6}, .created_ms = 7},
              got = {0}, *list;
    size_t n = 0;
    for (size_t i = 0; i < sizeof key.hash; i++) {
        key.hash[i] = (uint8_t)(255 - i);
    }
    OK(store_key_put(st, &key, &error));
    assert_int_equal(store_key_put(st, &key, &error), WI_ERR_MISMATCH);
    OK(store_key_get(st, "id", &got, &error));
    assert_memory_equal(got.hash, key.hash, sizeof key.hash);
    assert_memory_equal(&got.plan, &key.plan, sizeof key.plan);
    store_key_free(&got);
    OK(store_key_revoke(st, "id", 99, &error));
    assert_int_equal(store_key_revoke(st, "id", 99, &error), WI_ERR_NOT_FOUND);
    OK(store_key_list(st, &list, &n, &error));
    assert_int_equal(n, 1);
    assert_int_equal(list[0].revoked_ms, 99);
    store_keys_free(&list, n);
    assert_int_equal(store_key_get(st, "other", &got, &error), WI_ERR_NOT_FOUND);
    store_close(&st);
}

enum { N_THREADS = 8, N_EACH = 60, LIMIT = 300 };

typedef struct taker {
    pthread_t thread;
    store *st;
    int n_taken;
    bool failed;
} taker;

static void *take(void *context)
{
    taker *t = context;
    const store_plan plan = {LIMIT, -1, -1, -1, -1, -1, -1, -1};
    const store_usage cost = {.day = 3, .requests = 1, .bytes = 10};
    for (int i = 0; i < N_EACH; i++) {
        bool taken = false;
        store_usage now;
        t->failed = t->failed ||
                    store_usage_take(t->st, "k", &cost, &plan, &taken, &now, NULL) != WI_OK ||
                    now.requests > LIMIT;
        t->n_taken += taken;
    }
    return NULL;
}

/* Two stores of one database, as two servers would have. */
static void usage(void **state)
{
    (void)state;
    store *stores[2] = {open_store(), open_store()};
    taker takers[N_THREADS];
    int n_taken = 0;
    store_usage days[4];
    size_t n = 0;
    for (int i = 0; i < N_THREADS; i++) {
        takers[i] = (taker){.st = stores[i % 2]};
        assert_int_equal(pthread_create(&takers[i].thread, NULL, take, &takers[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++) {
        pthread_join(takers[i].thread, NULL);
        assert_false(takers[i].failed);
        n_taken += takers[i].n_taken;
    }
    assert_int_equal(n_taken, LIMIT);
    OK(store_usage_get(stores[0], "k", 4, days, &n, &error));
    assert_int_equal(n, 1);
    assert_int_equal(days[0].requests, LIMIT);
    assert_int_equal(days[0].bytes, 10 * LIMIT);
    bool taken = true;
    const store_plan none = {0, -1, -1, -1, -1, -1, -1, -1},
                     heads_only = {-1, 1, -1, -1, -1, -1, -1, -1};
    const store_usage head = {.day = 4, .requests = 1, .heads = 1};
    OK(store_usage_take(stores[0], "new", &head, &none, &taken, days, &error));
    assert_false(taken);
    OK(store_usage_take(stores[0], "new", &head, &heads_only, &taken, days, &error));
    assert_true(taken);
    OK(store_usage_take(stores[1], "new", &head, &heads_only, &taken, days, &error));
    assert_false(taken);
    assert_int_equal(days[0].heads, 1);
    store_close(&stores[0]);
    store_close(&stores[1]);
}

static store_job job_of(const char *id, int64_t created_ms)
{
    return (store_job){.id = (char *)(uintptr_t)id,
                       .owner = "o",
                       .kind = "head",
                       .request = "{}",
                       .state = "queued",
                       .server = "",
                       .created_ms = created_ms,
                       .updated_ms = created_ms};
}

static void jobs(void **state)
{
    (void)state;
    store *st = open_store();
    store_job a = job_of("a", 1), b = job_of("b", 2), got = {0}, late = {0};
    bool cancel = false;
    int64_t n = 0;
    OK(store_job_put(st, &b, &error));
    OK(store_job_put(st, &a, &error));
    OK(store_job_count(st, "o", &n, &error));
    assert_int_equal(n, 2);
    OK(store_job_claim(st, "s1", 100, 200, &got, &error));
    assert_string_equal(got.id, "a");
    assert_string_equal(got.request, "{}");
    got.done = 5;
    got.total = 9;
    got.lease_ms = 300;
    OK(store_job_progress(st, &got, &cancel, &error));
    assert_false(cancel);
    OK(store_job_cancel(st, "a", 3, &error));
    OK(store_job_progress(st, &got, &cancel, &error));
    assert_true(cancel);
    OK(store_job_cancel(st, "b", 3, &error));
    assert_int_equal(store_job_claim(st, "s2", 299, 400, &late, &error), WI_ERR_NOT_FOUND);
    /* the lease of the first server runs out */
    OK(store_job_claim(st, "s2", 301, 400, &late, &error));
    assert_string_equal(late.id, "a");
    assert_int_equal(store_job_progress(st, &got, &cancel, &error), WI_ERR_NOT_FOUND);
    assert_int_equal(store_job_finish(st, &got, &error), WI_ERR_NOT_FOUND);
    free(late.state);
    late.state = strdup("done");
    OK(store_job_finish(st, &late, &error));
    store_job_free(&got);
    store_job_free(&late);
    OK(store_job_get(st, "a", &got, &error));
    assert_string_equal(got.state, "done");
    assert_null(got.request);
    store_job_free(&got);
    OK(store_job_get(st, "b", &got, &error));
    assert_string_equal(got.state, "cancelled");
    store_job_free(&got);
    OK(store_job_sweep(st, 1000, &error));
    assert_int_equal(store_job_get(st, "a", &got, &error), WI_ERR_NOT_FOUND);
    assert_int_equal(store_job_cancel(st, "a", 1, &error), WI_ERR_NOT_FOUND);
    store_close(&st);
}

static void put_job(store *st, const char *id, const char *owner, int64_t created_ms)
{
    store_job job = job_of(id, created_ms);
    job.owner = (char *)(uintptr_t)owner;
    OK(store_job_put(st, &job, &error));
}

/* Who has many jobs does not keep others waiting. */
static void turns(void **state)
{
    static const char *const order[] = {"a1", "b1", "c1", "a2", "b2", "a3"};
    (void)state;
    store *st = open_store();
    put_job(st, "a1", "a", 1);
    put_job(st, "a2", "a", 2);
    put_job(st, "a3", "a", 3);
    put_job(st, "b1", "b", 4);
    put_job(st, "b2", "b", 5);
    put_job(st, "c1", "c", 6);
    for (int i = 0; i < 6; i++) {
        store_job got = {0};
        OK(store_job_claim(st, "s", 100 + i, 1000, &got, &error));
        assert_string_equal(got.id, order[i]);
        store_job_free(&got);
    }
    store_close(&st);
}

typedef struct claimer {
    pthread_t thread;
    store *st;
    int n;
} claimer;

static void *claim(void *context)
{
    claimer *c = context;
    store_job got = {0};
    while (store_job_claim(c->st, "s", 0, 1000, &got, NULL) == WI_OK) {
        c->n++;
        store_job_free(&got);
    }
    return NULL;
}

/* No job is given to two servers. */
static void claims(void **state)
{
    (void)state;
    store *stores[2] = {open_store(), open_store()};
    claimer claimers[6];
    int n = 0, n_least = 0;
    for (int i = 0; i < 40; i++) {
        char id[8];
        snprintf(id, sizeof id, "%d", i);
        store_job job = job_of(id, i);
        OK(store_job_put(stores[0], &job, &error));
    }
    for (int i = 0; i < 6; i++) {
        claimers[i] = (claimer){.st = stores[i % 2]};
        assert_int_equal(pthread_create(&claimers[i].thread, NULL, claim, &claimers[i]), 0);
    }
    for (int i = 0; i < 6; i++) {
        pthread_join(claimers[i].thread, NULL);
        n += claimers[i].n;
    }
    /* A claimer that met another one at a row may stop early: what it left is there still. */
    claimer last = {.st = stores[0]};
    claim(&last);
    n_least = n + last.n;
    assert_int_equal(n_least, 40);
    store_close(&stores[0]);
    store_close(&stores[1]);
}

typedef struct opener {
    pthread_t thread;
    pthread_barrier_t *start;
    wi_status status;
    wi_error error;
} opener;

static void *open_one(void *context)
{
    opener *o = context;
    store *st = NULL;
    pthread_barrier_wait(o->start);
    o->status = store_open(url, &st, &o->error);
    store_close(&st);
    return NULL;
}

/* Servers and commands that meet at a database that nobody has made yet. */
static void openers(void **state)
{
    enum { N = 8 };
    for (int round = 0; round < 20; round++) {
        opener all[N];
        pthread_barrier_t start;
        empty(state);
        pthread_barrier_init(&start, NULL, N);
        for (int i = 0; i < N; i++) {
            all[i] = (opener){.start = &start};
            assert_int_equal(pthread_create(&all[i].thread, NULL, open_one, &all[i]), 0);
        }
        for (int i = 0; i < N; i++) {
            pthread_join(all[i].thread, NULL);
        }
        for (int i = 0; i < N; i++) {
            if (all[i].status != WI_OK) {
                fail_msg("%s", all[i].error.message);
            }
        }
        pthread_barrier_destroy(&start);
    }
}

/* What programs of version 1 to 5 have left behind. */
static const char *const left_behind[] = {
    "INSERT INTO heads (name, model, fingerprint, kind, owner, etag, n_labels, n_bytes, created_ms,"
    " bytes) VALUES ('h','m','f','zero-shot','','e',1,3,4,'abc');"
    "INSERT INTO keys (id, name, salt, hash, requests_a_day, heads_a_day, bytes_a_day, "
    "concurrency, created_ms,"
    " revoked_ms) VALUES "
    "('k','n','0123456789abcdef','0123456789abcdef0123456789abcdef',1,2,3,4,5,0)",
    "INSERT INTO usage VALUES ('k', 7, 8, 9, 10)",
    "INSERT INTO jobs VALUES ('old', '', 'head', '{}', 'running', 's', '', '', 1, 2, 3, 4, 5, 0)",
    "INSERT INTO job_parts VALUES ('old', 'abc')",
    "INSERT INTO secrets VALUES ('x', 'abc')",
    "INSERT INTO job_files VALUES ('old', 'in', 'abc')",
};

/* What was kept of a job is its server's to replace, and goes when the job is over. */
static void parts(void **state)
{
    (void)state;
    store *st = open_store();
    store_job job = job_of("p", 1), got = {0}, other;
    char bytes[4] = "none";
    OK(store_job_put(st, &job, &error));
    OK(store_job_claim(st, "one", 100, 1000, &got, &error));
    assert_int_equal(store_job_kept(st, "p", bytes, 4, &error), WI_ERR_NOT_FOUND);
    OK(store_job_keep(st, &got, "a\0c", 4, &error));
    OK(store_job_keep(st, &got, "b\0d", 4, &error));
    other = got;
    other.server = "two";
    OK(store_job_keep(st, &other, "xxxx", 4, &error));
    assert_int_equal(store_job_kept(st, "p", bytes, 3, &error), WI_ERR_NOT_FOUND);
    assert_memory_equal(bytes, "none", 4);
    OK(store_job_kept(st, "p", bytes, 4, &error));
    assert_memory_equal(bytes, "b\0d", 4);
    assert_int_equal(store_job_finish(st, &other, &error), WI_ERR_NOT_FOUND);
    OK(store_job_kept(st, "p", bytes, 4, &error));
    got.state[0] = '\0';
    OK(store_job_finish(st, &got, &error));
    assert_int_equal(store_job_kept(st, "p", bytes, 4, &error), WI_ERR_NOT_FOUND);
    store_job_free(&got);
    store_close(&st);
}

/* What a job works on is there until it is over, what came of it until it is forgotten. */
static void files(void **state)
{
    (void)state;
    store *st = open_store();
    store_job job = job_of("f", 1), late = job_of("g", 2), got = {0};
    void *bytes = NULL;
    size_t n_bytes = 0;
    int64_t n = 0;
    job.file = late.file = "in\0";
    job.n_file = late.n_file = 4;
    OK(store_job_put(st, &job, &error));
    assert_true(store_job_put(st, &job, &error) != WI_OK);
    OK(store_job_put(st, &late, &error));
    OK(store_job_count_kind(st, "o", "head", &n, &error));
    assert_int_equal(n, 2);
    OK(store_job_count_kind(st, NULL, "other", &n, &error));
    assert_int_equal(n, 0);
    OK(store_job_file(st, "f", false, &bytes, &n_bytes, &error));
    assert_int_equal(n_bytes, 4);
    assert_memory_equal(bytes, "in\0", 4);
    free(bytes);
    assert_int_equal(store_job_file(st, "f", true, &bytes, &n_bytes, &error), WI_ERR_NOT_FOUND);
    OK(store_job_claim(st, "one", 100, 1000, &got, &error));
    assert_string_equal(got.id, "f");
    got.file = "out";
    got.n_file = 3;
    memcpy(got.state, "done", 5);
    OK(store_job_finish(st, &got, &error));
    assert_int_equal(store_job_file(st, "f", false, &bytes, &n_bytes, &error), WI_ERR_NOT_FOUND);
    OK(store_job_cancel(st, "g", 5, &error));
    OK(store_job_sweep(st, 0, &error)); /* nobody will work on the cancelled one */
    assert_int_equal(store_job_file(st, "g", false, &bytes, &n_bytes, &error), WI_ERR_NOT_FOUND);
    OK(store_job_file(st, "f", true, &bytes, &n_bytes, &error));
    assert_memory_equal(bytes, "out", 3);
    free(bytes);
    OK(store_job_sweep(st, INT64_MAX, &error));
    assert_int_equal(store_job_file(st, "f", true, &bytes, &n_bytes, &error), WI_ERR_NOT_FOUND);
    store_job_free(&got);
    store_close(&st);
}

static void migrations(void **state)
{
    for (int from = 0; from < STORE_VERSION; from++) {
        empty(state);
        store *st = NULL;
        OK(store_open_at(url, from, &st, &error));
        store_close(&st);
        for (int i = 0; i < from; i++) {
            script(left_behind[i]);
        }
        st = open_store();
        store_head head = {0};
        store_key key = {0};
        store_usage day = {0};
        size_t n = 0;
        if (from >= 1) {
            OK(store_head_get(st, "h", &head, &error));
            assert_memory_equal(head.bytes, "abc", 3);
            OK(store_key_get(st, "k", &key, &error));
            assert_int_equal(key.plan.concurrency, 4);
            assert_int_equal(key.plan.rate_milli, -1);
            assert_int_equal(key.plan.heads_kept, -1);
            assert_string_equal(head.visibility, "public");
            assert_string_equal(key.only_heads, "");
            assert_false(key.read_only);
            store_head_free(&head);
            store_key_free(&key);
        }
        OK(store_usage_get(st, "k", 1, &day, &n, &error));
        assert_int_equal(n, from >= 2);
        assert_int_equal(day.bytes, from >= 2 ? 10 : 0);
        OK(store_ping(st, &error));
        store_job job = job_of("j", 1);
        OK(store_job_put(st, &job, &error));
        int64_t n_open = 0;
        OK(store_job_count(st, NULL, &n_open, &error));
        assert_int_equal(n_open, from >= 3 ? 2 : 1);
        store_close(&st);
        st = open_store(); /* a second time changes nothing */
        store_close(&st);
    }
}

static store_head kept_of(const char *name, const char *owner, const char *visibility)
{
    return (store_head){.name = (char *)(uintptr_t)name,
                        .model = "m",
                        .fingerprint = "f",
                        .kind = "zero-shot",
                        .owner = (char *)(uintptr_t)owner,
                        .etag = "e",
                        .visibility = (char *)(uintptr_t)visibility,
                        .n_bytes = 10,
                        .created_ms = 1,
                        .bytes = "0123456789"};
}

/* Who sees what; how much is kept for whom; what is forgotten. */
static void ownership(void **state)
{
    (void)state;
    store *st = open_store();
    const store_bounds two = {2, 25, 30, 60}, any = {-1, -1, -1, -1};
    store_head heads[] = {kept_of("a", "~1", "private"), kept_of("b", "k", "shared"),
                          kept_of("c", "", "public"),    kept_of("d", "~1", "public"),
                          kept_of("e", "~1", "public"),  kept_of("f", "~2", "public")};
    store_head *list = NULL;
    size_t n = 0;
    for (size_t i = 0; i < 4; i++) {
        OK(store_head_put(st, &heads[i], false, &two, &error));
    }
    assert_int_equal(store_head_put(st, &heads[4], false, &two, &error), WI_ERR_LIMIT);
    heads[3].n_bytes = 9; /* in place of itself it fits */
    OK(store_head_put(st, &heads[3], true, &two, &error));
    OK(store_head_put(st, &heads[5], false, &two, &error));
    heads[4].owner = "~3"; /* all addresses together */
    assert_int_equal(store_head_put(st, &heads[4], false, &two, &error), WI_ERR_LIMIT);
    heads[4].owner = "k2";
    OK(store_head_put(st, &heads[4], false, &two, &error));
    heads[4].name = "g"; /* all together */
    heads[4].owner = "k3";
    assert_int_equal(store_head_put(st, &heads[4], false, &two, &error), WI_ERR_LIMIT);
    const struct {
        const char *owner;
        bool shared;
        size_t n;
    } sights[] = {
        {NULL, true, 6}, {"~1", false, 5}, {"~2", false, 4}, {"k2", true, 5}, {"k", true, 5}};
    for (size_t i = 0; i < 5; i++) {
        OK(store_head_list(st, sights[i].owner, sights[i].shared, "", 10, &list, &n, &error));
        assert_int_equal(n, sights[i].n);
        store_heads_free(&list, n);
    }
    heads[4].expires_ms = 50;
    OK(store_head_put(st, &heads[4], false, &any, &error));
    OK(store_head_sweep(st, 50, &error));
    OK(store_head_list(st, NULL, true, "", 10, &list, &n, &error));
    assert_int_equal(n, 7);
    store_heads_free(&list, n);
    OK(store_head_sweep(st, 51, &error));
    OK(store_head_list(st, NULL, true, "", 10, &list, &n, &error));
    assert_int_equal(n, 6);
    store_heads_free(&list, n);
    store_close(&st);
}

static wi_status put_vector(store *st, const char *owner, const char *model, const char *id,
                            float x, float y, int64_t expires_ms)
{
    static const store_vector_bounds bounds = {.own = 5, .guests = 3, .all = 8};
    float row[2] = {x, y};
    const store_vector vector = {.id = (char *)(uintptr_t)id,
                                 .meta = (char *)(uintptr_t)"{}",
                                 .row = row,
                                 .dim = 2,
                                 .added_ms = 5,
                                 .expires_ms = expires_ms,
                                 .owner = owner,
                                 .fingerprint = model};
    return store_vectors_put(st, &vector, 1, &bounds, &error);
}

static void vectors(void **state)
{
    (void)state;
    store *st = NULL;
    store_vector one = {0}, *some = NULL;
    store_vector_counted counted[4];
    size_t n = 0;
    const float query[2] = {0.6f, 0.8f};
    OK(store_open(url, &st, &error));
    OK(put_vector(st, "a", "m1", "x", 1, 0, 0));
    OK(put_vector(st, "a", "m1", "y", 0, 1, 0));
    OK(put_vector(st, "a", "m1", "z", 0.6f, 0.8f, 0));
    OK(put_vector(st, "a", "m2", "x", 0, 1, 0));
    OK(put_vector(st, "b", "m1", "x", 0, 1, 0));
    OK(store_vector_get(st, "a", "m1", "x", &one, &error));
    assert_true(one.dim == 2 && one.row[0] == 1 && one.row[1] == 0 && one.added_ms == 5);
    assert_string_equal(one.meta, "{}");
    store_vector_free(&one);
    assert_int_equal(store_vector_get(st, "b", "m1", "y", &one, &error), WI_ERR_NOT_FOUND);
    OK(store_vector_page(st, "a", "m1", "x", 10, &some, &n, &error));
    assert_true(n == 2 && !strcmp(some[0].id, "y") && !strcmp(some[1].id, "z"));
    store_vectors_free(&some, n);
    /* one that is there is replaced and not counted again; both bounds hold */
    OK(put_vector(st, "a", "m1", "x", 0, -1, 0));
    OK(put_vector(st, "a", "m2", "y", 0, 1, 0));
    assert_int_equal(put_vector(st, "a", "m2", "z", 0, 1, 0), WI_ERR_LIMIT);
    OK(put_vector(st, "a", "m2", "y", 1, 0, 0));
    OK(store_vector_count(st, "a", 4, counted, &n, &error));
    assert_true(n == 2 && counted[0].n == 3 && counted[1].n == 2);
    assert_string_equal(counted[1].fingerprint, "m2");
    /* the database's own order, where it knows one, is that of the cosines */
    wi_status near = store_vector_near(st, "a", "m1", query, 2, 3, &some, &n, &error);
    assert_int_equal(near, store_has_near(st) ? WI_OK : WI_ERR_UNSUPPORTED);
    assert_true(near != WI_OK || (n == 3 && !strcmp(some[0].id, "z") && !strcmp(some[1].id, "y") &&
                                  !strcmp(some[2].id, "x") && some[2].row[1] == -1));
    store_vectors_free(&some, n);
    /* of addresses, all together; what is over is not there, and makes room once it is swept */
    OK(put_vector(st, "~a", "m1", "x", 1, 0, 1000));
    OK(put_vector(st, "~b", "m1", "x", 1, 0, 0));
    assert_int_equal(put_vector(st, "b", "m1", "z", 1, 0, 0), WI_ERR_LIMIT); /* 8 in all */
    assert_int_equal(store_vector_get(st, "~a", "m1", "x", &one, &error), WI_ERR_NOT_FOUND);
    OK(store_vector_sweep(st, store_now_ms(), &error));
    OK(put_vector(st, "~b", "m1", "y", 1, 0, 0));
    OK(store_vector_delete(st, "a", "x", &error)); /* of both models */
    assert_int_equal(store_vector_delete(st, "a", "x", &error), WI_ERR_NOT_FOUND);
    OK(put_vector(st, "~b", "m1", "z", 1, 0, 0));
    assert_int_equal(put_vector(st, "~c", "m1", "z", 1, 0, 0), WI_ERR_LIMIT);
    OK(put_vector(st, "b", "m1", "z", 1, 0, 0));
    store_close(&st);
}

static void count_trouble(void *context, const char *message)
{
    assert_non_null(strstr(message, "database"));
    ++*(int *)context;
}

/* What a client sends is its fault, and not the database's. */
static void values_at_fault(void **state)
{
    (void)state;
    store *st = open_store();
    store_head head = {0};
    store_key key = {0};
    uint8_t one[32], two[32];
    int n_trouble = 0;
    store_on_trouble(st, count_trouble, &n_trouble);
    const wi_status expected = is_postgres() ? WI_ERR_ARG : WI_ERR_NOT_FOUND;
    assert_int_equal(store_head_find(st, "\xff", &head, &error), expected);
    assert_int_equal(store_key_get(st, "\xc0\x80", &key, &error), expected);
    assert_int_equal(n_trouble, 0);
    OK(store_ping(st, &error));
    OK(store_secret(st, "s", one, &error));
    OK(store_secret(st, "s", two, &error));
    assert_memory_equal(one, two, 32);
    OK(store_secret(st, "t", two, &error));
    assert_memory_not_equal(one, two, 32);
    script("DROP TABLE secrets");
    assert_int_equal(store_ping(st, &error), STORE_ERR_DOWN);
    assert_true(n_trouble > 0);
    store_close(&st);
}

static void changed_keys(void **state)
{
    (void)state;
    store *st = open_store();
    store_key key = {.id = "k", .name = "n", .only_heads = "", .created_ms = 1}, got = {0};
    OK(store_key_put(st, &key, &error));
    key.plan.requests_a_day = 7;
    key.plan.bytes_kept = 8;
    key.expires_ms = 9;
    key.read_only = true;
    key.only_heads = "a,b";
    memset(key.old_salt, 1, sizeof key.old_salt);
    memset(key.old_hash, 2, sizeof key.old_hash);
    key.old_until_ms = 10;
    key.name = "another";
    OK(store_key_change(st, &key, &error));
    OK(store_key_get(st, "k", &got, &error));
    assert_memory_equal(&got.plan, &key.plan, sizeof got.plan);
    assert_int_equal(got.expires_ms, 9);
    assert_true(got.read_only);
    assert_string_equal(got.only_heads, "a,b");
    assert_string_equal(got.name, "n");
    assert_memory_equal(got.old_hash, key.old_hash, sizeof got.old_hash);
    assert_int_equal(got.old_until_ms, 10);
    store_key_free(&got);
    key.id = "none";
    assert_int_equal(store_key_change(st, &key, &error), WI_ERR_NOT_FOUND);
    store_close(&st);
}

static void newer(void **state)
{
    (void)state;
    store *st = open_store();
    store_close(&st);
    script("UPDATE schema_version SET version = 99");
    assert_int_equal(store_open(url, &st, &error), WI_ERR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "99"));
    assert_int_equal(store_open("/nothing/here/x.db", &st, &error), STORE_ERR_DOWN);
}

int main(void)
{
    const char *given = getenv("WHATSIT_STORE_URL");
    if (!given || !given[0] || strlen(given) >= sizeof url) {
        fprintf(stderr, "WHATSIT_STORE_URL must name a database that may be emptied\n");
        return 2;
    }
    strcpy(url, given);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(heads, empty),
        cmocka_unit_test_setup(keys, empty),
        cmocka_unit_test_setup(usage, empty),
        cmocka_unit_test_setup(jobs, empty),
        cmocka_unit_test_setup(claims, empty),
        cmocka_unit_test_setup(parts, empty),
        cmocka_unit_test_setup(files, empty),
        cmocka_unit_test_setup(turns, empty),
        cmocka_unit_test(openers),
        cmocka_unit_test(migrations),
        cmocka_unit_test_setup(ownership, empty),
        cmocka_unit_test_setup(vectors, empty),
        cmocka_unit_test_setup(values_at_fault, empty),
        cmocka_unit_test_setup(changed_keys, empty),
        cmocka_unit_test_setup(newer, empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
