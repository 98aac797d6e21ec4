set(WI_CPU_CORE cpu.c)
