#include "seen.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct place {
    dev_t device;
    ino_t inode;
    char *name; /* NULL: free */
} place;

/* Open addressing; at least half of the places are free. */
struct cli_seen {
    place *places;
    size_t n, n_places;
};

cli_seen *cli_seen_open(void)
{
    cli_seen *seen = calloc(1, sizeof *seen);
    if (seen) {
        seen->n_places = 256;
        seen->places = calloc(seen->n_places, sizeof *seen->places);
        if (!seen->places) {
            free(seen);
            return NULL;
        }
    }
    return seen;
}

void cli_seen_close(cli_seen **seen)
{
    if (!*seen) {
        return;
    }
    for (size_t i = 0; i < (*seen)->n_places; i++) {
        free((*seen)->places[i].name);
    }
    free((*seen)->places);
    free(*seen);
    *seen = NULL;
}

static place *find(const cli_seen *seen, dev_t device, ino_t inode, const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u ^ ((uint64_t)device << 32 ^ (uint64_t)inode);
    for (const char *c = name; *c; c++) {
        hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
    }
    hash = (hash ^ hash >> 29) * 0xbf58476d1ce4e5b9u;
    size_t at = (size_t)(hash ^ hash >> 32) & (seen->n_places - 1);
    while (seen->places[at].name &&
           !(seen->places[at].device == device && seen->places[at].inode == inode &&
             !strcmp(seen->places[at].name, name))) {
        at = (at + 1) & (seen->n_places - 1);
    }
    return &seen->places[at];
}

static bool grow(cli_seen *seen)
{
    cli_seen larger = {calloc(2 * seen->n_places, sizeof *larger.places), seen->n,
                       2 * seen->n_places};
    if (!larger.places) {
        return false;
    }
    for (size_t i = 0; i < seen->n_places; i++) {
        const place *old = &seen->places[i];
        if (old->name) {
            *find(&larger, old->device, old->inode, old->name) = *old;
        }
    }
    free(seen->places);
    *seen = larger;
    return true;
}

bool cli_seen_first(cli_seen *seen, const struct stat *folder, const char *name)
{
    if (2 * (seen->n + 1) > seen->n_places && !grow(seen)) {
        return true;
    }
    place *found = find(seen, folder->st_dev, folder->st_ino, name);
    if (found->name) {
        return false;
    }
    found->name = strdup(name);
    if (found->name) {
        found->device = folder->st_dev;
        found->inode = folder->st_ino;
        seen->n++;
    }
    return true;
}
