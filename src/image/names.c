#include "image/names.h"

#include "image/decode.h"

#include <string.h>
#include <strings.h>

static const struct {
    const char *ending, *format; /* format: of the decoder that reads such files; NULL: none does */
} pictures[] = {{"jpg", "jpeg"},   {"jpeg", "jpeg"},  {"jpe", "jpeg"},  {"jfif", "jpeg"},
                {"pjpeg", "jpeg"}, {"pjp", "jpeg"},   {"mpo", "jpeg"},  {"jps", "jpeg"},
                {"png", "png"},    {"apng", "png"},   {"webp", "webp"}, {"gif", "gif"},
                {"bmp", "bmp"},    {"dib", "bmp"},    {"heic", "heif"}, {"heics", "heif"},
                {"heif", "heif"},  {"heifs", "heif"}, {"hif", "heif"},  {"avif", "heif"},
                {"avifs", "heif"}, {"tif", "tiff"},   {"tiff", "tiff"}, {"jxl", "jxl"},
                {"psd", NULL},     {"psb", NULL},     {"jp2", NULL},    {"tga", NULL},
                {"svg", NULL},     {"exr", NULL},     {"hdr", NULL},    {"xcf", NULL},
                {"ico", NULL},     {"qoi", NULL},     {"ppm", NULL},    {"dds", NULL}};

static const char *const raw_photos[] = {"cr2", "cr3", "crw", "nef", "nrw", "arw", "srf",
                                         "sr2", "raf", "orf", "rw2", "dng", "pef", "srw",
                                         "x3f", "3fr", "iiq", "erf", "mrw", "kdc", "rwl",
                                         "dcr", "mef", "mos", "fff", "gpr", NULL};

static const char *const videos[] = {"mov",  "mp4", "m4v", "avi", "mkv", "mpg",  "mpeg", "mts",
                                     "m2ts", "3gp", "3g2", "wmv", "flv", "webm", "vob",  NULL};

/* Edits and notes of other programs. */
static const char *const sidecars[] = {"xmp", "aae", "pp3", "dop", "on1", "thm", "json", NULL};

static bool has(const char *const *list, const char *ending)
{
    while (*list && strcasecmp(*list, ending) != 0)
        list++;
    return *list != NULL;
}

wi_name_kind wi_names_kind(const char *name, bool *is_read)
{
    const char *dot = strrchr(name, '.');
    const char *ending = dot ? dot + 1 : "";
    *is_read = false;
    for (size_t i = 0; i < sizeof pictures / sizeof pictures[0]; i++)
        if (strcasecmp(pictures[i].ending, ending) == 0) {
            *is_read = pictures[i].format && wi_decode_has(pictures[i].format);
            return WI_NAME_PICTURE;
        }
    if (has(raw_photos, ending)) {
        *is_read = wi_decode_has("camera-raw");
        return WI_NAME_RAW;
    }
    if (has(videos, ending))
        return WI_NAME_VIDEO;
    return has(sidecars, ending) ? WI_NAME_SIDECAR : WI_NAME_OTHER;
}
