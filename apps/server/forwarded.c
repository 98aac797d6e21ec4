/* Sources: RFC 7239 (Forwarded); X-Forwarded-For as nginx, HAProxy and Apache write it, where a second line is the
 * continuation of the first (RFC 9110, section 5.3). */
#include "forwarded.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_HOPS = 64 };

typedef struct hops {
    struct in6_addr items[MAX_HOPS];
    size_t n;
    bool bad;
} hops;

static void map_v4(const struct in_addr *v4, struct in6_addr *out)
{
    memset(out, 0, sizeof *out);
    out->s6_addr[10] = out->s6_addr[11] = 0xff;
    memcpy(out->s6_addr + 12, v4, 4);
}

bool srv_address_read(const char *text, struct in6_addr *out)
{
    struct in_addr v4;
    if (inet_pton(AF_INET, text, &v4) == 1) {
        map_v4(&v4, out);
        return true;
    }
    return inet_pton(AF_INET6, text, out) == 1;
}

bool srv_net_read(const char *text, srv_net *out)
{
    char address[64], *end = "";
    const char *slash = strchr(text, '/');
    size_t n = slash ? (size_t)(slash - text) : strlen(text);
    if (n == 0 || n >= sizeof address) {
        return false;
    }
    memcpy(address, text, n);
    address[n] = '\0';
    bool is_v4 = strchr(address, '.') && !strchr(address, ':');
    long bits = slash ? strtol(slash + 1, &end, 10) : is_v4 ? 32 : 128;
    if (!srv_address_read(address, &out->first) || *end || (slash && !slash[1]) || bits < 0 ||
        bits > (is_v4 ? 32 : 128)) {
        return false;
    }
    out->n_bits = (unsigned)bits + (is_v4 ? 96 : 0);
    return true;
}

wi_status srv_nets_read(const char *option, const char *const *texts, size_t n, srv_net *out,
                        wi_error *error)
{
    for (size_t i = 0; i < n; i++) {
        if (!srv_net_read(texts[i], &out[i])) {
            return store_fail(error, WI_ERR_ARG,
                              "--%s is an address or a range such as 172.16.0.0/12, not '%.80s'",
                              option, texts[i]);
        }
    }
    return WI_OK;
}

static bool holds(const srv_net *net, const struct in6_addr *address)
{
    unsigned whole = net->n_bits / 8, rest = net->n_bits % 8;
    if (memcmp(net->first.s6_addr, address->s6_addr, whole) != 0) {
        return false;
    }
    uint8_t mask = (uint8_t)(0xff << (8 - rest));
    return rest == 0 || ((net->first.s6_addr[whole] ^ address->s6_addr[whole]) & mask) == 0;
}

bool srv_net_has(const srv_net *nets, size_t n, const struct in6_addr *address)
{
    bool found = false;
    for (size_t i = 0; i < n && !found; i++) {
        found = holds(&nets[i], address);
    }
    return found;
}

bool srv_address_of(const struct sockaddr *from, struct in6_addr *out)
{
    if (from->sa_family == AF_INET) {
        map_v4(&((const struct sockaddr_in *)(const void *)from)->sin_addr, out);
    } else if (from->sa_family == AF_INET6) {
        *out = ((const struct sockaddr_in6 *)(const void *)from)->sin6_addr;
    }
    return from->sa_family == AF_INET || from->sa_family == AF_INET6;
}

void srv_address_write(const struct in6_addr *address, char *text, size_t n_text)
{
    bool is_v4 = IN6_IS_ADDR_V4MAPPED(address);
    const void *bytes = is_v4 ? (const void *)(address->s6_addr + 12) : (const void *)address;
    if (!inet_ntop(is_v4 ? AF_INET : AF_INET6, bytes, text, (socklen_t)n_text)) {
        snprintf(text, n_text, "?");
    }
}

/* ---- what the headers say ---- */

/* "192.0.2.1", "192.0.2.1:80", "[2001:db8::1]:80", "2001:db8::1", each maybe in quotes. */
static void add_hop(hops *all, const char *text, size_t n)
{
    char value[72];
    while (n > 0 && (*text == ' ' || *text == '\t')) {
        text++;
        n--;
    }
    while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\t')) {
        n--;
    }
    if (n >= 2 && text[0] == '"' && text[n - 1] == '"') {
        text++;
        n -= 2;
    }
    if (n == 0 || n >= sizeof value || all->n == MAX_HOPS) {
        all->bad = true;
        return;
    }
    memcpy(value, text, n);
    value[n] = '\0';
    char *at = value, *end = value[0] == '[' ? strchr(value, ']') : NULL;
    char *colon = strchr(value, ':');
    if (end) {
        at = value + 1;
        all->bad = all->bad ||
                   (end[1] && (end[1] != ':' || strspn(end + 2, "0123456789") != strlen(end + 2)));
        *end = '\0';
    } else if (colon && !strchr(colon + 1, ':') &&
               strspn(colon + 1, "0123456789") == strlen(colon + 1)) {
        *colon = '\0';
    }
    all->bad = !srv_address_read(at, &all->items[all->n]) || all->bad;
    all->n++;
}

static void read_list(hops *all, const char *text)
{
    while (text) {
        const char *comma = strchr(text, ',');
        add_hop(all, text, comma ? (size_t)(comma - text) : strlen(text));
        text = comma ? comma + 1 : NULL;
    }
}

/* for=... of each element; an element without one says nothing about who asked, and is no address. */
static void read_elements(hops *all, const char *text)
{
    while (text) {
        const char *comma = strchr(text, ','), *at = text;
        size_t left = comma ? (size_t)(comma - text) : strlen(text);
        bool found = false;
        while (left > 0 && !found) {
            size_t n = 0;
            while (n < left && at[n] != ';') {
                n++;
            }
            size_t skip = strspn(at, " \t");
            if (n > skip + 4 && !strncasecmp(at + skip, "for=", 4)) {
                add_hop(all, at + skip + 4, n - skip - 4);
                found = true;
            }
            at += n + (n < left);
            left -= n + (n < left);
        }
        all->bad = all->bad || !found;
        text = comma ? comma + 1 : NULL;
    }
}

static size_t read_lines(const srv_request *request, const char *name,
                         void (*read)(hops *, const char *), hops *all)
{
    size_t n = 0;
    for (size_t i = 0; i < request->headers.n; i++) {
        if (!strcasecmp(request->headers.items[i].name, name)) {
            read(all, request->headers.items[i].value);
            n++;
        }
    }
    return n;
}

static bool is_loopback(const struct in6_addr *address)
{
    return IN6_IS_ADDR_LOOPBACK(address) ||
           (IN6_IS_ADDR_V4MAPPED(address) && address->s6_addr[12] == 127);
}

const char *srv_forwarded_read(srv_request *request, const struct sockaddr *peer, bool by_proxy,
                               const srv_net *proxies, size_t n_proxies)
{
    hops all = {0};
    struct in6_addr from;
    request->is_local = false;
    snprintf(request->address, sizeof request->address, "?");
    if (!peer || !srv_address_of(peer, &from)) {
        return NULL;
    }
    srv_address_write(&from, request->address, sizeof request->address);
    size_t n_lines = read_lines(request, "X-Forwarded-For", read_list, &all);
    if (n_lines == 0) {
        n_lines = read_lines(request, "Forwarded", read_elements, &all);
    }
    if (n_lines == 0) {
        n_lines = read_lines(request, "X-Real-IP", read_list, &all);
    }
    bool any = n_lines > 0 || srv_pairs_get(&request->headers, "Via") != NULL;
    request->is_local = is_loopback(&from) && !any && !by_proxy;
    if (n_lines == 0 || !srv_net_has(proxies, n_proxies, &from)) {
        return NULL; /* nobody else is believed */
    }
    if (all.bad) {
        return "X-Forwarded-For or Forwarded holds what is no address";
    }
    size_t i = all.n - 1;
    while (i > 0 && srv_net_has(proxies, n_proxies, &all.items[i])) {
        i--;
    }
    srv_address_write(&all.items[i], request->address, sizeof request->address);
    return NULL;
}
