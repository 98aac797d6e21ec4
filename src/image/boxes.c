#include "image/boxes.h"

#include "base/error.h"
#include "base/size.h"
#include "image/sps.h"

#include <string.h>

enum {
    MAX_DEPTH_BOXES = 1 << 16, /* boxes looked at; a file of more is none of a phone's */
    FULL_BOX_BYTES = 4,        /* version and flags */
    SAMPLE_ENTRY_BYTES = 78,   /* of a visual one, before its boxes */
    ITEM_PICTURE = 1,
    ITEM_ALPHA = 2
};

/* A part of the file. */
typedef struct span {
    const uint8_t *bytes;
    size_t n;
} span;

typedef struct box {
    const uint8_t *head; /* where the box itself begins */
    char kind[4];
    span body;
    bool cut; /* the file ends before it */
} box;

static uint64_t number(const uint8_t *at, size_t n)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++)
        value = value << 8 | at[i];
    return value;
}

static bool is_kind(const box *b, const char *kind)
{
    return memcmp(b->kind, kind, 4) == 0;
}

/* Takes the box at *in's beginning off it. False at the end. */
static bool next_box(span *in, box *out)
{
    if (in->n < 8)
        return false;
    uint64_t size = number(in->bytes, 4), head = 8;
    if (size == 1) {
        if (in->n < 16)
            return false;
        size = number(in->bytes + 8, 8);
        head = 16;
    } else if (size == 0) {
        size = in->n;
    }
    if (size < head)
        return false;
    out->head = in->bytes;
    memcpy(out->kind, in->bytes + 4, 4);
    out->cut = size > in->n;
    size_t there = out->cut ? in->n : (size_t)size;
    out->body = (span){in->bytes + head, there - (size_t)head};
    in->bytes += there;
    in->n -= there;
    return true;
}

static bool find(span in, const char *kind, span *body)
{
    box b;
    for (int i = 0; i < MAX_DEPTH_BOXES && next_box(&in, &b); i++)
        if (is_kind(&b, kind)) {
            *body = b.body;
            return true;
        }
    return false;
}

/* "moov/trak": the first of each. */
static bool find_path(span in, const char *path, span *body)
{
    for (; *path; path += path[4] ? 5 : 4)
        if (!find(in, path, &in))
            return false;
    *body = in;
    return true;
}

static bool skip(span *in, size_t n)
{
    if (in->n < n)
        return false;
    in->bytes += n;
    in->n -= n;
    return true;
}

/* The meta box's children. */
static bool find_meta(const uint8_t *bytes, size_t n_bytes, span *meta)
{
    return find((span){bytes, n_bytes}, "meta", meta) && skip(meta, FULL_BOX_BYTES);
}

uint32_t wi_boxes_largest_side(const uint8_t *bytes, size_t n_bytes)
{
    span meta, properties;
    uint32_t largest = 0;
    box b;
    if (!find_meta(bytes, n_bytes, &meta) || !find_path(meta, "iprp/ipco", &properties))
        return 0;
    for (int i = 0; i < MAX_DEPTH_BOXES && next_box(&properties, &b); i++) {
        if (!is_kind(&b, "ispe") || b.body.n < 12)
            continue;
        for (size_t side = 4; side <= 8; side += 4) {
            uint32_t px = (uint32_t)number(b.body.bytes + side, 4);
            largest = px > largest ? px : largest;
        }
    }
    return largest;
}

void wi_boxes_bitstream_colors(const uint8_t *bytes, size_t n_bytes, unsigned *primaries,
                               unsigned *transfer)
{
    span meta, properties, config;
    if (find_meta(bytes, n_bytes, &meta) && find_path(meta, "iprp/ipco", &properties) &&
        find(properties, "hvcC", &config))
        wi_sps_colors(config.bytes, config.n, primaries, transfer);
}

/* ---- cut files ---- */

/* One field of an item's location. */
static bool take(span *in, size_t n, uint64_t *value)
{
    const uint8_t *at = in->bytes;
    if (!skip(in, n))
        return false;
    *value = number(at, n);
    return true;
}

/* Does any extent of the item end behind the file? Reads the item off in. */
static bool item_is_cut(span *in, unsigned version, const uint8_t widths[4], size_t n_bytes,
                        bool *more)
{
    uint64_t value, construction = 0, base, n_extents;
    *more = take(in, version < 2 ? 2 : 4, &value) && (version == 0 || take(in, 2, &construction)) &&
            take(in, 2, &value) && take(in, widths[2], &base) && take(in, 2, &n_extents);
    bool cut = false;
    for (uint64_t i = 0; *more && i < n_extents; i++) {
        uint64_t offset, length;
        *more = (version == 0 || take(in, widths[3], &value)) && take(in, widths[0], &offset) &&
                take(in, widths[1], &length);
        bool in_file = (construction & 15) == 0;
        if (*more && in_file && base <= UINT32_MAX && offset <= UINT32_MAX)
            cut = cut || !wi_size_within(base + offset, length, n_bytes);
    }
    return cut;
}

static bool items_are_cut(span meta, size_t n_bytes)
{
    span in;
    if (!find(meta, "iloc", &in) || in.n < 8)
        return false;
    unsigned version = in.bytes[0];
    uint64_t n_items;
    const uint8_t widths[4] = {in.bytes[4] >> 4, in.bytes[4] & 15, in.bytes[5] >> 4,
                               version ? in.bytes[5] & 15 : 0}; /* offset, length, base, index */
    for (int i = 0; i < 4; i++)
        if (widths[i] > 8)
            return false;
    skip(&in, 6);
    if (version > 2 || !take(&in, version < 2 ? 2 : 4, &n_items))
        return false;
    bool more = true;
    for (uint64_t i = 0; more && i < n_items; i++)
        if (item_is_cut(&in, version, widths, n_bytes, &more))
            return true;
    return false;
}

bool wi_boxes_are_cut(const uint8_t *bytes, size_t n_bytes)
{
    span in = {bytes, n_bytes}, meta;
    box b;
    bool has_pictures = false;
    for (int i = 0; i < MAX_DEPTH_BOXES && next_box(&in, &b); i++) {
        if (b.cut)
            return true;
        has_pictures = has_pictures || is_kind(&b, "meta") || is_kind(&b, "moov");
    }
    if (in.n > 0 || !has_pictures) /* a box's beginning; or only the first boxes came */
        return true;
    return find_meta(bytes, n_bytes, &meta) && items_are_cut(meta, n_bytes);
}

/* ---- references ---- */

static bool is_refused(const box *reference, size_t id_bytes, wi_boxes_tame which)
{
    bool auxiliary = is_kind(reference, "auxl");
    bool text = is_kind(reference, "cdsc") || is_kind(reference, "thmb");
    if (reference->body.n < id_bytes + 2)
        return false;
    bool several = number(reference->body.bytes + id_bytes, 2) != 1;
    return (several && (auxiliary || text)) || (text && which >= WI_BOXES_TEXTS) ||
           (auxiliary && which >= WI_BOXES_ALL);
}

size_t wi_boxes_tame_references(uint8_t *bytes, size_t n_bytes, wi_boxes_tame which)
{
    span meta, in;
    box reference;
    size_t n = 0;
    if (!find_meta(bytes, n_bytes, &meta) || !find(meta, "iref", &in) || in.n < FULL_BOX_BYTES)
        return 0;
    size_t id_bytes = in.bytes[0] == 0 ? 2 : 4;
    skip(&in, FULL_BOX_BYTES);
    for (int i = 0; i < MAX_DEPTH_BOXES && next_box(&in, &reference); i++) {
        if (!is_refused(&reference, id_bytes, which))
            continue;
        memcpy(bytes + (reference.head - bytes) + 4, "skip", 4);
        n++;
    }
    return n;
}

/* ---- tracks ---- */

/* What of a track makes a picture. */
typedef struct track {
    char handler[4];
    bool is_av1;
    uint32_t width, height;
    span properties; /* boxes of the sample entry */
    span sample;     /* the first one */
    unsigned turns;  /* quarter turns against the clock, as irot counts them */
} track;

/* The display matrix a b u c d v ..., of which only right angles are of use. */
static unsigned turns_of(span trak)
{
    span head;
    if (!find(trak, "tkhd", &head) || head.n < 1)
        return 0;
    size_t at = head.bytes[0] == 1 ? 52 : 40;
    if (!wi_size_within(at, 36, head.n))
        return 0;
    const uint8_t *m = head.bytes + at;
    int32_t a = (int32_t)number(m, 4), b = (int32_t)number(m + 4, 4);
    if (a == 0 && b != 0)
        return b > 0 ? 3 : 1;
    return a < 0 ? 2 : 0;
}

/* Where the first sample lies: at the first chunk's beginning. */
static bool first_sample(span table, size_t n_bytes, const uint8_t *bytes, span *out)
{
    span sizes, chunks;
    uint64_t offset;
    if (!find(table, "stsz", &sizes) || sizes.n < 12)
        return false;
    uint64_t size = number(sizes.bytes + 4, 4);
    if (size == 0) {
        if (sizes.n < 16)
            return false;
        size = number(sizes.bytes + 12, 4);
    }
    if (find(table, "stco", &chunks) && chunks.n >= 12)
        offset = number(chunks.bytes + 8, 4);
    else if (find(table, "co64", &chunks) && chunks.n >= 16)
        offset = number(chunks.bytes + 8, 8);
    else
        return false;
    if (size == 0 || !wi_size_within(offset, size, n_bytes))
        return false;
    *out = (span){bytes + offset, (size_t)size};
    return true;
}

static bool read_track(span trak, const uint8_t *bytes, size_t n_bytes, track *out)
{
    span handler, table, entries;
    box entry;
    if (!find_path(trak, "mdia/hdlr", &handler) || handler.n < 12 ||
        !find_path(trak, "mdia/minf/stbl", &table) || !find(table, "stsd", &entries) ||
        !skip(&entries, 8) || !next_box(&entries, &entry) || entry.body.n < SAMPLE_ENTRY_BYTES)
        return false;
    memcpy(out->handler, handler.bytes + 8, 4);
    out->is_av1 = is_kind(&entry, "av01");
    if (!out->is_av1 && !is_kind(&entry, "hvc1") && !is_kind(&entry, "hev1"))
        return false;
    out->width = (uint32_t)number(entry.body.bytes + 24, 2);
    out->height = (uint32_t)number(entry.body.bytes + 26, 2);
    out->properties =
        (span){entry.body.bytes + SAMPLE_ENTRY_BYTES, entry.body.n - SAMPLE_ENTRY_BYTES};
    out->turns = turns_of(trak);
    return first_sample(table, n_bytes, bytes, &out->sample);
}

/* The first track of pictures, and the first of alpha. */
static bool find_tracks(const uint8_t *bytes, size_t n_bytes, track *picture, track *alpha)
{
    span moov;
    box b;
    bool has_picture = false;
    alpha->sample.n = 0;
    if (!find((span){bytes, n_bytes}, "moov", &moov))
        return false;
    for (int i = 0; i < MAX_DEPTH_BOXES && next_box(&moov, &b); i++) {
        track one = {0};
        if (!is_kind(&b, "trak") || !read_track(b.body, bytes, n_bytes, &one))
            continue;
        if (memcmp(one.handler, "auxv", 4) == 0) {
            *alpha = alpha->sample.n ? *alpha : one;
        } else if (!has_picture) {
            *picture = one;
            has_picture = true;
        }
    }
    return has_picture;
}

/* ---- a file around a sample ---- */

/* Appends; the first failure stays. */
typedef struct writer {
    wi_buffer *out;
    wi_status status;
    wi_error *error;
} writer;

static void put(writer *w, const void *bytes, size_t n)
{
    if (w->status == WI_OK && n > 0)
        w->status = wi_buffer_append(w->out, bytes, n, w->error);
}

static void put_number(writer *w, uint64_t value, size_t n)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(value >> (8 * (n - 1 - i)));
    put(w, bytes, n);
}

/* The place of the size, for close_box. */
static size_t open_box(writer *w, const char *kind, bool full)
{
    size_t at = w->out->n_bytes;
    put_number(w, 0, 4);
    put(w, kind, 4);
    if (full)
        put_number(w, 0, FULL_BOX_BYTES);
    return at;
}

static void set_number(writer *w, size_t at, uint64_t value)
{
    for (size_t i = 0; w->status == WI_OK && i < 4; i++)
        w->out->bytes[at + i] = (uint8_t)(value >> (24 - 8 * i));
}

static void close_box(writer *w, size_t at)
{
    set_number(w, at, w->out->n_bytes - at);
}

/* Properties of one item, counted on: its size, what its codec needs, its colours, its turn. */
static unsigned put_properties(writer *w, const track *t, bool is_alpha)
{
    static const char alpha[] = "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha";
    span in = t->properties;
    box b;
    unsigned n = 1;
    size_t at = open_box(w, "ispe", true);
    put_number(w, t->width, 4);
    put_number(w, t->height, 4);
    close_box(w, at);
    for (int i = 0; i < 64 && next_box(&in, &b); i++) {
        if (b.cut || (!is_kind(&b, "av1C") && !is_kind(&b, "hvcC") && !is_kind(&b, "colr") &&
                      !is_kind(&b, "pixi")))
            continue;
        put(w, b.head, (size_t)(b.body.bytes + b.body.n - b.head));
        n++;
    }
    if (is_alpha) {
        at = open_box(w, "auxC", true);
        put(w, alpha, sizeof alpha);
        close_box(w, at);
        n++;
    } else if (t->turns) {
        at = open_box(w, "irot", false);
        put_number(w, t->turns, 1);
        close_box(w, at);
        n++;
    }
    return n;
}

static void put_association(writer *w, unsigned item, unsigned first, unsigned n)
{
    put_number(w, item, 2);
    put_number(w, n, 1);
    for (unsigned i = 0; i < n; i++)
        put_number(w, first + i, 1);
}

static void put_item_info(writer *w, unsigned item, const track *t)
{
    size_t at = open_box(w, "infe", true);
    if (w->status == WI_OK)
        w->out->bytes[at + 8] = 2; /* its version */
    put_number(w, item, 2);
    put_number(w, 0, 2);
    put(w, t->is_av1 ? "av01" : "hvc1", 5); /* and an empty name */
    close_box(w, at);
}

static void put_infos(writer *w, const track *picture, const track *alpha)
{
    size_t at = open_box(w, "iinf", true);
    put_number(w, alpha ? 2 : 1, 2);
    put_item_info(w, ITEM_PICTURE, picture);
    if (alpha)
        put_item_info(w, ITEM_ALPHA, alpha);
    close_box(w, at);
    if (!alpha)
        return;
    at = open_box(w, "iref", true);
    size_t reference = open_box(w, "auxl", false);
    put_number(w, ITEM_ALPHA, 2);
    put_number(w, 1, 2);
    put_number(w, ITEM_PICTURE, 2);
    close_box(w, reference);
    close_box(w, at);
}

static void put_iprp(writer *w, const track *picture, const track *alpha)
{
    size_t at = open_box(w, "iprp", false), inner = open_box(w, "ipco", false);
    unsigned n_picture = put_properties(w, picture, false);
    unsigned n_alpha = alpha ? put_properties(w, alpha, true) : 0;
    close_box(w, inner);
    inner = open_box(w, "ipma", true);
    put_number(w, alpha ? 2 : 1, 4);
    put_association(w, ITEM_PICTURE, 1, n_picture);
    if (alpha)
        put_association(w, ITEM_ALPHA, 1 + n_picture, n_alpha);
    close_box(w, inner);
    close_box(w, at);
}

/* places[2]: where the offsets of the samples stand, to be set. */
static void put_locations(writer *w, const track *picture, const track *alpha, size_t places[2])
{
    size_t at = open_box(w, "iloc", true);
    put_number(w, 0x4400, 2); /* 4 bytes of offset and of length */
    put_number(w, alpha ? 2 : 1, 2);
    for (unsigned i = 0; i < (alpha ? 2u : 1u); i++) {
        put_number(w, i ? ITEM_ALPHA : ITEM_PICTURE, 2);
        put_number(w, 0, 2);
        put_number(w, 1, 2);
        places[i] = w->out->n_bytes;
        put_number(w, 0, 4);
        put_number(w, i ? alpha->sample.n : picture->sample.n, 4);
    }
    close_box(w, at);
}

wi_status wi_boxes_still_of_track(const uint8_t *bytes, size_t n_bytes, wi_buffer *out,
                                  wi_error *error)
{
    track picture, alpha_track;
    size_t places[2] = {0, 0};
    if (!find_tracks(bytes, n_bytes, &picture, &alpha_track))
        return wi_fail(error, WI_ERR_UNSUPPORTED, "heif: no picture that can be read");
    const track *alpha = alpha_track.sample.n ? &alpha_track : NULL;
    writer w = {out, WI_OK, error};
    size_t at = open_box(&w, "ftyp", false);
    put(&w, picture.is_av1 ? "avif\0\0\0\0avifmif1miaf" : "heic\0\0\0\0heicmif1miaf", 20);
    close_box(&w, at);
    size_t meta = open_box(&w, "meta", true);
    at = open_box(&w, "hdlr", true);
    put(&w, "\0\0\0\0pict\0\0\0\0\0\0\0\0\0\0\0\0", 21);
    close_box(&w, at);
    at = open_box(&w, "pitm", true);
    put_number(&w, ITEM_PICTURE, 2);
    close_box(&w, at);
    put_locations(&w, &picture, alpha, places);
    put_infos(&w, &picture, alpha);
    put_iprp(&w, &picture, alpha);
    close_box(&w, meta);
    at = open_box(&w, "mdat", false);
    set_number(&w, places[0], out->n_bytes);
    put(&w, picture.sample.bytes, picture.sample.n);
    if (alpha) {
        set_number(&w, places[1], out->n_bytes);
        put(&w, alpha->sample.bytes, alpha->sample.n);
    }
    close_box(&w, at);
    return w.status;
}
