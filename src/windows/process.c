/* The process: its environment, its signals, where its code lies. */
#include "text.h"

#include <dlfcn.h>
#include <errno.h>
#include <io.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <windows.h>

typedef struct variable {
    char *name, *value;
    struct variable *next;
} variable;

static variable *variables; /* only ever grows, by what is asked for */
static SRWLOCK variables_lock = SRWLOCK_INIT;

/* The value is kept: what was given before may be in use. */
static char *keep(const char *name, char *value)
{
    AcquireSRWLockExclusive(&variables_lock);
    variable *v = variables;
    while (v && (strcmp(v->name, name) != 0 || strcmp(v->value, value) != 0))
        v = v->next;
    if (v) {
        free(value);
    } else if ((v = malloc(sizeof *v)) != NULL) {
        *v = (variable){_strdup(name), value, variables};
        if (v->name) {
            variables = v;
        } else {
            free(v);
            v = NULL;
        }
    }
    if (!v)
        free(value);
    ReleaseSRWLockExclusive(&variables_lock);
    return v ? v->value : NULL;
}

char *wi_posix_getenv(const char *name)
{
    const bool is_home = strcmp(name, "HOME") == 0;
    wchar_t *wide = wi_windows_path(name), *value = NULL;
    DWORD n = wide ? GetEnvironmentVariableW(wide, NULL, 0) : 0;
    if (n == 0 && is_home) {
        free(wide);
        wide = wi_windows_path("USERPROFILE");
        n = wide ? GetEnvironmentVariableW(wide, NULL, 0) : 0;
    }
    value = n ? malloc(n * sizeof *value) : NULL;
    char *text = NULL;
    if (value && GetEnvironmentVariableW(wide, value, n) < n)
        text = is_home ? wi_windows_utf8_path(value) : wi_windows_utf8(value);
    free(value);
    free(wide);
    return text ? keep(name, text) : NULL;
}

int dladdr(const void *address, Dl_info *out)
{
    HMODULE module = NULL;
    wchar_t path[MAX_PATH + 1];
    if (!GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS |
                                GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
                            (const wchar_t *)address, &module))
        return 0;
    const DWORD n = GetModuleFileNameW(module, path, MAX_PATH);
    char *text = n > 0 && n < MAX_PATH ? wi_windows_utf8_path(path) : NULL;
    out->dli_fname = text ? keep("", text) : NULL;
    return out->dli_fname ? 1 : 0;
}

/* A console, not just any device. */
int wi_posix_isatty(int fd)
{
    DWORD mode;
    return GetConsoleMode((HANDLE)_get_osfhandle(fd), &mode) ? 1 : 0;
}

/* signal() takes a handler away when it is called: SA_RESETHAND. */
int sigaction(int number, const struct sigaction *action, struct sigaction *before)
{
    (void)before;
    if (signal(number, action->sa_handler) == SIG_ERR)
        return -1;
    return 0;
}

/* Of processors, those that this process may use. */
long sysconf(int what)
{
    DWORD_PTR own = 0, all = 0;
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    if (what == _SC_PAGESIZE)
        return (long)info.dwPageSize;
    if (what != _SC_NPROCESSORS_ONLN || !GetProcessAffinityMask(GetCurrentProcess(), &own, &all)) {
        errno = EINVAL;
        return -1;
    }
    return __builtin_popcountll(own);
}

/* Ctrl-C comes in a thread of the system's. */
int pthread_sigmask(int how, const sigset_t *set, sigset_t *before)
{
    (void)how, (void)set;
    if (before)
        *before = 0;
    return 0;
}

int sigemptyset(sigset_t *set)
{
    *set = 0;
    return 0;
}

int sigfillset(sigset_t *set)
{
    *set = ~(sigset_t)0;
    return 0;
}
