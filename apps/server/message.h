/* One request and its answer, apart from how they travel: HTTP and AWS Lambda both make and read
 * them. */
#ifndef SERVER_MESSAGE_H
#define SERVER_MESSAGE_H

#include "../store/fail.h"
#include "../store/store.h"
#include "asker.h"
#include <jansson.h>
#include <sys/types.h>

struct srv_services;
struct srv_route;
struct srv_models;

/* How clients of a route expect errors to look. */
typedef enum srv_error_form {
    SRV_ERRORS_OWN = 0, /* {"error":{"message","type","param","code"}}, as OpenAI's */
    SRV_ERRORS_PLAIN,   /* {"error":"..."}: Hugging Face, Ollama */
    SRV_ERRORS_DETAIL,  /* {"detail":"..."}: Immich */
    SRV_ERRORS_MESSAGE  /* {"message":"..."}: Cohere */
} srv_error_form;

typedef struct srv_pair {
    char *name, *value;
} srv_pair;

typedef struct srv_pairs {
    srv_pair *items;
    size_t n, capacity;
} srv_pairs;

/* Copies; false when memory is out. */
bool srv_pairs_add(srv_pairs *pairs, const char *name, const char *value);
/* The first value; names of headers are compared without case. NULL when there is none. */
const char *srv_pairs_get(const srv_pairs *pairs, const char *name);
void srv_pairs_free(srv_pairs *pairs);

enum { SRV_MAX_PARAMS = 2 };

typedef struct srv_request {
    struct srv_services *services;
    struct srv_models *models; /* what is served while the handler runs */
    const struct srv_route *route;
    srv_error_form errors; /* the route's */
    char *method, *path;
    srv_pairs query, headers;
    uint8_t *body;
    size_t n_body;
    char owner[40];               /* of what it makes when it has no key */
    char address[64];             /* of the client, as far as it is known */
    bool is_local;                /* came straight from this machine, not through a proxy */
    bool is_allowed;              /* from an address that needs no key */
    bool head_only;               /* HEAD: the answer is wanted without its body */
    char *params[SRV_MAX_PARAMS]; /* what the route's {names} stood for */
    store_key key;                /* id NULL: anonymous */
    srv_asker asker;
    size_t n_taken; /* memory that it holds, in bytes, on the client's account */
} srv_request;

void srv_request_free(srv_request *request);
/* Memory for the request's life, from the server's bounded share; false: not now (503). */
bool srv_request_take(srv_request *request, size_t n_bytes);
/* Of how many words or texts it speaks, about, as the commas of its JSON and query tell. */
size_t srv_request_n_words(const srv_request *request);
/* UTF-8 without NUL. */
bool srv_text_ok(const char *text);
/* Who owns what it makes: a key, "" (this machine), "~..." (an address). */
const char *srv_request_owner(const srv_request *request);

enum { SRV_MAX_HEADERS = 24 };

typedef struct srv_response {
    unsigned status;
    const char *code; /* of an error: a constant; NULL: none */
    void *body;       /* owned */
    size_t n_body;
    const void *fixed_body; /* or: lives as long as the program */
    int fd;                 /* or, >= 0: a part of a file; owned */
    off_t offset;
    uint64_t n_bytes;
    char *events_of_job; /* or: server-sent events about this job; owned */
    srv_pair headers[SRV_MAX_HEADERS];
    size_t n_headers;
} srv_response;

/* Are path, query and headers UTF-8? False: response is the refusal. */
bool srv_request_ok(const srv_request *request, srv_response *response);

void srv_response_init(srv_response *response);
void srv_response_free(srv_response *response);
void srv_header(srv_response *response, const char *name, const char *value);

/* Sets the answer. srv_json takes the reference; NULL becomes a 500. */
void srv_json(srv_response *response, unsigned status, json_t *value);
void srv_text(srv_response *response, unsigned status, const char *type, const char *text);
void srv_empty(srv_response *response, unsigned status);

/* An error in the form of the route's clients. code: a short constant such as "bad_image". */
#if defined(__GNUC__)
__attribute__((format(printf, 5, 6)))
#endif
void srv_error(const srv_request *request, srv_response *response, unsigned status,
               const char *code, const char *format, ...);
/* The same for a status of the library; pictures: the bytes at fault came from the client. */
void srv_error_of(const srv_request *request, srv_response *response, const wi_error *error);

/* Lower-case hexadecimal SHA-256 into hex[65]. */
wi_status srv_sha256(const void *bytes, size_t n_bytes, char hex[65], wi_error *error);

/* Does If-None-Match hold this entity tag (given without quotes)? */
bool srv_etag_matches(const srv_request *request, const char *etag);
/* Status and headers of 200 or 206, and which bytes are asked for; or answers 416 and returns false. */
bool srv_part_answer(const srv_request *request, srv_response *response, const char *etag,
                     uint64_t n_total, uint64_t *from, uint64_t *n);
/* The file, or the part that was asked for: takes fd, answers 200, 206 or 416. */
void srv_file_answer(const srv_request *request, srv_response *response, const char *etag, int fd,
                     uint64_t n_total);

#endif
