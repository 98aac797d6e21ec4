// Reads what tests/cross/export_cases.c writes beside a model file.
import { readFileSync } from "node:fs";

export function readCase(path) {
  const bytes = new Uint8Array(readFileSync(path));
  const view = new DataView(bytes.buffer);
  let at = 0;
  const take = (n) => bytes.subarray(at, (at += n));
  const number = () => {
    at += 4;
    return view.getUint32(at - 4, true);
  };
  const floats = (n) => new Float32Array(bytes.slice(at, (at += 4 * n)).buffer);
  if (new TextDecoder().decode(take(8)) !== "WICASE1\n") throw new Error(`${path}: not a case`);
  const px = number(), nImages = number(), nTexts = number(), dim = number(), hasReference = number() !== 0;
  const pictures = Array.from({ length: nImages }, () => take(px * px * 3));
  const one = { px, dim, pictures, native: { image: floats(nImages * dim), text: floats(nTexts * dim) } };
  if (hasReference) one.reference = { image: floats(nImages * dim), text: floats(nTexts * dim) };
  one.texts = Array.from({ length: nTexts }, () => ({
    text: new TextDecoder("utf-8", { ignoreBOM: true }).decode(take(number())),
    ids: new Int32Array(bytes.slice(at + 4, (at += 4 + 4 * view.getUint32(at, true))).buffer),
  }));
  one.photos = Array.from({ length: number() }, () => {
    const width = number(), height = number();
    return { width, height, data: take(width * height * 3), pixels: take(px * px * 3) };
  });
  if (at !== bytes.length) throw new Error(`${path}: ${bytes.length - at} bytes too many`);
  return one;
}
