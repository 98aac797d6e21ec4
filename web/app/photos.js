/* The photos of this session: shown, asked, taught. They live in memory and are gone with the page; what is kept is the
 * album's small pictures, answers and vectors, if the user wants it. */
import * as db from './db.js';
import { whatsit } from './engine.js';
import * as heads from './heads.js';
import { verdict } from './words.js';

const PREVIEW_PX = 1600, THUMB_PX = 400;

export const photos = new EventTarget();
photos.list = []; /* newest first: { id, name, blob, state, embedding, blank, width, height, results, part, thumb, thumbUrl } */
photos.current = null; /* + preview (ImageBitmap or canvas) */
photos.progress = null; /* { done, total, stop } while many photos are asked about */
photos.isFull = false; /* an answer could not be kept */

let nextId = 1;
const changed = () => photos.dispatchEvent(new Event('change'));

async function thumbOf(drawn) {
  const scale = Math.min(1, THUMB_PX / Math.max(drawn.width, drawn.height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(drawn.width * scale));
  canvas.height = Math.max(1, Math.round(drawn.height * scale));
  canvas.getContext('2d').drawImage(drawn, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.8));
}

async function addThumb(photo) {
  photo.thumb = await thumbOf(photo.preview);
  photo.thumbUrl = URL.createObjectURL(photo.thumb);
}

const newPhoto = (blob) => ({ id: nextId++, name: blob.name ?? '', blob, state: 'looking', results: new Map(), part: null, asked: [], preview: null });

function letGo(photo) {
  photo?.preview?.close?.();
  if (photo) photo.preview = null;
}

function show(photo) {
  if (photos.current && photos.current !== photo) letGo(photos.current);
  photos.current = photo;
}

function drop(photo) {
  photos.list = photos.list.filter((one) => one !== photo);
  if (photos.current === photo) show(null);
}

/* Decodes and encodes a photo. Unless `quiet` it is the current one from the beginning, shown while the model looks or is
 * still on its way. A photo that is shown is answered before its small picture is made: who needs that waits for `thumbing`. */
export async function openPhoto(blob, { quiet = false, signal } = {}) {
  const photo = newPhoto(blob);
  const before = photos.current;
  photo.asked = [];
  if (!quiet) {
    photos.list.unshift(photo);
    show(photo);
    changed();
  }
  try {
    const engine = await whatsit();
    const { embedding, blank, width, height, preview } = await engine.classify(blob, { preview: PREVIEW_PX, signal });
    Object.assign(photo, { embedding, blank, width, height, preview, fingerprint: engine.info.fingerprint, state: 'ready' });
  } catch (error) {
    if (!quiet) {
      drop(photo);
      if (before && photos.list.includes(before) && !photos.current) await reopen(before);
      changed();
    }
    throw error;
  }
  if (!quiet && photos.current === photo) changed();
  photo.thumbing = addThumb(photo);
  await photo.thumbing;
  if (quiet || photos.current !== photo) letGo(photo);
  if (quiet) photos.list.unshift(photo);
  changed();
  return photo;
}

/* Shows a photo of this session again, first as small as it was kept. */
export async function reopen(photo) {
  if (photo === photos.current) return;
  if (!photo.preview && photo.thumb) photo.preview = await createImageBitmap(photo.thumb);
  show(photo);
  changed();
  if (!photo.blob) return;
  const engine = await whatsit();
  engine.classify(photo.blob, { preview: PREVIEW_PX }).then((found) => {
    if (photos.current !== photo) return found.preview?.close?.();
    Object.assign(photo, { preview: found.preview, embedding: found.embedding, blank: found.blank, fingerprint: engine.info.fingerprint });
    return changed();
  }, () => {});
}

/* An entry of the album as a photo: its small picture is what is left of it. */
export async function openEntry(entry) {
  const known = photos.list.find((one) => one.historyId === entry.id || -one.id === entry.id);
  if (known) return reopen(known);
  const photo = { ...newPhoto(entry.thumb), name: entry.name ?? '', thumb: entry.thumb, thumbUrl: URL.createObjectURL(entry.thumb), thumbing: Promise.resolve(),
    historyId: entry.id, time: entry.time, isSaved: entry.saved, isSmall: true };
  const engine = await whatsit();
  if (entry.embedding && entry.fingerprint === engine.info.fingerprint) {
    Object.assign(photo, { embedding: entry.embedding, blank: entry.blank ?? '', fingerprint: entry.fingerprint, state: 'ready', blob: null });
    photo.preview = await createImageBitmap(entry.thumb);
    Object.assign(photo, { width: photo.preview.width, height: photo.preview.height });
    photos.list.unshift(photo);
    show(photo);
    return changed();
  }
  const again = await openPhoto(entry.thumb);
  return Object.assign(again, { historyId: entry.id, time: entry.time, isSaved: entry.saved, isSmall: true });
}

export function closeCurrent() {
  show(null);
  changed();
}

/* ---- a part of the picture ---- */

/* Whatever is asked about the photo next, a part or all of it, puts an end to this. */
export async function lookAt(photo, crop) {
  photo.asking?.abort();
  const { signal } = (photo.asking = new AbortController());
  const engine = await whatsit();
  const found = await engine.classify(photo.blob ?? photo.thumb, { crop, signal }).catch((error) => {
    if (!signal.aborted) throw error;
  });
  if (signal.aborted) return;
  photo.part = { crop, embedding: found.embedding, blank: found.blank, fingerprint: engine.info.fingerprint };
  photo.results = new Map();
  changed();
}

export function lookAtAll(photo) {
  photo.asking?.abort();
  photo.part = null;
  photo.results = new Map();
  changed();
}

/* ---- answers ---- */

/* What the model in use sees in the photo, or in the part that was pointed at: another one may have seen it before. */
async function seen(photo) {
  const engine = await whatsit(), of = photo.part ?? photo, { fingerprint } = engine.info;
  if (of.fingerprint !== fingerprint) {
    const { embedding, blank } = await engine.classify(photo.blob ?? photo.thumb, { crop: photo.part?.crop });
    Object.assign(of, { embedding, blank, fingerprint });
  }
  return of.embedding;
}

/* What a head says about the photo, or about the part that was pointed at. */
export async function answer(photo, name, options) {
  const [head, embedding] = [await heads.open(name, options), await seen(photo)];
  const [result] = await (await whatsit()).answer(embedding, { heads: head });
  return { head, result };
}

/* Many photos: one after the other, each answered and remembered, until photos.progress.stop() is called. More that are given
 * meanwhile wait their turn. Resolves to [[file, error]] of those that could not be opened. */
export async function openMany(files) {
  const failed = [], jobs = files.map((file) => [file, failed]);
  if (photos.progress) {
    photos.progress.total += jobs.length;
    photos.progress.jobs.push(...jobs);
    changed();
    await photos.progress.over;
    return failed;
  }
  const stopper = new AbortController();
  let end;
  const mine = { done: 0, total: jobs.length, jobs, over: new Promise((resolve) => (end = resolve)), stop: () => {
    stopper.abort();
    if (photos.progress === mine) photos.progress = null;
    changed();
    end();
  } };
  photos.progress = mine;
  changed();
  for (let next; !stopper.signal.aborted && (next = jobs.shift());) {
    await openOne(...next, stopper.signal);
    mine.done++;
    changed();
  }
  if (!stopper.signal.aborted) mine.stop();
  return failed;
}

async function openOne(file, failed, signal) {
  let photo;
  try {
    photo = await openPhoto(file, { quiet: true, signal });
    const name = heads.heads.chosen[0];
    const { result } = await answer(photo, name);
    const now = verdict(result, { blank: photo.blank });
    const entry = { head: name, title: heads.find(name).title, none: now.sure === 'none', said: now.label ?? '', answers: topOf(result) };
    await remember(photo, [entry]).catch(() => (photos.isFull = true)); /* it is answered all the same */
  } catch (error) {
    if (!signal.aborted) failed.push([file, error]);
  }
}

export const topOf = (result) => result.answers.slice(0, 3).map(({ label, score }) => ({ label, score }));

/* One entry per photo; a later answer (another question, another lesson) replaces it. Whoever shows the album hears of it, also
 * where nothing is kept: then it lasts as long as the page. */
export async function remember(photo, answers, { saved } = {}) {
  if (answers.length === 0) return;
  await photo.thumbing;
  if (!photo.thumb) return;
  photo.time ??= Date.now();
  photo.isSaved = saved ?? photo.isSaved ?? false;
  photo.answers = answers;
  photo.remembering = (photo.remembering ?? Promise.resolve()).catch(() => {}).then(async () => {
    try {
      if (!((await db.setting('history', true)) || photo.isSaved)) return;
      const entry = entryOf(photo);
      if (photo.historyId) await db.put('history', entry);
      else photo.historyId = await db.addHistory((({ id, ...rest }) => rest)(entry));
    } finally {
      photos.dispatchEvent(new CustomEvent('entry', { detail: entryOf(photo) }));
    }
  });
  await photo.remembering;
}

/* As the album has it; a photo that is not kept goes by a number below zero. */
const entryOf = (photo) => ({ id: photo.historyId ?? -photo.id, time: photo.time, name: photo.name, thumb: photo.thumb, answers: photo.answers,
  embedding: photo.embedding, blank: photo.blank, fingerprint: photo.fingerprint, saved: photo.isSaved, words: photo.words });

/* What the album shows: what is kept, and what this session has besides. */
export async function entries() {
  const kept = await db.all('history').catch(() => []);
  const known = new Set(kept.map(({ id }) => id));
  return [...kept, ...photos.list.filter((one) => one.answers && one.thumb).map(entryOf).filter(({ id }) => !known.has(id))];
}

/* The album is emptied; the photos of the session stay on their screen. */
export async function forgetEntries() {
  await db.clear('history').catch(() => {});
  for (const photo of photos.list) {
    delete photo.historyId;
    delete photo.answers;
  }
}

export async function save(photo, on) {
  photo.isSaved = on;
  await remember(photo, photo.answers ?? [], { saved: on });
  changed();
}
