"""The main job: answers in every format, from files, folders, pipes and standard input."""
import csv
import io
import json
import math
import os
import subprocess

import tiny_model
from harness import Case, main

LABELS = "cat,dog,fox"


class Formats(Case):
    def test_text(self):
        result = self.ok(self.picture(), "--labels", LABELS)
        lines = result.lines()
        self.assertEqual(lines[0], self.picture())
        self.assertEqual(len(lines), 4)
        for line in lines[1:]:
            self.assertRegex(line, r"^ {2,4}\d{1,3}\.\d %  (cat|dog|fox)(  \((almost certainly|probably|perhaps)\))?$")
        self.assertEqual(result.err, "")
        self.assertNotIn("\x1b", result.out)

    def test_json_line_is_exact(self):
        result = self.ok(self.picture(), "--labels", LABELS, "--json")
        self.assertEqual(len(result.lines()), 1)
        answer = result.json()[0]
        self.assertEqual(list(answer), ["image", "model", "width", "height", "heads", "ms"])
        self.assertEqual((answer["image"], answer["width"], answer["height"]), (self.picture(), 40, 33))
        self.assertEqual(list(answer["ms"]), ["decode", "preprocess", "encode", "score"])
        self.assertTrue(all(isinstance(ms, float) and ms >= 0 for ms in answer["ms"].values()))
        (head,) = answer["heads"]
        self.assertEqual(list(head), ["name", "kind", "verdict", "answers"])
        self.assertEqual(head["kind"], "zero-shot")
        self.assertEqual(len(head["answers"]), 3)
        for item in head["answers"]:
            self.assertEqual(list(item), ["label", "score", "cosine", "logit"])
        scores = [item["score"] for item in head["answers"]]
        self.assertEqual(scores, sorted(scores, reverse=True))
        self.assertAlmostEqual(sum(scores), 1, places=5)
        # Softmax over the logits, whose differences are scaled cosines.
        top = max(item["logit"] for item in head["answers"])
        total = sum(math.exp(item["logit"] - top) for item in head["answers"])
        for item in head["answers"]:
            self.assertAlmostEqual(item["score"], math.exp(item["logit"] - top) / total, places=5)
            self.assertLessEqual(abs(item["cosine"]), 1.0001)

    def test_pictures_named_in_a_file(self):
        direct = self.ok(self.picture(0), self.picture(1), "--labels", LABELS, "--csv").out
        names = f"{self.picture(0)}\r\n\n{self.picture(1)}\n".encode()
        self.assertEqual(self.ok("--files-from", "-", "--labels", LABELS, "--csv", stdin=names).out, direct)
        zero = self.write("zero", names.replace(b"\r\n\n", b"\0").replace(b"\n", b"\0"))
        self.assertEqual(self.ok("--files-from", zero, "--null", "--labels", LABELS, "--csv").out, direct)
        self.assertEqual(self.ok("--files-from", "-", "--labels", LABELS, "--csv", stdin=b"\xef\xbb\xbf" + names).out, direct)
        self.fails("--files-from", zero, "--labels", LABELS, says="line 1 holds a zero byte: names that end with one need --null")
        wide = self.write("wide", names.decode().encode("utf-16"))
        self.fails("--files-from", wide, "--labels", LABELS, says="UTF-16 is not read")
        self.fails("embed", "--into", self.path("parts"), "--files-from", zero, says="zero byte")
        self.fails("--files-from", self.path("none"), "--labels", LABELS, says="cannot open")
        self.wrong("--labels", LABELS, says="needs an IMAGE")

    def test_warnings_of_a_broken_picture(self):
        cut = os.path.join(self.source, "tests/image/conditions/no_end.jpg")
        result = self.ok(cut, self.picture(), "--labels", LABELS, "--json")
        broken, whole = result.json()
        self.assertEqual(broken["warnings"], ["the file is truncated: its end is missing, all rows are there"])
        self.assertNotIn("warnings", whole)
        self.assertIn("no_end.jpg: the file is truncated", result.err)
        refused = self.run_cli(cut, "--labels", LABELS, "--strict")
        self.assertEqual((refused.status, refused.out), (1, ""))
        self.assertIn("truncated", refused.err)

    def test_ways_to_read_a_picture(self):
        drawing = os.path.join(self.source, "tests/image/conditions/drawing.png")
        scores = {}
        for way in ((), ("--alpha", "ground"), ("--alpha", "original"), ("--exact",)):
            answers = self.ok(drawing, "--labels", LABELS, "--json", *way).json()[0]["heads"][0]["answers"]
            scores[way] = sorted((item["label"], item["score"]) for item in answers)
        self.assertEqual(scores[()], scores["--alpha", "ground"])
        self.assertEqual(scores["--alpha", "original"], scores["--exact",])
        self.assertNotEqual(scores[()], scores["--exact",])
        wrong = self.run_cli(drawing, "--labels", LABELS, "--alpha", "black")
        self.assertEqual(wrong.status, 2)
        self.assertIn("--alpha is ground or original", wrong.err)

    def test_csv_and_tsv(self):
        labels = self.write("odd.txt", 'plain\nwith, comma\nwith "quotes"\n')
        result = self.ok(self.picture(), "--labels", labels, "--csv")
        rows = list(csv.DictReader(io.StringIO(result.out)))
        self.assertEqual(list(rows[0]), ["image", "head", "rank", "label", "score", "cosine", "logit"])
        self.assertEqual({row["label"] for row in rows}, {"plain", "with, comma", 'with "quotes"'})
        self.assertEqual([row["rank"] for row in rows], ["1", "2", "3"])
        result = self.ok(self.picture(), self.picture(1), "--labels", LABELS, "--tsv", "--top", "2")
        lines = [line.split("\t") for line in result.lines()]
        self.assertEqual(lines[0], ["image", "head", "rank", "label", "score", "cosine", "logit"])
        self.assertEqual(len(lines), 5)
        self.assertTrue(all(len(line) == 7 for line in lines))

    def test_top(self):
        many = ",".join(f"label {i}" for i in range(40))
        self.assertEqual(len(self.ok(self.picture(), "--labels", many).lines()), 6)
        self.assertEqual(len(self.ok(self.picture(), "--labels", many, "--top", "7").lines()), 8)
        self.assertEqual(len(self.ok(self.picture(), "--labels", many, "-k", "1000").lines()), 41)

    def test_formats_agree(self):
        answers = self.ok(self.picture(), "--labels", LABELS, "--json").json()[0]["heads"][0]["answers"]
        rows = list(csv.DictReader(io.StringIO(self.ok(self.picture(), "--labels", LABELS, "--csv").out)))
        text = self.ok(self.picture(), "--labels", LABELS).lines()[1:]
        for answer, row, line in zip(answers, rows, text):
            self.assertEqual(answer["label"], row["label"])
            self.assertAlmostEqual(answer["score"], float(row["score"]), places=7)
            self.assertAlmostEqual(100 * answer["score"], float(line.split()[0]), delta=0.051)
            self.assertRegex(line, rf" {answer['label']}(  \(.*\))?$")

    def test_names_that_are_no_utf8(self):
        name = os.path.join(os.fsencode(self.dir), b"caf\xe9 \x1b[31m.png")
        with open(name, "wb") as file:
            file.write(tiny_model.png(20, 20))
        result = self.ok(name, "--labels", LABELS, "--json")
        self.assertIn("caf\ufffd", json.loads(result.raw.decode("utf-8"))["image"])
        self.assertNotIn(b"\x1b", self.ok(name, "--labels", LABELS).raw)


class Inputs(Case):
    def images_of(self, *words, **options):
        return [answer["image"] for answer in self.ok(*words, "--labels", LABELS, "--json", **options).json()]

    def test_many_in_order_and_equal_to_one_by_one(self):
        words = []
        for n, i in enumerate((3, 1, 4, 1, 5, 2, 0, 3, 3, 2, 5, 4, 0, 1, 2, 3, 4, 5, 0, 0, 1, 2, 3)):
            with open(self.picture(i), "rb") as file:
                words.append(self.write(f"many/{n}-{i}.png", file.read()))
        together = self.ok(*words, "--labels", LABELS, "--json").json()
        self.assertEqual([answer["image"] for answer in together], words)
        alone = {i: self.ok(self.picture(i), "--labels", LABELS, "--json").json()[0]["heads"] for i in range(6)}
        for answer in together:
            self.assertEqual(answer["heads"], alone[int(answer["image"][-5])])

    def test_threads_do_not_change_answers(self):
        words = [self.picture(i) for i in range(6)]
        first = [a["heads"] for a in self.ok(*words, "--labels", LABELS, "--json", "--threads", "1").json()]
        for n in ("2", "5"):
            again = [a["heads"] for a in self.ok(*words, "--labels", LABELS, "--json", "-t", n).json()]
            self.assertEqual(first, again)

    def test_standard_input(self):
        with open(self.picture(2), "rb") as file:
            data = file.read()
        answer = self.ok("-", "--labels", LABELS, "--json", stdin=data).json()[0]
        self.assertEqual(answer["image"], "-")
        self.assertEqual(answer["heads"], self.ok(self.picture(2), "--labels", LABELS, "--json").json()[0]["heads"])
        self.assertEqual(self.images_of(self.picture(), "-", self.picture(1), stdin=data),
                         [self.picture(), "-", self.picture(1)])

    def test_pipe_by_name(self):
        code = f"'{self.program}' --labels {LABELS} <(cat '{self.picture()}')"
        done = subprocess.run(["bash", "-c", code], capture_output=True, env=self.env, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_folders(self):
        data = tiny_model.png(20, 20)
        for name in ("b.png", "a.PNG", "sub/c.jpeg", "sub/deeper/d.webp", "notes.txt", ".hidden.png", ".git/e.png"):
            self.write("tree/" + name, data)
        os.symlink("..", self.path("tree", "sub", "loop"))
        os.symlink(self.path("tree", "sub", "deeper"), self.path("tree", "linked"))
        names = [os.path.relpath(image, self.path("tree")) for image in self.images_of(self.path("tree"))]
        self.assertEqual(names, ["a.PNG", "b.png", "sub/c.jpeg", "sub/deeper/d.webp"])
        names = [os.path.relpath(image, self.path("tree")) for image in self.images_of("--follow", self.path("tree"))]
        self.assertEqual(names, ["a.PNG", "b.png", "linked/d.webp", "sub/c.jpeg"], "each folder once")
        self.assertEqual(self.images_of("tree/", cwd=self.dir)[0], "tree/a.PNG")

    def test_loop_of_links(self):
        os.makedirs(self.path("loop"))
        os.symlink(self.path("loop"), self.path("loop", "a"))
        os.symlink(self.path("loop"), self.path("loop", "b"))
        self.fails(self.path("loop"), "--labels", LABELS, says="no pictures")

    def test_empty_folder(self):
        os.makedirs(self.path("empty"))
        self.fails(self.path("empty"), says="no pictures")

    def test_preprocessed_pixels(self):
        self.ok("preprocess", self.picture(), "-o", self.path("p.safetensors"))
        a = self.ok(self.picture(), "--labels", LABELS, "--json").json()[0]
        b = self.ok(self.path("p.safetensors"), "--labels", LABELS, "--json").json()[0]
        self.assertEqual(a["heads"], b["heads"])

    def test_one_bad_picture_does_not_stop_the_rest(self):
        bad = self.write("bad.png", tiny_model.png(30, 30)[:200])
        words = [self.picture(0), bad, self.path("missing.png"), self.picture(1), self.picture(2)]
        result = self.run_cli(*words, "--labels", LABELS, "--json")
        self.assertEqual(result.status, 1)
        self.assertEqual([a.get("image") for a in result.json() if "error" not in a],
                         [self.picture(0), self.picture(1), self.picture(2), None])
        self.assertEqual(result.json()[-1], {"answered": 3, "failed": len(result.json()) - 4})
        lines = result.error_lines()
        self.assertEqual(len(lines), 2, lines)
        self.assertIn("bad.png", lines[0])
        self.assertIn("missing.png: No such file", lines[1])


class Notes(Case):
    def test_nano_is_introduced_once_and_only_to_people(self):
        model = tiny_model.write_model(self.path("whatsit-nano"))
        self.write("share/models/nano-concepts.txt", "# name: concepts\nbicycle\nbanana\n")
        self.write("share/models/nano-concepts.templates.txt", "a photo of a {}.\na picture of a {}.\n")
        words = [self.picture(0), self.picture(1), "--model", model]
        result = self.ok(*words)
        self.assertEqual(result.err.count("whatsit pull b32"), 1)
        self.assertEqual(len(result.lines()), 6)
        self.assertIn("banana", result.out)
        for option in ("--json", "--csv", "--tsv", "--quiet"):
            self.assertEqual(self.ok(*words, option).err, "", option)

    def test_sensitivity_is_shown(self):
        self.write("share/heads/jobs.txt", "# name: jobs\n# sensitivity: Looks say little.\n"
                                           "# template: a photo of a {}.\nbaker\nnurse\n")
        self.assertIn("note: Looks say little.", self.ok(self.picture(), "--as", "jobs").out)
        result = self.ok(self.picture(), "--as", "jobs", "--json")
        self.assertEqual(result.err.count("Looks say little."), 1)
        self.assertEqual(len(result.json()), 1)

    def test_nothing_to_answer_with(self):
        self.fails(self.picture(), says="--labels")


if __name__ == "__main__":
    main()
