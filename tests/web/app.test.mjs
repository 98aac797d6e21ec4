/* Every task of a user, on a phone's screen. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'node:test';
import { accessible, ask, choose, ready, sample, shoot, topLabel, visit, wall } from './kit.mjs';

const go = (page, route) => page.evaluate((hash) => (location.hash = hash), `#/${route}`);
const cards = (page) => page.locator('.card .answers');

test('heads: several at once, the page of one, a note where people are meant', async (t) => {
  const { page } = await visit(t);
  await ready(page);
  await go(page, 'heads');
  await page.getByRole('heading', { name: 'Heads' }).waitFor();
  await shoot(page, 'phone-heads');
  await accessible(page, 'heads');
  await page.getByLabel('Find a head').fill('emot');
  await page.getByLabel('Use Emotions').check();
  await page.getByLabel('Find a head').fill('');
  await page.getByLabel('Use Weather', { exact: false }).first().check();
  await page.getByRole('link', { name: /Emotions/ }).click();
  await page.getByText('says nothing reliable about a person').waitFor();
  await page.getByRole('heading', { name: '27 labels' }).waitFor();
  await shoot(page, 'phone-head');
  await accessible(page, 'head');
  await go(page, 'photo');
  await ask(page, sample('hummingbird.jpg'));
  await page.waitForFunction(() => document.querySelectorAll('.card .answers').length === 3);
  await page.getByText('says nothing reliable about a person').waitFor();
  await shoot(page, 'phone-several-heads');
  await accessible(page, 'answers');
});

test('a new head is made here and used at once; exported, removed, imported', async (t) => {
  const { page } = await visit(t);
  await ready(page);
  await ask(page, sample('pizza.jpg'));
  await go(page, 'new');
  await page.getByRole('button', { name: 'Make it' }).click();
  await page.getByText('Give it a name.').waitFor();
  await accessible(page, 'new, with mistakes');
  await page.getByLabel('Name').fill('lunch');
  await page.getByLabel('Labels').fill('pizza\nsalad\nsoup | broth\npizza\n');
  await page.getByLabel('Sentence').fill('a photo of {}, a dish.');
  await page.getByText('3 labels').waitFor();
  await shoot(page, 'phone-new');
  await accessible(page, 'new');
  await page.getByRole('button', { name: 'Make it' }).click();
  await page.getByText('lunch is ready').waitFor();
  await page.waitForFunction(() => document.querySelectorAll('.card .answers').length === 2);
  const shown = await cards(page).nth(1).innerText();
  await go(page, 'head/lunch');
  const [saved] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Export' }).click()]);
  const file = path.join(await saved.path());
  const bytes = await readFile(file);
  assert.equal(JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE())).toString()).__metadata__.name, 'lunch');
  await page.getByRole('button', { name: 'Remove', exact: true }).click();
  await shoot(page, 'phone-dialog');
  await accessible(page, 'dialog');
  await page.getByRole('dialog').getByRole('button', { name: 'Remove', exact: true }).click();
  await page.getByText('lunch removed').waitFor();
  await go(page, 'heads');
  await choose(page, 'Import', { name: 'lunch.safetensors', mimeType: 'application/octet-stream', buffer: bytes });
  await page.getByText('lunch imported').waitFor();
  await page.getByLabel('Use lunch').check();
  await go(page, 'photo');
  await page.waitForFunction(() => document.querySelectorAll('.card .answers').length === 2);
  assert.equal(await cards(page).nth(1).innerText(), shown);
  await page.reload();
  await ready(page);
  await go(page, 'heads');
  await page.getByRole('link', { name: /lunch/ }).waitFor();

  const other = Buffer.from(bytes.toString('latin1').replace(/"model_fingerprint":"[0-9a-f]{8}/, '"model_fingerprint":"00000000'), 'latin1');
  await choose(page, 'Import', { name: 'other.safetensors', mimeType: 'application/octet-stream', buffer: other });
  await page.getByText('This head belongs to another model.').waitFor();
  await choose(page, 'Import', { name: 'noise.safetensors', mimeType: 'application/octet-stream', buffer: Buffer.from('not a head at all') });
  await page.getByText('This is not a head file').waitFor();
});

test('labels in groups: what a group has together is shown under the answers', async (t) => {
  const { page } = await visit(t);
  await ready(page);
  await ask(page, sample('siamese-cat.jpg'));
  await go(page, 'new');
  await page.getByLabel('Name').fill('grouped');
  await page.getByLabel('Labels').fill('[animals]\ncat\ndog\n[vehicles]\ncar\nship');
  await page.getByText('4 labels').waitFor();
  await page.getByRole('button', { name: 'Make it' }).click();
  const card = page.locator('.card').nth(1);
  await card.getByText('By group').waitFor();
  assert.equal(await page.locator('.card').first().locator('.groups').count(), 0);
  const shares = async (rows) => (await card.locator(`${rows} .answer-score`).allInnerTexts()).map(parseFloat);
  const groups = await card.locator('.groups .answer-label').allInnerTexts(), together = await shares('.groups');
  assert.deepEqual([...groups].sort(), ['animals', 'vehicles']);
  assert.ok(together[0] >= together[1], `${groups} ${together}`);
  const labels = await card.locator('.answers').first().locator('.answer-label').allInnerTexts();
  const each = await shares('.answers:not(.groups *)');
  const sum = labels.reduce((total, label, i) => total + (['cat', 'dog'].includes(label) ? each[i] : 0), 0);
  const animals = together[groups.indexOf('animals')];
  assert.ok(Math.abs(sum - animals) <= 1, `${sum} ${animals}`); /* as rounded for the screen */
  await card.locator('.groups').scrollIntoViewIfNeeded();
  await shoot(page, 'phone-groups');
  await accessible(page, 'groups');
});

test('none of these', async (t) => {
  const { page } = await visit(t);
  await ready(page);
  await ask(page, sample('pizza.jpg'));
  await go(page, 'new');
  await page.getByLabel('Name').fill('far away');
  await page.getByLabel('Labels').fill('galaxy, circuit board, handwriting');
  await page.getByLabel('May answer').check();
  await page.getByRole('button', { name: 'Make it' }).click();
  await page.getByText('None of these.', { exact: true }).waitFor();
  await page.locator('.none').scrollIntoViewIfNeeded();
  await shoot(page, 'phone-none');
  await accessible(page, 'none of these');
});

test('example photos: one tap teaches, undo takes it back, it stays after a reload', async (t) => {
  const { page, site } = await visit(t);
  await ready(page);
  await go(page, 'new');
  await page.getByLabel('Name').fill('mine');
  await page.getByLabel('Labels').fill('cup, shoe, lamp');
  await page.getByRole('button', { name: 'Make it' }).click();
  await page.getByText('mine is ready').waitFor();
  await go(page, 'photo');
  await ask(page, sample('spider.jpg'));
  await page.waitForFunction(() => document.querySelectorAll('.card .answers').length === 2);
  const card = page.locator('.card').nth(1);
  const scores = async () => Object.fromEntries((await card.locator('.answers li').all()).length
    ? await Promise.all((await card.locator('.answers li').all()).map(async (row) => (await row.innerText()).split('\n').slice(0, 2))) : []);
  const before = await scores();
  const worst = Object.entries(before).sort((a, b) => parseFloat(a[1]) - parseFloat(b[1]))[0][0];
  await card.getByRole('button', { name: 'Teach' }).click();
  await shoot(page, 'phone-teach');
  await accessible(page, 'teach');
  await page.getByRole('dialog').getByRole('button', { name: worst, exact: true }).click();
  await page.getByText(`Learnt: ${worst}`).waitFor();
  const after = await scores();
  assert.ok(parseFloat(after[worst]) > parseFloat(before[worst]), `${JSON.stringify(before)} -> ${JSON.stringify(after)}`);
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.waitForFunction((text) => document.querySelectorAll('.card')[1].innerText.includes(text), before[worst]);
  assert.deepEqual(await scores(), before);
  await card.getByRole('button', { name: 'Teach' }).click();
  await page.getByRole('dialog').getByRole('button', { name: worst, exact: true }).click();
  await page.getByText(`Learnt: ${worst}`).waitFor();
  site.trouble.down = true;
  await go(page, 'head/mine');
  await page.getByRole('heading', { name: '1 example photo' }).waitFor();
  await shoot(page, 'phone-examples');
  await accessible(page, 'examples');
  await page.getByRole('button', { name: 'Forget', exact: false }).click();
  await page.getByRole('heading', { name: 'example photo' }).waitFor({ state: 'detached' });
});

test('where does it look: the heat map', async (t) => {
  const { page } = await visit(t);
  await ready(page);
  await ask(page, sample('lighthouse.jpg'));
  await page.getByRole('button', { name: 'Where?' }).click();
  await page.getByText('Measured by covering').waitFor({ timeout: 60000 });
  await shoot(page, 'phone-heat');
  await accessible(page, 'heat map');
  assert.match(await page.locator('canvas.photo').getAttribute('aria-label'), /bright parts speak for/);
  await page.getByRole('button', { name: 'Hide' }).click();
});

test('search over the photos of the session', async (t) => {
  const { page } = await visit(t);
  await ready(page);
  await go(page, 'search');
  await page.getByText('Add some photos, then describe one.').waitFor();
  await choose(page, 'Add photos', ['lighthouse', 'pizza', 'daisy', 'drum', 'ant', 'schooner'].map((name) => sample(`${name}.jpg`)));
  await page.waitForFunction(() => document.querySelectorAll('.tile').length === 6);
  await page.getByLabel('Describe a photo').fill('a lighthouse');
  await page.getByText('6 photos, best first').waitFor();
  const first = await page.locator('.tile').first().getAttribute('aria-label');
  assert.match(first, /lighthouse/);
  await shoot(page, 'phone-search');
  await accessible(page, 'search');
  await page.locator('.tile').first().click();
  await page.locator('.card .answers li').first().waitFor();
});

test('history: kept here, cleared, switched off', async (t) => {
  const { page } = await visit(t);
  await ready(page);
  await ask(page, sample('pizza.jpg'));
  await ask(page, sample('ant.jpg'), 'Another photo');
  await page.waitForTimeout(500);
  await go(page, 'more');
  await page.getByText('whatsit-nano').first().waitFor();
  await shoot(page, 'phone-more');
  await accessible(page, 'more');
  await page.getByRole('link', { name: 'History' }).click();
  await page.waitForFunction(() => document.querySelectorAll('.entry').length === 2);
  await shoot(page, 'phone-history');
  await accessible(page, 'history');
  await page.getByRole('button', { name: 'Clear history' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Clear', exact: true }).click();
  await page.getByText('No answers yet.').waitFor();
  await page.getByLabel('Keep a history').uncheck();
  await go(page, 'photo');
  await page.locator('.card .answers li').first().waitFor();
  await ask(page, sample('drum.jpg'), 'Another photo');
  await page.waitForTimeout(300);
  await go(page, 'history');
  await page.getByText('No answers yet.').waitFor();
});

test('bad files and large ones', async (t) => {
  const { page } = await visit(t);
  await ready(page);
  const broken = (await readFile(sample('ant.jpg'))).subarray(0, 300);
  await choose(page, 'Choose a photo', { name: 'broken.jpg', mimeType: 'image/jpeg', buffer: broken });
  await page.getByText('not a picture that this browser can open').waitFor();
  await shoot(page, 'phone-corrupt');
  await choose(page, 'Choose a photo', { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('hello') });
  await page.getByText('That is not a picture.').waitFor();
  await choose(page, 'Choose a photo', { name: 'empty.png', mimeType: 'image/png', buffer: Buffer.alloc(0) });
  await page.getByText('not a picture that this browser can open').waitFor();
  await ask(page, { name: 'large.png', mimeType: 'image/png', buffer: wall(8000, 6000) });
  assert.ok(await topLabel(page));
});

test('a photo that is dropped, pasted, or shared by another app', async (t) => {
  const { page, site } = await visit(t);
  await ready(page);
  const bytes = [...(await readFile(sample('pizza.jpg')))];
  await page.evaluate((data) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(data)], 'dropped.jpg', { type: 'image/jpeg' }));
    dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }, bytes);
  await page.locator('.card .answers li').first().waitFor();
  const dropped = await topLabel(page);
  await page.getByRole('button', { name: 'Put away' }).click();
  await page.evaluate((data) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(data)], 'pasted.jpg', { type: 'image/jpeg' }));
    dispatchEvent(new ClipboardEvent('paste', { clipboardData: transfer, bubbles: true }));
  }, bytes);
  await page.locator('.card .answers li').first().waitFor();
  assert.equal(await topLabel(page), dropped);
  await page.waitForFunction(() => navigator.serviceWorker.controller);
  const went = await page.evaluate(async (data) => {
    const form = new FormData();
    form.append('photos', new File([new Uint8Array(data)], 'shared.jpg', { type: 'image/jpeg' }));
    return (await fetch('share', { method: 'POST', body: form })).url;
  }, bytes);
  assert.match(went, /\?shared=1/);
  await page.goto(`${site.url}?shared=1#/photo`);
  await page.locator('.card .answers li').first().waitFor({ timeout: 60000 });
  assert.equal(await topLabel(page), dropped);
});

test('by keyboard alone', async (t) => {
  const { page } = await visit(t);
  await ready(page);
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'skip');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  await page.keyboard.press('Tab');
  const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.keyboard.press('Space')]);
  await chooser.setFiles(sample('daisy.jpg'));
  await page.locator('.card .answers li').first().waitFor();
  await page.waitForFunction(() => document.getElementById('spoken').textContent.includes('%'));
  for (let i = 0; i < 12; i++) {
    await page.keyboard.press('Tab');
    if (await page.evaluate(() => document.activeElement.textContent === 'Teach')) break;
  }
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Teach');
});
