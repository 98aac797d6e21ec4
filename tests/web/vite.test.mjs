/* The package @whatsit/core as npm packs it, in a project of Vite's: ten lines, built without settings, answer about a photo.
 * `node bundlers.mjs` tries more, with what npm has today. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { root, sample, visit } from './kit.mjs';

const MAIN = `import { load } from '@whatsit/core';
async function ask() {
  const whatsit = await load({ model: { url: new URL('nano.gguf', location.href).href } });
  const head = await whatsit.makeHead({ name: 'food', labels: ['pizza', 'dog', 'hamster'] });
  const { answers } = await whatsit.classify(await (await fetch('photo.jpg')).blob(), { heads: head });
  return \`RESULT \${answers[0].answers[0].label}\`;
}
ask().catch((error) => \`ERROR \${error.name} \${error.code} \${error.message}\`).then((text) => { document.body.textContent = text; });
`;
const vite = path.join(path.dirname(createRequire(import.meta.url).resolve('vite/package.json')), 'bin/vite.js');

test('npm packs it, Vite builds with it, and the page answers', async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'whatsit-vite-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const run = (command, ...args) => execFileSync(command, args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  run('python3', path.join(root, 'web/make_package.py'), path.join(folder, 'package'), '--core', process.env.CORE);
  run('npm', 'pack', '--silent', './package');
  const archive = (await readdir(folder)).find((name) => /^whatsit-core-.*\.tgz$/.test(name));
  await writeFile(path.join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  run('npm', 'install', '--offline', '--no-audit', '--no-fund', `./${archive}`);
  for (const name of ['public', 'src']) await mkdir(path.join(folder, name));
  await writeFile(path.join(folder, 'src/main.js'), MAIN);
  await writeFile(path.join(folder, 'index.html'), '<!doctype html><body><script type="module" src="/src/main.js"></script>');
  await cp(process.env.WHATSIT_TEST_MODEL, path.join(folder, 'public/nano.gguf'));
  await cp(sample('pizza.jpg'), path.join(folder, 'public/photo.jpg'));
  run(process.execPath, vite, 'build');
  const { page } = await visit(t, { site: { folder: path.join(folder, 'dist') }, allow: (fault) => /favicon/.test(fault) });
  await page.getByText(/^(RESULT|ERROR)/).waitFor({ timeout: 60000 });
  assert.equal(await page.evaluate(() => document.body.textContent.trim()), 'RESULT pizza');
});
