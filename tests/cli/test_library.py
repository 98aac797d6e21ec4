"""The library of photos: made, kept up to date, searched, and whole after whatever happened to it."""
import json
import os
import random
import shutil
import signal
import sqlite3
import struct
import subprocess
import time

import pictures
import tiny_model
from harness import Case, main


class Library(Case):
    def setUp(self):
        super().setUp()
        self.photos = self.path("photos")
        os.makedirs(os.path.join(self.photos, "deep", "er"))
        shutil.copytree(os.path.join(Case.source, "heads"), os.path.join(self.share, "heads"), dirs_exist_ok=True)
        self.places = ["a.png", "b.png", "deep/c.png", "deep/er/d.png"]
        for i, place in enumerate(self.places):
            shutil.copy(self.picture(i), os.path.join(self.photos, place))

    def place(self, name):
        return os.path.join(self.photos, name)

    def index(self, *words, **options):
        """What the run did, from its JSON line."""
        return self.ok("index", *words, "--json", **options).json()[-1]

    def found(self, *words):
        return [line["path"] for line in self.ok("search", *words, "--json", "--min", "0").json()]

    def did(self, run, new=0, moved=0, gone=0):
        self.assertEqual((run["new"], run["moved"], run["gone"]), (new, moved, gone), run)

    def test_only_what_is_new_is_embedded(self):
        self.did(self.index(self.photos), new=4)
        self.did(self.index())
        shutil.copy(self.picture(4), self.place("deep/e.png"))
        self.did(self.index(), new=1)
        self.assertEqual(sorted(self.found("something")), sorted(self.place(p) for p in self.places + ["deep/e.png"]))

    def test_a_photo_is_found_by_itself_and_scores_are_cosines(self):
        self.index(self.photos)
        lines = self.ok("search", "--like", self.picture(2), "--json").json()
        self.assertEqual(lines[0]["path"], self.place("deep/c.png"))
        self.assertAlmostEqual(lines[0]["score"], 1, places=3)
        self.assertEqual([l["score"] for l in lines], sorted((l["score"] for l in lines), reverse=True))
        ranked = self.ok("rank", "--text", "a thing", *(self.place(p) for p in self.places), "--json").json()
        searched = self.ok("search", "a", "thing", "--min", "0", "--json").json()
        for one, other in zip(ranked, searched):
            self.assertAlmostEqual(one["score"], other["score"], places=2)

    def test_what_was_indexed_is_not_read_again(self):
        places = [self.place(p) for p in self.places]
        before = self.ok("rank", "--text", "a thing", *places, "--json").json()
        shutil.rmtree(self.path("home", ".cache"))
        self.index(self.photos)
        for place in places:  # no picture any more, and unchanged for whoever looks at size, time and inode
            info = os.stat(place)
            with open(place, "r+b") as file:
                file.write(b"x" * info.st_size)
            os.utime(place, ns=(info.st_atime_ns, info.st_mtime_ns))
        after = self.ok("rank", "--text", "a thing", *places, "--json").json()
        self.assertEqual([line["image"] for line in after], [line["image"] for line in before])
        for one, other in zip(before, after):
            self.assertAlmostEqual(one["score"], other["score"], places=3)
        self.assertEqual(len(self.ok(self.photos, "--labels", "a,b", "--json").json()), 4)
        self.ok("head", "new", "two", "--labels", "a,b")
        self.ok("sort", "--as", "two", self.photos, "--into", self.path("sorted"), "--go")
        # Read in another way, they are read.
        self.assertNotEqual(self.run_cli("rank", "--text", "a thing", *places, "--no-exif").status, 0)
        os.utime(places[0])
        self.assertIn(places[0], self.run_cli("rank", "--text", "a thing", *places).err)

    def test_a_raw_photo_counts_with_its_picture(self):
        with open(os.path.join(self.source, "tests", "image", "photographers", "preview.dng"), "rb") as file:
            self.write("photos/b.dng", b"no picture")
            self.write("photos/e.dng", file.read())
        first = self.index(self.photos)
        if first["files"] == 4:
            self.skipTest("built without libraw")
        self.did(first, new=5)  # e.dng stands alone, b.dng belongs to b.png
        shutil.copy(self.picture(5), self.place("e.png"))
        self.did(self.index(), new=1, gone=1)
        self.assertNotIn(self.place("e.dng"), self.found("something"))

    def test_what_is_done_with_found_photos(self):
        self.write("photos/deep/c.xmp", b"notes")
        self.index(self.photos)
        page, copies, seen = self.path("found.html"), self.path("copies"), self.path("seen")
        viewer = self.write("viewer", "#!/bin/sh\nprintf '%s\\n' \"$@\" > " + seen + ".part && mv " + seen + ".part " + seen)
        os.chmod(viewer, 0o755)
        words = ["search", "a <thing>", "--min", "0", "--html", page, "--copy-to", copies, "--open"]
        result = self.ok(*words, env={"WHATSIT_VIEWER": viewer})
        with open(page) as file:
            html = file.read()
        self.assertIn("a &lt;thing&gt;", html)
        self.assertEqual(html.count("data:image/png;base64,"), 4)
        for place in self.places:
            self.assertIn("file://" + self.place(place), html)
        self.assertEqual(sorted(n for n in os.listdir(copies) if not n.endswith(".tsv")),
                         ["a.png", "b.png", "c.png", "c.xmp", "d.png"])
        for _ in range(200):
            if os.path.exists(seen):
                break
            time.sleep(0.05)
        with open(seen) as file:
            self.assertEqual(sorted(file.read().split()), sorted(self.place(p) for p in self.places))
        self.fails(*words, status=1, says="--force")  # the page is there
        log = [n for n in os.listdir(copies) if n.endswith(".tsv")][0]
        self.ok("sort", "--undo", os.path.join(copies, log))
        self.assertEqual(os.listdir(copies), [log])
        self.fails("search", "x", "--min", "0", "--open", env={"WHATSIT_VIEWER": self.path("none")}, status=1,
                   says="is not installed")
        self.assertIn("take it back", result.err)

    def test_what_is_done_with_duplicates(self):
        shutil.copy(self.place("a.png"), self.place("deep/again.png"))
        self.write("photos/deep/again.xmp", b"notes")
        self.index(self.photos)
        page, apart = self.path("twice.html"), self.path("apart")
        groups = self.ok("duplicates", "--exact", "--html", page, "--json").json()
        self.assertEqual([(g["kind"], g["keep"]) for g in groups], [("equal", self.place("a.png"))])
        with open(page) as file:
            self.assertIn(self.place("deep/again.png"), file.read())
        # Nothing without --go.
        self.assertIn("1 file would be moved", self.ok("duplicates", "--exact", "--move-to", apart).err)
        self.assertFalse(os.path.exists(apart))
        err = self.ok("duplicates", "--exact", "--move-to", apart, "--go").err
        self.assertEqual(sorted(n for n in os.listdir(apart) if not n.endswith(".tsv")), ["again.png", "again.xmp"])
        self.assertTrue(os.path.exists(self.place("a.png")))
        self.ok("duplicates", "--undo", err.split("--undo '")[1].split("'")[0])
        self.assertTrue(os.path.exists(self.place("deep/again.png")))
        self.assertTrue(os.path.exists(self.place("deep/again.xmp")))
        # Equal bytes become one file, and two again.
        self.index()
        err = self.ok("duplicates", "--exact", "--link", "--go").err
        a, again = os.stat(self.place("a.png")), os.stat(self.place("deep/again.png"))
        self.assertEqual(a.st_ino, again.st_ino)
        self.ok("duplicates", "--undo", err.split("--undo '")[1].split("'")[0])
        self.assertNotEqual(os.stat(self.place("a.png")).st_ino, os.stat(self.place("deep/again.png")).st_ino)
        with open(self.place("a.png"), "rb") as one, open(self.place("deep/again.png"), "rb") as other:
            self.assertEqual(one.read(), other.read())
        self.wrong("duplicates", "--go", says="--go goes with")
        self.wrong("duplicates", "--link", "--move-to", apart, says="exclude each other")

    def test_links_are_no_copies(self):
        os.symlink("b.png", self.place("a link.png"))
        os.link(self.place("b.png"), self.place("another name.png"))
        self.index(self.photos)
        self.assertEqual(self.ok("duplicates", "--exact", "--json").json(), [])
        shutil.copy(self.place("b.png"), self.place("copy.png"))
        self.index()
        groups = self.ok("duplicates", "--exact", "--json").json()
        self.assertEqual([g["paths"] for g in groups], [[self.place("another name.png"), self.place("copy.png")]])
        self.ok("duplicates", "--exact", "--move-to", self.path("apart"), "--go")
        self.assertEqual(os.listdir(self.photos).count("copy.png"), 0)
        for name in ("a link.png", "b.png", "another name.png"):
            self.assertTrue(os.path.exists(self.place(name)), name)

    def test_moved_renamed_copied_changed_and_gone(self):
        self.index(self.photos)
        os.rename(self.place("a.png"), self.place("deep/renamed.png"))
        shutil.copy(self.place("b.png"), self.place("copy of b.png"))
        os.remove(self.place("deep/c.png"))
        shutil.copy(self.picture(5), self.place("deep/er/d.png"))
        self.did(self.index(), new=1, moved=2, gone=2)
        self.assertEqual(sorted(self.found("x")),
                         sorted(map(self.place, ["deep/renamed.png", "b.png", "deep/er/d.png"])))
        self.assertEqual(self.ok("duplicates", "--exact", "--json").json(),
                         [{"kind": "equal", "keep": self.place("b.png"), "why": "any: they are equal",
                           "paths": [self.place("b.png"), self.place("copy of b.png")]}])

    def test_a_drive_that_is_away_keeps_its_photos(self):
        self.index(self.photos)
        os.rename(self.photos, self.path("unplugged"))
        self.assertEqual(self.index()["folders_away"], 1)
        os.makedirs(self.photos)  # a mount point without its drive
        self.assertEqual(self.index()["folders_away"], 1)
        os.rmdir(self.photos)
        os.rename(self.path("unplugged"), self.photos)
        self.did(self.index())
        self.assertEqual(len(self.found("x")), 4)

    def test_folders_inside_each_other_and_forgotten_ones(self):
        self.index(self.place("deep"))
        self.did(self.index(self.photos), new=2)  # deep becomes part of it
        self.did(self.index(self.place("deep/er")))
        status = self.ok("index", "--status", "--json").json()[0]
        self.assertEqual(status["folders"], [{"path": self.photos, "files": 4}])
        self.fails("index", "--forget", self.place("deep"), says="is no folder of library")
        self.ok("index", "--forget", self.photos)
        self.assertEqual(self.found("x"), [])
        self.did(self.index(self.photos), moved=4)  # the vectors are still known

    def test_unreadable_pictures_are_told_once_and_not_tried_again(self):
        self.write("photos/junk.png", b"no picture at all")
        os.symlink("nowhere.png", self.place("link.png"))
        first = self.run_cli("index", self.photos, "--json")
        self.assertEqual((first.status, first.json()[0]["unreadable"]), (1, 1))
        self.assertIn("junk.png", first.err)
        self.assertEqual(first.json()[0]["files"], 5)  # a link to nothing is no photo
        self.assertIn("left out: 1 link to nothing", first.err)
        self.assertEqual(self.index()["unreadable"], 0)
        again = self.run_cli("index", "--rebuild", "--json")  # as after an upgrade
        self.assertEqual((again.json()[0]["new"], again.json()[0]["unreadable"]), (4, 1))
        self.assertEqual(self.ok("index", "--status", "--json").json()[0]["unreadable"], 1)
        shutil.copy(self.picture(4), self.place("junk.png"))
        self.did(self.index(), new=1)

    def test_names_that_are_no_text(self):
        odd = os.path.join(os.fsencode(self.photos), b"caf\xe9 \n\x01.png")
        shutil.copy(self.picture(5), odd)
        self.index(self.photos)
        out = self.ok("search", "--like", self.picture(5), "--null", "--top", "1").raw
        self.assertEqual(out, odd + b"\0")
        form = self.photos + "/caf%E9%20%0A%01.png"
        best = self.ok("search", "--like", self.picture(5), "--json", "--top", "1").json()[0]
        self.assertEqual(best["path_bytes"], form)
        shutil.copy(odd, os.path.join(os.fsencode(self.photos), b"zweites.png"))
        self.index(self.photos)
        group = self.ok("duplicates", "--exact", "--json").json()[0]
        self.assertEqual((group["keep_bytes"], group["path_bytes"]), (form, [form, self.place("zweites.png")]))
        self.assertIn("keep " + self.photos + "/caf? ??.png", self.ok("duplicates", "--exact").out)

    def test_filters(self):
        for name, size in (("wide.png", (64, 32)), ("tall.png", (32, 64)), ("big.png", (300, 300))):
            self.write(f"photos/{name}", tiny_model.png(*size, 9))
        self.index(self.photos)
        os.utime(self.place("wide.png"), (1e9, 1e9))  # 2001-09-09
        self.index()
        self.assertEqual(self.found("x", "--orientation", "portrait"), [self.place("tall.png")])
        self.assertIn(self.place("wide.png"), self.found("x", "--orientation", "landscape"))
        self.assertEqual(self.found("x", "--min-px", "200"), [self.place("big.png")])
        self.assertEqual(self.found("x", "--before", "2001-09-10"), [self.place("wide.png")])
        self.assertEqual(self.found("x", "--before", "2001-09-09"), [])
        self.assertEqual(self.found("x", "--after", "2001-09", "--before", "2001-10"), [self.place("wide.png")])
        self.assertEqual(sorted(self.found("x", "--folder", self.place("deep"))),
                         [self.place("deep/c.png"), self.place("deep/er/d.png")])
        self.assertEqual(self.found("x", "--folder", self.place("dee")), [])
        self.wrong("search", "x", "--after", "yesterday", says="2024-05-31")
        self.wrong("search", "x", "--orientation", "round", says="landscape")

    def test_head_and_label(self):
        self.index(self.photos)
        self.ok("head", "new", "two", "--labels", "cat,dog")
        both = sum((self.found("x", "--as", "two", "--is", label) for label in ("cat", "dog")), [])
        self.assertEqual(len(both), 4)
        lines = self.ok("search", "--as", "two", "--is", "cat", "--json").json()
        for line in lines:
            self.assertEqual(self.ok(line["path"], "--as", "two", "--json", "--top", "1").json()[0]["heads"][0]
                             ["answers"][0]["label"], "cat")
        self.wrong("search", "x", "--as", "two", "--is", "dgo", says="did you mean 'dog'")
        self.wrong("search", "x", "--is", "dog", says="--as HEAD and --is LABEL go together")

    def test_many_queries_at_once(self):
        self.index(self.photos)
        texts = ["a dog on a beach", "two cats", "x"]
        file = self.write("queries.txt", "\n".join(texts) + "\n")
        lines = self.ok("search", "--queries", file, "--min", "0", "--top", "2").json()
        self.assertEqual([l["query"] for l in lines], [t for t in texts for _ in range(2)])
        for text in texts:
            alone = self.ok("search", text, "--min", "0", "--top", "2", "--json").json()
            together = [l for l in lines if l["query"] == text]
            self.assertEqual([l["path"] for l in together], [l["path"] for l in alone])
            for one, other in zip(together, alone):
                self.assertAlmostEqual(one["score"], other["score"], places=5)
                self.assertAlmostEqual(one["confidence"], other["confidence"], places=5)
        self.wrong("search", "--queries", file, "words", says="leave the words out")
        self.wrong("search", "--queries", file, "--csv", says="leave --csv out")
        self.fails("search", "--queries", self.path("none"), says="none")

    def test_what_is_excluded_stays_out(self):
        self.index(self.photos)
        self.did(self.index("--exclude", "er", "--exclude", "b.*"), gone=2)
        self.did(self.index())
        self.assertEqual(sorted(self.found("x")), [self.place("a.png"), self.place("deep/c.png")])
        self.assertEqual(self.ok("index", "--status", "--json").json()[0]["excluded"], ["b.*", "er"])
        self.assertIn("excluded  b.*\n", self.ok("index", "--status").out)
        self.did(self.index("--include", "er"), moved=1)
        self.assertEqual(len(self.found("x")), 3)
        self.fails("index", "--include", "er", says="is not excluded")

    def test_mistakes(self):
        self.fails("search", "x", says="whatsit index DIR")
        self.wrong("search", says="needs words")
        self.wrong("search", "", " ", says="the words are empty")
        self.fails("index", self.path("nowhere"), says="there is no such folder")
        self.wrong("index", "--library", "../up", says="cannot be the name")
        self.wrong("index", "--status", self.photos, says="changes nothing")
        self.index(self.photos)
        other = self.path("other")
        tiny_model.write_model(other, seed=5)
        self.fails("search", "x", "--model", other, says="run 'whatsit index' with this model")
        self.did(self.index("--model", other), new=4)  # side by side
        self.assertEqual(len(self.found("x")), 4)

    def test_vectors_that_are_gone_are_told_and_made_anew(self):
        self.index(self.photos)
        folder = self.data_path("libraries", "photos")
        for name in os.listdir(folder):
            if name.endswith(".s8"):
                os.truncate(os.path.join(folder, name), 200)
        self.fails("search", "x", says="--rebuild")
        self.fails("index", says="--rebuild")
        self.did(self.index("--rebuild"), new=4)
        self.assertEqual(len(self.found("x")), 4)

    def test_one_writes_at_a_time(self):
        self.index(self.photos)
        watcher = self.start("index", "--watch")
        try:
            while b"watching" not in watcher.stderr.readline():
                pass
            self.fails("index", says="another process is writing")
            self.assertEqual(len(self.found("x")), 4)  # reading goes on
            shutil.copy(self.picture(4), self.place("new.png"))
            until = time.time() + 60
            while len(self.found("x")) < 5 and time.time() < until:
                time.sleep(0.2)
            self.assertEqual(len(self.found("x")), 5)
        finally:
            watcher.send_signal(signal.SIGINT)
            watcher.communicate(timeout=60)
        self.assertEqual(watcher.returncode, 130)

    def test_no_room_names_the_file(self):
        self.index(self.photos)
        self.write("photos/new.png", tiny_model.png(24, 24, 77))
        for limit in (0, 20000):
            self.fails("index", file_limit=limit, says=self.data_path("libraries", "photos", "catalog.db") + ": ")


class Approximate(Case):
    """Search by the approximate index, against a pass over all vectors."""

    ROWS = 10000

    def setUp(self):
        super().setUp()
        self.photos = self.path("photos")
        os.makedirs(self.photos)
        shutil.copytree(os.path.join(Case.source, "heads"), os.path.join(self.share, "heads"), dirs_exist_ok=True)
        for i in range(4):
            shutil.copy(self.picture(i), self.photos)
        self.ok("index", self.photos)

    def library(self, ending):
        folder = self.data_path("libraries", "photos")
        return [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(ending)]

    def grow(self):
        """As if there were thousands of photos, on a drive that is away: some like the four, most like nothing."""
        dice = random.Random(1)
        s8, f16 = self.library(".s8")[0], self.library(".f16")[0]
        with open(f16, "rb") as file:
            dim = struct.unpack("<I", file.read(128)[12:16])[0]
            known = [struct.unpack(f"<{dim}e", file.read(2 * dim)) for _ in range(4)]
        with open(s8, "ab") as narrow, open(f16, "ab") as wide, \
                sqlite3.connect(self.library("catalog.db")[0]) as db:
            model = db.execute("SELECT id FROM model").fetchone()[0]
            folder = db.execute("INSERT INTO root (path) VALUES (?)", (b"/none",)).lastrowid
            for i in range(4, self.ROWS):
                row = [x + dice.gauss(0, 0.03) for x in known[i % 4]] if i < 200 else [dice.gauss(0, 1) for _ in range(dim)]
                length = sum(x * x for x in row) ** 0.5
                row = [x / length for x in row]
                largest = max(map(abs, row))
                narrow.write(struct.pack(f"<{dim}b", *(round(x / largest * 127) for x in row)) + bytes(-dim % 4)
                             + struct.pack("<f", largest / 127))
                wide.write(struct.pack(f"<{dim}e", *row))
                db.execute("INSERT INTO content (id, sha, n_bytes, width, height) VALUES (?, ?, 1, 1, 1)",
                           (1000 + i, i.to_bytes(32, "little")))
                db.execute("INSERT INTO file (content, root, path, n_bytes, mtime_ns, inode) VALUES (?, ?, ?, 1, 1, 1)",
                           (1000 + i, folder, b"/none/%05d.png" % i))
                db.execute("INSERT INTO vector (model, row, content) VALUES (?, ?, ?)", (model, i, 1000 + i))
            db.execute("UPDATE model SET n_rows = ?", (self.ROWS,))

    def found(self, *words):
        return [l["path"] for l in self.ok("search", *words, "--json", "--min", "0").json()]

    def test_not_built_in_or_too_few(self):
        self.fails("index", "--approximate", "--quiet",
                   says="needs 10,000 vectors" if self.faiss else "is not in this installation")
        self.assertEqual(self.library(".ivf"), [])

    def test_it_finds_what_a_pass_finds(self):
        if not self.faiss:
            self.skipTest("built without faiss")
        self.grow()
        self.ok("index", "--approximate")
        self.assertEqual(len(self.library(".ivf")), 1)
        agreed = total = 0
        for i in range(4):
            exact = self.found("--like", self.picture(i), "--exact")
            agreed += len(set(exact) & set(self.found("--like", self.picture(i))))
            total += len(exact)
        self.assertEqual(total, 80)
        self.assertGreaterEqual(agreed, 72, agreed)
        # What comes later is found, before the file is made anew.
        shutil.copy(self.picture(5), self.path("photos", "new.png"))
        before = os.stat(self.library(".ivf")[0]).st_mtime_ns
        self.ok("index")
        self.assertEqual(os.stat(self.library(".ivf")[0]).st_mtime_ns, before)
        self.assertEqual(self.found("--like", self.picture(5))[0], self.path("photos", "new.png"))
        # A file that cannot be used is told, and made anew.
        near = self.library(".ivf")[0]
        with open(near, "rb") as file:
            whole = file.read()
        exact = self.found("--like", self.picture(1), "--exact")
        for broken, why in ((whole[:-1000], "is no approximate index"), (whole[:-64] + bytes(64), "was made of other vectors"),
                            (whole[:100] + whole[-112:], "is no approximate index"),
                            (bytes(100) + whole[100:], "faiss cannot read it")):
            with open(near, "wb") as file:
                file.write(broken)
            result = self.ok("search", "--like", self.picture(1), "--json", "--min", "0")
            self.assertIn(why, result.err)
            self.assertIn("all vectors are read", result.err)
            self.assertEqual([l["path"] for l in result.json()], exact)
        with open(near, "wb") as file:
            file.write(whole[:-1000])
        self.ok("index")
        self.assertNotIn("all vectors", self.ok("search", "--like", self.picture(1), "--min", "0").err)
        self.ok("index", "--rebuild")
        self.assertEqual(self.library(".ivf"), [])


class InWords(Case):
    """Sentences about photos are kept, and photos are found by them as well. By the shipped describer, where it is there."""

    def setUp(self):
        super().setUp()
        shipped = os.path.join(self.source, "models")
        if not os.path.exists(os.path.join(shipped, "whatsit-describe.gguf")):
            self.skipTest("models/whatsit-describe.gguf is not there")
        for name in os.listdir(shipped):
            if name.endswith((".gguf", ".txt")):
                os.symlink(os.path.join(shipped, name), os.path.join(self.share, "models", name))
        shutil.copytree(os.path.join(self.source, "heads"), os.path.join(self.share, "heads"), dirs_exist_ok=True)
        del self.env["WHATSIT_MODEL"]
        self.photos = self.path("photos")
        os.makedirs(self.photos)
        for name in ("pizza.jpg", "drum.jpg", "siamese-cat.jpg"):
            self.add(name)

    def add(self, name, to=None):
        return shutil.copy(os.path.join(self.source, "samples", name), os.path.join(self.photos, to or name))

    def index(self, *words):
        run = self.ok("index", *words, "--json").json()[-1]
        return run.get("described"), run.get("not_told")

    def found(self, *words):
        return {os.path.basename(line["path"]): line for line in self.ok("search", *words, "--json").json()}

    def test_what_is_told_is_kept_and_found(self):
        self.assertEqual(self.index(self.photos), (None, None))
        self.assertIsNone(self.ok("index", "--status", "--json").json()[0]["described"])
        self.fails("search", "pizza", "--in-words", says="no sentences yet")
        self.assertEqual(self.found("pizza")["pizza.jpg"]["matched"], "picture")
        self.assertEqual(self.index("--describe"), (2, 1))  # of the drum nothing is told
        self.assertEqual(self.index("--describe"), (0, 0))
        self.assertEqual(self.ok("index", "--status", "--json").json()[0]["described"], 2)
        self.assertIn("2 have a sentence", self.ok("index", "--status").out)
        told = {os.path.basename(line["image"]): line for line in self.ok("describe", self.photos, "--json").json()}
        sentence = told["pizza.jpg"]["captions"][0]["text"]
        for name, line in told.items():
            words = line["captions"][0]["text"]
            found = self.found(words, "--in-words")
            self.assertEqual(name in found, line["sure"], found)
            if line["sure"]:
                self.assertEqual(found[name]["sentence"], words)
        one = self.found("Pizzas", "--min", "1")  # no photo is so surely anything
        self.assertEqual({n: (l["matched"], l["sentence"]) for n, l in one.items()}, {"pizza.jpg": ("words", sentence)})
        both = self.found("a", "pizza", "--min", "0")
        self.assertEqual({n: l["matched"] for n, l in both.items()}, {"pizza.jpg": "both", "drum.jpg": "picture", "siamese-cat.jpg": "picture"})
        self.assertEqual([l["score"] for l in both.values()], sorted((l["score"] for l in both.values()), reverse=True))
        self.assertEqual(self.found("pizza", "--min", "1", "--no-words"), {})
        other = max((word for word in sentence.split() if "pizza" not in word), key=len)
        self.assertEqual(self.found("pizza", "--in-words", "--not", other), {})
        self.assertEqual(set(self.found("pizza", "--in-words", "--not", "a xylophone")), {"pizza.jpg"})
        self.assertEqual(self.found("the", "of", "--in-words"), {})
        self.assertEqual(self.found("pizza", "xylophone", "--in-words"), {})
        self.assertEqual(self.found('pizza"', "OR", "cat*", "--in-words"), {})  # words, and no language of queries
        self.assertEqual(self.found("pizza", "--in-words", "--folder", self.path("elsewhere")), {})
        self.assertIn(f"in words: {sentence}", self.ok("search", "pizza").out)
        self.assertTrue(self.ok("search", "pizza", "--in-words", "--csv").lines()[1].endswith("both"))
        lines = self.ok("search", "--queries", self.write("q.txt", "pizza\ncat\n"), "--in-words").json()
        self.assertEqual([(l["query"], os.path.basename(l["path"])) for l in lines], [("pizza", "pizza.jpg"), ("cat", "siamese-cat.jpg")])

    def test_only_what_is_new_is_described(self):
        self.assertEqual(self.index(self.photos, "--describe"), (2, 1))
        self.add("pizza.jpg", "again.jpg")  # the same content
        self.add("hummingbird.jpg")
        self.assertEqual(sum(self.index("--describe")), 1)
        self.assertEqual(set(self.found("pizza", "--in-words")), {"again.jpg"})  # a content is shown once, by its first name
        os.unlink(os.path.join(self.photos, "again.jpg"))
        os.unlink(os.path.join(self.photos, "siamese-cat.jpg"))
        self.assertEqual(self.index("--describe"), (0, 0))
        self.assertEqual(set(self.found("pizza", "--in-words")), {"pizza.jpg"})
        self.assertEqual(self.found("cat", "--in-words"), {})

    def test_another_describer_says_it_anew(self):
        coca = self.path("coca.gguf")
        self.ok("model", "convert", os.path.join(self.source, "tests", "model", "data", "originals", "open_clip_coca"), "-o", coca)
        self.assertEqual(self.index(self.photos, "--describe"), (2, 1))
        self.ok("index", "--model", coca)
        self.assertEqual(sum(self.index("--describe", "--model", coca)), 3)
        with sqlite3.connect(self.data_path("libraries", "photos", "catalog.db")) as db:
            self.assertEqual(db.execute("SELECT count(DISTINCT by) FROM described").fetchone(), (1,))
        self.assertEqual(self.index("--describe"), (2, 1))
        with sqlite3.connect(self.data_path("libraries", "photos", "catalog.db")) as db:
            self.assertEqual(db.execute("SELECT count(*), count(DISTINCT by) FROM described").fetchone(), (3, 1))
            self.assertEqual(db.execute("SELECT count(*) FROM sentence").fetchone(), (2,))

    def test_mistakes(self):
        self.wrong("index", self.photos, "--describer", "x", says="--describe")
        self.fails("index", self.photos, "--describe", "--describer", self.path("gone"), "--quiet", says="no such describer")
        self.wrong("search", "pizza", "--in-words", "--no-words", says="exclude each other")
        self.wrong("search", "--like", self.picture(), "--in-words", says="needs the words")

    def test_stopped_and_killed(self):
        self.index(self.photos)
        coca = self.path("coca.gguf")
        self.ok("model", "convert", os.path.join(self.source, "tests", "model", "data", "originals", "open_clip_coca"), "-o", coca)
        for i in range(400):
            self.write(f"photos/{i:03}.png", tiny_model.png(24, 24, i + 1))
        self.ok("index", "--model", coca)
        database, n_before = self.data_path("libraries", "photos", "catalog.db"), 0

        def described():
            with sqlite3.connect(database) as db:
                there = db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'described'").fetchone()[0]
                return db.execute("SELECT count(*) FROM described").fetchone()[0] if there else 0
        for number in (signal.SIGKILL, signal.SIGINT):
            if n_before == 403:
                break  # a quick machine
            run = self.start("index", "--describe", "--model", coca, "--threads", "1", "--quiet")
            while described() <= n_before and run.poll() is None:
                time.sleep(0.001)
            run.send_signal(number)
            run.communicate(timeout=120)
            n_now = described()
            self.assertGreater(n_now, n_before)  # what was kept stays
            n_before = n_now
        left = self.index("--describe", "--model", coca)
        self.assertEqual(n_before + sum(left), 403)
        with sqlite3.connect(database) as db:
            self.assertEqual(db.execute("PRAGMA integrity_check").fetchone(), ("ok",))
            self.assertEqual(db.execute("SELECT count(*) FROM described").fetchone(), (403,))


class Killed(Case):
    """Whatever moment it dies at, the library is consistent and goes on."""

    def test_kill_9_at_any_moment(self):
        photos = self.path("photos")
        os.makedirs(photos)
        for i in range(700):
            self.write(f"photos/{i:03}.png", tiny_model.png(24, 24, i + 1))
        dice = random.Random(5)
        database = self.data_path("libraries", "photos", "catalog.db")
        before = 0
        os.makedirs(self.path("empty"))
        start = time.monotonic()
        self.ok("index", self.path("empty"), "--library", "other")
        span = max(0.25, 3 * (time.monotonic() - start))  # a machine at work is slow to begin
        for _ in range(int(os.environ.get("WHATSIT_KILLS", 12))):
            run = subprocess.Popen([self.program, "index", photos], env=self.env, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
            time.sleep(dice.random() * span)
            run.kill()
            run.wait()
            if not os.path.exists(database):
                continue
            status = self.run_cli("index", "--status", "--json")
            if status.status == 0:
                now = status.json()[0]["embedded"]
                self.assertGreaterEqual(now, before)  # what was kept stays
                before = now
        self.ok("index", photos)
        self.assertEqual(self.ok("index", "--status", "--json").json()[0]["embedded"], 700)
        with sqlite3.connect(database) as db:
            self.assertEqual(db.execute("PRAGMA integrity_check").fetchone(), ("ok",))
            n, rows = db.execute("SELECT count(*), count(DISTINCT row) FROM vector").fetchone()
            self.assertEqual((n, rows), (700, 700))
        for i in dice.sample(range(700), 20):
            path = os.path.join(photos, f"{i:03}.png")
            lines = self.ok("search", "--like", path, "--json", "--top", "3").json()
            self.assertIn(path, [line["path"] for line in lines if line["score"] > 0.999])


if __name__ == "__main__":
    main()
