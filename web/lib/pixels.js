/* From a picture to pixels that the core takes. The browser decodes, with the camera's orientation
 * applied and colour profiles converted to sRGB, as the command line does; its JPEG decoder may differ
 * from libjpeg-turbo by a few levels in a pixel. Runs in the worker, and in the page where a worker has no canvas. */

import { addressOf } from './modules.js';
import { sniffBlob } from './sniff.js';

/* Above this many pixels the picture is first made smaller by whole factors, averaging squares, so
 * that a 48-megapixel photo needs no second large buffer. The shorter side stays four times the
 * network's input or more, which changes the network's pixels by less than 1/255 on average. */
const MOST_PIXELS = 4 << 20;
const SIDES_PER_INPUT = 4;
const STRIP_PIXELS = 1 << 20;
const FINE_PX = 1024;
/* A browser needs four bytes for each before anything can be made smaller. */
export const LARGEST_MEGAPIXELS = 110;
const SVG_PX = 1024;

class PictureError extends Error {
  constructor(message, code = 'format', details = {}) {
    super(message);
    this.code = code;
    Object.assign(this, { details });
  }
}

const isBitmap = (picture) => typeof ImageBitmap !== 'undefined' && picture instanceof ImageBitmap;

/* Browsers before 2023 refuse names of options that they do not know, and apply the orientation unasked; some refuse options. */
const WAYS = [
  [{ imageOrientation: 'from-image', colorSpaceConversion: 'default', premultiplyAlpha: 'none' }],
  [{ colorSpaceConversion: 'default', premultiplyAlpha: 'none' }],
  [],
];

async function toBitmap(source) {
  let refusal;
  for (const options of WAYS) {
    try {
      return await createImageBitmap(source, ...options);
    } catch (cause) {
      refusal = cause;
      if (!(cause instanceof TypeError)) break; /* it understood the question and cannot open the picture */
    }
  }
  throw refusal;
}

/* Where there is a document: what createImageBitmap does not take, an element may (SVG; a picture whose end is missing or damaged, of which
 * it shows what is there), or there is no createImageBitmap. */
async function throughElement(blob, kind) {
  const url = URL.createObjectURL(kind === 'svg' ? new Blob([blob], { type: 'image/svg+xml' }) : blob);
  try {
    const image = new Image();
    await new Promise((resolve, reject) => {
      Object.assign(image, { onload: resolve, onerror: reject, src: url }); /* decode() refuses what is damaged */
    });
    const grow = kind === 'svg' ? SVG_PX / Math.max(1, image.naturalWidth, image.naturalHeight) : 1;
    const width = Math.max(1, Math.round((image.naturalWidth || SVG_PX) * grow));
    const height = Math.max(1, Math.round((image.naturalHeight || SVG_PX) * grow));
    const context = contextOf(width, height);
    if (kind === 'svg') {
      context.fillStyle = '#fff';
      context.fillRect(0, 0, width, height);
    }
    context.drawImage(image, 0, 0, width, height);
    return context.canvas;
  } finally {
    URL.revokeObjectURL(url);
  }
}

/* A large JPEG at a half, a quarter or an eighth, where a browser can: whole it takes four bytes for each pixel. Parts of it are asked
 * about, so its shorter side stays FINE_PX. Null: as it is. */
async function decodeSmaller(blob, width, height) {
  let scale = 1;
  while (scale > 1 / 8 && width * height * scale * scale > MOST_PIXELS && Math.min(width, height) * scale / 2 >= FINE_PX) scale /= 2;
  if (scale === 1 || typeof ImageDecoder === 'undefined') return null;
  let decoder;
  try {
    decoder = new ImageDecoder({ data: blob.stream(), type: 'image/jpeg', desiredWidth: Math.ceil(width * scale), desiredHeight: Math.ceil(height * scale) });
    const { image } = await decoder.decode();
    const bitmap = await createImageBitmap(image);
    image.close();
    const isTurned = bitmap.width < bitmap.height !== width < height;
    return Object.assign(bitmap, { full: isTurned ? { width: height, height: width } : { width, height } });
  } catch {
    return null;
  } finally {
    decoder?.close();
  }
}

/* A large picture made smaller while it is decoded; null: it is not large, or cannot be. */
export async function decodeLarge(blob) {
  const { kind, width, height } = await sniffBlob(blob);
  return kind === 'jpeg' ? decodeSmaller(blob, width, height) : null;
}

const AS_FAR_AS_IT_GOES = new Set(['jpeg', 'png', 'gif', 'webp', 'bmp']);

const hasDocument = () => typeof document !== 'undefined';

const ODD = new URL('./odd.js', import.meta.url).href;

/* { blob, turn } or { drawn } of a file that the browser would read otherwise than the command line; where that cannot be found out, as it does. */
async function mended(blob, kind, isMarked) {
  if (isMarked === false || !AS_FAR_AS_IT_GOES.has(kind)) return null;
  try {
    const { mend } = await import(/* @vite-ignore */ /* webpackIgnore: true */ ODD);
    return await mend(blob, kind, { marks: addressOf('whatsit-marks.wasm').plain, contextOf });
  } catch {
    return null;
  }
}

/* As EXIF counts the ways up: where x and y of the picture go. */
const TURNS = [[1, 0, 0, 1], [-1, 0, 0, 1], [-1, 0, 0, -1], [1, 0, 0, -1], [0, 1, 1, 0], [0, 1, -1, 0], [0, -1, -1, 0], [0, -1, 1, 0]];

function turned(drawn, turn) {
  if (!(turn > 1)) return drawn;
  const [a, b, c, d] = TURNS[turn - 1], swap = ({ width, height }) => (turn > 4 ? { width: height, height: width } : { width, height });
  const { width, height } = swap(drawn), context = contextOf(width, height);
  context.setTransform(a, b, c, d, a + c < 0 ? width : 0, b + d < 0 ? height : 0);
  context.drawImage(drawn, 0, 0);
  const full = drawn.full && swap(drawn.full);
  drawn.close?.();
  return Object.assign(context.canvas, full && { full });
}

/* Of some damaged files the element shows nothing at all. */
function showsSomething(canvas) {
  const context = contextOf(64, 64);
  context.drawImage(canvas, 0, 0, 64, 64);
  return context.getImageData(0, 0, 64, 64).data.some((value) => value > 0);
}

async function decodeKind(blob, kind, width, height) {
  try {
    if (kind === 'svg' || typeof createImageBitmap === 'undefined') return await throughElement(blob, kind);
    return (kind === 'jpeg' && await decodeSmaller(blob, width, height)) || await toBitmap(blob);
  } catch (cause) {
    if (cause.code === 'nomem' || cause instanceof RangeError) throw cause;
    if (AS_FAR_AS_IT_GOES.has(kind)) {
      if (!hasDocument()) throw new PictureError('what is damaged is read by the page', 'page');
      const drawn = await throughElement(blob, kind).catch(() => null);
      if (drawn && showsSomething(drawn)) return drawn;
    }
    throw new PictureError('not a picture that this browser can open', 'format', { kind });
  }
}

/* A picture as something that a canvas draws. */
export async function decode(picture) {
  if (!(picture instanceof Blob)) return isBitmap(picture) || !hasDocument() ? picture : toBitmap(picture);
  if (picture.size === 0) throw new PictureError('the file is empty', 'empty');
  const { kind, width, height, isMarked } = await sniffBlob(picture);
  const megapixels = (width * height) / 1e6;
  if (megapixels > LARGEST_MEGAPIXELS) {
    throw new PictureError(`${Math.round(megapixels)} megapixels are too many`, 'large', { megapixels: Math.round(megapixels) });
  }
  if (kind === 'svg' && !hasDocument()) throw new PictureError('an SVG is drawn by the page', 'page');
  const { blob, turn, drawn } = await mended(picture, kind, isMarked) ?? { blob: picture };
  return drawn ?? turned(await decodeKind(blob, kind, width, height), turn);
}

/* An OffscreenCanvas may be there and give no context (Safari 16). */
function contextOf(width, height) {
  const how = { willReadFrequently: true };
  if (typeof OffscreenCanvas !== 'undefined') {
    const context = new OffscreenCanvas(width, height).getContext('2d', how);
    if (context) return context;
  }
  if (!hasDocument()) throw new PictureError('this worker has no canvas', 'page');
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  const context = canvas.getContext('2d', how);
  if (!context) throw new PictureError('the browser gave no room for the picture', 'nomem');
  return context;
}

/* This worker or page can read pixels. */
export function canRead() {
  try {
    return Boolean(contextOf(1, 1)) && (hasDocument() || typeof createImageBitmap !== 'undefined');
  } catch {
    return false;
  }
}

export function factorFor(width, height, inputPx) {
  if (width * height <= MOST_PIXELS) return 1;
  return Math.max(1, Math.floor(Math.min(width, height) / (SIDES_PER_INPUT * inputPx)));
}

/* Averages k x k squares of rgba[height, width] into rgb rows from `row` on. */
function average(rgba, width, height, k, rgb, row) {
  const columns = Math.floor(width / k);
  const area = k * k;
  for (let y = 0; y + k <= height; y += k, row++) {
    for (let x = 0; x < columns; x++) {
      let r = 0, g = 0, b = 0;
      for (let j = 0; j < k; j++) {
        let at = 4 * ((y + j) * width + x * k);
        for (let i = 0; i < k; i++, at += 4) {
          const white = 255 - rgba[at + 3], share = rgba[at + 3] / 255; // behind what is transparent
          r += rgba[at] * share + white;
          g += rgba[at + 1] * share + white;
          b += rgba[at + 2] * share + white;
        }
      }
      const to = 3 * (row * columns + x);
      rgb[to] = Math.round(r / area);
      rgb[to + 1] = Math.round(g / area);
      rgb[to + 2] = Math.round(b / area);
    }
  }
  return row;
}

const whole = (drawn) => ({ x: 0, y: 0, width: drawn.width, height: drawn.height });

/* A part given as shares of the sides, in whole pixels of the picture. */
export function partOf(drawn, crop) {
  if (!crop) return whole(drawn);
  const x = Math.min(drawn.width - 1, Math.max(0, Math.round(crop.x * drawn.width)));
  const y = Math.min(drawn.height - 1, Math.max(0, Math.round(crop.y * drawn.height)));
  return { x, y, width: Math.max(1, Math.min(drawn.width - x, Math.round(crop.width * drawn.width))),
    height: Math.max(1, Math.min(drawn.height - y, Math.round(crop.height * drawn.height))) };
}

/* { data, width, height, channels } of a picture or a part of it, ready for the core. */
export function pixelsOf(drawn, inputPx, part = whole(drawn)) {
  const { x, y: top, width, height } = part;
  const k = factorFor(width, height, inputPx);
  if (k === 1 && width * height <= MOST_PIXELS) {
    const context = contextOf(width, height);
    context.drawImage(drawn, x, top, width, height, 0, 0, width, height);
    return { data: context.getImageData(0, 0, width, height).data, width, height, channels: 4 };
  }
  const columns = Math.floor(width / k), rows = Math.floor(height / k);
  const rgb = new Uint8ClampedArray(3 * columns * rows);
  const strip = Math.max(1, Math.floor(STRIP_PIXELS / (width * k))) * k;
  const context = contextOf(width, Math.min(strip, height));
  let row = 0;
  for (let y = 0; y < rows * k; y += strip) {
    const n = Math.min(strip, rows * k - y);
    context.clearRect(0, 0, width, n);
    context.drawImage(drawn, x, top + y, width, n, 0, 0, width, n);
    row = average(context.getImageData(0, 0, width, n).data, width, n, k, rgb, row);
  }
  return { data: rgb, width: columns, height: rows, channels: 3 };
}

/* A smaller copy for the screen. */
export async function preview(drawn, longestPx) {
  const scale = Math.min(1, longestPx / Math.max(drawn.width, drawn.height));
  const width = Math.max(1, Math.round(drawn.width * scale));
  const height = Math.max(1, Math.round(drawn.height * scale));
  try {
    return await createImageBitmap(drawn, { resizeWidth: width, resizeHeight: height, resizeQuality: 'high' });
  } catch {
    const context = contextOf(width, height);
    context.imageSmoothingQuality = 'high';
    context.drawImage(drawn, 0, 0, width, height);
    return context.canvas.transferToImageBitmap?.() ?? context.canvas;
  }
}

/* The network's input when there is nothing on it: 'dark' (a covered lens), 'plain' (one colour), or ''. */
export function blankness(input) {
  const n = input.length / 3, sums = [0, 0, 0], squares = [0, 0, 0];
  for (let i = 0; i < input.length; i += 3) {
    for (let c = 0; c < 3; c++) {
      sums[c] += input[i + c];
      squares[c] += input[i + c] * input[i + c];
    }
  }
  const mean = Math.max(...sums) / n;
  const spread = Math.sqrt(Math.max(0, ...sums.map((sum, c) => squares[c] / n - (sum / n) ** 2)));
  if (mean < 14 && spread < 6) return 'dark';
  return spread < 2.5 ? 'plain' : '';
}
