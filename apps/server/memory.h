/* The memory that requests hold together: bodies, parsed JSON, files of heads. It is asked for before it is
 * used, so that no number of requests exhausts the machine, and no client holds all of it. */
#ifndef SERVER_MEMORY_H
#define SERVER_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct srv_memory srv_memory;

/* total_bytes for all; a client (a number that stands for it, 0: the server itself) has a quarter of them at most.
 * NULL when memory is out. Threads: any. */
srv_memory *srv_memory_open(size_t total_bytes);
void srv_memory_close(srv_memory **memory);
/* False: not now, and nothing was taken. Each is followed by srv_memory_give of as much. */
bool srv_memory_take(srv_memory *memory, uint64_t client, size_t n_bytes);
void srv_memory_give(srv_memory *memory, uint64_t client, size_t n_bytes);
/* What is held now. */
size_t srv_memory_held(srv_memory *memory);

#endif
