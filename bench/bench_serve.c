/* A running server beside the encoder that it stands on. In each round all take turns on the same photo:
 *
 *     batch   one session, all threads: wi_session_encode_images in batches
 *     apart   a session of one thread on each core, in batches of 8
 *     whole   the same, and the JPEG decoded for each picture: what the cores could do without a server
 *     server  what it answers, counted from when every connection has had an answer, under full load
 *
 * The size of a batch is chosen once, before the rounds. One JSON object a round on standard output, then one of the
 * medians over all rounds, also of the server's shares, with their lowest and highest.
 *
 *     bench_serve MODEL PHOTO PORT [--connections N] [--seconds S] [--rounds N] [--threads N] [--path PATH]
 *
 * --seconds of each turn. --load S instead: S seconds of requests and nothing else. "stolen" is the share of processor
 * time that the machine below this one kept for others: rounds with much of it say little. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <whatsit/whatsit.h>

enum {
    MAX_BATCH = 16,
    MAX_THREADS = 64,
    MAX_CONNECTIONS = 1024,
    MAX_ANSWER = 1 << 16,
    MAX_ROUNDS = 64,
    N_TRIES = 3
};

typedef struct options {
    const char *model, *photo, *path;
    int port, n_connections, n_rounds, n_threads;
    double seconds, load_seconds;
} options;

typedef struct connection {
    int fd;
    size_t sent, n_got, n_answers;
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
    size_t n, capacity, n_errors, n_warm;
    double began, wall; /* of what is counted */
} load;

/* Pictures a second of each, and the server's rate as a share of the others. */
typedef struct round_figures {
    double batch, apart, whole, server, p50_ms, p99_ms, client_ms, stolen;
    double of_batch, of_apart, of_whole;
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
    wi_model_info info;
    const char *photo;
    size_t n_photo, batch;
    wi_session *session; /* of all threads */
    int n_threads;
    wi_session *apart[MAX_THREADS];
} encoder;

static void decode(const encoder *e, uint8_t *pixels)
{
    wi_image *image = NULL;
    wi_error error = {0};
    const wi_preprocess *how = &e->info.preprocess;
    const wi_image_options small = {.target_px = how->resize_px ? how->resize_px : how->size_px};
    if (wi_image_from_memory(e->photo, e->n_photo, &small, &image, &error) != WI_OK ||
        wi_image_preprocess(NULL, image, how, pixels, &error) != WI_OK)
        die("the photo", error.message);
    wi_image_close(&image);
}

static void open_encoder(const options *how, encoder *e)
{
    wi_error error = {0};
    const wi_engine_options eo = {.n_threads = how->n_threads};
    const wi_model_options mo = {.towers = WI_TOWER_IMAGE};
    wi_session_options so = {.max_images = MAX_BATCH, .max_tokens = 1};
    e->n_threads = how->n_threads < MAX_THREADS ? how->n_threads : MAX_THREADS;
    if (wi_engine_open(&eo, &e->engine, &error) != WI_OK ||
        wi_model_open(e->engine, how->model, &mo, &e->model, &error) != WI_OK ||
        wi_model_get_info(e->model, &e->info, &error) != WI_OK ||
        wi_session_open(e->model, &so, &e->session, &error) != WI_OK)
        die(how->model, error.message);
    so.one_thread = true;
    for (int i = 0; i < e->n_threads; i++)
        if (wi_session_open(e->model, &so, &e->apart[i], &error) != WI_OK)
            die(how->model, error.message);
}

/* One thread's turn. */
typedef struct turn {
    const encoder *encoder;
    wi_session *session;
    size_t batch;
    bool decodes;
    double seconds, rate;
} turn;

static void *take_turn(void *context)
{
    turn *t = context;
    const encoder *e = t->encoder;
    const size_t picture = (size_t)e->info.image_px * e->info.image_px * 3;
    uint8_t *pixels = memory(t->batch * picture);
    float *out = memory(t->batch * e->info.embedding_dim * sizeof *out);
    wi_error error = {0};
    size_t n = 0;
    for (size_t i = 0; i < t->batch; i++)
        decode(e, pixels + i * picture);
    const double start = now();
    while (now() - start < t->seconds) {
        for (size_t i = 0; t->decodes && i < t->batch; i++)
            decode(e, pixels + i * picture);
        if (wi_session_encode_images(t->session, pixels, t->batch, out, &error) != WI_OK)
            die("encoding", error.message);
        n += t->batch;
    }
    t->rate = (double)n / (now() - start);
    free(pixels);
    free(out);
    return NULL;
}

static double batch_rate(const encoder *e, size_t batch, double seconds)
{
    turn t = {.encoder = e, .session = e->session, .batch = batch, .seconds = seconds};
    take_turn(&t);
    return t.rate;
}

static double apart_rate(const encoder *e, bool decodes, double seconds)
{
    turn turns[MAX_THREADS];
    pthread_t threads[MAX_THREADS];
    double rate = 0;
    for (int i = 0; i < e->n_threads; i++) {
        turns[i] = (turn){.encoder = e,
                          .session = e->apart[i],
                          .batch = MAX_BATCH / 2,
                          .decodes = decodes,
                          .seconds = seconds};
        if (pthread_create(&threads[i], NULL, take_turn, &turns[i]) != 0)
            die("threads", "cannot start them");
    }
    for (int i = 0; i < e->n_threads; i++) {
        pthread_join(threads[i], NULL);
        rate += turns[i].rate;
    }
    return rate;
}

/* Which batch is better depends on the caches. */
static void choose_batch(encoder *e, double seconds)
{
    double half = 0, whole = 0;
    for (int i = 0; i < N_TRIES; i++) {
        half += batch_rate(e, MAX_BATCH / 2, seconds / N_TRIES);
        whole += batch_rate(e, MAX_BATCH, seconds / N_TRIES);
    }
    e->batch = half > whole ? MAX_BATCH / 2 : MAX_BATCH;
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
        l->n_errors += strncmp(c->got, "HTTP/1.1 200", 12) != 0;
        l->n_warm += c->n_answers++ == 0;
        if (l->began > 0)
            add_latency(l, now() - c->began);
        begin(l, i);
    }
}

static void run_load(load *l, double seconds)
{
    const size_t n = (size_t)l->how->n_connections;
    l->n = l->n_errors = l->n_warm = 0;
    l->began = 0;
    for (size_t i = 0; i < n; i++) {
        l->connections[i].fd = dial(l->how->port);
        l->connections[i].n_answers = 0;
        l->polls[i] = (struct pollfd){.fd = l->connections[i].fd, .events = POLLIN};
        begin(l, i);
    }
    while (l->began == 0 || now() - l->began < seconds) {
        poll(l->polls, n, 1000);
        for (size_t i = 0; i < n; i++) {
            if (l->polls[i].revents & (POLLIN | POLLHUP | POLLERR))
                pull(l, i);
            else if (l->polls[i].revents & POLLOUT)
                push(l, i);
        }
        if (l->began == 0 && l->n_warm == n)
            l->began = now();
    }
    l->wall = now() - l->began;
    for (size_t i = 0; i < n; i++)
        close(l->connections[i].fd);
    qsort(l->latencies, l->n, sizeof *l->latencies, by_value);
}

static double processor_s(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           1e-6 * (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

/* ---- */

/* Of n rounds' field at offset `at`; part 0: the lowest, 0.5: the median, 1: the highest. */
static double quantile(const round_figures *rounds, int n, size_t at, double part)
{
    double values[MAX_ROUNDS];
    for (int i = 0; i < n; i++)
        memcpy(&values[i], (const char *)&rounds[i] + at, sizeof values[i]);
    qsort(values, (size_t)n, sizeof *values, by_value);
    const int below = (int)(part * (n - 1)), above = (int)(part * (n - 1) + 0.5);
    return (values[below] + values[above]) / 2;
}

static void report(const char *what, const round_figures *r)
{
    printf("{\"bench\":\"%s\",\"server_per_s\":%.1f,\"p50_ms\":%.2f,\"p99_ms\":%.2f,"
           "\"requests\":%zu,\"errors\":%zu,\"client_ms_a_request\":%.3f,\"stolen\":%.3f",
           what, r->server, r->p50_ms, r->p99_ms, r->n, r->n_errors, r->client_ms, r->stolen);
    if (r->batch > 0)
        printf(",\"batch_per_s\":%.1f,\"apart_per_s\":%.1f,\"whole_per_s\":%.1f,"
               "\"of_batch\":%.3f,\"of_apart\":%.3f,\"of_whole\":%.3f",
               r->batch, r->apart, r->whole, r->of_batch, r->of_apart, r->of_whole);
}

static void report_all(const round_figures *rounds, int n, size_t batch)
{
    static const struct {
        const char *name;
        size_t at;
    } shares[] = {{"of_batch", offsetof(round_figures, of_batch)},
                  {"of_apart", offsetof(round_figures, of_apart)},
                  {"of_whole", offsetof(round_figures, of_whole)}};
    round_figures all = {0};
    /* All fields before n are doubles. */
    for (size_t at = 0; at < offsetof(round_figures, n); at += sizeof(double)) {
        const double value = quantile(rounds, n, at, 0.5);
        memcpy((char *)&all + at, &value, sizeof value);
    }
    for (int i = 0; i < n; i++) {
        all.n += rounds[i].n;
        all.n_errors += rounds[i].n_errors;
    }
    report("serve", &all);
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++)
        printf(",\"%s_range\":[%.3f,%.3f]", shares[i].name, quantile(rounds, n, shares[i].at, 0),
               quantile(rounds, n, shares[i].at, 1));
    printf(",\"rounds\":%d,\"batch\":%zu}\n", n, batch);
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

static void measure_load(load *l, double seconds, round_figures *r)
{
    double stolen[2], all[2];
    ticks(&stolen[0], &all[0]);
    const double used = processor_s();
    run_load(l, seconds);
    r->client_ms = l->n ? 1e3 * (processor_s() - used) / (double)l->n : 0;
    ticks(&stolen[1], &all[1]);
    r->stolen = (stolen[1] - stolen[0]) / (all[1] - all[0] + 1);
    r->server = (double)l->n / l->wall;
    r->p50_ms = l->n ? 1e3 * l->latencies[l->n / 2] : 0;
    r->p99_ms = l->n ? 1e3 * l->latencies[l->n * 99 / 100] : 0;
    r->n = l->n;
    r->n_errors = l->n_errors;
}

static void run_round(load *l, const encoder *e, round_figures *r)
{
    const double seconds = l->how->seconds;
    r->batch = batch_rate(e, e->batch, seconds);
    r->apart = apart_rate(e, false, seconds);
    measure_load(l, seconds, r);
    r->whole = apart_rate(e, true, seconds);
    r->of_batch = r->server / r->batch;
    r->of_apart = r->server / r->apart;
    r->of_whole = r->server / r->whole;
    report("round", r);
    printf("}\n");
    fflush(stdout);
}

static void run_rounds(load *l, encoder *e)
{
    const options *how = l->how;
    round_figures rounds[MAX_ROUNDS] = {0};
    open_encoder(how, e);
    choose_batch(e, how->seconds);
    run_load(l, how->seconds); /* opens the server's tower */
    for (int i = 0; i < how->n_rounds; i++)
        run_round(l, e, &rounds[i]);
    report_all(rounds, how->n_rounds, e->batch);
}

int main(int argc, char **argv)
{
    options how;
    encoder e = {0};
    round_figures alone = {0};
    read_options(argc, argv, &how);
    char *photo = read_all(how.photo, &e.n_photo);
    e.photo = photo;
    load l = {.how = &how, .connections = memory((size_t)how.n_connections * sizeof(connection))};
    char *request = make_request(&how, photo, e.n_photo, &l.n_request);
    l.request = request;
    if (how.load_seconds > 0) {
        measure_load(&l, how.load_seconds, &alone);
        report("load", &alone);
        printf("}\n");
    } else {
        run_rounds(&l, &e);
    }
    free(request);
    free(photo);
    free(l.connections);
    free(l.latencies);
    for (int i = 0; i < e.n_threads; i++)
        wi_session_close(&e.apart[i]);
    wi_session_close(&e.session);
    wi_model_close(&e.model);
    wi_engine_close(&e.engine);
    return 0;
}
