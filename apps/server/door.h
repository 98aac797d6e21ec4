/* The door: accepts connections, reads what comes strictly (frame.h), and passes on to the server only whole and good
 * heads with their bodies, over a pair of sockets; answers go the other way. What is not HTTP is answered here. A
 * connection that says nothing costs no more than itself; one address has no more of them than it may, and when all are
 * taken the longest idle makes room. Also knows when a client has left. */
#ifndef SERVER_DOOR_H
#define SERVER_DOOR_H

#include "../store/fail.h"
#include "client.h"
#include "forwarded.h"

typedef struct srv_door srv_door;

typedef struct srv_door_options {
    int fd;                             /* listening; the door closes it */
    unsigned max_connections, max_each; /* max_each: of an address that is no trusted proxy's */
    unsigned timeout_s;
    bool proxy_protocol; /* connections begin with a PROXY header, version 2 */
    const srv_net *proxies;
    size_t n_proxies;
    /* Takes the server's end of a pair. False: it cannot; the end is closed by then. */
    bool (*take)(void *context, int fd, srv_client *client);
    /* One request was refused at the door. */
    void (*refused)(void *context, unsigned status);
    void *context;
} srv_door_options;

wi_status srv_door_open(const srv_door_options *options, srv_door **out, wi_error *error);
/* Takes no more connections. */
void srv_door_stop_listening(srv_door *door);
/* Connections; and those with an answer that has not gone out whole. */
void srv_door_count(srv_door *door, unsigned *n_connections, unsigned *n_busy);
/* Sends what is there to be sent, for two seconds at most. */
void srv_door_close(srv_door **door);

void srv_client_release(srv_client *client);

#endif
