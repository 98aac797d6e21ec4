/* The app delivered by `whatsit serve`, which also makes heads where the device cannot. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { accessible, ask, ready, root, sample, shoot, topLabel, visit } from './kit.mjs';
import { serveWhatsit } from './server.mjs';

const { CORE, WHATSIT_TEST_MODEL: MODEL } = process.env;

async function scratch(t) {
  const folder = await mkdtemp(path.join(tmpdir(), 'whatsit-served-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function makeSite(folder, ...args) {
  execFileSync('python3', [path.join(root, 'web/make_site.py'), folder, '--core', CORE, ...args]);
  return folder;
}

const serve = (folder, site) => serveWhatsit(['--web', site, '--db', path.join(folder, 'heads.db')]);

/* The same network, which says that it has no text tower: whoever trims a model for phones keeps its fingerprint. */
async function withoutText(folder) {
  const bytes = await readFile(MODEL);
  const key = Buffer.from('whatsit.text.present');
  const at = bytes.indexOf(key) + key.length;
  assert.equal(bytes.readUInt32LE(at), 7, 'a boolean');
  assert.equal(bytes[at + 4], 1);
  bytes[at + 4] = 0;
  const file = path.join(folder, 'image-only.gguf');
  await writeFile(file, bytes);
  return file;
}

const go = (page, route) => page.evaluate((hash) => (location.hash = hash), `#/${route}`);

async function makeHead(page, name) {
  await go(page, 'new');
  await page.getByLabel('Labels').fill('pizza\nsailing ship\ndrum\n');
  await page.getByLabel('Name').fill(name);
  await page.getByRole('button', { name: 'Make it' }).click();
  await page.locator('.card').nth(1).locator('.said').waitFor();
  return page.locator('.card').nth(1).innerText();
}

test('a model without a text tower: the server makes the head, and the device keeps it', async (t) => {
  const folder = await scratch(t);
  const site = makeSite(path.join(folder, 'site'), '--model', await withoutText(folder));
  const { page } = await visit(t, { server: await serve(folder, site) });
  await ready(page);
  await ask(page, sample('pizza.jpg'));
  const shown = await makeHead(page, 'from the server');
  assert.match(shown, /pizza/);
  await shoot(page, 'phone-server-head');
  await accessible(page, 'head from the server');
  await go(page, 'albums');
  await page.getByLabel('Describe a photo').fill('a lighthouse');
  await page.getByText('this model reads no text').waitFor();
});

test('a site without a model: the server has it', async (t) => {
  const folder = await scratch(t);
  const site = makeSite(path.join(folder, 'site'));
  const { page } = await visit(t, { server: await serve(folder, site) });
  await ready(page);
  await makeHeadOnly(page);
  await ask(page, sample('pizza.jpg'));
  assert.ok(['pizza', 'salad', 'soup', 'Can\'t tell'].includes(await topLabel(page)));
});

/* A small head answers alone: the everyday head of a site that made none ahead takes a while. */
async function makeHeadOnly(page) {
  await go(page, 'new');
  await page.getByLabel('Labels').fill('pizza, salad, soup');
  await page.getByLabel('Name').fill('lunch');
  await page.getByRole('button', { name: 'Make it' }).click();
  await page.getByText('lunch is ready').waitFor();
  await go(page, 'heads');
  await page.getByLabel('Use Everyday things', { exact: true }).uncheck();
  await go(page, 'photo');
}
