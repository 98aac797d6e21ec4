// The whatsit core for JavaScript: loads the module that suits the engine and wraps its C ABI.
//
//     import { loadCore } from "./whatsit-core.mjs";
//     const core = await loadCore({ threads: 4 });
//     const model = core.openModel(core.place(bytes));
//     const session = model.openSession();
//     const head = session.buildHead("cat\ndog\nfox\n");
//     const pixels = model.preprocess(imageData);           // { data, width, height }
//     const [embedding] = session.encodeImages([pixels]);
//     head.answer(embedding, 3);                            // [{ index, label, score, cosine, logit }]
//
// Works in browsers and in Node, with one thread or several. Everything here blocks: in a page it
// belongs into a worker. What is opened must be closed; what is closed must not be used.

// Named apart from their use, so that bundlers for browsers leave them alone.
const NODE_FILES = "node:fs/promises", NODE_THREADS = "node:worker_threads";
const isNode = typeof process === "object" && Boolean(process.versions?.node);

// Tiny modules that only engines with the feature accept.
const probe = (...bytes) => WebAssembly.validate(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, ...bytes));
// (func (result v128) (i8x16.splat (i32.const 0)))
const hasSimd = () => probe(1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11);
// (func (result v128) (i32x4.relaxed_dot_i8x16_i7x16_add_s three splats))
const hasRelaxedSimd = () =>
  probe(1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 19, 1, 17, 0,
    65, 0, 253, 15, 65, 0, 253, 15, 65, 0, 253, 15, 253, 147, 2, 11);

/** What this engine can run: { simd, relaxedSimd, threads }. */
export function detect() {
  const shared = typeof SharedArrayBuffer === "function" && (isNode || globalThis.crossOriginIsolated === true);
  return { simd: hasSimd(), relaxedSimd: hasRelaxedSimd(), threads: shared };
}

/** Failures of the core: `status` as in whatsit/status.h ("format", "mismatch", ...). */
export class WhatsitError extends Error {
  constructor(status, message) {
    super(message);
    this.name = "WhatsitError";
    this.status = status;
  }
}

async function readBytes(url) {
  if (isNode && url.protocol === "file:") {
    const { readFile } = await import(/* @vite-ignore */ /* webpackIgnore: true */ NODE_FILES);
    return readFile(url);
  }
  const response = await fetch(url);
  if (!response.ok) throw new WhatsitError("io", `${url}: HTTP ${response.status}`);
  return response.arrayBuffer();
}

// A worker has to come from the page's own site: one that lies elsewhere is imported by a small one of our own. The usual
// way is written out in one piece, as bundlers want it.
async function startWorker() {
  if (isNode) {
    const { Worker } = await import(/* @vite-ignore */ /* webpackIgnore: true */ NODE_THREADS);
    const worker = new Worker(new URL("whatsit-worker.mjs", import.meta.url));
    worker.unref();
    return worker;
  }
  const here = import.meta.url, page = globalThis.location?.origin;
  if (/^https?:/.test(here) && page && page !== "null" && new URL(here).origin !== page) {
    const code = `import ${JSON.stringify(here.replace(/[^/]*$/, "whatsit-worker.mjs"))};`;
    return new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })), { type: "module" });
  }
  return new Worker(new URL("./whatsit-worker.mjs", import.meta.url), { type: "module" });
}

// Resolves when the worker stands in the core, about to wait for jobs; rejects when it cannot.
function whenReady(worker, message) {
  return new Promise((resolve, reject) => {
    const settle = (answer) =>
      answer === "ready" ? resolve(worker) : reject(new WhatsitError("internal", `a worker failed: ${answer}`));
    if (isNode) {
      worker.once("message", settle);
      worker.once("error", (why) => settle(why.message));
    } else {
      worker.onmessage = (event) => settle(event.data);
      worker.onerror = (event) => settle(event.message);
    }
    worker.postMessage(message);
  });
}

const PAGE = 65536;
const STACK_BYTES = 262144;

/** The file of the module that loadCore takes for so many threads. */
export function moduleName(threads = 1, relaxedSimd = true) {
  return `whatsit${relaxedSimd && hasRelaxedSimd() ? "-relaxed" : ""}${threads > 1 ? "-threads" : ""}.wasm`;
}

/**
 * Loads the core. Options:
 *   base           URL of the folder that holds the .wasm files (default: this file's, where whatsit-worker.mjs stands)
 *   words          true: the module that also describes (openDescriber), with one thread
 *   threads        at most so many, the caller's included; 1 where memory cannot be shared
 *   maxMemoryBytes with threads, memory is reserved up to this at once (default 1 GiB); choose the
 *                  model's size plus about 100 MiB on phones
 *   relaxedSimd    false: never use relaxed SIMD, whose float results may differ between machines
 *   modules        { name: WebAssembly.Module or bytes } in place of fetching
 *   waitForWorkers false: do not wait until all threads are there. Those that come later help from then on, and one
 *                  that cannot come is not missed
 */
export async function loadCore(options = {}) {
  const can = detect();
  if (!can.simd) throw new WhatsitError("unsupported", "this engine has no WebAssembly SIMD");
  const base = new URL(options.base ?? ".", options.base ? globalThis.location?.href ?? import.meta.url : import.meta.url);
  const relaxed = can.relaxedSimd && options.relaxedSimd !== false && !options.words;
  const threads = can.threads && !options.words ? Math.max(1, Math.min(options.threads ?? 1, 64)) : 1;
  const name = options.words ? "whatsit-words.wasm" : moduleName(threads, relaxed);
  const given = options.modules?.[name];
  const module = given instanceof WebAssembly.Module ? given
    : await WebAssembly.compile(given ?? (await readBytes(new URL(name, base))));
  const memory = threads > 1 ? new WebAssembly.Memory({
    initial: 64,
    maximum: Math.ceil((options.maxMemoryBytes ?? 1 << 30) / PAGE),
    shared: true,
  }) : undefined;
  const core = new Core(name, relaxed);
  const instance = await WebAssembly.instantiate(module, {
    env: { memory, progress: (done, total) => core._report(done, total) },
  });
  core._start(instance.exports, memory ?? instance.exports.memory);
  if (threads > 1) {
    const workers = core._startWorkers(module, threads);
    try {
      if (options.waitForWorkers !== false) await workers;
    } catch (why) {
      core.close();
      throw why;
    }
  }
  core._check(core._x.ww_open(threads));
  return core;
}

/** The loaded module. One thread uses it and all that comes from it. */
export class Core {
  constructor(name, relaxedSimd) {
    this.moduleName = name;
    this.relaxedSimd = relaxedSimd;
    this._workers = [];
    this._onProgress = null;
    this._thrown = null;
  }

  _start(exports, memory) {
    this._x = exports;
    this._memory = memory;
    exports._initialize();
  }

  // Resolves when all of them stand ready. Does not end the others when one fails: they may be working.
  _startWorkers(module, threads) {
    const starting = [];
    for (let number = 1; number < threads; number++) {
      const stack = this._alloc(STACK_BYTES);
      const message = { module, memory: this._memory, number, stackTop: stack + STACK_BYTES };
      starting.push(startWorker().then((worker) => {
        this._workers.push(worker);
        return whenReady(worker, message);
      }));
    }
    const all = Promise.all(starting);
    all.catch(() => {}); // whoever waits hears of it
    return all;
  }

  /** Ends the workers. The memory goes when nothing refers to the core any more. */
  close() {
    for (const worker of this._workers) worker.terminate();
    this._workers = [];
  }

  get version() {
    return this._text(this._x.ww_version());
  }

  get threads() {
    return this._x.ww_threads();
  }

  /** The confidence from which on a search shows a picture. */
  get searchLeast() {
    return this._x.ww_search_least();
  }

  /** [{ operation, isa, warning }] */
  get kernels() {
    const list = [];
    for (let i = 0, at; (at = this._x.ww_kernel(i)) !== 0; i++) {
      const [operation, isa, ...rest] = this._text(at).split(" ");
      list.push({ operation, isa, warning: rest.join(" ") || null });
    }
    return list;
  }

  /** Bytes of memory that the core has taken; it never gives any back. */
  get memoryBytes() {
    return this._memory.buffer.byteLength;
  }

  /**
   * A place for a model file: give bytes that are at hand, or a size, and then fill it with
   * `write(chunk)` as chunks arrive, so that the model exists once. Goes to openModel, or is freed.
   */
  place(bytesOrSize) {
    const bytes = typeof bytesOrSize === "number" ? null : asBytes(bytesOrSize);
    const place = new Place(this, bytes ? bytes.length : bytesOrSize);
    if (bytes) place.write(bytes);
    return place;
  }

  /** Opens a model file. `towers`: "both" (those that are there), "image", "text" or "decoder" (a describer's file) must be there. */
  openModel(place, { towers = "both" } = {}) {
    if (place.written !== place.size) throw new WhatsitError("argument", `the model has ${place.written} of ${place.size} bytes`);
    const wanted = { both: 0, image: 1, text: 2, decoder: 4 }[towers];
    const at = this._pointer(this._x.ww_model_open(place._at, place.size, wanted));
    return new Model(this, at, place);
  }

  /** From the bytes of a head file (safetensors). */
  openHead(bytes) {
    return this._with((take) => new Head(this, this._pointer(this._x.ww_head_open(take.bytes(bytes), bytes.length))));
  }

  // --- calling ---

  get _bytes() {
    if (this._view?.buffer !== this._memory.buffer) this._view = new Uint8Array(this._memory.buffer);
    return this._view;
  }

  _alloc(size) {
    return this._pointer(this._x.ww_alloc(size)) >>> 0;
  }

  _text(at) {
    at >>>= 0;
    const end = this._bytes.indexOf(0, at);
    return decode(this._bytes.slice(at, end)); // a copy: decoders refuse shared memory
  }

  _failure() {
    if (this._thrown) {
      const thrown = this._thrown;
      this._thrown = null;
      return thrown;
    }
    return new WhatsitError(this._lastStatus(), this._text(this._x.ww_error()));
  }

  _lastStatus() {
    return this._text(this._x.ww_status_name(this._x.ww_error_status()));
  }

  _check(status) {
    if (status !== 0) throw this._failure();
  }

  _count(n) {
    if (n < 0) throw this._failure();
    return n;
  }

  _pointer(at) {
    if (at === 0) throw this._failure();
    return at >>> 0;
  }

  _report(done, total) {
    if (!this._onProgress) return 1;
    try {
      return this._onProgress(done, total) === false ? 0 : 1;
    } catch (why) {
      this._thrown = why;
      return 0;
    }
  }

  /** Runs work with scratch memory that is freed afterwards, and with a listener for progress. */
  _with(work, onProgress = null) {
    const taken = [];
    const take = {
      space: (size) => {
        const at = this._alloc(size);
        taken.push(at);
        return at;
      },
      bytes: (bytes) => {
        const at = take.space(bytes.length);
        this._bytes.set(bytes, at);
        return at;
      },
      floats: (list) => take.bytes(new Uint8Array(list.buffer, list.byteOffset, list.byteLength)),
    };
    this._onProgress = onProgress;
    try {
      return work(take);
    } finally {
      this._onProgress = null;
      for (const at of taken) this._x.ww_free(at);
    }
  }

  _floats(at, n) {
    return new Float32Array(this._bytes.slice(at, at + 4 * n).buffer);
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const decode = (bytes) => decoder.decode(bytes);

function asBytes(data) {
  if (data instanceof Uint8Array) return data;
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return new Uint8Array(data);
}

// Texts one behind the other, each with its NUL; a NUL inside would end it early.
function pack(texts) {
  for (const text of texts) if (text.includes("\0")) throw new WhatsitError("argument", "a text holds U+0000");
  return encoder.encode(texts.map((text) => `${text}\0`).join("") + "\0");
}

/** Memory that a model file is written into. */
export class Place {
  constructor(core, size) {
    this.size = size;
    this.written = 0;
    this._core = core;
    this._at = core._alloc(size);
  }

  /** The next bytes, in order. */
  write(chunk) {
    if (this.written + chunk.length > this.size) throw new WhatsitError("argument", "more bytes than the place has");
    this._core._bytes.set(chunk, this._at + this.written);
    this.written += chunk.length;
  }

  free() {
    if (this._at) this._core._x.ww_free(this._at);
    this._at = 0;
  }
}

/** An open model; `info` describes it. */
export class Model {
  constructor(core, at, place) {
    this._core = core;
    this._at = at;
    this._place = place;
    const text = (i) => core._text(core._pointer(core._x.ww_model_text(at, i)));
    const number = (i) => core._x.ww_model_number(at, i);
    this.info = Object.freeze({
      name: text(0), licence: text(1), source: text(2), fingerprint: text(3), weights: text(4),
      image: text(5) || null, text: text(6) || null,
      embeddingDim: number(0), imagePx: number(1), contextLength: number(2), vocabularySize: number(3),
      logitScale: number(4), logitBias: number(5), sigmoid: number(6) !== 0, fileBytes: number(7),
      imageParameters: number(8), textParameters: number(9), imageMacs: number(10), textMacsPerToken: number(11),
    });
  }

  /** A copy of its file. */
  bytes() {
    return this._core._bytes.slice(this._place._at, this._place._at + this._place.size);
  }

  /** Frees the model and its place. Close its sessions first. */
  close() {
    if (this._at) this._core._x.ww_model_close(this._at);
    this._place.free();
    this._at = 0;
  }

  /** Throws unless the weights match their fingerprint. onProgress(doneBytes, total 0): false stops. */
  verify(onProgress) {
    this._core._with(() => this._core._check(this._core._x.ww_model_verify(this._at)), onProgress);
  }

  /** { ids: Int32Array with both markers, truncated } */
  tokenize(text) {
    const core = this._core;
    return core._with((take) => {
      const bytes = encoder.encode(text);
      const ids = take.space(4 * this.info.contextLength);
      const n = core._count(core._x.ww_tokenize(this._at, take.bytes(bytes), bytes.length, ids));
      const count = n & ~(1 << 30);
      return { ids: new Int32Array(core._bytes.slice(ids, ids + 4 * count).buffer), truncated: n !== count };
    });
  }

  /**
   * A picture ({ data, width, height }: RGBA as ImageData has it, or RGB) as the model's input pixels:
   * Uint8Array [imagePx, imagePx, 3]. Alpha is dropped.
   */
  preprocess({ data, width, height }) {
    const core = this._core;
    const bytes = asBytes(data);
    const channels = bytes.length / (width * height);
    if (channels !== 3 && channels !== 4) throw new WhatsitError("argument", `${bytes.length} bytes are no ${width} x ${height} picture`);
    return core._with((take) => {
      const size = this.info.imagePx ** 2 * 3;
      const out = take.space(size);
      core._check(core._x.ww_preprocess(this._at, take.bytes(bytes), width, height, channels, out));
      return core._bytes.slice(out, out + size);
    });
  }

  /** What the model sees of a picture of that size: { x, y, width, height }, in its pixels. */
  seenOf(pictureWidth, pictureHeight) {
    const core = this._core;
    return core._with((take) => {
      const out = take.space(32);
      core._check(core._x.ww_area(this._at, pictureWidth, pictureHeight, out));
      const [x, y, width, height] = new Float64Array(core._bytes.slice(out, out + 32).buffer);
      return { x, y, width, height };
    });
  }

  /** Working memory for `maxImages` pictures and `maxTokens` text tokens at a time. */
  openSession({ maxImages = 1, maxTokens = 512 } = {}) {
    return new Session(this, maxImages, maxTokens);
  }

  /** What puts pictures into words, with a core that was loaded with `words`; decoder: a describer's file that was made for this model, open;
   *  without it the model describes by itself (CoCa). */
  openDescriber(decoder = this) {
    return new Describer(this, decoder);
  }
}

const CAPTION_TEXT = 512, CAPTION_BYTES = CAPTION_TEXT + 16;

/** Sentences about pictures. */
export class Describer {
  constructor(model, decoder) {
    this._core = model._core;
    this._dim = model.info.embeddingDim;
    this._at = this._core._pointer(this._core._x.ww_describer_open(model._at, decoder._at));
    /** Whether its makers measured from when on sentences are true; else `sure` says nothing and nothing is weighed. */
    this.hasScale = this._core._x.ww_describer_has_scale(this._at) !== 0;
  }

  close() {
    if (this._at) this._core._x.ww_describer_close(this._at);
    this._at = 0;
  }

  /**
   * The n best (1 to 8) about what preprocess gave: { captions: [{ text, logprob, meanProb, sure }], embedding }; all begin
   * with the words `about`. scales: { everyday: a head of everyday things, session: of the model; without it the sentence
   * itself is not looked for in the picture } adds what a person should be told: `stands`, whether the first sentence is
   * more than a guess, and `perhaps`, else what the picture is of, broadly ("" when that cannot be told either). Where the
   * describer has no scale, every sentence stands.
   */
  describe(pixels, { n = 1, about, scales } = {}) {
    const core = this._core;
    return core._with((take) => {
      const out = take.space(n * CAPTION_BYTES), embedding = take.space(4 * this._dim);
      const words = about === undefined ? 0 : take.bytes(pack([about]));
      const found = core._count(core._x.ww_describe(this._at, take.bytes(pixels), n, words, out, embedding));
      const captions = Array.from({ length: found }, (_, i) => {
        const at = out + i * CAPTION_BYTES;
        const [logprob, meanProb] = core._floats(at + CAPTION_TEXT, 2);
        return { text: core._text(at), logprob, meanProb, sure: core._bytes[at + CAPTION_TEXT + 12] !== 0 };
      });
      return { captions, embedding: core._floats(embedding, this._dim), ...(scales && (this.hasScale ? this._weigh(take, out, embedding, scales) : { stands: true, perhaps: "" })) };
    });
  }

  _weigh(take, best, embedding, { everyday, session }) {
    const core = this._core, out = take.space(8);
    const sentence = session ? take.floats(session.encodeTexts([core._text(best)])[0]) : 0;
    core._check(core._x.ww_caption_weigh(best, everyday._at, embedding, sentence, this._dim, out));
    const [stands, perhaps] = new Uint32Array(core._bytes.slice(out, out + 8).buffer);
    return { stands: stands === 1, perhaps: core._text(perhaps) };
  }
}

/** Encodes; embeddings are not normalised. */
export class Session {
  constructor(model, maxImages, maxTokens) {
    this._core = model._core;
    this._model = model;
    this._dim = model.info.embeddingDim;
    this._pictureBytes = model.info.imagePx ** 2 * 3;
    this._at = this._core._pointer(this._core._x.ww_session_open(model._at, maxImages, maxTokens));
  }

  close() {
    if (this._at) this._core._x.ww_session_close(this._at);
    this._at = 0;
  }

  _split(at, n) {
    const all = this._core._floats(at, n * this._dim);
    return Array.from({ length: n }, (_, i) => all.subarray(i * this._dim, (i + 1) * this._dim));
  }

  /** One Float32Array for each of the pictures that preprocess gave. */
  encodeImages(pictures) {
    const core = this._core;
    return core._with((take) => {
      const pixels = take.space(pictures.length * this._pictureBytes);
      pictures.forEach((picture, i) => {
        if (picture.length !== this._pictureBytes) throw new WhatsitError("argument", "not the model's input pixels");
        core._bytes.set(picture, pixels + i * this._pictureBytes);
      });
      const out = take.space(4 * pictures.length * this._dim);
      core._check(core._x.ww_encode_images(this._at, pixels, pictures.length, out));
      return this._split(out, pictures.length);
    });
  }

  /** One Float32Array for each text. onProgress(done, total): false stops. */
  encodeTexts(texts, onProgress) {
    const core = this._core;
    return core._with((take) => {
      const out = take.space(4 * texts.length * this._dim);
      core._count(core._x.ww_encode_texts(this._at, take.bytes(pack(texts)), texts.length, out));
      return this._split(out, texts.length);
    }, onProgress);
  }

  /** What else a picture might show, which confidences go by: from a list of nouns (heads/nouns.txt), or from the rows that
   * this gave for it once. One at a time. */
  openBackground({ list, rows }) {
    const core = this._core, model = this._model._at;
    return core._with((take) => {
      const bytes = rows ? null : encoder.encode(list);
      const n = core._count(rows ? core._x.ww_background_take(model, take.floats(rows), rows.length / this._dim)
        : core._x.ww_background_make(this._at, model, take.bytes(bytes), bytes.length));
      return core._floats(core._x.ww_background_rows() >>> 0, n * this._dim);
    });
  }

  /** How sure it is, 0..1, that each picture shows what the query says; all vectors of length 1. */
  confidences(query, pictures) {
    const core = this._core;
    return core._with((take) => {
      const all = new Float32Array(pictures.length * this._dim);
      pictures.forEach((picture, i) => all.set(picture, i * this._dim));
      const out = take.space(8 * pictures.length);
      core._x.ww_confidences(take.floats(query), take.floats(all), pictures.length, out);
      return new Float64Array(core._bytes.slice(out, out + 8 * pictures.length).buffer);
    });
  }

  /**
   * A zero-shot head from a label list: one label a line, synonyms behind "|", lines "# template: a
   * photo of a {}." and others as in heads/. Options: sigmoid (independent answers), distractors
   * (words for what it is not about), onProgress(donePrompts, total): false stops.
   */
  buildHead(list, { sigmoid = false, distractors = [], onProgress } = {}) {
    const core = this._core;
    const bytes = encoder.encode(list);
    return core._with((take) => new Head(core, core._pointer(core._x.ww_head_build(this._at, take.bytes(bytes),
      bytes.length, sigmoid ? 1 : 0, take.bytes(pack(distractors)), distractors.length))), onProgress);
  }
}

// Example photos as the C ABI wants them: [{ embedding, label: index }].
function takePhotos(take, photos, dim) {
  const embeddings = new Float32Array(photos.length * dim);
  photos.forEach(({ embedding }, i) => embeddings.set(embedding, i * dim));
  return [take.floats(embeddings), take.floats(Uint32Array.from(photos, ({ label }) => label)), photos.length, dim];
}

/** A head from example photos alone: names, and [{ embedding, label: index into names }] with one for each. */
export function headFromPhotos(model, name, names, photos) {
  const core = model._core;
  return core._with((take) => new Head(core, core._pointer(core._x.ww_head_from_photos(model._at,
    take.bytes(pack([name])), take.bytes(pack(names)), names.length, ...takePhotos(take, photos, model.info.embeddingDim)))));
}

/** Labels and what scores an embedding; `info` describes it, `labels` lists first names. */
export class Head {
  constructor(core, at) {
    this._core = core;
    this._at = at;
    const text = (i) => core._text(core._x.ww_head_text(at, i));
    const number = (i) => core._x.ww_head_number(at, i);
    const list = (n, one) => Array.from({ length: n }, (_, i) => core._text(one(i)));
    this.info = Object.freeze({
      name: text(0), kind: text(1), modelName: text(2), modelFingerprint: text(3), licence: text(4),
      source: text(5), sensitivity: text(6), nLabels: number(0), dim: number(1), sigmoid: number(3) !== 0,
      logitScale: number(4), logitBias: number(5), temperature: number(6), nExamples: number(7),
      noneThreshold: number(8), noneRate: number(9), nGroups: number(10),
      templates: list(number(2), (i) => core._x.ww_head_template(at, i)),
    });
    this.labels = list(this.info.nLabels, (i) => core._x.ww_head_label(at, i, 0));
    this.fullLabels = list(this.info.nLabels, (i) => core._x.ww_head_label(at, i, 1));
    this.groups = list(this.info.nLabels, (i) => core._x.ww_head_group(at, i));
  }

  close() {
    if (this._at) this._core._x.ww_head_close(this._at);
    this._at = 0;
  }

  /** Throws (status "mismatch") unless the head was made for this model. */
  check(model) {
    this._core._check(this._core._x.ww_head_check(this._at, model._at));
  }

  /** The k best, best first: [{ index, label, score, cosine, logit }]. */
  answer(embedding, k = 5) {
    const core = this._core;
    return core._with((take) => {
      const most = Math.min(k, this.info.nLabels);
      const out = take.space(16 * most);
      const n = core._count(core._x.ww_head_answer(this._at, take.floats(embedding), embedding.length, most, out));
      const view = new DataView(core._bytes.slice(out, out + 16 * n).buffer);
      return Array.from({ length: n }, (_, i) => {
        const index = view.getUint32(16 * i, true);
        return {
          index, label: this.labels[index], score: view.getFloat32(16 * i + 4, true),
          cosine: view.getFloat32(16 * i + 8, true), logit: view.getFloat32(16 * i + 12, true),
        };
      });
    });
  }

  /** The k best groups of labels, best first: [{ group, score }]; none for a head without groups. */
  answerGroups(embedding, k = 5) {
    const core = this._core, most = Math.min(k, this.info.nGroups);
    if (most === 0) return [];
    return core._with((take) => {
      const out = take.space(8 * most);
      const n = core._count(core._x.ww_head_answer_groups(this._at, take.floats(embedding), embedding.length, most, out));
      const view = new DataView(core._bytes.slice(out, out + 8 * n).buffer);
      return Array.from({ length: n }, (_, i) => (
        { group: core._text(view.getUint32(8 * i, true)), score: view.getFloat32(8 * i + 4, true) }));
    });
  }

  /**
   * The one thing to say: { name, certainty, score, group }. The specific word when it is more likely than not, else
   * its group (group is true), else "perhaps"; name is null when there is nothing to say.
   */
  verdict(embedding) {
    const core = this._core;
    return core._with((take) => {
      const out = take.space(16);
      core._check(core._x.ww_head_verdict(this._at, take.floats(embedding), embedding.length, out));
      const view = new DataView(core._bytes.slice(out, out + 16).buffer);
      const name = core._text(view.getUint32(4, true));
      return {
        name: name || null, certainty: core._text(view.getUint32(0, true)), score: view.getFloat32(12, true),
        group: name !== "" && view.getUint32(8, true) === 0xffffffff,
      };
    });
  }

  /** { score, cosine, logit }: Float32Array each, in label order. */
  scores(embedding) {
    const core = this._core;
    return core._with((take) => {
      const n = this.info.nLabels;
      const [score, cosine, logit] = [take.space(4 * n), take.space(4 * n), take.space(4 * n)];
      core._check(core._x.ww_head_scores(this._at, take.floats(embedding), embedding.length, score, cosine, logit));
      return { score: core._floats(score, n), cosine: core._floats(cosine, n), logit: core._floats(logit, n) };
    });
  }

  /** { known, none }: how sure the head is that any label fits, and whether it says that none does. */
  known(embedding) {
    const core = this._core;
    return core._with((take) => {
      const out = take.space(4);
      const none = core._count(core._x.ww_head_known(this._at, take.floats(embedding), embedding.length, out)) === 1;
      return { known: core._floats(out, 1)[0], none };
    });
  }

  /** A new head that also goes by example photos: [{ embedding, label: index into labels }]. */
  addPhotos(photos) {
    const core = this._core;
    return core._with((take) => new Head(core, core._pointer(core._x.ww_head_add_photos(this._at,
      ...takePhotos(take, photos, this.info.dim)))));
  }

  /** The head file's bytes, as the command line reads and writes them. */
  save() {
    const core = this._core;
    return core._with((take) => {
      const size = take.space(4), sink = core._pointer(core._x.ww_head_save(this._at));
      const at = core._x.ww_sink_bytes(sink, size) >>> 0;
      const n = new DataView(core._bytes.slice(size, size + 4).buffer).getUint32(0, true);
      const bytes = core._bytes.slice(at, at + n);
      core._x.ww_sink_close(sink);
      return bytes;
    });
  }
}
