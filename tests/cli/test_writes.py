"""One rule for every file that is written: nothing is replaced unasked, and never what is read too."""
import os

import pictures
import tiny_model
from harness import Case, main


class Writes(Case):
    def setUp(self):
        super().setUp()
        self.photo = self.write("photo.png", tiny_model.png(30, 30))
        self.data = pictures.write_folders(self, "data", {"red": 3, "blue": 3})
        self.table = self.write("t.tsv", "".join(f"data/{c}/{i}.png\t{c}\n" for c in ("red", "blue") for i in range(3)))
        self.list = self.write("list.txt", "cat\ndog\n")
        self.ok("head", "new", "h", "--labels", "red,blue")
        # words, the option that names the file, an ending, and what is read
        self.verbs = [
            (("explain", "photo.png", "--as", "h"), "-o", ".png", ["photo.png"]),
            (("embed", "photo.png", "--format", "npy"), "-o", ".npy", ["photo.png"]),
            (("embed", "photo.png", "-f", "jsonl"), "-o", ".jsonl", ["photo.png"]),
            (("embed", "data", "-f", "safetensors"), "-o", ".safetensors", ["data/red/1.png"]),
            (("embed", "--image", "photo.png", "-f", "safetensors"), "-o", ".x", ["photo.png"]),
            (("preprocess", "photo.png"), "-o", ".safetensors", ["photo.png"]),
            (("eval", "--head", "h", "--data", "t.tsv"), "--report", ".html", ["t.tsv", "data/red/0.png"]),
            (("head", "export", "h"), "-o", ".safetensors", []),
            (("model", "convert", self.model, "--type", "f16"), "-o", ".gguf", []),
        ]

    def content(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def test_what_is_there_is_kept(self):
        for i, (words, option, ending, _) in enumerate(self.verbs):
            out = f"out{i}{ending}"
            with self.subTest(words):
                self.write(out, b"mine")
                self.fails(*words, option, out, "--quiet", says="is there already: --force replaces it")
                self.assertEqual(self.content(out), b"mine")
                self.ok(*words, option, out, "--force")
                self.assertNotEqual(self.content(out), b"mine")

    def test_what_is_read_is_never_written(self):
        for words, option, _, read in self.verbs:
            for name in read:
                before = self.content(name)
                os.symlink(self.path(name), self.path("also"))
                os.link(self.path(name), self.path("hard"))
                for out in (name, self.path(".", name), "also", "hard"):
                    with self.subTest((words, out)):
                        result = self.run_cli(*words, option, out, "--force", "--quiet")
                        self.assertIn(result.status, (1, 2))
                        self.assertIn("read here too" if words[0] != "explain" or out.endswith(".png") else "", result.err)
                        self.assertEqual(self.content(name), before)
                os.unlink(self.path("also"))
                os.unlink(self.path("hard"))

    def test_training(self):
        self.write("report.html", b"mine")
        self.fails("head", "train", "n", "--data", "data", "--report", "report.html", says="is there already")
        before = self.content("t.tsv")
        self.fails("head", "train", "n", "--data", "t.tsv", "--report", "t.tsv", "--force", says="read here too")
        self.assertEqual((self.content("t.tsv"), self.content("report.html")), (before, b"mine"))
        self.ok("head", "train", "n", "--data", "data", "--report", "report.html", "--force")
        self.assertIn(b"<html", self.content("report.html"))

    def test_a_map_is_no_photo(self):
        for name in ("map.jpg", "map.webp"):
            self.wrong("explain", "photo.png", "--label", "cat", "-o", name, says="the map is a PNG")
        self.wrong("embed", "photo.png", "-o", "x.txt", says=".npy, .safetensors, .jsonl, .csv or .tsv")
        self.wrong("embed", "photo.png", "-o", "x.parquet", says="--format")

    def test_rows_of_a_table_have_names(self):
        self.write("bad.png", b"no picture")
        self.run_cli("embed", "photo.png", "bad.png", "data", "-o", "v.npy")
        self.assertEqual(self.content("v.npy.txt").decode().splitlines(),
                         ["photo.png", "bad.png"] + [f"data/{c}/{i}.png" for c in ("blue", "red") for i in range(3)])
        self.fails("embed", "photo.png", "-o", "v.npy", says="is there already")
        self.write("w.npy.txt", b"mine")
        self.fails("embed", "photo.png", "-o", "w.npy", says="w.npy.txt: is there already")
        self.assertFalse(os.path.exists(self.path("w.npy")))


if __name__ == "__main__":
    main()
