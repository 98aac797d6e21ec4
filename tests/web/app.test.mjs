/* Every task of a user, on a phone's screen. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { accessible, ask, choose, entries, go, ready, sample, shoot, topLabel, visit, wall } from './kit.mjs';

const cards = (page) => page.locator('.card .said');

test('questions: several every time, the page of one, a note where people are meant', async (t) => {
  const { page } = await visit(t);
  await ready(page);
  await go(page, 'heads');
  await page.getByRole('heading', { name: 'What should I look for?' }).waitFor();
  await shoot(page, 'phone-questions');
  await accessible(page, 'questions');
  await page.getByLabel('Find a question').fill('emot');
  await page.getByLabel('Use Emotions').check();
  await page.getByLabel('Find a question').fill('');
  await page.getByLabel('Use Weather', { exact: false }).first().check();
  await page.getByRole('link', { name: /What feeling/ }).first().click();
  await page.getByText('says nothing reliable about a person').waitFor();
  await page.getByRole('heading', { name: '27 labels' }).waitFor();
  await shoot(page, 'phone-question');
  await accessible(page, 'question');
  await go(page, 'photo');
  await ask(page, sample('hummingbird.jpg'));
  await page.waitForFunction(() => document.querySelectorAll('.card .said').length === 3);
  await page.getByText('says nothing reliable about a person').waitFor();
  await shoot(page, 'phone-several-questions');
  await accessible(page, 'answers');
});

test('one answer in words, the others folded, nothing below one in a hundred; a further question by one tap', async (t) => {
  const { page } = await visit(t);
  await ready(page);
  await ask(page, sample('pizza.jpg'));
  assert.equal(await page.locator('.card .said').count(), 1);
  assert.equal(await page.locator('.hero .others .answers li').first().isVisible(), false);
  assert.equal(await page.locator('.bar').count(), 0);
  assert.ok(!/%/.test(await page.locator('.hero .said').innerText()));
  const shares = await page.locator('.hero .others .answer-score').allTextContents();
  assert.ok(shares.every((text) => parseFloat(text) >= 1), shares.join());
  await page.locator('.chip').filter({ hasText: 'What is it made of?' }).click();
  await page.waitForFunction(() => document.querySelectorAll('.card .said').length === 2);
  await page.getByText('Another photo').scrollIntoViewIfNeeded();
  await shoot(page, 'phone-asked-more');
  await accessible(page, 'asked more');
  /* about people nobody is asked unasked */
  const offered = await page.locator('.chip').allInnerTexts();
  assert.ok(!offered.some((text) => /old|feeling|nationality|profession|look like/.test(text)), offered.join());
});

test('a tap asks about a part of the picture, and the whole comes back; by keyboard, too', async (t) => {
  const { page } = await visit(t);
  await ready(page);
  await ask(page, sample('lighthouse.jpg'));
  const whole = await page.locator('.hero .card-body').innerText();
  const box = await page.locator('.stage').boundingBox();
  await page.touchscreen.tap(box.x + box.width * 0.2, box.y + box.height * 0.3);
  await page.getByText('About the part in the square').waitFor();
  assert.ok(await page.locator('.mark').isVisible());
  await page.waitForTimeout(300);
  await shoot(page, 'phone-part');
  await accessible(page, 'part');
  const mark = await page.locator('.mark').boundingBox();
  assert.ok(Math.abs(mark.width - mark.height) < 2, JSON.stringify(mark));
  await page.getByRole('button', { name: 'Larger' }).click();
  await page.waitForFunction((width) => document.querySelector('.mark').offsetWidth > 1.2 * width, mark.width);
  await page.getByRole('button', { name: 'Smaller' }).click();
  await page.waitForFunction((width) => document.querySelector('.mark').offsetWidth < 1.1 * width, mark.width);
  /* two fingers: the square lies between them */
  const fingers = await page.context().newCDPSession(page);
  const touch = (type, ...points) => fingers.send('Input.dispatchTouchEvent', { type, touchPoints: points.map(([x, y], id) => ({ x: box.x + box.width * x, y: box.y + box.height * y, id })) });
  await touch('touchStart', [0.45, 0.3], [0.55, 0.3]);
  for (const by of [0.1, 0.2, 0.3]) await touch('touchMove', [0.5 - by, 0.3], [0.5 + by, 0.3]);
  await touch('touchEnd');
  await page.waitForFunction((width) => Math.abs(document.querySelector('.mark').offsetWidth - 0.6 * width) < 0.08 * width, box.width);
  assert.equal(await page.evaluate(() => visualViewport.scale), 1);
  /* the fingers' part may still be on its way: its answer must not come back */
  await page.getByRole('button', { name: 'Whole photo' }).click();
  await page.locator('.mark').waitFor({ state: 'hidden' });
  await page.waitForFunction((text) => document.querySelector('.hero .card-body').innerText === text, whole);
  await page.locator('.stage').press('ArrowLeft');
  await page.locator('.stage').press('Enter');
  await page.getByText('About the part in the square').waitFor();
  await page.locator('.stage').press('Escape');
  await page.getByText('About the part in the square').waitFor({ state: 'detached' });
});

test('nothing to see is not named', async (t) => {
  const { page } = await visit(t);
  await ready(page);
  for (const [colour, words] of [['#000', 'The picture is dark.'], ['#39f', 'There is nothing on it but one colour.']]) {
    const bytes = await page.evaluate(async (style) => {
      const canvas = Object.assign(document.createElement('canvas'), { width: 300, height: 200 });
      const context = canvas.getContext('2d');
      context.fillStyle = style;
      context.fillRect(0, 0, 300, 200);
      const blob = await new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
      return [...new Uint8Array(await blob.arrayBuffer())];
    }, colour);
    await ask(page, { name: 'one.png', mimeType: 'image/png', buffer: Buffer.from(bytes) }, (await page.locator('.stage').count()) ? 'Another photo' : 'Choose a photo');
    await page.getByText(words, { exact: true }).waitFor();
    assert.equal(await topLabel(page), 'Can\'t tell');
  }
  await shoot(page, 'phone-cannot-tell');
  await accessible(page, 'cannot tell');
});

test('your own list is made here and used at once; exported, removed, imported', async (t) => {
  const { page } = await visit(t);
  await ready(page);
  await ask(page, sample('pizza.jpg'));
  await go(page, 'new');
  await page.getByRole('button', { name: 'Make it' }).click();
  await page.getByText('Give two labels or more.').waitFor();
  await accessible(page, 'new, with mistakes');
  await page.getByLabel('Labels').fill('1. pizza\n2. salad\n3. soup | broth\n4. Pizza\n');
  await page.getByText('3 labels 1 double left out.').waitFor();
  await page.locator('.tried .said').waitFor(); /* tried while it is typed */
  await shoot(page, 'phone-new');
  await page.getByText('Settings').click();
  await page.getByLabel('Sentence').fill('a photo of {}, a dish.');
  await page.getByLabel('Name').fill('lunch');
  await accessible(page, 'new');
  await page.getByRole('button', { name: 'Make it' }).click();
  await page.getByText('lunch is ready').waitFor();
  await page.waitForFunction(() => document.querySelectorAll('.card .said').length === 2);
  const shown = await cards(page).nth(1).innerText();
  await go(page, 'head/lunch');
  const [saved] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Export' }).click()]);
  const bytes = await readFile(await saved.path());
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
  await page.waitForFunction(() => document.querySelectorAll('.card .said').length === 2);
  assert.equal(await cards(page).nth(1).innerText(), shown);
  await page.reload();
  await ready(page);
  await go(page, 'heads');
  await page.getByRole('link', { name: /lunch/ }).waitFor();

  const other = Buffer.from(bytes.toString('latin1').replace(/"model_fingerprint":"[0-9a-f]{8}/, '"model_fingerprint":"00000000'), 'latin1');
  await choose(page, 'Import', { name: 'other.safetensors', mimeType: 'application/octet-stream', buffer: other });
  await page.getByText('This list belongs to another model.').waitFor();
  await choose(page, 'Import', { name: 'noise.safetensors', mimeType: 'application/octet-stream', buffer: Buffer.from('not a head at all') });
  await page.getByText('This is not a file of a list').waitFor();
});

test('labels in groups: what a group has together is shown under the answers', async (t) => {
  const { page } = await visit(t);
  await ready(page);
  await ask(page, sample('siamese-cat.jpg'));
  await go(page, 'new');
  await page.getByLabel('Labels').fill('[animals]\ncat\ndog\n[vehicles]\ncar\nship');
  await page.getByText('4 labels').waitFor();
  await page.getByLabel('Name').fill('grouped');
  await page.getByRole('button', { name: 'Make it' }).click();
  const card = page.locator('.card').nth(1);
  await card.locator('summary').click();
  await card.getByText('By group').waitFor();
  assert.equal(await page.locator('.card').first().locator('.groups').count(), 0);
  const shares = async (rows) => (await card.locator(`${rows} .answer-score`).allInnerTexts()).map(parseFloat);
  const together = await shares('.groups');
  assert.equal(together.length > 0 && together[0] >= (together[1] ?? 0), true, String(together));
  await shoot(page, 'phone-groups');
  await accessible(page, 'groups');
});

test('none of these', async (t) => {
  const { page } = await visit(t);
  await ready(page);
  await ask(page, sample('pizza.jpg'));
  await go(page, 'new');
  await page.getByLabel('Labels').fill('galaxy, circuit board, handwriting');
  await page.getByLabel('Name').fill('far away');
  await page.getByText('Settings').click();
  await page.getByLabel('May answer').check();
  await page.getByRole('button', { name: 'Make it' }).click();
  await page.getByText('None of these.', { exact: true }).waitFor();
  assert.equal(await page.locator('.card').nth(1).locator('.said').innerText(), 'Can\'t tell');
});

test('example photos: one tap teaches, undo takes it back, it stays after a reload', async (t) => {
  const { page, site } = await visit(t);
  await ready(page);
  await go(page, 'new');
  await page.getByLabel('Labels').fill('cup, shoe, lamp');
  await page.getByLabel('Name').fill('mine');
  await page.getByRole('button', { name: 'Make it' }).click();
  await page.getByText('mine is ready').waitFor();
  await go(page, 'photo');
  await ask(page, sample('spider.jpg'));
  await page.waitForFunction(() => document.querySelectorAll('.card .said').length === 2);
  const card = page.locator('.card').nth(1);
  const scores = () => card.evaluate((element) => Object.fromEntries([...element.querySelectorAll('.others li')]
    .map((row) => [row.children[0].textContent, parseFloat(row.children[1].textContent)])));
  const before = await scores();
  const worst = ['cup', 'shoe', 'lamp'].sort((a, b) => (before[a] ?? 0) - (before[b] ?? 0))[0];
  const tool = card.getByRole('button', { name: /^(Teach|Wrong\?)$/ });
  await tool.click();
  await shoot(page, 'phone-teach');
  await accessible(page, 'teach');
  await page.getByRole('dialog').getByRole('button', { name: worst, exact: true }).click();
  await page.getByText(`Learnt: ${worst}`).waitFor();
  const after = await scores();
  assert.ok((after[worst] ?? 100) > (before[worst] ?? 0), `${JSON.stringify(before)} -> ${JSON.stringify(after)}`);
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.waitForFunction((text) => document.querySelectorAll('.card')[1].querySelector('.others').textContent.includes(text), `${Math.max(...Object.values(before))}%`);
  assert.deepEqual(await scores(), before);
  await tool.click();
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

test('taught with photos alone: names, photos, how good it is, undo; the command line reads the file', async (t) => {
  const { page } = await visit(t);
  await ready(page);
  await go(page, 'teach');
  await page.getByText('Two names with a photo each').waitFor();
  for (const name of ['plants', 'machines']) {
    await page.getByLabel('A name').fill(name);
    await page.getByRole('button', { name: 'Add', exact: true }).click();
  }
  const add = async (index, files) => {
    const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.locator('.lesson').nth(index).getByText('Add photos').click()]);
    await chooser.setFiles(files.map((name) => sample(`${name}.jpg`)));
    await page.waitForFunction(([i, n]) => document.querySelectorAll('.lesson')[i].querySelectorAll('.thumb').length === n, [index, files.length]);
  };
  await add(0, ['daisy', 'hummingbird', 'ant']);
  await add(1, ['ambulance', 'sports-car', 'schooner']);
  await page.getByText(/Of 6 photos held out, \d were named right/).waitFor();
  await shoot(page, 'phone-teach-photos');
  await accessible(page, 'teach with photos');
  await page.locator('.lesson').first().getByRole('button', { name: 'Forget' }).first().click();
  await page.waitForFunction(() => document.querySelectorAll('.lesson')[0].querySelectorAll('.thumb').length === 2);
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.waitForFunction(() => document.querySelectorAll('.lesson')[0].querySelectorAll('.thumb').length === 3);
  await page.getByLabel('Name', { exact: true }).fill('two kinds');
  await page.getByRole('button', { name: 'Make it' }).click();
  await page.getByText('two kinds is ready').waitFor();
  await go(page, 'head/two%20kinds');
  const [saved] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Export' }).click()]);
  const folder = await mkdtemp(path.join(tmpdir(), 'whatsit-taught-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'two-kinds.safetensors');
  await writeFile(file, await readFile(await saved.path()));
  const said = JSON.parse(execFileSync(process.env.WHATSIT, ['--model', process.env.WHATSIT_TEST_MODEL, '--as', file, '--json', '--quiet', sample('ambulance.jpg')], { encoding: 'utf8' }));
  assert.equal((said.answers ?? said.heads[0].answers)[0].label, 'machines');
  await go(page, 'photo');
  await ask(page, sample('ambulance.jpg'));
  await page.waitForFunction(() => document.querySelectorAll('.card .said').length === 2);
  assert.match(await cards(page).nth(1).innerText(), /machines/);
});

test('where does it look: the heat map stays, whatever comes meanwhile', async (t) => {
  const { page } = await visit(t);
  await ready(page);
  await go(page, 'new');
  await page.getByLabel('Labels').fill('lighthouse, pizza, spider');
  await page.getByLabel('Name').fill('three');
  await page.getByRole('button', { name: 'Make it' }).click();
  await page.getByText('three is ready').waitFor();
  await go(page, 'heads');
  await page.getByLabel('Use Everyday things', { exact: true }).uncheck();
  await go(page, 'photo');
  await ask(page, sample('lighthouse.jpg'));
  await page.locator('.answer-side > .tools').getByRole('button', { name: 'Where?' }).click();
  await page.getByText('Measured by covering').waitFor({ timeout: 60000 });
  await shoot(page, 'phone-heat');
  await accessible(page, 'heat map');
  assert.match(await page.locator('canvas.photo').getAttribute('aria-label'), /bright parts speak for/);
  const lit = () => page.evaluate(() => {
    const glow = document.querySelector('canvas.glow');
    return !glow.hidden && glow.getContext('2d').getImageData(0, 0, glow.width, glow.height).data.some((value) => value > 0);
  });
  assert.ok(await lit());
  await page.getByRole('button', { name: 'Save', exact: true }).click(); /* the screen is drawn anew */
  await page.getByRole('button', { name: 'Saved', exact: true }).waitFor();
  assert.ok(await lit());
  await page.getByRole('button', { name: 'Hide' }).click();
  assert.equal(await lit(), false);
});

test('four photos at once: each is answered and kept, the strip shows them', async (t) => {
  const { page } = await visit(t);
  await ready(page);
  await ask(page, ['pizza', 'hummingbird', 'lighthouse', 'ambulance'].map((name) => sample(`${name}.jpg`)));
  await page.waitForFunction(() => document.querySelectorAll('.strip li img').length === 4);
  await entries(page, 4);
  await shoot(page, 'phone-strip');
  await accessible(page, 'strip');
  await page.locator('.strip button').nth(3).click();
  await page.waitForFunction(() => document.querySelectorAll('.strip button')[3].getAttribute('aria-pressed') === 'true');
});

test('the album: many photos with their answers, searched by words, filtered, as a zip, there at the next visit', async (t) => {
  const { page } = await visit(t);
  await ready(page);
  await go(page, 'albums');
  await page.getByText('Photos that you ask about are kept here').waitFor();
  await shoot(page, 'phone-album-empty');
  const names = ['lighthouse', 'pizza', 'daisy', 'drum', 'ant', 'schooner'];
  await choose(page, 'Add photos', names.map((name) => sample(`${name}.jpg`)));
  await page.waitForFunction(() => document.querySelectorAll('.tile').length === 6);
  await page.getByLabel('Describe a photo').fill('a lighthouse');
  await page.getByText('6 photos, best first').waitFor();
  await shoot(page, 'phone-album');
  await accessible(page, 'album');
  const best = await page.locator('.tile img').first().evaluate((image) => image.naturalWidth > 0);
  assert.ok(best);
  const first = await page.evaluate(async () => {
    const db = await new Promise((resolve) => { const open = indexedDB.open('whatsit', 1); open.onsuccess = () => resolve(open.result); });
    const all = await new Promise((resolve) => { const get = db.transaction('history').objectStore('history').getAll(); get.onsuccess = () => resolve(get.result); });
    return all.map((one) => one.name);
  });
  assert.deepEqual([...first].sort(), names.map((name) => `${name}.jpg`).sort());
  await page.getByLabel('Describe a photo').fill('');
  await page.getByLabel('Sort').selectOption('answer');
  await page.locator('.album section h2').first().waitFor();
  await page.getByRole('button', { name: 'Download as zip' }).click();
  await shoot(page, 'phone-zip');
  await accessible(page, 'zip');
  const [saved] = await Promise.all([page.waitForEvent('download'), page.getByRole('dialog').getByRole('button', { name: 'Download' }).click()]);
  const listed = execFileSync('python3', ['-c', 'import sys,zipfile;z=zipfile.ZipFile(sys.argv[1]);assert z.testzip() is None;print("\\n".join(f"{i.filename}\\t{i.file_size}" for i in z.infolist()))',
    await saved.path()], { encoding: 'utf8' }).trim().split('\n').map((line) => line.split('\t'));
  for (const name of names) {
    const [, size] = listed.find(([file]) => file.endsWith(`/${name}.jpg`));
    assert.equal(Number(size), (await readFile(sample(`${name}.jpg`))).length, name);
  }
  await page.reload();
  await ready(page);
  await page.waitForFunction(() => document.querySelectorAll('.tile').length === 6);
  await page.locator('.tile').first().click();
  await page.locator('.card .answers li').first().waitFor();
  await page.waitForFunction(() => location.hash === '#/photo');
});

test('many photos: broken ones are told together, names that are alike are told apart, more may come meanwhile', async (t) => {
  const { page } = await visit(t);
  await ready(page);
  const bytes = await Promise.all(['pizza', 'daisy', 'ant'].map((name) => readFile(sample(`${name}.jpg`))));
  const file = (name, buffer) => ({ name, mimeType: 'image/jpeg', buffer });
  const good = Array.from({ length: 9 }, (_, i) => file('IMG_1.jpg', bytes[i % 3]));
  await go(page, 'albums');
  await choose(page, 'Add photos', [file('cut.jpg', bytes[0].subarray(0, 300)), ...good, file('empty.jpg', Buffer.alloc(0))]);
  await choose(page, 'Add photos', [file('late.jpg', bytes[1]), file('', Buffer.from('no picture at all'))]);
  await page.waitForFunction(() => document.querySelectorAll('.tile').length === 10);
  await page.locator('#toast').getByText(/could not be opened: cut.jpg, empty.jpg|not a picture that this browser can open/).waitFor();
  await page.waitForFunction(() => !document.querySelector('.album-progress').firstChild);
  await page.getByRole('button', { name: 'Download as zip' }).click();
  const [saved] = await Promise.all([page.waitForEvent('download'), page.getByRole('dialog').getByRole('button', { name: 'Download' }).click()]);
  const names = JSON.parse(execFileSync('python3', ['-c', 'import json,sys,zipfile;print(json.dumps(zipfile.ZipFile(sys.argv[1]).namelist()))', await saved.path()], { encoding: 'utf8' }));
  assert.deepEqual([new Set(names.map((one) => one.toLowerCase())).size, names.filter((one) => one.endsWith('.jpg')).length], [names.length, 10], names.join());
  /* what is not kept is there until the page is left */
  await page.getByText('What is kept').click();
  await page.getByLabel('Keep what I ask about').uncheck();
  await choose(page, 'Add photos', [file('unkept.jpg', bytes[2])]);
  await page.waitForFunction(() => document.querySelectorAll('.tile').length === 11);
  await entries(page, 10);
});

test('many photos that are stopped: what was answered stays, nothing comes after', async (t) => {
  const { page } = await visit(t);
  await ready(page);
  const pizza = await readFile(sample('pizza.jpg'));
  await go(page, 'albums');
  await choose(page, 'Add photos', Array.from({ length: 150 }, (_, i) => ({ name: `${i}.jpg`, mimeType: 'image/jpeg', buffer: pizza })));
  await page.locator('.tile').first().waitFor();
  await page.locator('.album-progress').getByRole('button', { name: 'Cancel' }).click();
  assert.equal(await page.locator('.album-progress > *').count(), 0);
  await go(page, 'photo');
  await choose(page, 'Choose a photo', sample('daisy.jpg'));
  await page.locator('.hero .answers li').first().waitFor();
  await go(page, 'albums');
  const tiles = page.locator('.grid .tile');
  await tiles.first().waitFor();
  const shown = await tiles.count();
  assert.ok(shown < 150, String(shown));
  await page.waitForTimeout(500);
  const later = await tiles.count();
  assert.ok(later <= shown + 1, `${shown}, then ${later}`); /* the daisy may be kept a moment later */
});

test('cells of a spreadsheet are pasted as text, although they come as a picture, too; "Back" closes what is open', async (t) => {
  const { page } = await visit(t);
  await ready(page);
  await go(page, 'new');
  await page.getByLabel('Labels').waitFor();
  await page.evaluate(async () => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 40, height: 40 });
    canvas.getContext('2d').fillRect(0, 0, 40, 40);
    const transfer = new DataTransfer();
    transfer.setData('text/plain', 'cat\ndog');
    transfer.items.add(new File([await new Promise((resolve) => canvas.toBlob(resolve))], 'image.png', { type: 'image/png' }));
    document.getElementById('new-labels').dispatchEvent(new ClipboardEvent('paste', { clipboardData: transfer, bubbles: true, cancelable: true }));
  });
  await page.waitForTimeout(300);
  assert.equal(await page.evaluate(() => location.hash), '#/new');
  await page.getByRole('button', { name: 'tidy room, messy room' }).click();
  await page.getByText('2 labels').waitFor();
  await go(page, 'more');
  await page.getByRole('button', { name: 'Clear everything' }).click();
  await page.getByRole('dialog').waitFor();
  await page.goBack();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.equal(await page.evaluate(() => location.hash), '#/new');
});

test('the album: cleared, switched off; an answer that was saved is marked', async (t) => {
  const { page } = await visit(t);
  await ready(page);
  await ask(page, sample('pizza.jpg'));
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('button', { name: 'Saved', exact: true }).waitFor();
  await ask(page, sample('ant.jpg'), 'Another photo');
  await entries(page, 2);
  await go(page, 'albums');
  await page.waitForFunction(() => document.querySelectorAll('.entry').length === 2);
  await page.getByRole('button', { name: 'Saved' }).click();
  await page.waitForFunction(() => document.querySelectorAll('.entry').length === 1);
  await page.getByText('What is kept').click();
  await page.getByRole('button', { name: 'Clear the album' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Clear', exact: true }).click();
  await page.getByText('Photos that you ask about are kept here').waitFor();
  await page.getByLabel('Keep what I ask about').uncheck();
  await go(page, 'photo');
  await page.locator('.card .answers li').first().waitFor();
  await ask(page, sample('drum.jpg'), 'Another photo');
  await page.waitForTimeout(500);
  await entries(page, 0);
});

test('an answer to hand on: a picture with the words on it, and the text', async (t) => {
  const { page, context } = await visit(t);
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await ready(page);
  await ask(page, sample('pizza.jpg'));
  const [saved] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Share' }).click()]);
  const png = await readFile(await saved.path());
  assert.equal(png.subarray(1, 4).toString(), 'PNG');
  assert.deepEqual([png.readUInt32BE(16), png.readUInt32BE(20)], [1080, 1350]);
  await writeFile(new URL('./screenshots/share-card.png', import.meta.url), png);
  const words = await page.locator('.hero .said').innerText();
  await page.getByRole('button', { name: 'Copy' }).click();
  await page.getByText('Copied').waitFor();
  const text = await page.evaluate(() => navigator.clipboard.readText());
  assert.ok(text.startsWith('What is it?') && text.includes(words), text);
});

test('bad files and large ones, each in a sentence', async (t) => {
  const { page } = await visit(t);
  await ready(page);
  const broken = (await readFile(sample('ant.jpg'))).subarray(0, 300);
  const ftyp = (brand) => Buffer.concat([Buffer.from([0, 0, 0, 24]), Buffer.from(`ftyp${brand}`), Buffer.alloc(12), Buffer.from('mdat'), Buffer.alloc(64)]);
  const tell = async (file, words) => {
    await choose(page, 'Choose a photo', file);
    await page.locator('#toast').getByText(words).waitFor();
  };
  await tell({ name: 'broken.jpg', mimeType: 'image/jpeg', buffer: broken }, 'not a picture that this browser can open');
  await shoot(page, 'phone-corrupt');
  await tell({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('hello') }, 'That is not a picture.');
  await tell({ name: 'empty.png', mimeType: 'image/png', buffer: Buffer.alloc(0) }, 'This file is empty.');
  await tell({ name: 'IMG_1.HEIC', mimeType: '', buffer: ftyp('heic') }, 'This is a HEIC photo');
  await tell({ name: 'clip.jpg', mimeType: 'image/jpeg', buffer: ftyp('isom') }, 'This is a video.');
  await tell({ name: 'raw.tif', mimeType: 'image/tiff', buffer: Buffer.concat([Buffer.from('II*\0'), Buffer.alloc(60)]) }, 'This is a TIFF or raw photo');
  const head = wall(16, 16);
  head.writeUInt32BE(20000, 16);
  head.writeUInt32BE(20000, 20);
  await tell({ name: 'huge.png', mimeType: 'image/png', buffer: head }, 'This picture has 400 megapixels.');
  await ask(page, { name: 'drawing.svg', mimeType: 'image/svg+xml', buffer: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20"><rect width="40" height="20" fill="#e33"/><circle cx="20" cy="10" r="8" fill="#ff0"/></svg>') });
  await ask(page, { name: 'large.png', mimeType: 'image/png', buffer: wall(8000, 6000) }, 'Another photo');
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

test('in the Android package: what is shared is taken, also while the app is open; files are saved by its window', async (t) => {
  const { page, site } = await visit(t, { go: false });
  await page.addInitScript(() => {
    globalThis.saved = [];
    globalThis.whatsitHost = { n: 1, shared() { return this.n; }, taken() { this.n = 0; }, save(...what) { globalThis.saved.push(what); } };
  });
  const bytes = { 'shared/0': sample('pizza.jpg'), 'shared/1': sample('daisy.jpg') };
  await page.route(/shared\/\d+$/, async (route) => {
    const file = bytes[new URL(route.request().url()).pathname.slice(1)];
    await route.fulfill(file ? { body: await readFile(file), contentType: 'application/octet-stream' } : { status: 404 });
  });
  await page.goto(site.url);
  await page.locator('.card .answers li').first().waitFor({ timeout: 60000 });
  assert.match(await page.locator('.card').first().innerText(), /food|pizza/i);
  assert.equal(await page.evaluate(() => whatsitHost.n), 0);
  await page.evaluate(() => { whatsitHost.n = 3; dispatchEvent(new Event('whatsitshared')); }); /* one was taken back */
  await page.waitForFunction(() => document.querySelectorAll('.strip li').length === 3, null, { timeout: 60000 });
  assert.equal(await page.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).length), 0);
  await page.getByRole('button', { name: 'Share' }).click();
  await page.waitForFunction(() => saved.length === 1, null, { timeout: 60000 });
  const [name, type, data] = await page.evaluate(() => saved[0]);
  assert.deepEqual([name, type, Buffer.from(data, 'base64').subarray(1, 4).toString()], ['whatsit.png', 'image/png', 'PNG']);
});

test('by keyboard alone', async (t) => {
  const { page } = await visit(t);
  await ready(page);
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'skip');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  await page.keyboard.press('Tab');
  let chooser = null;
  for (let i = 0; i < 3 && !chooser; i++) { /* a busy browser now and then swallows the first one */
    assert.equal(await page.evaluate(() => document.activeElement.type), 'file');
    const opened = page.waitForEvent('filechooser', { timeout: 10000 }).catch(() => null);
    await page.keyboard.press('Space');
    chooser = await opened;
  }
  assert.ok(chooser, 'no chooser opens by the keyboard');
  await chooser.setFiles(sample('daisy.jpg'));
  await page.locator('.card .answers li').first().waitFor();
  await page.waitForFunction(() => document.getElementById('spoken').textContent.startsWith('What is it?'));
  const name = /^(Teach|Wrong\?)$/;
  for (let i = 0; i < 60; i++) { /* what is shown below may still be growing */
    await page.keyboard.press('Tab');
    if (name.test(await page.evaluate(() => document.activeElement.textContent))) break;
  }
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.match(await page.evaluate(() => document.activeElement.textContent), name);
});
