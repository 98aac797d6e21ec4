#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "guard.h"

#include "cases.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BLOCKS = 32, SLACK_BYTE = 0xa5, USER_BYTE = 0xff };

typedef struct block {
    unsigned char *base, *user, *slack_end; /* [base, user) and [user + n, slack_end) keep theirs */
    size_t n_user, n_base;
} block;

static block blocks[MAX_BLOCKS];
static size_t n_blocks;

#if defined(__wasm__)

static void map_block(block *b, guard_side side)
{
    (void)side;
    b->n_base = b->n_user + 512;
    b->base = aligned_alloc(64, (b->n_base + 63) / 64 * 64);
    assert_non_null(b->base);
    b->user = b->base + 256;
    b->slack_end = b->base + b->n_base;
    memset(b->base, SLACK_BYTE, b->n_base);
}

static void unmap_block(block *b)
{
    free(b->base);
}

#else

#include <sys/mman.h>
#include <unistd.h>

/* base: the first page that may be touched; a page that faults stands before it and behind it. */
static void map_block(block *b, guard_side side)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    b->n_base = b->n_user ? (b->n_user + page - 1) / page * page : page;
    unsigned char *all =
        mmap(NULL, b->n_base + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(all != MAP_FAILED);
    b->base = all + page;
    assert_int_equal(mprotect(b->base, b->n_base, PROT_READ | PROT_WRITE), 0);
    b->slack_end = b->base + b->n_base;
    b->user = side == GUARD_BEHIND ? b->slack_end - b->n_user : b->base;
    memset(b->base, SLACK_BYTE, b->n_base);
}

static void unmap_block(block *b)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    munmap(b->base - page, b->n_base + 2 * page);
}

#endif

void *guard_take(size_t n_bytes, guard_side side)
{
    assert_true(n_blocks < MAX_BLOCKS);
    block *b = &blocks[n_blocks];
    b->n_user = n_bytes;
    map_block(b, side);
    memset(b->user, USER_BYTE, n_bytes);
    n_blocks++;
    return b->user;
}

static int is_whole(const block *b)
{
    for (const unsigned char *p = b->base; p < b->user; p++)
        if (*p != SLACK_BYTE)
            return 0;
    for (const unsigned char *p = b->user + b->n_user; p < b->slack_end; p++)
        if (*p != SLACK_BYTE)
            return 0;
    return 1;
}

void guard_release_all(void)
{
    int whole = 1;
    for (size_t i = 0; i < n_blocks; i++) {
        whole &= is_whole(&blocks[i]);
        unmap_block(&blocks[i]);
    }
    n_blocks = 0;
    if (!whole)
        fail_msg("%s wrote outside its buffer", case_now());
}
