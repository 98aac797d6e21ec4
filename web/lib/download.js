/* A model file on its way into memory: from this browser's storage as far as it lies there, else over the
 * network. What arrives is stored at once, so that an interrupted download goes on where it stopped.
 * No second copy is made: bytes are written to their place. Runs in a worker. */

import { keptName } from './kept.js';
import { Sha256 } from './sha256.js';

const PART_BYTES = 1 << 20;
const TRIES = 4;

class DownloadError extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

const isBusy = (cause) => cause.name === 'NoModificationAllowedError';

/* Another page that is about to be done holds the file for an instant; one that downloads it, for long. */
async function alone(openFile) {
  for (let tries = 1; ; tries++) {
    try {
      return await openFile();
    } catch (cause) {
      if (!isBusy(cause) || tries === TRIES) throw cause;
      await pause(100 * tries);
    }
  }
}

/* The file in the origin's private file system. Beside a file whose hash was right once lies an empty one: such a file
 * any number of pages read at once, however long one of them takes. One that is being downloaded belongs to the page
 * that does so; a second page finds it in use (`failure` 'busy') and works without. */
class Kept {
  size = 0; /* bytes that are there */
  failure = undefined; /* 'full', 'storage' or 'busy': nothing more is kept */
  isChecked = false;
  #folder;
  #name;
  #handle;
  #blob; /* the file of a browser that lets one page only hold it */

  static async open(source, nBytes, create) {
    const kept = new Kept();
    kept.#name = keptName(source, nBytes);
    try {
      kept.#folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('models', { create });
      const [file, isChecked] = await Promise.all([kept.#folder.getFileHandle(kept.#name, { create }),
        kept.#folder.getFileHandle(`${kept.#name}.checked`).then(() => true, () => false)]);
      if (isChecked && await kept.#share(file, nBytes)) return kept;
      kept.#handle = await alone(() => file.createSyncAccessHandle());
      kept.size = Math.min(await kept.#handle.getSize(), nBytes); /* a promise in older Safari */
    } catch (cause) {
      kept.failure = isBusy(cause) ? 'busy' : 'storage';
    }
    return kept;
  }

  /* Opens a whole file that others may read meanwhile; false when it is not whole any more. */
  async #share(file, nBytes) {
    try {
      this.#handle = await file.createSyncAccessHandle({ mode: 'read-only' });
    } catch (cause) {
      if (!isBusy(cause)) throw cause;
      this.#blob = await file.getFile();
    }
    this.isChecked = (this.#blob?.size ?? await this.#handle.getSize()) === nBytes;
    if (this.isChecked) this.size = nBytes;
    else this.close();
    return this.isChecked;
  }

  /* The bytes that are there, part by part; the part is valid until the next is taken. */
  async *parts() {
    for (let at = 0; this.#blob && at < this.size; at += PART_BYTES) {
      yield new Uint8Array(await this.#blob.slice(at, at + PART_BYTES).arrayBuffer());
    }
    if (this.#blob) return;
    const buffer = new Uint8Array(Math.min(PART_BYTES, this.size));
    for (let at = 0; at < this.size; ) {
      const n = this.#handle.read(buffer.subarray(0, Math.min(buffer.length, this.size - at)), { at });
      if (n === 0) throw new DownloadError('the stored model cannot be read', 'storage');
      yield buffer.subarray(0, n);
      at += n;
    }
  }

  append(bytes) {
    if (this.failure) return;
    try {
      const n = this.#handle.write(bytes, { at: this.size });
      this.size += n;
      if (n < bytes.length) this.failure = 'full';
    } catch (cause) {
      this.failure = cause.name === 'QuotaExceededError' ? 'full' : 'storage';
    }
  }

  setChecked = () => this.#folder.getFileHandle(`${this.#name}.checked`, { create: true }).catch(() => {});

  close() {
    this.#handle?.close();
    this.#handle = null;
    this.#blob = null;
  }

  async forget() {
    this.close();
    for (const name of [this.#name, `${this.#name}.checked`]) await this.#folder?.removeEntry(name).catch(() => {});
  }

  /* Other models make room for this one. */
  async forgetOthers() {
    for await (const name of this.#folder?.keys() ?? []) {
      if (!name.startsWith(this.#name)) await this.#folder.removeEntry(name).catch(() => {});
    }
  }
}

async function sizeOf(source, signal) {
  if (source.n_bytes > 0) return source.n_bytes;
  const response = await fetch(source.url, { method: 'HEAD', signal });
  const n = Number(response.headers.get('Content-Length'));
  if (!response.ok || !(n > 0)) {
    throw new DownloadError(`the server does not say how large ${source.url} is`, 'network');
  }
  return n;
}

const pause = (ms, signal) =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
  });

/* One try: from byte `from` on. Gives how far it came, and what stopped it. What `write` throws is not
 * the network's doing and goes up. */
async function fetchFrom(source, from, nBytes, write, signal) {
  let at = from;
  const stopped = (cause) => ({ at, error: new DownloadError(cause.message, signal?.aborted ? 'cancelled' : 'network') });
  const headers = from > 0 ? { Range: `bytes=${from}-` } : {};
  const response = await fetch(source.url, { headers, signal, cache: 'no-store' }).catch((cause) => cause);
  if (response instanceof Error) return stopped(response);
  if (!response.ok) return stopped(new Error(`${source.url}: HTTP ${response.status}`));
  let skip = response.status === 206 ? 0 : from; /* a server without ranges begins anew */
  if (/text\/html/.test(response.headers.get('Content-Type') ?? '')) return stopped(new Error(`${source.url}: a page in place of the model`));
  const reader = response.body.getReader();
  for (;;) {
    const read = await reader.read().catch((cause) => cause);
    if (read instanceof Error) return stopped(read);
    if (read.done) return { at, error: null };
    const part = skip > 0 ? read.value.subarray(Math.min(skip, read.value.length)) : read.value;
    skip -= read.value.length - part.length;
    if (at + part.length > nBytes) {
      await reader.cancel();
      throw new DownloadError('the model file has another size', 'format');
    }
    await write(part, at);
    at += part.length;
  }
}

/* Fetches from byte `from` to the end, with patience: a connection that brings something may be cut
 * any number of times, one that brings nothing TRIES times. */
async function fetchRest(source, from, nBytes, write, signal) {
  for (let at = from, tries = 0; at < nBytes; ) {
    const { at: reached, error } = await fetchFrom(source, at, nBytes, write, signal);
    if (reached === nBytes) return;
    tries = reached > at ? 0 : tries + 1;
    at = reached;
    if (signal?.aborted) throw new DownloadError('stopped', 'cancelled');
    if (tries >= TRIES) throw error ?? new DownloadError('the connection was cut', 'network');
    await pause(300 * 2 ** tries, signal);
  }
}

/* Takes the file from `kept` as far as it goes, and the rest from the network. */
async function fill({ source, nBytes, placing, kept, keep, keepOthers, onprogress, signal }) {
  const hash = source.sha256 && !kept.isChecked ? new Sha256() : null;
  const fromStorage = kept.size === nBytes;
  let at = 0;
  const take = (put, bytes, phase) => {
    put(bytes);
    hash?.update(bytes);
    at += bytes.length;
    onprogress({ phase, done: at, total: nBytes });
  };
  if (kept.size > 0) {
    const put = await placing;
    for await (const bytes of kept.parts()) take(put, bytes, 'storage');
  }
  if (!fromStorage && keep && !keepOthers) await kept.forgetOthers();
  await fetchRest(source, at, nBytes, async (bytes) => {
    take(await placing, bytes, 'download');
    if (keep) kept.append(bytes);
  }, signal);
  if (hash) {
    onprogress({ phase: 'verify', done: nBytes, total: nBytes });
    if (hash.hex() !== source.sha256) {
      throw new DownloadError('the model file does not have the expected SHA-256', 'format');
    }
    if (keep && !kept.failure) await kept.setChecked();
  }
  return fromStorage;
}

/* Fills what `place(n_bytes)` gives: a promise of a function that takes the next bytes, in order. The
 * file's SHA-256 is taken as they come. Gives { fromStorage, notKept, forget }. */
export async function bring(source, { place, keep, keepOthers, onprogress, signal }) {
  const nBytes = await sizeOf(source, signal).catch((cause) => {
    throw new DownloadError(cause.message, cause.code ?? 'network');
  });
  const placing = place(nBytes);
  placing.catch(() => {}); /* who awaits it below hears of it */
  const kept = await Kept.open(source, nBytes, keep);
  try {
    const fromStorage = await fill({ source, nBytes, placing, kept, keep, keepOthers, onprogress, signal });
    if (kept.failure === 'full') await kept.forget();
    const notKept = keep && kept.failure !== 'busy' ? kept.failure : undefined;
    return { fromStorage, notKept, forget: () => kept.forget() };
  } catch (error) {
    if (error.code === 'format') await kept.forget();
    throw error;
  } finally {
    kept.close();
  }
}
