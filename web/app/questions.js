/* Questions, not heads: what each list of labels is asked as, what its tile shows, and which further questions fit an answer. */
import * as db from './db.js';
import { has, t } from './text.js';

/* list -> [tile, kind]. Kinds: 'n' counted things ("a hummingbird"), 'w' words as they are; 'p' is about people and is never
 * offered unasked. */
const LISTS = {
  everyday: ['🔍', 'n'], nouns: ['🔎', 'n'], imagenet: ['📚', 'n'], objects: ['🧺', 'n'], animals: ['🐾', 'n'], dogs: ['🐕', 'n'], cats: ['🐈', 'n'],
  pets: ['🐶', 'n'], birds: ['🐦', 'n'], insects: ['🐞', 'n'], horses: ['🐎', 'n'], flowers: ['🌸', 'n'], trees: ['🌳', 'n'], gemstones: ['💎', 'w'],
  foods: ['🍽️', 'w'], food101: ['🍕', 'w'], fruits: ['🍎', 'w'], vegetables: ['🥕', 'w'], drinks: ['🥤', 'w'], cocktails: ['🍸', 'n'],
  vehicles: ['🚗', 'n'], cars: ['🏎️', 'n'], 'car-makers': ['🚙', 'w'], aircraft: ['✈️', 'n'], instruments: ['🎸', 'n'], furniture: ['🪑', 'n'],
  tools: ['🔧', 'n'], clothing: ['👕', 'n'], fabrics: ['🧵', 'w'], materials: ['🧱', 'w'], 'board-games': ['🎲', 'w'], 'traffic-signs': ['🚸', 'w'],
  scenes: ['🏞️', 'w'], rooms: ['🛋️', 'n'], buildings: ['🏛️', 'n'], landmarks: ['🗼', 'w'], countries: ['🌍', 'w'], satellite: ['🛰️', 'w'],
  actions: ['🏃', 'w'], sports: ['⚽', 'w'], occasions: ['🎉', 'w'], weather: ['⛅', 'w'], times: ['🕰️', 'w'], 'picture-kinds': ['🖼️', 'n'],
  'art-styles': ['🎨', 'w'], colors: ['🌈', 'w'], textures: ['🪡', 'w'], monsters: ['🐉', 'n'],
  emotions: ['😊', 'p'], ages: ['🎂', 'p'], nationalities: ['🏳️', 'p'], professions: ['👷', 'p'], celebrities: ['🎭', 'p'],
};

/* A word of the answer -> the list that knows more about it. */
const FINER = [
  [/\b(dog|puppy|hound|terrier|retriever|spaniel|shepherd)\b/i, 'dogs'], [/\b(cat|kitten|siamese)\b/i, 'cats'],
  [/bird|hen\b|rooster|duck|goose|penguin|eagle|owl|parrot|gull|finch/i, 'birds'], [/horse|pony/i, 'horses'],
  [/insect|bug\b|\bant\b|bee\b|butterfly|beetle|spider|moth\b|fly\b/i, 'insects'],
  [/flower|rose\b|tulip|sunflower|daisy|blossom|lily/i, 'flowers'], [/tree|palm\b|forest/i, 'trees'],
  [/fruit|apple|orange|lemon|banana|berry|pear\b|grape/i, 'fruits'], [/vegetable|tomato|potato|pepper\b|mushroom|cucumber|carrot/i, 'vegetables'],
  [/pizza|bread|food|dish|soup|salad|cake|ice cream|sandwich|pasta/i, 'foods'], [/coffee|beer|drink|juice|tea\b|wine/i, 'drinks'],
  [/\b(car|sports car|convertible|jeep|limousine)\b/i, 'cars'], [/airplane|helicopter|aircraft|jet\b/i, 'aircraft'],
  [/car\b|truck|bus\b|train|bicycle|motorcycle|tractor|boat|ship|tank|ambulance|vehicle/i, 'vehicles'],
  [/guitar|piano|organ|accordion|drum|violin|trumpet|trombone|saxophone|harp|flute/i, 'instruments'],
  [/desk|table|chair|sofa|couch|bed\b|lamp|furniture/i, 'furniture'], [/hat\b|shirt|trousers|dress|skirt|coat|shoe|sandal|tie\b/i, 'clothing'],
  [/building|house|church|castle|barn|tower|lighthouse|bridge|skyscraper/i, 'buildings'], [/stop sign|traffic sign/i, 'traffic-signs'],
  [/stone|gem|mineral|crystal/i, 'gemstones'], [/scissors|hammer|tool|saw\b|screwdriver/i, 'tools'],
  [/animal|lion|tiger|bear\b|elephant|fish|frog|lizard|snake|whale|monkey|rabbit|fox|cow|pig\b|sheep|mouse/i, 'animals'],
  [/ball\b|sport|racket|skate|surf|ski\b/i, 'sports'],
];
const ANY_PICTURE = ['materials', 'scenes', 'colors', 'picture-kinds', 'weather', 'objects'];
const MOST_OFFERED = 5;

export const tile = (name) => LISTS[name]?.[0] ?? '';
export const isCounted = (name) => LISTS[name]?.[1] === 'n';
export const isAboutPeople = (head) => LISTS[head.name]?.[1] === 'p' || Boolean(head.sensitivity);

/* "What kind of dog is it?"; a list of the user's own is asked by its name. */
export const question = (head) => (head && !head.own && has(`q_${head.name}`) ? t(`q_${head.name}`) : head?.title ?? '');

/* ---- how often each was asked ---- */

let uses = {};
export const loadUses = async () => (uses = await db.setting('uses', {}));
export function countUse(name) {
  uses = { ...uses, [name]: (uses[name] ?? 0) + 1 };
  db.update('settings', 'uses', (kept) => ({ key: 'uses', value: { ...kept?.value, [name]: (kept?.value?.[name] ?? 0) + 1 } })).catch(() => {});
}
export const usesOf = (name) => uses[name] ?? 0;

/* Measured per list for the model in use; nothing where nobody measured. */
export const markOf = (head) => (head.own ? '' : head.works?.mark ?? '');

/* The heads to offer under these labels, best first. Own lists come early: somebody made them for a reason. */
export function offered(labels, all, taken) {
  const byName = new Map(all.map((head) => [head.name, head]));
  const finer = labels.flatMap((label) => FINER.filter(([words]) => words.test(label)).map(([, name]) => name));
  const own = all.filter((head) => head.own).map((head) => head.name);
  const used = all.filter((head) => usesOf(head.name) > 1).map((head) => head.name).sort((a, b) => usesOf(b) - usesOf(a)).slice(0, 3);
  const names = [...new Set([...finer.slice(0, 2), ...own.slice(0, 3), ...used, ...finer.slice(2), ...ANY_PICTURE])];
  return names.map((name) => byName.get(name)).filter((head) => head && !taken.includes(head.name) &&
    (usesOf(head.name) > 0 || (!isAboutPeople(head) && markOf(head) !== 'poor'))).slice(0, MOST_OFFERED);
}
