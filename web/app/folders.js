/* Folders of this device whose photos are searched: each is read once, photo by photo, and what was learnt (a vector, a small picture) is
 * kept in this browser, so that a later visit reads only what is new or has changed. In IndexedDB, since a transaction there is whole or
 * not at all in every browser. Where a browser gives a handle to the folder it is remembered, and opened again by one tap; else the
 * folder is chosen again, and what is known of it counts. Nothing leaves the device. */
import { whatsit } from './engine.js';
import { listText } from './site.js';

const DATABASE = 'whatsit-folders'; /* db.js removes it with everything else */
const STORES = { folders: 'id', photos: ['folder', 'path'], thumbs: ['folder', 'path'], backgrounds: 'fingerprint' };
const THUMB_PX = 320;
/* What browsers may open; what one cannot is told. What other programs' litter is, the command line says (apps/cli/inputs.c). */
const PICTURE = /\.(jpe?g|jfif|png|webp|gif|bmp|avif|hei[cf])$/i;
const LITTER = /^(@eadir|#recycle|#snapshot|@recycle|@recently-snapshot|\$recycle\.bin|system volume information|recycler|lost\+found|__macosx|__pycache__|node_modules|site-packages)$/i;

export const folders = new EventTarget();
folders.list = null; /* sources, as the search screen has them; null: not read yet */
folders.reading = null; /* { folder, done, total, stop } */
folders.isKept = true; /* false: this browser keeps nothing */
const changed = () => folders.dispatchEvent(new Event('change'));

/* ---- the database; where there is none, what is known lasts as long as the page ---- */

let opening;
const open = () => (opening ??= new Promise((resolve, reject) => {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => {
    for (const [name, keyPath] of Object.entries(STORES)) request.result.createObjectStore(name, { keyPath });
  };
  request.onsuccess = () => {
    request.result.onversionchange = () => request.result.close();
    resolve(request.result);
  };
  request.onerror = request.onblocked = () => reject(request.error ?? new Error('blocked'));
}));

/* work(stores...) may give a request, whose result this resolves to when the transaction is over. */
async function run(names, mode, work) {
  const db = await open();
  return new Promise((resolve, reject) => {
    const transaction = db.transaction(names, mode);
    const request = work(...names.map((name) => transaction.objectStore(name)));
    transaction.oncomplete = () => resolve(request?.result);
    transaction.onabort = transaction.onerror = () => reject(transaction.error ?? new Error('storage'));
  });
}

const keep = (names, work) => run(names, 'readwrite', work).catch(() => {
  if (folders.isKept) {
    folders.isKept = false;
    changed();
  }
});

const within = (id) => IDBKeyRange.bound([id], [id, []]);

/* ---- what a folder holds ---- */

const isWanted = (name) => PICTURE.test(name) && !name.startsWith('.');
const isLeftOut = (name) => name.startsWith('.') || LITTER.test(name);
const stopped = () => Object.assign(new Error('stopped'), { code: 'cancelled' });

/* [{ path, file }]: file() gives the File. */
async function walk(handle, path, signal, out = []) {
  for await (const [name, one] of handle.entries()) {
    if (signal.aborted) throw stopped();
    if (one.kind === 'directory' && !isLeftOut(name)) await walk(one, `${path}/${name}`, signal, out);
    else if (one.kind === 'file' && isWanted(name)) out.push({ path: `${path}/${name}`, file: () => one.getFile() });
  }
  return out;
}

const ofList = (files) => [...files].filter((file) => isWanted(file.name) && !file.webkitRelativePath.split('/').slice(1, -1).some(isLeftOut))
  .map((file) => ({ path: file.webkitRelativePath, file: async () => file }));

const permission = (handle, how = 'queryPermission') => (handle[how] ? handle[how]({ mode: 'read' }) : 'granted');

async function fileAt(handle, path) {
  const [, ...names] = path.split('/');
  const name = names.pop();
  let folder = handle;
  for (const one of names) folder = await folder.getDirectoryHandle(one);
  return (await folder.getFileHandle(name)).getFile();
}

/* ---- vectors ---- */

const dot = (a, b) => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
};

function normalised(vector) {
  const length = Math.sqrt(dot(vector, vector));
  return length > 0 ? vector.map((value) => value / length) : vector;
}

let ready = null; /* { engine, least }: whose background is open */
/* By it the core tells how sure a search is. Made once for a model, in some seconds, and kept. */
async function leastOf(engine) {
  if (ready?.engine === engine) return ready.least;
  const { fingerprint } = engine.info;
  const kept = await run(['backgrounds'], 'readonly', (store) => store.get(fingerprint)).catch(() => null);
  const { rows, least } = await engine.openBackground(kept?.rows ? { rows: kept.rows } : { list: await listText('nouns') });
  if (!kept) await keep(['backgrounds'], (store) => store.put({ fingerprint, rows }));
  ready = { engine, least };
  return least;
}

async function thumbOf(preview) {
  const canvas = document.createElement('canvas');
  canvas.width = preview.width;
  canvas.height = preview.height;
  canvas.getContext('2d').drawImage(preview, 0, 0);
  preview.close?.();
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.8));
}

/* ---- one folder, as a source of photos ---- */

class Folder {
  isServer = false;
  isOpen = false; /* its files can be read */
  rows = null; /* path -> { path, size, mtime, fingerprint, vector, isBroken } */
  thumbs = new Map(); /* where nothing is kept */

  constructor({ id, name, handle }) {
    Object.assign(this, { key: id, id: `folder/${id}`, name, handle, files: null });
  }

  get n() {
    return [...(this.rows?.values() ?? [])].filter((row) => !row.isBroken).length;
  }

  get nBroken() {
    return (this.rows?.size ?? 0) - this.n;
  }

  async load() {
    const rows = this.rows ?? await run(['photos'], 'readonly', (store) => store.getAll(within(this.key))).catch(() => []);
    if (!this.rows) this.rows = new Map(rows.map((row) => [row.path, row]));
    if (this.handle) this.isOpen ||= (await permission(this.handle).catch(() => 'denied')) === 'granted';
  }

  /* One tap: the browser asks. */
  async openAgain() {
    this.isOpen = (await permission(this.handle, 'requestPermission').catch(() => 'denied')) === 'granted';
    return this.isOpen;
  }

  async #embed(engine, path, file, signal) {
    const row = { folder: this.key, path, size: file.size, mtime: file.lastModified, fingerprint: engine.info.fingerprint };
    let thumb = null;
    try {
      const { embedding, preview } = await engine.classify(file, { preview: THUMB_PX, signal });
      row.vector = embedding;
      thumb = preview ? await thumbOf(preview) : null;
    } catch (error) {
      if (signal.aborted || !['format', 'large', 'empty', 'nomem'].includes(error.code)) throw error;
      row.isBroken = true;
    }
    this.rows.set(path, row);
    await keep(['photos', 'thumbs'], (photos, thumbs) => {
      photos.put(row);
      if (thumb) thumbs.put({ folder: this.key, path, blob: thumb });
    });
    if (!folders.isKept && thumb) this.thumbs.set(path, thumb);
  }

  async #forget(paths) {
    for (const path of paths) this.rows.delete(path);
    await keep(['photos', 'thumbs'], (photos, thumbs) => {
      for (const path of paths) for (const store of [photos, thumbs]) store.delete([this.key, path]);
    });
  }

  /* Reads what is new or has changed since it was read last; what is gone leaves. Stopped at any moment, it goes on from there. */
  async update() {
    if (folders.reading) return;
    const stopper = new AbortController(), { signal } = stopper;
    const mine = { folder: this, done: 0, total: 0, stop: () => {
      stopper.abort();
      if (folders.reading === mine) folders.reading = null;
      changed();
    } };
    folders.reading = mine;
    changed();
    try {
      const found = this.handle ? await walk(this.handle, this.name, signal) : this.files;
      const engine = await whatsit();
      const there = new Set(found.map(({ path }) => path));
      await this.#forget([...this.rows.keys()].filter((path) => !there.has(path)));
      mine.total = found.length;
      for (const { path, file } of found) {
        if (signal.aborted) throw stopped();
        const now = await file().catch(() => null), known = this.rows.get(path); /* null: gone meanwhile */
        const isKnown = known && now && known.size === now.size && known.mtime === now.lastModified && known.fingerprint === engine.info.fingerprint;
        if (now && !isKnown) await this.#embed(engine, path, now, signal);
        mine.done++;
        changed();
      }
    } finally {
      if (folders.reading === mine) folders.reading = null;
      changed();
    }
  }

  /* As libraries.js has it. Equal scores: in order of the paths. */
  async search({ words, like, top, min, signal }) {
    const engine = await whatsit();
    if (words && !engine.info.hasText) throw Object.assign(new Error(words), { code: 'no_text' });
    const parts = [], known = like && this.rows.get(like.path);
    if (like && !like.blob && known?.fingerprint !== engine.info.fingerprint) throw Object.assign(new Error('gone'), { code: 'gone' });
    if (words) parts.push(await engine.embed(words, { signal }));
    if (like) parts.push(like.blob ? await engine.embed(like.blob, { signal }) : known.vector);
    const query = normalised(parts.reduce((sum, part) => sum.map((value, i) => value + part[i])));
    const scored = [...this.rows.values()].filter((row) => row.vector && row.fingerprint === engine.info.fingerprint)
      .map((row) => ({ row, score: dot(row.vector, query) })).sort((a, b) => b.score - a.score || (a.row.path < b.row.path ? -1 : 1));
    const asked = scored.slice(0, like ? top : 2 * top + 100); /* as many as the command line looks at */
    const usual = like ? 0 : await leastOf(engine), least = like ? 0 : min ?? usual;
    const sure = like || !asked.length ? [] : await engine.confidences(query, asked.map(({ row }) => row.vector));
    return { isSure: least > 0, results: asked.map(({ row, score }, i) => ({ id: row.path, path: row.path, name: row.path.replace(/.*\//, ''), score,
      confidence: like ? null : sure[i], taken: new Date(row.mtime).toISOString() })).filter(({ confidence }) => confidence === null || confidence >= least).slice(0, top) };
  }

  async thumb({ path }) {
    const kept = this.thumbs.get(path) ?? (await run(['thumbs'], 'readonly', (store) => store.get([this.key, path])).catch(() => null))?.blob;
    if (!kept) throw Object.assign(new Error('none'), { code: 'unseen' });
    return kept;
  }

  /* The photo itself, where its folder is open; else the small picture is all there is. */
  async picture(photo) {
    if (!this.isOpen) return this.thumb(photo);
    try {
      return this.handle ? await fileAt(this.handle, photo.path) : await this.files.find(({ path }) => path === photo.path).file();
    } catch {
      throw Object.assign(new Error('gone'), { code: 'gone' });
    }
  }

  async remove() {
    if (folders.reading?.folder === this) folders.reading.stop();
    folders.list = folders.list.filter((one) => one !== this);
    changed();
    await keep(['folders', 'photos', 'thumbs'], (list, photos, thumbs) => {
      list.delete(this.key);
      for (const store of [photos, thumbs]) store.delete(within(this.key));
    });
  }
}

/* ---- all of them ---- */

export async function loadFolders() {
  if (!folders.list) {
    const kept = await run(['folders'], 'readonly', (store) => store.getAll()).catch(() => []);
    folders.list ??= kept.map((one) => new Folder(one));
  }
  await Promise.all(folders.list.map((one) => one.load()));
  return folders.list;
}

export const canRemember = () => typeof globalThis.showDirectoryPicker === 'function';

async function add(about) {
  const folder = new Folder({ id: `${Date.now()}-${Math.random().toString(36).slice(2)}`, ...about });
  await folder.load();
  folders.list.push(folder);
  await keep(['folders'], (store) => store.put({ id: folder.key, name: folder.name, handle: about.handle ?? null }));
  return folder;
}

/* The browser's own chooser; null when nothing was chosen. */
export async function pickFolder() {
  const handle = await globalThis.showDirectoryPicker({ id: 'photos', mode: 'read' }).catch((error) => {
    if (error.name === 'AbortError') return null;
    throw error;
  });
  if (!handle) return null;
  for (const one of folders.list) if (one.handle && await one.handle.isSameEntry(handle)) return Object.assign(one, { isOpen: true, handle });
  return Object.assign(await add({ name: handle.name, handle }), { isOpen: true });
}

/* Files of a folder that an <input webkitdirectory> gave: known again by the folder's name. */
export async function takeFolder(files) {
  const name = files[0].webkitRelativePath.split('/')[0];
  const folder = folders.list.find((one) => !one.handle && one.name === name) ?? await add({ name });
  return Object.assign(folder, { isOpen: true, files: ofList(files) });
}
