/* Languages, directions, sizes of text, and the papers: messages, the service worker's list. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { PHONE } from './browser.mjs';
import { ask, ready, root, sample, shoot, visit } from './kit.mjs';

const web = path.join(root, 'web');
const files = (folder) => readdirSync(folder).flatMap((name) => {
  const file = path.join(folder, name);
  return statSync(file).isDirectory() ? files(file) : [file];
});
const scripts = () => files(web).filter((file) => file.endsWith('.js'));

const LANGUAGES = ['en', 'de', 'es', 'fr', 'zh'];
/* Search brings texts of its own. */
const messagesOf = (code) => Object.assign({}, ...['', 'search/'].map((part) => JSON.parse(readFileSync(path.join(web, `messages/${part}${code}.json`), 'utf8'))));

test('every text is in the message file, and each is used', () => {
  const messages = Object.keys(messagesOf('en'));
  const known = new Set(messages.map((key) => key.replace(/\.(one|other)$/, '')));
  const code = scripts().map((file) => readFileSync(file, 'utf8')).join('\n');
  const used = [...code.matchAll(/\bt\('([\w-]+)'/g)].map((match) => match[1]);
  assert.deepEqual(used.filter((key) => !known.has(key)), []);
  const spare = [...known].filter((key) => !new RegExp(`'${key}'`).test(code) && !/^(group|theme|q|tab|works|blank|sort|cannot_open|quality|teach_step)_/.test(key));
  assert.deepEqual(spare, []);
});

test('five languages, each complete, with the same places for values', () => {
  const english = messagesOf('en');
  const places = (text) => (text.match(/\{\w*\}/g) ?? []).sort().join();
  const named = LANGUAGES.map((code) => `${code}.json`);
  assert.deepEqual(readdirSync(path.join(web, 'messages')).sort(), [...named, 'search'].sort());
  assert.deepEqual(readdirSync(path.join(web, 'messages/search')).sort(), named.sort());
  for (const code of LANGUAGES) {
    const own = messagesOf(code);
    const forms = new Intl.PluralRules(code).resolvedOptions().pluralCategories;
    const needed = Object.keys(english).filter((key) => !key.endsWith('.one') || forms.includes('one'));
    assert.deepEqual(needed.filter((key) => !own[key]), [], code);
    assert.deepEqual(Object.keys(own).filter((key) => !(key in english)), [], code);
    for (const [key, text] of Object.entries(own)) assert.equal(places(text), places(english[key]), `${code} ${key}`);
  }
});

test('each list of labels has a question in words, and the people are last', () => {
  const english = messagesOf('en');
  const names = readdirSync(path.join(root, 'heads')).filter((name) => name.endsWith('.txt')).filter((name) =>
    !/^# group: standard tests/m.test(readFileSync(path.join(root, 'heads', name), 'utf8'))).map((name) => name.slice(0, -4));
  assert.deepEqual(names.filter((name) => !english[`q_${name}`]), []);
});

for (const locale of ['de-CH', 'es-MX', 'fr-FR', 'zh-CN']) {
  test(`in the user's language: ${locale}`, async (t) => {
    const { page } = await visit(t, { browser: { ...PHONE, locale } });
    await ready(page);
    const own = messagesOf(locale.slice(0, 2));
    await page.getByRole('heading', { name: own.what_is_it }).waitFor();
    await ask(page, sample('lighthouse.jpg'), own.choose_photo);
    for (const route of ['photo', 'heads', 'new', 'teach', 'albums', 'search', 'more', 'about']) {
      await page.evaluate((hash) => (location.hash = hash), `#/${route}`);
      await page.waitForTimeout(300);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), route);
      await shoot(page, `${locale.slice(0, 2)}-${route}`);
    }
  });
}

test('from right to left, and with text of twice the size: nothing is cut off', async (t) => {
  for (const [name, change] of [['rtl', () => (document.documentElement.dir = 'rtl')], ['large', () => (document.documentElement.style.fontSize = '200%')]]) {
    const { page } = await visit(t);
    await ready(page);
    await page.evaluate(change);
    await ask(page, sample('lighthouse.jpg'));
    for (const route of ['photo', 'heads', 'head/weather', 'new', 'teach', 'albums', 'more', 'about']) {
      await page.evaluate((hash) => (location.hash = hash), `#/${route}`);
      await page.waitForTimeout(300);
      const cut = await page.evaluate(() => [...document.querySelectorAll('#main *')].filter((one) => {
        const box = one.getBoundingClientRect();
        return box.width > 1 && (box.right > innerWidth + 1 || box.left < -1) && !one.closest('.strip, .unseen, .stage, .try, .chips, .side-scroll');
      }).map((one) => one.outerHTML.slice(0, 120)));
      assert.deepEqual(cut, [], `${name} ${route}`);
      await shoot(page, `${name}-${route.replace('/', '-')}`);
    }
  }
});

test('the service worker keeps every file of the app', () => {
  const list = /const FILES = \[([\s\S]*?)\];/.exec(readFileSync(path.join(web, 'sw.js'), 'utf8'))[1];
  const named = [...list.matchAll(/'([^']+)'/g)].map((match) => match[1]).sort();
  const wanted = files(web).map((file) => path.relative(web, file)).filter((name) =>
    !/^(sw\.js|make_site\.py|make_package\.py|bundle\.py|whatsit\.d\.ts)$|^package\/|^tiles\/|^icons\/(make_icons\.py|icon-\d+|maskable)|__pycache__/.test(name)).sort();
  assert.deepEqual(named, wanted);
});

test('no address of another site in the app', () => {
  for (const file of files(web).filter((one) => /\.(js|html|css|json|webmanifest)$/.test(one) && !one.includes('/package/'))) {
    const found = readFileSync(file, 'utf8').match(/https?:\/\/(?!www\.w3\.org\/|purl\.org\/)[^\s'"`)]+/g) ?? [];
    assert.deepEqual(found, [], file);
  }
});
