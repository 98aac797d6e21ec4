/* The photos of this session: shown, searched, taught. They live in memory and are gone with the
 * page; what is kept is the history's small pictures and answers, if the user wants it. */
import * as db from './db.js';
import { whatsit } from './engine.js';

const PREVIEW_PX = 1024, THUMB_PX = 240;

export const photos = new EventTarget();
photos.list = []; /* newest first: { id, name, blob, embedding, width, height, thumbing, thumb, thumbUrl } */
photos.current = null; /* + preview (ImageBitmap) */
photos.waiting = null; /* what a photo on its way waits for: a key of the texts */

let nextId = 1;
const changed = () => photos.dispatchEvent(new Event('change'));

export function wait(why) {
  photos.waiting = why;
  changed();
}

async function thumbOf(bitmap) {
  const scale = Math.min(1, THUMB_PX / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  canvas.getContext('2d').drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.8));
}

async function addThumb(photo) {
  photo.thumb = await thumbOf(photo.preview);
  photo.thumbUrl = URL.createObjectURL(photo.thumb);
}

/* Decodes and encodes a photo; it becomes the current one unless `quiet`. A photo that is shown is
 * answered before its small picture is made: who needs that waits for `thumbing`. */
export async function openPhoto(blob, { quiet = false } = {}) {
  const engine = await whatsit();
  const { embedding, width, height, preview } = await engine.classify(blob, { preview: PREVIEW_PX });
  const photo = { id: nextId++, name: blob.name ?? '', blob, embedding, width, height, preview };
  if (!quiet) {
    photos.list.unshift(photo);
    show(photo);
    changed();
  }
  photo.thumbing = addThumb(photo);
  await photo.thumbing;
  if (quiet) {
    preview.close();
    photo.preview = null;
    photos.list.unshift(photo);
  }
  changed();
  return photo;
}

function show(photo) {
  if (photos.current && photos.current !== photo) {
    photos.current.preview?.close();
    photos.current.preview = null;
  }
  photos.current = photo;
}

/* Shows a photo of this session again. */
export async function reopen(photo) {
  if (!photo.preview) photo.preview = await createImageBitmap(photo.thumb);
  const engine = await whatsit();
  engine.classify(photo.blob, { preview: PREVIEW_PX }).then(({ preview }) => {
    if (photos.current !== photo) return preview.close();
    photo.preview = preview;
    changed();
  }, () => {});
  show(photo);
  changed();
}

export function closeCurrent() {
  photos.current?.preview?.close();
  if (photos.current) photos.current.preview = null;
  photos.current = null;
  changed();
}

/* One line of history per photo; a later answer (another head, another lesson) replaces it. */
export async function remember(photo, answers) {
  if (!(await db.setting('history', true)) || answers.length === 0) return;
  await photo.thumbing;
  const entry = { time: photo.time ?? Date.now(), thumb: photo.thumb, answers };
  photo.time = entry.time;
  if (photo.historyId) entry.id = photo.historyId;
  if (entry.id) await db.put('history', entry);
  else {
    const before = Date.now();
    await db.addHistory(entry);
    photo.historyId = (await db.all('history')).findLast((one) => one.time <= before)?.id;
  }
}
