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


# A bird's kind is the last word of its species' name, but for these.
BIRD_KINDS = {"Green Violetear": "hummingbird", "Chuck will Widow": "nightjar", "Whip poor Will": "nightjar",
              "Geococcyx": "roadrunner"}
BIRD_GROUPS = {"merganser": ("duck",), "mallard": ("duck",), "gadwall": ("duck",), "goldfinch": ("finch", "songbird"),
               "grebe": ("water bird",), "loon": ("water bird",), "gull": ("seabird",), "puffin": ("seabird",),
               "albatross": ("seabird",), "pelican": ("water bird",), "cormorant": ("seabird",)}
SONGBIRDS = {"blackbird", "bunting", "cowbird", "finch", "flycatcher", "grosbeak", "lark", "meadowlark", "oriole",
             "redstart", "sparrow", "starling", "swallow", "tanager", "vireo", "warbler", "wren", "waterthrush",
             "nuthatch", "bobolink", "yellowthroat", "waxwing"}


def bird(folder):
    """Rufous_Hummingbird -> hummingbird, a bird; the species only in a caption: too fine for so few pixels"""
    species = folder.replace("_", " ")
    kind = BIRD_KINDS.get(species, species.split()[-1].lower())
    broader = BIRD_GROUPS.get(kind, ("songbird",) if kind in SONGBIRDS else ())
    own = species.lower()
    caption = () if own == kind else (f"a photo of a{'n' if own[0] in 'aeiou' else ''} {own}",)
    synonyms = {"roadrunner": ("geococcyx",), "mallard": ("wild duck",)}.get(kind, ())
    return kind, synonyms, (*broader, "bird", "animal"), caption


PERCUSSION, STRINGS, WIND = "percussion instrument", "string instrument", "wind instrument"
INSTRUMENTS = {
    "drum": ("drum", ("drum kit", "drum set"), PERCUSSION), "drums": ("drum", ("drum kit", "drum set"), PERCUSSION),
    "bongo drum": ("bongo drum", ("bongos",), "drum"), "steel drum": ("steel drum", ("steelpan",), PERCUSSION),
    "tabla": ("tabla", (), "drum"), "tambourine": ("tambourine", (), PERCUSSION),
    "xylophone": ("xylophone", (), PERCUSSION), "casaba": ("cabasa", (), PERCUSSION),
    "castanets": ("castanets", (), PERCUSSION), "guiro": ("guiro", (), PERCUSSION),
    "marakas": ("maracas", (), PERCUSSION), "acordian": ("accordion", (), "keyboard instrument"),
    "accordion": ("accordion", (), "keyboard instrument"), "concertina": ("concertina", (), WIND),
    "clavichord": ("clavichord", (), "keyboard instrument"), "piano": ("piano", (), "keyboard instrument"),
    "alphorn": ("alphorn", (), WIND), "bagpipes": ("bagpipes", (), WIND), "clarinet": ("clarinet", (), WIND),
    "didgeridoo": ("didgeridoo", (), WIND), "flute": ("flute", (), WIND),
    "harmonica": ("harmonica", ("mouth organ",), WIND),
    "ocarina": ("ocarina", (), WIND), "saxaphone": ("saxophone", ("sax",), WIND),
    "saxophone": ("saxophone", ("sax",), WIND),
    "trombone": ("trombone", (), "brass instrument"), "trumpet": ("trumpet", (), "brass instrument"),
    "tuba": ("tuba", (), "brass instrument"), "banjo": ("banjo", (), STRINGS), "dulcimer": ("dulcimer", (), STRINGS),
    "guitar": ("guitar", (), STRINGS), "harp": ("harp", (), STRINGS), "harpe": ("harp", (), STRINGS),
    "sitar": ("sitar", (), STRINGS), "violin": ("violin", ("fiddle",), STRINGS),
    "batterie": ("drum", ("drum kit", "drum set"), PERCUSSION)}


def instrument(folder):
    name, synonyms, kind = INSTRUMENTS[folder.lower()]
    return name, synonyms, (kind, "musical instrument", "instrument")


# Where the set's name for a breed is not the one that ImageNet's breeds go by.
BREEDS = {"german_shorthaired": "german short-haired pointer", "japanese_chin": "japanese spaniel",
          "leonberger": "leonberg", "scottish_terrier": "scotch terrier", "wheaten_terrier": "soft-coated wheaten terrier",
          "staffordshire_bull_terrier": "staffordshire bullterrier", "basset_hound": "basset", "saint_bernard": "saint bernard"}
CATS = {"abyssinian", "bengal", "birman", "bombay", "british_shorthair", "egyptian_mau", "maine_coon", "persian",
        "ragdoll", "russian_blue", "siamese", "sphynx"}


def pet(breed):
    breed = breed.lower().replace(" ", "_")
    plain_name = BREEDS.get(breed, breed.replace("_", " "))
    if breed in CATS:
        return f"{plain_name} cat", (plain_name,) if breed != "bombay" else (), ("cat", "animal", "pet")
    return plain_name, (), ("dog", "animal", "pet")


FLYING = {"balloon": ("balloon", ("toy balloon", "party balloon"), ("toy", "party decoration")),
          "drone": ("drone", ("quadcopter",), ("aircraft", "vehicle"))}

MARKET = {"banana": "banana", "grapes": "grape", "orange": "orange", "pineapple": "pineapple", "okra": "okra",
          "pomegranate": "pomegranate", "asparagus": "asparagus", "broccoli": "broccoli", "capsicum": "bell pepper",
          "bell_pepper": "bell pepper", "carrot": "carrot", "cauliflower": "cauliflower", "chilli": "chili",
          "corn": "corn", "sweet_corn": "corn", "eggplant": "eggplant", "garlic": "garlic", "ginger": "ginger",
          "lettuce": "lettuce", "peas": "pea", "potato": "potato", "spinach": "spinach", "tomato": "tomato",
          "turnip": "turnip", "white_raddish": "radish"}


def market(key):
    side, stem = key.split("/")
    name = next((n for k, n in sorted(MARKET.items(), key=lambda x: -len(x[0])) if stem.startswith(k)), None)
    return name and (name, SYNONYMS.get(name, ()), ("fruit" if side == "Fruits" else "vegetable", "food"))


class Source:
    """repo, dataset: names; pattern: training paths; ident(match) -> id; key(match) -> folder key;
    names(key) -> (name, synonyms, hypernyms[, captions]) for keys that the shards do not know; hold: share of a
    new set that is kept for validation, by hash; parts(clone) -> {path: [(key, box)]} for pictures of which
    only a part each is taken, box relative (left, top, right, bottom); commit: where the pictures are, if no longer
    in the newest."""

    def __init__(self, repo, dataset, pattern, ident, key, names=None, hold=0, parts=None, commit="HEAD"):
        self.repo, self.dataset, self.pattern = repo, dataset, re.compile(pattern)
        self.ident, self.key, self.names, self.hold, self.parts, self.commit = ident, key, names, hold, parts, commit


def flying(clone, least=0.12, per_picture=3, per_film=24):
    """Balloons and drones, cut out with half as much again around them from the pictures of a detection set.

    Small ones are left out, and more than a few from versions of one picture or frames of one film."""
    tables = [(p, sha) for p, sha in listing(clone) if re.fullmatch(r"train/labels/.*\.txt", p)]
    found, seen = {}, {}
    for (path, _), data in zip(tables, blobs(clone, [sha for _, sha in tables])):
        stem = path.split("/")[-1].removesuffix(".txt")
        picture = stem.split("_jpg.rf.")[0]
        film = re.sub(r"-\d+$", "", picture)
        for line in data.decode().split("\n"):
            if not line.strip():
                continue
            kind, x, y, w, h = (float(v) for v in line.split()[:5])
            side = max(w, h)
            if side < least or seen.get(picture, 0) >= per_picture or seen.get(film, 0) >= per_film:
                continue
            seen[picture] = seen.get(picture, 0) + 1
            if film != picture:
                seen[film] = seen.get(film, 0) + 1
            box = [max(0, x - 0.75 * side), max(0, y - 0.75 * side), min(1, x + 0.75 * side), min(1, y + 0.75 * side)]
            found.setdefault(f"train/images/{stem}.jpg", []).append((("balloon", "drone")[int(kind)], box))
    return found


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
    Source("serizba/vision", "birds", r"ex03/task2/bird_dataset/images/(\w+)/(\d+)\.jpg",
           lambda m: f"bird_{m[1]}_{m[2]}", lambda m: m[1], bird, 0.07),
    Source("aizadaaskar/dl-homework", "instruments", r"train/([\w ]+)/(\d+)\.jpg",
           lambda m: f"ins_{m[1]}_{m[2]}", lambda m: m[1], instrument, 0.07),
    Source("jray-8/musical-instruments-classifier", "instruments", r"data/(\w+)/(\w+)\.(?:jpg|jpeg|png)",
           lambda m: f"ins2_{m[1]}_{m[2]}", lambda m: m[1], instrument),
    Source("HibaFourati/Projet-annuel", "instruments", r"dataset/(\w+)/(\w+)\.(?:jpg|jpeg|png)",
           lambda m: f"ins3_{m[2]}", lambda m: m[1], instrument),
    Source("LTSACH/AILearningHub", "oxfordpets", r"datasets/oxford-pets/data/sample_images/\w+/(\w+)_(\d+)\.jpg",
           lambda m: f"pet_{m[1]}_{m[2]}", lambda m: m[1], pet, 0.05),
    Source("Naveen-Dodda/Sample_Pets_dataset", "oxfordpets", r"images/(\w+)_(\d+)\.jpg",
           lambda m: f"pet_{m[1]}_{m[2]}", lambda m: m[1], pet, 0.05),
    Source("Leohoji/dog-cat-breed-classification-system", "oxfordpets",
           r"model_training/test_images/(?:cats|dogs)/([\w ]+)/(.+)\.(?:jpg|jpeg|png|webp)",
           lambda m: f"pet2_{m[2]}", lambda m: m[1], pet, 0.05, commit="d0b600a81b2336aa9492b712ddae51b76efc5932"),
    Source("WillReynolds5/seasats-boat-classification", "boats", r"dataset/(?:train|val)/boat/(?!buoy)(.+)\.jpg",
           lambda m: f"boat_{m[1]}", lambda m: "boat", lambda k: (k, (), ("vehicle",))),
    Source("smartdeveloper1030/drone-balloon-dataset", "flying", r"train/images/(.*)\.jpg",
           lambda m: f"fly_{m[1]}", None, FLYING.get, 0.05, flying),
    Source("abhinav9444/Fruits-Vegetables-Image-Dataset", "market", r"(Fruits|Vegetables)/([A-Za-z_]+?)[-_]*\d*\.(?:jpg|png)",
           lambda m: f"mkt_{m[0]}", lambda m: f"{m[1]}/{m[2].lower()}", market),
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


def listing(clone, commit="HEAD"):
    """(path, object name) of every file"""
    for line in git(clone, "ls-tree", "-r", "-z", commit).decode().split("\0"):
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
