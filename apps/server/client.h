/* One connection of a client, as the door that holds its socket and the server that answers it both see it. */
#ifndef SERVER_CLIENT_H
#define SERVER_CLIENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>

typedef enum srv_client_state {
    SRV_CLIENT_IDLE = 0, /* no request, or not yet all of its headers */
    SRV_CLIENT_SENDS,    /* its request's body comes */
    SRV_CLIENT_WAITS,    /* for its answer */
    SRV_CLIENT_READS     /* its answer */
} srv_client_state;

typedef struct srv_client {
    atomic_uint n_users; /* who frees it: the last one */
    struct sockaddr_storage address;
    bool by_proxy;       /* the address was told by a proxy, at the beginning of the connection */
    atomic_bool gone;    /* nobody reads its answers any more */
    atomic_bool is_done; /* the server has closed its end */
    atomic_uint_fast64_t n_done; /* requests that are over */
    _Atomic srv_client_state state;
    /* for what the state says; 0: none. The server's. */
    _Atomic double deadline_ms;
} srv_client;

#endif
