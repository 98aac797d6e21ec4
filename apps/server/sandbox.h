/* Gives up what a decoding process does not need: files, network, new programs and processes, capabilities, memory
 * that can be run, endless memory. */
#ifndef SERVER_SANDBOX_H
#define SERVER_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SRV_SANDBOX_NO_NEW_PRIVS = 1,
    SRV_SANDBOX_LIMITS = 2, /* memory, files, processes */
    SRV_SANDBOX_NO_CAPABILITIES = 4,
    SRV_SANDBOX_SECCOMP = 8,
    SRV_SANDBOX_LANDLOCK = 16 /* where the kernel has it */
};

/* What must be in force before a stranger's picture is read in this build. */
unsigned srv_sandbox_needed(void);
/* For good. max_pixels bounds the memory. Returns SRV_SANDBOX_...: what is in force now; *failed: errno of the first
 * step that failed, 0: none. */
unsigned srv_sandbox_enter(uint64_t max_pixels, int *failed);
/* "seccomp, no capabilities, ..." of what is in force; or of what is missing. */
void srv_sandbox_describe(unsigned in_force, char *text, size_t n_text);

#endif
