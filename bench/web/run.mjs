/* One picture through ViT-B/32 in int8: whatsit and onnxruntime-web in the same Chromium, and the native program beside
 * them. They take turns; what is printed is the median over rounds and the median of the ratios within a round.
 *
 *     npm install --prefix FOLDER onnxruntime-web; make test-web (brings playwright-core); bench/web/export.py ...
 *     node bench/web/run.mjs MODELS_FOLDER ORT_DIST_FOLDER BUILD [--threads N] [--rounds N]
 *
 * BUILD: the native build with bench/bench_once (make bench); BUILD-wasm beside it has the modules. The native program
 * always has one thread. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { DESKTOP, open } from '../../tests/web/browser.mjs';
import { serveSite } from '../../tests/web/server.mjs';

const PX = 224;
const here = path.dirname(fileURLToPath(import.meta.url));
const { values, positionals } = parseArgs({ allowPositionals: true, options: {
  threads: { type: 'string', default: '1' }, rounds: { type: 'string', default: '25' },
} });
const [models, ort, build] = positionals.map((one) => path.resolve(one));
if (!build) {
  console.error('run.mjs MODELS_FOLDER ORT_DIST_FOLDER BUILD [--threads N] [--rounds N]');
  process.exit(2);
}
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];

async function makeSite() {
  const folder = await mkdtemp(path.join(tmpdir(), 'whatsit-bench-'));
  await mkdir(path.join(folder, 'core'));
  for (const name of ['whatsit-core.mjs', 'whatsit-worker.mjs']) {
    await symlink(path.join(here, '../../wasm', name), path.join(folder, 'core', name));
  }
  for (const name of ['whatsit', 'whatsit-relaxed', 'whatsit-threads', 'whatsit-relaxed-threads']) {
    await symlink(path.join(`${build}-wasm`, `${name}.wasm`), path.join(folder, 'core', `${name}.wasm`));
  }
  await symlink(ort, path.join(folder, 'ort'));
  await symlink(models, path.join(folder, 'model'));
  await symlink(path.join(here, 'page.mjs'), path.join(folder, 'page.mjs'));
  await writeFile(path.join(folder, 'index.html'), '<!doctype html><title>bench</title>');
  return folder;
}

function startNative() {
  const native = spawn(path.join(build, 'bench/bench_once'), [path.join(models, 'whatsit.gguf'), '1'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: native.stdout })[Symbol.asyncIterator]();
  return {
    time: async () => {
      native.stdin.write('image 1\n');
      return 1000 * Number((await lines.next()).value);
    },
    close: () => native.stdin.end(),
  };
}

const folder = await makeSite();
const site = await serveSite(folder);
const context = await open(DESKTOP);
context.setDefaultTimeout(0);
const page = context.pages()[0] ?? (await context.newPage());
await page.goto(site.url);
await page.evaluate(() => {
  const worker = new Worker('page.mjs', { type: 'module' });
  globalThis.ask = (message) => new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(data.value));
    worker.postMessage(message);
  });
});
const ask = (message) => page.evaluate((one) => globalThis.ask(one), message);
const { names, core, ort: version } = await ask({ threads: Number(values.threads), px: PX });
const native = startNative();
const all = ['native', ...names];
const times = Object.fromEntries(all.map((name) => [name, []]));
for (let round = -3; round < Number(values.rounds); round++) {
  for (const name of all) {
    const ms = name === 'native' ? await native.time() : await ask({ contestant: name });
    if (round >= 0) times[name].push(ms);
  }
}
console.log(`Chromium ${context.browser()?.version() ?? ''}, ${core}; onnxruntime-web ${version}; native: one thread; ${values.rounds} rounds`);
for (const name of all) {
  const ratio = (other) => median(times[name].map((ms, i) => ms / times[other][i])).toFixed(2);
  console.log(`${name.padEnd(20)} ${median(times[name]).toFixed(1).padStart(7)} ms   ${ratio('native')} x native   ${ratio('whatsit')} x whatsit`);
}
native.close();
await context.close();
await site.close();
await rm(folder, { recursive: true });
