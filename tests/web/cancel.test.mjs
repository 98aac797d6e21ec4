/* Cancel ends what takes long: in the tap itself the screen is free, and nothing of what was begun comes afterwards. Time is printed, and asked
 * for by nobody: what is asked of the worker is held back as long as the test likes, so that nothing depends on how fast it is. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { ask, choose, entries, go, ready, sample, visit } from './kit.mjs';

const PHOTOS = ['pizza', 'daisy', 'drum', 'ant', 'schooner', 'spider', 'ambulance', 'hummingbird', 'lighthouse', 'siamese-cat'];

/* In the page: requests to workers are held back from hold(op) until release(); what workers report is counted. */
function instrument() {
  const { postMessage } = Worker.prototype, held = [];
  let op = null;
  globalThis.reports = 0;
  globalThis.hold = (name) => (op = name);
  globalThis.held = () => held.length;
  globalThis.release = () => {
    op = null;
    for (const [worker, message] of held.splice(0)) postMessage.apply(worker, message);
  };
  Worker.prototype.postMessage = function (...message) {
    if (!this.isHeard) this.addEventListener('message', ({ data }) => data.progress && globalThis.reports++);
    this.isHeard = true;
    if (op && message[0]?.op === op) held.push([this, message]);
    else postMessage.apply(this, message);
  };
  /* presses Cancel: { ms, isFree }: whether `busy` is gone when the tap is over */
  globalThis.press = async (within, busy) => {
    const button = [...document.querySelectorAll(`${within} button`)].find((one) => one.textContent === 'Cancel');
    const begun = performance.now();
    button.click();
    await new Promise((resolve) => setTimeout(resolve)); /* what the tap set off at once, and no more */
    return { ms: performance.now() - begun, isFree: !document.querySelector(busy) };
  };
}

const pressed = async (page, what, within, busy) => {
  const { ms, isFree } = await page.evaluate(([a, b]) => globalThis.press(a, b), [within, busy]);
  console.log(`${what}: free after ${ms.toFixed(1)} ms`);
  assert.ok(isFree, what);
};
const held = (page) => page.waitForFunction(() => globalThis.held() > 0);
const release = (page) => page.evaluate(() => globalThis.release());

test('Cancel: many photos, the heat map, a sentence, lessons', async (t) => {
  const { page, site } = await visit(t, { go: false });
  await page.addInitScript(instrument);
  await page.goto(site.url);
  await ready(page);

  /* many photos: two come, the third is under way */
  await go(page, 'albums');
  await page.getByText('Photos that you ask about are kept here').waitFor();
  await choose(page, 'Add photos', PHOTOS.slice(0, 2).map((name) => sample(`${name}.jpg`)));
  await entries(page, 2);
  await page.waitForFunction(() => !document.querySelector('.album-progress progress'));
  await page.evaluate(() => globalThis.hold('classify'));
  await choose(page, 'Add photos', PHOTOS.slice(2).map((name) => sample(`${name}.jpg`)));
  await held(page);
  await pressed(page, 'many photos', '.album-progress', '.album-progress progress');
  await release(page);

  /* the worker is free, and nothing of the eight has come */
  await go(page, 'photo');
  await ask(page, sample('pizza.jpg'));
  await entries(page, 3);

  /* the heat map: before its first report, and in the middle of it */
  const where = page.locator('.answer-side > .tools').getByRole('button', { name: 'Where?' });
  await page.evaluate(() => globalThis.hold('heatMap'));
  await where.click();
  await held(page);
  await pressed(page, 'heat map', '.heat-note', '.heat-note progress');
  await release(page);
  await where.click();
  await page.waitForFunction(() => document.querySelector('.heat-note progress')?.value > 0);
  await pressed(page, 'heat map, begun', '.heat-note', '.heat-note progress');
  /* what was on its way when the worker heard of it is over when it answers the next one */
  await page.evaluate(() => { globalThis.reports = 0; });
  await ask(page, sample('daisy.jpg'), 'Another photo');
  assert.ok(await page.evaluate(() => globalThis.reports) <= 1, 'no row more than the one it was at');
  assert.equal(await page.locator('canvas.glow').isVisible(), false);

  /* a part whose answer is on its way when the whole photo is asked for again: it does not come back */
  const glow = page.locator('canvas.glow'), stage = page.locator('.stage');
  await page.evaluate(() => globalThis.hold('classify'));
  await stage.press('Enter');
  await held(page);
  assert.ok(await page.locator('.mark').isVisible());
  await stage.press('Escape');
  await page.locator('.mark').waitFor({ state: 'hidden' });
  await release(page);
  await where.click();
  await glow.waitFor();
  assert.ok(await page.locator('.mark').isHidden());
  assert.equal(await page.getByText('About the part in the square').count(), 0);

  /* a sentence */
  const chip = page.locator('.chip').filter({ hasText: 'Describe it' });
  await chip.click();
  await page.evaluate(() => globalThis.hold('describe'));
  await page.locator('.words').getByRole('button', { name: /Download/ }).click();
  await held(page);
  await page.evaluate(() => { document.getElementById('spoken').textContent = ''; });
  await pressed(page, 'a sentence', '.words', '.words');
  await release(page);
  await chip.click();
  await page.locator('.words .sentence').waitFor();
  assert.equal(await page.locator('.words').count(), 1);

  /* lessons */
  await go(page, 'teach');
  await page.getByLabel('A name').fill('things');
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.evaluate(() => globalThis.hold('classify'));
  await choose(page, 'Add photos', PHOTOS.map((name) => sample(`${name}.jpg`)));
  await held(page);
  await pressed(page, 'lessons', '.quality', '.quality button');
  await release(page);
  await choose(page, 'Add photos', [sample('drum.jpg')]);
  await page.waitForFunction(() => document.querySelectorAll('.lesson .thumb').length === 1);
  await page.getByText('Two names with a photo each').waitFor();
  assert.equal(await page.locator('.lesson .thumb').count(), 1);
});
