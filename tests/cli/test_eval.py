"""Heads and models measured on labelled photos."""
import json
import os
import shutil

import pictures
import tiny_model
from harness import Case, main


class Eval(Case):
    def setUp(self):
        super().setUp()
        self.data = pictures.write_folders(self, "data", {"red": 5, "blue": 5})
        self.test = pictures.write_folders(self, "test", {"red": 3, "blue": 2}, first=100)
        self.ok("head", "train", "c", "--data", self.data)

    def test_one_head(self):
        report = self.ok("eval", "--head", "c", "--data", self.test, "--json").json()[0]
        self.assertEqual((report["photos"], report["top1"], report["left_out"]), (5, 1.0, 0))
        self.assertEqual({entry["label"]: entry["photos"] for entry in report["labels"]}, {"red": 3, "blue": 2})
        self.assertEqual(report["confusion"], [[0, 0, 2], [1, 1, 3]])
        text = self.ok("eval", "--head", "c", "--data", self.test).out
        self.assertIn("100.00 %", text)

    def test_photos_that_made_the_head_are_told(self):
        self.assertEqual(self.ok("eval", "--head", "c", "--data", self.test, "--json").json()[0]["seen"], 0)
        os.rename(os.path.join(self.test, "red"), os.path.join(self.data, "red", "more"))
        result = self.ok("eval", "--head", "c", "--data", self.data, "--json")
        self.assertEqual((result.json()[0]["photos"], result.json()[0]["seen"]), (13, 10))
        self.assertIn("head 'c' was made from 10 of these 13 photos", result.err)
        page = self.path("seen.html")
        text = self.ok("eval", "--head", "c", "--data", self.data, "--report", page).out
        self.assertRegex(text, "made from +10 of these photos")
        with open(page, encoding="utf-8") as file:
            self.assertIn("made from</th><td>10<", file.read())

    def test_groups_are_counted(self):
        self.assertIsNone(self.ok("eval", "--head", "c", "--data", self.test, "--json").json()[0]["group"])
        data = pictures.write_folders(self, "three", {"red": 5, "blue": 5, "green": 5})
        self.ok("head", "train", "g", "--data", data, "--group", "warm=red", "--group", "cold=blue,green")
        os.rename(os.path.join(self.test, "blue"), os.path.join(self.test, "green"))  # wrong, but cold
        report = self.ok("eval", "--head", "g", "--data", self.test, "--json").json()[0]
        self.assertEqual((report["top1"], report["group"]), (0.6, 1.0))
        self.assertIn("group right        100.00 %", self.ok("eval", "--head", "g", "--data", self.test).out)

    def test_throughput_is_told_for_what_was_embedded(self):
        self.ok("eval", "--head", "c", "--data", self.test)
        self.assertIsNone(self.ok("eval", "--head", "c", "--data", self.test, "--json").json()[0]["photos_per_s"])
        fresh = self.ok("eval", "--head", "c", "--data", self.test, "--json", "--fresh").json()[0]
        self.assertGreater(fresh["photos_per_s"], 0)

    def test_several_heads_and_models_make_a_table(self):
        self.ok("head", "new", "words", "--labels", "red,blue,green")
        page = self.path("p.html")
        text = self.ok("eval", "--head", "c", "--head", "words", "--data", self.test, "--report", page).out
        self.assertEqual([line.split()[0] for line in text.splitlines()], ["head", "c", "words"])
        with open(page, encoding="utf-8") as file:
            self.assertEqual(file.read().count("<svg"), 2)
        other = tiny_model.write_model(self.path("other"), seed=2)
        self.write("share/heads/shades.txt", "red\nblue\n")
        text = self.ok("eval", "--head", "shades", "--data", self.test, "--model", self.model, "--model", other).out
        self.assertEqual(len(text.splitlines()), 3)
        result = self.fails("eval", "--head", "c", "--head", "shades", "--data", self.test, "--model", other, "--json",
                            says="rebuild")
        self.assertEqual([line["head"] for line in result.json()], ["shades"])

    def test_folder_names(self):
        self.ok("head", "new", "w", "--labels", "deep red|crimson,Blue")
        photo = pictures.plain("red", 1)
        for name in ("t/Deep_Red/1.png", "t/crimson/2.png", "t/blue/3.png", "t/other/4.png"):
            self.write(name, photo)
        report = self.ok("eval", "--head", "w", "--data", self.path("t"), "--json", "--quiet").json()[0]
        self.assertEqual((report["photos"], report["left_out"]), (3, 1))
        self.assertEqual([entry["photos"] for entry in report["labels"]], [2, 1])
        for name in ("n/n01440764/1.png", "n/n01443537/2.png", "m/0/1.png", "m/1/2.png", "k/1/1.png", "k/2/2.png"):
            self.write(name, photo)
        for folder in ("n", "m", "k"):
            report = self.ok("eval", "--head", "w", "--data", self.path(folder), "--json").json()[0]
            self.assertEqual([entry["photos"] for entry in report["labels"]], [1, 1])

    def test_mistakes(self):
        self.wrong("eval", "--data", self.test, says="--head")
        self.wrong("eval", "--head", "c", says="--data")
        self.fails("eval", "--head", "gone", "--data", self.test, says="gone")
        self.ok("head", "new", "pets", "--labels", "cat,dog")
        self.fails("eval", "--head", "pets", "--data", self.test, says="none of the 2 labels")
        self.write("single/red/0.png", pictures.plain("red", 1))
        self.fails("eval", "--head", "pets", "--data", self.path("single"), says="only label, 'red'")
        self.write("test/red/bad.png", b"x")
        result = self.fails("eval", "--head", "c", "--data", self.test, "--json", says="bad.png")
        self.assertEqual(result.json()[0]["photos"], 5)
        self.assertTrue(os.path.exists(self.path("test")))


class DataSets(Case):
    """Folders as data sets bring them, measured with the shipped lists."""

    def setUp(self):
        super().setUp()
        for name in ("eurosat", "fer2013", "caltech101", "ucf101", "country211", "sun397", "imagenet"):
            shutil.copy(os.path.join(self.source, "heads", name + ".txt"), os.path.join(self.share, "heads"))
        shutil.copy(os.path.join(self.source, "heads", "folders.tsv"), os.path.join(self.share, "heads"))

    def measured(self, head, folders):
        """folder -> the label it was taken for; every label once."""
        truths = {}
        for i, (folder, label) in enumerate(folders.items()):
            self.write(os.path.join("data", folder, f"{i}.png"), pictures.plain("red", i))
            truths[label] = truths.get(label, 0) + 1
        result = self.ok("eval", "--head", head, "--data", self.path("data"), "--json")
        report = json.loads(result.lines()[-1])
        self.assertEqual(report["left_out"], 0, result.err)
        self.assertEqual({row["label"]: row["photos"] for row in report["labels"] if row["photos"]}, truths)
        shutil.rmtree(self.path("data"))

    def one_prompt(self, name):
        """The whole list, with one prompt: only the names matter here."""
        path = os.path.join(self.share, "heads", name + ".txt")
        with open(path, encoding="utf-8") as file:
            lines = [line for line in file if not line.startswith("# template")]
        self.write(path, "".join(lines))

    def test_names_of_their_own(self):
        for name in ("eurosat", "fer2013", "caltech101", "ucf101", "country211", "sun397"):
            self.one_prompt(name)
        self.measured("eurosat", {"AnnualCrop": "annual crop land", "SeaLake": "lake or sea", "River": "river",
                                  "HerbaceousVegetation": "brushland or shrubland"})
        self.measured("fer2013", {"angry": "angry", "disgust": "disgusted", "fear": "fearful", "surprise": "surprised"})
        self.measured("caltech101", {"Faces_easy": "centered face", "airplanes": "airplane", "yin_yang": "yin and yang symbol",
                                     "BACKGROUND_Google": "background", "sea_horse": "sea horse"})
        self.measured("ucf101", {"ApplyEyeMakeup": "Apply Eye Makeup", "CleanAndJerk": "Clean And Jerk"})
        self.measured("country211", {"DE": "Germany", "AX": "Aland Islands", "ZW": "Zimbabwe"})
        self.measured("sun397", {"a/abbey": "abbey", "b/basketball_court/outdoor": "basketball court outdoor",
                                 "b/bazaar/indoor": "bazaar indoor"})

    def test_a_part_of_imagenet(self):
        self.one_prompt("imagenet")
        with open(os.path.join(self.share, "heads", "imagenet.txt"), encoding="utf-8") as file:
            labels = [line.split("|")[0].strip() for line in file if line.strip() and line[0] != "#"]
        self.measured("imagenet", {"n01440764": labels[0], "n01443537": labels[1], "n15075141": labels[999]})

    def test_parts_of_a_set_are_no_labels(self):
        for part in ("train", "test"):
            pictures.write_folders(self, "set/" + part, {"red": 1, "blue": 1})
        self.ok("head", "new", "h", "--labels", "red,blue")
        self.fails("eval", "--head", "h", "--data", self.path("set"), says="is a part of a data set")
        self.ok("eval", "--head", "h", "--data", self.path("set", "test"))
        self.fails("head", "train", "t", "--data", self.path("set"), says="is a part of a data set")


if __name__ == "__main__":
    main()
