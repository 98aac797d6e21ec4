"""Called with SOURCE COMPILER. What goes with packages: the list of an archive's parts and what checks it, the Homebrew formula, winget's manifests."""
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE, COMPILER = sys.argv[1:3]
TOOLS = os.path.join(SOURCE, "tools")
THIRD_PARTY = "share/doc/whatsit/third-party"


def run(*words, **options):
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


class Parts(unittest.TestCase):
    """A small archive: a program that needs libpart.so.1, which a package brought."""

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="whatsit-packages-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.tree, self.list = os.path.join(self.dir, "tree"), os.path.join(self.dir, "list.spdx.json")
        for folder in ("bin", "lib/whatsit", THIRD_PARTY):
            os.makedirs(os.path.join(self.tree, folder))
        self.library = os.path.join(self.tree, "lib/whatsit/libpart.so.1")
        self.compile("int part(void) { return 0; }", "-shared", "-fPIC", "-Wl,-soname,libpart.so.1", to=self.library)
        self.compile("int part(void); int main(void) { return part(); }", self.library,
                     to=os.path.join(self.tree, "bin/whatsit"))
        with open(os.path.join(self.tree, THIRD_PARTY, "libpart1.txt"), "w") as file:
            file.write("License: Expat\n")
        with open(os.path.join(self.tree, THIRD_PARTY, "PACKAGES.tsv"), "w") as file:
            file.write("package\tversion\tarchitecture\tsource\tsource-version\thow\tfile\n"
                       "libc6\t2.36-9\tamd64\tglibc\t2.36-9\tsystem\t-\n"
                       "libpart1\t1:1.0~a-1\tamd64\tpart\t1:1.0~a-1\tcopied\tlib/whatsit/libpart.so.1\n")

    def compile(self, text, *words, to):
        done = run(COMPILER, "-x", "c", "-", "-x", "none", *words, "-o", to, input=text)
        self.assertEqual(done.returncode, 0, done.stderr)

    def write_list(self):
        done = run(sys.executable, os.path.join(TOOLS, "sbom.py"), self.tree, "--version", "1.2.3", "--output", self.list,
                   env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"})
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(self.list) as file:
            return json.load(file)

    def faults(self):
        done = run(sys.executable, os.path.join(TOOLS, "check_sbom.py"), self.tree, self.list)
        self.assertEqual(done.returncode != 0, bool(done.stderr), done.stderr)
        return done.stderr

    def refuses(self, what, document):
        with open(self.list, "w") as file:
            json.dump(document, file)
        self.assertIn(what, self.faults())

    def test_what_is_there_is_listed(self):
        document = self.write_list()
        self.assertEqual(self.faults(), "")
        self.assertEqual([package["name"] for package in document["packages"]], ["whatsit", "libc6", "libpart1"])
        self.assertIn("DYNAMIC_LINK", [r["relationshipType"] for r in document["relationships"]])
        self.assertEqual(document["creationInfo"]["created"], "2023-11-14T22:13:20Z")
        self.assertEqual(self.write_list(), document)

    def test_faults_of_the_list_are_found(self):
        whole = json.dumps(self.write_list())
        for key in ("documentNamespace", "creationInfo", "packages"):
            document = json.loads(whole)
            del document[key]
            self.refuses(f"the document has no {key}", document)
        document = json.loads(whole)
        del document["packages"][1]["licenseDeclared"]
        self.refuses("libc6: no licenseDeclared", document)
        document = json.loads(whole)
        del document["packages"][2]
        self.refuses("which package it is from", document)
        document = json.loads(whole)
        document["files"][0]["checksums"][1]["checksumValue"] = hashlib.sha256(b"other").hexdigest()
        self.refuses("another SHA256", document)
        document = json.loads(whole)
        document["packages"][1]["SPDXID"] = document["packages"][2]["SPDXID"]
        self.refuses("stands for two things", document)

    def test_links_stay_in_the_archive(self):
        os.symlink("lib/whatsit/libpart.so.1", os.path.join(self.tree, "part"))
        self.write_list()
        self.assertEqual(self.faults(), "")
        os.remove(os.path.join(self.tree, "part"))
        os.symlink("nothing", os.path.join(self.tree, "part"))
        self.assertIn("part: a link to nothing", self.faults())
        os.remove(os.path.join(self.tree, "part"))
        os.symlink(self.list, os.path.join(self.tree, "part"))
        done = run(sys.executable, os.path.join(TOOLS, "sbom.py"), self.tree, "--version", "1.2.3", "--output", self.list)
        self.assertIn("part", done.stderr)
        self.assertNotEqual(done.returncode, 0)

    def test_what_the_program_needs_is_compared(self):
        self.write_list()
        shutil.copy(self.library, os.path.join(self.tree, "lib/whatsit/libother.so.2"))
        self.assertIn("libother.so.2: not in the list", self.faults())
        self.write_list()
        self.assertIn("libother.so.2 is in the archive and nothing needs it", self.faults())
        os.remove(self.library)
        self.assertIn("libpart.so.1 is needed and not in the archive", self.faults())


class Formula(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="whatsit-formula-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.archive = os.path.join(self.dir, "whatsit.tar.gz")
        with open(self.archive, "wb") as file:
            file.write(b"some bytes")

    def write(self, url):
        return run(os.path.join(TOOLS, "formula.sh"), self.archive, url, "https://whatsit.example.org")

    def test_it_names_the_archive(self):
        done = self.write("https://whatsit.example.org/whatsit-0.1.0.tar.gz")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(hashlib.sha256(b"some bytes").hexdigest(), done.stdout)
        self.assertNotRegex(done.stdout, r"@[A-Z0-9]+@")
        self.assertRegex(done.stdout, r'version "\d+\.\d+\.\d+"')

    def test_ruby_reads_it(self):
        if not shutil.which("ruby"):
            self.skipTest("there is no ruby")
        path = os.path.join(self.dir, "whatsit.rb")
        with open(path, "w") as file:
            file.write(self.write("https://whatsit.example.org/whatsit-0.1.0.tar.gz").stdout)
        done = run("ruby", "-c", path)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_an_address_that_would_break_it_is_refused(self):
        for url in ('https://x/"; system("id")', "http://x/a.tar.gz", "https://x/a|b"):
            done = self.write(url)
            self.assertEqual((done.returncode, done.stdout), (2, ""), url)
            self.assertIn("formula.sh: ", done.stderr)


def fields(text):
    """A manifest's pairs: 'KEY: VALUE' lines, lists as their items' pairs. As much of YAML as the templates use."""
    found = {}
    for line in text.splitlines():
        match = re.match(r"^[ ]*(?:- )?([A-Za-z0-9]+):(?: (.*))?$", line)
        if match and not line.startswith("#"):
            found.setdefault(match[1], match[2] or "")
    return found


class Winget(unittest.TestCase):
    """The rules are those of winget's published schema 1.6.0 for manifests of several files."""
    NAME = r'[^.\s\\/:*?"<>|\x01-\x1f]{1,32}'
    REQUIRED = {
        "version": ["DefaultLocale"],
        "installer": ["Installers", "Architecture", "InstallerUrl", "InstallerSha256", "InstallerType",
                      "NestedInstallerType", "NestedInstallerFiles", "RelativeFilePath"],
        "defaultLocale": ["PackageLocale", "Publisher", "PackageName", "License", "ShortDescription"],
    }
    RULES = {
        "PackageIdentifier": rf"{NAME}(\.{NAME}){{1,7}}",
        "PackageVersion": r'[^\\/:*?"<>|\x01-\x1f]{1,128}',
        "ManifestVersion": r"1\.6\.0",
        "DefaultLocale": r"[a-zA-Z]{2,3}(-[a-zA-Z]{1,8})*",
        "PackageLocale": r"[a-zA-Z]{2,3}(-[a-zA-Z]{1,8})*",
        "MinimumOSVersion": r"\d{1,5}(\.\d{1,5}){0,3}",
        "Architecture": r"x86|x64|arm|arm64|neutral",
        "InstallerType": r"zip",
        "NestedInstallerType": r"portable",
        "InstallerUrl": r"https?://.{1,2040}",
        "InstallerSha256": r"[A-Fa-f0-9]{64}",
        "RelativeFilePath": r".{1,512}",
        "PortableCommandAlias": r".{1,40}",
        "PackageUrl": r"https?://.{1,2040}",
        "Publisher": r".{2,256}",
        "PackageName": r".{2,256}",
        "License": r".{3,512}",
        "ShortDescription": r".{3,256}",
        "Moniker": r".{1,40}",
    }

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="whatsit-winget-")
        self.addCleanup(shutil.rmtree, self.dir)
        with open(os.path.join(os.path.dirname(TOOLS), "CMakeLists.txt"), encoding="utf-8") as file:
            self.version = re.search(r"project\(whatsit VERSION ([0-9.]+)", file.read())[1]
        self.name = f"whatsit-{self.version}-windows-x86_64"
        self.archive = os.path.join(self.dir, self.name + ".zip")
        with open(self.archive, "wb") as file:
            file.write(b"some bytes")

    def write(self, url="https://whatsit.example.org/whatsit.zip", archive=None):
        return run(os.path.join(TOOLS, "winget.sh"), archive or self.archive, url, "https://whatsit.example.org",
                   os.path.join(self.dir, "out"))

    def test_the_manifests_keep_the_schemas_rules(self):
        done = self.write()
        self.assertEqual(done.returncode, 0, done.stderr)
        kinds = {}
        for name in sorted(os.listdir(os.path.join(self.dir, "out"))):
            with open(os.path.join(self.dir, "out", name), encoding="utf-8") as file:
                text = file.read()
            self.assertNotRegex(text, r"@[A-Z0-9]+@|\t")
            self.assertTrue(name.startswith("Whatsit.Whatsit."), name)
            found = fields(text)
            kinds[found["ManifestType"]] = found
            self.assertIn(f"winget-manifest.{found['ManifestType']}.1.6.0.schema.json", text)
            for key in ["PackageIdentifier", "PackageVersion", "ManifestVersion"] + self.REQUIRED[found["ManifestType"]]:
                self.assertIn(key, found, name)
            for key, rule in self.RULES.items():
                if key in found:
                    self.assertRegex(found[key], f"^(?:{rule})$", f"{name}: {key}")
        self.assertEqual(sorted(kinds), ["defaultLocale", "installer", "version"])
        self.assertEqual({k["PackageIdentifier"] for k in kinds.values()}, {"Whatsit.Whatsit"})
        self.assertEqual({k["PackageVersion"] for k in kinds.values()}, {self.version})
        installer = kinds["installer"]
        self.assertEqual(installer["InstallerSha256"], hashlib.sha256(b"some bytes").hexdigest())
        self.assertEqual(installer["InstallerUrl"], "https://whatsit.example.org/whatsit.zip")
        self.assertEqual(installer["RelativeFilePath"], self.name + "\\whatsit.exe")
        self.assertEqual(kinds["version"]["DefaultLocale"], kinds["defaultLocale"]["PackageLocale"])

    def test_what_would_be_false_is_refused(self):
        other = os.path.join(self.dir, "whatsit-9.9.9-windows-x86_64.zip")
        shutil.copy(self.archive, other)
        for done in (self.write(url="http://x/a.zip"), self.write(url="https://x/a\nb"), self.write(archive=other)):
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn("winget.sh: ", done.stderr)
        self.assertFalse(os.path.exists(os.path.join(self.dir, "out")))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
