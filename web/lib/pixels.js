/* From a picture to pixels that the core takes. The browser decodes, with the camera's orientation
 * applied and colour profiles left alone, as the command line does; its JPEG decoder may differ
 * from libjpeg-turbo by a few levels in a pixel. */

/* Above this many pixels the picture is first made smaller by whole factors, averaging squares, so
 * that a 48-megapixel photo needs no second large buffer. The shorter side stays four times the
 * network's input or more, which changes the network's pixels by less than 1/255 on average. */
const MOST_PIXELS = 4 << 20;
const SIDES_PER_INPUT = 4;
const STRIP_PIXELS = 1 << 20;

class PictureError extends Error {
  constructor(message) {
    super(message);
    this.code = 'format';
  }
}

export async function decode(picture) {
  if (typeof ImageBitmap !== 'undefined' && picture instanceof ImageBitmap) return picture;
  if (picture instanceof Blob && picture.size === 0) throw new PictureError('the file is empty');
  const how = { imageOrientation: 'from-image', colorSpaceConversion: 'none', premultiplyAlpha: 'none' };
  try {
    return await createImageBitmap(picture, how);
  } catch {
    throw new PictureError('not a picture that this browser can open');
  }
}

function canvasOf(width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) throw new PictureError('the browser gave no room for the picture');
  return context;
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
          r += rgba[at];
          g += rgba[at + 1];
          b += rgba[at + 2];
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

/* { data, width, height, channels } of a bitmap, ready for the core. */
export function pixelsOf(bitmap, inputPx) {
  const { width, height } = bitmap;
  const k = factorFor(width, height, inputPx);
  if (k === 1 && width * height <= MOST_PIXELS) {
    const context = canvasOf(width, height);
    context.drawImage(bitmap, 0, 0);
    return { data: context.getImageData(0, 0, width, height).data, width, height, channels: 4 };
  }
  const columns = Math.floor(width / k), rows = Math.floor(height / k);
  const rgb = new Uint8ClampedArray(3 * columns * rows);
  const strip = Math.max(1, Math.floor(STRIP_PIXELS / (width * k))) * k;
  const context = canvasOf(width, Math.min(strip, height));
  let row = 0;
  for (let y = 0; y < rows * k; y += strip) {
    const n = Math.min(strip, rows * k - y);
    context.drawImage(bitmap, 0, y, width, n, 0, 0, width, n);
    row = average(context.getImageData(0, 0, width, n).data, width, n, k, rgb, row);
  }
  return { data: rgb, width: columns, height: rows, channels: 3 };
}

/* A smaller copy for the screen. */
export function preview(bitmap, longestPx) {
  const scale = Math.min(1, longestPx / Math.max(bitmap.width, bitmap.height));
  const width = Math.max(1, Math.round(bitmap.width * scale));
  const height = Math.max(1, Math.round(bitmap.height * scale));
  return createImageBitmap(bitmap, { resizeWidth: width, resizeHeight: height, resizeQuality: 'high' });
}

/* The part that crop mode keeps: the middle square, as shares of the sides. */
export function cropOf(width, height) {
  const side = Math.min(width, height);
  return {
    x: (width - side) / 2 / width,
    y: (height - side) / 2 / height,
    width: side / width,
    height: side / height,
  };
}
