#!/usr/bin/env python3
"""rclip (PyPI, 4.0) and whatsit over the same photos with the same network: time to index and to search, as ratios.

Speed does not depend on what weights say, so one ViT-B/32 of 256 px with random weights serves both: f32 for rclip, as it
ships its model, and for whatsit as it stands and in 8 bit, as `whatsit pull` makes it. Rounds go in alternation; what is
compared is processor time, the programs' own start included, and the median over rounds is told with its least and most.

    bench/peers/rclip.py export FOLDER                    with a Python that has torch, open_clip, onnx and safetensors
    bench/peers/rclip.py run PROGRAM RCLIP PHOTOS FOLDER [--rounds 3] [--photos 500]

PROGRAM is whatsit, RCLIP the program of an environment with rclip, PHOTOS a folder; FOLDER takes models and libraries.
"""
import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time

SHAPE, PLACE = "ViT-B-32-256", "ViT-B-32-256-datacomp_s34b_b86k"  # where rclip looks for its model
QUERIES = ["a dog on a beach", "a red bus", "two people at a table", "a train in the snow", "food on a plate"]


def export(folder):
    import json
    import open_clip
    import safetensors.torch
    import torch
    torch.manual_seed(1)
    model = open_clip.create_model(SHAPE, pretrained=None).eval()
    ours, theirs = os.path.join(folder, "open_clip"), os.path.join(folder, "rclip", PLACE)
    for path in (ours, theirs, os.path.join(folder, "rclip", "tokenizer")):
        os.makedirs(path, exist_ok=True)
    safetensors.torch.save_file({k: v.contiguous().clone() for k, v in model.state_dict().items()},
                                os.path.join(ours, "open_clip_model.safetensors"))
    with open(os.path.join(ours, "open_clip_config.json"), "w") as file:
        json.dump({"model_cfg": open_clip.get_model_config(SHAPE),
                   "preprocess_cfg": {"mean": open_clip.OPENAI_DATASET_MEAN, "std": open_clip.OPENAI_DATASET_STD}}, file)

    class Text(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, ids):
            return self.model.encode_text(ids)

    # As rclip's own scripts/convert_model.py does it.
    for name, tower, example in (("visual", model.visual, torch.zeros(1, 3, 256, 256)),
                                 ("textual", Text(), torch.zeros(1, 77, dtype=torch.long))):
        torch.onnx.export(tower, (example,), os.path.join(theirs, name + ".onnx"), input_names=["input"],
                          output_names=["output"], dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}},
                          opset_version=18, dynamo=False)
    vocabulary = os.path.join(os.path.dirname(open_clip.__file__), "bpe_simple_vocab_16e6.txt.gz")
    shutil.copy(vocabulary, os.path.join(folder, "rclip", "tokenizer"))


def timed(words, **options):
    """Processor and clock seconds of a program."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, **options)
    if done.returncode != 0 or not done.stdout:
        sys.exit(f"{words}: status {done.returncode}\n{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, time.time() - start


class Rclip:
    name = "rclip"

    def __init__(self, given):
        self.program, self.folder, self.photos = given.rclip, os.path.join(given.folder, "rclip"), given.photos
        self.env = {**os.environ, "RCLIP_DATADIR": self.folder, "HF_HUB_OFFLINE": "1"}

    def forget(self):
        for name in os.listdir(self.folder):
            if name.startswith("db.sqlite3"):
                os.remove(os.path.join(self.folder, name))

    def index(self):
        return timed([self.program, "x", "-f"], cwd=self.photos, env=self.env)  # it searches as well

    def search(self, query):
        return timed([self.program, query, "--no-indexing", "-f", "-t", "20"], cwd=self.photos, env=self.env)


class Whatsit:
    def __init__(self, given, kind):
        self.name, self.program, self.photos = f"whatsit {kind}", given.program, given.photos
        self.data = os.path.join(given.folder, "data-" + kind)
        self.env = {**os.environ, "XDG_DATA_HOME": self.data, "XDG_CACHE_HOME": self.data,
                    "WHATSIT_MODEL": os.path.join(given.folder, kind + ".gguf")}
        if not os.path.exists(self.env["WHATSIT_MODEL"]):
            subprocess.run([self.program, "model", "convert", os.path.join(given.folder, "open_clip"), "-o",
                            self.env["WHATSIT_MODEL"], "--type", kind], check=True, stdout=subprocess.DEVNULL)

    def forget(self):
        shutil.rmtree(self.data, ignore_errors=True)

    def index(self):
        return timed([self.program, "index", self.photos, "--json", "--quiet"], env=self.env)

    def search(self, query):
        return timed([self.program, "search", query, "--min", "0", "--names", "--quiet"], env=self.env)


def tell(what, times, contestants):
    first = contestants[0].name
    for contestant in contestants:
        cpu = [t[0] for t in times[contestant.name]]
        wall = statistics.median(t[1] for t in times[contestant.name])
        ratios = [a[0] / b[0] for a, b in zip(times[first], times[contestant.name])]
        print(f"{what:8} {contestant.name:14} {statistics.median(cpu):8.2f} s of processor, {wall:7.2f} s; "
              f"{first} takes {statistics.median(ratios):.2f} times as much ({min(ratios):.2f} to {max(ratios):.2f})", flush=True)


def run(given):
    some = os.path.join(given.folder, "photos")
    if not os.path.isdir(some):
        os.makedirs(some)
        names = sorted(n for n in os.listdir(given.photos) if n.lower().endswith(".jpg"))[:given.some]
        for name in names:
            shutil.copy(os.path.join(given.photos, name), some)
    given.photos = some
    contestants = [Rclip(given), Whatsit(given, "f32"), Whatsit(given, "int8")]
    index, search = ({c.name: [] for c in contestants} for _ in range(2))
    for _ in range(given.rounds):
        for contestant in contestants:
            contestant.forget()
            index[contestant.name].append(contestant.index())
        for contestant in contestants:  # what a first search makes is for later ones
            contestant.search("warm")
        for query in QUERIES:
            for contestant in contestants:
                search[contestant.name].append(contestant.search(query))
    print(f"{len(os.listdir(some))} photos, {given.rounds} rounds")
    tell("index", index, contestants)
    tell("search", search, contestants)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("export").add_argument("folder")
    measure = verbs.add_parser("run")
    for name in ("program", "rclip", "photos", "folder"):
        measure.add_argument(name, type=os.path.abspath)
    measure.add_argument("--rounds", type=int, default=3)
    measure.add_argument("--photos", dest="some", type=int, default=500)
    given = parser.parse_args()
    if given.verb == "export":
        export(given.folder)
    else:
        run(given)


if __name__ == "__main__":
    main()
