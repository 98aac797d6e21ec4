#include "sheet.h"
#include "output.h"
#include "paths.h"
#include "png.h"
#include "term.h"
#include "videos.h"
#include <stdlib.h>
#include <string.h>
#include <whatsit/image.h>

enum { THUMB_PX = 192 };

static const char head[] =
    "<meta name=viewport content=\"width=device-width\">\n<style>\n"
    "body{font:14px/1.4 system-ui,sans-serif;margin:16px;background:#fff;color:#222}\n"
    "section{display:flex;flex-wrap:wrap;gap:12px;margin-bottom:20px}\n"
    "h2{font-size:15px;margin:0 0 6px}figure{margin:0;width:192px;overflow-wrap:anywhere}\n"
    "img,.none{width:192px;height:192px;display:block;background:#eee}\n"
    ".chosen img,.chosen .none{outline:3px solid #2a7}figcaption{font-size:12px}\n"
    "@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}img,.none{background:#"
    "333}}\n"
    "</style></head><body>\n";

static void write_text(FILE *out, const char *text)
{
    char clean[4096];
    cli_printable(text, clean, sizeof clean);
    cli_html_text(out, clean);
}

/* A path's bytes as the address of a file. */
static void write_address(FILE *out, const char *path)
{
    char *form = cli_percent_form(path, "/-._~");
    fprintf(out, "file://%s", form ? form : "");
    free(form);
}

static void write_base64(FILE *out, const uint8_t *bytes, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        uint32_t v = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                     (left > 2 ? bytes[i + 2] : 0);
        fputc(digits[v >> 18], out);
        fputc(digits[v >> 12 & 63], out);
        fputc(left > 1 ? digits[v >> 6 & 63] : '=', out);
        fputc(left > 2 ? digits[v & 63] : '=', out);
    }
}

/* at_ms: of a video's frame, else -1. */
static bool open_thumb(const char *path, int64_t at_ms, wi_image **out)
{
    const wi_image_options how = {.target_px = THUMB_PX};
    return (at_ms >= 0 ? cli_video_frame(path, at_ms, 2 * THUMB_PX, out, NULL)
                       : wi_image_from_file(path, &how, out, NULL)) == WI_OK;
}

/* False when there is nothing to show. */
static bool write_thumb(const cli_sheet *sheet, const char *path, int64_t at_ms)
{
    const wi_preprocess small = {
        .size_px = THUMB_PX, .mode = WI_RESIZE_LONGEST, .fill = 238, .std = {1, 1, 1}};
    wi_image *image = NULL;
    size_t n_bytes = 0;
    uint8_t *rgb = malloc((size_t)THUMB_PX * THUMB_PX * 3);
    void *png = NULL;
    if (rgb && open_thumb(path, at_ms, &image) &&
        wi_image_preprocess(sheet->engine, image, &small, rgb, NULL) == WI_OK) {
        png = cli_png_encode(rgb, THUMB_PX, THUMB_PX, &n_bytes);
    }
    if (png) {
        fputs("<img alt=\"\" src=\"data:image/png;base64,", sheet->save.stream);
        write_base64(sheet->save.stream, png, n_bytes);
        fputs("\">", sheet->save.stream);
    }
    wi_image_close(&image);
    free(png);
    free(rgb);
    return png != NULL;
}

int cli_sheet_open(cli_app *app, const wi_engine *engine, const char *path, const char *title,
                   cli_sheet *out)
{
    wi_error error = {0};
    *out = (cli_sheet){.app = app, .engine = engine};
    if (cli_save_open(&out->save, path, &error) != WI_OK) {
        *out = (cli_sheet){0};
        return cli_failed(app, path, &error);
    }
    fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>",
          out->save.stream);
    write_text(out->save.stream, title);
    fprintf(out->save.stream, "</title>%s<h1>", head);
    write_text(out->save.stream, title);
    fputs("</h1>\n", out->save.stream);
    return CLI_OK;
}

void cli_sheet_group(cli_sheet *sheet, const char *heading)
{
    if (!sheet->app) {
        return;
    }
    fputs(sheet->in_group ? "</section>\n<h2>" : "<h2>", sheet->save.stream);
    write_text(sheet->save.stream, heading);
    fputs("</h2><section>\n", sheet->save.stream);
    sheet->in_group = true;
}

void cli_sheet_photo(cli_sheet *sheet, const char *path, const char *text, bool chosen)
{
    cli_sheet_video(sheet, path, -1, text, chosen);
}

void cli_sheet_video(cli_sheet *sheet, const char *path, int64_t at_ms, const char *text,
                     bool chosen)
{
    if (!sheet->app) {
        return;
    }
    fprintf(sheet->save.stream, "<figure%s><a href=\"", chosen ? " class=\"chosen\"" : "");
    write_address(sheet->save.stream, path);
    fputs("\">", sheet->save.stream);
    if (!write_thumb(sheet, path, at_ms)) {
        fputs("<span class=\"none\"></span>", sheet->save.stream);
    }
    fputs("</a><figcaption>", sheet->save.stream);
    write_text(sheet->save.stream, path);
    fputs("<br>", sheet->save.stream);
    write_text(sheet->save.stream, text);
    fputs("</figcaption></figure>\n", sheet->save.stream);
    sheet->n_photos++;
    cli_save_ok(&sheet->save);
}

int cli_sheet_close(cli_sheet *sheet)
{
    wi_error error = {0};
    wi_status status = WI_OK;
    if (sheet->app) {
        fputs(sheet->in_group ? "</section></body></html>\n" : "</body></html>\n",
              sheet->save.stream);
        status = cli_save_commit(&sheet->save, &error);
        if (status != WI_OK) {
            cli_failed(sheet->app, NULL, &error);
        }
    }
    cli_save_abandon(&sheet->save);
    *sheet = (cli_sheet){0};
    return status == WI_OK ? CLI_OK : CLI_FAILED;
}
