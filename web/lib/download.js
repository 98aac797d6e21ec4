/* A model file on its way into memory: from this browser's storage where it lies in pieces, else
 * over the network. Every complete piece is stored at once, so that an interrupted download goes
 * on where it stopped. No second copy is made: pieces are written to their place. */

import { Sha256 } from './sha256.js';

const PIECE_BYTES = 1 << 20;
const TRIES = 4;

class DownloadError extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

/* Pieces live in the Cache API under addresses that are never fetched. A file is known by its
 * hash, or by its address where no hash is given. */
class Pieces {
  static async open(source, nBytes) {
    const pieces = new Pieces();
    pieces.base = `${globalThis.location.origin}/.whatsit-model/${source.sha256 ?? encodeURIComponent(source.url)}/${nBytes}/`;
    pieces.cache = await globalThis.caches?.open('whatsit-models').catch(() => null);
    return pieces;
  }

  /* The piece as a response, or null. */
  async get(index) {
    return (await this.cache?.match(this.base + index).catch(() => null)) ?? null;
  }

  async put(index, bytes) {
    await this.cache.put(
      this.base + index,
      new Response(bytes, { headers: { 'Content-Length': String(bytes.length) } }),
    );
  }

  /* A file whose hash was right once is not hashed again. */
  async isChecked() {
    return Boolean(await this.get('checked'));
  }

  async setChecked() {
    await this.put('checked', new Uint8Array(0)).catch(() => {});
  }

  async forget() {
    for (const request of (await this.cache?.keys()) ?? []) {
      if (request.url.startsWith(this.base)) await this.cache.delete(request);
    }
  }

  /* Other models' pieces make room for this one's. */
  async forgetOthers() {
    for (const request of (await this.cache?.keys()) ?? []) {
      if (!request.url.startsWith(this.base)) await this.cache.delete(request);
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

/* One try: from byte `from` on. Gives how far it came, and what stopped it. */
async function fetchFrom(source, from, nBytes, write, signal) {
  let at = from;
  try {
    const headers = from > 0 ? { Range: `bytes=${from}-` } : {};
    const response = await fetch(source.url, { headers, signal, cache: 'no-store' });
    if (!response.ok) {
      return { at, error: new DownloadError(`${source.url}: HTTP ${response.status}`, 'network') };
    }
    let skip = response.status === 206 ? 0 : from; /* a server without ranges begins anew */
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const part = skip > 0 ? value.subarray(Math.min(skip, value.length)) : value;
      skip -= value.length - part.length;
      if (at + part.length > nBytes) {
        await reader.cancel();
        return { at: from, error: new DownloadError('the model file has another size', 'format') };
      }
      await write(part, at);
      at += part.length;
    }
    return { at, error: null };
  } catch (cause) {
    const code = signal?.aborted ? 'cancelled' : cause.code ?? 'network';
    return { at, error: new DownloadError(cause.message, code) };
  }
}

/* Fills what `place(n_bytes)` gives: a function that takes the next bytes, in order. The file's
 * SHA-256 is taken as they come. Gives { fromStorage, notKept, forget }. */
export async function bring(source, { place, keep, onprogress, signal }) {
  const nBytes = await sizeOf(source, signal).catch((cause) => {
    throw new DownloadError(cause.message, cause.code ?? 'network');
  });
  const put = place(nBytes);
  const pieces = await Pieces.open(source, nBytes);
  const nPieces = Math.ceil(nBytes / PIECE_BYTES);
  const checked = !source.sha256 || (await pieces.isChecked());
  const hash = checked ? null : new Sha256();
  let at = 0;
  for (let i = 0; i < nPieces; i++) {
    const piece = await pieces.get(i);
    if (!piece) break;
    const bytes = new Uint8Array(await piece.arrayBuffer());
    if (bytes.length !== Math.min(PIECE_BYTES, nBytes - at)) break;
    put(bytes);
    hash?.update(bytes);
    at += bytes.length;
    onprogress({ phase: 'storage', done: at, total: nBytes });
  }
  const fromStorage = at === nBytes;
  let notKept = keep && !pieces.cache ? 'storage' : undefined;
  if (!fromStorage && keep) await pieces.forgetOthers().catch(() => {});
  let buffer = new Uint8Array(Math.min(PIECE_BYTES, nBytes));
  let filled = 0;
  const write = async (part, where) => {
    put(part);
    hash?.update(part);
    for (let from = 0; from < part.length; ) {
      const n = Math.min(part.length - from, buffer.length - filled);
      buffer.set(part.subarray(from, from + n), filled);
      filled += n;
      from += n;
      const end = where + from;
      if (filled === buffer.length || end === nBytes) {
        if (keep && !notKept) {
          await pieces.put(Math.ceil(end / PIECE_BYTES) - 1, buffer.slice(0, filled)).catch((cause) => {
            notKept = cause.name === 'QuotaExceededError' ? 'full' : 'storage';
          });
        }
        filled = 0;
      }
    }
    onprogress({ phase: 'download', done: where + part.length, total: nBytes });
  };
  for (let tries = 0; at < nBytes; ) {
    const before = at;
    const { at: reached, error } = await fetchFrom(source, at, nBytes, write, signal);
    at = reached;
    if (at === nBytes) break;
    tries = at > before ? 0 : tries + 1;
    if (error && error.code !== 'network') throw error;
    if (signal?.aborted) throw new DownloadError('stopped', 'cancelled');
    if (tries >= TRIES) {
      throw error ?? new DownloadError('the connection was cut', 'network');
    }
    await pause(300 * 2 ** tries, signal);
  }
  if (hash) {
    onprogress({ phase: 'verify', done: nBytes, total: nBytes });
    if (hash.hex() !== source.sha256) {
      await pieces.forget().catch(() => {});
      throw new DownloadError('the model file does not have the expected SHA-256', 'format');
    }
  }
  if (notKept) await pieces.forget().catch(() => {});
  else if (hash && keep) await pieces.setChecked();
  return { fromStorage, notKept, forget: () => pieces.forget() };
}
