#!/usr/bin/env python3
"""Writes small PyTorch files, good and bad, beside itself: python3 make_pickles.py (torch 2.13)."""
import collections
import io
import os
import pickle
import zipfile

import torch

os.chdir(os.path.dirname(os.path.abspath(__file__)))
six = torch.arange(6.0).reshape(2, 3)
state = collections.OrderedDict(
    a=six, half=torch.ones(3, dtype=torch.float16), turned=six.t(), parameter=torch.nn.Parameter(torch.full((2,), 3.0).bfloat16()),
    count=torch.tensor(3), scale=torch.tensor(1.5), part=torch.arange(10.0)[2:8:2], empty=torch.zeros(0, 4))
torch.save(state, "state.pt")
torch.save({"epoch": 3, "name": "x", "state_dict": {"module." + k: v for k, v in state.items()}, "loss": 0.5, "none": None,
            "pair": (1, 2), "list": [1, True, 1 << 70], "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}}}, "checkpoint.pt")


class Inner(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = torch.nn.Parameter(six.clone())

    def forward(self, x):
        return x @ self.proj


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.visual = Inner()
        self.scale = torch.nn.Parameter(torch.tensor(2.0))

    def forward(self, x):
        return self.visual(x) * self.scale


torch.jit.save(torch.jit.script(Net()), "script.pt")
torch.save(Net(), "module.pt")  # a pickled class: only running it could make it
torch.save(state, "old.pt", _use_new_zipfile_serialization=False)


def archive(name, data, entries=(), **options):
    with zipfile.ZipFile(name, "w") as z:
        z.writestr("x/data.pkl", data, **options)
        for entry, content in entries:
            z.writestr(entry, content)


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/whatsit-was-here",)


def tensor(size="K\x02\x85", stride="K\x01\x85", offset="K\x00", count="K\x02", storage="FloatStorage"):
    text = (f"\x80\x02}}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\n{storage}\n"
            f"X\x01\x00\x00\x000X\x03\x00\x00\x00cpu{count}tQ{offset}{size}{stride}\x89ccollections\nOrderedDict\n)RtRs.")
    return text.encode("latin-1")


archive("evil.pt", pickle.dumps({"w": Evil()}, protocol=2))
archive("two.pt", tensor(), [("x/data/0", bytes(8))])
archive("past.pt", tensor(size="K\x03\x85"), [("x/data/0", bytes(8))])
archive("offset.pt", tensor(offset="K\x01"), [("x/data/0", bytes(8))])
archive("short.pt", tensor(), [("x/data/0", bytes(7))])
archive("lost.pt", tensor())
archive("wide.pt", tensor(size="K\xff\x85", stride="K\x00\x85"), [("x/data/0", bytes(8))])
archive("big.pt", tensor(), [("x/data/0", bytes(8)), ("x/byteorder", "big")])
archive("packed.pt", tensor() * 1, [("x/data/0", bytes(8))], compress_type=zipfile.ZIP_DEFLATED)
archive("loop.pt", b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.")
archive("list.pt", b"\x80\x02]q\x00h\x00a.")
archive("numpy.pt", b"\x80\x02cnumpy.core.multiarray\nscalar\n.")
with zipfile.ZipFile("other.zip", "w") as z:
    z.writestr("a.txt", "hello")
