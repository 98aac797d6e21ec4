#include "jobs.h"
#include "../store/wait.h"
#include "archive.h"
#include "burden.h"
#include "clock.h"
#include "recipes.h"
#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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
    MAX_ARCHIVES = 64,  /* which wait, whole, in the database */
    MAX_ARCHIVES_EACH = 8,
    MAX_TRIES = 30, /* at a picture, a second apart, while the server has no room for it */
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

/* ---- pictures ---- */

static json_t *look_at(run *r, const json_t *request, const srv_entry *entry)
{
    const srv_jobs_options *with = &r->jobs->with;
    uint8_t *bytes = NULL;
    wi_error error = {0};
    json_t *found = NULL;
    if (srv_entry_unpack(entry, &bytes, &error) != WI_OK) {
        found = json_pack("{s:{s:s,s:s,s:n,s:s}}", "error", "message", error.message, "type",
                          "invalid_request_error", "param", "code", "bad_archive");
    }
    for (unsigned i = 0, status = 503; bytes && status == 503 && i < MAX_TRIES; i++) {
        if (i > 0 && !report(r, (uint64_t)r->job->done, (uint64_t)r->job->total)) {
            break;
        }
        sleep(i > 0);
        json_decref(found);
        found = with->look(with->context, r->job->owner, request, bytes, entry->n_bytes, &status);
    }
    free(bytes);
    json_t *named = json_pack("{s:s}", "name", entry->name);
    json_object_update(named, found);
    json_decref(found);
    return named;
}

static wi_status look_at_all(run *r, const json_t *request, const srv_archive *archive,
                             json_t *list, wi_error *error)
{
    for (size_t i = 0; i < archive->n; i++) {
        json_array_append_new(list, look_at(r, request, &archive->entries[i]));
        if (!report(r, i + 1, archive->n)) {
            return store_fail(error, WI_ERR_CANCELLED, "cancelled");
        }
    }
    return WI_OK;
}

/* Whoever takes such a job over begins anew: what has been answered is kept when all of it is. */
static wi_status classify(run *r, const json_t *request, char **output, wi_error *error)
{
    void *file = NULL;
    size_t n_file = 0;
    srv_archive archive = {0};
    json_t *list = json_array();
    wi_status status = store_job_file(r->jobs->with.st, r->job->id, false, &file, &n_file, error);
    status =
        status ? status : srv_archive_read(file, n_file, SRV_MAX_UNPACKED_BYTES, &archive, error);
    status = status ? status : look_at_all(r, request, &archive, list, error);
    if (status == WI_OK) {
        json_t *all = json_pack("{s:O}", "pictures", list);
        *output = json_dumps(all, JSON_COMPACT | JSON_REAL_PRECISION(9));
        json_decref(all);
        status = *output ? WI_OK : store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    json_decref(list);
    srv_archive_free(&archive);
    free(file);
    return status;
}

/* What a request's pairs say where the end is to be told. */
static void tell(srv_jobs *jobs, const store_job *job, const json_t *request)
{
    for (size_t i = 0; i < json_array_size(request); i++) {
        const json_t *pair = json_array_get(request, i);
        if (!strcmp(json_string_value(json_array_get(pair, 0)), "webhook")) {
            json_t *said = srv_job_json(job);
            srv_webhook_send(jobs->with.webhook, json_string_value(json_array_get(pair, 1)),
                             job->owner, said);
            json_decref(said);
        }
    }
}

static void run_job(srv_jobs *jobs, store_job *job)
{
    run r = {.jobs = jobs,
             .job = job,
             .reported_ms = srv_clock_ms(),
             .kept_ms = srv_clock_ms(),
             .pause_ms = KEEP_PAUSE_MS};
    wi_error error = {0};
    char *result = NULL, *output = NULL;
    json_t *request = json_loads(job->request, 0, NULL);
    wi_status status = job->cancel ? store_fail(&error, WI_ERR_CANCELLED, "cancelled")
                       : !strcmp(job->kind, "classify") ? classify(&r, request, &output, &error)
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
        job->file = output;
        job->n_file = output ? strlen(output) : 0;
        job->updated_ms = store_now_ms();
        if (store_job_finish(jobs->with.st, job, NULL) == WI_OK) {
            tell(jobs, job, request);
        }
        job->state = state;
        job->error = old_error;
        job->result = old_result;
    }
    free(result);
    free(output);
    json_decref(request);
}

static void wait_a_moment(srv_jobs *jobs)
{
    const struct timespec when = store_in_ms(POLL_MS);
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
            store_vector_sweep(with->st, now, NULL);
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
    store_cond_init(&jobs->added);
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

/* Errors: WI_ERR_CANCELLED: too many wait already */
static wi_status check_room(srv_jobs *jobs, const char *owner, const char *kind, wi_error *error)
{
    store *st = jobs->with.st;
    int64_t n_open = 0, n_own = 0, n_guests = 0, n_archives = 0, n_own_archives = 0;
    bool is_guest = owner[0] == '~';
    int64_t most = is_guest ? MAX_OPEN_GUEST : MAX_OPEN_EACH;
    wi_status status = store_job_count(st, NULL, &n_open, error);
    status = status ? status : store_job_count(st, owner, &n_own, error);
    if (status == WI_OK && is_guest) {
        status = store_job_count(st, "~", &n_guests, error);
    }
    if (status == WI_OK && !strcmp(kind, "classify")) {
        status = store_job_count_kind(st, NULL, kind, &n_archives, error);
        status = status ? status : store_job_count_kind(st, owner, kind, &n_own_archives, error);
    }
    if (status == WI_OK && (n_open >= MAX_OPEN || n_own >= most || n_guests >= MAX_OPEN / 2 ||
                            n_archives >= MAX_ARCHIVES || n_own_archives >= MAX_ARCHIVES_EACH)) {
        return store_fail(
            error, WI_ERR_CANCELLED, "%lld jobs wait already: try again later",
            (long long)(n_own >= most || n_own_archives >= MAX_ARCHIVES_EACH ? n_own : n_open));
    }
    return status;
}

wi_status srv_jobs_add(srv_jobs *jobs, const store_job *what, const json_t *request, char *id,
                       wi_error *error)
{
    uint8_t random[16];
    randombytes_buf(random, sizeof random);
    sodium_bin2hex(id, 33, random, sizeof random);
    wi_status status = check_room(jobs, what->owner, what->kind, error);
    store_job job = *what;
    job.id = id;
    job.request = json_dumps(request, JSON_COMPACT);
    job.state = (char *)(uintptr_t)"queued";
    job.server = (char *)(uintptr_t)"";
    job.created_ms = job.updated_ms = store_now_ms();
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
    bool done = !strcmp(job->kind, "classify") && !strcmp(job->state, "done");
    char path[80];
    snprintf(path, sizeof path, "/v1/jobs/%.40s/result", job->id);
    json_object_set_new(value, "result", done ? json_string(path) : json_null());
    json_object_set_new(value, "expires_ms",
                        srv_job_is_over(job) ? json_integer((json_int_t)job->updated_ms + KEEP_MS)
                                             : json_null());
    return value;
}
