#include "jobs.h"
#include "burden.h"
#include "clock.h"
#include "recipes.h"
#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    LEASE_MS = 20000,
    POLL_MS = 1500,
    REPORT_MS = 300,
    MAX_KEPT_BYTES = 32 << 20, /* while it is written, SQLite lets nobody else write */
    KEEP_PAUSE_MS = 2000,      /* at least, and so many times what a save takes: */
    PAUSE_PER_SAVE = 50,
    MAX_OPEN = 256,
    MAX_OPEN_EACH = 32,
    MAX_OPEN_GUEST = 4, /* of an address without a key */
    KEEP_MS = 86400000
};

struct srv_jobs {
    srv_jobs_options with;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t mutex;
    pthread_cond_t added;
    bool stop;
    double swept_ms;
};

typedef struct run {
    srv_jobs *jobs;
    store_job *job;
    double reported_ms, kept_ms, pause_ms;
    bool cancelled, lost, keeps_nothing;
} run;

static bool stopping(srv_jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    bool stop = jobs->stop;
    pthread_mutex_unlock(&jobs->mutex);
    return stop;
}

static bool report(void *context, uint64_t done, uint64_t total)
{
    run *r = context;
    double now = srv_clock_ms();
    bool cancel = false;
    r->job->done = (int64_t)done;
    r->job->total = (int64_t)total;
    if (now - r->reported_ms < REPORT_MS) {
        return !stopping(r->jobs);
    }
    r->reported_ms = now;
    r->job->updated_ms = store_now_ms();
    r->job->lease_ms = r->job->updated_ms + LEASE_MS;
    wi_status status = store_job_progress(r->jobs->with.st, r->job, &cancel, NULL);
    r->cancelled = r->cancelled || cancel;
    r->lost = r->lost || status == WI_ERR_NOT_FOUND;
    return !r->cancelled && !r->lost && !stopping(r->jobs);
}

/* ---- what has been done of a job, for whoever goes on with it ---- */

static bool load_part(void *context, void *bytes, size_t n_bytes)
{
    const run *r = context;
    return store_job_kept(r->jobs->with.st, r->job->id, bytes, n_bytes, NULL) == WI_OK;
}

static bool part_is_due(void *context)
{
    const run *r = context;
    return !r->keeps_nothing && !r->cancelled && !r->lost &&
           (stopping(r->jobs) || srv_clock_ms() - r->kept_ms >= r->pause_ms);
}

static void save_part(void *context, const void *bytes, size_t n_bytes)
{
    run *r = context;
    double begun = srv_clock_ms();
    r->keeps_nothing = n_bytes > MAX_KEPT_BYTES ||
                       store_job_keep(r->jobs->with.st, r->job, bytes, n_bytes, NULL) != WI_OK;
    r->kept_ms = srv_clock_ms();
    double pause = PAUSE_PER_SAVE * (r->kept_ms - begun);
    r->pause_ms = pause > KEEP_PAUSE_MS ? pause : KEEP_PAUSE_MS;
}

/* A server that ended between keeping the head and closing the job has made it already. */
static bool may_replace(srv_jobs *jobs, const store_job *job, const char *name, bool asked)
{
    store_head old = {0};
    bool own = store_head_find(jobs->with.st, name, &old, NULL) == WI_OK &&
               !strcmp(old.owner, job->owner) && old.created_ms >= job->created_ms;
    store_head_free(&old);
    return asked || own;
}

static wi_status make(run *r, const json_t *request, char **result, wi_error *error)
{
    const srv_jobs_options *with = &r->jobs->with;
    const srv_asker asker = {.client = srv_client_of(r->job->owner), .gives_way = true};
    const char *name = json_string_value(json_object_get(request, "name"));
    wi_progress progress = {.report = report, .context = r};
    wi_head_keeper keeper = {
        .load = load_part, .due = part_is_due, .save = save_part, .context = r};
    wi_head *head = NULL;
    store_head stored = {0};
    const char *wanted = json_string_value(json_object_get(request, "model"));
    srv_models *models = srv_models_hold(with->catalog);
    srv_model *model = srv_models_find(models, wanted);
    wi_status status =
        !name    ? store_fail(error, WI_ERR_FORMAT, "the job's request cannot be read")
        : !model ? store_fail(error, WI_ERR_NOT_FOUND, "there is no model '%.100s'", wanted)
                 : srv_head_build(with->decoder, model, &asker, request, SRV_LANE_JOBS, &progress,
                                  &keeper, &head, error);
    srv_models_release(&models);
    if (status == WI_OK) {
        srv_keeping keeping;
        status = srv_keeping_read(with->config, with->st, r->job->owner, request, &keeping, error);
        if (status == WI_OK) {
            keeping.replace = may_replace(r->jobs, r->job, name, keeping.replace);
            status = srv_head_store(with->st, &keeping, head, name, &stored, error);
        }
    }
    wi_head_close(&head);
    store_head_free(&stored);
    if (status == WI_OK) {
        json_t *value = json_pack("{s:s}", "head", name);
        *result = json_dumps(value, JSON_COMPACT);
        json_decref(value);
    }
    return status;
}

static void run_job(srv_jobs *jobs, store_job *job)
{
    run r = {.jobs = jobs,
             .job = job,
             .reported_ms = srv_clock_ms(),
             .kept_ms = srv_clock_ms(),
             .pause_ms = KEEP_PAUSE_MS};
    wi_error error = {0};
    char *result = NULL;
    json_t *request = json_loads(job->request, 0, NULL);
    wi_status status = job->cancel ? store_fail(&error, WI_ERR_CANCELLED, "cancelled")
                                   : make(&r, request, &result, &error);
    bool interrupted = status == WI_ERR_CANCELLED && !r.cancelled && !job->cancel;
    if (interrupted) {
        bool cancel; /* whoever takes it over sees it */
        job->lease_ms = 0;
        store_job_progress(jobs->with.st, job, &cancel, NULL);
    } else {
        char *state = job->state, *old_error = job->error, *old_result = job->result;
        job->state = status == WI_OK ? "done" : status == WI_ERR_CANCELLED ? "cancelled" : "failed";
        job->error = status == WI_OK ? "" : error.message;
        job->result = result ? result : "";
        job->done = status == WI_OK ? job->total : job->done;
        job->updated_ms = store_now_ms();
        store_job_finish(jobs->with.st, job, NULL);
        job->state = state;
        job->error = old_error;
        job->result = old_result;
    }
    free(result);
    json_decref(request);
}

static void wait_a_moment(srv_jobs *jobs)
{
    struct timespec when;
    clock_gettime(CLOCK_REALTIME, &when);
    when.tv_nsec += POLL_MS % 1000 * 1000000L;
    when.tv_sec += POLL_MS / 1000 + when.tv_nsec / 1000000000L;
    when.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&jobs->mutex);
    if (!jobs->stop) {
        pthread_cond_timedwait(&jobs->added, &jobs->mutex, &when);
    }
    pthread_mutex_unlock(&jobs->mutex);
}

static void *work(void *context)
{
    srv_jobs *jobs = context;
    const srv_jobs_options *with = &jobs->with;
    srv_give_way();
    while (!stopping(jobs)) {
        store_job job = {0};
        int64_t now = store_now_ms();
        wi_status status = store_job_claim(with->st, with->name, now, now + LEASE_MS, &job, NULL);
        if (status == WI_OK) {
            run_job(jobs, &job);
        } else {
            wait_a_moment(jobs);
        }
        store_job_free(&job);
        if (srv_clock_ms() - jobs->swept_ms > 3600e3) {
            jobs->swept_ms = srv_clock_ms();
            store_job_sweep(with->st, now - KEEP_MS, NULL);
            store_head_sweep(with->st, now, NULL);
        }
    }
    return NULL;
}

wi_status srv_jobs_open(const srv_jobs_options *options, srv_jobs **out, wi_error *error)
{
    srv_jobs *jobs = calloc(1, sizeof *jobs);
    if (!jobs) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    jobs->with = *options;
    jobs->swept_ms = -3600e3;
    pthread_mutex_init(&jobs->mutex, NULL);
    pthread_cond_init(&jobs->added, NULL);
    jobs->has_thread = pthread_create(&jobs->thread, NULL, work, jobs) == 0;
    if (!jobs->has_thread) {
        srv_jobs_close(&jobs);
        return store_fail(error, WI_ERR_NOMEM, "cannot start a thread");
    }
    *out = jobs;
    return WI_OK;
}

void srv_jobs_close(srv_jobs **jobs)
{
    if (!*jobs) {
        return;
    }
    pthread_mutex_lock(&(*jobs)->mutex);
    (*jobs)->stop = true;
    pthread_cond_broadcast(&(*jobs)->added);
    pthread_mutex_unlock(&(*jobs)->mutex);
    if ((*jobs)->has_thread) {
        pthread_join((*jobs)->thread, NULL);
    }
    pthread_cond_destroy(&(*jobs)->added);
    pthread_mutex_destroy(&(*jobs)->mutex);
    free(*jobs);
    *jobs = NULL;
}

wi_status srv_jobs_add(srv_jobs *jobs, const char *owner, const json_t *request, char *id,
                       wi_error *error)
{
    uint8_t random[16];
    int64_t n_open = 0, n_own = 0, n_guests = 0;
    bool is_guest = owner[0] == '~';
    int64_t most = is_guest ? MAX_OPEN_GUEST : MAX_OPEN_EACH;
    randombytes_buf(random, sizeof random);
    sodium_bin2hex(id, 33, random, sizeof random);
    wi_status status = store_job_count(jobs->with.st, NULL, &n_open, error);
    if (status == WI_OK) {
        status = store_job_count(jobs->with.st, owner, &n_own, error);
    }
    if (status == WI_OK && is_guest) {
        status = store_job_count(jobs->with.st, "~", &n_guests, error);
    }
    if (status == WI_OK && (n_open >= MAX_OPEN || n_own >= most || n_guests >= MAX_OPEN / 2)) {
        return store_fail(error, WI_ERR_CANCELLED, "%lld jobs wait already: try again later",
                          (long long)(n_own >= most ? n_own : n_open));
    }
    store_job job = {
        .id = id,
        .owner = (char *)(uintptr_t)owner,
        .kind = "head",
        .request = json_dumps(request, JSON_COMPACT),
        .state = "queued",
        .server = "",
        .created_ms = store_now_ms(),
    };
    job.updated_ms = job.created_ms;
    if (status == WI_OK) {
        status = job.request ? store_job_put(jobs->with.st, &job, error)
                             : store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    free(job.request);
    pthread_mutex_lock(&jobs->mutex);
    pthread_cond_signal(&jobs->added);
    pthread_mutex_unlock(&jobs->mutex);
    return status;
}

bool srv_job_is_over(const store_job *job)
{
    return strcmp(job->state, "queued") && strcmp(job->state, "running");
}

json_t *srv_job_json(const store_job *job)
{
    json_t *result = job->result && job->result[0] ? json_loads(job->result, 0, NULL) : NULL;
    const char *head = json_string_value(json_object_get(result, "head"));
    json_t *value = json_pack(
        "{s:s,s:s,s:s,s:I,s:I,s:s?,s:s?,s:I,s:I}", "id", job->id, "kind", job->kind, "state",
        job->state, "done", (json_int_t)job->done, "total", (json_int_t)job->total, "head", head,
        "error", job->error && job->error[0] ? job->error : NULL, "created_ms",
        (json_int_t)job->created_ms, "updated_ms", (json_int_t)job->updated_ms);
    json_decref(result);
    return value;
}
