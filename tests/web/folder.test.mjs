/* Search over a folder of this device. The browser's chooser is a folder of its private file system, whose handle is of the same kind. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { accessible, go, ready, sample, shoot, visit } from './kit.mjs';

const { WHATSIT, WHATSIT_TEST_MODEL: MODEL } = process.env;
const PHOTOS = ['bernese-mountain-dog.jpg', 'schooner.jpg', 'pizza.jpg', 'lighthouse.jpg', 'sports-car.jpg', 'hummingbird.jpg'];
const N = PHOTOS.length;

/* In the page: what the worker was asked, and a chooser that gives the folder "Pictures". */
const watch = () => {
  globalThis.asked = [];
  const post = Worker.prototype.postMessage;
  Worker.prototype.postMessage = function (message, ...rest) {
    if (message?.op) globalThis.asked.push(message.op);
    return post.call(this, message, ...rest);
  };
  globalThis.showDirectoryPicker = async () => (await navigator.storage.getDirectory()).getDirectoryHandle('Pictures', { create: true });
};

/* Puts files into it: { 'a/b.jpg': Buffer, ... }; null removes one. */
const put = async (page, files) => page.evaluate(async (list) => {
  const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('Pictures', { create: true });
  for (const [name, text] of list) {
    const parts = name.split('/'), last = parts.pop();
    let folder = root;
    for (const part of parts) folder = await folder.getDirectoryHandle(part, { create: true });
    if (text === null) {
      await folder.removeEntry(last);
      continue;
    }
    const out = await (await folder.getFileHandle(last, { create: true })).createWritable();
    await out.write(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)));
    await out.close();
  }
}, Object.entries(files).map(([name, bytes]) => [name, bytes && bytes.toString('base64')]));

const photosOf = async (names = PHOTOS) => Object.fromEntries(await Promise.all(names.map(async (name, i) => [i % 2 ? `2024/${name}` : name, await readFile(sample(name))])));
const looked = (page) => page.evaluate(() => globalThis.asked.filter((op) => op === 'classify').length);
const count = (page, n) => page.getByRole('button', { name: `Pictures · ${n}`, exact: true }).waitFor({ timeout: 60000 });
const settled = (page) => page.waitForFunction(() => !document.querySelector('.reading') && document.querySelector('.folder-tools .button'), null, { timeout: 60000 });
const search = async (page, words) => {
  await page.getByRole('searchbox').fill(words);
  await page.getByRole('searchbox').press('Enter');
};
const names = (page) => page.locator('.shot').evaluateAll((all) => all.map((one) => one.title));

test('a folder is read once, searched as the command line does, and remembered', async (t) => {
  const { page } = await visit(t);
  await page.addInitScript(watch);
  await page.reload();
  await ready(page);
  await put(page, { ...(await photosOf()), '@eaDir/SYNOPHOTO.jpg': Buffer.from('litter'), '.hidden.jpg': Buffer.from('hidden'), 'broken.jpg': Buffer.from('no picture'),
    'notes.txt': Buffer.from('text') });
  await go(page, 'search');
  await page.getByText('Search your photos').waitFor();
  await shoot(page, 'phone-folder-none');
  await accessible(page, 'no folder yet');
  await page.getByRole('button', { name: 'Open a folder' }).click();
  await settled(page);
  await count(page, N);
  await page.getByText('1 file could not be read').waitFor();
  assert.equal(await looked(page), N + 1);
  await shoot(page, 'phone-folder-start');
  await accessible(page, 'a folder');

  /* the same photos, the same confidence */
  const folder = await mkdtemp(path.join(tmpdir(), 'whatsit-folder-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await mkdir(path.join(folder, 'Pictures'));
  for (const name of PHOTOS) await cp(sample(name), path.join(folder, 'Pictures', name));
  const env = { ...process.env, HOME: folder, XDG_DATA_HOME: path.join(folder, 'data'), XDG_CACHE_HOME: path.join(folder, 'cache') };
  execFileSync(WHATSIT, ['index', path.join(folder, 'Pictures'), '--model', MODEL, '--quiet'], { env });
  for (const words of ['an animal', 'food', 'a submarine', 'a dog']) {
    const said = execFileSync(WHATSIT, ['search', ...words.split(' '), '--model', MODEL, '--json', '--min', '0'], { env, encoding: 'utf8' }).trim().split('\n').map((line) => JSON.parse(line));
    await search(page, words);
    const sure = said.filter((one) => one.confidence >= 0.4).map((one) => path.basename(one.path));
    await page.waitForFunction((wanted) => JSON.stringify([...document.querySelectorAll('.shot')].map((one) => one.title)) === wanted
      && !document.querySelector('.search-body[aria-busy]'), JSON.stringify(sure), { timeout: 60000 }); /* what else is what the background costs, once */
    if (!sure.length) {
      await page.getByText('Nothing like that here').first().waitFor();
      continue;
    }
    await page.locator('.search-tools').getByRole('button', { name: 'Choose' }).click();
    await page.getByRole('button', { name: 'All', exact: true }).click();
    await page.getByRole('button', { name: 'Save the list' }).click();
    const [saved] = await Promise.all([page.waitForEvent('download'), page.getByText('JSON, with how sure each is').click()]);
    const list = JSON.parse(await readFile(await saved.path(), 'utf8'));
    for (const [i, one] of list.entries()) {
      assert.ok(Math.abs(one.score - said[i].score) < 2e-3 && Math.abs(one.confidence - said[i].confidence) < 0.03, `${JSON.stringify(one)} ${JSON.stringify(said[i])}`);
      assert.match(one.path, /^Pictures\//);
    }
    await page.getByRole('button', { name: 'Done' }).click();
  }

  /* large, and more like it */
  await search(page, 'a dog');
  await page.locator('.shot').first().click();
  await page.waitForFunction(() => document.querySelector('.viewer-picture')?.classList.contains('is-small') === false);
  await page.locator('.viewer').getByRole('button', { name: 'More like this' }).click();
  await page.getByText('the most alike first').waitFor();
  assert.equal(await page.locator('.shot').count(), N);
  assert.equal((await names(page))[0], 'bernese-mountain-dog.jpg');
  await page.waitForFunction(() => [...document.querySelectorAll('.shot img')].every((one) => one.naturalWidth > 0));
  await shoot(page, 'phone-folder-found');

  /* a later visit: nothing is read anew; what is new is, what is gone leaves */
  await page.reload();
  await ready(page);
  await count(page, N);
  await settled(page);
  assert.equal(await looked(page), 0);
  await put(page, { 'new.jpg': await readFile(sample('daisy.jpg')), 'pizza.jpg': null });
  await page.reload();
  await count(page, N);
  await settled(page);
  assert.equal(await looked(page), 1);
  await search(page, 'a flower');
  await page.locator('.shot').first().waitFor();
  assert.equal((await names(page))[0], 'new.jpg');

  /* a browser that asks again: one tap, and until then what is known is searched */
  await page.addInitScript(() => {
    let answer = 'prompt';
    FileSystemHandle.prototype.queryPermission = async () => answer;
    FileSystemHandle.prototype.requestPermission = async () => (answer = 'granted');
  });
  await page.reload();
  await page.getByText('What is known of this folder can be searched').waitFor();
  await shoot(page, 'phone-folder-closed');
  await accessible(page, 'a folder that is not open');
  await search(page, 'a dog');
  await page.locator('.shot').first().waitFor();
  await page.getByRole('button', { name: 'Open Pictures' }).click();
  await settled(page);
  assert.equal(await looked(page), 0);

  /* forgotten with everything else */
  await go(page, 'more');
  await page.getByRole('button', { name: 'Clear everything' }).click();
  await Promise.all([page.waitForEvent('load'), page.getByRole('button', { name: 'Clear', exact: true }).click()]);
  assert.deepEqual((await page.evaluate(() => indexedDB.databases())).filter((one) => one.name === 'whatsit-folders'), []);
});

test('reading is stopped within the tap, and goes on where it stopped', async (t) => {
  const { page } = await visit(t);
  await page.addInitScript(watch);
  await page.addInitScript(() => { /* the worker answers the first three photos at once, and the others when it is let */
    let n = 0, open;
    const gate = new Promise((resolve) => (open = resolve));
    globalThis.letGo = open;
    const post = Worker.prototype.postMessage;
    Worker.prototype.postMessage = function (message, ...rest) {
      if (message?.op !== 'classify' || ++n <= 3) return post.call(this, message, ...rest);
      return gate.then(() => post.call(this, message, ...rest));
    };
  });
  await page.reload();
  await ready(page);
  await put(page, await photosOf());
  await go(page, 'search');
  await page.getByRole('button', { name: 'Open a folder' }).click();
  await page.getByText(`Photo 4 of ${N}`).waitFor();
  await shoot(page, 'phone-folder-reading');
  await accessible(page, 'a folder is read');
  const isFree = await page.evaluate(async () => {
    [...document.querySelectorAll('.reading button')].find((one) => one.textContent === 'Cancel').click();
    await new Promise((resolve) => setTimeout(resolve)); /* what the tap set off at once, and no more */
    return !document.querySelector('.reading');
  });
  assert.ok(isFree);
  await count(page, 3);
  await page.evaluate(() => globalThis.letGo());
  await page.getByRole('button', { name: 'Read it again' }).click();
  await count(page, N);
  await settled(page);
  const rows = await page.evaluate(async () => {
    const db = await new Promise((resolve) => {
      const request = indexedDB.open('whatsit-folders');
      request.onsuccess = () => resolve(request.result);
    });
    const all = await new Promise((resolve) => {
      const request = db.transaction('photos').objectStore('photos').getAllKeys();
      request.onsuccess = () => resolve(request.result);
    });
    db.close();
    return all.length;
  });
  assert.equal(rows, N);
  await page.getByRole('button', { name: 'Forget this folder' }).click();
  await page.locator('dialog').getByRole('button', { name: 'Remove' }).click();
  await page.getByText('Search your photos').waitFor();
});

test('a browser without handles: the folder is chosen again, and what is known of it counts', async (t) => {
  const { page } = await visit(t);
  await page.addInitScript(watch);
  await page.addInitScript(() => delete globalThis.showDirectoryPicker);
  await page.reload();
  await ready(page);
  const folder = await mkdtemp(path.join(tmpdir(), 'whatsit-chosen-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await mkdir(path.join(folder, 'Pictures/2024'), { recursive: true });
  for (const [i, name] of PHOTOS.entries()) await cp(sample(name), path.join(folder, 'Pictures', i % 2 ? '2024' : '', name), { preserveTimestamps: true });
  const give = async () => {
    const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.getByText('Open a folder', { exact: true }).click()]);
    await chooser.setFiles(path.join(folder, 'Pictures'));
  };
  await go(page, 'search');
  await page.getByText('This browser forgets which folder it was').waitFor();
  await give();
  await count(page, N);
  await settled(page);
  await search(page, 'a dog');
  await page.locator('.shot').first().waitFor();
  assert.equal((await names(page))[0], 'bernese-mountain-dog.jpg');
  await page.reload();
  await ready(page);
  await page.getByText('Choose it again to see its photos large').waitFor();
  await search(page, 'a dog');
  await page.locator('.shot').first().waitFor();
  await give();
  await page.waitForFunction(() => !document.querySelector('.folder-place .note'));
  await settled(page);
  assert.equal(await looked(page), 0);
});
