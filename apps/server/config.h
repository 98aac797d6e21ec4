/* What an operator may choose, as numbers and names; how it was written (options, environment, a file) is
 * the command line's affair. */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include "log.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct srv_named_path {
    const char *name; /* NULL: the model's own */
    const char *path;
} srv_named_path;

enum { SRV_MAX_LIBRARIES = 8 };
enum { SRV_MAX_MODELS = 8, SRV_MAX_ALIASES = 32, SRV_MAX_ORIGINS = 16, SRV_MAX_PROXIES = 30 };

/* Strings are borrowed for the server's life. */
typedef struct srv_config {
    const char *address; /* to listen on: "127.0.0.1", "::1", "0.0.0.0" */
    uint16_t port;       /* 0: any free one */
    const char *admin;   /* path of the administrator's socket; NULL: none */
    const char *database;
    const char *web;       /* folder of static files; NULL: none */
    const char *heads;     /* folder of shipped label lists; NULL: none */
    const char *describer; /* file of sentences for the models; NULL: none */
    const char *nouns;     /* label list by which searches tell what fits; NULL: they cannot */
    srv_named_path libraries[SRV_MAX_LIBRARIES]; /* of photos, to be shown: name -> folder */
    size_t n_libraries;
    const char *thumbnails;   /* folder to keep their small copies in; NULL: none are kept */
    int64_t thumbnails_bytes; /* and how much, at most */
    const char *everyday; /* label list of the head that answers when none is named; NULL: none */
    srv_named_path models[SRV_MAX_MODELS];
    size_t n_models;                         /* the first is the default */
    srv_named_path aliases[SRV_MAX_ALIASES]; /* name -> name of a model */
    size_t n_aliases;
    const char *origins[SRV_MAX_ORIGINS]; /* allowed by CORS; none: CORS is off */
    size_t n_origins;
    const char *webhooks[SRV_MAX_ORIGINS]; /* origins that may be told when a job is over */
    size_t n_webhooks;
    const char *host; /* an own name that local, anonymous requests may carry; NULL: none */
    const char *isa;
    int n_threads;
    unsigned n_io, n_workers, n_decoders;
    unsigned max_connections, max_queue, max_batch, batch_wait_ms, idle_s, timeout_s;
    size_t max_body_bytes;
    uint64_t max_models_bytes; /* files of all models together; 0: any size */
    uint64_t max_pixels;
    srv_log_options log;
    bool anonymous;   /* anybody may ask, from anywhere */
    bool require_key; /* not even local requests go without a key */
    bool no_sandbox;
    bool proxy_protocol; /* connections begin with a PROXY header, version 2 */
    const char
        *proxies[SRV_MAX_PROXIES]; /* addresses and ranges whose X-Forwarded-For is believed */
    size_t n_proxies;              /* 0: this machine's */
    const char
        *allowed[SRV_MAX_PROXIES]; /* addresses and ranges that need no key and have no rate */
    size_t n_allowed;
    unsigned drain_s;                 /* how long the end is announced before it begins */
    int64_t guest_heads, guest_bytes; /* what one address without a key may keep */
    int64_t guests_bytes, all_bytes;  /* what all such addresses, and all there are, may keep */
    int64_t own_vectors,
        guest_vectors; /* pictures in the index of one key, or of one such address */
    int64_t guests_vectors, all_vectors; /* of all such addresses, and of all there are */
    unsigned guest_days;                 /* how long heads of addresses without a key are kept */
    double max_decode_s;                 /* of one core, of one picture */
    double guest_decode_s; /* of work a second, for an address without a key; 0: no limit */
    double rate, burst;    /* requests a second of one address without a key; rate 0: no limit */
} srv_config;

void srv_config_defaults(srv_config *config);

#endif
