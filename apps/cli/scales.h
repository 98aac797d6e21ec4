/* Whether a sentence is told, or what its picture is perhaps of: one place for all verbs that describe. */
#ifndef CLI_SCALES_H
#define CLI_SCALES_H

#include "cli.h"
#include "runtime.h"

typedef struct cli_scales {
    const cli_runtime *runtime; /* set by the caller */
    bool has_scale;             /* set by cli_describe_images: the describer's makers made one */
    wi_head *everyday;          /* these three: opened with the first sentence */
    wi_session *reader;         /* of sentences */
    float *sentence;            /* its embedding */
} cli_scales;

/* What to tell of a picture: its sentence, or what it is perhaps of ("": nothing at all). */
typedef struct cli_told {
    bool sentence;
    bool weighed;        /* false: there is no scale, and the sentence is told as it is */
    const char *perhaps; /* lives as long as the scales */
} cli_told;

/* False when it could not be weighed, which has been reported: such a sentence is not to be told.
 * embedding: the picture's, as cli_describe_images gives it. */
bool cli_weigh(cli_scales *scales, const wi_caption *best, const float *embedding, cli_told *out);
void cli_scales_close(cli_scales *scales);

#endif
