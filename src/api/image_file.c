/* Apart from image.c, so that a program without decoders (WebAssembly) can leave this file out. */
#include "api/options.h"

#include "base/error.h"
#include "image/decode.h"
#include "image/names.h"

wi_status wi_image_from_memory(const void *bytes, size_t n_bytes, const wi_image_options *options,
                               wi_image **out, wi_error *error)
{
    if (!out || (!bytes && n_bytes > 0))
        return wi_fail(error, WI_ERR_ARG, "wi_image_from_memory: bytes and out are needed");
    const wi_status fits = wi_check_image_options(options, error);
    if (fits != WI_OK)
        return fits;
    return wi_image_decode(bytes, n_bytes, options, out, error);
}

wi_status wi_image_from_file(const char *path, const wi_image_options *options, wi_image **out,
                             wi_error *error)
{
    if (!path || !out)
        return wi_fail(error, WI_ERR_ARG, "wi_image_from_file: a path and out are needed");
    const wi_status fits = wi_check_image_options(options, error);
    if (fits != WI_OK)
        return fits;
    return wi_image_decode_file(path, options, out, error);
}

const char *wi_image_probe(const void *bytes, size_t n_bytes)
{
    return bytes && n_bytes > 0 ? wi_decode_probe(bytes, n_bytes) : NULL;
}

wi_name_kind wi_image_name(const char *name, bool *is_read)
{
    bool read = false;
    wi_name_kind kind = name ? wi_names_kind(name, &read) : WI_NAME_OTHER;
    if (is_read)
        *is_read = read;
    return kind;
}
