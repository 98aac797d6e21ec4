/* How near sentences are to what people wrote about the same pictures: BLEU, ROUGE-L and CIDEr-D, as
 * pycocoevalcap computes them.
 * Source: BLEU (Papineni et al. 2002), ROUGE-L (Lin 2004), CIDEr-D (arXiv:1411.5726); pycocoevalcap 1.2 with
 * its PTBTokenizer, as far as plain English sentences need it */
#ifndef CLI_CAPTIONS_H
#define CLI_CAPTIONS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct cli_captions cli_captions;

/* NULL: out of memory. The caller closes it. */
cli_captions *cli_captions_open(void);
void cli_captions_close(cli_captions **captions);

/* Pictures are numbered from 0. A sentence is what is measured, one a picture; references are any number.
 * False when memory is out. */
bool cli_captions_reference(cli_captions *captions, size_t picture, const char *text);
bool cli_captions_sentence(cli_captions *captions, size_t picture, const char *text);

typedef struct cli_caption_scores {
    size_t n; /* pictures with a sentence and references; the others do not count */
    double bleu[4], rouge_l, cider_d; /* in 0..1; CIDEr-D in 0..10 */
} cli_caption_scores;

/* False when memory is out. */
bool cli_captions_score(const cli_captions *captions, cli_caption_scores *out);

#endif
