# What the page sees of us, as `whatsitHost`: shared photos, and a place to save a file. On threads of the browser's.
.class final Lorg/whatsit/app/Host;
.super Ljava/lang/Object;
.implements Ljava/lang/Runnable;

.field private final main:Lorg/whatsit/app/Main;
.field private intent:Landroid/content/Intent;
.field private bytes:[B

.method constructor <init>(Lorg/whatsit/app/Main;)V
    .registers 2
    invoke-direct {p0}, Ljava/lang/Object;-><init>()V
    iput-object p1, p0, Lorg/whatsit/app/Host;->main:Lorg/whatsit/app/Main;
    return-void
.end method

# How many photos wait at shared/0 and on.
.method public shared()I
    .registers 2
    .annotation runtime Landroid/webkit/JavascriptInterface;
    .end annotation
    iget-object v0, p0, Lorg/whatsit/app/Host;->main:Lorg/whatsit/app/Main;
    iget-object v0, v0, Lorg/whatsit/app/Main;->shared:[Landroid/net/Uri;
    array-length v0, v0
    return v0
.end method

# The page has them.
.method public taken()V
    .registers 3
    .annotation runtime Landroid/webkit/JavascriptInterface;
    .end annotation
    const/4 v0, 0x0
    new-array v0, v0, [Landroid/net/Uri;
    iget-object v1, p0, Lorg/whatsit/app/Host;->main:Lorg/whatsit/app/Main;
    iput-object v0, v1, Lorg/whatsit/app/Main;->shared:[Landroid/net/Uri;
    return-void
.end method

# Asks where to put a file: its name, its type, its bytes in base64.
.method public declared-synchronized save(Ljava/lang/String;Ljava/lang/String;Ljava/lang/String;)V
    .registers 7
    .annotation runtime Landroid/webkit/JavascriptInterface;
    .end annotation
    const/4 v0, 0x0
    invoke-static {p3, v0}, Landroid/util/Base64;->decode(Ljava/lang/String;I)[B
    move-result-object v0
    iput-object v0, p0, Lorg/whatsit/app/Host;->bytes:[B
    new-instance v0, Landroid/content/Intent;
    const-string v1, "android.intent.action.CREATE_DOCUMENT"
    invoke-direct {v0, v1}, Landroid/content/Intent;-><init>(Ljava/lang/String;)V
    const-string v1, "android.intent.category.OPENABLE"
    invoke-virtual {v0, v1}, Landroid/content/Intent;->addCategory(Ljava/lang/String;)Landroid/content/Intent;
    invoke-virtual {v0, p2}, Landroid/content/Intent;->setType(Ljava/lang/String;)Landroid/content/Intent;
    const-string v1, "android.intent.extra.TITLE"
    invoke-virtual {v0, v1, p1}, Landroid/content/Intent;->putExtra(Ljava/lang/String;Ljava/lang/String;)Landroid/content/Intent;
    iput-object v0, p0, Lorg/whatsit/app/Host;->intent:Landroid/content/Intent;
    iget-object v0, p0, Lorg/whatsit/app/Host;->main:Lorg/whatsit/app/Main;
    invoke-virtual {v0, p0}, Lorg/whatsit/app/Main;->runOnUiThread(Ljava/lang/Runnable;)V
    return-void
.end method

.method public declared-synchronized run()V
    .registers 4
    iget-object v0, p0, Lorg/whatsit/app/Host;->main:Lorg/whatsit/app/Main;
    iget-object v1, p0, Lorg/whatsit/app/Host;->intent:Landroid/content/Intent;
    iget-object v2, p0, Lorg/whatsit/app/Host;->bytes:[B
    invoke-virtual {v0, v1, v2}, Lorg/whatsit/app/Main;->keep(Landroid/content/Intent;[B)V
    return-void
.end method
