#include "indexing.h"
#include "../library/metadata.h"
#include "cache.h"
#include "encode.h"
#include "inputs.h"
#include "term.h"
#include "videos.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A step that is kept at once: small enough that little is lost, large enough that the disk's wait for
 * it is a small part of the work. */
enum { STEP_FILES = 256, STEP_ROWS = STEP_FILES + VIDEO_MOST_FRAMES };
_Static_assert((int)CLI_DIGEST == (int)CATALOG_SHA_BYTES, "a content is the same everywhere");
static const double step_ms = 3000;

typedef struct wanted_file {
    char *path; /* borrowed from the list that is encoded */
    int64_t root;
    catalog_stamp stamp;
    uint8_t sha[CATALOG_SHA_BYTES];
    bool hashed;
} wanted_file;

/* What is to be embedded. */
typedef struct wanted_list {
    cli_list paths;
    wanted_file *files; /* [paths.n] */
    size_t n, capacity, n_taken;
} wanted_list;

typedef struct indexing {
    const cli_runtime *runtime;
    cli_library *library;
    cli_indexed *out;
    cli_list excludes;
    wanted_list photos, videos;
    catalog_change step[STEP_FILES];
    uint8_t looks[STEP_FILES][CATALOG_LOOK_BYTES];
    int64_t at_ms[STEP_FILES][VIDEO_MOST_FRAMES];
    char *owned[STEP_FILES]; /* what a change borrows until the step is kept, or NULL */
    float *rows;             /* [STEP_ROWS, dim] */
    size_t n_step, n_rows;   /* n_rows: embeddings of the step */
    double kept_at;
    bool broken; /* the library cannot be written: said already */
    bool partly; /* some folder could not be read, or some file changed meanwhile: said already */
} indexing;

static bool fail(indexing *x, const wi_error *error)
{
    cli_failed(x->runtime->app, NULL, error);
    x->broken = true;
    return false;
}

/* ---- steps ---- */

static bool keep_step(indexing *x)
{
    wi_error error = {0};
    cli_library *library = x->library;
    uint64_t first = 0;
    wi_status status = WI_OK;
    if (x->n_step == 0) {
        return true;
    }
    if (x->n_rows > 0) {
        status = wi_index_append(library->index, x->rows, x->n_rows, &first, &error);
    }
    if (status == WI_OK && x->n_rows > 0) {
        status = wi_index_sync(library->index, &error);
    }
    for (size_t i = 0, row = 0; i < x->n_step && status == WI_OK; i++) {
        if (x->step[i].row >= 0) {
            x->step[i].row = (int64_t)(first + row);
            row += x->step[i].at_ms ? x->step[i].n_frames : 1;
        }
    }
    int64_t n_rows = library->model.n_rows + (int64_t)x->n_rows;
    if (status == WI_OK) {
        status = catalog_apply(library->cat, library->model.id, n_rows, x->step, x->n_step, &error);
    }
    for (size_t i = 0; i < x->n_step; i++) {
        free(x->owned[i]);
        x->owned[i] = NULL;
    }
    x->n_step = x->n_rows = 0;
    x->kept_at = cli_now_ms();
    if (status != WI_OK) {
        (void)wi_index_keep(library->index, (uint64_t)library->model.n_rows, NULL);
        return fail(x, &error);
    }
    library->model.n_rows = n_rows;
    return true;
}

static catalog_change *next_change(indexing *x, const wanted_file *file)
{
    catalog_change *change = &x->step[x->n_step++];
    *change = (catalog_change){
        .path = file->path,
        .root = file->root,
        .stamp = file->stamp,
        .taken = INT64_MIN,
        .row = -1,
    };
    memcpy(change->sha, file->sha, CATALOG_SHA_BYTES);
    return change;
}

/* ---- one file ---- */

static bool hash_file(wanted_file *file)
{
    file->hashed = cli_content_read(file->path, file->sha);
    return file->hashed;
}

static bool stamp_of(const char *path, catalog_stamp *out)
{
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode)) {
        return false;
    }
    *out = (catalog_stamp){(int64_t)info.st_size,
                           (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec,
                           (int64_t)info.st_ino};
    return true;
}

/* What the network saw as a 16 x 16 grey picture: by it near copies are told from like scenes. */
static void look_of(const uint8_t *pixels, size_t side, uint8_t look[CATALOG_LOOK_BYTES])
{
    for (size_t y = 0; y < CATALOG_LOOK_SIDE; y++) {
        for (size_t x = 0; x < CATALOG_LOOK_SIDE; x++) {
            size_t top = y * side / CATALOG_LOOK_SIDE, left = x * side / CATALOG_LOOK_SIDE;
            size_t bottom = (y + 1) * side / CATALOG_LOOK_SIDE;
            size_t right = (x + 1) * side / CATALOG_LOOK_SIDE;
            uint64_t sum = 0, n = 0;
            for (size_t i = top; i < bottom || i == top; i++) {
                for (size_t j = left; j < right || j == left; j++, n++) {
                    const uint8_t *p = pixels + (i * side + j) * 3;
                    sum += 299u * p[0] + 587u * p[1] + 114u * p[2];
                }
            }
            look[y * CATALOG_LOOK_SIDE + x] = (uint8_t)(sum / (1000 * n));
        }
    }
}

static bool is_same(const catalog_stamp *a, const catalog_stamp *b)
{
    return a->n_bytes == b->n_bytes && a->mtime_ns == b->mtime_ns && a->inode == b->inode;
}

/* Is what was read now the file that was found, so that its content can be told? What vanished or cannot be read at
 * all was reported, and there is nothing to remember; what is being written is for the next run. */
static bool is_settled(indexing *x, wanted_file *file)
{
    catalog_stamp now;
    if ((!file->hashed && !hash_file(file)) || !stamp_of(file->path, &now)) {
        return false;
    }
    if (!is_same(&file->stamp, &now)) {
        cli_note(x->runtime->app, "%s: changed while it was read: left to the next run",
                 file->path);
        x->partly = true;
        return false;
    }
    return true;
}

/* The others may do another time: memory that was short, a disk that did not answer. */
static bool is_for_good(wi_status status)
{
    return status == WI_ERR_FORMAT || status == WI_ERR_UNSUPPORTED || status == WI_ERR_LIMIT;
}

static bool go_on(indexing *x)
{
    return x->n_step < STEP_FILES && x->n_rows < STEP_FILES && cli_now_ms() - x->kept_at < step_ms
               ? true
               : keep_step(x);
}

static bool take_video(void *context, const cli_video *video)
{
    indexing *x = context;
    wanted_file *file = &x->videos.files[x->videos.n_taken++];
    const size_t dim = x->runtime->info.embedding_dim;
    x->out->n_unreadable += video->n == 0;
    if (!is_settled(x, file) || (video->n == 0 && !is_for_good(video->status))) {
        return true;
    }
    catalog_change *change = next_change(x, file);
    const size_t at = x->n_step - 1;
    if (video->n > 0) {
        memcpy(x->at_ms[at], video->at_ms, video->n * sizeof *video->at_ms);
        memcpy(x->rows + x->n_rows * dim, video->rows, video->n * dim * sizeof *video->rows);
        x->n_rows += video->n;
        x->out->n_new++;
        x->owned[at] = video->info.camera[0] ? cli_text("%s", video->info.camera) : NULL;
        change->camera = x->owned[at];
        change->taken = video->info.taken;
        change->width_px = video->info.width_px;
        change->height_px = video->info.height_px;
        change->at_ms = x->at_ms[at];
        change->n_frames = video->n;
        change->row = 0; /* keep_step says which */
    } else {
        change->unreadable = x->owned[at] = cli_text("%s", video->error.message);
    }
    return go_on(x);
}

static bool take(void *context, const cli_item *item, const float *embedding, double encode_ms)
{
    indexing *x = context;
    wanted_file *file = &x->photos.files[x->photos.n_taken++];
    size_t dim = x->runtime->info.embedding_dim;
    (void)encode_ms;
    x->out->n_unreadable += !embedding;
    if (!is_settled(x, file) || (!embedding && !is_for_good(item->status))) {
        return true;
    }
    catalog_change *change = next_change(x, file);
    if (embedding) {
        uint8_t *look = x->looks[x->n_step - 1];
        look_of(item->pixels, x->runtime->info.preprocess.size_px, look);
        change->look = look;
#ifdef WHATSIT_METADATA
        metadata_info says;
        metadata_read(file->path, &says);
        change->taken = says.taken;
        change->camera = x->owned[x->n_step - 1] =
            says.camera[0] ? cli_text("%s", says.camera) : NULL;
#endif
        change->width_px = item->loaded.width_px;
        change->height_px = item->loaded.height_px;
        change->row = 0; /* one of the step's rows: keep_step says which */
        memcpy(x->rows + x->n_rows++ * dim, embedding, dim * sizeof *embedding);
        x->out->n_new++;
    } else {
        change->unreadable = x->owned[x->n_step - 1] = cli_text("%s", item->error.message);
    }
    return go_on(x);
}

/* ---- what is to be done ---- */

static bool is_video(const char *path)
{
    return wi_image_name(path, NULL) == WI_NAME_VIDEO;
}

static bool add_wanted(indexing *x, const wanted_file *file)
{
    wanted_list *list = is_video(file->path) ? &x->videos : &x->photos;
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 256;
        wanted_file *files = realloc(list->files, capacity * sizeof *files);
        if (!files) {
            free(file->path);
            return false;
        }
        list->files = files;
        list->capacity = capacity;
    }
    if (!cli_list_add(&list->paths, file->path)) {
        return false;
    }
    list->files[list->n++] = *file;
    return true;
}

/* A file that is new or has changed: of a content that is there already it is only noted. Takes
 * file->path. */
static bool look_at(indexing *x, wanted_file *file)
{
    wi_error error = {0};
    catalog_content content = {0};
    bool known_size = false;
    wi_status status = catalog_has_size(x->library->cat, file->stamp.n_bytes, &known_size, &error);
    if (status == WI_OK && known_size && hash_file(file)) {
        status = catalog_find_content(x->library->cat, file->sha, x->library->model.id, &content,
                                      &error);
    }
    if (status != WI_OK) {
        free(file->path);
        return fail(x, &error);
    }
    if (!content.has_vector && !content.unreadable) {
        return add_wanted(x, file) || fail(x, &(wi_error){WI_ERR_NOMEM, "out of memory"});
    }
    x->out->n_known++;
    next_change(x, file);
    x->owned[x->n_step - 1] = file->path;
    return x->n_step < STEP_FILES ? true : keep_step(x);
}

static bool is_gone(const char *path)
{
    struct stat info;
    return lstat(path, &info) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

/* Both lists are sorted: one pass over them tells what is new, changed and gone. */
static bool compare(indexing *x, const catalog_root *root, const cli_list *found,
                    const catalog_file *known, size_t n_known)
{
    wi_error error = {0};
    int64_t *gone = calloc(n_known + 1, sizeof *gone);
    size_t n_gone = 0, k = 0;
    bool good = gone != NULL;
    for (size_t i = 0; (i < found->n || k < n_known) && good && !cli_interrupted();) {
        int order = i == found->n ? 1 : k == n_known ? -1 : strcmp(found->items[i], known[k].path);
        if (order > 0) { /* known, and not found */
            if (is_gone(known[k].path) ||
                cli_inputs_is_excluded(&x->excludes, root->path, known[k].path) ||
                cli_inputs_is_companion(&x->excludes, known[k].path)) {
                gone[n_gone++] = known[k].id;
            }
            k++;
            continue;
        }
        wanted_file file = {.path = found->items[i], .root = root->id};
        bool there = stamp_of(file.path, &file.stamp);
        bool done = order == 0 && is_same(&file.stamp, &known[k].stamp) &&
                    (known[k].has_vector || known[k].unreadable);
        if (there && !done) {
            found->items[i] = NULL; /* look_at takes it */
            good = look_at(x, &file);
        }
        i++;
        k += order == 0;
    }
    if (good && n_gone > 0 &&
        catalog_remove_files(x->library->cat, gone, n_gone, &error) != WI_OK) {
        good = fail(x, &error);
    }
    x->out->n_gone += n_gone;
    free(gone);
    return good;
}

/* A drive that is not there now, or a mount point without its drive, must not empty the library. */
static bool is_away(cli_app *app, const catalog_root *root, size_t n_found)
{
    bool there = cli_is_folder(root->path);
    if (there && (n_found > 0 || root->n_files == 0)) {
        return false;
    }
    if (root->n_files > 0 || !there) {
        cli_note(
            app,
            "%s: %s now; what is known of its %lld photos stays ('whatsit index --forget' takes "
            "it out)",
            root->path, there ? "holds no pictures" : "is not there", (long long)root->n_files);
    }
    return true;
}

static bool survey(indexing *x, const catalog_root *root)
{
    wi_error error = {0};
    cli_list found = {0};
    cli_inputs in;
    catalog_file *known = NULL;
    size_t n_known = 0;
    cli_app *app = x->runtime->app;
    if (cli_is_folder(root->path)) {
        cli_inputs_open(&in, app, NULL);
        in.exclude = &x->excludes;
        in.takes_videos = video_can();
        in.leaves_dangling = true;
        x->partly = cli_inputs_walk(&in, root->path) == CLI_FAILED || x->partly;
        if (in.left_out.n_videos > 0) {
            cli_note(app,
                     "videos are not searched by this installation: it lacks the module of libav "
                     "(Debian: whatsit-videos)");
        }
        cli_inputs_say(&in);
        found = in.paths;
        in.paths = (cli_list){0};
        cli_inputs_close(&in);
        cli_list_sort(&found);
    }
    bool good = true;
    if (is_away(app, root, found.n)) {
        x->out->n_away++;
    } else {
        x->out->n_files += found.n;
        for (size_t i = 0; i < found.n; i++) {
            x->out->n_videos += is_video(found.items[i]);
        }
        good = catalog_files(x->library->cat, root->id, x->library->model.id, &known, &n_known,
                             &error) == WI_OK
                   ? compare(x, root, &found, known, n_known)
                   : fail(x, &error);
    }
    catalog_free_files(known, n_known);
    cli_list_free(&found);
    return good;
}

/* Photos first: of these there are answers sooner. */
static int encode(indexing *x)
{
    int status = CLI_OK;
    if (x->photos.n > 0 && !cli_interrupted()) {
        cli_encode job = {
            .runtime = x->runtime, .paths = &x->photos.paths, .each = take, .context = x};
        status = cli_encode_images(&job);
    }
    if (x->videos.n > 0 && !x->broken && !cli_interrupted()) {
        int videos = cli_videos_encode(x->runtime, &x->videos.paths, take_video, x);
        status = status == CLI_OK ? videos : status;
    }
    return status;
}

static void free_wanted(wanted_list *list)
{
    cli_list_free(&list->paths);
    free(list->files);
}

int cli_index_update(const cli_runtime *runtime, cli_library *library, cli_indexed *out)
{
    wi_error error = {0};
    catalog_root *roots = NULL;
    size_t n_roots = 0;
    double start = cli_now_ms();
    *out = (cli_indexed){0};
    indexing *x = calloc(1, sizeof *x);
    float *rows = calloc(STEP_ROWS, runtime->info.embedding_dim * sizeof *rows);
    int status = CLI_FAILED;
    if (!x || !rows) {
        cli_error(runtime->app, "out of memory");
    } else if (catalog_roots(library->cat, &roots, &n_roots, &error) != WI_OK ||
               catalog_excludes(library->cat, &x->excludes.items, &x->excludes.n, &error) !=
                   WI_OK) {
        status = cli_failed(runtime->app, NULL, &error);
    } else {
#ifdef WHATSIT_METADATA
        metadata_start();
#endif
        x->runtime = runtime;
        x->library = library;
        x->out = out;
        x->rows = rows;
        x->kept_at = start;
        bool good = true;
        for (size_t i = 0; i < n_roots && good && !cli_interrupted(); i++) {
            good = survey(x, &roots[i]);
        }
        status = good ? encode(x) : CLI_FAILED;
        if (!x->broken && !keep_step(x)) {
            status = CLI_FAILED;
        }
        status = cli_interrupted() ? CLI_INTERRUPTED : x->broken || x->partly ? CLI_FAILED : status;
        free_wanted(&x->photos);
        free_wanted(&x->videos);
        cli_list_free(&x->excludes);
        out->seconds = (cli_now_ms() - start) / 1000;
    }
    catalog_free_roots(roots, n_roots);
    free(rows);
    free(x);
    return status;
}
