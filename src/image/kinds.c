#include "image/kinds.h"

#include "base/size.h"

#include <ctype.h>
#include <string.h>

/* Bytes of a string literal at a place of the file. */
typedef struct signature {
    size_t at;
    const char *bytes;
    size_t n;
    wi_kind kind;
} signature;

#define AT(place, text) place, text, sizeof text - 1
#define PICTURE(name) {name, WI_FAMILY_PICTURE}
#define TIFF(name) {name, WI_FAMILY_TIFF}
#define RAW(name) {name, WI_FAMILY_RAW}
#define JXL(name) {name, WI_FAMILY_JXL}
#define OTHER(name) {name, WI_FAMILY_OTHER}

/* The first that fits counts: longer ones stand before their beginnings. */
static const signature signatures[] = {
    {AT(0, "FUJIFILMCCD-RAW"), RAW("a RAW photo of Fujifilm")},
    {AT(4, "ftypcrx "), RAW("a RAW photo of Canon (CR3)")},
    {AT(6, "HEAPCCDR"), RAW("a RAW photo of Canon (CRW)")},
    {AT(0, "IIRO"), RAW("a RAW photo of Olympus")},
    {AT(0, "IIRS"), RAW("a RAW photo of Olympus")},
    {AT(0, "MMOR"), RAW("a RAW photo of Olympus")},
    {AT(0, "IIU\0"), RAW("a RAW photo of Panasonic or Leica")},
    {AT(0, "\0MRM"), RAW("a RAW photo of Minolta")},
    {AT(0, "FOVb"), RAW("a RAW photo of Sigma")},
    {AT(0, "II+\0"), TIFF("a TIFF picture")},
    {AT(0, "MM\0+"), TIFF("a TIFF picture")},
    {AT(0, "II\xBC"), PICTURE("a JPEG XR picture")},
    {AT(0, "8BPS"), PICTURE("a Photoshop document")},
    {AT(0, "gimp xcf"), PICTURE("a GIMP document")},
    {AT(0, "\xFF\x0A"), JXL("a JPEG XL picture")},
    {AT(4, "JXL \r\n\x87\n"), JXL("a JPEG XL picture")},
    {AT(4, "jP  \r\n\x87\n"), PICTURE("a JPEG 2000 picture")},
    {AT(0, "\xFF\x4F\xFF\x51"), PICTURE("a JPEG 2000 picture")},
    {AT(0, "icns"), PICTURE("an icon of macOS (ICNS)")},
    {AT(0, "qoif"), PICTURE("a QOI picture")},
    {AT(0, "#?RADIANCE"), PICTURE("a Radiance HDR picture")},
    {AT(0, "#?RGBE"), PICTURE("a Radiance HDR picture")},
    {AT(0, "\x76\x2F\x31\x01"), PICTURE("an OpenEXR picture")},
    {AT(0, "DDS "), PICTURE("a DDS texture")},
    {AT(0, "\xABKTX "), PICTURE("a KTX texture")},
    {AT(0, "BPG\xFB"), PICTURE("a BPG picture")},
    {AT(0, "FLIF"), PICTURE("a FLIF picture")},
    {AT(0, "\x59\xA6\x6A\x95"), PICTURE("a Sun raster picture")},
    {AT(0, "\x01\xDA"), PICTURE("an SGI picture")},
    {AT(0, "\x0A\x05\x01"), PICTURE("a PCX picture")},
    {AT(0, "/* XPM */"), PICTURE("an XPM picture")},
    {AT(0, "SIMPLE  ="), PICTURE("a FITS picture")},
    {AT(128, "DICM"), PICTURE("a medical picture (DICOM)")},
    {AT(0, "AT&TFORM"), PICTURE("a DjVu document")},
    {AT(0, "\xD7\xCD\xC6\x9A"), PICTURE("a Windows metafile")},
    {AT(40, " EMF"), PICTURE("a Windows metafile")},
    {AT(0, "%PDF"), OTHER("a PDF document")},
    {AT(0, "%!PS"), OTHER("a PostScript document")},
    {AT(0, "\xC5\xD0\xD3\xC6"), OTHER("a PostScript document")},
    {AT(0, "{\\rtf"), OTHER("a text document (RTF)")},
    {AT(0, "\xD0\xCF\x11\xE0"), OTHER("an old Office document or a Windows thumbnail list")},
    {AT(8, "AVI "), OTHER("a video (AVI)")},
    {AT(8, "WAVE"), OTHER("a sound (WAV)")},
    {AT(0, "\x1A\x45\xDF\xA3"), OTHER("a video (Matroska or WebM)")},
    {AT(0, "FLV\x01"), OTHER("a video (Flash)")},
    {AT(0, "\x06\x0E\x2B\x34\x02\x05\x01\x01"), OTHER("a video (MXF)")},
    {AT(0, "\0\0\1\xBA"), OTHER("a video (MPEG)")},
    {AT(0, "\0\0\1\xB3"), OTHER("a video (MPEG)")},
    {AT(0, "\x30\x26\xB2\x75"), OTHER("a video or sound (Windows Media)")},
    {AT(4, "ftypM4A "), OTHER("a sound (M4A)")},
    {AT(4, "ftypqt  "), OTHER("a video (QuickTime)")},
    {AT(4, "ftyp"), OTHER("a video (MP4)")},
    {AT(4, "moov"), OTHER("a video (QuickTime)")},
    {AT(4, "mdat"), OTHER("a video (QuickTime)")},
    {AT(4, "wide"), OTHER("a video (QuickTime)")},
    {AT(0, "OggS"), OTHER("a sound or video (Ogg)")},
    {AT(0, "ID3"), OTHER("a sound (MP3)")},
    {AT(0, "\xFF\xFB"), OTHER("a sound (MP3)")},
    {AT(0, "fLaC"), OTHER("a sound (FLAC)")},
    {AT(0, "PK\3\4"), OTHER("a ZIP archive or an Office document")},
    {AT(0, "Rar!\x1A\x07"), OTHER("a RAR archive")},
    {AT(0, "7z\xBC\xAF\x27\x1C"), OTHER("a 7-Zip archive")},
    {AT(0, "\x1F\x8B"), OTHER("a gzip file")},
    {AT(0, "BZh"), OTHER("a bzip2 file")},
    {AT(0, "\xFD"
           "7zXZ"),
     OTHER("an xz file")},
    {AT(0, "\x28\xB5\x2F\xFD"), OTHER("a Zstandard file")},
    {AT(257, "ustar"), OTHER("a tar archive")},
    {AT(0, "\x7F"
           "ELF"),
     OTHER("a program")},
    {AT(0, "MZ"), OTHER("a program of Windows")},
    {AT(0, "SQLite format 3"), OTHER("a SQLite database")},
    {AT(0, "GGUF"), OTHER("a model file (GGUF)")},
    {AT(0, "\0\5\x16\7"), OTHER("a companion file of macOS, which holds no picture")},
    {AT(0, "version https://git-lfs"),
     OTHER("a pointer of Git LFS: fetch the file with 'git lfs pull'")},
};

static const wi_kind tiff = TIFF("a TIFF picture"), dng = RAW("a RAW photo (DNG)"),
                     svg = PICTURE("an SVG drawing"), pnm = PICTURE("a PNM picture"),
                     web_page = OTHER("a web page"), xml = OTHER("an XML text"),
                     json = OTHER("a JSON text"), text = OTHER("a text"),
                     icon = PICTURE("an icon (ICO)"), pointer = PICTURE("a mouse pointer (CUR)"),
                     targa = PICTURE("a TGA picture"), mpeg_stream = OTHER("a video (MPEG stream)");

enum { TAG_MAKE = 0x010F, TAG_SUB_DIRECTORIES = 0x014A, TAG_DNG_VERSION = 0xC612 };

typedef struct maker {
    const char *make;
    wi_kind kind;
} maker;

static const maker makers[] = {{"Canon", RAW("a RAW photo of Canon (CR2)")},
                               {"NIKON", RAW("a RAW photo of Nikon")},
                               {"SONY", RAW("a RAW photo of Sony")},
                               {"PENTAX", RAW("a RAW photo of Pentax")},
                               {"RICOH", RAW("a RAW photo of Pentax")},
                               {"SAMSUNG", RAW("a RAW photo of Samsung")},
                               {"Hasselblad", RAW("a RAW photo of Hasselblad")},
                               {"Phase One", RAW("a RAW photo of Phase One")},
                               {"EASTMAN KODAK", RAW("a RAW photo of Kodak")},
                               {"Kodak", RAW("a RAW photo of Kodak")}};

static uint32_t number(const uint8_t *at, size_t n, bool big_endian)
{
    uint32_t value = 0;
    for (size_t i = 0; i < n; i++)
        value = value << 8 | at[big_endian ? i : n - 1 - i];
    return value;
}

/* RAW photos of most makers are TIFF files with directories below the first. */
static const wi_kind *kind_of_tiff(const uint8_t *bytes, size_t n_bytes)
{
    bool big = bytes[0] == 'M', below = n_bytes >= 12 && memcmp(bytes + 8, "CR\2", 3) == 0;
    size_t make = 0, directory = number(bytes + 4, 4, big);
    size_t n = wi_size_within(directory, 2, n_bytes) ? number(bytes + directory, 2, big) : 0;
    for (size_t i = 0; i < n; i++) {
        size_t entry = directory + 2 + 12 * i;
        if (!wi_size_within(entry, 12, n_bytes))
            break;
        uint32_t tag = number(bytes + entry, 2, big);
        if (tag == TAG_DNG_VERSION)
            return &dng;
        below = below || tag == TAG_SUB_DIRECTORIES;
        if (tag == TAG_MAKE)
            make = number(bytes + entry + 8, 4, big);
    }
    for (size_t i = 0; below && make && i < sizeof makers / sizeof makers[0]; i++) {
        size_t length = strlen(makers[i].make);
        if (wi_size_within(make, length, n_bytes) &&
            memcmp(bytes + make, makers[i].make, length) == 0)
            return &makers[i].kind;
    }
    return &tiff;
}

static bool has_word(const uint8_t *bytes, size_t n_bytes, const char *lower)
{
    size_t n = strlen(lower);
    for (size_t i = 0; i + n <= n_bytes; i++) {
        size_t k = 0;
        while (k < n && tolower(bytes[i + k]) == lower[k])
            k++;
        if (k == n)
            return true;
    }
    return false;
}

/* Kinds without a signature: what is allowed in all of their first fields. */
static const wi_kind *kind_of_fields(const uint8_t *bytes, size_t n_bytes)
{
    if (n_bytes < 18)
        return NULL;
    bool zeros = bytes[0] == 0 && bytes[1] == 0 && bytes[3] == 0;
    if (zeros && (bytes[2] == 1 || bytes[2] == 2) && number(bytes + 4, 2, false) > 0 &&
        bytes[9] == 0)
        return bytes[2] == 1 ? &icon : &pointer;
    bool table = bytes[1] == 1;
    unsigned kind = bytes[2] & ~8u, depth = bytes[16]; /* 8: in runs */
    bool depth_fits = kind == 2 ? depth == 15 || depth == 16 || depth == 24 || depth == 32
                                : depth == 8 || depth == 16;
    if (bytes[1] <= 1 && kind >= 1 && kind <= 3 && (kind != 1 || table) && depth_fits &&
        (table || number(bytes + 3, 4, false) == 0) && (bytes[17] & 0xC0) == 0 &&
        number(bytes + 12, 2, false) > 0 && number(bytes + 14, 2, false) > 0)
        return &targa;
    return NULL;
}

static bool is_ascii_text(const uint8_t *bytes, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes && i < WI_KIND_BYTES; i++)
        if (bytes[i] > 126 || (bytes[i] < 32 && !isspace(bytes[i])))
            return false;
    return n_bytes > 0;
}

static const wi_kind *kind_of_text(const uint8_t *bytes, size_t n_bytes)
{
    while (n_bytes &&
           (isspace(bytes[0]) || bytes[0] == 0xEF || bytes[0] == 0xBB || bytes[0] == 0xBF)) {
        bytes++;
        n_bytes--;
    }
    if (n_bytes >= 2 && (bytes[0] == '{' || bytes[0] == '[') &&
        (isspace(bytes[1]) || bytes[1] == '"' || bytes[1] == '{'))
        return &json;
    if (n_bytes < 2 || bytes[0] != '<')
        return is_ascii_text(bytes, n_bytes) ? &text : NULL;
    n_bytes = n_bytes < WI_KIND_BYTES ? n_bytes : WI_KIND_BYTES;
    if (has_word(bytes, n_bytes, "<svg"))
        return &svg;
    if (has_word(bytes, n_bytes, "<html") || has_word(bytes, n_bytes, "<!doctype html") ||
        has_word(bytes, n_bytes, "<head"))
        return &web_page;
    return bytes[1] == '?' || isalpha(bytes[1]) ? &xml
           : is_ascii_text(bytes, n_bytes)      ? &text
                                                : NULL;
}

const wi_kind *wi_kind_of(const uint8_t *bytes, size_t n_bytes)
{
    if (n_bytes >= 8 && (memcmp(bytes, "II*\0", 4) == 0 || memcmp(bytes, "MM\0*", 4) == 0))
        return kind_of_tiff(bytes, n_bytes);
    for (size_t i = 0; i < sizeof signatures / sizeof signatures[0]; i++) {
        const signature *s = &signatures[i];
        if (wi_size_within(s->at, s->n, n_bytes) && memcmp(bytes + s->at, s->bytes, s->n) == 0)
            return &s->kind;
    }
    if (n_bytes >= 3 && bytes[0] == 'P' && strchr("1234567fF", bytes[1]) && bytes[1] &&
        isspace(bytes[2]))
        return &pnm;
    if (n_bytes > 376 && bytes[0] == 0x47 && bytes[188] == 0x47 && bytes[376] == 0x47)
        return &mpeg_stream;
    const wi_kind *kind = kind_of_fields(bytes, n_bytes);
    return kind ? kind : kind_of_text(bytes, n_bytes);
}
