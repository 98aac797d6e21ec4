"""Every verb for photos on a folder such as people have: odd names, broken files, links in circles, what other programs left."""
import hashlib
import os
import shutil
import socket
import stat
import struct
import subprocess
import sys

import tiny_model
from harness import Case, main

ODD = [b"-rf.png", b"new\nline.png", b"caf\xe9 \x01.png", b"\xf0\x9f\x93\xb7 photo.png", b"it's \"quoted\" %20 \\ $HOME `x`.png",
       b"n" * 246 + b".png", b" .png", b"a;b&c|d.png", b"--go.png", b"PHOTO.PNG", b"no.dots.in.the.end.png", b"\xd7\xa9\xd7\x9c.png"]


NOTES = (b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
         b"<rdf:Description rdf:about='' xmlns:xmp='http://ns.adobe.com/xap/1.0/' xmp:Rating='3'/></rdf:RDF></x:xmpmeta>")


def read(path):
    with open(path, "rb") as file:
        return file.read()


def huge_tiff():
    """A picture of 30000 x 30000 px, of which the file holds nothing but the promise."""
    tags = [(256, 4, 1, 30000), (257, 4, 1, 30000), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8), (277, 3, 1, 1),
            (278, 4, 1, 30000), (279, 4, 1, 900000000)]
    return (b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) +
            b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4))


class Messy(Case):
    N = int(os.environ.get("WHATSIT_MESSY", 30))  # small files in one folder

    def setUp(self):
        super().setUp()
        shutil.copytree(os.path.join(Case.source, "heads"), os.path.join(self.share, "heads"), dirs_exist_ok=True)
        self.top = os.fsencode(self.path("photos"))
        self.build()
        self.ok("head", "new", "two", "--labels", "cat,dog")
        self.before = self.tree()
        os.utime(self.top)

    def put(self, name, data=None, like=None):
        path = os.path.join(self.top, os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if like:
            shutil.copy(like, path)
        else:
            with open(path, "wb") as file:
                file.write(data)
        return path

    def build(self):
        sample = lambda name: os.path.join(self.source, "samples", name + ".jpg")
        shelf = os.path.join(self.source, "tests", "image", "photographers")
        for i, name in enumerate(ODD):
            self.put(b"odd/" + name, tiny_model.png(30 + i, 24, 100 + i))
        whole = tiny_model.png(64, 64, 7)
        jpeg = read(sample("pizza"))
        for name, data in {"zero.jpg": b"", "text.jpg": b"no picture\n", "half.png": whole[:len(whole) // 3], "noise.webp": os.urandom(500),
                           "cut.jpg": jpeg[:len(jpeg) * 9 // 10], "head.jpg": jpeg[:3], "huge.tif": huge_tiff(),
                           "film.mp4": b"\0\0\0\x20ftypisom" + bytes(300), "page.gif": b"<html><body>not found</body></html>",
                           "link.png": b"version https://git-lfs.github.com/spec/v1\n"}.items():
            self.put("broken/" + name, data)
        self.put("wrong/png.jpg", whole)
        self.put("wrong/jpeg.png", like=sample("ambulance"))
        self.put("pairs/IMG_1.JPG", like=sample("schooner"))
        self.put("pairs/IMG_1.DNG", like=os.path.join(shelf, "preview.dng"))
        self.put("pairs/IMG_2.jpg", like=sample("hummingbird"))
        for name in ("IMG_2.MOV", "IMG_2.AAE", "IMG_2.jpg.supplemental-metadata.json"):
            self.put("pairs/" + name, b"belongs to it")
        self.put("pairs/IMG_2.xmp", NOTES)
        for place in ("@eaDir/SYNOPHOTO_THUMB_M.jpg", "#recycle/old.jpg", ".thumbnails/x.jpg", ".Trash-1000/files/y.jpg",
                      "$RECYCLE.BIN/z.jpg", "Thumbs.db", ".DS_Store", "desktop.ini", "._IMG_1.JPG"):
            self.put("litter/" + place, whole)
        self.put("litter/kept.png", tiny_model.png(40, 40, 8))
        self.put("deep/" + "d/" * 60 + "down.png", tiny_model.png(31, 31, 9))
        for i in range(self.N):
            self.put(f"many/{i:05}.png", tiny_model.png(8, 8, 1000 + i))
        self.put("twice/a.png", whole)
        self.put("twice/b.png", whole)
        os.link(os.path.join(self.top, b"twice/a.png"), os.path.join(self.top, b"twice/same file.png"))
        for name, to in (("loop", "."), ("up", ".."), ("dead.jpg", "nowhere.jpg"), ("itself.png", "itself.png"), ("a.png", "../twice/a.png")):
            os.makedirs(os.path.join(self.top, b"links"), exist_ok=True)
            os.symlink(to, os.path.join(self.top, b"links", os.fsencode(name)))
        os.makedirs(os.path.join(self.top, b"special", b"folder.jpg"))
        os.mkfifo(os.path.join(self.top, b"special", b"pipe.jpg"))
        here = os.getcwd()
        os.chdir(os.path.join(self.top, b"special"))  # an address of a socket is short
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind("socket.jpg")
        os.chdir(here)
        self.addCleanup(self.socket.close)
        os.chmod(self.put("special/read only.png", tiny_model.png(33, 33, 10)), 0o444)
        shut = os.path.join(self.top, b"special", b"shut")
        self.put("special/shut/in.png", tiny_model.png(34, 34, 11))
        os.chmod(shut, 0)
        self.addCleanup(os.chmod, shut, 0o755)

    def tree(self):
        """Everything that is there."""
        out = {}
        for where, folders, names in os.walk(self.top):
            for name in folders + names:
                path = os.path.join(where, name)
                info = os.lstat(path)
                held = (hashlib.sha256(read(path)).hexdigest() if stat.S_ISREG(info.st_mode)
                        else os.readlink(path) if stat.S_ISLNK(info.st_mode) else None)
                out[path] = (info.st_mode, held)
        return out

    def untouched(self):
        now = self.tree()
        self.assertEqual({k: v for k, v in now.items() if self.before.get(k) != v}, {})
        self.assertEqual([k for k in self.before if k not in now], [])

    def does(self, *words, status=(0, 1)):
        """It ends, without a crash or wrong usage, and says what it says in lines of its own."""
        result = self.run_cli(*words, timeout=300)
        self.assertIn(result.status, status, f"{words}: {result.err[-2000:]}")
        for line in result.error_lines():
            self.assertTrue(line.startswith("whatsit: ") or not line, f"{words}: {line!r}")
        return result

    def test_index_and_what_reads_it(self):
        first = self.does("index", self.top, "--json", status=(1,))
        run = first.json()[0]
        self.assertEqual(first.err.count("broken/text.jpg"), 1)
        self.assertNotIn("dead.jpg", first.err)
        self.assertIn("2 links to nothing", first.err)
        for word in ("hidden folders", "@eaDir", "links to folders", "companions of photos"):
            self.assertIn(word, first.err)
        again = self.does("index", "--json", status=(0, 1)).json()[0]
        self.assertEqual((again["new"], again["moved"], again["gone"], again["files"]), (0, 0, 0, run["files"]))
        status = self.ok("index", "--status", "--json").json()[0]
        self.assertEqual(status["files"], run["files"])
        found = self.ok("search", "x", "--min", "0", "--top", "100000", "--null").raw.split(b"\0")[:-1]
        contents = {self.before[path][1] for path in found}
        self.assertEqual(len(contents), len(found))  # a content once
        for name in ODD:
            self.assertIn(os.path.join(self.top, b"odd", name), found)
        self.assertIn(os.path.join(self.top, b"deep", *[b"d"] * 60, b"down.png"), found)
        for name in (b"odd/" + ODD[1], b"odd/" + ODD[2], b"odd/-rf.png"):
            like = self.ok("search", "--like", os.path.join(self.top, name), "--null", "--top", "1").raw
            self.assertEqual(like, os.path.join(self.top, name) + b"\0")
        for words in (["--csv"], ["--tsv"], ["--json"], ["--names"], [], ["--not", "people"], ["--as", "two", "--is", "cat"],
                      ["--folder", os.path.join(self.top, b"odd")], ["--orientation", "landscape"], ["--min-px", "30"],
                      ["--after", "1990"], ["--camera", "none"], ["--exact"], ["--html", self.path("page.html"), "--force"]):
            self.does("search", "something", "--min", "0", *words, status=(0,))
        for words in ([], ["--exact"], ["--scenes"], ["--json"], ["--html", self.path("twice.html"), "--force"], ["--link"],
                      ["--move-to", self.path("apart")]):
            self.does("duplicates", *words, status=(0,))
        pairs = [g["paths"] for g in self.ok("duplicates", "--exact", "--json").json()]
        base = os.fsdecode(self.top)
        self.assertIn([f"{base}/twice/a.png", f"{base}/twice/b.png", f"{base}/wrong/png.jpg"], pairs)
        self.untouched()

    def test_what_moves_and_comes_back(self):
        self.does("index", self.top, "--json")
        for words in (["duplicates", "--exact", "--move-to", self.path("apart"), "--go"], ["duplicates", "--exact", "--link", "--go"],
                      ["search", "x", "--min", "0", "--top", "1000", "--copy-to", self.path("copies")],
                      ["sort", self.top, "--as", "two", "--into", self.path("sorted"), "--go", "--move"],
                      ["sort", self.top, "--as", "two", "--into", self.path("sorted too"), "--go"]):
            done = self.does(*words)
            self.assertIn("--undo '", done.err, words)
            log = done.err.split("--undo '")[1].split("'\n")[0]
            self.does("duplicates" if words[0] == "duplicates" else "sort", "--undo", log, status=(0,))
            self.untouched()
            self.does("index", "--json")

    def test_keywords_and_back(self):
        if self.run_cli("tag", "--help").status != 0:
            self.skipTest("built without libexiv2")
        self.does("tag", self.top, "--as", "two", "--min", "0", "--dry-run")
        self.untouched()
        for style in ("full", "base"):
            lines = self.does("tag", self.top, "--as", "two", "--min", "0", "--sidecar", style, "--json").json()
            self.assertGreater(len(lines), 15)
            self.does("tag", self.top, "--undo", "--sidecar", style)
            # What a person's sidecar said is said still, in libexiv2's words; the rest is as it was.
            notes = os.path.join(self.top, b"pairs", b"IMG_2.xmp")
            self.assertIn(b'Rating="3"', read(notes))
            self.put("pairs/IMG_2.xmp", NOTES)
            self.untouched()
        self.does("tag", self.top, "--as", "two", "--min", "0", "--in-file")
        self.does("tag", self.top, "--undo", "--in-file")

    def test_what_answers_at_once(self):
        for words in ((self.top, "--labels", "a,b", "--json"), (self.top, "--labels", "a,b", "--csv"), ("rank", "--text", "x", self.top, "--json"),
                      ("rank", "--text", "x", self.top, "--names"), ("embed", self.top, "-f", "jsonl")):
            out = self.does(*words)
            self.assertGreater(len(out.lines()), 25, words)
            self.assertEqual(out.err.count("dead.jpg"), 1)
        self.untouched()

    def test_what_changes_while_it_is_read(self):
        """Whatever an index has read, after a last run it knows what is there."""
        path = self.put("many/changing.png", tiny_model.png(20, 20, 1))
        writer = subprocess.Popen([sys.executable, "-c", """if True:
            import sys
            sys.path.insert(0, sys.argv[2])
            import tiny_model
            kinds = [tiny_model.png(20 + i, 20, 50 + i) for i in range(4)]
            i = 0
            while True:
                i += 1
                with open(sys.argv[1], "wb") as file:
                    file.write(kinds[i % 4])
            """, path, os.path.dirname(os.path.abspath(__file__))])
        try:
            for _ in range(4):
                self.does("index", os.path.join(self.top, b"many"), "--json")
        finally:
            writer.kill()
            writer.wait()
        last = tiny_model.png(23, 20, 53)
        with open(path, "wb") as file:
            file.write(last)
        self.does("index", "--json", status=(0,))
        picture = self.write("last.png", last)
        best = self.ok("search", "--like", picture, "--json", "--top", "1").json()[0]
        self.assertEqual(best["path"], os.fsdecode(path))
        self.assertGreater(best["score"], 0.999)


if __name__ == "__main__":
    main()
