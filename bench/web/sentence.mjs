/* A sentence in WebAssembly (node) and natively, by the processes' own time: they take turns, one thread each, on the same
 * pixels. What the sentence takes is what a picture with it takes beyond the picture's embedding.
 *
 *     node bench/web/sentence.mjs BUILD [--rounds 15] [--isa avx2] [--model M.gguf] [--describer D.gguf] [PHOTO...]
 *
 * BUILD: the native build with bench/bench_describe; BUILD-wasm beside it has the modules. */
import { spawn, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { loadCore } from '../../wasm/whatsit-core.mjs';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../..');
const { values, positionals } = parseArgs({ allowPositionals: true, options: {
  rounds: { type: 'string', default: '15' }, isa: { type: 'string' },
  model: { type: 'string', default: path.join(root, 'models/whatsit-nano.gguf') },
  describer: { type: 'string', default: path.join(root, 'models/whatsit-describe.gguf') },
} });
const [build, ...asked] = positionals.map((one) => path.resolve(one));
if (!build) {
  console.error('sentence.mjs BUILD [--rounds N] [--isa ISA] [--model M.gguf] [--describer D.gguf] [PHOTO...]');
  process.exit(2);
}
const photos = asked.length ? asked : ['pizza', 'siamese-cat', 'hummingbird', 'schooner'].map((name) => path.join(root, `samples/${name}.jpg`));
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];

const core = await loadCore({ base: pathToFileURL(`${build}-wasm/`).href, words: true, threads: 1, maxMemoryBytes: 2 ** 30 });
const model = core.openModel(core.place(readFileSync(values.model)));
const describer = model.openDescriber(core.openModel(core.place(readFileSync(values.describer)), { towers: 'decoder' }));
const session = model.openSession();
const folder = mkdtempSync(path.join(tmpdir(), 'whatsit-sentence-'));

const busyMs = (work) => {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
};

/* As the network takes them. */
function pixelsOf(photo) {
  const file = path.join(folder, 'pixels.npy');
  execFileSync(path.join(build, 'whatsit'), ['preprocess', photo, '--model', values.model, '-o', file, '--force']);
  const bytes = readFileSync(file);
  return new Uint8Array(bytes.subarray(bytes.length - 3 * model.info.imagePx ** 2));
}

for (const photo of photos) {
  const native = spawn(path.join(build, 'bench/bench_describe'), [values.model, values.describer, photo, ...(values.isa ? [values.isa] : [])], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: native.stdout })[Symbol.asyncIterator]();
  const ask = async (what) => {
    native.stdin.write(`${what}\n`);
    return (await lines.next()).value;
  };
  const pixels = pixelsOf(photo), times = { native: [], wasm: [], nativeTrunk: [], wasmTrunk: [] };
  let text = '';
  for (let round = -3; round < Number(values.rounds); round++) {
    const one = { nativeTrunk: 1000 * Number(await ask('trunk')), wasmTrunk: busyMs(() => session.encodeImages([pixels])) };
    one.native = 1000 * Number(await ask('sentence')) - one.nativeTrunk;
    one.wasm = busyMs(() => ({ captions: [{ text }] } = describer.describe(pixels))) - one.wasmTrunk;
    if (round >= 0) for (const [name, ms] of Object.entries(one)) times[name].push(ms);
  }
  const same = (await ask('text')) === text;
  console.log(JSON.stringify({
    photo: path.basename(photo), sentence: text, same, module: core.moduleName,
    native_ms: +median(times.native).toFixed(1), wasm_ms: +median(times.wasm).toFixed(1),
    ratio: +median(times.wasm.map((ms, i) => ms / times.native[i])).toFixed(2),
    native_trunk_ms: +median(times.nativeTrunk).toFixed(1), wasm_trunk_ms: +median(times.wasmTrunk).toFixed(1),
  }));
  native.stdin.end();
}
rmSync(folder, { recursive: true });
process.exit(0);
