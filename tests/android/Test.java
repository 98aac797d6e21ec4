package org.whatsit.app;

import android.content.ClipData;
import android.content.Intent;
import android.net.Uri;
import android.webkit.*;
import java.util.*;

/* The package's own code, as it is in classes.dex, in a window that only writes down what is asked of it. */
public class Test {
    static int checks;

    static void is(Object got, Object wanted) {
        checks++;
        if (!Objects.equals(got, wanted)) throw new AssertionError("got " + got + ", wanted " + wanted);
    }

    static Main open(Intent intent) {
        Main main = new Main();
        if (intent != null) main.intent = intent;
        main.assets.files.put("site/index.html", "page".getBytes());
        main.assets.files.put("site/core/whatsit.wasm", new byte[] {1, 2});
        main.assets.files.put("site/core/whatsit.wasm.gz", new byte[] {3});
        main.assets.files.put("site/app/main.js", "code".getBytes());
        main.onCreate(null);
        return main;
    }

    static WebView web(Main main) { return (WebView) main.shown; }

    static WebResourceResponse get(Main main, String url) {
        return web(main).client.shouldInterceptRequest(web(main), () -> new Uri(url));
    }

    static String text(WebResourceResponse response) throws Exception { return new String(response.data.readAllBytes()); }

    static void files() throws Exception {
        Main main = open(null);
        WebSettings settings = web(main).settings;
        is(List.of(settings.script, settings.storage, settings.gesture, settings.files), List.of(true, true, false, false));
        is(web(main).done, List.of("https://app.whatsit.invalid/index.html#/photo"));
        String at = "https://app.whatsit.invalid/";
        is(text(get(main, at + "index.html")), "page");
        is(text(get(main, at)), "page");
        is(get(main, at + "index.html").type, "text/html");
        is(get(main, at + "app/main.js?v=1").type, "text/javascript");
        is(get(main, at + "core/whatsit.wasm").type, "application/wasm");
        is(get(main, at + "core/whatsit.wasm.gz").type, "application/octet-stream");
        is(get(main, at + "index.html").status, 200);
        is(get(main, at + "index.html").headers.get("X-Content-Type-Options"), "nosniff");
        for (String gone : List.of("nothing", "../AndroidManifest.xml", "shared/0", "shared/x", "shared/-1", "shared/99999999999")) {
            WebResourceResponse response = get(main, at + gone);
            is(response.status, 404);
            is(response.data.readAllBytes().length, 0);
        }
        for (String other : List.of("https://example.org/index.html", "data:text/plain,x", "https://app.whatsit.invalid.example.org/"))
            is(get(main, other), null);
    }

    static void links() {
        Main main = open(null);
        WebViewClient client = web(main).client;
        is(client.shouldOverrideUrlLoading(web(main), () -> new Uri("https://app.whatsit.invalid/#/more")), false);
        is(main.started.size(), 0);
        is(client.shouldOverrideUrlLoading(web(main), () -> new Uri("https://example.org/")), true);
        is(((Intent) main.started.get(0)[0]).data.toString(), "https://example.org/");
        main.nobody = true;
        is(client.shouldOverrideUrlLoading(web(main), () -> new Uri("https://example.org/")), true);
    }

    static class Request extends PermissionRequest {
        final String origin;
        final String[] wants;
        String word;
        Request(String origin, String... wants) { this.origin = origin; this.wants = wants; }
        public Uri getOrigin() { return new Uri(origin); }
        public String[] getResources() { return wants; }
        public void grant(String[] resources) { word = "yes " + String.join(",", resources); }
        public void deny() { word = "no"; }
    }

    static void camera() {
        String ours = "https://app.whatsit.invalid/", video = "android.webkit.resource.VIDEO_CAPTURE";
        Main main = open(null);
        WebChromeClient chrome = web(main).chrome;
        for (Request bad : List.of(new Request("https://example.org/", video), new Request(ours, "android.webkit.resource.AUDIO_CAPTURE"),
                new Request(ours, video, "android.webkit.resource.AUDIO_CAPTURE"), new Request(ours))) {
            chrome.onPermissionRequest(bad);
            is(bad.word, "no");
        }
        is(main.permissions, null);
        Request first = new Request(ours, video), second = new Request(ours, video);
        chrome.onPermissionRequest(first);
        is(first.word, null);
        is(main.permissions[0], "android.permission.CAMERA");
        chrome.onPermissionRequest(second); /* the first is not left waiting */
        is(first.word, "no");
        main.onRequestPermissionsResult(2, main.permissions, new int[] {0});
        is(second.word, "yes " + video);
        for (int[] no : new int[][] {{-1}, {}}) {
            Request request = new Request(ours, video);
            chrome.onPermissionRequest(request);
            main.onRequestPermissionsResult(2, no.length == 0 ? new String[0] : main.permissions, no);
            is(request.word, "no");
        }
        main.onRequestPermissionsResult(2, new String[0], new int[0]); /* nobody waits */
        main.permission = 0;
        Request known = new Request(ours, video);
        chrome.onPermissionRequest(known);
        is(known.word, "yes " + video);
    }

    static Intent clip(String... uris) {
        Intent intent = new Intent("x");
        intent.clip = new ClipData();
        for (String uri : uris) {
            ClipData.Item item = new ClipData.Item();
            item.uri = uri == null ? null : new Uri(uri);
            intent.clip.items.add(item);
        }
        return intent;
    }

    static Object got;

    static boolean chooser(Main main, int mode) {
        got = "nothing yet";
        return web(main).chrome.onShowFileChooser(web(main), uris -> got = uris == null ? null : Arrays.toString(uris),
            new WebChromeClient.FileChooserParams() {
                public int getMode() { return mode; }
                public Intent createIntent() { return new Intent("android.intent.action.GET_CONTENT").setType("image/*"); }
            });
    }

    static void choosing() {
        Main main = open(null);
        is(chooser(main, 1), true);
        Intent asked = (Intent) main.started.get(0)[0];
        is(asked.extras.get("android.intent.extra.ALLOW_MULTIPLE"), true);
        main.onActivityResult(1, -1, clip("content://a/1", null, "content://a/2"));
        is(got, "[content://a/1, content://a/2]");
        is(chooser(main, 0), true);
        is(((Intent) main.started.get(1)[0]).extras.size(), 0);
        main.onActivityResult(1, -1, new Intent("x", new Uri("content://a/3")));
        is(got, "[content://a/3]");
        for (Intent none : Arrays.asList(null, new Intent("x"), clip())) {
            chooser(main, 0);
            main.onActivityResult(1, -1, none);
            is(got, null);
        }
        chooser(main, 0);
        main.onActivityResult(1, 0, null); /* thought better of it */
        is(got, null);
        main.onActivityResult(1, 0, null); /* answered once only */
        main.nobody = true;
        is(chooser(main, 0), false);
        is(got, "nothing yet");
    }

    static void sharing() throws Exception {
        Intent one = new Intent("android.intent.action.SEND");
        one.extras.put("android.intent.extra.STREAM", new Uri("content://p/1"));
        Main main = open(one);
        Host host = (Host) web(main).hosts.get("whatsitHost");
        main.resolver.files.put("content://p/1", "photo".getBytes());
        is(host.shared(), 1);
        is(text(get(main, "https://app.whatsit.invalid/shared/0")), "photo");
        is(get(main, "https://app.whatsit.invalid/shared/1").status, 404);
        main.resolver.files.clear();
        is(get(main, "https://app.whatsit.invalid/shared/0").status, 404); /* the other app took it back */
        host.taken();
        is(host.shared(), 0);
        Intent many = new Intent("android.intent.action.SEND_MULTIPLE");
        many.extras.put("android.intent.extra.STREAM", new ArrayList<>(Arrays.asList(new Uri("content://p/1"), null, "no uri", new Uri("content://p/2"))));
        main.onNewIntent(many);
        is(host.shared(), 2);
        is(web(main).done.get(1), "dispatchEvent(new Event('whatsitshared'))");
        main.onNewIntent(new Intent("android.intent.action.MAIN")); /* opened from its icon: what waits stays */
        is(host.shared(), 2);
        is(web(main).done.size(), 2);
        is(((Host) web(open(new Intent("android.intent.action.VIEW", new Uri("content://p/9")))).hosts.get("whatsitHost")).shared(), 1);
        Main back = new Main(); /* brought back by the system: not shared again */
        back.intent = one;
        back.onCreate(new android.os.Bundle());
        is(back.shared.length, 0);
    }

    static void saving() {
        Main main = open(null);
        Host host = (Host) web(main).hosts.get("whatsitHost");
        host.save("a.zip", "application/zip", Base64.getEncoder().encodeToString("bytes".getBytes()));
        Intent asked = (Intent) main.started.get(0)[0];
        is(List.of(asked.action, asked.type, asked.extras.get("android.intent.extra.TITLE"), asked.categories),
            List.of("android.intent.action.CREATE_DOCUMENT", "application/zip", "a.zip", Set.of("android.intent.category.OPENABLE")));
        main.onActivityResult(3, -1, new Intent("x", new Uri("content://d/1")));
        is(main.resolver.written.get("content://d/1").toString(), "bytes");
        main.onActivityResult(3, -1, new Intent("x", new Uri("content://d/2"))); /* once */
        is(main.resolver.written.size(), 1);
        host.save("a", "b", "");
        main.onActivityResult(3, 0, null);
        is(main.resolver.written.size(), 1);
        host.save("a", "b", "AAAA");
        main.onActivityResult(3, -1, new Intent("x", new Uri("content://d/full")));
        is(android.widget.Toast.last, "no room");
        main.nobody = true;
        host.save("a", "b", "AAAA");
    }

    static void leaving() {
        Main main = open(null);
        web(main).deep = true;
        main.onBackPressed();
        is(web(main).done.get(1), "back");
        is(main.left, 0);
        web(main).deep = false;
        main.onBackPressed();
        is(main.left, 1);
        main.onPause();
        main.onResume();
        main.onDestroy();
        is(web(main).done.subList(2, 5), List.of("pause", "resume", "destroy"));
    }

    public static void main(String[] args) throws Exception {
        files();
        links();
        camera();
        choosing();
        sharing();
        saving();
        leaving();
        System.out.println(checks + " checks");
    }
}
