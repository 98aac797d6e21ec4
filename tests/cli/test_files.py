"""Bad files of every kind: one clear line and exit status 1; outputs whole or not at all."""
import os
import struct
import subprocess
import unittest

import pictures
import tiny_model
from harness import Case, main

LABELS = ("--labels", "cat,dog")


class BadPictures(Case):
    def test_wrong_bytes(self):
        good = tiny_model.png(30, 30)
        cases = {
            "empty.png": b"", "text.jpg": b"this is no picture\n", "zeros.png": bytes(5000),
            "short.png": good[:len(good) // 2], "signature.png": good[:8], "broken.jpg": b"\xff\xd8\xff\xe0" + b"x" * 90,
            "page.webp": b"<html></html>", "riff.webp": b"RIFF\x10\0\0\0WEBPVP8 ", "gif.gif": b"GIF89a\x01",
            "bmp.bmp": b"BM" + bytes(60), "huge.png": good[:16] + struct.pack(">II", 2**31 - 1, 2**31 - 1) + good[24:],
        }
        for name, data in cases.items():
            with self.subTest(name):
                self.fails(self.write(name, data), *LABELS, says=name)

    def test_bomb_is_refused(self):
        header = tiny_model.png(30, 30)
        bomb = header[:16] + struct.pack(">II", 60000, 60000) + header[24:]
        self.fails(self.write("bomb.png", bomb), *LABELS)

    def test_no_file(self):
        self.fails(self.path("missing.jpg"), *LABELS, says="No such file")
        self.fails("/dev/null", *LABELS)
        self.fails(self.write("file", "x") + "/inside.png", *LABELS, says="Not a directory")
        os.symlink("nowhere", self.path("dangling.png"))
        self.fails(self.path("dangling.png"), *LABELS, says="No such file")

    def test_standard_input(self):
        self.fails("-", *LABELS, stdin=b"", says="standard input")
        self.fails("-", *LABELS, stdin=b"no picture", says="standard input")

    def test_bad_pixels(self):
        pixels = bytes(32 * 32 * 3)
        cases = {
            "name": {"pixel": ("U8", [32, 32, 3], pixels)}, "type": {"pixels": ("I8", [32, 32, 3], pixels)},
            "rank": {"pixels": ("U8", [32 * 32, 3], pixels)}, "size": {"pixels": ("U8", [16, 64, 3], pixels)},
            "channels": {"pixels": ("U8", [64, 24, 2], pixels)},
        }
        for name, tensors in cases.items():
            with self.subTest(name):
                self.fails(self.write(f"{name}.safetensors", tiny_model.safetensors(tensors)), *LABELS,
                           says=f"{name}.safetensors")
        for name, data in {"junk": b"junk" * 9, "empty": b"", "long": struct.pack("<Q", 2**62) + b"{}"}.items():
            with self.subTest(name):
                self.fails(self.write(f"{name}.safetensors", data), *LABELS, says=f"{name}.safetensors")


class BadModels(Case):
    def test_missing(self):
        self.fails(self.picture(), *LABELS, "--model", "b32", says="whatsit pull b32")
        self.fails(self.picture(), *LABELS, "--model", "nonsense", says="model list")
        self.fails(self.picture(), *LABELS, "--model", "no/such/folder", says="no/such/folder")
        self.fails(self.picture(), *LABELS, env={"WHATSIT_MODEL": "./gone.gguf"}, says="$WHATSIT_MODEL")
        for name in ("", "../../etc/passwd", "/dev/null", "\x1b[2J"):
            if name:
                self.fails(self.picture(), *LABELS, "--model", name)

    def test_wrong_bytes(self):
        os.makedirs(self.path("folder"))
        self.write("listing/config.json", "[]")
        self.write("halfway/config.json", '{"model_type":"clip"}')
        self.write("other/config.json", '{"model_type":"bert"}')
        tiny = tiny_model.write_model(self.path("cut"))
        size = os.path.getsize(os.path.join(tiny, "model.safetensors"))
        os.truncate(os.path.join(tiny, "model.safetensors"), size - 100)
        self.write("text.gguf", "this is no model\n")
        self.write("empty.gguf", b"")
        self.write("head.gguf", b"GGUF" + struct.pack("<IQQ", 3, 2**60, 2**60))
        for name in ("folder", "listing", "halfway", "other", "cut", "text.gguf", "empty.gguf", "head.gguf"):
            with self.subTest(name):
                self.fails(self.picture(), *LABELS, "--model", self.path(name), says=name)
                self.fails("model", "info", self.path(name), says=name)


class BadLists(Case):
    def test_labels(self):
        cases = {"empty.txt": b"", "comments.txt": b"# only\n\n", "latin.txt": b"caf\xe9\n",
                 "holes.txt": b"# template: no hole\ncat\n", "binary.txt": bytes(range(256))}
        for name, data in cases.items():
            with self.subTest(name):
                self.fails(self.picture(), "--labels", self.write(name, data), says=name)
        self.fails(self.picture(), "--labels", "missing.txt", says="missing.txt")
        self.fails(self.picture(), "--labels", self.dir)
        self.wrong(self.picture(), "--labels", ",,", says="--labels")

    def test_heads(self):
        self.fails(self.picture(), "--as", "nonsense", says="head list")
        self.write("share/heads/flowers.txt", "rose\n")
        self.fails(self.picture(), "--as", "flower", says="'flowers'")
        self.fails(self.picture(), "--as", "../../etc/passwd")
        self.fails(self.picture(), "--as", self.write("junk.safetensors", "junk"), says="junk.safetensors")
        self.fails(self.picture(), "--as", self.path("missing.safetensors"), says="missing.safetensors")
        self.fails("head", "show", "nonsense", says="nonsense")
        self.fails("head", "show", self.path("junk.safetensors"), says="junk.safetensors")


class Outputs(Case):
    def test_full_disk_on_standard_output(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full here")
        for words in ((self.picture(), *LABELS), (self.picture(), *LABELS, "--json"), ("--help",), ("version",),
                      ("embed", "--text", "cat"), ("completion", "bash"), ("help", "--man"), ("model", "info"),
                      ("tokenize", "cat"), ("kernels",)):
            with self.subTest(words), open("/dev/full", "wb") as full:
                self.fails(*words, stdout=full, says="No space left")

    def test_devices_are_written_to_not_replaced(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full here")
        for words in (("embed", "--text", "cat"), ("preprocess", self.picture())):
            self.fails(*words, "-o", "/dev/full", says="No space left")
            out = self.ok(*words, "-o", "/dev/stdout").raw
            self.assertEqual(out, self.ok(*words, "-o", "-").raw)
            self.assertGreater(len(out), 100)
        self.fails("model", "convert", self.model, "-o", "/dev/null", says="regular file")
        for name in ("/dev/full", "/dev/null"):
            self.assertFalse(os.path.isfile(name), f"{name} was replaced")

    def test_unwritable(self):
        for words in (("embed", "--text", "cat"), ("preprocess", self.picture()), ("model", "convert", self.model)):
            for name in ("/proc/out.safetensors", self.path("no", "such", "out.safetensors"), self.dir):
                with self.subTest(f"{words[0]} {name}"):
                    self.fails(*words, "-o", name)

    def test_old_file_survives_a_full_disk(self):
        out = self.write("out.safetensors", "old")
        for words in (("embed", "--text", "cat"), ("preprocess", self.picture(), "--size", "200"),
                      ("model", "convert", self.model)):
            with self.subTest(words[0]):
                self.fails(*words, "-o", out, file_limit=64)
                with open(out) as file:
                    self.assertEqual(file.read(), "old")
                self.assertEqual([n for n in os.listdir(self.dir) if "tmp" in n], [])

    def expect_kept(self, path, *words, **options):
        """Fails with one line, and neither harms what stands at path nor leaves anything beside it."""
        def stand():
            with open(path, "rb") as file:
                return file.read(), sorted(os.listdir(os.path.dirname(path)))

        before = stand()
        with self.subTest(words[:2]):
            self.fails(*words, **{"says": f"{os.path.basename(path)}: cannot write: File too large", "file_limit": 64, **options})
            self.assertEqual(stand(), before)

    def test_heads_survive_a_full_disk(self):
        data = pictures.write_folders(self, "data", {"red": 4, "blue": 4})
        photos = [word for i in range(5) for word in ("--unknown", self.picture(i))]
        self.ok("head", "new", "x", "--labels", "red,blue", "--examples", "red=" + self.picture(), *photos, "--rate", "0.2")
        self.ok("head", "train", "t", "--data", data)
        out = self.path("out.safetensors")
        self.ok("head", "export", "t", "-o", out)
        x, t = (self.data_path("heads", name + ".safetensors") for name in ("x", "t"))
        self.expect_kept(x, "head", "new", "x", "--labels", "a,b", "--force")
        self.expect_kept(x, "head", "add", "x", "blue", self.picture(1))
        self.expect_kept(x, "head", "rebuild", "x")
        self.expect_kept(x, "head", "calibrate", "x", *photos, "--rate", "0.2", "--quiet")
        self.expect_kept(t, "head", "train", "t", "--data", data, "--force")
        self.expect_kept(t, "head", "import", out, "--force")
        self.expect_kept(out, "head", "export", "x", "-o", out, "--force")
        for name in ("new.html", "map.png", "v.npy", "v.jsonl", "v.safetensors"):
            self.write(f"out/{name}", "old")
        self.expect_kept(self.path("out", "new.html"), "eval", "--head", "t", "--data", data, "--report", "out/new.html", "--quiet", "--force")
        self.expect_kept(self.path("out", "map.png"), "explain", self.picture(), "--as", "x", "--force", "-o", "out/map.png")
        for name in ("v.npy", "v.jsonl", "v.safetensors"):
            self.expect_kept(self.path("out", name), "embed", "--text", "cat", "--force", "-o", "out/" + name)
        self.assertEqual(self.ok(self.picture(), "--as", "x", "--as", "t").err, "")
        self.ok("head", "rebuild", "x")

    def test_cache_of_embeddings_stays_whole_on_a_full_disk(self):
        self.ok("head", "new", "c", "--labels", "red,blue")
        measure = ("eval", "--head", "c", "--data", pictures.write_folders(self, "data", {"red": 3}))
        record = 64 + 4 * tiny_model.EMBEDDING + 16
        (note,) = self.ok(*measure, file_limit=record + 50).error_lines()
        self.assertIn("cannot be written: no space", note)
        (name,) = os.listdir(self.cache_path("vectors"))
        self.assertEqual(os.path.getsize(self.cache_path("vectors", name)), record)
        self.assertEqual(self.ok(*measure).err, "")
        self.assertEqual(os.path.getsize(self.cache_path("vectors", name)), 3 * record)

    def test_caches_that_cannot_be_written(self):
        self.write("share/heads/many.txt", "".join(f"thing {i}\n" for i in range(150)))
        for where in ("/proc/cache", self.write("file", "x")):
            result = self.ok(self.picture(), "--as", "many", env={"XDG_CACHE_HOME": where})
            self.assertEqual(len(result.lines()), 6)
            self.assertEqual(len(result.error_lines()), 1, result.err)
        self.assertEqual(len(self.ok(self.picture(), "--as", "many", file_limit=64).lines()), 6)

    def test_data_folder_that_cannot_be_written(self):
        for env in ({"XDG_DATA_HOME": "/proc/data"}, {"XDG_DATA_HOME": self.write("file", "x")}):
            self.fails("head", "new", "x", "--labels", "a,b", env=env)

    def test_reader_that_goes_away(self):
        code = f"'{self.program}' help --man | head -c 100 >/dev/null; exit ${{PIPESTATUS[0]}}"
        done = subprocess.run(["bash", "-c", code], capture_output=True, env=self.env, timeout=60)
        self.assertIn(done.returncode, (0, 141))
        self.assertEqual(done.stderr, b"")


class NoHome(Case):
    def test_works_without_a_home(self):
        env = {"HOME": ""}
        self.ok(self.picture(), *LABELS, env=env)
        self.ok("head", "list", env=env)
        self.fails("head", "new", "x", "--labels", "a,b", env=env, says="HOME")


if __name__ == "__main__":
    main()
