#!/usr/bin/env python3
"""Times EfficientNet-Lite in whatsit, ONNX Runtime and LiteRT on one trunk, in alternation, and prints ratios.

    bench/peers/lite.py --checkpoint FOLDER --whatsit BUILD/bench/bench_once --gguf-f32 F --gguf-int8 F

FOLDER holds model.safetensors with the published state dict; the model files are made of it with its classifier as
projection (the script writes such a folder with --prepare TO and ends). Every round times each contestant once, in
turn, after a pause. Reported: the median and the best of the wall clock and of the process's own CPU time, which alone
says something on a machine that others use too, and the median of the ratios within a round.
Peers: ONNX Runtime f32 and static int8 (per channel, calibrated on photos), LiteRT with XNNPACK f32 and int8. A peer that
is not installed is named and left out. Their answers are compared with whatsit's own f32 class first.
"""
import argparse
import glob
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np

STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)


def layers(state):
    """The network as a list of (kind, weights [out,in,h,w], bias, stride, relu6) and marks for residuals."""
    def folded(conv, norm, stride, relu6, kind="conv"):
        w = state[conv + ".weight"].astype(np.float64)
        scale = state[norm + ".weight"] / np.sqrt(state[norm + ".running_var"].astype(np.float64) + 1e-3)
        bias = state[norm + ".bias"] - state[norm + ".running_mean"] * scale
        return kind, (w * scale[:, None, None, None]).astype(np.float32), bias.astype(np.float32), stride, relu6

    out = [folded("_conv_stem", "_bn0", 2, True)]
    for i, stride in enumerate(STRIDES):
        p = f"_blocks.{i}."
        first = len(out)
        if p + "_expand_conv.weight" in state:
            out.append(folded(p + "_expand_conv", p + "_bn0", 1, True))
        out.append(folded(p + "_depthwise_conv", p + "_bn1", stride, True, "depthwise"))
        out.append(folded(p + "_project_conv", p + "_bn2", 1, False))
        if stride == 1 and out[first][1].shape[1] == out[-1][1].shape[0] and i:
            out.append(("add", first))  # + what entered layer `first`
    out.append(folded("_conv_head", "_bn1", 1, True))
    out.append(("mean",))
    out.append(("dense", state["_fc.weight"], state["_fc.bias"]))
    return out


def same(side, kernel, stride):
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return total // 2, total - total // 2


def write_onnx(net, path, px=224):
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    nodes, weights, entered, x, side = [], [], [], "pixels", px

    def constant(name, value):
        weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    for i, layer in enumerate(net):
        y = f"y{i}"
        entered.append(x)
        if layer[0] in ("conv", "depthwise"):
            kind, w, b, stride, relu6 = layer
            before, after = same(side, w.shape[2], stride)
            group = w.shape[0] if kind == "depthwise" else 1
            nodes.append(helper.make_node("Conv", [x, constant(f"w{i}", w), constant(f"b{i}", b)], [y + "c" if relu6 else y],
                                          strides=[stride] * 2, group=group, pads=[before, before, after, after],
                                          kernel_shape=list(w.shape[2:])))
            if relu6:
                nodes.append(helper.make_node("Clip", [y + "c", "zero", "six"], [y]))
            side = -(-side // stride)
        elif layer[0] == "add":
            nodes.append(helper.make_node("Add", [x, entered[layer[1]]], [y]))
        elif layer[0] == "mean":
            nodes.append(helper.make_node("GlobalAveragePool", [x], [y + "p"]))
            nodes.append(helper.make_node("Flatten", [y + "p"], [y]))
        else:
            nodes.append(helper.make_node("Gemm", [x, constant(f"w{i}", layer[1]), constant(f"b{i}", layer[2])], [y], transB=1))
        x = y
    constant("zero", np.float32(0))
    constant("six", np.float32(6))
    graph = helper.make_graph(nodes, "lite", [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, 3, px, px])],
                              [helper.make_tensor_value_info(x, TensorProto.FLOAT, [1, net[-1][1].shape[0]])], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def quantise_onnx(path, out, photos):
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.left = iter(photos)

        def get_next(self):
            x = next(self.left, None)
            return None if x is None else {"pixels": np.ascontiguousarray(x.transpose(2, 0, 1)[None])}

    quantize_static(path, out, Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)


def ranges(path, net, photos):
    """Smallest and largest value of each layer's output, by ONNX Runtime."""
    import onnx
    import onnxruntime as ort
    model = onnx.load(path)
    names = [f"y{i}" for i in range(len(net))]
    have = {o.name for o in model.graph.output}
    model.graph.output.extend(onnx.helper.make_tensor_value_info(n, 1, None) for n in names if n not in have)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    low, high = np.zeros(len(net)), np.zeros(len(net))
    for p in photos:
        for i, y in enumerate(session.run(names, {"pixels": np.ascontiguousarray(p.transpose(2, 0, 1)[None])})):
            low[i], high[i] = min(low[i], y.min()), max(high[i], y.max())
    return low, high


def write_tflite(net, path, bounds=None, px=224):
    """bounds: of each layer's output, for int8; NULL: f32."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as s
    model, graph = s.ModelT(), s.SubGraphT()
    model.version, model.description, model.buffers, model.operatorCodes = 3, "lite", [s.BufferT()], []
    graph.tensors, graph.operators, codes = [], [], {}

    def tensor(name, shape, kind, data=None, scale=None, zero=None, axis=0):
        t = s.TensorT()
        t.name, t.shape, t.type, t.buffer = name, list(shape), kind, 0
        if data is not None:
            b = s.BufferT()
            b.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            model.buffers.append(b)
            t.buffer = len(model.buffers) - 1
        if scale is not None:
            q = s.QuantizationParametersT()
            q.scale, q.zeroPoint, q.quantizedDimension = list(map(float, np.atleast_1d(scale))), list(map(int, np.atleast_1d(zero))), axis
            t.quantization = q
        graph.tensors.append(t)
        return len(graph.tensors) - 1

    def operator(code, options_type, options, inputs, output):
        if code not in codes:
            c = s.OperatorCodeT()
            c.builtinCode = c.deprecatedBuiltinCode = code
            c.version = 3 if bounds is not None else 1
            model.operatorCodes.append(c)
            codes[code] = len(model.operatorCodes) - 1
        o = s.OperatorT()
        o.opcodeIndex, o.inputs, o.outputs = codes[code], inputs, [output]
        o.builtinOptionsType, o.builtinOptions = options_type, options
        graph.operators.append(o)

    B, O, T = s.BuiltinOperator, s.BuiltinOptions, s.TensorType

    def activation(name, shape, low, high):
        if bounds is None:
            return tensor(name, shape, T.FLOAT32), 1.0
        low, high = min(low, 0.0), max(high, 1e-3)
        scale = (high - low) / 255
        return tensor(name, shape, T.INT8, None, scale, round(-128 - low / scale)), scale

    def weight(name, w, axis, in_scale, bias):
        if bounds is None:
            return tensor(name, w.shape, T.FLOAT32, w), tensor(name + "b", bias.shape, T.FLOAT32, bias)
        most = np.maximum(np.abs(w).max(axis=tuple(a for a in range(w.ndim) if a != axis)), 1e-5) / 127
        shape = [1] * w.ndim
        shape[axis] = -1
        q = np.clip(np.round(w / most.reshape(shape)), -127, 127).astype(np.int8)
        b = np.clip(np.round(bias / (most * in_scale)), -2**31, 2**31 - 1).astype(np.int32)
        return (tensor(name, w.shape, T.INT8, q, most, np.zeros(len(most)), axis),
                tensor(name + "b", bias.shape, T.INT32, b, most * in_scale, np.zeros(len(most))))

    x, scale = activation("pixels", (1, px, px, 3), -127 / 128, 1.0)
    graph.inputs, side, channels, entered = [x], px, 3, []
    for i, layer in enumerate(net):
        low, high = (bounds[0][i], bounds[1][i]) if bounds is not None else (0, 0)
        entered.append(x)
        if layer[0] in ("conv", "depthwise"):
            kind, w, b, stride, relu6 = layer
            side, deep = -(-side // stride), kind == "depthwise"
            w = w.transpose(1, 2, 3, 0) if deep else w.transpose(0, 2, 3, 1)
            wi, bi = weight(f"w{i}", w, 3 if deep else 0, scale, b)
            channels = len(b)
            y, scale = activation(f"y{i}", (1, side, side, channels), 0 if relu6 else low, 6 if relu6 else high)
            o = s.DepthwiseConv2DOptionsT() if deep else s.Conv2DOptionsT()
            o.padding, o.strideW, o.strideH = s.Padding.SAME, stride, stride
            o.fusedActivationFunction = s.ActivationFunctionType.RELU6 if relu6 else s.ActivationFunctionType.NONE
            o.dilationWFactor = o.dilationHFactor = 1
            if deep:
                o.depthMultiplier = 1
            operator(B.DEPTHWISE_CONV_2D if deep else B.CONV_2D, O.DepthwiseConv2DOptions if deep else O.Conv2DOptions, o, [x, wi, bi], y)
        elif layer[0] == "add":
            y, scale = activation(f"y{i}", (1, side, side, channels), low, high)
            operator(B.ADD, O.AddOptions, s.AddOptionsT(), [x, entered[layer[1]]], y)
        elif layer[0] == "mean":
            y, scale = activation(f"y{i}", (1, channels), low, high)
            axes = tensor("axes", (2,), T.INT32, np.array([1, 2], np.int32))
            operator(B.MEAN, O.ReducerOptions, s.ReducerOptionsT(), [x, axes], y)
        else:
            wi, bi = weight(f"w{i}", layer[1], 0, scale, layer[2])
            y, scale = activation(f"y{i}", (1, len(layer[2])), low, high)
            operator(B.FULLY_CONNECTED, O.FullyConnectedOptions, s.FullyConnectedOptionsT(), [x, wi, bi], y)
        x = y
    graph.outputs = [x]
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1 << 25)
    builder.Finish(model.Pack(builder), b"TFL3")
    with open(path, "wb") as f:
        f.write(builder.Output())


class Whatsit:
    def __init__(self, program, gguf, isa=None):
        command = [program, gguf, "1"] + ([isa] if isa else [])
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self):
        self.process.stdin.write("image 1\n")
        self.process.stdin.flush()
        return tuple(map(float, self.process.stdout.readline().split()))


def timed(call):
    def run():
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        return time.perf_counter() - wall, time.process_time() - cpu
    return run


def onnx_session(path):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def lite_interpreter(path):
    from ai_edge_litert.interpreter import Interpreter
    interpreter = Interpreter(path, num_threads=1)
    interpreter.allocate_tensors()
    return interpreter


def lite_set(interpreter, x):
    about = interpreter.get_input_details()[0]
    scale, zero = about["quantization"]
    if scale:
        x = np.clip(np.round(x / scale + zero), -128, 127).astype(np.int8)
    interpreter.set_tensor(about["index"], x[None])


def lite_get(interpreter):
    about = interpreter.get_output_details()[0]
    y = interpreter.get_tensor(about["index"])[0].astype(np.float32)
    scale, zero = about["quantization"]
    return (y - zero) * scale if scale else y


def photos_of(pattern, px=224):
    from PIL import Image
    out = []
    for path in sorted(glob.glob(pattern))[:24]:
        im = Image.open(path).convert("RGB")
        f = px / min(im.size)
        im = im.resize((max(px, round(im.width * f)), max(px, round(im.height * f))), Image.BICUBIC)
        left, top = (im.width - px) // 2, (im.height - px) // 2
        out.append((np.asarray(im.crop((left, top, left + px, top + px)), np.float32) - 127) / 128)
    return out


def contestants(args):
    from safetensors.numpy import load_file
    net, photos = layers(load_file(os.path.join(args.checkpoint, "model.safetensors"))), photos_of(args.photos)
    path = {n: os.path.join(args.work, n) for n in ("f32.onnx", "int8.onnx", "f32.tflite", "int8.tflite")}
    out = {"whatsit f32": Whatsit(args.whatsit, args.gguf_f32, args.isa), "whatsit int8": Whatsit(args.whatsit, args.gguf_int8, args.isa)}
    write_onnx(net, path["f32.onnx"])
    truth = onnx_session(path["f32.onnx"])
    feed = {"pixels": np.ascontiguousarray(photos[0].transpose(2, 0, 1)[None])}
    best = truth.run(None, feed)[0][0]
    out["onnxruntime f32"] = timed(lambda: truth.run(None, feed))

    def check(name, y):
        cosine = float(y @ best / np.linalg.norm(y) / np.linalg.norm(best))
        print(json.dumps({"who": name, "cosine of the logits of one photo to f32": round(cosine, 4)}), flush=True)

    def add(name, make):
        try:
            call, answer = make()
        except Exception as e:  # a peer that cannot be had is said, not hidden
            print(f"# {name}: left out: {type(e).__name__}: {str(e)[:200]}", file=sys.stderr)
            return
        check(name, answer())
        out[name] = timed(call)

    def onnx_int8():
        quantise_onnx(path["f32.onnx"], path["int8.onnx"], photos)
        session = onnx_session(path["int8.onnx"])
        return lambda: session.run(None, feed), lambda: session.run(None, feed)[0][0]

    def lite(kind):
        write_tflite(net, path[kind + ".tflite"], ranges(path["f32.onnx"], net, photos) if kind == "int8" else None)
        interpreter = lite_interpreter(path[kind + ".tflite"])
        lite_set(interpreter, photos[0])

        def answer():
            interpreter.invoke()
            return lite_get(interpreter)
        return interpreter.invoke, answer

    add("onnxruntime int8", onnx_int8)
    add("litert f32", lambda: lite("f32"))
    add("litert int8", lambda: lite("int8"))
    return out


def prepare(checkpoint, to):
    """A folder whose embedding is the classifier's 1,000 numbers."""
    from safetensors.numpy import load_file, save_file
    state = load_file(os.path.join(checkpoint, "model.safetensors"))
    out = {"visual." + k: v for k, v in state.items() if not k.startswith("_fc")}
    out["visual.projection.weight"], out["visual.projection.bias"] = state["_fc.weight"], state["_fc.bias"]
    os.makedirs(to, exist_ok=True)
    save_file(out, os.path.join(to, "model.safetensors"))
    with open(os.path.join(to, "config.json"), "w") as f:
        json.dump({"image_size": 224}, f)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--checkpoint", required=True)
    p.add_argument("--prepare")
    p.add_argument("--gguf-f32")
    p.add_argument("--gguf-int8")
    p.add_argument("--whatsit", help="the bench_once program")
    p.add_argument("--photos", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../samples/*.jpg"))
    p.add_argument("--work", default="/tmp/whatsit-lite")
    p.add_argument("--rounds", type=int, default=31)
    p.add_argument("--pause", type=float, default=0.05)
    p.add_argument("--isa")
    args = p.parse_args()
    if args.prepare:
        prepare(args.checkpoint, args.prepare)
        return
    os.makedirs(args.work, exist_ok=True)
    field = contestants(args)
    times = {name: [] for name in field}
    for r in range(args.rounds + 2):
        for name, call in field.items():
            time.sleep(args.pause)
            t = call()
            if r > 1:
                times[name].append(t)
    for name, t in times.items():
        wall, cpu = zip(*t)
        line = {"who": name, "ms": round(1e3 * statistics.median(wall), 2), "best_ms": round(1e3 * min(wall), 2),
                "cpu_ms": round(1e3 * statistics.median(cpu), 2), "best_cpu_ms": round(1e3 * min(cpu), 2)}
        for ours in ("whatsit f32", "whatsit int8"):
            line["cpu vs " + ours] = round(statistics.median(a[1] / b[1] for a, b in zip(t, times[ours])), 2)
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
