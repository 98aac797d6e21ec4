/* Videos -> embeddings of some of their frames. */
#ifndef CLI_VIDEOS_H
#define CLI_VIDEOS_H

#include "../library/video.h"
#include "paths.h"
#include "runtime.h"
#include <whatsit/image.h>

typedef struct cli_video {
    const char *path; /* borrowed */
    wi_status status;
    wi_error error;
    video_info info;
    size_t n;             /* frames; 0 when status is not WI_OK */
    const int64_t *at_ms; /* [n] */
    const float *rows;    /* [n, dim], not normalised */
} cli_video;

/* each is called for every video in order, also for one that could not be read, which has been reported already;
 * false from it stops.
 * CLI_OK; CLI_FAILED when some could not be read or nothing works; CLI_INTERRUPTED. */
int cli_videos_encode(const cli_runtime *runtime, const cli_list *paths,
                      bool (*each)(void *context, const cli_video *video), void *context);

/* The frame that is shown at a time; the caller closes *out. */
wi_status cli_video_frame(const char *path, int64_t at_ms, uint32_t target_px, wi_image **out,
                          wi_error *error);

/* "1:23" or "1:02:03". text is at least 24 bytes. */
const char *cli_time_text(int64_t at_ms, char *text);

#endif
