/* Status codes, the caller-owned error, progress: what every other header leans on.
 *
 * Three rules hold for all of them:
 * - NULL where a pointer is needed never crashes. Functions with a status give WI_ERR_ARG; the
 *   others do nothing, or give 0, false, NULL or "".
 * - Structs with a member `reserved` may gain members in later versions, which take its place: sizes
 *   and offsets stay. The library fills it with zeros in what it gives. In what it is given, zero
 *   the whole struct first ({0}); what is not zero there belongs to a later version, and is refused
 *   with WI_ERR_UNSUPPORTED. Structs without it never change.
 * - "Threads:" says who may call at the same time. Without it: any threads at once, as long as none
 *   closes or changes what another one uses. There is no global state. An error, like every output,
 *   belongs to one call at a time. */
#ifndef WHATSIT_STATUS_H
#define WHATSIT_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Define it first to say otherwise. */
#ifndef WI_API
#if defined(_WIN32) || defined(__wasm__)
#define WI_API
#else
#define WI_API __attribute__((visibility("default")))
#endif
#endif

typedef enum wi_status {
    WI_OK = 0,
    WI_ERR_ARG,         /* the caller passed something that can never work */
    WI_ERR_NOMEM,       /* out of memory */
    WI_ERR_IO,          /* the system refused: missing file, permission, disk full */
    WI_ERR_FORMAT,      /* bytes that are not what they claim to be */
    WI_ERR_UNSUPPORTED, /* well-formed, but of a kind that is not handled */
    WI_ERR_LIMIT,       /* over a limit that the caller can raise */
    WI_ERR_MISMATCH,    /* parts that do not belong together, such as a head for another model */
    WI_ERR_NOT_FOUND,   /* a name that is not there */
    WI_ERR_CANCELLED,   /* a progress callback asked to stop */
    WI_ERR_INTERNAL     /* a bug of ours */
} wi_status;

enum { WI_ERROR_MESSAGE_BYTES = 256 };

/* Filled on failure, untouched on success. The message says what, where and what to do, in one
 * line without a trailing full stop or newline. Every function accepts NULL for it. */
typedef struct wi_error {
    wi_status status;
    char message[WI_ERROR_MESSAGE_BYTES];
} wi_error;

/* A short constant name such as "format" for logs and JSON. Never NULL. */
WI_API const char *wi_status_name(wi_status status);

/* Called now and then from the calling thread; return false to stop with WI_ERR_CANCELLED.
 * total is 0 when it is not known. A NULL `report` means nobody listens. */
typedef struct wi_progress {
    bool (*report)(void *context, uint64_t done, uint64_t total);
    void *context;
} wi_progress;

/* "0.1.0": the version of the library that is linked. */
WI_API const char *wi_version(void);

#ifdef __cplusplus
}
#endif
#endif
