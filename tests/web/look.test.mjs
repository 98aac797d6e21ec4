/* Each screen on a desktop in the dark, and the papers: messages, the service worker's list. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { DESKTOP } from './browser.mjs';
import { accessible, ask, ready, root, sample, shoot, visit } from './kit.mjs';

const web = path.join(root, 'web');
const files = (folder) => readdirSync(folder).flatMap((name) => {
  const file = path.join(folder, name);
  return statSync(file).isDirectory() ? files(file) : [file];
});
const scripts = () => files(web).filter((file) => file.endsWith('.js'));

test('desktop, dark: every screen', async (t) => {
  const { page } = await visit(t, { browser: { ...DESKTOP, colorScheme: 'dark' } });
  await ready(page);
  await shoot(page, 'desktop-start');
  await accessible(page, 'start, dark');
  await ask(page, sample('lighthouse.jpg'));
  await ask(page, sample('siamese-cat.jpg'), 'Another photo');
  await page.waitForTimeout(400);
  for (const [route, name] of [['photo', 'answer'], ['heads', 'heads'], ['head/pets', 'head'], ['new', 'new'], ['search', 'search'],
    ['more', 'more'], ['history', 'history']]) {
    await page.evaluate((hash) => (location.hash = hash), `#/${route}`);
    await page.waitForTimeout(500);
    await shoot(page, `desktop-${name}`);
    await accessible(page, `${name}, dark`);
  }
});

test('every text is in the message file, and each is used', () => {
  const messages = Object.keys(JSON.parse(readFileSync(path.join(web, 'messages/en.json'), 'utf8')));
  const known = new Set(messages.map((key) => key.replace(/\.(one|other)$/, '')));
  const code = scripts().map((file) => readFileSync(file, 'utf8')).join('\n');
  const used = [...code.matchAll(/\bt\('(\w+)'/g)].map((match) => match[1]);
  assert.deepEqual(used.filter((key) => !known.has(key)), []);
  const spare = [...known].filter((key) => !new RegExp(`'${key}'`).test(code) && !/^(group|theme)_/.test(key));
  assert.deepEqual(spare, []);
});

test('the service worker keeps every file of the app', () => {
  const list = /const FILES = \[([\s\S]*?)\];/.exec(readFileSync(path.join(web, 'sw.js'), 'utf8'))[1];
  const named = [...list.matchAll(/'([^']+)'/g)].map((match) => match[1]).sort();
  const wanted = files(web).map((file) => path.relative(web, file)).filter((name) =>
    !/^(sw\.js|make_site\.py|bundle\.py|whatsit\.d\.ts)$|^icons\/(make_icons\.py|icon-\d+|maskable)|__pycache__/.test(name)).sort();
  assert.deepEqual(named, wanted);
});

test('no address of another site in the app', () => {
  for (const file of files(web).filter((one) => /\.(js|html|css|json|webmanifest)$/.test(one))) {
    const found = readFileSync(file, 'utf8').match(/https?:\/\/(?!www\.w3\.org\/2000\/svg)[^\s'"`)]+/g) ?? [];
    assert.deepEqual(found, [], file);
  }
});
