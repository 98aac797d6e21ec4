#include "config.h"
#include <unistd.h>

void srv_config_defaults(srv_config *config)
{
    long n_cores = sysconf(_SC_NPROCESSORS_ONLN);
    *config = (srv_config){
        .address = "127.0.0.1",
        .port = 8080,
        .n_io = n_cores > 4 ? 2 : 1,
        .n_workers = n_cores > 8 ? 4 * (unsigned)n_cores : 32,
        .n_decoders = n_cores < 1    ? 1
                      : n_cores > 64 ? 64
                                     : (unsigned)n_cores,
        .max_connections = 4096,
        .max_queue = 256,
        .max_batch = 8,
        .batch_wait_ms = 4,
        .idle_s = 600,
        .timeout_s = 30,
        .max_body_bytes = (size_t)20 << 20,
        .max_pixels = 50000000,
        .rate = 5,
        .burst = 20,
        .max_decode_s = 10,
        .guest_decode_s = 0.5,
        .log = {.level = SRV_LOG_INFO},
        .guest_heads = 20,
        .guest_bytes = (int64_t)16 << 20,
        .guests_bytes = (int64_t)512 << 20,
        .all_bytes = (int64_t)16 << 30,
        .guest_days = 7,
        .own_vectors = 50000,
        .guest_vectors = 1000,
        .guests_vectors = 100000,
        .all_vectors = 1000000,
    };
}
