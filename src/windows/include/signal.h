/* SIGINT (Ctrl-C) and SIGTERM; what other numbers ask for is refused with EINVAL. */
#ifndef WI_WINDOWS_SIGNAL_H
#define WI_WINDOWS_SIGNAL_H

#include_next <signal.h>
#include <sys/types.h>

#ifndef _POSIX /* with it, the system has it */
typedef _sigset_t sigset_t;
#endif

enum { SIGHUP = 1, SIGPIPE = 13, SIGXFSZ = 25, SIG_SETMASK = 2, SA_RESETHAND = 1 };

struct sigaction {
    void (*sa_handler)(int number);
    sigset_t sa_mask;
    int sa_flags;
};

int sigaction(int number, const struct sigaction *action, struct sigaction *before);
int pthread_sigmask(int how, const sigset_t *set, sigset_t *before);
int sigemptyset(sigset_t *set);
int sigfillset(sigset_t *set);

#endif
