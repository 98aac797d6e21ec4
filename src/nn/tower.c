#include "nn/tower.h"

#include <string.h>

const wi_tower_kind *wi_tower_kind_named(wi_role role, const char *name, size_t n_bytes)
{
    for (size_t i = 0; wi_tower_kinds[i]; i++)
        if (wi_tower_kinds[i]->role == role && strlen(wi_tower_kinds[i]->name) == n_bytes &&
            memcmp(wi_tower_kinds[i]->name, name, n_bytes) == 0)
            return wi_tower_kinds[i];
    return NULL;
}

const wi_tower_kind *wi_tower_kind_numbered(wi_role role, uint32_t number)
{
    for (size_t i = 0; number && wi_tower_kinds[i]; i++)
        if (wi_tower_kinds[i]->role == role && wi_tower_kinds[i]->number == number)
            return wi_tower_kinds[i];
    return NULL;
}

void wi_tower_params_set(wi_tower_params *params, const wi_tower_kind *kind, const void *values)
{
    memset(params, 0, sizeof *params);
    params->kind = kind;
    memcpy(params->values, values, kind->values_bytes);
}

bool wi_tower_params_get(const wi_tower_params *params, const wi_tower_kind *kind, void *values)
{
    if (params->kind != kind)
        return false;
    memcpy(values, params->values, kind->values_bytes);
    return true;
}

bool wi_tower_params_equal(const wi_tower_params *a, const wi_tower_params *b)
{
    if (a->kind != b->kind)
        return false;
    for (const wi_field *f = a->kind ? a->kind->fields : NULL; f && f->key; f++)
        for (size_t i = 0; i < wi_field_count(f); i++)
            if (wi_field_get(f, a->values, i) != wi_field_get(f, b->values, i))
                return false;
    return true;
}

wi_tower_facts wi_tower_facts_of(const wi_tower_params *params)
{
    wi_tower_facts facts = {0};
    if (params->kind)
        params->kind->describe(params->values, &facts);
    return facts;
}
