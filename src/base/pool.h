/* A pool of threads that runs numbered jobs. Which thread runs a job never changes its result. */
#ifndef WI_BASE_POOL_H
#define WI_BASE_POOL_H

#include <whatsit/status.h>

typedef struct wi_pool wi_pool;

/* n_threads >= 1 counts the caller's thread. When a thread cannot be started, the pool has fewer.
 */
wi_status wi_pool_open(int n_threads, wi_pool **out, wi_error *error);
void wi_pool_close(wi_pool **pool);
int wi_pool_threads(const wi_pool *pool);

/* job(context, index, worker) for index 0..n_jobs-1, each once, on the pool's threads and the
 * caller's; worker is 0..threads-1 and names the running thread (for its scratch memory). Returns
 * when all are done. When another thread is using the pool, or with one thread, the jobs run on the
 * caller alone as worker 0, so sessions on several threads never wait for each other. A job must
 * not call wi_pool_run. */
typedef void wi_pool_job(void *context, size_t index, int worker);
void wi_pool_run(wi_pool *pool, size_t n_jobs, wi_pool_job *job, void *context);

#endif
