set(WI_API_CORE describe.c digest.c engine.c head.c head_build.c image.c labels.c model.c session.c train.c vectors.c)
