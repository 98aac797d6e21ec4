// Times of the core in this engine, for the papers; no test depends on them:
// node time.mjs MODULES_FOLDER THREADS MODEL.gguf... (--plain: no relaxed SIMD)
// Medians in ms, the best in brackets, and the processor's time, which other programs disturb less.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

import { loadCore } from "../whatsit-core.mjs";

const args = process.argv.slice(2);
const relaxedSimd = !args.includes("--plain");
const [modules, threads, ...paths] = args.filter((arg) => !arg.startsWith("--"));

function median(work, seconds) {
  const times = [], busy = [];
  const begin = performance.now();
  while (times.length < 5 || performance.now() - begin < seconds * 1000) {
    const start = performance.now(), before = process.cpuUsage();
    work();
    times.push(performance.now() - start);
    busy.push(process.cpuUsage(before).user / 1000);
  }
  for (const list of [times, busy]) list.sort((a, b) => a - b);
  const middle = times.length >> 1;
  return `${times[middle].toFixed(1)} (${times[0].toFixed(1)}), processor ${busy[middle].toFixed(1)} (${busy[0].toFixed(1)})`;
}

for (const path of paths) {
  const start = performance.now();
  const core = await loadCore({ base: pathToFileURL(resolve(modules) + "/").href, threads: Number(threads), relaxedSimd, maxMemoryBytes: 2 ** 30 });
  const loaded = performance.now();
  const model = core.openModel(core.place(readFileSync(path)));
  const session = model.openSession();
  const opened = performance.now();
  const picture = new Uint8Array(model.info.imagePx ** 2 * 3).map((_, i) => (i * 7919) % 251);
  session.encodeImages([picture]);
  const first = performance.now();
  console.log(`${path}: ${model.info.weights}, ${core.moduleName}, ${core.threads} threads, ` +
    `${core.kernels.filter(({ operation }) => operation.startsWith("gemm")).map(({ operation, isa }) => `${operation} ${isa}`).join(", ")}`);
  console.log(`  load ${(loaded - start).toFixed(1)}, open ${(opened - loaded).toFixed(1)}, first image ${(first - opened).toFixed(1)}, memory ${(core.memoryBytes / 2 ** 20).toFixed(0)} MiB`);
  console.log(`  image ${median(() => session.encodeImages([picture]), 3)}`);
  console.log(`  preprocess 640x480 ${median(() => model.preprocess({ data: new Uint8Array(640 * 480 * 4), width: 640, height: 480 }), 0.5)}`);
  if (model.info.text) {
    const texts = Array.from({ length: 30 }, (_, i) => `a photo of a thing number ${i}, a kind of thing`);
    console.log(`  30 texts ${median(() => session.encodeTexts(texts), 2)}`);
  }
  core.close();
}
process.exit(0);
