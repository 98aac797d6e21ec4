/* What Prometheus reads from /metrics. */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

#include "../store/fail.h"
#include <stdio.h>

struct srv_route;
typedef struct srv_metrics srv_metrics;

wi_status srv_metrics_open(srv_metrics **out, wi_error *error);
void srv_metrics_close(srv_metrics **metrics);
/* One answered request; route NULL: none fitted; code: of an error, a constant, or NULL. seconds: from its last byte to
 * its answer. */
void srv_metrics_count(srv_metrics *metrics, const struct srv_route *route, unsigned status,
                       const char *code, double seconds);
/* What was counted, in the text form. */
void srv_metrics_write(srv_metrics *metrics, FILE *out);

#endif
