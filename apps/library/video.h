/* Pictures out of videos: key frames spread over a video's length. libav is behind a module that is loaded when it is
 * called for.
 * Threads: one at a time. */
#ifndef LIBRARY_VIDEO_H
#define LIBRARY_VIDEO_H

#include <whatsit/status.h>

/* Of one video at most so many frames, however long it is; a shorter one gives fewer. */
enum { VIDEO_MOST_FRAMES = 32, VIDEO_SECONDS_A_FRAME = 4 };

/* Upright, in sRGB as far as the file says its colours. */
typedef struct video_frame {
    const uint8_t *rgb; /* [height,width,3]; lives during the call */
    uint32_t width_px, height_px;
    int64_t at_ms; /* since the video's first picture */
} video_frame;

typedef struct video_wish {
    int64_t at_ms;      /* the key frame that is shown then; -1: some from the whole length */
    uint32_t target_px; /* frames whose shorter side is longer are made smaller; 0: leave them */
    int n_threads;
    /* Called for each frame, in order of time. False stops. */
    bool (*each)(void *context, const video_frame *frame);
    void *context;
} video_wish;

typedef struct video_info {
    uint32_t width_px, height_px; /* as it is shown */
    int64_t taken;                /* local time in seconds since 1970; INT64_MIN: it does not say */
    char camera[64];              /* "" when it does not say */
} video_info;

/* Can videos be read in this installation? */
bool video_can(void);

/* What cannot be read within a minute, or is larger than pictures may be (200 million pixels), is left: frames that
 * were read before count.
 * Safety: the file alone is read, nothing that it names; containers and codecs of cameras and phones only
 * Errors: WI_ERR_UNSUPPORTED when libav is not in this installation, or for a codec that is not read; WI_ERR_IO;
 *         WI_ERR_FORMAT when there is no frame; WI_ERR_LIMIT; WI_ERR_CANCELLED when each said so; WI_ERR_NOMEM */
wi_status video_read(const char *path, const video_wish *wish, video_info *info, wi_error *error);

#endif
