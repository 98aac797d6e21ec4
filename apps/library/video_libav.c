/* The module: libav, and nothing else. Key frames alone are decoded, each after a seek, so that an hour of film costs
 * what a minute does. */
#include "../store/fail.h"
#include "video_module.h"
#include <errno.h>
#include <fcntl.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <libavutil/imgutils.h>
#include <libswscale/swscale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER_BYTES = 1 << 16, MOST_PACKETS = 20000, MOST_SECONDS = 60 };
static const int64_t most_pixels = 200000000;

/* What cameras, phones and their programs write. Lists of other files (HLS, concat) and the rest of what libav knows
 * are not for strangers' files. */
static const char containers[] = "mov,matroska,avi,mpeg,mpegts,mpegvideo,flv,asf";
static const char codecs[] =
    "h264,hevc,libdav1d,libaom-av1,av1,vp8,libvpx,vp9,libvpx-vp9,mpeg4,msmpeg4v1,msmpeg4v2,msmpeg4,"
    "mpeg1video,mpeg2video,mjpeg,mjpegb,h263,flv,wmv1,wmv2,wmv3,vc1,prores,dnxhd,dvvideo,png,"
    "rawvideo,"
    "vp6,vp6f,theora,svq1,svq3,cinepak";

typedef struct reading {
    const video_wish *wish;
    video_info *info;
    int fd;
    struct timespec until;
    AVFormatContext *format;
    AVStream *stream;
    AVCodecContext *codec;
    AVPacket *packet;
    AVFrame *frame;
    struct SwsContext *scaler;
    uint8_t *rgb; /* upright */
    size_t n_frames;
    int64_t last; /* time of the frame that was given last, in the stream's units */
} reading;

static wi_status fail_by(wi_error *error, int number)
{
    char why[AV_ERROR_MAX_STRING_SIZE] = "";
    av_strerror(number, why, sizeof why);
    return number == AVERROR(ENOMEM)
               ? store_fail(error, WI_ERR_NOMEM, "out of memory")
               : store_fail(error, WI_ERR_FORMAT, "no video that can be read: %s", why);
}

/* ---- the file ---- */

static bool is_late(const reading *r)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > r->until.tv_sec;
}

static int read_bytes(void *context, uint8_t *buffer, int n)
{
    const reading *r = context;
    if (is_late(r)) {
        return AVERROR_EXIT;
    }
    const ssize_t got = read(r->fd, buffer, (size_t)n);
    return got > 0 ? (int)got : got == 0 ? AVERROR_EOF : AVERROR(errno);
}

static int64_t seek_bytes(void *context, int64_t to, int whence)
{
    const reading *r = context;
    struct stat info;
    if (whence & AVSEEK_SIZE) {
        return fstat(r->fd, &info) == 0 ? (int64_t)info.st_size : AVERROR(errno);
    }
    const off_t at = lseek(r->fd, to, whence & ~AVSEEK_FORCE);
    return at >= 0 ? (int64_t)at : AVERROR(errno);
}

/* A file names others at times: none is opened. */
static int open_nothing(AVFormatContext *format, AVIOContext **out, const char *url, int flags,
                        AVDictionary **options)
{
    (void)format;
    (void)out;
    (void)url;
    (void)flags;
    (void)options;
    return AVERROR(EPERM);
}

static wi_status open_file(reading *r, const char *path, wi_error *error)
{
    struct stat info;
    r->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (r->fd < 0 || fstat(r->fd, &info) != 0) {
        return store_fail(error, WI_ERR_IO, "%s", strerror(errno));
    }
    if (!S_ISREG(info.st_mode)) {
        return store_fail(error, WI_ERR_IO, "is no file");
    }
    return info.st_size > 0 ? WI_OK : store_fail(error, WI_ERR_FORMAT, "the file is empty");
}

static wi_status open_container(reading *r, wi_error *error)
{
    AVDictionary *options = NULL;
    uint8_t *buffer = av_malloc(BUFFER_BYTES);
    AVIOContext *io =
        buffer ? avio_alloc_context(buffer, BUFFER_BYTES, 0, r, read_bytes, NULL, seek_bytes)
               : NULL;
    r->format = avformat_alloc_context();
    if (!io || !r->format) {
        if (!io) {
            av_free(buffer);
        } else {
            av_freep(&io->buffer);
            avio_context_free(&io);
        }
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    r->format->pb = io; /* close_all frees it: libav does not own it */
    r->format->io_open = open_nothing;
    av_dict_set(&options, "format_whitelist", containers, 0);
    av_dict_set(&options, "codec_whitelist", codecs, 0);
    int number = avformat_open_input(&r->format, NULL, NULL, &options);
    av_dict_free(&options);
    if (!r->format) { /* libav frees it when it fails, and leaves what reads to us */
        av_freep(&io->buffer);
        avio_context_free(&io);
    }
    if (number >= 0) {
        number = avformat_find_stream_info(r->format, NULL);
    }
    return number >= 0 ? WI_OK : fail_by(error, number);
}

/* ---- what the file says ---- */

static const char *said(const reading *r, const char *key)
{
    const AVDictionaryEntry *entry = av_dict_get(r->format->metadata, key, NULL, 0);
    return entry ? entry->value : NULL;
}

/* Seconds as if the parts were UTC. */
static int64_t seconds_of(const char *when)
{
    struct tm parts = {0};
    if (!when ||
        sscanf(when, "%4d-%2d-%2dT%2d:%2d:%2d", &parts.tm_year, &parts.tm_mon, &parts.tm_mday,
               &parts.tm_hour, &parts.tm_min, &parts.tm_sec) != 6 ||
        parts.tm_year < 1971) { /* 1904 and 1970 stand for nothing */
        return INT64_MIN;
    }
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    return (int64_t)timegm(&parts);
}

/* Apple tells the local time and how far it is from UTC; others UTC. */
static int64_t find_taken(const reading *r)
{
    const int64_t local = seconds_of(said(r, "com.apple.quicktime.creationdate"));
    const int64_t utc = seconds_of(said(r, "creation_time"));
    const time_t then = (time_t)utc;
    struct tm parts;
    if (local != INT64_MIN || utc == INT64_MIN || !localtime_r(&then, &parts)) {
        return local;
    }
    return utc + parts.tm_gmtoff;
}

static void find_camera(const reading *r, char *out, size_t n_out)
{
    const char *make = said(r, "com.apple.quicktime.make"),
               *model = said(r, "com.apple.quicktime.model");
    make = make ? make : said(r, "com.android.manufacturer");
    model = model ? model : said(r, "com.android.model");
    make = make ? make : said(r, "make");
    model = model ? model : said(r, "model");
    const bool both = make && model && strncmp(model, make, strlen(make)) != 0;
    snprintf(out, n_out, "%s%s%s", both ? make : "", both ? " " : "",
             model  ? model
             : make ? make
                    : "");
}

/* Quarters of a turn to the right by which the frames become upright. */
static unsigned find_turn(const reading *r)
{
#if LIBAVFORMAT_VERSION_MAJOR >= 61
    const AVPacketSideData *data =
        av_packet_side_data_get(r->stream->codecpar->coded_side_data,
                                r->stream->codecpar->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
    const int32_t *matrix =
        data && data->size >= 9 * sizeof *matrix ? (const int32_t *)(const void *)data->data : NULL;
#else
    size_t n = 0;
    const void *data = av_stream_get_side_data(r->stream, AV_PKT_DATA_DISPLAYMATRIX, &n);
    const int32_t *matrix = n >= 9 * sizeof *matrix ? data : NULL;
#endif
    const double left = matrix ? av_display_rotation_get(matrix) : 0;
    return isfinite(left) ? (unsigned)(4 - lround(left / 90)) % 4 : 0;
}

/* The size at which frames of w x h are shown: with square pixels, not turned yet. */
static void shown_size(const reading *r, int w, int h, int *out_w, int *out_h)
{
    const AVRational pixel = av_guess_sample_aspect_ratio(r->format, r->stream, NULL);
    const double aspect = pixel.num > 0 && pixel.den > 0 ? av_q2d(pixel) : 1;
    *out_w = aspect > 0.1 && aspect < 10 ? (int)lround(w * aspect) : w;
    *out_h = h;
}

static wi_status open_stream(reading *r, wi_error *error)
{
    const AVCodec *decoder = NULL;
    const int at = av_find_best_stream(r->format, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);
    if (at < 0 || r->format->streams[at]->disposition & AV_DISPOSITION_ATTACHED_PIC) {
        return store_fail(error, WI_ERR_FORMAT, "there are no pictures in this file");
    }
    r->stream = r->format->streams[at];
    const AVCodecParameters *codec = r->stream->codecpar;
    if ((int64_t)codec->width * codec->height > most_pixels) {
        return store_fail(error, WI_ERR_LIMIT, "%d x %d px is over the limit of %lld pixels",
                          codec->width, codec->height, (long long)most_pixels);
    }
    for (unsigned i = 0; i < r->format->nb_streams; i++) {
        r->format->streams[i]->discard = (int)i == at ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
    }
    decoder = avcodec_find_decoder(codec->codec_id);
    r->codec = decoder ? avcodec_alloc_context3(decoder) : NULL;
    if (!decoder || !r->codec || avcodec_parameters_to_context(r->codec, codec) < 0) {
        return store_fail(error, WI_ERR_UNSUPPORTED, "videos in %s are not read",
                          avcodec_get_name(codec->codec_id));
    }
    AVDictionary *options = NULL;
    r->codec->pkt_timebase = r->stream->time_base;
    r->codec->skip_frame = AVDISCARD_NONKEY;
    r->codec->thread_type = FF_THREAD_SLICE; /* one frame is wanted, not the next ones */
    r->codec->thread_count = r->wish->n_threads > 0 ? r->wish->n_threads : 1;
    r->codec->max_pixels = most_pixels;
    av_dict_set(&options, "codec_whitelist", codecs, 0);
    const int number = avcodec_open2(r->codec, decoder, &options);
    av_dict_free(&options);
    return number >= 0 ? WI_OK
                       : store_fail(error, WI_ERR_UNSUPPORTED, "videos in %s are not read",
                                    avcodec_get_name(codec->codec_id));
}

static void tell(reading *r)
{
    int w = 0, h = 0;
    const bool lies = find_turn(r) % 2 == 1;
    shown_size(r, r->stream->codecpar->width, r->stream->codecpar->height, &w, &h);
    *r->info = (video_info){.width_px = (uint32_t)(lies ? h : w),
                            .height_px = (uint32_t)(lies ? w : h),
                            .taken = find_taken(r)};
    find_camera(r, r->info->camera, sizeof r->info->camera);
}

/* ---- a frame ---- */

static void set_colours(reading *r)
{
    const AVFrame *f = r->frame;
    int matrix = (int)f->colorspace;
    if (f->colorspace == AVCOL_SPC_UNSPECIFIED) {
        matrix = f->height >= 720 ? SWS_CS_ITU709 : SWS_CS_ITU601;
    }
    const int *from = sws_getCoefficients(matrix), *to = sws_getCoefficients(SWS_CS_DEFAULT);
    sws_setColorspaceDetails(r->scaler, from, f->color_range == AVCOL_RANGE_JPEG, to, 1, 0, 1 << 16,
                             1 << 16);
}

/* rgb[h,w] rows of stride bytes -> out, turned to the right by quarters. */
static void turn(const uint8_t *rgb, int stride, int w, int h, unsigned quarters, uint8_t *out)
{
    for (int y = 0; y < h; y++) {
        for (int x = 0; x < w; x++) {
            const ptrdiff_t to = quarters == 0   ? (ptrdiff_t)y * w + x
                                 : quarters == 1 ? (ptrdiff_t)x * h + (h - 1 - y)
                                 : quarters == 2 ? (ptrdiff_t)(h - 1 - y) * w + (w - 1 - x)
                                                 : (ptrdiff_t)(w - 1 - x) * h + y;
            memcpy(out + 3 * to, rgb + (ptrdiff_t)y * stride + 3 * (ptrdiff_t)x, 3);
        }
    }
}

static wi_status give_frame(reading *r, int64_t at, wi_error *error)
{
    uint8_t *planes[4] = {NULL};
    int strides[4] = {0}, w, h;
    const AVFrame *f = r->frame;
    const unsigned quarters = find_turn(r);
    shown_size(r, f->width, f->height, &w, &h);
    const int shorter = w < h ? w : h;
    if (r->wish->target_px > 0 && shorter > (int)r->wish->target_px) {
        const double smaller = (double)r->wish->target_px / shorter;
        w = (int)lround(w * smaller);
        h = (int)lround(h * smaller);
    }
    if (w < 1 || h < 1 || (int64_t)w * h > most_pixels) {
        return store_fail(error, WI_ERR_LIMIT, "a frame of %d x %d px", w, h);
    }
    const bool same = w == f->width && h == f->height;
    r->scaler = sws_getCachedContext(
        r->scaler, f->width, f->height, f->format, w, h, AV_PIX_FMT_RGB24,
        (same ? SWS_BICUBIC : SWS_AREA) | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT, NULL, NULL, NULL);
    r->rgb = av_malloc((size_t)w * (size_t)h * 3);
    if (!r->scaler || !r->rgb || av_image_alloc(planes, strides, w, h, AV_PIX_FMT_RGB24, 32) < 0) {
        av_freep(&r->rgb);
        return store_fail(error, WI_ERR_NOMEM, "out of memory, or pixels of an unknown kind");
    }
    set_colours(r);
    sws_scale(r->scaler, (const uint8_t *const *)f->data, f->linesize, 0, f->height, planes,
              strides);
    turn(planes[0], strides[0], w, h, quarters, r->rgb);
    const bool lies = quarters % 2 == 1;
    const video_frame out = {r->rgb, (uint32_t)(lies ? h : w), (uint32_t)(lies ? w : h), at};
    const bool goes_on = r->wish->each(r->wish->context, &out);
    av_freep(&planes[0]);
    av_freep(&r->rgb);
    r->n_frames++;
    return goes_on ? WI_OK : store_fail(error, WI_ERR_CANCELLED, "stopped");
}

/* The next key frame from where the file stands. False: there is none, or it cannot be decoded. */
static bool next_key_frame(reading *r)
{
    for (int i = 0; i < MOST_PACKETS && !is_late(r); i++) {
        av_packet_unref(r->packet);
        if (av_read_frame(r->format, r->packet) < 0) {
            return false;
        }
        if (r->packet->stream_index != r->stream->index || !(r->packet->flags & AV_PKT_FLAG_KEY)) {
            continue;
        }
        avcodec_flush_buffers(r->codec);
        av_frame_unref(r->frame);
        /* The end comes at once, so that the decoder does not keep the frame back. */
        const bool good = avcodec_send_packet(r->codec, r->packet) >= 0 &&
                          avcodec_send_packet(r->codec, NULL) >= 0 &&
                          avcodec_receive_frame(r->codec, r->frame) >= 0;
        if (good && r->frame->width > 0 && r->frame->height > 0) {
            return true;
        }
    }
    return false;
}

static int64_t time_of(const reading *r)
{
    const int64_t at = r->frame->best_effort_timestamp != AV_NOPTS_VALUE
                           ? r->frame->best_effort_timestamp
                       : r->packet->pts != AV_NOPTS_VALUE ? r->packet->pts
                                                          : r->packet->dts;
    const int64_t first = r->stream->start_time != AV_NOPTS_VALUE ? r->stream->start_time : 0;
    return at == AV_NOPTS_VALUE || at < first ? 0 : at - first;
}

/* The key frame that is shown at a time, unless it was given already. */
static wi_status read_at(reading *r, int64_t at_ms, wi_error *error)
{
    const AVRational ms = {1, 1000};
    const int64_t first = r->stream->start_time != AV_NOPTS_VALUE ? r->stream->start_time : 0;
    const int64_t at = av_rescale_q(at_ms, ms, r->stream->time_base);
    /* What cannot be sought in is read on from where it stands. */
    (void)av_seek_frame(r->format, r->stream->index, at <= INT64_MAX - first ? first + at : at,
                        AVSEEK_FLAG_BACKWARD);
    if (!next_key_frame(r)) {
        return WI_OK;
    }
    const int64_t found = time_of(r);
    if (r->n_frames > 0 && found <= r->last) {
        return WI_OK;
    }
    r->last = found;
    return give_frame(r, av_rescale_q(found, r->stream->time_base, ms), error);
}

static wi_status read_frames(reading *r, wi_error *error)
{
    wi_status status = WI_OK;
    const int64_t length_ms =
        r->format->duration > 0 ? r->format->duration / (AV_TIME_BASE / 1000) : 0;
    const int64_t wanted = (length_ms / 1000 + VIDEO_SECONDS_A_FRAME - 1) / VIDEO_SECONDS_A_FRAME;
    const int64_t n = wanted < 1 ? 1 : wanted < VIDEO_MOST_FRAMES ? wanted : VIDEO_MOST_FRAMES;
    if (r->wish->at_ms >= 0) {
        return read_at(r, r->wish->at_ms, error);
    }
    for (int64_t i = 0; i < n && status == WI_OK && !is_late(r); i++) {
        status = read_at(r, length_ms / n * i + length_ms / (2 * n), error);
    }
    return status;
}

static void close_all(reading *r)
{
    if (r->format) {
        AVIOContext *io = r->format->pb;
        avformat_close_input(&r->format);
        if (io) {
            av_freep(&io->buffer);
            avio_context_free(&io);
        }
    }
    sws_freeContext(r->scaler);
    av_packet_free(&r->packet);
    av_frame_free(&r->frame);
    avcodec_free_context(&r->codec);
    if (r->fd >= 0) {
        close(r->fd);
    }
}

static wi_status read_video(const char *path, const video_wish *wish, video_info *info,
                            wi_error *error)
{
    reading r = {.wish = wish, .info = info, .fd = -1};
    clock_gettime(CLOCK_MONOTONIC, &r.until);
    r.until.tv_sec += MOST_SECONDS;
    av_log_set_level(AV_LOG_QUIET);
    wi_status status = open_file(&r, path, error);
    if (status == WI_OK) {
        status = open_container(&r, error);
    }
    if (status == WI_OK) {
        status = open_stream(&r, error);
    }
    if (status == WI_OK) {
        r.packet = av_packet_alloc();
        r.frame = av_frame_alloc();
        status = r.packet && r.frame ? WI_OK : store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    if (status == WI_OK) {
        tell(&r);
        status = read_frames(&r, error);
    }
    if (status == WI_OK && r.n_frames == 0) {
        status = store_fail(error, WI_ERR_FORMAT,
                            is_late(&r) ? "no frame could be read within a minute"
                                        : "no frame of it can be read");
    }
    close_all(&r);
    return status;
}

__attribute__((visibility("default"))) extern const video_module video_module_table;
const video_module video_module_table = {VIDEO_MODULE_VERSION, read_video};
