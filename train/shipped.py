"""Reads an open_clip folder back and prepares pictures and texts for it, as the engine does."""
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from safetensors.torch import load_file

from model import CLIP, Config
from prompts import fill


class Shipped:
    """The model in `folder`, computed in float32 from the stored half-precision weights."""

    def __init__(self, folder, tokenizer):
        folder = Path(folder)
        settings = json.loads((folder / "open_clip_config.json").read_text())
        self.cfg = Config.from_open_clip(settings["model_cfg"])
        pre = settings["preprocess_cfg"]
        self.mean = torch.tensor(pre["mean"]).view(1, 3, 1, 1)
        self.std = torch.tensor(pre["std"]).view(1, 3, 1, 1)
        self.model = CLIP(self.cfg)
        weights = load_file(folder / "open_clip_model.safetensors")
        self.model.load_state_dict({k: v.float() for k, v in weights.items()}, strict=True)
        self.model.eval()
        self.model.visual.to(memory_format=torch.channels_last)
        self.scale = self.model.logit_scale.exp().item()
        self.tokenizer = tokenizer

    def pixels(self, image):
        """Shortest side to the model's size (bicubic, 8 bit), centre crop -> u8 [s,s,3]."""
        image = ImageOps.exif_transpose(image).convert("RGB")
        s, (w, h) = self.cfg.image_size, image.size
        nw, nh = (s, int(s * h / w)) if w <= h else (int(s * w / h), s)
        if (nw, nh) != (w, h):
            image = image.resize((nw, nh), Image.Resampling.BICUBIC)
        left, top = round((nw - s) / 2), round((nh - s) / 2)
        return np.asarray(image.crop((left, top, left + s, top + s)))

    @torch.no_grad()
    def embed_images(self, images, batch=128):
        """PIL images -> f32 [n,d], not normalised."""
        out, images = [], list(images)
        for i in range(0, len(images), batch):
            u8 = np.stack([self.pixels(im) for im in images[i:i + batch]])
            x = torch.from_numpy(u8).permute(0, 3, 1, 2).float() / 255
            out.append(self.model.encode_image((x - self.mean) / self.std))
        return torch.cat(out)

    @torch.no_grad()
    def embed_texts(self, texts, batch=256):
        """Strings -> f32 [n,d], not normalised."""
        ids = [self.tokenizer(t) for t in texts]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        out = torch.empty(len(ids), self.cfg.embed_dim)
        for i in range(0, len(order), batch):
            part = order[i:i + batch]
            padded = torch.zeros(len(part), max(len(ids[k]) for k in part), dtype=torch.long)
            for row, k in enumerate(part):
                padded[row, :len(ids[k])] = torch.tensor(ids[k])
            end = torch.tensor([len(ids[k]) - 1 for k in part])
            out[torch.tensor(part)] = self.model.encode_text(padded, end)
        return out

    def head(self, labels, templates, article=False):
        """Zero-shot weights [labels,d]: per label the normalised mean over the templates."""
        put = fill if article else (lambda t, label: t.replace("{}", label))
        e = self.embed_texts([put(t, label) for label in labels for t in templates])
        e = F.normalize(e, dim=-1).view(len(labels), len(templates), -1).mean(1)
        return F.normalize(e, dim=-1)
