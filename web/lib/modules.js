/* Where the core's modules are. Each is named in full, so that bundlers find them and take them along. */

const PACKED = false; /* make_site.py: the host has each of them compressed, too, as NAME.gz */

const URLS = {
  'whatsit.wasm': new URL('../core/whatsit.wasm', import.meta.url).href,
  'whatsit-relaxed.wasm': new URL('../core/whatsit-relaxed.wasm', import.meta.url).href,
  'whatsit-threads.wasm': new URL('../core/whatsit-threads.wasm', import.meta.url).href,
  'whatsit-relaxed-threads.wasm': new URL('../core/whatsit-relaxed-threads.wasm', import.meta.url).href,
  'whatsit-marks.wasm': new URL('../core/whatsit-marks.wasm', import.meta.url).href,
  'whatsit-words.wasm': new URL('../core/whatsit-words.wasm', import.meta.url).href,
};

/* { plain, packed }; `folder`: somebody keeps them elsewhere. */
export function addressOf(name, folder) {
  const plain = folder ? new URL(name, folder).href : URLS[name];
  return { plain, packed: PACKED ? `${plain}.gz` : null };
}
