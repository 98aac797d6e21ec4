/* The worker behind whatsit.js: the only file that knows the core. Requests are served one after the
 * other; everything in the core blocks. */
import * as ownCore from '../core/whatsit-core.mjs';
import { bring } from './download.js';
import { writeList } from './labels.js';
import { cropOf, decode, pixelsOf, preview } from './pixels.js';

/* What the core takes besides the model: pictures, heads, working memory. */
const ROOM_BYTES = 192 << 20;
const MOST_THREADS = 4;
const REPORT_EVERY_MS = 30;
const OWN_CORE = new URL('../core/whatsit-core.mjs', import.meta.url).href;
const WASM = { headers: { 'Content-Type': 'application/wasm' } };

let glue, preparing, core, model, session;
const heads = new Map();
let nextHead = 1;
const stopped = new Set();
const stoppers = new Map();

const codes = { argument: 'arg', memory: 'nomem' };
function codeOf(error) {
  if (error.status) return codes[error.status] ?? error.status;
  if (error.code && typeof error.code === 'string') return error.code;
  if (error.name === 'AbortError') return 'cancelled';
  return error instanceof RangeError ? 'nomem' : 'internal';
}

const cancelled = () => Object.assign(new Error('stopped'), { code: 'cancelled' });

/* Lets messages in, so that a stop is heard. */
const breathe = () => new Promise((resolve) => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => resolve();
  port2.postMessage(0);
});

function headOf(id) {
  const head = heads.get(id);
  if (!head) throw Object.assign(new Error('this head is closed'), { code: 'closed' });
  return head;
}

function keepHead(head) {
  const id = nextHead++;
  const { info } = head;
  heads.set(id, head);
  return {
    id, name: info.name, kind: info.kind, labels: head.fullLabels, groups: head.groups, templates: info.templates, multi: info.sigmoid,
    nExamples: info.nExamples, knowsNone: !Number.isNaN(info.noneThreshold), model: info.modelName,
    fingerprint: info.modelFingerprint, licence: info.licence, source: info.source, sensitivity: info.sensitivity,
  };
}

function normalised(vector) {
  const length = Math.hypot(...vector);
  return length > 0 ? vector.map((value) => value / length) : vector;
}

function answerOf(id, embedding, top) {
  const head = headOf(id);
  const answers = head.answer(embedding, top).map(({ index, label, score, cosine }) => ({ index, label, score, cosine }));
  const groups = head.answerGroups(embedding, top);
  return { head: id, name: head.info.name, none: head.known(embedding).none, answers, groups };
}

/* The module comes compressed, for hosts that compress nothing; the service worker keeps it unpacked. */
async function compile(base, name) {
  const plain = new URL(name, base), packed = new URL(`${name}.gz`, base);
  if (await globalThis.caches?.match(plain).catch(() => null)) return WebAssembly.compileStreaming(fetch(plain));
  const response = typeof DecompressionStream === 'undefined' ? null : await fetch(packed).catch(() => null);
  if (!response?.ok) return WebAssembly.compileStreaming(fetch(plain));
  const body = response.headers.get('Content-Encoding') ? response.body
    : response.body.pipeThrough(new DecompressionStream('gzip'));
  return WebAssembly.compileStreaming(new Response(body, WASM));
}

/* What can be done before it is known which model there is: { glue, base, threads, modules }. */
async function prepareCore(url, threads) {
  glue = url === OWN_CORE ? ownCore : await import(url);
  const can = glue.detect();
  const cores = Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1);
  const wanted = can.threads ? Math.max(1, threads ?? cores) : 1;
  const base = new URL('.', url).href;
  const name = glue.moduleName(wanted);
  return { base, threads: wanted, modules: { [name]: await compile(base, name) } };
}

async function openCore(url, modelBytes) {
  const maxMemoryBytes = modelBytes + ROOM_BYTES;
  try {
    const prepared = await preparing.core;
    core = await glue.loadCore({ ...prepared, maxMemoryBytes, waitForWorkers: false });
  } catch {
    /* no shared memory after all, or that module is not at hand offline */
    const prepared = await prepareCore(url, 1);
    core = await glue.loadCore({ ...prepared, maxMemoryBytes });
  }
}

const ops = {
  /* May be asked again by who takes over a worker that was started early. */
  prepare({ core: url, threads }) {
    if (preparing?.url === url && preparing.threads === threads) return;
    preparing = { url, threads, core: prepareCore(url, threads) };
    preparing.core.catch(() => {});
  },

  async load({ model: source, core: url, keep }, { report, signal }) {
    const start = performance.now();
    let place, kept;
    try {
      /* The network and the core start together; what comes before the core waits in the stream. */
      kept = await bring(source, {
        place: async (n) => {
          await openCore(url, n);
          place = core.place(n);
          return (bytes) => place.write(bytes);
        },
        keep, onprogress: report, signal,
      });
      report({ phase: 'open', done: place.size, total: place.size });
      model = core.openModel(place);
    } catch (error) {
      if (codeOf(error) === 'format') await kept?.forget().catch(() => {});
      throw error;
    }
    session = model.openSession({ maxImages: 1, maxTokens: 512 });
    const { info } = model;
    return {
      name: info.name, fingerprint: info.fingerprint, licence: info.licence, source: info.source, weights: info.weights,
      dim: info.embeddingDim, imagePx: info.imagePx, hasText: info.text !== null, fileBytes: info.fileBytes,
      threads: core.threads, simd: core.relaxedSimd ? 'relaxed-simd' : 'simd', module: core.moduleName,
      memoryBytes: core.memoryBytes, fromStorage: kept.fromStorage, notKept: kept.notKept,
      ms: Math.round(performance.now() - start),
    };
  },

  async classify({ picture, heads: ids, top, preview: previewPx }, { transfer }) {
    const t0 = performance.now();
    const bitmap = picture instanceof ImageData ? null : await decode(picture);
    const pixels = bitmap ? pixelsOf(bitmap, model.info.imagePx) : { ...sizeOf(picture), data: picture.data };
    const { width, height } = bitmap ?? picture;
    const t1 = performance.now();
    const input = model.preprocess(pixels);
    const t2 = performance.now();
    const [raw] = session.encodeImages([input]);
    const t3 = performance.now();
    const embedding = normalised(raw);
    const result = {
      embedding, width, height, answers: ids.map((id) => answerOf(id, embedding, top)),
      ms: { decode: t1 - t0, preprocess: t2 - t1, encode: t3 - t2 },
    };
    if (previewPx > 0) {
      result.preview = await preview(bitmap ?? (await createImageBitmap(picture)), previewPx);
      transfer.push(result.preview);
    }
    bitmap?.close();
    return result;
  },

  answer: ({ embedding, heads: ids, top }) => ids.map((id) => answerOf(id, embedding, top)),

  embedTexts: ({ texts }) => session.encodeTexts(texts).map(normalised),

  makeHead({ recipe }, { report, isStopped }) {
    const list = writeList(recipe);
    return keepHead(session.buildHead(list, {
      sigmoid: Boolean(recipe.multi),
      distractors: recipe.distractors ?? [],
      onProgress: (done, total) => {
        report({ done, total });
        return !isStopped();
      },
    }));
  },

  openHead({ bytes }) {
    const head = core.openHead(new Uint8Array(bytes));
    try {
      head.check(model);
    } catch (error) {
      head.close();
      throw error;
    }
    return keepHead(head);
  },

  headFile: ({ head }) => headOf(head).save(),

  teach: ({ head, examples }) => keepHead(headOf(head).addPhotos(examples)),

  scores: ({ head, embedding }) => headOf(head).scores(embedding).score,

  closeHead({ head }) {
    headOf(head).close();
    heads.delete(head);
  },

  /* Occlusion (Zeiler and Fergus, 2013): the label's logit without the part under a grey square. */
  async heatMap({ picture, head: id, label, steps }, { report, isStopped }) {
    const head = headOf(id);
    const bitmap = picture instanceof ImageData ? await createImageBitmap(picture) : await decode(picture);
    const { width, height } = bitmap;
    const input = model.preprocess(pixelsOf(bitmap, model.info.imagePx));
    bitmap.close();
    const px = model.info.imagePx;
    const measure = (pixels) => head.scores(session.encodeImages([pixels])[0]).logit[label];
    const whole = measure(input);
    const stride = px / steps, reach = stride; /* squares of two strides overlap their neighbours */
    const drops = new Float32Array(steps * steps);
    for (let row = 0; row < steps; row++) {
      for (let column = 0; column < steps; column++) {
        const covered = input.slice();
        const from = (at) => Math.max(0, Math.round(at * stride + stride / 2 - reach));
        const to = (at) => Math.min(px, Math.round(at * stride + stride / 2 + reach));
        for (let y = from(row); y < to(row); y++) covered.fill(124, 3 * (y * px + from(column)), 3 * (y * px + to(column)));
        drops[row * steps + column] = Math.max(0, whole - measure(covered));
        await breathe();
        if (isStopped()) throw cancelled();
      }
      report({ done: (row + 1) * steps, total: steps * steps });
    }
    const most = Math.max(1e-9, ...drops);
    return { columns: steps, rows: steps, values: drops.map((value) => value / most), crop: cropOf(width, height) };
  },
};

const sizeOf = ({ width, height }) => ({ width, height });

async function serve({ id, op, args }) {
  const stopper = new AbortController();
  stoppers.set(id, stopper);
  const transfer = [];
  let reported = 0;
  const tools = {
    /* as often as a screen can show it, and the last one */
    report: (progress) => {
      const now = performance.now();
      if (now - reported < REPORT_EVERY_MS && progress.done !== progress.total) return;
      reported = now;
      postMessage({ id, progress });
    },
    isStopped: () => stopped.has(id) || stopper.signal.aborted,
    signal: stopper.signal,
    transfer,
  };
  try {
    if (tools.isStopped()) throw cancelled();
    const value = await ops[op](args, tools);
    postMessage({ id, value }, transfer);
  } catch (error) {
    postMessage({ id, error: { message: error.message || String(error), code: codeOf(error) } });
  }
  stoppers.delete(id);
  stopped.delete(id);
}

let queue = Promise.resolve();
onmessage = ({ data }) => {
  if (data.stop !== undefined) {
    stopped.add(data.stop);
    stoppers.get(data.stop)?.abort();
  } else {
    queue = queue.then(() => serve(data));
  }
};
