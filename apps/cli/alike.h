/* How much alike two photos are, when one may be a copy of the other: by the thumbprints that a library
 * keeps, and more closely by small pictures of the files. */
#ifndef CLI_ALIKE_H
#define CLI_ALIKE_H

#include "../library/catalog.h"
#include <whatsit/image.h>

/* Correlation of two thumbprints, the best when one may be cut out of the other's middle; 0 for those
 * without any structure.
 * Shapes: a[16,16], b[16,16] grey */
double cli_alike_looks(const uint8_t a[CATALOG_LOOK_BYTES], const uint8_t b[CATALOG_LOOK_BYTES]);

enum { CLI_CLOSE_SIDE = 64, CLI_CLOSE_BYTES = 4096 };

/* The whole picture, whatever its shape, as [64,64] grey. False: it cannot be read. */
bool cli_alike_read(const wi_engine *engine, const char *path, uint8_t out[CLI_CLOSE_BYTES]);
/* The best correlation when one is laid upon the other: whole, with a strip of up to an eighth at an edge
 * left out (a caption), or cut out of it anywhere, at up to a fifth less of its sides. */
double cli_alike_close(const uint8_t a[CLI_CLOSE_BYTES], const uint8_t b[CLI_CLOSE_BYTES]);

#endif
