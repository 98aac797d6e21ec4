/* Runs a fuzz target over a committed corpus: every file of the folder, once. */
#include "text/support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static void corpus_is_harmless(void **state)
{
    (void)state;
    size_t n_files = 0;
    DIR *folder = opendir(WI_CORPUS);
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[1024];
        size_t n_bytes;
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", WI_CORPUS, entry->d_name);
        char *bytes = read_file(path, &n_bytes);
        assert_non_null(bytes);
        assert_int_equal(LLVMFuzzerTestOneInput((const uint8_t *)bytes, n_bytes), 0);
        free(bytes);
        n_files++;
    }
    closedir(folder);
    assert_true(n_files > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(corpus_is_harmless)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
