/* What a search for words finds in the sentences of a library ('whatsit index --describe'). */
#ifndef CLI_IN_WORDS_H
#define CLI_IN_WORDS_H

#include "../library/described.h"
#include "paths.h"
#include "photo_library.h"

typedef struct cli_in_words {
    described_photo *hits; /* [n] with their rows and sentences, sorted by row */
    bool *left_out;        /* [n] */
    size_t n;
} cli_in_words;

/* Photos whose sentence holds all of the words, in whichever of their forms (a dog, dogs), and not all those of one of
 * `without`; little words do not count. Nothing where only such are asked for.
 * CLI_FAILED after saying why. Close in any case. */
int cli_in_words_find(cli_app *app, const cli_library *library, const char *words,
                      const cli_list *without, cli_in_words *out);
/* The sentence of a row that was found; NULL: it was not. */
const char *cli_in_words_of(const cli_in_words *found, uint64_t row);
/* Marks those that are among hits. */
void cli_in_words_leave_out(cli_in_words *found, const wi_index_hit *hits, size_t n_hits);
void cli_in_words_close(cli_in_words *found);

#endif
