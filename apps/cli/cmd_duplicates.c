/* Photos of a library that are there more than once: equal files, equal pixels, near copies, and, when
 * asked for, photos of one scene. Nothing is ever deleted. */
#include "alike.h"
#include "output.h"
#include "paths.h"
#include "photo_library.h"
#include "place.h"
#include "sheet.h"
#include "term.h"
#include "verbs.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const cli_option options[] = {
    {"library", 'l', "NAME", false, "the library (default: photos)", NULL},
    {"scenes", 0, NULL, false, "also groups of different photos of one scene", NULL},
    {"exact", 0, NULL, false, "only files of equal bytes or equal pixels", NULL},
    {"folder", 0, "DIR", false, "only photos in this folder and below", "@dir"},
    {"html", 0, "FILE", false, "also a page with the groups' photos to look at", "@file"},
    {"move-to", 0, "DIR", false, "move all but the one to keep into this folder", "@dir"},
    {"link", 0, NULL, false,
     "make files of equal bytes one file with several names (hard links), which saves the room",
     NULL},
    {"go", 0, NULL, false, "do what --move-to or --link asks for; without this, only say it", NULL},
    {"undo", 0, "LOG", false, "take back what the log tells", "@file"},
    CLI_FORCE_OPTION,
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
/* What is worth reading both photos again for, and how well one has to lie upon the other then. */
static const double worth_a_look = 0.75, closely_alike = 0.965;
static const float worth_cosine = 0.75f;

typedef struct photo {
    catalog_photo known;
    size_t parent;  /* of a group: union by the smaller row */
    kind weakest;   /* of the group's links, at its root */
    uint8_t *close; /* [CLI_CLOSE_BYTES], when it was read again */
    bool tried;
} photo;

typedef struct finding {
    cli_app *app;
    const cli_args *args;
    cli_runtime runtime;
    cli_library library;
    catalog_filter filter;
    photo *photos; /* [n], by row */
    size_t n;
    bool scenes, exact, json, link, go;
    size_t n_groups, n_extra;
    cli_sheet sheet;
    cli_placing placing; /* into: NULL unless something is to be done */
    cli_folder folder;
    size_t n_done;
    bool failed;
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

/* Reads a photo once, to compare it closely. NULL: it cannot be read now. */
static const uint8_t *close_look(const finding *f, photo *p)
{
    if (!p->close && !p->tried) {
        p->tried = true;
        p->close = malloc(CLI_CLOSE_BYTES);
        if (p->close && !cli_alike_read(f->runtime.engine, p->known.paths[0], p->close)) {
            free(p->close);
            p->close = NULL;
        }
    }
    return p->close;
}

static bool is_seen_alike(const finding *f, photo *a, photo *b)
{
    const uint8_t *x = close_look(f, a), *y = x ? close_look(f, b) : NULL;
    return y && cli_alike_close(x, y) >= closely_alike;
}

static bool take_pair(void *context, uint64_t a, uint64_t b, float cosine)
{
    finding *f = context;
    photo *x = &f->photos[a], *y = &f->photos[b];
    if (!x->known.has_look || !y->known.has_look) {
        return !cli_interrupted();
    }
    double alike = cli_alike_looks(x->known.look, y->known.look);
    bool near =
        alike >= surely_alike || (alike >= rather_alike && cosine >= surely_cosine) ||
        (!f->exact && alike >= worth_a_look && cosine >= worth_cosine && is_seen_alike(f, x, y));
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

/* ---- what is done with the others ---- */

static void show_group(finding *f, const size_t *members, size_t n, const char *kept,
                       const char *heading)
{
    cli_sheet_group(&f->sheet, heading);
    for (size_t i = 0; i < n; i++) {
        const catalog_photo *known = &f->photos[members[i]].known;
        for (size_t j = 0; j < known->n_paths; j++) {
            char text[96], size[24];
            snprintf(text, sizeof text, "%lld x %lld, %s", (long long)known->width_px,
                     (long long)known->height_px, cli_size_text((uint64_t)known->n_bytes, size));
            cli_sheet_video(&f->sheet, known->paths[j], known->at_ms, text,
                            !strcmp(known->paths[j], kept));
        }
    }
}

static void act_on(finding *f, const char *path, const char *kept, const cli_list *taken)
{
    wi_error error = {0};
    bool done = true;
    wi_status status = WI_OK;
    if (!f->go) {
        f->n_done++;
        return;
    }
    if (f->link) {
        status = cli_place_unite(&f->placing, kept, path, &done, &error);
    } else {
        cli_party party;
        status = cli_party_find(path, taken, &f->folder, &party)
                     ? cli_place_party(&f->placing, &party, f->placing.into, &error)
                     : cli_fail(&error, WI_ERR_NOMEM, "out of memory");
        cli_party_free(&party);
    }
    f->n_done += status == WI_OK && done;
    if (status != WI_OK) {
        f->failed = true;
        cli_failed(f->app, path, &error);
    }
}

/* All but the one that is kept move; of equal bytes, the first of each stays the file. */
static void act_on_group(finding *f, const size_t *members, size_t n, const char *kept)
{
    cli_list taken = {0};
    bool good = f->placing.into != NULL;
    for (size_t i = 0; i < n && good; i++) {
        const catalog_photo *known = &f->photos[members[i]].known;
        for (size_t j = 0; j < known->n_paths && good; j++) {
            good = cli_list_add(&taken, cli_text("%s", known->paths[j]));
        }
    }
    cli_list_sort(&taken);
    for (size_t i = 0; i < n && good && !f->failed; i++) {
        const catalog_photo *known = &f->photos[members[i]].known;
        for (size_t j = f->link ? 1 : 0; j < known->n_paths && !cli_interrupted(); j++) {
            if (strcmp(known->paths[j], kept) != 0) {
                act_on(f, known->paths[j], known->paths[0], &taken);
            }
        }
    }
    cli_list_free(&taken);
}

/* Where a path is no UTF-8, "keep_bytes" and "path_bytes" tell the bytes of all of them. */
static void write_json(const finding *f, const size_t *members, size_t n, const char *kept,
                       const char *kind_name, const char *why)
{
    json_t *paths = json_array(), *bytes = json_array();
    bool is_text = true;
    for (size_t i = 0; i < n; i++) {
        const catalog_photo *known = &f->photos[members[i]].known;
        for (size_t j = 0; j < known->n_paths; j++) {
            json_t *plain = json_string(known->paths[j]);
            is_text = is_text && plain;
            json_decref(plain);
            json_array_append_new(paths, cli_json_text(known->paths[j]));
            json_array_append_new(bytes, cli_json_path_bytes(known->paths[j]));
        }
    }
    json_t *group = json_pack("{s:s,s:o,s:s,s:o}", "kind", kind_name, "keep", cli_json_text(kept),
                              "why", why, "paths", paths);
    if (group && !is_text) {
        json_object_set_new(group, "keep_bytes", cli_json_path_bytes(kept));
        json_object_set(group, "path_bytes", bytes);
    }
    json_decref(bytes);
    cli_json_line(group);
}

static void write_group(finding *f, const size_t *members, size_t n, kind weakest)
{
    const char *why = "any: they are equal";
    size_t keep = members[0], n_paths = 0;
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
        n_paths += f->photos[members[i]].known.n_paths;
    }
    f->n_groups++;
    f->n_extra += n_paths - 1;
    const char *kept = f->photos[keep].known.paths[0];
    char heading[64];
    snprintf(heading, sizeof heading, "%s: keep the %s", kind_names[weakest],
             n > 1 ? why : "first, they are equal");
    show_group(f, members, n, kept, heading);
    act_on_group(f, members, n, kept);
    if (f->json) {
        write_json(f, members, n, kept, kind_names[weakest], why);
        return;
    }
    printf("%s\n", kind_names[weakest]);
    for (size_t i = 0; i < n; i++) {
        const catalog_photo *known = &f->photos[members[i]].known;
        for (size_t j = 0; j < known->n_paths; j++) {
            char text[1024];
            cli_printable(known->paths[j], text, sizeof text);
            bool is_kept = !strcmp(known->paths[j], kept);
            printf("  %s %s%s%s%s\n", is_kept ? "keep" : "    ", text, is_kept ? "  (" : "",
                   is_kept ? why : "", is_kept ? ")" : "");
        }
    }
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

/* Copies are files: a link to one is none (moving the file away would leave the link to nothing), several names of
 * one file are one, and what went since it was indexed is not there. One path stays in any case. */
static void leave_files(catalog_photo *known)
{
    struct stat *seen = known->n_paths > 1 ? calloc(known->n_paths, sizeof *seen) : NULL;
    size_t n = 0;
    for (size_t i = 0; i < known->n_paths && seen; i++) {
        bool stays = lstat(known->paths[i], &seen[n]) == 0 && S_ISREG(seen[n].st_mode);
        for (size_t j = 0; j < n && stays; j++) {
            stays = seen[j].st_dev != seen[n].st_dev || seen[j].st_ino != seen[n].st_ino;
        }
        if (stays) { /* the others keep their order behind */
            char *path = known->paths[i];
            memmove(known->paths + n + 1, known->paths + n, (i - n) * sizeof *known->paths);
            known->paths[n++] = path;
        }
    }
    for (size_t i = n > 1 ? n : 1; i < known->n_paths && seen; i++) {
        free(known->paths[i]);
    }
    known->n_paths = seen ? (n > 1 ? n : 1) : known->n_paths;
    free(seen);
}

/* Of a video, whose frames stand one behind the other, the file alone counts: equal ones are told. */
static int read_photos(finding *f, uint8_t *bits)
{
    wi_error error = {0};
    int64_t last_video = -1;
    for (size_t i = 0; i < f->n; i++) {
        photo *p = &f->photos[i];
        p->parent = i;
        p->weakest = BYTES;
        if (catalog_photo_of(f->library.cat, f->library.model.id, (int64_t)i, &f->filter, &p->known,
                             &error) != WI_OK) {
            return cli_failed(f->app, NULL, &error);
        }
        leave_files(&p->known);
        const bool is_video = p->known.at_ms >= 0;
        const int64_t content = p->known.content;
        if (is_video && content == last_video) {
            catalog_free_photo(&p->known); /* a further frame of it */
        }
        last_video = is_video ? content : last_video;
        bits[i / 8] |= (uint8_t)((p->known.n_paths > 0 && !is_video) << (i % 8));
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
        free(f->photos[i].close);
    }
    free(f->photos);
    free(bits);
    return cli_interrupted() ? CLI_INTERRUPTED : status;
}

static int read_options(finding *f, const char **name)
{
    const cli_args *args = f->args;
    int status = cli_library_name(args, name);
    bool moves = cli_args_has(args, "move-to");
    if (status == CLI_OK && f->scenes && f->exact) {
        status = cli_usage(args->verb, "--scenes and --exact exclude each other");
    }
    if (status == CLI_OK && moves && f->link) {
        status = cli_usage(args->verb, "--move-to and --link exclude each other");
    }
    if (status == CLI_OK && moves && f->scenes) {
        status = cli_usage(args->verb, "photos of one scene are different photos: --move-to does "
                                       "not go with --scenes");
    }
    if (status == CLI_OK && f->go && !moves && !f->link) {
        status = cli_usage(args->verb, "--go goes with --move-to DIR or --link");
    }
    return status == CLI_OK ? cli_may_write(f->app, args, "html", NULL) : status;
}

/* The log of links lies with the library: there is no folder of theirs. */
static int open_outputs(finding *f)
{
    const char *page = cli_args_value(f->args, "html");
    char title[128];
    int status = CLI_OK;
    f->placing.how = CLI_PLACE_MOVE;
    f->placing.into = f->link ? f->library.folder : cli_args_value(f->args, "move-to");
    if (page) {
        snprintf(title, sizeof title, "Photos of library '%s' that are there more than once",
                 f->library.name);
        status = cli_sheet_open(f->app, f->runtime.engine, page, title, &f->sheet);
    }
    return status == CLI_OK && f->go ? cli_place_open_log(f->app, &f->placing, "duplicates")
                                     : status;
}

static int close_outputs(finding *f, int status)
{
    int closed = f->sheet.app ? cli_sheet_close(&f->sheet) : CLI_OK;
    if (f->placing.log) {
        int logged = cli_place_close_log(f->app, &f->placing, f->failed);
        closed = closed == CLI_OK ? logged : closed;
    }
    const char *done = f->link ? "made names of another" : "moved";
    if (status == CLI_OK && f->placing.into && !f->go && f->n_done > 0) {
        cli_note(f->app, "nothing was done: with --go, %zu file%s would be %s", f->n_done,
                 f->n_done == 1 ? "" : "s", done);
    } else if (f->n_done > 0) {
        char *log = cli_shell_word(f->placing.log_path);
        cli_note(f->app, "%zu file%s %s; take it back with: whatsit duplicates --undo %s",
                 f->n_done, f->n_done == 1 ? "" : "s", done, log ? log : "");
        free(log);
    }
    status = status == CLI_OK ? closed : status;
    return status == CLI_OK && f->failed ? CLI_FAILED : status;
}

static int run_find(cli_app *app, const cli_args *args)
{
    finding f = {.app = app,
                 .args = args,
                 .scenes = cli_args_has(args, "scenes"),
                 .exact = cli_args_has(args, "exact"),
                 .json = cli_args_has(args, "json"),
                 .link = cli_args_has(args, "link"),
                 .go = cli_args_has(args, "go")};
    const char *name, *folder = cli_args_value(args, "folder");
    char *absolute = folder ? realpath(folder, NULL) : NULL;
    f.filter.folder = absolute ? absolute : folder;
    int status = read_options(&f, &name);
    if (status == CLI_OK) {
        status = cli_runtime_open(app, args, WI_TOWER_IMAGE, &f.runtime);
    }
    if (status == CLI_OK) {
        status = cli_library_open(&f.runtime, name, false, &f.library);
    }
    if (status == CLI_OK) {
        status = open_outputs(&f);
    }
    if (status == CLI_OK) {
        status = close_outputs(&f, find(&f));
    }
    cli_placing_free(&f.placing);
    cli_folder_free(&f.folder);
    cli_library_close(&f.library);
    cli_runtime_close(&f.runtime);
    free(absolute);
    return status;
}

static int run(cli_app *app, const cli_args *args)
{
    const char *log = cli_args_value(args, "undo");
    if (log && args->n_given > 1 + cli_args_count(args, "quiet")) {
        return cli_usage(args->verb, "--undo goes alone");
    }
    return log ? cli_place_run_undo(app, log) : run_find(app, args);
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
               "loss, then the least compressed. Nothing is deleted.\n\n"
               "--move-to DIR brings the others into a folder, with what belongs to them; --link "
               "makes files of "
               "equal bytes one. Both only say what they would do without --go, and write a log by "
               "which --undo takes "
               "it back.",
    .examples = "whatsit duplicates\n"
                "    all groups of the library\n"
                "whatsit duplicates --html twice.html\n"
                "    a page to look at\n"
                "whatsit duplicates --move-to ~/Pictures/twice --go\n"
                "    all but the one to keep go there\n"
                "whatsit duplicates --json | jq -r '.keep as $k | .paths[] | select(. != $k)'\n"
                "    what could go\n",
    .complete = NULL,
    .min_operands = 0,
    .max_operands = 0,
    .shared = CLI_TAKES_MODEL | CLI_TAKES_THREADS,
    .options = options,
    .run = run,
};
