#include "fields.h"
#include <stdlib.h>
#include <string.h>

static unsigned type_of(const json_t *value)
{
    bool texts = json_is_array(value);
    for (size_t i = 0; i < json_array_size(value) && texts; i++) {
        texts = json_is_string(json_array_get(value, i));
    }
    return json_is_string(value)    ? SRV_TEXT
           : json_is_integer(value) ? SRV_NUMBER | SRV_REAL
           : json_is_boolean(value) ? SRV_BOOL
           : json_is_array(value)   ? (texts ? SRV_TEXTS | SRV_LIST : SRV_LIST)
           : json_is_object(value)  ? SRV_OBJECT
           : json_is_null(value)    ? SRV_NULL
                                    : SRV_REAL;
}

/* "a text, a whole number or null" */
static void describe(unsigned types, char *out, size_t n_out)
{
    static const char *const names[] = {
        "a text", "a whole number", "true or false", "a list of texts", "a list", "an object",
        NULL,     "a number"};
    size_t n = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i] && types & 1u << i && strlen(out) + 24 < n_out) {
            n += (size_t)snprintf(out + n, n_out - n, "%s%s", n ? " or " : "", names[i]);
        }
    }
}

/* Edit distance of short words; what is far off is no guess. */
static size_t distance(const char *a, const char *b)
{
    size_t row[64], n = strlen(b);
    if (n >= 63 || strlen(a) >= 63) {
        return 99;
    }
    for (size_t j = 0; j <= n; j++) {
        row[j] = j;
    }
    for (size_t i = 1; a[i - 1]; i++) {
        size_t before = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t change = before + (a[i - 1] != b[j - 1]);
            before = row[j];
            size_t least = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            row[j] = change < least ? change : least;
        }
    }
    return row[n];
}

static const char *nearer(const char *word, const char *candidate, const char *best, size_t *least)
{
    size_t d = distance(word, candidate);
    if (d < *least) {
        *least = d;
        return candidate;
    }
    return best;
}

static bool refuse(const srv_request *request, const char *name, const char *what, const char *best,
                   srv_response *response)
{
    if (best) {
        srv_error(request, response, 422, "unknown_field",
                  "there is no %s '%.60s' here: did you mean '%s'?", what, name, best);
    } else {
        srv_error(request, response, 422, "unknown_field", "there is no %s '%.60s' here", what,
                  name);
    }
    return false;
}

bool srv_fields_check(const srv_request *request, const json_t *object, const srv_field *fields,
                      size_t n, srv_response *response)
{
    const char *name;
    const json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        const char *best = NULL;
        size_t i = 0, least = 4;
        while (i < n && strcmp(fields[i].name, name)) {
            best = nearer(name, fields[i].name, best, &least);
            i++;
        }
        if (i == n) {
            return refuse(request, name, "field", best, response);
        }
        if (!(type_of(value) & fields[i].types)) {
            char types[120];
            describe(fields[i].types, types, sizeof types);
            srv_error(request, response, 422, "wrong_type", "'%s' must be %s", name, types);
            return false;
        }
    }
    return true;
}

bool srv_name_check(const srv_request *request, const char *name, const char *const *names,
                    const char *what, srv_response *response)
{
    const char *best = NULL;
    size_t least = 4;
    for (; *names && strcmp(*names, name); names++) {
        best = nearer(name, *names, best, &least);
    }
    return *names || refuse(request, name, what, best, response);
}

/* "head=a&head=b" are two heads; of all others only one could count. */
static bool is_alone(const srv_request *request, size_t index, srv_response *response)
{
    const srv_pair *items = request->query.items;
    const char *name = items[index].name;
    size_t i = 0;
    while (i < index && strcmp(items[i].name, name)) {
        i++;
    }
    if (i < index && strcmp(name, "head")) {
        srv_error(request, response, 422, "twice", "'%.60s' is there more than once", name);
        return false;
    }
    return true;
}

bool srv_query_check(const srv_request *request, const char *const *names, srv_response *response)
{
    bool good = true;
    for (size_t i = 0; i < request->query.n && good; i++) {
        good =
            srv_name_check(request, request->query.items[i].name, names, "parameter", response) &&
            is_alone(request, i, response);
    }
    return good;
}

bool srv_twice_check(const srv_request *request, const json_t *body, const char *const *names,
                     srv_response *response)
{
    for (; *names; names++) {
        const json_t *value = json_object_get(body, *names);
        if (value && !json_is_null(value) && srv_pairs_get(&request->query, *names)) {
            srv_error(request, response, 422, "twice", "'%s' is in the query and in the body",
                      *names);
            return false;
        }
    }
    return true;
}
