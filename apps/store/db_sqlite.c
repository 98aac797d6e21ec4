/* SQLite behind db.h: one file in write-ahead mode. The only file that sees sqlite3.h. */
#include "db.h"
#include "fail.h"
#include <sqlite3.h>
#include <stdlib.h>

enum { MAX_CACHED = 48, BUSY_MS = 8000, RETRY_MS = 5 };

struct db_connection {
    sqlite3 *file;
    bool durable;
    struct {
        const char *sql; /* a literal: compared by address */
        sqlite3_stmt *statement;
    } cached[MAX_CACHED];
    size_t n_cached;
};

static wi_status fail_sqlite(db_connection *connection, wi_error *error)
{
    int code = sqlite3_extended_errcode(connection->file);
    wi_status status = code == SQLITE_NOMEM ? WI_ERR_NOMEM
                       : code == SQLITE_CONSTRAINT_PRIMARYKEY || code == SQLITE_CONSTRAINT_UNIQUE
                           ? WI_ERR_MISMATCH
                       : (code & 0xff) == SQLITE_CONSTRAINT || (code & 0xff) == SQLITE_TOOBIG ||
                               (code & 0xff) == SQLITE_RANGE
                           ? WI_ERR_ARG
                           : STORE_ERR_DOWN;
    /* Which file has no room, or cannot be written: for who runs the program. What a request did wrong is told to others. */
    const char *path =
        status == STORE_ERR_DOWN ? sqlite3_db_filename(connection->file, "main") : NULL;
    return store_fail(error, status, "database%s%.150s: %.100s", path && *path ? " " : "",
                      path ? path : "", sqlite3_errmsg(connection->file));
}

static wi_status script(db_connection *connection, const char *sql, wi_error *error)
{
    return sqlite3_exec(connection->file, sql, NULL, NULL, NULL) == SQLITE_OK
               ? WI_OK
               : fail_sqlite(connection, error);
}

static void close_connection(db_connection **connection)
{
    if (!*connection) {
        return;
    }
    for (size_t i = 0; i < (*connection)->n_cached; i++) {
        sqlite3_finalize((*connection)->cached[i].statement);
    }
    sqlite3_close((*connection)->file);
    free(*connection);
    *connection = NULL;
}

/* A new file changes its journal under a lock for which SQLite does not wait, busy timeout or not: of two
 * programs that open it at once, one would be told that it is locked. */
static wi_status write_ahead(db_connection *connection, wi_error *error)
{
    for (int waited_ms = 0;; waited_ms += RETRY_MS) {
        wi_status status = script(connection, "PRAGMA journal_mode=WAL", error);
        bool busy = status != WI_OK && (sqlite3_errcode(connection->file) & 0xff) == SQLITE_BUSY;
        if (!busy || waited_ms >= BUSY_MS) {
            return status;
        }
        sqlite3_sleep(RETRY_MS);
    }
}

static wi_status open_connection(const char *url, db_connection **out, wi_error *error)
{
    db_connection *connection = calloc(1, sizeof *connection);
    if (!connection) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(url, &connection->file, flags, NULL) != SQLITE_OK) {
        store_fail(error, STORE_ERR_DOWN, "%.150s: cannot open the database: %s", url,
                   sqlite3_errmsg(connection->file));
        close_connection(&connection);
        return STORE_ERR_DOWN;
    }
    sqlite3_extended_result_codes(connection->file, 1);
    sqlite3_busy_timeout(connection->file, BUSY_MS);
    wi_status status = write_ahead(connection, error);
    if (status == WI_OK) {
        status = script(connection,
                        "PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;"
                        "PRAGMA trusted_schema=OFF;",
                        error);
    }
    if (status != WI_OK) {
        close_connection(&connection);
        return status;
    }
    *out = connection;
    return WI_OK;
}

static wi_status begin(db_connection *connection, bool durable, wi_error *error)
{
    if (durable != connection->durable) {
        wi_status status = script(
            connection, durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL", error);
        if (status != WI_OK) {
            return status;
        }
        connection->durable = durable;
    }
    return script(connection, "BEGIN IMMEDIATE", error);
}

static sqlite3_stmt *prepare(db_connection *connection, const char *sql, wi_error *error)
{
    sqlite3_stmt *statement = NULL;
    for (size_t i = 0; i < connection->n_cached; i++) {
        if (connection->cached[i].sql == sql) {
            return connection->cached[i].statement;
        }
    }
    if (connection->n_cached == MAX_CACHED) {
        sqlite3_finalize(connection->cached[--connection->n_cached].statement);
    }
    if (sqlite3_prepare_v3(connection->file, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement,
                           NULL) != SQLITE_OK) {
        fail_sqlite(connection, error);
        return NULL;
    }
    connection->cached[connection->n_cached].sql = sql;
    connection->cached[connection->n_cached++].statement = statement;
    return statement;
}

static int bind(sqlite3_stmt *statement, int index, const db_value *value)
{
    switch (value->type) {
    case DB_INT:
        return sqlite3_bind_int64(statement, index, value->number);
    case DB_TEXT:
        return sqlite3_bind_text64(statement, index, value->bytes, value->n_bytes, SQLITE_STATIC,
                                   SQLITE_UTF8);
    case DB_BLOB:
        return value->n_bytes > 0 ? sqlite3_bind_blob64(statement, index, value->bytes,
                                                        value->n_bytes, SQLITE_STATIC)
                                  : sqlite3_bind_zeroblob(statement, index, 0);
    case DB_NULL:
        break;
    }
    return sqlite3_bind_null(statement, index);
}

static wi_status take_row(sqlite3_stmt *statement, db_result *out, wi_error *error)
{
    wi_status status = WI_OK;
    int n = sqlite3_column_count(statement);
    out->n_columns = (size_t)n;
    for (int i = 0; i < n && status == WI_OK; i++) {
        int type = sqlite3_column_type(statement, i);
        db_value value = {.type = type == SQLITE_INTEGER ? DB_INT
                                  : type == SQLITE_BLOB  ? DB_BLOB
                                  : type == SQLITE_NULL  ? DB_NULL
                                                         : DB_TEXT};
        if (value.type == DB_INT) {
            value.number = sqlite3_column_int64(statement, i);
        } else if (value.type != DB_NULL) {
            value.bytes = value.type == DB_BLOB ? sqlite3_column_blob(statement, i)
                                                : (const void *)sqlite3_column_text(statement, i);
            value.n_bytes = (size_t)sqlite3_column_bytes(statement, i);
        }
        status = db_result_add(out, &value, error);
    }
    return status;
}

static wi_status run(db_connection *connection, const char *sql, const db_value *values,
                     size_t n_values, db_result *out, wi_error *error)
{
    sqlite3_stmt *statement = prepare(connection, sql, error);
    if (!statement) {
        return STORE_ERR_DOWN;
    }
    wi_status status = WI_OK;
    for (size_t i = 0; i < n_values && status == WI_OK; i++) {
        if (bind(statement, (int)i + 1, &values[i]) != SQLITE_OK) {
            status = fail_sqlite(connection, error);
        }
    }
    int step = SQLITE_DONE;
    while (status == WI_OK && (step = sqlite3_step(statement)) == SQLITE_ROW) {
        status = out ? take_row(statement, out, error) : WI_OK;
    }
    if (status == WI_OK && step != SQLITE_DONE) {
        status = fail_sqlite(connection, error);
    }
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return status;
}

/* BEGIN IMMEDIATE has taken the file's one write lock already. */
static wi_status lock(db_connection *connection, wi_error *error)
{
    (void)connection;
    (void)error;
    return WI_OK;
}

const db_driver db_sqlite = {
    .name = "sqlite",
    .n_connections = 1,
    .plain_reads = true,
    .open = open_connection,
    .close = close_connection,
    .begin = begin,
    .run = run,
    .script = script,
    .lock = lock,
};
