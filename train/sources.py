"""Public repositories whose pictures are brought at a higher resolution, or in greater number, than
the shards hold them; read from git clones without a work tree.

A source says how a path becomes a picture's id (the shards' ids, so that their validation pictures
stay out of training) and a folder key. What a key is called is taken from the shards' tables where
they know one of its pictures, else from `names`. Only the sources' own training folders are read.
"""
import re
import subprocess
from pathlib import Path

GROCERIES = {"Carrots": "carrot", "Satsumas": "satsuma", "Aubergine": "eggplant", "Red-Beet": "beetroot",
             "Regular-Tomato": "tomato", "Brown-Cap-Mushroom": "mushroom", "Kiwi": "kiwi",
             "Floury-Potato": "potato", "Solid-Potato": "potato", "Anjou": "anjou pear",
             "Conference": "conference pear", "Kaiser": "kaiser pear"}
SYNONYMS = {"eggplant": ("aubergine",), "kiwi": ("kiwi fruit",), "zucchini": ("courgette",),
            "satsuma": ("mandarin",), "beetroot": ("red beet",)}


def plain(folder):
    return folder.replace("-", " ").lower()


def grocery(folders):
    """Fruit/Apple/Royal-Gala -> name, synonyms, hypernyms"""
    kind, *rest = folders
    if kind == "Packages":
        goods = plain(rest[0])
        return f"{goods} carton", (goods, plain(rest[-1])), ("carton", "packaging", "food")
    own = GROCERIES.get(rest[-1], plain(rest[-1]))
    if rest[0] == "Apple":
        own += " apple"
    broader = [plain(rest[0])] if len(rest) > 1 else []
    if broader == ["pepper"]:
        broader = ["bell pepper", "pepper"]
    broader = [b for b in broader if b != own]
    return own, SYNONYMS.get(own, ()), (*broader, "fruit" if kind == "Fruit" else "vegetable", "food")


SCENES = {"buildings": ("building", ("buildings", "city"), ("structure",)),
          "forests": ("forest", ("woods",), ("landscape", "scene")),
          "glacier": ("glacier", ("ice",), ("landscape", "scene")),
          "mountains": ("mountain", ("mountains",), ("landscape", "scene")),
          "sea": ("sea", ("ocean",), ("landscape", "scene")),
          "street": ("street", ("road",), ("scene",))}

NATURAL = {"airplane": ("airplane", ("aeroplane", "plane"), ("aircraft", "vehicle")),
           "car": ("car", ("automobile",), ("motor vehicle", "vehicle")),
           "cat": ("cat", (), ("animal", "pet")), "dog": ("dog", (), ("animal", "pet")),
           "flower": ("flower", (), ("plant",)), "fruit": ("fruit", (), ("food",)),
           "motorbike": ("motorcycle", ("motorbike",), ("motor vehicle", "vehicle")),
           "person": ("person", ("human face", "face"), ("human",))}


class Source:
    """repo, dataset: names; pattern: training paths; ident(match) -> id; key(match) -> folder key;
    names(key) -> (name, synonyms, hypernyms) for keys that the shards do not know; val: share of a
    new set that is kept for validation, by hash."""

    def __init__(self, repo, dataset, pattern, ident, key, names=None, hold=0):
        self.repo, self.dataset, self.pattern = repo, dataset, re.compile(pattern)
        self.ident, self.key, self.names, self.hold = ident, key, names, hold


def breeds(clone):
    """file stem -> breed, from the two label tables"""
    found = {}
    for table in ("cat_breeds/cat_labels.csv", "dog_breeds/labels.csv"):
        for line in blob(clone, "dataset/breed_dataset/" + table).decode().split("\n")[1:]:
            if "," in line:
                stem, breed = line.strip().split(",")[:2]
                found[stem.removesuffix(".jpg")] = breed
    return found


SOURCES = [
    Source("MachineLearning2020/Homework2-Caltech101", "caltech101",
           r"101_ObjectCategories/([^/]+)/image_(\d+)\.jpg",
           lambda m: f"cal_{m[1]}_{m[2]}", lambda m: m[1]),
    Source("thunderInfy/imagenette", "imagenette", r"train/(n\d+)/(n\d+_\d+)\.JPEG",
           lambda m: f"inette_{m[2]}", lambda m: m[1]),
    Source("MachineLearning2020/Homework3-PACS", "pacs",
           r"PACS/(photo|art_painting|cartoon)/([^/]+)/([^/]+)\.(?:jpg|png)",
           lambda m: f"pacs_{m[1]}_{m[2]}_{m[3]}", lambda m: (m[1], m[2])),
    Source("kibru9399/Image-classifier", "flowers102", r"flowers/train/(\d+)/image_(\d+)\.jpg",
           lambda m: f"fl102_{m[2]}", lambda m: m[1]),
    Source("chanakya2734/Image-classification-using-CNN", "petbreeds",
           r"dataset/breed_dataset/(cat|dog)_breeds/train/([^/]+)\.jpg",
           lambda m: f"cat_{m[2]}" if m[1] == "cat" else f"dog_{m[2][:12]}", None),
    Source("chanakya2734/Image-classification-using-CNN", "catsdogs",
           r"dataset/training_set/(cat|dog)s/\w+\.(\d+)\.jpg",
           lambda m: f"cd_tr_{m[1]}_{m[2]}", lambda m: m[1]),
    Source("ninja3697/Profession-Detection-System", "professions",
           r"idenprof/train/(\w+)/([\w-]+)\.jpg", lambda m: f"prof_train_{m[2]}", lambda m: m[1]),
    Source("alexeygrigorev/clothing-dataset-small", "clothing", r"train/([^/]+)/([\w-]+)\.jpg",
           lambda m: f"clo_{m[2]}", lambda m: m[1]),
    Source("ajschumacher/imagen", "imagen", r"imagen/((n\d+)_.*)\.jpg",
           lambda m: "img_" + m[1].rsplit("_", 1)[0], lambda m: m[2]),
    Source("ZhengyuZhao/Targeted-Tansfer", "imagenetcompat", r"dataset/images/(\w+)\.png",
           lambda m: f"nips_{m[1]}", lambda m: m[1]),
    Source("marcusklasson/GroceryStoreDataset", "groceries", r"dataset/train/(.+)/([^/]+)\.jpg",
           lambda m: f"groc_{m[2]}", lambda m: m[1], lambda k: grocery(k.split("/")), 0.1),
    Source("ndb796/Scene-Classification-Dataset-Split", "scenes", r"train/(\w+)/([^/]+)\.(?:jpg|png)",
           lambda m: f"scene_{m[1]}_{m[2]}", lambda m: m[1], SCENES.get, 0.02),
    Source("Keunyoung-Jung/my_first_DL", "natural", r"natural_images/(\w+)/(\w+)\.jpg",
           lambda m: f"nat_{m[2]}", lambda m: m[1], NATURAL.get, 0.03),
]


def git_dir(clones, repo):
    """A clone as OWNER+NAME or NAME below `clones`, bare or not, or None."""
    for name in (repo.replace("/", "+") + "/repo", repo.replace("/", "+"), repo.split("/")[1]):
        for d in (clones / name / ".git", clones / name):
            if (d / "HEAD").exists():
                return d
    return None


def git(clone, *args):
    return subprocess.run(["git", f"--git-dir={clone}", *args], check=True, capture_output=True).stdout


def blob(clone, path):
    return git(clone, "show", f"HEAD:{path}")


def listing(clone):
    """(path, object name) of every file"""
    for line in git(clone, "ls-tree", "-r", "-z", "HEAD").decode().split("\0"):
        if line:
            meta, path = line.split("\t", 1)
            yield path, meta.split()[2]


def blobs(clone, objects):
    """Contents of the objects, in order, through one git process."""
    p = subprocess.Popen(["git", f"--git-dir={clone}", "cat-file", "--batch", "--buffer"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    import threading

    def feed():
        p.stdin.write("".join(o + "\n" for o in objects).encode())
        p.stdin.close()
    threading.Thread(target=feed, daemon=True).start()
    for _ in objects:
        head = p.stdout.readline().split()
        if head[1] == b"missing":
            yield None
            continue
        data = p.stdout.read(int(head[2]))
        p.stdout.read(1)
        yield data
    p.wait()
