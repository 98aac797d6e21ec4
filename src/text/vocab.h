/* The table of every tokenizer but CLIP's: one block that needs no set-up. A head of numbers, then
 * these arrays, each as long as the head says and padded to 8 bytes (wi_vocab_bind lists them):
 *
 *     pieces   sorted by their bytes, with ids and scores   unigram, WordPiece
 *     chars    code points and their ids, sorted            pairs
 *     bytes    the ids of <0x00> .. <0xff>, -1 for none     byte fallback
 *     pairs    by left id: right id, rank, id of the whole  pairs
 *     added    strings that are cut out of a text first     all
 *     charsmap SentencePiece's normalisation                all
 *
 * Sources: sentencepiece 0.1.97 (normalizer.cc, unigram_model.cc, bpe_model.cc); tokenizers 0.23
 * (BertNormalizer, Metaspace, BPE, Unigram, WordPiece); transformers 5.24 tokenization_siglip.py. */
#ifndef WI_TEXT_VOCAB_H
#define WI_TEXT_VOCAB_H

#include "text/tokenizer.h"
#include "text/unicode.h"

typedef enum wi_vocab_type {
    WI_VOCAB_UNIGRAM = 1,
    WI_VOCAB_PAIRS,
    WI_VOCAB_WORDPIECE
} wi_vocab_type;

/* What happens to the whole text before anything else: open_clip's clean-up (text/clean.h). */
typedef enum wi_vocab_clean {
    WI_CLEAN_NONE = 0,
    WI_CLEAN_LOWER,
    WI_CLEAN_WHITESPACE,
    WI_CLEAN_CANONICAL,
    WI_N_CLEANS
} wi_vocab_clean;

/* What happens to each stretch between added strings. */
typedef enum wi_vocab_normal {
    WI_NORMAL_NONE = 0,
    WI_NORMAL_LOWER,      /* character by character */
    WI_NORMAL_SIGLIP,     /* Python's lower(), no ASCII punctuation, single spaces */
    WI_NORMAL_BERT,       /* as BERT's uncased models */
    WI_NORMAL_BERT_CASED, /* the same without lower case and stripping of accents */
    WI_N_NORMALS
} wi_vocab_normal;

typedef enum wi_vocab_flag {
    WI_VOCAB_PREFIX = 1,      /* U+2581 before the text (unigram, pairs) */
    WI_VOCAB_PREFIX_EACH = 2, /* ... and before what follows an added string */
    WI_VOCAB_SQUEEZE = 4,     /* no spaces at the ends, none after another */
    WI_VOCAB_ESCAPE = 8,      /* a space becomes U+2581 */
    WI_VOCAB_BYTES = 16,      /* what is no piece becomes bytes */
    WI_VOCAB_FLOATS = 32,     /* sums of scores are floats, as in sentencepiece; else doubles */
    WI_VOCAB_UNK_TRICK = 64,  /* each stretch is encoded behind "<unk>", whose pieces are dropped */
    WI_VOCAB_END_ONCE = 128,  /* no end marker behind one that the text brought */
    WI_VOCAB_FLAGS_BELOW = 256
} wi_vocab_flag;

/* Added strings: white space on these sides goes with them. */
enum { WI_ADDED_LEFT = 1, WI_ADDED_RIGHT = 2 };

enum {
    WI_VOCAB_MAGIC = 0x31767477, /* "wtv1" */
    WI_VOCAB_MAX_IDS = 1 << 22,
    WI_VOCAB_MAX_PAIRS = 1 << 24,
    WI_VOCAB_MAX_BYTES = 1 << 28
};

typedef struct wi_vocab_head {
    uint32_t magic, type, clean, normal, flags;
    uint32_t n_ids, context_length;
    int32_t start, end, pad, unknown; /* start, end: -1 for none */
    float unknown_score;              /* unigram: of one unknown character */
    uint32_t max_word;                /* WordPiece: characters */
    uint32_t n_pieces, piece_bytes, n_chars, n_pairs, n_added, added_bytes, charsmap_bytes;
    uint32_t reserved[12]; /* 0 */
} wi_vocab_head;

/* Byte strings in ascending order; string i is bytes[at[i]] .. bytes[at[i + 1]]. */
typedef struct wi_strings {
    const char *bytes;
    const uint32_t *at;
    size_t n;
} wi_strings;

/* The strings that begin with what was walked so far: begin with {0, n}, depth 0. */
typedef struct wi_strings_range {
    size_t low, high;
} wi_strings_range;

/* Narrows the range to the strings whose byte at `depth` is c; false when there is none. */
bool wi_strings_step(const wi_strings *strings, wi_strings_range *range, size_t depth, char c);
/* The string that ends at this depth, or SIZE_MAX: it stands first in the range. */
size_t wi_strings_ends(const wi_strings *strings, wi_strings_range range, size_t depth);
/* The longest string that text begins with, or SIZE_MAX. */
size_t wi_strings_longest(const wi_strings *strings, const char *text, size_t n);

/* Views into a table. */
typedef struct wi_vocab {
    const wi_vocab_head *head;
    wi_strings pieces, added;
    const int32_t *piece_ids, *char_ids, *byte_ids, *added_ids;
    const float *scores;
    const uint32_t *chars, *pair_first, *pair_right, *pair_rank, *pair_whole, *added_flags;
    const char *charsmap;
} wi_vocab;

/* False when the bytes are not exactly as long as their head says. */
bool wi_vocab_bind(const void *table, size_t n_bytes, wi_vocab *out);

/* wi_tokenizer_kind.check for a type. */
wi_status wi_vocab_check(wi_vocab_type type, const void *table, size_t n_bytes, wi_error *error);
void wi_vocab_rules(const wi_tokenizer *tokenizer, wi_token_rules *out);

/* Whether an unknown character can become its bytes: each of them has a piece. */
bool wi_vocab_has_bytes(const wi_vocab *vocab, const char *text, size_t n);

/* Ids as they come. Those past `most` are counted, not kept; the first `skip` are swallowed. */
typedef struct wi_id_list {
    int32_t *ids;
    size_t n, most, skip;
} wi_id_list;

static inline void wi_id_put(wi_id_list *list, int32_t id)
{
    if (list->skip) {
        list->skip--;
        return;
    }
    if (list->n < list->most)
        list->ids[list->n] = id;
    list->n++;
}

/* Working memory of one encoding. */
typedef struct wi_vocab_work {
    wi_chars chars, spare;
    char *bytes; /* of the stretch, as the pieces have it */
    size_t n_bytes, capacity;
    void *block; /* whatever an encoder needs */
    size_t block_bytes;
} wi_vocab_work;

/* Room for n more bytes. */
wi_status wi_vocab_reserve(wi_vocab_work *work, size_t n, wi_error *error);
/* work->block with at least n elements. */
wi_status wi_vocab_block(wi_vocab_work *work, size_t n, size_t element_bytes, wi_error *error);

/* Encodes one stretch: work->bytes, which is UTF-8. */
typedef wi_status wi_stretch_encoder(const wi_vocab *vocab, wi_vocab_work *work, wi_id_list *list,
                                     wi_error *error);

/* The road of all: clean-up, added strings, normalisation, `encode` for each stretch, context. */
wi_status wi_vocab_encode(const wi_tokenizer *tokenizer, const char *text, size_t n_bytes,
                          wi_stretch_encoder *encode, wi_tokens *out, wi_error *error);

extern const wi_tokenizer_kind wi_tokenizer_unigram, wi_tokenizer_pairs, wi_tokenizer_wordpiece;

#endif
