#include "image/names.h"

#include "image/decode.h"

#include <string.h>
#include <strings.h>

typedef struct ending {
    const char *text;
    const char *format; /* of the decoder that reads such files; NULL: none does */
} ending;

static const ending pictures[] = {
    {"jpg", "jpeg"},  {"jpeg", "jpeg"}, {"jpe", "jpeg"}, {"jfif", "jpeg"}, {"png", "png"},
    {"webp", "webp"}, {"gif", "gif"},   {"bmp", "bmp"},  {"heic", "heif"}, {"heif", "heif"},
    {"hif", "heif"},  {"avif", "heif"}, {"tif", "tiff"}, {"tiff", "tiff"}, {"jxl", "jxl"},
    {"psd", NULL},    {"psb", NULL},    {"jp2", NULL},   {"tga", NULL},    {"svg", NULL},
    {"exr", NULL},    {"hdr", NULL},    {"xcf", NULL},   {"ico", NULL},    {0}};

static const ending raw_photos[] = {{"cr2", "camera-raw"}, {"cr3", "camera-raw"},
                                    {"crw", "camera-raw"}, {"nef", "camera-raw"},
                                    {"nrw", "camera-raw"}, {"arw", "camera-raw"},
                                    {"srf", "camera-raw"}, {"sr2", "camera-raw"},
                                    {"raf", "camera-raw"}, {"orf", "camera-raw"},
                                    {"rw2", "camera-raw"}, {"dng", "camera-raw"},
                                    {"pef", "camera-raw"}, {"srw", "camera-raw"},
                                    {"x3f", "camera-raw"}, {"3fr", "camera-raw"},
                                    {"iiq", "camera-raw"}, {"erf", "camera-raw"},
                                    {"mrw", "camera-raw"}, {"kdc", "camera-raw"},
                                    {"rwl", "camera-raw"}, {0}};

static const ending videos[] = {{"mov", NULL},
                                {"mp4", NULL},
                                {"m4v", NULL},
                                {"avi", NULL},
                                {"mkv", NULL},
                                {"mpg", NULL},
                                {"mpeg", NULL},
                                {"mts", NULL},
                                {"3gp", NULL},
                                {"wmv", NULL},
                                {"flv", NULL},
                                {"webm", NULL},
                                {0}};

/* Edits and notes of other programs. */
static const ending sidecars[] = {{"xmp", NULL}, {"aae", NULL}, {"pp3", NULL},  {"dop", NULL},
                                  {"on1", NULL}, {"thm", NULL}, {"json", NULL}, {0}};

static const ending *find(const ending *list, const char *text)
{
    for (; list->text; list++)
        if (strcasecmp(list->text, text) == 0)
            return list;
    return NULL;
}

wi_name_kind wi_names_kind(const char *name, bool *is_read)
{
    static const struct {
        const ending *list;
        wi_name_kind kind;
    } kinds[] = {{pictures, WI_NAME_PICTURE},
                 {raw_photos, WI_NAME_RAW},
                 {videos, WI_NAME_VIDEO},
                 {sidecars, WI_NAME_SIDECAR}};
    const char *dot = strrchr(name, '.');
    *is_read = false;
    for (size_t i = 0; dot && i < sizeof kinds / sizeof kinds[0]; i++) {
        const ending *found = find(kinds[i].list, dot + 1);
        if (found) {
            *is_read = found->format && wi_decode_has(found->format);
            return kinds[i].kind;
        }
    }
    return WI_NAME_OTHER;
}
