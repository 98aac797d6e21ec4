/* Photos of the machine that delivers the app, as far as its operator shows them (`whatsit serve --library`): found by words and by
 * photos, and seen small. Such a server may want a key, which is kept for this visit, or longer where the user says so. */
import { getLocal, setLocal } from './local.js';
import { at } from './site.js';

const KEY = 'photos_key'; /* local.js clears it with everything else */
let key = null; /* in this page; null: not looked for yet */

function keyNow() {
  try {
    key ??= sessionStorage.getItem(KEY);
  } catch {
    /* no storage: it lasts as long as the page */
  }
  return (key ??= getLocal(KEY) ?? '');
}

export function giveKey(text, isKept) {
  key = text;
  setLocal(KEY, isKept && text ? text : null);
  try {
    sessionStorage.setItem(KEY, text);
  } catch {
    /* as above */
  }
}

export const hasKey = () => keyNow() !== '';

const failure = (code, message, status = 0) => Object.assign(new Error(message ?? code), { code, status });

const after = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/* A plan allows so many requests a second: a grid of small pictures waits for its turn. */
const TRIES = 6, LONGEST_WAIT_S = 8;
async function patiently(path, signal) {
  for (let n = 1; ; n++) {
    try {
      return await (await ask(path, { signal })).blob();
    } catch (error) {
      if (n === TRIES || signal?.aborted || !['too_fast', 'too_many_at_once'].includes(error.code)) throw error;
      await after(1000 * Math.min(LONGEST_WAIT_S, error.retryAfter || n));
    }
  }
}

async function ask(path, { signal, headers, ...rest } = {}) {
  const own = keyNow() ? { Authorization: `Bearer ${keyNow()}` } : {};
  const response = await fetch(at(path), { ...rest, signal, headers: { Accept: 'application/json, image/jpeg', ...own, ...headers } }).catch((error) => {
    throw signal?.aborted ? error : failure('network');
  });
  if (response.ok) return response;
  const said = (await response.json().catch(() => null))?.error;
  throw Object.assign(failure(said?.code ?? 'http', said?.message ?? `HTTP ${response.status}`, response.status),
    { retryAfter: Number(response.headers.get('Retry-After')) });
}

function library({ name, models: [{ model, photos }] }) {
  const photo = (id, kind, signal) => patiently(`v1/libraries/${encodeURIComponent(name)}/photos/${id}/${kind}`, signal);
  return {
    id: `server/${name}`, name, n: photos, isServer: true,
    /* words, like: a result of an earlier search, or { blob }; min null: as the server has it. { results, isSure } */
    async search({ words, like, top, min, signal }) {
      const query = new URLSearchParams({ library: name, model, top });
      if (words) query.set('q', words);
      if (like?.id) query.set('like_id', like.id);
      if (min !== null) query.set('min', min);
      const body = like?.blob && { method: 'POST', body: like.blob, headers: { 'Content-Type': 'application/octet-stream' } };
      const found = await (await ask(`v1/search?${query}`, { signal, ...body })).json();
      return { isSure: found.min !== null && found.min > 0, results: found.results.map(({ id, score, confidence, meta }) => ({
        id, score, confidence, path: meta.path, name: meta.path.replace(/.*\//, ''), taken: meta.taken })) };
    },
    thumb: ({ id }, signal) => photo(id, 'thumbnail', signal),
    picture: ({ id }, signal) => photo(id, 'preview', signal),
  };
}

/* { libraries, refusal }: what the host shows; and why it shows nothing: 'no_key', 'bad_key', 'limited_key', ... A host that is no
 * whatsit server has none. */
export async function findLibraries() {
  try {
    const found = await (await ask('v1/libraries')).json();
    return { libraries: (found.libraries ?? []).filter((one) => one.models?.length).map(library), refusal: null };
  } catch (error) {
    const isOurs = [401, 403, 429, 503].includes(error.status) && error.code !== 'http';
    return { libraries: [], refusal: isOurs ? error.code : null };
  }
}
