"""Figures that are honest: copies count once, what a head was made from is known by content, and it is said what was
not measured."""
import json
import os
import shutil

import pictures
from harness import Case, main


class Figures(Case):
    def report(self, *words):
        result = self.ok(*words, "--json")
        return json.loads(result.lines()[-1]), result.err

    def test_copies_count_once_in_training(self):
        data = pictures.write_folders(self, "data", {"red": 5, "blue": 5, "grey": 5})
        alone, _ = self.report("head", "train", "a", "--data", data)
        for colour in ("red", "blue", "grey"):
            for i in range(5):
                shutil.copy(self.path("data", colour, f"{i}.png"), self.path("data", colour, f"copy of {i}.png"))
        copied, err = self.report("head", "train", "b", "--data", data)
        self.assertIn("15 photos are copies of others", err)
        self.assertEqual((copied["copies"], copied["photos"]), (15, 15))
        for key in ("top1", "log_loss", "calibration_error", "confusion"):
            self.assertEqual(copied[key], alone[key])
        text = self.ok("head", "train", "b", "--data", data, "--force", "--quiet").out
        self.assertRegex(text, r"photos measured +15 +\(15 more are copies of these\)")

    def test_copies_count_once_in_measuring(self):
        data = pictures.write_folders(self, "data", {"red": 2, "blue": 2})
        self.ok("head", "new", "w", "--labels", "red,blue")
        before, _ = self.report("eval", "--head", "w", "--data", data)
        for i in range(7):
            shutil.copy(self.path("data", "red", "0.png"), self.path("data", "red", f"c{i}.png"))
        for fresh in ((), ("--fresh",)):
            after, err = self.report("eval", "--head", "w", "--data", data, *fresh)
            self.assertIn("7 photos are copies", err)
            self.assertEqual((after["photos"], after["top1"], after["copies"]), (4, before["top1"], 7))

    def test_one_photo_under_two_labels(self):
        data = pictures.write_folders(self, "data", {"red": 4, "blue": 4})
        shutil.copy(self.path("data", "red", "1.png"), self.path("data", "blue", "also.png"))
        for words in (("head", "train", "t", "--data", data), ("eval", "--head", "t", "--data", data)):
            err = self.report(*words)[1]
            self.assertIn("1 photo stands under more than one label", err)
            self.assertRegex(err, r"also\.png is 'blue', and as .*1\.png 'red'|1\.png is 'red', and as .*also\.png 'blue'")

    def test_photos_it_was_made_from_are_known_by_content(self):
        data = pictures.write_folders(self, "data", {"red": 4, "blue": 4})
        self.ok("head", "train", "t", "--data", data)
        os.rename(data, self.path("moved"))
        os.rename(self.path("moved", "red", "0.png"), self.path("moved", "red", "another name.png"))
        self.write("moved/red/new.png", pictures.plain("red", 77))
        measured, err = self.report("eval", "--head", "t", "--data", self.path("moved"))
        self.assertEqual(measured["seen"], 8)
        self.assertIn("was made from 8 of these 9 photos", err)
        # Other photos under the old names are others.
        pictures.write_folders(self, "data", {"red": 4, "blue": 4}, first=50)
        for colour in ("red", "blue"):
            for i in range(4):
                os.rename(self.path("data", colour, f"{50 + i}.png"), self.path("data", colour, f"{i}.png"))
        measured, err = self.report("eval", "--head", "t", "--data", data)
        self.assertEqual((measured["seen"], err), (0, ""))
        # Photos that were added count too.
        self.ok("head", "new", "e", "--examples", "red=" + self.path("moved", "red", "1.png"),
                "--examples", "blue=" + self.path("moved", "blue", "1.png"))
        self.ok("head", "add", "e", "red", self.path("moved", "red", "2.png"))
        shutil.rmtree(self.path("data"))
        shutil.copytree(self.path("moved"), self.path("data"))
        self.assertEqual(self.report("eval", "--head", "e", "--data", data)[0]["seen"], 3)

    def test_old_lists_go_by_path(self):
        data = pictures.write_folders(self, "data", {"red": 3, "blue": 3})
        self.ok("head", "train", "t", "--data", data)
        list_path = self.data_path("heads", "t.photos.tsv")
        with open(list_path, encoding="utf-8") as file:
            old = ["\t".join(line.rstrip("\n").split("\t")[:2]) + "\n" for line in file]
        with open(list_path, "w", encoding="utf-8") as file:
            file.writelines(old)
        self.assertEqual(self.report("eval", "--head", "t", "--data", data)[0]["seen"], 6)

    def test_labels_that_cannot_be_held_out(self):
        data = pictures.write_folders(self, "data", {"red": 4, "blue": 4, "grey": 1, "green": 1})
        measured, _ = self.report("head", "train", "t", "--data", data)
        self.assertEqual((measured["photos"], measured["not_measured"]), (8, 2))
        text = self.ok("head", "train", "t", "--data", data, "--force", "--report", "r.html").out
        self.assertRegex(text, r"not measured +2 labels with a single photo \('(green|grey)', \.\.\.\)")
        with open(self.path("r.html"), encoding="utf-8") as file:
            page = file.read()
        for words in ("photos measured", "labels not measured", "what it says", "how often the best answer is the right one",
                      'scope="col"', "rotate(-60)"):
            self.assertIn(words, page)

    def test_a_broader_right_word_is_told_apart(self):
        """'warm' is the group of red: whoever says it for red is not as wrong as with 'cold'."""
        data = pictures.write_folders(self, "data", {"red": 6, "grey": 6})
        # A head from photos that answers 'warm' for red ones: its photos are red, its group's name too.
        pictures.write_folders(self, "w", {"red": 4, "blue": 4, "grey": 4}, first=60)
        self.ok("head", "new", "h", "--labels", self.write("l.txt", "[warm]\nred\nwarm\n[cold]\nblue\ngrey\n"),
                "--examples", "warm=" + self.path("w", "red"), "--examples", "grey=" + self.path("w", "grey"))
        measured, _ = self.report("eval", "--head", "h", "--data", data)
        labels = {row["label"]: i for i, row in enumerate(measured["labels"])}
        broad = sum(n for truth, answer, n in measured["confusion"] if (truth, answer) == (labels["red"], labels["warm"]))
        self.assertEqual(measured["broader"], broad)
        self.assertGreater(broad, 0)
        self.assertIn("broader word", self.ok("eval", "--head", "h", "--data", data).out)


if __name__ == "__main__":
    main()
