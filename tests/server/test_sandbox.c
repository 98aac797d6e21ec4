/* What code can do that has taken a decoding process over: the process is the server's own, confined as for strangers'
 * pictures, and what runs in it in place of a decoder is the code below. It tries what an intruder would, and tells
 * through the pixels what came of it.
 *
 *     test_sandbox            the trials
 *     test_sandbox deny CMD   runs CMD where no further filter may be installed, as some containers have it */
#define _GNU_SOURCE
#include "../../apps/server/decoder.h"
#include "../../apps/server/sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef WHATSIT_SECCOMP
#include <seccomp.h>
#endif

enum { SIZE_PX = 64, MAX_PIXELS = 1000000 };

static volatile int touched;

static void *touch(void *context)
{
    (void)context;
    touched = 1;
    return NULL;
}

static long map_code(void)
{
    void *p =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? -1 : 0;
}

static long make_code(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? -1 : mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

static long clone_as(unsigned long flags)
{
    long child = syscall(SYS_clone, flags, 0, 0, 0, 0);
    if (child == 0) {
        _exit(0);
    }
    return child;
}

static long fork_now(void)
{
    return clone_as(SIGCHLD);
}

static long vfork_now(void)
{
    return clone_as(CLONE_VM | CLONE_VFORK | SIGCHLD);
}

static long new_user(void)
{
    return clone_as(CLONE_NEWUSER | SIGCHLD);
}

static long new_thread_of_spaces(void)
{
    return clone_as(CLONE_VM | CLONE_THREAD | CLONE_SIGHAND | CLONE_NEWNET);
}

static long clone_3(void)
{
    struct clone_args how = {.flags = 0, .exit_signal = SIGCHLD};
    long child = syscall(SYS_clone3, &how, sizeof how);
    if (child == 0) {
        _exit(0);
    }
    return child;
}

static long leave_spaces(void)
{
    return unshare(CLONE_NEWUSER);
}

static long run_program(void)
{
    char *arguments[] = {"/bin/true", NULL};
    return execv(arguments[0], arguments);
}

static long open_file(void)
{
    return open("/etc/passwd", O_RDONLY);
}

static long write_file(void)
{
    return syscall(SYS_openat, AT_FDCWD, "/tmp/whatsit-was-here", O_WRONLY | O_CREAT, 0600);
}

static long open_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0);
}

static long trace(void)
{
    return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static long read_others(void)
{
    char byte;
    long parent = syscall(SYS_getppid);
    return syscall(SYS_process_vm_readv, parent, &byte, 1, &byte, 1, 0);
}

static long end_keeper(void)
{
    return (long)syscall(SYS_kill, 1, 0);
}

static long undo_limits(void)
{
    struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    return setrlimit(RLIMIT_AS, &all);
}

static long new_filter(void)
{
    return prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0);
}

static long become_root(void)
{
    return syscall(SYS_setuid, 0);
}

static long use_ring(void)
{
    return syscall(SYS_io_uring_setup, 8, NULL) < 0 && errno == EPERM ? -1 : 0;
}

static long use_bpf(void)
{
    return syscall(SYS_bpf, 0, NULL, 0) < 0 && errno == EPERM ? -1 : 0;
}

static long use_keys(void)
{
    return syscall(SYS_add_key, "user", "x", "x", 1, -1) < 0 && errno == EPERM ? -1 : 0;
}

static long take_memory(void)
{
    return mmap(NULL, (size_t)8 << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0) == MAP_FAILED
               ? -1
               : 0;
}

static const struct {
    const char *name;
    long (*try)(void);
} trials[] = {
    {"memory that can be written and run", map_code},
    {"memory that is made to run later", make_code},
    {"fork", fork_now},
    {"vfork", vfork_now},
    {"clone3", clone_3},
    {"a user namespace", new_user},
    {"a thread in new namespaces", new_thread_of_spaces},
    {"unshare", leave_spaces},
    {"another program", run_program},
    {"reading a file", open_file},
    {"writing a file", write_file},
    {"a socket", open_socket},
    {"ptrace", trace},
    {"another process's memory", read_others},
    {"a signal to others", end_keeper},
    {"more memory by limits", undo_limits},
    {"prctl", new_filter},
    {"setuid", become_root},
    {"io_uring", use_ring},
    {"bpf", use_bpf},
    {"the kernel's keys", use_keys},
    {"8 GB of memory", take_memory},
};
enum { N_TRIALS = sizeof trials / sizeof trials[0] };

/* Bytes: for each trial 1 when it was allowed; then 1 if a thread could be started, as libraries need. */
static wi_status intrude(const void *bytes, size_t n_bytes, uint8_t *pixels)
{
    pthread_t thread;
    (void)bytes;
    (void)n_bytes;
    for (size_t i = 0; i < N_TRIALS; i++) {
        pixels[i] = trials[i].try() >= 0;
    }
    pixels[N_TRIALS] = pthread_create(&thread, NULL, touch, NULL) == 0 &&
                       pthread_join(thread, NULL) == 0 && touched;
    return WI_OK;
}

static srv_decoder_options options_with(wi_status (*instead)(const void *, size_t, uint8_t *))
{
    return (srv_decoder_options){.n_processes = 1,
                                 .max_bytes = 1 << 20,
                                 .max_pixels = MAX_PIXELS,
                                 .max_size_px = SIZE_PX,
                                 .max_seconds = 1,
                                 .max_waiting = 8,
                                 .instead = instead};
}

static wi_status decode_with(wi_status (*instead)(const void *, size_t, uint8_t *),
                             const srv_asker *asker, uint8_t *pixels, wi_error *error)
{
    const srv_decoder_options options = options_with(instead);
    const wi_preprocess how = {.size_px = SIZE_PX};
    srv_decoder *decoder = NULL;
    srv_decoded decoded;
    wi_status status = srv_decoder_open(&options, &decoder, error);
    if (status == WI_OK) {
        status = srv_decode(decoder, asker, "any picture, really", 19, NULL, &how, pixels, &decoded,
                            error);
    }
    srv_decoder_close(&decoder);
    return status;
}

static void nothing_can_be_done(void **state)
{
    static uint8_t pixels[SIZE_PX * SIZE_PX * 3];
    const srv_asker asker = {.client = 1};
    wi_error error = {0};
    unsigned n_allowed = 0;
    (void)state;
    if (!(srv_sandbox_needed() & SRV_SANDBOX_SECCOMP)) {
        skip(); /* sanitizers need what the filter refuses */
    }
    assert_int_equal(decode_with(intrude, &asker, pixels, &error), WI_OK);
    for (size_t i = 0; i < N_TRIALS; i++) {
        if (pixels[i]) {
            print_error("allowed: %s\n", trials[i].name);
            n_allowed++;
        }
    }
    assert_int_equal(n_allowed, 0);
    assert_int_equal(pixels[N_TRIALS], 1);
}

static wi_status spin(const void *bytes, size_t n_bytes, uint8_t *pixels)
{
    for (;;) {
        pixels[n_bytes % 3] = *(const volatile uint8_t *)bytes;
    }
    return WI_OK;
}

static void work_without_an_end_is_ended(void **state)
{
    static uint8_t pixels[SIZE_PX * SIZE_PX * 3];
    const srv_asker asker = {.client = 1};
    wi_error error = {0};
    (void)state;
    assert_int_equal(decode_with(spin, &asker, pixels, &error), WI_ERR_FORMAT);
}

static atomic_bool gone;

static void *leave_soon(void *context)
{
    (void)context;
    usleep(300000);
    gone = true;
    return NULL;
}

static void nobody_waits(void **state)
{
    static uint8_t pixels[SIZE_PX * SIZE_PX * 3];
    const srv_asker asker = {.client = 1, .gone = &gone};
    const wi_preprocess how = {.size_px = SIZE_PX};
    srv_decoder_options options = options_with(spin);
    srv_decoder *decoder = NULL;
    srv_decoded decoded;
    pthread_t thread;
    wi_error error = {0};
    (void)state;
    options.max_seconds = 100;
    assert_int_equal(srv_decoder_open(&options, &decoder, &error), WI_OK);
    pthread_create(&thread, NULL, leave_soon, NULL);
    assert_int_equal(srv_decode(decoder, &asker, "any picture, really", 19, NULL, &how, pixels,
                                &decoded, &error),
                     WI_ERR_CANCELLED);
    pthread_join(thread, NULL);
    assert_int_equal(srv_decode(decoder, &asker, "any picture, really", 19, NULL, &how, pixels,
                                &decoded, &error),
                     WI_ERR_CANCELLED);
    srv_decoder_close(&decoder);
}

#ifdef WHATSIT_SECCOMP
static int run_denied(char **command)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(seccomp), 0);
    seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prctl), 1,
                     SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP));
    if (seccomp_load(filter) != 0) {
        return 77;
    }
    execv(command[0], command);
    return 126;
}
#endif

int main(int n, char **arguments)
{
#ifdef WHATSIT_SECCOMP
    if (n > 2 && !strcmp(arguments[1], "deny")) {
        return run_denied(arguments + 2);
    }
#endif
    (void)n;
    (void)arguments;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_can_be_done),
        cmocka_unit_test(work_without_an_end_is_ended),
        cmocka_unit_test(nobody_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
