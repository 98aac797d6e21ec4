"""Pictures into folders: shown first, never over another file, and taken back."""
import os
import shlex

import pictures
from harness import Case, main


class Sort(Case):
    def setUp(self):
        super().setUp()
        data = pictures.write_folders(self, "data", {"red": 4, "blue": 4})
        self.ok("head", "train", "c", "--data", data)
        self.inbox = self.path("inbox")
        for i, colour in enumerate(("red", "blue", "red")):
            self.write(f"inbox/{i}.png", pictures.plain(colour, 200 + i))
        self.into = self.path("sorted")

    def sort(self, *more):
        return self.ok("sort", "--as", "c", self.inbox, "--into", self.into, *more)

    def tree(self, folder):
        return sorted(os.path.relpath(os.path.join(where, name), folder)
                      for where, _, names in os.walk(folder) for name in names if not name.endswith(".tsv"))

    def log(self):
        (name,) = [name for name in os.listdir(self.into) if name.endswith(".tsv")]
        return os.path.join(self.into, name)

    def test_dry_run_does_nothing(self):
        result = self.sort()
        self.assertEqual(len(result.lines()), 3)
        self.assertIn("nothing was done", result.err)
        self.assertFalse(os.path.exists(self.into))

    def test_copy_and_undo(self):
        self.sort("--go")
        self.assertEqual(self.tree(self.into), ["blue/1.png", "red/0.png", "red/2.png"])
        self.assertEqual(self.tree(self.inbox), ["0.png", "1.png", "2.png"])
        self.write("sorted/red/0.png", b"changed since")
        self.fails("sort", "--undo", self.log(), "--quiet", says="not the same")
        self.assertEqual(self.tree(self.into), ["red/0.png"])

    def test_move_and_undo(self):
        self.sort("--move", "--go")
        self.assertEqual(self.tree(self.inbox), [])
        self.ok("sort", "--undo", self.log())
        self.assertEqual(self.tree(self.inbox), ["0.png", "1.png", "2.png"])
        self.assertEqual(os.listdir(self.into), [os.path.basename(self.log())], "the folders are gone too")
        self.ok("sort", "--undo", self.log())

    def test_what_is_said_can_be_typed(self):
        into = self.path("Bob's best $HOME")
        err = self.ok("sort", "--as", "c", self.inbox, "--into", into, "--go").err
        typed = shlex.split(err.split("take it back with: whatsit ")[1].splitlines()[0])
        self.ok(*typed)
        self.assertEqual(self.tree(into), [])
        self.assertIn("use it with --as 'my own'\n", self.ok("head", "new", "my own", "--labels", "a,b").err)

    def test_undo_keeps_folders_that_hold_something_or_were_there(self):
        os.makedirs(os.path.join(self.into, "blue"))
        self.sort("--go")
        self.write("sorted/red/note.txt", b"mine")
        self.ok("sort", "--undo", self.log())
        self.assertEqual(self.tree(self.into), ["red/note.txt"])
        self.assertTrue(os.path.isdir(os.path.join(self.into, "blue")))

    def test_link(self):
        self.sort("--link", "--go")
        self.assertEqual(os.path.realpath(self.path("sorted", "blue", "1.png")), self.path("inbox", "1.png"))
        self.ok("sort", "--undo", self.log())
        self.assertEqual((self.tree(self.into), self.tree(self.inbox)), ([], ["0.png", "1.png", "2.png"]))

    def test_nothing_is_replaced(self):
        taken = self.write("sorted/red/0.png", b"mine")
        self.sort("--move", "--go")
        with open(taken, "rb") as file:
            self.assertEqual(file.read(), b"mine")
        self.assertIn("red/0-2.png", self.tree(self.into))
        self.write("inbox/0.png", b"came later")
        self.fails("sort", "--undo", self.log(), "--quiet", says="0-2.png")
        self.assertIn("red/0-2.png", self.tree(self.into))

    def test_unsure_and_odd_names(self):
        self.sort("--min", "1", "--go")
        self.assertEqual({name.split("/")[0] for name in self.tree(self.into)}, {"unsure"})
        self.ok("head", "new", "odd", "--labels", "a/b,.c")
        self.write("in2/tab\there.png", pictures.plain("red", 1))
        self.ok("sort", "--as", "odd", self.path("in2"), "--into", self.path("s2"), "--move", "--go")
        self.assertTrue(set(os.listdir(self.path("s2"))) & {"a-b", "_.c"})
        (log,) = [name for name in os.listdir(self.path("s2")) if name.endswith(".tsv")]
        self.ok("sort", "--undo", self.path("s2", log))
        self.assertEqual(self.tree(self.path("in2")), ["tab\there.png"])

    def test_full_disk_loses_nothing(self):
        before = self.tree(self.inbox)
        result = self.run_cli("sort", "--as", "c", self.inbox, "--into", self.into, "--go", file_limit=700)
        self.assertEqual(result.status, 1)
        self.assertEqual(self.tree(self.inbox), before)
        self.assertEqual(self.tree(self.into), [])

    def test_full_disk_stops_with_one_line(self):
        self.sort()  # which keeps the embeddings
        for limit, says in ((60, "cannot write the log"), (700, "cannot write: File too large: stopped, with 3 pictures")):
            for how in ("--copy", "--move"):
                into = self.path(f"{limit}{how}")
                if how == "--move" and limit == 700:
                    continue  # a rename needs no room
                self.fails("sort", "--as", "c", self.inbox, "--into", into, how, "--go", file_limit=limit, says=says)
                self.assertEqual((self.tree(into), self.tree(self.inbox)), ([], ["0.png", "1.png", "2.png"]))
        into = self.path("none")
        self.fails("sort", "--as", "c", self.inbox, "--into", into, "--go", file_limit=0, says="stopped")
        self.assertFalse(any(name.endswith(".tsv") for name in os.listdir(into)), "an empty log")

    def test_mistakes(self):
        self.wrong("sort", self.inbox, "--into", self.into, says="--as")
        self.wrong("sort", "--as", "c", self.inbox, "--into", self.into, "--copy", "--move", says="only one")
        self.wrong("sort", "--undo", "x", self.inbox, says="alone")
        self.fails("sort", "--undo", self.write("x.tsv", "hello\n"), says="not a log")
        self.fails("sort", "--undo", self.path("gone.tsv"), says="gone.tsv")


if __name__ == "__main__":
    main()
