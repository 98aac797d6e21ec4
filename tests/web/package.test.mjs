/* The package @whatsit/core: its example page as plain modules, and the same from another host. vite.test.mjs tries it with Vite,
 * `node bundlers.mjs` with that and webpack as npm has them today. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cp, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { root, sample, visit } from './kit.mjs';

async function makePackage(t) {
  const folder = await mkdtemp(path.join(tmpdir(), 'whatsit-package-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  execFileSync('python3', [path.join(root, 'web/make_package.py'), folder, '--core', process.env.CORE]);
  return folder;
}

test('what is named in package.json is there, and nothing else', async (t) => {
  const folder = await makePackage(t);
  const about = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8'));
  assert.match(about.version, /^\d+\.\d+/);
  assert.deepEqual((await readdir(folder)).sort(), [...about.files, 'package.json'].sort());
  for (const { types, default: file } of [about.exports['.'], about.exports['./labels']]) {
    await readFile(path.join(folder, types));
    await readFile(path.join(folder, file));
  }
  const types = await readFile(path.join(folder, 'whatsit.d.ts'), 'utf8');
  const code = await readFile(path.join(folder, 'whatsit.js'), 'utf8');
  for (const [, name] of code.matchAll(/^export (?:async )?(?:function|class) (\w+)/gm)) assert.ok(types.includes(` ${name}`), `${name} has no type`);
});

async function answer(page) {
  await page.getByText('ready', { exact: true }).waitFor({ timeout: 60000 });
  await page.locator('input').setInputFiles(sample('siamese-cat.jpg'));
  await page.getByText(/^(cat|dog|hamster), \d+ %$/).waitFor();
  return page.locator('output').innerText();
}

test('the example page, with the package beside it', async (t) => {
  const folder = await makePackage(t);
  await cp(process.env.WHATSIT_TEST_MODEL, path.join(folder, 'whatsit-nano.gguf'));
  /* its script is in the page: the policy of the tests' host forbids that */
  const { page } = await visit(t, { to: 'example.html', site: { folder, csp: "default-src 'self' 'unsafe-inline' 'wasm-unsafe-eval' blob:" }, allow: (fault) => /favicon/.test(fault) });
  assert.ok(await answer(page));
  const refused = await page.evaluate(async () => {
    const { load } = await import('./whatsit.js');
    return load({}).catch((error) => [error.name, error.code, error.message]);
  });
  assert.deepEqual(refused, ['WhatsitError', 'arg', 'a model is named by its address: { url }']);
});

test('the package from another host', async (t) => {
  const folder = await makePackage(t);
  const types = { '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm' };
  const other = createServer(async (request, response) => {
    const file = path.join(folder, new URL(request.url, 'http://localhost').pathname);
    const bytes = await readFile(file).catch(() => null);
    response.writeHead(bytes ? 200 : 404, { 'Content-Type': types[path.extname(file)] ?? 'application/octet-stream', 'Access-Control-Allow-Origin': '*',
      'Cross-Origin-Resource-Policy': 'cross-origin' }).end(bytes);
  });
  await new Promise((resolve) => other.listen(0, '127.0.0.1', resolve));
  t.after(() => other.close());
  const there = `http://127.0.0.1:${other.address().port}/`;
  const site = await mkdtemp(path.join(tmpdir(), 'whatsit-page-'));
  t.after(() => rm(site, { recursive: true, force: true }));
  await cp(process.env.WHATSIT_TEST_MODEL, path.join(site, 'whatsit-nano.gguf'));
  await writeFile(path.join(site, 'index.html'), (await readFile(path.join(folder, 'example.html'), 'utf8')).replace('./whatsit.js', `${there}whatsit.js`));
  const { page } = await visit(t, { site: { folder: site, csp: `default-src 'self' 'unsafe-inline' 'wasm-unsafe-eval' blob: ${there}; worker-src blob: ${there}` },
    allow: (fault) => fault.includes(there) || /favicon/.test(fault) });
  assert.ok(await answer(page));
});
