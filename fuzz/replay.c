/* Runs the harness that it is linked with over files and folders: how compilers without libFuzzer
 * replay the committed corpus. */
#define _XOPEN_SOURCE 700 /* nftw */
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static int n_files;

static int replay(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)where;
    if (kind != FTW_F)
        return 0;
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) {
        fprintf(stderr, "%s: cannot be read\n", path);
        exit(1);
    }
    size_t n = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(n ? n : 1);
    if (!bytes || fread(bytes, 1, n, file) != n) {
        fprintf(stderr, "%s: cannot be read\n", path);
        exit(1);
    }
    fclose(file);
    fprintf(stderr, "%s\n", path); /* the last one printed is the one that failed */
    LLVMFuzzerTestOneInput(bytes, n);
    free(bytes);
    n_files++;
    return 0;
}

int main(int n_arguments, char **arguments)
{
    for (int i = 1; i < n_arguments; i++)
        if (nftw(arguments[i], replay, 16, FTW_PHYS) != 0) {
            fprintf(stderr, "%s: cannot be read\n", arguments[i]);
            return 1;
        }
    printf("%d files replayed\n", n_files);
    return n_files ? 0 : 1;
}
