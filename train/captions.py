"""The captions that the describer learns from: cleaned, and rewritten so that it does not learn to say of people what a
picture cannot tell.

    python captions.py --clones CLONES --vocabulary bpe_simple_vocab_16e6.txt.gz --out captions.json

Names are left out with their captions. Of people's ages only "child" and "baby" remain ("boy", "girl", "little girl", "kid"
become "child"; "young man", "elderly man" become "man"), words of origin, colour of skin, faith, feelings, looks and
standing before a person are taken out, and captions that say such things otherwise are left out. `report` counts it.
"""
import argparse
import collections
import json
import re
from pathlib import Path

from labels import captions
from sources import SOURCES, git_dir
from tokenizer import Tokenizer

WITH_CAPTIONS = ["coco", "sarthak", "sysu", "flickr8k"]

PERSON = (r"(?:man|men|woman|women|person|people|persons|guy|guys|lady|ladies|gentleman|gentlemen|boy|boys|girl|girls|child|"
          r"children|kid|kids|toddler|toddlers|infant|infants|baby|babies|male|males|female|females|adult|adults|couple|couples|"
          r"teen|teens|teenager|teenagers|family|families|mother|father|mom|dad|surfer|surfers|skateboarder|skateboarders|skier|"
          r"skiers|snowboarder|snowboarders|player|players|rider|riders|chef|chefs|bride|groom|crowd|individual|individuals|"
          r"fellow|student|students|worker|workers|soldier|soldiers|friends|friend|brother|sister|son|daughter|boyfriend|"
          r"girlfriend|husband|wife|grandmother|grandfather|grandma|grandpa|businessman|businesswoman|athlete|skater|skaters|"
          r"tourist|tourists|spectators|fan|fans|pedestrian|pedestrians|cyclist|cyclists)")
# What stands before a person and is taken out
AGE = r"young|younger|youngster|old|older|elderly|aged|middle[- ]aged|teenage|teenaged|teen|adult|little|small|tiny|baby|toddler|senior|mature|grown|preteen|adolescent|juvenile|infant|year[- ]old"
ORIGIN = (r"asian|african|african[- ]american|american|black|white|indian|chinese|japanese|korean|caucasian|hispanic|latino|latina|mexican|"
          r"european|oriental|arab|arabic|muslim|jewish|christian|hindu|british|english|german|french|italian|spanish|thai|"
          r"vietnamese|native|foreign|ethnic|brown|dark[- ]skinned|light[- ]skinned|tan|tanned|pale")
FEELING = r"happy|sad|angry|excited|bored|scared|joyful|joyous|cheerful|serious|upset|worried|nervous|proud|lonely|depressed|confused|surprised|frustrated|unhappy|tired|sleepy|eager|lazy|crazy|silly|funny|drunk|goofy|playful|curious|concerned|amused|content|relaxed|delighted|pleased|thoughtful|determined|grumpy|mad"
LOOKS = r"beautiful|pretty|cute|sexy|handsome|attractive|ugly|fat|skinny|thin|overweight|chubby|gorgeous|adorable|lovely|hot|stylish|homeless|poor|rich|gay|strange|weird|odd|nice|good[- ]looking|muscular|short|tall|heavy|heavyset|obese|elegant|blind|disabled|crippled|petite|slim"
BEFORE = rf"(?:{AGE}|{ORIGIN}|{FEELING}|{LOOKS})"
TAKEN_OUT = re.compile(rf"(?<!black and )(?<!white and )\b(?:very |really )?{BEFORE}(?:,? (?:and )?{BEFORE})*,? (?=(?:\w+ )?{PERSON}\b)")
REWRITTEN = [
    (r"\b(?:a|the|one) (?:boy|girl)s? and (?:a |the )?(?:boy|girl)\b", "two children"),
    (r"\b(?:boy|girl|kid|toddler|infant|youngster|youth|teenager|teen|preteen|schoolboy|schoolgirl|tot)\b", "child"),
    (r"\b(?:boys|girls|kids|toddlers|infants|youngsters|youths|teenagers|teens|preteens|schoolchildren|tots)\b", "children"),
    (r"\b(?:guy|gentleman|dude|fellow|male|businessman|bloke|grandfather|grandpa|husband|boyfriend|dad|daddy|father)\b", "man"),
    (r"\b(?:guys|gentlemen|dudes|fellows|males|businessmen|men's|fathers)\b", "men"),
    (r"\b(?:lady|female|gal|businesswoman|grandmother|grandma|wife|girlfriend|mom|mommy|mother|mum)\b", "woman"),
    (r"\b(?:ladies|females|gals|mothers)\b", "women"),
    (r"\b(?:adult|human|individual|pedestrian|somebody|someone|adolescent)\b", "person"),
    (r"\b(?:adults|humans|individuals|persons|teenaged people|pedestrians|folks|strangers)\b", "people"),
    (r"\b(?:son|daughter|brother|sister|sibling)\b", "child"), (r"\b(?:sons|daughters|siblings|brothers|sisters)\b", "children"),
    (r"\b(?:skate boarder|skate-boarder)\b", "skateboarder"), (r"\bskate boards?\b", "skateboard"), (r"\bsurf boards?\b", "surfboard"),
    (r"\bsnow boarder\b", "snowboarder"), (r"\bsnow boards?\b", "snowboard"), (r"\bmotor cycle", "motorcycle"),
    (r"\btshirt\b", "t-shirt"), (r"\bt shirt\b", "t-shirt"), (r"\btv\b", "television"), (r"\bfrisbe\b", "frisbee"), (r"\bpersona\b", "person"),
]
REWRITTEN = [(re.compile(a), b) for a, b in REWRITTEN]
# Captions that are left out: what they say of people is not to be seen, or not to be said
LEFT_OUT = re.compile(
    rf"\b(?:{'|'.join(['year', 'years'])})[- ]old\b|\b(?:{FEELING})\b(?= (?:expression|face|look|looking|about))|"
    r"\b(?:enjoy|enjoys|enjoying|enjoyed|happily|sadly|angrily|feels|feeling|loves|wants|thinks|hoping|asian|african|caucasian|hispanic|"
    r"latino|muslim|jewish|homeless|drunk|naked|nude|sexy|topless|breasts?|penis|gay|lesbian|slut|prostitute|terrorist|thug|gang|"
    r"immigrants?|refugees?|retarded|midget|cancer|pregnant|president|obama|bush|trump|clinton|jesus|pope|queen|king|prince|"
    r"princess|celebrity|politician|famous|caption|captions|photo bomb|idiot|stupid|dumb)\b")


def clean(text):
    text = text.lower().replace("’", "'").replace("`", "'").replace("\u00e9", "e")
    text = re.sub(r"[^a-z0-9',\- ]+", " ", text)
    text = re.sub(r"(?<![a-z0-9])[-']+|[-']+(?![a-z0-9])", " ", text)
    text = re.sub(r"\s*,\s*", ", ", re.sub(r"\s+", " ", text)).strip(" ,")
    return text


def articles(text):
    text = re.sub(r"\ban (?=(?:man|men|woman|women|person|people|child|children|baby|couple|surfer|skier|player|skateboarder|snowboarder|family|group)\b)", "a ", text)
    return re.sub(r"\ba (?=(?:apple|orange|elephant|airplane|umbrella|oven|open|old|image|office|animal|outdoor|empty|individual)\b)", "an ", text)


def proper(texts):
    """Words that stand capitalised within sentences nearly always: names of people, places, brands, days."""
    within, lower = collections.Counter(), collections.Counter()
    for t in texts:
        words = re.findall(r"[A-Za-z']+", t)
        if t.isupper() or sum(w[0].isupper() for w in words) > max(2, len(words) / 2):
            continue
        for w in words[1:]:
            (within if w[0].isupper() else lower)[w.lower()] += 1
    return {w for w, n in within.items() if n >= 2 * lower[w] and len(w) > 1}


ALLOWED = {"tv", "wii", "christmas", "us", "american", "british", "english", "london", "new", "york", "european", "frisbee", "teddy", "ipod",
           "iphone", "ipad", "apple", "coca", "cola", "pepsi", "starbucks", "nintendo", "xbox", "ii", "rv", "suv", "dvd", "cd", "pc", "usb", "atm",
           "halloween", "easter", "thanksgiving", "valentine's", "chinese", "japanese", "italian", "mexican", "french", "asian", "santa",
           "german", "shepherd", "dalmatian", "labrador", "retriever", "persian", "siamese", "swiss", "indian", "greek", "roman", "victorian",
           "velcro", "lego", "mac", "dell", "hp", "lg", "bmw", "ford", "chevy", "vw", "volkswagen", "honda", "harley", "davidson", "yamaha", "jeep",
           "mini", "cooper", "boeing", "jet", "united", "states", "uk", "usa", "bbq", "blt", "lcd", "led", "wifi", "jello", "oreo", "kleenex",
           "english", "february", "july", "sunday", "monday", "eiffel", "big", "ben", "hello", "kitty", "mickey", "mouse", "spiderman", "batman",
           "superman", "polaroid", "nike", "adidas", "nascar", "nfl", "mlb", "xmas", "afro", "mohawk", "internet", "google", "facebook", "god",
           "st", "ave", "street", "park", "airlines", "airways", "air", "force", "navy", "army", "royal", "south", "north", "west", "east", "african"}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--clones", type=Path, required=True)
    p.add_argument("--vocabulary", type=Path, required=True)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--least", type=int, default=3, help="a token is kept when it is seen so often")
    a = p.parse_args()
    raw = {}
    for s in SOURCES:
        if s.name in WITH_CAPTIONS:
            raw[s.name] = captions(a.clones, s, git_dir(a.clones, s.repo))
    names = proper([t for found in raw.values() for texts in found.values() for t in texts]) - ALLOWED
    tokenizer = Tokenizer(a.vocabulary)
    counts, kept, tokens = collections.Counter(), {}, collections.Counter()
    for source, found in raw.items():
        for path, texts in found.items():
            for t in texts:
                counts["captions"] += 1
                text = clean(t)
                if any(w in names for w in re.findall(r"[a-z']+", text)):
                    counts["left out: a name"] += 1
                    continue
                if LEFT_OUT.search(text):
                    counts["left out: says what is not to be said"] += 1
                    continue
                new = TAKEN_OUT.sub("", text)
                counts["a word before a person taken out"] += new != text
                before = new
                for pattern, to in REWRITTEN:
                    new = pattern.sub(to, new)
                counts["another word for a person"] += new != before
                new = articles(re.sub(r"\s+", " ", new))
                if not 3 <= len(new.split()) <= 22:
                    counts["left out: length"] += 1
                    continue
                kept.setdefault(source, {}).setdefault(path, []).append(new)
                tokens.update(tokenizer(new)[1:-1])
    vocabulary = sorted(t for t, n in tokens.items() if n >= a.least)
    known, out = set(vocabulary), {}
    for source, found in kept.items():
        for path, texts in found.items():
            good = [t for t in texts if set(tokenizer(t)[1:-1]) <= known]
            counts["left out: a rare token"] += len(texts) - len(good)
            if good:
                out.setdefault(source, {})[path] = good
    counts["kept"] = sum(len(t) for found in out.values() for t in found.values())
    json.dump({"vocabulary": vocabulary, "captions": out, "report": counts, "names": sorted(names)}, open(a.out, "w"))
    print(json.dumps(counts, indent=1), len(vocabulary), "tokens", {s: len(f) for s, f in out.items()})


if __name__ == "__main__":
    main()
