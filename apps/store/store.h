/* What outlives the server: heads, keys, how much each key has used, jobs. One SQLite file, or a
 * PostgreSQL database that several servers share.
 * Ownership: what a function fills belongs to the caller and is freed by the noun's _free, which is
 * safe on zeroed and on freed values. Threads: any. Times are milliseconds since 1970. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <whatsit/status.h>

typedef struct store store;

enum { STORE_VERSION = 7 };

/* url: the path of an SQLite file, or postgres://...; makes and migrates the tables.
 * Errors of all functions: WI_ERR_NOMEM, STORE_ERR_DOWN; WI_ERR_ARG: a text that no database takes.
 * Here also: WI_ERR_UNSUPPORTED (built without PostgreSQL, or tables of a newer program) */
wi_status store_open(const char *url, store **out, wi_error *error);
/* Migrates up to `version` and no further; for tests of migrations. */
wi_status store_open_at(const char *url, int version, store **out, wi_error *error);
void store_close(store **st);
/* WI_OK while the database answers, takes writes and has room: writes a little, and takes it back. */
wi_status store_ping(store *st, wi_error *error);
/* Told of every STORE_ERR_DOWN, by the thread that met it. Set it before other threads use the store. */
void store_on_trouble(store *st, void (*tell)(void *context, const char *message), void *context);
/* Random bytes that all servers of the database share under that name, drawn once. */
wi_status store_secret(store *st, const char *name, uint8_t bytes[32], wi_error *error);
/* "sqlite", "postgres". */
const char *store_kind(const store *st);
int64_t store_now_ms(void);

/* ---- heads ---- */

typedef struct store_head {
    char *name, *model, *fingerprint; /* of the model it was made for */
    char *kind, *owner;               /* owner: a key's id, "" of this machine, "~..." an address */
    char *visibility;                 /* private: its owner; shared: all keys; public: everybody */
    char *etag;                       /* SHA-256 of the file, 64 digits */
    int64_t n_labels, n_bytes, created_ms, expires_ms; /* expires_ms 0: never */
    void *bytes;                                       /* the head file; NULL in lists */
} store_head;

/* What may be kept, this head included; below 0: any number. */
typedef struct store_bounds {
    int64_t own_heads, own_bytes; /* of its owner */
    int64_t anonymous_bytes;      /* of all owners that begin with '~', if it is one of them */
    int64_t all_bytes;
} store_bounds;

/* Durable when it returns. replace: may take the place of a head of the same owner.
 * Errors: WI_ERR_MISMATCH: the name is taken; WI_ERR_LIMIT: too much is kept already */
wi_status store_head_put(store *st, const store_head *head, bool replace,
                         const store_bounds *bounds, wi_error *error);
/* WI_ERR_NOT_FOUND */
wi_status store_head_get(store *st, const char *name, store_head *out, wi_error *error);
/* The same without the file. */
wi_status store_head_find(store *st, const char *name, store_head *out, wi_error *error);
/* Those that `owner` (NULL: sees all) may see, with_shared: also what keys share; in order of names, behind `after`
 * ("" for the first); at most `max`. */
wi_status store_head_list(store *st, const char *owner, bool with_shared, const char *after,
                          size_t max, store_head **out, size_t *n, wi_error *error);
/* Forgets heads whose time is over. */
wi_status store_head_sweep(store *st, int64_t now_ms, wi_error *error);
/* owner NULL: anybody's. WI_ERR_NOT_FOUND; WI_ERR_MISMATCH when it is somebody else's. */
wi_status store_head_delete(store *st, const char *name, const char *owner, wi_error *error);
void store_head_free(store_head *head);
void store_heads_free(store_head **heads, size_t n);

/* ---- vectors of pictures, for searches ---- */

typedef struct store_vector {
    char *id, *meta; /* the owner's words: which picture, and JSON about it ("": nothing) */
    float *row;      /* [dim], of length 1 */
    size_t dim;
    int64_t added_ms, expires_ms;    /* expires_ms 0: never */
    const char *owner, *fingerprint; /* when put: as a head's, and of the model; else NULL */
} store_vector;

/* How many may be kept, this one included; below 0: any number. */
typedef struct store_vector_bounds {
    int64_t own, guests, all; /* guests: of all owners that begin with '~' */
} store_vector_bounds;

/* All of them or none; durable when it returns. Each takes the place of its owner's of that id and model.
 * WI_ERR_LIMIT: too many are kept */
wi_status store_vectors_put(store *st, const store_vector *vectors, size_t n,
                            const store_vector_bounds *bounds, wi_error *error);
/* WI_ERR_NOT_FOUND */
wi_status store_vector_get(store *st, const char *owner, const char *fingerprint, const char *id,
                           store_vector *out, wi_error *error);
/* An owner's of one model in order of ids, behind `after` ("" for the first), at most max. */
wi_status store_vector_page(store *st, const char *owner, const char *fingerprint,
                            const char *after, size_t max, store_vector **out, size_t *n,
                            wi_error *error);
/* The k with the largest cosine to query[dim], best first, found by the database itself.
 * WI_ERR_UNSUPPORTED: it cannot (no pgvector, or not for all rows); read them all by pages then. */
wi_status store_vector_near(store *st, const char *owner, const char *fingerprint,
                            const float *query, size_t dim, size_t k, store_vector **out, size_t *n,
                            wi_error *error);
/* Of all models. WI_ERR_NOT_FOUND */
wi_status store_vector_delete(store *st, const char *owner, const char *id, wi_error *error);

typedef struct store_vector_counted {
    char fingerprint[65];
    int64_t n;
} store_vector_counted;
/* How many an owner has of each model, at most max models. */
wi_status store_vector_count(store *st, const char *owner, size_t max, store_vector_counted *out,
                             size_t *n, wi_error *error);
/* Forgets those whose time is over. */
wi_status store_vector_sweep(store *st, int64_t now_ms, wi_error *error);
/* Does the database know distances itself (pgvector)? */
bool store_has_near(const store *st);
void store_vector_free(store_vector *vector);
void store_vectors_free(store_vector **vectors, size_t n);

/* ---- keys ---- */

enum { STORE_SALT_BYTES = 16, STORE_HASH_BYTES = 32 };

/* Limits below 0 do not limit. */
typedef struct store_plan {
    int64_t requests_a_day, heads_a_day, bytes_a_day, concurrency;
    int64_t rate_milli, burst; /* thousandths of a request a second; how many at once */
    int64_t heads_kept, bytes_kept;
} store_plan;

typedef struct store_key {
    char *id, *name;
    uint8_t salt[STORE_SALT_BYTES], hash[STORE_HASH_BYTES];
    store_plan plan;
    int64_t created_ms, revoked_ms; /* revoked_ms 0: good */
    int64_t expires_ms;             /* 0: never */
    bool read_only;                 /* makes and deletes nothing */
    char *only_heads;               /* names with commas between: it sees no others; "": all */
    /* the secret before the last one, good until old_until_ms */
    uint8_t old_salt[STORE_SALT_BYTES], old_hash[STORE_HASH_BYTES];
    int64_t old_until_ms;
} store_key;

wi_status store_key_put(store *st, const store_key *key, wi_error *error);
wi_status store_key_get(store *st, const char *id, store_key *out, wi_error *error);
wi_status store_key_list(store *st, store_key **out, size_t *n, wi_error *error);
/* Everything but its id, name and when it was made. WI_ERR_NOT_FOUND */
wi_status store_key_change(store *st, const store_key *key, wi_error *error);
/* WI_ERR_NOT_FOUND */
wi_status store_key_revoke(store *st, const char *id, int64_t now_ms, wi_error *error);
void store_key_free(store_key *key);
void store_keys_free(store_key **keys, size_t n);

/* ---- usage ---- */

typedef struct store_usage {
    int64_t day; /* days since 1970, UTC */
    int64_t requests, heads, bytes;
} store_usage;

int64_t store_day(int64_t now_ms);
/* Adds cost to the key's day if all of the plan's limits hold afterwards: one statement, exact for
 * any number of servers. *taken false: nothing was added. *now is the usage afterwards. */
wi_status store_usage_take(store *st, const char *key, const store_usage *cost,
                           const store_plan *plan, bool *taken, store_usage *now, wi_error *error);
/* The days of a key, newest first, at most max. */
wi_status store_usage_get(store *st, const char *key, size_t max, store_usage *out, size_t *n,
                          wi_error *error);

/* ---- jobs ---- */

typedef struct store_job {
    char *id, *owner, *kind, *request; /* request: JSON */
    char *state;                       /* queued, running, done, failed, cancelled */
    char *server;                      /* who runs it, until lease_ms */
    char *result, *error;              /* result: JSON */
    int64_t done, total, lease_ms, created_ms, updated_ms;
    bool cancel;
    /* What it works on when it is put, what came of it when it is finished; borrowed, not filled in. NULL: nothing. */
    const void *file;
    size_t n_file;
} store_job;

/* Durable when it returns. */
wi_status store_job_put(store *st, const store_job *job, wi_error *error);
/* Without the request. WI_ERR_NOT_FOUND */
wi_status store_job_get(store *st, const char *id, store_job *out, wi_error *error);
/* Without their requests, newest first, at most max. The caller frees with store_jobs_free. */
wi_status store_job_list(store *st, const char *owner, size_t max, store_job **out, size_t *n,
                         wi_error *error);
void store_jobs_free(store_job **jobs, size_t n);
/* Takes a job that nobody runs (queued, or its lease has ended) for `server`: of the owner who has waited
 * longest, the oldest. WI_ERR_NOT_FOUND when there is none. */
wi_status store_job_claim(store *st, const char *server, int64_t now_ms, int64_t lease_ms,
                          store_job *out, wi_error *error);
/* Reports progress and prolongs the lease. *cancel: the work should stop. WI_ERR_NOT_FOUND: the job
 * is no longer this server's. */
wi_status store_job_progress(store *st, const store_job *job, bool *cancel, wi_error *error);
/* Keeps what has been done of the job so far, in place of what was kept before, if it is still job->server's; until
 * it is finished. */
wi_status store_job_keep(store *st, const store_job *job, const void *bytes, size_t n_bytes,
                         wi_error *error);
/* WI_ERR_NOT_FOUND: not exactly so many bytes were kept; bytes is untouched. */
wi_status store_job_kept(store *st, const char *id, void *bytes, size_t n_bytes, wi_error *error);
/* Sets state, result, error and file for good, if the job is still job->server's; what it worked on goes. */
wi_status store_job_finish(store *st, const store_job *job, wi_error *error);
/* Asks for a stop; a job that nobody has begun is cancelled at once. WI_ERR_NOT_FOUND */
wi_status store_job_cancel(store *st, const char *id, int64_t now_ms, wi_error *error);
/* Forgets finished jobs that are older. */
wi_status store_job_sweep(store *st, int64_t before_ms, wi_error *error);
/* Queued and running jobs of an owner (NULL: of everybody; "~": of all addresses without a key). */
wi_status store_job_count(store *st, const char *owner, int64_t *n, wi_error *error);
/* What a job works on (while it is not over), or what came of it. Owns: the caller frees *bytes. WI_ERR_NOT_FOUND */
wi_status store_job_file(store *st, const char *id, bool result, void **bytes, size_t *n_bytes,
                         wi_error *error);
/* The same, of one kind of jobs. */
wi_status store_job_count_kind(store *st, const char *owner, const char *kind, int64_t *n,
                               wi_error *error);
void store_job_free(store_job *job);

#endif
