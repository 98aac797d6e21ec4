set(WI_MODEL_CORE beam.c describer.c model.c explain.c info.c modelfile.c net.c owned.c params.c paramsfile.c pieces.c session.c)
