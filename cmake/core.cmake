# The core by name: what runs a model file and a head, in C17 and libm alone. Builds for processors
# whose decoders and JSON library are not at hand (tests/arm, wasm) take these files and link with
# unused sections dropped, because some hold the road from paths and checkpoints too.
set(WHATSIT_CORE)
foreach(file IN ITEMS
    base/error.c base/mem.c base/buffer.c base/sha256.c
    cpu/cpu.c
    kern/table.c kern/check.c kern/ref/ref.c
    fmt/gguf.c
    image/image.c image/taps.c image/resample.c image/resample_scalar.c image/resample_avx2.c
    image/resample_neon.c image/resample_wasm.c image/preprocess.c
    text/bpe.c text/clean.c text/entities.c text/entity_tables.c text/labels.c text/lines.c
    text/merge.c text/merges.c text/pieces.c text/templates.c text/tokenizer.c text/tokenizers.c text/unicode.c text/unicode_tables.c
    nn/run.c nn/attention.c nn/vit.c nn/resnet.c nn/text.c
    model/model.c model/modelfile.c model/modelpath.c model/net.c model/pack.c model/params.c model/session.c
    head/head.c head/score.c head/texts.c head/zeroshot.c head/resume.c head/background.c
    head/anchor.c head/descent.c head/fewshot.c head/groups.c head/none.c head/photos.c head/rows.c
    api/engine.c api/model.c api/session.c api/image.c api/head.c api/head_build.c api/labels.c
    api/digest.c api/train.c)
  list(APPEND WHATSIT_CORE ${CMAKE_CURRENT_LIST_DIR}/../src/${file})
endforeach()
