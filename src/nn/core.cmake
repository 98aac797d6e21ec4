set(WI_NN_CORE run.c attention.c vit.c resnet.c text.c explain.c)
