/* The worker behind whatsit.js: the only file that knows the core. Requests are served one after the
 * other; everything in the core blocks. */
import * as glue from '../core/whatsit-core.mjs';
import { bring } from './download.js';
import { writeList } from './list.js';
import { addressOf } from './modules.js';
import { blankness, canRead, decode, partOf, pixelsOf, preview } from './pixels.js';

/* What the core takes besides the model: pictures, heads, working memory. */
const VERSION = 'dev'; /* make_site.py: parts of two versions know each other */
const ROOM_BYTES = 192 << 20;
const MOST_THREADS = 4;
const REPORT_EVERY_MS = 30;

let flags = null; /* shared with the page, where memory can be shared: the numbers of requests to stop, heard while the core works */
let preparing, core, model, session;
const heads = new Map();
let nextHead = 1;
const stopped = new Set();
const stoppers = new Map();

const codes = { argument: 'arg', memory: 'nomem' };
function codeOf(error) {
  if (/unsafe-eval|Content Security Policy/i.test(error.message ?? '')) return 'policy';
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

const CERTAINTIES = { 'none of these': 'none', "can't tell": 'cannot-tell', perhaps: 'perhaps', probably: 'probably', 'almost certainly': 'certain' };

function verdictOf(head, embedding, answers) {
  const { name, certainty, score, group } = head.verdict(embedding);
  const label = name && !group ? answers.find((one) => one.label === name)?.index ?? head.labels.indexOf(name) : -1;
  return { certainty: CERTAINTIES[certainty] ?? 'cannot-tell', name: name ?? '', label, score };
}

function answerOf(id, embedding, top) {
  const head = headOf(id);
  const answers = head.answer(embedding, top).map(({ index, label, score, cosine }) => ({ index, label, score, cosine }));
  const groups = head.answerGroups(embedding, top);
  const verdict = verdictOf(head, embedding, answers);
  return { head: id, name: head.info.name, none: verdict.certainty === 'none', verdict, answers, groups };
}

const isModule = (bytes) => bytes[0] === 0 && bytes[1] === 0x61 && bytes[2] === 0x73 && bytes[3] === 0x6d;
const isGzip = (bytes) => bytes[0] === 0x1f && bytes[1] === 0x8b;

async function unpack(bytes) {
  const stream = new Response(bytes).body.pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/* Hosts deliver a compressed file as it is, say that it is compressed, or compress it once more. */
async function moduleBytes(response) {
  let bytes = new Uint8Array(await response.arrayBuffer());
  for (let layers = 0; layers < 3 && isGzip(bytes); layers++) bytes = await unpack(bytes);
  return isModule(bytes) ? bytes : null;
}

/* The module comes compressed, for hosts that compress nothing; the service worker keeps it unpacked. What a host
 * calls a file does not matter: the bytes tell. */
async function compile(name, folder) {
  const { plain, packed } = addressOf(name, folder);
  const isKept = async () => globalThis.caches?.match(plain); /* where storage is refused, the mere name may throw */
  if (await isKept().catch(() => null)) {
    const kept = await WebAssembly.compileStreaming(fetch(plain)).catch(() => null);
    if (kept) return kept;
  }
  const ways = !packed || typeof DecompressionStream === 'undefined' ? [plain] : [packed, plain];
  let status = 0;
  for (const url of ways) {
    const response = await fetch(url).catch(() => null);
    const bytes = response?.ok ? await moduleBytes(response).catch(() => null) : null;
    if (bytes) return WebAssembly.compile(bytes);
    status = response?.status ?? 0;
  }
  throw Object.assign(new Error(`${plain}: ${status === 200 ? 'not a WebAssembly module' : status || 'not reached'}`),
    { code: status === 0 ? 'network' : 'deploy' });
}

const unsupported = (message, code) => Object.assign(new Error(message), { code });

/* What can be done before it is known which model there is: { threads, modules }. */
async function prepareCore(folder, threads) {
  if (typeof WebAssembly === 'undefined') throw unsupported('this browser has no WebAssembly', 'no-wasm');
  const can = glue.detect();
  if (!can.simd) throw unsupported('this browser has no WebAssembly SIMD', 'no-simd');
  const cores = Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1);
  const wanted = can.threads ? Math.max(1, threads ?? cores) : 1;
  const name = glue.moduleName(wanted);
  return { threads: wanted, modules: { [name]: await compile(name, folder) } };
}

async function openCore(folder, modelBytes) {
  const maxMemoryBytes = modelBytes + ROOM_BYTES;
  const prepared = await preparing.core;
  if (prepared.threads > 1) {
    try {
      core = await glue.loadCore({ ...prepared, maxMemoryBytes, waitForWorkers: false });
      return;
    } catch {
      /* no shared memory after all */
    }
  }
  core = await glue.loadCore({ ...(prepared.threads > 1 ? await prepareCore(folder, 1) : prepared), maxMemoryBytes });
}

/* A picture, or pixels that the page read because this worker cannot: { drawn, pixels, part }. */
async function pixelsOfPicture({ picture, crop }) {
  const { imagePx } = model.info;
  if (picture.pixels) return { drawn: picture.whole, pixels: picture.pixels, part: picture.part };
  if (picture instanceof ImageData && !crop) return { drawn: picture, pixels: { data: picture.data, width: picture.width, height: picture.height } };
  const drawn = picture instanceof ImageData ? await createImageBitmap(picture) : await decode(picture);
  const part = partOf(drawn, crop);
  return { drawn, part, pixels: pixelsOf(drawn, imagePx, part) };
}

/* What a worker of its own describes with, so that photos are answered meanwhile. */
let describer, everyday;
const WORDS = 'whatsit-words.wasm';

const ops = {
  /* May be asked again by who takes over a worker that was started early. */
  prepare({ core: folder, threads }) {
    if (!preparing || preparing.folder !== folder || preparing.threads !== threads) {
      preparing = { folder, threads, core: prepareCore(folder, threads) };
      preparing.core.catch(() => {});
    }
    return { canRead: canRead(), version: VERSION };
  },

  async load({ model: source, core: folder, keep, keepOthers }, { report, signal }) {
    const start = performance.now();
    let place, kept;
    try {
      /* The network and the core start together; what comes before the core waits in the stream. */
      kept = await bring(source, {
        place: async (n) => {
          await openCore(folder, n);
          place = core.place(n);
          return (bytes) => place.write(bytes);
        },
        keep, keepOthers, onprogress: report, signal,
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

  async classify({ picture, heads: ids, top, preview: previewPx, crop }, { transfer }) {
    const t0 = performance.now();
    const { drawn, pixels } = await pixelsOfPicture({ picture, crop });
    const t1 = performance.now();
    const input = model.preprocess(pixels);
    const t2 = performance.now();
    const [raw] = session.encodeImages([input]);
    const t3 = performance.now();
    const embedding = normalised(raw);
    const result = {
      embedding, width: (drawn.full ?? drawn).width, height: (drawn.full ?? drawn).height, blank: blankness(input),
      answers: ids.map((id) => answerOf(id, embedding, top)),
      ms: { decode: t1 - t0, preprocess: t2 - t1, encode: t3 - t2 },
    };
    if (previewPx > 0 && !picture.pixels) {
      result.preview = await preview(drawn instanceof ImageData ? await createImageBitmap(drawn) : drawn, previewPx);
      transfer.push(result.preview);
    }
    drawn.close?.();
    return result;
  },

  answer: ({ embedding, heads: ids, top }) => ids.map((id) => answerOf(id, embedding, top)),

  /* Which rows go with `list` is the model's affair: who keeps them keeps its fingerprint. */
  openBackground: ({ list, rows }) => ({ rows: session.openBackground({ list, rows }), least: core.searchLeast }),

  confidences: ({ query, embeddings }) => session.confidences(query, embeddings),

  embedTexts: ({ texts }) => session.encodeTexts(texts).map(normalised),

  makeHead({ recipe }, { report, isStopped }) {
    const list = writeList(recipe);
    const head = session.buildHead(list, {
      sigmoid: Boolean(recipe.multi),
      distractors: recipe.distractors ?? [],
      onProgress: (done, total) => {
        report({ done, total });
        return !isStopped();
      },
    });
    if (isStopped()) {
      head.close();
      throw cancelled();
    }
    return keepHead(head);
  },

  /* From example photos alone: [{ label: index, embedding }], one or more for each label. */
  photosHead: ({ name, labels, examples }) => keepHead(glue.headFromPhotos(model, name, labels, examples)),

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

  modelFile(args, { transfer }) {
    const bytes = model.bytes();
    transfer.push(bytes.buffer);
    return bytes;
  },

  /* bytes: of the model, which another worker has open; head: those of an everyday head's file. */
  async openDescriber({ bytes, describer: source, head, core: folder, keep }, { report, signal }) {
    const compiling = compile(WORDS, folder);
    compiling.catch(() => {}); /* heard of below */
    let place;
    const kept = await bring(source, {
      place: async (n) => {
        core = await glue.loadCore({ words: true, modules: { [WORDS]: await compiling } });
        place = core.place(n);
        return (part) => place.write(part);
      },
      keep, keepOthers: true, onprogress: report, signal,
    });
    model = core.openModel(core.place(bytes));
    session = model.openSession();
    try {
      describer = model.openDescriber(core.openModel(place, { towers: 'decoder' }));
    } catch (error) {
      if (codeOf(error) === 'format') await kept.forget();
      throw error;
    }
    everyday = core.openHead(head);
  },

  async describe({ picture, crop, n, about }) {
    const { drawn, pixels } = await pixelsOfPicture({ picture, crop });
    drawn.close?.();
    const scales = { everyday, session: model.info.text ? session : undefined };
    const { captions, stands, perhaps } = describer.describe(model.preprocess(pixels), { n, about, scales });
    return { captions, stands, perhaps };
  },

  /* Occlusion (Zeiler and Fergus, 2013): the label's logit without the part under a grey square. */
  async heatMap({ picture, head: id, label, steps, crop }, { report, isStopped }) {
    const head = headOf(id);
    const { drawn, pixels, part } = await pixelsOfPicture({ picture, crop });
    const area = model.seenOf(part.width, part.height);
    const seen = {
      x: (part.x + area.x) / drawn.width,
      y: (part.y + area.y) / drawn.height,
      width: area.width / drawn.width,
      height: area.height / drawn.height,
    };
    const input = model.preprocess(pixels);
    drawn.close?.();
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
    return { columns: steps, rows: steps, values: drops.map((value) => value / most), crop: seen };
  },
};

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
    isStopped: () => stopped.has(id) || stopper.signal.aborted || (flags !== null && Atomics.load(flags, id % flags.length) === id),
    signal: stopper.signal,
    transfer,
  };
  try {
    if (tools.isStopped()) throw cancelled();
    const value = await ops[op](args, tools);
    postMessage({ id, value }, transfer);
  } catch (error) {
    postMessage({ id, error: { message: error.message || String(error), code: codeOf(error), details: error.details } });
  }
  stoppers.delete(id);
  stopped.delete(id);
}

let queue = Promise.resolve();
onmessage = ({ data }) => {
  if (data.flags) flags = new Int32Array(data.flags);
  else if (data.stop !== undefined) {
    stopped.add(data.stop);
    stoppers.get(data.stop)?.abort();
  } else {
    queue = queue.then(() => serve(data));
  }
};
