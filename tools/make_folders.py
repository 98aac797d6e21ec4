#!/usr/bin/env python3
"""Writes heads/folders.tsv: what data sets call the folders of the standard tests' labels.

    tools/make_folders.py WORDNET_IDS ISO3166 > heads/folders.tsv

WORDNET_IDS: the 1,000 ids of ImageNet's classes, sorted, one a line (timm's imagenet_synsets.txt). ISO3166: codes and
names of countries (tzdata's iso3166.tab, public domain). The others are typed from the data sets' own folders.
"""
import pathlib
import sys
import unicodedata

HEADS = pathlib.Path(__file__).resolve().parent.parent / "heads"

TYPED = {
    "eurosat": {
        "AnnualCrop": "annual crop land", "Forest": "forest", "HerbaceousVegetation": "brushland or shrubland",
        "Highway": "highway or road", "Industrial": "industrial buildings or commercial buildings",
        "Pasture": "pasture land", "PermanentCrop": "permanent crop land",
        "Residential": "residential buildings or homes or apartments", "River": "river", "SeaLake": "lake or sea",
    },
    "fer2013": {"disgust": "disgusted", "fear": "fearful", "surprise": "surprised"},
    "caltech101": {
        "BACKGROUND_Google": "background", "Faces": "off-center face", "Faces_easy": "centered face",
        "Leopards": "leopard", "Motorbikes": "motorbike", "airplanes": "airplane", "car_side": "side of a car",
        "cougar_body": "body of a cougar cat", "cougar_face": "face of a cougar cat",
        "crocodile_head": "head of a crocodile", "flamingo_head": "head of a flamingo",
        "snoopy": "snoopy (cartoon beagle)", "yin_yang": "yin and yang symbol",
    },
}
# Names that the list of countries writes in another way than the standard.
COUNTRIES = {
    "AX": "Aland Islands", "BN": "Brunei Darussalam", "BQ": "Bonaire, Saint Eustatius and Saba",
    "CF": "Central African Republic", "CI": "Cote d'Ivoire", "CV": "Cabo Verde", "CZ": "Czech Republic",
    "FO": "Faeroe Islands", "GS": "South Georgia and South Sandwich Is.", "KG": "Kyrgyz Republic",
    "KN": "St. Kitts and Nevis", "LC": "St. Lucia", "MK": "Macedonia", "SH": "St. Helena",
    "SJ": "Svalbard and Jan Mayen Islands", "TL": "Timor-Leste", "VA": "Vatican", "VG": "British Virgin Islands",
    "VI": "United States Virgin Islands", "WS": "Samoa", "XK": "Kosovo", "MF": "Saint-Martin", "SZ": "Eswatini",
}
# What the standard's list says of countries that this one names otherwise.
COUNTRIES.update({"BO": "Bolivia", "CD": "DR Congo", "GB": "United Kingdom", "KR": "South Korea", "KP": "North Korea",
                  "MM": "Myanmar", "PS": "Palestine", "RU": "Russia", "SX": "Sint Maarten", "SY": "Syria",
                  "TZ": "Tanzania", "TW": "Taiwan", "US": "United States", "VN": "Vietnam", "IR": "Iran", "LA": "Laos",
                  "MD": "Moldova", "VE": "Venezuela"})


def labels(name):
    lines = (HEADS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line.split("|")[0].strip() for line in lines if line.strip() and not line.startswith("#")]


def plain(text):
    text = unicodedata.normalize("NFD", text)
    text = "".join(c for c in text if not unicodedata.combining(c)).lower()
    return "".join(c for c in text.replace("&", "and") if c.isalpha())


def main():
    ids = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8").split()
    rows = [(name, folder, label) for name, folders in TYPED.items() for folder, label in folders.items()]
    names = labels("imagenet")
    if len(ids) != len(names) or ids != sorted(ids):
        sys.exit(f"{len(ids)} ids for {len(names)} labels")
    rows += [("imagenet", folder, label) for folder, label in zip(ids, names)]
    codes = dict(line.split("\t")[:2] for line in pathlib.Path(sys.argv[2]).read_text(encoding="utf-8").splitlines()
                 if line and not line.startswith("#"))
    codes.update(COUNTRIES)
    # Country211's labels stand in the order of their codes, which says what a name in another spelling is.
    countries, known = labels("country211"), {}
    for code, name in sorted(codes.items()):
        for label in countries:
            if plain(label) == plain(name):
                known[label] = code
    missing = [label for label in countries if label not in known]
    if missing:
        sys.exit(f"no code for {missing}")
    if [known[label] for label in countries] != sorted(known.values()):
        sys.exit("the codes do not stand in order")
    rows += [("country211", known[label], label) for label in countries]
    for name, folder, label in rows:
        if label not in labels(name) if name != "imagenet" else False:
            sys.exit(f"{name} has no label '{label}'")
    print("# What data sets call the folders of these labels: list, folder, label. tools/make_folders.py writes this file.")
    for row in rows:
        print("\t".join(row))


if __name__ == "__main__":
    main()
