#include "approximate.h"
#include "approximate_module.h"
#include "module.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Behind what faiss wrote: whose rows these are. Little-endian, as the index. */
typedef struct trailer {
    char magic[8];
    uint32_t dim, zero;
    uint64_t n_rows,
        n_trained;    /* rows covered, and how many there were when the centres were found */
    uint64_t check;   /* over some of the rows */
    uint64_t n_bytes; /* of the file, this included */
    char fingerprint[64];
} trailer;
static const char magic[8] = "WIAPPRX";

enum { CHECKED_ROWS = 4, WORST_ROWS = 100000, MOST_DIM = 16384 };

struct approximate {
    const approximate_module *module;
    void *opened;
    uint32_t dim;
    uint64_t n_rows;
};

static wi_status fail(wi_error *error, wi_status status, const char *path, const char *why)
{
    if (error) {
        error->status = status;
        snprintf(error->message, sizeof error->message, "%.150s%s%.90s", path, path[0] ? ": " : "",
                 why);
    }
    return status;
}

/* ---- the module ---- */

static wi_status find_module(const approximate_module **out, wi_error *error)
{
    static const approximate_module *module;
    if (!module) {
        /* OpenMP's threads would else wait busily, against our own. */
        setenv("OMP_WAIT_POLICY", "passive", 0);
        module = module_find("whatsit_faiss.so", "approximate_module_table");
    }
    *out = module;
    if (!module || module->version != APPROXIMATE_MODULE_VERSION)
        return fail(error, WI_ERR_UNSUPPORTED, "",
                    "approximate search is not in this installation (it needs faiss)");
    return WI_OK;
}

/* ---- the file ---- */

static bool check_of(const wi_index *index, uint64_t n_rows, uint64_t *out)
{
    static float row[MOST_DIM];
    wi_index_info info;
    *out = 14695981039346656037u; /* FNV-1a */
    if (n_rows == 0 || wi_index_get_info(index, &info, NULL) != WI_OK || info.n_rows < n_rows)
        return false;
    for (uint64_t i = 0; i < CHECKED_ROWS; i++) {
        if (wi_index_row(index, i * (n_rows - 1) / (CHECKED_ROWS - 1), row, NULL) != WI_OK)
            return false;
        const unsigned char *bytes = (const unsigned char *)row;
        for (size_t j = 0; j < info.dim * sizeof *row; j++)
            *out = (*out ^ bytes[j]) * 1099511628211u;
    }
    return true;
}

/* Errors as approximate_open's. */
static wi_status read_trailer(const char *path, const wi_index *index, uint64_t n_rows,
                              trailer *out, wi_error *error)
{
    wi_index_info info;
    struct stat st;
    uint64_t check;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(error, errno == ENOENT ? WI_ERR_NOT_FOUND : WI_ERR_IO, path, strerror(errno));
    const bool whole =
        fstat(fd, &st) == 0 && st.st_size > (off_t)sizeof *out &&
        pread(fd, out, sizeof *out, st.st_size - (off_t)sizeof *out) == sizeof *out &&
        memcmp(out->magic, magic, sizeof magic) == 0 && out->n_bytes == (uint64_t)st.st_size;
    close(fd);
    if (!whole)
        return fail(error, WI_ERR_FORMAT, path, "is no approximate index");
    wi_index_get_info(index, &info, NULL);
    if (out->dim != info.dim || out->n_rows > n_rows ||
        memcmp(out->fingerprint, info.fingerprint, sizeof out->fingerprint) != 0 ||
        !check_of(index, out->n_rows, &check) || check != out->check)
        return fail(error, WI_ERR_MISMATCH, path, "was made of other vectors");
    return WI_OK;
}

bool approximate_is_current(const char *path, const wi_index *index, uint64_t n_rows)
{
    trailer has;
    if (read_trailer(path, index, n_rows, &has, NULL) != WI_OK)
        return false;
    const uint64_t behind = n_rows - has.n_rows;
    return behind <= WORST_ROWS || behind <= has.n_rows / 20;
}

static bool give_row(const void *context, uint64_t row, float *out)
{
    return wi_index_row(context, row, out, NULL) == WI_OK;
}

/* Puts the trailer behind, and the file in its place. */
static wi_status finish(const char *beside, const char *path, trailer *says, wi_error *error)
{
    struct stat st = {0};
    const int fd = open(beside, O_WRONLY | O_APPEND | O_CLOEXEC);
    const bool sized = fd >= 0 && fstat(fd, &st) == 0;
    says->n_bytes = (uint64_t)st.st_size + sizeof *says;
    const bool good = sized && write(fd, says, sizeof *says) == sizeof *says && fsync(fd) == 0;
    const int number = errno;
    if (fd >= 0)
        close(fd);
    if (!good || rename(beside, path) != 0)
        return fail(error, WI_ERR_IO, path, strerror(good ? errno : number));
    return WI_OK;
}

wi_status approximate_update(const char *path, const wi_index *index, uint64_t n_rows,
                             int n_threads, const wi_progress *progress, wi_error *error)
{
    const approximate_module *module;
    wi_index_info info;
    trailer has, says = {.n_rows = n_rows, .n_trained = n_rows};
    char beside[PATH_MAX];
    wi_status status = find_module(&module, error);
    if (status != WI_OK)
        return status;
    if (n_rows < APPROXIMATE_LEAST_ROWS)
        return fail(error, WI_ERR_ARG, "", "an approximate index needs 10,000 vectors");
    if (snprintf(beside, sizeof beside, "%s.new", path) >= (int)sizeof beside)
        return fail(error, WI_ERR_ARG, path, "the path is too long");
    wi_index_get_info(index, &info, NULL);
    /* Centres of a quarter of the rows are those of all still. */
    const bool extends =
        read_trailer(path, index, n_rows, &has, NULL) == WI_OK && n_rows / 4 <= has.n_trained;
    const approximate_rows rows = {info.dim, extends ? has.n_rows : 0, n_rows, give_row, index};
    memcpy(says.magic, magic, sizeof magic);
    memcpy(says.fingerprint, info.fingerprint, sizeof says.fingerprint);
    says.dim = info.dim;
    says.n_trained = extends ? has.n_trained : n_rows;
    if (!check_of(index, n_rows, &says.check))
        return fail(error, WI_ERR_ARG, path, "the index has fewer rows");
    status = module->make(extends ? path : NULL, beside, &rows, n_threads, progress, error);
    if (status == WI_OK)
        status = finish(beside, path, &says, error);
    if (status != WI_OK)
        unlink(beside);
    return status;
}

/* ---- searching ---- */

wi_status approximate_open(const char *path, const wi_index *index, uint64_t n_rows, int n_threads,
                           approximate **out, wi_error *error)
{
    trailer has;
    approximate near = {0};
    wi_status status = read_trailer(path, index, n_rows, &has, error);
    if (status == WI_OK)
        status = find_module(&near.module, error);
    if (status == WI_OK)
        status = near.module->open(path, has.dim, n_threads, &near.opened, error);
    else
        return status;
    if (status != WI_OK)
        return fail(error, status, path, "faiss cannot read it");
    near.dim = has.dim;
    near.n_rows = has.n_rows;
    *out = malloc(sizeof **out);
    if (!*out) {
        near.module->close(near.opened);
        return fail(error, WI_ERR_NOMEM, "", "out of memory");
    }
    **out = near;
    return WI_OK;
}

void approximate_close(approximate **near)
{
    if (*near)
        (*near)->module->close((*near)->opened);
    free(*near);
    *near = NULL;
}

static int by_rank(const void *a, const void *b)
{
    const wi_index_hit *x = a, *y = b;
    return x->score != y->score ? (x->score < y->score ? 1 : -1)
                                : (x->row > y->row) - (x->row < y->row);
}

/* Exact cosines of the candidates. row[dim] is working memory. */
static wi_status score(const wi_index *index, const float *query, size_t dim, const int64_t *rows,
                       size_t n, float *row, wi_index_hit *out, wi_error *error)
{
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        const wi_status status = wi_index_row(index, (uint64_t)rows[i], row, error);
        if (status != WI_OK)
            return status;
        for (size_t j = 0; j < dim; j++)
            sum += (double)row[j] * (double)query[j];
        out[i] = (wi_index_hit){(uint64_t)rows[i], sum > 1 ? 1 : (float)sum};
    }
    return WI_OK;
}

/* The rows that were appended since, by a pass over them. */
static wi_status search_rest(const approximate *near, const wi_index *index, uint64_t n_rows,
                             const float *query, size_t k, wi_index_hit *out, size_t *n_out,
                             wi_error *error)
{
    wi_index_info info;
    *n_out = 0;
    if (near->n_rows == n_rows)
        return WI_OK;
    wi_index_get_info(index, &info, NULL);
    uint8_t *bits = calloc((size_t)(info.n_rows / 8 + 1), 1);
    if (!bits)
        return fail(error, WI_ERR_NOMEM, "", "out of memory");
    for (uint64_t row = near->n_rows; row < n_rows; row++)
        bits[row / 8] = (uint8_t)(bits[row / 8] | 1u << row % 8);
    const wi_status status = wi_index_search(index, query, k, bits, out, n_out, error);
    free(bits);
    return status;
}

wi_status approximate_search(const approximate *near, const wi_index *index, uint64_t n_rows,
                             const float *query, size_t k, wi_index_hit *out, size_t *n_out,
                             wi_error *error)
{
    const size_t room = 4 * k + 64; /* as the exact search's */
    size_t n = 0, n_rest = 0;
    int64_t *rows = calloc(room, sizeof *rows);
    wi_index_hit *hits = calloc(room + k, sizeof *hits);
    float *unit = calloc(2 * (size_t)near->dim, sizeof *unit);
    wi_status status =
        rows && hits && unit ? WI_OK : fail(error, WI_ERR_NOMEM, "", "out of memory");
    double squares = 0;
    for (size_t j = 0; j < near->dim; j++)
        squares += (double)query[j] * (double)query[j];
    if (status == WI_OK && !(isfinite(squares) && squares > 0))
        status = fail(error, WI_ERR_ARG, "", "the query has no direction");
    for (size_t j = 0; j < near->dim && status == WI_OK; j++)
        unit[j] = (float)((double)query[j] / sqrt(squares));
    if (status == WI_OK)
        status = near->module->candidates(near->opened, unit, room, rows, &n, error);
    if (status == WI_OK)
        status = score(index, unit, near->dim, rows, n, unit + near->dim, hits, error);
    if (status == WI_OK)
        status = search_rest(near, index, n_rows, unit, k, hits + n, &n_rest, error);
    if (status == WI_OK) {
        if (n + n_rest > 1)
            qsort(hits, n + n_rest, sizeof *hits, by_rank);
        *n_out = n + n_rest < k ? n + n_rest : k;
        memcpy(out, hits, *n_out * sizeof *out);
    }
    free(unit);
    free(hits);
    free(rows);
    return status;
}
