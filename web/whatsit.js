/* whatsit in a page: what is in this picture? Everything runs on this device, in a worker.
 *
 *     import { load } from './whatsit.js';
 *     const whatsit = await load({ model: { url: 'models/nano.gguf' } });
 *     const pets = await whatsit.makeHead({ name: 'pets', labels: ['cat', 'dog'] });
 *     const { answers } = await whatsit.classify(photo, { heads: [pets] });
 *
 * whatsit.d.ts has the types. The document is not touched. */
import { decode, partOf, pixelsOf } from './lib/pixels.js';

/** An error that says what went wrong in `code`: "network", "storage", "format", "mismatch", ... */
export class WhatsitError extends Error {
  constructor(message, code, details) {
    super(message);
    this.name = 'WhatsitError';
    this.code = code ?? 'internal';
    if (details) this.details = details;
  }
}

/* Requests to the worker and what becomes of them. */
class Line {
  #worker;
  #next = 1;
  #waiting = new Map();
  #flags = null;
  imagePx = 0; /* of the open model */
  canRead = true; /* the worker can read pictures */

  constructor(worker) {
    this.#worker = worker;
    worker.onmessage = ({ data }) => this.#hear(data);
    worker.onerror = (event) => this.#break(event.message || 'the worker could not start', 'worker');
    worker.onmessageerror = () => this.#break('the worker sent what cannot be read');
    if (worker.hasFailed) this.#break('the worker could not start', 'worker');
    else this.#share();
  }

  /* Through shared memory a stop is heard while the worker computes. */
  #share() {
    if (typeof SharedArrayBuffer === 'undefined' || !globalThis.crossOriginIsolated) return;
    this.#flags = new Int32Array(new SharedArrayBuffer(4 * 64));
    this.#worker.postMessage({ flags: this.#flags.buffer });
  }

  ask(op, args, { transfer = [], onprogress, signal } = {}) {
    if (!this.#worker) return Promise.reject(new WhatsitError('the worker has ended', 'worker'));
    if (signal?.aborted) return Promise.reject(new WhatsitError('stopped', 'cancelled'));
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      /* who asked goes on at once; the worker stops as soon as it hears of it */
      const stop = () => {
        if (this.#flags) Atomics.store(this.#flags, id % this.#flags.length, id);
        this.#worker?.postMessage({ stop: id });
        this.#waiting.delete(id);
        reject(new WhatsitError('stopped', 'cancelled'));
      };
      signal?.addEventListener('abort', stop, { once: true });
      const done = () => signal?.removeEventListener('abort', stop);
      this.#waiting.set(id, { resolve, reject, onprogress, done });
      this.#worker.postMessage({ id, op, args }, transfer);
    });
  }

  #hear({ id, progress, value, error }) {
    const asked = this.#waiting.get(id);
    if (!asked) return;
    if (progress) {
      asked.onprogress?.(progress);
      return;
    }
    this.#waiting.delete(id);
    asked.done();
    if (error) asked.reject(new WhatsitError(error.message, error.code, error.details));
    else asked.resolve(value);
  }

  #break(message, code) {
    this.#worker?.terminate();
    this.#worker = null;
    for (const asked of this.#waiting.values()) {
      asked.done();
      asked.reject(new WhatsitError(message, code));
    }
    this.#waiting.clear();
  }

  close() {
    this.#break('closed', 'cancelled');
  }
}

/* What the worker cannot read is read here: no canvas in workers (Safari before 17), no createImageBitmap, an SVG. */
async function readHere(line, picture, crop) {
  const drawn = await decode(picture).catch((cause) => {
    throw new WhatsitError(cause.message, cause.code, cause.details);
  });
  const part = partOf(drawn, crop);
  const pixels = pixelsOf(drawn, line.imagePx, part);
  const preview = drawn instanceof ImageData ? null : drawn;
  return { picture: { pixels, part, whole: { width: drawn.width, height: drawn.height } }, transfer: [pixels.data.buffer], drawn: preview };
}

/* Pictures of the page become something that may travel to a worker. */
async function portable(line, image, crop) {
  if (image instanceof ImageData) return { picture: image, transfer: [] };
  if (!line.canRead || typeof createImageBitmap === 'undefined') return readHere(line, image, crop);
  if (image instanceof Blob) return { picture: image, transfer: [] };
  try {
    const bitmap = await (image instanceof ImageBitmap ? createImageBitmap(image) : decode(image));
    return { picture: bitmap, transfer: [bitmap] };
  } catch (cause) {
    throw new WhatsitError(`not a picture: ${cause.message}`, 'format');
  }
}

/* Asks about a picture; the worker may hand it back to be read here. */
async function askAbout(line, op, image, args, options = {}) {
  const { picture, transfer, drawn } = await portable(line, image, args.crop);
  try {
    const value = await line.ask(op, { ...args, picture }, { ...options, transfer });
    if (drawn && args.preview) value.preview = drawn;
    return value;
  } catch (error) {
    if (error.code !== 'page') throw error;
    const read = await readHere(line, image, args.crop);
    const value = await line.ask(op, { ...args, picture: read.picture }, { ...options, transfer: read.transfer });
    if (read.drawn && args.preview) value.preview = read.drawn;
    return value;
  }
}

/** Labels and what turns a picture's vector into one score per label. */
export class Head {
  #line;

  constructor(line, info) {
    this.#line = line;
    Object.assign(this, info);
  }

  /** The head as a file (safetensors). */
  toFile() {
    return this.#line.ask('headFile', { head: this.id });
  }

  /** A new head that also knows these example photos: [{ label, embedding }]. */
  async teach(examples) {
    return new Head(this.#line, await this.#line.ask('teach', { head: this.id, examples }));
  }

  /** All scores of one vector, in the order of the labels. */
  scores(embedding) {
    return this.#line.ask('scores', { head: this.id, embedding });
  }

  close() {
    return this.#line.ask('closeHead', { head: this.id }).catch(() => {});
  }
}

/** Puts pictures into words, in a worker of its own. */
export class Describer {
  #line;

  constructor(line) {
    this.#line = line;
  }

  /** The n best sentences about a picture or a part of it, beginning with the words `about`: { captions: [{ text, logprob,
   *  meanProb, sure }], stands, perhaps }. Where the first is a guess, `stands` is false and `perhaps` what it is of, broadly, or "". */
  describe(image, { n = 1, about, crop, signal } = {}) {
    return askAbout(this.#line, 'describe', image, { n, about, crop }, { signal });
  }

  close() {
    this.#line.close();
  }
}

/** An open model. */
export class Whatsit {
  #line;

  constructor(line, info) {
    this.#line = line;
    this.info = info;
  }

  /** What is it? The picture is encoded once, then every head reads the vector. `crop`: only this part, as shares of the
   *  sides: { x, y, width, height }. */
  async classify(image, { heads = [], top = 5, preview = 0, crop, signal } = {}) {
    const list = Array.isArray(heads) ? heads : [heads];
    return askAbout(this.#line, 'classify', image, { heads: list.map((head) => head.id), top, preview, crop }, { signal });
  }

  /** The same for a vector that is there already. */
  answer(embedding, { heads = [], top = 5 } = {}) {
    const list = Array.isArray(heads) ? heads : [heads];
    return this.#line.ask('answer', { embedding, heads: list.map((head) => head.id), top });
  }

  /** The vector of a picture or of a sentence (a list gives a list of vectors); length 1. */
  async embed(what, { signal } = {}) {
    if (typeof what === 'string') {
      return (await this.#line.ask('embedTexts', { texts: [what] }, { signal }))[0];
    }
    if (Array.isArray(what)) {
      if (what.every((item) => typeof item === 'string')) {
        return this.#line.ask('embedTexts', { texts: what }, { signal });
      }
      return Promise.all(what.map((item) => this.embed(item, { signal })));
    }
    return (await this.classify(what, { signal })).embedding;
  }

  /** What else pictures might show, for `confidences`: from a list of nouns (heads/nouns.txt), or the `rows` that this gave
   *  for the same model. { rows, least }: a picture is worth showing from the confidence `least` on. */
  openBackground({ list, rows }) {
    return this.#line.ask('openBackground', { list, rows });
  }

  /** How sure it is, 0..1, that each picture shows what the words say, as `whatsit search` tells it. */
  confidences(query, embeddings) {
    return this.#line.ask('confidences', { query, embeddings });
  }

  /** A head from words: { name, labels, templates, multi, source, licence, sensitivity }. */
  async makeHead(recipe, { onprogress, signal } = {}) {
    const info = await this.#line.ask('makeHead', { recipe }, { onprogress, signal });
    return new Head(this.#line, info);
  }

  /** A head from example photos alone: names, and [{ label: index, embedding }] with one or more for each. */
  async photosHead({ name, labels, examples }, { signal } = {}) {
    return new Head(this.#line, await this.#line.ask('photosHead', { name, labels, examples }, { signal }));
  }

  /** A head from a file. `WhatsitError` with code "mismatch" when it belongs to another model. */
  async openHead(bytes) {
    return new Head(this.#line, await this.#line.ask('openHead', { bytes }));
  }

  /** Where does a head see a label? Occlusion: a grey square is moved over the picture and the
   *  label's score is measured again. { columns, rows, values, crop } */
  async heatMap(image, { head, label, steps = 8, crop, onprogress, signal }) {
    return askAbout(this.#line, 'heatMap', image, { head: head.id, label, steps, crop }, { onprogress, signal });
  }

  /** Brings a describer that was made for this model, as load() brings models: { url, sha256 }. What it says is weighed
   *  with a head of everyday things. */
  async openDescriber(source, { everyday, core, keep = true, worker, onprogress, signal } = {}) {
    const [bytes, head] = await Promise.all([this.#line.ask('modelFile'), everyday.toFile()]);
    const line = new Line(worker ?? startWorker());
    try {
      line.canRead = this.#line.canRead;
      line.imagePx = this.info.imagePx;
      await line.ask('openDescriber', { bytes, head, describer: located(source), core: folderOf(core), keep },
        { transfer: [bytes.buffer], onprogress, signal });
      return new Describer(line);
    } catch (error) {
      line.close();
      throw error;
    }
  }

  close() {
    this.#line.close();
  }
}

/* Addresses as a page means them. */
const within = (address) => new URL(address, globalThis.location?.href ?? import.meta.url);
const folderOf = (core) => (core === undefined ? undefined : new URL('.', within(core)).href);

function located(given) {
  const source = typeof given === 'string' || given instanceof URL ? { url: String(given) } : given;
  if (!source?.url) throw new WhatsitError('a model is named by its address: { url }', 'arg');
  return { ...source, url: within(source.url).href };
}

/* A worker has to come from the page's own site: one that lies elsewhere (a CDN) is imported by a small one of our own. The
 * usual way is written out in one piece, as bundlers want it. */
function startWorker() {
  const here = import.meta.url, page = globalThis.location?.origin;
  if (/^https?:/.test(here) && page && new URL(here).origin !== page) {
    const code = `import ${JSON.stringify(here.replace(/[^/]*$/, 'lib/worker.js'))};`;
    return new Worker(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })), { type: 'module' });
  }
  return new Worker(new URL('./lib/worker.js', import.meta.url), { type: 'module' });
}

/** Starts a worker, brings the model (from this browser's storage, or over the network with
 *  progress), checks its SHA-256 and opens it. `model` may be a promise: the core starts meanwhile. `core`: the folder
 *  with the core's modules, when it is not the package's own. */
export async function load({ model, core, threads, keep = true, keepOthers = false, worker, onprogress, onprepared, signal } = {}) {
  if (typeof Worker === 'undefined') throw new WhatsitError('load() needs a browser page: there are no workers here', 'unsupported');
  const line = new Line(worker ?? startWorker());
  const coreUrl = folderOf(core);
  try {
    const preparing = line.ask('prepare', { core: coreUrl, threads });
    const prepared = preparing.then((value) => {
      line.canRead = value.canRead;
      onprepared?.(value);
    });
    prepared.catch(() => {}); /* if it fails, so does what follows */
    const args = { model: located(await model), core: coreUrl, keep, keepOthers };
    const info = await line.ask('load', args, { onprogress, signal });
    await prepared;
    line.imagePx = info.imagePx;
    return new Whatsit(line, info);
  } catch (error) {
    line.close();
    throw error;
  }
}
