/* The model on its way to this device, and whoever waits for it. One engine per page. */
import { forgetKept, forgetOne, isKept } from '../lib/kept.js';
import { load } from '../whatsit.js';
import { getLocal, hold, isHeld, setLocal } from './local.js';
import { findModels } from './site.js';

/* A larger model is fetched only when the user says so. */
const ASK_ABOVE_BYTES = 32e6;
export const VERSION = 'dev'; /* make_site.py writes the site's hash here and into the worker */

export const engine = new EventTarget();
Object.assign(engine, { phase: 'finding', model: null, models: [], progress: null, error: null, whatsit: null, isMixed: false });

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
  engine.models = await findModels();
  const model = engine.models.find((one) => one.sha256 && one.sha256 === getLocal('model')) ?? engine.models[0] ?? null;
  foundOut(model);
  if (!model) throw refusal(navigator.onLine ? 'none' : 'network');
  engine.model = model;
  const isLarge = model.n_bytes > ASK_ABOVE_BYTES || navigator.connection?.saveData;
  if (isHeld() || (isLarge && !(await isKept(model)))) throw refusal('asking');
  if (engine.phase !== 'failed') change({ phase: 'loading' }); /* without a worker it has failed by now */
  return model;
}

function takeWorker() {
  const worker = globalThis.earlyWorker; /* used once */
  delete globalThis.earlyWorker;
  if (worker && !worker.hasFailed) return worker;
  try {
    return globalThis.startWorker?.();
  } catch {
    throw refusal('worker'); /* a browser without workers */
  }
}

/* Parts of two versions of the site met: the host is being updated. */
const onprepared = ({ version }) => version !== VERSION && change({ isMixed: true });

const persist = async () => navigator.storage?.persist?.();

async function bringIn(model) {
  const mine = new AbortController();
  stopper = mine;
  try {
    const opened = await load({ model, worker: takeWorker(), keepOthers: true, onprepared,
      onprogress: (progress) => stopper === mine && change({ progress }), signal: mine.signal });
    if (stopper !== mine) return opened.close();
    change({ phase: 'ready', whatsit: opened });
    arrived(opened);
    persist().catch(() => {});
  } catch (error) {
    if (stopper !== mine) return undefined;
    const phase = { cancelled: 'paused', asking: 'asking' }[error.code] ?? 'failed';
    change({ phase, error });
  }
  return undefined;
}

/* The worker and the core start while the host is asked for its model. */
export function start() {
  change({ phase: 'finding', error: null });
  return bringIn(choose());
}

export function fetchModel() {
  hold(false);
  change({ phase: 'loading', error: null, progress: null });
  return bringIn(engine.model);
}

export const pauseModel = () => stopper?.abort();

addEventListener('online', () => {
  if (engine.phase !== 'failed') return;
  if (!engine.model) start();
  else if (engine.error?.code === 'network') fetchModel();
});

function shut() {
  const old = stopper;
  stopper = null; /* whatever is under way is not waited for */
  old?.abort();
  engine.whatsit?.close();
  ready = new Promise((resolve) => (arrived = resolve));
}

/* Another model in place of this one; both stay on the device. */
export function useModel(model) {
  shut();
  setLocal('model', model.sha256 ?? null);
  change({ model, whatsit: null });
  return fetchModel();
}

export const isOnDevice = (model) => isKept(model);

/* Removes one model from storage, and from memory if it is the one in use; it comes again when asked for. */
export async function forgetModel(model = engine.model) {
  const isUsed = model === engine.model;
  if (isUsed) {
    shut();
    hold(true);
  }
  await forgetOne(model);
  if (isUsed) change({ phase: 'asking', whatsit: null, progress: null });
}

export async function forgetAll() {
  shut();
  hold(true);
  await forgetKept();
  change({ phase: 'asking', whatsit: null, progress: null });
}

/* This file is named before main.js in index.html: the model is on its way while the rest of the app still loads. */
start();
