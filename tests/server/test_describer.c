/* The describer of a served model: what concurrent requests get is what each gets alone, alike ones together; who has
 * left is dropped, and nothing takes for ever. A CoCa of random weights sees and speaks. */
#include "../../apps/server/describer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COCA WHATSIT_SOURCE_DIR "/tests/model/data/originals/open_clip_coca"
enum { N_ASKING = 7 };

/* The first who opens the tower waits there until so many more are waiting for their turn. */
typedef struct room {
    wi_engine *engine;
    srv_tower *tower;
    srv_describer *describer;
    wi_model_info info;
    size_t picture_bytes;
    uint8_t *pixels; /* [N_ASKING] pictures */
    atomic_size_t wanted;
    atomic_bool never; /* the tower does not open yet */
    atomic_bool opens; /* somebody has begun to */
} room;

static void a_moment(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

static size_t n_waiting(room *r)
{
    srv_describer_figures now;
    srv_describer_measure(r->describer, &now);
    return now.n_waiting;
}

static wi_status open_tower(void *context, wi_model **out, wi_error *error)
{
    room *r = context;
    r->opens = true;
    while (r->never || (r->wanted > 0 && n_waiting(r) < r->wanted)) {
        a_moment();
    }
    r->wanted = 0;
    return wi_model_open(r->engine, COCA, NULL, out, error);
}

static void open_room(room *r, const srv_describer_options *options)
{
    wi_error error = {0};
    wi_model *model = NULL;
    *r = (room){0};
    const wi_engine_options one = {.n_threads = 1};
    assert_int_equal(wi_engine_open(&one, &r->engine, &error), WI_OK);
    assert_int_equal(wi_model_open(r->engine, COCA, NULL, &model, &error), WI_OK);
    assert_int_equal(wi_model_get_info(model, &r->info, &error), WI_OK);
    wi_model_close(&model);
    r->picture_bytes = (size_t)r->info.image_px * r->info.image_px * 3;
    r->pixels = malloc(N_ASKING * r->picture_bytes);
    assert_non_null(r->pixels);
    for (size_t i = 0; i < N_ASKING * r->picture_bytes; i++) {
        r->pixels[i] = (uint8_t)(i * 7919 % 251 + i / r->picture_bytes);
    }
    const srv_tower_options tower = {.open = open_tower, .context = r};
    r->tower = srv_tower_new(&tower);
    assert_non_null(r->tower);
    srv_describer_options how = *options;
    how.engine = r->engine;
    how.tower = r->tower;
    assert_int_equal(srv_describer_open(&how, &r->describer, &error), WI_OK);
}

static void close_room(room *r)
{
    srv_describer_close(&r->describer);
    srv_tower_free(&r->tower);
    wi_engine_close(&r->engine);
    free(r->pixels);
}

typedef struct request {
    room *r;
    size_t picture;
    srv_asker asker;
    wi_describe_options how;
    srv_sentences out;
    float *embedding;
    wi_status status;
    wi_error error;
    atomic_bool gone;
    pthread_t thread;
} request;

static void *ask(void *context)
{
    request *q = context;
    q->embedding = calloc(q->r->info.embedding_dim, sizeof *q->embedding);
    q->status =
        srv_describe(q->r->describer, &q->asker, q->r->pixels + q->picture * q->r->picture_bytes,
                     &q->how, &q->out, q->embedding, &q->error);
    return NULL;
}

static void start(request *q, room *r, size_t picture, const wi_describe_options *how)
{
    *q = (request){.r = r, .picture = picture, .how = *how};
    q->asker = (srv_asker){.client = 1 + picture % 3, .gone = &q->gone};
    assert_int_equal(pthread_create(&q->thread, NULL, ask, q), 0);
}

static void finish(request *q)
{
    pthread_join(q->thread, NULL);
    free(q->embedding);
    q->embedding = NULL;
}

static const srv_describer_options usual = {.speaks = true, .max_waiting = 20, .max_seconds = 1e6};

/* Two kinds of requests mixed: the sentences are those of the library, one picture at a time. */
static void those_who_ask_alike_are_described_together(void **state)
{
    (void)state;
    static room r;
    static request all[N_ASKING];
    static wi_caption alone[3];
    const wi_describe_options kinds[] = {
        {.n_captions = 1}, {.n_captions = 3, .about = "cat"}, {.n_captions = 3, .about = "dog"}};
    open_room(&r, &usual);
    r.wanted = N_ASKING - 1; /* whoever leads has taken what was there: itself */
    start(&all[0], &r, 0, &kinds[0]);
    while (!r.opens) {
        a_moment();
    }
    for (size_t i = 1; i < N_ASKING; i++) {
        start(&all[i], &r, i, &kinds[i / 5]);
    }
    for (size_t i = 0; i < N_ASKING; i++) {
        pthread_join(all[i].thread, NULL);
    }
    srv_describer_figures figures;
    srv_describer_measure(r.describer, &figures);
    assert_int_equal(figures.n_pictures, N_ASKING);
    assert_int_equal(figures.n_waiting, 0);
    assert_in_range(figures.n_batches, 3, N_ASKING - 1); /* some were together, unlike ones never */
    wi_error error = {0};
    wi_model *model = NULL;
    wi_describer *describer = NULL;
    assert_int_equal(wi_model_open(r.engine, COCA, NULL, &model, &error), WI_OK);
    assert_int_equal(wi_describer_open(model, model, NULL, &describer, &error), WI_OK);
    float *embedding = calloc(r.info.embedding_dim, sizeof *embedding);
    for (size_t i = 0; i < N_ASKING; i++) {
        const request *q = &all[i];
        size_t n = 0;
        assert_int_equal(q->status, WI_OK);
        assert_int_equal(wi_describe(describer, r.pixels + i * r.picture_bytes, 1, &q->how, alone,
                                     &n, embedding, &error),
                         WI_OK);
        assert_int_equal(q->out.n, n);
        assert_false(q->out.has_scale);
        assert_memory_equal(q->embedding, embedding, r.info.embedding_dim * sizeof *embedding);
        for (size_t j = 0; j < n; j++) {
            assert_string_equal(q->out.captions[j].text, alone[j].text);
            assert_true(q->out.captions[j].logprob == alone[j].logprob);
        }
        free(q->embedding);
    }
    free(embedding);
    wi_describer_close(&describer);
    wi_model_close(&model);
    close_room(&r);
}

static void who_has_left_is_dropped(void **state)
{
    (void)state;
    static room r;
    static request first, waits, late;
    const wi_describe_options how = {.n_captions = 1};
    open_room(&r, &usual);
    r.never = true;
    start(&first, &r, 0, &how);
    while (!r.opens) {
        a_moment();
    }
    start(&waits, &r, 1, &how);
    while (n_waiting(&r) < 1) {
        a_moment();
    }
    waits.gone = true; /* while others are worked for */
    finish(&waits);
    assert_int_equal(waits.status, WI_ERR_CANCELLED);
    assert_string_equal(waits.error.message, "the client has left");
    assert_int_equal(n_waiting(&r), 0);
    first.gone = true; /* nobody is there any more for whom it is described */
    r.never = false;
    finish(&first);
    assert_int_equal(first.status, WI_ERR_CANCELLED);
    assert_string_equal(first.error.message, "the client has left");
    start(&late, &r, 2, &how); /* and it goes on for whoever comes */
    finish(&late);
    assert_int_equal(late.status, WI_OK);
    close_room(&r);
}

static void bounds(void **state)
{
    (void)state;
    static room r;
    static request first, second, third;
    const wi_describe_options how = {.n_captions = 1};
    srv_describer_options tight = usual;
    tight.max_waiting = 1;
    open_room(&r, &tight);
    r.never = true;
    start(&first, &r, 0, &how);
    while (!r.opens) {
        a_moment();
    }
    start(&second, &r, 1, &how);
    while (n_waiting(&r) < 1) {
        a_moment();
    }
    start(&third, &r, 2, &how);
    finish(&third);
    assert_int_equal(third.status, WI_ERR_CANCELLED);
    assert_non_null(strstr(third.error.message, "too many"));
    r.never = false;
    finish(&first);
    finish(&second);
    assert_int_equal(first.status, WI_OK);
    assert_int_equal(second.status, WI_OK);
    close_room(&r);

    tight.max_seconds = 0; /* any work is too much */
    open_room(&r, &tight);
    start(&first, &r, 0, &how);
    finish(&first);
    assert_int_equal(first.status, WI_ERR_CANCELLED);
    assert_non_null(strstr(first.error.message, "took more than"));
    close_room(&r);

    srv_describer_options none = usual;
    none.speaks = false;
    open_room(&r, &none);
    start(&first, &r, 0, &how);
    finish(&first);
    assert_int_equal(first.status, WI_ERR_NOT_FOUND);
    close_room(&r);
}

static void what_is_idle_is_given_back(void **state)
{
    (void)state;
    static room r;
    static request one;
    const wi_describe_options how = {.n_captions = 1};
    srv_describer_options idle = usual;
    idle.idle_s = 1;
    open_room(&r, &idle);
    start(&one, &r, 0, &how);
    finish(&one);
    assert_int_equal(one.status, WI_OK);
    assert_true(srv_tower_is_open(r.tower));
    while (srv_tower_is_open(r.tower)) {
        srv_describer_tick(r.describer);
        a_moment();
    }
    start(&one, &r, 0, &how);
    finish(&one);
    assert_int_equal(one.status, WI_OK);
    close_room(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_who_ask_alike_are_described_together),
        cmocka_unit_test(who_has_left_is_dropped),
        cmocka_unit_test(bounds),
        cmocka_unit_test(what_is_idle_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
