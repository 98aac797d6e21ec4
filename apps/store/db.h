/* The little that the store asks of a database: run a statement, get its rows.
 * Statements are portable SQL (upserts, RETURNING) with parameters $1, $2, ... that appear in that
 * order; the same text runs on SQLite and PostgreSQL. */
#ifndef STORE_DB_H
#define STORE_DB_H

#include <whatsit/status.h>

typedef enum db_type { DB_NULL = 0, DB_INT, DB_TEXT, DB_BLOB } db_type;

typedef struct db_value {
    db_type type;
    int64_t number;
    const void *bytes; /* text is NUL-terminated behind n_bytes */
    size_t n_bytes;
} db_value;

db_value db_int(int64_t number);
db_value db_text(const char *text); /* NULL gives a NULL value */
db_value db_blob(const void *bytes, size_t n_bytes);

/* Rows are copies that live until db_result_free. */
typedef struct db_result {
    size_t n_rows, n_columns;
    db_value *cells; /* [n_rows, n_columns] */
    size_t n_cells, capacity;
} db_result;

const db_value *db_cell(const db_result *result, size_t row, size_t column);
int64_t db_cell_int(const db_result *result, size_t row, size_t column);
/* "" for NULL. */
const char *db_cell_text(const db_result *result, size_t row, size_t column);
/* Appends a copy of one cell; set n_columns first. */
wi_status db_result_add(db_result *result, const db_value *value, wi_error *error);
void db_result_free(db_result *result);

/* One connection; used by one thread at a time. */
typedef struct db_connection db_connection;

typedef struct db_driver {
    const char *name;
    size_t n_connections; /* how many are worth having */
    bool plain_reads;     /* a read needs no transaction: there is no connection to lose */
    wi_status (*open)(const char *url, db_connection **out, wi_error *error);
    void (*close)(db_connection **connection);
    /* durable: what is committed survives a power cut, not only the end of the process. */
    wi_status (*begin)(db_connection *connection, bool durable, wi_error *error);
    /* out may be NULL. WI_ERR_MISMATCH: a row with that key is there already. */
    wi_status (*run)(db_connection *connection, const char *sql, const db_value *values,
                     size_t n_values, db_result *out, wi_error *error);
    /* Several statements without parameters. */
    wi_status (*script)(db_connection *connection, const char *sql, wi_error *error);
    /* Waits until no other process migrates; held until the transaction ends. */
    wi_status (*lock)(db_connection *connection, wi_error *error);
} db_driver;

extern const db_driver db_sqlite;
extern const db_driver db_postgres; /* NULL functions when built without libpq */

#endif
