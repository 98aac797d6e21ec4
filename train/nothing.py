"""Pictures of nothing in particular, made here: what they are called teaches the model to say so.

`pictures()` gives (path, PNG bytes); the folder in the path is the kind. The same ones every time.
"""
import io

import numpy as np
from PIL import Image, ImageFilter

KINDS = {"plain": (("blank picture", "plain background", "solid color", "empty picture"), ("nothing",)),
         "noise": (("noise", "static", "random noise"), ("nothing",)),
         "blur": (("blurry picture", "blurred photo", "blur", "out of focus photo"), ("nothing",)),
         "gradient": (("color gradient", "gradient"), ("nothing",)),
         "dark": (("dark picture", "darkness", "underexposed photo"), ("nothing",)),
         "wall": (("plain wall", "bare wall", "wall"), ("nothing",))}


def field(rng, cells, low, high, colour):
    """A random smooth field of so many cells a side, in bytes."""
    small = rng.uniform(low, high, (cells, cells, 3 if colour else 1)).repeat(1 if colour else 3, 2)
    return np.asarray(Image.fromarray(small.astype(np.uint8)).resize((288, 288), Image.Resampling.BICUBIC), np.float32)


def picture(kind, rng):
    colour = rng.random() < 0.6
    if kind == "plain":
        value = rng.choice([0, 255]) if rng.random() < 0.4 else rng.uniform(0, 255, 3 if colour else 1)
        x = np.full((288, 288, 3), value) + rng.normal(0, rng.choice([0, 0, 1.5, 4]), (288, 288, 3))
    elif kind == "noise":
        side = int(rng.choice([288, 288, 144, 72]))
        x = rng.uniform(0, 255, (side, side, 3)) if rng.random() < 0.5 else rng.normal(128, rng.uniform(20, 90), (side, side, 3))
        x = x if colour else x[..., :1].repeat(3, 2)
        x = x.repeat(288 // side, 0).repeat(288 // side, 1)
    elif kind == "blur":
        low = rng.uniform(0, 140)
        x = field(rng, int(rng.integers(4, 14)), low, min(255, low + rng.uniform(40, 160)), colour)
    elif kind == "gradient":
        a, b = rng.uniform(0, 255, (2, 3)) if colour else rng.uniform(0, 255, (2, 1)).repeat(3, 1)
        angle = rng.uniform(0, 2 * np.pi)
        y, x = np.mgrid[0:288, 0:288] / 287 - 0.5
        t = np.clip(np.cos(angle) * x + np.sin(angle) * y + 0.5, 0, 1)[..., None]
        x = a * (1 - t) + b * t
    elif kind == "dark":
        x = field(rng, int(rng.integers(6, 40)), 0, rng.uniform(6, 30), colour) + rng.normal(0, rng.uniform(0.5, 4), (288, 288, 3))
    else:                                               # plaster: a grain, a tint, light from one side
        light = field(rng, 3, 120, 250, False)
        grain = np.asarray(Image.fromarray(rng.integers(0, 256, (288, 288), np.uint8)).filter(
            ImageFilter.GaussianBlur(float(rng.uniform(0.6, 3)))), np.float32)[..., None] - 128
        x = light * rng.uniform(0.75, 1, 3) + grain * rng.uniform(0.1, 0.7)
    return Image.fromarray(np.clip(x, 0, 255).astype(np.uint8))


def pictures(each=80):
    for k, kind in enumerate(KINDS):
        rng = np.random.default_rng(40 + k)
        for i in range(each):
            out = io.BytesIO()
            picture(kind, rng).save(out, "PNG")
            yield f"{kind}/{i}.png", out.getvalue()
