#include "decoder.h"
#include "clock.h"
#include "cost.h"
#include "gate.h"
#include "sandbox.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    MAX_PROCESSES = 160,
    WALL_SECONDS = 120, /* of a picture, however little of a core it gets */
    BIG_BYTES = 1 << 20,
    LOOK_MS = 200,
    START_MS = 10000,
    UNCONFINED = 3 /* how a process ends that could not give everything up */
};
/* Seconds: what costs more is decoded by processes of their own, which give way to everything else, so that cheap
 * pictures never wait behind costly ones. */
#define COSTLY_S 0.2
#define QUANTUM_MS 20.0

enum { CHEAP = SRV_DECODING_CHEAP, COSTLY = SRV_DECODING_COSTLY, N_CLASSES = SRV_N_DECODING };

/* Of the processes, for whoever looks at them. */
static const char *const names[N_CLASSES] = {"whatsit-cheap", "whatsit-heavy", "whatsit-costly"};

/* What both sides see of one process; the file and the pixels follow. */
typedef struct shared {
    unsigned in_force; /* of the sandbox; written before anything of a stranger's is read */
    int failed;
    _Atomic uint64_t turn; /* of the request under way: stale replies are known by it */
    wi_image_options options;
    wi_preprocess how;
    size_t n_bytes;
    srv_decoded decoded;
    wi_error error;
} shared;

typedef struct reply {
    uint64_t turn;
    int32_t status; /* -1: the process died */
} reply;

typedef struct slot {
    shared *memory;
    size_t n_memory;
    int ours, theirs; /* ends of a socket pair */
    pid_t child;      /* known to the keeper only */
    atomic_bool busy;
} slot;

struct srv_decoder {
    srv_decoder_options options;
    wi_engine *engine; /* of one thread, for its kernels */
    slot slots[MAX_PROCESSES];
    unsigned first[N_CLASSES + 1]; /* of each class's processes; at last how many there are */
    pid_t keeper;                  /* the process that forks the others and forks them anew */
    srv_gate *gates[N_CLASSES];
    atomic_uint_fast64_t n_deaths, n_pictures[N_CLASSES], busy_us[N_CLASSES];
    char kind[120];
};

static unsigned n_slots(const srv_decoder *decoder)
{
    return decoder->first[N_CLASSES];
}

static uint8_t *file_of(const slot *s)
{
    return (uint8_t *)(s->memory + 1);
}

static uint8_t *pixels_of(const srv_decoder *decoder, const slot *s)
{
    return file_of(s) + decoder->options.max_bytes;
}

static wi_status decode(const wi_engine *engine, const void *bytes, size_t n_bytes,
                        const wi_image_options *options, const wi_preprocess *how, uint8_t *pixels,
                        srv_decoded *out, wi_error *error)
{
    wi_image *image = NULL;
    wi_status status = wi_image_from_memory(bytes, n_bytes, options, &image, error);
    if (status == WI_OK) {
        status = wi_image_preprocess(engine, image, how, pixels, error);
    }
    if (status == WI_OK) {
        out->width_px = wi_image_width(image);
        out->height_px = wi_image_height(image);
        snprintf(out->format, sizeof out->format, "%s", wi_image_format(image));
        out->n_warnings = 0;
        const char *warning;
        while (out->n_warnings < sizeof out->warnings / sizeof out->warnings[0] &&
               (warning = wi_image_warning(image, out->n_warnings))) {
            snprintf(out->warnings[out->n_warnings], sizeof out->warnings[0], "%s", warning);
            out->n_warnings++;
        }
    }
    wi_image_close(&image);
    return status;
}

/* ---- the processes ---- */

/* Of the cores, and of the clock: whichever is over ends the process. */
static void limit_time(double cpu_s, unsigned wall_s)
{
    struct itimerval cpu = {
        .it_value = {.tv_sec = (time_t)cpu_s, .tv_usec = (suseconds_t)(cpu_s * 1e6) % 1000000}};
    setitimer(ITIMER_PROF, &cpu, NULL);
    alarm(wall_s);
}

static void decode_for_ever(const srv_decoder *decoder, const slot *s)
{
    uint64_t turn;
    while (read(s->theirs, &turn, sizeof turn) == (ssize_t)sizeof turn) {
        shared *memory = s->memory;
        limit_time(decoder->options.max_seconds, WALL_SECONDS);
        reply answer = {.turn = turn};
        answer.status = decoder->options.instead
                            ? (int32_t)decoder->options.instead(file_of(s), memory->n_bytes,
                                                                pixels_of(decoder, s))
                            : (int32_t)decode(decoder->engine, file_of(s), memory->n_bytes,
                                              &memory->options, &memory->how, pixels_of(decoder, s),
                                              &memory->decoded, &memory->error);
        limit_time(0, 0);
        if (write(s->theirs, &answer, sizeof answer) != (ssize_t)sizeof answer) {
            break;
        }
    }
    _exit(0);
}

static pid_t start_process(srv_decoder *decoder, size_t index)
{
    pid_t child = fork();
    if (child == 0) {
        signal(SIGINT, SIG_IGN);
        signal(SIGTERM, SIG_DFL);
        signal(SIGALRM, SIG_DFL);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGPROF, SIG_DFL);
        for (size_t i = 0; i < n_slots(decoder); i++) {
            if (i != index) { /* nothing of other people's pictures */
                close(decoder->slots[i].theirs);
                munmap(decoder->slots[i].memory, decoder->slots[i].n_memory);
            }
        }
        int class = CHEAP;
        while (index >= decoder->first[class + 1]) {
            class ++;
        }
        if (class != CHEAP) {
            srv_give_way();
        }
        prctl(PR_SET_NAME, names[class]); /* last: who reads the name finds the rest as it stays */
        shared *memory = decoder->slots[index].memory;
        memory->in_force = srv_sandbox_enter(decoder->options.max_pixels, &memory->failed);
        reply ready = {0};
        bool confined = (memory->in_force & srv_sandbox_needed()) == srv_sandbox_needed();
        if (write(decoder->slots[index].theirs, &ready, sizeof ready) != (ssize_t)sizeof ready ||
            !confined) {
            _exit(UNCONFINED);
        }
        decode_for_ever(decoder, &decoder->slots[index]);
    }
    return child;
}

/* What the server wants ended, because nobody waits for it any more: the number of a slot comes with the signal. */
static srv_decoder *kept;

static void end_process(int number, siginfo_t *info, void *context)
{
    int index = info->si_value.sival_int;
    (void)number;
    (void)context;
    if (index >= 0 && (unsigned)index < n_slots(kept) && kept->slots[index].child > 0) {
        kill(kept->slots[index].child, SIGKILL);
    }
}

/* Replaces every process that ends, and tells the one who waits for it. */
static void keep(srv_decoder *decoder)
{
    struct sigaction ending = {.sa_sigaction = end_process, .sa_flags = SA_SIGINFO};
    kept = decoder;
    sigaction(SIGUSR1, &ending, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    for (size_t i = 0; i < n_slots(decoder); i++) {
        close(decoder->slots[i].ours);
    }
    for (size_t i = 0; i < n_slots(decoder); i++) {
        decoder->slots[i].child = start_process(decoder, i);
    }
    for (;;) {
        int how;
        pid_t child = wait(&how);
        if (child < 0 && errno != EINTR) {
            _exit(0);
        }
        if (child > 0 && WIFEXITED(how) && WEXITSTATUS(how) == UNCONFINED) {
            usleep(LOOK_MS * 1000); /* the next one may fare no better */
        }
        for (size_t i = 0; child > 0 && i < n_slots(decoder); i++) {
            slot *s = &decoder->slots[i];
            if (s->child == child) {
                reply answer = {.turn = atomic_load(&s->memory->turn), .status = -1};
                s->child = start_process(decoder, i);
                if (send(s->theirs, &answer, sizeof answer, MSG_NOSIGNAL) < 0) {
                    _exit(0);
                }
            }
        }
    }
}

/* ---- this side ---- */

static bool open_slot(srv_decoder *decoder, slot *s)
{
    size_t n_pixels = (size_t)decoder->options.max_size_px * decoder->options.max_size_px * 3;
    int ends[2];
    s->n_memory = sizeof(shared) + decoder->options.max_bytes + n_pixels;
    void *memory = mmap(NULL, s->n_memory, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return false;
    }
    s->memory = memory;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        return false;
    }
    s->ours = ends[0];
    s->theirs = ends[1];
    return true;
}

/* What all processes have told: nothing is decoded before every one of them has given up what it must. */
static wi_status check_confined(srv_decoder *decoder, wi_error *error)
{
    unsigned in_force = ~0u;
    char missing[120];
    for (unsigned i = 0; i < n_slots(decoder); i++) {
        struct pollfd fd = {.fd = decoder->slots[i].ours, .events = POLLIN};
        reply ready;
        if (poll(&fd, 1, START_MS) != 1 ||
            recv(decoder->slots[i].ours, &ready, sizeof ready, 0) != (ssize_t)sizeof ready) {
            return store_fail(error, WI_ERR_INTERNAL, "a process that decodes does not start");
        }
        in_force &= decoder->slots[i].memory->in_force;
        if ((in_force & srv_sandbox_needed()) != srv_sandbox_needed()) {
            srv_sandbox_describe(srv_sandbox_needed() & ~in_force, missing, sizeof missing);
            return store_fail(
                error, WI_ERR_UNSUPPORTED,
                "pictures cannot be decoded safely here: %s: %s; '--no-sandbox' serves without",
                missing, strerror(decoder->slots[i].memory->failed));
        }
    }
    srv_sandbox_describe(in_force, decoder->kind, sizeof decoder->kind);
    return WI_OK;
}

static wi_status open_gates(srv_decoder *decoder, wi_error *error)
{
    wi_status status = WI_OK;
    for (int class = 0; class < N_CLASSES && status == WI_OK; class ++) {
        unsigned n = decoder->first[class + 1] - decoder->first[class];
        const srv_gate_options gate = {
            .n_inside = n,
            .n_each = class == CHEAP && n > 1 ? n - 1 : n, /* one is left for somebody else */
            .max_waiting = class == COSTLY ? decoder->options.max_costly_waiting
                                           : decoder->options.max_waiting,
            .max_each = decoder->options.max_waiting,
            .quantum = QUANTUM_MS,
        };
        status = srv_gate_open(&gate, &decoder->gates[class], error);
    }
    return status;
}

static wi_status start_keeper(srv_decoder *decoder, wi_error *error)
{
    bool good = true;
    for (size_t i = 0; good && i < n_slots(decoder); i++) {
        good = open_slot(decoder, &decoder->slots[i]);
    }
    if (good) {
        decoder->keeper = fork();
        if (decoder->keeper == 0) {
            keep(decoder);
        }
        good = decoder->keeper > 0;
    }
    if (!good) {
        return store_fail(error, WI_ERR_IO, "cannot start the processes that decode: %s",
                          strerror(errno));
    }
    for (size_t i = 0; i < MAX_PROCESSES; i++) {
        if (decoder->slots[i].theirs >= 0) {
            close(decoder->slots[i].theirs);
            decoder->slots[i].theirs = -1;
        }
    }
    return check_confined(decoder, error);
}

wi_status srv_decoder_open(const srv_decoder_options *options, srv_decoder **out, wi_error *error)
{
    srv_decoder *decoder = calloc(1, sizeof *decoder);
    if (!decoder) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    decoder->options = *options;
    strcpy(decoder->kind, "none");
    unsigned n =
        options->n_processes < MAX_PROCESSES * 2 / 5 ? options->n_processes : MAX_PROCESSES * 2 / 5;
    decoder->first[CHEAP + 1] = n;
    decoder->first[COSTLY] = 2 * n;
    decoder->first[N_CLASSES] = 2 * n + (n + 1) / 2;
    for (size_t i = 0; i < MAX_PROCESSES; i++) {
        decoder->slots[i].ours = decoder->slots[i].theirs = -1;
    }
    const wi_engine_options alone = {.n_threads = 1, .isa = options->isa};
    wi_status status = wi_engine_open(&alone, &decoder->engine, error);
    if (status == WI_OK && !options->no_sandbox) {
        status = start_keeper(decoder, error);
    }
    status = status ? status : open_gates(decoder, error);
    if (status != WI_OK) {
        srv_decoder_close(&decoder);
        return status;
    }
    *out = decoder;
    return WI_OK;
}

void srv_decoder_close(srv_decoder **decoder)
{
    if (!*decoder) {
        return;
    }
    if ((*decoder)->keeper > 0) {
        kill((*decoder)->keeper, SIGKILL);
        waitpid((*decoder)->keeper, NULL, 0);
    }
    for (size_t i = 0; i < MAX_PROCESSES; i++) {
        slot *s = &(*decoder)->slots[i];
        if (s->ours >= 0) {
            close(s->ours);
        }
        if (s->theirs >= 0) {
            close(s->theirs);
        }
        if (s->memory) {
            munmap(s->memory, s->n_memory);
        }
    }
    for (int class = 0; class < N_CLASSES; class ++) {
        srv_gate_close(&(*decoder)->gates[class]);
    }
    wi_engine_close(&(*decoder)->engine);
    free(*decoder);
    *decoder = NULL;
}

const char *srv_decoder_kind(const srv_decoder *decoder)
{
    return decoder->kind;
}

void srv_decoder_measure(srv_decoder *decoder, srv_decoder_figures *out)
{
    out->n_deaths = decoder->n_deaths;
    for (int class = 0; class < N_CLASSES; class ++) {
        out->n_pictures[class] = decoder->n_pictures[class];
        out->seconds[class] = (double)decoder->busy_us[class] / 1e6;
        out->n_waiting[class] = srv_gate_waiting(decoder->gates[class]);
        out->age_s[class] = srv_gate_age_ms(decoder->gates[class]) / 1e3;
    }
}

/* A free one: its gate lets no more in than there are. */
static slot *borrow(srv_decoder *decoder, int class)
{
    unsigned i = decoder->first[class];
    while (atomic_exchange(&decoder->slots[i].busy, true)) {
        i = i + 1 < decoder->first[class + 1] ? i + 1 : decoder->first[class];
    }
    return &decoder->slots[i];
}

/* The next reply. While none comes it looks whether anybody still waits for it, and if not has the process ended,
 * whose death is a reply as well. */
static bool receive(srv_decoder *decoder, slot *s, const srv_asker *asker, bool *ended, reply *out)
{
    struct pollfd fd = {.fd = s->ours, .events = POLLIN};
    for (;;) {
        int n = poll(&fd, 1, LOOK_MS);
        if (n > 0) {
            return recv(s->ours, out, sizeof *out, 0) == (ssize_t)sizeof *out;
        }
        if (n < 0 && errno != EINTR) {
            return false;
        }
        if (n == 0 && !*ended && srv_asker_is_gone(asker)) {
            *ended = sigqueue(decoder->keeper, SIGUSR1,
                              (union sigval){.sival_int = (int)(s - decoder->slots)}) == 0;
        }
    }
}

/* Sends the request and waits for the reply to it; older ones are of processes that died. */
static wi_status ask(srv_decoder *decoder, slot *s, const srv_asker *asker, wi_error *error)
{
    uint64_t turn = atomic_fetch_add(&s->memory->turn, 1) + 1;
    reply answer = {0};
    bool ended = false;
    if (send(s->ours, &turn, sizeof turn, MSG_NOSIGNAL) != (ssize_t)sizeof turn) {
        return store_fail(error, WI_ERR_INTERNAL, "the processes that decode have ended");
    }
    do {
        if (!receive(decoder, s, asker, &ended, &answer)) {
            return store_fail(error, WI_ERR_INTERNAL, "the processes that decode have ended");
        }
    } while (answer.turn != turn || (ended && answer.status >= 0));
    if (ended) {
        return store_fail(error, WI_ERR_CANCELLED, "the client has left");
    }
    if (answer.status < 0) {
        atomic_fetch_add(&decoder->n_deaths, 1);
        return store_fail(error, WI_ERR_FORMAT,
                          "the picture cannot be decoded: its decoder was stopped");
    }
    if (answer.status != WI_OK) {
        s->memory->error.message[WI_ERROR_MESSAGE_BYTES - 1] = '\0';
        return store_fail(error, (wi_status)answer.status, "%s", s->memory->error.message);
    }
    return WI_OK;
}

/* What a process wrote may be anything. */
static void end_texts(srv_decoded *out)
{
    size_t most = sizeof out->warnings / sizeof out->warnings[0];
    out->format[sizeof out->format - 1] = '\0';
    out->n_warnings = out->n_warnings < most ? out->n_warnings : most;
    for (size_t i = 0; i < most; i++) {
        out->warnings[i][sizeof out->warnings[i] - 1] = '\0';
    }
}

/* By a process, or here when there are none. */
static wi_status decode_in(srv_decoder *decoder, slot *s, const srv_asker *asker, const void *bytes,
                           size_t n_bytes, const wi_image_options *reading,
                           const wi_preprocess *how, uint8_t *pixels, srv_decoded *out,
                           wi_error *error)
{
    wi_image_options options = {0};
    if (reading) {
        options = *reading;
    }
    options.max_pixels = decoder->options.max_pixels;
    options.target_px = how->mode == WI_RESIZE_NONE ? 0
                        : how->resize_px            ? how->resize_px
                                                    : how->size_px;
    if (decoder->keeper <= 0) {
        return decode(decoder->engine, bytes, n_bytes, &options, how, pixels, out, error);
    }
    s->memory->options = options;
    s->memory->how = *how;
    s->memory->n_bytes = n_bytes;
    memcpy(file_of(s), bytes, n_bytes);
    wi_status status = ask(decoder, s, asker, error);
    if (status == WI_OK) {
        *out = s->memory->decoded;
        end_texts(out);
        memcpy(pixels, pixels_of(decoder, s), (size_t)how->size_px * how->size_px * 3);
    }
    if (n_bytes > BIG_BYTES) {
        uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
        uintptr_t from = ((uintptr_t)file_of(s) + page - 1) & ~(page - 1);
        uintptr_t to = (uintptr_t)pixels_of(decoder, s) & ~(page - 1);
        madvise((void *)from, to - from, MADV_REMOVE);
    }
    return status;
}

/* Nothing is begun that is too much for one picture, or for what the asker has left. */
static wi_status check_cost(srv_decoder *decoder, const srv_asker *asker, const srv_cost *cost,
                            wi_error *error)
{
    if (cost->n_pixels <= decoder->options.max_pixels &&
        cost->seconds > decoder->options.max_seconds) {
        return store_fail(error, WI_ERR_LIMIT,
                          "%.1f million pixels in %u scans would take about %.0f s to decode, "
                          "which is over the limit",
                          (double)cost->n_pixels / 1e6, cost->n_scans, cost->seconds);
    }
    return srv_burden_check(decoder->options.burden, asker, error);
}

static void charge(srv_decoder *decoder, const srv_asker *asker, int class, double ms)
{
    atomic_fetch_add(&decoder->n_pictures[class], 1);
    atomic_fetch_add(&decoder->busy_us[class], (uint64_t)(ms * 1e3));
    srv_burden_add(decoder->options.burden, asker->client, ms / 1e3);
}

static int class_of(const srv_asker *asker, const srv_cost *cost)
{
    return cost->seconds > COSTLY_S ? COSTLY : asker->gives_way ? SRV_DECODING_HEAVY : CHEAP;
}

bool srv_decode_is_quick(const void *bytes, size_t n_bytes)
{
    return srv_cost_of(bytes, n_bytes).seconds <= COSTLY_S;
}

wi_status srv_decode(srv_decoder *decoder, const srv_asker *asker, const void *bytes,
                     size_t n_bytes, const wi_image_options *reading, const wi_preprocess *how,
                     uint8_t *pixels, srv_decoded *out, wi_error *error)
{
    if (n_bytes > decoder->options.max_bytes || how->size_px > decoder->options.max_size_px) {
        return store_fail(error, WI_ERR_LIMIT, "a picture of %zu bytes is over the limit of %zu",
                          n_bytes, decoder->options.max_bytes);
    }
    if (n_bytes == 0) {
        return store_fail(error, WI_ERR_FORMAT, "empty");
    }
    const srv_cost cost = srv_cost_of(bytes, n_bytes);
    int class = class_of(asker, &cost);
    wi_status status = check_cost(decoder, asker, &cost, error);
    status = status ? status : srv_gate_enter(decoder->gates[class], asker, error);
    if (status != WI_OK) {
        return status;
    }
    slot *s = borrow(decoder, class);
    double begun = srv_clock_ms();
    status = decode_in(decoder, s, asker, bytes, n_bytes, reading, how, pixels, out, error);
    double ms = srv_clock_ms() - begun;
    atomic_store(&s->busy, false);
    charge(decoder, asker, class, ms);
    srv_gate_leave(decoder->gates[class], asker, ms);
    return status;
}
