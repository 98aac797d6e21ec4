set(WI_HEAD_CORE anchor.c background.c descent.c fewshot.c folds.c groups.c head.c names.c none.c photos.c resume.c rows.c
    score.c texts.c zeroshot.c)
