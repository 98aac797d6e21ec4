#include "db.h"
#include "fail.h"
#include <stdlib.h>
#include <string.h>

db_value db_int(int64_t number)
{
    return (db_value){.type = DB_INT, .number = number};
}

db_value db_text(const char *text)
{
    return text ? (db_value){.type = DB_TEXT, .bytes = text, .n_bytes = strlen(text)}
                : (db_value){.type = DB_NULL};
}

db_value db_blob(const void *bytes, size_t n_bytes)
{
    return (db_value){.type = DB_BLOB, .bytes = bytes, .n_bytes = n_bytes};
}

const db_value *db_cell(const db_result *result, size_t row, size_t column)
{
    return &result->cells[row * result->n_columns + column];
}

int64_t db_cell_int(const db_result *result, size_t row, size_t column)
{
    const db_value *value = db_cell(result, row, column);
    return value->type == DB_INT ? value->number : 0;
}

const char *db_cell_text(const db_result *result, size_t row, size_t column)
{
    const db_value *value = db_cell(result, row, column);
    return value->bytes ? value->bytes : "";
}

wi_status db_result_add(db_result *result, const db_value *value, wi_error *error)
{
    if (result->n_cells == result->capacity) {
        size_t capacity = result->capacity ? 2 * result->capacity : 16;
        db_value *larger = realloc(result->cells, capacity * sizeof *larger);
        if (!larger) {
            return store_fail(error, WI_ERR_NOMEM, "out of memory");
        }
        result->cells = larger;
        result->capacity = capacity;
    }
    db_value copy = *value;
    copy.bytes = NULL;
    if (value->type == DB_TEXT || value->type == DB_BLOB) {
        char *bytes = malloc(value->n_bytes + 1);
        if (!bytes) {
            return store_fail(error, WI_ERR_NOMEM, "out of memory");
        }
        if (value->n_bytes > 0) {
            memcpy(bytes, value->bytes, value->n_bytes);
        }
        bytes[value->n_bytes] = '\0';
        copy.bytes = bytes;
    }
    result->cells[result->n_cells++] = copy;
    result->n_rows = result->n_cells / result->n_columns;
    return WI_OK;
}

void db_result_free(db_result *result)
{
    for (size_t i = 0; i < result->n_cells; i++) {
        free((void *)(uintptr_t)result->cells[i].bytes);
    }
    free(result->cells);
    *result = (db_result){0};
}
