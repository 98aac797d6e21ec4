/* The test pictures of data/ for the programs that damage them. */
#ifndef TESTS_IMAGE_PICTURES_H
#define TESTS_IMAGE_PICTURES_H

#include <stddef.h>
#include <stdint.h>

typedef struct picture_file {
    char name[128];
    uint8_t
        *bytes; /* exactly n_bytes allocated, so that a sanitizer sees the first byte past them */
    size_t n_bytes;
} picture_file;

/* Reads every picture; fails the test when there are none. The caller frees with pictures_free. */
picture_file *pictures_read(size_t *n);
void pictures_free(picture_file *files, size_t n);

#endif
