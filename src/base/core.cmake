set(WI_BASE_CORE aligned.c error.c mem.c buffer.c sha256.c sha256_fast.c sink.c top.c unit.c utf8.c)
