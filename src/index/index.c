/* The files of an index. Rows are written behind the last one and never changed, so readers need no
 * lock; a file is never made shorter, since a reader may have mapped it. A row that was cut off by a
 * crash does not count, and the next writer writes over it. */
#include "index/index.h"

#include "base/error.h"
#include "base/mem.h"
#include "kern/half.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADER = 128, VERSION = 1, FINGERPRINT = 64, MAGIC = 8, APPEND_ROWS = 256 };

/* Numbers are little-endian, as on all processors that we build for. */
typedef struct header {
    char magic[MAGIC];
    uint32_t version, dim, stride, zero;
    char fingerprint[FINGERPRINT];
} header;
_Static_assert(sizeof(header) <= HEADER, "the header has room for its fields");

static const char magic_s8[MAGIC] = "WIVECS8", magic_f16[MAGIC] = "WIVECFH";

const uint8_t *wi_rows_file_first(const wi_rows_file *file)
{
    return file->bytes ? file->bytes + HEADER : NULL;
}

/* ---- one file ---- */

static wi_status write_at(const wi_rows_file *file, const void *bytes, size_t n, uint64_t offset,
                          wi_error *error)
{
    const uint8_t *from = bytes;
    while (n > 0) {
        const ssize_t some = pwrite(file->fd, from, n, (off_t)offset);
        if (some < 0 && errno == EINTR)
            continue;
        if (some <= 0)
            return wi_fail_errno(error, file->path, "cannot write", some < 0 ? errno : ENOSPC);
        from += some;
        n -= (size_t)some;
        offset += (uint64_t)some;
    }
    return WI_OK;
}

static wi_status read_header(const wi_rows_file *file, const char *magic, header *out,
                             wi_error *error)
{
    const ssize_t n = pread(file->fd, out, sizeof *out, 0);
    if (n < 0)
        return wi_fail_errno(error, file->path, "cannot read", errno);
    if (n != sizeof *out || memcmp(out->magic, magic, MAGIC) != 0)
        return wi_fail(error, WI_ERR_FORMAT, "%s: not an index file", file->path);
    if (out->version != VERSION)
        return wi_fail(error, WI_ERR_UNSUPPORTED,
                       "%s: version %u of the index format; this program reads %d", file->path,
                       (unsigned)out->version, VERSION);
    if (out->dim == 0 || out->dim > WI_INDEX_MAX_DIM)
        return wi_fail(error, WI_ERR_FORMAT, "%s: embeddings of %u numbers", file->path,
                       (unsigned)out->dim);
    return WI_OK;
}

static wi_status count_rows(const wi_rows_file *file, uint64_t *n_rows, wi_error *error)
{
    struct stat st;
    if (fstat(file->fd, &st) != 0)
        return wi_fail_errno(error, file->path, "cannot read its size", errno);
    *n_rows = st.st_size < HEADER ? 0 : ((uint64_t)st.st_size - HEADER) / file->stride;
    return WI_OK;
}

static wi_status map_rows(wi_rows_file *file, uint64_t n_rows, wi_error *error)
{
    size_t n_bytes;
    if (n_rows > SIZE_MAX || !wi_size_mul((size_t)n_rows, file->stride, &n_bytes) ||
        !wi_size_add(n_bytes, HEADER, &n_bytes) || n_bytes > SIZE_MAX / 2)
        return wi_fail(error, WI_ERR_LIMIT, "%s: too large for this machine's address space",
                       file->path);
    if (n_bytes <= file->n_mapped)
        return WI_OK;
    void *bytes = mmap(NULL, n_bytes, PROT_READ, MAP_SHARED, file->fd, 0);
    if (bytes == MAP_FAILED)
        return wi_fail_errno(error, file->path, "cannot map", errno);
    if (file->bytes)
        munmap((void *)(uintptr_t)file->bytes, file->n_mapped);
    file->bytes = bytes;
    file->n_mapped = n_bytes;
    return WI_OK;
}

static void close_file(wi_rows_file *file)
{
    if (file->bytes)
        munmap((void *)(uintptr_t)file->bytes, file->n_mapped);
    if (file->fd >= 0)
        close(file->fd);
    free(file->path);
    *file = (wi_rows_file){.fd = -1};
}

/* Makes the mappings reach over all rows. Errors: WI_ERR_IO */
static wi_status map_all(wi_index *index, wi_error *error)
{
    wi_status status = map_rows(&index->s8, index->n_rows, error);
    return status == WI_OK ? map_rows(&index->f16, index->n_rows, error) : status;
}

/* ---- opening ---- */

static wi_status open_one(wi_rows_file *file, const char *path, const char *ending,
                          const wi_index_options *options, wi_error *error)
{
    const size_t n = strlen(path) + strlen(ending) + 1;
    file->path = malloc(n);
    if (!file->path)
        return wi_fail_nomem(error, n, "a path");
    memcpy(file->path, path, strlen(path));
    memcpy(file->path + strlen(path), ending, strlen(ending) + 1);
    const int how = options->read_only ? O_RDONLY : options->dim ? O_RDWR | O_CREAT : O_RDWR;
    file->fd = open(file->path, how | O_CLOEXEC, 0666);
    if (file->fd < 0 && errno == ENOENT)
        return wi_fail(error, WI_ERR_NOT_FOUND, "%s: there is no index here", path);
    return file->fd < 0 ? wi_fail_errno(error, file->path, "cannot open", errno) : WI_OK;
}

static wi_status check_options(const wi_index *index, const wi_index_options *options,
                               const char *path, wi_error *error)
{
    if (options->dim && options->dim != index->dim)
        return wi_fail(error, WI_ERR_MISMATCH,
                       "%s: holds embeddings of %u numbers, the model gives %u", path,
                       (unsigned)index->dim, (unsigned)options->dim);
    if (options->fingerprint && strcmp(options->fingerprint, index->fingerprint) != 0)
        return wi_fail(error, WI_ERR_MISMATCH,
                       "%s: made with model %.8s..., this is %.8s...: index the photos again", path,
                       index->fingerprint, options->fingerprint);
    return WI_OK;
}

static wi_status write_header(wi_index *index, const wi_rows_file *file, const char *magic,
                              wi_error *error)
{
    uint8_t bytes[HEADER] = {0};
    header h = {.version = VERSION, .dim = index->dim, .stride = (uint32_t)file->stride};
    memcpy(h.magic, magic, MAGIC);
    memcpy(h.fingerprint, index->fingerprint, FINGERPRINT);
    memcpy(bytes, &h, sizeof h);
    return write_at(file, bytes, sizeof bytes, 0, error);
}

static void set_strides(wi_index *index)
{
    index->s8.stride = wi_index_s8_scale_at(index->dim) + sizeof(float);
    index->f16.stride = index->dim * sizeof(uint16_t);
}

static wi_status start_new(wi_index *index, const wi_index_options *options, wi_error *error)
{
    if (!options->dim || options->dim > WI_INDEX_MAX_DIM || !options->fingerprint ||
        strlen(options->fingerprint) != FINGERPRINT)
        return wi_fail(error, WI_ERR_ARG,
                       "a new index needs a dim from 1 to %d and a model's fingerprint",
                       WI_INDEX_MAX_DIM);
    index->dim = options->dim;
    memcpy(index->fingerprint, options->fingerprint, FINGERPRINT + 1);
    set_strides(index);
    wi_status status = write_header(index, &index->f16, magic_f16, error);
    /* The first file's header is last: without it both count as new. */
    return status == WI_OK ? write_header(index, &index->s8, magic_s8, error) : status;
}

static wi_status read_old(wi_index *index, wi_error *error)
{
    header s8, f16;
    uint64_t n_s8 = 0, n_f16 = 0;
    wi_status status = read_header(&index->s8, magic_s8, &s8, error);
    if (status == WI_OK)
        status = read_header(&index->f16, magic_f16, &f16, error);
    if (status != WI_OK)
        return status;
    index->dim = s8.dim;
    memcpy(index->fingerprint, s8.fingerprint, FINGERPRINT);
    index->fingerprint[FINGERPRINT] = '\0';
    set_strides(index);
    if (f16.dim != s8.dim || memcmp(f16.fingerprint, s8.fingerprint, FINGERPRINT) != 0 ||
        s8.stride != index->s8.stride || f16.stride != index->f16.stride)
        return wi_fail(error, WI_ERR_FORMAT, "%s and %s do not belong together", index->s8.path,
                       index->f16.path);
    status = count_rows(&index->s8, &n_s8, error);
    if (status == WI_OK)
        status = count_rows(&index->f16, &n_f16, error);
    index->n_rows = n_s8 < n_f16 ? n_s8 : n_f16;
    return status;
}

static wi_status open_both(wi_index *index, const char *path, const wi_index_options *options,
                           wi_error *error)
{
    struct stat st;
    wi_status status = open_one(&index->s8, path, ".s8", options, error);
    if (status == WI_OK && !options->read_only && flock(index->s8.fd, LOCK_EX | LOCK_NB) != 0)
        status = wi_fail(error, WI_ERR_IO, "%s: another process is writing to this index", path);
    if (status == WI_OK)
        status = open_one(&index->f16, path, ".f16", options, error);
    if (status != WI_OK)
        return status;
    if (fstat(index->s8.fd, &st) != 0)
        return wi_fail_errno(error, index->s8.path, "cannot read its size", errno);
    if (st.st_size > 0 || options->read_only)
        status = read_old(index, error);
    else
        status = start_new(index, options, error);
    if (status == WI_OK)
        status = check_options(index, options, path, error);
    return status == WI_OK ? map_all(index, error) : status;
}

wi_status wi_idx_open(wi_engine *engine, const char *path, const wi_index_options *options,
                      wi_index **out, wi_error *error)
{
    wi_index *index = calloc(1, sizeof *index);
    if (!index)
        return wi_fail_nomem(error, sizeof *index, "an index");
    index->engine = engine;
    index->read_only = options->read_only;
    index->s8.fd = index->f16.fd = -1;
    const wi_status status = open_both(index, path, options, error);
    if (status != WI_OK)
        wi_idx_close(&index);
    else
        *out = index;
    return status;
}

void wi_idx_close(wi_index **index)
{
    if (!index || !*index)
        return;
    close_file(&(*index)->s8);
    close_file(&(*index)->f16);
    free(*index);
    *index = NULL;
}

/* ---- rows ---- */

/* One normalised row in both forms. False for a row without direction. */
static bool pack_row(const wi_index *index, const float *row, uint8_t *s8, uint16_t *f16)
{
    double squares = 0;
    float largest = 0;
    for (uint32_t i = 0; i < index->dim; i++) {
        squares += (double)row[i] * (double)row[i];
        largest = fabsf(row[i]) > largest ? fabsf(row[i]) : largest;
    }
    if (!isfinite(squares) || squares <= 0)
        return false;
    const double inverse = 1 / sqrt(squares);
    const float scale = (float)((double)largest * inverse / 127);
    memset(s8, 0, index->s8.stride);
    for (uint32_t i = 0; i < index->dim; i++) {
        s8[i] = (uint8_t)(int8_t)lrint((double)row[i] / (double)largest * 127);
        f16[i] = wi_f32_to_f16((float)((double)row[i] * inverse));
    }
    memcpy(s8 + wi_index_s8_scale_at(index->dim), &scale, sizeof scale);
    return true;
}

static wi_status append_some(wi_index *index, const float *rows, size_t n, uint64_t at, uint8_t *s8,
                             uint16_t *f16, wi_error *error)
{
    for (size_t i = 0; i < n; i++)
        if (!pack_row(index, rows + i * index->dim, s8 + i * index->s8.stride,
                      f16 + i * index->dim))
            return wi_fail(error, WI_ERR_ARG,
                           "embedding %zu has no direction: it holds only zeros, or NaN", i);
    const wi_status status =
        write_at(&index->s8, s8, n * index->s8.stride, HEADER + at * index->s8.stride, error);
    return status != WI_OK ? status
                           : write_at(&index->f16, f16, n * index->f16.stride,
                                      HEADER + at * index->f16.stride, error);
}

wi_status wi_idx_append(wi_index *index, const float *rows, size_t n, uint64_t *first,
                        wi_error *error)
{
    uint8_t *s8 = malloc(APPEND_ROWS * index->s8.stride);
    uint16_t *f16 = malloc(APPEND_ROWS * index->f16.stride);
    wi_status status =
        s8 && f16 ? WI_OK : wi_fail_nomem(error, APPEND_ROWS * index->s8.stride, "rows");
    for (size_t done = 0; done < n && status == WI_OK; done += APPEND_ROWS) {
        const size_t some = n - done < APPEND_ROWS ? n - done : APPEND_ROWS;
        status = append_some(index, rows + done * index->dim, some, index->n_rows + done, s8, f16,
                             error);
    }
    free(s8);
    free(f16);
    if (status != WI_OK)
        return status; /* what was written lies behind the last row and does not count */
    const uint64_t before = index->n_rows;
    index->n_rows += n;
    status = map_all(index, error);
    if (status != WI_OK)
        index->n_rows = before;
    else if (first)
        *first = before;
    return status;
}

wi_status wi_idx_sync(wi_index *index, wi_error *error)
{
    if (fdatasync(index->s8.fd) != 0)
        return wi_fail_errno(error, index->s8.path, "cannot write", errno);
    if (fdatasync(index->f16.fd) != 0)
        return wi_fail_errno(error, index->f16.path, "cannot write", errno);
    return WI_OK;
}

wi_status wi_idx_keep(wi_index *index, uint64_t n_rows, wi_error *error)
{
    if (n_rows > index->n_rows)
        return wi_fail(error, WI_ERR_ARG, "%s: holds %llu rows, not %llu", index->s8.path,
                       (unsigned long long)index->n_rows, (unsigned long long)n_rows);
    index->n_rows = n_rows;
    return WI_OK;
}

wi_status wi_idx_row(const wi_index *index, uint64_t row, float *out, wi_error *error)
{
    if (row >= index->n_rows)
        return wi_fail(error, WI_ERR_NOT_FOUND, "%s: has no row %llu", index->s8.path,
                       (unsigned long long)row);
    const uint8_t *at = wi_rows_file_first(&index->f16) + row * index->f16.stride;
    for (uint32_t i = 0; i < index->dim; i++) {
        uint16_t half;
        memcpy(&half, at + i * sizeof half, sizeof half);
        out[i] = wi_f16_to_f32(half);
    }
    return WI_OK;
}
