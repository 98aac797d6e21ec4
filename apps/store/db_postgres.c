/* PostgreSQL behind db.h. The only file that sees libpq. */
#include "db.h"
#include "fail.h"

#ifdef WHATSIT_POSTGRES
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_VALUES = 24, OID_INT8 = 20, OID_INT4 = 23, OID_TEXT = 25, OID_BYTEA = 17 };

/* A server that is frozen or cut off says nothing at all: nothing is waited for longer than this. After a failure
 * the next try waits, longer each time, and whoever asks meanwhile is told at once. */
enum { CONNECT_MS = 4000, STATEMENT_MS = 8000, FIRST_PAUSE_MS = 100, LAST_PAUSE_MS = 5000 };

struct db_connection {
    char *url;
    PGconn *server; /* NULL: lost */
    double next_try_ms;
    double pause_ms;
};

static double clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Classes 22 and 23 are about the values that were sent: the database is well. */
static wi_status status_of(const char *state)
{
    return !state                                                 ? STORE_ERR_DOWN
           : !strcmp(state, "23505")                              ? WI_ERR_MISMATCH
           : !strncmp(state, "22", 2) || !strncmp(state, "23", 2) ? WI_ERR_ARG
                                                                  : STORE_ERR_DOWN;
}

static wi_status fail_postgres(const PGconn *server, const PGresult *result, wi_error *error)
{
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    const char *message = result ? PQresultErrorMessage(result) : "";
    if (!message[0]) {
        message = PQerrorMessage(server);
    }
    return store_fail(error, status_of(state), "database: %.*s", (int)strcspn(message, "\n"),
                      message);
}

static void close_connection(db_connection **connection)
{
    if (*connection) {
        PQfinish((*connection)->server);
        free((*connection)->url);
        free(*connection);
        *connection = NULL;
    }
}

static void ignore_notice(void *context, const char *message)
{
    (void)context;
    (void)message;
}

/* Gives the connection up; it is made anew by whoever needs it next, after a pause. */
static void lose(db_connection *connection)
{
    double pause = connection->pause_ms > 0 ? 2 * connection->pause_ms : FIRST_PAUSE_MS;
    PQfinish(connection->server);
    connection->server = NULL;
    connection->pause_ms = pause < LAST_PAUSE_MS ? pause : LAST_PAUSE_MS;
    connection->next_try_ms = clock_ms() + connection->pause_ms;
}

/* False when the time is over. */
static bool wait_socket(const PGconn *server, short events, double until_ms)
{
    struct pollfd fd = {.fd = PQsocket(server), .events = events};
    int n;
    do {
        double left = until_ms - clock_ms();
        n = left > 0 ? poll(&fd, 1, (int)left + 1) : 0;
    } while (n < 0 && errno == EINTR);
    return n > 0;
}

static wi_status connect_anew(db_connection *connection, wi_error *error)
{
    double until = clock_ms() + CONNECT_MS;
    PGconn *server = PQconnectStart(connection->url);
    PostgresPollingStatusType step =
        server && PQstatus(server) != CONNECTION_BAD ? PGRES_POLLING_WRITING : PGRES_POLLING_FAILED;
    bool in_time = true;
    while (in_time && step != PGRES_POLLING_OK && step != PGRES_POLLING_FAILED) {
        in_time = wait_socket(server, step == PGRES_POLLING_READING ? POLLIN : POLLOUT, until);
        step = in_time ? PQconnectPoll(server) : step;
    }
    connection->server = server;
    if (step == PGRES_POLLING_OK) {
        PQsetNoticeProcessor(server, ignore_notice, NULL);
        connection->pause_ms = 0;
        return WI_OK;
    }
    wi_status status = in_time
                           ? fail_postgres(server, NULL, error)
                           : store_fail(error, STORE_ERR_DOWN,
                                        "database: no connection within %d s", CONNECT_MS / 1000);
    lose(connection);
    return status;
}

static wi_status open_connection(const char *url, db_connection **out, wi_error *error)
{
    db_connection *connection = calloc(1, sizeof *connection);
    if (!connection || !(connection->url = strdup(url))) {
        free(connection);
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    wi_status status = connect_anew(connection, error);
    if (status != WI_OK) {
        close_connection(&connection);
    }
    *out = connection;
    return status;
}

/* The last result of what was sent, or NULL, and *error filled, when none came in time. */
static PGresult *await(db_connection *connection, int sent, wi_error *error)
{
    PGconn *server = connection->server;
    PGresult *result = NULL, *next;
    double until = clock_ms() + STATEMENT_MS;
    bool good = sent == 1;
    while (good) {
        int unsent = PQflush(server);
        if (unsent < 0) {
            good = false;
        } else if (unsent > 0 || PQisBusy(server)) {
            good = wait_socket(server, unsent > 0 ? POLLIN | POLLOUT : POLLIN, until) &&
                   PQconsumeInput(server);
        } else if ((next = PQgetResult(server))) {
            PQclear(result);
            result = next;
        } else {
            return result;
        }
    }
    PQclear(result);
    if (clock_ms() >= until) {
        store_fail(error, STORE_ERR_DOWN, "database: no answer within %d s", STATEMENT_MS / 1000);
    } else {
        fail_postgres(server, NULL, error);
    }
    lose(connection);
    return NULL;
}

static wi_status script(db_connection *connection, const char *sql, wi_error *error)
{
    if (!connection->server) {
        return store_fail(error, STORE_ERR_DOWN, "database: the connection is lost");
    }
    PGresult *result = await(connection, PQsendQuery(connection->server, sql), error);
    if (!result) {
        return STORE_ERR_DOWN;
    }
    ExecStatusType code = PQresultStatus(result);
    wi_status status = code == PGRES_COMMAND_OK || code == PGRES_TUPLES_OK
                           ? WI_OK
                           : fail_postgres(connection->server, result, error);
    PQclear(result);
    return status;
}

/* A server that restarted has cut the connection, which shows at the first statement only, and not
 * always in the connection's status. */
static wi_status begin(db_connection *connection, bool durable, wi_error *error)
{
    (void)durable; /* synchronous_commit is the server's choice, on by default */
    bool was_there = connection->server != NULL;
    if (was_there) {
        double begun = clock_ms();
        if (script(connection, "BEGIN", error) == WI_OK) {
            return WI_OK;
        }
        if (clock_ms() - begun >= STATEMENT_MS / 2.0) {
            return STORE_ERR_DOWN; /* it is there, and does not answer: whoever comes next tries anew */
        }
        if (connection->server) {
            lose(connection);
        }
    } else if (clock_ms() < connection->next_try_ms) {
        return store_fail(error, STORE_ERR_DOWN, "database: the connection is lost");
    }
    wi_status status = connect_anew(connection, error);
    return status == WI_OK ? script(connection, "BEGIN", error) : status;
}

static int64_t read_integer(const char *bytes, int n_bytes)
{
    uint64_t number = 0;
    for (int i = 0; i < n_bytes; i++) {
        number = number << 8 | (uint8_t)bytes[i];
    }
    return n_bytes == 4 ? (int32_t)(uint32_t)number : (int64_t)number;
}

static wi_status take_rows(const PGresult *result, db_result *out, wi_error *error)
{
    wi_status status = WI_OK;
    int n_rows = PQntuples(result), n_columns = PQnfields(result);
    out->n_columns = (size_t)n_columns;
    for (int i = 0; i < n_rows * n_columns && status == WI_OK; i++) {
        int row = i / n_columns, column = i % n_columns;
        Oid type = PQftype(result, column);
        db_value value = {.type = DB_NULL};
        if (!PQgetisnull(result, row, column)) {
            bool is_integer = type == OID_INT8 || type == OID_INT4;
            value.type = is_integer ? DB_INT : type == OID_BYTEA ? DB_BLOB : DB_TEXT;
            value.bytes = PQgetvalue(result, row, column);
            value.n_bytes = (size_t)PQgetlength(result, row, column);
            value.number = is_integer ? read_integer(value.bytes, (int)value.n_bytes) : 0;
        }
        status = db_result_add(out, &value, error);
    }
    return status;
}

static wi_status run(db_connection *connection, const char *sql, const db_value *values,
                     size_t n_values, db_result *out, wi_error *error)
{
    const char *texts[MAX_VALUES];
    int lengths[MAX_VALUES], formats[MAX_VALUES];
    Oid types[MAX_VALUES];
    char numbers[MAX_VALUES][24];
    if (n_values > MAX_VALUES) {
        return store_fail(error, WI_ERR_INTERNAL, "database: too many parameters");
    }
    for (size_t i = 0; i < n_values; i++) {
        const db_value *value = &values[i];
        texts[i] = value->bytes;
        lengths[i] = (int)value->n_bytes;
        formats[i] = value->type == DB_BLOB;
        types[i] = value->type == DB_INT    ? OID_INT8
                   : value->type == DB_BLOB ? OID_BYTEA
                   : value->type == DB_TEXT ? OID_TEXT
                                            : 0;
        if (value->type == DB_INT) {
            snprintf(numbers[i], sizeof numbers[i], "%lld", (long long)value->number);
            texts[i] = numbers[i];
        } else if (value->type == DB_NULL) {
            texts[i] = NULL;
        }
    }
    if (!connection->server) {
        return store_fail(error, STORE_ERR_DOWN, "database: the connection is lost");
    }
    PGresult *result = await(connection,
                             PQsendQueryParams(connection->server, sql, (int)n_values, types, texts,
                                               lengths, formats, 1),
                             error);
    if (!result) {
        return STORE_ERR_DOWN;
    }
    ExecStatusType code = PQresultStatus(result);
    wi_status status = code == PGRES_TUPLES_OK && out ? take_rows(result, out, error)
                       : code == PGRES_TUPLES_OK || code == PGRES_COMMAND_OK
                           ? WI_OK
                           : fail_postgres(connection->server, result, error);
    PQclear(result);
    return status;
}

static wi_status lock(db_connection *connection, wi_error *error)
{
    return script(connection, "SELECT pg_advisory_xact_lock(7274163500)", error);
}

const db_driver db_postgres = {
    .name = "postgres",
    .n_connections = 6,
    .open = open_connection,
    .close = close_connection,
    .begin = begin,
    .run = run,
    .script = script,
    .lock = lock,
};
#else
const db_driver db_postgres = {.name = "postgres"};
#endif
