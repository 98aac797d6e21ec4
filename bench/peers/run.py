#!/usr/bin/env python3
"""Times whatsit and its peers on the same random-weight model, in alternation, and prints ratios.

    bench/peers/run.py --model FOLDER --whatsit BUILD/bench/bench_once --gguf-f32 F --gguf-int8 F [--threads 1,2]

Every round times each contestant once, in turn, so that whatever else the machine does hits all alike; what is
reported is the median over rounds and the median of the ratios within a round, with its spread (p10..p90).
Between turns lies a pause in which the threads of the one before stop spinning (all peers' threads do for a while):
nobody is timed on cores that another still uses.
Peers: ONNX Runtime f32, int8 with unsigned and with 7-bit signed weights (dynamic quantisation), PyTorch f32 and
dynamic int8, OpenVINO f32. A peer that is not installed is named and left out.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
START, END = 49406, 49407


def prompt_ids(n, length=8):
    """n prompts of `length` tokens with distinct words, zero padded to 77 as the original does."""
    rng = np.random.default_rng(3)
    ids = np.zeros((n, 77), np.int64)
    ids[:, 0] = START
    ids[:, 1:5] = [320, 1125, 539, 320]  # "a photo of a"
    ids[:, 5:length - 1] = rng.integers(1000, 40000, (n, length - 6))
    ids[:, length - 1] = END
    return ids


def export_onnx(folder, work):
    """image.onnx and text.onnx with dynamic batch; int8 versions beside them."""
    import torch
    from clip_torch import load
    paths = {t: os.path.join(work, f"{t}.onnx") for t in ("image", "text")}
    if all(os.path.exists(p) for p in paths.values()):
        return paths
    image, text, config = load(folder)
    px = config["vision_config"].get("image_size", 224)
    for tower, module, example, name in (("image", image, torch.zeros(2, 3, px, px), "pixels"),
                                         ("text", text, torch.tensor(prompt_ids(2)), "ids")):
        torch.onnx.export(module, (example,), paths[tower], input_names=[name], output_names=["out"],
                          dynamic_shapes=({0: torch.export.Dim("n", min=1, max=4096)},), dynamo=True,
                          external_data=False)
    return paths


def quantised(path, kind):
    from onnxruntime.quantization import QuantType, quantize_dynamic
    out = path.replace(".onnx", f".{kind}.onnx")
    if not os.path.exists(out):
        unsigned = kind == "u8"
        quantize_dynamic(path, out, weight_type=QuantType.QUInt8 if unsigned else QuantType.QInt8,
                         reduce_range=not unsigned, per_channel=True, op_types_to_quantize=["MatMul", "Gemm"])
    return out


class Onnx:
    def __init__(self, path, threads):
        import onnxruntime as ort
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.name = self.session.get_inputs()[0].name

    def __call__(self, x):
        return self.session.run(None, {self.name: x})[0]


class Torch:
    def __init__(self, module, threads):
        import torch
        self.torch, self.module, self.threads = torch, module, threads

    def __call__(self, x):
        self.torch.set_num_threads(self.threads)
        with self.torch.inference_mode():
            return self.module(self.torch.from_numpy(x)).numpy()


class OpenVino:
    def __init__(self, path, threads):
        import openvino as ov
        core = ov.Core()
        self.model = core.compile_model(path, "CPU", {"INFERENCE_NUM_THREADS": threads,
                                                      "INFERENCE_PRECISION_HINT": "f32"})

    def __call__(self, x):
        return self.model(x)[0]


class Whatsit:
    """A `bench_once` process that times one call for each line it is sent and answers in seconds."""

    def __init__(self, program, gguf, threads, isa=None):
        command = [program, gguf, str(threads)] + ([isa] if isa else [])
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def seconds(self, what, n):
        self.process.stdin.write(f"{what} {n}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline().split()[0])


def timed(call, x):
    start = time.perf_counter()
    call(x)
    return time.perf_counter() - start


def contestants(args, threads):
    """name -> {case -> function that returns seconds}."""
    import torch
    from clip_torch import load
    image, text, config = load(args.model)
    px = config["vision_config"].get("image_size", 224)
    rng = np.random.default_rng(5)
    inputs = {("image", 1): rng.standard_normal((1, 3, px, px), dtype=np.float32),
              ("image", 8): rng.standard_normal((8, 3, px, px), dtype=np.float32)}
    for n in (1, 30, args.prompts):
        inputs[("text", n)] = prompt_ids(n)
    out = {}
    for label, gguf in (("whatsit f32", args.gguf_f32), ("whatsit int8", args.gguf_int8)):
        w = Whatsit(args.whatsit, gguf, threads, args.isa)
        out[label] = {case: (lambda c=case, w=w: w.seconds(*c)) for case in inputs}

    def add(label, make):
        if args.peers and not label.startswith(tuple(args.peers.split(","))):
            return
        try:
            towers = make()
        except Exception as e:  # a peer that cannot be had is said, not hidden
            print(f"# {label}: left out: {type(e).__name__}: {str(e)[:100]}", file=sys.stderr)
            return
        out[label] = {case: (lambda c=case, t=towers: timed(t[c[0]], inputs[c])) for case in inputs}

    onnx_paths = {}
    try:
        onnx_paths = export_onnx(args.model, args.work)
    except Exception as e:
        print(f"# ONNX export failed: {e}", file=sys.stderr)
    if onnx_paths:
        add("onnxruntime f32", lambda: {t: Onnx(p, threads) for t, p in onnx_paths.items()})
        add("onnxruntime int8 unsigned", lambda: {t: Onnx(quantised(p, "u8"), threads) for t, p in onnx_paths.items()})
        add("onnxruntime int8 7-bit", lambda: {t: Onnx(quantised(p, "s7"), threads) for t, p in onnx_paths.items()})
        add("openvino f32", lambda: {t: OpenVino(p, threads) for t, p in onnx_paths.items()})
    add("pytorch f32", lambda: {"image": Torch(image, threads), "text": Torch(text, threads)})
    add("pytorch int8", lambda: {t: Torch(torch.ao.quantization.quantize_dynamic(m, {torch.nn.Linear}), threads)
                                 for t, m in (("image", image), ("text", text))})
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True)
    p.add_argument("--gguf-f32", required=True)
    p.add_argument("--gguf-int8", required=True)
    p.add_argument("--whatsit", required=True, help="the bench_once program")
    p.add_argument("--work", default="/tmp/whatsit-peers", help="folder for exported models")
    p.add_argument("--threads", default="1,2")
    p.add_argument("--rounds", type=int, default=11)
    p.add_argument("--prompts", type=int, default=100, help="size of the large text case")
    p.add_argument("--only", choices=("image", "text"), help="one tower")
    p.add_argument("--peers", help="comma-separated beginnings of the names of the peers to run (default: all)")
    p.add_argument("--pause", type=float, default=0.1, help="seconds between turns")
    p.add_argument("--isa", help="limit whatsit to this ISA")
    args = p.parse_args()
    os.makedirs(args.work, exist_ok=True)
    for threads in map(int, args.threads.split(",")):
        field = contestants(args, threads)
        cases = [c for c in next(iter(field.values())) if args.only in (None, c[0])]
        for case in cases:
            rounds = args.rounds if case[1] < 50 else 3
            times = {name: [] for name in field}
            for r in range(rounds + 1):
                for name, calls in field.items():
                    time.sleep(args.pause)
                    t = calls[case]()
                    if r:  # the first round warms up
                        times[name].append(t)
            for name, t in times.items():
                line = {"case": f"{case[0]} x{case[1]}", "threads": threads, "who": name,
                        "ms": round(1e3 * statistics.median(t), 2), "best_ms": round(1e3 * min(t), 2)}
                for ours in ("whatsit f32", "whatsit int8"):
                    ratios = sorted(a / b for a, b in zip(t, times[ours]))
                    line["vs " + ours] = [round(statistics.median(ratios), 2), round(ratios[len(ratios) // 10], 2),
                                          round(ratios[-1 - len(ratios) // 10], 2)]
                print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
