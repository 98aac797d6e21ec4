set(WI_IMAGE_CORE image.c taps.c resample.c preprocess.c ground.c)
