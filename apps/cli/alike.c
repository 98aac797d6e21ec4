#include "alike.h"
#include <math.h>
#include <stdlib.h>

/* Pearson's correlation of values [first, last); 0 for those without any structure. */
static double correlate(const float *a, const float *b, size_t first, size_t last)
{
    double sa = 0, sb = 0, aa = 0, bb = 0, ab = 0, n = (double)(last - first);
    for (size_t i = first; i < last; i++) {
        double x = (double)a[i], y = (double)b[i];
        sa += x;
        sb += y;
        aa += x * x;
        bb += y * y;
        ab += x * y;
    }
    double va = aa - sa * sa / n, vb = bb - sb * sb / n;
    return va > n && vb > n ? (ab - sa * sb / n) / sqrt(va * vb) : 0;
}

/* The square picture's value between four pixels. */
static double between(const uint8_t *from, size_t side, double u, double v)
{
    double last = (double)side - 1.001;
    u = fmin(fmax(u, 0), last);
    v = fmin(fmax(v, 0), last);
    size_t top = (size_t)v, left = (size_t)u;
    const uint8_t *p = from + top * side + left, *below = p + side;
    double over = u - (double)left, down = v - (double)top;
    double upper = p[0] + over * (p[1] - p[0]), lower = below[0] + over * (below[1] - below[0]);
    return upper + down * (lower - upper);
}

/* ---- thumbprints ---- */

static const double good_enough = 0.95; /* more need not be looked for */

/* The middle of a thumbprint, drawn larger by zoom: what is left of it after a crop. */
static void enlarge(const uint8_t *look, double zoom, float *out)
{
    const double middle = (CATALOG_LOOK_SIDE - 1) / 2.0;
    for (size_t y = 0; y < CATALOG_LOOK_SIDE; y++) {
        for (size_t x = 0; x < CATALOG_LOOK_SIDE; x++) {
            *out++ = (float)between(look, CATALOG_LOOK_SIDE, middle + ((double)x - middle) / zoom,
                                    middle + ((double)y - middle) / zoom);
        }
    }
}

double cli_alike_looks(const uint8_t a[CATALOG_LOOK_BYTES], const uint8_t b[CATALOG_LOOK_BYTES])
{
    static const double zooms[] = {1.03, 1.06, 1.11};
    float of_a[CATALOG_LOOK_BYTES], of_b[CATALOG_LOOK_BYTES], larger[CATALOG_LOOK_BYTES];
    for (size_t i = 0; i < CATALOG_LOOK_BYTES; i++) {
        of_a[i] = a[i];
        of_b[i] = b[i];
    }
    double best = correlate(of_a, of_b, 0, CATALOG_LOOK_BYTES);
    for (size_t i = 0; i < sizeof zooms / sizeof *zooms && best < good_enough; i++) {
        enlarge(a, zooms[i], larger);
        best = fmax(best, correlate(larger, of_b, 0, CATALOG_LOOK_BYTES));
        enlarge(b, zooms[i], larger);
        best = fmax(best, correlate(of_a, larger, 0, CATALOG_LOOK_BYTES));
    }
    return best;
}

/* ---- close ---- */

enum { GRID = 32, COARSE = 4, ZOOMS = 9, PLACES = 5, STRIPS = 4 };
static const double hopeless = 0.80; /* of a coarse search */

bool cli_alike_read(const wi_engine *engine, const char *path, uint8_t out[CLI_CLOSE_BYTES])
{
    const wi_image_options how = {.target_px = CLI_CLOSE_SIDE};
    const wi_preprocess small = {
        .size_px = CLI_CLOSE_SIDE, .mode = WI_RESIZE_SQUASH, .std = {1, 1, 1}};
    wi_image *image = NULL;
    uint8_t *rgb = malloc((size_t)CLI_CLOSE_BYTES * 3);
    bool good = rgb && wi_image_from_file(path, &how, &image, NULL) == WI_OK &&
                wi_image_preprocess(engine, image, &small, rgb, NULL) == WI_OK;
    for (size_t i = 0; good && i < CLI_CLOSE_BYTES; i++) {
        const uint8_t *p = rgb + 3 * i;
        out[i] = (uint8_t)((299u * p[0] + 587u * p[1] + 114u * p[2]) / 1000);
    }
    wi_image_close(&image);
    free(rgb);
    return good;
}

/* A square of the picture: its corner and side, in pixels. */
typedef struct window {
    double left, top, side;
} window;

/* Every skip-th cell of the window's [GRID, GRID], each the mean of four points. */
static void sample(const uint8_t *from, const window *w, size_t skip, float *out)
{
    double step = w->side / GRID;
    for (size_t y = 0; y < GRID; y += skip) {
        for (size_t x = 0; x < GRID; x += skip) {
            double left = w->left + ((double)x + 0.25) * step - 0.5;
            double top = w->top + ((double)y + 0.25) * step - 0.5, half = step / 2, sum = 0;
            for (int k = 0; k < 4; k++) {
                sum += between(from, CLI_CLOSE_SIDE, left + (k & 1 ? half : 0),
                               top + (k & 2 ? half : 0));
            }
            *out++ = (float)(sum / 4);
        }
    }
}

/* The best of some windows so far. */
typedef struct search {
    const uint8_t *large;
    const float *small; /* the whole of the other one, sampled with skip */
    size_t skip;
    window at;
    double best;
} search;

static void try_window(search *s, window w)
{
    float cut[GRID * GRID];
    size_t side = GRID / s->skip;
    sample(s->large, &w, s->skip, cut);
    double found = correlate(cut, s->small, 0, side * side);
    if (found > s->best) {
        s->best = found;
        s->at = w;
    }
}

/* A coarse search over all windows with few points, then finer steps around the best with all. */
static double cut_out_of(const uint8_t *large, const uint8_t *small)
{
    const window whole = {0, 0, CLI_CLOSE_SIDE};
    float few[GRID * GRID / (COARSE * COARSE)], all[GRID * GRID];
    sample(small, &whole, COARSE, few);
    sample(small, &whole, 1, all);
    search s = {large, few, COARSE, whole, -1};
    for (int zoom = 0; zoom < ZOOMS; zoom++) {
        double side = CLI_CLOSE_SIDE * (1 - 0.025 * zoom), room = CLI_CLOSE_SIDE - side;
        for (int place = 0; place < (zoom ? PLACES * PLACES : 1); place++) {
            try_window(&s, (window){room * (place % PLACES) / (PLACES - 1.0),
                                    room * (place / PLACES) / (PLACES - 1.0), side});
        }
    }
    if (s.best < hopeless) {
        return s.best;
    }
    s = (search){large, all, 1, s.at, -1};
    for (double step = 1; step > 0.2; step /= 2) {
        window around = s.at;
        for (int k = 0; k < 27; k++) {
            try_window(&s, (window){around.left + step * (k % 3 - 1),
                                    around.top + step * (k / 3 % 3 - 1),
                                    around.side + step * (k / 9 - 1)});
        }
    }
    return s.best;
}

double cli_alike_close(const uint8_t a[CLI_CLOSE_BYTES], const uint8_t b[CLI_CLOSE_BYTES])
{
    const window whole = {0, 0, CLI_CLOSE_SIDE};
    float of_a[GRID * GRID], of_b[GRID * GRID];
    sample(a, &whole, 1, of_a);
    sample(b, &whole, 1, of_b);
    double best = 0;
    for (size_t strip = 0; strip <= STRIPS; strip++) {
        best = fmax(best, correlate(of_a, of_b, 0, (GRID - strip) * GRID));
        best = fmax(best, correlate(of_a, of_b, strip * GRID, GRID * GRID));
    }
    best = fmax(best, cut_out_of(a, b));
    return fmax(best, cut_out_of(b, a));
}
