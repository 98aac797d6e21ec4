/* Telling whoever listens how far something is. */
#ifndef WI_BASE_PROGRESS_H
#define WI_BASE_PROGRESS_H

#include "base/error.h"

/* False when it shall stop: WI_ERR_CANCELLED. progress may be NULL. */
static inline bool wi_progress_report(const wi_progress *progress, uint64_t done, uint64_t total)
{
    return !progress || !progress->report || progress->report(progress->context, done, total);
}

/* The same where it is not known how far it is; the status to go on with. */
static inline wi_status wi_progress_check(const wi_progress *progress, wi_error *error)
{
    return wi_progress_report(progress, 0, 0) ? WI_OK : wi_fail(error, WI_ERR_CANCELLED, "stopped");
}

#endif
