set(WI_TEXT_CORE bpe.c clean.c clip_merges.c entities.c entity_tables.c labels.c lines.c merge.c merges.c
    pieces.c templates.c tokenizer.c tokenizers.c unicode.c unicode_tables.c)
