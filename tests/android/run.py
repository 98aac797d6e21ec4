#!/usr/bin/env python3
"""The Android package: its code runs on a Java machine, with the framework stood in for; the package is checked.

    tests/android/run.py [APK]

What Android runs is assembled, translated to Java's byte code by enjarify (whose output the machine verifies, types and
all) and tried by Test.java. APK: manifest, signature, alignment and files are looked at, too. Exit status 77: a tool is
missing.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
sys.path.insert(0, os.path.join(ROOT, "android"))
import make_apk


def run(*words, **options):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode:
        sys.exit(f"{' '.join(words[:3])}: {done.stdout}")
    return done.stdout


def check_code(work):
    make_apk.assemble(work)
    dex = os.path.join(work, "classes.dex")
    first = open(dex, "rb").read()
    make_apk.assemble(work)
    assert first == open(dex, "rb").read(), "assembled twice, two files"
    jar = os.path.join(work, "classes.jar")
    said = run("/usr/bin/python3", "-m", "enjarify.main", dex, "-o", jar, "-f", env={**os.environ, "PYTHONPATH": "/usr/lib/python3/dist-packages"})
    assert "0 classes had errors" in said, said
    with open(os.path.join(HERE, "framework.txt"), encoding="utf-8") as f:
        parts = re.split(r"(?m)^== (\S+)\n", f.read())[1:]
    sources = []
    for name, text in zip(parts[::2], parts[1::2]):
        sources.append(os.path.join(work, "src", name))
        os.makedirs(os.path.dirname(sources[-1]), exist_ok=True)
        with open(sources[-1], "w", encoding="utf-8") as f:
            f.write(text)
    run("javac", "-nowarn", "-Xlint:none", "-cp", jar, "-d", os.path.join(work, "out"), *sources, os.path.join(HERE, "Test.java"))
    # enjarify leaves annotations out; without these the page sees no method of the host.
    said = run("dexdump", "-a", dex)
    seen = re.findall(r"Annotations on method #\d+ '(\w+)'\n *VISIBILITY_RUNTIME Landroid/webkit/JavascriptInterface;", said)
    assert sorted(seen) == ["save", "shared", "taken"], seen
    print(run("java", "-Xverify:all", "-cp", f"{work}/out:{jar}", "org.whatsit.app.Test").strip().splitlines()[-1])


def check_package(apk, work):
    badging = run("aapt", "dump", "badging", apk)
    assert re.findall(r"uses-permission: name='(.*?)'", badging) == ["android.permission.CAMERA"], badging
    assert "package: name='org.whatsit.app'" in badging and "launchable-activity: name='org.whatsit.app.Main'" in badging
    assert re.search(r"sdkVersion:'24'\s+targetSdkVersion:'29'", badging), badging
    said = run("apksigner", "verify", "-v", "--min-sdk-version", "24", apk)
    assert "v2 scheme (APK Signature Scheme v2): true" in said and "v3): true" in said, said
    run("zipalign", "-c", "-p", "4", apk)
    with zipfile.ZipFile(apk) as z:
        names = z.namelist()
        assert z.testzip() is None and {one.date_time for one in z.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        for wanted in ("classes.dex", "resources.arsc", "assets/site/index.html", "assets/site/models.json", "assets/site/core/whatsit.wasm.gz"):
            assert wanted in names, wanted
        assert "assets/site/sw.js" not in names and any(name.endswith(".gguf") for name in names)
        dex = os.path.join(work, "classes.dex")
        with open(dex, "rb") as f:
            assert z.read("classes.dex") == f.read(), "the code in the package is not the one that was tried"
    broken = os.path.join(work, "broken.apk")
    shutil.copyfile(apk, broken)
    with open(broken, "r+b") as f:
        f.seek(os.path.getsize(apk) // 2)
        byte = f.read(1)
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([byte[0] ^ 1]))
    assert subprocess.run(["apksigner", "verify", broken], capture_output=True).returncode, "a changed package verifies"
    print(f"{os.path.basename(apk)}: {len(names)} files, {os.path.getsize(apk)} bytes")


def main():
    tools = [one for one in ("java", "javac", "aapt", "apksigner", "zipalign", "dexdump") if not shutil.which(one)]
    tools += [one for one in ("/usr/share/java/smali.jar", "/usr/lib/python3/dist-packages/enjarify") if not os.path.exists(one)]
    if tools:
        print(f"tests/android: missing: {', '.join(tools)}", file=sys.stderr)
        sys.exit(77)
    with tempfile.TemporaryDirectory() as work:
        check_code(work)
        if len(sys.argv) > 1:
            check_package(sys.argv[1], work)


if __name__ == "__main__":
    main()
