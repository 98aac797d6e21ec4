set(WI_IMAGE_CORE image.c taps.c resample.c resample_scalar.c resample_avx2.c resample_neon.c resample_wasm.c
    preprocess.c)
