/* What is known about the photos of a library: which files there are, what they hold, and which row of
 * which index is a content's embedding. Two files of equal bytes are one content. Kept in SQLite; the
 * embeddings themselves lie beside it (whatsit/index.h).
 * Threads: one at a time. Processes: any number may read while one writes. */
#ifndef LIBRARY_CATALOG_H
#define LIBRARY_CATALOG_H

#include <whatsit/status.h>

typedef struct catalog catalog;

enum { CATALOG_SHA_BYTES = 32, CATALOG_LOOK_SIDE = 16, CATALOG_LOOK_BYTES = 256 };

/* Owns: the caller closes *out. Errors: WI_ERR_IO; WI_ERR_NOT_FOUND without create when there is none;
 * WI_ERR_UNSUPPORTED for one that a newer program made */
wi_status catalog_open(const char *path, bool create, catalog **out, wi_error *error);
void catalog_close(catalog **cat);

/* ---- folders that were indexed ---- */

typedef struct catalog_root {
    int64_t id, n_files;
    char *path;
} catalog_root;
/* Owns: the caller frees *out with catalog_free_roots. */
wi_status catalog_roots(catalog *cat, catalog_root **out, size_t *n, wi_error *error);
void catalog_free_roots(catalog_root *roots, size_t n);
/* Its id; the same when it is there already. */
wi_status catalog_add_root(catalog *cat, const char *path, int64_t *id, wi_error *error);
/* The files of one folder become those of another, and it is forgotten. */
wi_status catalog_merge_root(catalog *cat, int64_t from, int64_t into, wi_error *error);
/* Forgets the folder and its files. */
wi_status catalog_remove_root(catalog *cat, int64_t id, wi_error *error);

/* Names of files and folders that an update leaves out, for good. Owns: the caller frees each and *out. */
wi_status catalog_add_exclude(catalog *cat, const char *pattern, wi_error *error);
/* WI_ERR_NOT_FOUND when it is none. */
wi_status catalog_remove_exclude(catalog *cat, const char *pattern, wi_error *error);
wi_status catalog_excludes(catalog *cat, char ***out, size_t *n, wi_error *error);

/* ---- models ---- */

typedef struct catalog_model {
    int64_t id;
    int64_t n_rows; /* of its index that the catalogue knows of: what lies behind does not count */
} catalog_model;
wi_status catalog_add_model(catalog *cat, const char *fingerprint, const char *name,
                            catalog_model *out, wi_error *error);
/* WI_ERR_NOT_FOUND when nothing was indexed with it. */
wi_status catalog_find_model(catalog *cat, const char *fingerprint, catalog_model *out,
                             wi_error *error);

/* Forgets all vectors of a model, whose index is to be made anew, and what could not be read. */
wi_status catalog_forget_model(catalog *cat, const char *fingerprint, wi_error *error);

/* ---- files ---- */

/* By these a file is taken for the one that it was. */
typedef struct catalog_stamp {
    int64_t n_bytes, mtime_ns, inode;
} catalog_stamp;

typedef struct catalog_file {
    int64_t id, content;
    catalog_stamp stamp;
    bool has_vector; /* of the model that was asked for: of one frame of a video at least */
    bool unreadable;
    char *path;
} catalog_file;
/* The files of a folder, sorted by path (bytes). Owns: the caller frees with catalog_free_files. */
wi_status catalog_files(catalog *cat, int64_t root, int64_t model, catalog_file **out, size_t *n,
                        wi_error *error);
void catalog_free_files(catalog_file *files, size_t n);

/* What is known of the photo at a path. */
typedef struct catalog_known {
    catalog_stamp stamp;
    uint8_t sha[CATALOG_SHA_BYTES];
    int64_t width_px, height_px;
    int64_t row; /* of the model's index; -1: it has none */
} catalog_known;
/* WI_ERR_NOT_FOUND when no file at this path is known. */
wi_status catalog_find_file(catalog *cat, int64_t model, const char *path, catalog_known *out,
                            wi_error *error);

/* Is there a content of so many bytes? Then it is worth hashing a new file before it is decoded. */
wi_status catalog_has_size(catalog *cat, int64_t n_bytes, bool *out, wi_error *error);

typedef struct catalog_content {
    int64_t id;      /* 0: not there */
    bool has_vector; /* of the model */
    bool unreadable;
} catalog_content;
wi_status catalog_find_content(catalog *cat, const uint8_t sha[CATALOG_SHA_BYTES], int64_t model,
                               catalog_content *out, wi_error *error);

/* What became of one file. Strings and bytes are borrowed. */
typedef struct catalog_change {
    const char *path;
    int64_t root;
    catalog_stamp stamp;
    uint8_t sha[CATALOG_SHA_BYTES];
    const char *unreadable; /* why, or NULL */
    int64_t width_px, height_px;
    const uint8_t *look; /* [16,16] grey, or NULL: leave what is known */
    int64_t taken;       /* local time in seconds since 1970; INT64_MIN: not known */
    const char *camera;  /* or NULL */
    int64_t row;         /* of the model's index; -1: none is new */
    const int64_t
        *at_ms; /* [n_frames] of a video, whose rows follow each other from row on; NULL: a photo */
    size_t n_frames;
} catalog_change;
/* All of it or nothing: files and contents, and that the model's index has n_rows rows. */
wi_status catalog_apply(catalog *cat, int64_t model, int64_t n_rows, const catalog_change *changes,
                        size_t n, wi_error *error);
wi_status catalog_remove_files(catalog *cat, const int64_t *ids, size_t n, wi_error *error);

/* ---- searching ---- */

/* Zero and NULL ask for nothing. */
typedef struct catalog_filter {
    const char *folder;    /* files below it */
    const char *camera;    /* holds these letters, whatever their case */
    int64_t after, before; /* taken (else changed) in [after, before), local seconds; 0: open */
    int64_t least_px;      /* width and height at least */
    int orientation;       /* 1: wider than high, 2: higher than wide, 3: square */
} catalog_filter;
bool catalog_filter_is_empty(const catalog_filter *filter);

/* Which rows of the model's index stand for a file that passes.
 * Shapes: bits[(n_rows + 7) / 8], as wi_index_search takes them. */
wi_status catalog_rows(catalog *cat, int64_t model, const catalog_filter *filter, uint64_t n_rows,
                       uint8_t *bits, wi_error *error);

typedef struct catalog_photo {
    char **paths; /* of one content, sorted; n_paths 0: no file has it any more */
    size_t n_paths;
    int64_t content;
    int64_t at_ms; /* of a video's frame; -1: a photo */
    uint8_t sha[CATALOG_SHA_BYTES];
    int64_t n_bytes, width_px, height_px, taken;
    uint8_t look[CATALOG_LOOK_BYTES];
    bool has_look;
} catalog_photo;
/* The photo, or the video's frame, whose embedding is that row, with the paths that pass the filter (NULL: all).
 * Owns: the caller frees with catalog_free_photo. */
wi_status catalog_photo_of(catalog *cat, int64_t model, int64_t row, const catalog_filter *filter,
                           catalog_photo *out, wi_error *error);
void catalog_free_photo(catalog_photo *photo);

/* Are there videos among the model's rows? */
wi_status catalog_has_videos(catalog *cat, int64_t model, bool *out, wi_error *error);

/* One file of a content. */
typedef struct catalog_place {
    char *path;
    size_t n_above; /* bytes of path before the name of the folder that was indexed */
    catalog_stamp stamp;
} catalog_place;

/* A content with all files that have it, sorted by path. */
typedef struct catalog_seen {
    uint8_t sha[CATALOG_SHA_BYTES];
    int64_t row; /* of the model's index; -1: it has none */
    int64_t width_px, height_px, taken;
    catalog_place *places;
    size_t n_places;
} catalog_seen;
/* The photo whose embedding is that row (a video's is none), or that has that hash. n_places 0: no file has it any more.
 * Owns: the caller frees with catalog_free_seen. */
wi_status catalog_seen_at(catalog *cat, int64_t model, int64_t row, catalog_seen *out,
                          wi_error *error);
wi_status catalog_seen_of(catalog *cat, int64_t model, const uint8_t sha[CATALOG_SHA_BYTES],
                          catalog_seen *out, wi_error *error);
void catalog_free_seen(catalog_seen *seen);
/* The hash as it is written, by which a photo is asked for. */
void catalog_hex(const uint8_t sha[CATALOG_SHA_BYTES], char hex[2 * CATALOG_SHA_BYTES + 1]);

typedef struct catalog_counts {
    int64_t files, contents, unreadable, with_vector;
} catalog_counts;
wi_status catalog_count(catalog *cat, int64_t model, catalog_counts *out, wi_error *error);

#endif
