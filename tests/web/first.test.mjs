/* First visits, later visits, and what networks and disks do to them. */
import assert from 'node:assert/strict';
import { cp, mkdtemp, readdir, rm, writeFile, open as openFile } from 'node:fs/promises';
import { statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { DESKTOP } from './browser.mjs';
import { accessible, ask, keptForOffline, ready, sample, shoot, SITE, topLabel, visit } from './kit.mjs';

const modelBytes = (site) => site.asked.filter((one) => one.path.endsWith('.gguf')).reduce((sum, one) => sum + one.bytes, 0);

test('a first visit: the size is shown, the model comes once, a photo is answered', async (t) => {
  const { site, page, context } = await visit(t, { go: false, site: { pack: true } });
  site.trouble.slowModelMs = 4;
  const start = performance.now();
  await page.goto(site.url);
  await page.locator('.model-text').filter({ hasText: /of \d+(\.\d)? MB/ }).waitFor();
  await shoot(page, 'phone-downloading');
  await accessible(page, 'downloading');
  site.trouble.slowModelMs = 0;
  await ready(page);
  await shoot(page, 'phone-start');
  await ask(page, sample('lighthouse.jpg'));
  console.log(`first answer after ${Math.round(performance.now() - start)} ms, with a slowed download`);
  await shoot(page, 'phone-answer');
  const first = site.asked.filter((one) => one.bytes > 0);
  const app = first.filter((one) => !/\.(gguf|safetensors)$/.test(one.path));
  const upTo = app.slice(0, app.findIndex((one) => one.path.endsWith('-threads.wasm.gz') || one.path.endsWith('.wasm.gz')) + 1);
  const early = upTo.reduce((sum, one) => sum + one.bytes, 0);
  const screens = 'app/later.js';
  const bytes = early + statSync(path.join(SITE, `${screens}.gz`)).size;
  console.log(`app without the model: ${bytes} bytes, ${early} of them in ${upTo.length} files before the first answer`);
  assert.deepEqual(upTo.filter((one) => one.path.endsWith(screens)), []);
  assert.ok(bytes <= 300e3, `${bytes} bytes`);

  const before = modelBytes(site);
  const again = performance.now();
  await page.reload();
  await ready(page);
  await ask(page, sample('daisy.jpg'));
  console.log(`answer on a later visit after ${Math.round(performance.now() - again)} ms`);
  assert.equal(modelBytes(site), before, 'the model is not downloaded again');

  const session = await context.newCDPSession(page);
  const { installabilityErrors } = await session.send('Page.getInstallabilityErrors');
  assert.deepEqual(installabilityErrors.filter((one) => !/in-incognito/.test(one.errorId)), []);
});

test('offline after the first visit: photos, heads and new heads', async (t) => {
  const { site, page } = await visit(t, { allow: (fault) => fault.includes('Failed to fetch') });
  await ready(page);
  await ask(page, sample('pizza.jpg'));
  const online = await topLabel(page);
  await keptForOffline(page);
  site.trouble.down = true;
  await page.reload();
  await ready(page);
  await ask(page, sample('pizza.jpg'));
  assert.equal(await topLabel(page), online);
  await page.goto(`${site.url}#/head/weather`);
  await page.getByRole('heading', { name: /\d+ labels/ }).waitFor();
  await page.goto(`${site.url}#/new`);
  await page.getByLabel('Labels').fill('pizza, boat, dog');
  await page.getByLabel('Name').fill('offline');
  await page.getByRole('button', { name: 'Make it' }).click();
  await page.locator('.card').nth(1).locator('.said').waitFor();
  assert.equal(await page.locator('.card').count(), 2);
});

test('a host without isolation headers: one thread first, the same answers', async (t) => {
  const { page } = await visit(t, { site: { isolate: false } });
  await ready(page);
  assert.equal(await page.evaluate(() => crossOriginIsolated), false);
  await ask(page, sample('lighthouse.jpg'));
  assert.ok(await topLabel(page));
});

test('a download that is cut goes on where it stopped', async (t) => {
  const { site, page } = await visit(t, { go: false });
  site.trouble.cutModelAfter = 5 << 20;
  await page.goto(site.url);
  await page.getByText('The download stopped. What has arrived is kept.').waitFor({ timeout: 60000 });
  await shoot(page, 'phone-cut');
  await accessible(page, 'cut');
  site.trouble.cutModelAfter = undefined;
  const before = site.asked.length;
  await page.reload();
  await ready(page);
  const later = site.asked.slice(before).filter((one) => one.path.endsWith('.gguf'));
  assert.ok(later.length > 0 && later.every((one) => /^bytes=[1-9]/.test(one.range ?? '')), JSON.stringify(later));
  await ask(page, sample('drum.jpg'));
});

test('a download can be paused and resumed', async (t) => {
  const { site, page } = await visit(t, { go: false });
  site.trouble.slowModelMs = 20;
  await page.goto(site.url);
  await page.getByText(/Downloading .*: [1-9]/).waitFor();
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByText(/Stopped at/).waitFor();
  site.trouble.slowModelMs = 0;
  await page.getByRole('button', { name: 'Resume' }).click();
  await ready(page);
});

test('two pages at once: both work', async (t) => {
  const { site, context, page } = await visit(t, { go: false });
  site.trouble.slowModelMs = 10;
  await page.goto(site.url);
  await page.getByText(/Downloading .*: [1-9]/).waitFor();
  const other = await context.newPage();
  await other.goto(site.url);
  await other.getByText(/Downloading .*: [1-9]/).waitFor();
  site.trouble.slowModelMs = 0;
  await Promise.all([ready(page), ready(other)]);
  await ask(other, sample('pizza.jpg'));
  await ask(page, sample('pizza.jpg'));
});

test('a page that has the model open keeps no other from it', async (t) => {
  const { site, context, page } = await visit(t);
  await ready(page);
  const before = modelBytes(site);
  for (const mode of ['read-only', 'readwrite']) { /* the latter is how browsers without modes hold every file */
    const holder = await context.newPage();
    await holder.goto(site.url);
    await ready(holder);
    await holder.evaluate((how) => new Promise((resolve, reject) => {
      const hold = async (asked) => {
        const models = await (await navigator.storage.getDirectory()).getDirectoryHandle('models');
        const names = await Array.fromAsync(models.keys());
        const file = await models.getFileHandle(names.find((name) => !name.endsWith('.checked')));
        globalThis.held = await file.createSyncAccessHandle({ mode: asked });
        postMessage('held');
      };
      const code = `(${hold})(${JSON.stringify(how)}).catch((error) => postMessage(String(error)));`;
      globalThis.holding = new Worker(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })));
      globalThis.holding.onmessage = ({ data }) => (data === 'held' ? resolve() : reject(new Error(data)));
    }), mode);
    await page.reload();
    await ready(page);
    assert.equal(modelBytes(site), before, `while another page holds it (${mode})`);
    await holder.close();
  }
  await ask(page, sample('pizza.jpg'));
});

test('storage is full: it works, and says that nothing is kept', async (t) => {
  const { site, context, page } = await visit(t, { go: false });
  const session = await context.newCDPSession(page);
  await page.goto(`${site.url}manifest.webmanifest`);
  await session.send('Storage.overrideQuotaForOrigin', { origin: new URL(site.url).origin, quotaSize: 3e6 });
  await page.goto(site.url);
  await ready(page);
  await page.getByText('This browser has no room for the model.').waitFor();
  await shoot(page, 'phone-storage-full');
  await ask(page, sample('balloon.jpg'));
});

test('a damaged model is refused', async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'whatsit-site-'));
  await cp(SITE, folder, { recursive: true });
  const models = path.join(folder, 'models');
  const name = (await readdir(models)).find((one) => one.startsWith('whatsit-nano'));
  const file = await openFile(path.join(models, name), 'r+');
  await file.write(Buffer.from([1, 2, 3, 4]), 0, 4, 3 << 20);
  await file.close();
  const { page } = await visit(t, { site: { folder } });
  t.after(() => rm(folder, { recursive: true, force: true }));
  await page.getByText('The model arrived damaged and was thrown away.').waitFor({ timeout: 60000 });
  const left = await page.evaluate(async () => {
    const models = await (await navigator.storage.getDirectory()).getDirectoryHandle('models');
    return Array.fromAsync(models.keys());
  });
  assert.deepEqual(left, []);
});

test('no model on the site is said', async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'whatsit-site-'));
  await cp(SITE, folder, { recursive: true });
  await writeFile(path.join(folder, 'models.json'), '{ "models": [] }');
  const { page } = await visit(t, { site: { folder }, browser: DESKTOP });
  t.after(() => rm(folder, { recursive: true, force: true }));
  await page.getByText('This site has no model.').waitFor();
});
