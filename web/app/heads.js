/* The heads that this device knows: those that come with the site, and the user's own. A head is
 * opened when it is first asked; one from words is made once and then kept. */
import { WhatsitError } from '../whatsit.js';
import * as db from './db.js';
import { engine, found as modelFound, whatsit } from './engine.js';
import * as site from './site.js';
import { parseList } from '../lib/labels.js';

const MOST_OPEN = 12;

export const heads = new EventTarget();
heads.shipped = [];
heads.own = [];
heads.chosen = [];
heads.everyday = null;

const opened = new Map(); /* name -> promise of a Head; least recently used first */
const changed = () => heads.dispatchEvent(new Event('change'));

export async function loadHeads() {
  const [found, own, model] = await Promise.all([site.findHeads(), db.all('heads').catch(() => []), modelFound]);
  heads.shipped = found.heads;
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
  const rest = heads.chosen.filter((one) => one !== name);
  heads.chosen = on ? [...rest, name] : rest;
  changed();
  await db.setSetting('chosen', heads.chosen);
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
  if (!ready) ready = await fromWords(await describe(head.name), options);
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
    if (error.code !== 'mismatch' || !head.record.recipe.templates.length) throw error;
    return remake(head.record, options); /* the site has another model now: the words are still there */
  }
}

async function remake(record, options) {
  const made = await fromWords({ ...record.recipe, name: record.name }, options);
  await keepOwn({ ...record, bytes: await made.toFile(), fingerprint: made.fingerprint });
  return made;
}

async function openFresh(name, options) {
  const [base, all] = await Promise.all([openBase(name, options), taught(name)]);
  const examples = usable(all, base);
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

async function keepOwn(record) {
  await db.put('heads', record);
  heads.own = [...heads.own.filter((one) => one.name !== record.name), record];
  heads.own.sort((a, b) => a.name.localeCompare(b.name));
  changed();
}

export const nameIsFree = (name) => !find(name);

/* Everyday words for what a head is not about: with about as many of them as labels it can say that
 * none of its labels fits. */
export async function otherThings(nLabels) {
  const { labels } = await describe(heads.everyday);
  const n = Math.min(labels.length, Math.max(24, Math.min(200, 2 * nLabels)));
  return Array.from({ length: n }, (_, i) => labels[Math.floor((i * labels.length) / n)].split('|')[0]);
}

export async function make(recipe, options) {
  const head = await fromWords(recipe, options);
  const record = { name: recipe.name, recipe, bytes: await head.toFile(),
    fingerprint: head.fingerprint, made: Date.now() };
  drop(recipe.name);
  await keepOwn(record);
  opened.set(recipe.name, Promise.resolve(head));
  return record;
}

export async function importFile(bytes) {
  const head = await (await whatsit()).openHead(bytes);
  let name = head.name || 'head';
  for (let i = 2; !nameIsFree(name); i++) name = `${head.name || 'head'} ${i}`;
  const { labels, groups, templates, multi, source, licence, sensitivity } = head;
  const record = { name, bytes, fingerprint: head.fingerprint, made: Date.now(),
    recipe: { name, labels, groups, templates, multi, source, licence, sensitivity } };
  await head.close();
  await keepOwn(record);
  return record;
}

export async function removeOwn(name) {
  drop(name);
  await db.remove('heads', name);
  await db.remove('taught', name).catch(() => {});
  heads.own = heads.own.filter((one) => one.name !== name);
  await choose(name, false);
  if (heads.chosen.length === 0 && heads.everyday) await choose(heads.everyday, true);
}

/* ---- example photos ---- */

export async function taught(name) {
  return (await db.get('taught', name).catch(() => null))?.examples ?? [];
}

function usable(examples, head) {
  return examples
    .filter((one) => one.fingerprint === head.fingerprint)
    .map(({ label, embedding }) => ({ label: head.labels.findIndex((names) => names === label), embedding }))
    .filter((one) => one.label >= 0);
}

async function keepTaught(name, examples) {
  if (examples.length) await db.put('taught', { head: name, examples });
  else await db.remove('taught', name);
  drop(name);
  changed();
}

/* Adds one example photo; gives a function that takes it back. */
export async function teach(name, label, { embedding, thumb }) {
  const { fingerprint } = (await whatsit()).info;
  const example = { id: crypto.randomUUID?.() ?? String(Math.random()), label, embedding, thumb, fingerprint };
  await keepTaught(name, [...(await taught(name)), example]);
  return () => forgetExample(name, example.id);
}

export async function forgetExample(name, id) {
  await keepTaught(name, (await taught(name)).filter((one) => one.id !== id));
}
