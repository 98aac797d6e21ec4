/* Pictures -> sentences, in input order: decoded on worker threads, described in batches. */
#ifndef CLI_SENTENCES_H
#define CLI_SENTENCES_H

#include "paths.h"
#include "pipeline.h"
#include "runtime.h"
#include "scales.h"

#define CLI_DESCRIBER_OPTION                                                                       \
    {"describer",                                                                                  \
     0,                                                                                            \
     "FILE",                                                                                       \
     false,                                                                                        \
     "a describer that was made for the model (default: whatsit-describe)",                        \
     "@file"}

typedef struct cli_sentences {
    const cli_runtime *runtime;
    const cli_args *args; /* --describer */
    cli_scales *scales;   /* by which they are weighed; nullable */
    const cli_list *paths;
    wi_image_options image;
    wi_describe_options how;
    /* Called for every picture in order, with its captions[n], best first, and its embedding (not
     * normalised); n is 0 for a picture that could not be read, which has been reported already. Return
     * false to stop. */
    bool (*each)(void *context, const cli_item *item, const wi_caption *captions, size_t n,
                 const float *embedding, double ms);
    void *context;
} cli_sentences;

/* Has it words, and nothing but text (U+FFFD stands for what is none)? Else it is not worth keeping. */
bool cli_sentence_is_text(const char *sentence);

/* Of the describer that cli_describe_images would use. CLI_FAILED after saying why there is none. */
int cli_describer_fingerprint(const cli_runtime *runtime, const cli_args *args, char hex[65]);

/* CLI_OK; CLI_FAILED when some pictures could not be read or nothing works; CLI_INTERRUPTED. */
int cli_describe_images(const cli_sentences *sentences);

#endif
