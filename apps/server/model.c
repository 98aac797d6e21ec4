#include "model.h"
#include "clock.h"
#include "gate.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <whatsit/digest.h>

#define TEXT_QUANTUM_MS 20.0
/* Some times what the largest describers take for a picture on a slow core. */
#define MAX_DESCRIBE_S 30.0

/* Work on texts of one kind: one thread at a time, in turns between clients. */
typedef struct lane {
    srv_gate *gate;
    double begun_ms;
    wi_session *session;
} lane;

struct srv_model {
    srv_engines with;
    const srv_config *config;
    atomic_uint n_users;
    srv_model_about about;
    char *name, *path, *licence, *source, *format, *asked;
    int fd;         /* of a file; -1: a folder */
    uint64_t stamp; /* of what was opened */
    char held[40];  /* a path that leads to fd; "": towers are opened by path */
    srv_tower *tower;
    /* the usual one, and the one that gives way */
    srv_describer *describers[2];
    srv_encoder *encoders[2];
    /* text tower: model guarded by text_mutex, a lane's session by its gate */
    pthread_mutex_t text_mutex;
    lane lanes[2 * SRV_N_LANES]; /* and once more for those whose work gives way */
    wi_model *text;
    unsigned n_text_users;
    double text_used_ms;
};

/* ---- what lies on the disk ---- */

static uint64_t mix(uint64_t h, uint64_t value)
{
    h = (h ^ value) * 0x9e3779b97f4a7c15ull;
    return h ^ h >> 29;
}

static uint64_t stamp_of(const struct stat *info)
{
    uint64_t h = mix(1, (uint64_t)info->st_dev);
    h = mix(h, (uint64_t)info->st_ino);
    h = mix(h, (uint64_t)info->st_size);
    h = mix(h, (uint64_t)info->st_mtim.tv_sec);
    return mix(h, (uint64_t)info->st_mtim.tv_nsec);
}

/* Of a file, or of all files of a folder, in whichever order they come. 0: there is nothing. */
static uint64_t stamp_path(const char *path, uint64_t *n_bytes)
{
    struct stat info;
    struct dirent *entry;
    *n_bytes = 0;
    if (stat(path, &info) != 0) {
        return 0;
    }
    uint64_t sum = stamp_of(&info);
    DIR *folder = S_ISDIR(info.st_mode) ? opendir(path) : NULL;
    *n_bytes = folder ? 0 : (uint64_t)info.st_size;
    while (folder && (entry = readdir(folder))) {
        if (entry->d_name[0] != '.' && fstatat(dirfd(folder), entry->d_name, &info, 0) == 0) {
            sum += stamp_of(&info);
            *n_bytes += S_ISREG(info.st_mode) ? (uint64_t)info.st_size : 0;
        }
    }
    if (folder) {
        closedir(folder);
    }
    return sum;
}

uint64_t srv_model_disk_bytes(const char *path)
{
    uint64_t n_bytes;
    stamp_path(path, &n_bytes);
    return n_bytes;
}

bool srv_model_is_current(const srv_model *model)
{
    uint64_t n_bytes;
    return stamp_path(model->path, &n_bytes) == model->stamp;
}

/* A file that was written over is another one, under the same descriptor. */
static bool is_file_same(const srv_model *model)
{
    struct stat info;
    return model->fd >= 0 && fstat(model->fd, &info) == 0 && stamp_of(&info) == model->stamp;
}

int srv_model_file(const srv_model *model)
{
    return is_file_same(model) ? fcntl(model->fd, F_DUPFD_CLOEXEC, 0) : -1;
}

/* Errors: WI_ERR_CANCELLED when the files were changed since the model was opened; as wi_model_open */
static wi_status open_tower(srv_model *model, uint32_t tower, wi_model **out, wi_error *error)
{
    wi_model_options options = {.towers = tower};
    if (model->held[0] ? !is_file_same(model) : !srv_model_is_current(model)) {
        return store_fail(error, WI_ERR_CANCELLED,
                          "the files of the model '%.100s' have changed: reload the server",
                          model->name);
    }
    return wi_model_open(model->with.usual, model->held[0] ? model->held : model->path, &options,
                         out, error);
}

static wi_status open_image_tower(void *context, wi_model **out, wi_error *error)
{
    return open_tower(context, WI_TOWER_IMAGE, out, error);
}

/* ---- the text tower ---- */

/* Called with text_mutex held and no users. */
static void close_text(srv_model *model)
{
    for (size_t i = 0; i < 2 * SRV_N_LANES; i++) {
        wi_session_close(&model->lanes[i].session);
    }
    if (model->text) {
        wi_model_close(&model->text);
        malloc_trim(0);
    }
}

static lane *lane_of(srv_model *model, const srv_asker *asker, srv_lane kind)
{
    return &model->lanes[kind + (asker->gives_way ? SRV_N_LANES : 0)];
}

wi_status srv_model_text_begin(srv_model *model, const srv_asker *asker, srv_lane kind,
                               wi_session **session, wi_error *error)
{
    const wi_session_options how = {.max_images = 1,
                                    .max_tokens = kind == SRV_LANE_SHORT ? 1024 : 2048,
                                    .one_thread = kind == SRV_LANE_SHORT,
                                    .engine =
                                        asker->gives_way ? model->with.slow : model->with.usual};
    lane *l = lane_of(model, asker, kind);
    wi_status status = srv_gate_enter(l->gate, asker, error);
    if (status != WI_OK) {
        return status;
    }
    l->begun_ms = srv_clock_ms();
    pthread_mutex_lock(&model->text_mutex);
    if (!model->text) {
        status = open_tower(model, WI_TOWER_TEXT, &model->text, error);
    }
    if (status == WI_OK && !l->session) {
        status = wi_session_open(model->text, &how, &l->session, error);
    }
    model->n_text_users += status == WI_OK;
    model->text_used_ms = srv_clock_ms();
    pthread_mutex_unlock(&model->text_mutex);
    if (status != WI_OK) {
        srv_gate_leave(l->gate, asker, 0);
        return status;
    }
    *session = l->session;
    return WI_OK;
}

void srv_model_text_end(srv_model *model, const srv_asker *asker, srv_lane kind)
{
    lane *l = lane_of(model, asker, kind);
    pthread_mutex_lock(&model->text_mutex);
    model->n_text_users--;
    model->text_used_ms = srv_clock_ms();
    pthread_mutex_unlock(&model->text_mutex);
    srv_gate_leave(l->gate, asker, srv_clock_ms() - l->begun_ms);
}

size_t srv_model_n_tokens(srv_model *model, const char *text)
{
    size_t n = 0;
    int32_t *ids = calloc(model->about.context_length + 1, sizeof *ids);
    if (ids) {
        wi_model_tokenize(model->text, text, strlen(text), ids, &n, NULL, NULL);
    }
    free(ids);
    return n;
}

void srv_model_tick(srv_model *model)
{
    double idle_ms = model->config->idle_s * 1e3;
    pthread_mutex_lock(&model->text_mutex);
    if (model->text && model->n_text_users == 0 && idle_ms > 0 &&
        srv_clock_ms() - model->text_used_ms > idle_ms) {
        close_text(model);
    }
    pthread_mutex_unlock(&model->text_mutex);
    for (int i = 0; i < 2; i++) {
        srv_describer_tick(model->describers[i]);
    }
}

/* ---- opening ---- */

static wi_status hash_file(srv_model *model, wi_error *error)
{
    char buffer[1 << 16];
    ssize_t n = 0;
    wi_digest *digest = NULL;
    wi_status status = wi_digest_open(&digest, error);
    while (status == WI_OK &&
           (n = pread(model->fd, buffer, sizeof buffer, (off_t)model->about.file_bytes)) > 0) {
        wi_digest_update(digest, buffer, (size_t)n);
        model->about.file_bytes += (uint64_t)n;
    }
    if (status == WI_OK && n < 0) {
        status = store_fail(error, WI_ERR_IO, "%.150s: %s", model->path, strerror(errno));
    }
    if (status == WI_OK) {
        wi_digest_finish(digest, model->about.file_sha256);
        model->about.is_file = true;
    }
    wi_digest_close(&digest);
    return status;
}

static wi_status describe(srv_model *model, const char *name, wi_error *error)
{
    wi_model *opened = NULL;
    wi_model_info info;
    wi_status status = wi_model_open(model->with.usual, model->path, NULL, &opened, error);
    if (status == WI_OK) {
        status = wi_model_get_info(opened, &info, error);
    }
    if (status == WI_OK) {
        model->name = strdup(name ? name : info.name);
        model->licence = strdup(info.licence ? info.licence : "");
        model->source = strdup(info.source ? info.source : "");
        model->format = strdup(info.format);
        model->about = (srv_model_about){
            .name = model->name,
            .path = model->path,
            .licence = model->licence,
            .source = model->source,
            .format = model->format,
            .asked = model->asked,
            .disk_bytes = model->about.disk_bytes,
            .weights = wi_weights_name(info.weights),
            .dim = info.embedding_dim,
            .image_px = info.image_px,
            .context_length = info.context_length,
            .logit_scale = info.logit_scale,
            .sigmoid = info.sigmoid,
            .preprocess = info.preprocess,
            .n_parameters =
                info.image.n_parameters + info.text.n_parameters + info.decoder.n_parameters,
            .speaks = info.decoder.present,
        };
        memcpy(model->about.fingerprint, info.fingerprint, sizeof info.fingerprint);
        if (!model->name || !model->licence || !model->source || !model->format) {
            status = store_fail(error, WI_ERR_NOMEM, "out of memory");
        }
    }
    wi_model_close(&opened);
    malloc_trim(0);
    return status;
}

/* A file, from before it is read. What cannot be opened is named when it is opened as a model. */
static void open_file(srv_model *model)
{
    struct stat info;
    int fd = open(model->path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
        model->fd = fd;
    } else if (fd >= 0) {
        close(fd);
    }
    model->stamp = stamp_path(model->path, &model->about.disk_bytes);
}

/* A GGUF is whole in itself: its towers can be opened from the descriptor, while other files need what
 * lies beside them. */
static void hold_file(srv_model *model)
{
    if (model->fd >= 0 && strstr(model->format, "gguf")) {
        snprintf(model->held, sizeof model->held, "/proc/self/fd/%d", model->fd);
        if (access(model->held, R_OK) != 0) {
            model->held[0] = '\0';
        }
    }
}

static wi_status start_encoders(srv_model *model, wi_error *error)
{
    const srv_config *config = model->config;
    srv_encoder_options options = {
        .image_px = model->about.image_px,
        .dim = model->about.dim,
        .n_threads = (unsigned)wi_engine_threads(model->with.usual),
        .max_batch = config->max_batch,
        .max_queue = config->max_queue,
        .batch_wait_ms = config->batch_wait_ms,
        .idle_s = config->idle_s,
        .burden = model->with.burden,
    };
    const srv_tower_options tower = {.open = open_image_tower, .context = model};
    options.tower = model->tower = srv_tower_new(&tower);
    wi_status status = model->tower ? WI_OK : store_fail(error, WI_ERR_NOMEM, "out of memory");
    for (int slow = 0; slow < 2 && status == WI_OK; slow++) {
        options.gives_way = slow;
        options.engine = slow ? model->with.slow : model->with.usual;
        status = srv_encoder_start(&options, &model->encoders[slow], error);
    }
    return status;
}

static wi_status open_describers(srv_model *model, wi_error *error)
{
    const srv_config *config = model->config;
    wi_status status = WI_OK;
    const srv_describer_options describer = {
        .path = config->describer,
        .speaks = model->about.speaks,
        .engine = model->with.usual,
        .tower = model->tower,
        .burden = model->with.burden,
        .idle_s = config->idle_s,
        .max_waiting = config->n_workers / 2 + 1,
        .max_seconds = MAX_DESCRIBE_S,
    };
    for (int slow = 0; slow < 2 && status == WI_OK; slow++) {
        status = srv_describer_open(&describer, &model->describers[slow], error);
    }
    return status;
}

static wi_status open_parts(srv_model *model, const srv_named_path *from, wi_error *error)
{
    model->path = strdup(from->path);
    model->asked = from->name ? strdup(from->name) : NULL;
    if (!model->path || (from->name && !model->asked)) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    open_file(model);
    atomic_fetch_add(&model->with.held->n_bytes, model->about.disk_bytes);
    wi_status status = describe(model, from->name, error);
    if (status == WI_OK && model->fd >= 0) {
        status = hash_file(model, error);
    }
    if (status == WI_OK && !srv_model_is_current(model)) {
        status = store_fail(error, WI_ERR_IO, "%.150s: changed while it was read", model->path);
    }
    if (status == WI_OK) {
        hold_file(model);
        status = start_encoders(model, error);
        status = status == WI_OK ? open_describers(model, error) : status;
    }
    return status;
}

/* Texts may keep half of the workers waiting, so that pictures always find some. */
static wi_status open_lanes(srv_model *model, wi_error *error)
{
    wi_status status = WI_OK;
    for (size_t i = 0; i < 2 * SRV_N_LANES && status == WI_OK; i++) {
        const srv_gate_options gate = {
            .n_inside = 1,
            .n_each = 1,
            .max_waiting = model->config->n_workers / 2 + 1,
            .max_each = model->config->n_workers / 2 + 1,
            .quantum = TEXT_QUANTUM_MS,
        };
        status = srv_gate_open(&gate, &model->lanes[i].gate, error);
    }
    return status;
}

wi_status srv_model_open(const srv_engines *engines, const srv_config *config,
                         const srv_named_path *from, srv_model **out, wi_error *error)
{
    srv_model *model = calloc(1, sizeof *model);
    if (!model) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    model->with = *engines;
    model->config = config;
    model->n_users = 1;
    model->fd = -1;
    pthread_mutex_init(&model->text_mutex, NULL);
    atomic_fetch_add(&model->with.held->n, 1);
    wi_status status = open_lanes(model, error);
    status = status ? status : open_parts(model, from, error);
    if (status != WI_OK) {
        srv_model_release(&model);
        return status;
    }
    *out = model;
    return WI_OK;
}

srv_model *srv_model_hold(srv_model *model)
{
    atomic_fetch_add(&model->n_users, 1);
    return model;
}

static void close_model(srv_model *model)
{
    for (int i = 0; i < 2; i++) {
        srv_encoder_stop(&model->encoders[i]);
        srv_describer_close(&model->describers[i]);
    }
    srv_tower_free(&model->tower);
    close_text(model);
    if (model->fd >= 0) {
        close(model->fd);
    }
    free(model->name);
    free(model->path);
    free(model->asked);
    free(model->licence);
    free(model->source);
    free(model->format);
    pthread_mutex_destroy(&model->text_mutex);
    for (size_t i = 0; i < 2 * SRV_N_LANES; i++) {
        srv_gate_close(&model->lanes[i].gate);
    }
    atomic_fetch_sub(&model->with.held->n_bytes, model->about.disk_bytes);
    atomic_fetch_sub(&model->with.held->n, 1);
    free(model);
}

void srv_model_release(srv_model **model)
{
    if (*model && atomic_fetch_sub(&(*model)->n_users, 1) == 1) {
        close_model(*model);
    }
    *model = NULL;
}

const srv_model_about *srv_model_describe(const srv_model *model)
{
    return &model->about;
}

unsigned srv_model_towers_open(srv_model *model)
{
    pthread_mutex_lock(&model->text_mutex);
    unsigned open = model->text ? WI_TOWER_TEXT : 0;
    pthread_mutex_unlock(&model->text_mutex);
    return open | (srv_tower_is_open(model->tower) ? WI_TOWER_IMAGE : 0);
}

srv_encoder *srv_model_encoder(srv_model *model, const srv_asker *asker)
{
    return model->encoders[asker->gives_way];
}

srv_describer *srv_model_describer(srv_model *model, const srv_asker *asker)
{
    return model->describers[asker->gives_way];
}

void srv_model_measure(srv_model *model, srv_encoder_figures *out)
{
    *out = (srv_encoder_figures){0};
    for (int i = 0; i < 2; i++) {
        srv_encoder_figures one;
        srv_encoder_measure(model->encoders[i], &one);
        out->n_batches += one.n_batches;
        out->n_images += one.n_images;
        out->seconds += one.seconds;
        out->n_waiting += one.n_waiting;
    }
}

void srv_model_measure_words(srv_model *model, srv_describer_figures *out)
{
    *out = (srv_describer_figures){0};
    for (int i = 0; i < 2; i++) {
        srv_describer_figures one;
        srv_describer_measure(model->describers[i], &one);
        out->n_batches += one.n_batches;
        out->n_pictures += one.n_pictures;
        out->n_waiting += one.n_waiting;
    }
}
