#define _GNU_SOURCE
#include "sandbox.h"
#include <errno.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#ifdef WHATSIT_SECCOMP
#include <seccomp.h>
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
/* Sanitizers reserve terabytes and ask the kernel for things of their own. */
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

#ifdef WHATSIT_SECCOMP
/* Threads, because libheif's decoders start some. Everything else is refused with EPERM. */
static const int allowed[] = {
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(mmap),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(futex),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(alarm),
    SCMP_SYS(setitimer),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(clone),
    SCMP_SYS(clone3),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(getrandom),
    SCMP_SYS(gettid),
    SCMP_SYS(getpid),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(sysinfo),
};

static int enter_seccomp(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int failed = filter == NULL;
    for (size_t i = 0; !failed && i < sizeof allowed / sizeof allowed[0]; i++) {
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
    }
    /* Memory that is made executable later is how shellcode begins. */
    failed = failed || seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                                        SCMP_A2(SCMP_CMP_MASKED_EQ, 0x4, 0));
    failed = failed || seccomp_load(filter);
    seccomp_release(filter);
    return failed;
}
#endif

const char *srv_sandbox_kind(void)
{
#ifdef WHATSIT_SECCOMP
    if (!SANITIZED && seccomp_api_get() > 0) {
        return "seccomp";
    }
#endif
    return "processes";
}

void srv_sandbox_enter(uint64_t max_pixels)
{
    /* Decoded RGB, the same once more while it is turned, and room for the decoder itself. */
    rlim_t bytes = (rlim_t)max_pixels * 8 + ((rlim_t)1 << 30);
    struct rlimit memory = {bytes, bytes}, none = {0, 0};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    setrlimit(RLIMIT_CORE, &none);
    setrlimit(RLIMIT_FSIZE, &none);
    if (!SANITIZED) {
        setrlimit(RLIMIT_AS, &memory);
#ifdef WHATSIT_SECCOMP
        (void)enter_seccomp();
#endif
    }
}
