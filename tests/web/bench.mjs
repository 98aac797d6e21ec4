/* How long a user waits, on loopback: WHATSIT_SITE=FOLDER node bench.mjs [RUNS]
 *
 * From the beginning of the navigation to the answer on the screen, by the browser's own clock. The photo is handed over
 * the moment the page can take one. First visits have a fresh profile; later visits a new page of the same browser. The camera is
 * the app's own screen, on a host without isolation, so that one thread works: answers a second once it runs. */
import { readFileSync } from 'node:fs';
import { open, PHONE } from './browser.mjs';
import { cameraOf, sample } from './kit.mjs';
import { serveSite } from './server.mjs';

const runs = Number(process.argv[2] ?? 3), LATER = 4, SETTLE_MS = 1500, FILMED_MS = 6000;
const sorted = (list) => [...list].sort((a, b) => a - b);
const median = (list) => sorted(list)[list.length >> 1];
const shown = (list) => `${Math.round(median(list))} ms (${sorted(list).map(Math.round).join(' ')})`;

function givePhoto(base64) {
  if (!location.protocol.startsWith('http')) return;
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  new MutationObserver((_, observer) => {
    const input = document.querySelector('input[type=file]');
    if (!input) return;
    observer.disconnect();
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], 'daisy.jpg', { type: 'image/jpeg' }));
    input.files = transfer.files;
    input.dispatchEvent(new Event('change', { bubbles: true }));
  }).observe(document, { childList: true, subtree: true });
}

/* The page is left alone until it should be done: what a test driver puts into a page to look at it takes the page's time. */
async function answer(page, url) {
  await page.goto(url, { waitUntil: 'commit' });
  for (let tries = 0; tries < 40; tries++) {
    await page.waitForTimeout(SETTLE_MS);
    const at = await page.evaluate(() => performance.getEntriesByName('whatsit-answered')[0]?.startTime);
    if (at) return at;
  }
  throw new Error('no answer');
}

/* One thread, and the model's own input: the network alone. */
const encoding = (page, base) => page.evaluate(async (url) => {
  const { load } = await import(`${url}whatsit.js`);
  const { models: [model] } = await (await fetch(`${url}models.json`)).json();
  const whatsit = await load({ model: { ...model, url: url + model.url }, threads: 1 });
  const image = new ImageData(299, 299);
  const times = [];
  for (let k = 0; k < 25; k++) times.push((await whatsit.classify(image)).ms.encode);
  whatsit.close();
  return times.sort((a, b) => a - b)[12];
}, base);

async function camera() {
  const work = [];
  const film = await cameraOf((one) => work.push(one), sample('daisy.jpg'));
  const site = await serveSite(process.env.WHATSIT_SITE, { isolate: false });
  const context = await open({ ...PHONE, ...film });
  const page = context.pages()[0] ?? (await context.newPage());
  await page.goto(`${site.url}#/camera`);
  await page.locator('.speed[data-rate]').waitFor({ state: 'attached', timeout: 60000 });
  if (await page.evaluate(() => crossOriginIsolated)) throw new Error('more than one thread');
  await page.waitForTimeout(FILMED_MS);
  const rate = Number(await page.locator('.speed').getAttribute('data-rate'));
  await context.close();
  await site.close();
  for (const one of work) await one();
  return rate;
}

const cold = [], warm = [], encode = [];
for (let i = 0; i < runs; i++) {
  const site = await serveSite(process.env.WHATSIT_SITE);
  const context = await open(PHONE);
  await context.addInitScript(givePhoto, readFileSync(sample('daisy.jpg')).toString('base64'));
  const page = context.pages()[0] ?? (await context.newPage());
  cold.push(await answer(page, site.url));
  await page.waitForTimeout(4000); /* the service worker settles */
  for (let k = 0; k < LATER; k++) {
    await page.goto('about:blank');
    await page.waitForTimeout(500);
    warm.push(await answer(page, site.url));
  }
  encode.push(await encoding(page, site.url));
  await context.close();
  await site.close();
}
const rate = await camera();
console.log(`first visit ${shown(cold)}\nlater visit ${shown(warm)}\none thread ${median(encode).toFixed(1)} ms a picture\ncamera, one thread: ${rate.toFixed(1)} answers a second`);
