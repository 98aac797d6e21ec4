/* Reference data outside the repository, and a reader for its tensors that shares no code with
 * ours. */
#ifndef TESTS_SUPPORT_GOLDEN_H
#define TESTS_SUPPORT_GOLDEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Finds NAME below $WHATSIT_GOLDEN, else below ../shared/golden beside the sources. When it is not
 * there, says so and returns false: the test must then skip(), which is not a pass. */
bool golden_folder(const char *name, char *path, size_t path_bytes);

/* A whole safetensors file in memory. */
typedef struct golden_tensors {
    uint8_t *bytes;
    size_t n_bytes, data_offset;
    void *header; /* json_t */
} golden_tensors;

/* Fails the test when the file cannot be read. */
void golden_open(const char *path, golden_tensors *out);
void golden_close(golden_tensors *tensors);
/* The tensor's bytes, or NULL when there is none of that name. */
const uint8_t *golden_tensor(const golden_tensors *tensors, const char *name, size_t *n_bytes);

#endif
