set(WI_KERN_CORE table.c check.c ref/ref.c)
