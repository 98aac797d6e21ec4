/* What the module exports: one table, by the name video_module_table. Changes of it change the version, so that a
 * program does not use the module of another one. */
#ifndef LIBRARY_VIDEO_MODULE_H
#define LIBRARY_VIDEO_MODULE_H

#include "video.h"

enum { VIDEO_MODULE_VERSION = 1 };

typedef struct video_module {
    uint32_t version;
    /* As video_read. */
    wi_status (*read)(const char *path, const video_wish *wish, video_info *info, wi_error *error);
} video_module;

#endif
