#include "nn/part.h"

#include <stdio.h>

void wi_walk_part(wi_walker *w, wi_part *part, const char *prefix, const char *name)
{
    if (w->status != WI_OK)
        return;
    snprintf(part->name, sizeof part->name, "%s%s", prefix, name);
    w->status = w->visit(w->context, part, w->error);
}

void wi_walk_linear(wi_walker *w, const char *prefix, const char *name, wi_mat *mat, uint32_t n,
                    uint32_t k, bool has_bias)
{
    wi_part part = {.kind = WI_PART_LINEAR, .mat = mat, .n = n, .k = k, .has_bias = has_bias};
    wi_walk_part(w, &part, prefix, name);
}

void wi_walk_projection(wi_walker *w, const char *prefix, const char *name, wi_mat *mat, uint32_t n,
                        uint32_t k, bool has_bias)
{
    wi_part part = {.kind = WI_PART_LINEAR,
                    .mat = mat,
                    .n = n,
                    .k = k,
                    .has_bias = has_bias,
                    .keep_float = true};
    wi_walk_part(w, &part, prefix, name);
}

void wi_walk_vector(wi_walker *w, const char *prefix, const char *name, const float **vector,
                    uint32_t n, uint32_t k)
{
    wi_part part = {.kind = WI_PART_VECTOR, .vector = vector, .n = n, .k = k};
    wi_walk_part(w, &part, prefix, name);
}

void wi_walk_norm(wi_walker *w, const char *prefix, const char *name, wi_norm *norm)
{
    char full[64];
    snprintf(full, sizeof full, "%s.w", name);
    wi_walk_vector(w, prefix, full, &norm->w, 1, norm->n);
    snprintf(full, sizeof full, "%s.b", name);
    wi_walk_vector(w, prefix, full, &norm->b, 1, norm->n);
}

void wi_walk_table(wi_walker *w, const char *prefix, const char *name, wi_table *table, uint32_t n,
                   uint32_t k)
{
    wi_part part = {.kind = WI_PART_TABLE, .table = table, .n = n, .k = k};
    wi_walk_part(w, &part, prefix, name);
}
