/* What the server says: errors and notes on the standard error, one line each, and a line for every request where
 * --access-log asks for it; as text for people, or as JSON for programs. */
#ifndef SERVER_LOG_H
#define SERVER_LOG_H

#include "../store/fail.h"

typedef enum srv_log_level {
    SRV_LOG_ERROR = 0,
    SRV_LOG_WARN,
    SRV_LOG_INFO,
    SRV_LOG_DEBUG
} srv_log_level;

typedef struct srv_log srv_log;

typedef struct srv_log_options {
    bool json;
    srv_log_level level;     /* and what is graver */
    const char *access_path; /* NULL: none; "-": the standard error too */
} srv_log_options;

/* One answered request. Strings may hold anything: what is not printable is escaped. */
typedef struct srv_log_line {
    const char *id, *client, *key, *method, *path, *route, *code, *trace;
    unsigned status;
    uint64_t n_in, n_out;
    double seconds, waited_s;
} srv_log_line;

/* Errors: WI_ERR_IO: the access log cannot be written */
wi_status srv_log_open(const srv_log_options *options, srv_log **out, wi_error *error);
void srv_log_close(srv_log **log);
/* Opens the access log's file anew, for whoever has moved it away. */
wi_status srv_log_reopen(srv_log *log, wi_error *error);
/* subject: a short constant such as "database"; it is said at most once in some seconds, with how often it was left out.
 * log may be NULL. Threads: any. */
#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
void srv_log_say(srv_log *log, srv_log_level level, const char *subject, const char *format, ...);
void srv_log_request(srv_log *log, const srv_log_line *line);
bool srv_log_has_requests(const srv_log *log);

#endif
