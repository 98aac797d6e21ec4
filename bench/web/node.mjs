/* One picture through ViT-B/32 in int8 in node: whatsit's module and onnxruntime-web take turns in one process. Prints
 * medians in ms and the median of the ratios within a round.
 *
 *     npm install --prefix FOLDER onnxruntime-web
 *     node [--experimental-wasm-relaxed-simd] bench/web/node.mjs MODULES_FOLDER FOLDER MODEL.gguf MODEL.onnx [THREADS] [ROUNDS]
 *
 * MODEL.onnx: image tower as bench/peers/run.py exports and quantises it. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

import { loadCore } from "../../wasm/whatsit-core.mjs";

const PX = 224;
const [modules, packages, gguf, onnx, threads = "1", rounds = "15"] = process.argv.slice(2);
if (!onnx) {
  console.error("node.mjs MODULES_FOLDER PACKAGES_FOLDER MODEL.gguf MODEL.onnx [THREADS] [ROUNDS]");
  process.exit(2);
}
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];

const core = await loadCore({ base: pathToFileURL(resolve(modules) + "/").href, threads: Number(threads), maxMemoryBytes: 2 ** 30 });
const session = core.openModel(core.place(readFileSync(gguf))).openSession();
const picture = new Uint8Array(PX * PX * 3).map((_, i) => (i * 7919) % 251);

const found = createRequire(resolve(packages, "package.json")).resolve("onnxruntime-web");
const loaded = await import(pathToFileURL(found).href);
const ort = loaded.default?.InferenceSession ? loaded.default : loaded;
ort.env.wasm.numThreads = Number(threads);
ort.env.logLevel = "error";
const peer = await ort.InferenceSession.create(onnx, { executionProviders: ["wasm"] });
const pixels = new ort.Tensor("float32", new Float32Array(3 * PX * PX).map((_, i) => ((i * 7919) % 251) / 125 - 1), [1, 3, PX, PX]);

const ours = [], theirs = [];
for (let round = -3; round < Number(rounds); round++) {
  const start = performance.now();
  session.encodeImages([picture]);
  const between = performance.now();
  await peer.run({ [peer.inputNames[0]]: pixels });
  const end = performance.now();
  if (round >= 0) {
    ours.push(between - start);
    theirs.push(end - between);
  }
}
console.log(JSON.stringify({
  module: core.moduleName, threads: core.threads, onnx,
  whatsit_ms: +median(ours).toFixed(1), onnxruntime_web_ms: +median(theirs).toFixed(1),
  ratio: +median(ours.map((ms, i) => theirs[i] / ms)).toFixed(2),
}));
process.exit(0);
