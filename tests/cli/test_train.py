"""Heads from photos: trained, shown examples, calibrated, given away, made again."""
import json
import os
import shutil

import pictures
import tiny_model
from harness import Case, main


class Train(Case):
    def train(self, *more, counts=None, name="colours"):
        data = pictures.write_folders(self, "data", counts or {"red": 6, "green": 6, "blue": 6})
        return self.ok("head", "train", name, "--data", data, *more)

    def head_bytes(self, name="colours"):
        with open(self.data_path("heads", name + ".safetensors"), "rb") as file:
            return file.read()

    def test_folder_per_label(self):
        report = self.train("--json").json()[0]
        self.assertEqual(report["photos"], 18)
        self.assertEqual([entry["label"] for entry in report["labels"]], ["blue", "green", "red"])
        self.assertEqual(report["top1"], 1.0)
        self.assertEqual(sum(count for _, _, count in report["confusion"]), 18)
        new = self.write("new.png", pictures.plain("green", 99))
        answer = self.ok(new, "--as", "colours", "--json").json()[0]["heads"][0]
        self.assertEqual((answer["kind"], answer["answers"][0]["label"]), ("linear", "green"))

    def test_same_photos_same_head(self):
        self.train()
        first = self.head_bytes()
        self.ok("head", "train", "colours", "--data", self.path("data"), "--force")
        self.assertEqual(self.head_bytes(), first)
        shutil.rmtree(self.cache_path())
        self.ok("head", "train", "colours", "--data", self.path("data"), "--force", "--threads", "1")
        self.assertEqual(self.head_bytes(), first)

    def test_table(self):
        pictures.write_folders(self, "data", {"red": 4, "blue": 4})
        rows = "".join(f"{colour}/{i}.png\t\u8272 {colour}\textra\n" for colour in ("red", "blue") for i in range(4))
        self.write("data/labels.tsv", "file\tlabel\tmore\r\n" + rows)
        for data in (self.path("data"), self.path("data", "labels.tsv")):
            report = self.ok("head", "train", "x", "--data", data, "--json", "--force").json()[0]
            self.assertEqual([entry["label"] for entry in report["labels"]], ["\u8272 blue", "\u8272 red"])

    def test_table_of_a_spreadsheet(self):
        pictures.write_folders(self, "data", {"red": 4, "blue": 4})
        os.rename(self.path("data", "blue"), self.path("data", "blue, dark"))
        rows = "".join(f'red/{i}.png,"the ""red"" one",4\r\n"blue, dark/{i}.png",blue\r\n' for i in range(4))
        report = self.ok("head", "train", "x", "--data", self.write("data/t.csv", "\ufeffpath,label,more\r\n" + rows),
                         "--json").json()[0]
        self.assertEqual([entry["label"] for entry in report["labels"]], ["blue", 'the "red" one'])
        for bad in ('a.png red\n', '"a.png,red\n', '"a.png"x,red\n', 'a.png,"red\n'):
            self.fails("head", "train", "y", "--data", self.write("bad.csv", bad), says="line 1: not a path, a comma")

    def test_folders_without_pictures_are_no_labels(self):
        self.write("data/notes/readme.txt", "nothing to see")
        result = self.train("--json")
        self.assertEqual([entry["label"] for entry in result.json()[0]["labels"]], ["blue", "green", "red"])
        self.assertIn("data/notes: no pictures in this folder", result.error_lines()[0])
        self.write("bare/notes/readme.txt", "nothing to see")
        self.assertEqual(self.run_cli("head", "train", "x", "--data", "bare").status, 1)

    def test_names_of_many_scripts_line_up(self):
        data = self.path("data")
        for name in ("red", "\u0431\u0430\u0431\u043e\u0447\u043a\u0430", "\u732b", "caf\u0065\u0301"):
            pictures.write_folders(self, "data", {"red": 2}, first=len(name))
            os.rename(os.path.join(data, "red"), os.path.join(data, name + "_"))
        lines = self.ok("head", "train", "x", "--data", data).lines()
        ends = {len(line) + line.count("\u732b") - line.count("\u0301") for line in lines if "_ " in line and "%" in line}
        self.assertEqual(len(ends), 1, lines)

    def test_report_page(self):
        page = self.path("report.html")
        text = self.train("--report", page).out
        for word in ("accuracy", "balanced accuracy", "precision", "confusion"):
            self.assertIn(word, text)
        with open(page, encoding="utf-8") as file:
            html = file.read()
        self.assertIn("<svg", html)
        self.assertIn("green", html)
        self.assertNotIn("http", html.replace("http://www.w3.org", ""))

    def test_two_labels_have_an_auc(self):
        report = self.train("--json", "--balanced", counts={"red": 9, "blue": 4}).json()[0]
        self.assertEqual(report["auc"], 1.0)
        self.assertLessEqual(report["auc_low"], report["auc_high"])

    def test_bad_data(self):
        one = pictures.write_folders(self, "one", {"red": 3})
        self.fails("head", "train", "x", "--data", one, says="two labels")
        self.fails("head", "train", "x", "--data", self.path("gone"), says="gone")
        os.makedirs(self.path("empty"))
        self.fails("head", "train", "x", "--data", self.path("empty"), says="no labelled photos")
        self.fails("head", "train", "x", "--data", self.write("t.tsv", "a.png red\n"), says="line 1")
        self.fails("head", "train", "x", "--data", self.write("u.tsv", "a.png\t\n"), says="label is empty")
        self.wrong("head", "train", "x", says="--data")
        self.wrong("head", "train", "x", "--data", one, "--strength", "much", says="--strength")
        self.assertEqual(self.ok("head", "list", "--names").out, "")

    def test_one_photo_a_label(self):
        report = self.train("--json", counts={"red": 1, "blue": 1}).json()[0]
        self.assertNotIn("confusion", report)
        self.assertIn("too few", report["how"])
        self.ok(self.path("data", "red", "0.png"), "--as", "colours")

    def test_unreadable_photos_are_named_and_left_out(self):
        data = pictures.write_folders(self, "data", {"red": 4, "blue": 4})
        self.write("data/red/broken.png", b"not a picture")
        result = self.fails("head", "train", "x", "--data", data, "--json", "--quiet", says="broken.png")
        self.assertEqual((result.json()[0]["photos"], result.json()[0]["left_out"]), (8, 1))
        for i in range(4):
            self.write(f"data/blue/{i}.png", b"")
        result = self.run_cli("head", "train", "y", "--data", data)
        self.assertEqual(result.status, 1)
        self.assertIn("none of the photos of 'blue'", result.err)
        self.assertFalse(os.path.exists(self.data_path("heads", "y.safetensors")))

    def test_a_head_is_not_lost(self):
        self.train()
        first = self.head_bytes()
        self.fails("head", "train", "colours", "--data", self.path("data"), says="--force")
        self.run_cli("head", "train", "colours", "--data", self.path("data"), "--force", file_limit=64)
        self.assertEqual(self.head_bytes(), first)

    def test_damaged_cache_is_as_if_it_were_not_there(self):
        self.train()
        first = self.head_bytes()
        (cache,) = os.listdir(self.cache_path("vectors"))
        with open(self.cache_path("vectors", cache), "r+b") as file:
            file.seek(100)
            file.write(b"damage")
            file.seek(0, 2)
            file.write(b"half a record")
        self.ok("head", "train", "colours", "--data", self.path("data"), "--force")
        self.assertEqual(self.head_bytes(), first)


class Examples(Case):
    def photo(self, colour, seed):
        return self.write(f"{colour}{seed}.png", pictures.plain(colour, seed))

    def test_photos_alone_then_more(self):
        self.ok("head", "new", "c", "--examples", f"red={self.photo('red', 1)},{self.photo('red', 2)}",
                "--examples", f"blue={self.photo('blue', 1)}")
        info = self.ok("head", "info", "c", "--json").json()[0]
        self.assertEqual((info["kind"], info["n_photos"]), ("few-shot", 3))
        answer = self.ok(self.photo("blue", 7), "--as", "c", "--json").json()[0]["heads"][0]["answers"][0]
        self.assertEqual(answer["label"], "blue")
        self.ok("head", "add", "c", "blue", self.photo("blue", 2))
        self.assertEqual(self.ok("head", "info", "c", "--json").json()[0]["n_photos"], 4)
        self.fails("head", "add", "c", "pink", self.photo("red", 3), says="no label 'pink'")
        self.fails("head", "add", "gone", "red", self.photo("red", 3), says="gone")

    def test_words_and_photos(self):
        self.ok("head", "new", "c", "--labels", "red|crimson,green", "--examples", f"red={self.photo('red', 1)}",
                "--examples", f"blue={self.photo('blue', 1)}")
        shown = self.ok("head", "show", "c", "--json").json()[0]
        self.assertEqual(shown["labels"], ["red|crimson", "green", "blue"])
        self.ok(self.photo("red", 5), "--as", "c")
        for bad in ("red", "=a.png", "red="):
            self.wrong("head", "new", "d", "--examples", bad, says="--examples")
        self.wrong("head", "new", "d", says="--examples")

    def test_rebuild_for_another_model(self):
        other = tiny_model.write_model(self.path("other"), seed=2)
        photo = self.photo("red", 1)
        self.ok("head", "new", "c", "--labels", "red,blue", "--examples", f"red={photo}")
        self.ok("head", "rebuild", "c", "--model", other)
        self.ok(photo, "--as", "c", "--model", other)
        data = pictures.write_folders(self, "data", {"red": 3, "blue": 3})
        self.ok("head", "train", "t", "--data", data)
        self.fails(photo, "--as", "t", "--model", other, says="rebuild")
        self.ok("head", "rebuild", "t", "--model", other)
        self.ok(photo, "--as", "t", "--model", other)
        os.unlink(photo)
        self.fails("head", "rebuild", "c", says="is gone")
        self.ok("head", "rm", "c", "t")
        self.assertEqual(os.listdir(self.data_path("heads")), [])


class NoneOfThese(Case):
    def test_calibrated_by_photos(self):
        data = pictures.write_folders(self, "data", {"red": 5, "green": 5})
        unknown = pictures.write_folders(self, "other", {"blue": 30})
        self.ok("head", "train", "c", "--data", data, "--unknown", unknown, "--rate", "0.1")
        info = self.ok("head", "info", "c", "--json").json()[0]
        self.assertAlmostEqual(info["none_rate"], 0.1, places=6)
        strange, known = self.write("s.png", pictures.plain("blue", 500)), self.path("data", "red", "0.png")
        answers = [line["heads"][0] for line in self.ok(strange, known, "--as", "c", "--json").json()]
        self.assertEqual([answer["none"] for answer in answers], [True, False])
        self.assertLess(answers[0]["known"], answers[1]["known"])
        self.assertIn("none of these", self.ok(strange, "--as", "c").out)
        self.assertNotIn("none of these", self.ok(known, "--as", "c").out)
        self.assertIn(",0,none of these,", self.ok(strange, "--as", "c", "--csv").out)
        measured = self.ok("eval", "--head", "c", "--data", data, "--unknown", unknown, "--json").json()[0]
        self.assertEqual(measured["known_auc"], 1.0)
        self.assertLessEqual(measured["false_accepts"], 0.1)

    def test_too_few(self):
        data = pictures.write_folders(self, "data", {"red": 3, "green": 3})
        self.ok("head", "train", "c", "--data", data)
        self.fails("head", "calibrate", "c", "--unknown", self.picture(), says="at least 19")
        self.wrong("head", "calibrate", "c", says="--unknown")
        self.wrong("head", "calibrate", "c", "--unknown", self.picture(), "--rate", "2", says="--rate")

    def test_examples_need_a_threshold(self):
        self.write("share/heads/nouns.txt", "tree\nhouse\nriver\n")
        red = self.write("red.png", pictures.plain("red", 1))
        made = self.ok("head", "new", "c", "--labels", "red,green", "--none", "--examples", f"red={red}")
        self.assertIn("--none needs a threshold", made.err)

    def test_background_words(self):
        self.write("share/heads/nouns.txt", "# licence: CC0\n" + "".join(f"noun {i}\n" for i in range(40)))
        self.ok("head", "new", "c", "--labels", "red,green", "--none")
        answer = self.ok(self.picture(), "--as", "c", "--json").json()[0]["heads"][0]
        self.assertIn(answer["none"], (True, False))
        self.ok("head", "new", "d", "--labels", "red,green")
        answer = self.ok(self.picture(), "--as", "d", "--json").json()[0]["heads"][0]
        self.assertNotIn("none", answer)


class PhotoList(Case):
    """What is kept of where a head's photos lie must be of that head."""

    def setUp(self):
        super().setUp()
        self.list = self.data_path("heads", "x.photos.tsv")
        self.ok("head", "new", "x", "--labels", "a,b", "--examples", "a=" + self.picture(0))
        self.assertTrue(os.path.exists(self.list))

    def test_a_new_head_of_words_has_none(self):
        self.ok("head", "new", "x", "--labels", "a,b", "--force")
        self.assertFalse(os.path.exists(self.list))
        self.ok("head", "add", "x", "b", self.picture(1))
        with open(self.list) as file:
            self.assertEqual([line.split("\t")[1] for line in file.read().splitlines()[1:]], ["b"])

    def test_nor_has_one_that_is_taken_in(self):
        self.ok("head", "new", "y", "--labels", "c,d")
        self.ok("head", "export", "y", "-o", "y.safetensors")
        self.ok("head", "import", "y.safetensors", "--name", "x", "--force")
        self.assertFalse(os.path.exists(self.list))

    def test_one_that_cannot_be_written_is_none(self):
        head = os.path.getsize(self.data_path("heads", "x.safetensors"))
        data = self.path("photos", *["deep" * 20] * 20)
        os.makedirs(data)
        for i in range(12):
            shutil.copy(self.picture(i % 6), os.path.join(data, f"{i}.png"))
        words = ("head", "new", "x", "--force", "--labels", "a,b", "--examples", "a=" + data)
        self.ok(*words)
        self.assertGreater(os.path.getsize(self.list), 2 * head)
        self.assertIn("not kept for 'whatsit head rebuild'", self.ok(*words, file_limit=2 * head).err)
        self.assertFalse(os.path.exists(self.list))


class Sharing(Case):
    def test_export_and_import(self):
        self.ok("head", "new", "pets", "--labels", "cat,dog", "--note", "A guess.", "--licence", "CC0-1.0")
        self.ok("head", "export", "pets", "-o", "p.safetensors")
        self.fails("head", "export", "pets", "-o", "p.safetensors", says="--force")
        tensors, metadata = tiny_model.read_safetensors(self.path("p.safetensors"))
        self.assertIn("weight", tensors)
        self.assertEqual(json.loads(metadata["labels"]), ["cat", "dog"])
        self.fails("head", "import", "p.safetensors", says="--force")
        self.ok("head", "import", "p.safetensors", "--name", "friend")
        answers = [self.ok(self.picture(), "--as", name, "--json").json()[0]["heads"][0]["answers"]
                   for name in ("pets", "friend")]
        self.assertEqual(*answers)
        info = self.ok("head", "info", self.path("p.safetensors"))
        for fact in ("CC0-1.0", "A guess.", "model"):
            self.assertIn(fact, info.out)
        self.fails("head", "import", self.write("x.safetensors", b"nothing"), says="x.safetensors")
        self.fails("head", "export", "gone", says="gone")
        self.assertFalse(os.path.exists(self.path("gone.safetensors")))

    def import_one(self, *words, **options):
        """The one line that is said of what is taken in."""
        (line,) = self.ok("head", "import", "x.safetensors", "--force", *words, **options).error_lines()
        return line

    def test_a_head_for_another_model_is_said_at_once(self):
        other = tiny_model.write_model(self.data_path("models", "other"), seed=2)
        self.ok("head", "new", "x", "--labels", "a,b", "--model", "other")
        self.ok("head", "export", "x", "-o", "x.safetensors")
        said = self.import_one()
        self.assertRegex(said, "'x' with 2 labels is for other, not for tiny: use it with --model other, or .*rebuild x'$")
        self.ok(self.picture(), "--as", "x", "--model", "other")
        self.ok("head", "rebuild", "x")
        self.ok(self.picture(), "--as", "x")

        self.assertIn("use it with --as x", self.import_one("--model", other))
        self.assertIn("use it with --as x", self.import_one(env={"WHATSIT_MODEL": ""}))
        self.assertIn("use it with --as y", self.import_one("--name", "y", env={"WHATSIT_MODEL": "./gone.gguf"}))
        third = tiny_model.write_model(self.path("third"), seed=3)
        self.assertIn(f"not for third: use it with --model other, or make it again with 'whatsit head rebuild x --model {third}'",
                      self.import_one("--model", third))
        self.fails("head", "import", "x.safetensors", "--name", "z", "--model", "gone", says="gone")
        self.assertFalse(os.path.exists(self.data_path("heads", "z.safetensors")))

        namesake = tiny_model.write_model(self.path("else", "other"), seed=4)
        self.assertIn("is for another other, not for this one: use it with --model and", self.import_one("--model", namesake))
        shutil.rmtree(other)
        self.assertIn("use it with --model and the model it was made for, or", self.import_one())

    def test_a_head_of_photos_for_another_model(self):
        other = tiny_model.write_model(self.path("other"), seed=2)
        self.ok("head", "new", "x", "--examples", "a=" + self.picture(0), "--examples", "b=" + self.picture(1), "--model", other)
        self.ok("head", "export", "x", "-o", "x.safetensors")
        said = self.import_one()
        self.assertIn("is for other, not for tiny", said)
        self.assertNotIn("rebuild", said)  # its photos are elsewhere


if __name__ == "__main__":
    main()
