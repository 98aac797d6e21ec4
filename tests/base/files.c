/* Files that appear whole or not at all, and mapped files. */
#include "base/file.h"
#include "base/map.h"
#include "support/scratch.h"
#include "support/torture.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void expect_content(const char *path, const void *bytes, size_t n_bytes)
{
    wi_map map = {NULL, 0};
    assert_int_equal(wi_map_open(path, &map, NULL), WI_OK);
    assert_int_equal(map.n_bytes, n_bytes);
    if (n_bytes)
        assert_memory_equal(map.bytes, bytes, n_bytes);
    wi_map_close(&map);
    wi_map_close(&map);
}

static void nothing_is_seen_before_commit(void **state)
{
    (void)state;
    wi_file_writer writer;
    wi_error error = {0};
    const char *path = scratch_path("new");
    assert_int_equal(wi_file_writer_open(&writer, path, &error), WI_OK);
    assert_int_equal(wi_file_writer_write(&writer, "abc", 3, &error), WI_OK);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(wi_file_writer_align(&writer, 8, &error), WI_OK);
    assert_int_equal(wi_file_writer_align(&writer, 8, &error), WI_OK);
    assert_int_equal(writer.n_bytes, 8);
    assert_int_equal(wi_file_writer_write(&writer, "d", 1, &error), WI_OK);
    assert_int_equal(wi_file_writer_align(&writer, 1024, &error), WI_OK);
    assert_int_equal(wi_file_writer_commit(&writer, &error), WI_OK);
    wi_file_writer_abandon(&writer);
    char expected[1024] = "abc";
    expected[8] = 'd';
    expect_content(path, expected, sizeof expected);
    assert_int_equal(scratch_count(""), 1);
}

static void an_abandoned_file_leaves_the_old_one(void **state)
{
    (void)state;
    wi_file_writer writer, zero = {0};
    const char *path = scratch_text("kept", "old");
    assert_int_equal(wi_file_writer_open(&writer, path, NULL), WI_OK);
    assert_int_equal(wi_file_writer_write(&writer, "new", 3, NULL), WI_OK);
    wi_file_writer_abandon(&writer);
    wi_file_writer_abandon(&writer);
    wi_file_writer_abandon(&zero);
    expect_content(path, "old", 3);
    assert_int_equal(scratch_count(""), 1);
}

static void two_writers_of_one_name_do_not_mix(void **state)
{
    (void)state;
    wi_file_writer a, b;
    const char *path = scratch_path("both");
    assert_int_equal(wi_file_writer_open(&a, path, NULL), WI_OK);
    assert_int_equal(wi_file_writer_open(&b, path, NULL), WI_OK);
    assert_int_equal(wi_file_writer_write(&a, "first", 5, NULL), WI_OK);
    assert_int_equal(wi_file_writer_write(&b, "2nd", 3, NULL), WI_OK);
    assert_int_equal(wi_file_writer_commit(&b, NULL), WI_OK);
    expect_content(path, "2nd", 3);
    assert_int_equal(wi_file_writer_commit(&a, NULL), WI_OK);
    expect_content(path, "first", 5);
    assert_int_equal(scratch_count(""), 1);
}

static void places_that_cannot_be_written(void **state)
{
    (void)state;
    wi_file_writer writer;
    wi_error error = {0};
    assert_int_equal(wi_file_writer_open(&writer, scratch_path("no/such/folder"), &error),
                     WI_ERR_IO);
    assert_non_null(strstr(error.message, "no/such/folder"));
    wi_file_writer_abandon(&writer);
    assert_int_equal(wi_file_writer_open(&writer, scratch_path(""), &error), WI_ERR_IO);
    assert_int_equal(scratch_count(""), 0);
    if (geteuid() == 0)
        return; /* root may write anywhere */
    scratch_text("closed/file", "old");
    assert_int_equal(chmod(scratch_path("closed"), 0500), 0);
    assert_int_equal(wi_file_writer_open(&writer, scratch_path("closed/file"), &error), WI_ERR_IO);
    assert_non_null(strstr(error.message, "Permission denied"));
    assert_int_equal(chmod(scratch_path("closed"), 0700), 0);
}

/* A limit on the file's size stands for a disk that is full. */
static void a_full_disk_leaves_the_old_file(void **state)
{
    (void)state;
    static char bytes[1 << 16];
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){50000, before.rlim_max};
    const char *path = scratch_text("kept", "old");
    wi_file_writer writer;
    wi_error error = {0};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    wi_status opened = wi_file_writer_open(&writer, path, &error), status = opened;
    for (int i = 0; i < 3 && status == WI_OK; i++)
        status = wi_file_writer_write(&writer, bytes, i ? sizeof bytes : 100, &error);
    wi_file_writer_abandon(&writer);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(opened, WI_OK);
    assert_int_equal(status, WI_ERR_IO);
    assert_non_null(strstr(error.message, "File too large"));
    expect_content(path, "old", 3);
    assert_int_equal(scratch_count(""), 1);
}

/* Bytes that are still in the stream's buffer fail at commit. */
static void a_disk_that_is_full_at_commit(void **state)
{
    (void)state;
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){10, before.rlim_max};
    const char *path = scratch_text("kept", "old");
    wi_file_writer writer;
    wi_error error = {0};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(wi_file_writer_open(&writer, path, &error), WI_OK);
    assert_int_equal(wi_file_writer_write(&writer, "more than ten bytes", 19, &error), WI_OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    wi_status status = wi_file_writer_commit(&writer, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, WI_ERR_IO);
    expect_content(path, "old", 3);
    assert_int_equal(scratch_count(""), 1);
}

static void a_name_that_became_a_folder(void **state)
{
    (void)state;
    wi_file_writer writer;
    wi_error error = {0};
    const char *path = scratch_path("late");
    assert_int_equal(wi_file_writer_open(&writer, path, &error), WI_OK);
    assert_int_equal(mkdir(path, 0777), 0);
    assert_int_equal(wi_file_writer_commit(&writer, &error), WI_ERR_IO);
    assert_int_equal(scratch_count(""), 1);
}

static void names_without_a_folder(void **state)
{
    (void)state;
    char before[1024];
    wi_file_writer writer;
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(scratch_path("")), 0);
    assert_int_equal(wi_file_writer_open(&writer, "plain", NULL), WI_OK);
    assert_int_equal(wi_file_writer_commit(&writer, NULL), WI_OK);
    assert_int_equal(chdir(before), 0);
    expect_content(scratch_path("plain"), NULL, 0);
}

static wi_status write_one(void *context, wi_error *error)
{
    (void)context;
    wi_file_writer writer;
    wi_status status = wi_file_writer_open(&writer, scratch_path("tortured"), error);
    if (status == WI_OK)
        status = wi_file_writer_commit(&writer, error);
    return status;
}

static void failing_allocations_leave_no_file(void **state)
{
    (void)state;
    assert_true(torture_run(write_one, NULL) >= 2);
    assert_int_equal(scratch_count(""), 1);
}

static void files_that_cannot_be_mapped(void **state)
{
    (void)state;
    wi_map map = {(const uint8_t *)"untouched", 9};
    wi_error error = {0};
    assert_int_equal(wi_map_open(scratch_path("missing"), &map, &error), WI_ERR_IO);
    assert_non_null(strstr(error.message, "missing: cannot open: No such file"));
    assert_int_equal(wi_map_open(scratch_path(""), &map, &error), WI_ERR_IO);
    assert_non_null(strstr(error.message, "not a regular file"));
    assert_int_equal(map.n_bytes, 9);
    if (geteuid() != 0) {
        const char *path = scratch_text("secret", "x");
        assert_int_equal(chmod(path, 0), 0);
        assert_int_equal(wi_map_open(path, &map, &error), WI_ERR_IO);
        assert_non_null(strstr(error.message, "Permission denied"));
    }
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(nothing_is_seen_before_commit),      EACH(an_abandoned_file_leaves_the_old_one),
        EACH(two_writers_of_one_name_do_not_mix), EACH(places_that_cannot_be_written),
        EACH(a_full_disk_leaves_the_old_file),    EACH(a_disk_that_is_full_at_commit),
        EACH(a_name_that_became_a_folder),        EACH(names_without_a_folder),
        EACH(failing_allocations_leave_no_file),  EACH(files_that_cannot_be_mapped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
