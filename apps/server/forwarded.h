/* Whom a request comes from, when a proxy that is trusted says so. */
#ifndef SERVER_FORWARDED_H
#define SERVER_FORWARDED_H

#include "message.h"
#include <netinet/in.h>
#include <sys/socket.h>

enum { SRV_MAX_NETS = 32 };

/* A range of addresses; IPv4 as IPv6's mapped ones. */
typedef struct srv_net {
    struct in6_addr first;
    unsigned n_bits;
} srv_net;

/* "10.0.0.0/8", "::1", "192.0.2.7". False: neither an address nor a range. */
bool srv_net_read(const char *text, srv_net *out);
/* The ranges that an option gives, at most SRV_MAX_NETS. Errors: WI_ERR_ARG */
wi_status srv_nets_read(const char *option, const char *const *texts, size_t n, srv_net *out,
                        wi_error *error);
bool srv_address_read(const char *text, struct in6_addr *out);
bool srv_net_has(const srv_net *nets, size_t n, const struct in6_addr *address);
/* False: not of a family that is known. */
bool srv_address_of(const struct sockaddr *from, struct in6_addr *out);
/* IPv4 in its own form; at least 46 bytes. */
void srv_address_write(const struct in6_addr *address, char *text, size_t n_text);

/* Fills request->address and is_local from the connection's other end and, if that is a trusted proxy, from what
 * all lines of X-Forwarded-For (else Forwarded, else X-Real-IP) say: the last address that is none of a trusted
 * proxy. by_proxy: the connection itself was relayed (PROXY protocol), and `peer` is whom it is for.
 * NULL, or what is wrong: a trusted proxy has sent something that is no address. */
const char *srv_forwarded_read(srv_request *request, const struct sockaddr *peer, bool by_proxy,
                               const srv_net *proxies, size_t n_proxies);

#endif
