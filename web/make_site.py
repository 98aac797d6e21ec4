#!/usr/bin/env python3
"""Puts the web app together as one folder that any static host, or `whatsit serve`, can deliver:

    web/make_site.py SITE --core build-wasm [--model nano.gguf] [--describer describe.gguf] [--whatsit build/whatsit]

The app's files are copied, scripts and styles without comments and indentation, modules joined to three files (bundle.py). --core: the folder with the built .wasm modules. --model: a model
file, put beside the app; without it the app asks the server for its model. --describer: a file that puts what the first model
sees into words, offered with it. --whatsit: the program, which
makes the everyday head's file ahead, so that the first answer need not wait for it."""
import argparse
import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

import bundle

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
LEFT_OUT = {"make_site.py", "make_package.py", "bundle.py", "make_icons.py", "__pycache__", "package"}
TRY = ["hummingbird", "lighthouse", "siamese-cat", "pizza"]
MODULES = ["whatsit.wasm", "whatsit-relaxed.wasm", "whatsit-threads.wasm", "whatsit-relaxed-threads.wasm", "whatsit-words.wasm",
           "whatsit-marks.wasm"]
GLUE = ["whatsit-core.mjs", "whatsit-worker.mjs"]
KEYS = ("name", "title", "group", "source", "licence", "sensitivity")


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        for part in iter(lambda: f.read(1 << 20), b""):
            digest.update(part)
    return digest.hexdigest()


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def shorten(path):
    """Leaves out comments that have lines of their own or end one, and indentation; nothing else changes."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    text = re.sub(r"(?ms)^[ \t]*/\*.*?\*/[ \t]*\n", "", text)
    text = re.sub(r"(?m)^[ \t]*//.*\n|[ \t]+/\* (?:(?!\*/).)*\*/$", "", text)
    text = re.sub(r"(?m)^[ \t]+|^\n", "", text)
    if path.endswith(".css"):
        text = re.sub(r"\s*([{};])\s*|(?<=[:,])[ \n]+", lambda match: match[1] or "", text)
    write(path, text)


def shorten_all(site):
    for folder, _, files in os.walk(site):
        for name in files:
            if name.endswith((".js", ".mjs", ".css")):
                shorten(os.path.join(folder, name))


def copy_app(site):
    for folder, folders, files in os.walk(HERE):
        folders[:] = [one for one in folders if one not in LEFT_OUT]
        to = os.path.join(site, os.path.relpath(folder, HERE))
        os.makedirs(to, exist_ok=True)
        for name in files:
            if name in LEFT_OUT or name.startswith("."):
                continue
            shutil.copyfile(os.path.join(folder, name), os.path.join(to, name))


def copy_samples(site):
    """The photos to try, on the first screen; and who took these and the tiles, which the page about the app names."""
    os.makedirs(os.path.join(site, "try"), exist_ok=True)
    for name in TRY:
        shutil.copyfile(os.path.join(ROOT, "samples", name + ".jpg"), os.path.join(site, "try", name + ".jpg"))
    with open(os.path.join(ROOT, "samples", "ATTRIBUTION.tsv"), encoding="utf-8") as f:
        head, *rows = [line.rstrip("\n").split("\t")[:4] for line in f]
    with open(os.path.join(HERE, "tiles", "ATTRIBUTION.tsv"), encoding="utf-8") as f:
        tiles = [line.rstrip("\n").split("\t") for line in f][1:]
    rows = [["try/" + row[0], *row[1:]] for row in rows if row[0][:-4] in TRY] + [["tiles/" + row[0], *row[1:]] for row in tiles]
    write(os.path.join(site, "photos.tsv"), "".join("\t".join(row) + "\n" for row in [head, *rows]))


def packed(data):
    """As gzip. How long a block is follows from the memory that it may take; shorter ones suit code: 3 kB of the core."""
    def once(memory):
        pack = zlib.compressobj(9, zlib.DEFLATED, 31, memory)
        return pack.compress(data) + pack.flush()

    return min((once(memory) for memory in range(5, 10)), key=len)


def copy_core(site, build):
    to = os.path.join(site, "core")
    os.makedirs(to, exist_ok=True)
    for name in GLUE:
        shutil.copyfile(os.path.join(ROOT, "wasm", name), os.path.join(to, name))
    for name in MODULES:
        with open(os.path.join(build, name), "rb") as f:
            module = f.read()
        with open(os.path.join(to, name), "wb") as f:
            f.write(module)
        with open(os.path.join(to, name + ".gz"), "wb") as f:
            f.write(packed(module))


def read_list(path):
    head = {"templates": 0, "n_labels": 0}
    seen = set()
    with open(path, encoding="utf-8-sig") as f:
        for raw in f:
            line = raw.split("\t")[0].strip()
            match = re.match(r"#\s*([a-z]+):\s*(.*)$", line) if not seen else None
            if match and match[1] in KEYS:
                head[match[1]] = match[2]
            elif line and not line.startswith("#"):
                seen.add(line.split("|")[0].strip())
    head["n_labels"] = len(seen)
    return head


def copy_list(path, to):
    """A list, with the sentences that stand in a file of their own beside it: the command line uses those, too."""
    with open(path, encoding="utf-8-sig") as f:
        text = f.read()
    sentences = os.path.splitext(path)[0] + ".templates.txt"
    if os.path.exists(sentences):
        with open(sentences, encoding="utf-8") as f:
            lines = [line.strip() for line in f if line.strip() and not line.startswith("#")]
        text = "".join(f"# template: {line}\n" for line in lines) + text
    write(to, text)


def measured(models):
    """How well a model answers each list, where somebody measured: models/NAME-lists.json."""
    works = {}
    for model in models:
        stem = os.path.splitext(model)[0]
        for path in (stem + "-lists.json", re.sub(r"whatsit-", "", stem) + "-lists.json"):
            if os.path.exists(path):
                with open(path, encoding="utf-8") as f:
                    works[os.path.basename(stem)] = json.load(f)["lists"]
                break
    return works


def copy_heads(site, everyday):
    """heads/*.txt, and the list of them: all but the standard tests, which measure models and answer nobody's question.
    The everyday head is nouns, and nano-concepts for whatsit-nano."""
    folder, heads = os.path.join(site, "heads"), []
    os.makedirs(folder, exist_ok=True)
    lists = {name[:-4]: os.path.join(ROOT, "heads", name) for name in sorted(os.listdir(os.path.join(ROOT, "heads")))
             if name.endswith(".txt")}
    concepts = everyday or os.path.join(ROOT, "models", "nano-concepts.txt")
    if os.path.exists(concepts):
        lists = {"everyday": concepts, **lists}
    for name, path in lists.items():
        about = read_list(path)
        if about.get("group") == "standard tests":
            continue
        copy_list(path, os.path.join(folder, name + ".txt"))
        title = about.get("title") or ("Everyday things" if name == "everyday" else name)
        entry = {"name": name, "title": title, "group": about.get("group") or "everyday",
                 "n_labels": about["n_labels"]}
        if os.path.exists(os.path.join(HERE, "tiles", name + ".webp")):
            entry["tile"] = 1
        if about.get("sensitivity"):
            entry["sensitivity"] = about["sensitivity"]
        heads.append(entry)
    index = {"everyday": "everyday" if everyday else "nouns", "heads": heads}
    if "everyday" in lists and not everyday:
        index["everyday_of"] = {"whatsit-nano": "everyday"}
    return index


def halve(data):
    """A head file with its f32 matrices as f16, which readers widen again."""
    n = struct.unpack_from("<Q", data)[0]
    header, body, parts, at = json.loads(data[8:8 + n]), data[8 + n:], [], 0
    for name, about in header.items():
        if name == "__metadata__":
            continue
        begin, end = about["data_offsets"]
        part = body[begin:end]
        if about["dtype"] == "F32" and len(about["shape"]) == 2:
            count = len(part) // 4
            part = struct.pack(f"<{count}e", *struct.unpack(f"<{count}f", part))
            about["dtype"] = "F16"
        about["data_offsets"] = [at, at + len(part)]
        at += len(part)
        parts.append(part)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(parts)


def build_everyday(site, index, program, model, model_name):
    name = index.get("everyday_of", {}).get(model_name, index["everyday"])
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "HOME": home, "XDG_DATA_HOME": home, "XDG_CACHE_HOME": home, "XDG_CONFIG_HOME": home}
        env.pop("WHATSIT_HOME", None)
        labels = os.path.join(site, "heads", name + ".txt")
        subprocess.run([program, "head", "new", "everyday-site", "--labels", labels, "--model", model, "--quiet"],
                       env=env, check=True)
        found = [os.path.join(folder, one) for folder, _, files in os.walk(home) for one in files
                 if one == "everyday-site.safetensors"]
        with open(found[0], "rb") as f:
            data = f.read()
    n = struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8:8 + n])
    header["__metadata__"]["name"] = name
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    data = halve(struct.pack("<Q", len(text)) + text + data[8 + n:])
    fingerprint = header["__metadata__"]["model_fingerprint"]
    path = f"heads/{name}-{fingerprint[:16]}.safetensors"
    with open(os.path.join(site, path), "wb") as f:
        f.write(data)
    for entry in index["heads"]:
        if entry["name"] == name:
            entry["built"] = {fingerprint: path}


def copy_model(site, model):
    digest = sha256(model)
    name = os.path.splitext(os.path.basename(model))[0]
    path = f"models/{name}-{digest[:16]}.gguf"
    os.makedirs(os.path.join(site, "models"), exist_ok=True)
    shutil.copyfile(model, os.path.join(site, path))
    return {"name": name, "url": path, "sha256": digest, "n_bytes": os.path.getsize(model)}


def copy_describer(site, describer, model, program):
    """Beside the model that it was made for."""
    if program:
        photo = os.path.join(ROOT, "samples", TRY[0] + ".jpg")
        tried = subprocess.run([program, "describe", photo, "--model", model, "--describer", describer, "--quiet"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if tried.returncode:
            sys.exit(f"make_site: {describer}: {tried.stderr.strip()}")
    return copy_model(site, describer)


def stamp_worker(site, gone, new):
    """The service worker learns which files there are, what is in them, and the site's hash, so that a new site replaces an
    old one in one step; page and worker learn the hash, so that they know when they are of two versions."""
    path = os.path.join(site, "sw.js")
    with open(path, encoding="utf-8") as f:
        text = f.read()
    named = re.search(r"(?s)const FILES = \[(.*?)\];", text)
    files = [one for one in re.findall(r"'([^']+)'", named[1]) if one not in gone] + new
    text = text.replace(named[0], f"const FILES = {json.dumps(files)};")
    digest, hashes = hashlib.sha256(), {}
    for folder, folders, files in os.walk(site):
        folders.sort()
        if os.path.basename(folder) == "models":
            continue
        for name in sorted(files):
            digest.update(os.path.relpath(os.path.join(folder, name), site).encode())
            digest.update(sha256(os.path.join(folder, name)).encode())
    version = digest.hexdigest()[:16]
    with open(os.path.join(site, "lib/worker.js"), encoding="utf-8") as f:
        part = f.read()
    write(os.path.join(site, "lib/worker.js"), part.replace("const PACKED = false;", "const PACKED = true;"))
    for stamped in ("app/main.js", "lib/worker.js"):
        with open(os.path.join(site, stamped), encoding="utf-8") as f:
            part = f.read()
        if part.count("const VERSION = 'dev';") != 1:
            sys.exit(f"make_site: {stamped} has no place for its version")
        write(os.path.join(site, stamped), part.replace("const VERSION = 'dev';", f"const VERSION = '{version}';"))
    for folder, folders, files in os.walk(site):
        for name in files:
            full = os.path.relpath(os.path.join(folder, name), site)
            if full.split("/")[0] not in ("models", "sw.js") and not full.endswith((".gz", ".d.ts")):
                hashes[full] = sha256(os.path.join(folder, name))[:16]
    text = text.replace("const HASHES = {};", f"const HASHES = {json.dumps(hashes, separators=(',', ':'))};")
    write(path, text.replace("const VERSION = 'dev';", f"const VERSION = '{version}';"))


def pack_texts(site):
    """Hosts that look for NAME.gz (nginx, `whatsit serve`) deliver a third of the bytes."""
    for folder, _, files in os.walk(site):
        for name in files:
            if name.endswith((".js", ".mjs", ".css", ".json", ".html", ".svg", ".webmanifest")):
                path = os.path.join(folder, name)
                with open(path, "rb") as f:
                    data = packed(f.read())
                with open(path + ".gz", "wb") as f:
                    f.write(data)


def main():
    parser = argparse.ArgumentParser(description="Puts the web app together as one folder.")
    parser.add_argument("site")
    parser.add_argument("--core", required=True, help="folder with the built .wasm modules")
    parser.add_argument("--model", action="append", default=[],
                        help="a model file (GGUF); given more than once, the first is used and the others are offered")
    parser.add_argument("--describer", help="a file that describes what the first model sees (GGUF)")
    parser.add_argument("--everyday", help="label list of the everyday head (default: the model's own, else heads/nouns.txt)")
    parser.add_argument("--whatsit", help="the program, to make the everyday head's file ahead")
    args = parser.parse_args()
    if os.path.exists(args.site) and os.listdir(args.site):
        sys.exit(f"{args.site} is there already and not empty")
    copy_app(args.site)
    copy_core(args.site, args.core)
    copy_samples(args.site)
    gone, new = bundle.join(args.site)
    shorten_all(args.site)
    index = copy_heads(args.site, args.everyday)
    index["works"] = measured(args.model)
    models = [copy_model(args.site, model) for model in args.model]
    if models and args.describer:
        models[0]["describer"] = copy_describer(args.site, args.describer, args.model[0], args.whatsit)
    if models and args.whatsit:
        build_everyday(args.site, index, args.whatsit, os.path.join(args.site, models[0]["url"]), models[0]["name"])
    write(os.path.join(args.site, "heads/index.json"), json.dumps(index, ensure_ascii=False, separators=(",", ":")) + "\n")
    write(os.path.join(args.site, "models.json"), json.dumps({"models": models}, indent=1) + "\n")
    stamp_worker(args.site, gone, new)
    pack_texts(args.site)


if __name__ == "__main__":
    main()
