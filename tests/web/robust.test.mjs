/* Browsers that lack something, hosts that deliver oddly: a photo is answered, or one sentence says what is missing. Each
 * condition is made by taking an API away, in the page and in the worker, or by a host of its own. */
import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { gzipSync } from 'node:zlib';
import { chromium } from 'playwright-core';
import { ARGS, PHONE } from './browser.mjs';
import { entries, sample, SITE } from './kit.mjs';
import { serveSite } from './server.mjs';

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: ARGS });
test.after(() => browser.close());

/* What is in storage and what is not kept matters to the describer, too: so do canvases, threads, workers, folders. */
const DESCRIBES = ['no OffscreenCanvas', 'no createImageBitmap at all', 'no isolation', 'IndexedDB throws', 'private files are refused', 'no module workers',
  'no DecompressionStream', 'a page in place of what is missing', 'a folder with blanks, brackets, an umlaut, a plus'];

/* A copy of the site with code before the worker's, the page's and the service worker's own. */
async function variant(t, { worker = '', page = '', sw = '', edit } = {}) {
  const folder = await mkdtemp(path.join(tmpdir(), 'whatsit-variant-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await cp(SITE, folder, { recursive: true, filter: (from) => from !== path.join(SITE, 'models') });
  await symlink(path.join(SITE, 'models'), path.join(folder, 'models'));
  for (const [file, code] of [['lib/worker.js', worker], ['app/early.js', page], ['sw.js', sw]]) {
    if (code) await writeFile(path.join(folder, file), `${code}\n${await readFile(path.join(folder, file), 'utf8')}`);
  }
  await edit?.(folder);
  return folder;
}

async function visitor(t, condition) {
  const folder = condition.site ? await variant(t, condition.site) : SITE;
  const site = await serveSite(folder, condition.serve);
  const context = await browser.newContext({ ...PHONE, deviceScaleFactor: 1 });
  context.setDefaultTimeout(30000);
  const page = await context.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.message));
  t.after(async () => {
    await context.close();
    await site.close();
  });
  if (condition.route) await condition.route(context, folder);
  await page.goto(site.url + (condition.to ?? ''));
  return { site, page, context, errors, folder };
}

const both = (code) => ({ worker: code, page: code });
const settled = (page) => page.waitForFunction(() => ['ready', 'failed', 'asking'].includes(document.documentElement.dataset.model), null, { timeout: 60000 });

async function askFor(page, name = 'pizza') {
  const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.getByText('Choose a photo', { exact: true }).first().click()]);
  await chooser.setFiles(sample(`${name}.jpg`));
  await page.locator('.hero .said').waitFor();
  return page.locator('.hero .said').innerText();
}

let usual, sentence; /* what is said where nothing is missing */
const WORKS = {
  'nothing missing': {},
  'no OffscreenCanvas': { site: both('delete globalThis.OffscreenCanvas;') },
  'an OffscreenCanvas without a 2d context': { site: { worker: 'OffscreenCanvas.prototype.getContext = () => null;' } },
  'createImageBitmap refuses "from-image" (Chrome before 111, Safari before 17.2)': { site: both(`{ const real = createImageBitmap; globalThis.createImageBitmap = function (s, ...r) { const o = r.at(-1); if (o?.imageOrientation && !['none', 'flipY'].includes(o.imageOrientation)) return Promise.reject(new TypeError('not a valid enum value')); return real(s, ...r); }; }`) },
  'createImageBitmap takes no options': { site: both(`{ const real = createImageBitmap; globalThis.createImageBitmap = function (s, ...r) { if (r.length) return Promise.reject(new TypeError('too many arguments')); return real(s); }; }`) },
  'no createImageBitmap in the page': { site: { page: 'delete globalThis.createImageBitmap;' } },
  'no createImageBitmap at all': { site: both('delete globalThis.createImageBitmap;') },
  'no isolation': { serve: { isolate: false } },
  'no shared memory to be had': { site: { worker: `{ const R = WebAssembly.Memory; WebAssembly.Memory = function (d) { if (d.shared && d.maximum > 2) throw new RangeError('Out of memory'); return new R(d); }; WebAssembly.Memory.prototype = R.prototype; }` } },
  'no IndexedDB': { site: both('Object.defineProperty(globalThis, "indexedDB", { value: undefined });') },
  'IndexedDB throws': { site: { page: "IDBFactory.prototype.open = () => { throw new DOMException('no', 'InvalidStateError'); };" } },
  'IndexedDB never answers': { site: { page: 'IDBFactory.prototype.open = () => ({});' } },
  'IndexedDB fails': { site: { page: "IDBFactory.prototype.open = () => { const r = { error: new DOMException('x', 'InvalidStateError') }; setTimeout(() => r.onerror?.()); return r; };" } },
  'private files are refused': { site: both("StorageManager.prototype.getDirectory = () => Promise.reject(new DOMException('no', 'SecurityError'));"), says: /keeps nothing here/ },
  'private files cannot be held': { site: { worker: "FileSystemFileHandle.prototype.createSyncAccessHandle = () => Promise.reject(new DOMException('no', 'UnknownError'));" }, says: /keeps nothing here/ },
  'the disk is full midway': { site: { worker: "{ let n = 0; const w = FileSystemSyncAccessHandle.prototype.write; FileSystemSyncAccessHandle.prototype.write = function (b, o) { n += b.byteLength; if (n > 5e6) throw new DOMException('Quota', 'QuotaExceededError'); return w.call(this, b, o); }; }" }, says: /no room for the model/ },
  'localStorage is shut': { site: { page: "for (const name of ['localStorage', 'sessionStorage']) Object.defineProperty(globalThis, name, { get() { throw new DOMException('Access is denied for this document.', 'SecurityError'); } });" }, through: ['more', 'about', 'heads'] },
  'no service worker': { site: { page: 'delete Navigator.prototype.serviceWorker;' } },
  'no clipboard, no sharing (a page over plain http)': { site: { page: 'delete Navigator.prototype.clipboard; delete Navigator.prototype.share; delete Navigator.prototype.canShare;' }, then: async (page) => {
    await page.getByRole('button', { name: 'Copy', exact: true }).click();
    await page.locator('#toast').getByText('What is it?').waitFor();
  } },
  'storage is refused by name': { site: both("for (const name of ['caches', 'indexedDB', 'localStorage', 'sessionStorage']) Object.defineProperty(globalThis, name, { get() { throw new DOMException('refused', 'SecurityError'); } }); for (const name of ['storage', 'serviceWorker']) Object.defineProperty(Object.getPrototypeOf(navigator), name, { get() { throw new DOMException('refused', 'SecurityError'); } });"), through: ['more', 'heads', 'albums'] },
  'no caches': { site: both('delete globalThis.caches;') },
  'no module workers': { site: { page: "{ const W = Worker; globalThis.Worker = function (u, o) { if (o?.type === 'module') throw new TypeError('module workers are not supported'); return new W(u, o); }; }" } },
  'no DecompressionStream': { site: both('delete globalThis.DecompressionStream;') },
  'no BroadcastChannel, ResizeObserver, randomUUID, structuredClone': { site: { page: 'delete globalThis.BroadcastChannel; delete globalThis.ResizeObserver; delete globalThis.structuredClone; delete Crypto.prototype.randomUUID;' } },
  'a packed module that the host packs once more': { route: (context, folder) => context.route(/\.wasm\.gz$/, async (route) => route.fulfill({
    body: gzipSync(await readFile(path.join(folder, 'core', path.basename(new URL(route.request().url()).pathname)))),
    headers: { 'content-type': 'application/octet-stream', 'content-encoding': 'gzip', 'cross-origin-embedder-policy': 'require-corp' } })) },
  'a packed module that the host packs once more and does not say so': { site: { edit: async (folder) => {
    for (const name of await readdir(path.join(folder, 'core'))) {
      if (name.endsWith('.gz')) await writeFile(path.join(folder, 'core', name), gzipSync(await readFile(path.join(folder, 'core', name))));
    }
  } } },
  'a packed module that the host says is packed': { route: (context, folder) => context.route(/\.wasm\.gz$/, async (route) => route.fulfill({
    body: await readFile(path.join(folder, 'core', path.basename(new URL(route.request().url()).pathname))),
    headers: { 'content-type': 'application/gzip', 'content-encoding': 'gzip', 'cross-origin-embedder-policy': 'require-corp' } })) },
  'modules of a wrong type, and no packed ones': { route: async (context) => {
    await context.route(/\.wasm\.gz$/, (route) => route.fulfill({ status: 404 }));
    await context.route(/\.wasm$/, async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, headers: { ...response.headers(), 'content-type': 'application/octet-stream' } });
    });
  } },
  'a page in place of what is missing': { serve: { missing: 'index.html' }, site: { edit: async (folder) => {
    for (const name of await readdir(path.join(folder, 'core'))) if (name.endsWith('.gz')) await rm(path.join(folder, 'core', name));
  } } },
  'a host without ranges': { serve: { ranges: false } },
  'a folder with blanks, brackets, an umlaut, a plus': { serve: { base: '/my sites/what+sit (2)/ä/' } },
  'a folder with a colon and a star': { serve: { base: '/~me/:id/*x/' } },
  'an address that nobody can read': { to: '#/head/%', through: ['photo'] },
};

for (const [name, condition] of Object.entries(WORKS)) {
  test(`works: ${name}`, async (t) => {
    const { page, errors } = await visitor(t, condition);
    await settled(page);
    assert.equal(await page.evaluate(() => document.documentElement.dataset.model), 'ready', await page.locator('#model').innerText());
    if (condition.says) await page.getByText(condition.says).waitFor();
    for (const route of condition.through ?? []) {
      await page.evaluate((hash) => (location.hash = hash), `#/${route}`);
      if (route !== 'photo') await page.locator('#main h1').first().waitFor();
    }
    await page.evaluate(() => (location.hash = '#/photo'));
    const said = await askFor(page);
    usual ??= said;
    assert.equal(said, usual);
    await condition.then?.(page);
    if (DESCRIBES.includes(name)) {
      await page.locator('.chip').filter({ hasText: 'Describe it' }).click();
      await page.locator('.words').getByRole('button', { name: /Download/ }).click();
      const told = await page.locator('.words .sentence').innerText();
      sentence ??= told;
      assert.equal(told, sentence);
    }
    assert.deepEqual(errors, []);
  });
}

const CSP = "default-src 'self'; script-src 'self'; img-src 'self' blob: data:";
const SAYS = {
  'no WebAssembly': [{ site: both('delete globalThis.WebAssembly;') }, /WebAssembly is switched off or missing/],
  'no SIMD': [{ site: both('WebAssembly.validate = () => false;') }, /too old: it has no WebAssembly SIMD/],
  'a policy without wasm-unsafe-eval': [{ serve: { csp: CSP } }, /host forbids WebAssembly/],
  'the worker cannot be loaded': [{ route: (context) => context.route(/lib\/worker\.js/, (route) => route.abort()) }, /could not be started/],
  'no workers at all': [{ site: { page: 'delete globalThis.Worker;' } }, /could not be started/],
  'no module of the core': [{ route: (context) => context.route(/\.wasm/, (route) => route.fulfill({ status: 404 })) }, /being updated/],
  'no model, and a page in place of what is missing': [{ serve: { missing: 'index.html' }, site: { edit: (folder) => rm(path.join(folder, 'models.json')) } }, /This site has no model/],
};
for (const [name, [condition, sentence]] of Object.entries(SAYS)) {
  test(`says so: ${name}`, async (t) => {
    const { page } = await visitor(t, condition);
    await page.locator('.model-text').filter({ hasText: sentence }).waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.dataset.model), 'failed');
  });
}

test('says so: the app itself does not arrive, or the page is opened as a file', async (t) => {
  const { page } = await visitor(t, { route: (context) => context.route(/app\/main\.js/, (route) => route.fulfill({ status: 404 })) });
  await page.getByText('A part of the app did not arrive. Reload the page.').waitFor();
  const { page: other } = await visitor(t, { route: (context) => context.route(/messages\/en\.json/, (route) => route.fulfill({ status: 404 })) });
  await other.getByText('A part of the app did not arrive. Reload the page.').waitFor();
  await page.goto(`file://${path.join(SITE, 'index.html')}`);
  await page.getByText('Browsers do not run this page from a file.').waitFor();
});

test('says so: the lists did not arrive', async (t) => {
  const { page, errors } = await visitor(t, { route: (context) => context.route(/heads\/index\.json/, (route) => route.fulfill({ status: 404 })) });
  await settled(page);
  const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.getByText('Choose a photo', { exact: true }).first().click()]);
  await chooser.setFiles(sample('pizza.jpg'));
  await page.locator('.hero').getByText('This site is being updated').waitFor();
  assert.deepEqual(errors, []);
});

test('without storage your own list works until the page is left, and says so', async (t) => {
  const { page } = await visitor(t, { site: both('Object.defineProperty(globalThis, "indexedDB", { value: undefined });') });
  await settled(page);
  await page.evaluate(() => (location.hash = '#/new'));
  await page.getByLabel('Labels').fill('pizza, boat');
  await page.getByLabel('Name').fill('mine');
  await page.getByRole('button', { name: 'Make it' }).click();
  await page.getByText('This browser keeps nothing: export it').waitFor();
});

test('a cancelled list ends at once, and is not there', async (t) => {
  for (const isolate of [true, false]) {
    const { page } = await visitor(t, { serve: { isolate } });
    await settled(page);
    await page.evaluate(() => (location.hash = '#/new'));
    await page.locator('#new-labels').evaluate((field) => {
      field.value = Array.from({ length: 6000 }, (_, i) => `thing number ${i}`).join('\n');
      field.dispatchEvent(new Event('input', { bubbles: true }));
    });
    await page.locator('#new-name').fill('cancelled');
    await page.getByRole('button', { name: 'Make it' }).click();
    await page.locator('progress').first().waitFor();
    /* the page's own clock: nothing of the test driver's is in it */
    const took = await page.evaluate(() => new Promise((resolve) => {
      const button = [...document.querySelectorAll('button')].find((one) => one.textContent === 'Cancel');
      const begun = performance.now();
      new MutationObserver(() => document.body.innerText.includes('Stopped.') && resolve(performance.now() - begun)).observe(document.body, { childList: true, subtree: true, characterData: true });
      button.click();
    }));
    console.log(`cancelled after ${took.toFixed(1)} ms (${isolate ? 'isolated' : 'not isolated'})`);
    assert.equal(await page.evaluate(() => location.hash), '#/new', 'nobody is moved');
    await page.evaluate(() => (location.hash = '#/heads'));
    await page.getByRole('heading', { name: 'What should I look for?' }).waitFor();
    assert.equal(await page.getByText('cancelled').count(), 0);
    await page.evaluate(() => (location.hash = '#/photo'));
    await askFor(page); /* the worker is free again */
    await page.evaluate(() => (location.hash = '#/heads'));
    assert.equal(await page.getByLabel('Use cancelled').count(), 0);
  }
});

test('two tabs lose nothing: a name is taken once, and each sees what the other made and taught', async (t) => {
  const { page, context, site } = await visitor(t, {});
  await settled(page);
  const other = await context.newPage();
  await other.goto(site.url);
  await settled(other);
  const make = async (tab, labels) => {
    await tab.evaluate(() => (location.hash = '#/new'));
    await tab.getByLabel('Labels').fill(labels);
    await tab.getByLabel('Name').fill('same name');
    await tab.getByRole('button', { name: 'Make it' }).click();
  };
  await make(page, 'pizza\nflower');
  await page.getByText('same name is ready').waitFor();
  await make(other, 'x\ny');
  await other.getByText('There is a list of that name.').first().waitFor();
  await other.evaluate(() => (location.hash = '#/head/same%20name'));
  await other.getByText('flower').waitFor();
  /* what one removes, the other asks no more */
  const errors = [];
  other.on('pageerror', (error) => errors.push(error.message));
  await other.getByRole('button', { name: 'Ask this' }).click();
  await askFor(other);
  await other.waitForFunction(() => document.querySelectorAll('.card .said').length === 2);
  await page.evaluate(() => (location.hash = '#/head/same%20name'));
  await page.getByRole('button', { name: 'Remove', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove', exact: true }).click();
  await other.waitForFunction(() => document.querySelectorAll('.card .said').length === 1);
  assert.deepEqual(errors, []);
});

test('two tabs: each switches a question on, and both stay on', async (t) => {
  const { page, context, site } = await visitor(t, {});
  await settled(page);
  const other = await context.newPage();
  await other.goto(site.url);
  await settled(other);
  for (const [tab, name] of [[page, 'Use Weather'], [other, 'Use Animals']]) {
    await tab.evaluate(() => (location.hash = '#/heads'));
    await tab.getByLabel(name).first().check();
  }
  await page.reload();
  await settled(page);
  await page.evaluate(() => (location.hash = '#/heads'));
  for (const name of ['Use Weather', 'Use Animals']) assert.ok(await page.getByLabel(name).first().isChecked(), name);
});

test('two tabs at the same instant: the second is refused, not the first overwritten', async (t) => {
  const { page, context, site } = await visitor(t, { site: { page: 'delete globalThis.BroadcastChannel;' } });
  await settled(page);
  const other = await context.newPage();
  await other.goto(site.url);
  await settled(other);
  for (const [tab, labels] of [[page, 'pizza\nflower'], [other, 'x\ny']]) {
    await tab.evaluate(() => (location.hash = '#/new'));
    await tab.getByLabel('Labels').fill(labels);
    await tab.getByLabel('Name').fill('same name');
    await tab.getByRole('button', { name: 'Make it' }).click();
    await tab.getByText(tab === page ? 'same name is ready' : 'There is a list of that name.').first().waitFor();
  }
  await page.reload();
  await settled(page);
  await page.evaluate(() => (location.hash = '#/head/same%20name'));
  await page.getByText('flower').waitFor();
});

test('"Clear everything" clears, and downloads nothing until it is asked to', async (t) => {
  const { page, site } = await visitor(t, {});
  await settled(page);
  await askFor(page);
  await entries(page, 1);
  const models = () => site.asked.filter((one) => one.path.endsWith('.gguf')).length;
  const before = models();
  await page.evaluate(() => (location.hash = '#/more'));
  await page.getByRole('button', { name: 'Clear everything' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Clear', exact: true }).click();
  await page.getByText(/is needed once/).waitFor();
  await page.waitForTimeout(2500);
  assert.equal(models(), before);
  const left = await page.evaluate(async () => {
    const names = [];
    for await (const name of (await navigator.storage.getDirectory()).keys()) names.push(name);
    return [names, (await caches.keys()).filter((name) => name !== 'whatsit-shared'), localStorage.length];
  });
  assert.deepEqual(left, [[], [], 0]);
  await page.getByRole('button', { name: 'Download', exact: true }).click();
  await settled(page);
  await askFor(page);
});

test('nothing moves when the model arrives: buttons stay under the finger', async (t) => {
  const { page, site } = await visitor(t, { to: 'manifest.webmanifest' });
  site.trouble.slowModelMs = 12;
  await page.addInitScript(() => {
    globalThis.shifts = [];
    new PerformanceObserver((list) => globalThis.shifts.push(...list.getEntries().filter((one) => !one.hadRecentInput).map((one) => one.value)))
      .observe({ type: 'layout-shift', buffered: true });
  });
  await page.goto(site.url);
  await page.getByText(/Downloading/).waitFor();
  const button = () => page.getByText('Choose a photo', { exact: true }).boundingBox();
  const early = await button();
  site.trouble.slowModelMs = 0;
  await settled(page);
  await page.waitForTimeout(1200);
  assert.deepEqual(await button(), early);
  const sum = (await page.evaluate(() => globalThis.shifts)).reduce((total, value) => total + value, 0);
  console.log(`layout shift ${sum}`);
  assert.ok(sum < 0.02, String(sum));
});

test('the chosen photo is shown while the model loads', async (t) => {
  const { page, site } = await visitor(t, { to: 'manifest.webmanifest' });
  site.trouble.slowModelMs = 1e6;
  await page.goto(site.url);
  const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.getByText('Choose a photo', { exact: true }).first().click()]);
  await chooser.setFiles(sample('pizza.jpg'));
  await page.waitForFunction(() => document.querySelector('.stage img')?.naturalWidth === 299 || document.querySelector('.stage img')?.naturalWidth > 0);
  await page.getByText('The photo waits for the model.').waitFor();
});

/* Two versions of the site, told apart by a heading. */
async function nextVersion(t) {
  const { createHash } = await import('node:crypto');
  const folder = await variant(t, {});
  const file = path.join(folder, 'messages/en.json');
  await writeFile(file, (await readFile(file, 'utf8')).replace('"what_is_it": "What is it?"', '"what_is_it": "Version two"'));
  const hash = createHash('sha256').update(await readFile(file)).digest('hex').slice(0, 16);
  const sw = path.join(folder, 'sw.js');
  await writeFile(sw, (await readFile(sw, 'utf8')).replace(/("messages\/en\.json":")[0-9a-f]{16}/, `$1${hash}`).replace(/const VERSION = '[0-9a-f]{16}'/, "const VERSION = '2222222222222222'"));
  return folder;
}

test('a deploy that is half done keeps the old version whole; when it is done, the new one comes', async (t) => {
  const two = await nextVersion(t);
  const mixed = await variant(t, { edit: (folder) => cp(path.join(two, 'sw.js'), path.join(folder, 'sw.js')) });
  const { page, site } = await visitor(t, {});
  await settled(page);
  const installed = (name) => page.waitForFunction(async (wanted) => (await caches.keys()).some((one) => one.startsWith('whatsit-app-') && (wanted ? one.endsWith(wanted) : true))
    && Boolean(navigator.serviceWorker.controller), name, { timeout: 60000, polling: 300 });
  await installed('');
  const heading = () => page.locator('h1').first().innerText();
  site.folder = mixed;
  await page.reload();
  await settled(page);
  await page.waitForTimeout(6000);
  await page.reload();
  await settled(page);
  assert.equal(await heading(), 'What is it?');
  site.folder = two;
  for (let tries = 0; tries < 6 && (await heading()) !== 'Version two'; tries++) {
    await page.reload();
    await settled(page);
    await page.waitForTimeout(4000);
  }
  assert.equal(await heading(), 'Version two');
});

test('a page and a worker of two versions say that the site is being updated', async (t) => {
  const { page } = await visitor(t, { site: { edit: async (folder) => {
    const file = path.join(folder, 'lib/worker.js');
    await writeFile(file, (await readFile(file, 'utf8')).replace(/const VERSION = '[0-9a-f]{16}'/, "const VERSION = '0000000000000000'"));
  } } });
  await page.getByText('This site is being updated. Reload in a moment.').waitFor();
});

test('a service worker that cannot keep anything: the app works, at the next visit, too', async (t) => {
  const { page } = await visitor(t, { site: { sw: "Cache.prototype.put = () => Promise.reject(new DOMException('Quota exceeded.', 'QuotaExceededError'));" } });
  await settled(page);
  await page.waitForTimeout(3000);
  await page.reload();
  await settled(page);
  assert.equal(await askFor(page), usual);
});
