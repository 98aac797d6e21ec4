/* What was computed of photos before, in the cache folder: their vectors by content, one file per
 * model, and their contents' digests by place, so that a photo that did not change is not even read.
 *
 * Privacy: whoever reads this folder knows the vectors of every photo in folders that were looked at.
 * It is readable by its owner alone; 'whatsit cache' shows, empties and switches it off. */
#ifndef CLI_CACHE_H
#define CLI_CACHE_H

#include "load.h"
#include "runtime.h"

typedef struct cli_cache cli_cache;

enum { CLI_DIGEST = 32 };

/* A file as the system knows it: one whose numbers are all the same has the same content. */
typedef struct cli_identity {
    uint64_t device, inode, n_bytes, mtime_ns, ctime_ns;
} cli_identity;

/* What is known of one photo. */
typedef struct cli_known {
    cli_identity identity;
    uint8_t content[CLI_DIGEST];  /* SHA-256 of the file, when has_content */
    uint32_t width_px, height_px; /* 0: not known */
    const float *row;             /* its vector, in the cache; NULL: not known */
    bool has_content, by_place;   /* by_place: without reading the file */
    bool is_kept;                 /* the vector is in the cache, though its size is not known */
} cli_known;

/* NULL when it is switched off, or there is no place for it, or one ISA was asked for: then
 * everything is computed. how: what decides the pixels. with_size: a vector without the photo's width
 * and height is of no use. */
cli_cache *cli_cache_open(const cli_runtime *runtime, const cli_args *args,
                          const wi_image_options *how, bool with_size);
/* The same when an operand or --image is a folder; else, and with --fresh, NULL: a photo that was
 * named is not worth it, and leaves nothing behind. */
cli_cache *cli_cache_of_folders(const cli_runtime *runtime, const cli_args *args, bool with_size);
void cli_cache_close(cli_cache **cache);

/* Looks at the file, and reads it unless its place tells its content. Pipes and what cannot be read
 * are not known. cache: NULL finds contents all the same. Threads: any */
void cli_cache_ask(const cli_cache *cache, const char *path, cli_known *out);
/* Keeps what was computed of a photo that was asked for. Failure is a note, once. One thread. */
void cli_cache_keep(cli_cache *cache, cli_app *app, const cli_known *known, const float *row,
                    uint32_t width_px, uint32_t height_px);

/* $XDG_CACHE_HOME/whatsit itself. NULL without a home folder. */
char *cli_cache_root(void);
bool cli_cache_is_off(void);
/* False with errno set. */
bool cli_cache_switch(bool on);

/* The SHA-256 of a file's bytes: what a photo is, wherever it lies. False when it cannot be read. */
bool cli_content_read(const char *path, uint8_t content[CLI_DIGEST]);

#endif
