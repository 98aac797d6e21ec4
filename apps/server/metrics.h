/* What Prometheus reads from /metrics. */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

#include "server.h"

wi_status srv_metrics_open(srv_server *server, srv_metrics **out, wi_error *error);
void srv_metrics_close(srv_metrics **metrics);
/* One answered request; route NULL: none fitted. */
void srv_metrics_count(srv_metrics *metrics, const struct srv_route *route, unsigned status,
                       double seconds);
/* The text form; the caller frees. NULL when memory is out. */
char *srv_metrics_text(srv_server *server);

#endif
