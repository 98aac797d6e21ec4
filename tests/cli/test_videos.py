"""Videos in the library of photos: by their frames, with the time of the best one."""
import os
import shutil
import zlib

import pictures
import tiny_model
import videos
from harness import Case, main

WIDTH, HEIGHT = 48, 36


def frame(i):
    return tiny_model.png(WIDTH, HEIGHT, 20 + i)


def turned_left(png):
    """The same picture, turned by a quarter."""
    width, height, rows = pictures.read_png(png)
    lines = [rows[y * (1 + 3 * width) + 1:(y + 1) * (1 + 3 * width)] for y in range(height)]
    turned = b"".join(b"\0" + b"".join(line[3 * x:3 * x + 3] for line in lines) for x in range(width - 1, -1, -1))
    return (png[:8] + pictures.chunk(b"IHDR", height.to_bytes(4, "big") + width.to_bytes(4, "big") + b"\x08\2\0\0\0") +
            pictures.chunk(b"IDAT", zlib.compress(turned)) + pictures.chunk(b"IEND", b""))


class Videos(Case):
    def setUp(self):
        super().setUp()
        if not self.libav:
            self.skipTest("built without libav")
        shutil.copytree(os.path.join(Case.source, "heads"), os.path.join(self.share, "heads"), dirs_exist_ok=True)
        self.photos = self.path("photos")
        os.makedirs(self.photos)
        for i in range(2):
            shutil.copy(self.picture(i), self.photos)
        self.film = self.write("photos/film.mov", videos.mov([frame(i) for i in range(5)], WIDTH, HEIGHT))

    def index(self, *words):
        return self.ok("index", self.photos, *words, "--json").json()[-1]

    def did(self, run, new=0, moved=0, gone=0, files=None):
        self.assertEqual((run["new"], run["moved"], run["gone"]), (new, moved, gone), run)
        if files is not None:
            self.assertEqual(run["files"], files)

    def like(self, i, *words):
        picture = self.write(f"frame{i}.png", frame(i))
        return self.ok("search", "--like", picture, "--json", *words).json()

    def test_found_by_a_frame_and_shown_once(self):
        run = self.index()
        self.did(run, new=3, files=3)
        self.assertEqual(run["videos"], 1)
        for i in range(5):
            lines = self.like(i)
            self.assertEqual((lines[0]["path"], lines[0]["at"]), (self.film, 4 * i))
            self.assertAlmostEqual(lines[0]["score"], 1, places=2)
            self.assertEqual(len(lines), 3)
            self.assertEqual([line for line in lines[1:] if "at" in line], [])
        picture = self.path("frame3.png")
        self.assertIn("film.mov  at 0:12\n", self.ok("search", "--like", picture).out)
        rows = self.ok("search", "--like", picture, "--csv").lines()
        self.assertEqual(rows[0], "score,confidence,path,at,matched")
        self.assertTrue(rows[1].endswith("film.mov,12.000,picture"), rows[1])
        self.assertTrue(rows[2].endswith(".png,,picture"), rows[2])
        self.assertEqual(self.ok("search", "--like", picture, "--names", "--top", "1").lines(), [self.film])

    def test_a_long_one_gives_so_many_frames(self):
        long = self.write("photos/long.mov", videos.mov([frame(i % 5) for i in range(100)], WIDTH, HEIGHT, seconds_each=60))
        self.index()
        lines = [line for i in range(5) for line in self.like(i, "--top", "50") if line["path"] == long]
        self.assertEqual(len(lines), 5)
        self.assertTrue(all(line["at"] % 60 == 0 for line in lines), lines)

    def test_kept_up_to_date(self):
        self.index()
        self.did(self.index())
        os.rename(self.film, self.path("photos", "renamed.MOV"))
        self.did(self.index(), moved=1, gone=1)
        self.assertEqual(self.like(2)[0]["path"], self.path("photos", "renamed.MOV"))
        self.write("photos/renamed.MOV", videos.mov([frame(7)], WIDTH, HEIGHT))
        self.did(self.index(), new=1)
        self.assertAlmostEqual(self.like(7)[0]["score"], 1, places=2)
        self.assertLess(self.like(2)[0]["score"], 0.9999)
        self.did(self.index("--rebuild"), new=3)
        os.remove(self.path("photos", "renamed.MOV"))
        self.did(self.index(), gone=1)

    def test_a_live_photos_film_is_no_film_of_its_own(self):
        shutil.copy(self.picture(3), self.path("photos", "live.png"))
        live = self.write("photos/live.MOV", videos.mov([frame(8)], WIDTH, HEIGHT))
        self.did(self.index(), new=4)
        os.remove(self.path("photos", "live.png"))
        self.did(self.index(), new=1, gone=1)
        self.assertEqual(self.like(8)[0]["path"], live)
        shutil.copy(self.picture(3), self.path("photos", "live.png"))
        self.did(self.index(), moved=1, gone=1)

    def test_turned_dated_and_by_a_camera(self):
        keys = {"com.apple.quicktime.make": "Apple", "com.apple.quicktime.model": "iPhone 13",
                "com.apple.quicktime.creationdate": "2022-08-01T23:30:00+0200"}
        turned = self.write("photos/turned.mov", videos.mov([turned_left(frame(9))], HEIGHT, WIDTH, quarters=1, keys=keys))
        # 2020-01-01T12:00:00Z, as cameras without a place in the world say it
        plain = self.write("photos/plain.mov", videos.mov([frame(10)], WIDTH, HEIGHT, made=1577880000 + 2082844800))
        self.index()
        self.assertAlmostEqual(self.like(9)[0]["score"], 1, places=2)
        found = lambda *words: [line["path"] for line in self.like(9, *words)]
        self.assertEqual(found("--camera", "iphone"), [turned])
        self.assertEqual(found("--after", "2022-08-01", "--before", "2022-08-02"), [turned])
        self.assertEqual(found("--after", "2019-12-31", "--before", "2020-01-03"), [plain])
        self.assertIn(turned, found("--orientation", "landscape"))
        self.assertEqual(found("--min-px", str(HEIGHT + 1)), [])

    def test_copies_are_equal_files_and_frames_are_no_photos(self):
        shutil.copy(self.film, self.path("photos", "copy.mov"))
        self.write("photos/still.png", frame(1))
        self.did(self.index(), new=5)  # equal files that come at once are both read
        groups = self.ok("duplicates", "--json").json()
        with_film = [g for g in groups if any(path.endswith(".mov") for path in g["paths"])]
        self.assertEqual([(g["kind"], g["paths"]) for g in with_film], [("equal", [self.path("photos", "copy.mov"), self.film])])
        page = self.path("page.html")
        self.ok("duplicates", "--exact", "--html", page)
        with open(page) as file:
            self.assertEqual(file.read().count("data:image/png"), 2)

    def test_what_is_done_with_found_ones(self):
        self.index()
        page, to = self.path("page.html"), self.path("to")
        picture = self.write("f.png", frame(3))
        self.ok("search", "--like", picture, "--top", "1", "--html", page, "--copy-to", to)
        with open(page) as file:
            html = file.read()
        self.assertIn("film.mov", html)
        self.assertIn("at 0:12", html)
        self.assertEqual(html.count("data:image/png"), 1)
        self.assertIn("film.mov", os.listdir(to))

    def test_what_is_broken_is_told_once(self):
        whole = videos.mov([frame(i) for i in range(5)], WIDTH, HEIGHT)
        self.write("secret.mov", whole)
        broken = {"empty.mov": b"", "text.mp4": b"no film at all", "head.mov": whole[:len(whole) // 10],
                  "list.mp4": b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n" + self.path("secret.mov").encode() + b"\n",
                  "concat.mkv": b"ffconcat version 1.0\nfile " + self.path("secret.mov").encode() + b"\n"}
        for name, data in broken.items():
            self.write(os.path.join("photos", name), data)
        first = self.run_cli("index", self.photos, "--json")
        self.assertEqual((first.status, first.json()[0]["unreadable"]), (1, len(broken)), first.err)
        for name in broken:
            self.assertEqual(len([line for line in first.error_lines() if name in line]), 1, first.err)
        self.assertEqual(self.index()["unreadable"], 0)
        # What is there of a film that ends early is taken.
        self.write("photos/head.mov", whole[:len(whole) * 7 // 10])
        self.did(self.index(), new=1)

    def test_elsewhere_it_is_refused_by_one_line(self):
        for words in ((self.film, "--labels", "a,b"), ("embed", self.film, "-f", "jsonl"), ("search", "--like", self.film)):
            if words[0] == "search":
                self.index()
            self.fails(*words, says="this is a video")

    def test_an_installation_without_the_module(self):
        alone = os.path.join(self.dir, "alone", "whatsit")
        os.makedirs(os.path.dirname(alone))
        shutil.copy(self.program, alone)
        self.index()
        with_module, self.program = self.program, alone
        try:
            result = self.ok("index", "--json")
            self.assertIn("lacks the module", result.err)
            self.assertIn("1 video", result.err)
            self.assertEqual((result.json()[0]["files"], result.json()[0]["gone"]), (2, 0))
            self.assertEqual(self.like(3)[0]["path"], self.film)  # what is known of it stays
        finally:
            self.program = with_module


if __name__ == "__main__":
    main()
