/* What a photo's file says of itself (when, with what camera), and keywords written to it or beside it.
 * By libexiv2; the only file that sees it is metadata.cpp.
 * Threads: any, once metadata_start has returned. */
#ifndef LIBRARY_METADATA_H
#define LIBRARY_METADATA_H

#include <stdbool.h>
#include <whatsit/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Before anything else here, on one thread. */
void metadata_start(void);

typedef struct metadata_info {
    int64_t taken;   /* local time in seconds since 1970; INT64_MIN: it does not say */
    char camera[64]; /* "" when it does not say */
} metadata_info;
/* What can be found out; nothing is an error. */
void metadata_read(const char *path, metadata_info *out);

/* A keyword and where it stands: "dogs" below "animals" of the head "everyday". Strings are borrowed. */
typedef struct metadata_keyword {
    const char *head, *group, *label; /* group may be NULL */
} metadata_keyword;

typedef struct metadata_change {
    size_t n_added, n_removed; /* flat keywords */
    bool described;            /* the description is another one, or gone */
} metadata_change;

typedef struct metadata_wish {
    const metadata_keyword *keywords; /* [n] */
    size_t n;
    const char *const *heads; /* [n_heads] whose keywords these are; none: all heads */
    size_t n_heads;
    const char *prefix; /* the top of our branches; NULL: "whatsit" */
    const char *
        description; /* becomes dc:description (x-default) where there is none, or ours; "" takes ours back;
                                NULL leaves it */
    bool dry; /* only count */
} metadata_wish;

/* Makes the keywords of the wish's heads those that are given: ours of these heads that are not among them go, what
 * people or other programs wrote stays. file is a photo (its XMP and IPTC are changed) or a sidecar (XMP;
 * made when it is not there). Written beside and renamed; nothing else in the file changes.
 *
 * A flat keyword goes to dc:subject (and IPTC Keywords inside a photo), the path "prefix|head|group|label"
 * to lr:hierarchicalSubject, and what we added and the prefixes that we used to bags of our own, so that it can be
 * taken back, whichever the prefix was.
 * Errors: WI_ERR_IO; WI_ERR_UNSUPPORTED for a format that holds no keywords */
wi_status metadata_tag(const char *file, bool is_sidecar, const metadata_wish *wish,
                       metadata_change *out, wi_error *error);

#ifdef __cplusplus
}
#endif
#endif
