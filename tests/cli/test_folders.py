"""What stands for the pictures of a folder: each of them once, and what is left out is said."""
import os

import pictures
from harness import Case, main


class Folders(Case):
    def photo(self, name, seed=0):
        return self.write(name, pictures.plain("red", seed))

    def names(self, *words, **options):
        result = self.run_cli(*words, "--labels", "cat,dog", "--top", "1", "--csv", **options)
        self.assertIn(result.status, (0, 1), result.err)
        rows = [line.rsplit(",", 6)[0] for line in result.lines()[1:]]
        return [os.path.relpath(os.path.join(options.get("cwd") or self.dir, row), self.dir) for row in rows], result

    # ---- ten conditions ----

    def test_folders_that_link_to_each_other(self):
        self.photo("d/a/1.png")
        self.photo("d/b/2.png")
        for here, there in (("a", "b"), ("b", "a"), ("a", "a")):
            os.symlink(f"../{there}", self.path("d", here, f"to-{there}"))
        self.assertEqual(self.names(self.path("d"))[0], ["d/a/1.png", "d/b/2.png"])
        self.assertEqual(sorted(self.names(self.path("d"), "--follow")[0]), ["d/a/1.png", "d/a/to-b/2.png"])

    def test_a_link_to_the_parent_or_outside(self):
        self.photo("d/1.png")
        self.photo("out/2.png")
        os.symlink("..", self.path("d", "up"))
        os.symlink("../out", self.path("d", "away"))
        names, result = self.names(self.path("d"))
        self.assertEqual(names, ["d/1.png"])
        self.assertIn("2 links to folders", result.err)
        self.assertEqual(set(self.names(self.path("d"), "--follow")[0]), {"d/1.png", "d/away/2.png"})
        self.assertEqual(self.names(self.path("d", "away"))[0], ["d/away/2.png"], "a link that was named is meant")

    def test_a_path_given_twice(self):
        one = self.photo("d/s/1.png")
        self.photo("d/s/2.png")
        self.assertEqual(len(self.names(one, one)[0]), 1)
        self.assertEqual(len(self.names(one, "d/s/1.png", "./d/../d/s/1.png")[0]), 1)
        self.assertEqual(len(self.names(self.path("d"), self.path("d", "s"), one)[0]), 2)
        self.assertEqual(len(self.names(self.path("d", "s"), self.path("d"))[0]), 2)

    def test_two_ways_to_one_folder(self):
        self.photo("d/1.png")
        os.symlink("d", self.path("also"))
        self.assertEqual(len(self.names(self.path("d"), self.path("also"))[0]), 1)

    def test_folders_of_tools(self):
        for name in ("1.png", "@eaDir/1.png/SYNOPHOTO_THUMB_M.png", "#recycle/2.png", "$RECYCLE.BIN/3.png",
                     "lost+found/4.png", "__MACOSX/5.png", "app/node_modules/x/6.png", "@Recycle/7.png",
                     "venv/lib/site-packages/8.png", "System Volume Information/9.png"):
            self.photo(os.path.join("d", name))
        names, result = self.names(self.path("d"))
        self.assertEqual(names, ["d/1.png"])
        self.assertIn("@eaDir", result.err)
        self.assertEqual(self.names(self.path("d", "#recycle"))[0], ["d/#recycle/2.png"], "it was named")

    def test_exclude(self):
        for name in ("1.png", "raw/2.png", "a/raw/3.png", "a/thumb_4.png", "a/5.png"):
            self.photo(os.path.join("d", name))
        self.assertEqual(set(self.names(self.path("d"), "--exclude", "raw", "--exclude", "thumb_*")[0]),
                         {"d/1.png", "d/a/5.png"})
        self.assertEqual(set(self.names(self.path("d"), "--exclude", "a/raw")[0]),
                         {"d/1.png", "d/raw/2.png", "d/a/thumb_4.png", "d/a/5.png"})
        self.fails(self.path("d"), "--labels", "a,b", "--exclude", "*", says="no pictures")

    def test_an_unreadable_folder_stops_nothing(self):
        self.photo("d/1.png")
        self.photo("d/closed/2.png")
        self.photo("d/z/3.png")
        os.chmod(self.path("d", "closed"), 0)
        try:
            names, result = self.names(self.path("d"))
        finally:
            os.chmod(self.path("d", "closed"), 0o700)
        self.assertIn("d/z/3.png", names)
        if os.geteuid() != 0:
            self.assertIn("closed", result.err)

    def test_pipes_and_hidden_files(self):
        self.photo("d/1.png")
        self.photo("d/.hidden.png")
        self.photo("d/._1.png")
        self.photo("d/.folder/2.png")
        os.mkfifo(self.path("d", "pipe.png"))
        os.makedirs(self.path("d", "folder.png"))
        os.symlink("pipe.png", self.path("d", "to-pipe.png"))
        self.assertEqual(self.names(self.path("d"), timeout=30)[0], ["d/1.png"])

    def test_what_is_no_picture_is_counted(self):
        self.photo("d/1.png")
        for name in ("a.MOV", "b.mp4", "c.psd", "d.tga", "e.txt"):
            self.write(os.path.join("d", name), b"x")
        err = self.names(self.path("d"))[1].err
        self.assertIn("2 videos", err)
        self.assertIn("2 pictures of other formats", err)
        self.assertEqual(self.names(self.path("d"), "--quiet")[1].err, "")

    def test_what_belongs_to_a_photo_counts_with_it(self):
        for name in ("d/1.png", "d/2.png"):
            self.photo(name)
        for name in ("1.MOV", "1.CR2", "1.xmp", "1.AAE", "3.mov", "1.png.xmp"):
            self.write(os.path.join("d", name), b"x")
        names, result = self.names(self.path("d"))
        self.assertEqual(names, ["d/1.png", "d/2.png"])
        self.assertIn("left out: 2 companions of photos (films, raw), 1 video", result.err)
        # Without its picture a raw photo stands for itself.
        err = self.names(self.path("d"), "--exclude", "1.png")[1].err
        self.assertNotIn("companions", err)
        self.assertIn("1.CR2" if "1.CR2" in err else "1 raw photo", err)

    def test_files_of_photographers(self):
        shelf = os.path.join(self.source, "tests", "image", "photographers")
        for name in ("rgb.tif", "lossless.jxl", "preview.dng"):
            self.write(os.path.join("d", name), open(os.path.join(shelf, name), "rb").read())
        os.rename(self.path("d", "preview.dng"), self.path("d", "preview.DNG"))
        self.photo("d/1.png")
        names, result = self.names(self.path("d"))
        if "left out" in result.err:
            self.skipTest("built without some of libtiff, libjxl, libraw: " + result.err)
        self.assertEqual(set(names), {"d/1.png", "d/rgb.tif", "d/lossless.jxl", "d/preview.DNG"})

    def test_rarer_endings(self):
        """What is read goes by the bytes: here all are PNG."""
        names = ["1.apng", "2.dib", "3.MPO", "4.jps", "5.jfif", "6.pjpeg"]
        for name in names:
            self.photo("d/" + name)
        self.photo("e/1.png")
        for name in ("1.heics", "2.HEIFS", "3.avifs", "4.hif"):
            self.write(os.path.join("e", name), b"x")
        self.assertEqual(self.names(self.path("d"))[0], ["d/" + name for name in names])
        err = self.names(self.path("e"))[1].err  # tried, or left out by a build that cannot
        self.assertTrue(all(name in err for name in ("1.heics", "2.HEIFS", "3.avifs", "4.hif"))
                        or "4 pictures of other formats" in err, err)

    def test_a_library_of_photos(self):
        for name in ("originals/A/1.png", "resources/derivatives/A/1_small.png", "database/x.png"):
            self.photo(os.path.join("My.photoslibrary", name))
        self.assertEqual(self.names(self.dir + "/My.photoslibrary")[0], ["My.photoslibrary/originals/A/1.png"])

    # ---- more ----

    def test_a_link_to_a_picture_is_one(self):
        self.photo("d/1.png")
        os.symlink("1.png", self.path("d", "2.png"))
        os.symlink("gone.png", self.path("d", "3.png"))
        names, result = self.names(self.path("d"))
        self.assertEqual(names, ["d/1.png", "d/2.png"])
        self.assertIn("3.png: No such file", result.err)

    def test_depth(self):
        deep = "d/" + "/".join("x" for _ in range(40))
        self.photo(deep + "/1.png")
        self.assertEqual(len(self.names(self.path("d"))[0]), 1)

    def test_a_place_too_long_to_name_is_told(self):
        self.photo("long/a.png")
        below = os.open(self.path("long"), os.O_RDONLY)
        for _ in range(24):  # no name of this length is read; each part of it was made in its folder
            os.mkdir("d" * 200, dir_fd=below)
            above, below = below, os.open("d" * 200, os.O_RDONLY, dir_fd=below)
            os.close(above)
        with os.fdopen(os.open("deep.png", os.O_WRONLY | os.O_CREAT, dir_fd=below), "wb") as file:
            file.write(pictures.plain("red", 1))
        os.close(below)
        result = self.fails("long", "--labels", "a,b", "--json", says="File name too long")
        self.assertEqual(result.json()[0]["image"], "long/a.png")

    def test_other_verbs(self):
        one = self.photo("d/1.png")
        os.symlink("..", self.path("d", "up"))
        self.photo("d/@eaDir/1.png")
        for words in (("embed", "-f", "jsonl"), ("rank", "--text", "x", "--names")):
            out = self.ok(*words, self.path("d"), one).lines()
            self.assertEqual(len(out), 1, words)


if __name__ == "__main__":
    main()
