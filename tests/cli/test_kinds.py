"""One small model of every kind of network, through everything that is done with a model: heads, answers, none of
these, explanations, int8, the server's one request. Their exactness is tested elsewhere (tests/model)."""
import http.client
import json
import os
import random
import re
import shutil
import struct

import tiny_model
from harness import Case, main

MERGES = ["c a", "ca t</w>", "d o", "do g</w>", "b o"]
TEXT = {"context_length": 24, "vocab_size": 514 + len(MERGES), "width": 16, "heads": 2, "layers": 2, "mlp_ratio": 2.0}
# Folders of tests/model/data: with a tokenizer of their own, or whose text tower is replaced by one with CLIP's.
WHOLE = ["siglip1", "siglip2", "chinese_clip", "metaclip2", "clipa"]
IMAGE_ONLY = ["open_clip_eva02", "open_clip_convnext", "open_clip_fastvit", "open_clip_pe_core", "open_clip_resnet",
              "open_clip_gelu"]


def text_tower(prefix, embedding):
    source = random.Random(7)
    width, mlp = TEXT["width"], int(TEXT["width"] * TEXT["mlp_ratio"])
    shapes = {"token_embedding.weight": [TEXT["vocab_size"], width], "positional_embedding": [TEXT["context_length"], width],
              "text_projection": [width, embedding], "ln_final.weight": [width], "ln_final.bias": [width]}
    for i in range(TEXT["layers"]):
        block = f"transformer.resblocks.{i}."
        shapes.update({block + "attn.in_proj_weight": [3 * width, width], block + "attn.in_proj_bias": [3 * width],
                       block + "attn.out_proj.weight": [width, width], block + "attn.out_proj.bias": [width],
                       block + "mlp.c_fc.weight": [mlp, width], block + "mlp.c_fc.bias": [mlp],
                       block + "mlp.c_proj.weight": [width, mlp], block + "mlp.c_proj.bias": [width]})
        for norm in ("ln_1", "ln_2"):
            shapes[f"{block}{norm}.weight"] = shapes[f"{block}{norm}.bias"] = [width]
    tensors = {}
    for name, shape in shapes.items():
        n = 1
        for side in shape:
            n *= side
        gain = "ln_" in name and name.endswith("weight")
        numbers = [1.0] * n if gain else [source.gauss(0, 0.3) for _ in range(n)]
        tensors[prefix + name] = ("F32", shape, struct.pack(f"<{n}f", *numbers))
    return tensors


class Kinds(Case):
    def folder(self, name):
        data = os.path.join(self.source, "tests", "model", "data")
        if name in WHOLE:
            return os.path.join(data, "families", name)
        folder = self.path(name)
        shutil.copytree(os.path.join(data, "originals", name), folder)
        weights = os.path.join(folder, "open_clip_model.safetensors")
        tensors, _ = tiny_model.read_safetensors(weights)
        path = os.path.join(folder, "open_clip_config.json")
        with open(path) as file:
            config = json.load(file)
        model = config.get("model_cfg", config)
        model["text_cfg"] = TEXT
        prefix = "text." if model.get("custom_text") else ""
        kept = {n: t for n, t in tensors.items() if n.startswith(("visual.", "logit"))}
        with open(weights, "wb") as file:
            file.write(tiny_model.safetensors({**kept, **text_tower(prefix, model["embed_dim"])}))
        with open(path, "w") as file:
            json.dump(config, file)
        with open(os.path.join(folder, "merges.txt"), "w") as file:
            file.write("#version: 0.2\n" + "".join(merge + "\n" for merge in MERGES))
        return folder

    def served(self, model):
        """A whole server answers one picture; a program built without it says so."""
        process = self.start("serve", "--listen", "127.0.0.1:0", "--db", self.path("store.db"), "--model", model)
        try:
            said = b""
            found = None
            while not found:
                line = process.stderr.readline()
                said += line
                found = re.search(rb"listening on http://127\.0\.0\.1:(\d+)", line)
                if not line:
                    self.assertIn(b"without", said)
                    return
            connection = http.client.HTTPConnection("127.0.0.1", int(found.group(1)), timeout=60)
            with open(self.picture(), "rb") as file:
                connection.request("POST", "/v1/classify?head=nouns&top=2&explain=1", file.read(), {"Content-Type": "image/png"})
            answer = connection.getresponse()
            body = answer.read()
            self.assertEqual(answer.status, 200, body)
            self.assertIn("noun", body.decode())
            connection.close()
        finally:
            process.terminate()
            process.communicate(timeout=60)

    def setUp(self):
        super().setUp()
        self.write("share/heads/nouns.txt", "# licence: CC0\n" + "".join(f"noun {i}\n" for i in range(6)))

    def everything(self, name):
        folder = self.folder(name)
        model = self.path(name + ".gguf")
        self.ok("model", "convert", folder, "-o", model, "--name", name)
        self.env["WHATSIT_MODEL"] = model
        info = self.ok("model", "info", model, "--json").json()[0]
        told = self.ok(self.picture(), self.picture(1), "--labels", "cat,dog,a boat", "--json").json()
        self.assertEqual(len(told), 2)
        for record in told:
            answers = record["heads"][0]["answers"]
            self.assertEqual(sorted(a["label"] for a in answers), ["a boat", "cat", "dog"])
            self.assertTrue(all(0 <= a["score"] <= 1 for a in answers))
        # The folder answers as the file made of it.
        again = self.ok(self.picture(), "--labels", "cat,dog,a boat", "--json", "--model", folder).json()[0]
        for a, b in zip(again["heads"][0]["answers"], told[0]["heads"][0]["answers"]):
            self.assertEqual(a["label"], b["label"])
            self.assertAlmostEqual(a["score"], b["score"], places=5)
        self.heads()
        self.explain()
        self.served(model)
        small = self.path("small.gguf")
        self.ok("model", "convert", folder, "-o", small, "--type", "int8")
        self.ok(self.picture(), "--labels", "cat,dog", "--json", "--model", small)
        self.ok("model", "verify", small)
        return info

    def heads(self):
        self.ok("head", "new", "things", "--labels", "cat|kitten,dog,boat")
        self.ok(self.picture(), "--as", "things", "--json")
        for label in ("red", "blue"):
            for i in range(3):
                self.write(f"photos/{label}/{i}.png", tiny_model.png(36, 36, 10 * i + len(label)))
        self.ok("head", "train", "colours", "--data", self.path("photos"))
        told = self.ok(self.picture(), "--as", "colours", "--json").json()[0]
        self.assertEqual(len(told["heads"][0]["answers"]), 2)
        for i in range(3):
            self.write(f"others/{i}.png", tiny_model.png(30, 30, 90 + i))
        self.ok("head", "calibrate", "things", "--unknown", self.path("others"), "--rate", "0.5")
        told = self.ok(self.picture(), "--as", "things", "--json").json()[0]["heads"][0]
        self.assertIn("none", json.dumps(told).lower())

    def explain(self):
        for method in ("occlusion", "regions"):
            out = self.path(method + ".png")
            self.ok("explain", self.picture(), "--as", "things", "--label", "cat", "--force", "-o", out, "--method",
                    method)
            self.assertGreater(os.path.getsize(out), 100)
        told = self.ok("explain", self.picture(), "--as", "things", "--words", "1", "--neurons", "3", "--json").json()[0]
        self.assertEqual(len(told["neurons"]), 3)
        self.assertTrue(told["regions"])


def test_of(name):
    return lambda self: self.everything(name)


for kind in WHOLE + IMAGE_ONLY:
    setattr(Kinds, "test_" + kind, test_of(kind))

if __name__ == "__main__":
    main()
