#!/usr/bin/env python3
"""Puts the package @whatsit/core together, as npm and bundlers take it:

    web/make_package.py FOLDER --core build-wasm

The API (whatsit.js), what its worker needs, the core's modules, types, a page as an example. The version is the project's."""
import argparse
import json
import os
import re
import shutil
import sys

import make_site

HERE = os.path.dirname(os.path.abspath(__file__))
LIB = ["download.js", "kept.js", "labels.js", "list.js", "modules.js", "odd.js", "pixels.js", "sha256.js", "sniff.js", "worker.js"]


def version():
    with open(os.path.join(make_site.ROOT, "CMakeLists.txt"), encoding="utf-8") as f:
        return re.search(r"^project\(whatsit VERSION ([0-9.]+)", f.read(), re.M)[1]


def copy(source, folder, name=None):
    os.makedirs(folder, exist_ok=True)
    shutil.copyfile(source, os.path.join(folder, name or os.path.basename(source)))


def main():
    parser = argparse.ArgumentParser(description="Puts the package @whatsit/core together.")
    parser.add_argument("folder")
    parser.add_argument("--core", required=True, help="folder with the built .wasm modules")
    args = parser.parse_args()
    if os.path.exists(args.folder) and os.listdir(args.folder):
        sys.exit(f"{args.folder} is there already and not empty")
    for name in ("whatsit.js", "whatsit.d.ts"):
        copy(os.path.join(HERE, name), args.folder)
    for name in LIB:
        copy(os.path.join(HERE, "lib", name), os.path.join(args.folder, "lib"))
    for name in make_site.GLUE:
        copy(os.path.join(make_site.ROOT, "wasm", name), os.path.join(args.folder, "core"))
    for name in make_site.MODULES:
        copy(os.path.join(args.core, name), os.path.join(args.folder, "core"))
    for name in ("README.md", "example.html"):
        copy(os.path.join(HERE, "package", name), args.folder)
    copy(os.path.join(HERE, "package", "labels.d.ts"), os.path.join(args.folder, "lib"))
    for name in ("LICENSE", "NOTICE"):
        copy(os.path.join(make_site.ROOT, name), args.folder)
    with open(os.path.join(HERE, "package", "package.json"), encoding="utf-8") as f:
        about = json.load(f)
    about["version"] = version()
    make_site.write(os.path.join(args.folder, "package.json"), json.dumps(about, indent=2) + "\n")


if __name__ == "__main__":
    main()
