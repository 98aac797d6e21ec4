/* What else a photo might show: by it a search tells whether a photo fits its words at all. The command line's searches,
 * the server's and the web app's go by it alike. */
#ifndef LIBRARY_BACKGROUND_H
#define LIBRARY_BACKGROUND_H

#include <whatsit/labels.h>
#include <whatsit/session.h>

/* From this confidence on a photo is shown, unless something else is said (bench/search_cut.py). */
#define BACKGROUND_LEAST 0.4

typedef struct background {
    float *rows; /* [n, dim], of length 1; NULL: there is none, and no confidence can be told */
    size_t n, dim;
    float scale; /* the model's logit scale */
} background;

/* Embeddings of some hundreds of everyday nouns, of a label list; out->dim and scale are the model's already.
 * Owns:   background_close frees the rows
 * Errors: those of the list and of encoding; WI_ERR_NOMEM */
wi_status background_embed(wi_session *session, const char *nouns_path, background *out,
                           wi_error *error);
/* The same of a list that is open. */
wi_status background_embed_list(wi_session *session, const wi_label_list *list, background *out,
                                wi_error *error);
void background_close(background *all);

/* How sure it is that a photo shows what the query says rather than one of the other things, 0..1; NaN
 * without background. Words that mean nearly the same as the query do not compete with it.
 * Shapes: query[dim], photo[dim], both of length 1 */
double background_confidence(const background *all, const float *query, const float *photo);

#endif
