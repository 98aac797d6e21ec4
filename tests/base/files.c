/* Sinks: files that appear whole or not at all, memory, functions; and mapped files. */
#include "base/map.h"
#include "base/sink.h"
#include "support/scratch.h"
#include "support/torture.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
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
    wi_sink *writer = NULL;
    wi_error error = {0};
    const char *path = scratch_path("new");
    assert_int_equal(wi_sink_to_file(path, WI_SINK_REPLACE, &writer, &error), WI_OK);
    assert_int_equal(wi_sink_write(writer, "abc", 3, &error), WI_OK);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(wi_sink_align(writer, 8, &error), WI_OK);
    assert_int_equal(wi_sink_align(writer, 8, &error), WI_OK);
    assert_int_equal(writer->n_bytes, 8);
    assert_int_equal(wi_sink_write(writer, "d", 1, &error), WI_OK);
    assert_int_equal(wi_sink_align(writer, 1024, &error), WI_OK);
    assert_int_equal(wi_sink_commit(writer, &error), WI_OK);
    wi_sink_close(&writer);
    char expected[1024] = "abc";
    expected[8] = 'd';
    expect_content(path, expected, sizeof expected);
    assert_int_equal(scratch_count(""), 1);
}

static void an_abandoned_file_leaves_the_old_one(void **state)
{
    (void)state;
    wi_sink *writer = NULL;
    const char *path = scratch_text("kept", "old");
    assert_int_equal(wi_sink_to_file(path, WI_SINK_REPLACE, &writer, NULL), WI_OK);
    assert_int_equal(wi_sink_write(writer, "new", 3, NULL), WI_OK);
    wi_sink_close(&writer);
    wi_sink_close(&writer);
    expect_content(path, "old", 3);
    assert_int_equal(scratch_count(""), 1);
}

static void two_writers_of_one_name_do_not_mix(void **state)
{
    (void)state;
    wi_sink *a = NULL, *b = NULL;
    const char *path = scratch_path("both");
    assert_int_equal(wi_sink_to_file(path, WI_SINK_REPLACE, &a, NULL), WI_OK);
    assert_int_equal(wi_sink_to_file(path, WI_SINK_REPLACE, &b, NULL), WI_OK);
    assert_int_equal(wi_sink_write(a, "first", 5, NULL), WI_OK);
    assert_int_equal(wi_sink_write(b, "2nd", 3, NULL), WI_OK);
    assert_int_equal(wi_sink_commit(b, NULL), WI_OK);
    expect_content(path, "2nd", 3);
    assert_int_equal(wi_sink_commit(a, NULL), WI_OK);
    wi_sink_close(&a);
    wi_sink_close(&b);
    expect_content(path, "first", 5);
    assert_int_equal(scratch_count(""), 1);
}

static void places_that_cannot_be_written(void **state)
{
    (void)state;
    wi_sink *writer = NULL;
    wi_error error = {0};
    assert_int_equal(
        wi_sink_to_file(scratch_path("no/such/folder"), WI_SINK_REPLACE, &writer, &error),
        WI_ERR_IO);
    assert_non_null(strstr(error.message, "no/such/folder"));
    wi_sink_close(&writer);
    assert_int_equal(wi_sink_to_file(scratch_path(""), WI_SINK_REPLACE, &writer, &error),
                     WI_ERR_IO);
    assert_int_equal(scratch_count(""), 0);
    if (geteuid() == 0)
        return; /* root may write anywhere */
    scratch_text("closed/file", "old");
    assert_int_equal(chmod(scratch_path("closed"), 0500), 0);
    assert_int_equal(wi_sink_to_file(scratch_path("closed/file"), WI_SINK_REPLACE, &writer, &error),
                     WI_ERR_IO);
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
    wi_sink *writer = NULL;
    wi_error error = {0};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    wi_status opened = wi_sink_to_file(path, WI_SINK_REPLACE, &writer, &error), status = opened;
    for (int i = 0; i < 3 && status == WI_OK; i++)
        status = wi_sink_write(writer, bytes, i ? sizeof bytes : 100, &error);
    wi_sink_close(&writer);
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
    wi_sink *writer = NULL;
    wi_error error = {0};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(wi_sink_to_file(path, WI_SINK_REPLACE, &writer, &error), WI_OK);
    assert_int_equal(wi_sink_write(writer, "more than ten bytes", 19, &error), WI_OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    wi_status status = wi_sink_commit(writer, &error);
    wi_sink_close(&writer);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, WI_ERR_IO);
    expect_content(path, "old", 3);
    assert_int_equal(scratch_count(""), 1);
}

static void a_name_that_became_a_folder(void **state)
{
    (void)state;
    wi_sink *writer = NULL;
    wi_error error = {0};
    const char *path = scratch_path("late");
    assert_int_equal(wi_sink_to_file(path, WI_SINK_REPLACE, &writer, &error), WI_OK);
    assert_int_equal(mkdir(path, 0777), 0);
    assert_int_equal(wi_sink_commit(writer, &error), WI_ERR_IO);
    assert_int_equal(wi_sink_commit(writer, &error), WI_ERR_IO);
    wi_sink_close(&writer);
    assert_int_equal(scratch_count(""), 1);
}

static void names_without_a_folder(void **state)
{
    (void)state;
    char before[1024];
    wi_sink *writer = NULL;
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(scratch_path("")), 0);
    assert_int_equal(wi_sink_to_file("plain", WI_SINK_REPLACE, &writer, NULL), WI_OK);
    assert_int_equal(wi_sink_commit(writer, NULL), WI_OK);
    wi_sink_close(&writer);
    assert_int_equal(chdir(before), 0);
    expect_content(scratch_path("plain"), NULL, 0);
}

static wi_status write_one(void *context, wi_error *error)
{
    (void)context;
    wi_sink *writer = NULL;
    wi_status status = wi_sink_to_file(scratch_path("tortured"), WI_SINK_REPLACE, &writer, error);
    if (status == WI_OK)
        status = wi_sink_commit(writer, error);
    wi_sink_close(&writer);
    return status;
}

static void failing_allocations_leave_no_file(void **state)
{
    (void)state;
    assert_true(torture_run(write_one, NULL) >= 2);
    assert_int_equal(scratch_count(""), 1);
}

static void write_text(const char *path, uint32_t flags, const char *text)
{
    wi_sink *sink = NULL;
    assert_int_equal(wi_sink_to_file(path, flags, &sink, NULL), WI_OK);
    assert_int_equal(wi_sink_write(sink, text, strlen(text), NULL), WI_OK);
    assert_int_equal(wi_sink_commit(sink, NULL), WI_OK);
    wi_sink_close(&sink);
}

/* Neither what is there, nor what comes while writing. */
static void what_is_to_be_kept_is_kept(void **state)
{
    (void)state;
    wi_sink *sink = NULL;
    wi_error error = {0};
    const char *path = scratch_text("kept", "old");
    assert_int_equal(wi_sink_to_file(path, WI_SINK_KEEP, &sink, &error), WI_ERR_IO);
    assert_non_null(strstr(error.message, "is there already"));
    assert_null(sink);
    char late[600];
    snprintf(late, sizeof late, "%s", scratch_path("late"));
    assert_int_equal(wi_sink_to_file(late, WI_SINK_KEEP, &sink, &error), WI_OK);
    assert_int_equal(wi_sink_write(sink, "ours", 4, &error), WI_OK);
    scratch_text("late", "theirs");
    assert_int_equal(wi_sink_commit(sink, &error), WI_ERR_IO);
    wi_sink_close(&sink);
    expect_content(late, "theirs", 6);
    write_text(scratch_path("new"), WI_SINK_KEEP, "ours");
    expect_content(scratch_path("new"), "ours", 4);
    assert_int_equal(scratch_count(""), 3);
}

static void links_and_rights_are_as_before(void **state)
{
    (void)state;
    struct stat st;
    char target[600], link_path[600];
    snprintf(target, sizeof target, "%s", scratch_text("target", "old"));
    snprintf(link_path, sizeof link_path, "%s", scratch_path("link"));
    assert_int_equal(chmod(target, 0640), 0);
    assert_int_equal(symlink("target", link_path), 0);
    write_text(link_path, WI_SINK_REPLACE, "new");
    assert_int_equal(lstat(link_path, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    expect_content(target, "new", 3);
    assert_int_equal(stat(target, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(scratch_count(""), 2);
}

static void a_pipe_is_written_and_read_to_its_end(void **state)
{
    (void)state;
    int ends[2];
    char path[32];
    wi_map map = {NULL, 0};
    wi_sink *sink = NULL;
    assert_int_equal(pipe(ends), 0);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[1]);
    assert_int_equal(wi_sink_to_file(path, WI_SINK_KEEP, &sink, NULL), WI_OK);
    assert_int_equal(wi_sink_write(sink, "through", 7, NULL), WI_OK);
    assert_false(wi_sink_can_patch(sink));
    assert_int_equal(wi_sink_patch(sink, 0, "T", 1, NULL), WI_ERR_UNSUPPORTED);
    assert_int_equal(wi_sink_commit(sink, NULL), WI_OK);
    wi_sink_close(&sink);
    close(ends[1]);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    expect_content(path, "through", 7);
    close(ends[0]);
    assert_int_equal(wi_map_open("/dev/null", &map, NULL), WI_OK);
    assert_int_equal(map.n_bytes, 0);
    wi_map_close(&map);
}

static void memory_keeps_what_was_committed(void **state)
{
    (void)state;
    wi_sink *sink = NULL;
    size_t n = 9;
    assert_int_equal(wi_sink_to_memory(&sink, NULL), WI_OK);
    assert_int_equal(wi_sink_write(sink, "abcd", 4, NULL), WI_OK);
    assert_int_equal(wi_sink_patch(sink, 1, "X", 1, NULL), WI_OK);
    assert_int_equal(wi_sink_patch(sink, 4, "X", 1, NULL), WI_ERR_ARG);
    assert_int_equal(wi_sink_align(sink, 8, NULL), WI_OK);
    assert_null(wi_sink_bytes(sink, &n));
    assert_int_equal(n, 0);
    assert_int_equal(wi_sink_commit(sink, NULL), WI_OK);
    assert_memory_equal(wi_sink_bytes(sink, &n), "aXcd\0\0\0\0", 8);
    assert_int_equal(n, 8);
    assert_int_equal(wi_sink_write(sink, "e", 1, NULL), WI_ERR_ARG);
    assert_int_equal(wi_sink_commit(sink, NULL), WI_ERR_ARG);
    wi_sink_close(&sink);
    wi_sink_close(&sink);
    assert_int_equal(wi_sink_to_memory(&sink, NULL), WI_OK);
    assert_int_equal(wi_sink_commit(sink, NULL), WI_OK);
    assert_non_null(wi_sink_bytes(sink, &n));
    assert_int_equal(n, 0);
    wi_sink_close(&sink);
}

static wi_status refuse_second(void *context, const void *bytes, size_t n_bytes, wi_error *error)
{
    int *calls = context;
    (void)bytes, (void)n_bytes;
    if (++*calls < 2)
        return WI_OK;
    error->status = WI_ERR_LIMIT;
    snprintf(error->message, sizeof error->message, "enough");
    return WI_ERR_LIMIT;
}

static void a_failure_sticks(void **state)
{
    (void)state;
    int calls = 0;
    wi_sink *sink = NULL;
    wi_error error = {0};
    assert_int_equal(wi_sink_to_function(refuse_second, &calls, &sink, &error), WI_OK);
    assert_int_equal(wi_sink_write(sink, "a", 1, &error), WI_OK);
    assert_int_equal(wi_sink_write(sink, "b", 1, &error), WI_ERR_LIMIT);
    assert_int_equal(wi_sink_write(sink, "c", 1, NULL), WI_ERR_LIMIT);
    error = (wi_error){0};
    assert_int_equal(wi_sink_commit(sink, &error), WI_ERR_LIMIT);
    assert_string_equal(error.message, "enough");
    assert_int_equal(calls, 2);
    wi_sink_close(&sink);
    assert_int_equal(wi_sink_to_function(NULL, NULL, &sink, NULL), WI_ERR_ARG);
    assert_int_equal(wi_sink_write(NULL, "a", 1, NULL), WI_ERR_ARG);
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
        EACH(nothing_is_seen_before_commit),
        EACH(an_abandoned_file_leaves_the_old_one),
        EACH(two_writers_of_one_name_do_not_mix),
        EACH(places_that_cannot_be_written),
        EACH(a_full_disk_leaves_the_old_file),
        EACH(a_disk_that_is_full_at_commit),
        EACH(a_name_that_became_a_folder),
        EACH(names_without_a_folder),
        EACH(failing_allocations_leave_no_file),
        EACH(files_that_cannot_be_mapped),
        EACH(what_is_to_be_kept_is_kept),
        EACH(links_and_rights_are_as_before),
        EACH(a_pipe_is_written_and_read_to_its_end),
        EACH(memory_keeps_what_was_committed),
        EACH(a_failure_sticks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
