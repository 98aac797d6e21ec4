# What an intent brings: the files that were chosen, shared or opened.
.class final Lorg/whatsit/app/Uris;
.super Ljava/lang/Object;

# public static Uri[] of(Intent): never null; what is no Uri is left out.
.method static of(Landroid/content/Intent;)[Landroid/net/Uri;
    .registers 6
    new-instance v0, Ljava/util/ArrayList;
    invoke-direct {v0}, Ljava/util/ArrayList;-><init>()V
    if-eqz p0, :done
    invoke-virtual {p0}, Landroid/content/Intent;->getClipData()Landroid/content/ClipData;
    move-result-object v1
    if-eqz v1, :single
    invoke-virtual {v1}, Landroid/content/ClipData;->getItemCount()I
    move-result v2
    const/4 v3, 0x0
    :next
    if-ge v3, v2, :counted
    invoke-virtual {v1, v3}, Landroid/content/ClipData;->getItemAt(I)Landroid/content/ClipData$Item;
    move-result-object v4
    invoke-virtual {v4}, Landroid/content/ClipData$Item;->getUri()Landroid/net/Uri;
    move-result-object v4
    invoke-static {v0, v4}, Lorg/whatsit/app/Uris;->add(Ljava/util/ArrayList;Ljava/lang/Object;)V
    add-int/lit8 v3, v3, 0x1
    goto :next
    # A clip of text only says nothing.
    :counted
    invoke-virtual {v0}, Ljava/util/ArrayList;->isEmpty()Z
    move-result v3
    if-eqz v3, :done
    :single
    invoke-virtual {p0}, Landroid/content/Intent;->getData()Landroid/net/Uri;
    move-result-object v1
    invoke-static {v0, v1}, Lorg/whatsit/app/Uris;->add(Ljava/util/ArrayList;Ljava/lang/Object;)V
    if-nez v1, :done
    const-string v2, "android.intent.extra.STREAM"
    const-string v3, "android.intent.action.SEND_MULTIPLE"
    invoke-virtual {p0}, Landroid/content/Intent;->getAction()Ljava/lang/String;
    move-result-object v4
    invoke-virtual {v3, v4}, Ljava/lang/String;->equals(Ljava/lang/Object;)Z
    move-result v3
    if-nez v3, :many
    invoke-virtual {p0, v2}, Landroid/content/Intent;->getParcelableExtra(Ljava/lang/String;)Landroid/os/Parcelable;
    move-result-object v1
    invoke-static {v0, v1}, Lorg/whatsit/app/Uris;->add(Ljava/util/ArrayList;Ljava/lang/Object;)V
    goto :done
    :many
    invoke-virtual {p0, v2}, Landroid/content/Intent;->getParcelableArrayListExtra(Ljava/lang/String;)Ljava/util/ArrayList;
    move-result-object v1
    if-eqz v1, :done
    invoke-virtual {v1}, Ljava/util/ArrayList;->size()I
    move-result v2
    const/4 v3, 0x0
    :more
    if-ge v3, v2, :done
    invoke-virtual {v1, v3}, Ljava/util/ArrayList;->get(I)Ljava/lang/Object;
    move-result-object v4
    invoke-static {v0, v4}, Lorg/whatsit/app/Uris;->add(Ljava/util/ArrayList;Ljava/lang/Object;)V
    add-int/lit8 v3, v3, 0x1
    goto :more
    :done
    invoke-virtual {v0}, Ljava/util/ArrayList;->size()I
    move-result v1
    new-array v1, v1, [Landroid/net/Uri;
    invoke-virtual {v0, v1}, Ljava/util/ArrayList;->toArray([Ljava/lang/Object;)[Ljava/lang/Object;
    return-object v1
.end method

# Other apps' extras may hold anything.
.method private static add(Ljava/util/ArrayList;Ljava/lang/Object;)V
    .registers 3
    instance-of v0, p1, Landroid/net/Uri;
    if-eqz v0, :no
    invoke-virtual {p0, p1}, Ljava/util/ArrayList;->add(Ljava/lang/Object;)Z
    :no
    return-void
.end method
