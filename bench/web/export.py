#!/usr/bin/env python3
"""Writes the models that bench/web/run.mjs compares, all of the same random weights in the shape of ViT-B/32:

    bench/web/export.py FOLDER WHATSIT

FOLDER gets whatsit.gguf (int8, made by the program WHATSIT) and, for onnxruntime-web, image.u8.onnx and image.s7.onnx:
dynamic int8 with unsigned and with 7-bit signed weights. Needs what bench/peers/requirements.txt lists."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "peers"))
from run import export_onnx, quantised  # noqa: E402


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder, program = sys.argv[1:]
    source = os.path.join(folder, "random-b32")
    os.makedirs(folder, exist_ok=True)
    if not os.path.isdir(source):
        subprocess.run([sys.executable, os.path.join(HERE, "..", "random_clip.py"), "b32", source], check=True)
    gguf = os.path.join(folder, "whatsit.gguf")
    if not os.path.exists(gguf):
        subprocess.run([program, "model", "convert", source, "--type", "int8", "--output", gguf], check=True)
    image = export_onnx(source, folder)["image"]
    for kind in ("u8", "s7"):
        print(quantised(image, kind))


if __name__ == "__main__":
    main()
