"""What sort promises: nothing is lost, doubled or left behind, and undo brings all of it back."""
import os
import subprocess

import pictures
from harness import Case, main


class Keeps(Case):
    def setUp(self):
        super().setUp()
        data = pictures.write_folders(self, "data", {"red": 4, "blue": 4})
        self.ok("head", "train", "c", "--data", data)
        self.into = self.path("sorted")

    def photo(self, name, colour="red", seed=100):
        return self.write(name, pictures.plain(colour, seed))

    def sort(self, *words, status=0, into=None):
        result = self.run_cli("sort", "--as", "c", *words, "--into", into or self.into, "--go")
        self.assertEqual(result.status, status, result.err)
        return result

    def tree(self, folder, logs=False):
        """name -> bytes, or where a link leads."""
        found = {}
        for where, folders, names in os.walk(folder):
            for name in names + [f for f in folders if os.path.islink(os.path.join(where, f))]:
                path = os.path.join(where, name)
                if name.endswith(".tsv") and name.startswith("whatsit-sort") and not logs:
                    continue
                if os.path.islink(path):
                    found[os.path.relpath(path, folder)] = "-> " + os.readlink(path)
                else:
                    with open(path, "rb") as file:
                        found[os.path.relpath(path, folder)] = file.read()
        return found

    def logs(self, into=None):
        into = into or self.into
        return sorted(os.path.join(into, name) for name in os.listdir(into) if name.endswith(".tsv"))

    def undo(self, status=0, into=None):
        result = self.run_cli("sort", "--undo", self.logs(into)[-1])
        self.assertEqual(result.status, status, result.err)
        return result

    # ---- ten conditions ----

    def test_links_move_and_come_back(self):
        self.photo("in/zz.png")
        os.symlink("zz.png", self.path("in", "aa.png"))
        os.symlink(self.path("in", "zz.png"), self.path("in", "bb.png"))
        self.photo("out/far.png", "blue")
        os.symlink("../out/far.png", self.path("in", "far.png"))
        before = self.tree(self.dir + "/in")
        self.sort(self.path("in"), "--move")
        self.assertEqual(self.tree(self.path("in")), {})
        for link in ("red/aa.png", "red/bb.png"):
            self.assertEqual(os.path.realpath(self.path("sorted", link)), self.path("sorted", "red", "zz.png"))
        self.assertEqual(os.path.realpath(self.path("sorted", "blue", "far.png")), self.path("out", "far.png"))
        self.undo()
        self.assertEqual(self.tree(self.path("in")), before)

    def test_a_dangling_link_and_a_path_given_twice_stop_nothing(self):
        first = self.photo("in/a.png")
        os.symlink("nowhere.png", self.path("in", "b.png"))
        self.photo("in/c.png", "blue")
        result = self.sort(first, self.path("in"), first, "--move", status=1)
        self.assertIn("b.png", result.err)
        self.assertEqual(sorted(self.tree(self.into)), ["blue/c.png", "red/a.png"])
        self.assertEqual(list(self.tree(self.path("in"))), ["b.png"])

    def test_nothing_outside_the_folder_is_moved(self):
        self.photo("in/a.png")
        secret = self.photo("out/private.png")
        os.symlink("../out", self.path("in", "shared"))
        self.sort(self.path("in"), "--move")
        self.assertTrue(os.path.exists(secret))
        self.assertEqual(sorted(self.tree(self.into)), ["red/a.png"])

    def test_again_changes_nothing(self):
        self.photo("in/a.png")
        self.photo("in/b.png", "blue")
        for how in ("--copy", "--link"):
            into = self.path("again" + how)
            self.sort(self.path("in"), how, into=into)
            before = self.tree(into)
            result = self.sort(self.path("in"), how, into=into)
            self.assertEqual(self.tree(into), before)
            self.assertIn("2 are there already", result.err)
            self.assertEqual(len(self.logs(into)), 1)

    def test_into_within_the_source(self):
        self.photo("in/a.png")
        self.photo("in/sub/b.png", "blue")
        into = self.path("in", "sorted")
        self.sort(self.path("in"), "--move", into=into)
        before = self.tree(self.path("in"))
        self.assertEqual(sorted(before), ["sorted/blue/b.png", "sorted/red/a.png"])
        self.run_cli("sort", "--as", "c", self.path("in"), "--into", into, "--move", "--go")
        self.assertEqual(self.tree(self.path("in")), before)
        self.photo("in/new.png", "blue", 5)
        self.sort(self.path("in"), "--move", into=into)
        self.assertEqual(sorted(self.tree(self.path("in"))), ["sorted/blue/b.png", "sorted/blue/new.png", "sorted/red/a.png"])

    def test_into_is_the_source(self):
        self.photo("in/a.png")
        self.photo("in/b.png", "blue")
        for _ in range(2):
            self.run_cli("sort", "--as", "c", self.path("in"), "--into", self.path("in"), "--move", "--go")
            self.assertEqual(sorted(self.tree(self.path("in"))), ["blue/b.png", "red/a.png"])

    def test_companions_travel_along(self):
        self.photo("in/IMG_3.png")
        self.photo("in/IMG_4.png", "blue")
        companions = ["IMG_3.png.xmp", "IMG_3.xmp", "IMG_3.CR2", "IMG_3.MOV", "IMG_3.AAE", "IMG_4.aae"]
        for name in companions + ["IMG_33.MOV", "notes.txt"]:
            self.write(os.path.join("in", name), name.encode())
        before = self.tree(self.path("in"))
        result = self.sort(self.path("in"), "--move")
        self.assertEqual(sorted(self.tree(self.path("in"))), ["IMG_33.MOV", "notes.txt"])
        self.assertEqual(set(self.tree(self.into)), {"red/" + name for name in companions[:5] + ["IMG_3.png"]} |
                         {"blue/IMG_4.aae", "blue/IMG_4.png"})
        self.assertIn("6 companions", result.err)
        self.undo()
        self.assertEqual(self.tree(self.path("in")), before)

    def test_companions_keep_to_their_photo_when_names_are_taken(self):
        for folder in ("in1", "in2"):
            self.photo(f"{folder}/IMG_1.png", seed=len(folder) + ord(folder[-1]))
            self.write(f"{folder}/IMG_1.xmp", folder.encode())
            self.write(f"{folder}/IMG_1.png.xmp", folder.encode())
        self.sort(self.path("in1"), self.path("in2"))
        self.assertEqual(sorted(self.tree(self.into)), ["red/IMG_1-2.png", "red/IMG_1-2.png.xmp", "red/IMG_1-2.xmp",
                                                        "red/IMG_1.png", "red/IMG_1.png.xmp", "red/IMG_1.xmp"])
        self.assertEqual(self.tree(self.into)["red/IMG_1-2.xmp"], b"in2")

    def test_undo_makes_folders_that_are_gone_and_says_what_is_lost(self):
        self.photo("in/deep/a.png")
        self.photo("in/deep/b.png", "blue")
        before = self.tree(self.path("in"))
        self.sort(self.path("in"), "--move")
        os.rmdir(self.path("in", "deep"))
        os.rmdir(self.path("in"))
        os.rename(self.path("sorted", "blue", "b.png"), self.path("sorted", "blue", "taken"))
        result = self.undo(status=1)
        self.assertIn("b.png", result.err)
        self.assertIn("not there any more", result.err)
        self.assertEqual(self.tree(self.path("in")), {"deep/a.png": before["deep/a.png"]})

    def test_a_file_that_goes_away_meanwhile(self):
        for i in range(40):
            self.photo(f"in/{i:02}.png", seed=i)
        self.photo("in/zz.png", "blue")
        # The pictures are in the cache of vectors then, so that only the moving is left.
        self.run_cli("sort", "--as", "c", self.path("in"), "--into", self.into)
        process = self.start("sort", "--as", "c", self.path("in"), "--into", self.into, "--move", "--go")
        os.unlink(self.path("in", "zz.png"))
        _, err = process.communicate(timeout=60)
        self.assertNotIn(b"stopped", err)
        self.assertEqual(sum(1 for name in self.tree(self.into) if name.startswith("red/")), 40)

    def test_copies_keep_times_and_rights_and_names_of_any_bytes(self):
        name = os.path.join(os.fsencode(self.dir), b"in", b"caf\xe9 \t\n.png")
        os.makedirs(os.path.dirname(name))
        with open(name, "wb") as file:
            file.write(pictures.plain("red", 9))
        os.chmod(name, 0o640)
        os.utime(name, ns=(10**18, 10**18 + 123456789))
        self.sort(self.path("in"))
        copy = os.path.join(os.fsencode(self.into), b"red", os.path.basename(name))
        self.assertEqual((os.stat(copy).st_mtime_ns, os.stat(copy).st_mode & 0o777), (10**18 + 123456789, 0o640))
        self.undo()
        self.assertFalse(os.path.exists(copy))

    # ---- more ----

    def test_same_photo_twice_is_one(self):
        self.photo("in/x/a.png")
        self.photo("in/y/a.png")
        result = self.sort(self.path("in"))
        self.assertEqual(list(self.tree(self.into)), ["red/a.png"])
        self.assertIn("1 is there already", result.err)
        self.sort(self.path("in"), "--move", into=self.path("s2"))
        self.assertEqual(list(self.tree(self.path("s2"))), ["red/a.png"])
        self.assertEqual(list(self.tree(self.path("in"))), ["y/a.png"], "the other one stays where it is")

    def test_a_link_that_is_copied_is_a_copy(self):
        self.photo("in/a.png")
        os.symlink("a.png", self.path("in", "b.png"))
        self.sort(self.path("in"))
        found = self.tree(self.into)
        self.assertEqual(sorted(found), ["red/a.png", "red/b.png"])
        self.assertEqual(found["red/a.png"], found["red/b.png"])
        self.sort(self.path("in"))
        self.assertEqual(self.tree(self.into), found)

    def test_an_own_folder_as_source(self):
        self.photo("in/a.png")
        self.sort(self.path("in"), "--move", "--min", "1")
        self.assertEqual(list(self.tree(self.into)), ["unsure/a.png"])
        self.sort(self.path("sorted", "unsure"), "--move", "--min", "1")
        self.assertEqual(list(self.tree(self.into)), ["unsure/a.png"], "it is there already")
        self.sort(self.path("sorted", "unsure"), "--move")
        self.assertEqual(list(self.tree(self.into)), ["red/a.png"])

    def test_long_and_odd_labels(self):
        long = "é" * 200
        self.ok("head", "new", "odd", "--labels", f"{long},..", "--force")
        self.photo("in/a.png")
        self.ok("sort", "--as", "odd", self.path("in"), "--into", self.into, "--go")
        (name,) = self.tree(self.into)
        self.assertIn(name.split("/")[0], {"é" * 100, "_.."})

    def test_old_logs_are_understood(self):
        photo = self.photo("sorted/red/a.png")
        log = self.write("sorted/whatsit-sort-1.tsv", f"folder\t{self.into}\t{self.into}/red\nmove\t{self.dir}/in/a.png\t{photo}\n")
        self.ok("sort", "--undo", log)
        self.assertEqual(list(self.tree(self.path("in"))), ["a.png"])
        self.assertFalse(os.path.exists(self.path("sorted", "red")))


if __name__ == "__main__":
    main()
