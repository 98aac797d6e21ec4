/* What a picture will cost to decode, guessed from its first bytes without decoding it: pixels times scans. A wrong
 * guess is harmful to nobody but its sender: what it took in truth is what is charged. */
#ifndef SERVER_COST_H
#define SERVER_COST_H

#include <stddef.h>
#include <stdint.h>

typedef struct srv_cost {
    uint64_t n_pixels; /* 0: not known */
    unsigned n_scans;  /* passes over all of them: those of a progressive JPEG, 1 for others */
    double seconds;    /* of one core, about */
} srv_cost;

srv_cost srv_cost_of(const void *bytes, size_t n_bytes);

#endif
