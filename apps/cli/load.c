#include "load.h"
#include "paths.h"
#include "term.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char *const cli_resize_names[CLI_N_RESIZE_MODES] = {
    [WI_RESIZE_CROP] = "crop", [WI_RESIZE_SQUASH] = "squash",   [WI_RESIZE_LONGEST] = "longest",
    [WI_RESIZE_NONE] = "none", [WI_RESIZE_HALFWAY] = "halfway",
};

static const size_t max_stream_bytes = (size_t)1 << 30;

wi_status cli_fail(wi_error *error, wi_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    error->status = status;
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    return status;
}

wi_status cli_read_all(FILE *stream, size_t max_bytes, uint8_t **bytes, size_t *n_bytes,
                       wi_error *error)
{
    size_t capacity = 0, used = 0;
    uint8_t *buffer = NULL;
    for (;;) {
        if (used == capacity) {
            capacity = capacity ? 2 * capacity : 1 << 16;
            uint8_t *larger = capacity > 2 * max_bytes ? NULL : realloc(buffer, capacity);
            if (!larger) {
                free(buffer);
                return capacity > 2 * max_bytes
                           ? cli_fail(error, WI_ERR_LIMIT, "more than %zu MB on a pipe",
                                      max_bytes >> 20)
                           : cli_fail(error, WI_ERR_NOMEM, "out of memory");
            }
            buffer = larger;
        }
        size_t n = fread(buffer + used, 1, capacity - used, stream);
        used += n;
        if (n == 0) {
            break;
        }
    }
    if (ferror(stream)) {
        int number = errno;
        free(buffer);
        return number == EINTR ? cli_fail(error, WI_ERR_CANCELLED, "stopped")
                               : cli_fail(error, WI_ERR_IO, "cannot read: %s", strerror(number));
    }
    *bytes = buffer;
    *n_bytes = used;
    return WI_OK;
}

static wi_status open_stream(FILE *stream, const wi_image_options *options, wi_image **out,
                             wi_error *error)
{
    uint8_t *bytes = NULL;
    size_t n_bytes = 0;
    wi_status status = cli_read_all(stream, max_stream_bytes, &bytes, &n_bytes, error);
    if (status == WI_OK && n_bytes == 0) {
        status = cli_fail(error, WI_ERR_FORMAT, "empty");
    } else if (status == WI_OK) {
        status = wi_image_from_memory(bytes, n_bytes, options, out, error);
    }
    free(bytes);
    return status;
}

/* Pipes such as /dev/fd/63 are read to their end; files are left to the library, which maps them.
 */
static wi_status open_picture(const char *path, const wi_image_options *options, wi_image **out,
                              wi_error *error)
{
    struct stat info;
    if (!strcmp(path, "-")) {
        return open_stream(stdin, options, out, error);
    }
    if (stat(path, &info) != 0) {
        return cli_fail(error, WI_ERR_IO, "%s", strerror(errno));
    }
    if (S_ISDIR(info.st_mode)) {
        return cli_fail(error, WI_ERR_IO, "is a folder");
    }
    if (!S_ISFIFO(info.st_mode) && !S_ISCHR(info.st_mode)) {
        return wi_image_from_file(path, options, out, error);
    }
    FILE *stream = fopen(path, "rb");
    if (!stream) {
        return cli_fail(error, WI_ERR_IO, "%s", strerror(errno));
    }
    wi_status status = open_stream(stream, options, out, error);
    fclose(stream);
    return status;
}

wi_image_options cli_picture_options(const cli_args *args)
{
    const char *alpha = cli_args_value(args, "alpha");
    return (wi_image_options){
        .ignore_exif = cli_args_has(args, "no-exif"),
        .exact = cli_args_has(args, "exact"),
        .strict = cli_args_has(args, "strict"),
        .alpha = alpha && alpha[0] == 'o' ? WI_ALPHA_ORIGINAL : WI_ALPHA_GROUND,
    };
}

static void take_warnings(const wi_image *image, cli_loaded *out)
{
    const char *warning;
    while (out->n_warnings < sizeof out->warnings / sizeof out->warnings[0] &&
           (warning = wi_image_warning(image, out->n_warnings))) {
        snprintf(out->warnings[out->n_warnings], sizeof out->warnings[0], "%s", warning);
        out->n_warnings++;
    }
}

void cli_tell_warnings(cli_app *app, const char *path, const cli_loaded *loaded)
{
    for (size_t i = 0; i < loaded->n_warnings; i++) {
        cli_note(app, "%s: %s", strcmp(path, "-") ? path : "standard input", loaded->warnings[i]);
    }
}

static wi_status load_pixels(const char *path, uint32_t size_px, uint8_t *pixels, cli_loaded *out,
                             wi_error *error)
{
    wi_tensors *file = NULL;
    wi_tensor tensor = {0};
    wi_status status = wi_tensors_open(path, &file, error);
    if (status == WI_OK) {
        status = wi_tensors_get(file, "pixels", &tensor, error);
    }
    size_t n_bytes = (size_t)size_px * size_px * 3;
    if (status == WI_OK && (tensor.dtype != WI_U8 || tensor.rank != 3 || tensor.shape[2] != 3)) {
        status = cli_fail(error, WI_ERR_FORMAT, "'pixels' is not u8 [height, width, 3]");
    } else if (status == WI_OK && (tensor.shape[0] != size_px || tensor.shape[1] != size_px ||
                                   tensor.n_bytes != n_bytes)) {
        status =
            cli_fail(error, WI_ERR_MISMATCH, "'pixels' is %llu x %llu, the model takes %u x %u",
                     (unsigned long long)tensor.shape[1], (unsigned long long)tensor.shape[0],
                     size_px, size_px);
    } else if (status == WI_OK) {
        memcpy(pixels, tensor.data, n_bytes);
        out->width_px = out->height_px = size_px;
    }
    wi_tensors_close(&file);
    return status;
}

wi_status cli_load(const char *path, const cli_load_options *options, uint8_t *pixels,
                   cli_loaded *out, wi_error *error)
{
    const wi_preprocess *input = &options->preprocess;
    wi_image_options how = options->image;
    how.target_px = input->mode == WI_RESIZE_NONE ? 0
                    : input->resize_px            ? input->resize_px
                                                  : input->size_px;
    wi_image *image = NULL;
    double start = cli_now_ms();
    *out = (cli_loaded){0};
    if (cli_ends_with(path, ".safetensors")) {
        wi_status status = load_pixels(path, options->preprocess.size_px, pixels, out, error);
        out->decode_ms = cli_now_ms() - start;
        return status;
    }
    wi_status status = open_picture(path, &how, &image, error);
    double decoded = cli_now_ms();
    if (status == WI_OK) {
        status = wi_image_preprocess(options->engine, image, &options->preprocess, pixels, error);
    }
    if (status == WI_OK) {
        out->width_px = wi_image_width(image);
        out->height_px = wi_image_height(image);
        out->decode_ms = decoded - start;
        out->preprocess_ms = cli_now_ms() - decoded;
        take_warnings(image, out);
    }
    wi_image_close(&image);
    return status;
}
