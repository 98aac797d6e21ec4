# What the page asks the device for: the camera, and files.
.class final Lorg/whatsit/app/Chrome;
.super Landroid/webkit/WebChromeClient;

.field private final main:Lorg/whatsit/app/Main;

.method constructor <init>(Lorg/whatsit/app/Main;)V
    .registers 2
    invoke-direct {p0}, Landroid/webkit/WebChromeClient;-><init>()V
    iput-object p1, p0, Lorg/whatsit/app/Chrome;->main:Lorg/whatsit/app/Main;
    return-void
.end method

# The camera for our own page; nothing else, and nobody else.
.method public onPermissionRequest(Landroid/webkit/PermissionRequest;)V
    .registers 6
    invoke-virtual {p1}, Landroid/webkit/PermissionRequest;->getOrigin()Landroid/net/Uri;
    move-result-object v0
    invoke-static {v0}, Lorg/whatsit/app/Files;->isOurs(Landroid/net/Uri;)Z
    move-result v0
    if-eqz v0, :deny
    invoke-virtual {p1}, Landroid/webkit/PermissionRequest;->getResources()[Ljava/lang/String;
    move-result-object v0
    array-length v1, v0
    const/4 v2, 0x1
    if-ne v1, v2, :deny
    const/4 v2, 0x0
    aget-object v0, v0, v2
    const-string v1, "android.webkit.resource.VIDEO_CAPTURE"
    invoke-virtual {v1, v0}, Ljava/lang/String;->equals(Ljava/lang/Object;)Z
    move-result v0
    if-eqz v0, :deny
    iget-object v0, p0, Lorg/whatsit/app/Chrome;->main:Lorg/whatsit/app/Main;
    invoke-virtual {v0, p1}, Lorg/whatsit/app/Main;->askCamera(Landroid/webkit/PermissionRequest;)V
    return-void
    :deny
    invoke-virtual {p1}, Landroid/webkit/PermissionRequest;->deny()V
    return-void
.end method

.method public onShowFileChooser(Landroid/webkit/WebView;Landroid/webkit/ValueCallback;Landroid/webkit/WebChromeClient$FileChooserParams;)Z
    .registers 8
    invoke-virtual {p3}, Landroid/webkit/WebChromeClient$FileChooserParams;->createIntent()Landroid/content/Intent;
    move-result-object v0
    invoke-virtual {p3}, Landroid/webkit/WebChromeClient$FileChooserParams;->getMode()I
    move-result v1
    const/4 v2, 0x1
    if-ne v1, v2, :one
    const-string v3, "android.intent.extra.ALLOW_MULTIPLE"
    invoke-virtual {v0, v3, v2}, Landroid/content/Intent;->putExtra(Ljava/lang/String;Z)Landroid/content/Intent;
    :one
    iget-object v1, p0, Lorg/whatsit/app/Chrome;->main:Lorg/whatsit/app/Main;
    invoke-virtual {v1, p2, v0}, Lorg/whatsit/app/Main;->choose(Landroid/webkit/ValueCallback;Landroid/content/Intent;)Z
    move-result v0
    return v0
.end method
