#include "store.h"
#include "tx.h"
#include <stdlib.h>
#include <string.h>

#define COLUMNS                                                                                    \
    "id, owner, kind, state, server, result, error, done, total, lease_ms, created_ms,"            \
    " updated_ms, cancel"

static wi_status put_file(store_tx *tx, const store_job *job, const char *kind, wi_error *error)
{
    const db_value values[] = {db_text(job->id), db_text(kind), db_blob(job->file, job->n_file)};
    return store_tx_run(tx, "INSERT INTO job_files (job, kind, bytes) VALUES ($1, $2, $3)", values,
                        3, NULL, error);
}

wi_status store_job_put(store *st, const store_job *job, wi_error *error)
{
    const db_value values[] = {
        db_text(job->id),
        db_text(job->owner),
        db_text(job->kind),
        db_text(job->state),
        db_text(job->server),
        db_text(job->result ? job->result : ""),
        db_text(job->error ? job->error : ""),
        db_int(job->done),
        db_int(job->total),
        db_int(job->lease_ms),
        db_int(job->created_ms),
        db_int(job->updated_ms),
        db_int(job->cancel),
        db_text(job->request),
    };
    store_tx tx;
    wi_status status = store_tx_begin(st, true, &tx, error);
    if (status == WI_OK) {
        status = store_tx_run(&tx,
                              "INSERT INTO jobs (" COLUMNS ", request) VALUES"
                              " ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14)",
                              values, 14, NULL, error);
    }
    if (status == WI_OK && job->file) {
        status = put_file(&tx, job, "in", error);
    }
    return store_tx_end(&tx, status, error);
}

static wi_status take_job(const db_result *result, size_t row, store_job *out, wi_error *error)
{
    *out = (store_job){
        .done = db_cell_int(result, row, 7),
        .total = db_cell_int(result, row, 8),
        .lease_ms = db_cell_int(result, row, 9),
        .created_ms = db_cell_int(result, row, 10),
        .updated_ms = db_cell_int(result, row, 11),
        .cancel = db_cell_int(result, row, 12) != 0,
    };
    bool taken = store_take_text(result, row, 0, &out->id) &&
                 store_take_text(result, row, 1, &out->owner) &&
                 store_take_text(result, row, 2, &out->kind) &&
                 store_take_text(result, row, 3, &out->state) &&
                 store_take_text(result, row, 4, &out->server) &&
                 store_take_text(result, row, 5, &out->result) &&
                 store_take_text(result, row, 6, &out->error) &&
                 (result->n_columns < 14 || store_take_text(result, row, 13, &out->request));
    if (!taken) {
        store_job_free(out);
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    return WI_OK;
}

wi_status store_job_get(store *st, const char *id, store_job *out, wi_error *error)
{
    db_result result = {0};
    db_value value = db_text(id);
    *out = (store_job){0};
    wi_status status =
        store_read(st, "SELECT " COLUMNS " FROM jobs WHERE id = $1", &value, 1, &result, error);
    if (status == WI_OK && result.n_rows == 0) {
        status = store_fail(error, WI_ERR_NOT_FOUND, "there is no job '%.100s'", id);
    } else if (status == WI_OK) {
        status = take_job(&result, 0, out, error);
    }
    db_result_free(&result);
    return status;
}

wi_status store_job_list(store *st, const char *owner, size_t max, store_job **out, size_t *n,
                         wi_error *error)
{
    db_result result = {0};
    const db_value values[] = {db_text(owner), db_int((int64_t)max)};
    wi_status status = store_read(
        st, "SELECT " COLUMNS " FROM jobs WHERE owner = $1 ORDER BY created_ms DESC, id LIMIT $2",
        values, 2, &result, error);
    *n = 0;
    *out = status == WI_OK ? calloc(result.n_rows + 1, sizeof **out) : NULL;
    if (status == WI_OK && !*out) {
        status = store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    for (size_t i = 0; status == WI_OK && i < result.n_rows; i++) {
        status = take_job(&result, i, &(*out)[i], error);
        *n += status == WI_OK;
    }
    if (status != WI_OK) {
        store_jobs_free(out, *n);
        *n = 0;
    }
    db_result_free(&result);
    return status;
}

void store_jobs_free(store_job **jobs, size_t n)
{
    for (size_t i = 0; *jobs && i < n; i++) {
        store_job_free(&(*jobs)[i]);
    }
    free(*jobs);
    *jobs = NULL;
}

/* Owners take turns: the one whose last job began, or went on, longest ago comes first.
 * The condition stands outside as well: of two servers that chose the same row, the second one
 * finds it changed and gets nothing. */
static const char claim_sql[] =
    "UPDATE jobs SET state = 'running', server = $1, lease_ms = $2, updated_ms = $3 WHERE id ="
    " (SELECT id FROM jobs AS open WHERE state = 'queued' OR (state = 'running' AND lease_ms < $3)"
    "  ORDER BY (SELECT COALESCE(MAX(updated_ms), 0) FROM jobs AS begun"
    "   WHERE begun.owner = open.owner AND begun.state <> 'queued' AND begun.id <> open.id),"
    "  created_ms, id LIMIT 1)"
    " AND (state = 'queued' OR (state = 'running' AND lease_ms < $3))"
    " RETURNING " COLUMNS ", request";

wi_status store_job_claim(store *st, const char *server, int64_t now_ms, int64_t lease_ms,
                          store_job *out, wi_error *error)
{
    db_result result = {0};
    const db_value values[] = {db_text(server), db_int(lease_ms), db_int(now_ms)};
    *out = (store_job){0};
    wi_status status = store_write(st, true, claim_sql, values, 3, &result, error);
    if (status == WI_OK && result.n_rows == 0) {
        status = store_fail(error, WI_ERR_NOT_FOUND, "no job waits");
    } else if (status == WI_OK) {
        status = take_job(&result, 0, out, error);
    }
    db_result_free(&result);
    return status;
}

wi_status store_job_progress(store *st, const store_job *job, bool *cancel, wi_error *error)
{
    db_result result = {0};
    const db_value values[] = {db_int(job->done),       db_int(job->total), db_int(job->lease_ms),
                               db_int(job->updated_ms), db_text(job->id),   db_text(job->server)};
    wi_status status =
        store_write(st, false,
                    "UPDATE jobs SET done = $1, total = $2, lease_ms = $3, updated_ms = $4"
                    " WHERE id = $5 AND server = $6 AND state = 'running' RETURNING cancel",
                    values, 6, &result, error);
    if (status == WI_OK && result.n_rows == 0) {
        status = store_fail(error, WI_ERR_NOT_FOUND, "the job is no longer this server's");
    } else if (status == WI_OK) {
        *cancel = db_cell_int(&result, 0, 0) != 0;
    }
    db_result_free(&result);
    return status;
}

wi_status store_job_keep(store *st, const store_job *job, const void *bytes, size_t n_bytes,
                         wi_error *error)
{
    const db_value values[] = {db_blob(bytes, n_bytes), db_text(job->id), db_text(job->server)};
    return store_write(st, false,
                       "INSERT INTO job_parts (bytes, job) SELECT $1, id FROM jobs"
                       " WHERE id = $2 AND server = $3 AND state = 'running'"
                       " ON CONFLICT (job) DO UPDATE SET bytes = excluded.bytes",
                       values, 3, NULL, error);
}

wi_status store_job_kept(store *st, const char *id, void *bytes, size_t n_bytes, wi_error *error)
{
    db_result result = {0};
    db_value value = db_text(id);
    wi_status status =
        store_read(st, "SELECT bytes FROM job_parts WHERE job = $1", &value, 1, &result, error);
    if (status == WI_OK && (result.n_rows == 0 || db_cell(&result, 0, 0)->n_bytes != n_bytes)) {
        status = store_fail(error, WI_ERR_NOT_FOUND, "nothing was kept of job '%.100s'", id);
    } else if (status == WI_OK) {
        memcpy(bytes, db_cell(&result, 0, 0)->bytes, n_bytes);
    }
    db_result_free(&result);
    return status;
}

wi_status store_job_finish(store *st, const store_job *job, wi_error *error)
{
    store_tx tx;
    db_result result = {0};
    const db_value values[] = {
        db_text(job->state),
        db_text(job->result ? job->result : ""),
        db_text(job->error ? job->error : ""),
        db_int(job->done),
        db_int(job->total),
        db_int(job->updated_ms),
        db_text(job->id),
        db_text(job->server),
    };
    wi_status status = store_tx_begin(st, true, &tx, error);
    if (status == WI_OK) {
        status = store_tx_run(
            &tx,
            "UPDATE jobs SET state = $1, result = $2, error = $3, done = $4, total = $5,"
            " updated_ms = $6, lease_ms = 0, request = ''"
            " WHERE id = $7 AND server = $8 AND state = 'running' RETURNING id",
            values, 8, &result, error);
    }
    if (status == WI_OK && result.n_rows == 0) {
        status = store_fail(error, WI_ERR_NOT_FOUND, "the job is no longer this server's");
    }
    if (status == WI_OK) {
        db_value id = db_text(job->id);
        status = store_tx_run(&tx, "DELETE FROM job_parts WHERE job = $1", &id, 1, NULL, error);
        status =
            status ? status
                   : store_tx_run(&tx, "DELETE FROM job_files WHERE job = $1", &id, 1, NULL, error);
    }
    if (status == WI_OK && job->file) {
        status = put_file(&tx, job, "out", error);
    }
    status = store_tx_end(&tx, status, error);
    db_result_free(&result);
    return status;
}

wi_status store_job_cancel(store *st, const char *id, int64_t now_ms, wi_error *error)
{
    db_result result = {0};
    const db_value values[] = {db_int(now_ms), db_text(id)};
    wi_status status =
        store_write(st, true,
                    "UPDATE jobs SET cancel = 1, updated_ms = $1,"
                    " state = CASE WHEN state = 'queued' THEN 'cancelled' ELSE state END"
                    " WHERE id = $2 RETURNING id",
                    values, 2, &result, error);
    if (status == WI_OK && result.n_rows == 0) {
        status = store_fail(error, WI_ERR_NOT_FOUND, "there is no job '%.100s'", id);
    }
    db_result_free(&result);
    return status;
}

wi_status store_job_sweep(store *st, int64_t before_ms, wi_error *error)
{
    store_tx tx;
    db_value value = db_int(before_ms);
    wi_status status = store_tx_begin(st, false, &tx, error);
    if (status == WI_OK) {
        status = store_tx_run(&tx,
                              "DELETE FROM jobs WHERE updated_ms < $1"
                              " AND state IN ('done', 'failed', 'cancelled')",
                              &value, 1, NULL, error);
    }
    if (status == WI_OK) { /* and what nobody works on any more */
        status = store_tx_run(&tx,
                              "DELETE FROM job_files WHERE job NOT IN (SELECT id FROM jobs)"
                              " OR (kind = 'in' AND job IN (SELECT id FROM jobs"
                              " WHERE state IN ('done', 'failed', 'cancelled')))",
                              NULL, 0, NULL, error);
    }
    return store_tx_end(&tx, status, error);
}

wi_status store_job_file(store *st, const char *id, bool result, void **bytes, size_t *n_bytes,
                         wi_error *error)
{
    db_result rows = {0};
    const db_value values[] = {db_text(id), db_text(result ? "out" : "in")};
    wi_status status = store_read(st, "SELECT bytes FROM job_files WHERE job = $1 AND kind = $2",
                                  values, 2, &rows, error);
    if (status == WI_OK && rows.n_rows == 0) {
        status = store_fail(error, WI_ERR_NOT_FOUND, "nothing is kept of job '%.100s'", id);
    } else if (status == WI_OK) {
        const db_value *cell = db_cell(&rows, 0, 0);
        *bytes = malloc(cell->n_bytes ? cell->n_bytes : 1);
        if (*bytes) {
            memcpy(*bytes, cell->bytes, cell->n_bytes);
            *n_bytes = cell->n_bytes;
        } else {
            status = store_fail(error, WI_ERR_NOMEM, "out of memory");
        }
    }
    db_result_free(&rows);
    return status;
}

wi_status store_job_count_kind(store *st, const char *owner, const char *kind, int64_t *n,
                               wi_error *error)
{
    db_result result = {0};
    const db_value values[] = {db_text(owner ? owner : ""), db_int(owner == NULL), db_text(kind)};
    wi_status status = store_read(st,
                                  "SELECT COUNT(*) FROM jobs WHERE (owner = $1 OR"
                                  " CAST($2 AS BIGINT) = 1) AND kind = $3"
                                  " AND state IN ('queued', 'running')",
                                  values, 3, &result, error);
    *n = status == WI_OK ? db_cell_int(&result, 0, 0) : 0;
    db_result_free(&result);
    return status;
}

wi_status store_job_count(store *st, const char *owner, int64_t *n, wi_error *error)
{
    db_result result = {0};
    const db_value values[] = {db_text(owner ? owner : ""), db_int(owner == NULL),
                               db_int(owner && !strcmp(owner, "~"))};
    wi_status status =
        store_read(st,
                   "SELECT COUNT(*) FROM jobs WHERE (owner = $1 OR"
                   " CAST($2 AS BIGINT) = 1 OR (owner LIKE '~%' AND CAST($3 AS BIGINT) = 1))"
                   " AND state IN ('queued', 'running')",
                   values, 3, &result, error);
    *n = status == WI_OK ? db_cell_int(&result, 0, 0) : 0;
    db_result_free(&result);
    return status;
}

void store_job_free(store_job *job)
{
    free(job->id);
    free(job->owner);
    free(job->kind);
    free(job->request);
    free(job->state);
    free(job->server);
    free(job->result);
    free(job->error);
    *job = (store_job){0};
}
