/* Search over the photos of the machine that delivers the app: words, a photo, a grid, one photo large, a list of what was chosen. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { PHONE } from './browser.mjs';
import { accessible, go, sample, SAMPLES, shoot, SITE, visit } from './kit.mjs';
import { serveWhatsit } from './server.mjs';

const { WHATSIT, WHATSIT_TEST_MODEL: MODEL } = process.env;

/* A home of its own, with a library of the sample photos: { env, photos }. */
async function home(t) {
  const folder = await mkdtemp(path.join(tmpdir(), 'whatsit-search-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const photos = path.join(folder, 'Pictures');
  await mkdir(photos);
  await cp(SAMPLES, photos, { recursive: true });
  const env = { ...process.env, HOME: folder, XDG_DATA_HOME: path.join(folder, 'data'), XDG_CACHE_HOME: path.join(folder, 'cache') };
  execFileSync(WHATSIT, ['index', photos, '--model', MODEL, '--quiet'], { env, stdio: 'inherit' });
  return { folder, photos, env };
}

const serve = ({ folder, env }, ...options) =>
  serveWhatsit(['--web', SITE, '--db', path.join(folder, 'store.db'), '--library', 'photos', ...options], env);

const search = async (page, words) => {
  await page.getByRole('searchbox').fill(words);
  await page.getByRole('searchbox').press('Enter');
};
const settled = (page) => page.waitForFunction(() => !document.querySelector('.search-body')?.getAttribute('aria-busy') && document.querySelector('.shots, .search-empty'));
const names = (page) => page.locator('.shot').evaluateAll((all) => all.map((one) => one.title));
/* The small pictures that can be seen are there. */
const painted = (page) => page.waitForFunction(() => {
  const seen = [...document.querySelectorAll('.shot')].filter((one) => one.getBoundingClientRect().top < innerHeight);
  return seen.length > 0 && seen.every((one) => one.querySelector('img').naturalWidth > 0 || one.classList.contains('is-gone'));
});

test('by words, by a photo; nothing; one large; a list of what was chosen; by the keyboard alone', async (t) => {
  const own = await home(t);
  const { page, context } = await visit(t, { server: await serve(own), to: '#/search' });
  await page.getByText('What are you looking for?').waitFor();
  await shoot(page, 'phone-search-start');
  await accessible(page, 'search, nothing asked');
  await search(page, 'a dog');
  await painted(page);
  assert.equal((await names(page))[0], 'bernese-mountain-dog.jpg');
  const said = execFileSync(WHATSIT, ['search', 'a', 'dog', '--model', MODEL, '--names'], { env: own.env, encoding: 'utf8' });
  assert.deepEqual(await names(page), said.trim().split('\n').map((one) => path.basename(one)), 'what the command line finds');
  await accessible(page, 'search, found');

  await search(page, 'a submarine');
  await page.getByText('Nothing like that here').first().waitFor();
  await shoot(page, 'phone-search-nothing');
  await accessible(page, 'search, nothing found');
  await page.getByRole('button', { name: 'Show the nearest anyway' }).click();
  await page.getByText('they may not show it').waitFor();
  const n = await page.locator('.shot').count();
  assert.ok(n > 10, `${n} of all`);
  await painted(page);
  await shoot(page, 'phone-search-grid');

  /* arrows go through the grid, Enter opens, Escape comes back to the photo that was seen last */
  await page.locator('.shot').first().focus();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowDown');
  const at = () => page.evaluate(() => [...document.querySelectorAll('.shot')].indexOf(document.activeElement));
  const columns = await page.evaluate(() => getComputedStyle(document.querySelector('.shots')).gridTemplateColumns.split(' ').length);
  assert.equal(await at(), 1 + columns);
  await page.keyboard.press('Enter');
  const viewer = page.locator('dialog.viewer');
  await viewer.waitFor();
  await page.waitForFunction(() => !document.querySelector('.viewer-picture').classList.contains('is-small'));
  await accessible(page, 'one photo');
  await shoot(page, 'phone-search-photo');
  await page.keyboard.press('ArrowRight');
  assert.equal(await viewer.getByRole('heading').innerText(), (await names(page))[2 + columns]);
  await page.keyboard.press('Escape');
  await viewer.waitFor({ state: 'detached' });
  assert.equal(await at(), 2 + columns);

  /* Space chooses; the list as text and as JSON */
  await page.keyboard.press('Space');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('Space');
  await page.getByText('2 chosen').first().waitFor();
  await accessible(page, 'two chosen');
  await shoot(page, 'phone-search-chosen');
  const wanted = (await names(page)).slice(2 + columns, 4 + columns).map((one) => `Pictures/${one}`);
  for (const [label, file] of [['Text, one path a line', 'photos.txt'], ['JSON, with how sure each is', 'photos.json']]) {
    await page.getByRole('button', { name: 'Save the list' }).click();
    const [saved] = await Promise.all([page.waitForEvent('download'), page.getByText(label).click()]);
    assert.equal(saved.suggestedFilename(), file);
    const text = await readFile(await saved.path(), 'utf8');
    assert.deepEqual(file.endsWith('txt') ? text.trim().split('\n') : JSON.parse(text).map((one) => one.path), wanted);
  }
  await page.locator('.shot').first().focus();
  await page.keyboard.press('Escape');
  await page.locator('.chosen-bar').waitFor({ state: 'hidden' });

  /* more like one, then without it; like one of this device */
  await page.getByRole('button', { name: 'pizza.jpg' }).click();
  await viewer.getByRole('button', { name: 'More like this' }).click();
  await page.getByText('the most alike first').waitFor();
  assert.equal((await names(page))[0], 'pizza.jpg');
  await page.getByRole('button', { name: 'Without this photo' }).click();
  await page.getByText('What are you looking for?').waitFor();
  const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.locator('.search-picture').click()]);
  await chooser.setFiles(sample('schooner.jpg'));
  await page.getByText('the most alike first').waitFor();
  assert.equal((await names(page))[0], 'schooner.jpg');

  /* what was found is there again; a photo that is gone is told, though its small picture may be kept by this browser */
  await unlink(path.join(own.photos, 'schooner.jpg'));
  await go(page, 'about');
  await page.getByRole('heading', { name: 'What it cannot do' }).waitFor();
  await go(page, 'search');
  await page.locator('.shot').first().click();
  await viewer.getByText('Not there any more').waitFor();
  await accessible(page, 'a photo that is gone');
  await page.keyboard.press('Escape');

  /* the server has gone */
  await context.setOffline(true);
  await search(page, 'a cat');
  await page.getByText('The server does not answer.').first().waitFor();
  await context.setOffline(false);
  await page.getByRole('button', { name: 'Try again' }).click();
  await settled(page);
});

test('a server that wants a key: for this visit, or kept when asked', async (t) => {
  const own = await home(t);
  const key = execFileSync(WHATSIT, ['keys', 'new', 'phone', '--db', path.join(own.folder, 'store.db')], { env: own.env, encoding: 'utf8' }).trim();
  const { page } = await visit(t, { server: await serve(own, '--require-key'), to: '#/search' });
  await page.getByText('This server asks for a key').waitFor();
  await shoot(page, 'phone-search-key');
  await accessible(page, 'a key is asked for');
  const give = async (text, keep) => {
    await page.getByLabel('Key', { exact: true }).fill(text);
    if (keep) await page.getByLabel('Keep it on this device').check();
    await page.getByRole('button', { name: 'Open', exact: true }).click();
  };
  await give('wk_0000000000000000_wrong');
  await page.getByText('This key is not known here').waitFor();
  await accessible(page, 'a wrong key');
  await give(key);
  await page.getByText('What are you looking for?').waitFor();
  await unlink(path.join(own.photos, 'bernese-mountain-dog.jpg'));
  await search(page, 'a dog');
  await page.locator('.shot.is-gone').first().waitFor();
  assert.match(await page.locator('.shot').first().getAttribute('aria-label'), /bernese-mountain-dog\.jpg, Not there any more/);
  await shoot(page, 'phone-search-gone');
  await accessible(page, 'a photo that is gone');
  assert.equal(await page.evaluate(() => JSON.stringify(localStorage).includes('wk_')), false, 'not kept');
  await page.reload();
  await page.getByText('What are you looking for?').waitFor();
  await page.evaluate(() => sessionStorage.clear()); /* another visit */
  await page.reload();
  await page.getByText('This server asks for a key').waitFor();
  await give(key, true);
  await page.getByText('What are you looking for?').waitFor();
  await page.evaluate(() => sessionStorage.clear());
  await page.reload();
  await page.getByText('What are you looking for?').waitFor();
});

const SIZES = { small: [360, 640, true], phone: [390, 844, true], tablet: [820, 1180, true], desktop: [1440, 900, false] };
test('at every size, light and dark', async (t) => {
  const own = await home(t);
  const server = await serve(own);
  t.after(() => server.close());
  for (const [size, [width, height, isMobile]] of Object.entries(SIZES)) {
    for (const colorScheme of ['light', 'dark']) {
      const { page } = await visit(t, { server: { ...server, close: () => {} }, to: '#/search',
        browser: { ...PHONE, viewport: { width, height }, deviceScaleFactor: 1, hasTouch: isMobile, isMobile, colorScheme } });
      const look = async (name) => {
        await shoot(page, `${size}-${colorScheme}-search-${name}`);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name} is too wide`);
        await accessible(page, `${size} ${colorScheme} search ${name}`);
      };
      await page.getByText('What are you looking for?').waitFor();
      await look('start');
      await search(page, 'a submarine');
      await page.getByRole('button', { name: 'Show the nearest anyway' }).click();
      await page.getByText('they may not show it').waitFor();
      await painted(page);
      await look('found');
      await page.locator('.shot').nth(1).focus();
      await page.keyboard.press('Space');
      await page.getByText('1 chosen').first().waitFor();
      await look('chosen');
      await page.keyboard.press('Escape');
      await page.locator('.shot').first().click();
      await page.waitForFunction(() => document.querySelector('.viewer-picture')?.classList.contains('is-small') === false);
      await look('photo');
      await page.keyboard.press('Escape');
    }
  }
});
