"""pull, against a stand-in for the hub: resumed, checked, refused, offline, interrupted."""
import json
import os
import signal
import socket
import subprocess
import time

import tiny_model
from harness import Case, main
from hub_stand_in import Hub

WEIGHTS = "model.safetensors"


class Pull(Case):
    repository = "acme/tiny-clip"

    def setUp(self):
        super().setUp()
        folder = os.path.join(Case.shared, "tiny")
        self.files = {}
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), "rb") as file:
                self.files[name] = file.read()
        self.hub = Hub({self.repository: self.files})
        self.addCleanup(self.hub.close)
        self.env["HF_ENDPOINT"] = self.hub.address + "/"
        self.env["no_proxy"] = "127.0.0.1"

    def installed(self, name="tiny-clip"):
        return os.path.exists(self.data_path("models", name + ".gguf"))

    def downloads(self):
        root = self.cache_path("downloads")
        return sorted(os.path.join(folder, name)[len(root) + 1:]
                      for folder, _, names in os.walk(root) for name in names if name != ".lock")

    def part(self):
        return self.cache_path("downloads", "acme--tiny-clip", WEIGHTS + ".part")

    def pulled(self, *words, **options):
        result = self.ok("pull", self.repository, *words, **options)
        self.assertTrue(self.installed())
        return result


class Good(Pull):
    def test_brings_converts_and_cleans_up(self):
        result = self.pulled("--type", "f16")
        lines = result.error_lines()
        self.assertRegex(lines[0], r"tiny-clip: \d\.\d MB in \d files from http://127.0.0.1:\d+/acme/tiny-clip$")
        self.assertIn("--model tiny-clip", lines[1])
        self.assertEqual(self.downloads(), [])
        words = (self.picture(), "--labels", "cat,dog", "--json")
        a, b = (self.ok(*words, "--model", model).json()[0]["heads"] for model in ("tiny-clip", self.model))
        self.assertEqual(a, b)
        info = self.ok("model", "info", "tiny-clip", "--json").json()[0]
        self.assertEqual((info["name"], info["weights"]), ("tiny-clip", "f16"))
        self.assertIn(self.repository, info["source"])

    def test_int8_unless_told_otherwise(self):
        self.pulled()
        self.assertEqual(self.ok("model", "info", "tiny-clip", "--json").json()[0]["weights"], "int8")

    def test_here_already(self):
        self.pulled()
        n = len(self.hub.log)
        self.assertIn("already", self.ok("pull", self.repository).err)
        self.assertEqual(len(self.hub.log), n)
        self.pulled("--force")
        self.assertGreater(len(self.hub.log), n)

    def test_name_and_keep(self):
        self.ok("pull", self.repository, "--name", "mine", "--keep")
        self.assertTrue(self.installed("mine"))
        self.assertIn(f"acme--tiny-clip/{WEIGHTS}", self.downloads())
        self.ok("model", "info", "mine")

    def test_aliases(self):
        for alias, repository in (("b32", "timm/vit_base_patch32_clip_224.openai"),
                                  ("b16", "openai/clip-vit-base-patch16"),
                                  ("laion-b32", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K")):
            self.hub.files[repository] = self.files
            self.ok("pull", alias)
            self.assertTrue(self.installed(alias))
        for alias in ("l14", "l14-336", "rn50", "tinyclip"):
            self.fails("pull", alias, says="has no")
        self.assertEqual(self.downloads(), [])

    def test_shards(self):
        tensors, _ = tiny_model.read_safetensors(os.path.join(Case.shared, "tiny", WEIGHTS))
        names = list(tensors)
        halves = {"model-00001-of-00002.safetensors": names[:30], "model-00002-of-00002.safetensors": names[30:]}
        weight_map = {}
        for shard, inside in halves.items():
            self.files[shard] = tiny_model.safetensors({name: tensors[name] for name in inside})
            weight_map.update({name: shard for name in inside})
        del self.files[WEIGHTS]
        self.files["model.safetensors.index.json"] = json.dumps({"weight_map": weight_map}).encode()
        self.pulled()

    def test_a_store_that_refuses_head(self):
        self.hub.store_refuses_head = True
        self.pulled()

    def test_plain_etag(self):
        self.hub.plain.add(WEIGHTS)
        self.pulled()
        self.hub.wrong_sha.add(WEIGHTS)
        self.fails_to_pull("checksum", "--force")

    def fails_to_pull(self, says, *words, **options):
        result = self.run_cli("pull", self.repository, *words, **options)
        self.assertEqual(result.status, 1, result.err)
        self.assertIn(says, result.error_lines()[-1])
        return result

    def test_token(self):
        self.hub.locked = True
        self.fails("pull", self.repository, says="HF_TOKEN")
        self.pulled(env={"HF_TOKEN": "secret"})
        self.assertTrue(all(entry[3] is None for entry in self.hub.log if entry[1].startswith("/store/")))


class Asked(Pull):
    """What is said and asked before weights come."""

    def card(self, licence):
        self.files["README.md"] = f"---\nlanguage: en\nlicense: {licence}\n---\n# Tiny\n".encode()

    def test_licence_is_shown_and_kept(self):
        self.card("mit")
        result = self.pulled()
        self.assertIn("licence mit, free to use", result.error_lines()[0])
        self.assertEqual(self.ok("model", "info", "tiny-clip", "--json").json()[0]["licence"], "mit")

    def test_licences_that_not_everybody_may_use(self):
        for licence, words in (("cc-by-nc-4.0", "not for commercial use"), ("other\nlicense_name: apple-amlr", "research")):
            self.card(licence)
            self.hub.log.clear()
            result = self.run_cli("pull", self.repository, "--force")
            self.assertEqual(result.status, 1)
            self.assertIn("--accept", result.error_lines()[-1])
            self.assertIn(words, result.error_lines()[-1])
            self.assertEqual(self.hub.requests("GET", WEIGHTS), [])
            self.assertFalse(self.installed())
            self.pulled("--accept", "--force")
            os.unlink(self.data_path("models", "tiny-clip.gguf"))

    def test_short_names_say_it_too(self):
        self.hub.files["timm/vit_base_patch16_clip_224.dfn2b"] = self.files
        result = self.run_cli("pull", "dfn-b16")
        self.assertEqual(result.status, 1)
        self.assertIn("76.2 %", result.error_lines()[0])
        self.assertIn("research", result.error_lines()[-1])
        self.assertEqual(self.hub.requests("GET", WEIGHTS), [])
        self.ok("pull", "dfn-b16", "--accept")
        self.assertTrue(self.installed("dfn-b16"))

    def test_table(self):
        rows = {row["name"]: row for row in self.ok("model", "list", "--remote", "--json").json()}
        self.assertEqual(rows["datacomp-b32-256"]["accuracy"], 72.8)
        self.assertEqual(rows["dfn-l14"]["use"], "research")
        for row in rows.values():
            self.assertTrue(row["licence"] and row["good_for"] and row["megabytes"] > 10, row)
        text = self.ok("model", "list", "--remote").out
        self.assertIn("good for", text)
        self.assertTrue(all(name in text for name in rows))
        self.assertEqual(self.hub.log, [])

    def test_revision(self):
        self.hub.revision = "v2"
        self.fails("pull", self.repository, says="has no")
        self.pulled("--revision", "v2")
        self.assertEqual(self.run_cli("pull", self.repository, "--revision", "../x").status, 2)

    def test_token_of_the_hubs_own_program(self):
        self.hub.locked = True
        folder = self.path("hf")
        os.makedirs(folder)
        with open(os.path.join(folder, "token"), "w") as file:
            file.write("secret\n")
        self.pulled(env={"HF_HOME": folder})

    def test_the_hubs_own_cache(self):
        snapshot = self.path("hf", "hub", "models--acme--tiny-clip", "snapshots", "0123abc")
        os.makedirs(snapshot)
        os.makedirs(self.path("hf", "hub", "models--acme--tiny-clip", "refs"))
        with open(self.path("hf", "hub", "models--acme--tiny-clip", "refs", "main"), "w") as file:
            file.write("0123abc")
        env = {"HF_HOME": self.path("hf")}
        with open(os.path.join(snapshot, "config.json"), "wb") as file:
            file.write(self.files["config.json"])
        self.pulled(env=env)  # without weights there it is fetched
        self.assertNotEqual(self.hub.log, [])
        for name, data in self.files.items():
            with open(os.path.join(snapshot, name), "wb") as file:
                file.write(data)
        os.unlink(self.data_path("models", "tiny-clip.gguf"))
        self.hub.log.clear()
        self.assertIn("lies already", self.pulled(env=env).err)
        self.assertEqual(self.hub.log, [])
        self.pulled("--force", env=env)
        self.assertNotEqual(self.hub.log, [])

    def test_pickles(self):
        self.files["pytorch_model.bin"] = tiny_model.pickled(self.files.pop(WEIGHTS))
        self.pulled("--type", "f16")
        words = (self.picture(), "--labels", "cat,dog", "--json")
        a, b = (self.ok(*words, "--model", model).json()[0]["heads"] for model in ("tiny-clip", self.model))
        self.assertEqual(a, b)


class Broken(Pull):
    def fails_to_pull(self, says, *words, **options):
        """The size may have been shown before; the last line says what went wrong."""
        result = self.run_cli("pull", self.repository, *words, **options)
        self.assertEqual(result.status, 1, result.err)
        self.assertIn(says, result.error_lines()[-1])
        self.assertLessEqual(len(result.error_lines()), 2)
        self.assertFalse(self.installed())
        return result

    def test_cut_connections_go_on_by_themselves(self):
        self.hub.cut[WEIGHTS] = [100000, 1, 500000]
        self.pulled()
        ranges = [entry[2] for entry in self.hub.requests("GET", WEIGHTS) if entry[1].startswith("/store/")]
        self.assertEqual(ranges, [None, "bytes=100000-", "bytes=100001-", "bytes=600001-"])

    def test_a_later_run_goes_on(self):
        self.hub.cut[WEIGHTS] = [100000] + [1] * 20
        self.fails_to_pull("run it again")
        size = os.path.getsize(self.part())
        self.assertGreaterEqual(size, 100000)
        self.hub.cut.clear()
        self.hub.log.clear()
        self.pulled()
        self.assertEqual({entry[2] for entry in self.hub.requests("GET", WEIGHTS)}, {f"bytes={size}-"})

    def test_files_of_an_earlier_run_are_kept(self):
        self.ok("pull", self.repository, "--keep")
        self.hub.log.clear()
        os.unlink(self.data_path("models", "tiny-clip.gguf"))
        self.pulled()
        self.assertEqual(self.hub.requests("GET", WEIGHTS), [])

    def test_server_without_ranges(self):
        self.hub.no_range.add(WEIGHTS)
        self.hub.cut[WEIGHTS] = [100000]
        self.pulled()

    def test_wrong_checksum(self):
        self.hub.wrong_sha.add(WEIGHTS)
        self.fails_to_pull("checksum")
        self.assertFalse(os.path.exists(self.part()))
        self.hub.wrong_sha.clear()
        self.pulled()

    def test_part_of_another_file(self):
        for data in (b"x" * 1000, b"x" * (len(self.files[WEIGHTS]) + 10), b"x" * len(self.files[WEIGHTS])):
            os.makedirs(os.path.dirname(self.part()), exist_ok=True)
            with open(self.part(), "wb") as file:
                file.write(data)
            first = self.run_cli("pull", self.repository, "--force")
            if first.status:  # only the checksum can tell; the next run starts from nothing
                self.assertIn("checksum", first.error_lines()[-1])
                self.pulled("--force")
            self.ok("model", "verify", "tiny-clip")

    def test_range_not_satisfiable(self):
        self.hub.refuse[WEIGHTS] = [416]
        self.pulled()
        os.unlink(self.data_path("models", "tiny-clip.gguf"))
        self.hub.refuse[WEIGHTS] = [416] * 20
        self.fails_to_pull("try again")

    def test_server_errors(self):
        self.hub.refuse[WEIGHTS] = [503, 500]
        self.pulled()
        os.unlink(self.data_path("models", "tiny-clip.gguf"))
        self.hub.refuse[WEIGHTS] = [500] * 20
        self.fails_to_pull("500")

    def test_connections_that_break_are_made_again(self):
        self.hub.drop = {"config.json": 2, WEIGHTS: 1}
        self.pulled()
        self.assertEqual(self.hub.drop, {"config.json": 0, WEIGHTS: 0})
        os.unlink(self.data_path("models", "tiny-clip.gguf"))
        self.hub.drop = {"config.json": 40}
        self.fails_to_pull("config.json")

    def test_a_busy_hub_is_asked_again(self):
        self.hub.busy = {"config.json": [0, 0], WEIGHTS: [0], "merges.txt": ["soon"]}
        self.hub.refuse[WEIGHTS] = [503]
        self.pulled()
        os.unlink(self.data_path("models", "tiny-clip.gguf"))
        self.hub.busy = {WEIGHTS: [0] * 40}
        self.fails_to_pull("429")

    def test_more_than_announced(self):
        self.hub.longer.add(WEIGHTS)
        self.fails_to_pull(WEIGHTS)

    def test_not_there(self):
        self.fails("pull", "acme/nothing", says="acme/nothing")
        del self.files[WEIGHTS]
        self.fails("pull", self.repository, says="safetensors")
        self.assertEqual(self.downloads(), [])

    def test_offline(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            self.fails("pull", "b32", env={"HF_ENDPOINT": f"http://127.0.0.1:{unused.getsockname()[1]}"},
                       says="online")
        self.fails("pull", "b32", env={"HF_ENDPOINT": "http://no-such-host.invalid"}, says="online")
        self.fails("pull", "b32", env={"HF_ENDPOINT": "file:///etc"}, says="HF_ENDPOINT")

    def test_full_disk(self):
        self.fails_to_pull("cannot write", file_limit=200000)
        self.pulled()

    def test_bad_weights(self):
        self.files[WEIGHTS] = os.urandom(10000)
        self.fails_to_pull("model.safetensors")


class Hostile(Pull):
    def test_names_that_leave_the_folder(self):
        for name in ("../x", "a/..", "..", "a/b/c", "/etc/passwd", "a/.hidden", "a/b?x=1", "a/b#c", "a/b c", "a\\b",
                     "a/%2e%2e", "-a/b", "a/b\n", "a/"):
            self.assertEqual(self.run_cli("pull", "--", name).status, 2, name)
        for name in ("../x", ".x", "a/b", ""):
            self.assertEqual(self.run_cli("pull", "b32", "--name", name).status, 2, name)
        self.assertEqual(self.hub.log, [])

    def test_index_that_names_other_places(self):
        del self.files[WEIGHTS]
        for shard in ("../../evil.safetensors", "/tmp/evil.safetensors", "a/b.safetensors", "evil.bin", "x?y.safetensors",
                      "..safetensors"):
            self.files["model.safetensors.index.json"] = json.dumps({"weight_map": {"t": shard}}).encode()
            self.fails("pull", self.repository, says="refused")
        for index in ("[]", "{}", '{"weight_map":{"t":1}}', "nonsense", '{"weight_map":{}}'):
            self.files["model.safetensors.index.json"] = index.encode()
            self.assertEqual(self.run_cli("pull", self.repository).status, 1, index)
        self.assertFalse(self.installed())


class Together(Pull):
    def test_two_at_once(self):
        self.hub.stalling.add(WEIGHTS)
        first = self.start("pull", self.repository)
        deadline = time.monotonic() + 20
        while not self.hub.requests("GET", WEIGHTS) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.fails("pull", self.repository, says="another")
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=30)
        self.assertEqual(first.returncode, 130)

    def test_interrupted_goes_on_later(self):
        self.hub.stalling.add(WEIGHTS)
        process = self.start("pull", self.repository)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not (os.path.exists(self.part()) and os.path.getsize(self.part()) > 0):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130, err)
        self.assertFalse(self.installed())
        size = os.path.getsize(self.part())
        self.assertGreater(size, 0)
        self.hub.stalling.clear()
        self.hub.stall.set()
        self.hub.log.clear()
        self.pulled()
        self.assertEqual({entry[2] for entry in self.hub.requests("GET", WEIGHTS)}, {f"bytes={size}-"})


if __name__ == "__main__":
    main()
