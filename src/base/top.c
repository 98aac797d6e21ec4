#include "base/top.h"

#include <math.h>
#include <stdbool.h>

/* A heap with the worst at its root. */
typedef struct heap {
    const float *value;
    char *first;
    size_t stride, n;
} heap;

static size_t *at(const heap *h, size_t i)
{
    return (size_t *)(void *)(h->first + i * h->stride);
}

/* Whether place a stands behind place b in the answer. */
static bool worse(const heap *h, size_t a, size_t b)
{
    return h->value[a] < h->value[b] || (h->value[a] == h->value[b] && a > b);
}

/* Restores "no parent is better than its children" below i. */
static void sift_down(const heap *h, size_t i)
{
    const size_t moving = *at(h, i);
    for (size_t child; (child = 2 * i + 1) < h->n; i = child) {
        if (child + 1 < h->n && worse(h, *at(h, child + 1), *at(h, child)))
            child++;
        if (!worse(h, *at(h, child), moving))
            break;
        *at(h, i) = *at(h, child);
    }
    *at(h, i) = moving;
}

static void order(const heap *h)
{
    for (size_t i = h->n / 2; i-- > 0;)
        sift_down(h, i);
}

size_t wi_top(const float *value, size_t n, size_t k, size_t *first, size_t stride)
{
    heap h = {value, (char *)first, stride, 0};
    for (size_t i = 0; i < n && k > 0; i++) {
        if (isnan(value[i]))
            continue;
        if (h.n < k) {
            *at(&h, h.n++) = i;
            if (h.n == k)
                order(&h);
        } else if (worse(&h, *at(&h, 0), i)) {
            *at(&h, 0) = i;
            sift_down(&h, 0);
        }
    }
    const size_t found = h.n;
    if (found < k)
        order(&h);
    while (h.n > 1) {
        const size_t worst = *at(&h, 0);
        h.n--;
        *at(&h, 0) = *at(&h, h.n);
        sift_down(&h, 0);
        *at(&h, h.n) = worst;
    }
    return found;
}
