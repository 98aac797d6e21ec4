/* JPEG through libjpeg-turbo: baseline, progressive, grey, RGB, CMYK and YCCK.
 *
 * When the caller names a target size, the inverse DCT delivers half
 * or a quarter of each side as long as the shorter side keeps SCALED_SIDES_PER_TARGET times the
 * target. Measured on 24 photographs, the network input then differs from full decoding's by 0.39
 * of 255 on average (half; 0.68 in the worst photograph) and 0.49 (a quarter; 0.81). Keeping only
 * twice the target exceeds 1 in the worst photograph, and so does an eighth at any distance tried,
 * so that is never used. */
#include "image/decode.h"

#include "base/error.h"
#include "image/exif.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jerror.h>
#include <jpeglib.h>

enum {
    SCALED_SIDES_PER_TARGET = 3,
    SCALED_MAX_DENOMINATOR = 4,
    MAX_SCANS = 1000,
    ROWS_PER_CALL = 16
};

typedef struct jpeg_reader {
    struct jpeg_decompress_struct codec;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf failed;
    wi_status status; /* set with message before the jump */
    char message[JMSG_LENGTH_MAX];
    const wi_encoded *in;
    wi_image *image;
    bool has_header;    /* from here on the end of the file is no reason to give up */
    bool cut;           /* the end was reached, and an end marker put there */
    bool short_of_data; /* pixels were wanted that nobody sent: */
    bool damaged;       /* in a file that was not cut */
    uint64_t rows_read; /* before that, of the file's */
} jpeg_reader;

static wi_status status_of(int code)
{
    switch (code) {
    case JERR_OUT_OF_MEMORY:
        return WI_ERR_NOMEM;
    case JERR_BAD_PRECISION:
    case JERR_SOF_UNSUPPORTED:
    case JERR_ARITH_NOTIMPL:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_NOT_COMPILED:
    case JERR_CCIR601_NOTIMPL:
    case JERR_FRACT_SAMPLE_NOTIMPL:
        return WI_ERR_UNSUPPORTED;
    default:
        return WI_ERR_FORMAT;
    }
}

static void error_exit(j_common_ptr codec)
{
    jpeg_reader *reader = codec->client_data;
    reader->status = status_of(codec->err->msg_code);
    codec->err->format_message(codec, reader->message);
    longjmp(reader->failed, 1);
}

static void output_message(j_common_ptr codec)
{
    (void)codec;
}

/* Did the colours of all components come at least once? A first scan gives whole rows at a coarse
 * quality, the others refine it. */
static bool has_every_component(const struct jpeg_decompress_struct *codec)
{
    if (!codec->progressive_mode)
        return codec->comps_in_scan == codec->num_components ||
               codec->input_scan_number >= codec->num_components;
    for (int i = 0; i < codec->num_components; i++)
        if (!codec->coef_bits || codec->coef_bits[i][0] < 0)
            return false;
    return true;
}

static void note_missing_rows(jpeg_reader *reader)
{
    const struct jpeg_decompress_struct *codec = &reader->codec;
    bool first = !codec->progressive_mode || (codec->Ss == 0 && codec->Ah == 0);
    uint64_t rows = (uint64_t)codec->input_iMCU_row * DCTSIZE * (uint64_t)codec->max_v_samp_factor;
    if (!has_every_component(codec))
        rows = 0;
    else if (!first || rows > codec->image_height)
        rows = codec->image_height;
    reader->rows_read = rows;
    reader->short_of_data = true;
}

/* As Pillow and everybody else does, warnings are no reason to stop; but these tell of damage. */
static void emit_message(j_common_ptr codec, int level)
{
    jpeg_reader *reader = codec->client_data;
    int code = codec->err->msg_code;
    if (level >= 0 || !reader->has_header)
        return;
    if (code == JWRN_HIT_MARKER && !reader->short_of_data)
        note_missing_rows(reader);
    reader->damaged = reader->damaged || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE ||
                      code == JWRN_BOGUS_PROGRESSION;
}

static void fail_with(j_common_ptr codec, wi_status status, const char *message)
{
    jpeg_reader *reader = codec->client_data;
    reader->status = status;
    snprintf(reader->message, sizeof reader->message, "%s", message);
    longjmp(reader->failed, 1);
}

static void source_nothing(j_decompress_ptr codec)
{
    (void)codec;
}

/* All bytes are there from the start, so asking for more means that the file is cut short. An end
 * marker in their place makes libjpeg show what it has, as it does for its own files. */
static boolean source_fill(j_decompress_ptr codec)
{
    static const JOCTET end[2] = {0xFF, JPEG_EOI};
    jpeg_reader *reader = codec->client_data;
    if (!reader->has_header)
        fail_with((j_common_ptr)codec, WI_ERR_FORMAT, "the file is truncated");
    reader->cut = true;
    codec->src->next_input_byte = end;
    codec->src->bytes_in_buffer = sizeof end;
    return TRUE;
}

static void source_skip(j_decompress_ptr codec, long n_bytes)
{
    if (n_bytes <= 0)
        return;
    if ((size_t)n_bytes > codec->src->bytes_in_buffer) {
        source_fill(codec);
        return;
    }
    codec->src->next_input_byte += n_bytes;
    codec->src->bytes_in_buffer -= (size_t)n_bytes;
}

/* A progressive file of few bytes can hold thousands of scans over a huge picture. */
static void limit_scans(j_common_ptr codec)
{
    if (codec->is_decompressor && ((j_decompress_ptr)codec)->input_scan_number > MAX_SCANS)
        fail_with(codec, WI_ERR_LIMIT, "too many progressive scans");
}

/* Denominator 1, 2 or 4 of the scale to decode at. */
static unsigned scale_for(const jpeg_reader *reader, uint32_t target_px)
{
    JDIMENSION width = reader->codec.image_width, height = reader->codec.image_height;
    uint64_t shorter = width < height ? width : height;
    uint64_t wanted = (uint64_t)target_px * SCALED_SIDES_PER_TARGET;
    unsigned denominator = 1;
    while (target_px && denominator < SCALED_MAX_DENOMINATOR && shorter / 2 / denominator >= wanted)
        denominator *= 2;
    return denominator;
}

static bool choose_mode(jpeg_reader *reader, wi_pixel_mode *mode)
{
    switch (reader->codec.num_components) {
    case 1:
        *mode = WI_MODE_L;
        reader->codec.out_color_space = JCS_GRAYSCALE;
        return true;
    case 3:
        *mode = WI_MODE_RGB;
        reader->codec.out_color_space = JCS_RGB;
        return true;
    case 4:
        *mode = WI_MODE_CMYK;
        reader->codec.out_color_space = JCS_CMYK;
        return true;
    default:
        return false;
    }
}

static void read_rows(jpeg_reader *reader)
{
    struct jpeg_decompress_struct *codec = &reader->codec;
    wi_image *image = reader->image;
    while (codec->output_scanline < codec->output_height) {
        JSAMPROW rows[ROWS_PER_CALL];
        JDIMENSION first = codec->output_scanline, left = codec->output_height - first;
        JDIMENSION n = left < ROWS_PER_CALL ? left : ROWS_PER_CALL;
        for (JDIMENSION i = 0; i < n; i++)
            rows[i] = image->pixels + (first + i) * image->stride_bytes;
        jpeg_read_scanlines(codec, rows, n);
    }
    /* As Pillow does for every four-channel file: Adobe's polarity, where 255 is no ink. */
    if (image->mode == WI_MODE_CMYK)
        for (size_t i = 0; i < image->stride_bytes * image->height_px; i++)
            image->pixels[i] = (uint8_t)(255 - image->pixels[i]);
}

/* The profile comes in pieces of up to 64 KB. */
static wi_status read_profile(jpeg_reader *reader, wi_error *error)
{
    JOCTET *icc = NULL;
    unsigned int n_bytes = 0;
    if (reader->in->exact || !jpeg_read_icc_profile(&reader->codec, &icc, &n_bytes))
        return WI_OK;
    wi_status status = wi_image_set_icc(reader->image, icc, n_bytes, error);
    free(icc);
    return status;
}

/* Runs under setjmp of the caller: no local may be needed after a jump. */
static wi_status read_picture(jpeg_reader *reader, const wi_encoded *in, wi_error *error)
{
    struct jpeg_decompress_struct *codec = &reader->codec;
    jpeg_create_decompress(codec);
    codec->client_data = reader;
    codec->src = &reader->source;
    codec->progress = &reader->progress;
    if (!in->exact)
        jpeg_save_markers(codec, JPEG_APP0 + 2, 0xFFFF);
    jpeg_read_header(codec, TRUE);
    reader->has_header = true;
    wi_status status =
        wi_decode_check_size(in, "jpeg", codec->image_width, codec->image_height, error);
    if (status != WI_OK)
        return status;
    wi_pixel_mode mode;
    if (!choose_mode(reader, &mode))
        return wi_fail(error, WI_ERR_UNSUPPORTED, "jpeg: %d colour channels",
                       codec->num_components);
    codec->scale_num = 1;
    codec->scale_denom = scale_for(reader, in->target_px);
    jpeg_start_decompress(codec);
    status = wi_image_new(mode, codec->output_width, codec->output_height, "jpeg", &reader->image,
                          error);
    if (status != WI_OK)
        return status;
    wi_image *image = reader->image;
    image->file_width_px = codec->image_width;
    image->file_height_px = codec->image_height;
    image->box_width = (double)codec->image_width / codec->scale_denom;
    image->box_height = (double)codec->image_height / codec->scale_denom;
    status = read_profile(reader, error);
    if (status == WI_OK)
        read_rows(reader);
    return status;
}

/* To the end marker, whose lack says that the file was cut. What else is wrong there does not
 * matter. */
static void read_end(jpeg_reader *reader)
{
    if (setjmp(reader->failed) == 0)
        jpeg_finish_decompress(&reader->codec);
}

static wi_status judge(jpeg_reader *reader, wi_error *error)
{
    wi_image *image = reader->image;
    image->orientation = wi_exif_orientation_jpeg(reader->in->bytes, reader->in->n_bytes);
    if (reader->cut)
        return wi_decode_truncated(
            image, "jpeg", reader->short_of_data ? reader->rows_read : image->file_height_px,
            image->file_height_px, error);
    if (reader->damaged)
        wi_image_warn(image, "the file is damaged: parts of the picture may be wrong");
    return WI_OK;
}

/* Apart from decode(), so that the reader lives in a frame that the jump does not leave. */
static wi_status try_to_read(jpeg_reader *reader, const wi_encoded *in, wi_error *error)
{
    if (setjmp(reader->failed) == 0)
        return read_picture(reader, in, error);
    return wi_fail(error, reader->status, "jpeg: %s", reader->message);
}

/* A download that broke off may be filled up with zeros, which would read as rows. */
static size_t without_zeros(const uint8_t *bytes, size_t n_bytes)
{
    while (n_bytes > 0 && bytes[n_bytes - 1] == 0)
        n_bytes--;
    return n_bytes;
}

static wi_status decode(const wi_encoded *in, wi_image **out, wi_error *error)
{
    jpeg_reader reader = {.status = WI_OK, .in = in};
    reader.codec.err = jpeg_std_error(&reader.errors);
    reader.codec.client_data = &reader;
    reader.errors.error_exit = error_exit;
    reader.errors.output_message = output_message;
    reader.errors.emit_message = emit_message;
    reader.source.next_input_byte = in->bytes;
    reader.source.bytes_in_buffer = without_zeros(in->bytes, in->n_bytes);
    reader.source.init_source = source_nothing;
    reader.source.fill_input_buffer = source_fill;
    reader.source.skip_input_data = source_skip;
    reader.source.resync_to_restart = jpeg_resync_to_restart;
    reader.source.term_source = source_nothing;
    reader.progress.progress_monitor = limit_scans;
    wi_status status = try_to_read(&reader, in, error);
    if (status == WI_OK) {
        read_end(&reader);
        status = judge(&reader, error);
    }
    jpeg_destroy_decompress(&reader.codec);
    if (status != WI_OK)
        wi_image_free(reader.image);
    else
        *out = reader.image;
    return status;
}

static bool probe(const uint8_t *bytes, size_t n_bytes)
{
    return n_bytes >= 3 && bytes[0] == 0xFF && bytes[1] == 0xD8 && bytes[2] == 0xFF;
}

const wi_decoder wi_decoder_jpeg = {"jpeg", probe, decode};
