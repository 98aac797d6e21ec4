"""What colour a picture's subject has, and questions about it.

No set of pictures says what colour its things are, so the colour is measured: the picture is divided into small
cells, each cell gets a colour word by hue, saturation and brightness, and the colour that fills more of the
middle than of the rim is the subject's. Pictures without a clear one are not asked about.
"""
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from prompts import fill

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "grey")
FORMS = ("a photo of a {}", "a photo of a {}.", "a {}", "{}", "a photo of the {}", "a picture of a {}",
         "a close-up photo of a {}.")
# The same without saying what has the colour.
NAMELESS = ("a photo of something {}.", "a patch of the color {}.", "a {} thing", "something {}", "{}")

# Hue in degrees at which each of the first seven begins (red also ends the circle).
HUES = ((0, 0), (15, 1), (43, 2), (64, 3), (165, 4), (258, 5), (295, 6), (345, 0))


PEOPLE = {"person", "human", "human face", "face", "people", "occupation", "profession", "worker"}


def told(c):
    """Whether colours are told of a class: not of people."""
    return c["dataset"] != "professions" and not PEOPLE & {t.lower() for t in (c["name"], *c["synonyms"], *c["hypernyms"])}


def cells(x):
    """RGB [n,3,s,s] in 0..1 -> colour index of each of 16 x 16 (or fewer) cells [n,c,c], -1: none clearly."""
    side = x.shape[-1] // 4
    r, g, b = F.adaptive_avg_pool2d(x.clamp(0, 1), side).unbind(1)
    top, low = torch.maximum(torch.maximum(r, g), b), torch.minimum(torch.minimum(r, g), b)
    chroma = (top - low).clamp(min=1e-6)
    hue = torch.where(top == r, (g - b) / chroma % 6, torch.where(top == g, (b - r) / chroma + 2, (r - g) / chroma + 4)) * 60
    saturation = (top - low) / top.clamp(min=1e-6)
    out = torch.full(hue.shape, -1, dtype=torch.long)
    for begin, colour in HUES:
        out[hue >= begin] = colour
    out[(out == 0) & (saturation < 0.5) & (top > 0.7)] = COLOURS.index("pink")
    out[(hue > 8) & (hue < 45) & (top < 0.62)] = COLOURS.index("brown")
    out[(saturation < 0.28) | (top < 0.25)] = -1
    out[saturation < 0.14] = COLOURS.index("grey")
    out[(saturation < 0.14) & (top > 0.75)] = COLOURS.index("white")
    out[(top < 0.18) | ((top < 0.28) & (saturation < 0.4))] = COLOURS.index("black")
    return out


def measured(x):
    """RGB [n,3,s,s] in 0..1 -> the clear colour (index or -1), a second one beside it (or -1), both int [n],
    and the share of the middle that each colour fills [n,11]."""
    found = F.one_hot(cells(x) + 1, len(COLOURS) + 1)[..., 1:].float()
    n, side = found.shape[:2]
    edge = round(side * 0.2)
    middle = torch.zeros(side, side, dtype=torch.bool)
    middle[edge:side - edge, edge:side - edge] = True
    inside, rim = found[:, middle].mean(1), found[:, ~middle].mean(1)
    score, order = (inside - 0.5 * rim).topk(3, dim=1)
    clear = (score[:, 0] > 0.25) & (score[:, 0] > 1.6 * score[:, 1])
    two = ~clear & (score[:, 1] > 0.17) & (score[:, 0] < 1.6 * score[:, 1]) & (score[:, 1] > 1.6 * score[:, 2])
    coloured = (x.amax(1) - x.amin(1)).mean((1, 2)) > 0.03          # a grey photo tells no colours
    first = torch.where((clear | two) & coloured, order[:, 0], -1)
    return first.numpy(), torch.where(two & coloured, order[:, 1], -1).numpy(), inside.numpy()


def turned(im, rng):
    """The picture with all hues turned by one random angle, so that a kind of thing does not tell its colour."""
    hsv = np.array(im.convert("HSV"))
    hsv[..., 0] += np.uint8(rng.integers(20, 236))
    return Image.fromarray(hsv, "HSV").convert("RGB")


def said(first, second, rng=None):
    """Colour words: red, or blue and white in either order."""
    if second < 0:
        return COLOURS[first]
    a, b = (first, second) if rng is None or rng.random() < 0.5 else (second, first)
    return f"{COLOURS[a]} and {COLOURS[b]}"


def question(names, clear, rng, most=20):
    """Some pictures of clear colour, the rarer colours rather, and three texts each that differ in colour; the first
    is right. names(i) -> what picture i may be called; None: only the colour is said."""
    first, second, inside = clear
    known = np.nonzero(first >= 0)[0]
    if not len(known):
        return known, []
    rate = 1 / np.bincount(first[known], minlength=len(COLOURS))[first[known]]
    which = rng.choice(known, min(most, len(known)), replace=False, p=rate / rate.sum())
    texts = []
    for i in which:
        absent = rng.permutation(np.nonzero(inside[i] < 0.06)[0])
        name = names(i)
        forms = FORMS if name else NAMELESS
        form = forms[rng.integers(len(forms))]
        if second[i] >= 0:
            wrong = [said(absent[0], absent[1]), said(absent[2], rng.choice((first[i], second[i])))]
        else:
            wrong = [said(c, -1) for c in absent[:2]]
        texts += [fill(form, f"{c} {name}" if name else c) for c in (said(first[i], second[i], rng), *wrong)]
    return which, texts


def pictures_to_ask(pics, which, size, centred, turn, per_colour=40):
    """Validation pictures of one clear colour, at most so many of each: prepared pixels [n] u8, picture, colour."""
    rng, out = np.random.default_rng(7), []
    count = np.zeros(len(COLOURS), int)
    for i in rng.permutation(which):
        if not told(pics.classes[pics.cls[i]]):
            continue
        im = pics.image(i)
        pixels = centred(turned(im, rng) if turn else im, size)
        first, second, _ = measured(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255)
        if first[0] >= 0 and second[0] < 0 and count[first[0]] < per_colour:
            count[first[0]] += 1
            out.append((pixels, i, first[0]))
    return out


def asked(pics):
    """Validation pictures about which colours are asked: photos of single things."""
    sets = ("caltech101", "imagen", "birds", "instruments", "flying", "natural", "clothing", "flowers102", "petbreeds")
    return np.concatenate([pics.where(s, True) for s in sets])


def right(embed, encode, pics, chosen):
    """Shares of pictures for which the right one of eleven texts "a photo of a COLOUR NAME" is the nearest, and
    among the five nearest; means over the colours. embed(u8 pictures), encode(texts) -> unit vectors [n,d]."""
    names = sorted({pics.classes[pics.cls[i]]["name"] for _, i, _ in chosen})
    row = {name: k for k, name in enumerate(names)}
    e = encode([fill(FORMS[0], f"{c} {name}") for name in names for c in COLOURS]).view(len(names), len(COLOURS), -1)
    rows = torch.tensor([row[pics.classes[pics.cls[i]]["name"]] for _, i, _ in chosen])
    near = (embed([pixels for pixels, _, _ in chosen])[:, None] * e[rows]).sum(-1)
    truth = torch.tensor([int(c) for _, _, c in chosen])
    place = (near > near.gather(1, truth[:, None])).sum(1)
    return [float(np.mean([(place[truth == c] < k).float().mean() for c in truth.unique()])) for k in (1, 5)]
