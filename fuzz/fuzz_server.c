/* libFuzzer entry: what the server reads of strangers before any decoder does. The first byte says what the others are:
 * bytes of a connection, what proxies say, a form's parts, base64, a picture whose cost is guessed, an archive. */
#include "../apps/server/archive.h"
#include "../apps/server/cost.h"
#include "../apps/server/forwarded.h"
#include "../apps/server/frame.h"
#include "../apps/server/pictures.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

enum { MAX_UNPACKED = 1 << 20 };

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* However they are cut, they mean the same. */
static void frame(const char *text, size_t n)
{
    srv_frame whole = {0}, dripping = {0};
    size_t done = srv_frame_read(&whole, text, n), passed = 0;
    require(done <= n);
    for (size_t have = 1; have <= n && dripping.state != SRV_FRAME_WRONG; have++)
        passed += srv_frame_read(&dripping, text + passed, have - passed);
    require(whole.state == dripping.state && whole.n_requests == dripping.n_requests);
    require(whole.state == SRV_FRAME_WRONG || done == passed);
    require(whole.state != SRV_FRAME_WRONG || (whole.status >= 400 && whole.reason));
}

/* Lines of a header each; the first byte of a line chooses which. */
static void forwarded(const char *text)
{
    static const char *const names[] = {"X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"};
    const struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr = {.s_addr = 0x0100007f}};
    srv_request request = {0};
    srv_net nets[2];
    struct in6_addr address;
    require(srv_net_read("127.0.0.0/8", &nets[0]));
    size_t n_nets = srv_net_read(text, &nets[1]) ? 2 : 1;
    for (const char *line = text; line && *line;) {
        const char *end = strchr(line, '\n');
        char *value = strndup(line + 1, end ? (size_t)(end - line - 1) : strlen(line + 1));
        if (value && (!end || end > line))
            srv_pairs_add(&request.headers, names[(unsigned char)*line % 4], value);
        free(value);
        line = end ? end + 1 : NULL;
    }
    const char *wrong =
        srv_forwarded_read(&request, (const struct sockaddr *)&peer, false, nets, n_nets);
    require(wrong || srv_address_read(request.address, &address));
    srv_pairs_free(&request.headers);
}

static void form(uint8_t *bytes, size_t n)
{
    srv_request request = {.body = bytes, .n_body = n};
    srv_parts parts = {0};
    wi_error error = {0};
    srv_pairs_add(&request.headers, "Content-Type", "multipart/form-data; boundary=\"x\"");
    wi_status status = srv_parts_read(&request, &parts, &error);
    require(status == WI_OK || error.status == status);
    for (size_t i = 0; i < parts.n; i++) {
        const srv_part *part = &parts.items[i];
        require(part->name && part->bytes >= bytes && part->bytes + part->n_bytes <= bytes + n);
    }
    srv_parts_free(&parts);
    srv_pairs_free(&request.headers);
}

static void base64(const char *text)
{
    uint8_t *bytes = NULL;
    size_t n = 0;
    if (srv_base64(text, &bytes, &n, NULL) == WI_OK)
        require(n <= strlen(text));
    free(bytes);
}

static void archive(const uint8_t *bytes, size_t n)
{
    srv_archive all;
    wi_error error = {0};
    wi_status status = srv_archive_read(bytes, n, MAX_UNPACKED, &all, &error);
    require(status == WI_OK ? all.n > 0 : error.status == status && error.message[0]);
    for (size_t i = 0; i < all.n; i++) {
        const srv_entry *entry = &all.entries[i];
        uint8_t *file = NULL;
        require(srv_text_ok(entry->name) && entry->n_bytes <= MAX_UNPACKED);
        require(entry->bytes >= bytes && entry->n_packed <= n - (size_t)(entry->bytes - bytes));
        if (srv_entry_unpack(entry, &file, NULL) == WI_OK && entry->n_bytes > 0)
            require(file[0] + file[entry->n_bytes - 1] >= 0);
        free(file);
    }
    srv_archive_free(&all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    if (n_bytes == 0)
        return 0;
    size_t n = n_bytes - 1;
    char *text = malloc(n + 1); /* of exact size, and once more as a text */
    uint8_t *exact = malloc(n ? n : 1);
    require(text && exact);
    memcpy(text, data + 1, n);
    memcpy(exact, data + 1, n);
    text[n] = '\0';
    switch (data[0] % 6) {
    case 0:
        frame((char *)exact, n);
        break;
    case 1:
        forwarded(text);
        break;
    case 2:
        form(exact, n);
        break;
    case 3:
        base64(text);
        break;
    case 4:
        (void)srv_cost_of(exact, n);
        break;
    default:
        archive(exact, n);
    }
    free(exact);
    free(text);
    return 0;
}
