#define _GNU_SOURCE /* accept4 */
/* Invariant: bytes of `up` below ok_up are good and wait to be passed on; those above are not judged yet. What the
 * server has said is in `down`, in order. All of it is the one thread's, but for what client.h shares. */
#include "door.h"
#include "asker.h"
#include "clock.h"
#include "frame.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    BUFFER_BYTES = 64 << 10,
    N_EVENTS = 128,
    TICK_MS = 100,
    LINGER_MS =
        1500, /* for a client to read its last answer, while what it still sends is thrown away */
    DOUBT_MS = 1500, /* after so long it is asked whether whoever sends no more still reads */
    DOUBT_AGAIN_MS = 5000,
    MAX_THROWN = 1 << 20, /* bytes, of what comes behind the last answer */
    CLOSE_MS = 2000,
    N_COUNTS = 16384,
    PROXY_HEAD = 16
};

typedef struct conn {
    srv_client *client;
    int outer, inner; /* -1: none */
    srv_frame frame;
    char *up, *down;
    size_t n_up, ok_up, n_down, n_thrown;
    bool has_address, outer_over, inner_over, is_closing, is_dead;
    uint32_t outer_events, inner_events;
    double since_ms, over_ms, doubted_ms, close_by_ms;
    unsigned place; /* of its address among the counts */
    struct conn *before, *after, *next_dead;
} conn;

struct srv_door {
    srv_door_options options;
    int epoll;
    pthread_t thread;
    bool has_thread;
    atomic_bool stop_listening, stop;
    conn *oldest, *newest; /* in the order in which they were last of use */
    conn *dead;
    unsigned counts[N_COUNTS];
    atomic_uint n_conns, n_busy;
};

void srv_client_release(srv_client *client)
{
    if (client && atomic_fetch_sub(&client->n_users, 1) == 1) {
        free(client);
    }
}

/* ---- the list ---- */

static void unlink_conn(srv_door *door, conn *c)
{
    *(c->before ? &c->before->after : &door->oldest) = c->after;
    *(c->after ? &c->after->before : &door->newest) = c->before;
}

static void append(srv_door *door, conn *c)
{
    c->before = door->newest;
    c->after = NULL;
    *(door->newest ? &door->newest->after : &door->oldest) = c;
    door->newest = c;
}

static unsigned place_of(const struct sockaddr_storage *address)
{
    struct in6_addr bytes;
    char name[64];
    if (!srv_address_of((const struct sockaddr *)address, &bytes)) {
        return 0;
    }
    if (!IN6_IS_ADDR_V4MAPPED(&bytes)) {
        memset(bytes.s6_addr + 8, 0, 8); /* whoever has one has 2^64 of them */
    }
    srv_address_write(&bytes, name, sizeof name);
    return (unsigned)(srv_client_of(name) % N_COUNTS);
}

static bool is_proxy(const srv_door *door, const struct sockaddr_storage *address)
{
    struct in6_addr bytes;
    return srv_address_of((const struct sockaddr *)address, &bytes) &&
           srv_net_has(door->options.proxies, door->options.n_proxies, &bytes);
}

/* The server has nothing to do for it, and knows of nothing begun. */
static bool is_idle(const conn *c)
{
    return c->client->n_done >= c->frame.n_requests && c->frame.state == SRV_FRAME_HEAD &&
           c->ok_up == 0 && c->n_down == 0;
}

static void end(srv_door *door, conn *c)
{
    if (c->is_dead) {
        return;
    }
    c->is_dead = true;
    c->client->gone = true;
    if (c->outer >= 0) {
        close(c->outer);
    }
    if (c->inner >= 0) {
        close(c->inner);
    }
    c->outer = c->inner = -1;
    door->counts[c->place]--;
    door->n_conns--;
    unlink_conn(door, c);
    c->next_dead = door->dead;
    door->dead = c;
}

/* After all events of a round: some may be of connections that ended in it. */
static void bury(srv_door *door)
{
    while (door->dead) {
        conn *c = door->dead;
        door->dead = c->next_dead;
        srv_client_release(c->client);
        free(c->up);
        free(c->down);
        free(c);
    }
}

/* ---- moving bytes ---- */

static void want(srv_door *door, conn *c, bool inner)
{
    bool room_up = c->n_up < BUFFER_BYTES && !c->outer_over, room_down = c->n_down < BUFFER_BYTES;
    uint32_t events =
        inner ? (room_down && !c->inner_over ? EPOLLIN : 0u) | (c->ok_up > 0 ? EPOLLOUT : 0u)
              : (room_up || c->is_closing ? EPOLLIN : 0u) | (c->n_down > 0 ? EPOLLOUT : 0u);
    int fd = inner ? c->inner : c->outer;
    uint32_t *now = inner ? &c->inner_events : &c->outer_events;
    if (c->is_closing && c->outer_over) {
        events &= ~(uint32_t)EPOLLIN;
    }
    struct epoll_event event = {.events = events, .data.u64 = (uint64_t)(uintptr_t)c | inner};
    if (fd >= 0 && *now != events && epoll_ctl(door->epoll, EPOLL_CTL_MOD, fd, &event) == 0) {
        *now = events;
    }
}

static bool add(srv_door *door, conn *c, int fd, bool inner)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)(uintptr_t)c | inner};
    *(inner ? &c->inner_events : &c->outer_events) = EPOLLIN;
    return epoll_ctl(door->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* Sends what is there; false: the other side has gone. */
static bool push(int fd, char **buffer, size_t *n, size_t n_ready, size_t *sent)
{
    ssize_t done = n_ready > 0 ? send(fd, *buffer, n_ready, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
    *sent = done > 0 ? (size_t)done : 0;
    *n -= *sent;
    if (*n > 0 && *sent > 0) {
        memmove(*buffer, *buffer + *sent, *n);
    }
    if (*n == 0) {
        free(*buffer);
        *buffer = NULL;
    }
    return done >= 0 || errno == EAGAIN || errno == EINTR;
}

static void push_up(conn *c)
{
    size_t sent = 0;
    if (c->inner >= 0 && c->ok_up > 0) {
        if (!push(c->inner, &c->up, &c->n_up, c->ok_up, &sent)) {
            c->n_up = 0; /* the server has closed; its answer may still be on the way */
            sent = c->ok_up;
        }
        c->ok_up -= sent;
    }
}

static void push_down(srv_door *door, conn *c)
{
    size_t sent = 0;
    if (c->n_down > 0 && !push(c->outer, &c->down, &c->n_down, c->n_down, &sent)) {
        end(door, c);
    }
}

/* Reads once. 0: over; below 0: not now. */
static ssize_t pull(int fd, char **buffer, size_t n)
{
    *buffer = *buffer ? *buffer : malloc(BUFFER_BYTES);
    if (!*buffer) {
        return 0;
    }
    ssize_t got = recv(fd, *buffer + n, BUFFER_BYTES - n, MSG_DONTWAIT);
    bool again = got < 0 && (errno == EAGAIN || errno == EINTR);
    if (n == 0 && got <= 0) {
        free(*buffer);
        *buffer = NULL;
    }
    return again ? -1 : got < 0 ? -2 : got;
}

static void pull_inner(srv_door *door, conn *c)
{
    ssize_t n = 1;
    while (n > 0 && !c->is_dead && !c->inner_over && c->n_down < BUFFER_BYTES) {
        n = pull(c->inner, &c->down, c->n_down);
        if (n > 0) {
            c->n_down += (size_t)n;
            push_down(door, c);
        }
    }
    c->inner_over = c->inner_over || n == 0 || n == -2;
}

static bool open_inner(srv_door *door, conn *c)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
        return false;
    }
    c->inner = ends[0];
    atomic_fetch_add(&c->client->n_users, 1);
    if (!door->options.take(door->options.context, ends[1], c->client)) {
        srv_client_release(c->client);
        return false;
    }
    return add(door, c, c->inner, true);
}

/* The header of PROXY protocol version 2 (HAProxy's proxy-protocol.txt, section 2.2). -1: wrong; 0: not whole yet. */
static int read_proxy_head(conn *c)
{
    static const char mark[12] = "\r\n\r\n\0\r\nQUIT\n";
    const uint8_t *b = (const uint8_t *)c->up;
    size_t n = c->n_up;
    if (memcmp(b, mark, n < sizeof mark ? n : sizeof mark) != 0 || (n > 12 && b[12] >> 4 != 2)) {
        return -1;
    }
    size_t length = n >= PROXY_HEAD ? (size_t)b[14] << 8 | b[15] : 0;
    if (n < PROXY_HEAD || n < PROXY_HEAD + length) {
        return length > 1024 ? -1 : 0;
    }
    bool tcp4 = b[13] == 0x11 && length >= 12, tcp6 = b[13] == 0x21 && length >= 36;
    if ((b[12] & 15) == 1 && (tcp4 || tcp6)) {
        struct sockaddr_in v4 = {.sin_family = AF_INET};
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
        memcpy(&v4.sin_addr, b + PROXY_HEAD, 4);
        memcpy(&v6.sin6_addr, b + PROXY_HEAD, tcp6 ? 16 : 4);
        memcpy(&c->client->address, tcp6 ? (const void *)&v6 : (const void *)&v4,
               tcp6 ? sizeof v6 : sizeof v4);
        c->client->by_proxy = true;
    } else if ((b[12] & 15) != 0) {
        return -1; /* neither LOCAL nor a connection of a kind that is known */
    }
    c->n_up -= PROXY_HEAD + length;
    memmove(c->up, c->up + PROXY_HEAD + length, c->n_up);
    return 1;
}

static void read_frames(srv_door *door, conn *c)
{
    if (!c->has_address) {
        int known = read_proxy_head(c);
        if (known < 0) {
            end(door, c);
        }
        if (known <= 0) {
            return;
        }
        c->has_address = true;
    }
    /* An empty line or two before a request is what some old clients leave behind a body. */
    while (srv_frame_is_between(&c->frame, 0) && c->ok_up == 0 && c->n_up >= 2 &&
           !memcmp(c->up, "\r\n", 2)) {
        c->n_up -= 2;
        memmove(c->up, c->up + 2, c->n_up);
    }
    c->ok_up += srv_frame_read(&c->frame, c->up + c->ok_up, c->n_up - c->ok_up);
    if (c->ok_up > 0 && c->inner < 0 && !open_inner(door, c)) {
        end(door, c);
    }
}

static void pull_outer(srv_door *door, conn *c)
{
    char thrown[4096];
    if (c->is_closing || c->frame.state == SRV_FRAME_WRONG) {
        ssize_t got = recv(c->outer, thrown, sizeof thrown, MSG_DONTWAIT);
        c->outer_over = c->outer_over || got == 0;
        c->n_thrown += got > 0 ? (size_t)got : 0;
        if ((got < 0 && errno != EAGAIN && errno != EINTR) || c->n_thrown > MAX_THROWN) {
            end(door, c);
        }
        return;
    }
    ssize_t n = c->n_up < BUFFER_BYTES ? pull(c->outer, &c->up, c->n_up) : -1;
    if (n > 0) {
        c->n_up += (size_t)n;
        read_frames(door, c);
    } else if (n == -2) {
        end(door, c);
    } else if (n == 0) {
        c->outer_over = true;
        c->over_ms = srv_clock_ms();
    }
}

/* ---- answers of the door's own, and ends ---- */

static void refuse(srv_door *door, conn *c)
{
    char body[300], head[400];
    const srv_frame *f = &c->frame;
    int n_body =
        snprintf(body, sizeof body,
                 "{\"error\":{\"message\":\"%s\",\"type\":\"invalid_request_error\",\"param\":null,"
                 "\"code\":\"bad_request\"}}",
                 f->reason);
    int n_head =
        snprintf(head, sizeof head,
                 "HTTP/1.1 %u %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
                 "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
                 "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
                 "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
                 f->status,
                 f->status == 400   ? "Bad Request"
                 : f->status == 414 ? "URI Too Long"
                 : f->status == 431 ? "Request Header Fields Too Large"
                 : f->status == 501 ? "Not Implemented"
                                    : "HTTP Version Not Supported",
                 n_body);
    c->down = c->down ? c->down : malloc(BUFFER_BYTES);
    if (c->down && c->n_down + (size_t)(n_head + n_body) <= BUFFER_BYTES) {
        memcpy(c->down + c->n_down, head, (size_t)n_head);
        memcpy(c->down + c->n_down + n_head, body, (size_t)n_body);
        c->n_down += (size_t)(n_head + n_body);
    }
    door->options.refused(door->options.context, f->status);
    c->inner_over = true; /* nothing comes after it */
    push_down(door, c);
}

/* Whoever sends no more may still read, or have left for good: only sending tells. An answer that says "go on" may
 * come before any other. */
static void doubt(srv_door *door, conn *c, double now)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (c->outer_over && c->client->state == SRV_CLIENT_WAITS && c->n_down == 0 && !c->frame.old &&
        now - c->over_ms > DOUBT_MS && now - c->doubted_ms > DOUBT_AGAIN_MS) {
        c->doubted_ms = now;
        if (send(c->outer, go_on, sizeof go_on - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
            errno != EAGAIN) {
            end(door, c);
        }
    }
}

/* What follows from the state of things, whatever has changed. */
static void settle(srv_door *door, conn *c, double now)
{
    if (c->is_dead) {
        return;
    }
    bool all_answered = c->client->n_done >= c->frame.n_requests;
    if (c->frame.state == SRV_FRAME_WRONG && !c->inner_over && all_answered && c->ok_up == 0) {
        if (c->inner >= 0) {
            pull_inner(door, c);
        }
        if (!c->is_dead && !c->inner_over) {
            refuse(door, c);
        }
    } else if (c->outer_over && !c->is_closing && !c->inner_over) {
        if (!srv_frame_is_between(&c->frame, c->n_up - c->ok_up) || c->inner < 0) {
            end(door, c); /* in the middle of a request, which now nobody will end */
        } else if (all_answered && c->ok_up == 0) {
            shutdown(c->inner, SHUT_WR); /* the server closes in turn, behind its last answer */
        }
    }
    if (!c->is_dead && c->inner_over && c->inner >= 0) {
        close(c->inner);
        c->inner = -1;
        c->ok_up = c->n_up = 0;
        free(c->up);
        c->up = NULL;
    }
    if (!c->is_dead && c->inner_over && c->n_down == 0 && !c->is_closing) {
        c->is_closing = true;
        c->close_by_ms = now + LINGER_MS;
        shutdown(c->outer, SHUT_WR);
    }
    if (!c->is_dead && c->is_closing && (c->outer_over || now > c->close_by_ms)) {
        end(door, c);
    }
    if (!c->is_dead) {
        want(door, c, false);
        want(door, c, true);
    }
}

static void look_after(srv_door *door)
{
    double now = srv_clock_ms();
    unsigned n_busy = 0;
    for (conn *c = door->oldest, *next; c; c = next) {
        next = c->after;
        double deadline = c->client->deadline_ms;
        if (deadline > 0 && now > deadline && !c->is_closing) {
            end(door, c);
            continue;
        }
        doubt(door, c, now);
        settle(door, c, now);
        n_busy += !c->is_dead && (c->n_down > 0 || c->client->n_done < c->frame.n_requests);
    }
    door->n_busy = n_busy;
}

/* ---- new ones ---- */

static conn *oldest_idle(const srv_door *door, bool any, unsigned place)
{
    conn *c = door->oldest;
    while (c && !((any || c->place == place) && is_idle(c))) {
        c = c->after;
    }
    return c;
}

/* Makes room where a bound is reached; false: there is none. */
static bool make_room(srv_door *door, const struct sockaddr_storage *from, unsigned place)
{
    bool proxy = is_proxy(door, from);
    if (!proxy && door->counts[place] >= door->options.max_each) {
        conn *idle = oldest_idle(door, false, place);
        if (!idle) {
            return false;
        }
        end(door, idle);
    }
    if (door->n_conns >= door->options.max_connections) {
        conn *idle = oldest_idle(door, true, 0);
        if (!idle) {
            return false;
        }
        end(door, idle);
    }
    return true;
}

static void admit(srv_door *door, int fd, const struct sockaddr_storage *from)
{
    unsigned place = place_of(from);
    int one = 1;
    conn *c = make_room(door, from, place) ? calloc(1, sizeof *c) : NULL;
    srv_client *client = c ? calloc(1, sizeof *client) : NULL;
    if (!client || (door->options.proxy_protocol && !is_proxy(door, from))) {
        close(fd);
        free(c);
        free(client);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    client->n_users = 1;
    client->address = *from;
    client->deadline_ms = srv_clock_ms() + door->options.timeout_s * 1e3;
    c->client = client;
    c->outer = fd;
    c->inner = -1;
    c->place = place;
    c->has_address = !door->options.proxy_protocol;
    c->since_ms = srv_clock_ms();
    door->counts[place]++;
    door->n_conns++;
    append(door, c);
    if (!add(door, c, fd, false)) {
        end(door, c);
    }
}

static void accept_all(srv_door *door)
{
    struct sockaddr_storage from;
    socklen_t n = sizeof from;
    int fd;
    memset(&from, 0, sizeof from);
    while ((fd = accept4(door->options.fd, (struct sockaddr *)&from, &n,
                         SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0 ||
           errno == ECONNABORTED || errno == EINTR ||
           (errno == EMFILE && oldest_idle(door, true, 0))) {
        if (fd < 0 && errno == EMFILE) {
            end(door, oldest_idle(door, true, 0));
        } else if (fd >= 0) {
            admit(door, fd, &from);
        }
        n = sizeof from;
        memset(&from, 0, sizeof from);
    }
}

static void stop_listening(srv_door *door)
{
    if (door->options.fd >= 0) {
        close(door->options.fd);
        door->options.fd = -1;
    }
}

/* ---- the thread ---- */

static void handle(srv_door *door, const struct epoll_event *event)
{
    bool inner = event->data.u64 & 1;
    conn *c = (conn *)(uintptr_t)(event->data.u64 & ~(uint64_t)1);
    if (!c || c->is_dead) {
        if (!c) {
            accept_all(door);
        }
        return;
    }
    if (inner) {
        if (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
            pull_inner(door, c);
        }
        if (!c->is_dead && event->events & EPOLLOUT) {
            push_up(c);
            /* what was held back while there was no room */
            if (c->n_up > c->ok_up && c->up) {
                read_frames(door, c);
            }
        }
    } else if (event->events & (EPOLLERR | EPOLLHUP)) {
        end(door, c);
    } else {
        if (event->events & EPOLLOUT) {
            push_down(door, c);
        }
        if (!c->is_dead && event->events & EPOLLIN) {
            pull_outer(door, c);
            if (!c->is_dead) {
                push_up(c);
            }
        }
    }
    if (!c->is_dead) {
        unlink_conn(door, c);
        append(door, c);
        settle(door, c, srv_clock_ms());
    }
}

static void *keep(void *context)
{
    srv_door *door = context;
    struct epoll_event events[N_EVENTS];
    double looked_ms = 0, close_by_ms = 0;
    for (;;) {
        int n = epoll_wait(door->epoll, events, N_EVENTS, TICK_MS);
        for (int i = 0; i < n; i++) {
            handle(door, &events[i]);
        }
        double now = srv_clock_ms();
        if (door->stop_listening) {
            stop_listening(door);
        }
        if (now - looked_ms >= TICK_MS || door->stop) {
            looked_ms = now;
            look_after(door);
        }
        bury(door);
        close_by_ms = door->stop && close_by_ms == 0 ? now + CLOSE_MS : close_by_ms;
        if (door->stop && (door->n_busy == 0 || now > close_by_ms)) {
            break;
        }
        if (door->stop) {
            usleep(5000);
        }
    }
    while (door->oldest) {
        end(door, door->oldest);
    }
    bury(door);
    return NULL;
}

wi_status srv_door_open(const srv_door_options *options, srv_door **out, wi_error *error)
{
    srv_door *door = calloc(1, sizeof *door);
    if (!door) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    struct epoll_event event = {.events = EPOLLIN};
    *out = door; /* before there is a thread, through which requests come that ask for it */
    door->options = *options;
    door->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (door->epoll >= 0 && epoll_ctl(door->epoll, EPOLL_CTL_ADD, options->fd, &event) == 0) {
        door->has_thread = pthread_create(&door->thread, NULL, keep, door) == 0;
    }
    if (!door->has_thread) {
        door->options.fd = -1; /* still the caller's */
        srv_door_close(out);
        return store_fail(error, WI_ERR_IO, "cannot start the thread that accepts connections");
    }
    return WI_OK;
}

void srv_door_stop_listening(srv_door *door)
{
    door->stop_listening = true;
}

void srv_door_count(srv_door *door, unsigned *n_connections, unsigned *n_busy)
{
    *n_connections = door->n_conns;
    *n_busy = door->n_busy;
}

void srv_door_close(srv_door **door)
{
    srv_door *d = *door;
    if (!d) {
        return;
    }
    d->stop = true;
    if (d->has_thread) {
        pthread_join(d->thread, NULL);
    }
    stop_listening(d);
    if (d->epoll >= 0) {
        close(d->epoll);
    }
    free(d);
    *door = NULL;
}
