/* Gives up what a decoding process does not need: files, network, new programs, endless memory. */
#ifndef SERVER_SANDBOX_H
#define SERVER_SANDBOX_H

#include <stdint.h>

/* "seccomp", or "processes" when it was built without or the kernel refuses it. */
const char *srv_sandbox_kind(void);
/* For good. max_pixels bounds the memory. */
void srv_sandbox_enter(uint64_t max_pixels);

#endif
