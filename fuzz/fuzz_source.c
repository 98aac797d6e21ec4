/* Any bytes as a whole checkpoint in one file: clip.cpp's GGUF when they begin so, else a state
 * dict. */
#include "folder.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
    bool gguf = n_bytes >= 4 && memcmp(data, "GGUF", 4) == 0;
    const char *name = gguf ? "m.gguf" : "m.safetensors";
    folder_write(name, data, n_bytes);
    folder_open_source(name);
    return 0;
}
