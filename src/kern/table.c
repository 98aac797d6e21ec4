#include "kern/check.h"
#include "kern/kern.h"
#include "kern/ref/ref.h"
#include "kern/variants.h"

#include <string.h>

typedef void any_fn(void);

_Static_assert(sizeof(wi_kern) == WI_N_OPERATIONS * sizeof(any_fn *),
               "every field is one operation");

#define X(name) #name,
static const char *const names[WI_N_OPERATIONS] = {WI_KERN_OPERATIONS(X)};
#undef X

typedef struct variant {
    const char *isa;
    wi_cpu_features need;
    const wi_kern *table;
} variant;

#define X(name, features, table) {name, features, &table},
static const variant variants[] = {WI_KERN_VARIANTS(X){"scalar", 0, NULL}};
#undef X
enum { N_VARIANTS = sizeof variants / sizeof *variants - 1 };

/* The fields of a table in order; the assertion above makes the struct an array of function
 * pointers. */
static any_fn *operation_at(const wi_kern *table, size_t i)
{
    any_fn *f;
    memcpy(&f, (const char *)table + i * sizeof f, sizeof f);
    return f;
}

void wi_kern_init(wi_kern *kern, wi_kern_use use[WI_N_OPERATIONS], wi_cpu_features features)
{
    *kern = wi_kern_ref;
    for (size_t i = 0; i < WI_N_OPERATIONS; i++)
        use[i] = (wi_kern_use){names[i], "scalar", NULL};
    for (size_t v = 0; v < N_VARIANTS; v++) {
        if ((variants[v].need & features) != variants[v].need)
            continue;
        for (size_t i = 0; i < WI_N_OPERATIONS; i++) {
            any_fn *f = operation_at(variants[v].table, i);
            if (!f)
                continue;
            if (!wi_kern_agrees(variants[v].table, i)) {
                use[i].warning =
                    "a faster variant gave other results than the reference and was set aside";
                continue;
            }
            memcpy((char *)kern + i * sizeof f, &f, sizeof f);
            use[i].isa = variants[v].isa;
        }
    }
}

void wi_kern_best(wi_kern *kern)
{
    wi_kern_use use[WI_N_OPERATIONS];
    wi_kern_init(kern, use, wi_cpu_detect());
}

bool wi_kern_limit(const char *isa, wi_cpu_features there, wi_cpu_features *out)
{
    if (strcmp(isa, "scalar") == 0) {
        *out = 0;
        return true;
    }
    /* Variants are sorted, so "at most this one" is the union of what stands before it. */
    wi_cpu_features allowed = 0;
    for (size_t v = 0; v < N_VARIANTS; v++) {
        allowed |= variants[v].need;
        if (strcmp(isa, variants[v].isa) == 0) {
            *out = allowed & there;
            return (variants[v].need & there) == variants[v].need;
        }
    }
    return false;
}
