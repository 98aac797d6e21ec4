/* One input -> the network's pixels. */
#ifndef CLI_LOAD_H
#define CLI_LOAD_H

#include "args.h"

typedef struct cli_load_options {
    const wi_engine *engine;
    wi_preprocess preprocess;
    wi_image_options image; /* target_px is found from preprocess */
} cli_load_options;

typedef struct cli_loaded {
    uint32_t width_px, height_px; /* of the picture, after EXIF orientation */
    double decode_ms, preprocess_ms;
    size_t n_warnings;
    char warnings[4][100]; /* what wi_image_warning tells */
} cli_loaded;

/* How a resize mode is called, by wi_resize_mode. */
enum { CLI_N_RESIZE_MODES = WI_RESIZE_HALFWAY + 1 };
extern const char *const cli_resize_names[CLI_N_RESIZE_MODES];

/* --no-exif, --alpha, --exact, --strict of a verb that takes pictures. */
wi_image_options cli_picture_options(const cli_args *args);

/* Reads path ("-": standard input; *.safetensors: a u8 tensor `pixels [H,W,3]` that is taken as it
 * is). Shapes: pixels[size_px,size_px,3] Threads: any */
wi_status cli_load(const char *path, const cli_load_options *options, uint8_t *pixels,
                   cli_loaded *out, wi_error *error);

/* One note for each warning. */
void cli_tell_warnings(cli_app *app, const char *path, const cli_loaded *loaded);

/* Everything from a stream that cannot be mapped. Owns: the caller frees *bytes. */
wi_status cli_read_all(FILE *stream, size_t max_bytes, uint8_t **bytes, size_t *n_bytes,
                       wi_error *error);

/* Fills the caller's error and returns status. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
wi_status
cli_fail(wi_error *error, wi_status status, const char *format, ...);

#endif
