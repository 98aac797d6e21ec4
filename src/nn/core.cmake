set(WI_NN_CORE run.c attention.c clip.c coca.c conv.c convnext.c decoder.c depthwise.c fastvit.c field.c map_head.c mbconv.c params.c part.c patches.c pooler.c resnet.c resnet_explain.c rope.c sayer.c stack.c text.c tower.c
    towers.c vit.c vit_explain.c vit_map.c)
