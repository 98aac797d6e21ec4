/* whatsit in a page: what is in this picture? Everything runs on this device, in a worker.
 *
 *     import { load } from './whatsit.js';
 *     const whatsit = await load({ model: { url: 'models/nano.gguf' } });
 *     const pets = await whatsit.makeHead({ name: 'pets', labels: ['cat', 'dog'] });
 *     const { answers } = await whatsit.classify(photo, { heads: [pets] });
 *
 * whatsit.d.ts has the types. Nothing here touches the document. */

/** An error that says what went wrong in `code`: "network", "storage", "format", "mismatch", ... */
export class WhatsitError extends Error {
  constructor(message, code) {
    super(message);
    this.name = 'WhatsitError';
    this.code = code ?? 'internal';
  }
}

/* Requests to the worker and what becomes of them. */
class Line {
  #worker;
  #next = 1;
  #waiting = new Map();

  constructor(worker) {
    this.#worker = worker;
    worker.onmessage = ({ data }) => this.#hear(data);
    worker.onerror = (event) => this.#break(event.message || 'the worker could not start');
    worker.onmessageerror = () => this.#break('the worker sent what cannot be read');
  }

  ask(op, args, { transfer = [], onprogress, signal } = {}) {
    if (!this.#worker) return Promise.reject(new WhatsitError('closed', 'cancelled'));
    if (signal?.aborted) return Promise.reject(new WhatsitError('stopped', 'cancelled'));
    return new Promise((resolve, reject) => {
      const id = this.#next++;
      const stop = () => this.#worker?.postMessage({ stop: id });
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
    if (error) asked.reject(new WhatsitError(error.message, error.code));
    else asked.resolve(value);
  }

  #break(message) {
    for (const asked of this.#waiting.values()) {
      asked.done();
      asked.reject(new WhatsitError(message, 'internal'));
    }
    this.#waiting.clear();
  }

  close() {
    this.#worker?.terminate();
    this.#worker = null;
    this.#break('closed');
  }
}

/* Pictures of the page become something that may travel to a worker. */
async function portable(image) {
  if (image instanceof Blob) return { picture: image, transfer: [] };
  if (image instanceof ImageData) return { picture: image, transfer: [] };
  if (typeof ImageBitmap !== 'undefined' && image instanceof ImageBitmap) {
    const copy = await createImageBitmap(image);
    return { picture: copy, transfer: [copy] };
  }
  try {
    const bitmap = await createImageBitmap(image, { colorSpaceConversion: 'none' });
    return { picture: bitmap, transfer: [bitmap] };
  } catch (cause) {
    throw new WhatsitError(`not a picture: ${cause.message}`, 'format');
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

/** An open model. */
export class Whatsit {
  #line;

  constructor(line, info) {
    this.#line = line;
    this.info = info;
  }

  /** What is it? The picture is encoded once, then every head reads the vector. */
  async classify(image, { heads = [], top = 5, preview = 0, signal } = {}) {
    const list = Array.isArray(heads) ? heads : [heads];
    const { picture, transfer } = await portable(image);
    const args = { picture, heads: list.map((head) => head.id), top, preview };
    return this.#line.ask('classify', args, { transfer, signal });
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

  /** A head from words: { name, labels, templates, multi, source, licence, sensitivity }. */
  async makeHead(recipe, { onprogress, signal } = {}) {
    const info = await this.#line.ask('makeHead', { recipe }, { onprogress, signal });
    return new Head(this.#line, info);
  }

  /** A head from a file. `WhatsitError` with code "mismatch" when it belongs to another model. */
  async openHead(bytes) {
    return new Head(this.#line, await this.#line.ask('openHead', { bytes }));
  }

  /** Where does a head see a label? Occlusion: a grey square is moved over the picture and the
   *  label's score is measured again. { columns, rows, values, crop } */
  async heatMap(image, { head, label, steps = 8, onprogress, signal }) {
    const { picture, transfer } = await portable(image);
    const args = { picture, head: head.id, label, steps };
    return this.#line.ask('heatMap', args, { transfer, onprogress, signal });
  }

  close() {
    this.#line.close();
  }
}

const startWorker = () => new Worker(new URL('./lib/worker.js', import.meta.url), { type: 'module' });

/** Starts a worker, brings the model (from this browser's storage, or over the network with
 *  progress), checks its SHA-256 and opens it. `model` may be a promise: the core starts meanwhile. */
export async function load({ model, core, threads, keep = true, worker = startWorker(), onprogress, signal } = {}) {
  const line = new Line(worker);
  const here = globalThis.location?.href ?? import.meta.url;
  const coreUrl = new URL(core ?? './core/whatsit-core.mjs', import.meta.url).href;
  try {
    line.ask('prepare', { core: coreUrl, threads }).catch(() => {}); /* if it fails, so does what follows */
    const given = await model;
    const source = typeof given === 'string' ? { url: given } : given;
    if (!source?.url) throw new WhatsitError('load() needs model: { url }', 'arg');
    const args = { model: { ...source, url: new URL(source.url, here).href }, core: coreUrl, keep };
    return new Whatsit(line, await line.ask('load', args, { onprogress, signal }));
  } catch (error) {
    line.close();
    throw error;
  }
}
