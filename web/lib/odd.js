/* What browsers read otherwise than the command line, and can be made to read alike: marks of which way up a picture is in other forms
 * than the usual one (whatsit-marks.wasm: the code that reads them natively), animations whose first frame shows nothing, an alpha of
 * nothing, wrong checksums of a PNG. Loaded when a file may be such a one. It imports nothing: bundlers take it along as it is. */

const MOST_BYTES = 64 << 20, MOST_FRAMES = 1000, MOST_PIXELS = 110e6;
const SHOWS_ONE_OF = 64; /* a frame that covers less of the canvas shows nothing yet */

let marks;
function open(url) {
  marks ??= fetch(url).then((response) => response.arrayBuffer()).then((bytes) => WebAssembly.instantiate(bytes, {})).then(({ instance }) => {
    instance.exports._initialize?.();
    return instance.exports;
  });
  return marks;
}

/* parts: Uint8Arrays that go in, each as an address; numbers go as they are. */
function call(exports, name, ...parts) {
  const taken = parts.map((one) => (typeof one === 'number' ? one : exports.wm_alloc(one.length)));
  parts.forEach((one, i) => typeof one !== 'number' && new Uint8Array(exports.memory.buffer).set(one, taken[i]));
  const found = exports[name](...taken);
  parts.forEach((one, i) => typeof one !== 'number' && exports.wm_free(taken[i]));
  return found;
}

const ascii = (bytes, at, n) => String.fromCharCode(...bytes.subarray(at, at + n));

/* ---- JPEG ---- */

/* [from, to] of each APP1 segment before the picture. */
function* app1(bytes, view) {
  for (let at = 2; at + 4 <= bytes.length; ) {
    const marker = bytes[at + 1];
    if (bytes[at] !== 0xff || marker === 0xff || marker === 0) {
      at++;
      continue;
    }
    if (marker === 0xd9 || marker === 0xda) return;
    const length = marker === 1 || (marker >= 0xd0 && marker <= 0xd8) ? 0 : view.getUint16(at + 2);
    if (marker === 0xe1) yield [at, Math.min(bytes.length, at + 2 + length)];
    at += 2 + length;
  }
}

/* The usual form, which every browser follows: a 16-bit number in the first directory of the first EXIF block. */
function isUsual(bytes, view, [from, to]) {
  const tiff = from + 10;
  if (ascii(bytes, from + 4, 6) !== 'Exif\0\0' || tiff + 8 > to) return false;
  const little = ascii(bytes, tiff, 2) === 'II', directory = tiff + view.getUint32(tiff + 4, little);
  if (directory + 2 > to) return false;
  for (let entry = directory + 2, n = view.getUint16(directory, little); n > 0 && entry + 12 <= to; entry += 12, n--) {
    if (view.getUint16(entry, little) !== 0x0112) continue;
    const value = view.getUint16(entry + 8, little);
    return view.getUint16(entry + 2, little) === 3 && view.getUint32(entry + 4, little) === 1 && value >= 1 && value <= 8;
  }
  return false;
}

async function jpeg(blob, bytes, url) {
  const view = new DataView(bytes.buffer), segments = [...app1(bytes, view)];
  const exif = segments.find(([from]) => ascii(bytes, from + 4, 4) === 'Exif');
  if (segments.length === 0 || (exif && isUsual(bytes, view, exif))) return null;
  const turn = call(await open(url), 'wm_jpeg', bytes, bytes.length);
  if (turn <= 1) return null;
  const parts = [];
  let at = 0;
  for (const [from, to] of segments) {
    parts.push(blob.slice(at, from));
    at = to;
  }
  return { blob: new Blob([...parts, blob.slice(at)], { type: blob.type }), turn };
}

/* ---- PNG ---- */

const inflated = async (bytes) => new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'))).arrayBuffer());

/* [key, text] of a chunk tEXt, zTXt or iTXt. */
async function textOf(kind, data) {
  const end = data.indexOf(0), key = data.subarray(0, end + 1);
  if (end < 0) return null;
  if (kind === 'tEXt') return [key, data.subarray(end + 1)];
  if (kind === 'zTXt') return [key, await inflated(data.subarray(end + 2))];
  const language = data.indexOf(0, end + 3), translated = data.indexOf(0, language + 1);
  if (language < 0 || translated < 0) return null;
  const text = data.subarray(translated + 1);
  return [key, data[end + 1] ? await inflated(text) : text];
}

let table;
function checksum(bytes) {
  table ??= Uint32Array.from({ length: 256 }, (_, n) => {
    for (let i = 0; i < 8; i++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
    return n;
  });
  let sum = -1;
  for (const byte of bytes) sum = table[(sum ^ byte) & 255] ^ (sum >>> 8);
  return ~sum >>> 0;
}

/* Browsers stop at a wrong checksum, with what is right behind it. */
async function png(blob, bytes, url) {
  const view = new DataView(bytes.buffer), chunks = [];
  let isMended = false;
  for (let at = 8; at + 12 <= bytes.length; at += 12 + view.getUint32(at)) {
    const to = at + 12 + view.getUint32(at);
    if (to > bytes.length) break;
    const sum = checksum(bytes.subarray(at + 4, to - 4));
    isMended ||= sum !== view.getUint32(to - 4);
    view.setUint32(to - 4, sum);
    chunks.push({ kind: ascii(bytes, at + 4, 4), from: at, to, data: bytes.subarray(at + 8, to - 4) });
  }
  const texts = chunks.filter(({ kind }) => ['tEXt', 'zTXt', 'iTXt'].includes(kind));
  const exif = chunks.filter(({ kind }) => kind === 'eXIf');
  let turn = 1;
  if (texts.length + exif.length > 0) {
    const exports = await open(url);
    turn = call(exports, 'wm_png', bytes, bytes.length);
    for (const { kind, data } of texts) {
      if (turn) break;
      const text = await textOf(kind, data).catch(() => null);
      if (text) turn = call(exports, 'wm_text', ...text, text[1].length);
    }
  }
  if (turn <= 1) return isMended ? { blob: new Blob([bytes], { type: blob.type }), turn: 1 } : null;
  const parts = [];
  let at = 0;
  for (const { from, to } of exif) {
    parts.push(bytes.subarray(at, from));
    at = to;
  }
  return { blob: new Blob([...parts, bytes.subarray(at)], { type: blob.type }), turn };
}

/* ---- WebP ---- */

async function webp(blob, bytes, url) {
  const turn = call(await open(url), 'wm_webp', bytes, bytes.length);
  if (turn <= 1) return null;
  const view = new DataView(bytes.buffer);
  for (let at = 12; at + 8 <= bytes.length; at += 8 + view.getUint32(at + 4, true) + (view.getUint32(at + 4, true) & 1)) {
    if (ascii(bytes, at, 4) === 'EXIF') bytes.set([0x65], at); /* a chunk that nobody knows */
  }
  return { blob: new Blob([bytes], { type: blob.type }), turn };
}

/* ---- BMP ---- */

/* An alpha mask that no pixel uses is there in name only. */
function bmp(blob, bytes) {
  const view = new DataView(bytes.buffer);
  if (bytes.length < 70 || view.getUint32(14, true) < 56 || view.getUint16(28, true) !== 32 || ![3, 6].includes(view.getUint32(30, true))) return null;
  const mask = view.getUint32(66, true);
  if (!mask) return null;
  for (let at = view.getUint32(10, true); at + 4 <= bytes.length; at += 4) if (view.getUint32(at, true) & mask) return null;
  view.setUint32(66, 0, true);
  return { blob: new Blob([bytes], { type: blob.type }), turn: 1 };
}

/* ---- animations ---- */

/* Frames are laid over each other until one shows something; else the one that shows most. Null: the first does, or this browser does not
 * give frames. */
async function firstThatShows(bytes, type, contextOf) {
  if (typeof ImageDecoder === 'undefined') return null;
  const decoder = new ImageDecoder({ data: bytes, type });
  try {
    await decoder.tracks.ready;
    await decoder.completed;
    const n = decoder.tracks.selectedTrack.frameCount;
    let best = null, most = -1, budget = MOST_PIXELS;
    for (let i = 0; n > 1 && i < Math.min(n, MOST_FRAMES) && budget > 0; i++) {
      const { image } = await decoder.decode({ frameIndex: i });
      const { displayWidth: width, displayHeight: height } = image;
      const context = contextOf(width, height);
      context.drawImage(image, 0, 0);
      image.close();
      const { data } = context.getImageData(0, 0, width, height);
      let covered = 0;
      for (let at = 3; at < data.length; at += 4) covered += data[at] !== 0;
      const shows = covered * SHOWS_ONE_OF >= width * height;
      if (shows && i === 0) return null;
      if (covered > most) [best, most] = [context.canvas, covered];
      if (shows) break;
      budget -= width * height;
    }
    return best;
  } finally {
    decoder.close();
  }
}

/* { blob, turn }: what to give to the browser in place of the file, and how to turn what it reads (EXIF's 1..8); { drawn }: the picture itself;
 * null: as it is. tools: { marks: the module's address, contextOf }. */
export async function mend(blob, kind, { marks: url, contextOf }) {
  if (blob.size > MOST_BYTES) return null;
  const bytes = new Uint8Array(await blob.arrayBuffer());
  if (kind === 'jpeg') return jpeg(blob, bytes, url);
  if (kind === 'png') return png(blob, bytes, url);
  if (kind === 'bmp') return bmp(blob, bytes);
  const drawn = await firstThatShows(bytes, `image/${kind}`, contextOf).catch(() => null);
  if (drawn) return { drawn };
  return kind === 'webp' ? webp(blob, bytes, url) : null;
}
