/* Telling whoever listens how far something is. */
#ifndef WI_BASE_PROGRESS_H
#define WI_BASE_PROGRESS_H

#include <whatsit/status.h>

/* False when it shall stop: WI_ERR_CANCELLED. progress may be NULL. */
static inline bool wi_progress_report(const wi_progress *progress, uint64_t done, uint64_t total)
{
    return !progress || !progress->report || progress->report(progress->context, done, total);
}

#endif
