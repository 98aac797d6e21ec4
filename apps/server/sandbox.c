#define _GNU_SOURCE
#include "sandbox.h"
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#if defined(__has_include)
#if __has_include(<linux/landlock.h>)
#include <linux/landlock.h>
#define HAS_LANDLOCK 1
#endif
#endif
#ifdef WHATSIT_SECCOMP
#include <seccomp.h>
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
/* Sanitizers reserve terabytes and ask the kernel for things of their own. */
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

/* Threads, because libheif's decoders start some: of this process only. */
enum { MAX_FILES = 16 };

#ifdef WHATSIT_SECCOMP
/* Whatever else is refused with EPERM. mmap, mprotect and clone have rules of their own below. */
static const int allowed[] = {
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
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
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(getrandom),
    SCMP_SYS(getrusage),
    SCMP_SYS(gettid),
    SCMP_SYS(getpid),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(sysinfo),
};

/* A new thread of this process, never a new process, and never one in namespaces of its own. */
static int allow_threads(scmp_filter_ctx filter)
{
    const uint64_t thread = CLONE_VM | CLONE_THREAD;
    const uint64_t spaces = CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID |
                            CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
    /* The flags of clone3 lie in memory, where no filter sees them: the C library then takes clone. */
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) ||
           seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                            SCMP_A0(SCMP_CMP_MASKED_EQ, thread | spaces, thread));
}

static int enter_seccomp(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int failed = filter == NULL ? -ENOMEM : 0;
    for (size_t i = 0; !failed && i < sizeof allowed / sizeof allowed[0]; i++) {
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
    }
    /* Memory that can be run is how shellcode begins, whether it is asked for at once or later. */
    failed = failed ? failed
                    : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                                       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    failed = failed ? failed
                    : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                                       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    failed = failed ? failed : allow_threads(filter);
    failed = failed ? failed : seccomp_load(filter);
    seccomp_release(filter);
    errno = failed < 0 ? -failed : EPERM;
    return failed;
}
#endif

/* All of them, also those that a program of root's could get back. */
static int drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2];
    memset(none, 0, sizeof none);
    for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
        prctl(PR_CAPBSET_DROP, cap, 0, 0,
              0); /* refused without CAP_SETPCAP, when there is nothing to drop */
    }
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return (int)syscall(SYS_capset, &header, none);
}

static int limit(void)
{
    static const struct rlimit none = {0, 0}, files = {MAX_FILES, MAX_FILES};
    return setrlimit(RLIMIT_CORE, &none) || setrlimit(RLIMIT_FSIZE, &none) ||
           setrlimit(RLIMIT_MSGQUEUE, &none) || setrlimit(RLIMIT_MEMLOCK, &none) ||
           setrlimit(RLIMIT_NOFILE, &files);
}

static int limit_memory(uint64_t max_pixels)
{
    /* Decoded RGB, the same once more while it is turned, and room for the decoder itself. */
    const rlim_t bytes = (rlim_t)max_pixels * 8 + ((rlim_t)1 << 30);
    const struct rlimit memory = {bytes, bytes};
    return setrlimit(RLIMIT_AS, &memory);
}

#ifdef HAS_LANDLOCK
/* Every right over files that the kernel can refuse, and none given back. */
static int enter_landlock(void)
{
    struct landlock_ruleset_attr rules;
    memset(&rules, 0, sizeof rules);
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1) {
        return -1;
    }
    const unsigned n_rights = version >= 3 ? 15 : version == 2 ? 14 : 13;
    rules.handled_access_fs = (1u << n_rights) - 1;
    long fd = syscall(SYS_landlock_create_ruleset, &rules, sizeof rules.handled_access_fs, 0);
    if (fd < 0) {
        return -1;
    }
    int failed = (int)syscall(SYS_landlock_restrict_self, fd, 0);
    close((int)fd);
    return failed;
}
#endif

static bool note(bool good, unsigned what, unsigned *in_force, int *failed)
{
    if (good) {
        *in_force |= what;
    } else if (*failed == 0) {
        *failed = errno ? errno : EPERM;
    }
    return good;
}

unsigned srv_sandbox_needed(void)
{
    unsigned all = SRV_SANDBOX_NO_NEW_PRIVS | SRV_SANDBOX_LIMITS | SRV_SANDBOX_NO_CAPABILITIES;
    return SANITIZED ? all : all | SRV_SANDBOX_SECCOMP;
}

unsigned srv_sandbox_enter(uint64_t max_pixels, int *failed)
{
    unsigned in_force = 0;
    *failed = 0;
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    note(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, SRV_SANDBOX_NO_NEW_PRIVS, &in_force, failed);
#ifdef HAS_LANDLOCK
    in_force |= enter_landlock() == 0 ? SRV_SANDBOX_LANDLOCK : 0;
#endif
    note(drop_capabilities() == 0, SRV_SANDBOX_NO_CAPABILITIES, &in_force, failed);
    note(limit() == 0 && (SANITIZED || limit_memory(max_pixels) == 0), SRV_SANDBOX_LIMITS,
         &in_force, failed);
    if (!SANITIZED) {
#ifdef WHATSIT_SECCOMP
        note(enter_seccomp() == 0, SRV_SANDBOX_SECCOMP, &in_force, failed);
#else
        errno = ENOSYS;
        note(false, SRV_SANDBOX_SECCOMP, &in_force, failed);
#endif
    }
    return in_force;
}

void srv_sandbox_describe(unsigned in_force, char *text, size_t n_text)
{
    static const struct {
        unsigned what;
        const char *name;
    } all[] = {{SRV_SANDBOX_SECCOMP, "seccomp"},
               {SRV_SANDBOX_LANDLOCK, "Landlock"},
               {SRV_SANDBOX_NO_CAPABILITIES, "no capabilities"},
               {SRV_SANDBOX_LIMITS, "limits"},
               {SRV_SANDBOX_NO_NEW_PRIVS, "no new privileges"}};
    size_t n = 0;
    text[0] = '\0';
    for (size_t i = 0; i < sizeof all / sizeof all[0] && n + 1 < n_text; i++) {
        if (in_force & all[i].what) {
            n += (size_t)snprintf(text + n, n_text - n, "%s%s", n ? ", " : "", all[i].name);
        }
    }
}
