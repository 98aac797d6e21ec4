#include "fmt/pickle_machine.h"

#include "base/error.h"
#include "base/size.h"

#include <stdlib.h>
#include <string.h>

/* Protocols 0 to 5, as far as PyTorch writes them. */
enum {
    MARK = '(',
    STOP = '.',
    NONE = 'N',
    BININT = 'J',
    BININT1 = 'K',
    BININT2 = 'M',
    BINFLOAT = 'G',
    LONG1 = 0x8a,
    NEWTRUE = 0x88,
    NEWFALSE = 0x89,
    BINUNICODE = 'X',
    SHORT_BINUNICODE = 0x8c,
    BINUNICODE8 = 0x8d,
    BINSTRING = 'T',
    SHORT_BINSTRING = 'U',
    BINBYTES = 'B',
    SHORT_BINBYTES = 'C',
    EMPTY_LIST = ']',
    APPEND = 'a',
    APPENDS = 'e',
    LIST = 'l',
    EMPTY_TUPLE = ')',
    TUPLE = 't',
    TUPLE1 = 0x85,
    TUPLE2 = 0x86,
    TUPLE3 = 0x87,
    EMPTY_DICT = '}',
    DICT = 'd',
    SETITEM = 's',
    SETITEMS = 'u',
    BINPUT = 'q',
    LONG_BINPUT = 'r',
    MEMOIZE = 0x94,
    BINGET = 'h',
    LONG_BINGET = 'j',
    GLOBAL = 'c',
    STACK_GLOBAL = 0x93,
    REDUCE = 'R',
    NEWOBJ = 0x81,
    BUILD = 'b',
    BINPERSID = 'Q',
    PROTO = 0x80,
    FRAME = 0x95
};

enum { ON_STACK_MARK = 0xfffffffeu };

static wi_status broken(wi_error *error)
{
    return wi_fail(error, WI_ERR_FORMAT, "the pickle is damaged");
}

/* Room for one more element of an array that doubles. */
static wi_status grow(void **array, size_t n, size_t *capacity, size_t element_bytes,
                      wi_error *error)
{
    if (n < *capacity)
        return WI_OK;
    const size_t wanted = *capacity ? 2 * *capacity : 256;
    if (wanted > 2 * (size_t)WI_PK_MAX_VALUES)
        return wi_fail(error, WI_ERR_LIMIT, "the pickle has more than %d values",
                       (int)WI_PK_MAX_VALUES);
    void *grown = realloc(*array, wanted * element_bytes);
    if (!grown)
        return wi_fail_nomem(error, wanted * element_bytes, "a pickle");
    *array = grown;
    *capacity = wanted;
    return WI_OK;
}

wi_status wi_pk_new(wi_pk *m, wi_pk_kind kind, int64_t number, uint32_t *out, wi_error *error)
{
    void *values = m->values;
    const wi_status status =
        grow(&values, m->n_values, &m->value_capacity, sizeof *m->values, error);
    m->values = values;
    if (status != WI_OK)
        return status;
    m->values[m->n_values] = (wi_pk_value){
        .kind = kind, .number = number, .first = WI_PK_NOTHING, .last = WI_PK_NOTHING};
    *out = (uint32_t)m->n_values++;
    return WI_OK;
}

static wi_status push(wi_pk *m, uint32_t value, wi_error *error)
{
    void *stack = m->stack;
    const wi_status status = grow(&stack, m->n_stack, &m->stack_capacity, sizeof *m->stack, error);
    m->stack = stack;
    if (status == WI_OK)
        m->stack[m->n_stack++] = value;
    return status;
}

static wi_status push_new(wi_pk *m, wi_pk_kind kind, int64_t number, wi_error *error)
{
    uint32_t value;
    const wi_status status = wi_pk_new(m, kind, number, &value, error);
    return status == WI_OK ? push(m, value, error) : status;
}

/* False when there is nothing but a mark. */
static bool pop(wi_pk *m, uint32_t *out)
{
    if (m->n_stack == 0 || m->stack[m->n_stack - 1] == ON_STACK_MARK)
        return false;
    *out = m->stack[--m->n_stack];
    return true;
}

static wi_status add_cell(wi_pk *m, uint32_t to, uint32_t key, uint32_t value, wi_error *error)
{
    void *cells = m->cells;
    const wi_status status = grow(&cells, m->n_cells, &m->cell_capacity, sizeof *m->cells, error);
    m->cells = cells;
    if (status != WI_OK)
        return status;
    const uint32_t cell = (uint32_t)m->n_cells++;
    wi_pk_value *list = &m->values[to];
    m->cells[cell] = (wi_pk_cell){key, value, WI_PK_NOTHING};
    if (list->last == WI_PK_NOTHING)
        list->first = cell;
    else
        m->cells[list->last].next = cell;
    list->last = cell;
    list->n_items++;
    return WI_OK;
}

/* Where the values above the last mark begin; false when there is no mark. */
static bool find_mark(const wi_pk *m, size_t *first)
{
    for (size_t i = m->n_stack; i-- > 0;)
        if (m->stack[i] == ON_STACK_MARK) {
            *first = i + 1;
            return true;
        }
    return false;
}

static wi_status put_items(wi_pk *m, size_t first, uint32_t to, bool pairs, wi_error *error)
{
    const wi_pk_kind wanted = pairs ? WI_PK_DICT : WI_PK_LIST;
    const size_t step = pairs ? 2 : 1;
    if (m->values[to].kind != wanted || (m->n_stack - first) % step)
        return broken(error);
    wi_status status = WI_OK;
    for (size_t i = first; i < m->n_stack && status == WI_OK; i += step)
        status = pairs ? add_cell(m, to, m->stack[i], m->stack[i + 1], error)
                       : add_cell(m, to, WI_PK_NOTHING, m->stack[i], error);
    return status;
}

/* Everything above the mark goes into a new list or dictionary, or into the one below the mark. */
static wi_status gather(wi_pk *m, bool pairs, bool into_new, wi_error *error)
{
    size_t first;
    uint32_t to;
    if (!find_mark(m, &first))
        return broken(error);
    if (into_new) {
        const wi_status status = wi_pk_new(m, pairs ? WI_PK_DICT : WI_PK_LIST, 0, &to, error);
        if (status != WI_OK)
            return status;
    } else {
        if (first < 2 || m->stack[first - 2] == ON_STACK_MARK)
            return broken(error);
        to = m->stack[first - 2];
    }
    const wi_status status = put_items(m, first, to, pairs, error);
    m->n_stack = first - 1;
    return status == WI_OK && into_new ? push(m, to, error) : status;
}

/* The n values on top as a list (pairs: into the dictionary or list below them). */
static wi_status take_top(wi_pk *m, size_t n, bool into_new, bool pairs, wi_error *error)
{
    if (m->n_stack < n + !into_new)
        return broken(error);
    const size_t first = m->n_stack - n;
    for (size_t i = first - !into_new; i < m->n_stack; i++)
        if (m->stack[i] == ON_STACK_MARK)
            return broken(error);
    uint32_t to = into_new ? 0 : m->stack[first - 1];
    wi_status status = into_new ? wi_pk_new(m, WI_PK_LIST, 0, &to, error) : WI_OK;
    if (status == WI_OK)
        status = put_items(m, first, to, pairs, error);
    m->n_stack = first;
    return status == WI_OK && into_new ? push(m, to, error) : status;
}

/* ---- reading ---- */

static bool take(wi_pk *m, size_t n, const uint8_t **out)
{
    if (m->n_bytes - m->at < n)
        return false;
    *out = m->bytes + m->at;
    m->at += n;
    return true;
}

static bool take_number(wi_pk *m, size_t n, uint64_t *out)
{
    const uint8_t *at;
    *out = 0;
    if (!take(m, n, &at))
        return false;
    while (n-- > 0)
        *out = *out << 8 | at[n];
    return true;
}

static bool take_line(wi_pk *m, const char **out, size_t *n)
{
    const uint8_t *start = m->bytes + m->at, *end = memchr(start, '\n', m->n_bytes - m->at);
    if (!end)
        return false;
    *out = (const char *)start;
    *n = (size_t)(end - start);
    m->at += *n + 1;
    return true;
}

static wi_status read_string(wi_pk *m, size_t length_bytes, wi_error *error)
{
    uint64_t n;
    const uint8_t *at;
    if (!take_number(m, length_bytes, &n) || n > m->n_bytes || !take(m, (size_t)n, &at))
        return broken(error);
    const wi_status status = push_new(m, WI_PK_STRING, 0, error);
    if (status == WI_OK) {
        m->values[m->n_values - 1].text = (const char *)at;
        m->values[m->n_values - 1].n_text = (size_t)n;
    }
    return status;
}

/* Integers of up to 8 bytes, two's complement. */
static wi_status read_integer(wi_pk *m, size_t n, bool is_signed, wi_error *error)
{
    uint64_t bits;
    if (n > 8 || !take_number(m, n, &bits))
        return broken(error);
    if (is_signed && n > 0 && n < 8 && bits >> (8 * n - 1))
        bits |= ~(uint64_t)0 << 8 * n;
    return push_new(m, WI_PK_INTEGER, (int64_t)bits, error);
}

static wi_status read_long(wi_pk *m, wi_error *error)
{
    uint64_t n;
    if (!take_number(m, 1, &n))
        return broken(error);
    if (n > 8) /* a number too long to matter */
        return take(m, (size_t)n, &(const uint8_t *){NULL}) ? push_new(m, WI_PK_FLOAT, 0, error)
                                                            : broken(error);
    return read_integer(m, (size_t)n, true, error);
}

/* ---- memo ---- */

static wi_status put_memo(wi_pk *m, uint64_t index, wi_error *error)
{
    if (m->n_stack == 0 || m->stack[m->n_stack - 1] == ON_STACK_MARK || index > m->n_bytes ||
        index >= WI_PK_MAX_VALUES)
        return broken(error);
    while (m->n_memo <= index) {
        void *memo = m->memo;
        const wi_status status = grow(&memo, m->n_memo, &m->memo_capacity, sizeof *m->memo, error);
        m->memo = memo;
        if (status != WI_OK)
            return status;
        m->memo[m->n_memo++] = WI_PK_NOTHING;
    }
    m->memo[index] = m->stack[m->n_stack - 1];
    return WI_OK;
}

static wi_status memo(wi_pk *m, size_t length_bytes, bool put, wi_error *error)
{
    uint64_t index;
    if (!take_number(m, length_bytes, &index))
        return broken(error);
    if (put)
        return put_memo(m, index, error);
    if (index >= m->n_memo || m->memo[index] == WI_PK_NOTHING)
        return broken(error);
    return push(m, m->memo[index], error);
}

/* ---- names and what is made of them ---- */

static wi_status read_global(wi_pk *m, wi_error *error)
{
    const char *module, *name;
    size_t n_module, n_name;
    uint32_t value;
    if (!take_line(m, &module, &n_module) || !take_line(m, &name, &n_name))
        return broken(error);
    const wi_status status = m->hooks->name(m, module, n_module, name, n_name, &value, error);
    return status == WI_OK ? push(m, value, error) : status;
}

static wi_status stack_global(wi_pk *m, wi_error *error)
{
    uint32_t name, module, value;
    if (!pop(m, &name) || !pop(m, &module) || m->values[name].kind != WI_PK_STRING ||
        m->values[module].kind != WI_PK_STRING)
        return broken(error);
    const wi_pk_value n = m->values[name], of = m->values[module];
    const wi_status status = m->hooks->name(m, of.text, of.n_text, n.text, n.n_text, &value, error);
    return status == WI_OK ? push(m, value, error) : status;
}

static wi_status reduce(wi_pk *m, wi_error *error)
{
    uint32_t arguments, callee, value;
    if (!pop(m, &arguments) || !pop(m, &callee) || m->values[arguments].kind != WI_PK_LIST)
        return broken(error);
    const wi_status status = m->hooks->reduce(m, callee, arguments, &value, error);
    return status == WI_OK ? push(m, value, error) : status;
}

/* A state is the entries of the dictionary that an object is here. */
static wi_status build(wi_pk *m, wi_error *error)
{
    uint32_t state, object;
    if (!pop(m, &state) || !pop(m, &object))
        return broken(error);
    if (m->values[state].kind != WI_PK_DICT || m->values[object].kind != WI_PK_DICT)
        return wi_fail(error, WI_ERR_UNSUPPORTED, "the pickle gives an object a state of its own");
    wi_status status = WI_OK;
    for (uint32_t cell = m->values[state].first, n = m->values[state].n_items;
         n > 0 && status == WI_OK; n--) {
        const wi_pk_cell c = m->cells[cell];
        status = add_cell(m, object, c.key, c.value, error);
        cell = c.next;
    }
    return status == WI_OK ? push(m, object, error) : status;
}

static wi_status persistent(wi_pk *m, wi_error *error)
{
    uint32_t id, value;
    if (!pop(m, &id))
        return broken(error);
    const wi_status status = m->hooks->persistent(m, id, &value, error);
    return status == WI_OK ? push(m, value, error) : status;
}

/* ---- the loop ---- */

static wi_status step_data(wi_pk *m, uint8_t op, wi_error *error);

static wi_status step(wi_pk *m, uint8_t op, wi_error *error)
{
    uint64_t n;
    const uint8_t *skipped;
    switch (op) {
    case PROTO:
        return take_number(m, 1, &n) && n <= 5 ? WI_OK : broken(error);
    case FRAME:
        return take(m, 8, &skipped) ? WI_OK : broken(error);
    case MARK:
        return push(m, ON_STACK_MARK, error);
    case GLOBAL:
        return read_global(m, error);
    case STACK_GLOBAL:
        return stack_global(m, error);
    case REDUCE:
    case NEWOBJ:
        return reduce(m, error);
    case BUILD:
        return build(m, error);
    case BINPERSID:
        return persistent(m, error);
    case BINPUT:
        return memo(m, 1, true, error);
    case LONG_BINPUT:
        return memo(m, 4, true, error);
    case MEMOIZE:
        return put_memo(m, m->n_memo, error);
    case BINGET:
        return memo(m, 1, false, error);
    case LONG_BINGET:
        return memo(m, 4, false, error);
    default:
        return step_data(m, op, error);
    }
}

static wi_status step_number(wi_pk *m, uint8_t op, wi_error *error)
{
    const uint8_t *skipped;
    switch (op) {
    case NONE:
        return push_new(m, WI_PK_NONE, 0, error);
    case NEWTRUE:
    case NEWFALSE:
        return push_new(m, WI_PK_BOOL, op == NEWTRUE, error);
    case BININT:
        return read_integer(m, 4, true, error);
    case BININT1:
        return read_integer(m, 1, false, error);
    case BININT2:
        return read_integer(m, 2, false, error);
    case LONG1:
        return read_long(m, error);
    case BINFLOAT:
        return take(m, 8, &skipped) ? push_new(m, WI_PK_FLOAT, 0, error) : broken(error);
    default:
        return wi_fail(error, WI_ERR_UNSUPPORTED,
                       "the pickle asks for operation 0x%02x, which is not allowed", (unsigned)op);
    }
}

static wi_status step_data(wi_pk *m, uint8_t op, wi_error *error)
{
    switch (op) {
    case BINUNICODE:
    case BINSTRING:
    case BINBYTES:
        return read_string(m, 4, error);
    case SHORT_BINUNICODE:
    case SHORT_BINSTRING:
    case SHORT_BINBYTES:
        return read_string(m, 1, error);
    case BINUNICODE8:
        return read_string(m, 8, error);
    case EMPTY_LIST:
    case EMPTY_TUPLE:
        return push_new(m, WI_PK_LIST, 0, error);
    case EMPTY_DICT:
        return push_new(m, WI_PK_DICT, 0, error);
    case LIST:
    case TUPLE:
        return gather(m, false, true, error);
    case DICT:
        return gather(m, true, true, error);
    case APPENDS:
        return gather(m, false, false, error);
    case SETITEMS:
        return gather(m, true, false, error);
    case APPEND:
        return take_top(m, 1, false, false, error);
    case SETITEM:
        return take_top(m, 2, false, true, error);
    case TUPLE1:
    case TUPLE2:
    case TUPLE3:
        return take_top(m, op - TUPLE1 + 1u, true, false, error);
    default:
        return step_number(m, op, error);
    }
}

wi_status wi_pk_run(wi_pk *machine, const wi_pk_hooks *hooks, const uint8_t *bytes, size_t n_bytes,
                    uint32_t *result, wi_error *error)
{
    *machine = (wi_pk){.hooks = hooks, .bytes = bytes, .n_bytes = n_bytes};
    while (machine->at < n_bytes) {
        const uint8_t op = bytes[machine->at++];
        if (op == STOP)
            return pop(machine, result) ? WI_OK : broken(error);
        const wi_status status = step(machine, op, error);
        if (status != WI_OK)
            return status;
    }
    return broken(error);
}

void wi_pk_free(wi_pk *machine)
{
    free(machine->values);
    free(machine->cells);
    free(machine->stack);
    free(machine->memo);
    *machine = (wi_pk){0};
}

const wi_pk_value *wi_pk_item(const wi_pk *machine, uint32_t list, uint32_t index)
{
    const wi_pk_value *value = &machine->values[list];
    if (value->kind != WI_PK_LIST || index >= value->n_items)
        return NULL;
    uint32_t cell = value->first;
    while (index-- > 0)
        cell = machine->cells[cell].next;
    return &machine->values[machine->cells[cell].value];
}

bool wi_pk_text_is(const wi_pk_value *value, const char *text)
{
    return value && value->kind == WI_PK_STRING && value->n_text == strlen(text) &&
           memcmp(value->text, text, value->n_text) == 0;
}
