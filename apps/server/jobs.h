/* What takes long, done in the background: heads, and archives of pictures. Jobs live in the store: when a server ends, another
 * one (or the same, started again) takes its jobs over once their lease has run out, and goes on with what
 * was kept of them in the store. */
#ifndef SERVER_JOBS_H
#define SERVER_JOBS_H

#include "decoder.h"
#include "message.h"
#include "models.h"
#include "webhook.h"

typedef struct srv_jobs srv_jobs;

/* What jobs are made with; borrowed. name: of this server among others. */
typedef struct srv_jobs_options {
    const srv_config *config;
    store *st;
    srv_catalog *catalog;
    srv_decoder *decoder;
    const char *name;
    /* What /v1/classify answers to one picture of the owner's, asked as a job's request says; *status as HTTP has it. */
    json_t *(*look)(void *context, const char *owner, const json_t *asked, const void *bytes,
                    size_t n_bytes, unsigned *status);
    void *context;
    srv_webhook *webhook; /* told when a job is over whose request has a pair ["webhook", URL] */
} srv_jobs_options;

wi_status srv_jobs_open(const srv_jobs_options *options, srv_jobs **out, wi_error *error);
/* Stops what runs; it stays in the store and goes on elsewhere. */
void srv_jobs_close(srv_jobs **jobs);

/* kind "head": request is the body of POST /v1/heads. kind "classify": what `look` is given, and the archive as file;
 * the result is {"pictures": [...]}, each with its name. id is at least 33 bytes. Durable when it returns.
 * Errors: WI_ERR_CANCELLED: too many wait */
wi_status srv_jobs_add(srv_jobs *jobs, const store_job *what, const json_t *request, char *id,
                       wi_error *error);
/* All files of an archive unpacked may be so large together. */
enum { SRV_MAX_UNPACKED_BYTES = 1 << 30 };
/* The answer of GET /v1/jobs/{id}. */
json_t *srv_job_json(const store_job *job);
bool srv_job_is_over(const store_job *job);

#endif
