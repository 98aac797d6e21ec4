/* What the app keeps on this device, in IndexedDB. Nothing of it leaves the device. */

const STORES = {
  heads: { keyPath: 'name' }, /* own heads: { name, recipe, bytes, fingerprint, made } */
  taught: { keyPath: 'head' }, /* example photos: { head, examples: [{ label, embedding, thumb, fingerprint }] } */
  built: { keyPath: 'key' }, /* shipped heads, compiled: { key: "fingerprint/name", bytes, used } */
  history: { keyPath: 'id', autoIncrement: true }, /* { id, time, thumb, answers } */
  settings: { keyPath: 'key' },
};
const MOST_HISTORY = 200;

let opening;
function open() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open('whatsit', 1);
    request.onupgradeneeded = () => {
      for (const [name, options] of Object.entries(STORES)) request.result.createObjectStore(name, options);
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error('blocked'));
  });
  return opening;
}

async function run(store, mode, work) {
  const db = await open();
  return new Promise((resolve, reject) => {
    const transaction = db.transaction(store, mode);
    const request = work(transaction.objectStore(store));
    transaction.oncomplete = () => resolve(request?.result);
    transaction.onabort = transaction.onerror = () =>
      reject(transaction.error ?? request?.error ?? new Error('storage'));
  });
}

export const get = (store, key) => run(store, 'readonly', (s) => s.get(key));
export const has = async (store, key) => (await run(store, 'readonly', (s) => s.getKey(key)).catch(() => null)) != null;
export const all = (store) => run(store, 'readonly', (s) => s.getAll());
export const put = (store, value) => run(store, 'readwrite', (s) => s.put(value));
export const remove = (store, key) => run(store, 'readwrite', (s) => s.delete(key));
export const clear = (store) => run(store, 'readwrite', (s) => s.clear());

export async function setting(key, fallback) {
  try {
    return (await get('settings', key))?.value ?? fallback;
  } catch {
    return fallback;
  }
}
export const setSetting = (key, value) => put('settings', { key, value }).catch(() => {});

export async function addHistory(entry) {
  await put('history', entry);
  const keys = await run('history', 'readonly', (s) => s.getAllKeys());
  for (const key of keys.slice(0, Math.max(0, keys.length - MOST_HISTORY))) await remove('history', key);
}
