"""Sentences about pictures, and how they are measured. The shipped describer and its model are used where they are in the
sources; what needs neither is tested without them."""
import json
import os
import shutil
import struct
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
        self.assertEqual((len(whole["captions"]), whole["sure"]), (1, True))
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


if __name__ == "__main__":
    main()
