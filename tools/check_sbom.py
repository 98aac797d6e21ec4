#!/usr/bin/env python3
"""Is the list of parts of an unpacked archive whole and true?

    tools/check_sbom.py TREE FILE.spdx.json

SPDX 2.3: the fields that it asks for, identifiers that are unique and well-formed, relations between things that are there, sums
of all files and no others. Then what the program and the libraries beside it need (readelf): each shared library
comes in the archive, from a package that the list names, or belongs to glibc; and each is needed by something."""
import hashlib
import json
import os
import re
import subprocess
import sys

LIBRARIES = "lib/whatsit"
DOCUMENT = ("spdxVersion", "dataLicense", "SPDXID", "name", "documentNamespace", "creationInfo", "packages", "relationships")
PACKAGE = ("name", "SPDXID", "downloadLocation", "licenseConcluded", "licenseDeclared", "copyrightText")
FILE = ("fileName", "SPDXID", "checksums", "licenseConcluded", "copyrightText")
RELATIONS = {"DESCRIBES", "CONTAINS", "DYNAMIC_LINK", "STATIC_LINK", "DEPENDS_ON", "EXPANDED_FROM_ARCHIVE"}
GLIBC = re.compile(r"^(ld-linux.*|lib(c|m|dl|rt|pthread|resolv|util|anl|mvec))\.so\.\d+$")


def faults_of_fields(document):
    for key in DOCUMENT:
        if not document.get(key):
            yield f"the document has no {key}"
    if document.get("spdxVersion") != "SPDX-2.3" or document.get("dataLicense") != "CC0-1.0":
        yield "it is not SPDX-2.3 under CC0-1.0"
    if not re.match(r"^https://[^\s#]+$", document.get("documentNamespace", "")):
        yield "the document's namespace is no address"
    creation = document.get("creationInfo", {})
    if not re.match(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", creation.get("created", "")) or not creation.get("creators"):
        yield "who made it when is not said"
    for kind, keys in (("packages", PACKAGE), ("files", FILE)):
        for item in document.get(kind, []):
            for key in keys:
                if not item.get(key):
                    yield f"{item.get('name') or item.get('fileName')}: no {key}"


def faults_of_relations(document):
    names = [item.get("SPDXID", "") for kind in ("packages", "files") for item in document.get(kind, [])]
    for name in {n for n in names if names.count(n) > 1}:
        yield f"{name} stands for two things"
    for name in names:
        if not re.match(r"^SPDXRef-[A-Za-z0-9.-]+$", name):
            yield f"'{name}' is no identifier"
    known = {*names, "SPDXRef-DOCUMENT"}
    for relation in document.get("relationships", []):
        ends = {relation["spdxElementId"], relation["relatedSpdxElement"]}
        if not ends <= known or relation["relationshipType"] not in RELATIONS:
            yield f"a relation of something that is not there: {relation}"


def faults_of_files(document, tree):
    named = {os.path.join(folder, name) for folder, _, names in os.walk(tree) for name in names}
    there = {path for path in named if not os.path.islink(path)}
    for path in sorted(named - there):
        if os.path.relpath(os.path.realpath(path), os.path.realpath(tree)) not in {os.path.relpath(p, tree) for p in there}:
            yield f"{os.path.relpath(path, tree)}: a link to nothing in the list"
    listed = {os.path.normpath(os.path.join(tree, file["fileName"])): file for file in document.get("files", [])}
    for path in sorted(there ^ set(listed)):
        yield f"{os.path.relpath(path, tree)}: {'not in the list' if path in there else 'in the list only'}"
    for path in sorted(there & set(listed)):
        with open(path, "rb") as file:
            content = file.read()
        for entry in listed[path]["checksums"]:
            if hashlib.new(entry["algorithm"].lower(), content).hexdigest() != entry["checksumValue"]:
                yield f"{os.path.relpath(path, tree)}: another {entry['algorithm']}"


def needed_by(path):
    said = subprocess.run(["readelf", "-d", path], stdout=subprocess.PIPE, check=True, text=True).stdout
    return set(re.findall(r"\(NEEDED\)\s+Shared library: \[(.+?)\]", said))


def faults_of_links(document, tree):
    ids = {file["SPDXID"]: os.path.normpath(file["fileName"]) for file in document.get("files", [])}
    packages = {package["SPDXID"] for package in document.get("packages", [])}
    come_from = {ids.get(r["spdxElementId"]) for r in document.get("relationships", [])
                 if r["relationshipType"] == "EXPANDED_FROM_ARCHIVE" and r["relatedSpdxElement"] in packages}
    folder = os.path.join(tree, LIBRARIES)
    libraries = set(os.listdir(folder)) if os.path.isdir(folder) else set()
    own = [path for path in (os.path.join(tree, "bin", "whatsit"), os.path.join(tree, "lib", "libwhatsit.so")) if os.path.exists(path)]
    needed = set().union(*(needed_by(path) for path in [*own, *(os.path.join(folder, n) for n in libraries)]))
    for name in sorted(n for n in needed - libraries if not GLIBC.match(n)):
        yield f"{name} is needed and not in the archive"
    for name in sorted(libraries - needed):
        yield f"{LIBRARIES}/{name} is in the archive and nothing needs it"
    for name in sorted(libraries):
        if f"{LIBRARIES}/{name}" not in come_from:
            yield f"{LIBRARIES}/{name}: the list does not say which package it is from"


def main():
    tree, listed = os.path.normpath(sys.argv[1]), sys.argv[2]
    with open(listed, encoding="utf-8") as file:
        document = json.load(file)
    faults = [*faults_of_fields(document), *faults_of_relations(document), *faults_of_files(document, tree),
              *faults_of_links(document, tree)]
    for fault in faults:
        print(f"{listed}: {fault}", file=sys.stderr)
    print(f"{listed}: {len(document.get('packages', []))} packages, {len(document.get('files', []))} files, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
