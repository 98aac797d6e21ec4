/* The answers on this device are the command line's: same five, scores within 1e-3. PHOTOS names a
 * folder with more photos than the samples. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { ready, root, sample, SAMPLES, SITE, visit } from './kit.mjs';

function natively(files) {
  const list = path.join(SITE, 'heads/everyday.txt');
  return execFileSync(process.env.WHATSIT, ['--model', process.env.WHATSIT_TEST_MODEL, '--labels', list, '--json', '--quiet',
    '--top', '6', ...files], { encoding: 'utf8', maxBuffer: 1 << 26, stdio: ['ignore', 'pipe', 'ignore'] }).trim().split('\n')
    .map((line) => JSON.parse(line));
}

/* What the page's own interface answers, or why it does not. */
async function here(t, files) {
  const { page, site } = await visit(t);
  await ready(page, 180000);
  await page.evaluate(() => document.body.append(Object.assign(document.createElement('input'), { type: 'file', multiple: true, id: 'test-files' })));
  await page.locator('#test-files').setInputFiles(files);
  return page.evaluate(async (base) => {
    const { load } = await import(`${base}whatsit.js`);
    const { models: [model] } = await (await fetch(`${base}models.json`)).json();
    const { parseList } = await import(`${base}lib/labels.js`);
    const { decode } = await import(`${base}lib/pixels.js`);
    /* twelve by twelve means of its colours, row by row; and whether one sees through it somewhere */
    const small = async (file) => {
      const drawn = await decode(file), { width, height } = drawn, sums = new Float64Array(432), counts = new Float64Array(144);
      const context = new OffscreenCanvas(width, height).getContext('2d');
      context.drawImage(drawn, 0, 0);
      const { data } = context.getImageData(0, 0, width, height);
      let isClear = false;
      for (let y = 0, at = 0; y < height; y++) {
        for (let x = 0; x < width; x++, at += 4) {
          const to = 12 * Math.floor((12 * y) / height) + Math.floor((12 * x) / width);
          for (let k = 0; k < 3; k++) sums[3 * to + k] += data[at + k];
          counts[to]++;
          isClear ||= data[at + 3] < 255;
        }
      }
      return { isClear, colours: [...sums].map((sum, i) => sum / counts[Math.floor(i / 3)]) };
    };
    const whatsit = await load({ model: { ...model, url: base + model.url } });
    const head = await whatsit.makeHead(parseList(await (await fetch(`${base}heads/everyday.txt`)).text()));
    const list = [];
    for (const file of document.getElementById('test-files').files) {
      const found = await whatsit.classify(file, { heads: head, top: 6 }).catch((error) => ({ error: error.message }));
      list.push(found.error ? found : { small: await small(file), answers: found.answers[0].answers, embedding: [...found.embedding], ms: found.ms, width: found.width, height: found.height });
    }
    whatsit.close();
    return list;
  }, site.url);
}

function embedded(files) {
  return execFileSync(process.env.WHATSIT, ['embed', '--model', process.env.WHATSIT_TEST_MODEL, '--quiet', ...files.flatMap((file) => ['--image', file])],
    { encoding: 'utf8', maxBuffer: 1 << 26, stdio: ['ignore', 'pipe', 'ignore'] }).trim().split('\n').map((line) => JSON.parse(line))
    .filter((line) => line.embedding).map((line) => line.embedding);
}

const cosine = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0) / Math.hypot(...a) / Math.hypot(...b);

const scores = (answers) => answers.map(({ label, score }) => [label, score]);

/* How far the best five are apart, and whether they stand in another order without being equal. */
function difference(native, own) {
  const off = Math.max(...native.slice(0, 5).map(([label, score]) => Math.abs(score - (own.find(([one]) => one === label)?.[1] ?? -1))));
  const isSame = native.slice(0, 5).every(([label, score], k) => own[k]?.[0] === label || Math.abs(score - (own[k]?.[1] ?? -1)) < 1e-3);
  return { off, isSame };
}

test('the same answers as the command line', async (t) => {
  const folder = process.env.PHOTOS ?? SAMPLES;
  const names = readdirSync(folder).filter((name) => /\.(jpe?g|png|webp)$/i.test(name)).slice(0, 60);
  const files = names.map((name) => path.join(folder, name));
  const answers = await here(t, files);
  let worst = 0;
  const different = [];
  natively(files).forEach((line, i) => {
    const native = scores(line.heads[0].answers), own = scores(answers[i].answers);
    const { off, isSame } = difference(native, own);
    worst = Math.max(worst, off);
    if (off >= 1e-3 || !isSame) different.push(`${names[i]}: ${JSON.stringify(native)} here ${JSON.stringify(own)}`);
  });
  const encode = answers.map(({ ms }) => ms.encode).sort((a, b) => a - b)[answers.length >> 1];
  console.log(`${names.length} photos, largest difference of a score ${worst.toExponential(1)}, median encoding ${encode.toFixed(1)} ms`);
  assert.deepEqual(different, []);
});

/* The pictures by which the command line's reading is tested, with what they show at 12 x 12 px. What browsers read otherwise ('tail': only
 * behind the last good row), or not at all, and why. Embeddings are compared: scores jump where a small picture lies between two labels; and colours, of what
 * one does not see through. Of a picture that is read otherwise nothing is asked. */
const OTHERWISE = JSON.parse(readFileSync(new URL('./otherwise.json', import.meta.url), 'utf8'));

function offBy({ want, rows }, { colours }) {
  const n = 36 * rows;
  return colours.slice(0, n).reduce((sum, value, i) => sum + Math.abs(value - parseInt(want.slice(2 * i, 2 * i + 2), 16)), 0) / n;
}

test('every format and its odd forms: the same picture and embedding, or a difference that is written down', async (t) => {
  const folder = path.join(root, 'tests/image/conditions');
  const cases = readFileSync(path.join(folder, 'cases.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line))
    .filter((one) => one.status === 'ok' && Object.keys(one.options).length === 0 && !one.file.endsWith('.heic'));
  const files = cases.map((one) => path.join(folder, one.file));
  const answers = await here(t, files);
  const found = [];
  const native = embedded(files);
  assert.equal(native.length, files.length);
  native.forEach((embedding, i) => {
    const { file, tolerance } = cases[i], [what] = OTHERWISE[file] ?? [], { error, small, embedding: own } = answers[i];
    if (Boolean(error) !== (what === 'not read')) found.push(`${file}: ${error ?? 'read'}`);
    if (error || what === 'other') return;
    /* means of squares are not quite what the command line's resizing gives */
    const most = Math.max(what === 'tail' ? 10 : 6, 1.5 * tolerance);
    if ((!small.isClear || what) && offBy(cases[i], small) > most) found.push(`${file}: colours off by ${offBy(cases[i], small)}`);
    if (!what && cosine(embedding, own) < 0.95) found.push(`${file}: cosine ${cosine(embedding, own)}`);
  });
  assert.deepEqual(found, []);
});

test('a large photo, which is made smaller while it is decoded: its sizes, the way up and the answers stay', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'whatsit-large-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const { page } = await visit(t);
  const bytes = Buffer.from(await page.evaluate(async (data) => {
    const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))]));
    const context = new OffscreenCanvas(4032, 3024).getContext('2d');
    context.translate(0, 3024);
    context.rotate(-Math.PI / 2); /* lying on its side, as the mark below says */
    context.imageSmoothingQuality = 'high';
    context.drawImage(bitmap, 0, 0, 3024, 4032);
    const jpeg = new Uint8Array(await (await context.canvas.convertToBlob({ type: 'image/jpeg', quality: 0.9 })).arrayBuffer());
    let text = '';
    for (let i = 0; i < jpeg.length; i += 8192) text += String.fromCharCode(...jpeg.subarray(i, i + 8192));
    return btoa(text);
  }, readFileSync(sample('lighthouse.jpg')).toString('base64')), 'base64');
  const mark = Buffer.from('ffe100224578696600004d4d002a0000000800010112000300000001000600000000000000', 'hex');
  const file = path.join(folder, 'large.jpg');
  writeFileSync(file, Buffer.concat([bytes.subarray(0, 2), mark.subarray(0, 36), bytes.subarray(2)]));
  const [own] = await here(t, [file]);
  const [line] = natively([file]);
  assert.deepEqual([own.width, own.height], [line.width, line.height]);
  const { off } = difference(scores(line.heads[0].answers), scores(own.answers));
  console.log(`12 megapixels: largest difference of a score ${off.toExponential(1)}`);
  assert.ok(off < 0.03, JSON.stringify([line.heads[0].answers, own.answers]));
});
