/* Turns between clients: deficit round robin. Each client with something waiting has a place in a ring and an account;
 * whoever is at the head is served while its account is above nothing, then gets a quantum and goes to the end. What
 * something costs is known afterwards only, so an account may be overdrawn: its owner waits that many rounds longer. A
 * client that asks for much thereby waits for itself, however many requests it has under way.
 * Not safe between threads: the caller holds a mutex. */
#ifndef SERVER_FAIR_H
#define SERVER_FAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct srv_fair srv_fair;

/* What waits; lives in the caller's own structure. */
typedef struct srv_fair_item {
    struct srv_fair_item *next;
    uint64_t client;
} srv_fair_item;

/* quantum: cost that a client gets per round, in whichever unit costs are in; its debts are forgiven at `per_ms` of
 * cost a millisecond while it asks for nothing. NULL: out of memory. */
srv_fair *srv_fair_open(double quantum, double per_ms);
void srv_fair_close(srv_fair **fair);
/* False: the client has max_waiting items waiting already, or memory is out. */
bool srv_fair_put(srv_fair *fair, srv_fair_item *item, uint64_t client, size_t max_waiting);
/* The next one, of a client that has fewer than max_inside taken and not done; NULL: there is none. */
srv_fair_item *srv_fair_take(srv_fair *fair, size_t max_inside);
/* What was taken has been done, and this is what it cost. */
void srv_fair_done(srv_fair *fair, uint64_t client, double cost);
/* It no longer waits. False: it did not. */
bool srv_fair_remove(srv_fair *fair, srv_fair_item *item);
size_t srv_fair_waiting(const srv_fair *fair);
/* Of this client. */
size_t srv_fair_waiting_of(const srv_fair *fair, uint64_t client);

#endif
