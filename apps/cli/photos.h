/* Heads from photos: the steps that head train, new, add, calibrate and rebuild share, and the list
 * of photos that is kept beside a head of the user's so that it can be made again. */
#ifndef CLI_PHOTOS_H
#define CLI_PHOTOS_H

#include "copies.h"
#include "dataset.h"
#include "heads.h"
#include "vectors.h"

/* Labelled photos with their embeddings, those that could not be read left out. */
typedef struct cli_photos {
    cli_dataset data;
    float *embeddings; /* [n, dim] */
    uint32_t *labels;  /* [n] */
    size_t n, dim, n_left_out, n_copies;
    double seconds;    /* spent on embedding */
    size_t n_embedded; /* that were not in the cache */
} cli_photos;

/* Embeds photos->data; image may be NULL. Of copies under one label the first is taken. CLI_FAILED
 * when nothing could be read; photos that could not be were reported and are counted. */
int cli_photos_embed(const cli_runtime *runtime, const wi_image_options *image, cli_photos *photos);
/* Says how many photos are copies, which count once, and how many stand under two labels. */
void cli_photos_say_copies(cli_app *app, const cli_dataset *data, const cli_copies *copies);
void cli_photos_free(cli_photos *photos);
wi_photos cli_photos_view(const cli_photos *photos);

/* The photos that --unknown names, files and folders. */
int cli_unknown_photos(cli_app *app, const cli_args *args, cli_dataset *out);
/* --unknown DIR and --rate R: replaces *head by one that knows its threshold. Nothing without
 * --unknown. */
int cli_head_calibrate_by(const cli_runtime *runtime, const cli_args *args, wi_head **head);
/* Reads --rate (default 0.05). */
int cli_rate_option(const cli_args *args, double *rate);

typedef struct cli_training {
    const char *name, *licence, *source, *note; /* all but the name nullable */
    double strength;                            /* 0: chosen */
    bool balanced;
} cli_training;
/* wi_head_train with progress; every label needs a photo that could be read. */
int cli_train(const cli_runtime *runtime, const cli_training *how, const cli_photos *photos,
              wi_head **out, wi_training_report *report);

/* ---- the list beside a head ---- */

/* DATA/heads/NAME.photos.tsv. NULL without a home folder. */
char *cli_photo_list_path(const char *name);
/* Keeps absolute paths, labels and contents' digests; options is one word kept with them ("balanced"
 * or ""). A head without a list works all the same, so failure is a note. */
void cli_photo_list_save(const cli_runtime *runtime, const char *name, const cli_dataset *data,
                         const char *options);
/* Forgets the list, when the head of that name is no longer the one that it tells of. */
void cli_photo_list_remove(const char *name);
/* CLI_FAILED after saying why. *balanced: the word was there. */
int cli_photo_list_open(cli_app *app, const char *name, cli_dataset *out, bool *balanced);
/* How many of these photos the head was made from, by their content, wherever they lie now; by path
 * where an old list tells no content. 0 where the photos are not known. is_copy: nullable, photos that
 * do not count. */
size_t cli_photo_list_count(const char *name, const cli_list *paths,
                            const uint8_t (*content)[CLI_DIGEST], const bool *is_copy);

#endif
