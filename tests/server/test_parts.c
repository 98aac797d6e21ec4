/* Parts of the server alone: turns between clients, addresses that proxies tell, what pictures will cost. */
#include "../../apps/server/burden.h"
#include "../../apps/server/cost.h"
#include "../../apps/server/fair.h"
#include "../../apps/server/forwarded.h"
#include "../../apps/server/frame.h"
#include "../../apps/server/gate.h"
#include "../../apps/server/keys.h"
#include "../../apps/server/memory.h"
#include "../../apps/server/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <sched.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- fair ---- */

enum { N_ITEMS = 64 };

static void turns_go_round(void **state)
{
    srv_fair_item items[N_ITEMS];
    srv_fair *fair = srv_fair_open(10, 0);
    char order[N_ITEMS + 1] = "";
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        assert_true(srv_fair_put(fair, &items[i], 1, 100));
    }
    assert_true(srv_fair_put(fair, &items[6], 2, 100));
    assert_true(srv_fair_put(fair, &items[7], 3, 100));
    assert_true(srv_fair_put(fair, &items[8], 2, 100));
    assert_int_equal(srv_fair_waiting(fair), 9);
    assert_int_equal(srv_fair_waiting_of(fair, 1), 6);
    srv_fair_item *item;
    for (size_t n = 0; (item = srv_fair_take(fair, 100)); n++) {
        order[n] = (char)('0' + item->client);
        srv_fair_done(fair, item->client, 10);
    }
    /* whoever came first has its turn first, and then everybody in turn */
    assert_string_equal(order, "123121111");
    srv_fair_close(&fair);
}

static void who_costs_more_waits_longer(void **state)
{
    srv_fair_item items[N_ITEMS];
    srv_fair *fair = srv_fair_open(10, 0);
    unsigned n_cheap = 0, n_costly = 0;
    (void)state;
    for (size_t i = 0; i < N_ITEMS; i++) {
        assert_true(srv_fair_put(fair, &items[i], 1 + i % 2, 100));
    }
    for (size_t i = 0; i < 22; i++) {
        srv_fair_item *item = srv_fair_take(fair, 100);
        bool costly = item->client == 1;
        n_costly += costly;
        n_cheap += !costly;
        srv_fair_done(fair, item->client, costly ? 100 : 10);
    }
    assert_in_range(n_costly, 2, 3);
    assert_int_equal(n_cheap, 22 - n_costly);
    srv_fair_close(&fair);
}

static void bounds_of_one_client(void **state)
{
    srv_fair_item items[8];
    srv_fair *fair = srv_fair_open(10, 0);
    (void)state;
    assert_true(srv_fair_put(fair, &items[0], 1, 2));
    assert_true(srv_fair_put(fair, &items[1], 1, 2));
    assert_false(srv_fair_put(fair, &items[2], 1, 2));
    assert_true(srv_fair_put(fair, &items[3], 2, 2));
    assert_ptr_equal(srv_fair_take(fair, 1), &items[0]);
    assert_ptr_equal(srv_fair_take(fair, 1), &items[3]);
    assert_null(srv_fair_take(fair, 1)); /* the first has one inside */
    assert_true(srv_fair_put(fair, &items[2], 1, 2));
    assert_true(srv_fair_remove(fair, &items[1]));
    assert_false(srv_fair_remove(fair, &items[1]));
    srv_fair_done(fair, 1, 500);
    assert_ptr_equal(srv_fair_take(fair, 1), &items[2]); /* in debt, and nobody else waits */
    assert_int_equal(srv_fair_waiting(fair), 0);
    srv_fair_close(&fair);
}

static void memory_is_shared(void **state)
{
    srv_memory *memory = srv_memory_open(1000);
    (void)state;
    assert_true(srv_memory_take(memory, 1, 250));
    assert_false(srv_memory_take(memory, 1, 1)); /* a quarter */
    assert_true(srv_memory_take(memory, 2, 250));
    assert_true(srv_memory_take(memory, 3, 250));
    assert_true(srv_memory_take(memory, 0, 250));
    assert_false(srv_memory_take(memory, 4, 1));
    srv_memory_give(memory, 2, 250);
    assert_true(srv_memory_take(memory, 4, 200));
    assert_int_equal(srv_memory_held(memory), 950);
    srv_memory_close(&memory);
}

/* ---- whom a request comes from ---- */

static const char *from(const char *peer, const char *const *headers, size_t n, bool *local,
                        char text[64])
{
    static const char *const ranges[] = {"127.0.0.0/8", "::1", "10.0.0.0/8"};
    srv_net nets[3];
    srv_request request = {0};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    bool is_v6 = strchr(peer, ':') != NULL;
    inet_pton(is_v6 ? AF_INET6 : AF_INET, peer,
              is_v6 ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr);
    for (size_t i = 0; i < 3; i++) {
        assert_true(srv_net_read(ranges[i], &nets[i]));
    }
    for (size_t i = 0; i + 1 < n; i += 2) {
        srv_pairs_add(&request.headers, headers[i], headers[i + 1]);
    }
    const char *wrong =
        srv_forwarded_read(&request, is_v6 ? (void *)&v6 : (void *)&v4, false, nets, 3);
    snprintf(text, 64, "%s", wrong ? "wrong" : request.address);
    *local = request.is_local;
    srv_pairs_free(&request.headers);
    return text;
}

static void addresses(void **state)
{
    static const struct {
        const char *peer, *headers[6], *is;
        bool local;
    } cases[] = {
        {"127.0.0.1", {0}, "127.0.0.1", true},
        {"192.0.2.9", {0}, "192.0.2.9", false},
        {"::1", {0}, "::1", true},
        {"192.0.2.9", {"X-Forwarded-For", "203.0.113.1"}, "192.0.2.9", false},
        {"127.0.0.1", {"X-Forwarded-For", "203.0.113.1"}, "203.0.113.1", false},
        {"127.0.0.1", {"X-Forwarded-For", "198.51.100.1, 203.0.113.1"}, "203.0.113.1", false},
        {"127.0.0.1",
         {"X-Forwarded-For", "10.9.8.7", "x-forwarded-for", "203.0.113.7"},
         "203.0.113.7",
         false},
        {"127.0.0.1",
         {"X-Forwarded-For", "203.0.113.7", "X-Forwarded-For", "10.9.8.7, 127.0.0.1"},
         "203.0.113.7",
         false},
        {"127.0.0.1", {"X-Forwarded-For", "10.1.1.1, 10.2.2.2"}, "10.1.1.1", false},
        {"10.3.3.3", {"X-Forwarded-For", "[2001:db8::5]:443"}, "2001:db8::5", false},
        {"127.0.0.1", {"X-Forwarded-For", "203.0.113.1:8080"}, "203.0.113.1", false},
        {"127.0.0.1", {"X-Forwarded-For", "evil"}, "wrong", false},
        {"127.0.0.1", {"X-Forwarded-For", "203.0.113.1, "}, "wrong", false},
        {"127.0.0.1", {"X-Forwarded-For", "203.0.113.1 203.0.113.2"}, "wrong", false},
        {"127.0.0.1", {"X-Forwarded-For", ""}, "wrong", false},
        {"127.0.0.1",
         {"Forwarded", "for=192.0.2.60;proto=http;by=203.0.113.43"},
         "192.0.2.60",
         false},
        {"127.0.0.1",
         {"Forwarded", "for=10.9.9.9, For=\"[2001:db8:cafe::17]:4711\""},
         "2001:db8:cafe::17",
         false},
        {"127.0.0.1", {"Forwarded", "proto=http"}, "wrong", false},
        {"127.0.0.1", {"X-Real-IP", "192.0.2.77"}, "192.0.2.77", false},
        {"127.0.0.1", {"Via", "1.1 proxy"}, "127.0.0.1", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[64];
        bool local;
        size_t n = 0;
        while (n < 6 && cases[i].headers[n]) {
            n++;
        }
        assert_string_equal(from(cases[i].peer, cases[i].headers, n, &local, text), cases[i].is);
        assert_int_equal(local, cases[i].local);
    }
    srv_net net;
    static const char *const bad[] = {"",        "x",     "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1",
                                      "::1/129", "1.2.3", "10.0.0.0/8x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(srv_net_read(bad[i], &net));
    }
}

/* ---- where requests end ---- */

/* The whole at once, and byte by byte as it may come. 0: good, and `wanted` requests; or the status. */
static unsigned judge(const char *bytes, size_t n, uint64_t wanted)
{
    srv_frame whole = {0}, dripping = {0};
    size_t done = srv_frame_read(&whole, bytes, n), passed = 0;
    for (size_t have = 1; have <= n && dripping.state != SRV_FRAME_WRONG; have++) {
        passed += srv_frame_read(&dripping, bytes + passed, have - passed);
    }
    assert_int_equal(whole.status, dripping.status);
    if (whole.state != SRV_FRAME_WRONG) {
        assert_int_equal(done, n);
        assert_int_equal(passed, n);
        assert_int_equal(whole.n_requests, wanted);
        assert_int_equal(dripping.n_requests, wanted);
        assert_true(srv_frame_is_between(&whole, 0));
    }
    return whole.status;
}

#define JUDGE(text, wanted) judge(text, sizeof(text) - 1, wanted)
#define GET "GET / HTTP/1.1\r\nHost: a\r\n"
#define POST "POST /x HTTP/1.1\r\nHost: a:80\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static void good_requests(void **state)
{
    (void)state;
    assert_int_equal(JUDGE(GET "\r\n", 1), 0);
    assert_int_equal(JUDGE("GET / HTTP/1.0\r\n\r\n", 1), 0);
    assert_int_equal(JUDGE(GET "\r\n" GET "X-A:\r\nX-B: a\tb  \r\n\r\n", 2), 0);
    assert_int_equal(JUDGE(POST "Content-Length: 3\r\n\r\n\r\nx" GET "\r\n", 2), 0);
    assert_int_equal(JUDGE(POST "Content-Length: 0\r\n\r\n", 1), 0);
    assert_int_equal(JUDGE(CHUNKED "3\r\nabc\r\n0a;x=y\r\n0123456789\r\n0\r\n\r\n" GET "\r\n", 2),
                     0);
    assert_int_equal(JUDGE(CHUNKED "000003\r\n\r\n\r\r\n0\r\n\r\n", 1), 0);
    assert_int_equal(JUDGE("GET /a?b=%ff HTTP/1.1\r\nhOsT: [::1]:8080\r\nX: \xff\r\n\r\n", 1), 0);
}

static void requests_that_are_refused(void **state)
{
    char longer[20000];
    (void)state;
    assert_int_equal(JUDGE(POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 0), 400);
    assert_int_equal(JUDGE(POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\n", 0), 400);
    assert_int_equal(JUDGE(POST "Content-Length: 3, 3\r\n\r\n", 0), 400);
    assert_int_equal(JUDGE(POST "Content-Length: +3\r\n\r\n", 0), 400);
    assert_int_equal(JUDGE(POST "Content-Length: 0x3\r\n\r\n", 0), 400);
    assert_int_equal(JUDGE(POST "Content-Length:\r\n\r\n", 0), 400);
    assert_int_equal(JUDGE(POST "Content-Length: 99999999999999999999\r\n\r\n", 0), 400);
    assert_int_equal(JUDGE(POST "Content-Length : 3\r\n\r\n", 0), 400);
    assert_int_equal(JUDGE(POST "Transfer-Encoding: gzip, chunked\r\n\r\n", 0), 501);
    assert_int_equal(
        JUDGE(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 0), 400);
    assert_int_equal(JUDGE(POST "Transfer-Encoding: xchunked\r\n\r\n", 0), 501);
    assert_int_equal(JUDGE("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 0), 400);
    assert_int_equal(JUDGE("GET / HTTP/1.1\r\n\r\n", 0), 400);
    assert_int_equal(JUDGE(GET "Host: b\r\n\r\n", 0), 400);
    assert_int_equal(JUDGE("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 0), 400);
    assert_int_equal(JUDGE("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 0), 400);
    assert_int_equal(JUDGE(GET "X: a\0b\r\n\r\n", 0), 400);
    assert_int_equal(JUDGE(GET "X: a\rTransfer-Encoding: chunked\r\n\r\n", 0), 400);
    assert_int_equal(JUDGE(GET "X: a\nContent-Length: 9\r\n\r\n", 0), 400);
    assert_int_equal(JUDGE("GET / HTTP/1.1\nHost: a\n\n", 0), 400);
    assert_int_equal(JUDGE(GET "X: a\x01\r\n\r\n", 0), 400);
    assert_int_equal(JUDGE(GET ": a\r\n\r\n", 0), 400);
    assert_int_equal(JUDGE(GET "no colon\r\n\r\n", 0), 400);
    assert_int_equal(JUDGE(GET "X\x0b: a\r\n\r\n", 0), 400);
    assert_int_equal(JUDGE("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 0), 400);
    assert_int_equal(JUDGE("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 0), 400);
    assert_int_equal(JUDGE("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 0), 505);
    assert_int_equal(JUDGE("GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", 0), 400);
    assert_int_equal(JUDGE("\x16\x03\x01\x02\0\x01\0\x01\r\n\r\n", 0), 400);
    assert_int_equal(JUDGE(CHUNKED "3\nabc\r\n", 0), 400);
    assert_int_equal(JUDGE(CHUNKED "x\r\n", 0), 400);
    assert_int_equal(JUDGE(CHUNKED "\r\n", 0), 400);
    assert_int_equal(JUDGE(CHUNKED "-1\r\n", 0), 400);
    assert_int_equal(JUDGE(CHUNKED "3\r\nabcd\r\n", 0), 400);
    assert_int_equal(JUDGE(CHUNKED "1000000000\r\n", 0), 400);
    assert_int_equal(JUDGE(CHUNKED "3;\nx\r\n", 0), 400);
    assert_int_equal(JUDGE(CHUNKED "0\r\nContent-Length: 3\r\n\r\n", 0), 400);
    memset(longer, 'a', sizeof longer);
    memcpy(longer, "GET /", 5);
    assert_int_equal(judge(longer, sizeof longer, 0), 414);
    memcpy(longer, GET "X: ", sizeof GET - 1 + 3);
    assert_int_equal(judge(longer, sizeof longer, 0), 431);
}

/* However the bytes of requests and of half requests are cut, they mean the same; nothing outside them is read. */
static void pieces_in_any_order(void **state)
{
    static const char *const pieces[] = {"GET / HTTP/1.1\r\n",
                                         "POST /x HTTP/1.1\r\n",
                                         "Host: a\r\n",
                                         "Content-Length: 3\r\n",
                                         "Transfer-Encoding: chunked\r\n",
                                         "\r\n",
                                         "abc",
                                         "3\r\nabc\r\n",
                                         "0\r\n\r\n",
                                         "\r",
                                         "\n",
                                         ";x",
                                         ":",
                                         " ",
                                         "ffffffff",
                                         "X: y\r\n"};
    unsigned seed = 1;
    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        char made[600];
        size_t n = 0, passed = 0;
        for (int k = rand_r(&seed) % 14; k > 0; k--) {
            const char *piece = pieces[(size_t)rand_r(&seed) % (sizeof pieces / sizeof pieces[0])];
            memcpy(made + n, piece, strlen(piece));
            n += strlen(piece);
        }
        for (int k = rand_r(&seed) % 3; k > 0 && n > 0; k--) {
            made[(size_t)rand_r(&seed) % n] = (char)rand_r(&seed);
        }
        srv_frame whole = {0}, dripping = {0};
        size_t done = srv_frame_read(&whole, made, n);
        for (size_t have = 1; have <= n && dripping.state != SRV_FRAME_WRONG; have++) {
            char *exact = malloc(have - passed);
            memcpy(exact, made + passed, have - passed);
            passed += srv_frame_read(&dripping, exact, have - passed);
            free(exact);
        }
        assert_int_equal(whole.state, dripping.state);
        assert_int_equal(whole.n_requests, dripping.n_requests);
        assert_true(whole.state == SRV_FRAME_WRONG || passed == done);
    }
}

/* ---- gate ---- */

static atomic_bool clock_is_ahead;

/* The day's time, an hour ahead for a while: for a wait that was begun by it, the clock is set back. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
    const int result = (int)syscall(SYS_clock_gettime, clock, now);
    now->tv_sec += clock == CLOCK_REALTIME && clock_is_ahead ? 3600 : 0;
    return result;
}

typedef struct waiting {
    srv_gate *gate;
    atomic_bool gone;
    wi_status status;
} waiting;

static void *wait_outside(void *context)
{
    waiting *w = context;
    const srv_asker asker = {.client = 2, .gone = &w->gone};
    w->status = srv_gate_enter(w->gate, &asker, NULL);
    return NULL;
}

static void who_leaves_is_seen_by_any_clock(void **state)
{
    const srv_gate_options options = {
        .n_inside = 1, .n_each = 1, .max_waiting = 8, .max_each = 8, .quantum = 10};
    const srv_asker first = {.client = 1};
    waiting w = {.status = WI_OK};
    pthread_t thread;
    (void)state;
    assert_int_equal(srv_gate_open(&options, &w.gate, NULL), WI_OK);
    assert_int_equal(srv_gate_enter(w.gate, &first, NULL), WI_OK);
    clock_is_ahead = true;
    assert_int_equal(pthread_create(&thread, NULL, wait_outside, &w), 0);
    while (srv_gate_waiting(w.gate) == 0) {
        sched_yield();
    }
    w.gone = true;
    pthread_join(thread, NULL); /* an hour, if it waits by the day's time */
    clock_is_ahead = false;
    assert_int_equal(w.status, WI_ERR_CANCELLED);
    assert_int_equal(srv_gate_waiting(w.gate), 0);
    srv_gate_leave(w.gate, &first, 1);
    srv_gate_close(&w.gate);
}

/* ---- keys ---- */

static void key_texts(void **state)
{
    char id[40], text[SRV_KEY_TEXT_BYTES], old[SRV_KEY_TEXT_BYTES];
    store_key key = {0}, none = {0};
    (void)state;
    assert_int_equal(srv_key_new(&key, text, NULL), WI_OK);
    assert_true(srv_key_id(text, id, sizeof id));
    assert_string_equal(id, key.id);
    static const char *const bad[] = {
        "wk_",    "wk__",     "wk_\xff_x",
        "wk_abc", "wk_ABC_x", "wk_a b_x",
        "x",      "wk_'--_x", "wk_00000000000000000000000000000000000000000_x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(srv_key_id(bad[i], id, sizeof id));
    }
    assert_true(srv_key_matches(&key, text, 100));
    assert_false(srv_key_matches(&none, text, 100));
    key.expires_ms = 100;
    assert_true(srv_key_matches(&key, text, 99));
    assert_false(srv_key_matches(&key, text, 100));
    key.expires_ms = 0;
    /* a new secret: the old one is good for a while */
    memcpy(old, text, sizeof old);
    memcpy(key.old_salt, key.salt, sizeof key.salt);
    memcpy(key.old_hash, key.hash, sizeof key.hash);
    key.old_until_ms = 200;
    assert_int_equal(srv_key_new(&key, text, NULL), WI_OK);
    assert_true(srv_key_matches(&key, text, 100) && srv_key_matches(&key, old, 199));
    assert_false(srv_key_matches(&key, old, 200));
    key.revoked_ms = 1;
    assert_false(srv_key_matches(&key, text, 100));
    assert_true(srv_key_sees_head(&key, "x"));
    key.only_heads = "a,bc";
    assert_true(srv_key_sees_head(&key, "a") && srv_key_sees_head(&key, "bc"));
    assert_false(srv_key_sees_head(&key, "b") || srv_key_sees_head(&key, "") ||
                 srv_key_sees_head(&key, "a,bc"));
    key.only_heads = NULL;
    store_key_free(&key);
}

/* ---- cost ---- */

static size_t put(uint8_t *at, const char *bytes, size_t n)
{
    memcpy(at, bytes, n);
    return n;
}

/* SOF of 4096 x 4096, then so many scans of a few bytes. */
static size_t jpeg_of(uint8_t *out, unsigned kind, unsigned n_scans)
{
    size_t n = put(out, "\xff\xd8\xff", 3);
    out[n++] = (uint8_t)kind;
    n += put(out + n, "\0\x11\x08\x10\0\x10\0\3\1\x22\0\2\x11\1\3\x11\1", 17);
    for (unsigned i = 0; i < n_scans; i++) {
        n += put(out + n, "\xff\xda\0\x08\1\1\0\0\x3f\0\x12\xff\0\x34", 14);
    }
    return n + put(out + n, "\xff\xd9", 2);
}

static void costs(void **state)
{
    uint8_t *file = malloc(1 << 20);
    (void)state;
    srv_cost plain = srv_cost_of(file, jpeg_of(file, 0xc0, 3));
    assert_int_equal(plain.n_pixels, 1 << 24);
    assert_int_equal(plain.n_scans, 1);
    srv_cost usual = srv_cost_of(file, jpeg_of(file, 0xc2, 10));
    assert_int_equal(usual.n_scans, 10);
    assert_true(usual.seconds > plain.seconds && usual.seconds < 3);
    srv_cost bomb = srv_cost_of(file, jpeg_of(file, 0xc2, 1000));
    assert_int_equal(bomb.n_scans, 1000);
    assert_true(bomb.seconds > 50);
    memset(file, 0, 100);
    put(file,
        "\0\0\0\x1c"
        "ftypavif",
        12);
    put(file + 40, "\0\0\0\x14ispe\0\0\0\0\0\0\x1b\x58\0\0\x1b\x58", 20);
    assert_int_equal(srv_cost_of(file, 100).n_pixels, 49000000);
    assert_true(srv_cost_of(file, 100).seconds > 1);
    put(file, "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x10\0\0\0\x08\0\x08\2\0\0\0", 29);
    assert_int_equal(srv_cost_of(file, 100).n_pixels, 4096 * 2048);
    /* every beginning of every kind, of exact size */
    for (size_t n = 0; n < 60; n++) {
        uint8_t *exact = malloc(n ? n : 1);
        for (unsigned kind = 0; kind < 6; kind++) {
            static const char *const begins[] = {"\xff\xd8\xff\xc2", "\x89PNG", "RIFFxxxxWEBPVP8X",
                                                 "RIFFxxxxWEBPVP8L", "BM",      "xxxxftypispe"};
            memset(exact, 0xff, n);
            size_t length = strlen(begins[kind]);
            memcpy(exact, begins[kind], length < n ? length : n);
            (void)srv_cost_of(exact, n);
        }
        free(exact);
    }
    free(file);
}

/* ---- burden ---- */

static void who_has_cost_much(void **state)
{
    srv_burden *burden = NULL;
    (void)state;
    assert_int_equal(srv_burden_open(2, 0.5, &burden, NULL), WI_OK);
    srv_burden_add(burden, 1, 0.1);
    srv_burden_add(burden, 2, 100);
    srv_burden_add(burden, 0, 100);
    srv_burden_add(NULL, 2, 100);
    assert_false(srv_burden_is_heavy(burden, 1));
    assert_true(srv_burden_is_heavy(burden, 2));
    assert_false(srv_burden_is_heavy(burden, 3));
    assert_false(srv_burden_is_heavy(burden, 0)); /* the server itself */
    assert_false(srv_burden_is_heavy(NULL, 2));
    const srv_asker with_key = {.client = 2}, guest = {.client = 2, .is_guest = true},
                    other = {.client = 1, .is_guest = true};
    assert_int_equal(srv_burden_check(burden, &with_key, NULL), WI_OK);
    assert_int_equal(srv_burden_check(burden, &guest, NULL), SRV_ERR_BUDGET);
    assert_int_equal(srv_burden_check(burden, &other, NULL), WI_OK);
    assert_int_equal(srv_burden_check(NULL, &guest, NULL), WI_OK);
    for (unsigned i = 0; i < 1000; i++) {
        srv_burden_add(burden, 1, 0.1);
    }
    assert_true(srv_burden_is_heavy(burden, 1));
    srv_burden_close(&burden);
}

static void *niceness(void *context)
{
    *(int *)context = getpriority(PRIO_PROCESS, 0);
    return NULL;
}

static void *give_way(void *context)
{
    pthread_t one;
    int *niced = context;
    srv_give_way();
    niceness(&niced[0]);
    assert_int_equal(pthread_create(&one, NULL, niceness, &niced[1]), 0);
    return (void *)(intptr_t)pthread_join(one, NULL);
}

/* A thread that gives way, and those that it begins; no others. */
static void threads_that_give_way(void **state)
{
    pthread_t thread;
    int niced[2] = {0}, own = getpriority(PRIO_PROCESS, 0);
    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, give_way, niced), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(niced[0] >= 10 && niced[1] == niced[0]);
    assert_int_equal(getpriority(PRIO_PROCESS, 0), own);
    assert_true(srv_thread_seconds() > 0);
}

static void words_of_requests(void **state)
{
    static char body[] = "{\"labels\":[\"a\",\"b\",\"c\"],\"image\":\"\"}";
    srv_request request = {.body = (uint8_t *)body, .n_body = sizeof body - 1};
    (void)state;
    assert_int_equal(srv_request_n_words(&request), 0); /* may be a picture */
    assert_true(srv_pairs_add(&request.headers, "content-type", "application/json; charset=utf-8"));
    assert_int_equal(srv_request_n_words(&request), 3);
    assert_true(srv_pairs_add(&request.query, "labels", "a,b,,"));
    assert_true(srv_pairs_add(&request.query, "empty", NULL));
    assert_int_equal(srv_request_n_words(&request), 6);
    request.n_body = 0;
    assert_int_equal(srv_request_n_words(&request), 3);
    srv_pairs_free(&request.headers);
    srv_pairs_free(&request.query);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_go_round),
        cmocka_unit_test(who_costs_more_waits_longer),
        cmocka_unit_test(bounds_of_one_client),
        cmocka_unit_test(memory_is_shared),
        cmocka_unit_test(good_requests),
        cmocka_unit_test(requests_that_are_refused),
        cmocka_unit_test(pieces_in_any_order),
        cmocka_unit_test(addresses),
        cmocka_unit_test(who_leaves_is_seen_by_any_clock),
        cmocka_unit_test(key_texts),
        cmocka_unit_test(costs),
        cmocka_unit_test(who_has_cost_much),
        cmocka_unit_test(threads_that_give_way),
        cmocka_unit_test(words_of_requests),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
