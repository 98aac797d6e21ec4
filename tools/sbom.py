#!/usr/bin/env python3
"""Writes what an unpacked archive of tools/tarball.sh is made of, as SPDX 2.3 in JSON.

    tools/sbom.py TREE --version VERSION --output FILE

Files come with SHA-1 and SHA-256; the libraries' packages come from TREE/share/doc/whatsit/third-party/PACKAGES.tsv.
A package's licence is that of its Debian copyright file, whose names are quoted and not translated: Debian's short
names and SPDX's mean different things now and then, and a wrong one is worse than none. The date is that of
SOURCE_DATE_EPOCH, and the same tree gives the same bytes."""
import argparse
import csv
import hashlib
import json
import os
import re
import sys
import time
import urllib.parse

THIRD_PARTY = "share/doc/whatsit/third-party"
LINK = {"copied": "DYNAMIC_LINK", "linked": "STATIC_LINK", "system": "DEPENDS_ON"}


def identifier(kind, name):
    """An SPDX identifier: letters, digits, '.' and '-' only; the hash keeps names that would fall together apart."""
    plain = re.sub(r"[^A-Za-z0-9.-]", "-", name)
    return f"SPDXRef-{kind}-{plain}" + ("" if plain == name else "-" + hashlib.sha256(name.encode()).hexdigest()[:8])


def digest(path, kind):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, kind).hexdigest() if hasattr(hashlib, "file_digest") else \
            hashlib.new(kind, file.read()).hexdigest()


def files_of(tree):
    found = []
    for folder, _, names in os.walk(tree):
        for name in names:
            path = os.path.join(folder, name)
            relative = os.path.relpath(path, tree)
            if os.path.islink(path):  # another name of a file that is listed
                if not os.path.realpath(path).startswith(os.path.realpath(tree) + os.sep):
                    sys.exit(f"sbom.py: {relative} is a link that leads out of the archive")
                continue
            found.append({
                "fileName": "./" + relative,
                "SPDXID": identifier("File", relative),
                "checksums": [{"algorithm": "SHA1", "checksumValue": digest(path, "sha1")},
                              {"algorithm": "SHA256", "checksumValue": digest(path, "sha256")}],
                "licenseConcluded": "NOASSERTION",
                "copyrightText": "NOASSERTION",
            })
    return sorted(found, key=lambda file: file["fileName"])


def debian_licences(path):
    """The short names in a machine-readable copyright file, in order; empty for the older kind of file."""
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8", errors="replace") as file:
        names = re.findall(r"^License:[ \t]*(\S.*)$", file.read(), flags=re.M)
    return sorted({name.strip() for name in names})


def debian_package(tree, row):
    version = urllib.parse.quote(row["version"], safe=".-~")
    paper = f"{THIRD_PARTY}/{row['package']}.txt"
    package = {
        "name": row["package"],
        "SPDXID": identifier("Debian", row["package"]),
        "versionInfo": row["version"],
        "supplier": "Organization: Debian",
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "sourceInfo": f"built from Debian's source package {row['source']} {row['source-version']}",
        "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                          "referenceLocator": f"pkg:deb/debian/{row['package']}@{version}?arch={row['architecture']}"}],
    }
    if row["how"] == "system":
        package["comment"] = "not in the archive: the system's own is used"
    else:
        names = debian_licences(os.path.join(tree, paper))
        package["licenseComments"] = f"see {paper}" + (f"; Debian names: {', '.join(names)}" if names else "")
    return package


def document(tree, version, created):
    with open(os.path.join(tree, THIRD_PARTY, "PACKAGES.tsv"), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    files = files_of(tree)
    sums = sorted(file["checksums"][0]["checksumValue"] for file in files)
    code = hashlib.sha1("".join(sums).encode()).hexdigest()
    main = {
        "name": "whatsit",
        "SPDXID": "SPDXRef-Package-whatsit",
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": True,
        "packageVerificationCode": {"packageVerificationCodeValue": code},
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "Apache-2.0",
        "licenseInfoFromFiles": ["NOASSERTION"],
        "licenseComments": "whatsit itself; NOTICE names the data's licences, and the libraries have theirs",
        "copyrightText": "Copyright 2026 the whatsit authors",
        "primaryPackagePurpose": "APPLICATION",
    }
    packages = {}
    relations = {("SPDXRef-DOCUMENT", "DESCRIBES", main["SPDXID"])}
    relations |= {(main["SPDXID"], "CONTAINS", file["SPDXID"]) for file in files}
    for row in rows:
        if row["how"] not in LINK:
            sys.exit(f"sbom.py: PACKAGES.tsv: {row['package']}: '{row['how']}' is no way to come in")
        package = packages.setdefault(row["package"], debian_package(tree, row))
        relations.add((main["SPDXID"], LINK[row["how"]], package["SPDXID"]))
        if row["how"] == "copied":
            relations.add((identifier("File", row["file"]), "EXPANDED_FROM_ARCHIVE", package["SPDXID"]))
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"whatsit-{version}",
        # A name only, as SPDX asks for one; nothing is there to be fetched.
        "documentNamespace": f"https://whatsit.example.org/spdx/whatsit-{version}-{code}",
        "creationInfo": {"created": created, "creators": ["Tool: whatsit-sbom"]},
        "packages": [main] + [packages[name] for name in sorted(packages)],
        "files": files,
        "relationships": [{"spdxElementId": a, "relationshipType": kind, "relatedSpdxElement": b}
                          for a, kind, b in sorted(relations)],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tree")
    parser.add_argument("--version", required=True)
    parser.add_argument("--output", required=True)
    args = parser.parse_args()
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
    text = json.dumps(document(args.tree, args.version, created), indent=1, ensure_ascii=False)
    with open(args.output, "w", encoding="utf-8") as file:
        file.write(text + "\n")


if __name__ == "__main__":
    main()
