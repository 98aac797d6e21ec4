/* The pictures that docs/WEB.md shows: every main screen as somebody who uses it sees it, and no other. They are written to
 * screenshots/docs/, and with WHATSIT_PICTURES=1 to docs/screens/, too. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'node:test';
import { ask, cameraOf, choose, go, ready, root, sample, shots, visit } from './kit.mjs';

const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 0.8 };
const TABLET = { viewport: { width: 820, height: 1180 }, hasTouch: true, isMobile: true, deviceScaleFactor: 0.6 };
const DESKTOP = { viewport: { width: 1440, height: 900 }, deviceScaleFactor: 0.6 };

const folder = path.join(shots, 'docs');
mkdirSync(folder, { recursive: true });
const made = new Set();
async function picture(page, name) {
  await page.evaluate(() => Promise.all([...document.images].filter((one) => one.src && !one.complete && one.loading !== 'lazy').map((one) => new Promise((resolve) => (one.onload = one.onerror = resolve)))));
  await page.evaluate(() => Promise.all(document.getAnimations().map((one) => one.finished.catch(() => {}))));
  await page.evaluate(() => (document.getElementById('toast').hidden = true));
  await page.screenshot({ path: path.join(folder, `${name}.jpg`), type: 'jpeg', quality: 62 });
  made.add(`${name}.jpg`);
}
const photo = (name) => sample(`${name}.jpg`);
const album = ['hummingbird', 'pizza', 'lighthouse', 'siamese-cat', 'daisy', 'bernese-mountain-dog', 'ambulance', 'balloon'];

test('a phone: the photo screen', async (t) => {
  const { page } = await visit(t, { browser: { ...PHONE, colorScheme: 'light' } });
  await ready(page);
  await page.waitForFunction(() => [...document.querySelectorAll('.try img')].every((one) => one.complete && one.naturalWidth));
  await picture(page, 'start');
  await ask(page, photo('bernese-mountain-dog'));
  await page.locator('.chip').nth(2).waitFor();
  await picture(page, 'answer');
  await page.locator('.chip').filter({ hasText: 'What is it made of?' }).click();
  await page.waitForFunction(() => document.querySelectorAll('.card .said').length > 1);
  await page.locator('.hero .others summary').click().catch(() => {});
  await page.getByText('Another photo').scrollIntoViewIfNeeded();
  await picture(page, 'asked');
  await ask(page, photo('lighthouse'), 'Another photo');
  const box = await page.locator('.stage').boundingBox();
  await page.touchscreen.tap(box.x + box.width * 0.4, box.y + box.height * 0.25);
  await page.getByText('About the part in the square').waitFor();
  await picture(page, 'part');
});

test('a phone: questions, lists of one\'s own, the album, about', async (t) => {
  const { page } = await visit(t, { browser: { ...PHONE, colorScheme: 'light' } });
  await ready(page);
  await go(page, 'heads');
  await page.waitForFunction(() => [...document.querySelectorAll('img.tile-sign')].filter((one) => one.getBoundingClientRect().top < innerHeight).every((one) => one.naturalWidth > 0));
  await picture(page, 'questions');
  await go(page, 'photo');
  await ask(page, photo('pizza'));
  await go(page, 'new');
  await page.getByLabel('Labels').fill('1. pizza\n2. salad\n3. soup | broth\n4. sandwich\n');
  await page.locator('.tried .said').waitFor();
  await picture(page, 'own-list');
  await go(page, 'teach');
  for (const [index, [name, photos]] of [['plants', ['daisy', 'hummingbird', 'ant']], ['machines', ['ambulance', 'sports-car', 'schooner']]].entries()) {
    await page.getByLabel('A name').fill(name);
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.locator('.lesson').nth(index).getByText('Add photos').click()]);
    await chooser.setFiles(photos.map(photo));
    await page.waitForFunction(([i, n]) => document.querySelectorAll('.lesson')[i].querySelectorAll('.thumb').length === n, [index, photos.length]);
  }
  await page.getByText(/Of 6 photos held out/).waitFor();
  await page.evaluate(() => scrollTo(0, 0));
  await picture(page, 'lessons');
  await go(page, 'albums');
  await choose(page, 'Add photos', album.map(photo));
  await page.waitForFunction((n) => document.querySelectorAll('.tile').length === n, album.length + 1);
  await picture(page, 'album');
  await go(page, 'about');
  await picture(page, 'about');
});

test('a phone: the camera', async (t) => {
  const film = await cameraOf((work) => t.after(work), photo('siamese-cat'), [480, 640]);
  const { page } = await visit(t, { browser: { ...PHONE, ...film, colorScheme: 'dark' } });
  await ready(page);
  await go(page, 'camera');
  await page.waitForFunction(() => /\w/.test(document.querySelector('.live-panel .said')?.textContent ?? '') && document.querySelector('.speed').dataset.rate);
  await picture(page, 'camera');
});

for (const [name, browser] of Object.entries({ tablet: { ...TABLET, colorScheme: 'dark' }, desktop: { ...DESKTOP, colorScheme: 'light' } })) {
  test(`the photo screen on a ${name}`, async (t) => {
    const { page } = await visit(t, { browser });
    await ready(page);
    await go(page, 'albums');
    await choose(page, 'Add photos', album.slice(1).map(photo));
    await page.waitForFunction((n) => document.querySelectorAll('.tile').length === n, album.length - 1);
    await go(page, 'photo');
    await page.reload();
    await ready(page);
    await ask(page, photo('hummingbird'));
    await page.locator('.recent .thumb').first().waitFor();
    await picture(page, name);
  });
}

test('docs/WEB.md shows each of them', async () => {
  const shown = [...readFileSync(path.join(root, 'docs/WEB.md'), 'utf8').matchAll(/screens\/([\w-]+\.jpg)/g)].map((match) => match[1]);
  const screens = path.join(root, 'docs/screens');
  if (process.env.WHATSIT_PICTURES) {
    mkdirSync(screens, { recursive: true });
    for (const name of made) await copyFile(path.join(folder, name), path.join(screens, name));
  }
  assert.deepEqual([...new Set(shown)].sort(), [...made].sort());
  assert.deepEqual(readdirSync(screens).sort(), [...made].sort());
});
