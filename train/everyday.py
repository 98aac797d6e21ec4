"""The everyday head, judged on pictures with names: how often it is right, how true its probabilities are, and what it says to
pictures of nothing that it knows. Used to choose words (validation pictures) and to measure (`--test`).
"""
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter

from data import REPOSITORY
from model import unit
from terms import normal


def read_list(path):
    """[(group, [names])]"""
    group, out = "", []
    for line in open(path, encoding="utf-8"):
        line = line.rstrip("\n")
        if line.startswith("["):
            group = line[1:-1]
        elif line and not line.startswith("#"):
            out.append((group, [x.strip() for x in line.split("\t")[0].split("|")]))
    return out


def templates():
    path = REPOSITORY / "models/nano-concepts.templates.txt"
    return [t for t in path.read_text().split("\n") if t and not t.startswith("#")]


class Head:
    """What the program makes of labels: a unit vector for each of their names, the mean over the prompts; a label is as near to
    a picture as the nearest of its names.

    rows [names, d], label by label; names: how many each label has"""

    def __init__(self, labels, read):
        prompts = templates()
        z = unit(read([t.replace("{}", n, 1) for _, own in labels for n in own for t in prompts]))
        self.rows = unit(z.view(len(z) // len(prompts), len(prompts), -1).mean(1))
        self.names = [len(own) for _, own in labels]

    def cosines(self, z):
        """unit vectors [n, d] -> [n, labels]"""
        return torch.stack([c.amax(1) for c in (z @ self.rows.T).split(self.names, 1)], 1)

    def between(self):
        """[labels, labels]: of their nearest names"""
        return torch.stack([c.amax(0) for c in self.cosines(self.rows).split(self.names)])


def truth(labels, classes, net):
    """fits [classes, labels]: the label is true of the class's pictures"""
    words = [{normal(n) for n in names} for _, names in labels]
    sense = [{net.sense(n) for n in names} - {None} for _, names in labels]
    out = np.zeros((len(classes), len(labels)), bool)
    for k, (names, broader, _) in enumerate(classes):
        own = {normal(x) for x in (*names, *broader)}
        s = net.sense(names[0], broader) if names else None
        above = net.above(s) if s else set()
        tail = {normal(n).split()[-1] for n in names}
        for j in range(len(labels)):
            out[k, j] = bool(words[j] & own or sense[j] & above or words[j] & tail)
    return out


def gap(said, right, bins=10):
    """Mean difference of said and true over ten bins, weighted by their pictures."""
    which = np.minimum((said * bins).astype(int), bins - 1)
    return sum(abs(said[which == b].mean() - right[which == b].mean()) * (which == b).mean() for b in range(bins) if (which == b).any())


def picture(said, right, path, bins=10):
    """Draws what was said against what was true, and how often it was said."""
    side, edge = 480, 60
    im = Image.new("RGB", (side + 2 * edge, side + 2 * edge), "white")
    d = ImageDraw.Draw(im)
    at = lambda x, y: (edge + x * side, edge + (1 - y) * side)
    for k in range(bins + 1):
        d.line([at(k / bins, 0), at(k / bins, 1)], "#e4e4e4")
        d.line([at(0, k / bins), at(1, k / bins)], "#e4e4e4")
        if k % 2 == 0:
            d.text((at(k / bins, 0)[0] - 9, edge + side + 6), f"{100 * k // bins} %", "#333333")
            d.text((edge - 36, at(0, k / bins)[1] - 6), f"{100 * k // bins} %", "#333333")
    which = np.minimum((said * bins).astype(int), bins - 1)
    d.line([at(0, 0), at(1, 1)], "#999999", 2)
    points = []
    for b in range(bins):
        share = (which == b).mean()
        d.rectangle([*at(b / bins + 0.01, share), *at((b + 1) / bins - 0.01, 0)], "#dbe9dc")
        if (which == b).sum() >= 5:
            points.append(at(said[which == b].mean(), right[which == b].mean()))
    d.line(points, "#1b6e3c", 3)
    for x, y in points:
        d.ellipse([x - 5, y - 5, x + 5, y + 5], "#1b6e3c")
    d.text((edge, 14), "everyday head, ImageNet-compatible photos: how often the first answer was right (line),", "#333333")
    d.text((edge, 30), "and how many photos (bars), by the probability that was said", "#333333")
    im.save(path)


def nothing(rng):
    """Pictures of nothing: black, white, grey, noise, blurred walls, gradients."""
    out = [Image.new("RGB", (320, 240), c) for c in ("black", "white", (128, 128, 128), (60, 70, 90), (200, 190, 170))]
    for k in range(5):
        out.append(Image.fromarray(rng.integers(0, 256, (240, 320, 3), np.uint8)))
        small = Image.fromarray(rng.integers(90 + 10 * k, 130 + 10 * k, (12, 16, 3)).astype(np.uint8))
        out.append(small.resize((320, 240), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(8)))
        row = np.linspace(40 * k, 255, 320)[None, :, None].repeat(240, 0).repeat(3, 2)
        out.append(Image.fromarray(row.astype(np.uint8)))
    return out
