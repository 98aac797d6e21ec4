"""Models: list, info, convert, verify, and how one is found by name."""
import json
import os
import shutil

import tiny_model
from harness import Case, main


class Models(Case):
    def convert(self, *names, **options):
        path = self.path(*names)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self.ok("model", "convert", self.model, "-o", path, "--name", "tiny", **options)
        return path

    def test_info(self):
        info = self.ok("model", "info", self.model, "--json").json()[0]
        self.assertEqual((info["embedding_dim"], info["image_size"], info["context_length"]),
                         (tiny_model.EMBEDDING, tiny_model.IMAGE, 77))
        self.assertRegex(info["fingerprint"], "^[0-9a-f]{64}$")
        self.assertAlmostEqual(info["logit_scale"], 99.5, delta=1)
        self.assertEqual(info["image"]["kind"], "vit")
        self.assertEqual(info["text"]["layers"], tiny_model.LAYERS)
        text = self.ok("model", "info", self.model).out
        self.assertIn(info["fingerprint"], text)
        self.assertIn("2 layers of width 32", text)

    def test_convert_keeps_answers_and_fingerprint(self):
        path = self.convert("tiny.gguf")
        a = self.ok("model", "info", self.model, "--json").json()[0]
        b = self.ok("model", "info", path, "--json").json()[0]
        self.assertEqual(a["fingerprint"], b["fingerprint"])
        self.assertEqual(b["name"], "tiny")
        words = (self.picture(), "--labels", "cat,dog", "--json")
        first, second = (self.ok(*words, "--model", m).json()[0]["heads"] for m in (self.model, path))
        self.assertEqual(first, second)
        self.ok("model", "verify", path)
        self.ok("model", "verify", self.model)

    def test_verify_finds_damage(self):
        path = self.convert("tiny.gguf")
        with open(path, "r+b") as file:
            file.seek(-4000, os.SEEK_END)
            data = file.read(2000)
            file.seek(-4000, os.SEEK_END)
            file.write(bytes(b ^ 0x11 for b in data))
        self.fails("model", "verify", path, says="tiny.gguf")

    def test_weights(self):
        f32 = self.path("f32.gguf")
        self.ok("model", "convert", self.model, "-o", f32, "--type", "f32")
        f16 = self.path("f16.gguf")
        self.ok("model", "convert", self.model, "-o", f16, "--type", "f16")
        self.assertGreater(os.path.getsize(f32), 1.7 * os.path.getsize(f16))

    def test_a_list_names_the_kind(self):
        models = self.path("home", ".local", "share", "whatsit", "models")
        self.convert("home", ".local", "share", "whatsit", "models", "mine.gguf")
        shutil.copytree(os.path.join(self.source, "tests", "model", "data", "describer"), os.path.join(models, "teller"))
        rows = {line.split()[0]: line for line in self.ok("model", "list").lines()}
        self.assertRegex(rows["mine"], r"\b[1-9][0-9]* px  ")
        self.assertIn(" describer ", rows["teller"])
        self.assertNotIn(" px ", rows["teller"])
        told = {os.path.basename(row["path"]): row for row in self.ok("model", "list", "--json").json()}
        self.assertIsNone(told["mine.gguf"]["decoder"])
        self.assertEqual(told["teller"]["decoder"]["kind"], "decoder")

    def test_found_by_name(self):
        self.convert("home", ".local", "share", "whatsit", "models", "mine.gguf")
        self.convert("share", "models", "whatsit-nano.gguf")
        self.assertEqual(self.ok("model", "list", "--names").out, "mine\nwhatsit-nano\n")
        self.assertIn("mine", self.ok("model", "list").out)
        self.assertEqual(len(self.ok("model", "list", "--json").json()), 2)
        words = (self.picture(), "--labels", "a,b", "--json")
        self.ok(*words, "--model", "mine")
        self.ok(*words, env={"WHATSIT_MODEL": "mine"})
        self.ok(*words, env={"WHATSIT_MODEL": ""})
        self.assertIn("whatsit-nano.gguf", self.ok("model", "info", env={"WHATSIT_MODEL": ""}).out)

    def test_a_folder_with_a_models_name(self):
        """What is converted is what was meant, or nothing."""
        self.convert("home", ".local", "share", "whatsit", "models", "mine.gguf")
        os.symlink(self.model, self.path("mine"))
        self.fails("model", "convert", "mine", "-o", self.path("out.gguf"), says="say ./mine")
        self.assertFalse(os.path.exists(self.path("out.gguf")))
        self.ok("model", "convert", "./mine", "-o", self.path("out.gguf"))

    def test_none_at_all(self):
        self.assertEqual(self.ok("model", "list", "--names").out, "")
        self.assertIn("whatsit pull", self.ok("model", "list").err)

    def test_beside_the_program(self):
        # PREFIX/bin/whatsit finds PREFIX/share/whatsit.
        os.makedirs(self.path("prefix", "bin"))
        program = self.path("prefix", "bin", "whatsit")
        with open(self.program, "rb") as file, open(program, "wb") as out:
            out.write(file.read())
        os.chmod(program, 0o755)
        self.convert("prefix", "share", "whatsit", "models", "whatsit-nano.gguf")
        self.write("prefix/share/whatsit/models/nano-concepts.txt", "anvil\nbicycle\n")
        before, type(self).program = self.program, program
        try:
            result = self.ok("model", "info", env={"WHATSIT_MODEL": "", "WHATSIT_SHARE": ""})
        finally:
            type(self).program = before
        self.assertIn("prefix/share/whatsit/models/whatsit-nano.gguf", os.path.normpath(result.lines()[1].split()[-1]))


class OtherFamilies(Case):
    """SigLIP from the command line: answers one by one, occlusion, a file of its own with its tokenizer."""

    def setUp(self):
        super().setUp()
        self.siglip = os.path.join(Case.source, "tests", "model", "data", "families", "siglip2")

    def scores(self, *words):
        heads = self.ok(self.picture(), "--labels", "cat,dog,tree", "--json", *words).json()[0]["heads"]
        return {a["label"]: a["score"] for a in heads[0]["answers"]}

    def test_answers_one_by_one_unless_asked_for_one(self):
        each, one = self.scores("--model", self.siglip), self.scores("--model", self.siglip, "--single")
        self.assertAlmostEqual(sum(one.values()), 1, places=5)
        self.assertGreater(abs(sum(each.values()) - 1), 1e-3)
        for name in each:  # sigmoid(logit) and softmax(logit) of the same logits
            ratio = each[name] / (1 - each[name]) / one[name]
            self.assertAlmostEqual(ratio / (each["cat"] / (1 - each["cat"]) / one["cat"]), 1, places=3)
        self.assertEqual(self.run_cli(self.picture(), "--labels", "a,b", "--single", "--multi").status, 2)

    def test_its_file_brings_the_tokenizer(self):
        file = self.path("s.gguf")
        self.ok("model", "convert", self.siglip, "-o", file)
        self.ok("model", "verify", file)
        self.assertEqual(self.scores("--model", file), self.scores("--model", self.siglip))
        self.assertEqual(self.ok("tokenize", "--model", file, "A Photo of a cat").out,
                         self.ok("tokenize", "--tokenizer", self.siglip, "A Photo of a cat").out)

    def test_explained_in_each_way(self):
        self.ok("head", "new", "pets", "--labels", "cat,dog", "--model", self.siglip)
        words = ("explain", self.picture(), "--as", "pets", "-l", "cat", "--model", self.siglip)
        maps = []
        for method in ("occlusion", "regions"):
            self.ok(*words, "-o", self.path(method + ".png"), "--method", method)
            with open(self.path(method + ".png"), "rb") as file:
                maps.append(file.read())
        self.assertTrue(all(m.startswith(b"\x89PNG") for m in maps))
        self.assertNotEqual(*maps)


class Tokenizers(Case):
    def tokens(self, *path):
        return os.path.join(Case.source, "tests", "text", "data", *path)

    def test_one_alone(self):
        for folder, file in (("unigram", "spiece.model"), ("pairs", "tokenizer.model"), ("wordpiece", "vocab.txt")):
            with open(self.tokens(folder, "tokens.jsonl")) as lines:
                rows = [json.loads(line) for line in lines][:40]
            asked = "".join(json.dumps({"text": row["text"]}) + "\n" for row in rows).encode()
            for path in (self.tokens(folder), self.tokens(folder, file), self.tokens(folder, "tokenizer.json")):
                answers = self.ok("tokenize", "--tokenizer", path, "--jsonl", stdin=asked).json()
                self.assertEqual([a["ids"] for a in answers], [row["ids"] for row in rows], path)
        self.assertEqual(self.ok("tokenize", "--tokenizer", self.tokens("wordpiece"), "", "").lines()[0],
                         self.ok("tokenize", "--tokenizer", self.tokens("wordpiece", "vocab.txt"), "").lines()[0])

    def test_what_is_none(self):
        self.fails("tokenize", "--tokenizer", self.dir, "x", says="no tokenizer here")
        self.fails("tokenize", "--tokenizer", self.write("a.txt", "one\ntwo\n"), "x", says="[CLS]")
        self.fails("tokenize", "--tokenizer", self.write("t.json", "{}"), "x", says="t.json")
        self.fails("tokenize", "--tokenizer", self.path("nothing"), "x", says="nothing")
        self.assertEqual(self.run_cli("tokenize", "--tokenizer", self.dir, "--model", "b32", "x").status, 2)


if __name__ == "__main__":
    main()
