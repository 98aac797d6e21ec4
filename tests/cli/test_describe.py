"""Sentences about pictures, and how they are measured. The shipped describer and its model are used where they are in the
sources; what needs neither is tested without them."""
import json
import os
import shutil
import signal
import struct
import zlib
import unittest

import tiny_model
from harness import Case, main

CAPTIONS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "captions")


class Measured(Case):
    def measure(self, references, sentences, *more):
        return self.ok("eval", "--captions", references, "--sentences", sentences, *more)

    def setUp(self):
        super().setUp()
        for name in ("references.tsv", "sentences.jsonl"):
            shutil.copy(os.path.join(CAPTIONS, name), self.dir)
        with open(self.path("sentences.jsonl")) as file:
            lines = [json.loads(line) for line in file]
        with open(self.path("sentences.jsonl"), "w") as file:
            file.writelines(json.dumps({**line, "image": self.path(line["image"])}) + "\n" for line in lines)

    def test_equal_to_the_original(self):
        with open(os.path.join(CAPTIONS, "expected.json")) as file:
            expected = json.load(file)
        found = self.measure(self.path("references.tsv"), self.path("sentences.jsonl"), "--json").json()[0]
        self.assertEqual(found["pictures"], 8)
        for a, b in zip(found["bleu"], expected["bleu"]):
            self.assertAlmostEqual(a, b, delta=1e-3)
        for name in ("rouge_l", "cider_d"):
            self.assertAlmostEqual(found[name], expected[name], delta=1e-3)
        self.assertAlmostEqual(found["sure"], 0.75)
        lines = self.measure(self.path("references.tsv"), self.path("sentences.jsonl")).lines()
        self.assertEqual(lines[0].split(), ["pictures", "8"])
        self.assertEqual(lines[6].split(), ["CIDEr-D", f"{100 * found['cider_d']:.1f}"])

    def test_what_counts(self):
        """A picture that failed, one without references, order and blank lines."""
        whole = self.measure(self.path("references.tsv"), self.path("sentences.jsonl"), "--json").out
        with open(self.path("references.tsv")) as file:
            rows = file.readlines()
        turned = self.write("turned.tsv", "\n".join(reversed([r.rstrip("\n") for r in rows])) + "\n\n")
        with open(self.path("sentences.jsonl"), "a") as file:
            file.write('{"image":"gone.jpg","error":{"code":"io","message":"x"}}\n{"image":"other.jpg","captions":[{"text":"a"}]}\n'
                       '{"answered":9,"failed":1}\n')
        self.assertEqual(self.measure(turned, self.path("sentences.jsonl"), "--json").out, whole)

    def test_mistakes(self):
        good, told = self.path("references.tsv"), self.path("sentences.jsonl")
        self.fails("eval", "--captions", self.path("gone.tsv"), "--sentences", told, says="gone.tsv")
        self.fails("eval", "--captions", self.write("e.tsv", ""), "--sentences", told, says="holds no captions")
        self.fails("eval", "--captions", self.write("n.tsv", "a.jpg a cat\n"), "--sentences", told, says="path, tab, caption")
        self.fails("eval", "--captions", good, "--sentences", self.write("b.jsonl", "{}\n"), says="describe --json")
        self.fails("eval", "--captions", good, "--sentences", self.write("o.jsonl", '{"image":"x","captions":[{"text":"a"}]}\n'),
                   says="no picture of the table")
        self.wrong("eval", "--captions", good, "--data", self.dir, "--head", "x", says="--captions goes without")
        self.wrong("eval", "--sentences", told, says="--captions")


class Describe(Case):
    def setUp(self):
        super().setUp()
        models = os.path.join(self.source, "models")
        if not os.path.exists(os.path.join(models, "whatsit-describe.gguf")):
            self.skipTest("models/whatsit-describe.gguf is not there")
        for name in os.listdir(models):
            if name.endswith((".gguf", ".txt")):
                os.symlink(os.path.join(models, name), os.path.join(self.share, "models", name))
        del self.env["WHATSIT_MODEL"]
        self.samples = os.path.join(self.source, "samples")
        self.pizza = os.path.join(self.samples, "pizza.jpg")

    def test_a_sentence(self):
        lines = self.ok("describe", self.pizza).lines()
        self.assertEqual(len(lines), 1)
        self.assertIn("pizza", lines[0].split(": ", 1)[1])
        with open(self.pizza, "rb") as file:
            self.assertEqual(self.ok("describe", "-", stdin=file.read()).lines()[0].split(": ", 1)[1],
                             lines[0].split(": ", 1)[1])

    def test_the_same_alone_and_among_others_on_any_number_of_threads(self):
        def told(*words):
            return {d["image"]: d["captions"] for d in self.ok("describe", *words, "--json").json()}
        folder = told(self.samples, "--n", "3")
        self.assertGreater(len(folder), 4)
        for image, captions in list(folder.items())[:3]:
            self.assertEqual(told(image, "--n", "3", "--threads", "3")[image], captions)
        for captions in folder.values():
            self.assertEqual(len(captions), 3)
            self.assertEqual(len({c["text"] for c in captions}), 3)
            for c in captions:
                self.assertTrue(0 < c["mean_prob"] <= 1 and c["logprob"] < 0)

    def test_no_tales(self):
        """Nothing to see, and sentences that the model does not find in the picture."""
        size = 64
        black = self.write("black.bmp", struct.pack("<2sIIIIiiHHIIiiII", b"BM", 54 + 3 * size * size, 0, 54, 40, size, size, 1, 24,
                                                    0, 0, 0, 0, 0, 0) + bytes(3 * size * size))
        told = self.ok("describe", black, "--json").json()[0]
        self.assertEqual((told["sure"], told["perhaps"]), (False, "nothing to see"))
        self.assertTrue(self.ok("describe", black).out.endswith(": perhaps there is nothing to see\n"))
        drum = os.path.join(self.samples, "drum.jpg")
        told = self.ok("describe", drum, "--json").json()[0]
        self.assertEqual((told["sure"], told["perhaps"]), (False, "musical instrument"))
        self.assertIn("perhaps a musical instrument; I cannot describe more", self.ok("describe", drum).out)

    def test_what_cannot_be_weighed_is_not_told(self):
        os.unlink(os.path.join(self.share, "models", "nano-concepts.txt"))
        self.assertEqual(self.fails("describe", self.pizza, self.pizza, says="heads are not beside").out, "")

    def test_first_words(self):
        text = self.ok("describe", self.pizza, "--about", "The table", "--json").json()[0]["captions"][0]["text"]
        self.assertTrue(text.startswith("the table "), text)
        self.fails("describe", self.pizza, "--about", "xylographic quoins", says="does not know")
        self.fails("describe", self.pizza, "--about", "the " * 60, says="no room")

    def test_mistakes(self):
        self.wrong("describe", says="IMAGE")
        self.wrong("describe", self.pizza, "--n", "9", says="--n")
        self.wrong("describe", self.pizza, "--n", "4", "--beam", "2", says="--beam")
        self.fails("describe", self.pizza, "--model", self.model, says="no describer can read")
        self.fails("describe", self.pizza, "--describer", self.path("gone.gguf"), says="no such describer")
        self.fails("describe", self.pizza, "--describer", os.path.join(self.share, "models", "whatsit-nano.gguf"), says="is no describer")
        self.fails(self.pizza, "--model", os.path.join(self.share, "models", "whatsit-describe.gguf"), says="is a describer")
        result = self.fails("describe", self.pizza, self.path("gone.png"), "--json", says="gone.png")
        *records, total = result.json()
        self.assertEqual([("captions" in d, "error" in d) for d in records], [(True, False), (False, True)])
        self.assertEqual(total, {"answered": 1, "failed": 1})


class Coca(Case):
    """A model of random weights that sees, reads and speaks, all in one file."""
    def setUp(self):
        super().setUp()
        self.original = os.path.join(self.source, "tests", "model", "data", "originals", "open_clip_coca")
        self.coca = self.path("coca.gguf")
        self.ok("model", "convert", self.original, "-o", self.coca)

    def told(self, *words, model=None):
        return self.ok("describe", self.picture(), "--model", model or self.coca, "--json", *words).json()[0]

    def test_one_file_for_everything(self):
        info = self.ok("model", "info", self.coca, "--json").json()[0]
        self.assertEqual((info["image"]["kind"], info["decoder"]["kind"]), ("vit_pooler", "coca"))
        labels = self.ok(self.picture(), "--labels", "cat,dog", "--json", "--model", self.coca).json()[0]
        self.assertEqual(len(labels["heads"][0]["answers"]), 2)
        whole = self.told()
        self.assertEqual((len(whole["captions"]), whole["sure"], "perhaps" in whole), (1, None, False))
        self.assertEqual((set(whole["captions"][0]), set(whole["ms"])), ({"text", "logprob", "mean_prob"}, {"decode", "preprocess", "describe"}))
        self.assertEqual(self.told(model=self.original)["captions"], whole["captions"])
        three = self.told("--n", "3")["captions"]
        self.assertEqual(len({c["text"] for c in three}), 3)
        self.assertTrue(self.told("--about", "cat dog")["captions"][0]["text"].startswith("cat dog"))
        self.ok("head", "new", "two", "--labels", "cat,dog", "--model", self.coca)
        self.ok("explain", self.picture(), "--as", "two", "--label", "cat", "-o", self.path("o.png"), "--method", "occlusion",
                "--model", self.coca)
        self.fails("explain", self.picture(), "--as", "two", "--label", "cat", "-o", self.path("r.png"), "--method", "regions",
                   "--model", self.coca, says="occlusion works")
        self.ok("model", "verify", self.coca)

    def test_nothing_weighs_it_and_that_is_said(self):
        note = "nothing weighs how sure the sentences of"
        told = self.ok("describe", self.picture(), "--model", self.coca)
        self.assertIn(note, told.err)
        self.assertTrue(told.out.startswith(self.picture() + ": "), told.out)
        self.assertNotIn(note, self.ok("describe", self.picture(), "--model", self.coca, "--quiet").err)
        table = self.write("t.tsv", f"{self.picture()}\ta cat\n{self.picture()}\ta dog\n")
        found = self.ok("eval", "--captions", table, "--model", self.coca, "--json")
        self.assertIsNone(found.json()[0]["sure"])
        self.assertIn(note, found.err)
        self.assertNotIn("sure ", self.ok("eval", "--captions", table, "--model", self.coca).out)
        lines = self.write("s.jsonl", self.ok("describe", self.picture(), "--model", self.coca, "--json").out)
        self.assertIsNone(self.ok("eval", "--captions", table, "--sentences", lines, "--json").json()[0]["sure"])

    def test_as_it_is_published(self):
        """The hub has it as PyTorch's own file."""
        folder = self.path("published")
        os.makedirs(folder)
        for name in ("open_clip_config.json", "merges.txt"):
            shutil.copy(os.path.join(self.original, name), folder)
        with open(os.path.join(self.original, "open_clip_model.safetensors"), "rb") as file, \
                open(os.path.join(folder, "open_clip_pytorch_model.bin"), "wb") as out:
            out.write(tiny_model.pickled(file.read()))
        self.assertEqual(self.told(model=folder)["captions"], self.told()["captions"])

    def test_int8(self):
        small = self.path("small.gguf")
        self.ok("model", "convert", self.original, "-o", small, "--type", "int8")
        self.assertEqual(len(self.told("--n", "2", model=small)["captions"]), 2)

    def test_what_is_refused(self):
        folder = self.path("changed")
        shutil.copytree(self.original, folder)
        path = os.path.join(folder, "open_clip_config.json")
        with open(path) as file:
            text = file.read()
        for old, new, says in (('"attentional_pool": true', '"attentional_pool": "parallel"', "attentional_pool=parallel"),
                               ('"embed_cls": true', '"embed_cls": false', "positional_embedding"),
                               ('"attn_pooler_heads": 4', '"attn_pooler_heads": 5', "5 heads"),
                               ('"multimodal_cfg"', '"other_cfg"', "multimodal_cfg")):
            self.assertIn(old, text)
            with open(path, "w") as file:
                file.write(text.replace(old, new))
            self.fails("model", "convert", folder, "-o", self.path("no.gguf"), says=says)


class Hostile(Case):
    """What is no picture, what is none of ours, and being stopped: as everywhere else."""
    def setUp(self):
        super().setUp()
        self.coca = self.path("coca.gguf")
        self.ok("model", "convert", os.path.join(self.source, "tests", "model", "data", "originals", "open_clip_coca"), "-o", self.coca)
        del self.env["WHATSIT_MODEL"]
        self.describe = ("describe", "--model", self.coca, "--quiet")
        self.classify = ("--labels", "cat,dog", "--model", self.coca, "--quiet")

    def test_pictures_are_read_and_refused_as_by_classify(self):
        good = tiny_model.png(40, 30)
        with open(os.path.join(self.source, "samples", "pizza.jpg"), "rb") as file:
            jpeg = file.read()
        files = {"empty.png": b"", "one.png": tiny_model.png(1, 1), "thin.png": tiny_model.png(1, 3000), "text.png": b"no picture\n",
                 "cut.png": good[:len(good) // 2], "head.png": good[:20], "cut.jpg": jpeg[:len(jpeg) // 2], "start.jpg": jpeg[:300],
                 "flipped.jpg": jpeg[:2000] + bytes([jpeg[2000] ^ 0x55]) + jpeg[2001:]}
        huge = good[:16] + struct.pack(">II", 20000, 20000) + good[24:29]
        files["huge.png"] = huge + struct.pack(">I", zlib.crc32(huge[12:])) + good[33:]
        paths = [self.write(f"hostile/{name}", data) for name, data in files.items()] + [self.path("hostile", "gone.png")]
        n_good = 0
        for path in paths:
            for strict in ((), ("--strict",)):
                one, other = self.run_cli(*self.describe, path, *strict), self.run_cli(*self.classify, path, *strict)
                self.assertEqual((one.status, one.err), (other.status, other.err), (path, strict))
                self.assertEqual(len(one.lines()), one.status == 0)
                n_good += one.status == 0
        self.assertTrue(4 <= n_good <= 2 * len(paths) - 8, n_good)
        self.assertIn("huge.png", self.run_cli(*self.describe, self.path("hostile", "huge.png")).err)
        for piped in (b"", b"x", good[:30]):
            self.assertEqual(self.run_cli(*self.describe, "-", stdin=piped).err, self.run_cli(*self.classify, "-", stdin=piped).err)
        folder = self.run_cli(*self.describe, self.path("hostile"), "--json")
        *records, total = folder.json()
        self.assertEqual(folder.status, 1)
        self.assertEqual({os.path.basename(r["image"]) for r in records}, set(files))
        self.assertEqual(total, {"answered": sum("captions" in r for r in records), "failed": sum("error" in r for r in records)})
        self.assertTrue(total["answered"] and total["failed"])

    def test_stopped_in_a_folder(self):
        for i in range(300):
            self.write(f"many/{i:03}.png", tiny_model.png(30, 30, i))
        process = self.start(*self.describe, self.path("many"), "--json", "--n", "8", "--threads", "1", bufsize=0)  # more than a pipe holds
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, _said = process.communicate(timeout=120)
        lines = [json.loads(line) for line in (first + rest).splitlines()]  # none is cut
        self.assertEqual(process.returncode, 130)
        self.assertLess(len(lines), 300)
        self.assertEqual([l["image"] for l in lines], sorted(l["image"] for l in lines))
        self.assertTrue(all(l["captions"] for l in lines))

    def test_describers_that_are_damaged(self):
        """Cut or changed anywhere: refused in one line, or it speaks; changed weights are found by verify."""
        with open(self.coca, "rb") as file:
            data = file.read()
        damaged = self.path("damaged.gguf")
        words = ("describe", "--quiet", "--model", self.coca, "--describer", damaged, self.picture())
        for keep in (0, 4, 100, 2000, len(data) // 2, len(data) - 1):
            self.write("damaged.gguf", data[:keep])
            self.fails(*words)
        n_spoke = 0
        for i in range(20):
            at = (i * 7919 + i * i * 104729) % (3000 if i % 2 else len(data))
            self.write("damaged.gguf", data[:at] + bytes([data[at] ^ (1 << i % 8)]) + data[at + 1:])
            told = self.run_cli(*words)
            self.assertIn(told.status, (0, 1), (at, told.err))
            self.assertEqual(len(told.lines() if told.status == 0 else told.error_lines()), 1, (at, told.err))
            n_spoke += told.status == 0
        self.assertTrue(0 < n_spoke < 20, n_spoke)
        at = len(data) // 2  # among the weights
        self.write("damaged.gguf", data[:at] + bytes([data[at] ^ 64]) + data[at + 1:])
        self.assertNotEqual(self.run_cli("model", "verify", damaged).status, 0)
        self.fails(*self.describe, self.picture(), "--describer", self.picture())

    def test_describers_of_other_models(self):
        small = self.path("small.gguf")
        self.ok("model", "convert", os.path.join(self.source, "tests", "model", "data", "describer"), "-o", small)
        self.fails(*self.describe, self.picture(), "--describer", small, says="reads 9 places")
        self.fails("describe", self.picture(), "--model", self.model, "--describer", self.coca, says="no describer can read")


if __name__ == "__main__":
    main()
