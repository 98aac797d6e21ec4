#include "video.h"
#include "module.h"
#include "video_module.h"
#include <stdio.h>

static const video_module *find_module(void)
{
    static const video_module *module;
    static bool looked;
    if (!looked) {
        looked = true;
        module = module_find("whatsit_libav.so", "video_module_table");
    }
    return module && module->version == VIDEO_MODULE_VERSION ? module : NULL;
}

bool video_can(void)
{
    return find_module() != NULL;
}

wi_status video_read(const char *path, const video_wish *wish, video_info *info, wi_error *error)
{
    const video_module *module = find_module();
    if (!module) {
        if (error) {
            error->status = WI_ERR_UNSUPPORTED;
            snprintf(error->message, sizeof error->message,
                     "videos cannot be read in this installation (it needs libav)");
        }
        return WI_ERR_UNSUPPORTED;
    }
    return module->read(path, wish, info, error);
}
