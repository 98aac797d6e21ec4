/* In Chromium, in a worker: whatsit's core and ONNX Runtime Web side by side. Answers { contestant } with the
 * milliseconds of one picture; the first message names what to load. */
let contestants;

async function open({ threads, px }) {
  const { loadCore } = await import('./core/whatsit-core.mjs');
  const core = await loadCore({ threads, maxMemoryBytes: 1 << 30 });
  const bytes = new Uint8Array(await (await fetch('model/whatsit.gguf')).arrayBuffer());
  const session = core.openModel(core.place(bytes)).openSession({ maxImages: 1 });
  const pixels = new Uint8Array(px * px * 3).map((_, i) => (i * 7919) % 251);
  contestants = { whatsit: () => session.encodeImages([pixels]) };

  const ort = await import('./ort/ort.wasm.min.mjs');
  Object.assign(ort.env.wasm, { numThreads: threads, wasmPaths: new URL('ort/', location.href).href });
  const floats = Float32Array.from({ length: 3 * px * px }, (_, i) => Math.sin(i));
  for (const kind of ['u8', 's7']) {
    const model = new Uint8Array(await (await fetch(`model/image.${kind}.onnx`)).arrayBuffer());
    const other = await ort.InferenceSession.create(model, { executionProviders: ['wasm'] });
    const feeds = { [other.inputNames[0]]: new ort.Tensor('float32', floats, [1, 3, px, px]) };
    contestants[`onnxruntime-web ${kind}`] = () => other.run(feeds);
  }
  return { names: Object.keys(contestants), core: `${core.moduleName}, ${core.threads} thread(s)`, ort: ort.env.versions.web };
}

async function time({ contestant }) {
  const start = performance.now();
  await contestants[contestant]();
  return performance.now() - start;
}

onmessage = async ({ data }) => {
  try {
    postMessage({ value: await (data.contestant ? time(data) : open(data)) });
  } catch (error) {
    postMessage({ error: String(error?.stack ?? error) });
  }
};
