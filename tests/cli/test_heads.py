"""Heads: made, listed, shown, rebuilt, removed; shipped lists compiled once and kept."""
import csv
import io
import json
import os
import signal
import time

import tiny_model
from harness import Case, main


class Own(Case):
    def test_life_of_a_head(self):
        self.assertEqual(self.ok("head", "list", "--names").out, "")
        self.ok("head", "new", "pets", "--labels", "cat|kitty, dog ,fox", "--template", "a photo of a {}.",
                "--template", "my {}")
        self.assertTrue(os.path.isfile(self.data_path("heads", "pets.safetensors")))
        self.assertEqual(self.ok("head", "list", "--names").out, "pets\n")
        self.assertIn("pets", self.ok("head", "list").out)
        shown = self.ok("head", "show", "pets", "--json").json()[0]
        self.assertEqual(shown["labels"], ["cat|kitty", "dog", "fox"])
        self.assertEqual(shown["templates"], ["a photo of a {}.", "my {}"])
        self.assertEqual((shown["kind"], shown["shipped"], shown["name"]), ("zero-shot", False, "pets"))
        answers = self.ok(self.picture(), "--as", "pets", "--json").json()[0]["heads"]
        self.assertEqual(answers[0]["name"], "pets")
        self.assertEqual({a["label"] for a in answers[0]["answers"]}, {"cat", "dog", "fox"})
        self.fails("head", "new", "pets", "--labels", "a,b", says="--force")
        self.ok("head", "new", "pets", "--labels", "a,b", "--force")
        self.assertEqual(self.ok("head", "show", "pets", "--json").json()[0]["labels"], ["a", "b"])
        self.ok("head", "rm", "pets")
        self.assertEqual(self.ok("head", "list", "--names").out, "")
        self.fails("head", "rm", "pets", says="pets")

    def test_same_answers_typed_and_kept(self):
        labels = "apple,pear,plum"
        self.ok("head", "new", "fruit", "--labels", labels)
        kept = self.ok(self.picture(), "--as", "fruit", "--json").json()[0]["heads"][0]["answers"]
        typed = self.ok(self.picture(), "--labels", labels, "--json").json()[0]["heads"][0]["answers"]
        self.assertEqual(kept, typed)

    def test_file_opens_in_other_programs(self):
        self.ok("head", "new", "x", "--labels", "a,b,c")
        tensors, metadata = tiny_model.read_safetensors(self.data_path("heads", "x.safetensors"))
        self.assertEqual(tensors["weight"][:2], ("F32", [3, tiny_model.EMBEDDING]))
        self.assertTrue(metadata)

    def test_another_model_is_refused_with_the_way_out(self):
        self.ok("head", "new", "x", "--labels", "a,b")
        other = tiny_model.write_model(self.path("other"), seed=2)
        self.fails(self.picture(), "--as", "x", "--model", other, says="rebuild")
        self.ok("head", "rebuild", "x", "--model", other)
        self.ok(self.picture(), "--as", "x", "--model", other)
        self.fails(self.picture(), "--as", "x", says="rebuild")
        self.fails("head", "rebuild", "gone", says="gone")

    def test_head_as_a_file(self):
        self.ok("head", "new", "x", "--labels", "a,b")
        path = self.path("moved.safetensors")
        os.rename(self.data_path("heads", "x.safetensors"), path)
        self.ok(self.picture(), "--as", path)
        self.ok("head", "show", path)

    def test_several_heads_cost_one_encoding(self):
        self.ok("head", "new", "x", "--labels", "a,b")
        self.ok("head", "new", "y", "--labels", "c,d")
        heads = self.ok(self.picture(), "--as", "y", "--as", "x", "--labels", "e,f", "--json").json()[0]["heads"]
        self.assertEqual([head["name"] for head in heads], ["y", "x", "labels"])
        text = self.ok(self.picture(), "--as", "y", "--as", "x").out
        self.assertLess(text.index("as y:"), text.index("as x:"))

    def test_multi(self):
        self.ok("head", "new", "yes", "--labels", "a,b,c", "--multi")
        scores = [a["score"] for a in
                  self.ok(self.picture(), "--as", "yes", "--multi", "--json").json()[0]["heads"][0]["answers"]]
        self.assertTrue(all(0 <= score <= 1 for score in scores))
        self.ok("head", "new", "one", "--labels", "a,b,c")
        self.fails(self.picture(), "--as", "one", "--multi", says="--multi")

    def test_a_single_label_is_warned_of(self):
        new = ("head", "new", "one", "--force", "--labels", "cat")
        for words in ((self.picture(), "--labels", "cat"), (self.picture(), "--labels", "cat,cat", "--json")):
            (warning,) = [line for line in self.ok(*words).error_lines() if "repeated" not in line]
            self.assertRegex(warning, "--labels: a single label always gets 100 %.*--multi.*--unknown")
        self.assertIn("--labels: 'cat' is repeated: left out", self.ok(*words).err)
        self.assertIn("100.0 %", self.ok(*words[:3]).out)
        self.assertIn("one: a single label", self.ok(*new).err)
        self.write("data/cat/0.png", tiny_model.png(20, 20))
        for words in ((self.picture(), "--as", "one"), ("sort", self.picture(), "--as", "one", "--into", "x"),
                      ("eval", "--head", "one", "--data", self.path("data")),
                      ("explain", self.picture(), "--as", "one", "--force", "-o", "map.png")):
            self.assertEqual(self.ok(*words).err.count("one: a single label"), 1, words)
            self.assertNotIn("single", self.ok(*words, "--quiet").err)
        self.ok("head", "new", "seen", "--examples", "cat=" + self.picture())
        self.assertRegex(self.ok(self.picture(), "--as", "seen").err, "^whatsit: seen: a single.*head calibrate'.*\n$")

    def test_a_single_label_that_can_be_refused_is_not(self):
        self.write("share/heads/nouns.txt", "stone\ntree\nwater\nhouse\n")
        self.assertEqual(self.ok(self.picture(), "--labels", "cat", "--multi").err, "")
        for how in ("--multi", "--none"):
            self.assertNotIn("single", self.ok("head", "new", "one", "--force", "--labels", "cat", how).err)
            self.assertEqual(self.ok(self.picture(), "--as", "one").err, "")
        unknown = [word for i in range(1, 6) for word in ("--unknown", self.picture(i))]
        self.ok("head", "new", "seen", "--examples", "cat=" + self.picture(), *unknown, "--rate", "0.5")
        self.assertEqual(self.ok(self.picture(), "--as", "seen").err, "")

    def test_groups(self):
        zoo = self.write("zoo.txt", "[animals]\ncat|kitty\ndog\n[]\npizza\n")
        self.ok("head", "new", "zoo", "--labels", zoo, "--group", "food=pizza")
        typed = ("--labels", "cat|kitty,dog,pizza", "--group", "animals=kitty, dog", "--group", "food=pizza")
        self.fails("head", "new", "x", "--labels", "a,b", "--group", "g=c", says="no label 'c'")
        self.wrong("head", "new", "x", "--labels", "a,b", "--group", "g", says="--group")
        self.wrong(self.picture(), "--group", "g=a", says="--labels")
        other = tiny_model.write_model(self.path("other"), seed=2)
        for turn in range(2):
            model = ("--model", other) if turn else ()
            head = self.ok(self.picture(), "--as", "zoo", "--json", *model).json()[0]["heads"][0]
            groups = {g["group"]: g["score"] for g in head["groups"]}
            score = {a["label"]: a["score"] for a in head["answers"]}
            self.assertAlmostEqual(groups["animals"], score["cat"] + score["dog"], places=6)
            self.assertEqual({a["label"]: a.get("group") for a in head["answers"]},
                             {"cat": "animals", "dog": "animals", "pizza": "food"})
            again = self.ok(self.picture(), *typed, "--json", *model).json()[0]["heads"][0]
            self.assertEqual(again["groups"], head["groups"])
            self.ok("head", "rebuild", "zoo", "--model", other)  # which keeps them
        self.assertIn("by group:", self.ok(self.picture(), "--as", "zoo", "--model", other).out)
        self.assertEqual(self.ok("head", "show", "zoo", "--json").json()[0]["groups"], ["animals", "animals", "food"])
        self.assertIn("[animals]\n  cat|kitty\n  dog", self.ok("head", "show", "zoo").out)

    def test_groups_in_tables(self):
        labels = ("--labels", "cat,dog,pizza,rock", "--group", "animals, big and small=cat,dog", "--group", "food=pizza")
        head = self.ok(self.picture(), *labels, "--json").json()[0]["heads"][0]
        shares = {group["group"]: group["score"] for group in head["groups"]}
        for option, mark in (("--csv", ","), ("--tsv", "\t")):
            for top in ("1", "4"):
                table = self.ok(self.picture(), *labels, option, "--top", top).out
                rows = list(csv.DictReader(io.StringIO(table), delimiter=mark))
                self.assertEqual(list(rows[0])[-3:], ["logit", "group", "group_score"])
                self.assertEqual(len(rows), int(top))
                for row, answer in zip(rows, head["answers"]):
                    self.assertEqual((row["label"], row["group"]), (answer["label"], answer.get("group", "")))
                    if row["group"]:
                        self.assertAlmostEqual(float(row["group_score"]), shares[row["group"]], 6)
                    else:
                        self.assertEqual(row["group_score"], "")

    def test_names(self):
        for name in ("caf\u00e9", "two words", "a.b", "x" * 100):
            self.ok("head", "new", name, "--labels", "a,b")
            self.ok(self.picture(), "--as", name)
        for name in (".hidden", "a/b", "x" * 101, "new\nline"):
            self.wrong("head", "new", name, "--labels", "a,b")

    def test_many_labels_in_many_scripts(self):
        labels = self.write("l.txt", "".join(f"\u732b {i}\n" for i in range(300)) + "\u0633\u0645\u0643\ncaf\u00e9\n")
        self.ok("head", "new", "many", "--labels", labels)
        self.assertEqual(self.ok("head", "show", "many", "--json").json()[0]["n_labels"], 302)


class Interrupted(Case):
    def setUp(self):
        super().setUp()
        labels = self.write("many.txt", "".join(f"label number {i}\n" for i in range(20000)))
        self.making = ["head", "new", "many", "--labels", labels, "--force"]
        for i in range(6):
            self.making += ["--template", f"prompt {i} of a {{}}"]

    def parts(self):
        return [os.path.join(folder, name) for folder, _, names in os.walk(self.cache_path("heads"))
                for name in names if ".part" in name]

    def interrupt(self, how, ready):
        """Its exit status and what it said; how is sent once it is ready. What was done is kept when two seconds have
        passed, and fast machines need less for the whole: it is held back now and then."""
        process = self.start(*self.making, "--isa", "scalar", "--threads", "1")
        n_looks = 0
        while process.poll() is None and not ready(process):
            time.sleep(0.02)
            n_looks += 1
            if n_looks % 10 == 0:
                process.send_signal(signal.SIGSTOP)
                time.sleep(2.1)
                process.send_signal(signal.SIGCONT)
        process.send_signal(how)
        _, messages = process.communicate(timeout=100)
        return process.returncode, messages.decode()

    def test_goes_on_where_it_stopped(self):
        head = self.data_path("heads", "many.safetensors")
        self.ok(*self.making, "--isa", "scalar")
        with open(head, "rb") as file:
            whole = file.read()
        self.assertEqual(self.parts(), [])

        status, messages = self.interrupt(
            signal.SIGKILL, lambda process: any(part.endswith(".part") for part in self.parts()))
        self.assertEqual((status, messages), (-signal.SIGKILL, ""))
        said = []
        status, messages = self.interrupt(signal.SIGINT, lambda process: said.append(process.stderr.readline()) or True)
        self.assertEqual(status, 130)
        self.assertRegex(said[0].decode(), "going on where it stopped, after [1-9][0-9]* of 120000 prompts")
        self.assertIn("run it again to go on", messages)
        with open(head, "rb") as file:
            self.assertEqual(file.read(), whole, "an interrupted build replaces nothing")
        (place,) = self.parts()
        with open(place, "rb") as file:
            part = file.read()

        os.remove(head)
        self.assertIn("going on where it stopped", self.ok(*self.making, "--isa", "scalar").err)
        self.assertEqual(self.parts(), [])
        with open(head, "rb") as file:
            self.assertEqual(file.read(), whole)

        with open(place, "wb") as file: # one that was cut off is passed over
            file.write(part[:-1])
        self.assertNotIn("going on", self.ok(*self.making, "--isa", "scalar").err)
        with open(head, "rb") as file:
            self.assertEqual(file.read(), whole)


    def test_parts_that_are_left_are_removed(self):
        day = 24 * 3600

        def leave(name, days):
            path = self.write(f"home/.cache/whatsit/heads/{name}", "x")
            os.utime(path, (time.time() - days * day,) * 2)
            return path

        gone = [leave(name, 8) for name in ("0abc/a-0123.part", "1def/b-4567.part", "1def/b-4567.part.tmp-99",
                                            "1def/c-89ab.safetensors.tmp-99-0")]
        kept = [leave("1def/new-0123.part", 6), leave("1def/c-89ab.safetensors", 400), leave("1def/notes.txt", 400)]
        self.ok("head", "new", "x", "--labels", "a,b")
        self.assertEqual([path for path in gone + kept if os.path.exists(path)], kept)

        self.interrupt(signal.SIGINT, lambda process: any(part.endswith(".part") and "many" in part for part in self.parts()))
        (own,) = [part for part in self.parts() if "many" in part]
        os.utime(own, (time.time() - 30 * day,) * 2)
        self.assertIn("going on where it stopped", self.ok(*self.making, "--isa", "scalar").err)


class Shipped(Case):
    def setUp(self):
        super().setUp()
        self.write("share/heads/things.txt", "# name: things\n# title: Things around the house\n# source: us\n"
                   "# licence: CC0\n# template: a photo of a {}.\n" + "".join(f"thing {i}\n" for i in range(150)))

    def compiled(self):
        found = []
        for folder, _, names in os.walk(self.cache_path("heads")):
            found += [os.path.join(folder, name) for name in names]
        return found

    def test_list_and_show(self):
        self.assertIn("Things around the house", self.ok("head", "list").out)
        self.assertEqual(self.ok("head", "list", "--names").out, "things\n")
        listed = self.ok("head", "list", "--json").json()
        self.assertEqual((listed[0]["name"], listed[0]["n_labels"], listed[0]["shipped"]), ("things", 150, True))
        self.assertIn("CC0", self.ok("head", "show", "things").out)
        self.fails("head", "rm", "things", says="shipped")

    def test_what_the_built_in_model_can_answer(self):
        self.assertNotIn("model", self.ok("head", "list").out.split("Things around the house")[1])
        for mark, words in (("well", "works well with the built-in model"), ("some", "in part"), ("poor", "needs a larger model")):
            self.write("share/models/whatsit-nano-lists.json", '{"lists": {"things": {"mark": "%s", "share": 0.5}}}' % mark)
            self.assertIn(words, self.ok("head", "list").out)
            (entry,) = self.ok("head", "list", "--json").json()
            self.assertEqual(entry["works"], {"mark": mark, "share": 0.5})
        self.write("share/models/whatsit-nano-lists.json", "no JSON")
        self.assertNotIn("works", self.ok("head", "list", "--json").out)

    def test_compiled_once(self):
        first = self.ok(self.picture(), "--as", "things", "--json").json()[0]["heads"]
        (path,) = self.compiled()
        fingerprint = self.ok("model", "info", "--json").json()[0]["fingerprint"]
        self.assertEqual(os.path.dirname(path), self.cache_path("heads", fingerprint))
        self.assertRegex(os.path.basename(path), r"^things-[0-9a-f]{16}\.safetensors$")
        before = os.stat(path)
        self.assertEqual(self.ok(self.picture(), "--as", "things", "--json").json()[0]["heads"], first)
        self.assertEqual(os.stat(path).st_mtime_ns, before.st_mtime_ns)

    def test_changed_list_is_compiled_anew(self):
        self.ok(self.picture(), "--as", "things")
        with open(self.path("share", "heads", "things.txt"), "a") as file:
            file.write("one more\n")
        self.ok(self.picture(), "--as", "things")
        self.assertEqual(len(self.compiled()), 2)

    def test_broken_cache_is_mended(self):
        first = self.ok(self.picture(), "--as", "things", "--json").json()[0]["heads"]
        (path,) = self.compiled()
        with open(path, "r+b") as file:
            file.truncate(100)
        self.assertEqual(self.ok(self.picture(), "--as", "things", "--json").json()[0]["heads"], first)
        self.assertGreater(os.path.getsize(path), 100)

    def test_own_head_comes_first(self):
        self.ok("head", "new", "things", "--labels", "mine,yours")
        answers = self.ok(self.picture(), "--as", "things", "--json").json()[0]["heads"][0]["answers"]
        self.assertEqual({a["label"] for a in answers}, {"mine", "yours"})

    def test_lists_of_the_repository(self):
        folder = os.path.join(self.source, "heads")
        names = [name for name in os.listdir(folder)
                 if name.endswith(".txt") and not name.endswith(".templates.txt")] if os.path.isdir(folder) else []
        if not names:
            self.skipTest("the repository has no heads")
        listed = {e["name"]: e for e in self.ok("head", "list", "--json", env={"WHATSIT_SHARE": self.source}).json()}
        self.assertEqual(set(listed), {name[:-4] for name in names})
        for entry in listed.values():
            self.assertTrue(entry["source"] and entry["licence"], entry["name"])


if __name__ == "__main__":
    main()
