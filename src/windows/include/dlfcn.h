#ifndef WI_WINDOWS_DLFCN_H
#define WI_WINDOWS_DLFCN_H

typedef struct Dl_info {
    const char *dli_fname;
} Dl_info;

/* Which file is the code at address of? 0: not known. */
int dladdr(const void *address, Dl_info *out);

#endif
