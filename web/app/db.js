/* What the app keeps on this device, in IndexedDB. Nothing of it leaves the device. A browser may have no database, refuse
 * it, or never answer: then every call fails soon, and what would have been kept lasts as long as the page. */

const STORES = {
  heads: { keyPath: 'name' }, /* own heads: { name, recipe, bytes, fingerprint, made } */
  taught: { keyPath: 'head' }, /* example photos: { head, examples: [{ label, embedding, thumb, fingerprint }] } */
  built: { keyPath: 'key' }, /* shipped heads, compiled: { key: "fingerprint/name", bytes, used } */
  history: { keyPath: 'id', autoIncrement: true }, /* { id, time, name, thumb, answers, embedding, fingerprint, saved, words } */
  settings: { keyPath: 'key' },
};
const MOST_HISTORY = 3000, ROOM = 100; /* entries that nobody saved; as many are removed at a time */
/* What is read is waited for less long than what is written: a busy device may take its time, and writing loses nothing by it. */
const READ_WITHIN_MS = 1500, READ_AGAIN_WITHIN_MS = 200, WRITE_WITHIN_MS = 8000;

let opening, isLate = false, isDead = false;
function start() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open('whatsit', 1);
    request.onupgradeneeded = () => {
      for (const [name, options] of Object.entries(STORES)) request.result.createObjectStore(name, options);
    };
    request.onsuccess = () => {
      [isLate, isDead] = [false, false];
      resolve(request.result);
    };
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error('blocked'));
  });
}

async function open(mode) {
  opening ??= start();
  opening.catch(() => {});
  const isReading = mode === 'readonly';
  const within = isDead ? 0 : isReading ? (isLate ? READ_AGAIN_WITHIN_MS : READ_WITHIN_MS) : WRITE_WITHIN_MS;
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => {
    isLate = true;
    if (!isReading) isDead = true;
    reject(new Error('the browser\'s database does not answer'));
  }, within)));
  late.catch(() => {});
  return Promise.race([opening, late]).finally(() => clearTimeout(timer));
}

/* Settles when the transaction is over: what it wrote is there for every tab. */
async function run(store, mode, work) {
  const db = await open(mode);
  return new Promise((resolve, reject) => {
    const transaction = db.transaction(store, mode);
    const given = {};
    const request = work(transaction.objectStore(store), (value) => (given.value = value));
    transaction.oncomplete = () => resolve('value' in given ? given.value : request?.result);
    transaction.onabort = transaction.onerror = () =>
      reject(transaction.error ?? request?.error ?? new Error('storage'));
  });
}

export const get = (store, key) => run(store, 'readonly', (s) => s.get(key));
export const has = async (store, key) => (await run(store, 'readonly', (s) => s.getKey(key)).catch(() => null)) != null;
export const all = (store) => run(store, 'readonly', (s) => s.getAll());
/* The newest n. */
export const latest = (store, n) => run(store, 'readonly', (s, give) => {
  const found = [];
  give(found);
  const request = s.openCursor(null, 'prev');
  request.onsuccess = () => {
    if (request.result) found.push(request.result.value);
    if (request.result && found.length < n) request.result.continue();
  };
});
export const put = (store, value) => run(store, 'readwrite', (s) => s.put(value));
/* Fails where there is one of that key already: another tab was faster. */
export const add = (store, value) => run(store, 'readwrite', (s) => s.add(value));
export const remove = (store, key) => run(store, 'readwrite', (s) => s.delete(key));
export const clear = (store) => run(store, 'readwrite', (s) => s.clear());

/* Reads and writes in one step, so that two tabs lose nothing: edit(old) gives the new value, or null to remove it. */
export const update = (store, key, edit) => run(store, 'readwrite', (s, give) => {
  const request = s.get(key);
  request.onsuccess = () => {
    const value = edit(request.result);
    if (value === null) s.delete(key);
    else s.put(value);
    give(value);
  };
});

export async function setting(key, fallback) {
  try {
    return (await get('settings', key))?.value ?? fallback;
  } catch {
    return fallback;
  }
}
export const setSetting = (key, value) => put('settings', { key, value }).catch(() => {});

/* Keeps an entry; the oldest that nobody saved make room. Gives its id. They are looked through only when there may be too many. */
let nSaved = 0;
export async function addHistory(entry) {
  const id = await put('history', entry);
  if (await run('history', 'readonly', (s) => s.count()) <= MOST_HISTORY + nSaved) return id;
  const entries = await all('history'), free = entries.filter((one) => !one.saved);
  nSaved = entries.length - free.length;
  if (free.length > MOST_HISTORY) for (const old of free.slice(0, free.length - MOST_HISTORY + ROOM)) await remove('history', old.id);
  return id;
}

export async function clearEverything() {
  for (const store of Object.keys(STORES)) await clear(store).catch(() => {});
  await new Promise((resolve) => { /* what folders.js keeps; another tab lets go of it when it is told */
    const request = globalThis.indexedDB?.deleteDatabase('whatsit-folders');
    if (!request) return resolve();
    setTimeout(resolve, READ_WITHIN_MS);
    return (request.onsuccess = request.onerror = resolve);
  }).catch(() => {});
}

/* ---- other tabs ---- */

const channel = globalThis.BroadcastChannel ? new BroadcastChannel('whatsit') : null;
export const tell = (what) => channel?.postMessage(what);
export const onTold = (listen) => channel?.addEventListener('message', ({ data }) => listen(data));
