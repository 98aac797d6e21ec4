/* A photo in words: the command line's sentences, on this device; what finds them comes when it is asked for. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import test from 'node:test';
import { accessible, ask, choose, go, keptForOffline, ready, sample, shoot, visit, wall } from './kit.mjs';

const { WHATSIT, WHATSIT_TEST_MODEL: MODEL, WHATSIT_TEST_DESCRIBER: DESCRIBER } = process.env;
const PHOTOS = ['pizza', 'siamese-cat', 'hummingbird', 'spider', 'schooner', 'drum'].map((name) => `${name}.jpg`);

/* What the command line tells a person. */
const toldNatively = (file) => {
  const told = JSON.parse(execFileSync(WHATSIT, ['describe', file, '--model', MODEL, '--describer', DESCRIBER, '--json', '--quiet'], { encoding: 'utf8' }));
  if (told.sure) return told.captions[0].text;
  if (told.perhaps === 'nothing to see') return 'Perhaps there is nothing to see';
  return told.perhaps ? told.perhaps : 'I cannot describe this picture';
};

const describerBytes = (site) => site.asked.filter((one) => /whatsit-describe/.test(one.path)).reduce((sum, one) => sum + one.bytes, 0);
const chip = (page) => page.locator('.chip').filter({ hasText: 'Describe it' });
const sentence = (page) => page.locator('.words .sentence');

test('described as the command line does: the size first, then the sentence, heard and copied; the next ones at once, without a network', async (t) => {
  const { page, site, context } = await visit(t, { allow: (fault) => fault.includes('Failed to fetch') });
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await ready(page);
  await ask(page, sample(PHOTOS[0]));
  await chip(page).click();
  await page.getByText(/Sentences need a part more, once: 6\.\d MB/).waitFor();
  await page.locator('.words').scrollIntoViewIfNeeded();
  await shoot(page, 'phone-describe-ask');
  await accessible(page, 'describer offered');
  await page.locator('.words').getByRole('button', { name: 'Cancel' }).click();
  await chip(page).waitFor();
  assert.equal(describerBytes(site), 0, 'nothing comes unasked');
  await chip(page).click();
  await page.getByRole('button', { name: /Download, 6\.\d MB/ }).click();
  await sentence(page).waitFor({ timeout: 60000 });
  const first = await sentence(page).innerText();
  await page.locator('.words').scrollIntoViewIfNeeded();
  await shoot(page, 'phone-described');
  await accessible(page, 'described');
  assert.equal(await sentence(page).getAttribute('lang'), 'en');
  await page.waitForFunction((text) => document.getElementById('spoken').textContent === `In words: ${text}`, first);
  await page.getByRole('button', { name: 'Copy as alt text' }).click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), first);
  await keptForOffline(page);
  await page.waitForFunction(async () => Boolean(await caches.match(new URL('core/whatsit-words.wasm', location.href).href)));
  site.trouble.down = true;
  await page.reload();
  await ready(page);
  const told = [];
  for (const [i, file] of PHOTOS.entries()) {
    await ask(page, sample(file), i ? 'Another photo' : 'Choose a photo');
    await chip(page).click();
    await sentence(page).waitFor({ timeout: 60000 });
    told.push(await sentence(page).innerText());
  }
  const native = PHOTOS.map((file) => toldNatively(sample(file)));
  console.log(native.join(' | '));
  assert.deepEqual(told.map((text) => text.replace(/^Perhaps (?:an? )?(.*); I cannot describe more$/, '$1')), native);
  assert.equal(told[0], first);
  /* a photo of nothing in particular: no tale is told */
  await ask(page, { name: 'wall.png', mimeType: 'image/png', buffer: wall(640, 480) }, 'Another photo');
  await chip(page).click();
  await sentence(page).waitFor();
  assert.match(await sentence(page).innerText(), /^(Perhaps|I cannot describe)/);
  await page.locator('.words').scrollIntoViewIfNeeded();
  await shoot(page, 'phone-described-unsure');
  await accessible(page, 'not described');
  await go(page, 'more');
  const row = page.locator('.model-row').filter({ hasText: 'Describer' });
  await row.waitFor();
  await row.getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove', exact: true }).click();
  await row.waitFor({ state: 'detached' });
});

test('Cancel ends the download of the describer: nothing more is asked for or heard, and what came is kept', async (t) => {
  const { page, site } = await visit(t);
  await ready(page);
  await ask(page, sample('pizza.jpg'));
  await page.evaluate(() => { /* what workers say from now on */
    const start = globalThis.startWorker;
    globalThis.heard = [];
    globalThis.startWorker = () => {
      const worker = start();
      worker.addEventListener('message', ({ data }) => globalThis.heard.push(data));
      return worker;
    };
  });
  site.trouble.slowModelMs = 30;
  await chip(page).click();
  await page.getByRole('button', { name: /Download, 6/ }).click();
  await page.getByText(/Downloading the describer: [1-9]/).waitFor();
  site.trouble.slowModelMs = 1e6; /* it stands still */
  await shoot(page, 'phone-describer-download');
  await accessible(page, 'describer comes');
  const [after, left] = await page.evaluate(async () => {
    [...document.querySelectorAll('.words button')].find((one) => one.textContent === 'Cancel').click();
    const before = globalThis.heard.length;
    const isGone = !document.querySelector('.words'); /* at once: within the tap */
    await new Promise((resolve) => setTimeout(resolve, 300));
    return [globalThis.heard.length - before, isGone];
  });
  assert.deepEqual([after, left], [0, true]);
  site.trouble.slowModelMs = 0;
  const asked = site.asked.length;
  await chip(page).click(); /* it was allowed before */
  await sentence(page).waitFor({ timeout: 60000 });
  const again = site.asked.slice(asked).find((one) => /whatsit-describe/.test(one.path));
  assert.match(again.range, /^bytes=[1-9]/);
});
