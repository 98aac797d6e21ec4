#include "npy.h"
#include "save.h"
#include <string.h>

wi_status cli_npy_write(const char *path, const float *x, size_t n, size_t d, wi_error *error)
{
    enum { PREFIX = 10, ALIGN = 64 };
    char header[192];
    cli_save save = {0};
    int length = snprintf(header + PREFIX, sizeof header - PREFIX,
                          "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu, %zu), }", n, d);
    size_t total = (PREFIX + (size_t)length + 1 + ALIGN - 1) / ALIGN * ALIGN;
    memcpy(header, "\x93NUMPY\x01\x00", 8);
    header[8] = (char)(total - PREFIX);
    header[9] = 0;
    memset(header + PREFIX + length, ' ', total - PREFIX - (size_t)length);
    header[total - 1] = '\n';
    wi_status status = cli_save_open(&save, path, error);
    if (status == WI_OK) {
        fwrite(header, 1, total, save.stream);
        fwrite(x, sizeof *x, n * d, save.stream);
        cli_save_ok(&save);
        status = cli_save_commit(&save, error);
    }
    cli_save_abandon(&save);
    return status;
}
