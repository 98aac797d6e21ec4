#include "head/resume.h"

#include "base/error.h"
#include "base/sha256.h"
#include "base/size.h"

#include <stdlib.h>
#include <string.h>

/* In this machine's byte order: it is kept for minutes, not handed on. */
typedef struct header {
    char magic[16];
    uint8_t recipe[32], check[32]; /* check: digest of the block with zeros in this place */
    uint64_t n_done, n_truncated;  /* prompts */
} header;

static const char magic[16] = "whatsit head 1";

static const uint8_t no_check[32];

wi_status wi_resume_open(wi_resume *resume, const wi_head_keeper *keeper, const uint8_t recipe[32],
                         size_t n_rows, size_t dim, wi_error *error)
{
    size_t n_floats;
    *resume = (wi_resume){.keeper = keeper};
    if (!wi_size_mul(n_rows, dim, &n_floats) ||
        n_floats > (SIZE_MAX - sizeof(header)) / sizeof(float))
        return wi_fail(error, WI_ERR_LIMIT, "too many labels");
    resume->n_bytes = sizeof(header) + n_floats * sizeof(float);
    resume->block = calloc(1, resume->n_bytes);
    if (!resume->block)
        return wi_fail_nomem(error, resume->n_bytes, "label embeddings");
    header *h = resume->block;
    memcpy(h->magic, magic, sizeof h->magic);
    memcpy(h->recipe, recipe, sizeof h->recipe);
    resume->rows = (float *)(h + 1);
    return WI_OK;
}

static void find_check(const wi_resume *resume, uint8_t check[32])
{
    wi_sha256 sha;
    header *h = resume->block;
    memcpy(h->check, no_check, sizeof h->check);
    wi_sha256_init(&sha);
    wi_sha256_update(&sha, resume->block, resume->n_bytes);
    wi_sha256_finish(&sha, check);
}

bool wi_resume_load(wi_resume *resume, uint64_t n_total, uint64_t *n_done, size_t *n_truncated)
{
    const wi_head_keeper *keeper = resume->keeper;
    if (!keeper || !keeper->load)
        return false;
    header *h = resume->block, fresh = *h;
    uint8_t claimed[32], check[32];
    bool good = keeper->load(keeper->context, resume->block, resume->n_bytes);
    if (good) {
        memcpy(claimed, h->check, sizeof claimed);
        find_check(resume, check);
        good = !memcmp(claimed, check, sizeof check) &&
               !memcmp(h->magic, fresh.magic, sizeof h->magic) &&
               !memcmp(h->recipe, fresh.recipe, sizeof h->recipe) && h->n_done <= n_total;
    }
    if (!good) {
        memset(resume->block, 0, resume->n_bytes);
        *h = fresh;
        return false;
    }
    *n_done = h->n_done;
    *n_truncated = (size_t)h->n_truncated;
    return true;
}

void wi_resume_save(wi_resume *resume, uint64_t n_done, size_t n_truncated)
{
    const wi_head_keeper *keeper = resume->keeper;
    if (!keeper || !keeper->save || (keeper->due && !keeper->due(keeper->context)))
        return;
    uint8_t check[32];
    header *h = resume->block;
    h->n_done = n_done;
    h->n_truncated = n_truncated;
    find_check(resume, check);
    memcpy(h->check, check, sizeof check);
    keeper->save(keeper->context, resume->block, resume->n_bytes);
}
