#include "decoder.h"
#include "sandbox.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_PROCESSES = 64, SECONDS_A_PICTURE = 20, BIG_BYTES = 1 << 20 };

/* What both sides see of one process; the file and the pixels follow. */
typedef struct shared {
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
    bool busy;
} slot;

struct srv_decoder {
    srv_decoder_options options;
    wi_engine *engine; /* of one thread, for its kernels */
    slot slots[MAX_PROCESSES];
    pid_t keeper; /* the process that forks the others and forks them anew */
    pthread_mutex_t mutex;
    pthread_cond_t freed;
    atomic_uint_fast64_t n_deaths;
    const char *kind;
};

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

static void decode_for_ever(const srv_decoder *decoder, const slot *s)
{
    uint64_t turn;
    while (read(s->theirs, &turn, sizeof turn) == (ssize_t)sizeof turn) {
        shared *memory = s->memory;
        alarm(SECONDS_A_PICTURE);
        reply answer = {.turn = turn};
        answer.status =
            (int32_t)decode(decoder->engine, file_of(s), memory->n_bytes, &memory->options,
                            &memory->how, pixels_of(decoder, s), &memory->decoded, &memory->error);
        alarm(0);
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
        for (size_t i = 0; i < decoder->options.n_processes; i++) {
            if (i != index) { /* nothing of other people's pictures */
                close(decoder->slots[i].theirs);
                munmap(decoder->slots[i].memory, decoder->slots[i].n_memory);
            }
        }
        srv_sandbox_enter(decoder->options.max_pixels);
        decode_for_ever(decoder, &decoder->slots[index]);
    }
    return child;
}

/* Replaces every process that ends, and tells the one who waits for it. */
static void keep(srv_decoder *decoder)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    for (size_t i = 0; i < decoder->options.n_processes; i++) {
        close(decoder->slots[i].ours);
    }
    for (size_t i = 0; i < decoder->options.n_processes; i++) {
        decoder->slots[i].child = start_process(decoder, i);
    }
    for (;;) {
        int how;
        pid_t child = wait(&how);
        if (child < 0 && errno != EINTR) {
            _exit(0);
        }
        for (size_t i = 0; child > 0 && i < decoder->options.n_processes; i++) {
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

wi_status srv_decoder_open(const srv_decoder_options *options, srv_decoder **out, wi_error *error)
{
    srv_decoder *decoder = calloc(1, sizeof *decoder);
    if (!decoder) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    decoder->options = *options;
    decoder->kind = options->no_sandbox ? "none" : srv_sandbox_kind();
    if (decoder->options.n_processes > MAX_PROCESSES) {
        decoder->options.n_processes = MAX_PROCESSES;
    }
    pthread_mutex_init(&decoder->mutex, NULL);
    pthread_cond_init(&decoder->freed, NULL);
    for (size_t i = 0; i < MAX_PROCESSES; i++) {
        decoder->slots[i].ours = decoder->slots[i].theirs = -1;
    }
    const wi_engine_options alone = {.n_threads = 1, .isa = options->isa};
    wi_status status = wi_engine_open(&alone, &decoder->engine, error);
    if (status != WI_OK) {
        srv_decoder_close(&decoder);
        return status;
    }
    bool good = true;
    for (size_t i = 0; !options->no_sandbox && good && i < decoder->options.n_processes; i++) {
        good = open_slot(decoder, &decoder->slots[i]);
    }
    if (good && !options->no_sandbox) {
        decoder->keeper = fork();
        if (decoder->keeper == 0) {
            keep(decoder);
        }
        good = decoder->keeper > 0;
    }
    if (!good) {
        int number = errno;
        srv_decoder_close(&decoder);
        return store_fail(error, WI_ERR_IO, "cannot start the processes that decode: %s",
                          strerror(number));
    }
    for (size_t i = 0; i < MAX_PROCESSES; i++) {
        if (decoder->slots[i].theirs >= 0) {
            close(decoder->slots[i].theirs);
            decoder->slots[i].theirs = -1;
        }
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
    wi_engine_close(&(*decoder)->engine);
    pthread_cond_destroy(&(*decoder)->freed);
    pthread_mutex_destroy(&(*decoder)->mutex);
    free(*decoder);
    *decoder = NULL;
}

const char *srv_decoder_kind(const srv_decoder *decoder)
{
    return decoder->kind;
}

uint64_t srv_decoder_deaths(const srv_decoder *decoder)
{
    return decoder->n_deaths;
}

static slot *borrow(srv_decoder *decoder)
{
    slot *found = NULL;
    pthread_mutex_lock(&decoder->mutex);
    while (!found) {
        for (size_t i = 0; !found && i < decoder->options.n_processes; i++) {
            found = decoder->slots[i].busy ? NULL : &decoder->slots[i];
        }
        if (!found) {
            pthread_cond_wait(&decoder->freed, &decoder->mutex);
        }
    }
    found->busy = true;
    pthread_mutex_unlock(&decoder->mutex);
    return found;
}

static void give_back(srv_decoder *decoder, slot *s)
{
    pthread_mutex_lock(&decoder->mutex);
    s->busy = false;
    pthread_cond_signal(&decoder->freed);
    pthread_mutex_unlock(&decoder->mutex);
}

/* Sends the request and waits for the reply to it; older ones are of processes that died. */
static wi_status ask(srv_decoder *decoder, slot *s, wi_error *error)
{
    uint64_t turn = atomic_fetch_add(&s->memory->turn, 1) + 1;
    reply answer = {0};
    if (send(s->ours, &turn, sizeof turn, MSG_NOSIGNAL) != (ssize_t)sizeof turn) {
        return store_fail(error, WI_ERR_INTERNAL, "the processes that decode have ended");
    }
    do {
        ssize_t n = recv(s->ours, &answer, sizeof answer, 0);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n != (ssize_t)sizeof answer) {
            return store_fail(error, WI_ERR_INTERNAL, "the processes that decode have ended");
        }
    } while (answer.turn != turn);
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

wi_status srv_decode(srv_decoder *decoder, const srv_asker *asker, const void *bytes,
                     size_t n_bytes, const wi_image_options *reading, const wi_preprocess *how,
                     uint8_t *pixels, srv_decoded *out, wi_error *error)
{
    (void)asker;
    wi_image_options options = {0};
    if (reading) {
        options = *reading;
    }
    options.max_pixels = decoder->options.max_pixels;
    options.target_px = how->resize_px ? how->resize_px : how->size_px;
    if (n_bytes > decoder->options.max_bytes || how->size_px > decoder->options.max_size_px) {
        return store_fail(error, WI_ERR_LIMIT, "a picture of %zu bytes is over the limit of %zu",
                          n_bytes, decoder->options.max_bytes);
    }
    if (n_bytes == 0) {
        return store_fail(error, WI_ERR_FORMAT, "empty");
    }
    slot *s = borrow(decoder);
    wi_status status;
    if (decoder->keeper <= 0) {
        status = decode(decoder->engine, bytes, n_bytes, &options, how, pixels, out, error);
    } else {
        s->memory->options = options;
        s->memory->how = *how;
        s->memory->n_bytes = n_bytes;
        memcpy(file_of(s), bytes, n_bytes);
        status = ask(decoder, s, error);
        if (status == WI_OK) {
            *out = s->memory->decoded;
            out->format[sizeof out->format - 1] = '\0';
            size_t most = sizeof out->warnings / sizeof out->warnings[0];
            out->n_warnings = out->n_warnings < most ? out->n_warnings : most;
            for (size_t i = 0; i < most; i++) {
                out->warnings[i][sizeof out->warnings[i] - 1] = '\0';
            }
            memcpy(pixels, pixels_of(decoder, s), (size_t)how->size_px * how->size_px * 3);
        }
        if (n_bytes > BIG_BYTES) {
            uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
            uintptr_t from = ((uintptr_t)file_of(s) + page - 1) & ~(page - 1);
            uintptr_t to = (uintptr_t)pixels_of(decoder, s) & ~(page - 1);
            madvise((void *)from, to - from, MADV_REMOVE);
        }
    }
    give_back(decoder, s);
    return status;
}
