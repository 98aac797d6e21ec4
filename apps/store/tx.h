/* Connections lent to one transaction at a time, and copies of cells; for the nouns of the store.
 */
#ifndef STORE_TX_H
#define STORE_TX_H

#include "db.h"
#include "fail.h"

typedef struct store store;

typedef struct store_tx {
    store *st;
    db_connection *connection; /* NULL: not begun */
} store_tx;

wi_status store_tx_begin(store *st, bool durable, store_tx *out, wi_error *error);
wi_status store_tx_run(store_tx *tx, const char *sql, const db_value *values, size_t n_values,
                       db_result *out, wi_error *error);
/* Commits if status is WI_OK, else takes everything back. Returns status, or why it cannot commit.
 */
wi_status store_tx_end(store_tx *tx, wi_status status, wi_error *error);

/* Until the transaction ends, no other one has this lock: for counts that must be exact. */
wi_status store_tx_lock(store_tx *tx, wi_error *error);

/* One writing statement in a transaction of its own; one reading statement. */
wi_status store_write(store *st, bool durable, const char *sql, const db_value *values,
                      size_t n_values, db_result *out, wi_error *error);
wi_status store_read(store *st, const char *sql, const db_value *values, size_t n_values,
                     db_result *out, wi_error *error);

/* Copies a text cell to *out (NULL stays NULL only when memory is out: then false). */
bool store_take_text(const db_result *result, size_t row, size_t column, char **out);

/* After the tables are there: lets a database that can compare vectors itself do so. vectors.c */
wi_status store_vectors_prepare(const db_driver *driver, db_connection *connection, bool *has_near,
                                wi_error *error);

/* The statements that lead from version - 1 to version. */
const char *store_migration(int version);

#endif
