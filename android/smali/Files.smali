# The app's files out of the package, and shared photos; nothing else is answered.
.class final Lorg/whatsit/app/Files;
.super Landroid/webkit/WebViewClient;

# A name that no network resolves; https, because browsers give cameras and storage to such pages only.
.field static final START:Ljava/lang/String; = "https://app.whatsit.invalid/index.html#/photo"

.field private final main:Lorg/whatsit/app/Main;

.method constructor <init>(Lorg/whatsit/app/Main;)V
    .registers 2
    invoke-direct {p0}, Landroid/webkit/WebViewClient;-><init>()V
    iput-object p1, p0, Lorg/whatsit/app/Files;->main:Lorg/whatsit/app/Main;
    return-void
.end method

.method static isOurs(Landroid/net/Uri;)Z
    .registers 3
    const-string v0, "app.whatsit.invalid"
    invoke-virtual {p0}, Landroid/net/Uri;->getHost()Ljava/lang/String;
    move-result-object v1
    invoke-virtual {v0, v1}, Ljava/lang/String;->equals(Ljava/lang/Object;)Z
    move-result v0
    return v0
.end method

# Links to elsewhere go to the browser.
.method public shouldOverrideUrlLoading(Landroid/webkit/WebView;Landroid/webkit/WebResourceRequest;)Z
    .registers 7
    invoke-interface {p2}, Landroid/webkit/WebResourceRequest;->getUrl()Landroid/net/Uri;
    move-result-object v0
    invoke-static {v0}, Lorg/whatsit/app/Files;->isOurs(Landroid/net/Uri;)Z
    move-result v1
    if-eqz v1, :elsewhere
    const/4 v0, 0x0
    return v0
    :elsewhere
    new-instance v1, Landroid/content/Intent;
    const-string v2, "android.intent.action.VIEW"
    invoke-direct {v1, v2, v0}, Landroid/content/Intent;-><init>(Ljava/lang/String;Landroid/net/Uri;)V
    iget-object v2, p0, Lorg/whatsit/app/Files;->main:Lorg/whatsit/app/Main;
    :try_start
    invoke-virtual {v2, v1}, Lorg/whatsit/app/Main;->startActivity(Landroid/content/Intent;)V
    :try_end
    .catch Landroid/content/ActivityNotFoundException; {:try_start .. :try_end} :nobody
    goto :over
    :nobody
    move-exception v0
    :over
    const/4 v0, 0x1
    return v0
.end method

# On a thread of the browser's. null: as it would without us (data:, blob:), which without the network is nothing.
.method public shouldInterceptRequest(Landroid/webkit/WebView;Landroid/webkit/WebResourceRequest;)Landroid/webkit/WebResourceResponse;
    .registers 8
    invoke-interface {p2}, Landroid/webkit/WebResourceRequest;->getUrl()Landroid/net/Uri;
    move-result-object v0
    invoke-static {v0}, Lorg/whatsit/app/Files;->isOurs(Landroid/net/Uri;)Z
    move-result v1
    if-nez v1, :ours
    const/4 v0, 0x0
    return-object v0
    :ours
    invoke-virtual {v0}, Landroid/net/Uri;->getPath()Ljava/lang/String;
    move-result-object v0
    :try_start
    const-string v1, "/shared/"
    invoke-virtual {v0, v1}, Ljava/lang/String;->startsWith(Ljava/lang/String;)Z
    move-result v1
    if-eqz v1, :asset
    iget-object v1, p0, Lorg/whatsit/app/Files;->main:Lorg/whatsit/app/Main;
    const/16 v2, 0x8
    invoke-virtual {v0, v2}, Ljava/lang/String;->substring(I)Ljava/lang/String;
    move-result-object v2
    invoke-static {v2}, Ljava/lang/Integer;->parseInt(Ljava/lang/String;)I
    move-result v2
    invoke-virtual {v1, v2}, Lorg/whatsit/app/Main;->openShared(I)Ljava/io/InputStream;
    move-result-object v1
    const-string v2, "application/octet-stream"
    goto :answer
    :asset
    const-string v1, "/"
    invoke-virtual {v1, v0}, Ljava/lang/String;->equals(Ljava/lang/Object;)Z
    move-result v1
    if-eqz v1, :named
    const-string v0, "/index.html"
    :named
    iget-object v1, p0, Lorg/whatsit/app/Files;->main:Lorg/whatsit/app/Main;
    invoke-virtual {v1}, Lorg/whatsit/app/Main;->getAssets()Landroid/content/res/AssetManager;
    move-result-object v1
    const-string v2, "site"
    invoke-virtual {v2, v0}, Ljava/lang/String;->concat(Ljava/lang/String;)Ljava/lang/String;
    move-result-object v2
    invoke-virtual {v1, v2}, Landroid/content/res/AssetManager;->open(Ljava/lang/String;)Ljava/io/InputStream;
    move-result-object v1
    invoke-static {v0}, Lorg/whatsit/app/Files;->typeOf(Ljava/lang/String;)Ljava/lang/String;
    move-result-object v2
    :answer
    const/16 v3, 0xc8
    const-string v4, "OK"
    invoke-static {v2, v3, v4, v1}, Lorg/whatsit/app/Files;->answer(Ljava/lang/String;ILjava/lang/String;Ljava/io/InputStream;)Landroid/webkit/WebResourceResponse;
    move-result-object v0
    :try_end
    .catch Ljava/io/IOException; {:try_start .. :try_end} :missing
    .catch Ljava/lang/RuntimeException; {:try_start .. :try_end} :missing
    return-object v0
    # Not there, not a number, or taken back by the app that shared it.
    :missing
    move-exception v0
    new-instance v1, Ljava/io/ByteArrayInputStream;
    const/4 v2, 0x0
    new-array v2, v2, [B
    invoke-direct {v1, v2}, Ljava/io/ByteArrayInputStream;-><init>([B)V
    const-string v2, "text/plain"
    const/16 v3, 0x194
    const-string v4, "Not Found"
    invoke-static {v2, v3, v4, v1}, Lorg/whatsit/app/Files;->answer(Ljava/lang/String;ILjava/lang/String;Ljava/io/InputStream;)Landroid/webkit/WebResourceResponse;
    move-result-object v0
    return-object v0
.end method

.method private static answer(Ljava/lang/String;ILjava/lang/String;Ljava/io/InputStream;)Landroid/webkit/WebResourceResponse;
    .registers 12
    new-instance v5, Ljava/util/HashMap;
    invoke-direct {v5}, Ljava/util/HashMap;-><init>()V
    const-string v0, "X-Content-Type-Options"
    const-string v1, "nosniff"
    invoke-interface {v5, v0, v1}, Ljava/util/Map;->put(Ljava/lang/Object;Ljava/lang/Object;)Ljava/lang/Object;
    # Files change with the package only, which brings all of them.
    const-string v0, "Cache-Control"
    const-string v1, "no-store"
    invoke-interface {v5, v0, v1}, Ljava/util/Map;->put(Ljava/lang/Object;Ljava/lang/Object;)Ljava/lang/Object;
    new-instance v0, Landroid/webkit/WebResourceResponse;
    move-object v1, p0
    const-string v2, "utf-8"
    move v3, p1
    move-object v4, p2
    move-object v6, p3
    invoke-direct/range {v0 .. v6}, Landroid/webkit/WebResourceResponse;-><init>(Ljava/lang/String;Ljava/lang/String;ILjava/lang/String;Ljava/util/Map;Ljava/io/InputStream;)V
    return-object v0
.end method

.method private static typeOf(Ljava/lang/String;)Ljava/lang/String;
    .registers 5
    const-string v0, ".html text/html .js text/javascript .mjs text/javascript .css text/css .json application/json .webmanifest application/manifest+json .wasm application/wasm .svg image/svg+xml .png image/png .jpg image/jpeg .txt text/plain"
    const-string v1, " "
    invoke-virtual {v0, v1}, Ljava/lang/String;->split(Ljava/lang/String;)[Ljava/lang/String;
    move-result-object v0
    array-length v1, v0
    const/4 v2, 0x0
    :next
    if-ge v2, v1, :other
    aget-object v3, v0, v2
    invoke-virtual {p0, v3}, Ljava/lang/String;->endsWith(Ljava/lang/String;)Z
    move-result v3
    add-int/lit8 v2, v2, 0x1
    if-eqz v3, :skip
    aget-object v0, v0, v2
    return-object v0
    :skip
    add-int/lit8 v2, v2, 0x1
    goto :next
    :other
    const-string v0, "application/octet-stream"
    return-object v0
.end method
