#!/usr/bin/env python3
"""Times whole families of models with random weights in whatsit and ONNX Runtime, in alternation, and prints ratios.

    bench/peers/families.py --whatsit BUILD/whatsit --once BUILD/bench/bench_once --work FOLDER [--rounds 7] [NAME...]

Speed does not depend on what weights say. Each network is open_clip's, exported to ONNX as it is (open_clip 3.3, timm
1.0.31), and the same weights as a folder that whatsit converts. One thread; a round times each contestant once, one
picture and TEXTS texts, by the process's own CPU time, which alone says something on a machine that others use too.
Reported: medians, and the median of the ratios within a round. ONNX Runtime's int8 is dynamic for transformers, static
(QDQ, per channel, calibrated on noise) for convolutions. Its int8 of SigLIP 2's texts and pictures is its own default.
"""
import argparse
import copy
import json
import os
import shutil
import statistics
import subprocess
import sys
import time

import numpy as np

TEXTS = 8
HERE = os.path.dirname(os.path.abspath(__file__))
PAIRS = os.path.join(HERE, "..", "..", "tests", "text", "data", "pairs")
# name: (open_clip's, whether its image tower is of convolutions, changes of text_cfg)
NETWORKS = {
    "siglip2-b16-256": ("ViT-B-16-SigLIP2-256", False, {"vocab_size": 1000}),  # a small vocabulary: rows that are looked up
    "pe-core-s-384": ("PE-Core-S-16-384", False, {}),
    "mobileclip2-s2": ("MobileCLIP2-S2", True, {}),
}


def build(name):
    import open_clip
    import torch
    from open_clip.model import CustomTextCLIP
    their, _, changes = NETWORKS[name]
    config = open_clip.get_model_config(their)
    config["text_cfg"].update(changes)
    options = copy.deepcopy(config)
    options.pop("custom_text", None)
    for key in ("hf_tokenizer_name", "tokenizer_kwargs"):
        options["text_cfg"].pop(key, None)
    torch.manual_seed(1)
    model = CustomTextCLIP(**options).eval()
    for module in model.modules():  # some layers add to nothing at first
        if hasattr(module, "gamma") and isinstance(getattr(module, "gamma"), torch.nn.Parameter):
            torch.nn.init.normal_(module.gamma, std=0.1)
    return model, config


def prepare(name, folder, whatsit):
    """FOLDER/{image,text}.{f32,int8}.onnx and FOLDER/{f32,int8}.gguf."""
    import torch
    from safetensors.torch import save_file
    done = os.path.join(folder, "done")
    if os.path.exists(done):
        return
    os.makedirs(folder, exist_ok=True)
    model, config = build(name)
    px = model.visual.image_size if isinstance(model.visual.image_size, int) else model.visual.image_size[0]
    context = config["text_cfg"]["context_length"] if "context_length" in config["text_cfg"] else 77
    checkpoint = os.path.join(folder, "checkpoint")
    os.makedirs(checkpoint, exist_ok=True)
    state = {k: v.contiguous() for k, v in model.state_dict().items() if "attn_mask" not in k}
    state.setdefault("logit_scale", torch.tensor(4.6))
    save_file(state, os.path.join(checkpoint, "open_clip_model.safetensors"))
    with open(os.path.join(checkpoint, "open_clip_config.json"), "w") as file:
        json.dump({"model_cfg": config, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}}, file)
    if "hf_tokenizer_name" in config["text_cfg"]:
        shutil.copy(os.path.join(PAIRS, "tokenizer.json"), checkpoint)
    for kind in ("f32", "int8"):
        if os.path.exists(os.path.join(folder, kind + ".gguf")):
            continue
        subprocess.run([whatsit, "model", "convert", checkpoint, "-o", os.path.join(folder, kind + ".gguf"), "--type", kind],
                       check=True)
    picture = torch.rand(1, 3, px, px)
    ids = torch.randint(1, config["text_cfg"]["vocab_size"] - 1, (TEXTS, context))
    ids[:, 8] = config["text_cfg"]["vocab_size"] - 1
    torch.backends.mha.set_fastpath_enabled(False)  # which no exporter knows
    for what, net, given in (("image", model.visual, picture), ("text", model.text, ids)):
        path = os.path.join(folder, what + ".f32.onnx")
        if os.path.exists(os.path.join(folder, what + ".int8.onnx")):
            continue
        with torch.no_grad():
            torch.onnx.export(net, (given,), path, input_names=["x"], output_names=["y"], dynamo=False, opset_version=17)
        quantise(path, os.path.join(folder, what + ".int8.onnx"), what == "image" and NETWORKS[name][1], given.numpy())
    open(done, "w").close()


def quantise(path, out, convolutions, given):
    from onnxruntime import quantization as q
    from onnxruntime.quantization.shape_inference import quant_pre_process
    quant_pre_process(path, path + ".pre", skip_symbolic_shape=True)
    if not convolutions:
        q.quantize_dynamic(path + ".pre", out, per_channel=True, weight_type=q.QuantType.QInt8)
        return

    class Noise(q.CalibrationDataReader):
        left = [{"x": np.random.default_rng(i).random(given.shape, dtype=np.float32)} for i in range(4)]

        def get_next(self):
            return self.left.pop() if self.left else None

    q.quantize_static(path + ".pre", out, Noise(), per_channel=True, quant_format=q.QuantFormat.QDQ)


class Whatsit:
    def __init__(self, once, path):
        self.process = subprocess.Popen([once, path, "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def time(self, what):
        self.process.stdin.write(f"{what} {1 if what == 'image' else TEXTS}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline().split()[1])


class Runtime:
    def __init__(self, folder, kind):
        import onnxruntime as ort
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.sessions = {w: ort.InferenceSession(os.path.join(folder, f"{w}.{kind}.onnx"), options, ["CPUExecutionProvider"])
                         for w in ("image", "text")}
        self.given = {}
        for what, session in self.sessions.items():
            x = session.get_inputs()[0]
            self.given[what] = (np.random.rand(*x.shape).astype(np.float32) if what == "image"
                                else np.full(x.shape, 7, np.int64))

    def time(self, what):
        start = time.process_time()
        self.sessions[what].run(None, {"x": self.given[what]})
        return time.process_time() - start


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--whatsit", required=True)
    parser.add_argument("--once", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("names", nargs="*")
    a = parser.parse_args()
    for name in a.names or NETWORKS:
        folder = os.path.join(a.work, name)
        # In a process of its own: exporting leaves much behind.
        subprocess.run([sys.executable, "-c", "import sys; sys.path.insert(0, sys.argv[1])\nimport families\n"
                        "families.prepare(*sys.argv[2:])", HERE, name, folder, a.whatsit], check=True)
        for kind in ("f32", "int8"):
            ours, theirs = Whatsit(a.once, os.path.join(folder, kind + ".gguf")), Runtime(folder, kind)
            for what in ("image", "text"):
                ours.time(what), theirs.time(what)
                pairs = [(ours.time(what), theirs.time(what)) for _ in range(a.rounds)]
                print(f"{name:16} {kind:5} {what:5}  whatsit {1e3 * statistics.median(p[0] for p in pairs):8.1f} ms, ONNX Runtime "
                      f"{1e3 * statistics.median(p[1] for p in pairs):8.1f} ms, ratio "
                      f"{statistics.median(p[1] / p[0] for p in pairs):.2f}", flush=True)
            ours.process.stdin.close()


if __name__ == "__main__":
    main()
