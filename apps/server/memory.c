#include "memory.h"
#include <pthread.h>
#include <stdlib.h>

/* As many clients as can hold something at once: each has a connection. */
enum { N_SHARES = 8192 };

typedef struct share {
    uint64_t client; /* 0: free */
    size_t held;
} share;

struct srv_memory {
    pthread_mutex_t mutex;
    size_t total, held;
    share shares[N_SHARES];
};

srv_memory *srv_memory_open(size_t total_bytes)
{
    srv_memory *memory = calloc(1, sizeof *memory);
    if (memory) {
        pthread_mutex_init(&memory->mutex, NULL);
        memory->total = total_bytes;
    }
    return memory;
}

void srv_memory_close(srv_memory **memory)
{
    if (*memory) {
        pthread_mutex_destroy(&(*memory)->mutex);
    }
    free(*memory);
    *memory = NULL;
}

/* Open addressing without deletion holes: a share that holds nothing may be taken by the next client, and is passed
 * over in a search. */
static share *find(srv_memory *memory, uint64_t client)
{
    share *free_one = NULL;
    for (size_t i = 0; i < 64; i++) {
        share *s = &memory->shares[(client + i) % N_SHARES];
        if (s->held > 0 && s->client == client) {
            return s;
        }
        free_one = !free_one && s->held == 0 ? s : free_one;
    }
    return free_one;
}

bool srv_memory_take(srv_memory *memory, uint64_t client, size_t n_bytes)
{
    bool fits = true;
    if (n_bytes == 0) {
        return true;
    }
    pthread_mutex_lock(&memory->mutex);
    share *s = client ? find(memory, client) : NULL;
    fits = n_bytes <= memory->total && memory->held <= memory->total - n_bytes;
    if (client) {
        size_t most = memory->total / 4;
        fits = fits && s && n_bytes <= most && s->held <= most - n_bytes;
    }
    if (fits) {
        memory->held += n_bytes;
    }
    if (fits && s) {
        s->client = client;
        s->held += n_bytes;
    }
    pthread_mutex_unlock(&memory->mutex);
    return fits;
}

void srv_memory_give(srv_memory *memory, uint64_t client, size_t n_bytes)
{
    if (n_bytes == 0) {
        return;
    }
    pthread_mutex_lock(&memory->mutex);
    share *s = client ? find(memory, client) : NULL;
    memory->held -= n_bytes;
    if (s && s->client == client && s->held >= n_bytes) {
        s->held -= n_bytes;
    }
    pthread_mutex_unlock(&memory->mutex);
}

size_t srv_memory_held(srv_memory *memory)
{
    pthread_mutex_lock(&memory->mutex);
    size_t held = memory->held;
    pthread_mutex_unlock(&memory->mutex);
    return held;
}
