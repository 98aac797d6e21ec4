"""Keywords written beside photos and into them, read back by other programs, and taken back."""
import json
import os
import shutil
import subprocess

from harness import Case, main


def segments(data):
    """A JPEG's segments before its picture: (marker, bytes); and the rest."""
    out, at = [], 2
    while data[at + 1] != 0xDA:
        n = int.from_bytes(data[at + 2:at + 4], "big")
        out.append((data[at + 1], data[at + 4:at + 2 + n]))
        at += 2 + n
    return out, data[at:]


class Tag(Case):
    def setUp(self):
        super().setUp()
        if self.run_cli("tag", "--help").status != 0:
            self.skipTest("built without libexiv2")
        self.folder = self.path("photos")
        os.makedirs(self.folder)
        self.photo = os.path.join(self.folder, "dog.jpg")
        shutil.copy(os.path.join(self.source, "samples", "bernese-mountain-dog.jpg"), self.photo)
        self.ok("head", "new", "kind", "--labels", "thing,other")
        self.bytes = self.read(self.photo)

    @staticmethod
    def read(path):
        with open(path, "rb") as file:
            return file.read()

    def tag(self, *words):
        return self.ok("tag", self.folder, "--as", "kind", "--top", "1", "--json", *words).json()[0]

    def by_exiv2(self, path, family):
        if not shutil.which("exiv2"):
            self.skipTest("exiv2 is not there to read it back")
        out = subprocess.run(["exiv2", f"-P{family}kv", path], stdout=subprocess.PIPE, text=True, check=False).stdout
        return sorted(" ".join(line.split(None, 1)) for line in out.splitlines())

    def test_raw_beside_its_picture(self):
        raw = self.write(os.path.join("photos", "dog.DNG"), b"the sensor's numbers")
        lines = self.ok("tag", self.folder, "--as", "kind", "--top", "1", "--json", "--in-file").json()
        self.assertEqual([line["target"] for line in lines], [self.photo, raw + ".xmp"])
        self.assertEqual(lines[0]["keywords"], lines[1]["keywords"])
        self.assertEqual(self.read(raw), b"the sensor's numbers")
        # A sidecar of both's stem is the one of both.
        self.ok("tag", self.folder, "--undo", "--in-file")
        self.assertFalse(lines[1]["keywords"][0]["keyword"].encode() in self.read(raw + ".xmp")
                         if os.path.exists(raw + ".xmp") else False)
        shutil.rmtree(self.folder)
        os.makedirs(self.folder)
        self.write(os.path.join("photos", "dog.jpg"), self.bytes)
        self.write(os.path.join("photos", "dog.DNG"), b"x")
        lines = self.ok("tag", self.folder, "--as", "kind", "--top", "1", "--json", "--sidecar", "base").json()
        self.assertEqual([line["target"] for line in lines], [os.path.join(self.folder, "dog.xmp")])

    def test_sidecar_and_undo(self):
        said = self.tag()
        sidecar = self.photo + ".xmp"
        self.assertEqual(said["target"], sidecar)
        word = said["keywords"][0]["keyword"]
        self.assertEqual(self.by_exiv2(sidecar, "X"),
                         [f"Xmp.dc.subject {word}", f"Xmp.lr.hierarchicalSubject whatsit|kind|{word}",
                          f"Xmp.whatsit.added {word}", "Xmp.whatsit.file 1"])
        again = self.tag()
        self.assertEqual((again["added"], again["removed"]), (0, 0))
        self.ok("tag", self.folder, "--undo")
        self.assertEqual(os.listdir(self.folder), ["dog.jpg"])
        self.assertEqual(self.read(self.photo), self.bytes)

    def test_what_others_wrote_stays(self):
        sidecar = os.path.join(self.folder, "dog.xmp")  # of the other style: it is used since it is there
        with open(sidecar, "w") as file:
            file.write("""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
              <rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
              xmp:Rating="4"><dc:subject><rdf:Bag><rdf:li>thing</rdf:li><rdf:li>other</rdf:li><rdf:li>mine</rdf:li></rdf:Bag>
              </dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>""")
        before = self.by_exiv2(sidecar, "X")
        said = self.tag()
        self.assertEqual((said["target"], said["added"]), (sidecar, 0))  # the person had the word already
        self.assertIn("Xmp.xmp.Rating 4", self.by_exiv2(sidecar, "X"))
        self.ok("tag", self.folder, "--undo")
        self.assertEqual(self.by_exiv2(sidecar, "X"), before)

    def test_in_file_only_the_keywords_change(self):
        self.assertEqual(self.tag("--in-file")["target"], self.photo)
        tagged = self.read(self.photo)
        old, old_picture = segments(self.bytes)
        new, new_picture = segments(tagged)
        self.assertEqual(new_picture, old_picture)
        added = [s for s in new if s not in old]
        self.assertEqual([s for s in new if s in old], old)
        self.assertTrue(all(marker == 0xE1 and data.startswith(b"http://ns.adobe.com/xap/1.0/\0") or
                            marker == 0xED and data.startswith(b"Photoshop 3.0\0") for marker, data in added), added)
        self.assertEqual(os.listdir(self.folder), ["dog.jpg"])
        self.ok("tag", self.folder, "--in-file", "--undo")
        left, picture = segments(self.read(self.photo))
        self.assertEqual((left, picture), (old, old_picture))

    def test_another_head_replaces_nothing_and_the_same_one_itself(self):
        self.tag()
        self.ok("head", "new", "second", "--labels", "alpha,beta")
        self.ok("tag", self.folder, "--as", "second", "--top", "1")
        both = self.by_exiv2(self.photo + ".xmp", "X")
        self.assertTrue(any("whatsit|kind|" in line and "whatsit|second|" in line for line in both), both)
        self.ok("head", "new", "kind", "--labels", "new word,other word", "--force")
        said = self.tag()
        self.assertEqual((said["added"], said["removed"]), (1, 1))
        self.ok("tag", self.folder, "--undo", "--as", "kind")
        self.assertIn("whatsit|second|", " ".join(self.by_exiv2(self.photo + ".xmp", "X")))

    def test_dry_run_and_mistakes(self):
        self.assertEqual(self.tag("--dry-run")["written"], False)
        self.assertEqual(os.listdir(self.folder), ["dog.jpg"])
        self.wrong("tag", self.folder, "--min", "2", says="from 0 to 1")
        self.wrong("tag", self.folder, "--in-file", "--sidecar", "base", says="exclude each other")
        bmp = self.write("photos/x.bmp", b"BM" + bytes(100))
        result = self.run_cli("tag", bmp, "--in-file", "--undo")
        self.assertEqual(result.status, 1)
        self.assertIn("x.bmp", result.err)
        self.assertEqual(self.read(bmp), b"BM" + bytes(100))

    def by_exiftool(self, path):
        if not shutil.which("exiftool"):
            self.skipTest("exiftool is not there to read it back")
        out = subprocess.run(["exiftool", "-j", "-a", "-G1", "-XMP-dc:Subject", "-IPTC:Keywords", "-XMP-lr:HierarchicalSubject",
                              "-validate", path], stdout=subprocess.PIPE, text=True, check=True).stdout
        return json.loads(out)[0]

    def test_exiftool_reads_the_same(self):
        word = self.tag()["keywords"][0]["keyword"]
        said = self.by_exiftool(self.photo + ".xmp")
        self.assertEqual((said["XMP-dc:Subject"], said["XMP-lr:HierarchicalSubject"]), (word, f"whatsit|kind|{word}"))
        self.ok("tag", self.folder, "--undo")
        before = self.by_exiftool(self.photo).get("ExifTool:Validate")
        self.tag("--in-file")
        said = self.by_exiftool(self.photo)
        self.assertEqual((said["XMP-dc:Subject"], said["IPTC:Keywords"]), (word, word))
        self.assertEqual(said.get("ExifTool:Validate"), before)  # no new fault in the file

    def test_thresholds_of_heads(self):
        self.ok("head", "new", "second", "--labels", "alpha,beta")
        words = ["tag", self.folder, "--as", "kind", "--as", "second", "--top", "1", "--dry-run", "--json"]

        def heads(*more):
            return [k["head"] for k in self.ok(*words, *more).json()[0]["keywords"]]

        self.assertEqual(heads("--min", "0"), ["kind", "second"])
        self.assertEqual(heads("--min", "1", "--min", "second=0"), ["second"])
        self.assertEqual(heads("--min", "kind=0", "--min", "second=1"), ["kind"])
        self.wrong(*words, "--min", "other=0.5", says="no --as names this head")
        self.wrong(*words, "--min", "kind=2", says="from 0 to 1")

    def test_words_of_another_language_and_a_prefix(self):
        sidecar = self.photo + ".xmp"
        english = self.tag()["keywords"][0]["keyword"]
        german = {"thing": "Gegenstand", "other": "Übriges"}
        file = self.write("german.tsv", "".join(f"{k}\t{v}\n" for k, v in german.items()))
        self.assertEqual(self.tag("--words", file, "--prefix", "Fotos")["keywords"][0]["keyword"], german[english])
        read = self.by_exiv2(sidecar, "X")
        self.assertIn(f"Xmp.dc.subject {german[english]}", read)
        self.assertIn(f"Xmp.lr.hierarchicalSubject Fotos|kind|{german[english]}", read)
        self.assertNotIn(english, " ".join(read))
        # Another head under the usual prefix stands beside it; all of it is taken back whatever it was called.
        self.ok("head", "new", "second", "--labels", "alpha,beta")
        self.ok("tag", self.folder, "--as", "second", "--top", "1")
        both = " ".join(self.by_exiv2(sidecar, "X"))
        self.assertIn("Fotos|kind|", both)
        self.assertIn("whatsit|second|", both)
        self.ok("tag", self.folder, "--undo", "--as", "kind")
        left = " ".join(self.by_exiv2(sidecar, "X"))
        self.assertNotIn("Fotos", left)
        self.assertIn("whatsit|second|", left)
        self.ok("tag", self.folder, "--undo")
        self.assertEqual(os.listdir(self.folder), ["dog.jpg"])
        self.wrong("tag", self.folder, "--prefix", "a|b", says="without '|'")
        self.fails("tag", self.folder, "--words", self.write("bad.tsv", "no tab\n"), says="no label, tab and word")

    def with_describer(self):
        models = os.path.join(self.source, "models")
        if not os.path.exists(os.path.join(models, "whatsit-describe.gguf")):
            self.skipTest("models/whatsit-describe.gguf is not there")
        for name in os.listdir(models):
            if name.endswith((".gguf", ".txt")):
                os.symlink(os.path.join(models, name), os.path.join(self.share, "models", name))
        del self.env["WHATSIT_MODEL"]
        shutil.copy(os.path.join(self.source, "samples", "pizza.jpg"), self.photo)
        self.bytes = self.read(self.photo)

    def describe(self, *words):
        return self.ok("tag", self.photo, "--top", "1", "--json", "--describe", *words).json()[0]

    def test_a_sentence_as_description(self):
        self.with_describer()
        told = self.ok("describe", self.photo, "--json").json()[0]["captions"][0]["text"]
        self.assertEqual(self.describe("--dry-run")["description"], told)
        self.assertEqual(os.listdir(self.folder), ["dog.jpg"])
        said = self.describe()
        self.assertEqual((said["description"], said["described"]), (told, True))
        sidecar = self.photo + ".xmp"
        self.assertIn(f'Xmp.dc.description lang="x-default" {told}', self.by_exiv2(sidecar, "X"))
        written = self.read(sidecar)
        self.assertEqual((self.describe()["described"], self.read(sidecar)), (False, written))
        self.ok("tag", self.photo, "--undo", "--as", "everyday")  # keywords of a head alone
        self.assertIn(told, " ".join(self.by_exiv2(sidecar, "X")))
        self.ok("tag", self.photo, "--undo")
        self.assertEqual(os.listdir(self.folder), ["dog.jpg"])
        self.assertTrue(self.describe("--in-file")["described"])
        self.assertIn(f'Xmp.dc.description lang="x-default" {told}', self.by_exiv2(self.photo, "X"))
        self.ok("tag", self.photo, "--undo", "--in-file")
        self.assertEqual(segments(self.read(self.photo)), segments(self.bytes))

    def test_what_a_person_wrote_about_it_stays(self):
        self.with_describer()
        sidecar = os.path.join(self.folder, "dog.xmp")
        with open(sidecar, "w") as file:
            file.write("""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
              <rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:description><rdf:Alt>
              <rdf:li xml:lang="x-default">our first pizza</rdf:li></rdf:Alt></dc:description></rdf:Description></rdf:RDF></x:xmpmeta>""")
        before = self.by_exiv2(sidecar, "X")
        self.assertFalse(self.describe()["described"])
        self.assertIn('Xmp.dc.description lang="x-default" our first pizza', self.by_exiv2(sidecar, "X"))
        self.ok("tag", self.photo, "--undo")
        self.assertEqual(self.by_exiv2(sidecar, "X"), before)
        self.wrong("tag", self.photo, "--describer", "x", says="goes with --describe")

    def test_dates_and_cameras_can_be_searched(self):
        exif = (b"Exif\0\0II*\0\x08\0\0\0\x03\0" b"\x0f\x01\x02\0\x06\0\0\0\x32\0\0\0" b"\x10\x01\x02\0\x08\0\0\0\x38\0\0\0"
                b"\x32\x01\x02\0\x14\0\0\0\x40\0\0\0" b"\0\0\0\0" b"Canon\0" b"EOS R5\0\0" b"2019:07:14 12:00:00\0")
        with open(self.photo, "wb") as file:
            file.write(self.bytes[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + self.bytes[2:])
        shutil.copy(self.picture(1), self.folder)
        self.ok("index", self.folder)

        def found(*words):
            return [l["path"] for l in self.ok("search", "x", "--min", "0", "--json", *words).json()]

        self.assertEqual(found("--camera", "canon eos"), [self.photo])
        self.assertEqual(found("--after", "2019-07-14", "--before", "2019-07-15"), [self.photo])
        self.assertEqual(found("--before", "2019-07-14"), [])


if __name__ == "__main__":
    main()
