/* The module: faiss, and nothing else. An inverted file (k-means of a sample) of product-quantised differences from
 * the lists' centres, by inner product. */
#include "approximate_module.h"
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <faiss/IndexFlat.h>
#include <faiss/IndexIVFPQ.h>
#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/index_io.h>
#include <faiss/invlists/OnDiskInvertedLists.h>
#include <memory>
#include <new>
#include <omp.h>
#include <stdexcept>
#include <string>
#include <vector>

namespace
{

/* Lists: a coarse search costs about what reading the probed ones does. A sample of 64 a list is enough for k-means
 * by faiss's own measure (it warns below 39). */
constexpr uint64_t least_lists = 64, most_lists = 16384, sample_of_a_list = 64, step = 32768;
constexpr uint64_t least_sample = 39 * 256; /* of the 256 values that four numbers' byte has */
constexpr size_t probe_share = 32, least_probed = 64; /* of the lists, for one search */

wi_status fail(wi_error *error, wi_status status, const char *why)
{
    if (error) {
        error->status = status;
        std::snprintf(error->message, sizeof error->message, "faiss: %.200s", why);
        std::replace(error->message, error->message + std::string(error->message).size(), '\n', ' ');
    }
    return status;
}

/* faiss tells what went wrong by exceptions; none crosses the border. */
template <typename Work> wi_status guarded(wi_error *error, Work work)
{
    try {
        return work();
    } catch (const std::bad_alloc &) {
        return fail(error, WI_ERR_NOMEM, "out of memory");
    } catch (const std::exception &what) {
        return fail(error, WI_ERR_IO, what.what());
    }
}

/* What a caller's progress says, between two steps of ours and of k-means. */
struct watcher : faiss::InterruptCallback {
    const wi_progress *progress;
    uint64_t done = 0, total;
    bool stopped = false;

    watcher(const wi_progress *progress_, uint64_t total_) : progress(progress_), total(total_) {}
    bool want_interrupt() override
    {
        stopped = stopped || (progress && progress->report && !progress->report(progress->context, done, total));
        return stopped;
    }
};

/* faiss keeps one callback for the process, which it owns. */
struct watched {
    explicit watched(watcher *callback) { faiss::InterruptCallback::instance.reset(callback); }
    ~watched() { faiss::InterruptCallback::instance.reset(); }
};

void read_rows(const approximate_rows &rows, uint64_t first, uint64_t n, uint64_t stride, std::vector<float> &out)
{
    out.resize(n * rows.dim);
    for (uint64_t i = 0; i < n; i++) {
        if (!rows.row(rows.context, first + i * stride, out.data() + i * rows.dim)) {
            throw std::runtime_error("a vector cannot be read");
        }
    }
}

/* The largest power of two whose square is at most twice the rows. */
uint64_t lists_of(uint64_t n_rows)
{
    uint64_t lists = least_lists;
    while (lists < most_lists && 2 * lists * 2 * lists <= 2 * n_rows) {
        lists *= 2;
    }
    return lists;
}

std::unique_ptr<faiss::IndexIVFPQ> train(const approximate_rows &rows)
{
    const uint64_t n_rows = rows.end - rows.first, n_lists = lists_of(n_rows);
    const uint64_t n_sample = std::min(n_rows, std::max(least_sample, n_lists * sample_of_a_list));
    const size_t d = rows.dim, n_codes = d % 4 == 0 ? d / 4 : d; /* a byte for four numbers */
    std::vector<float> sample;
    read_rows(rows, rows.first, n_sample, n_rows / n_sample, sample);
    auto coarse = std::make_unique<faiss::IndexFlatIP>(d);
    auto index = std::make_unique<faiss::IndexIVFPQ>(coarse.get(), d, n_lists, n_codes, 8, faiss::METRIC_INNER_PRODUCT);
    index->own_fields = true;
    coarse.release();
    index->cp.spherical = true; /* the rows are of length 1 */
    index->cp.niter = 10;
    index->cp.max_points_per_centroid = static_cast<int>(sample_of_a_list);
    index->train(static_cast<faiss::Index::idx_t>(n_sample), sample.data());
    return index;
}

std::unique_ptr<faiss::IndexIVFPQ> read_old(const char *path, const approximate_rows &rows)
{
    std::unique_ptr<faiss::Index> read(faiss::read_index(path));
    std::unique_ptr<faiss::IndexIVFPQ> index(dynamic_cast<faiss::IndexIVFPQ *>(read.get()));
    if (!index) {
        throw std::runtime_error("the file that is there is of another kind");
    }
    read.release();
    if (index->d != static_cast<int>(rows.dim) || static_cast<uint64_t>(index->ntotal) != rows.first) {
        throw std::runtime_error("the file that is there is of other vectors");
    }
    return index;
}

wi_status make(const char *from, const char *to, const approximate_rows *rows, int n_threads,
               const wi_progress *progress, wi_error *error)
{
    auto *watch = new (std::nothrow) watcher(progress, rows->end - rows->first);
    if (!watch) {
        return fail(error, WI_ERR_NOMEM, "out of memory");
    }
    const watched keep(watch);
    const wi_status status = guarded(error, [&]() -> wi_status {
        omp_set_num_threads(n_threads);
        auto index = from ? read_old(from, *rows) : train(*rows);
        std::vector<float> x;
        for (uint64_t at = rows->first; at < rows->end && !watch->want_interrupt(); at += step) {
            const uint64_t n = std::min(step, rows->end - at);
            read_rows(*rows, at, n, 1, x);
            index->add(static_cast<faiss::Index::idx_t>(n), x.data());
            watch->done += n;
        }
        if (!watch->stopped) {
            faiss::write_index(index.get(), to);
        }
        return WI_OK;
    });
    return watch->stopped ? fail(error, WI_ERR_CANCELLED, "stopped") : status;
}

wi_status open_file(const char *path, uint32_t dim, int n_threads, void **out, wi_error *error)
{
    return guarded(error, [&]() -> wi_status {
        std::unique_ptr<faiss::Index> index(faiss::read_index(path, faiss::IO_FLAG_MMAP));
        auto *ivf = dynamic_cast<faiss::IndexIVFPQ *>(index.get());
        auto *lists = ivf ? dynamic_cast<faiss::OnDiskInvertedLists *>(ivf->invlists) : nullptr;
        if (!lists || ivf->d != static_cast<int>(dim)) {
            return fail(error, WI_ERR_FORMAT, "the file is of another kind");
        }
        lists->prefetch_nthread = 0; /* it would start threads for each search */
        ivf->parallel_mode = 1;      /* one query: its lists are shared out */
        ivf->nprobe = std::min(ivf->nlist, std::max(least_probed, ivf->nlist / probe_share));
        omp_set_num_threads(n_threads);
        *out = index.release();
        return WI_OK;
    });
}

wi_status candidates(void *opened, const float *query, size_t n, int64_t *rows, size_t *n_out, wi_error *error)
{
    return guarded(error, [&]() -> wi_status {
        std::vector<float> scores(n);
        std::vector<faiss::Index::idx_t> found(n);
        static_cast<faiss::IndexIVFPQ *>(opened)->search(1, query, static_cast<faiss::Index::idx_t>(n), scores.data(),
                                                         found.data());
        const auto end = std::remove_if(found.begin(), found.end(), [](auto row) { return row < 0; });
        *n_out = static_cast<size_t>(std::copy(found.begin(), end, rows) - rows);
        return WI_OK;
    });
}

void close_file(void *opened)
{
    delete static_cast<faiss::IndexIVFPQ *>(opened);
}

} // namespace

extern "C" __attribute__((visibility("default"))) const approximate_module approximate_module_table;
const approximate_module approximate_module_table = {APPROXIMATE_MODULE_VERSION, make, open_file, candidates, close_file};
