# One window with the web app in it.
.class public final Lorg/whatsit/app/Main;
.super Landroid/app/Activity;

.field private web:Landroid/webkit/WebView;
.field private chosen:Landroid/webkit/ValueCallback;    # waits for files
.field private asked:Landroid/webkit/PermissionRequest; # waits for the user's word
.field private kept:[B                                  # waits for a place
.field volatile shared:[Landroid/net/Uri;               # photos of other apps; never null

.method public constructor <init>()V
    .registers 2
    invoke-direct {p0}, Landroid/app/Activity;-><init>()V
    const/4 v0, 0x0
    new-array v0, v0, [Landroid/net/Uri;
    iput-object v0, p0, Lorg/whatsit/app/Main;->shared:[Landroid/net/Uri;
    return-void
.end method

.method protected onCreate(Landroid/os/Bundle;)V
    .registers 5
    invoke-super {p0, p1}, Landroid/app/Activity;->onCreate(Landroid/os/Bundle;)V
    new-instance v0, Landroid/webkit/WebView;
    invoke-direct {v0, p0}, Landroid/webkit/WebView;-><init>(Landroid/content/Context;)V
    iput-object v0, p0, Lorg/whatsit/app/Main;->web:Landroid/webkit/WebView;
    invoke-virtual {v0}, Landroid/webkit/WebView;->getSettings()Landroid/webkit/WebSettings;
    move-result-object v1
    const/4 v2, 0x1
    invoke-virtual {v1, v2}, Landroid/webkit/WebSettings;->setJavaScriptEnabled(Z)V
    invoke-virtual {v1, v2}, Landroid/webkit/WebSettings;->setDomStorageEnabled(Z)V
    const/4 v2, 0x0
    # The camera's picture plays by itself.
    invoke-virtual {v1, v2}, Landroid/webkit/WebSettings;->setMediaPlaybackRequiresUserGesture(Z)V
    invoke-virtual {v1, v2}, Landroid/webkit/WebSettings;->setAllowFileAccess(Z)V
    new-instance v1, Lorg/whatsit/app/Files;
    invoke-direct {v1, p0}, Lorg/whatsit/app/Files;-><init>(Lorg/whatsit/app/Main;)V
    invoke-virtual {v0, v1}, Landroid/webkit/WebView;->setWebViewClient(Landroid/webkit/WebViewClient;)V
    new-instance v1, Lorg/whatsit/app/Chrome;
    invoke-direct {v1, p0}, Lorg/whatsit/app/Chrome;-><init>(Lorg/whatsit/app/Main;)V
    invoke-virtual {v0, v1}, Landroid/webkit/WebView;->setWebChromeClient(Landroid/webkit/WebChromeClient;)V
    new-instance v1, Lorg/whatsit/app/Host;
    invoke-direct {v1, p0}, Lorg/whatsit/app/Host;-><init>(Lorg/whatsit/app/Main;)V
    const-string v2, "whatsitHost"
    invoke-virtual {v0, v1, v2}, Landroid/webkit/WebView;->addJavascriptInterface(Ljava/lang/Object;Ljava/lang/String;)V
    invoke-virtual {p0, v0}, Lorg/whatsit/app/Main;->setContentView(Landroid/view/View;)V
    # What was shared is taken once, not again when the system brings the window back.
    if-nez p1, :again
    invoke-virtual {p0}, Lorg/whatsit/app/Main;->getIntent()Landroid/content/Intent;
    move-result-object v1
    invoke-static {v1}, Lorg/whatsit/app/Uris;->of(Landroid/content/Intent;)[Landroid/net/Uri;
    move-result-object v1
    iput-object v1, p0, Lorg/whatsit/app/Main;->shared:[Landroid/net/Uri;
    :again
    sget-object v1, Lorg/whatsit/app/Files;->START:Ljava/lang/String;
    invoke-virtual {v0, v1}, Landroid/webkit/WebView;->loadUrl(Ljava/lang/String;)V
    return-void
.end method

# Another app shares while the window is there.
.method protected onNewIntent(Landroid/content/Intent;)V
    .registers 5
    invoke-super {p0, p1}, Landroid/app/Activity;->onNewIntent(Landroid/content/Intent;)V
    invoke-static {p1}, Lorg/whatsit/app/Uris;->of(Landroid/content/Intent;)[Landroid/net/Uri;
    move-result-object v0
    array-length v1, v0
    if-eqz v1, :none
    iput-object v0, p0, Lorg/whatsit/app/Main;->shared:[Landroid/net/Uri;
    iget-object v0, p0, Lorg/whatsit/app/Main;->web:Landroid/webkit/WebView;
    const-string v1, "dispatchEvent(new Event('whatsitshared'))"
    const/4 v2, 0x0
    invoke-virtual {v0, v1, v2}, Landroid/webkit/WebView;->evaluateJavascript(Ljava/lang/String;Landroid/webkit/ValueCallback;)V
    :none
    return-void
.end method

.method openShared(I)Ljava/io/InputStream;
    .registers 4
    iget-object v0, p0, Lorg/whatsit/app/Main;->shared:[Landroid/net/Uri;
    aget-object v0, v0, p1
    invoke-virtual {p0}, Lorg/whatsit/app/Main;->getContentResolver()Landroid/content/ContentResolver;
    move-result-object v1
    invoke-virtual {v1, v0}, Landroid/content/ContentResolver;->openInputStream(Landroid/net/Uri;)Ljava/io/InputStream;
    move-result-object v0
    return-object v0
.end method

.method askCamera(Landroid/webkit/PermissionRequest;)V
    .registers 5
    const-string v0, "android.permission.CAMERA"
    invoke-virtual {p0, v0}, Lorg/whatsit/app/Main;->checkSelfPermission(Ljava/lang/String;)I
    move-result v1
    if-nez v1, :ask
    invoke-static {p1}, Lorg/whatsit/app/Main;->grant(Landroid/webkit/PermissionRequest;)V
    return-void
    :ask
    iget-object v1, p0, Lorg/whatsit/app/Main;->asked:Landroid/webkit/PermissionRequest;
    if-eqz v1, :first
    invoke-virtual {v1}, Landroid/webkit/PermissionRequest;->deny()V
    :first
    iput-object p1, p0, Lorg/whatsit/app/Main;->asked:Landroid/webkit/PermissionRequest;
    filled-new-array {v0}, [Ljava/lang/String;
    move-result-object v1
    const/4 v2, 0x2
    invoke-virtual {p0, v1, v2}, Lorg/whatsit/app/Main;->requestPermissions([Ljava/lang/String;I)V
    return-void
.end method

.method private static grant(Landroid/webkit/PermissionRequest;)V
    .registers 2
    const-string v0, "android.webkit.resource.VIDEO_CAPTURE"
    filled-new-array {v0}, [Ljava/lang/String;
    move-result-object v0
    invoke-virtual {p0, v0}, Landroid/webkit/PermissionRequest;->grant([Ljava/lang/String;)V
    return-void
.end method

# No word at all (the question was swept away) is no.
.method public onRequestPermissionsResult(I[Ljava/lang/String;[I)V
    .registers 7
    iget-object v0, p0, Lorg/whatsit/app/Main;->asked:Landroid/webkit/PermissionRequest;
    if-eqz v0, :over
    const/4 v1, 0x0
    iput-object v1, p0, Lorg/whatsit/app/Main;->asked:Landroid/webkit/PermissionRequest;
    array-length v1, p3
    if-eqz v1, :no
    const/4 v2, 0x0
    aget v1, p3, v2
    if-nez v1, :no
    invoke-static {v0}, Lorg/whatsit/app/Main;->grant(Landroid/webkit/PermissionRequest;)V
    return-void
    :no
    invoke-virtual {v0}, Landroid/webkit/PermissionRequest;->deny()V
    :over
    return-void
.end method

# false: nobody shows files here.
.method choose(Landroid/webkit/ValueCallback;Landroid/content/Intent;)Z
    .registers 6
    const/4 v2, 0x0
    invoke-direct {p0, v2}, Lorg/whatsit/app/Main;->answerChooser([Landroid/net/Uri;)V
    iput-object p1, p0, Lorg/whatsit/app/Main;->chosen:Landroid/webkit/ValueCallback;
    const/4 v0, 0x1
    :try_start
    invoke-virtual {p0, p2, v0}, Lorg/whatsit/app/Main;->startActivityForResult(Landroid/content/Intent;I)V
    :try_end
    .catch Landroid/content/ActivityNotFoundException; {:try_start .. :try_end} :nobody
    return v0
    :nobody
    move-exception v0
    iput-object v2, p0, Lorg/whatsit/app/Main;->chosen:Landroid/webkit/ValueCallback;
    const/4 v0, 0x0
    return v0
.end method

# Every chooser is answered once; one that is not keeps the page's button dead.
.method private answerChooser([Landroid/net/Uri;)V
    .registers 4
    iget-object v0, p0, Lorg/whatsit/app/Main;->chosen:Landroid/webkit/ValueCallback;
    if-eqz v0, :over
    const/4 v1, 0x0
    iput-object v1, p0, Lorg/whatsit/app/Main;->chosen:Landroid/webkit/ValueCallback;
    invoke-interface {v0, p1}, Landroid/webkit/ValueCallback;->onReceiveValue(Ljava/lang/Object;)V
    :over
    return-void
.end method

# Asks where bytes are to be put.
.method keep(Landroid/content/Intent;[B)V
    .registers 5
    iput-object p2, p0, Lorg/whatsit/app/Main;->kept:[B
    const/4 v0, 0x3
    :try_start
    invoke-virtual {p0, p1, v0}, Lorg/whatsit/app/Main;->startActivityForResult(Landroid/content/Intent;I)V
    :try_end
    .catch Landroid/content/ActivityNotFoundException; {:try_start .. :try_end} :nobody
    return-void
    :nobody
    move-exception v0
    const/4 v0, 0x0
    iput-object v0, p0, Lorg/whatsit/app/Main;->kept:[B
    return-void
.end method

.method protected onActivityResult(IILandroid/content/Intent;)V
    .registers 7
    const/4 v0, 0x0
    const/4 v1, -0x1
    if-ne p2, v1, :none
    invoke-static {p3}, Lorg/whatsit/app/Uris;->of(Landroid/content/Intent;)[Landroid/net/Uri;
    move-result-object v2
    array-length v1, v2
    if-eqz v1, :none
    move-object v0, v2
    :none
    const/4 v1, 0x1
    if-ne p1, v1, :saving
    invoke-direct {p0, v0}, Lorg/whatsit/app/Main;->answerChooser([Landroid/net/Uri;)V
    return-void
    :saving
    const/4 v1, 0x3
    if-ne p1, v1, :over
    invoke-direct {p0, v0}, Lorg/whatsit/app/Main;->put([Landroid/net/Uri;)V
    :over
    return-void
.end method

# null: no place was chosen.
.method private put([Landroid/net/Uri;)V
    .registers 6
    iget-object v0, p0, Lorg/whatsit/app/Main;->kept:[B
    const/4 v1, 0x0
    iput-object v1, p0, Lorg/whatsit/app/Main;->kept:[B
    if-eqz v0, :over
    if-eqz p1, :over
    :try_start
    invoke-virtual {p0}, Lorg/whatsit/app/Main;->getContentResolver()Landroid/content/ContentResolver;
    move-result-object v1
    const/4 v2, 0x0
    aget-object v2, p1, v2
    invoke-virtual {v1, v2}, Landroid/content/ContentResolver;->openOutputStream(Landroid/net/Uri;)Ljava/io/OutputStream;
    move-result-object v1
    invoke-virtual {v1, v0}, Ljava/io/OutputStream;->write([B)V
    invoke-virtual {v1}, Ljava/io/OutputStream;->close()V
    :try_end
    .catch Ljava/io/IOException; {:try_start .. :try_end} :failed
    .catch Ljava/lang/RuntimeException; {:try_start .. :try_end} :failed
    goto :over
    :failed
    move-exception v0
    invoke-virtual {v0}, Ljava/lang/Throwable;->getLocalizedMessage()Ljava/lang/String;
    move-result-object v0
    const/4 v1, 0x1
    invoke-static {p0, v0, v1}, Landroid/widget/Toast;->makeText(Landroid/content/Context;Ljava/lang/CharSequence;I)Landroid/widget/Toast;
    move-result-object v0
    invoke-virtual {v0}, Landroid/widget/Toast;->show()V
    :over
    return-void
.end method

# Back through the app's screens, then out of it.
.method public onBackPressed()V
    .registers 3
    iget-object v0, p0, Lorg/whatsit/app/Main;->web:Landroid/webkit/WebView;
    invoke-virtual {v0}, Landroid/webkit/WebView;->canGoBack()Z
    move-result v1
    if-eqz v1, :out
    invoke-virtual {v0}, Landroid/webkit/WebView;->goBack()V
    return-void
    :out
    invoke-super {p0}, Landroid/app/Activity;->onBackPressed()V
    return-void
.end method

# The page is hidden with the window: the camera stops.
.method protected onPause()V
    .registers 2
    iget-object v0, p0, Lorg/whatsit/app/Main;->web:Landroid/webkit/WebView;
    invoke-virtual {v0}, Landroid/webkit/WebView;->onPause()V
    invoke-super {p0}, Landroid/app/Activity;->onPause()V
    return-void
.end method

.method protected onResume()V
    .registers 2
    invoke-super {p0}, Landroid/app/Activity;->onResume()V
    iget-object v0, p0, Lorg/whatsit/app/Main;->web:Landroid/webkit/WebView;
    invoke-virtual {v0}, Landroid/webkit/WebView;->onResume()V
    return-void
.end method

.method protected onDestroy()V
    .registers 2
    iget-object v0, p0, Lorg/whatsit/app/Main;->web:Landroid/webkit/WebView;
    invoke-virtual {v0}, Landroid/webkit/WebView;->destroy()V
    invoke-super {p0}, Landroid/app/Activity;->onDestroy()V
    return-void
.end method
