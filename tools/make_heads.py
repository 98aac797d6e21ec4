#!/usr/bin/env python3
"""Writes heads/*.txt and the table in heads/README.md from public label lists.

    tools/make_heads.py LABELS_FOLDER [--out heads]

LABELS_FOLDER has the lists as their sources publish them: NAME.tsv, one label per line, and NAME.templates.txt.
What is changed on the way (odd entries, spelling, word order) is in this file and in heads_drop_nouns.txt, so that
a head can be traced back to its source. The output is committed.
"""
import argparse
import html
import pathlib
import re
import unicodedata

HERE = pathlib.Path(__file__).parent
CORPORA = "dariusk/corpora {}"
WORDNET = "WordNet 3.0, hyponyms of {}"
OPENAI = "openai/CLIP {}"
OWN = "hand-written for whatsit", "Apache-2.0"
CC0, MIT, PRINCETON = "CC0-1.0", "MIT", "WordNet 3.0 licence"
LOOK_ALIKE = "A look-alike is not that person: this says whose pictures a picture resembles, and nothing about who is in it."
NOTE = "A guess that mirrors the pictures the model was trained on; it says nothing reliable about a person."
BENCHMARKS = "standard tests"
MARKER = "<!-- heads -->"


class Lists:
    """The source folder."""

    def __init__(self, folder):
        self.folder = folder

    def labels(self, name, drop="", first=None, skip=0):
        lines = (self.folder / f"{name}.tsv").read_text(encoding="utf-8").splitlines()[skip:first]
        dropped = {d.strip() for d in drop.split("|")}
        labels = [tidy(line.split("\t")[0]) for line in lines]
        return [x for x in labels if x and x not in dropped]

    def published(self, name):
        """The labels to the letter, in their order: standard tests are compared by them."""
        return (self.folder / f"{name}.tsv").read_text(encoding="utf-8").splitlines()

    def templates(self, name, count=None):
        lines = (self.folder / f"{name}.templates.txt").read_text(encoding="utf-8").splitlines()
        return [line.strip() for line in lines if line.strip()][:count]


def tidy(label):
    label = unicodedata.normalize("NFC", html.unescape(label))
    return re.sub(r"\s+", " ", label).strip().strip(".,;")


def key(label):
    """Labels that differ in case, hyphens, accents or a plural are one."""
    name = unicodedata.normalize("NFD", label.split("|")[0].lower())
    name = re.sub(r"[^a-z0-9&]+", "", "".join(c for c in name if not unicodedata.combining(c)))
    return name[:-1] if len(name) > 4 and name.endswith("s") and not name.endswith("ss") else name


def unique(labels):
    seen, kept = set(), []
    for label in labels:
        if key(label) not in seen:
            seen.add(key(label))
            kept.append(label)
    return kept


PROPER = re.compile(r"^(Barros|Bauru|Cuban|Dagwood|Denver|Dijon|Elvis|Francesinha|French|Italian|Limburger|Luther|Marmite|Monte|Montreal|Reuben|"
                    r"Vegemite|Vietnamese|Welsh|Indian|Bolivian|Sriracha|Tewkesbury|XO|Jerusalem|Worcestershire|Holy|Primanti|Roti)\b")


def lower(labels):
    """Lower case unless it is a proper name: only the first letter of a plain word is lowered."""
    return [x if re.search(r"[A-Z]", x[1:]) or PROPER.search(x) else x.lower() for x in labels]


def rename(labels, pairs):
    table = dict(p.split("=") for p in pairs.split("|"))
    missing = set(table) - set(labels)
    assert not missing, missing
    return [table.get(x, x) for x in labels]


def synonyms(labels, groups):
    table = {g.split(",")[0]: g.replace(",", "|") for g in groups.split(";")}
    missing = set(table) - set(labels)
    assert not missing, missing
    return [table.get(x, x) for x in labels]


def words(text):
    return [x.strip() for x in text.replace("\n", " ").split(",") if x.strip()]


# ---- one function per head that needs more than a list ----

def nouns(l):
    """The frequency list without its odd entries, filled up to 4000 with names of things from the other lists."""
    text = (HERE / "heads_drop_nouns.txt").read_text(encoding="utf-8")
    drop = set(re.sub(r"^#.*$", "", text, flags=re.M).split())
    kept = [x for x in l.labels("nouns-concrete-4000") if x not in drop]
    more = (l.labels("food101") + l.labels("animals-common") + l.labels("fruits", "nut|rock melon") + l.labels("vegetables",
            "herbs and spice|tubers|legume|delicata") + instruments(l) + clothing(l) + objects(l) + furniture(l) + vehicles(l) +
            rooms(l) + scenes(l) + tools(l) + buildings(l) + sports(l) + flowers(l) + monsters(l) +
            lower(l.labels("breads-pastries")) + lower(l.labels("herbs-spices")) + [re.sub(r" \(.*\)", "", x) for x in imagenet(l)] + insects(l) + materials(l))
    return unique(kept + more)[:4000]


def imagenet(l):
    labels = l.labels("imagenet1000-openclip")
    second = {"missile": "projectile missile", "sunglasses": "dark glasses"}
    seen = set()
    for i, label in enumerate(labels):
        if label in seen:
            labels[i] = second[label]
        seen.add(label)
    assert len(set(labels)) == 1000
    return labels


def objects(l):
    drop = ("CD|bananas|carrots|cars|cellphone|clothes|few batteries|food|game CD|glasses|handful of change|keychain|keys|light|"
            "martini glass|music CD|package of crisp and crunchy edibles|phone|purse/bag|remote|spectacles|sun glasses|twister|"
            "tv|tooth pick|water|wireless control|paint brush|bonesaw|book of jokes|class ring|nail filer|"
            "container of pudding|stick of incense|cement stone|empty bottle|empty jar|bow|spring|marble|ring")
    labels = rename(l.labels("objects", drop), "rhino=rhinoceros|teddies=teddy bear|trucks=truck|flowers=flower|ipod=iPod|"
                    "ipod charger=phone charger|snowglobe=snow globe|speakers=loudspeaker|white out=correction fluid|"
                    "blowdryer=hair dryer|plush bear=plush teddy bear|hand bag=handbag|pop can=soda can|sandglass=hourglass")
    return labels + words("compact disc, ring, remote control, batteries, coins, spring coil, marble ball, bow and arrow, "
                          "drinking glass, eyeglasses")


def animals(l):
    more = """ostrich, flamingo, penguin, owl, eagle, peacock, swan, duck, goose, chicken, rooster, turkey, pigeon, seagull,
        pelican, hummingbird, toucan, vulture, dolphin, orca, shark, octopus, squid, jellyfish, starfish, seahorse, crab,
        lobster, shrimp, clownfish, goldfish, salmon, eel, stingray, sea lion, manatee, narwhal, butterfly, moth, bee,
        wasp, ant, beetle, ladybug, dragonfly, grasshopper, mosquito, housefly, spider, scorpion, centipede, snail, slug,
        earthworm, python, cobra, rattlesnake, gecko, Komodo dragon, tortoise, sea turtle, tree frog, axolotl, red panda,
        meerkat, anteater, okapi, pangolin, quokka, Tasmanian devil, bat-eared fox, arctic fox, snow leopard, bobcat,
        caracal, chipmunk, kitten, puppy, calf, foal, duckling, piglet, coral, sea urchin, hermit crab, caterpillar, praying mantis,
        firefly, cockroach, tarantula, manta ray, hammerhead shark, humpback whale, beluga whale, blue whale, sea otter, bonobo,
        gibbon, tamarin, capuchin monkey, macaque, water buffalo, zebu, wildebeest, kudu, springbok, pronghorn, musk ox, pika"""
    labels = l.labels("animals-common", "fish|reptile|ewe|ram|mustang|silver fox|bull|hog|gnu|ground hog|boar|ape")
    labels = rename(labels, "mynah bird=mynah|woodchuck=groundhog")
    labels = synonyms(labels, "cat,house cat;cougar,mountain lion;hippopotamus,hippo;rhinoceros,rhino;cow,cattle;pig,hog")
    return unique(labels + words("wild boar, gnu, bull, ram, fish") + words(more))


def birds(l):
    more = """ostrich, emu, cassowary, greater rhea, kiwi, emperor penguin, king penguin, Adelie penguin, rockhopper penguin, African penguin,
        greater flamingo, lesser flamingo, shoebill, marabou stork, white stork, secretarybird, Andean condor, griffon vulture,
        bearded vulture, harpy eagle, white-tailed eagle, Eurasian eagle-owl, tawny owl, Indian peafowl, golden pheasant,
        red junglefowl, helmeted guineafowl, mandarin duck, black swan, kookaburra, common kingfisher, European bee-eater, Eurasian hoopoe,
        toco toucan, keel-billed toucan, great hornbill, scarlet macaw, blue-and-yellow macaw, hyacinth macaw, African grey parrot,
        sulphur-crested cockatoo, galah, cockatiel, budgerigar, rainbow lorikeet, superb lyrebird, European robin,
        common blackbird, Eurasian blue tit, great tit, Eurasian jay, carrion crow, Eurasian magpie, common starling, house martin,
        barn swallow, common chaffinch, European goldfinch, Eurasian bullfinch, Gouldian finch, zebra finch, canary,
        superb starling, lilac-breasted roller, bird-of-paradise, chicken, domestic goose, rock pigeon"""
    return unique(l.labels("birds-north-america") + words(more))


def dogs(l):
    labels = l.labels("dog-breeds", "Pointer (dog breed)|Bull Terrier (Miniature)|Billy|Talbot|Kurī|Molossus|Telomian|Bullenbeisser|Hare Indian Dog")
    table = {"Belgian Shepherd Dog (Groenendael)": "Belgian Groenendael", "Fox Terrier (Smooth)": "Smooth Fox Terrier",
             "Belgian Shepherd Dog (Laekenois)": "Belgian Laekenois", "Belgian Shepherd Dog (Malinois)": "Belgian Malinois",
             "English Toy Terrier (Black & Tan)": "English Toy Terrier", "Akita": "Akita Inu", "Boxer": "Boxer dog",
             "Maltese": "Maltese dog", "Bulldog": "English Bulldog"}
    labels = [table.get(x, x) for x in labels] + ["English Pointer", "Miniature Bull Terrier", "Belgian Tervuren",
              "mixed-breed dog", "Labradoodle", "Goldendoodle", "Cockapoo", "Toy Poodle"]
    labels = synonyms(labels, "German Shepherd,Alsatian;Yorkshire Terrier,Yorkie;Great Pyrenees,Pyrenean Mountain Dog;"
                      "Siberian Husky,husky;Dachshund,sausage dog;West Highland White Terrier,Westie;St. Bernard,Saint Bernard;"
                      "Pembroke Welsh Corgi,corgi;Golden Retriever,golden;Labrador Retriever,Labrador")
    assert not [x for x in labels if "(" in x], [x for x in labels if "(" in x]
    return unique(labels)


def cats(l):
    table = {"Persian (Modern)": "Persian", "Persian (Traditional)": "traditional Persian", "Asian": "Asian shorthair",
             "Thai": "Thai cat", "Aegean": "Aegean", "Russian White, Black and Tabby": "Russian White"}
    labels = l.labels("cat-breeds", "Dwarf cat|Sam Sawet|Serrade Petit|PerFold|Foldex|Oregon Rex|Asian Semi-longhair")
    return unique([table.get(x, x) for x in labels] + words("domestic shorthair, domestic longhair, tabby cat, tuxedo cat, calico cat"))


def horses(l):
    labels = [re.sub(r" sometimes called .*| Horses?$", "", x) for x in l.labels("horses", "Bale|Elegant|AraAppaloosa")]
    return unique(x for x in labels if len(x) < 40)


def insects(l):
    """Past the first names, which mean something else first, and without the Latin ones."""
    labels = l.labels("insects", first=57, drop="queen|worker|emperor|copper|soldier|blue|admiral|monarch|viceroy|peacock|comma|"
                      "sawyer|dobson|drone|searcher|pupa|imago|chrysalis|cinnabar|fly|bug|drosophila")
    rest = [x for x in l.labels("insects", skip=57) if not re.match(r"^[A-Z][a-z]+ [a-z]+$", x) or x.split()[0] in
            ("American", "African", "Africanized", "Asian", "Australian", "Mediterranean", "Colorado", "Japanese", "German", "Oriental")]
    latin = re.compile(r"(insect|id|Ant|idae|ini|ella|tera|an|beautiful|[^ ]*opter|ate|phora|metabola|superbug|pollinator|defoliator|cotton strain)$")
    return unique(labels + [x for x in rest if not latin.search(x)] + words("monarch butterfly, peacock butterfly, red admiral, "
                  "swallowtail butterfly, ladybug, housefly, caterpillar, firefly, stag beetle, praying mantis, stick insect"))


def flowers(l):
    table = {"chrysantemum": "chrysanthemum", "babys breath": "baby's breath", "ladys slipper": "lady's slipper",
             "forget me not": "forget-me-not", "camellias": "camellia", "roses": "rose", "barbeton daisy": "barberton daisy",
             "californian poppy": "California poppy", "bishop of llandaff": "bishop of Llandaff dahlia", "lotus": "lotus flower",
             "windflower": "windflower", "bolero deep blue": "bolero deep blue", "bromelia": "bromeliad",
             "peruvian lily": "Peruvian lily", "japanese anemone": "Japanese anemone", "mexican aster": "Mexican aster",
             "mexican petunia": "Mexican petunia", "siam tulip": "Siam tulip", "canterbury bells": "Canterbury bells",
             "prince of wales feathers": "Prince of Wales feathers", "english marigold": "English marigold"}
    labels = l.labels("flowers102") + l.labels("flowers", "marjoram|holly|peach blossom|sage|thyme|rosemary|anemone")
    return unique([table.get(x, x) for x in labels] + words("peony, cherry blossom, wisteria, hydrangea, snowdrop, cornflower, "
                  "honeysuckle, edelweiss, calla lily, orchid, gerbera daisy, zinnia, dandelion, apple blossom"))


def trees(l):
    latin = re.compile(r"^[A-Z][a-z]+ [a-z]+(us|a|is|um|ea|ii|sis|eri|ens)$")
    first = words("fig tree, coffee tree, palm tree, apple tree, oak, orange tree, pine, ash tree, lime tree, cherry tree, cedar, birch, "
                  "maple, coconut palm, holly, spruce, walnut tree, laurel, fir, willow, lemon tree, plum tree, chestnut tree, mahogany, hazel, "
                  "elm, peach tree, beech, aspen, cypress, rowan, pear tree, linden, almond tree, myrtle, olive tree, ebony, hemlock, alder, magnolia, "
                  "poplar, eucalyptus, acacia, hickory, cottonwood, cacao tree, apricot tree, teak, mango tree, yew, mulberry, papaya tree, avocado tree, "
                  "sycamore, dogwood, larch, banyan, ginkgo, rosewood, bonsai, baobab, sequoia, redwood, monkey puzzle, weeping willow, Christmas tree")
    return unique(first + [x for x in l.labels("trees", skip=109) if not latin.search(x) and "angiosperm" not in x])


def foods(l):
    """Dishes, fruits, vegetables, breads, sandwiches, condiments; the old restaurant menus stay out."""
    sandwiches = [x if re.search(r"sandwich|burger|dog|BLT|bánh|gyro|kebab|roll|bun|butty|toast|wrap|sub|pita|taco", x.lower()) or len(x.split()) > 3
                  else x + " sandwich" for x in l.labels("sandwiches", "British Rail|Breakfast|Dynamite|Horseshoe|Doubles|Martino|Gerber|Deli sandwich|Melt|"
                  "Mother-in-law|Fool's Gold Loaf|Crisp|Gatsby|Fried brain|Kottenbutter|Sloppy joe (New Jersey)|Submarine/Sub sandwich/Baguette|"
                  "TLT (Tempeh, Lettuce, and Tomato)|Wurstbrot (sausage bread)|Prosperity Sandwich|Pudgy Pie|The Scooch|Sandwich loaf|"
                  "Hagelslag or vlokken|Bacon, egg and cheese|Chow mein|Tofu Sandwich|Wrap|Ham and egg bun") + ["tofu", "submarine", "tempeh"]]
    table = {"Dip": "dip", "Milkette": "milk", "Chrain": "chrain", "Skyronnes": ""}
    condiments = [table.get(x, x) for x in l.labels("condiments", "Chili peppers|Skyronnes|Popcorn seasoning|Milkette|Dip|Fry sauce")]
    more = """sushi, nigiri, onigiri, tempura, okonomiyaki, takoyaki, udon, soba, yakitori, bento box, dim sum, fried noodles, chow mein, mapo tofu,
        hot pot, congee, kung pao chicken, sweet and sour pork, banh xeo, summer roll, satay, nasi goreng, laksa, rendang, green curry,
        tom yum soup, massaman curry, biryani, butter chicken, tikka masala, dosa, idli, naan, palak paneer, dal, vada pav, gulab jamun, lassi,
        shawarma, doner kebab, tabbouleh, shakshuka, couscous, tagine, moussaka, dolma, borscht, pelmeni, pierogi, goulash, schnitzel,
        bratwurst, currywurst, sauerkraut, pretzel, raclette, cheese fondue, rosti, ratatouille, bouillabaisse, quiche, crepe, croissant, eclair,
        pain au chocolat, gazpacho, tortilla espanola, tapas, jamon, tiramisu, minestrone, carbonara, pesto pasta, tacos, enchiladas, tamales, pozole,
        empanada, arepa, feijoada, asado, ceviche, jollof rice, fufu, injera with stew, bunny chow, bobotie, meat pie, pavlova, lamington,
        fish tacos, meatloaf, mashed potatoes, baked potato, roast chicken, roast turkey, roast beef, meatballs, spare ribs, barbecue, corn on the cob,
        coleslaw, potato salad, fruit salad, scrambled eggs, fried egg, boiled egg, bacon, sausage, oatmeal, muesli, cereal, granola, toast, waffles, muffin,
        brownie, cookie, gingerbread, pudding, jelly, custard, popcorn, potato chips, candy, chocolate bar, marshmallow, lollipop, birthday cake, wedding cake,
        fruit tart, pie, cheese, butter, yogurt, tofu, rice, noodles, pasta, steak, lamb chops, ham, fish fillet, caviar, soup, stew, salad, smoothie bowl, poke bowl"""
    return unique(l.labels("food101") + words(more) + l.labels("fruits", "nut") + l.labels("vegetables",
                  "herbs and spice|tubers|legume|mamey|delicata") + l.labels("breads-pastries", "rye|pane d'olive|casalinga|epi") +
                  lower(sandwiches) + lower(condiments))


def cocktails(l):
    table = {"Porto flip": "Porto Flip", "Whiskey sour": "Whiskey Sour", "God Father": "Godfather", "God Mother": "Godmother",
             "Sea-Breeze": "Sea Breeze", "Spritz Veneziano": "Aperol Spritz|Spritz Veneziano", "Dark 'N' Stormy": "Dark 'n' Stormy",
             "Rose": "Rose cocktail", "B-52": "B-52 shot"}
    return [table.get(x, x) for x in l.labels("cocktails-iba")] + words("Gin and Tonic, Bellini Spritz, White Russian, Blue Lagoon, Paloma, "
           "Gimlet, Tom Collins, Pimm's Cup, Hurricane, Zombie, Michelada, Corpse Reviver, Mezcal Negroni, Amaretto Sour")


def drinks(_):
    return words("""water, sparkling water, coffee, espresso, cappuccino, latte macchiato, iced coffee, black tea, green tea, herbal tea, matcha latte,
        bubble tea, hot chocolate, milk, milkshake, smoothie, orange juice, apple juice, tomato juice, lemonade, iced tea, cola, soda, energy drink,
        coconut water, kombucha, kefir, beer, wheat beer, stout beer, cider, red wine, white wine, rosé wine, champagne, sake, whiskey, brandy, vodka, gin,
        rum, tequila, liqueur, mulled wine, sangria, eggnog, cocktail, yerba mate, mango lassi, Turkish coffee""")


def professions(l):
    drop = ("tar|reed|fodder|hire|private|char|cookie|subsidiary|tender|independent|provincial|domestic|mate|recorder|auxiliary|escort|"
            "sweep|elder|associate|doc|labourer|groom|collier|squire|cutter|printer|settler|supporter|helper|groom|advocate|"
            "attendant|volunteer|deputy|poster|practitioner|nightingale|commandant|commodore|brigadier|envoy|workman|"
            "hostess|planter|registrar|consul|mediator|arbitrator|attorney|physician|veteran|regulator|editor|tutor|marshal|"
            "sergeant|housekeeper|magistrate|clinician|correspondent|seaman|caregiver|laborer|salesperson|solicitor|missionary")
    more = """veterinarian, astronaut, dentist, optician, paramedic, pharmacist, midwife, surgeon, radiologist, scientist, archaeologist, geologist,
        marine biologist, astronomer, mayor, politician, president, king, queen, pope, monk, nun, rabbi, imam, news anchor, comedian, magician, clown,
        DJ, conductor, drummer, guitarist, violinist, model, film director, camera operator, stuntman, lifeguard, ski instructor, park ranger, zookeeper,
        dog trainer, horse trainer, farmer, winemaker, butcher, fishmonger, cheesemaker, watchmaker, jeweler, carpenter, bricklayer, painter and decorator, crane operator,
        forklift driver, train driver, ship captain, fighter pilot, bicycle courier, waiter, street vendor, window cleaner, janitor, hotel receptionist,
        call center agent, judge, police detective, prison guard, soldier, firefighter, miner, oil rig worker, factory worker, seamstress, scuba diver, mountain guide,
        referee, soccer player, ice hockey goalkeeper, figure skater, surfer, skateboarder, golfer, cyclist, chess player, gamer, influencer, cowboy, knight"""
    labels = l.labels("professions-200", drop)
    labels = unique(labels + words(more))
    return synonyms(labels, "lawyer,attorney;doctor,physician;salesman,salesperson;police officer,policeman,policewoman;"
                    "firefighter,fireman;waiter,waitress;actor,actress")


def nationalities(l):
    table = {"Citizen of Antigua and Barbuda": "Antiguan", "Citizen of Bosnia and Herzegovina": "Bosnian", "Citizen of the Dominican Republic":
             "Dominican Republican", "Citizen of Guinea-Bissau": "Bissau-Guinean", "Citizen of Kiribati": "I-Kiribati",
             "Citizen of Seychelles": "Seychellois", "Citizen of Vanuatu": "Ni-Vanuatu", "Liechtenstein citizen": "Liechtensteiner",
             "Vatican citizen": "", "Congolese (Congo)": "Congolese", "Congolese (DRC)": "", "Stateless": "", "Cymraes": "", "Cymro": "",
             "Prydeinig": "", "Botswanan": "Botswanan", "Burkinan": "Burkinabe", "Salvadorean": "Salvadoran", "Ecuadorean": "Ecuadorian",
             "Comoran": "Comorian", "Mosotho": "Basotho", "Sao Tomean": "São Toméan"}
    labels = [table.get(x, x) for x in l.labels("nationalities")]
    return unique([x for x in labels if x])


def ages(_):
    fixed = ["newborn baby", "baby|infant", "toddler", "child|kid", "preteen", "teenager|adolescent", "young adult", "adult",
             "middle-aged person", "senior|pensioner", "elderly person|very old person"]
    years = [f"{n}-year-old child" for n in range(1, 13)] + [f"{n}-year-old teenager" for n in range(13, 20)]
    return fixed + years + [f"{n}-year-old person" for n in range(20, 101, 5)]


def emotions(_):
    return ["angry|furious", "disgusted", "fearful|afraid|scared", "happy|joyful|smiling", "sad|unhappy", "surprised|astonished", "neutral|expressionless",
            "amused|laughing", "anxious|worried", "ashamed|embarrassed", "bored", "calm|relaxed", "confused|puzzled", "confident|proud", "contemptuous|scornful",
            "crying|tearful", "determined|focused", "disappointed", "excited|thrilled", "in love|loving", "in pain|suffering", "lonely", "playful|cheeky",
            "shy|bashful", "sleepy|tired", "stressed|overwhelmed", "thoughtful|pensive"]


def celebrities(_):
    """Public figures of history, none of them alive, and characters of fiction: a private person is in no list."""
    figures = ["Albert Einstein", "Isaac Newton", "Charles Darwin", "Marie Curie", "Nikola Tesla", "Sigmund Freud", "William Shakespeare",
               "Wolfgang Amadeus Mozart", "Ludwig van Beethoven", "Leonardo da Vinci", "Vincent van Gogh", "Frida Kahlo", "Pablo Picasso",
               "Salvador Dalí", "Andy Warhol", "Charlie Chaplin", "Marilyn Monroe", "Audrey Hepburn", "Elvis Presley", "Michael Jackson",
               "Freddie Mercury", "David Bowie", "Bob Marley", "John Lennon", "Muhammad Ali", "Pelé", "Diego Maradona", "Bruce Lee",
               "Mahatma Gandhi", "Nelson Mandela", "Martin Luther King", "Mother Teresa", "Winston Churchill", "Abraham Lincoln",
               "George Washington", "John F. Kennedy", "Queen Elizabeth II", "Queen Victoria", "Napoleon Bonaparte", "Julius Caesar",
               "Cleopatra", "Joan of Arc", "Che Guevara", "Simón Bolívar", "Confucius", "Alfred Hitchcock", "Agatha Christie", "Mark Twain",
               "Ernest Hemingway", "Amelia Earhart", "Neil Armstrong", "Yuri Gagarin", "Stephen Hawking"]
    characters = ["Mickey Mouse", "Donald Duck", "Bugs Bunny", "Snoopy", "Garfield", "Winnie the Pooh", "Pinocchio", "Peter Pan", "Snow White",
               "Alice in Wonderland", "the Little Mermaid", "Asterix", "Tintin", "Hello Kitty", "Pikachu", "Super Mario", "Sonic the Hedgehog",
               "Batman", "Superman", "Spider-Man", "Wonder Woman", "Iron Man", "the Hulk", "Captain America", "the Joker", "Darth Vader", "Yoda",
               "Chewbacca", "C-3PO", "R2-D2", "Gandalf", "Gollum", "Harry Potter", "Sherlock Holmes", "Dracula", "Frankenstein's monster",
               "Godzilla", "King Kong", "Robin Hood", "Zorro", "James Bond", "Indiana Jones", "Homer Simpson", "Bart Simpson",
               "SpongeBob SquarePants", "Shrek", "Santa Claus", "the Grinch", "the Easter Bunny"]
    return figures + characters


def nice_scene(label):
    table = {"archaelogical excavation": "archaeological excavation", "artists loft": "artist's loft", "butchers shop": "butcher's shop",
             "carrousel": "carousel", "childs room": "child's room", "kindergarden classroom": "kindergarten classroom", "oilrig": "oil rig",
             "veterinarians office": "veterinarian's office", "temple asia": "Asian temple", "underwater ocean deep": "deep underwater ocean",
             "mountain snowy": "snowy mountain", "moat water": "water-filled moat", "canal natural": "natural canal", "canal urban": "urban canal",
             "lake natural": "natural lake", "desert sand": "sand desert", "desert vegetation": "desert with vegetation", "field cultivated":
             "cultivated field", "field wild": "wild field", "forest broadleaf": "broadleaf forest", "atrium public": "public atrium",
             "arena hockey": "hockey arena", "arena performance": "performance arena", "arena rodeo": "rodeo arena", "stadium baseball":
             "baseball stadium", "stadium football": "football stadium", "stadium soccer": "soccer stadium", "barndoor": "barn door",
             "fishpond": "fish pond", "toyshop": "toy shop", "booth indoor": "indoor booth", "bow window indoor": "bow window",
             "balcony exterior": "balcony seen from outside", "balcony interior": "balcony seen from inside", "gazebo exterior": "gazebo",
             "doorway outdoor": "doorway", "cabin outdoor": "cabin in nature", "fastfood restaurant": "fast food restaurant",
             "berth": "ship's berth", "mosque outdoor": "mosque", "reception": "reception desk", "slum": "slum"}
    if label in table:
        return table[label]
    match = re.match(r"^(.*) (indoor|outdoor)$", label)
    return f"{match[2]} {match[1]}" if match else label


def scenes(l):
    return [nice_scene(x) for x in l.labels("scenes-places365")]


def rooms(l):
    return l.labels("rooms", "aerary|cry room|print room|map room|tv room|conversation pit|wiring closet|transmission control room|water closet")


def buildings(l):
    drop = ("center|hall|ministry|architecture|residence|opera|resort|capitol|Vatican|oracle|kirk|Versailles|Pentagon|pantheon|Tabernacle|bethel|presbytery|"
            "rink|stupa|Ritz|Parthenon|Tuileries|Alhambra|Bedlam|alcazar|whorehouse|Artemision at Ephesus|Augean stables|automat|bioscope|bucket shop|"
            "burn center|buttery|caff|Chartres Cathedral|conventicle|diplomatic building|Empire State Building|Buckingham Palace|caravansary|fleabag|"
            "fleapit|firetrap|ruin|priory|minster|masjid|kennel|call center")
    return l.labels("buildings", drop, first=170)


def countries(l):
    return rename(l.labels("countries211", "Bonaire, Saint Eustatius and Saba|South Georgia and South Sandwich Is|Saint-Martin|Sint Maarten"),
                  "Brunei Darussalam=Brunei|Cote d'Ivoire=Côte d'Ivoire|Curacao=Curaçao|Faeroe Islands=Faroe Islands|Kyrgyz Republic=Kyrgyzstan|"
                  "Macedonia=North Macedonia|Reunion=Réunion|Svalbard and Jan Mayen Islands=Svalbard|Aland Islands=Åland Islands")


def weather(_):
    return words("""clear sky, sunny weather, partly cloudy sky, overcast sky, storm clouds, light rain, heavy rain, drizzle, freezing rain, thunderstorm, lightning,
        hail, light snow, heavy snow, blizzard, blowing snow, sleet, frost, ice crystals, fog, mist, haze, smoke, smog, dust storm, sandstorm, tornado,
        waterspout, funnel cloud, hurricane, strong wind, rainbow, sunrise, sunset, night sky, northern lights, heat haze, flood, drought, icicles""")


def vehicles(l):
    first = words("""car, van, ship, boat, airplane, bus, truck, military tank, stagecoach, horse-drawn carriage, wagon, jet, cart, taxi, hot-air balloon, ferry, rocket,
        bicycle, canoe, helicopter, tractor, trailer, steamboat, ambulance, spacecraft, pickup truck, bomber, yacht, chariot, submarine, jeep, ocean liner, barge, motorcycle,
        schooner, galley, sedan, frigate, dune buggy, battleship, locomotive, train, limousine, shipwreck, warship, streetcar, sloop, sled, glider, drone, coupe,
        camper van, lifeboat, dinghy, airship, hearse, sailboat, kayak, skiff, scooter, gunboat, bulldozer, gondola, zeppelin, airliner, pontoon boat, galleon, trawler,
        tricycle, boxcar, biplane, seaplane, houseboat, motorboat, roadster, forklift, snowmobile, police car, school bus, double-decker bus, monorail, subway train,
        high-speed train, cable car, quad bike, rickshaw, segway, electric scooter, wheelchair, baby stroller, excavator, cement mixer truck, combine harvester""")
    drop = ("amphibian|finisher|sidewinder|sharpshooter|Minuteman|Stanley Steamer|USS Cole|trial balloon|tin can|test rocket|skyhook|sister ship|single prop|"
            "small boat|small ship|self-propelled vehicle|wheeled vehicle|tracked vehicle|heavier-than-air craft|lighter-than-air craft|military vehicle|motor vehicle|"
            "nonsmoker|loaner|limber|knockabout|iron horse|Indiaman|hangar queen|fore-and-after|finisher|dinky|doodlebug|brilliant pebble|bogy|bareboat|boneshaker|"
            "Merrimac|MANPAD|Exocet|rigger|remise|pung|shunter|skidder|Sno-cat|gypsy cab|welcome wagon|used-car|slave ship|hardtop|fanjet|double-prop|"
            "rolling stock|B-52|cockleshell|caroche|reconnaissance vehicle|weapons carrier|treasure ship|bassinet|gas guzzler|applecart|angledozer|four-wheeler|"
            "picket ship|picket boat|guard ship|ice wagon|watering cart|water cart|water wagon|laundry cart|panda car|funny wagon|propjet|stockcar|school ship|"
            "kite balloon|pilot engine|capital ship|banana boat|jolly boat|delta wing|narrowbody aircraft|widebody aircraft|abandoned ship|sleeping car|slip coach")
    labels = [x.replace("choo-choo", "steam train") for x in l.labels("vehicles", drop, skip=150)]
    return unique(first + labels)


def instruments(l):
    drop = ("keyboard instrument|beating-reed instrument|bowed stringed instrument|chordophone|double-reed instrument|electronic instrument|"
            "fipple flute|flue pipe|flue stop|free-reed|free-reed instrument|organ pipe|organ stop|percussion instrument|reed pipe|reed stop|"
            "single-reed instrument|stringed instrument|wind instrument|woodwind|vox angelica|vox humana|bones|pipe|brass|bass|serpent|kettle|"
            "Amati|Guarnerius|Stradavarius|upright|diapason|trigon|tenoroon|sourdine|drone|chime|baritone|whistle|organ|virginal|"
            "clarion|musette|musette pipe|chanter|sax|mechanical piano|timbrel|concert grand|high-hat cymbal|American organ|dulciana|uke|tambour")
    table = {"mellotran": "mellotron", "saxaphone": "saxophone"}
    labels = [table.get(x, x) for x in l.labels("instruments")] + l.labels("musical-instruments", drop)
    return unique(labels + words("pipe organ, drum kit, electronic keyboard, hi-hat cymbal, djembe, tabla, erhu, shamisen, handpan, turntable"))


def furniture(l):
    drop = ("file|counter|stand|box|secretary|bar|seat|nest|commissary|checkout|Sheraton|settle|platen|box seat|cathedra|marriage bed|mercy seat|"
            "musnud|penalty box|Round Table|Rolodex|sectional|Siege Perilous|squab|shoofly|bedroom furniture|dining-room furniture|lawn furniture|"
            "office furniture|fitment|cash bar|milk bar|oyster bar|sickbed|deathbed|chair of state|vertical file|fighting chair|yacht chair|berth|sleeper|"
            "buffet|convertible|dining-room table|dinner table|entertainment center|wet bar|wine bar|salad bar|snack bar|sushi bar|chesterfield|davenport|baby bed")
    return l.labels("furniture", drop)


def tools(l):
    drop = ("bill|file|bit|plane|jack|square|die|buffer|blade|gang|ram|stamp|slice|shear|tap|float|comb|burr|upset|lancet|gutter|crank|lister|bender|"
            "clipper|pallet|hack|bur|bevel|slick|scuffle|hob|spud|pincer|abrader|cutter|pick|shaver|opener|scoop|barong|bolo|brace wrench|broad hatchet|carriage wrench|"
            "case knife|catling|center bit|chamfer bit|clincher|croupier's rake|cutting implement|drove|edge tool|edger|eolith|expansion bit|"
            "fishtail bit|half hatchet|hatchel|hook wrench|knife blade|latchstring|Lochaber ax|match plane|moldboard plow|neolith|paleolith|parer|"
            "ravehook|reamer|roach clip|rounder|S wrench|saw set|scauper|screw key|screw wrench|scriber|shaping tool|stemmer|straight flute|strickle|"
            "tamp|trepan|triphammer|star drill|Jaws of Life|hand tool|garden tool|power tool|combination plane|counterbore|core bit|cross bit|crown saw|"
            "bull tongue|bumper jack|breast drill|battering ram|abrading stone|rammer|sawmill|stylus|straightedge|bullnose|dog wrench")
    return l.labels("tools", drop)


def clothing(l):
    drop = ("suit|chap|skirt|weeds|laundry|sack|hose|cords|wrap|uplift|aba|fur|ulster|drawers|macintosh|mink|silks|cope|sable|domino|separate|maxi|"
            "motley|newmarket|chesterfield|topper|capuchin|banyan|camlet|box coat|chlamys|Burberry|BVD|coatee|jean|trouser|chino|jersey|flannel|"
            "brassiere|separate|straitjacket|briefs|breeches|hand-me-down|ironing|slacks|britches|old school tie|Prince Albert")
    first = l.labels("clothing", "baby grow|bra & knicker set|cargos|zip|top|waterproof|vest underwear|underclothes|nightwear|jumper|trainers|hoody|shellsuit|jogging suit")
    return unique(first + words("hoodie, sneakers, high heels, jumpsuit, leggings, cargo pants, tank top, crop top, denim jacket, leather jacket, down jacket, "
                  "trench coat, suit, tuxedo, wedding dress, uniform, apron, overalls, baseball cap, beanie, turban, hijab, sari, abaya, kimono, mittens, backpack, "
                  "handbag, wristwatch, baby romper, flip-flops, ballet shoes, hiking boots, rubber boots, cowboy boots, swim goggles, helmet") +
                  l.labels("garments", drop, first=170))


def sports(l):
    drop = ("ball|track|fight|hunt|dip|casting|crab|dive|squash|flip|singles|riding|doubles|floating|jumping|troll|spar|fives|gainer|bathe|steal|"
            "athletic game|ball game|battledore|battue|blood sport|contact sport|court game|curvet|daisy cutter|day game|night game|dead-man's float|"
            "ducking|field game|five-hitter|four-hitter|two-hitter|three-hitter|one-hitter|no-hit game|perfect game|flying mare|half gainer|hardball|in-fighting|"
            "jackknife|match play|medal play|outdoor game|outdoor sport|overcast|pallone|piaffe|rope-a-dope|spectator sport|team sport|water sport|round of golf|"
            "racing|funambulism|skinny-dip|professional baseball|professional basketball|professional boxing|professional football|professional golf|"
            "professional tennis|equestrian sport|clock golf|belly flop|broad jump|cockfighting|pigsticking|coursing|royal tennis|shinny|bullfighting|bicycling|"
            "dune cycling|bait casting|fly casting|surf casting|beagling|acrobatics")
    return unique(l.labels("sports", drop) + words("squash, table tennis, marathon running, sprinting, hurdling, long jump, pole vault, shot put, javelin throw, discus throw, "
                  "weightlifting, karate, taekwondo, fencing, mixed martial arts, yoga, parkour, bouldering, snowboarding, biathlon, curling, windsurfing, kitesurfing, kayaking, "
                  "canoeing, sailing, diving, synchronized swimming, triathlon, mountain biking, BMX, horse riding, horse jumping, darts, billiards, bowling, paragliding, "
                  "skydiving, cheerleading, dodgeball, beach volleyball, kickboxing, sumo wrestling, drag racing, rally racing, Formula One racing, chess boxing"))


def materials(l):
    drop = "urbanite|glue-laminate|parallel strand lumber|dimensional lumber|hemp|glass fiber"
    return unique(l.labels("building-materials", drop) + words("gold, silver, copper, bronze, brass, iron, steel, stainless steel, rusty metal, chrome, titanium, tin, lead, "
                  "marble, granite, limestone, sandstone, slate, bamboo, cork, leather, rubber, wax, foam, cardboard, porcelain, fabric, wool, silk, cotton, denim, "
                  "fur, feathers, ice, snow, water, soap, carbon fiber, ivory, bone, shell, straw, moss, bark, gemstone, diamond, obsidian, tar, ceramic"))


def art_styles(l):
    drop = ("academic|caravaggisti|deformalism|eclecticism|ego-futurism|existentialism|formalism|historicism|humanism|idealism|immagine&poesia|incoherents|"
            "intervention art|lettrism|manierism|mail art|monumentalism|multiculturalism|neo-minimalism|neo-fauvism|neoism|neue slowenische kunst|nonconformism|"
            "perspectivism|pointilism|post-conceptualism|post-structuralism|post-minimalism|postminimalism|primitivism|remodernism|scuola romana|secularism|situationist international|"
            "sound art|structuralism|stuckism international|superstroke|synthetism|systems art|tachism|young british artists|relational art|neo-classicism|dadaism|"
            "nouveau realisme|postmodernism|modernism|illusionism|carolingian|merovingian|ottonian|gründerzeit|video game art|video art|biedermeier")
    labels = l.labels("art-styles", drop) + words("academic art, mannerism, pointillism, nouveau réalisme, tachisme, Byzantine art, ancient Egyptian art, ancient Greek art, "
             "Roman mosaic, Celtic art, Islamic art, Chinese ink painting, ukiyo-e, manga, comic art, graffiti, pixel art, low-poly art, vaporwave, steampunk, "
             "children's drawing, cave painting, Aboriginal dot painting, folk art, psychedelic art, naive art, fantasy art, concept art, digital art, anime, cartoon")
    labels = [{"caravaggisti": "", "bauhaus": "Bauhaus", "barbizon school": "Barbizon school", "hudson river school": "Hudson River School",
               "der blaue reiter": "Der Blaue Reiter", "die brücke": "Die Brücke", "renaissance": "Renaissance", "pre-raphaelites": "Pre-Raphaelites",
               "russian futurism": "Russian Futurism", "russian symbolism": "Russian Symbolism", "cobra": "CoBrA", "les nabis": "Les Nabis"}.get(x, x) for x in labels]
    return unique(labels)


def picture_kinds(_):
    return words("""photograph, black-and-white photograph, selfie, group photo, studio portrait, passport photo, close-up photo, macro photo, aerial photo, satellite image,
        panorama, long-exposure photo, infrared photo, blurry photo, overexposed photo, underexposed photo, screenshot of a computer, screenshot of a phone, video game screenshot, web page,
        scanned document, handwritten note, printed text, receipt, invoice, business card, identity card, book cover, magazine cover, newspaper page, comic strip, meme, poster, flyer,
        album cover, logo, icon, emoji, QR code, barcode, chart, line graph, pie chart, table of numbers, diagram, flowchart, floor plan, blueprint, map, circuit diagram, sheet music,
        mathematical formula, source code, slide of a presentation, infographic, drawing, pencil sketch, ink drawing, charcoal drawing, watercolor painting, oil painting, children's drawing,
        cartoon, anime picture, digital art, 3D rendering, pixel art, collage, mosaic, stained glass, embroidery, sculpture, graffiti, tattoo, engraving, woodcut, X-ray image, MRI scan,
        ultrasound image, CT scan, microscope image, thermal image, telescope image, postage stamp, playing card, banknote, coin, ticket, menu, blackboard, whiteboard, traffic sign, license plate,
        old photograph, Polaroid, film negative, hologram, kaleidoscope pattern, blank image""")


def occasions(_):
    return words("""wedding, birthday party, Christmas, New Year's Eve, Halloween, Easter, Hanukkah, Diwali, Eid, Chinese New Year, Thanksgiving, carnival, graduation ceremony, baptism,
        funeral, baby shower, christening, engagement, anniversary, family reunion, picnic, barbecue, dinner party, camping trip, beach holiday, city trip, hike, road trip, concert, music festival,
        theater performance, opera, ballet, parade, protest march, political rally, trade fair, conference, business meeting, school class, sports match, marathon, dance, nightclub,
        museum visit, zoo visit, amusement park visit, fireworks, market day, moving house, renovation, gardening, cooking, housework, homework, online meeting, haircut, medical visit""")


def times(_):
    return words("sunrise, early morning, late morning, noon, afternoon, golden hour, sunset, dusk, night, midnight, spring, summer, autumn|fall, winter")


def traffic_signs(l):
    return [x.replace("bicyle", "bicycle").replace("horizonal", "horizontal").replace(" / ", " or ") for x in l.labels("traffic-signs-gtsrb")]


def actions(l):
    labels = [re.sub(r" \((human|not juggling|not on bike)\)", "", x) for x in l.labels("actions-kinetics700", "being excited|passing soccer ball")]
    return unique(re.sub(r"\s*\((.*)\)", r" \1", x) for x in labels)


def monsters(l):
    return rename(l.labels("mythical-monsters", "hag|lich|elemental|nix|ghast|oni"), "homonculus=homunculus|spectre=specter|brownie=brownie sprite|naga=naga serpent")


def colors(l):
    return unique(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", x).lower().replace("golden rod", "goldenrod") for x in l.labels("colors-web"))


def board_games(l):
    return unique(l.labels("board-games", "18XX|Australia|Air Charter|Career|Clans|Medina|(This Game Is) Bonkers!|Clue/Cluedo|"
                  "Coin Hopping—Washington D.C|The Game of Life|Roulette|Puzzle|Trivia Crack") + words("chess, checkers, Go, backgammon, Monopoly, Scrabble, Catan, Ludo, dominoes, Bonkers!, The Game of Life"))


def gemstones(l):
    drop = "bone|druzy|kidney ore|metal-coated crystals|bubblegram|natrophilite|maw sit sit|synthetic opal|talc|steatite|gypsum|vermiculite|flint"
    labels = [x for x in l.labels("gemstones", drop) if not x.startswith("synthetic ")]
    return unique(labels)


def textures(l):
    return l.labels("textures-dtd")


# name, title, group, labels, templates, source, licence, sensitivity
def heads(l):
    t = l.templates
    photo, a_photo = ["a photo of a {}."], ["a photo of a {}.", "a photo of the {}."]

    def kind(what):
        return [f"a photo of a {{}}, a type of {what}.", "a photo of a {}."]

    def food(what="food"):
        return [f"a photo of {{}}, a type of {what}.", "a photo of {}."]
    mixed = "the corpora, WordNet, openai/CLIP and places365 lists of the other heads"
    return [
        ("nouns", "Everyday things (4000 nouns)", "everyday", nouns(l), photo,
         f"david47k/top-english-wordlists (from Google Books Ngrams), filtered with WordNet 3.0; filled up from {mixed}",
         "CC BY 3.0, WordNet 3.0 licence, CC0-1.0, MIT", ""),
        ("imagenet", "ImageNet (1000 classes, in class order)", "everyday", imagenet(l), t("imagenet1000"),
         "mlfoundations/open_clip zero_shot_metadata.py; templates of openai/CLIP Prompt_Engineering_for_ImageNet.ipynb", MIT, ""),
        ("objects", "Household objects", "everyday", unique(objects(l)), a_photo, CORPORA.format("objects/objects.json"), CC0, ""),
        ("picture-kinds", "Kinds of picture", "everyday", picture_kinds(l), ["a {}.", "this picture is a {}."], *OWN, ""),
        ("occasions", "Occasions and activities", "everyday", occasions(l), ["a photo taken at a {}.", "a photo of a {}."], *OWN, ""),
        ("times", "Time of day and season", "everyday", times(l), ["a photo taken at {}.", "a photo taken in {}."], *OWN, ""),
        ("animals", "Animals", "nature", animals(l), kind("animal"), CORPORA.format("animals/common.json") + " and hand-written", CC0, ""),
        ("pets", "Pet breeds (Oxford-IIIT)", "nature", l.labels("pets37"), t("pets37"),
         OPENAI.format("data/prompts.md (OxfordPets)"), MIT, ""),
        ("dogs", "Dog breeds", "nature", dogs(l), kind("dog"), CORPORA.format("animals/dogs.json"), CC0, ""),
        ("cats", "Cat breeds", "nature", cats(l), kind("cat"), CORPORA.format("animals/cats.json"), CC0, ""),
        ("horses", "Horse breeds", "nature", horses(l), kind("horse"), CORPORA.format("animals/horses.json"), CC0, ""),
        ("birds", "Birds of North America and well-known birds of the world", "nature", birds(l), kind("bird"),
         CORPORA.format("animals/birds_north_america.json") + " and hand-written", CC0, ""),
        ("insects", "Insects", "nature", insects(l), kind("insect"), WORDNET.format("insect"), PRINCETON, ""),
        ("flowers", "Flowers", "nature", flowers(l), kind("flower"),
         OPENAI.format("data/prompts.md (Flowers102)") + " and " + CORPORA.format("plants/flowers.json"), "MIT, CC0-1.0", ""),
        ("trees", "Trees", "nature", trees(l), kind("tree"), WORDNET.format("tree"), PRINCETON, ""),
        ("gemstones", "Gemstones and minerals", "nature", gemstones(l), kind("mineral"), CORPORA.format("materials/gemstones.json"), CC0, ""),
        ("weather", "Weather", "nature", weather(l), ["a photo of {}.", "a photo showing {}."], *OWN, ""),
        ("foods", "Foods and dishes", "food", foods(l), food(),
         OPENAI.format("data/prompts.md (Food101)") + "; " + CORPORA.format("foods") + "; hand-written", "MIT, CC0-1.0", ""),
        ("food101", "Dishes (Food-101)", "food", l.labels("food101"), t("food101"), OPENAI.format("data/prompts.md (Food101)"), MIT, ""),
        ("fruits", "Fruits", "food", l.labels("fruits", "nut|rock melon"), food("fruit"), CORPORA.format("foods/fruits.json"), CC0, ""),
        ("vegetables", "Vegetables and pulses", "food", l.labels("vegetables", "herbs and spice|tubers|legume|calabrese|topinambur"), food("vegetable"),
         CORPORA.format("foods/vegetables.json"), CC0, ""),
        ("cocktails", "Cocktails", "food", cocktails(l), ["a photo of a {} cocktail.", "a photo of a {}, a type of drink."],
         CORPORA.format("foods/iba_cocktails.json") + " and hand-written", CC0, ""),
        ("drinks", "Drinks", "food", drinks(l), food("drink"), *OWN, ""),
        ("cars", "Car models (Stanford Cars)", "things", l.labels("cars196"), t("cars196"), OPENAI.format("data/prompts.md (StanfordCars)"), MIT, ""),
        ("car-makers", "Car makers", "things", rename(l.labels("car-makers", "Gordon Murray"), "VW=Volkswagen|Tesla Motors=Tesla|Rimac Automobili=Rimac|Noble=Noble sports|Smart=Smart|Mini=MINI"),
         ["a photo of a {} car.", "a photo of a {}."], CORPORA.format("corporations/cars.json"), CC0, ""),
        ("aircraft", "Aircraft models (FGVC)", "things", l.labels("aircraft-fgvc"), t("aircraft-fgvc"), OPENAI.format("data/prompts.md (FGVCAircraft)"), MIT, ""),
        ("vehicles", "Vehicles", "things", vehicles(l), kind("vehicle"), WORDNET.format("vehicle") + " and hand-written", PRINCETON, ""),
        ("clothing", "Clothing", "things", clothing(l), ["a photo of a {}.", "a photo of a {}, a piece of clothing."],
         CORPORA.format("objects/clothing.json") + "; " + WORDNET.format("garment"), "CC0-1.0, WordNet 3.0 licence", ""),
        ("furniture", "Furniture", "things", furniture(l), kind("furniture"), WORDNET.format("furniture"), PRINCETON, ""),
        ("tools", "Tools", "things", tools(l), kind("tool"), WORDNET.format("tool"), PRINCETON, ""),
        ("instruments", "Musical instruments", "things", instruments(l), kind("musical instrument"),
         CORPORA.format("music/instruments.json") + "; " + WORDNET.format("musical instrument"), "CC0-1.0, WordNet 3.0 licence", ""),
        ("board-games", "Board games", "things", board_games(l), ["a photo of the board game {}.", "a photo of {}, a board game."], CORPORA.format("games/board_games.json"), CC0, ""),
        ("traffic-signs", "Traffic signs (GTSRB)", "things", traffic_signs(l), t("traffic-signs-gtsrb"), OPENAI.format("data/prompts.md (GTSRB)"), MIT, ""),
        ("materials", "Materials", "things", materials(l), ["a photo of something made of {}.", "a close-up photo of {}."],
         CORPORA.format("materials/building-materials.json") + " and hand-written", CC0, ""),
        ("fabrics", "Fabrics", "things", l.labels("fabrics", "stuff|scarlet|conductive|dazzle|duck|drill|c change|ottoman|rep|wigan|zephyr|stub-tex|airguard|needlerun net"),
         ["a photo of {} fabric.", "a close-up photo of {}."], CORPORA.format("materials/fabrics.json"), CC0, ""),
        ("scenes", "Scenes (Places365)", "places", scenes(l), a_photo, "CSAILVision/places365 categories_places365.txt", MIT, ""),
        ("rooms", "Rooms", "places", rooms(l), ["a photo of a {}.", "a photo of the inside of a {}."], CORPORA.format("architecture/rooms.json"), CC0, ""),
        ("buildings", "Buildings", "places", buildings(l), kind("building"), WORDNET.format("building"), PRINCETON, ""),
        ("landmarks", "Landmarks", "places", l.labels("landmarks"), t("landmarks"), *OWN, ""),
        ("countries", "Countries (where was it taken?)", "places", countries(l), t("countries211"), OPENAI.format("data/prompts.md (Country211)"), MIT, ""),
        ("satellite", "Land use from above (RESISC45)", "places", l.labels("satellite-resisc45"), t("satellite-resisc45", 6), OPENAI.format("data/prompts.md (RESISC45)"), MIT, ""),
        ("actions", "Human actions (Kinetics-700)", "activities", actions(l), ["a photo of {}.", "a photo of a person {}."], OPENAI.format("data/prompts.md (Kinetics700)"), MIT, ""),
        ("sports", "Sports", "activities", sports(l), ["a photo of {}.", "a photo of people doing {}, a sport."], WORDNET.format("sport") + " and hand-written", PRINCETON, ""),
        ("art-styles", "Art styles", "art", art_styles(l), ["a painting in the style of {}.", "an artwork of the {} style."],
         CORPORA.format("art/isms.json") + " and hand-written", CC0, ""),
        ("textures", "Textures (DTD)", "art", textures(l), t("textures-dtd"), OPENAI.format("data/prompts.md (DescribableTextures)"), MIT, ""),
        ("colors", "Colours", "art", colors(l), ["a patch of the color {}.", "a photo of something {}."], CORPORA.format("colors/web_colors.json"), CC0, ""),
        ("monsters", "Mythical creatures", "art", monsters(l), ["a picture of a {}.", "a drawing of a {}, a mythical creature."], CORPORA.format("mythology/monsters.json"), CC0, ""),
        ("professions", "Professions", "people", professions(l), ["a photo of a {}.", "a photo of a {} at work."],
         CORPORA.format("humans/occupations.json") + "; WordNet 3.0; david47k/top-english-wordlists; hand-written", "CC0-1.0, WordNet 3.0 licence, CC BY 3.0", NOTE),
        ("nationalities", "Nationalities", "people", nationalities(l), ["a photo of a {} person.", "a portrait of a {} person."],
         CORPORA.format("geography/nationalities.json"), CC0, NOTE),
        ("ages", "Ages", "people", ages(l), ["a photo of a {}.", "a portrait of a {}."], *OWN, NOTE),
        ("emotions", "Emotions", "people", emotions(l), t("emotions-fer2013"),
         OPENAI.format("data/prompts.md (FacialEmotionRecognition2013)") + " and hand-written", MIT, NOTE),
        ("celebrities", "Public figures and characters", "people", celebrities(l), ["a photo of {}.", "a picture of {}."], *OWN, LOOK_ALIKE),
    ]


def benchmarks(l):
    """Standard tests: class names and prompts as published, nothing tidied. Those of which a head above has just that
    (imagenet, food101, pets, cars, aircraft, textures) are not here twice."""
    def prompts(section):
        return OPENAI.format(f"data/prompts.md ({section})"), MIT
    rows = [
        ("cifar10", "CIFAR-10", "cifar10", *prompts("CIFAR10")),
        ("cifar100", "CIFAR-100", "cifar100", *prompts("CIFAR100")),
        ("stl10", "STL-10", "stl10", *prompts("STL10")),
        ("caltech101", "Caltech-101", "caltech101", *prompts("Caltech101")),
        ("voc2007", "PASCAL VOC 2007", "objects-voc2007", *prompts("PascalVOC2007")),
        ("flowers102", "Oxford Flowers 102", "flowers102", *prompts("Flowers102")),
        ("birdsnap", "Birdsnap", "birds-birdsnap", *prompts("Birdsnap")),
        ("sun397", "SUN397", "scenes-sun397", *prompts("SUN397")),
        ("eurosat", "EuroSAT", "satellite-eurosat", *prompts("EuroSAT")),
        ("resisc45", "RESISC45", "satellite-resisc45", *prompts("RESISC45")),
        ("country211", "Country211", "countries211", *prompts("Country211")),
        ("ucf101", "UCF101 actions", "actions-ucf101", *prompts("UCF101")),
        ("kinetics700", "Kinetics-700 actions", "actions-kinetics700", *prompts("Kinetics700")),
        ("gtsrb", "GTSRB traffic signs", "traffic-signs-gtsrb", *prompts("GTSRB")),
        ("mnist", "MNIST digits", "mnist", *prompts("MNIST")),
        ("fer2013", "FER-2013 facial expressions", "emotions-fer2013", *prompts("FacialEmotionRecognition2013")),
        ("sst2", "Rendered SST-2", "sst2", *prompts("SST2")),
        ("clevr-counts", "CLEVR counts", "clevr-counts", *prompts("CLEVRCounts")),
        ("kitti-distance", "KITTI distance", "kitti-distance", *prompts("KITTI")),
    ]
    return [(name, title, BENCHMARKS, l.published(file), l.templates(file), source, licence, NOTE if name == "fer2013" else "")
            for name, title, file, source, licence in rows]


def write_head(folder, name, title, group, labels, templates, source, licence, sensitivity):
    lines = [f"# name: {name}", f"# title: {title}", f"# group: {group}", f"# source: {source}", f"# licence: {licence}"]
    if sensitivity:
        lines.append(f"# sensitivity: {sensitivity}")
    lines += [f"# template: {t}" for t in templates]
    labels = [x for x in labels if x]
    firsts = [x.split("|")[0] for x in labels]
    double = {x for x in firsts if firsts.count(x) > 1}
    assert not double, (name, double)
    assert all(t.count("{}") == 1 for t in templates), name
    plain = r"[\t#{}<>;]" if name == "imagenet" or group == BENCHMARKS else r"[\t#{}<>;()]"
    odd = [x for x in labels if re.search(plain, x)]
    assert not odd, (name, odd)
    (folder / f"{name}.txt").write_text("\n".join(lines + [""] + labels) + "\n", encoding="utf-8")
    return f"| {name} | {len(labels)} | {len(templates)} | {source} | {licence} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("labels", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default=HERE.parent / "heads")
    args = parser.parse_args()
    lists = Lists(args.labels)
    rows = [write_head(args.out, *head) for head in heads(lists) + benchmarks(lists)]
    readme = args.out / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.exists() else MARKER
    table = "\n".join(["| head | labels | templates | source | licence |", "|---|---:|---:|---|---|", *rows])
    readme.write_text(text.split(MARKER)[0] + MARKER + "\n" + table + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
