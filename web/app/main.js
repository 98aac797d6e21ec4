/* The app: which screen is shown, how photos come in, and what the model is doing. */
import { button, fill, h, icon, toast } from './dom.js';
import { engine, fetchModel, pauseModel, start, whatsit } from './engine.js';
import { heads, loadHeads } from './heads.js';
import { photoScreen, take } from './screen_photo.js';
import { bytes, loadTexts, t } from './text.js';

/* route -> [screen, tab, title]; all but the first screen are loaded when they are gone to */
const ROUTES = {
  photo: [() => photoScreen, 'photo', 'photo'],
  camera: [async () => (await import('./screen_camera.js')).cameraScreen, 'camera', 'camera'],
  heads: [async () => (await import('./screen_heads.js')).headsScreen, 'heads', 'heads'],
  head: [async () => (await import('./screen_heads.js')).headScreen, 'heads', 'head'],
  new: [async () => (await import('./screen_new.js')).newScreen, 'heads', 'new_head'],
  search: [async () => (await import('./screen_search.js')).searchScreen, 'search', 'search'],
  more: [async () => (await import('./screen_more.js')).moreScreen, 'more', 'more'],
  history: [async () => (await import('./screen_more.js')).historyScreen, 'more', 'history'],
};
/* How long what is not needed for the first answer waits: after the model is open, and at the most. */
const IDLE_AFTER_MS = 1500, IDLE_AT_LATEST_MS = 6000;
/* A model from storage is open before anyone could read about it, and to write it would hold it up: the first number
 * that a browser puts into words takes it some 20 ms. */
const SHOW_OPENING_AFTER_MS = 400;
const TABS = ['photo', 'camera', 'heads', 'search', 'more'];

const main = document.getElementById('main');
let leave = () => {};
let gone = 0;

async function go() {
  const [, route, rest] = /^#\/(\w+)(?:\/(.*))?$/.exec(location.hash) ?? [];
  const [load, tab, title] = ROUTES[route] ?? ROUTES.photo;
  const mine = ++gone;
  let screen;
  try {
    screen = await load();
  } catch {
    toast(t('not_loaded'), { bad: true });
    return;
  }
  if (mine !== gone) return;
  leave();
  leave = screen(main, rest === undefined ? undefined : decodeURIComponent(rest)) ?? (() => {});
  for (const link of document.querySelectorAll('#tabs a')) {
    if (link.dataset.tab === tab) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  document.title = `${t(title)} · whatsit`;
  if (mine > 1) {
    scrollTo(0, 0);
    main.focus({ preventScroll: true });
  }
}

function drawTabs() {
  const tabs = document.getElementById('tabs');
  document.getElementById('model').setAttribute('aria-label', t('model'));
  document.getElementById('toast').setAttribute('aria-label', t('message'));
  tabs.setAttribute('aria-label', t('tabs'));
  fill(tabs, TABS.map((tab) => h('a', { href: `#/${tab}`, 'data-tab': tab }, icon(tab), h('span', {}, t(tab)))));
  const skip = document.getElementById('skip');
  skip.textContent = t('skip');
  skip.addEventListener('click', (event) => {
    event.preventDefault();
    main.focus();
  });
}

/* ---- the model on its way ---- */

function modelText() {
  const { phase, model, progress, error } = engine;
  const values = { name: model?.name ?? '', size: model?.n_bytes ? bytes(model.n_bytes) : '' };
  switch (phase) {
    case 'asking': return t('model_ask', values);
    case 'paused': return t('model_paused', { ...values, done: bytes(progress?.done ?? 0) });
    case 'loading':
      if (progress?.phase === 'verify' || progress?.phase === 'open') return t('model_opening', values);
      if (progress?.phase === 'storage') return t('model_from_storage', values);
      return t('model_loading', { ...values, done: bytes(progress?.done ?? 0) });
    case 'failed': return {
      none: t('model_none'), network: t('model_network'), format: t('model_damaged'), nomem: t('no_memory'),
    }[error?.code] ?? t('model_failed', { why: error?.message ?? '' });
    default: return '';
  }
}

/* Rebuilt when the phase changes; while it loads only the numbers change. */
let drawnPhase = '';
function drawModel() {
  const box = document.getElementById('model');
  const { phase, progress } = engine;
  document.documentElement.dataset.model = phase;
  const isQuick = phase === 'loading' && progress?.phase !== 'download' && performance.now() < SHOW_OPENING_AFTER_MS;
  if (isQuick && drawnPhase !== 'loading') return;
  if (phase !== drawnPhase) {
    drawnPhase = phase;
    box.hidden = phase === 'ready' || phase === 'finding';
    fill(box,
      h('p', { class: 'model-text' }, !box.hidden && modelText()),
      phase === 'loading' && h('progress', { 'aria-label': t('model_progress'), max: 1, value: 0 }),
      phase === 'loading' && button(t('pause'), pauseModel, { kind: 'small' }),
      phase === 'asking' && button(t('download'), fetchModel, { kind: 'main small' }),
      phase === 'paused' && button(t('resume'), fetchModel, { kind: 'main small' }),
      phase === 'failed' && button(t('try_again'), () => (engine.model ? fetchModel() : start()), { kind: 'main small' }));
    if (phase === 'ready' && engine.whatsit.info.notKept) {
      toast(t(engine.whatsit.info.notKept === 'full' ? 'model_no_room' : 'model_no_storage'));
    }
  }
  const bar = box.querySelector('progress');
  if (bar && progress?.total) {
    bar.value = progress.done / progress.total;
    box.querySelector('.model-text').textContent = modelText();
  }
}

/* ---- photos that come without a button ---- */

const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes('Files');

function listenForPhotos() {
  const cover = document.getElementById('dropping');
  cover.textContent = t('drop_here');
  addEventListener('dragover', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    cover.hidden = false;
  });
  addEventListener('dragleave', (event) => {
    if (!event.relatedTarget) cover.hidden = true;
  });
  addEventListener('drop', (event) => {
    cover.hidden = true;
    if (!hasFiles(event)) return;
    event.preventDefault();
    take(event.dataTransfer.files);
  });
  addEventListener('paste', (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) take(files);
  });
}

/* What another app shared was put aside by the service worker. */
async function takeShared() {
  if (!new URLSearchParams(location.search).has('shared')) return;
  history.replaceState(null, '', `${location.pathname}#/photo`);
  const cache = await globalThis.caches?.open('whatsit-shared').catch(() => null);
  const files = [];
  for (const request of (await cache?.keys()) ?? []) {
    const response = await cache.match(request);
    const name = decodeURIComponent(response.headers.get('X-Name') ?? '');
    files.push(new File([await response.blob()], name, { type: response.headers.get('Content-Type') }));
    await cache.delete(request);
  }
  if (files.length) take(files);
}

function registerWorker() {
  const worker = navigator.serviceWorker;
  if (!worker || !isSecureContext) return;
  worker.register(new URL('../sw.js', import.meta.url)).catch(() => {});
  /* Once the model is open: this device's variants of the core, and the lists, for offline use. */
  whatsit().then(async ({ info }) => {
    const registration = await worker.ready;
    const plain = info.module.replace('-threads', '');
    const modules = [plain, plain.replace('.wasm', '-threads.wasm')].map((name) => `core/${name}.gz`);
    const lists = heads.shipped.filter((head) => !head.served).map((head) => `heads/${head.name}.txt`);
    if (engine.model.served) lists.push('v1/models', 'v1/heads');
    registration.active?.postMessage({ later: ['core/whatsit-worker.mjs', ...modules, ...lists] });
  });
}

const after = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/* Not while the model comes: the service worker asks for every file once more. A slow network is not waited for. */
async function getReadyForMore() {
  await Promise.race([whatsit().then(() => after(IDLE_AFTER_MS)), after(IDLE_AT_LATEST_MS)]);
  registerWorker();
  for (const [load] of Object.values(ROUTES)) await Promise.resolve(load()).catch(() => {});
}

await Promise.all([loadTexts(), loadHeads()]);
drawTabs();
engine.addEventListener('change', drawModel); /* not before there are texts */
drawModel();
setTimeout(drawModel, SHOW_OPENING_AFTER_MS);
addEventListener('hashchange', go);
listenForPhotos();
go();
takeShared();
getReadyForMore();
