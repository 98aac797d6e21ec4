/* The catalogue's connection, for what keeps tables of its own in the same file. */
#ifndef LIBRARY_CATALOG_CONNECTION_H
#define LIBRARY_CATALOG_CONNECTION_H

#include "../store/db.h"
#include "catalog.h"

db_connection *catalog_connection(catalog *cat);
/* A cell's bytes with a zero behind; the caller frees. NULL: memory is out. */
char *catalog_take_text(const db_value *value);
/* Commits when status is WI_OK, else takes everything back. */
wi_status catalog_end(catalog *cat, wi_status status, wi_error *error);

#endif
