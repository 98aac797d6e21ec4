/* What a file is, by its first bytes: its kind, and its size in pixels where that is cheap to find, so that a picture which
 * is too large, or of a kind that this browser cannot open, is refused by name and before it is decoded. */

export const HEAD_BYTES = 256 << 10; /* an Exif block and a colour profile may stand before the size of a JPEG */

const text = (bytes, at, n) => String.fromCharCode(...bytes.subarray(at, at + n));

/* isMarked: something before the picture may say which way up it is. */
function jpegSize(bytes, view) {
  let isMarked = false;
  for (let at = 2; at + 9 < bytes.length && bytes[at] === 0xff; ) {
    const marker = bytes[at + 1];
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      return { width: view.getUint16(at + 7), height: view.getUint16(at + 5), isMarked };
    }
    isMarked ||= marker === 0xe1;
    at += marker === 0xff ? 1 : 2 + view.getUint16(at + 2);
  }
  return {};
}

function webpSize(bytes, view) {
  switch (text(bytes, 12, 4)) {
    case 'VP8X': return { width: 1 + (view.getUint32(24, true) & 0xffffff), height: 1 + (view.getUint32(26, true) >>> 8) };
    case 'VP8L': {
      const bits = view.getUint32(21, true);
      return { width: 1 + (bits & 0x3fff), height: 1 + ((bits >>> 14) & 0x3fff) };
    }
    case 'VP8 ': return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
    default: return {};
  }
}

const HEIF = /^(heic|heix|hevc|hevx|heim|heis|mif1|msf1)$/;

/* The size stands in a box "ispe"; the largest one is the picture's. */
function heifSize(bytes, view) {
  let best = {};
  for (let at = 0; at + 16 <= Math.min(bytes.length, 16384); at++) {
    if (bytes[at] !== 0x69 || text(bytes, at, 4) !== 'ispe') continue;
    const width = view.getUint32(at + 8), height = view.getUint32(at + 12);
    if (width * height > (best.width ?? 0) * (best.height ?? 0)) best = { width, height };
  }
  return best;
}

/* bytes: the beginning of a file. { kind, width, height }; kind is '' for what is not known. */
export function sniff(bytes) {
  if (bytes.length < 12) return { kind: '' };
  const padded = bytes.length >= 32 ? bytes : new Uint8Array([...bytes, ...new Uint8Array(32)]);
  const view = new DataView(padded.buffer, padded.byteOffset, padded.byteLength);
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return { kind: 'jpeg', ...jpegSize(padded, view) };
  if (text(bytes, 1, 3) === 'PNG') return { kind: 'png', width: view.getUint32(16), height: view.getUint32(20) };
  if (text(bytes, 0, 4) === 'GIF8') return { kind: 'gif', width: view.getUint16(6, true), height: view.getUint16(8, true) };
  if (text(bytes, 0, 4) === 'RIFF' && text(bytes, 8, 4) === 'WEBP') return { kind: 'webp', ...webpSize(padded, view) };
  if (text(bytes, 0, 2) === 'BM') return { kind: 'bmp', width: view.getInt32(18, true), height: Math.abs(view.getInt32(22, true)) };
  if (text(bytes, 4, 4) === 'ftyp') {
    const brand = text(bytes, 8, 4);
    if (/^avi[fs]$/.test(brand)) return { kind: 'avif', ...heifSize(padded, view) };
    if (HEIF.test(brand)) {
      return { kind: text(bytes, 8, Math.min(40, bytes.length - 8)).includes('avif') ? 'avif' : 'heic', ...heifSize(padded, view) };
    }
    return { kind: 'video' };
  }
  if (view.getUint32(0) === 0x1a45dfa3) return { kind: 'video' };
  if (['II*\0', 'MM\0*'].includes(text(bytes, 0, 4))) return { kind: 'tiff' };
  if (text(bytes, 0, 2) === '\xff\x0a' || text(bytes, 4, 4) === 'JXL ') return { kind: 'jxl' };
  if (text(bytes, 0, 4) === '%PDF') return { kind: 'pdf' };
  const start = text(bytes, 0, Math.min(bytes.length, 1024)).replace(/^\xef\xbb\xbf/, '').trimStart();
  if (/^(<\?xml|<!--|<!doctype svg|<svg)/i.test(start) && /<svg[\s>]/i.test(start)) return { kind: 'svg' };
  return { kind: '' };
}

export const sniffBlob = async (blob) => sniff(new Uint8Array(await blob.slice(0, HEAD_BYTES).arrayBuffer()));
