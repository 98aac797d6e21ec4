/* The heads that this device knows: those that come with the site, and the user's own. A head is
 * opened when it is first asked; one from words is made once and then kept. */
import { WhatsitError } from '../whatsit.js';
import * as db from './db.js';
import { engine, found as modelFound, whatsit } from './engine.js';
import { loadUses } from './questions.js';
import * as site from './site.js';
import { parseList } from '../lib/list.js';

const MOST_OPEN = 12;

export const heads = new EventTarget();
heads.shipped = [];
heads.own = [];
heads.chosen = [];
heads.everyday = null;

const opened = new Map(); /* name -> promise of a Head; least recently used first */
const changed = () => heads.dispatchEvent(new Event('change'));

export async function loadHeads() {
  const [found, own, model] = await Promise.all([site.findHeads(), db.all('heads').catch(() => []), modelFound, loadUses()]);
  heads.shipped = found.heads.map((head) => ({ ...head, works: found.works?.[model?.name]?.[head.name] }));
  heads.everyday = found.everyday_of?.[model?.name] ?? found.everyday;
  heads.own = own;
  const chosen = await db.setting('chosen', [heads.everyday]);
  heads.chosen = chosen.filter((name) => find(name));
  if (heads.chosen.length === 0 && heads.everyday) heads.chosen = [heads.everyday];
  changed();
  openEarly();
}

/* Chosen heads whose files are at hand are opened before a photo asks for them. One that has to be made waits
 * until it is asked, when its progress can be seen. */
async function openEarly() {
  const { info } = await whatsit();
  for (const head of heads.chosen.map(find)) {
    const isAtHand = head.own || head.built?.[info.fingerprint] || await db.has('built', builtKey(head, info));
    if (isAtHand) open(head.name).catch(() => {});
  }
}

/* { name, title, group, n_labels, own, ... } */
export function find(name) {
  const own = heads.own.find((head) => head.name === name);
  if (own) return { ...own.recipe, name, title: name, group: 'own', own: true, record: own,
    n_labels: own.recipe.labels.length };
  return heads.shipped.find((head) => head.name === name);
}

export const list = () => [...heads.own.map((head) => find(head.name)), ...heads.shipped];

export async function choose(name, on) {
  const after = (chosen) => [...chosen.filter((one) => one !== name), ...(on ? [name] : [])];
  const before = heads.chosen;
  heads.chosen = after(before);
  changed();
  await db.update('settings', 'chosen', (kept) => ({ key: 'chosen', value: after(kept?.value ?? before) })).catch(() => {}); /* what another tab chose stays */
}

/* Labels, templates, notes: all that a head's page shows, without opening it. */
export async function describe(name) {
  const head = find(name);
  if (!head) throw new WhatsitError(name, 'not found');
  if (head.own) return head;
  if (head.served) return { ...head, ...(await site.servedHead(name)), title: head.title };
  return { ...head, ...parseList(await site.listText(name)), name };
}

/* ---- opening ---- */

const builtKey = (head, info) => `${info.fingerprint}/${head.name}`;

/* The file of a head that comes with the site or that the server has, if there is one. */
async function siteFile(head, info) {
  const path = head.built?.[info.fingerprint];
  if (path) return site.fileAt(path).catch(() => null);
  if (head.served) return site.servedFile(head.name);
  return info.hasText ? null : site.servedFile(head.name).catch(() => null);
}

/* Made on this device when the text tower is there, else by the server. */
async function fromWords(recipe, options) {
  const engineNow = await whatsit();
  if (engineNow.info.hasText) return engineNow.makeHead(recipe, options);
  return engineNow.openHead(await site.makeOnServer(recipe, options));
}

async function openShipped(head, options) {
  const engineNow = await whatsit();
  const key = builtKey(head, engineNow.info);
  const keep = (bytes) => db.put('built', { key, bytes }).catch(() => {});
  const openBytes = (bytes) => engineNow.openHead(bytes).catch(() => null);
  const kept = await db.get('built', key).catch(() => null);
  let ready = kept && await openBytes(kept.bytes);
  if (ready) return ready;
  const bytes = await siteFile(head, engineNow.info);
  ready = bytes && await openBytes(bytes);
  if (!ready) {
    const recipe = await describe(head.name);
    /* whoever asks whom a thing looks like has to be told that it looks like nobody */
    if (head.name === 'celebrities') recipe.distractors = await otherThings(recipe.labels.length);
    ready = await fromWords(recipe, options);
  }
  keep(await ready.toFile());
  return ready;
}

async function openBase(name, options) {
  const head = find(name);
  if (!head) throw new WhatsitError(name, 'not found');
  const engineNow = await whatsit();
  if (!head.own) return openShipped(head, options);
  try {
    return await engineNow.openHead(head.record.bytes);
  } catch (error) {
    /* another model now: the words, or the photos, are still there */
    if (error.code !== 'mismatch') throw error;
    if (head.record.recipe.templates.length) return remake(head.record, options);
    const examples = head.fromPhotos ? await taught(name) : [];
    if (examples.length === 0) throw error;
    return fromPhotos(name, examples);
  }
}

async function remake(record, options) {
  const made = await fromWords({ ...record.recipe, name: record.name }, options);
  await keepOwn({ ...record, bytes: await made.toFile(), fingerprint: made.fingerprint });
  return made;
}

async function openFresh(name, options) {
  const [base, all] = await Promise.all([openBase(name, options), taught(name)]);
  const examples = find(name)?.fromPhotos ? [] : await usable(all, base); /* those are in it already */
  if (examples.length === 0) return base;
  const head = await base.teach(examples);
  base.close();
  return head;
}

/* A Head, with its example photos. Several callers share one. */
export function open(name, options = {}) {
  const known = opened.get(name);
  opened.delete(name);
  const promise = known ?? openFresh(name, options);
  opened.set(name, promise);
  if (!known) {
    promise.catch(() => opened.get(name) === promise && opened.delete(name));
    for (const old of opened.keys()) {
      if (opened.size <= MOST_OPEN) break;
      if (!heads.chosen.includes(old) && old !== name) drop(old);
    }
  }
  return promise;
}

function drop(name) {
  opened.get(name)?.then((head) => head.close(), () => {});
  opened.delete(name);
}

engine.addEventListener('change', () => {
  if (!engine.whatsit) opened.clear();
});

/* ---- own heads ---- */

/* isNew: there must be none of that name, in this tab or in another. */
async function keepOwn(record, isNew) {
  try {
    await (isNew ? db.add : db.put)('heads', record);
  } catch (error) {
    if (error?.name === 'ConstraintError') throw new WhatsitError(record.name, 'taken');
    if (!isNew) throw error;
    heads.isNotKept = true; /* no storage: it lasts as long as the page */
  }
  takeOwn([...heads.own.filter((one) => one.name !== record.name), record]);
  db.tell('heads');
}

function takeOwn(list) {
  heads.own = list.sort((a, b) => a.name.localeCompare(b.name));
  changed();
}

/* What other tabs made, taught or removed. */
db.onTold(async (what) => {
  if (what !== 'heads') return;
  const own = await db.all('heads').catch(() => null);
  if (!own) return;
  for (const old of heads.own) drop(old.name);
  heads.own = own;
  const chosen = heads.chosen.filter(find); /* one of them may be gone */
  heads.chosen = chosen.length ? chosen : [heads.everyday].filter(Boolean);
  takeOwn(own);
});

export const nameIsFree = (name) => !find(name);
/* What is wrong with a name for a list: the key of a sentence, or ''. */
export function nameFault(name) {
  if (!name) return 'name_missing';
  if (!/^[^/\\,?#%"~.\-][^/\\,?#%"]*$/.test(name) || name.length > 60) return 'name_bad';
  return nameIsFree(name) ? '' : 'name_taken';
}
/* Another tab may have taken it a moment ago. */
export const nameIsFreeNow = async (name) => nameIsFree(name) && !(await db.has('heads', name));

/* Everyday words for what a head is not about: with about as many of them as labels it can say that
 * none of its labels fits. */
export async function otherThings(nLabels) {
  const { labels } = await describe(heads.everyday);
  const n = Math.min(labels.length, Math.max(24, Math.min(200, 2 * nLabels)));
  return Array.from({ length: n }, (_, i) => labels[Math.floor((i * labels.length) / n)].split('|')[0]);
}

export async function make(recipe, options) {
  const head = await fromWords(recipe, options);
  if (options?.signal?.aborted) {
    head.close();
    throw new WhatsitError('stopped', 'cancelled');
  }
  const record = { name: recipe.name, recipe, bytes: await head.toFile(),
    fingerprint: head.fingerprint, made: Date.now() };
  await keepOwn(record, true);
  drop(recipe.name);
  opened.set(recipe.name, Promise.resolve(head));
  return record;
}

/* A head to try words with, which nobody keeps. */
export const draft = (recipe, options) => fromWords(recipe, options);

/* ---- heads from photos alone ---- */

/* As the model in use sees them: of those that another one saw, the small pictures are left. */
async function seenNow(examples) {
  const engineNow = await whatsit(), { fingerprint } = engineNow.info;
  return Promise.all(examples.map(async (one) => (one.fingerprint === fingerprint ? one
    : { ...one, fingerprint, embedding: (await engineNow.classify(one.thumb)).embedding })));
}

/* examples: [{ id, label: name, embedding, thumb, fingerprint }]. Two names or more, a photo for each. */
export async function fromPhotos(name, examples) {
  const labels = [...new Set(examples.map((one) => one.label))];
  return (await whatsit()).photosHead({ name, labels,
    examples: (await seenNow(examples)).map(({ label, embedding }) => ({ label: labels.indexOf(label), embedding })) });
}

/* Each photo is held out once, with a fifth of the others at a time, and asked of a head from the rest:
 * { right, asked }, or null where a name has but one photo. */
export async function heldOut(examples) {
  const folds = Math.min(5, examples.length);
  const order = [...examples].sort((a, b) => a.label.localeCompare(b.label));
  let right = 0, asked = 0;
  for (let fold = 0; fold < folds; fold++) {
    const held = order.filter((_, i) => i % folds === fold);
    const rest = order.filter((_, i) => i % folds !== fold);
    const known = new Set(rest.map((one) => one.label));
    if (known.size < 2) continue;
    const head = await fromPhotos('held out', rest);
    for (const one of held.filter(({ label }) => known.has(label))) {
      const [{ answers }] = await (await whatsit()).answer(one.embedding, { heads: head, top: 1 });
      asked++;
      if (answers[0]?.label === one.label) right++;
    }
    await head.close();
  }
  return asked >= 4 ? { right, asked } : null;
}

/* known: ids of the examples that one began with; those that another tab added meanwhile stay. */
export async function keepFromPhotos(name, own, isNew, known) {
  const mine = new Set(own.map(({ id }) => id));
  const examples = [...own, ...(known && !isNew ? (await taught(name)).filter(({ id }) => !known.has(id) && !mine.has(id)) : [])];
  const head = await fromPhotos(name, examples);
  const record = { name, bytes: await head.toFile(), fingerprint: head.fingerprint, made: Date.now(),
    recipe: { name, labels: head.labels, groups: head.groups, templates: [], multi: false, fromPhotos: true } };
  await keepOwn(record, isNew);
  await db.put('taught', { head: name, examples }).catch(() => {});
  drop(name);
  opened.set(name, Promise.resolve(head));
  return record;
}

export async function importFile(bytes) {
  const head = await (await whatsit()).openHead(bytes);
  let name = head.name || 'head';
  for (let i = 2; !(await nameIsFreeNow(name)); i++) name = `${head.name || 'head'} ${i}`;
  const { labels, groups, templates, multi, source, licence, sensitivity } = head;
  const record = { name, bytes, fingerprint: head.fingerprint, made: Date.now(),
    recipe: { name, labels, groups, templates, multi, source, licence, sensitivity } };
  await head.close();
  await keepOwn(record, true);
  return record;
}

export async function removeOwn(name) {
  drop(name);
  await db.remove('heads', name).catch(() => {});
  await db.remove('taught', name).catch(() => {});
  heads.own = heads.own.filter((one) => one.name !== name);
  db.tell('heads');
  await choose(name, false);
  if (heads.chosen.length === 0 && heads.everyday) await choose(heads.everyday, true);
}

/* ---- example photos ---- */

export async function taught(name) {
  return (await db.get('taught', name).catch(() => null))?.examples ?? [];
}

async function usable(examples, head) {
  return (await seenNow(examples))
    .map(({ label, embedding }) => ({ label: head.labels.findIndex((names) => names === label), embedding }))
    .filter((one) => one.label >= 0);
}

/* edit(examples) gives the new ones; in one step, whatever other tabs do. */
async function editTaught(name, edit) {
  const after = (record) => {
    const examples = edit(record?.examples ?? []);
    return examples.length ? { head: name, examples } : null;
  };
  const record = await db.update('taught', name, after);
  if (find(name)?.fromPhotos) await keepFromPhotos(name, record?.examples ?? []);
  drop(name);
  changed();
  db.tell('heads');
}

const newId = () => crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;

export const exampleOf = (label, { embedding, thumb, fingerprint }) => ({ id: newId(), label, embedding, thumb, fingerprint });

/* Adds one example photo; gives a function that takes it back. */
export async function teach(name, label, photo) {
  const { fingerprint } = (await whatsit()).info;
  const example = exampleOf(label, { ...photo, fingerprint });
  await editTaught(name, (examples) => [...examples, example]);
  return () => forgetExample(name, example.id);
}

export const forgetExample = (name, id) => editTaught(name, (examples) => examples.filter((one) => one.id !== id));
