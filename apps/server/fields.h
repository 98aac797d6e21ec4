/* What the fields of a JSON object may be called and hold: whatever else is there is refused by its name, so that a
 * misspelt word is never left out of an answer without a word. */
#ifndef SERVER_FIELDS_H
#define SERVER_FIELDS_H

#include "message.h"

enum {
    SRV_TEXT = 1,
    SRV_NUMBER = 2, /* whole */
    SRV_BOOL = 4,
    SRV_TEXTS = 8, /* a list of texts */
    SRV_LIST = 16, /* of anything */
    SRV_OBJECT = 32,
    SRV_NULL = 64,
    SRV_ANY = 127,
    SRV_REAL = 128 /* with a fraction or without; nothing else takes one with */
};

typedef struct srv_field {
    const char *name;
    unsigned types;
} srv_field;

/* False: response is 422 and names the field. */
bool srv_fields_check(const srv_request *request, const json_t *object, const srv_field *fields,
                      size_t n, srv_response *response);
/* The same for names in the query string, or of a form's fields; names ends with NULL. what: "parameter". */
bool srv_name_check(const srv_request *request, const char *name, const char *const *names,
                    const char *what, srv_response *response);
/* All names of the query, each of which, but 'head', is there once. */
bool srv_query_check(const srv_request *request, const char *const *names, srv_response *response);

/* None of these names stands in the query and, with a value, in the body as well: which one counts? */
bool srv_twice_check(const srv_request *request, const json_t *body, const char *const *names,
                     srv_response *response);

#endif
