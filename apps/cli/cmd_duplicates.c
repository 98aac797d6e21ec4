/* Photos of a library that are there more than once: equal files, equal pixels, near copies, and, when
 * asked for, photos of one scene. Nothing is ever deleted. */
#include "output.h"
#include "paths.h"
#include "photo_library.h"
#include "term.h"
#include "verbs.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const cli_option options[] = {
    {"library", 'l', "NAME", false, "the library (default: photos)", NULL},
    {"scenes", 0, NULL, false, "also groups of different photos of one scene", NULL},
    {"exact", 0, NULL, false, "only files of equal bytes or equal pixels", NULL},
    {"folder", 0, "DIR", false, "only photos in this folder and below", "@dir"},
    {"json", 0, NULL, false, "one JSON object a group and line: kind, keep, why, paths", NULL},
    {0},
};

/* Weakest first. A group is as weak as its weakest link. */
typedef enum kind { SCENE = 0, NEAR, PIXELS, BYTES } kind;
static const char *const kind_names[] = {"scene", "near", "equal-pixels", "equal"};

/* Chosen on made variants of photos (docs/PHOTOS.md): the cosine of two near copies, how much alike their
 * thumbprints are (correlation), and the cosine of two photos of one scene. */
static const float least_cosine = 0.50f, scene_cosine = 0.90f;
static const double surely_alike = 0.95, rather_alike = 0.80;
static const float surely_cosine = 0.95f;

typedef struct photo {
    catalog_photo known;
    size_t parent; /* of a group: union by the smaller row */
    kind weakest;  /* of the group's links, at its root */
} photo;

typedef struct finding {
    cli_app *app;
    const cli_args *args;
    cli_runtime runtime;
    cli_library library;
    catalog_filter filter;
    photo *photos; /* [n], by row */
    size_t n;
    bool scenes, exact, json;
    size_t n_groups, n_extra;
} finding;

/* ---- groups ---- */

static size_t root_of(finding *f, size_t i)
{
    while (f->photos[i].parent != i) {
        i = f->photos[i].parent = f->photos[f->photos[i].parent].parent;
    }
    return i;
}

static void join(finding *f, size_t a, size_t b, kind link)
{
    size_t x = root_of(f, a), y = root_of(f, b);
    size_t low = x < y ? x : y, high = x < y ? y : x;
    kind weakest = f->photos[low].weakest;
    weakest = f->photos[high].weakest < weakest ? f->photos[high].weakest : weakest;
    f->photos[high].parent = low;
    f->photos[low].weakest = link < weakest ? link : weakest;
}

/* Pearson's correlation of two thumbprints; 0 for one without any structure. */
static double correlation(const uint8_t *a, const uint8_t *b)
{
    double sa = 0, sb = 0, aa = 0, bb = 0, ab = 0, n = CATALOG_LOOK_BYTES;
    for (size_t i = 0; i < CATALOG_LOOK_BYTES; i++) {
        sa += a[i];
        sb += b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
        ab += (double)a[i] * b[i];
    }
    double va = aa - sa * sa / n, vb = bb - sb * sb / n;
    return va > n && vb > n ? (ab - sa * sb / n) / sqrt(va * vb) : 0;
}

/* The middle of a thumbprint, drawn larger by zoom: what is left of it after a crop. */
static void enlarge(const uint8_t *look, double zoom, uint8_t *out)
{
    const double middle = (CATALOG_LOOK_SIDE - 1) / 2.0;
    for (size_t y = 0; y < CATALOG_LOOK_SIDE; y++) {
        for (size_t x = 0; x < CATALOG_LOOK_SIDE; x++) {
            double v = middle + ((double)y - middle) / zoom,
                   u = middle + ((double)x - middle) / zoom;
            size_t top = (size_t)v, left = (size_t)u;
            size_t bottom = top + 1 < CATALOG_LOOK_SIDE ? top + 1 : top;
            size_t right = left + 1 < CATALOG_LOOK_SIDE ? left + 1 : left;
            double down = v - (double)top, over = u - (double)left;
            const uint8_t *a = look + top * CATALOG_LOOK_SIDE;
            const uint8_t *b = look + bottom * CATALOG_LOOK_SIDE;
            double upper = a[left] + over * (a[right] - a[left]);
            double lower = b[left] + over * (b[right] - b[left]);
            out[y * CATALOG_LOOK_SIDE + x] = (uint8_t)(upper + down * (lower - upper) + 0.5);
        }
    }
}

/* How much alike two photos are, of which one may be cut out of the other's middle. */
static double likeness(const uint8_t *a, const uint8_t *b)
{
    static const double zooms[] = {1.03, 1.06, 1.11};
    uint8_t larger[CATALOG_LOOK_BYTES];
    double best = correlation(a, b);
    for (size_t i = 0; i < sizeof zooms / sizeof *zooms && best < surely_alike; i++) {
        enlarge(a, zooms[i], larger);
        best = fmax(best, correlation(larger, b));
        enlarge(b, zooms[i], larger);
        best = fmax(best, correlation(a, larger));
    }
    return best;
}

static bool equal_pixels(const photo *a, const photo *b)
{
    wi_image *x = NULL, *y = NULL;
    const uint8_t *p, *q;
    uint32_t pw, ph, qw, qh;
    bool equal = false;
    if (a->known.width_px == b->known.width_px && a->known.height_px == b->known.height_px &&
        !memcmp(a->known.look, b->known.look, CATALOG_LOOK_BYTES) &&
        wi_image_from_file(a->known.paths[0], NULL, &x, NULL) == WI_OK &&
        wi_image_from_file(b->known.paths[0], NULL, &y, NULL) == WI_OK &&
        wi_image_rgb(x, &p, &pw, &ph, NULL) == WI_OK &&
        wi_image_rgb(y, &q, &qw, &qh, NULL) == WI_OK) {
        equal = pw == qw && ph == qh && !memcmp(p, q, (size_t)pw * ph * 3);
    }
    wi_image_close(&x);
    wi_image_close(&y);
    return equal;
}

static bool take_pair(void *context, uint64_t a, uint64_t b, float cosine)
{
    finding *f = context;
    photo *x = &f->photos[a], *y = &f->photos[b];
    if (!x->known.has_look || !y->known.has_look) {
        return !cli_interrupted();
    }
    double alike = likeness(x->known.look, y->known.look);
    bool near = alike >= surely_alike || (alike >= rather_alike && cosine >= surely_cosine);
    if (near && equal_pixels(x, y)) {
        join(f, a, b, PIXELS);
    } else if (near && !f->exact) {
        join(f, a, b, NEAR);
    } else if (f->scenes && cosine >= scene_cosine) {
        join(f, a, b, SCENE);
    }
    return !cli_interrupted();
}

/* ---- which to keep ---- */

enum { RAW_RANK = 2 };

/* Formats that lose nothing, or that a camera makes, before those that programs make of them. */
static int format_rank(const char *path)
{
    static const char *const endings[] = {".png", ".tif", ".tiff", ".bmp"};
    if (wi_image_name(path, NULL) == WI_NAME_RAW) {
        return RAW_RANK;
    }
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        if (cli_ends_with(path, endings[i])) {
            return 1;
        }
    }
    return 0;
}

/* Is a better than b, and why: what the camera's sensor saw (of which only the preview's size is known),
 * more pixels, then a format without loss, then more bytes for them. */
static bool is_better(const photo *a, const photo *b, const char **why)
{
    int64_t pa = a->known.width_px * a->known.height_px,
            pb = b->known.width_px * b->known.height_px;
    int fa = format_rank(a->known.paths[0]), fb = format_rank(b->known.paths[0]);
    if ((fa == RAW_RANK) != (fb == RAW_RANK)) {
        *why = "raw";
        return fa == RAW_RANK;
    }
    if (pa != pb) {
        *why = "largest";
        return pa > pb;
    }
    if (fa != fb) {
        *why = "lossless";
        return fa > fb;
    }
    if (a->known.n_bytes != b->known.n_bytes) {
        *why = "least compressed";
        return a->known.n_bytes > b->known.n_bytes;
    }
    *why = "oldest";
    return a->known.taken < b->known.taken;
}

static void write_group(finding *f, const size_t *members, size_t n, kind weakest)
{
    const char *why = "any: they are equal";
    size_t keep = members[0];
    json_t *paths = json_array();
    for (size_t i = 1; i < n; i++) {
        keep = is_better(&f->photos[members[i]], &f->photos[keep], &why) ? members[i] : keep;
    }
    for (size_t i = 0; i < n; i++) {
        if (members[i] != keep) {
            is_better(&f->photos[keep], &f->photos[members[i]], &why);
            break;
        }
    }
    for (size_t i = 0; i < n; i++) {
        const catalog_photo *known = &f->photos[members[i]].known;
        for (size_t j = 0; j < known->n_paths; j++) {
            json_array_append_new(paths, cli_json_text(known->paths[j]));
        }
    }
    f->n_groups++;
    f->n_extra += json_array_size(paths) - 1;
    const char *kept = f->photos[keep].known.paths[0];
    if (f->json) {
        cli_json_line(json_pack("{s:s,s:o,s:s,s:o}", "kind", kind_names[weakest], "keep",
                                cli_json_text(kept), "why", why, "paths", paths));
        return;
    }
    printf("%s\n", kind_names[weakest]);
    for (size_t i = 0; i < json_array_size(paths); i++) {
        char text[1024];
        const char *path = json_string_value(json_array_get(paths, i));
        cli_printable(path, text, sizeof text);
        bool is_kept = !strcmp(path, kept);
        printf("  %s %s%s%s%s\n", is_kept ? "keep" : "    ", text, is_kept ? "  (" : "",
               is_kept ? why : "", is_kept ? ")" : "");
    }
    json_decref(paths);
}

static int write_groups(finding *f)
{
    size_t *members = calloc(f->n + 1, sizeof *members);
    size_t *next = calloc(f->n + 1, sizeof *next); /* the next member of the same group, 0: none */
    size_t *last = calloc(f->n + 1, sizeof *last);
    int status = members && next && last ? CLI_OK : CLI_FAILED;
    for (size_t i = 0; i < f->n && status == CLI_OK; i++) {
        size_t root = root_of(f, i);
        if (root != i) {
            next[last[root] ? last[root] : root] = i;
            last[root] = i;
        }
    }
    for (size_t i = 0; i < f->n && status == CLI_OK && cli_output_ok(f->app); i++) {
        const photo *p = &f->photos[i];
        size_t n = 0;
        if (p->parent != i || p->known.n_paths == 0) {
            continue;
        }
        for (size_t at = i; n == 0 || at != 0; at = next[at]) {
            members[n++] = at;
        }
        if (n > 1 || p->known.n_paths > 1) {
            write_group(f, members, n, p->weakest);
        }
    }
    free(members);
    free(next);
    free(last);
    return status;
}

/* ---- the whole ---- */

static int read_photos(finding *f, uint8_t *bits)
{
    wi_error error = {0};
    for (size_t i = 0; i < f->n; i++) {
        photo *p = &f->photos[i];
        p->parent = i;
        p->weakest = BYTES;
        if (catalog_photo_of(f->library.cat, f->library.model.id, (int64_t)i, &f->filter, &p->known,
                             &error) != WI_OK) {
            return cli_failed(f->app, NULL, &error);
        }
        bits[i / 8] |= (uint8_t)((p->known.n_paths > 0) << (i % 8));
    }
    return CLI_OK;
}

static int find(finding *f)
{
    wi_error error = {0};
    f->n = (size_t)f->library.model.n_rows;
    f->photos = calloc(f->n + 1, sizeof *f->photos);
    uint8_t *bits = calloc(f->n / 8 + 1, 1);
    int status = f->photos && bits ? read_photos(f, bits) : CLI_FAILED;
    if (status == CLI_OK) {
        wi_status found =
            wi_index_pairs(f->library.index, least_cosine, bits, take_pair, f, &error);
        status = found == WI_OK ? CLI_OK : cli_failed(f->app, NULL, &error);
    }
    if (status == CLI_OK && !cli_interrupted()) {
        status = write_groups(f);
        cli_note(f->app, "%zu group%s, %zu photo%s more than one of each", f->n_groups,
                 f->n_groups == 1 ? "" : "s", f->n_extra, f->n_extra == 1 ? "" : "s");
    }
    for (size_t i = 0; i < f->n && f->photos; i++) {
        catalog_free_photo(&f->photos[i].known);
    }
    free(f->photos);
    free(bits);
    return cli_interrupted() ? CLI_INTERRUPTED : status;
}

static int run(cli_app *app, const cli_args *args)
{
    finding f = {.app = app,
                 .args = args,
                 .scenes = cli_args_has(args, "scenes"),
                 .exact = cli_args_has(args, "exact"),
                 .json = cli_args_has(args, "json")};
    const char *name, *folder = cli_args_value(args, "folder");
    char *absolute = folder ? realpath(folder, NULL) : NULL;
    f.filter.folder = absolute ? absolute : folder;
    int status = cli_library_name(args, &name);
    if (status == CLI_OK && f.scenes && f.exact) {
        status = cli_usage(args->verb, "--scenes and --exact exclude each other");
    }
    if (status == CLI_OK) {
        status = cli_runtime_open(app, args, WI_TOWER_IMAGE, &f.runtime);
    }
    if (status == CLI_OK) {
        status = cli_library_open(&f.runtime, name, false, &f.library);
    }
    if (status == CLI_OK) {
        status = find(&f);
    }
    cli_library_close(&f.library);
    cli_runtime_close(&f.runtime);
    free(absolute);
    return status;
}

const cli_verb cli_verb_duplicates = {
    .name = "duplicates",
    .operands = "",
    .summary = "find photos of a library that are there more than once",
    .details = "Groups photos: 'equal' files have the same bytes, 'equal-pixels' the same picture "
               "in another "
               "file, 'near' ones were resized, recompressed, cropped a little or edited; --scenes "
               "adds different "
               "photos of one scene. Each group names the one to keep and why: the largest, then "
               "one without "
               "loss, then the least compressed. Nothing is deleted.",
    .examples = "whatsit duplicates\n"
                "    all groups of the library\n"
                "whatsit duplicates --json | jq -r '.keep as $k | .paths[] | select(. != $k)'\n"
                "    what could go\n",
    .complete = NULL,
    .min_operands = 0,
    .max_operands = 0,
    .shared = CLI_TAKES_MODEL | CLI_TAKES_THREADS,
    .options = options,
    .run = run,
};
