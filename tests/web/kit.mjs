/* What the tests share: the site under test, its visitors, and photos that the suite makes itself. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import * as zlib from 'node:zlib';
import { open, PHONE } from './browser.mjs';
import { serveSite } from './server.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
export const root = path.resolve(here, '../..');
export const SITE = process.env.WHATSIT_SITE ?? path.join(here, 'site');
export const SAMPLES = path.join(root, 'samples');
export const sample = (name) => path.join(SAMPLES, name);
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
export const shots = path.join(here, 'screenshots');
mkdirSync(shots, { recursive: true });

/* A visitor: a browser with a fresh profile on a server of its own (a static host, unless `server` is given). Watches what must never happen:
 * requests to elsewhere, errors in the page, violations of the policy. */
export async function visit(t, { browser = PHONE, site: options, server, to = '', go = true, allow = () => false } = {}) {
  const site = server ?? await serveSite(options?.folder ?? SITE, options);
  const context = await open(browser);
  const page = context.pages()[0] ?? (await context.newPage());
  const faults = [];
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
  page.on('console', (message) => {
    const text = message.text();
    if (/Content.Security.Policy/i.test(text)) faults.push(text);
  });
  context.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(site.url) && !/^(blob|data):/.test(url)) faults.push(`asked elsewhere: ${url}`);
  });
  t.after(async () => {
    await context.close();
    await site.close();
    assert.deepEqual(faults.filter((fault) => !allow(fault)), []);
  });
  if (go) await page.goto(site.url + to);
  return { site, context, page, faults };
}

export const ready = (page, timeout = 60000) =>
  page.waitForFunction(() => document.documentElement.dataset.model === 'ready', null, { timeout });

export async function choose(page, label, files) {
  const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.getByText(label, { exact: true }).click()]);
  await chooser.setFiles(files);
}

/* What a browser takes for a camera: one photo, filmed. after(work) is called with what removes the film. The device wants even sides. */
export async function cameraOf(after, photo, [width, height] = [320, 240]) {
  const context = await open(PHONE);
  const page = await context.newPage();
  const bytes = await page.evaluate(async ([data, w, h]) => {
    const bitmap = await createImageBitmap(new Blob([new Uint8Array(data)]));
    const canvas = new OffscreenCanvas(w, h);
    const scale = Math.max(w / bitmap.width, h / bitmap.height);
    canvas.getContext('2d').drawImage(bitmap, (w - bitmap.width * scale) / 2, (h - bitmap.height * scale) / 2, bitmap.width * scale, bitmap.height * scale);
    return [...new Uint8Array(await (await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.9 })).arrayBuffer())];
  }, [[...(await readFile(photo))], width, height]);
  await context.close();
  const folder = await mkdtemp(path.join(tmpdir(), 'whatsit-camera-')), film = path.join(folder, 'film.mjpeg');
  after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(film, Buffer.concat(Array(30).fill(Buffer.from(bytes))));
  return { permissions: ['camera'], args: ['--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream', `--use-file-for-fake-video-capture=${film}`] };
}

/* Waits until all is here that offline use takes: the service worker, the core, the lists. */
export async function keptForOffline(page, timeout = 60000) {
  const end = Date.now() + timeout;
  const look = async () => {
    const registration = await navigator.serviceWorker.getRegistration();
    const name = (await caches.keys()).find((one) => one.startsWith('whatsit-app-'));
    const urls = name ? (await (await caches.open(name)).keys()).map((one) => one.url) : [];
    return registration?.active?.state === 'activated' && ['/heads/weather.txt', '-threads.wasm', '/', 'index.html']
      .every((end) => urls.some((url) => url.endsWith(end)));
  };
  while (!(await page.evaluate(look))) {
    assert.ok(Date.now() < end, 'not kept for offline use');
    await page.waitForTimeout(100);
  }
}

export const go = (page, route) => page.evaluate((hash) => (location.hash = hash), `#/${route}`);

/* Waits until the album keeps n entries, each with an answer. */
export const entries = (page, n) => page.waitForFunction(async (wanted) => {
  const db = await new Promise((resolve) => {
    const request = indexedDB.open('whatsit', 1);
    request.onsuccess = () => resolve(request.result);
  });
  const all = await new Promise((resolve) => {
    const request = db.transaction('history').objectStore('history').getAll();
    request.onsuccess = () => resolve(request.result);
  });
  db.close();
  return all.length === wanted && all.every((one) => one.answers[0].answers[0].label);
}, n);

/* Opens a photo, or several, and waits for the answer. */
export async function ask(page, file, label = 'Choose a photo') {
  const before = await page.locator('.hero .said').count() ? await page.locator('.hero').elementHandle() : null;
  await choose(page, label, file);
  if (before) await page.waitForFunction((old) => !old.isConnected, before);
  await page.locator('.hero .answers li').first().waitFor({ timeout: 60000 });
}

export const topLabel = (page) => page.locator('.card .answer-label').first().innerText();

export const shoot = (page, name) => page.screenshot({ path: path.join(shots, `${name}.png`) });

/* WCAG 2.2 AA as far as a program can tell. */
export async function accessible(page, where) {
  await page.evaluate(axe);
  const result = await page.evaluate(() => globalThis.axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  }));
  const found = result.violations.map((one) => `${where}: ${one.id}: ${one.nodes.map((node) => node.html.slice(0, 120)).join(' | ')}`);
  assert.deepEqual(found, []);
}

/* A PNG of one row repeated, in any size. */
export function wall(width, height) {
  const row = Buffer.alloc(1 + 3 * width);
  for (let x = 0; x < width; x++) row.set([(x >> 4) & 255, (x >> 6) & 255, 90], 1 + 3 * x);
  const chunk = (kind, data) => {
    const body = Buffer.concat([Buffer.from(kind), data]);
    const sum = Buffer.alloc(4), size = Buffer.alloc(4);
    sum.writeUInt32BE(checksum(body));
    size.writeUInt32BE(data.length);
    return Buffer.concat([size, body, sum]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const pixels = Buffer.alloc(row.length * height);
  for (let y = 0; y < height; y++) row.copy(pixels, y * row.length);
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), chunk('IHDR', header),
    chunk('IDAT', zlib.deflateSync(pixels, { level: 1 })), chunk('IEND', Buffer.alloc(0))]);
}

function checksum(bytes) {
  if (zlib.crc32) return zlib.crc32(bytes);
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1));
  }
  return ~crc >>> 0;
}
