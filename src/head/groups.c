#include "head/groups.h"

#include "base/error.h"
#include "head/none.h"
#include "head/score.h"

#include <stdlib.h>
#include <string.h>

typedef struct member {
    const char *group;
    size_t label;
} member;

static int by_name(const void *a, const void *b)
{
    const member *x = a, *y = b;
    int order = strcmp(x->group, y->group);
    return order ? order : (x->label > y->label) - (x->label < y->label);
}

/* Sorted, so that a file with a million groups takes no longer than one with a million labels. */
wi_status wi_groups_find(wi_head *head, wi_error *error)
{
    const wi_head_parts *parts = &head->parts;
    wi_groups *groups = &head->groups;
    size_t n = 0;
    for (size_t i = 0; parts->groups && i < parts->n_labels; i++)
        n += parts->groups[i][0] != '\0';
    if (n == 0)
        return WI_OK;
    member *members = calloc(n, sizeof *members);
    groups->names = calloc(n, sizeof *groups->names);
    groups->of = calloc(parts->n_labels, sizeof *groups->of);
    if (!members || !groups->names || !groups->of) {
        free(members);
        return wi_fail_nomem(error, n * sizeof *members, "groups");
    }
    size_t used = 0;
    for (size_t i = 0; i < parts->n_labels; i++) {
        groups->of[i] = SIZE_MAX;
        if (parts->groups[i][0])
            members[used++] = (member){parts->groups[i], i};
    }
    qsort(members, n, sizeof *members, by_name);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || strcmp(members[i - 1].group, members[i].group) != 0)
            groups->names[groups->n++] = members[i].group;
        groups->of[members[i].label] = groups->n - 1;
    }
    free(members);
    return WI_OK;
}

void wi_groups_free(wi_groups *groups)
{
    free(groups->names);
    free(groups->of);
}

/* total[groups]: the sum of its labels' scores, or the largest of them where each stands alone. */
static void add_up(const wi_head *head, const float *score, float *total)
{
    const wi_groups *groups = &head->groups;
    memset(total, 0, groups->n * sizeof *total);
    for (size_t i = 0; groups->n > 0 && i < head->parts.n_labels; i++) {
        if (groups->of[i] == SIZE_MAX)
            continue;
        float *sum = &total[groups->of[i]];
        if (!head->parts.sigmoid)
            *sum += score[i];
        else if (score[i] > *sum)
            *sum = score[i];
    }
}

wi_status wi_groups_answer(const wi_head *head, const float *embedding, size_t dim, size_t k,
                           wi_group_answer *out, size_t *n_out, wi_error *error)
{
    const wi_groups *groups = &head->groups;
    size_t n_labels = head->parts.n_labels, n = k < groups->n ? k : groups->n;
    float *score = calloc(n_labels + groups->n, sizeof *score), *total = score + n_labels;
    wi_answer *best = calloc(n + 1, sizeof *best);
    wi_status status = score && best ? wi_score_all(head, embedding, dim, score, NULL, NULL, error)
                                     : wi_fail_nomem(error, n_labels * sizeof *score, "scores");
    if (status == WI_OK) {
        add_up(head, score, total);
        *n_out = wi_score_top(total, groups->n, n, best);
        for (size_t i = 0; i < *n_out; i++)
            out[i] = (wi_group_answer){groups->names[best[i].label], best[i].logit};
    }
    free(score);
    free(best);
    return status;
}

/* The border of "more often right than wrong" leaves room for probabilities that are a little bold. */
static wi_certainty certainty_of(float score)
{
    return score >= 0.9F   ? WI_ALMOST_CERTAINLY
           : score >= 0.5F ? WI_PROBABLY
           : score >= 0.2F ? WI_PERHAPS
                           : WI_CANNOT_TELL;
}

/* The best label and the best group from one scoring; a head without groups has none. */
static wi_status find_best(const wi_head *head, const float *embedding, size_t dim, wi_answer *best,
                           wi_group_answer *group, wi_error *error)
{
    const size_t n = head->parts.n_labels, n_groups = head->groups.n;
    float *score = malloc((3 * n + n_groups) * sizeof *score);
    if (!score)
        return wi_fail_nomem(error, (3 * n + n_groups) * sizeof *score, "scores");
    float *cosine = score + n, *logit = cosine + n, *total = logit + n;
    const wi_status status = wi_score_all(head, embedding, dim, score, cosine, logit, error);
    if (status == WI_OK) {
        wi_answer first;
        wi_score_top(logit, n, 1, best);
        best->score = score[best->label];
        best->cosine = cosine[best->label];
        add_up(head, score, total);
        if (n_groups && wi_score_top(total, n_groups, 1, &first))
            *group = (wi_group_answer){head->groups.names[first.label], first.logit};
    }
    free(score);
    return status;
}

wi_status wi_groups_judge(const wi_head *head, const float *embedding, size_t dim, wi_verdict *out,
                          wi_answer *best, wi_error *error)
{
    wi_group_answer group = {0};
    float known;
    bool none = false;
    wi_status status = wi_none_known(head, embedding, dim, &known, &none, error);
    if (status == WI_OK)
        status = find_best(head, embedding, dim, best, &group, error);
    if (status != WI_OK)
        return status;
    *out = (wi_verdict){.name = "", .label = SIZE_MAX};
    if (none)
        return WI_OK;
    const wi_certainty narrow = certainty_of(best->score),
                       broad = group.group ? certainty_of(group.score) : WI_CANNOT_TELL;
    const bool same = group.group && !strcmp(group.group, head->firsts[best->label]);
    if (broad >= WI_PROBABLY && (same || narrow < WI_PROBABLY))
        *out = (wi_verdict){.certainty = broad,
                            .name = group.group,
                            .label = same ? best->label : SIZE_MAX,
                            .score = group.score};
    else if (narrow != WI_CANNOT_TELL)
        *out = (wi_verdict){.certainty = narrow,
                            .name = head->firsts[best->label],
                            .label = best->label,
                            .score = best->score};
    else
        out->certainty = WI_CANNOT_TELL;
    return WI_OK;
}

wi_status wi_groups_verdict(const wi_head *head, const float *embedding, size_t dim,
                            wi_verdict *out, wi_error *error)
{
    wi_answer best;
    return wi_groups_judge(head, embedding, dim, out, &best, error);
}
