set(WI_FMT_CORE gguf.c)
