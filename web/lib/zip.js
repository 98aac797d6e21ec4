/* A zip of files as they are (photos do not get smaller): parts for a Blob, so that no photo is copied. Names are UTF-8. */

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c >>> 0;
});

export function crc32(bytes, before = 0) {
  let c = ~before;
  for (let i = 0; i < bytes.length; i++) c = TABLE[(c ^ bytes[i]) & 255] ^ (c >>> 8);
  return ~c >>> 0;
}

const dosTime = (date) => (date.getHours() << 11) | (date.getMinutes() << 5) | (date.getSeconds() >> 1);
const dosDate = (date) => ((Math.max(1980, date.getFullYear()) - 1980) << 9) | ((date.getMonth() + 1) << 5) | date.getDate();

function record(signature, fields) {
  const size = 4 + fields.reduce((sum, [bytes]) => sum + bytes, 0);
  const view = new DataView(new ArrayBuffer(size));
  view.setUint32(0, signature, true);
  let at = 4;
  for (const [bytes, value] of fields) {
    if (bytes === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += bytes;
  }
  return new Uint8Array(view.buffer);
}

const MOST_BYTES = 0xffffffff - 1;

/* files: [{ name, blob, time }]. onprogress(done, total). Gives a Blob. */
export async function zipOf(files, onprogress = () => {}) {
  const encoder = new TextEncoder();
  const parts = [], directory = [];
  let at = 0;
  for (const [index, { name, blob, time }] of files.entries()) {
    const bytes = new Uint8Array(await blob.arrayBuffer());
    const crc = crc32(bytes), path = encoder.encode(name), date = new Date(time ?? Date.now());
    const common = [[2, 20], [2, 0x0800], [2, 0], [2, dosTime(date)], [2, dosDate(date)], [4, crc], [4, bytes.length], [4, bytes.length], [2, path.length], [2, 0]];
    const head = record(0x04034b50, common);
    directory.push(record(0x02014b50, [[2, 20], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, at]]), path);
    parts.push(head, path, blob);
    at += head.length + path.length + bytes.length;
    if (at > MOST_BYTES) throw Object.assign(new Error('more than 4 GB'), { code: 'large' });
    onprogress(index + 1, files.length);
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = record(0x06054b50, [[2, 0], [2, 0], [2, files.length], [2, files.length], [4, size], [4, at], [2, 0]]);
  return new Blob([...parts, ...directory, end], { type: 'application/zip' });
}
