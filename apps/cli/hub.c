#include "hub.h"
#include "load.h"
#include "paths.h"
#include "term.h"
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <whatsit/digest.h>

enum { MAX_TRIES = 6, MAX_WAIT_S = 120, CONNECT_S = 20, STALL_S = 60 };

struct cli_hub {
    cli_app *app;
    CURL *curl;
    char *address;
    const char *revision;
    char token[256]; /* "" for none */
    char curl_message[CURL_ERROR_SIZE];
};

/* One request's answer. */
typedef struct answer {
    cli_hub *hub;
    const char *name; /* for the progress line */
    FILE *stream;     /* NULL: the body is not wanted */
    long status;
    uint64_t offset;     /* asked for */
    uint64_t n_received; /* into the stream, offset included */
    uint64_t n_expected;
    uint64_t n_linked, n_content;
    bool size_linked, content_known, started, too_long;
    const char *part; /* the file behind stream */
    int write_errno;
    long retry_after_s; /* what a busy server asked for; 0: nothing */
    char etag[80], linked_etag[80];
    double started_at;
} answer;

/* Of $HF_HOME, else of ~/.cache/huggingface. */
static char *home_path(const char *name)
{
    const char *given = getenv("HF_HOME"), *cache = getenv("XDG_CACHE_HOME"),
               *home = getenv("HOME");
    return given && given[0]   ? cli_text("%s/%s", given, name)
           : cache && cache[0] ? cli_text("%s/huggingface/%s", cache, name)
           : home && home[0]   ? cli_text("%s/.cache/huggingface/%s", home, name)
                               : NULL;
}

char *cli_hub_cache_folder(void)
{
    const char *given = getenv("HF_HUB_CACHE");
    return given && given[0] ? cli_text("%s", given) : home_path("hub");
}

/* $HF_TOKEN, else what 'hf auth login' left. */
static void read_token(cli_hub *hub)
{
    const char *given = getenv("HF_TOKEN");
    if (given) {
        snprintf(hub->token, sizeof hub->token, "%s", given);
        return;
    }
    char *path = home_path("token");
    FILE *file = path ? fopen(path, "r") : NULL;
    if (file) {
        if (!fgets(hub->token, sizeof hub->token, file)) {
            hub->token[0] = '\0';
        }
        hub->token[strcspn(hub->token, "\r\n \t")] = '\0';
        fclose(file);
    }
    free(path);
}

wi_status cli_hub_open(cli_app *app, const char *revision, cli_hub **out, wi_error *error)
{
    const char *address = getenv("HF_ENDPOINT");
    cli_hub *hub = calloc(1, sizeof *hub);
    if (!hub || curl_global_init(CURL_GLOBAL_DEFAULT) != 0) {
        free(hub);
        return cli_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    hub->app = app;
    hub->revision = revision ? revision : "main";
    read_token(hub);
    hub->curl = curl_easy_init();
    hub->address = cli_text("%s", address && address[0] ? address : "https://huggingface.co");
    *out = hub;
    if (!hub->curl || !hub->address) {
        cli_hub_close(out);
        return cli_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    size_t n = strlen(hub->address);
    while (n > 0 && hub->address[n - 1] == '/') {
        hub->address[--n] = '\0';
    }
    if (strncasecmp(hub->address, "http://", 7) && strncasecmp(hub->address, "https://", 8)) {
        wi_status status =
            cli_fail(error, WI_ERR_ARG, "$HF_ENDPOINT is no http address: %.150s", hub->address);
        cli_hub_close(out);
        return status;
    }
    return WI_OK;
}

void cli_hub_close(cli_hub **hub)
{
    if (!*hub) {
        return;
    }
    if ((*hub)->curl) {
        curl_easy_cleanup((*hub)->curl);
    }
    free((*hub)->address);
    free(*hub);
    *hub = NULL;
    curl_global_cleanup();
}

const char *cli_hub_address(const cli_hub *hub)
{
    return hub->address;
}

const char *cli_hub_revision(const cli_hub *hub)
{
    return hub->revision;
}

/* True when the response at hand comes from the hub itself: a store behind a redirect has etags of
 * its own. */
static bool from_hub(const answer *a)
{
    char *url = NULL;
    size_t n = strlen(a->hub->address);
    curl_easy_getinfo(a->hub->curl, CURLINFO_EFFECTIVE_URL, &url);
    return url && !strncasecmp(url, a->hub->address, n) && (url[n] == '/' || url[n] == '\0');
}

/* A header of the request-th response in a chain of redirects, -1 for the last; NULL: none. */
static const char *header_of(const answer *a, int request, const char *name)
{
    struct curl_header *header = NULL;
    return curl_easy_header(a->hub->curl, name, 0, CURLH_HEADER, request, &header) == CURLHE_OK
               ? header->value
               : NULL;
}

/* An etag without quotes and W/; out is as it was where there is none. */
static void read_etag(const char *value, char out[80])
{
    if (!value) {
        return;
    }
    value += strncmp(value, "W/", 2) == 0 ? 2 : 0;
    value += *value == '"';
    snprintf(out, 80, "%.*s", (int)strcspn(value, "\""), value);
}

/* What the headers of a chain of answers say of a file: its size and hash stand in the hub's own, which
 * may be any but the last. */
static void read_headers(answer *a)
{
    curl_off_t length = -1;
    long n_redirects = 0;
    curl_easy_getinfo(a->hub->curl, CURLINFO_REDIRECT_COUNT, &n_redirects);
    for (int i = 0; i <= (int)n_redirects; i++) {
        const char *size = header_of(a, i, "x-linked-size");
        read_etag(header_of(a, i, "x-linked-etag"), a->linked_etag);
        a->size_linked = a->size_linked || size;
        a->n_linked = size ? strtoull(size, NULL, 10) : a->n_linked;
    }
    read_etag(header_of(a, 0, "etag"), a->etag);
    if (from_hub(a)) {
        read_etag(header_of(a, -1, "etag"), a->etag);
    }
    curl_easy_getinfo(a->hub->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    a->content_known = length >= 0;
    a->n_content = length >= 0 ? (uint64_t)length : 0;
}

/* After a request: how it ended, and what a busy server asks for. */
static void read_end(answer *a)
{
    curl_off_t seconds = 0;
    curl_easy_getinfo(a->hub->curl, CURLINFO_RESPONSE_CODE, &a->status);
    curl_easy_getinfo(a->hub->curl, CURLINFO_RETRY_AFTER, &seconds);
    a->retry_after_s = (long)seconds;
}

/* Called before the first byte of a body: decides where it belongs. */
static bool start_body(answer *a)
{
    curl_easy_getinfo(a->hub->curl, CURLINFO_RESPONSE_CODE, &a->status);
    a->started = true;
    unsigned long long from = 0;
    const char *range = header_of(a, -1, "content-range");
    if (a->status == 206 && range && sscanf(range, "bytes %llu-", &from) == 1 &&
        from == a->offset) {
        return true;
    }
    if (a->status != 200 && a->status != 206) {
        return true; /* an error page, which is skipped */
    }
    /* The server sends the whole file, or another part than was asked for: only the former can be
     * used. */
    if (a->status == 206) {
        return false;
    }
    a->offset = a->n_received = 0;
    rewind(a->stream);
    return ftruncate(fileno(a->stream), 0) == 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    answer *a = context;
    size_t n = size * count;
    if (!a->stream) {
        return n;
    }
    if (!a->started && !start_body(a)) {
        return 0;
    }
    if (a->status != 200 && a->status != 206) {
        return n;
    }
    if (a->n_expected > 0 && a->n_received + n > a->n_expected) {
        a->too_long = true;
        return 0;
    }
    if (fwrite(bytes, 1, n, a->stream) != n) {
        a->write_errno = errno ? errno : EIO;
        return 0;
    }
    a->n_received += n;
    return n;
}

static int on_progress(void *context, curl_off_t total, curl_off_t now, curl_off_t up_total,
                       curl_off_t up)
{
    answer *a = context;
    char line[160], done[24], all[24], rate[24];
    (void)total, (void)now, (void)up_total, (void)up;
    if (a->stream && a->n_expected > 0) {
        double seconds = (cli_now_ms() - a->started_at) * 1e-3;
        uint64_t fresh = a->n_received > a->offset ? a->n_received - a->offset : 0;
        uint64_t speed = seconds > 0.2 ? (uint64_t)((double)fresh / seconds) : 0;
        snprintf(line, sizeof line, "%.60s  %s of %s  %llu %%  %s/s", a->name,
                 cli_size_text(a->n_received, done), cli_size_text(a->n_expected, all),
                 (unsigned long long)(100 * a->n_received / a->n_expected),
                 cli_size_text(speed, rate));
        cli_progress_line(a->hub->app, line, false);
    }
    return cli_interrupted() ? 1 : 0;
}

static void set_options(cli_hub *hub, answer *a, const char *url)
{
    CURL *curl = hub->curl;
    bool secure = !strncasecmp(hub->address, "https:", 6);
    curl_easy_reset(curl);
    hub->curl_message[0] = '\0';
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, hub->curl_message);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "whatsit");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 10L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    /* Never from a checked connection to an open one. */
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)STALL_S);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, a);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, a);
    if (hub->token[0]) {
        /* curl keeps it to the first host. */
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
        curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, hub->token);
    }
}

static wi_status fail_request(const cli_hub *hub, const char *repository, const char *name,
                              CURLcode code, const answer *a, wi_error *error)
{
    if (cli_interrupted()) {
        return cli_fail(error, WI_ERR_CANCELLED, "stopped");
    }
    if (a->write_errno) {
        return cli_fail(error, WI_ERR_IO, "%.150s: cannot write: %s", a->part ? a->part : name,
                        strerror(a->write_errno));
    }
    if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT ||
        code == CURLE_COULDNT_RESOLVE_PROXY) {
        return cli_fail(error, WI_ERR_IO, "cannot reach %.80s: is this machine online? (%.80s)",
                        hub->address,
                        hub->curl_message[0] ? hub->curl_message : curl_easy_strerror(code));
    }
    if (code != CURLE_OK) {
        return cli_fail(
            error, WI_ERR_IO, "%.60s/%.60s: the connection broke (%.70s): run it again to go on",
            repository, name, hub->curl_message[0] ? hub->curl_message : curl_easy_strerror(code));
    }
    if (a->status == 401 || a->status == 403) {
        return cli_fail(error, WI_ERR_NOT_FOUND,
                        "%.60s has no model %.80s, or wants a key for it (set HF_TOKEN)",
                        hub->address, repository);
    }
    if (a->status == 404) {
        return cli_fail(error, WI_ERR_NOT_FOUND, "%.60s has no %.80s/%.60s", hub->address,
                        repository, name);
    }
    return cli_fail(error, WI_ERR_IO, "%.60s/%.60s: the hub answers with status %ld", repository,
                    name, a->status);
}

static char *file_url(const cli_hub *hub, const char *repository, const char *name)
{
    return cli_text("%s/%s/resolve/%s/%s", hub->address, repository, hub->revision, name);
}

static bool is_sha256(const char *text)
{
    return strlen(text) == 64 && strspn(text, "0123456789abcdefABCDEF") == 64;
}

/* A server that has too much to do, or is being restarted. */
static bool is_busy(long status)
{
    return status == 429 || status == 502 || status == 503 || status == 504;
}

/* A connection that was there and broke: the next one may hold. */
static bool is_broken(CURLcode code)
{
    return code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR ||
           code == CURLE_PARTIAL_FILE || code == CURLE_SSL_CONNECT_ERROR ||
           code == CURLE_OPERATION_TIMEDOUT;
}

/* Before the next try: as long as a busy server asked for, else longer each time. */
static void pause_before(int try, const answer *last)
{
    double seconds = 0.2 + (try > 2 ? try - 2 : 0);
    if (is_busy(last->status)) {
        seconds = last->retry_after_s > 0 ? (double)last->retry_after_s : 0.25 * (1 << try);
        seconds = seconds > MAX_WAIT_S ? MAX_WAIT_S : seconds;
        if (seconds >= 2) {
            char line[80];
            snprintf(line, sizeof line, "the hub is busy; asking again in %.0f s", seconds);
            cli_progress_line(last->hub->app, line, true);
        }
    }
    const double until = cli_now_ms() + 1e3 * seconds;
    while (!cli_interrupted() && cli_now_ms() < until) {
        const struct timespec step = {.tv_nsec = 50 * 1000 * 1000};
        nanosleep(&step, NULL);
    }
}

static CURLcode look_once(cli_hub *hub, const char *url, const char *name, answer *a)
{
    *a = (answer){.hub = hub, .name = name};
    set_options(hub, a, url);
    curl_easy_setopt(hub->curl, CURLOPT_NOBODY, 1L);
    const CURLcode code = curl_easy_perform(hub->curl);
    read_end(a);
    read_headers(a);
    return code;
}

wi_status cli_hub_look(cli_hub *hub, const char *repository, const char *name, cli_hub_file *out,
                       wi_error *error)
{
    answer a;
    char *url = file_url(hub, repository, name);
    if (!url) {
        return cli_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    CURLcode code = look_once(hub, url, name, &a);
    for (int try = 1;
         try < MAX_TRIES && (is_broken(code) || (code == CURLE_OK && is_busy(a.status))) &&
         !(a.size_linked && a.linked_etag[0]) && !cli_interrupted();
         try++) {
        pause_before(try, &a);
        code = look_once(hub, url, name, &a);
    }
    free(url);
    /* A store behind a redirect may refuse HEAD, but the hub has said all by then. */
    bool linked = a.size_linked && a.linked_etag[0];
    if (code != CURLE_OK || (a.status != 200 && !linked)) {
        return fail_request(hub, repository, name, code, &a, error);
    }
    *out = (cli_hub_file){0};
    out->size_known = a.size_linked || a.content_known;
    out->n_bytes = a.size_linked ? a.n_linked : a.content_known ? a.n_content : 0;
    const char *etag = a.linked_etag[0] ? a.linked_etag : a.etag;
    if (is_sha256(etag)) {
        for (size_t i = 0; i < 65; i++) {
            bool upper = etag[i] >= 'A' && etag[i] <= 'F';
            out->sha256[i] = upper ? (char)(etag[i] + 32) : etag[i];
        }
    }
    return WI_OK;
}

wi_status cli_file_sha256(const char *path, char hex[65], wi_error *error)
{
    static const size_t n_buffer = 1 << 18;
    wi_digest *digest = NULL;
    FILE *stream = fopen(path, "rb");
    if (!stream) {
        return cli_fail(error, WI_ERR_IO, "%.150s: %s", path, strerror(errno));
    }
    char *buffer = malloc(n_buffer);
    wi_status status =
        buffer ? wi_digest_open(&digest, error) : cli_fail(error, WI_ERR_NOMEM, "out of memory");
    size_t n;
    while (status == WI_OK && (n = fread(buffer, 1, n_buffer, stream)) > 0) {
        wi_digest_update(digest, buffer, n);
        if (cli_interrupted()) {
            status = cli_fail(error, WI_ERR_CANCELLED, "stopped");
        }
    }
    if (status == WI_OK && ferror(stream)) {
        status = cli_fail(error, WI_ERR_IO, "%.150s: cannot read", path);
    }
    if (status == WI_OK) {
        wi_digest_finish(digest, hex);
    }
    wi_digest_close(&digest);
    free(buffer);
    fclose(stream);
    return status;
}

/* One GET from where PART ends. WI_OK: the server said it is all there. *again: worth another try.
 */
static wi_status fetch_once(cli_hub *hub, const char *repository, const char *name,
                            const cli_hub_file *file, const char *part, bool *again, answer *last,
                            wi_error *error)
{
    char range[32];
    struct stat info;
    answer a = {.hub = hub,
                .name = name,
                .part = part,
                .n_expected = file->n_bytes,
                .started_at = cli_now_ms()};
    *again = false;
    a.stream = fopen(part, "ab+");
    char *url = file_url(hub, repository, name);
    if (!a.stream || !url || fstat(fileno(a.stream), &info) != 0) {
        int number = errno;
        free(url);
        if (a.stream) {
            fclose(a.stream);
        }
        return cli_fail(error, WI_ERR_IO, "%.150s: cannot write: %s", part, strerror(number));
    }
    a.offset = a.n_received = (uint64_t)info.st_size;
    set_options(hub, &a, url);
    if (a.offset > 0) {
        snprintf(range, sizeof range, "%llu-", (unsigned long long)a.offset);
        curl_easy_setopt(hub->curl, CURLOPT_RANGE, range);
    }
    uint64_t before = a.offset;
    CURLcode code = curl_easy_perform(hub->curl);
    read_end(&a);
    *last = a;
    free(url);
    errno = 0;
    if (fclose(a.stream) != 0 && !a.write_errno) {
        a.write_errno = errno ? errno : EIO;
    }
    if (a.write_errno == 0 &&
        (a.status == 416 || a.too_long || (a.status == 206 && code == CURLE_WRITE_ERROR))) {
        /* What is in PART is not the beginning of this file: start over, once more and from
         * nothing. */
        unlink(part);
        *again = true;
        return cli_fail(error, WI_ERR_IO,
                        "%.80s: the hub's answers do not fit together: try again later", name);
    }
    if (code != CURLE_OK || (a.status != 200 && a.status != 206) || a.write_errno) {
        bool lasting = a.write_errno || a.status == 401 || a.status == 403 || a.status == 404;
        bool reached = code != CURLE_COULDNT_RESOLVE_HOST && code != CURLE_COULDNT_CONNECT;
        *again = !lasting && !cli_interrupted() && (reached || a.n_received > before);
        return fail_request(hub, repository, name, code, &a, error);
    }
    return WI_OK;
}

/* Does PART hold the whole file, as far as the hub lets us know? A wrong one is removed. */
static wi_status check_part(cli_hub *hub, const char *name, const cli_hub_file *file,
                            const char *part, wi_error *error)
{
    char hex[65];
    struct stat info;
    if (stat(part, &info) != 0) {
        return cli_fail(error, WI_ERR_IO, "%.150s: %s", part, strerror(errno));
    }
    if (file->size_known && (uint64_t)info.st_size != file->n_bytes) {
        unlink(part);
        return cli_fail(error, WI_ERR_FORMAT,
                        "%.80s: %llu bytes came instead of %llu; they were thrown away", name,
                        (unsigned long long)info.st_size, (unsigned long long)file->n_bytes);
    }
    if (!file->sha256[0]) {
        return WI_OK;
    }
    cli_progress_line(hub->app, "checking", false);
    wi_status status = cli_file_sha256(part, hex, error);
    if (status == WI_OK && strcmp(hex, file->sha256)) {
        unlink(part);
        return cli_fail(error, WI_ERR_FORMAT,
                        "%.80s: the checksum is wrong (%.12s... instead of %.12s...); what came "
                        "was thrown away: "
                        "try again",
                        name, hex, file->sha256);
    }
    return status;
}

wi_status cli_hub_fetch(cli_hub *hub, const char *repository, const char *name,
                        const cli_hub_file *file, const char *path, wi_error *error)
{
    struct stat info;
    bool again = true;
    answer last = {.hub = hub};
    wi_status status = WI_OK;
    char *part = cli_text("%s.part", path);
    if (!part) {
        return cli_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    if (!file->sha256[0]) {
        unlink(part); /* nothing would tell whether its beginning still fits */
    }
    bool whole =
        file->size_known && stat(part, &info) == 0 && (uint64_t)info.st_size == file->n_bytes;
    for (int try = 0; !whole && again && try < MAX_TRIES && !cli_interrupted(); try++) {
        if (try > 0) {
            pause_before(try, &last);
        }
        status = fetch_once(hub, repository, name, file, part, &again, &last, error);
        whole = status == WI_OK;
        if (whole && file->size_known && stat(part, &info) == 0 &&
            (uint64_t)info.st_size < file->n_bytes) {
            whole = false; /* cut without an error: go on from there */
            again = true;
            status = cli_fail(error, WI_ERR_IO,
                              "%.80s: the connection broke: run it again to go on", name);
        }
    }
    if (cli_interrupted()) {
        status = cli_fail(error, WI_ERR_CANCELLED, "stopped");
    }
    if (status == WI_OK) {
        status = check_part(hub, name, file, part, error);
    }
    if (status == WI_OK && rename(part, path) != 0) {
        status = cli_fail(error, WI_ERR_IO, "%.150s: %s", path, strerror(errno));
    }
    free(part);
    return status;
}
