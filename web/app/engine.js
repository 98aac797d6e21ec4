/* The model on its way to this device, and whoever waits for it. One engine per page. */
import { load } from '../whatsit.js';
import { findModel } from './site.js';

/* A larger model is fetched only when the user says so. */
const ASK_ABOVE_BYTES = 24e6;

export const engine = new EventTarget();
Object.assign(engine, { phase: 'finding', model: null, progress: null, error: null, whatsit: null });

let arrived;
let ready = new Promise((resolve) => (arrived = resolve));
let stopper = null;

function change(values) {
  Object.assign(engine, values);
  engine.dispatchEvent(new Event('change'));
}

/* Resolves when it is known which model the host has, to null when there is none. */
let foundOut;
export const found = new Promise((resolve) => (foundOut = resolve));

/* Resolves when the model is open. */
export const whatsit = () => ready;

export async function start() {
  change({ phase: 'finding', error: null });
  const model = await findModel();
  foundOut(model);
  if (!model) {
    change({ phase: 'failed', error: { code: navigator.onLine ? 'none' : 'network' } });
    return;
  }
  change({ model });
  const sparing = navigator.connection?.saveData;
  const known = await isKept(model);
  if (!known && (sparing || model.n_bytes > ASK_ABOVE_BYTES)) change({ phase: 'asking' });
  else await fetchModel();
}

async function isKept(model) {
  if (!globalThis.caches || !model.sha256) return false;
  const cache = await caches.open('whatsit-models').catch(() => null);
  const url = `${location.origin}/.whatsit-model/${model.sha256}/${model.n_bytes}/0`;
  return Boolean(await cache?.match(url).catch(() => null));
}

export async function fetchModel() {
  stopper = new AbortController();
  change({ phase: 'loading', error: null, progress: null });
  try {
    const opened = await load({
      model: engine.model,
      onprogress: (progress) => change({ progress }),
      signal: stopper.signal,
    });
    change({ phase: 'ready', whatsit: opened });
    arrived(opened);
    navigator.storage?.persist?.().catch(() => {});
  } catch (error) {
    change({ phase: error.code === 'cancelled' ? 'paused' : 'failed', error });
  }
}

export const pauseModel = () => stopper?.abort();

addEventListener('online', () => {
  if (engine.phase !== 'failed') return;
  if (!engine.model) start();
  else if (engine.error?.code === 'network') fetchModel();
});

/* Removes the model from storage and memory; the next start brings it again. */
export async function forgetModel() {
  engine.whatsit?.close();
  ready = new Promise((resolve) => (arrived = resolve));
  await globalThis.caches?.delete('whatsit-models').catch(() => {});
  change({ phase: 'asking', whatsit: null, progress: null });
}
