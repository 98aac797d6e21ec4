"""What the program says: as sure as it is, what was meant, and what to do."""
import json
import os
import re

import pictures
import tiny_model
from harness import Case, main

GROUPED = "# name: grouped\n# template: a {}.\n[animals]\ncat\ndog\nanimals|beast\n[vehicles]\ncar\nbus\n[]\ncloud\nstone\n"


def verdict_of(head):
    """The rule of head.h, from the answers themselves (all of them)."""
    best, groups = head["answers"][0], head.get("groups", [])
    word = lambda score: ("almost certainly" if score >= 0.9 else "probably" if score >= 0.5 else
                          "perhaps" if score >= 0.2 else "can't tell")
    if groups and groups[0]["score"] >= 0.5 and (best["label"] == groups[0]["group"] or best["score"] < 0.5):
        return groups[0]["group"], word(groups[0]["score"])
    return (None if word(best["score"]) == "can't tell" else best["label"]), word(best["score"])


class Certainty(Case):
    def test_the_specific_word_when_sure_the_broad_one_when_not(self):
        self.write("g.txt", GROUPED)
        paths = [self.write(f"p/{i}.png", pictures.plain(("red", "green", "blue", "grey")[i % 4], i, spread=20 + 9 * (i % 9)))
                 for i in range(60)]
        seen = set()
        for answer in self.ok(*paths, "--labels", "g.txt", "--top", "9", "--json").json():
            (head,) = answer["heads"]
            verdict = head["verdict"]
            self.assertEqual((verdict["name"], verdict["certainty"]), verdict_of(head))
            self.assertEqual(verdict["group"], verdict["name"] == "vehicles" or
                             (verdict["name"] == "animals" and head["answers"][0]["label"] != "animals"))
            seen.add((verdict["certainty"], verdict["group"]))
        text = self.ok(*paths, "--labels", "g.txt").out
        for certainty, group in seen:
            self.assertIn("; which one is not clear)" if group else certainty, text)

    def test_many_like_ones_cannot_be_told_apart(self):
        """Letter case means nothing to the model: six names of one thing share its probability."""
        self.write("many.txt", "cat\nCat\nCAT\ncAt\ncaT\nCAt\n")
        cat = os.path.join(self.source, "samples", "siamese-cat.jpg")
        text = self.ok(cat, "--labels", "many.txt").out
        head = self.ok(cat, "--labels", "many.txt", "--json").json()[0]["heads"][0]
        self.assertEqual(head["verdict"], {"name": None, "certainty": "can't tell", "score": 0.0, "group": False})
        self.assertIn("can't tell; the nearest would be", text)

    def test_none_of_these_has_no_percentages(self):
        data = pictures.write_folders(self, "data", {"red": 4, "blue": 4})
        other = [self.write(f"other/{i}.png", pictures.plain("grey", i)) for i in range(40)]
        self.ok("head", "train", "c", "--data", data, "--unknown", self.path("other"), "--rate", "0.05")
        answers = {a["image"]: a["heads"][0] for a in self.ok(*other, "--as", "c", "--json").json()}
        none = next(image for image, head in answers.items() if head["none"])
        self.assertEqual(answers[none]["verdict"]["certainty"], "none of these")
        text = self.ok(none, "--as", "c").out
        self.assertIn("none of these; the nearest would be", text)
        self.assertNotIn("%", text)


class Meant(Case):
    def test_mistyped_verbs(self):
        for words in (("clasify", self.picture()), ("frobnicate",), ("lst",)):
            result = self.wrong(*words, says=f"there is no verb or picture '{words[0]}'")
            self.assertIn("'whatsit help' shows the verbs", result.err)
            self.assertEqual(result.out, "")
        self.wrong("srot", self.picture(), says="did you mean 'sort'?")
        self.wrong("head", "lst", says="did you mean 'head list'?")
        self.assertNotIn("did you mean", self.wrong("head", "frobnicate", says="not complete or not known").err)
        self.fails("missing.jpg", "--labels", "a,b", says="No such file")
        self.fails("./missing", "--labels", "a,b", says="No such file")
        with open(self.picture(), "rb") as file:
            self.write("photo", file.read())
        self.ok("photo", "--labels", "a,b")

    def test_options_before_a_verb(self):
        for words in (("-q", "search", "dog"), ("--top", "1", "head", "list"), ("-q", "index", "--since", "2020", ".")):
            result = self.wrong(*words, says="is a verb, and comes first: whatsit ")
            self.assertEqual(result.out, "")
        self.ok("-q", "--labels", "search,index", self.picture())
        self.ok("--labels", "search", self.picture())
        with open(self.picture(), "rb") as file:
            self.write("search", file.read())
        self.ok("-q", "search", "--labels", "a,b")

    def test_mistyped_labels(self):
        self.ok("head", "new", "h", "--labels", "spider,tiger", "--examples", "spider=" + self.picture())
        self.fails("head", "add", "h", "spidr", self.picture(1), says="did you mean 'spider'?")
        self.fails("explain", self.picture(), "--as", "h", "--label", "tigre", "-o", "x.png", says="did you mean 'tiger'?")
        self.fails(self.picture(), "--labels", "spider,tiger", "--group", "cats=tigr", says="did you mean 'tiger'?")
        self.fails("head", "add", "h", "zzzzzzzz", self.picture(1), says="no label 'zzzzzzzz'")

    def test_labels_that_are_one_to_the_model(self):
        for labels in ("dog,Cat,cat", "dog,caf\u00e9,cafe\u0301,owl", "cat|kitty,CAT|Kitty"):
            err = self.ok(self.picture(), "--labels", labels).err
            self.assertIn("are one label, and each gets a share", err, labels)
        self.assertIn("'Cat' and 'cat'", self.ok("head", "new", "h", "--labels", "dog,Cat,cat").err)
        for words in (("--labels", "dog,cat,kitty|cat"), ("--labels", "Cat,cat", "--multi")):
            self.assertNotIn("one label", self.ok(self.picture(), *words).err, words)

    def test_the_way_to_another_model(self):
        other = tiny_model.write_model(self.path("other"), 3)
        self.ok("head", "new", "h", "--labels", "a,b")
        result = self.fails(self.picture(), "--as", "h", "-m", other, says=f"'whatsit head rebuild h --model {other}'")
        self.assertIn("in place of the", result.err)
        self.ok(*re.search(r"'whatsit (head rebuild [^']*)'", result.err).group(1).split())
        self.ok(self.picture(), "--as", "h", "-m", other)
        self.fails(self.picture(), "--as", "h", says="'whatsit head rebuild h'")

    def test_own_heads_that_hide_shipped_ones(self):
        self.write("share/heads/pets.txt", "# name: pets\ncat\ndog\nfox\n")
        for words in (("head", "new", "pets", "--labels", "a,b"),
                      ("head", "train", "pets", "--force", "--data", pictures.write_folders(self, "d", {"red": 2, "blue": 2}))):
            self.assertIn("a shipped head is called 'pets' too", self.ok(*words).err)
        self.ok("head", "export", "pets", "-o", "p.safetensors")
        self.assertIn("called 'pets' too", self.ok("head", "import", "p.safetensors", "--force", "--name", "pets").err)
        self.assertIn("hides the shipped head", self.ok("head", "list").out)
        self.assertNotIn("too", self.ok("head", "new", "mine", "--labels", "a,b").err)
        self.ok("head", "rm", "pets")
        self.assertNotIn("hides", self.ok("head", "list").out)

    def test_odd_paths_are_said_once(self):
        path = self.write("two\nlines.png", b"x" * 100)
        line = self.fails(path, "--labels", "a,b", says="not a picture").err
        self.assertEqual(line.count("lines.png"), 1, line)

    def test_long_paths_keep_the_reason(self):
        folder = self.path(*["a long name of a folder " * 8] * 3)
        os.makedirs(folder)
        for name, data, says in (("no.png", None, "No such file or directory"), ("bad.png", b"x" * 100, "not a picture")):
            path = os.path.join(folder, name)
            if data:
                self.write(path, data)
            line = self.fails(path, "--labels", "a,b", says=says).err
            self.assertEqual(line.count(name), 1, line)
        self.fails(self.picture(), "--labels", os.path.join(folder, "no.txt"), says="No such file or directory")
        self.fails("model", "convert", self.model, "-o", os.path.join(folder, "none", "x.gguf"), says="No such file")
        self.fails("model", "info", os.path.join(folder, "x.gguf"), says="no such file")


class Records(Case):
    def test_every_failed_file_has_a_record_and_there_is_a_count(self):
        good, bad = self.write("d/1.png", tiny_model.png(20, 20)), self.write("d/2.png", b"no picture at all")
        self.write("d/3.png", tiny_model.png(21, 20))
        os.symlink("gone", self.path("d", "4.png"))
        result = self.run_cli(self.path("d"), "--labels", "a,b", "--json")
        self.assertEqual(result.status, 1)
        lines = result.json()
        self.assertEqual([line.get("image", "")[-5:] for line in lines], ["1.png", "2.png", "3.png", "4.png", ""])
        self.assertEqual([("error" in line) for line in lines], [False, True, False, True, False])
        self.assertEqual(lines[1]["error"]["code"], "format")
        self.assertEqual(lines[3]["error"], {"code": "io", "message": "No such file or directory"})
        self.assertEqual(lines[4], {"answered": 2, "failed": 2})

    def test_bytes_of_names(self):
        name = os.path.join(os.fsencode(self.dir), b"d", b"caf\xe9 100%.png")
        os.makedirs(os.path.dirname(name))
        with open(name, "wb") as file:
            file.write(tiny_model.png(20, 20))
        expected = "".join(chr(c) if 0x20 < c < 0x7f and c != 0x25 else f"%{c:02X}" for c in name)
        for words in (("--labels", "a,b", "--json"), ("rank", "--text", "x", "--json"), ("embed",)):
            words = (words[0], self.path("d"), *words[1:]) if words[0] in ("rank", "embed") else (self.path("d"), *words)
            (line,) = self.ok(*words).raw.splitlines()
            self.assertEqual(json.loads(line)["path_bytes"], expected)
        self.assertNotIn("path_bytes", self.ok(self.picture(), "--labels", "a,b", "--json").out)
        self.assertIn(name, self.ok("rank", self.path("d"), "--text", "x", "--names").raw)


if __name__ == "__main__":
    main()
