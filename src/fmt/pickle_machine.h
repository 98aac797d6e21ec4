/* The stack machine of a pickle, without anything that could be called: what names, reductions and
 * persistent ids mean is the caller's. Values live in one array, so that a reference to one is a
 * number and what refers to itself does no harm. */
#ifndef WI_FMT_PICKLE_MACHINE_H
#define WI_FMT_PICKLE_MACHINE_H

#include <whatsit/status.h>

typedef enum wi_pk_kind {
    WI_PK_NONE = 0,
    WI_PK_BOOL,
    WI_PK_INTEGER,
    WI_PK_FLOAT, /* its value is of no interest */
    WI_PK_STRING,
    WI_PK_LIST, /* and tuples */
    WI_PK_DICT,
    WI_PK_NAME, /* a global that the caller knows; number is the caller's */
    WI_PK_OTHER /* a value of the caller's; number says which */
} wi_pk_kind;

enum { WI_PK_NOTHING = 0xffffffffu, WI_PK_MAX_VALUES = 1 << 20 };

typedef struct wi_pk_value {
    wi_pk_kind kind;
    int64_t number;   /* integers, booleans; the caller's for names and others */
    const char *text; /* strings: borrowed from the pickle */
    size_t n_text;
    uint32_t first, last, n_items; /* lists and dictionaries: cells */
} wi_pk_value;

typedef struct wi_pk_cell {
    uint32_t key, value, next; /* key: WI_PK_NOTHING in lists */
} wi_pk_cell;

typedef struct wi_pk wi_pk;

typedef struct wi_pk_hooks {
    void *context;
    /* Each makes a value of the machine, or refuses. Texts are not terminated. */
    wi_status (*name)(wi_pk *machine, const char *module, size_t n_module, const char *name,
                      size_t n_name, uint32_t *out, wi_error *error);
    wi_status (*reduce)(wi_pk *machine, uint32_t callee, uint32_t arguments, uint32_t *out,
                        wi_error *error);
    wi_status (*persistent)(wi_pk *machine, uint32_t id, uint32_t *out, wi_error *error);
} wi_pk_hooks;

struct wi_pk {
    const wi_pk_hooks *hooks;
    const uint8_t *bytes;
    size_t n_bytes, at;
    wi_pk_value *values;
    wi_pk_cell *cells;
    uint32_t *stack, *memo;
    size_t n_values, value_capacity, n_cells, cell_capacity, n_stack, stack_capacity, n_memo,
        memo_capacity;
};

/* Runs a pickle to its end. *result is a value; read it before wi_pk_free, which is called after
 * failures too.
 * Errors: WI_ERR_FORMAT, WI_ERR_UNSUPPORTED (an operation that is not allowed), WI_ERR_LIMIT,
 *     WI_ERR_NOMEM, and the hooks' own */
wi_status wi_pk_run(wi_pk *machine, const wi_pk_hooks *hooks, const uint8_t *bytes, size_t n_bytes,
                    uint32_t *result, wi_error *error);
void wi_pk_free(wi_pk *machine);

wi_status wi_pk_new(wi_pk *machine, wi_pk_kind kind, int64_t number, uint32_t *out,
                    wi_error *error);
/* NULL past the end; the pointer holds until the next new value. */
const wi_pk_value *wi_pk_item(const wi_pk *machine, uint32_t list, uint32_t index);
bool wi_pk_text_is(const wi_pk_value *value, const char *text);

#endif
