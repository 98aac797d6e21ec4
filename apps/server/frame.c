#define _GNU_SOURCE /* memmem */
#include "frame.h"
#include <string.h>
#include <strings.h>

enum { MAX_LINE = 256, MAX_TRAILER = 4096, MAX_CHUNK_DIGITS = 8, MAX_LENGTH_DIGITS = 18 };

typedef struct head {
    unsigned n_hosts, n_lengths, n_codings;
    uint64_t length;
    bool old;
} head;

static bool wrong(srv_frame *frame, unsigned status, const char *reason)
{
    frame->state = SRV_FRAME_WRONG;
    frame->status = status;
    frame->reason = reason;
    return false;
}

static bool is_token(unsigned char c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static size_t token(const char *text, size_t n)
{
    size_t i = 0;
    while (i < n && is_token((unsigned char)text[i])) {
        i++;
    }
    return i;
}

/* "METHOD target HTTP/1.x" */
static bool read_line(srv_frame *frame, const char *line, size_t n, head *out)
{
    size_t method = token(line, n), end = method + 1;
    while (end < n && (unsigned char)line[end] > 0x20 && (unsigned char)line[end] < 0x7f) {
        end++;
    }
    if (end > method + 1 + SRV_MAX_TARGET_BYTES) {
        return wrong(frame, 414, "the address is too long");
    }
    if (method == 0 || method > 32 || method >= n || line[method] != ' ' || end == method + 1 ||
        n - end != 9 || memcmp(line + end, " HTTP/", 6) != 0) {
        return wrong(frame, 400, "the request line is no 'METHOD /path HTTP/1.1'");
    }
    if (memmem(line, end, "%00", 3)) {
        return wrong(frame, 400, "the address holds a NUL");
    }
    if (memcmp(line + end + 6, "1.1", 3) && memcmp(line + end + 6, "1.0", 3)) {
        return wrong(frame, 505, "HTTP/1.1 and HTTP/1.0 are spoken here");
    }
    out->old = line[end + 8] == '0';
    return true;
}

static bool read_length(srv_frame *frame, const char *value, size_t n, head *out)
{
    uint64_t length = 0;
    if (n == 0 || n > MAX_LENGTH_DIGITS || out->n_lengths++ > 0) {
        return wrong(frame, 400, "Content-Length must be one number");
    }
    for (size_t i = 0; i < n; i++) {
        if (value[i] < '0' || value[i] > '9') {
            return wrong(frame, 400, "Content-Length must be one number");
        }
        length = length * 10 + (uint64_t)(value[i] - '0');
    }
    out->length = length;
    return true;
}

static bool read_host(srv_frame *frame, const char *value, size_t n, head *out)
{
    bool good = out->n_hosts++ == 0;
    for (size_t i = 0; i < n && good; i++) {
        unsigned char c = (unsigned char)value[i];
        good = c > 0x20 && c < 0x7f && !strchr(",/\\@?#\"<>{}|^`", c);
    }
    return good || wrong(frame, 400, "Host must be there once, and be one name");
}

static bool is_named(const char *name, size_t n, const char *wanted)
{
    return n == strlen(wanted) && !strncasecmp(name, wanted, n);
}

/* "Name: value" */
static bool read_field(srv_frame *frame, const char *line, size_t n, head *out)
{
    size_t name = token(line, n);
    if (name == 0 || name >= n || line[name] != ':') {
        return wrong(frame, 400, "a header is no 'Name: value'");
    }
    const char *value = line + name + 1;
    size_t n_value = n - name - 1;
    while (n_value > 0 && (*value == ' ' || *value == '\t')) {
        value++;
        n_value--;
    }
    while (n_value > 0 && (value[n_value - 1] == ' ' || value[n_value - 1] == '\t')) {
        n_value--;
    }
    for (size_t i = 0; i < n_value; i++) {
        unsigned char c = (unsigned char)value[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return wrong(frame, 400, "a header holds a control character");
        }
    }
    if (is_named(line, name, "Host")) {
        return read_host(frame, value, n_value, out);
    }
    if (is_named(line, name, "Content-Length")) {
        return read_length(frame, value, n_value, out);
    }
    if (is_named(line, name, "Transfer-Encoding")) {
        if (out->n_codings++ > 0 || !is_named(value, n_value, "chunked")) {
            return wrong(frame, n_value == 0 || out->n_codings > 1 ? 400 : 501,
                         "Transfer-Encoding can only be 'chunked'");
        }
    }
    return true;
}

static bool check(srv_frame *frame, const head *h)
{
    if (h->n_codings > 0 && h->n_lengths > 0) {
        return wrong(frame, 400, "Content-Length and Transfer-Encoding together say two things");
    }
    if (h->n_codings > 0 && h->old) {
        return wrong(frame, 400, "HTTP/1.0 has no Transfer-Encoding");
    }
    if (h->n_hosts == 0 && !h->old) {
        return wrong(frame, 400, "the request lacks a Host header");
    }
    return true;
}

/* A whole head of n bytes, its empty line included. */
static bool read_head(srv_frame *frame, const char *bytes, size_t n)
{
    head h = {0};
    const char *at = bytes, *end = bytes + n;
    for (unsigned i = 0; at < end; i++) {
        const char *stop = memmem(at, (size_t)(end - at), "\r\n", 2);
        size_t length = (size_t)(stop - at);
        if (length > 0 &&
            !(i == 0 ? read_line(frame, at, length, &h) : read_field(frame, at, length, &h))) {
            return false;
        }
        at = stop + 2;
    }
    if (!check(frame, &h)) {
        return false;
    }
    frame->old = h.old;
    frame->left = h.length;
    frame->n_line = 0;
    frame->cr = frame->digits = frame->in_extension = false;
    frame->state = h.n_codings > 0 ? SRV_FRAME_SIZE
                   : h.length > 0  ? SRV_FRAME_BODY
                                   : SRV_FRAME_HEAD;
    frame->n_requests += frame->state == SRV_FRAME_HEAD;
    return true;
}

/* A carriage return or a line feed that stands alone, or NUL: the head will never be good, however it goes on. */
static bool is_clean(srv_frame *frame, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool alone = (bytes[i] == '\n' && (i == 0 || bytes[i - 1] != '\r')) ||
                     (bytes[i] == '\r' && i + 1 < n && bytes[i + 1] != '\n');
        if (alone || bytes[i] == '\0') {
            return wrong(frame, 400,
                         alone ? "a line of the head does not end as lines do"
                               : "the head holds a NUL");
        }
    }
    return true;
}

/* Bytes of the head that begins here, once it is whole and good; 0: not yet, or wrong. */
static size_t take_head(srv_frame *frame, const char *bytes, size_t n)
{
    const char *stop = memmem(bytes, n, "\r\n\r\n", 4);
    size_t length = stop ? (size_t)(stop - bytes) + 4 : n;
    if (!is_clean(frame, bytes, length)) {
        return 0;
    }
    if (length > SRV_MAX_HEAD_BYTES_OF_REQUEST) {
        const char *line = memmem(bytes, n, "\r\n", 2);
        wrong(frame, line && (size_t)(line - bytes) < SRV_MAX_TARGET_BYTES ? 431 : 414,
              "the head is too long");
        return 0;
    }
    return stop && read_head(frame, bytes, length) ? length : 0;
}

static bool take_hex(srv_frame *frame, unsigned char c)
{
    unsigned value = c >= '0' && c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 32) - 'a') + 10;
    bool is_hex = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'f');
    if (!is_hex || frame->n_line > MAX_CHUNK_DIGITS) {
        return wrong(frame, 400, "the size of a chunk is no hexadecimal number");
    }
    frame->left = frame->left * 16 + value;
    frame->digits = true;
    return true;
}

/* "SIZE[;extension]" CR LF */
static bool take_size(srv_frame *frame, unsigned char c)
{
    if (frame->n_line == 0) {
        frame->left = 0;
        frame->digits = frame->in_extension = frame->cr = false;
    }
    frame->n_line++;
    if (frame->cr) {
        frame->cr = false;
        if (c != '\n') {
            return wrong(frame, 400, "the line of a chunk's size does not end as lines do");
        }
        frame->n_line = 0;
        frame->state = frame->left > 0 ? SRV_FRAME_CHUNK : SRV_FRAME_TRAILER;
        return true;
    }
    if (c == '\r' && frame->digits) {
        frame->cr = true;
        return true;
    }
    if (c == ';' && frame->digits) {
        frame->in_extension = true;
    }
    if (frame->in_extension) {
        return (c >= 0x20 && c < 0x7f && frame->n_line < MAX_LINE) ||
               wrong(frame, 400, "the extension of a chunk is not understood");
    }
    return take_hex(frame, c);
}

static bool take_chunk_end(srv_frame *frame, unsigned char c)
{
    if (c != (frame->cr ? '\n' : '\r')) {
        return wrong(frame, 400, "a chunk is longer than its size");
    }
    frame->state = frame->cr ? SRV_FRAME_SIZE : SRV_FRAME_CHUNK_END;
    frame->cr = !frame->cr;
    frame->n_line = 0;
    return true;
}

/* Nothing is done with trailers here, and none is expected: only the empty line that ends them. */
static bool take_trailer(srv_frame *frame, unsigned char c)
{
    if (c != (frame->cr ? '\n' : '\r')) {
        return wrong(frame, 400, "headers behind a body are not taken");
    }
    if (frame->cr) {
        frame->state = SRV_FRAME_HEAD;
        frame->n_requests++;
    }
    frame->cr = !frame->cr;
    return true;
}

static size_t take_bytes(srv_frame *frame, size_t n)
{
    size_t taken = frame->left < n ? (size_t)frame->left : n;
    frame->left -= taken;
    if (frame->left == 0 && frame->state == SRV_FRAME_BODY) {
        frame->state = SRV_FRAME_HEAD;
        frame->n_requests++;
    } else if (frame->left == 0) {
        frame->state = SRV_FRAME_CHUNK_END;
        frame->cr = false;
    }
    return taken;
}

size_t srv_frame_read(srv_frame *frame, const char *bytes, size_t n)
{
    size_t done = 0;
    while (done < n && frame->state != SRV_FRAME_WRONG) {
        unsigned char c = (unsigned char)bytes[done];
        bool good = true;
        size_t taken;
        switch (frame->state) {
        case SRV_FRAME_HEAD:
            taken = take_head(frame, bytes + done, n - done);
            if (taken == 0) {
                return done;
            }
            done += taken;
            continue;
        case SRV_FRAME_BODY:
        case SRV_FRAME_CHUNK:
            done += take_bytes(frame, n - done);
            continue;
        case SRV_FRAME_SIZE:
            good = take_size(frame, c);
            break;
        case SRV_FRAME_CHUNK_END:
            good = take_chunk_end(frame, c);
            break;
        case SRV_FRAME_TRAILER:
            good = take_trailer(frame, c);
            break;
        case SRV_FRAME_WRONG:
            break;
        }
        done += good;
    }
    return done;
}

bool srv_frame_is_between(const srv_frame *frame, size_t n_held)
{
    return frame->state == SRV_FRAME_HEAD && n_held == 0;
}
