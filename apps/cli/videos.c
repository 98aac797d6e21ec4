#include "videos.h"
#include "load.h"
#include "term.h"
#include <stdlib.h>
#include <string.h>

enum { BATCH = 8 };

typedef struct work {
    const cli_runtime *runtime;
    wi_session *session;
    size_t dim, pixel_bytes;
    uint8_t *pixels; /* [VIDEO_MOST_FRAMES, size, size, 3] */
    float *rows;     /* [VIDEO_MOST_FRAMES, dim] */
    int64_t at_ms[VIDEO_MOST_FRAMES];
    size_t n;
    wi_error error; /* of a frame */
} work;

static bool take_frame(void *context, const video_frame *frame)
{
    work *w = context;
    wi_image *image = NULL;
    bool good = w->n < VIDEO_MOST_FRAMES &&
                wi_image_from_rgb(frame->rgb, frame->width_px, frame->height_px, &image,
                                  &w->error) == WI_OK &&
                wi_image_preprocess(w->runtime->engine, image, &w->runtime->info.preprocess,
                                    w->pixels + w->n * w->pixel_bytes, &w->error) == WI_OK;
    wi_image_close(&image);
    if (good) {
        w->at_ms[w->n++] = frame->at_ms;
    }
    return good && !cli_interrupted();
}

static wi_status encode_frames(work *w, wi_error *error)
{
    wi_status status = WI_OK;
    for (size_t at = 0; at < w->n && status == WI_OK; at += BATCH) {
        const size_t n = w->n - at < BATCH ? w->n - at : BATCH;
        status = wi_session_encode_images(w->session, w->pixels + at * w->pixel_bytes, n,
                                          w->rows + at * w->dim, error);
    }
    return status;
}

static void encode_one(work *w, const char *path, cli_video *out)
{
    const wi_preprocess *input = &w->runtime->info.preprocess;
    const uint32_t side = input->resize_px ? input->resize_px : input->size_px;
    const video_wish wish = {
        .at_ms = -1,
        /* Twice the side: what is left to the model's own resizing is as good as from the whole. */
        .target_px = 2 * side,
        .n_threads = wi_engine_threads(w->runtime->engine),
        .each = take_frame,
        .context = w,
    };
    *out = (cli_video){.path = path, .at_ms = w->at_ms, .rows = w->rows};
    w->n = 0;
    w->error = (wi_error){0};
    out->status = video_read(path, &wish, &out->info, &out->error);
    if (out->status == WI_ERR_CANCELLED && w->error.status != WI_OK) {
        out->error = w->error;
        out->status = w->error.status;
    }
    if (out->status == WI_OK) {
        out->status = encode_frames(w, &out->error);
    }
    out->n = out->status == WI_OK ? w->n : 0;
}

int cli_videos_encode(const cli_runtime *runtime, const cli_list *paths,
                      bool (*each)(void *context, const cli_video *video), void *context)
{
    wi_error error = {0};
    const size_t side = runtime->info.preprocess.size_px;
    work w = {
        .runtime = runtime, .dim = runtime->info.embedding_dim, .pixel_bytes = side * side * 3};
    const wi_session_options sizes = {.max_images = BATCH};
    double start = cli_now_ms();
    int status = CLI_OK;
    w.pixels = calloc(VIDEO_MOST_FRAMES, w.pixel_bytes);
    w.rows = calloc(VIDEO_MOST_FRAMES, w.dim * sizeof *w.rows);
    if (!w.pixels || !w.rows) {
        cli_error(runtime->app, "out of memory");
        status = CLI_FAILED;
    } else if (wi_session_open(runtime->model, &sizes, &w.session, &error) != WI_OK) {
        status = cli_failed(runtime->app, runtime->path, &error);
    }
    for (size_t i = 0; i < paths->n && w.session && !cli_interrupted(); i++) {
        cli_video video;
        encode_one(&w, paths->items[i], &video);
        if (cli_interrupted()) {
            break;
        }
        if (video.status != WI_OK) {
            status = cli_failed(runtime->app, video.path, &video.error);
        }
        if (!each(context, &video)) {
            break;
        }
        cli_progress_until(runtime->app, "videos", i + 1, paths->n, start);
    }
    cli_progress_clear(runtime->app);
    wi_session_close(&w.session);
    free(w.pixels);
    free(w.rows);
    return cli_interrupted() ? CLI_INTERRUPTED : status;
}

static bool keep_frame(void *context, const video_frame *frame)
{
    return wi_image_from_rgb(frame->rgb, frame->width_px, frame->height_px, context, NULL) == WI_OK;
}

wi_status cli_video_frame(const char *path, int64_t at_ms, uint32_t target_px, wi_image **out,
                          wi_error *error)
{
    video_info info;
    const video_wish wish = {
        .at_ms = at_ms, .target_px = target_px, .n_threads = 1, .each = keep_frame, .context = out};
    const wi_status status = video_read(path, &wish, &info, error);
    if (status != WI_OK) {
        wi_image_close(out);
    }
    return status;
}

const char *cli_time_text(int64_t at_ms, char *text)
{
    const long long s = (long long)(at_ms / 1000);
    if (s < 3600) {
        snprintf(text, 24, "%lld:%02lld", s / 60, s % 60);
    } else {
        snprintf(text, 24, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
    }
    return text;
}
