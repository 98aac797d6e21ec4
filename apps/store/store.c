#include "store.h"
#include "tx.h"
#include "wait.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum { MAX_CONNECTIONS = 8, BORROW_S = 10 };

struct store {
    const db_driver *driver;
    bool has_near;
    db_connection *connections[MAX_CONNECTIONS]; /* those not lent are the first n_free */
    size_t n_free;
    pthread_mutex_t mutex;
    pthread_cond_t returned;
    void (*tell)(void *context, const char *message); /* of trouble; NULL: nobody */
    void *tell_context;
};

int64_t store_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

const char *store_kind(const store *st)
{
    return st->driver->name;
}

bool store_has_near(const store *st)
{
    return st->has_near;
}

/* ---- transactions ---- */

/* NULL when all are busy for long. */
static db_connection *borrow(store *st)
{
    const struct timespec until = store_in_ms(BORROW_S * 1e3);
    db_connection *connection = NULL;
    pthread_mutex_lock(&st->mutex);
    while (st->n_free == 0 &&
           pthread_cond_timedwait(&st->returned, &st->mutex, &until) != ETIMEDOUT) {
    }
    if (st->n_free > 0) {
        connection = st->connections[--st->n_free];
    }
    pthread_mutex_unlock(&st->mutex);
    return connection;
}

static void give_back(store *st, db_connection *connection)
{
    pthread_mutex_lock(&st->mutex);
    st->connections[st->n_free++] = connection;
    pthread_cond_signal(&st->returned);
    pthread_mutex_unlock(&st->mutex);
}

void store_on_trouble(store *st, void (*tell)(void *context, const char *message), void *context)
{
    st->tell = tell;
    st->tell_context = context;
}

/* Passes the status on; trouble is told. The error is the caller's, or an own one that was filled in its stead. */
static wi_status told(const store *st, wi_status status, wi_error *error, const wi_error *own)
{
    if (status == STORE_ERR_DOWN && st->tell) {
        st->tell(st->tell_context, own->message);
    }
    if (status != WI_OK && error && own->status == status) {
        *error = *own;
    }
    return status;
}

wi_status store_tx_begin(store *st, bool durable, store_tx *out, wi_error *error)
{
    wi_error own = {0};
    db_connection *connection = borrow(st);
    wi_status status = connection
                           ? st->driver->begin(connection, durable, &own)
                           : store_fail(&own, STORE_ERR_DOWN, "database: all connections are busy");
    *out = (store_tx){.st = st, .connection = status == WI_OK ? connection : NULL};
    if (status != WI_OK && connection) {
        give_back(st, connection);
    }
    return told(st, status, error, &own);
}

wi_status store_tx_run(store_tx *tx, const char *sql, const db_value *values, size_t n_values,
                       db_result *out, wi_error *error)
{
    wi_error own = {0};
    wi_status status = tx->st->driver->run(tx->connection, sql, values, n_values, out, &own);
    return told(tx->st, status, error, &own);
}

wi_status store_tx_lock(store_tx *tx, wi_error *error)
{
    wi_error own = {0};
    return told(tx->st, tx->st->driver->lock(tx->connection, &own), error, &own);
}

wi_status store_tx_end(store_tx *tx, wi_status status, wi_error *error)
{
    wi_error own = {0};
    if (!tx->connection) {
        return status;
    }
    if (status == WI_OK) {
        status = told(tx->st, tx->st->driver->script(tx->connection, "COMMIT", &own), error, &own);
    }
    if (status != WI_OK) {
        tx->st->driver->script(tx->connection, "ROLLBACK", NULL);
    }
    give_back(tx->st, tx->connection);
    tx->connection = NULL;
    return status;
}

wi_status store_write(store *st, bool durable, const char *sql, const db_value *values,
                      size_t n_values, db_result *out, wi_error *error)
{
    store_tx tx;
    wi_status status = store_tx_begin(st, durable, &tx, error);
    if (status == WI_OK) {
        status = store_tx_end(&tx, store_tx_run(&tx, sql, values, n_values, out, error), error);
    }
    return status;
}

wi_status store_read(store *st, const char *sql, const db_value *values, size_t n_values,
                     db_result *out, wi_error *error)
{
    wi_error own = {0};
    if (!st->driver->plain_reads) {
        return store_write(st, false, sql, values, n_values, out, error);
    }
    db_connection *connection = borrow(st);
    if (!connection) {
        store_fail(&own, STORE_ERR_DOWN, "database: all connections are busy");
        return told(st, STORE_ERR_DOWN, error, &own);
    }
    wi_status status = st->driver->run(connection, sql, values, n_values, out, &own);
    give_back(st, connection);
    return told(st, status, error, &own);
}

bool store_take_text(const db_result *result, size_t row, size_t column, char **out)
{
    *out = strdup(db_cell_text(result, row, column));
    return *out != NULL;
}

/* A full disk and a damaged file show when something is written. */
wi_status store_ping(store *st, wi_error *error)
{
    store_tx tx;
    const db_value value = db_text("ping");
    static const char salt[4096];
    const db_value values[] = {db_text("ping"), db_blob(salt, sizeof salt)};
    wi_status status = store_tx_begin(st, false, &tx, error);
    if (status != WI_OK) {
        return status;
    }
    status = store_tx_run(&tx,
                          "INSERT INTO secrets (name, bytes) VALUES ($1, $2)"
                          " ON CONFLICT (name) DO UPDATE SET bytes = excluded.bytes",
                          values, 2, NULL, error);
    status = status
                 ? status
                 : store_tx_run(&tx, "DELETE FROM secrets WHERE name = $1", &value, 1, NULL, error);
    return store_tx_end(&tx, status, error);
}

wi_status store_secret(store *st, const char *name, uint8_t bytes[32], wi_error *error)
{
    uint8_t drawn[32];
    db_result result = {0};
    const db_value values[] = {db_text(name), db_blob(drawn, sizeof drawn)};
    if (getrandom(drawn, sizeof drawn, 0) != (ssize_t)sizeof drawn) {
        return store_fail(error, WI_ERR_INTERNAL, "the system gives no random bytes");
    }
    wi_status status = store_write(st, true,
                                   "INSERT INTO secrets (name, bytes) VALUES ($1, $2)"
                                   " ON CONFLICT (name) DO NOTHING",
                                   values, 2, NULL, error);
    status = status ? status
                    : store_read(st, "SELECT bytes FROM secrets WHERE name = $1", values, 1,
                                 &result, error);
    if (status == WI_OK && (result.n_rows != 1 || db_cell(&result, 0, 0)->n_bytes != 32)) {
        status = store_fail(error, STORE_ERR_DOWN, "database: the secret '%.40s' is damaged", name);
    } else if (status == WI_OK) {
        memcpy(bytes, db_cell(&result, 0, 0)->bytes, 32);
    }
    db_result_free(&result);
    return status;
}

/* ---- opening ---- */

static wi_status read_version(const db_driver *driver, db_connection *connection, int64_t *version,
                              wi_error *error)
{
    db_result result = {0};
    wi_status status = driver->script(
        connection, "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)", error);
    if (status == WI_OK) {
        status =
            driver->run(connection, "SELECT version FROM schema_version", NULL, 0, &result, error);
    }
    if (status == WI_OK && result.n_rows == 0) {
        *version = 0;
        status = driver->script(connection, "INSERT INTO schema_version VALUES (0)", error);
    } else if (status == WI_OK) {
        *version = db_cell_int(&result, 0, 0);
    }
    db_result_free(&result);
    return status;
}

/* All steps in one transaction: a crash leaves the old version, whole. */
static wi_status migrate(const db_driver *driver, db_connection *connection, int target,
                         wi_error *error)
{
    int64_t version = 0;
    wi_status status = driver->begin(connection, true, error);
    if (status != WI_OK) {
        return status;
    }
    status = driver->lock(connection, error);
    if (status == WI_OK) {
        status = read_version(driver, connection, &version, error);
    }
    if (status == WI_OK && version > STORE_VERSION) {
        status = store_fail(error, WI_ERR_UNSUPPORTED,
                            "the database has version %lld, this program knows %d: upgrade it",
                            (long long)version, STORE_VERSION);
    }
    for (int i = (int)version + 1; status == WI_OK && i <= target; i++) {
        db_value value = db_int(i);
        status = driver->script(connection, store_migration(i), error);
        if (status == WI_OK) {
            status = driver->run(connection, "UPDATE schema_version SET version = $1", &value, 1,
                                 NULL, error);
        }
    }
    if (status == WI_OK) {
        return driver->script(connection, "COMMIT", error);
    }
    driver->script(connection, "ROLLBACK", NULL);
    return status;
}

static bool is_postgres(const char *url)
{
    return !strncmp(url, "postgres://", 11) || !strncmp(url, "postgresql://", 13);
}

wi_status store_open_at(const char *url, int version, store **out, wi_error *error)
{
    const db_driver *driver = is_postgres(url) ? &db_postgres : &db_sqlite;
    *out = NULL;
    if (!driver->open) {
        return store_fail(error, WI_ERR_UNSUPPORTED, "this program was built without PostgreSQL");
    }
    store *st = calloc(1, sizeof *st);
    if (!st) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    st->driver = driver;
    pthread_mutex_init(&st->mutex, NULL);
    store_cond_init(&st->returned);
    wi_status status = WI_OK;
    for (size_t i = 0; i < driver->n_connections && status == WI_OK; i++) {
        status = driver->open(url, &st->connections[i], error);
        if (status == WI_OK) {
            st->n_free++;
            status = i == 0 ? migrate(driver, st->connections[0], version, error) : WI_OK;
        }
    }
    if (status == WI_OK && version == STORE_VERSION) {
        status = store_vectors_prepare(driver, st->connections[0], &st->has_near, error);
    }
    if (status != WI_OK) {
        store_close(&st);
        return status;
    }
    *out = st;
    return WI_OK;
}

wi_status store_open(const char *url, store **out, wi_error *error)
{
    return store_open_at(url, STORE_VERSION, out, error);
}

void store_close(store **st)
{
    if (!*st) {
        return;
    }
    for (size_t i = 0; i < (*st)->n_free; i++) {
        (*st)->driver->close(&(*st)->connections[i]);
    }
    pthread_cond_destroy(&(*st)->returned);
    pthread_mutex_destroy(&(*st)->mutex);
    free(*st);
    *st = NULL;
}
