/* A running server beside the encoder that it stands on: round by round, how many pictures a second the encoder does
 * in batches with all cores, what decoding one picture costs, and how many the server answers. One JSON object a
 * round on standard output, then one of all rounds.
 *
 *     bench_serve MODEL PHOTO PORT [--connections N] [--seconds S] [--rounds N] [--threads N] [--path PATH]
 *
 * --seconds of each part. --load S instead: S seconds of requests and nothing else. "stolen" is the share of processor
 * time that the machine below this one kept for others: rounds with much of it say little. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <whatsit/whatsit.h>

enum { BATCH = 16, MAX_CONNECTIONS = 1024, MAX_ANSWER = 1 << 16, MAX_ROUNDS = 64 };

typedef struct options {
    const char *model, *photo, *path;
    int port, n_connections, n_rounds, n_threads;
    double seconds, load_seconds;
} options;

typedef struct connection {
    int fd;
    size_t sent, n_got;
    double began;
    char got[MAX_ANSWER];
} connection;

typedef struct load {
    const char *request;
    size_t n_request;
    const options *how;
    struct pollfd polls[MAX_CONNECTIONS];
    connection *connections;
    double *latencies; /* seconds */
    size_t n, capacity, n_errors;
    double began, wall;
} load;

typedef struct round_figures {
    double encoder, decode_ms, server, p50_ms, p99_ms, stolen;
    double of_encoder, of_both; /* the server's rate as a share */
    size_t n, n_errors;
} round_figures;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_serve: %s: %s\n", what, why);
    exit(1);
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void *memory(size_t n)
{
    void *bytes = calloc(1, n);
    if (!bytes)
        die("memory", "out of it");
    return bytes;
}

static char *read_all(const char *path, size_t *n)
{
    FILE *file = fopen(path, "rb");
    char *bytes = memory(1 << 26);
    if (!file)
        die(path, strerror(errno));
    *n = fread(bytes, 1, 1 << 26, file);
    fclose(file);
    return bytes;
}

/* Ticks of all processors: those that another virtual machine had, and all. */
static void ticks(double *stolen, double *all)
{
    unsigned long long t[8] = {0};
    FILE *file = fopen("/proc/stat", "r");
    *stolen = *all = 0;
    if (file && fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2],
                       &t[3], &t[4], &t[5], &t[6], &t[7]) == 8) {
        for (int i = 0; i < 8; i++)
            *all += (double)t[i];
        *stolen = (double)t[7];
    }
    if (file)
        fclose(file);
}

/* ---- the encoder ---- */

typedef struct encoder {
    wi_engine *engine;
    wi_model *model;
    wi_session *session;
    wi_model_info info;
    uint8_t *pixels;
    float *out;
} encoder;

static void decode(const wi_model_info *info, const char *photo, size_t n_photo, uint8_t *pixels)
{
    wi_image *image = NULL;
    wi_error error = {0};
    const wi_preprocess *how = &info->preprocess;
    const wi_image_options small = {.target_px = how->resize_px ? how->resize_px : how->size_px};
    if (wi_image_from_memory(photo, n_photo, &small, &image, &error) != WI_OK ||
        wi_image_preprocess(image, how, pixels, &error) != WI_OK)
        die("the photo", error.message);
    wi_image_close(&image);
}

static void open_encoder(const options *how, encoder *e)
{
    wi_error error = {0};
    const wi_engine_options eo = {.n_threads = how->n_threads};
    const wi_model_options mo = {.towers = WI_TOWER_IMAGE};
    const wi_session_options so = {.max_images = BATCH, .max_tokens = 1};
    if (wi_engine_open(&eo, &e->engine, &error) != WI_OK ||
        wi_model_open(e->engine, how->model, &mo, &e->model, &error) != WI_OK ||
        wi_model_get_info(e->model, &e->info, &error) != WI_OK ||
        wi_session_open(e->model, &so, &e->session, &error) != WI_OK)
        die(how->model, error.message);
    e->pixels = memory((size_t)BATCH * e->info.image_px * e->info.image_px * 3);
    e->out = memory((size_t)BATCH * e->info.embedding_dim * sizeof *e->out);
}

static double batch_rate(encoder *e, const char *photo, size_t n_photo, size_t batch,
                         double seconds)
{
    const size_t picture = (size_t)e->info.image_px * e->info.image_px * 3;
    size_t n = 0;
    wi_error error = {0};
    for (size_t i = 0; i < batch; i++)
        decode(&e->info, photo, n_photo, e->pixels + i * picture);
    const double start = now();
    while (now() - start < seconds) {
        if (wi_session_encode_images(e->session, e->pixels, batch, e->out, &error) != WI_OK)
            die("encoding", error.message);
        n += batch;
    }
    return (double)n / (now() - start);
}

/* At its better batch: which one that is depends on the caches. */
static double encoder_rate(encoder *e, const char *photo, size_t n_photo, double seconds)
{
    const double half = batch_rate(e, photo, n_photo, BATCH / 2, seconds / 2);
    const double whole = batch_rate(e, photo, n_photo, BATCH, seconds / 2);
    return half > whole ? half : whole;
}

static double decode_ms(encoder *e, const char *photo, size_t n_photo)
{
    double times[101];
    for (size_t i = 0; i < 101; i++) {
        const double start = now();
        decode(&e->info, photo, n_photo, e->pixels);
        times[i] = 1e3 * (now() - start);
    }
    qsort(times, 101, sizeof *times, by_value);
    return times[50];
}

/* ---- the load: every connection sends its next request when its last one is answered ---- */

static char *make_request(const options *how, const char *photo, size_t n_photo, size_t *n)
{
    char *request = memory(n_photo + 1024);
    const int head = snprintf(request, 1024,
                              "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\n"
                              "Content-Length: %zu\r\n\r\n",
                              how->path, n_photo);
    memcpy(request + head, photo, n_photo);
    *n = (size_t)head + n_photo;
    return request;
}

static int dial(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        die("connecting", strerror(errno));
    return fd;
}

static void push(load *l, size_t i)
{
    connection *c = &l->connections[i];
    const ssize_t n =
        send(c->fd, l->request + c->sent, l->n_request - c->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN)
        die("sending", strerror(errno));
    c->sent += n > 0 ? (size_t)n : 0;
    l->polls[i].events = c->sent < l->n_request ? POLLIN | POLLOUT : POLLIN;
}

static void begin(load *l, size_t i)
{
    connection *c = &l->connections[i];
    c->sent = c->n_got = 0;
    c->began = now();
    push(l, i);
}

static void add_latency(load *l, double seconds)
{
    if (l->n == l->capacity) {
        l->capacity = l->capacity ? 2 * l->capacity : 4096;
        l->latencies = realloc(l->latencies, l->capacity * sizeof *l->latencies);
        if (!l->latencies)
            die("memory", "out of it");
    }
    l->latencies[l->n++] = seconds;
}

/* Is a whole answer there? */
static bool is_answered(const connection *c)
{
    const char *body = strstr(c->got, "\r\n\r\n");
    const char *length = body ? strcasestr(c->got, "Content-Length:") : NULL;
    return length && c->n_got >= (size_t)(body + 4 - c->got) + strtoul(length + 15, NULL, 10);
}

static void pull(load *l, size_t i)
{
    connection *c = &l->connections[i];
    const ssize_t n = recv(c->fd, c->got + c->n_got, MAX_ANSWER - 1 - c->n_got, 0);
    if (n <= 0)
        die("receiving", n ? strerror(errno) : "the server closed the connection");
    c->n_got += (size_t)n;
    c->got[c->n_got] = '\0';
    if (is_answered(c)) {
        add_latency(l, now() - c->began);
        l->n_errors += strncmp(c->got, "HTTP/1.1 200", 12) != 0;
        begin(l, i);
    }
}

static void run_load(load *l, double seconds)
{
    const size_t n = (size_t)l->how->n_connections;
    l->n = l->n_errors = 0;
    for (size_t i = 0; i < n; i++) {
        l->connections[i].fd = dial(l->how->port);
        l->polls[i] = (struct pollfd){.fd = l->connections[i].fd, .events = POLLIN};
        begin(l, i);
    }
    l->began = now();
    while (now() - l->began < seconds) {
        poll(l->polls, n, 1000);
        for (size_t i = 0; i < n; i++) {
            if (l->polls[i].revents & (POLLIN | POLLHUP | POLLERR))
                pull(l, i);
            else if (l->polls[i].revents & POLLOUT)
                push(l, i);
        }
    }
    l->wall = now() - l->began;
    for (size_t i = 0; i < n; i++)
        close(l->connections[i].fd);
    qsort(l->latencies, l->n, sizeof *l->latencies, by_value);
}

/* ---- */

static double median(const round_figures *rounds, int n, size_t at)
{
    double values[MAX_ROUNDS];
    for (int i = 0; i < n; i++)
        memcpy(&values[i], (const char *)&rounds[i] + at, sizeof values[i]);
    qsort(values, (size_t)n, sizeof *values, by_value);
    return values[n / 2];
}

static void report(const char *what, const round_figures *r)
{
    printf(
        "{\"bench\":\"%s\",\"server_per_s\":%.1f,\"p50_ms\":%.2f,\"p99_ms\":%.2f,\"requests\":%zu,"
        "\"errors\":%zu,\"stolen\":%.3f",
        what, r->server, r->p50_ms, r->p99_ms, r->n, r->n_errors, r->stolen);
    if (r->encoder > 0)
        printf(",\"encoder_per_s\":%.1f,\"decode_ms\":%.3f,\"of_encoder\":%.3f,"
               "\"of_decoding_and_encoding\":%.3f",
               r->encoder, r->decode_ms, r->of_encoder, r->of_both);
    printf("}\n");
    fflush(stdout);
}

/* Medians of all rounds, also of the shares, which belong to one moment each. */
static void report_all(const round_figures *rounds, int n)
{
    round_figures all = {.encoder = median(rounds, n, offsetof(round_figures, encoder)),
                         .decode_ms = median(rounds, n, offsetof(round_figures, decode_ms)),
                         .server = median(rounds, n, offsetof(round_figures, server)),
                         .p50_ms = median(rounds, n, offsetof(round_figures, p50_ms)),
                         .p99_ms = median(rounds, n, offsetof(round_figures, p99_ms)),
                         .stolen = median(rounds, n, offsetof(round_figures, stolen)),
                         .of_encoder = median(rounds, n, offsetof(round_figures, of_encoder)),
                         .of_both = median(rounds, n, offsetof(round_figures, of_both))};
    for (int i = 0; i < n; i++) {
        all.n += rounds[i].n;
        all.n_errors += rounds[i].n_errors;
    }
    report("serve", &all);
}

static void read_options(int argc, char **argv, options *o)
{
    *o = (options){.path = "/v1/classify?labels=cat,dog,fox",
                   .n_connections = 16,
                   .n_rounds = 5,
                   .n_threads = (int)sysconf(_SC_NPROCESSORS_ONLN),
                   .seconds = 5};
    if (argc < 4) {
        fprintf(stderr, "usage: bench_serve MODEL PHOTO PORT [--connections N] [--seconds S] "
                        "[--rounds N] [--threads N] [--path PATH] [--load S]\n");
        exit(2);
    }
    o->model = argv[1];
    o->photo = argv[2];
    o->port = atoi(argv[3]);
    for (int i = 4; i + 1 < argc; i += 2) {
        const char *value = argv[i + 1];
        if (!strcmp(argv[i], "--connections"))
            o->n_connections = atoi(value);
        else if (!strcmp(argv[i], "--seconds"))
            o->seconds = atof(value);
        else if (!strcmp(argv[i], "--rounds"))
            o->n_rounds = atoi(value);
        else if (!strcmp(argv[i], "--threads"))
            o->n_threads = atoi(value);
        else if (!strcmp(argv[i], "--path"))
            o->path = value;
        else if (!strcmp(argv[i], "--load"))
            o->load_seconds = atof(value);
    }
    if (o->n_connections < 1 || o->n_connections > MAX_CONNECTIONS || o->n_rounds < 1 ||
        o->n_rounds > MAX_ROUNDS)
        die("options", "too few or too many connections or rounds");
}

static void run_round(load *l, encoder *e, const char *photo, size_t n_photo, round_figures *r)
{
    double stolen[2], all[2];
    const options *how = l->how;
    ticks(&stolen[0], &all[0]);
    if (e->session) {
        r->encoder = encoder_rate(e, photo, n_photo, how->seconds);
        r->decode_ms = decode_ms(e, photo, n_photo);
    }
    run_load(l, e->session ? how->seconds : how->load_seconds);
    ticks(&stolen[1], &all[1]);
    r->stolen = (stolen[1] - stolen[0]) / (all[1] - all[0] + 1);
    r->server = (double)l->n / l->wall;
    r->p50_ms = l->n ? 1e3 * l->latencies[l->n / 2] : 0;
    r->p99_ms = l->n ? 1e3 * l->latencies[l->n * 99 / 100] : 0;
    r->n = l->n;
    r->n_errors = l->n_errors;
    if (e->session) {
        /* The cores could do no more if they did nothing but decode and encode. */
        const double both = 1 / (1 / r->encoder + 1e-3 * r->decode_ms / how->n_threads);
        r->of_encoder = r->server / r->encoder;
        r->of_both = r->server / both;
    }
    report(e->session ? "round" : "load", r);
}

int main(int argc, char **argv)
{
    options how;
    encoder e = {0};
    round_figures rounds[MAX_ROUNDS] = {0};
    size_t n_photo;
    read_options(argc, argv, &how);
    char *photo = read_all(how.photo, &n_photo);
    load l = {.how = &how, .connections = memory((size_t)how.n_connections * sizeof(connection))};
    char *request = make_request(&how, photo, n_photo, &l.n_request);
    l.request = request;
    if (how.load_seconds > 0) {
        run_round(&l, &e, photo, n_photo, &rounds[0]);
    } else {
        open_encoder(&how, &e);
        run_load(&l, 1); /* opens the server's tower */
        for (int i = 0; i < how.n_rounds; i++)
            run_round(&l, &e, photo, n_photo, &rounds[i]);
        report_all(rounds, how.n_rounds);
    }
    free(request);
    free(photo);
    free(l.connections);
    free(l.latencies);
    free(e.pixels);
    free(e.out);
    wi_session_close(&e.session);
    wi_model_close(&e.model);
    wi_engine_close(&e.engine);
    return 0;
}
