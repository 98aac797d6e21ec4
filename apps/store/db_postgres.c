/* PostgreSQL behind db.h. The only file that sees libpq. */
#include "db.h"
#include "fail.h"

#ifdef WHATSIT_POSTGRES
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_VALUES = 24, OID_INT8 = 20, OID_INT4 = 23, OID_TEXT = 25, OID_BYTEA = 17 };

struct db_connection {
    PGconn *server;
};

static wi_status fail_postgres(db_connection *connection, const PGresult *result, wi_error *error)
{
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    const char *message = result ? PQresultErrorMessage(result) : "";
    if (!message[0]) {
        message = PQerrorMessage(connection->server);
    }
    wi_status status = state && !strcmp(state, "23505") ? WI_ERR_MISMATCH : WI_ERR_IO;
    return store_fail(error, status, "database: %.*s", (int)strcspn(message, "\n"), message);
}

static void close_connection(db_connection **connection)
{
    if (*connection) {
        PQfinish((*connection)->server);
        free(*connection);
        *connection = NULL;
    }
}

static void ignore_notice(void *context, const char *message)
{
    (void)context;
    (void)message;
}

static wi_status open_connection(const char *url, db_connection **out, wi_error *error)
{
    db_connection *connection = calloc(1, sizeof *connection);
    if (!connection) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    connection->server = PQconnectdb(url);
    if (PQstatus(connection->server) != CONNECTION_OK) {
        wi_status status = fail_postgres(connection, NULL, error);
        close_connection(&connection);
        return status;
    }
    PQsetNoticeProcessor(connection->server, ignore_notice, NULL);
    *out = connection;
    return WI_OK;
}

static wi_status script(db_connection *connection, const char *sql, wi_error *error)
{
    PGresult *result = PQexec(connection->server, sql);
    ExecStatusType code = PQresultStatus(result);
    wi_status status = code == PGRES_COMMAND_OK || code == PGRES_TUPLES_OK
                           ? WI_OK
                           : fail_postgres(connection, result, error);
    PQclear(result);
    return status;
}

/* A server that restarted has cut the connection, which shows at the first statement only, and not
 * always in the connection's status. */
static wi_status begin(db_connection *connection, bool durable, wi_error *error)
{
    (void)durable; /* synchronous_commit is the server's choice, on by default */
    wi_status status = script(connection, "BEGIN", error);
    if (status != WI_OK) {
        PQreset(connection->server);
        status = script(connection, "BEGIN", error);
    }
    return status;
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
    PGresult *result =
        PQexecParams(connection->server, sql, (int)n_values, types, texts, lengths, formats, 1);
    ExecStatusType code = PQresultStatus(result);
    wi_status status = code == PGRES_TUPLES_OK && out ? take_rows(result, out, error)
                       : code == PGRES_TUPLES_OK || code == PGRES_COMMAND_OK
                           ? WI_OK
                           : fail_postgres(connection, result, error);
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
