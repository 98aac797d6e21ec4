/* Groups of labels: which there are, and what a picture's answer says of them. */
#ifndef WI_HEAD_GROUPS_H
#define WI_HEAD_GROUPS_H

#include "head/head.h"

/* Finds the groups of a head under way, in the order of their names; nothing for a head without any.
 * Owns: head->groups, freed with wi_groups_free
 * Errors: WI_ERR_NOMEM */
wi_status wi_groups_find(wi_head *head, wi_error *error);
void wi_groups_free(wi_groups *groups);

/* As wi_head_answer_groups. */
wi_status wi_groups_answer(const wi_head *head, const float *embedding, size_t dim, size_t k,
                           wi_group_answer *out, size_t *n_out, wi_error *error);

/* As wi_head_verdict, and the best label by itself, whatever the verdict, from one scoring of the head. */
wi_status wi_groups_judge(const wi_head *head, const float *embedding, size_t dim, wi_verdict *out,
                          wi_answer *best, wi_error *error);

/* As wi_head_verdict. */
wi_status wi_groups_verdict(const wi_head *head, const float *embedding, size_t dim,
                            wi_verdict *out, wi_error *error);

#endif
