/* What belongs to a photo. */
#ifndef CLI_PARTY_H
#define CLI_PARTY_H

#include "paths.h"

/* A photo and the files that belong to it, which travel together under one number. */
typedef struct cli_party {
    const char *from;    /* the photo */
    cli_list companions; /* in the photo's folder: names that begin with the photo's, or its stem */
} cli_party;

/* The names in the folder that was asked for last: photos come folder by folder. {0} to begin with. */
typedef struct cli_folder {
    char *path;
    cli_list names;
} cli_folder;

void cli_folder_free(cli_folder *folder);

/* Files of the photo's folder with its name or stem that are no pictures of their own: edits and
 * notes of other programs (.xmp, .AAE, ...), the film of a live photo, the raw photo.
 * taken: sorted paths of the pictures that travel by themselves. last: serves several photos. */
bool cli_party_find(const char *photo, const cli_list *taken, cli_folder *last, cli_party *out);
void cli_party_free(cli_party *party);

/* The name at the end of a path. */
const char *cli_name_of(const char *path);
/* Bytes of a name before its last dot. */
size_t cli_stem_of(const char *name);

#endif
