/* The app: which screen is shown, how photos come in, and what the model is doing. */
import { button, fill, h, icon, toast } from './dom.js';
import { engine, fetchModel, isOnDevice, pauseModel, start, whatsit } from './engine.js';
import { heads, loadHeads } from './heads.js';
import { photoScreen, take } from './screen_photo.js';
import { bytes, loadTexts, percent, t } from './text.js';

/* route -> [screen, tab, title]; all but the first screen are loaded when they are gone to */
const ROUTES = {
  photo: [() => photoScreen, 'photo', 'what_is_it'],
  camera: [async () => (await import('./screen_camera.js')).cameraScreen, 'camera', 'camera'],
  heads: [async () => (await import('./screen_heads.js')).headsScreen, 'heads', 'look_for'],
  head: [async () => (await import('./screen_heads.js')).headScreen, 'heads', 'head'],
  new: [async () => (await import('./screen_new.js')).newScreen, 'heads', 'new_head'],
  teach: [async () => (await import('./screen_teach.js')).teachScreen, 'heads', 'teach_photos'],
  albums: [async () => (await import('./screen_albums.js')).albumsScreen, 'albums', 'albums'],
  search: [async () => (await import('./screen_search.js')).openSearch(), 'search', 'search'],
  more: [async () => (await import('./screen_more.js')).moreScreen, 'more', 'more'],
  about: [async () => (await import('./screen_more.js')).aboutScreen, 'more', 'about'],
};
const MOVED = { history: 'albums' }; /* addresses of before */
/* How long what is not needed for the first answer waits: after the model is open, and at the most. */
const IDLE_AFTER_MS = 1500, IDLE_AT_LATEST_MS = 6000;
/* A model from storage is open before anyone could read about it, and to write it would hold it up: the first number
 * that a browser puts into words takes it some 20 ms. */
const SHOW_OPENING_AFTER_MS = 400;
const TABS = ['photo', 'camera', 'heads', 'albums', 'search', 'more'];
const APART = ['new', 'search']; /* not for every visitor: comes when it is gone to */

const main = document.getElementById('main');
let leave = () => {};
let gone = 0;

/* The styles of the other screens. */
let styling;
function styles() {
  styling ??= new Promise((resolve) => {
    const link = h('link', { rel: 'stylesheet', href: 'later.css', onload: resolve, onerror: resolve });
    document.head.append(link);
  });
  return styling;
}

/* What stands behind a route may be anything that somebody typed. */
function decoded(text) {
  try {
    return text === undefined ? undefined : decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function go() {
  const [, route, rest] = /^#\/(\w+)(?:\/(.*))?$/.exec(location.hash) ?? [];
  const [load, tab, title] = ROUTES[MOVED[route] ?? route] ?? ROUTES.photo;
  const mine = ++gone;
  let screen;
  try {
    if (load !== ROUTES.photo[0]) await styles();
    screen = await load();
  } catch {
    toast(t('not_loaded'), { bad: true });
    return;
  }
  if (mine !== gone) return;
  for (const box of document.querySelectorAll('dialog[open]')) box.close(); /* "Back" leaves them behind */
  leave();
  leave = screen(main, decoded(rest)) ?? (() => {});
  document.body.dataset.screen = MOVED[route] ?? route ?? 'photo';
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
  fill(tabs, TABS.map((tab) => h('a', { href: `#/${tab}`, 'data-tab': tab }, icon(tab), h('span', {}, t(`tab_${tab}`)))));
  const skip = document.getElementById('skip');
  skip.textContent = t('skip');
  skip.addEventListener('click', (event) => {
    event.preventDefault();
    main.focus();
  });
}

/* ---- the model on its way ---- */

/* What went wrong, in a sentence; and whether it is of use to try again. */
const REASONS = {
  none: 'model_none', network: 'model_network', format: 'model_damaged', nomem: 'no_memory', 'no-wasm': 'no_wasm', 'no-simd': 'no_simd',
  policy: 'no_policy', worker: 'no_worker', deploy: 'being_updated',
};
const FINAL = ['no-wasm', 'no-simd', 'policy'];

function modelText() {
  const { phase, model, progress, error } = engine;
  const values = { name: model?.name ?? '', size: model?.n_bytes ? bytes(model.n_bytes) : '' };
  switch (phase) {
    case 'asking': return t('model_ask', values);
    case 'paused': return t('model_paused', { ...values, done: bytes(progress?.done ?? 0) });
    case 'loading':
      if (progress?.phase === 'verify' || progress?.phase === 'open') return t('model_opening', values);
      if (progress?.phase === 'storage') return t('model_from_storage', values);
      return t('model_loading', { ...values, done: bytes(progress?.done ?? 0), share: percent((progress?.done ?? 0) / (progress?.total || 1)) });
    case 'failed': return REASONS[error?.code] ? t(REASONS[error.code]) : t('model_failed', { why: error?.message ?? '' });
    default: return '';
  }
}

/* Rebuilt when the phase changes; while it loads only the numbers change. */
let drawnPhase = '';
function drawModel() {
  if (engine.isMixed) sayMixed();
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
      phase === 'failed' && !FINAL.includes(engine.error?.code) && button(t('try_again'), () => (engine.model ? fetchModel() : start()), { kind: 'main small' }));
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

/* Parts of two versions: the host is being updated. Nothing is answered with them. */
let saidMixed = false;
function sayMixed() {
  if (saidMixed) return;
  saidMixed = true;
  toast(t('being_updated'), { action: t('reload'), onaction: () => location.reload() });
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
    const isText = event.target.matches?.('input, textarea') && event.clipboardData.types.includes('text/plain'); /* a spreadsheet's cells come as a picture, too */
    if (files.length && !isText) take(files);
  });
}

/* The Android package gives what was shared at shared/0 and on. */
async function takeFromHost(host) {
  const answers = await Promise.all(Array.from({ length: host.shared() }, (_, i) => fetch(`shared/${i}`)));
  host.taken();
  const files = await Promise.all(answers.filter((one) => one.ok).map(async (one, i) => new File([await one.blob()], `${i + 1}`)));
  if (files.length) take(files);
}

/* What another app shared was put aside by the service worker. */
async function takeShared() {
  if (globalThis.whatsitHost) return void takeFromHost(globalThis.whatsitHost);
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
  let worker;
  try {
    worker = navigator.serviceWorker;
  } catch {
    /* refused, with all storage */
  }
  if (!worker || !isSecureContext || globalThis.whatsitHost) return; /* the Android package is offline anyway */
  worker.register(new URL('../sw.js', import.meta.url)).catch(() => {});
  /* Once the model is open: this device's variants of the core, and the lists, for offline use. */
  whatsit().then(async ({ info }) => {
    const registration = await worker.ready;
    const plain = info.module.replace('-threads', '');
    const modules = [plain, plain.replace('.wasm', '-threads.wasm')].map((name) => `core/${name}.gz`);
    const lists = ['try/hummingbird.jpg', 'try/lighthouse.jpg', 'try/siamese-cat.jpg', 'try/pizza.jpg',
      ...heads.shipped.filter((head) => !head.served).map((head) => `heads/${head.name}.txt`),
      ...heads.shipped.filter((head) => head.tile).map((head) => `tiles/${head.name}.webp`), 'photos.tsv'];
    if (engine.model.served) lists.push('v1/models', 'v1/heads');
    if (engine.model.describer && await isOnDevice(engine.model.describer)) modules.push('core/whatsit-words.wasm.gz');
    registration.active?.postMessage({ later: ['core/whatsit-worker.mjs', 'core/whatsit-marks.wasm.gz', ...modules, ...lists] });
  });
}

const after = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/* Not while the model comes: the service worker asks for every file once more. A slow network is not waited for. */
async function getReadyForMore() {
  await Promise.race([whatsit().then(() => after(IDLE_AFTER_MS)), after(IDLE_AT_LATEST_MS)]);
  registerWorker();
  styles();
  for (const [name, [load]] of Object.entries(ROUTES)) if (!APART.includes(name)) await Promise.resolve(load()).catch(() => {});
}

await Promise.all([loadTexts(), loadHeads()]).catch((error) => {
  globalThis.tellMissing();
  throw error;
});
drawTabs();
engine.addEventListener('change', drawModel); /* not before there are texts */
drawModel();
setTimeout(drawModel, SHOW_OPENING_AFTER_MS);
addEventListener('hashchange', go);
listenForPhotos();
go();
takeShared();
addEventListener('whatsitshared', takeShared);
getReadyForMore();
