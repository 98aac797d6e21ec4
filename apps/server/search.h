/* Searches the pictures that an owner has put: by the database itself where it can, else by a look at all of them. */
#ifndef SERVER_SEARCH_H
#define SERVER_SEARCH_H

#include "../library/background.h"
#include "../store/store.h"
#include "config.h"
#include "model.h"

typedef struct srv_search srv_search;

/* How sure an answer to words has to be when nothing else is said: as 'whatsit search' has it. */
double srv_search_least(void);

wi_status srv_search_open(const srv_config *config, store *st, srv_search **out, wi_error *error);
void srv_search_close(srv_search **search);

/* What else a picture might show, for this model, made when it is first needed; borrowed from the search. *out NULL: it
 * cannot be told. Errors: those of the text tower */
wi_status srv_search_background(srv_search *search, srv_model *model, const background **out,
                                wi_error *error);

typedef struct srv_query {
    const char *owner;
    const float *vector; /* [dim], of length 1 */
    size_t top;
    bool is_words; /* of words alone: then it can be told how sure each answer is */
    double least;  /* confidence; what is below is left out. Of words alone; 0: nothing is */
} srv_query;

typedef struct srv_found {
    store_vector vector;
    float score;       /* cosine */
    double confidence; /* NaN: it cannot be told */
} srv_found;

/* Best first, equal ones in order of their ids. Of what is not sure enough at most some hundreds are looked at.
 * Owns: the caller frees out[n] with srv_found_free. Errors: those of the store and of the text tower */
wi_status srv_search_run(srv_search *search, srv_model *model, const srv_query *query,
                         srv_found **out, size_t *n, wi_error *error);
void srv_found_free(srv_found **found, size_t n);

#endif
