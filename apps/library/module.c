#include "module.h"
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

const void *module_find(const char *file, const char *symbol)
{
    char program[PATH_MAX], path[PATH_MAX + 256];
    static const char *const places[] = {".", WHATSIT_MODULES};
    const ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    void *module = NULL;
    program[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(program, '/');
    for (size_t i = 0; slash && i < sizeof places / sizeof *places && !module; i++) {
        *slash = '\0';
        snprintf(path, sizeof path, "%s/%s/%s", program, places[i], file);
        /* A module that is open already is the same one, counted once more. */
        module = access(path, R_OK) == 0 ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    }
    return module ? dlsym(module, symbol) : NULL;
}
