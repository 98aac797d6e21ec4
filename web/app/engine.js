/* The model on its way to this device, and whoever waits for it. One engine per page. */
import { forgetKept, isKept } from '../lib/kept.js';
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

const refusal = (code) => Object.assign(new Error(code), { code });

/* The model to fetch now; fails when there is none, or when the user has to be asked first. */
async function choose() {
  const model = await findModel();
  foundOut(model);
  if (!model) throw refusal(navigator.onLine ? 'none' : 'network');
  engine.model = model;
  const isLarge = model.n_bytes > ASK_ABOVE_BYTES || navigator.connection?.saveData;
  if (isLarge && !(await isKept(model))) throw refusal('asking');
  change({ phase: 'loading' });
  return model;
}

async function bringIn(model) {
  stopper = new AbortController();
  const worker = globalThis.earlyWorker; /* used once */
  delete globalThis.earlyWorker;
  try {
    const opened = await load({ model, worker, onprogress: (progress) => change({ progress }), signal: stopper.signal });
    change({ phase: 'ready', whatsit: opened });
    arrived(opened);
    navigator.storage?.persist?.().catch(() => {});
  } catch (error) {
    const phase = { cancelled: 'paused', asking: 'asking' }[error.code] ?? 'failed';
    change({ phase, error });
  }
}

/* The worker and the core start while the host is asked for its model. */
export function start() {
  change({ phase: 'finding', error: null });
  return bringIn(choose());
}

export function fetchModel() {
  change({ phase: 'loading', error: null, progress: null });
  return bringIn(engine.model);
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
  await forgetKept();
  change({ phase: 'asking', whatsit: null, progress: null });
}

/* This file is named before main.js in index.html: the model is on its way while the rest of the app still loads. */
start();
