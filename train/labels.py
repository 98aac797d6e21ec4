"""What the pictures of every source are called: name, synonyms, broader words; or captions.

`about(source, clones, shards)` gives a function path -> Label or None. A label's `val` says that the picture is kept for
validation: by the shards' own split where they know it, else by hash. Names held out (heldout.txt) are never trained on.
"""
import csv
import gzip
import json
import re
import zlib
from collections import namedtuple
from pathlib import Path

import nothing
from sources import blob, git_dir, listing

Label = namedtuple("Label", "names broader captions val", defaults=((), (), (), False))   # names[0] is the name

GROCERIES = {"Carrots": "carrot", "Satsumas": "satsuma", "Aubergine": "eggplant", "Red-Beet": "beetroot",
             "Regular-Tomato": "tomato", "Brown-Cap-Mushroom": "mushroom", "Kiwi": "kiwi", "Floury-Potato": "potato",
             "Solid-Potato": "potato", "Anjou": "anjou pear", "Conference": "conference pear", "Kaiser": "kaiser pear"}
SYNONYMS = {"eggplant": ("aubergine",), "kiwi": ("kiwi fruit",), "zucchini": ("courgette",), "satsuma": ("mandarin",),
            "beetroot": ("red beet",), "corn": ("maize",), "bell pepper": ("capsicum", "sweet pepper")}

BREEDS = {"german_shorthaired": "german short-haired pointer", "japanese_chin": "japanese spaniel",
          "leonberger": "leonberg", "scottish_terrier": "scotch terrier",
          "wheaten_terrier": "soft-coated wheaten terrier", "staffordshire_bull_terrier": "staffordshire bullterrier",
          "basset_hound": "basset", "saint_bernard": "saint bernard"}
CATS = {"abyssinian", "bengal", "birman", "bombay", "british_shorthair", "egyptian_mau", "maine_coon", "persian",
        "ragdoll", "russian_blue", "siamese", "sphynx"}

BIRD_KINDS = {"Green Violetear": "hummingbird", "Chuck will Widow": "nightjar", "Whip poor Will": "nightjar",
              "Geococcyx": "roadrunner"}

STRINGS, WIND, DRUMS = "string instrument", "wind instrument", "percussion instrument"
INSTRUMENTS = {"acordian": ("accordion",), "batterie": ("drum kit", "drum set", "drum"), "drums": ("drum kit", "drum set", "drum"),
               "casaba": ("cabasa",), "harmonica": ("harmonica", "mouth organ"), "harpe": ("harp",), "marakas": ("maracas",),
               "saxaphone": ("saxophone", "sax"), "saxophone": ("saxophone", "sax"), "violin": ("violin", "fiddle"),
               "bongo drum": ("bongo drum", "bongos"), "steel drum": ("steel drum", "steelpan")}

MARKET = {"banana": "banana", "grapes": "grape", "orange": "orange", "pineapple": "pineapple", "okra": "okra",
          "pomegranate": "pomegranate", "asparagus": "asparagus", "broccoli": "broccoli", "capsicum": "bell pepper",
          "bell_pepper": "bell pepper", "carrot": "carrot", "cauliflower": "cauliflower", "chilli": "chili pepper",
          "corn": "corn", "sweet_corn": "corn", "eggplant": "eggplant", "garlic": "garlic", "ginger": "ginger",
          "lettuce": "lettuce", "peas": "pea", "potato": "potato", "spinach": "spinach", "tomato": "tomato",
          "turnip": "turnip", "white_raddish": "radish"}

SPORTS = {"ampute football": "amputee football", "barell racing": "barrel racing", "canoe slamon": "canoe slalom",
          "snow boarding": "snowboarding", "olympic wrestling": "wrestling", "figure skating men": "figure skating",
          "figure skating women": "figure skating", "figure skating pairs": "pair skating", "track bicycle": "track cycling",
          "ultimate": "ultimate frisbee", "football": "american football", "hockey": "ice hockey", "mushing": "dog sledding",
          "rings": "gymnastic rings", "gaga": "gaga ball"}

ROOMS = {"entrance_hall": ("entrance hall", "hallway"), "living_room": ("living room",), "dining_room": ("dining room",)}

WEATHER = {"sunrise": (("sunrise", "sunset"), ("sky",)), "cloudy": (("cloudy sky", "cloudy weather", "clouds"), ("weather", "sky")),
           "foggy": (("fog", "foggy weather", "mist"), ("weather",)), "rainy": (("rain", "rainy weather"), ("weather",)),
           "shine": (("sunny weather", "sunshine", "clear sky"), ("weather",))}

CANTEEN = {"Baked_cheese_omelet": "cheese omelette", "Bread_made_from_wheat_flour": "bread", "Fresh_seasonal_fruits": "fruit",
           "TeaWithMilk": "tea with milk", "Cherry_Sauce": "cherry sauce"}

MONKEYS = ["mantled howler", "patas monkey", "bald uakari", "japanese macaque", "pygmy marmoset", "white-headed capuchin",
           "silvery marmoset", "common squirrel monkey", "night monkey", "nilgiri langur"]

CLOTHES = {"Blazer": ("blazer",), "Blouse": ("blouse",), "Body": ("bodysuit", "baby bodysuit"), "Dress": ("dress",), "Hat": ("hat",),
           "Hoodie": ("hoodie", "hooded sweatshirt"), "Longsleeve": ("long sleeve shirt",), "Outwear": ("jacket", "coat"),
           "Pants": ("pants", "trousers"), "Polo": ("polo shirt",), "Shirt": ("shirt",), "Shoes": ("shoes", "shoe"),
           "Shorts": ("shorts",), "Skirt": ("skirt",), "T-Shirt": ("t-shirt", "tee shirt"), "Top": ("top", "tank top"),
           "Undershirt": ("undershirt",)}


def plain(folder):
    return re.sub(r"[-_]+", " ", folder).lower().strip()


def table(path):
    raw = gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else open(path, encoding="utf-8")
    with raw as f:
        yield from csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE)


def hashed(path, share):
    return zlib.crc32(b"val " + path.encode()) % 1000 < 1000 * share


def bar(s):
    return tuple(x.strip() for x in (s or "").split("|") if x.strip())


class Shards:
    """The tables of the labelled shards: names by folder, and which pictures are their validation part."""

    def __init__(self, folder):
        self.folder = folder

    def rows(self, dataset):
        return {r["id"]: r for p in sorted(self.folder.glob(f"{dataset}.tsv*")) for r in table(p)}


def from_shards(shards, dataset, paths, pattern, ident, key, share=0.0):
    """Names of folders are those of the shards' rows of pictures in them; `share` of the pictures without a row are for validation."""
    rows = shards.rows(dataset)
    known = {}
    for path in paths:
        m = pattern.fullmatch(path)
        if m and ident(m) in rows:
            known.setdefault(key(m), rows[ident(m)])

    def label(path):
        m = pattern.fullmatch(path)
        row = m and known.get(key(m))
        if not row:
            return None
        own = rows.get(ident(m))
        val = own["split"] == "val" if own else share > 0 and hashed(path, share)
        return Label((row["name"], *bar(row["synonyms"])), bar(row["hypernyms"]), bar(row["captions"]), val)
    return label


def simple(pattern, name_of, share=0.07):
    """name_of(match) -> (names, broader) or None"""
    def label(path):
        m = pattern.fullmatch(path)
        found = m and name_of(m)
        return found and Label(tuple(found[0]), tuple(found[1]), (), hashed(path, share))
    return label


def grocery(m):
    kind, *rest = m[1].split("/")
    if kind == "Packages":
        goods = plain(rest[0])
        return (f"{goods} carton", goods, plain(rest[-1])), ("carton", "packaging", "food")
    own = GROCERIES.get(rest[-1], plain(rest[-1]))
    if rest[0] == "Apple":
        own += " apple"
    broader = [plain(rest[0])] if len(rest) > 1 else []
    if broader == ["pepper"]:
        broader = ["bell pepper"]
    broader = [b for b in broader if b != own]
    return (own, *SYNONYMS.get(own, ())), (*broader, "fruit" if kind == "Fruit" else "vegetable", "food")


def pet(breed):
    breed = breed.lower().replace(" ", "_")
    name = BREEDS.get(breed, breed.replace("_", " "))
    if breed in CATS:
        return (f"{name} cat",) + ((name,) if breed != "bombay" else ()), ("cat", "animal", "pet")
    return (name,), ("dog", "animal", "pet")


def bird(m):
    species = m[1].replace("_", " ")
    kind = BIRD_KINDS.get(species, species.split()[-1].lower())
    return (species.lower(),), tuple(dict.fromkeys((kind, "bird", "animal")))


def breeds(clone):
    """file stem -> breed, from the two label tables"""
    found = {}
    for t in ("cat_breeds/cat_labels.csv", "dog_breeds/labels.csv"):
        for line in blob(clone, "dataset/breed_dataset/" + t).decode().split("\n")[1:]:
            if "," in line:
                stem, breed = line.strip().split(",")[:2]
                found[stem.removesuffix(".jpg")] = breed
    return found


def breed_labels(shards, paths, pattern, clone):
    of = breeds(clone)
    return from_shards(shards, "petbreeds", paths, pattern,
                       lambda m: f"cat_{stem(m)}" if m[1] == "cat" else f"dog_{stem(m)[:12]}", lambda m: of.get(stem(m)))


def stem(m):
    return m[0].split("/")[-1].rsplit(".", 1)[0]


def captions(clones, source, clone):
    """file name -> captions, of the sources that have them"""
    found = {}
    if source.name == "coco":
        for t in ("train", "test"):
            for line in blob(clone, f"data/{t}.csv").decode().split("\n")[1:]:
                if re.match(r"\d+\.jpg,", line):
                    name, rest = line.split(",", 1)
                    text = rest.split(",", 1)[1] if t == "train" else rest
                    found["data/data/" + name] = [" ".join(text.strip().strip('"').replace('""', '"').split())]
    elif source.name == "sarthak":
        for row in list(csv.reader(blob(clone, "data/captions.csv").decode().splitlines()))[1:]:
            if len(row) >= 2:
                found.setdefault("data/images/" + row[0], []).append(" ".join(",".join(row[1:]).split()))
    elif source.name == "flickr8k":
        for line in blob(git_dir(clones, "prakhar-dhakar/Image-Captioning"), "Flickr8k.token.txt").decode().splitlines():
            name, text = line.split("\t", 1)
            found.setdefault("data/images/" + name.split("#")[0], []).append(re.sub(r"\s+([.,!?;])", r"\1", " ".join(text.split())))
    elif source.name == "sysu":
        text = re.sub(r",(\s*[\]}])", r"\1", blob(clone, "sentences.json").decode())
        for m in re.finditer(r'"file_name":\s*"(\d+\.jpg)".*?"sentences":\s*\[\s*"([^"]*)"', text, re.S):
            found["images/" + m[1]] = [" ".join(m[2].split())]
    elif source.name == "val2017":
        v = json.loads(blob(git_dir(clones, "ruizewang/evaluate"), "annotations/captions_val2017.json"))
        names = {int(i["file_name"][:-4]): f"images/{k}.jpg"
                 for k, i in enumerate(sorted(v["images"], key=lambda i: i["file_name"]))}
        for a in v["annotations"]:
            found.setdefault(names[a["image_id"]], []).append(" ".join(a["caption"].split()))
    elif source.name == "electronics":
        rows = csv.DictReader(blob(clone, "data/processed/cleaned_electronics_products.csv").decode().splitlines())
        for k, row in enumerate(rows):
            title = re.split(r"[,(|]| with | for ", row["name"])[0]
            found[f"data/images/{k}.jpg"] = [" ".join(title.split()[:10])]
    return found


def about(source, clones, shards, paths):
    """Function path -> Label or None for a source's pictures."""
    clone, p, name = git_dir(clones, source.repo), source.pattern, source.name
    texts = captions(clones, source, clone) if clone else {}
    if texts:
        return lambda path: Label((), (), tuple(texts.get(path, ())), hashed(path, 0.02)) if path in texts else None
    sh = lambda dataset, ident, key=lambda m: m[1], share=0.0: from_shards(shards, dataset, paths, p, ident, key, share)
    if name == "flowers":
        return sh("flowers102", lambda m: "fl102_" + re.sub(r"\D", "", stem(m)))
    if name == "professions":
        return sh("professions", lambda m: f"prof_train_{stem(m)}", share=0.12)
    if name == "clothes":
        return sh("clothing", lambda m: f"clo_{stem(m)}", share=0.12)
    if name == "pacs":
        return sh("pacs", lambda m: f"pacs_{m[1].replace('/', '_')}_{stem(m)}", share=0.12)
    if name == "caltech101":
        return sh("caltech101", lambda m: f"cal_{m[1]}_{stem(m)[6:]}")
    if name == "imagen":
        named = sh("imagen", lambda m: "img_" + stem(m).rsplit("_", 1)[0])
        return lambda path: (found := named(path)) and found._replace(val=True)
    if name == "breeds":
        return breed_labels(shards, paths, p, clone)
    if name == "clothes20":
        kinds = {r[0]: r[2] for r in csv.reader(blob(clone, "images.csv").decode().splitlines())}
        test = {q.split("/")[-1] for q, _ in listing(git_dir(clones, "alexeygrigorev/clothing-dataset-small")) if q.startswith("test/")}
        return simple(p, lambda m: None if stem(m) + ".jpg" in test or kinds.get(stem(m)) not in CLOTHES
                      else (CLOTHES[kinds[stem(m)]], ("clothing", "garment")))
    if name == "weather":
        kinds = dict(csv.reader(blob(clone, "Training_set.csv").decode().splitlines()))
        return simple(p, lambda m: WEATHER.get(kinds.get(stem(m) + ".jpg")))
    return simple(p, NAMED.get(name, lambda m: None))


NAMED = {
    "groceries": grocery,
    "sports": lambda m: ((SPORTS.get(m[1], m[1]),), ("sport",)),
    "rooms": lambda m: (ROOMS.get(m[1], (plain(m[1]),)), ("room", "interior")),
    "animals": lambda m: ((m[1],), ("animal",)),
    "oxfordpets": lambda m: pet(m[1]),
    "oxfordpets2": lambda m: pet(m[1]),
    "birds": bird,
    "instruments": lambda m: (INSTRUMENTS.get(m[1].lower(), (m[1].lower(),)), ("musical instrument",)),
    "instruments2": lambda m: (INSTRUMENTS.get(plain(m[1]), (plain(m[1]),)), ("musical instrument",)),
    "instruments3": lambda m: (INSTRUMENTS.get(m[1], (m[1],)), ("musical instrument",)),
    "textures": lambda m: ((f"{m[1]} texture", m[1]), ("texture", "pattern")),
    "food101": lambda m: ((plain(m[1]),), ("food", "dish")),
    "canteen": lambda m: ((CANTEEN.get(m[1], plain(m[1])),), ("food",)),
    "market": lambda m: market(m[1]),
    "houses": lambda m: (("house", "front of a house"), ("building",)) if m[1] == "frontal" else ((m[1],), ("room", "interior")),
    "street": lambda m: (("street fashion", "outfit", "woman in the street"), ("person", "clothing", "fashion")),
    "receipts": lambda m: (("receipt", "sales slip", "till receipt"), ("document", "paper", "printed text")),
    "nothing": lambda m: nothing.KINDS[m[1]],
    "monkeys": lambda m: ((MONKEYS[int(m[1][1:])],), ("monkey", "animal")),
}


def market(key):
    side, word = key.split("/")
    name = next((n for k, n in sorted(MARKET.items(), key=lambda x: -len(x[0])) if word.lower().startswith(k)), None)
    return name and ((name, *SYNONYMS.get(name, ())), ("fruit" if side == "Fruits" else "vegetable", "food"))
