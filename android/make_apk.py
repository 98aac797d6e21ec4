#!/usr/bin/env python3
"""Puts the web app's site into a signed Android package, with tools of Debian alone.

    android/make_apk.py SITE OUT.apk [--keystore FILE]

Debian 12 has no compiler from Java to Dalvik, but an assembler (libsmali-java): the window around the app is written in
its language. The same site and key give the same bytes. Without --keystore a key is made beside OUT and kept for the
next time: phones take an update only from who signed what they have. Its password is the environment's WHATSIT_APK_PASSWORD,
else "whatsit-local".
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
FRAMEWORK = "/usr/share/android-framework-res/framework-res.apk"
JARS = ["smali", "smali-util", "dexlib2", "antlr3-runtime", "guava", "jcommander"]
STORED = (".gguf", ".gz", ".png", ".jpg", ".arsc", ".safetensors")  # packed already, or read as they lie


def run(*words, **options):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode:
        sys.exit(f"make_apk: {os.path.basename(words[0])}: {done.stdout.strip()}")
    return done.stdout


def version():
    """The project's, as a name and as a number that grows."""
    with open(os.path.join(HERE, "..", "CMakeLists.txt"), encoding="utf-8") as f:
        parts = [int(one) for one in re.search(r"project\(whatsit VERSION (\d+)\.(\d+)\.(\d+)", f.read()).groups()]
    return ".".join(map(str, parts)), parts[0] * 10000 + parts[1] * 100 + parts[2]


def resources(work):
    """Manifest and resources in Android's binary forms: a folder."""
    res = os.path.join(work, "res")
    shutil.copytree(os.path.join(HERE, "res"), res)
    os.makedirs(os.path.join(res, "drawable-xxxhdpi"))
    shutil.copyfile(os.path.join(HERE, "..", "web", "icons", "icon-192.png"), os.path.join(res, "drawable-xxxhdpi", "icon.png"))
    name, code = version()
    packed = os.path.join(work, "resources.zip")
    run("aapt", "package", "-f", "-M", os.path.join(HERE, "AndroidManifest.xml"), "-S", res, "-I", FRAMEWORK, "-F", packed,
        "--version-name", name, "--version-code", str(code))
    out = os.path.join(work, "out")
    with zipfile.ZipFile(packed) as z:
        z.extractall(out)
    return out


def assemble(out):
    """By one thread: several write the file in the order in which they are done."""
    run("java", "-cp", ":".join(f"/usr/share/java/{jar}.jar" for jar in JARS), "org.jf.smali.Main", "assemble", "--api", "24",
        "-j", "1", "-o", os.path.join(out, "classes.dex"), os.path.join(HERE, "smali"))


def copy_site(site, out):
    """Without what only hosts need: packed doubles, and the service worker, which a package does instead."""
    if not os.path.exists(os.path.join(site, "index.html")):
        sys.exit(f"make_apk: {site}: no site that make_site.py made")
    for folder, _, files in os.walk(site):
        for name in files:
            path = os.path.join(folder, name)
            rest = os.path.relpath(path, site)
            is_double = name.endswith(".gz") and not name.endswith(".wasm.gz")  # the core is asked for packed
            if rest in ("sw.js", "whatsit.d.ts") or is_double:
                continue
            to = os.path.join(out, "assets", "site", rest)
            os.makedirs(os.path.dirname(to), exist_ok=True)
            shutil.copyfile(path, to)


def write_zip(folder, path):
    """In one order and of one time, so that the same content is the same file."""
    names = sorted(os.path.relpath(os.path.join(at, name), folder) for at, _, files in os.walk(folder) for name in files)
    names.sort(key=lambda name: name != "AndroidManifest.xml")
    with zipfile.ZipFile(path, "w") as z:
        for name in names:
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_STORED if name.endswith(STORED) else zipfile.ZIP_DEFLATED
            with open(os.path.join(folder, name), "rb") as f:
                z.writestr(info, f.read())


def sign(unsigned, out, keystore):
    password = os.environ.get("WHATSIT_APK_PASSWORD", "whatsit-local")
    secret = {**os.environ, "WHATSIT_APK_PASSWORD": password}
    if not os.path.exists(keystore):
        run("keytool", "-genkeypair", "-keystore", keystore, "-alias", "whatsit", "-keyalg", "RSA", "-keysize", "3072",
            "-validity", "10950", "-dname", "CN=whatsit", "-storetype", "PKCS12", "-storepass:env", "WHATSIT_APK_PASSWORD", env=secret)
        print(f"make_apk: a new key: keep {keystore}, updates need it")
    run("apksigner", "sign", "--ks", keystore, "--ks-key-alias", "whatsit", "--ks-pass", "env:WHATSIT_APK_PASSWORD",
        "--v1-signing-enabled", "false", "--v2-signing-enabled", "true", "--v3-signing-enabled", "true",
        "--in", unsigned, "--out", out, env=secret)
    if os.path.exists(out + ".idsig"):
        os.remove(out + ".idsig")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("site")
    parser.add_argument("out")
    parser.add_argument("--keystore", help="PKCS12 file with the key 'whatsit' (default: OUT's folder, whatsit.keystore)")
    parser.add_argument("--unsigned", action="store_true", help="for who signs it, such as F-Droid")
    args = parser.parse_args()
    keystore = args.keystore or os.path.join(os.path.dirname(os.path.abspath(args.out)), "whatsit.keystore")
    with tempfile.TemporaryDirectory() as work:
        out = resources(work)
        assemble(out)
        copy_site(args.site, out)
        plain, aligned = os.path.join(work, "plain.apk"), os.path.join(work, "aligned.apk")
        write_zip(out, plain)
        run("zipalign", "-f", "-p", "4", plain, args.out if args.unsigned else aligned)
        if not args.unsigned:
            sign(aligned, args.out, keystore)
    print(f"{args.out}: {os.path.getsize(args.out)} bytes")


if __name__ == "__main__":
    main()
