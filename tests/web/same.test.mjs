/* The answers on this device are the command line's: same five, scores within 1e-3. PHOTOS names a
 * folder with more photos than the samples. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { ready, SAMPLES, SITE, visit } from './kit.mjs';

test('the same answers as the command line', async (t) => {
  const folder = process.env.PHOTOS ?? SAMPLES;
  const names = readdirSync(folder).filter((name) => /\.(jpe?g|png|webp)$/i.test(name)).slice(0, 60);
  const files = names.map((name) => path.join(folder, name));
  const list = path.join(SITE, 'heads/everyday.txt');
  const lines = execFileSync(process.env.WHATSIT, ['--model', process.env.WHATSIT_TEST_MODEL, '--labels', list, '--json', '--quiet',
    '--top', '6', ...files], { encoding: 'utf8', maxBuffer: 1 << 26 }).trim().split('\n').map((line) => JSON.parse(line));
  const { page, site } = await visit(t);
  await ready(page);
  await page.evaluate(() => document.body.append(Object.assign(document.createElement('input'), { type: 'file', multiple: true, id: 'test-files' })));
  await page.locator('#test-files').setInputFiles(files);
  const answers = await page.evaluate(async (base) => {
    const { load } = await import(`${base}whatsit.js`);
    const { models: [model] } = await (await fetch(`${base}models.json`)).json();
    const { parseList } = await import(`${base}lib/labels.js`);
    const whatsit = await load({ model: { ...model, url: base + model.url } });
    const head = await whatsit.makeHead(parseList(await (await fetch(`${base}heads/everyday.txt`)).text()));
    const list = [];
    for (const file of document.getElementById('test-files').files) {
      const { answers: [{ answers }], ms } = await whatsit.classify(file, { heads: head, top: 6 });
      list.push({ answers, ms });
    }
    whatsit.close();
    return list;
  }, site.url);
  let worst = 0;
  const different = [];
  lines.forEach((line, i) => {
    const native = (line.answers ?? line.heads[0].answers).map(({ label, score }) => [label, score]);
    const here = answers[i].answers.map(({ label, score }) => [label, score]);
    const off = Math.max(...native.slice(0, 5).map(([label, score]) =>
      Math.abs(score - (here.find(([one]) => one === label)?.[1] ?? -1))));
    worst = Math.max(worst, off);
    const sameOrder = native.slice(0, 5).every(([label], k) => here[k]?.[0] === label);
    const tied = native.slice(0, 5).every(([, score], k) => Math.abs(score - (here[k]?.[1] ?? -1)) < 1e-3);
    if (off >= 1e-3 || !(sameOrder || tied)) different.push(`${names[i]}: ${JSON.stringify(native)} here ${JSON.stringify(here)}`);
  });
  const encode = answers.map(({ ms }) => ms.encode).sort((a, b) => a - b)[answers.length >> 1];
  console.log(`${lines.length} photos, largest difference of a score ${worst.toExponential(1)}, median encoding ${encode.toFixed(1)} ms`);
  assert.deepEqual(different, []);
});
