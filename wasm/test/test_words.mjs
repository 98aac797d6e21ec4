// Sentences in this engine: node test_words.mjs MODULES_FOLDER MODEL.gguf DESCRIBER.gguf [PROGRAM]
// With the native program, its sentence about the same pixels is compared.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

import { WhatsitError, loadCore } from "../whatsit-core.mjs";

const [modules, modelFile, describerFile, program = ""] = process.argv.slice(2);
const core = await loadCore({ base: pathToFileURL(resolve(modules) + "/").href, words: true });
assert.equal(core.moduleName, "whatsit-words.wasm");
const model = core.openModel(core.place(readFileSync(modelFile)), { towers: "both" });
const decoder = core.openModel(core.place(readFileSync(describerFile)), { towers: "decoder" });
const describer = model.openDescriber(decoder);

// A yellow ball on blue, above a green ground.
const px = model.info.imagePx, pixels = new Uint8Array(px * px * 3);
for (let y = 0; y < px; y++) {
  for (let x = 0; x < px; x++) {
    const isBall = Math.hypot(x - px / 2, y - px / 2) < px / 5;
    pixels.set(isBall ? [250, 210, 40] : y > 0.7 * px ? [60, 140, 50] : [90, 150, 230], 3 * (y * px + x));
  }
}
const start = performance.now();
assert.equal(describer.hasScale, true);
const { captions, embedding } = describer.describe(pixels, { n: 3 });
console.log(`    ${captions.map(({ text, meanProb }) => `${text} (${meanProb.toFixed(2)})`).join("; ")}; ${Math.round(performance.now() - start)} ms`);
assert.equal(captions.length, 3);
assert.equal(embedding.length, model.info.embeddingDim);
for (const { text, meanProb, logprob } of captions) assert.ok(/^[a-z0-9',\- ]+$/.test(text) && meanProb > 0 && meanProb <= 1 && logprob < 0);
assert.deepEqual(describer.describe(pixels, { n: 3 }).captions, captions);
assert.ok(describer.describe(pixels, { about: "the ball" }).captions[0].text.startsWith("the ball"));
assert.throws(() => describer.describe(pixels, { about: "xylographic" }), WhatsitError);
const session = model.openSession(), list = (groups) => Object.entries(groups).map(([group, label]) => `[${group}]\n${label}\n`).join("");
const weighed = (groups, reader) => {
  const everyday = session.buildHead(list(groups));
  const { stands, perhaps } = describer.describe(pixels, { scales: { everyday, session: reader } });
  everyday.close();
  return { stands, perhaps };
};
const nothing = weighed({ "nothing to see": "ball|yellow ball", tool: "hammer" }, session);
assert.deepEqual(nothing, { stands: false, perhaps: "nothing to see" });
for (const reader of [session, undefined]) { // what is no more than a guess is told broadly
  const { stands, perhaps } = weighed({ toy: "ball", tool: "hammer" }, reader);
  assert.ok(stands ? captions[0].sure && perhaps === "" : ["toy", "tool", ""].includes(perhaps), perhaps);
}
assert.deepEqual(model.bytes(), new Uint8Array(readFileSync(modelFile)));
session.close();
assert.throws(() => describer.describe(pixels, { n: 9 }), WhatsitError);
assert.throws(() => decoder.openDescriber(decoder), WhatsitError);

if (program) {
  const folder = mkdtempSync(join(tmpdir(), "whatsit-words-"));
  const head = JSON.stringify({ pixels: { dtype: "U8", shape: [px, px, 3], data_offsets: [0, pixels.length] } });
  const padded = head + " ".repeat((8 - head.length % 8) % 8), size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(padded.length));
  const file = join(folder, "ball.safetensors");
  writeFileSync(file, Buffer.concat([size, Buffer.from(padded), Buffer.from(pixels)]));
  const told = JSON.parse(execFileSync(program, ["describe", file, "--model", modelFile, "--describer", describerFile, "--n", "3", "--json"]));
  rmSync(folder, { recursive: true });
  /* The first block and the softmax are floats: their last bits may turn one int8 activation, and beams that lie close change places. */
  assert.equal(captions[0].text, told.captions[0].text);
  for (const { text, mean_prob: native } of told.captions) {
    const here = captions.find((one) => one.text === text);
    if (here) assert.ok(Math.abs(here.meanProb - native) < 0.02, `${text}: ${here.meanProb}, natively ${native}`);
  }
}
describer.close();
decoder.close();
model.close();
