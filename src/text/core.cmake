set(WI_TEXT_CORE bpe.c bytepairs.c charsmap.c clean.c clip_merges.c draft.c draft_compile.c entities.c
    entity_tables.c labels.c lines.c merge.c merges.c merging.c pieces.c spell.c spiece.c stretches.c templates.c
    tokenizer.c tokenizers.c unicode.c unicode_tables.c unigram.c vocab.c wordpiece.c)
