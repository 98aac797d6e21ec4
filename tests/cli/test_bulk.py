"""Embeddings in parts: complete, resumable, equal to one process, whoever makes which part."""
import json
import os
import random
import shutil
import subprocess
import sys
import time

import tiny_model
from harness import Case, main


class Bulk(Case):
    N, PART = 57, 10

    def setUp(self):
        super().setUp()
        self.photos = [self.write(f"photos/{i:02}.png", tiny_model.png(30, 20 + i, i)) for i in range(self.N)]
        with open(self.photos[13], "wb") as file:
            file.write(b"no picture")
        self.list = self.write("list", "\n".join(self.photos))

    def bulk(self, into, *words):
        return self.run_cli("embed", "--into", self.path(into), "--files-from", self.list, "--part-size",
                            str(self.PART), *words)

    def read(self, into):
        """-> {relative path: bytes} of all parts."""
        out = {}
        for folder, _, names in os.walk(self.path(into)):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    out[os.path.relpath(os.path.join(folder, name), self.path(into))] = file.read()
        return out

    def test_parts_add_up_and_are_the_vectors(self):
        self.assertEqual(self.bulk("out").status, 1)  # one cannot be read
        files = self.read("out")
        manifests = [json.loads(files[f"manifest/manifest_{i:04}.json"]) for i in range(6)]
        self.assertEqual(sum(m["n_in"] for m in manifests), self.N)
        for m in manifests:
            self.assertEqual(m["n_in"], m["n_out"] + m["n_bad"])
        self.assertEqual(manifests[1]["n_bad"], 1)
        bad = json.loads(files["bad/bad_0001.jsonl"])
        self.assertEqual(bad["image_path"], self.photos[13])
        self.assertIn("not a picture", bad["error"])
        records = [json.loads(line) for line in files["metadata/metadata_0001.jsonl"].splitlines()]
        self.assertEqual([r["image_path"] for r in records], self.photos[10:13] + self.photos[14:20])
        self.assertEqual([r["row"] for r in records], list(range(9)))
        table = files["img_emb/img_emb_0000.npy"]
        self.assertIn(b"'shape': (10, ", table[:128])
        self.ok("embed", *self.photos[:10], "-o", self.path("one.npy"))
        with open(self.path("one.npy"), "rb") as file:
            self.assertEqual(table, file.read())

    def test_shards_and_killed_runs_give_the_same_bytes(self):
        self.bulk("whole")
        dice = random.Random(3)
        for shard in range(3):
            for _ in range(4):
                run = subprocess.Popen([self.program, "embed", "--into", self.path("parts"), "--files-from", self.list,
                                        "--part-size", str(self.PART), "--shard", f"{shard}/3"], env=self.env,
                                       stderr=subprocess.DEVNULL)
                time.sleep(dice.random() * 0.1)
                run.kill()
                run.wait()
            self.bulk("parts", "--shard", f"{shard}/3")
        whole, parts = self.read("whole"), self.read("parts")
        self.assertEqual(sorted(whole), sorted(parts))
        self.assertEqual(whole, parts)

    def test_what_killed_runs_left_goes_with_their_parts(self):
        left = {name: self.write(f"out/{name}.tmp-1-0", "half") for name in
                ("img_emb/img_emb_0001.npy", "manifest/manifest_0002.json", "bad/bad_0077.jsonl", "bad/other_0001.jsonl")}
        self.bulk("out")
        self.assertEqual([name for name, path in left.items() if os.path.exists(path)],
                         ["bad/bad_0077.jsonl", "bad/other_0001.jsonl"])  # of no part that is whole

    def test_what_is_there_is_skipped_or_refused(self):
        self.bulk("out")
        again = self.bulk("out")
        self.assertEqual(again.status, 0)
        self.assertIn("0 parts written, 6 there already", again.err)
        self.assertIn("another --part-size", self.bulk("out", "--part-size", "20").err)
        other = self.path("other")
        tiny_model.write_model(other, seed=4)
        self.assertIn("another model", self.bulk("out", "--model", other).err)

    def test_workers_of_an_array(self):
        """Two workers, as Slurm or Kubernetes would number them; one is killed in the middle and started again."""
        script = os.path.join(self.source, "examples", "bulk", "shard.sh")
        verify = os.path.join(self.source, "examples", "bulk", "verify.py")

        def worker(names):
            return subprocess.Popen([script, self.list, self.path("parts"), "--part-size", "5"],
                                    env={**self.env, "WHATSIT": self.program, **names}, stderr=subprocess.DEVNULL)

        workers = [worker({"AWS_BATCH_JOB_ARRAY_INDEX": "0", "AWS_BATCH_JOB_ARRAY_SIZE": "2"}),
                   worker({"JOB_COMPLETION_INDEX": "1", "SHARDS": "2"})]
        time.sleep(0.05)
        workers[0].kill()
        self.assertEqual(workers[1].wait(120), 0)
        workers[0].wait()
        # The third try is Slurm's, which runs a copy of the script.
        copy = shutil.copy(os.path.join(os.path.dirname(script), "slurm.sbatch"), self.path("slurm_script"))
        again = subprocess.run(["sh", copy, self.list, self.path("parts"), "--part-size", "5"], stderr=subprocess.PIPE, env={
            **self.env, "WHATSIT": self.program, "SLURM_SUBMIT_DIR": os.path.dirname(script), "SLURM_CPUS_PER_TASK": "1",
            "SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_TASK_COUNT": "2"})
        self.assertEqual(again.returncode, 0, again.stderr)
        said = subprocess.run([sys.executable, verify, self.list, self.path("parts")], stdout=subprocess.PIPE, check=True)
        self.assertEqual(json.loads(said.stdout), {"wanted": self.N, "parts": 12, "n_in": self.N, "n_out": self.N - 1,
                                                   "n_bad": 1, "complete": True})

    def test_memory_does_not_grow_with_the_list(self):
        peaks = []
        for n_others in (0, 100):
            with open(self.list, "wb") as file:
                file.write(b"".join(os.fsencode(path) + b"\n" for path in self.photos[:self.PART]))
                for _ in range(n_others):  # a megabyte each, of parts that others make
                    file.write((b"x" * 999 + b"\n") * 1000)
            run = subprocess.Popen([self.program, "embed", "--into", self.path(f"out{n_others}"), "--files-from", self.list,
                                    "--part-size", str(self.PART), "--shard", "0/100000"], env=self.env, stderr=subprocess.DEVNULL)
            _, status, used = os.wait4(run.pid, 0)
            run.returncode = os.waitstatus_to_exitcode(status)
            self.assertEqual(run.returncode, 0)
            peaks.append(used.ru_maxrss)
        self.assertLess(peaks[1] - peaks[0], 50 << 10)  # kB

    def test_lists_and_mistakes(self):
        zero = self.write("zero", b"\0".join(os.fsencode(p) for p in self.photos[:3]) + b"\0")
        self.ok("embed", "--into", self.path("z"), "--files-from", zero, "--null")
        self.ok("embed", "--into", self.path("s"), "--files-from", "-", stdin=os.fsencode(self.photos[0]) + b"\r\n")
        self.wrong("embed", "--into", self.path("x"), self.photos[0], "--shard", "3/3", says="from 0 to N - 1")
        self.wrong("embed", "--into", self.path("x"), self.photos[0], "-o", "y.npy", says="leave out --output")
        self.wrong("embed", "--shard", "0/2", self.photos[0], says="go with --into")
        self.fails("embed", "--into", self.path("x"), "--files-from", self.path("none"), says="cannot open")
        self.fails("embed", "--into", self.path("x"), "--files-from", self.write("empty", "\n\n"), says="no pictures")
        self.fails("embed", "--into", self.path("x"), "--files-from", self.path(), says="cannot read")
        self.fails("embed", "--into", self.write("file", "x"), self.photos[0], says="cannot make the folder")


if __name__ == "__main__":
    main()
