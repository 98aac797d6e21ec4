/** whatsit in a page: what is in this picture? Everything runs on this device. */

export interface ModelSource {
  /** Where the GGUF file is. */
  url: string;
  /** 64 hex digits. Checked when the download is complete; a file that differs is thrown away. */
  sha256?: string;
  /** The file's size in bytes, when it is known before. */
  n_bytes?: number;
  name?: string;
}

export interface LoadProgress {
  phase: 'download' | 'storage' | 'verify' | 'open';
  /** Bytes; `total` is 0 while it is not known. */
  done: number;
  total: number;
}

export interface LoadOptions {
  /** Its address. A promise of it: the core starts meanwhile. */
  model: string | ModelSource | Promise<string | ModelSource>;
  /** The folder (or a file in it) with the core's .wasm modules, when it is not the package's own. */
  core?: string;
  /** Default: one per processor core (at most 4) on cross-origin isolated pages, else 1. */
  threads?: number;
  /** False: never write the model to the browser's storage. */
  keep?: boolean;
  /** True: other models that are kept already stay. */
  keepOthers?: boolean;
  /** A worker of lib/worker.js that was started before and has not been used. */
  worker?: Worker;
  onprogress?(progress: LoadProgress): void;
  /** Stops the download; what has arrived is kept, and the next load goes on from there. */
  signal?: AbortSignal;
}

export interface ModelInfo {
  name: string;
  fingerprint: string;
  licence: string;
  source: string;
  /** "int8", "f16", ... */
  weights: string;
  dim: number;
  imagePx: number;
  /** The text tower is there: heads can be made and sentences searched on this device. */
  hasText: boolean;
  fileBytes: number;
  threads: number;
  /** "simd" or "relaxed-simd". */
  simd: string;
  /** The file came from storage, not over the network. */
  fromStorage: boolean;
  /** Why the file could not be kept, if it could not. */
  notKept?: string;
}

export type Picture =
  | Blob
  | ImageBitmap
  | ImageData
  | HTMLImageElement
  | HTMLCanvasElement
  | OffscreenCanvas
  | HTMLVideoElement
  | VideoFrame;

export interface Answer {
  /** The label's first name. */
  label: string;
  index: number;
  /** Probability: softmax over the head's labels, or independent for heads made with `multi`. */
  score: number;
  /** NaN for heads that are not made of words. */
  cosine: number;
}

export interface GroupAnswer {
  group: string;
  /** The sum of its labels' scores, or the highest of them for heads made with `multi`. */
  score: number;
}

export interface Verdict {
  certainty: 'none' | 'cannot-tell' | 'perhaps' | 'probably' | 'certain';
  /** A label's first name, or a group's; "" when there is nothing to say. */
  name: string;
  /** -1: the name is a group's, or "". */
  label: number;
  score: number;
}

export interface HeadAnswers {
  head: number;
  name: string;
  /** None of the head's labels fits. Only heads that can tell ever say so. */
  none: boolean;
  /** The one thing to say: the word, or the broad word (a group's), and how sure it is. */
  verdict: Verdict;
  answers: Answer[];
  /** The best groups that the labels belong to; none for heads without groups. */
  groups: GroupAnswer[];
}

/** A part of a picture, as shares of its width and height. */
export interface Crop {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Classified {
  /** Length 1. */
  embedding: Float32Array;
  width: number;
  height: number;
  answers: HeadAnswers[];
  /** There is nothing to see: a covered lens, or one colour. */
  blank: '' | 'dark' | 'plain';
  /** The picture, at most `preview` px on its longer side. */
  preview?: ImageBitmap | HTMLCanvasElement | OffscreenCanvas;
  /** Milliseconds for decoding, preprocessing and the network. */
  ms: { decode: number; preprocess: number; encode: number };
}

export interface HeadRecipe {
  name: string;
  /** "cat|kitty" are two names for one label. */
  labels: string[];
  /** Each label's group, "" for none. */
  groups?: string[];
  /** Sentences with {} for the label. Default: "a photo of a {}." */
  templates?: string[];
  /** Judge each label for itself, yes or no. */
  multi?: boolean;
  /** Words for what the head is not about, about as many as labels: it can then answer "none of these". */
  distractors?: string[];
  source?: string;
  licence?: string;
  /** Shown with every answer of a head about people. */
  sensitivity?: string;
}

export interface Example {
  /** Index into the head's labels. */
  label: number;
  embedding: Float32Array;
}

export class Head {
  readonly id: number;
  readonly name: string;
  readonly kind: 'zero-shot' | 'linear' | 'few-shot';
  /** With synonyms: "cat|kitty". */
  readonly labels: string[];
  /** Each label's group, "" for none. */
  readonly groups: string[];
  readonly templates: string[];
  readonly multi: boolean;
  readonly nExamples: number;
  /** The head can answer "none of these". */
  readonly knowsNone: boolean;
  readonly model: string;
  readonly fingerprint: string;
  readonly licence: string;
  readonly source: string;
  readonly sensitivity: string;
  toFile(): Promise<Uint8Array>;
  teach(examples: Example[]): Promise<Head>;
  scores(embedding: Float32Array): Promise<Float32Array>;
  close(): Promise<void>;
}

export interface HeatMap {
  columns: number;
  rows: number;
  /** rows * columns, 0..1: how much the label's score falls when this part is hidden. */
  values: Float32Array;
  /** The part of the picture that the model sees, as shares of its width and height. */
  crop: { x: number; y: number; width: number; height: number };
}

export class Whatsit {
  readonly info: ModelInfo;
  classify(
    image: Picture,
    options?: { heads?: Head | Head[]; top?: number; preview?: number; crop?: Crop; signal?: AbortSignal },
  ): Promise<Classified>;
  answer(
    embedding: Float32Array,
    options?: { heads?: Head | Head[]; top?: number },
  ): Promise<HeadAnswers[]>;
  embed(what: string | Picture, options?: { signal?: AbortSignal }): Promise<Float32Array>;
  embed(what: (string | Picture)[], options?: { signal?: AbortSignal }): Promise<Float32Array[]>;
  /** What else pictures might show, for `confidences`: from a list of nouns (heads/nouns.txt), or the rows that this gave for the same model. */
  openBackground(from: { list: string } | { rows: Float32Array }): Promise<{ rows: Float32Array; least: number }>;
  /** How sure it is, 0..1, that each picture (vectors of length 1) shows what the query says; worth showing from `least` on. */
  confidences(query: Float32Array, embeddings: Float32Array[]): Promise<Float64Array>;
  makeHead(
    recipe: HeadRecipe,
    options?: { onprogress?(p: { done: number; total: number }): void; signal?: AbortSignal },
  ): Promise<Head>;
  photosHead(
    recipe: { name: string; labels: string[]; examples: Example[] },
    options?: { signal?: AbortSignal },
  ): Promise<Head>;
  openHead(bytes: Uint8Array | ArrayBuffer): Promise<Head>;
  heatMap(
    image: Picture,
    options: {
      head: Head;
      label: number;
      steps?: number;
      crop?: Crop;
      onprogress?(p: { done: number; total: number }): void;
      signal?: AbortSignal;
    },
  ): Promise<HeatMap>;
  /** Brings a describer that was made for this model. It works in a worker of its own, with a copy of the model. */
  openDescriber(
    source: string | ModelSource,
    options: {
      /** A head of everyday things, which sentences are weighed with. */
      everyday: Head;
      core?: string;
      keep?: boolean;
      worker?: Worker;
      onprogress?(progress: LoadProgress): void;
      signal?: AbortSignal;
    },
  ): Promise<Describer>;
  close(): void;
}

export interface Caption {
  text: string;
  logprob: number;
  /** The geometric mean of its tokens' probabilities. */
  meanProb: number;
  /** It reaches what true captions reach. */
  sure: boolean;
}

export interface Described {
  /** Best first; English. */
  captions: Caption[];
  /** The first is to be told. */
  stands: boolean;
  /** Where it is not: what the picture is of, broadly ("vehicle"), or "". */
  perhaps: string;
}

export class Describer {
  /** n: 1 to 8 sentences; about: the words that they begin with. */
  describe(
    image: Picture,
    options?: { n?: number; about?: string; crop?: Crop; signal?: AbortSignal },
  ): Promise<Described>;
  close(): void;
}

export class WhatsitError extends Error {
  /** "network", "storage", "format", "large", "mismatch", "nomem", "arg", "no-wasm", "no-simd", "policy", "worker", "cancelled", ... */
  readonly code: string;
  readonly details?: { kind?: string; megapixels?: number };
}

export function load(options: LoadOptions): Promise<Whatsit>;
