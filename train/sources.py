"""Public repositories with pictures, read from git clones without a work tree.

A source says which files are its pictures and how many of each folder are taken; `labels.py` says what they are called.
Measured sources are never trained on, and near-duplicates of their pictures are left out of the others.
"""
import re
import subprocess
import threading
import zlib


class Source:
    """name; repo; pattern: paths that are taken (its first group is the folder, or class); most: so many per class, by
    hash of the path; measured: only to measure with; commit: which, where the newest has them no more"""

    def __init__(self, name, repo, pattern, most=None, measured=False, commit="HEAD"):
        self.name, self.repo, self.pattern, self.most = name, repo, re.compile(pattern), most
        self.measured, self.commit = measured, commit

    def found(self, listing):
        """(path, object name) of the pictures, at most `most` of a class"""
        classes = {}
        for path, sha in listing:
            m = self.pattern.fullmatch(path)
            if m:
                classes.setdefault(m[1] if m.re.groups else "", []).append((zlib.crc32(path.encode()), path, sha))
        return [(p, s) for c in sorted(classes) for _, p, s in sorted(classes[c])[:self.most]]


P = r"[^/]+\.(?:jpe?g|png|JPE?G|PNG|webp|tif)"

SOURCES = [
    # to measure with
    Source("val2017", "Fernando-crz/image-search", r"images/\d+\.jpg", measured=True),
    Source("compatible", "ZhengyuZhao/Targeted-Tansfer", r"dataset/images/\w+\.png", measured=True),
    Source("imagen", "ajschumacher/imagen", r"imagen/(n\d+)_.*\.jpg"),       # validation only
    Source("nothing", None, r"(\w+)/\d+\.png"),                              # made by nothing.py
    # with captions
    Source("coco", "syf0122/COMP5329_Assignment02", r"data/data/\d+\.jpg"),
    Source("sarthak", "Sarthak-Thareja/semantic-image-search", r"data/images/sample_\d+\.jpg"),
    Source("flickr8k", "RlNZLER/Image-Text-Matching", rf"data/images/{P}", commit="56a15d913c3f290e2ee896386ece6076c1eea02e"),
    Source("sysu", "ruixuejianfei/SYSU-Scene", r"images/\d+\.jpg"),
    # labelled by folder
    Source("flowers", "kibru9399/Image-classifier", rf"flowers/train/(\d+)/{P}", 40),
    Source("professions", "ninja3697/Profession-Detection-System", rf"idenprof/train/(\w+)/{P}", 620),
    Source("clothes", "alexeygrigorev/clothing-dataset-small", rf"train/([^/]+)/{P}", 800),
    Source("groceries", "marcusklasson/GroceryStoreDataset", rf"dataset/train/(.+)/{P}", 30),
    Source("pacs", "MachineLearning2020/Homework3-PACS", rf"PACS/(\w+/[^/]+)/{P}", 320),
    Source("sports", "MohammedHajjey/Sports-Image-Classification", rf"train/([^/]+)/{P}", 45),
    Source("rooms", "SilviuBR24/room-classification", rf"dataset/train/(\w+)/{P}", 160),
    Source("animals", "InputBlackBoxOutput/popular-animals-dataset", rf"(\w[\w ]*)/{P}", 40),
    Source("caltech101", "MachineLearning2020/Homework2-Caltech101",
           r"101_ObjectCategories/((?!BACKGROUND|Faces_easy)[^/]+)/image_\d+\.jpg", 25),
    Source("breeds", "chanakya2734/Image-classification-using-CNN", rf"dataset/breed_dataset/(cat|dog)_breeds/train/{P}", 1500),
    Source("oxfordpets", "LTSACH/AILearningHub", r"datasets/oxford-pets/data/sample_images/\w+/(\w+)_\d+\.jpg"),
    Source("oxfordpets2", "Naveen-Dodda/Sample_Pets_dataset", r"images/(\w+)_\d+\.jpg"),
    Source("birds", "serizba/vision", rf"ex03/task2/bird_dataset/images/(\w+)/{P}", 20),
    Source("instruments", "aizadaaskar/dl-homework", rf"train/([\w ]+)/{P}", 50),
    Source("instruments2", "jray-8/musical-instruments-classifier", rf"data/(\w+)/{P}", 50),
    Source("instruments3", "HibaFourati/Projet-annuel", rf"dataset/(\w+)/{P}", 50),
    Source("weather", "shubhankarm01/Weather-image-classification", r"train/Image_\d+\.jpg"),
    Source("textures", "pan8915/DeepTexture", rf"images/(\w+)/{P}", 60),
    Source("food101", "Gandolier/genai_food101_repo", rf"data/train/(\w+)/{P}", 30),
    Source("canteen", "ColaChanel/Canteen-food-dataset", rf"Black and white/((?!Mix)\w+)/{P}", 30),
    Source("market", "abhinav9444/Fruits-Vegetables-Image-Dataset", rf"((?:Fruits|Vegetables)/[A-Za-z_]+?)[-_]*\d*\.(?:jpg|png)"),
    Source("houses", "emanhamed/Houses-dataset", r"Houses Dataset/\d+_(\w+)\.jpg", 80),
    Source("street", "bearpaw/clothing-co-parsing", rf"photos/{P}", 300),
    Source("receipts", "zzzDavid/ICDAR-2019-SROIE", rf"data/img/{P}", 80),
    Source("monkeys", "nikhildutta333/Monkey-Species-Classification", rf"(?:training|validation)/(n\d)/{P}", 60),
    Source("electronics", "smdsoud-oss/AI---Recommedation-system", rf"data/images/{P}", 700),
    Source("clothes20", "alexeygrigorev/clothing-dataset", rf"images/{P}", 3600),
]

# Repositories that texts are read from
TEXTS = ["prakhar-dhakar/Image-Captioning", "ruizewang/evaluate", "sarahpratt/CuPL", "multi30k/dataset", "omwn/omw-data",
         "unicode-org/cldr-json", "xinyu1205/recognize-anything", "LAION-AI/CLIP_benchmark"]


def git_dir(clones, repo):
    """A clone as OWNER+NAME or NAME below `clones`, bare or not, or None."""
    if not repo:
        return None
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
