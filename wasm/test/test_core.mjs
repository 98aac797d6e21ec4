// The core in this engine against the original's numbers and the native program's:
// node [--experimental-wasm-relaxed-simd] test_core.mjs MODULES_FOLDER CASES_FOLDER [THREADS] [TOKENS.jsonl]
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

import { WhatsitError, detect, headFromPhotos, loadCore } from "../whatsit-core.mjs";
import { readCase } from "./case.mjs";

const [modules, cases, threads = "1", tokens = ""] = process.argv.slice(2);
const base = pathToFileURL(resolve(modules) + "/").href;
const core = await loadCore({ base, threads: Number(threads), maxMemoryBytes: 512 << 20 });
console.log(`--- ${core.moduleName}, ${core.threads} threads, version ${core.version}`);
assert.equal(core.threads, Number(threads));
assert.equal(core.relaxedSimd, detect().relaxedSimd);
assert.equal(core.kernels.length, 18);
for (const { operation, isa, warning } of core.kernels) {
  // An engine whose four-fold dot product errs is found out, and the one in pairs serves; so it is in Node 20's
  // first tier. Where the engine has no instruction for it, the pairs serve too.
  const isInteger = ["gemm_s8", "gemm_s8_u7", "dots_s8", "depthwise_s8"].includes(operation);
  if (warning) console.log(`    ${operation}: ${warning}`);
  assert.ok(warning === null || (core.relaxedSimd && isInteger && isa === "relaxed"), `${operation}: ${warning}`);
  // Resampling has nothing to gain from relaxed instructions.
  const hasRelaxed = core.relaxedSimd && !operation.startsWith("resample_");
  assert.ok(isa === (hasRelaxed ? "relaxed" : "wasm") || (core.relaxedSimd && isInteger && isa === "dot"), `${operation}: ${isa}`);
}

const flat = (rows) => Float32Array.from(rows.flatMap((row) => [...row]));

// The largest difference, as a share of the largest number where numbers are large, and 1 - cosine.
function distance(got, want) {
  let most = 0, size = 1, ab = 0, aa = 0, bb = 0;
  for (let i = 0; i < want.length; i++) {
    const off = Math.abs(got[i] - want[i]);
    most = off <= most ? most : off;
    size = Math.max(size, Math.abs(want[i]));
    ab += got[i] * want[i];
    aa += got[i] ** 2;
    bb += want[i] ** 2;
  }
  return { off: most / size, angle: 1 - ab / Math.sqrt(aa * bb) };
}

function near(what, got, want, isInt8) {
  assert.equal(got.length, want.length, what);
  const { off, angle } = distance(got, want);
  console.log(`    ${what.padEnd(22)} ${off.toExponential(1)}, cosine 1-${angle.toExponential(1)}`);
  assert.ok(isInt8 ? angle <= 5e-4 : off <= 2e-5, `${what}: ${off}`);
}

function checkHeads(session, model, bytes, embeddings) {
  const list = "# name: animals\n# template: a photo of a {}.\n# template: a drawing of a {}.\ncat|kitty\ndog\nfox\nan old car\n";
  const steps = [];
  const head = session.buildHead(list, { onProgress: (done, total) => void steps.push([done, total]) });
  assert.ok(steps.length > 0 && steps.at(-1)[0] === steps.at(-1)[1]);
  const native = core.openHead(bytes);
  native.check(model);
  assert.deepEqual(native.labels, ["cat", "dog", "fox", "an old car"]);
  assert.deepEqual(native.fullLabels[0], "cat|kitty");
  assert.deepEqual(head.labels, native.labels);
  assert.deepEqual(head.info, native.info);
  const saved = core.openHead(head.save());
  assert.deepEqual(saved.info, head.info);
  for (const embedding of embeddings) {
    const [a, b, c] = [head, native, saved].map((one) => one.scores(embedding));
    assert.deepEqual(c, a);
    a.score.forEach((score, i) => assert.ok(Math.abs(score - b.score[i]) <= 1e-3, `score ${score}, native ${b.score[i]}`));
    a.cosine.forEach((cosine, i) => assert.ok(Math.abs(cosine - b.cosine[i]) <= 1e-4));
    const best = head.answer(embedding, 2);
    assert.equal(best.length, 2);
    assert.equal(best[0].score, Math.max(...a.score));
    assert.equal(best[0].label, head.labels[best[0].index]);
    assert.equal(best[1].cosine, a.cosine[best[1].index]);
  }
  const taught = head.addPhotos([{ embedding: embeddings[0], label: 2 }]);
  assert.equal(taught.info.kind, "few-shot");
  assert.equal(taught.info.nExamples, 1);
  // Where all words are one to a model (the made-up one's are), the photo is where the labels' centre is taken to be.
  const before = head.scores(embeddings[0]), after = taught.scores(embeddings[0]);
  const areWordsApart = Math.max(...before.cosine) - Math.min(...before.cosine) > 1e-6;
  assert.ok(areWordsApart ? after.logit[2] > before.logit[2] : after.logit[2] >= before.logit[2]);
  const shown = headFromPhotos(model, "mine", ["left", "right"], [
    { embedding: embeddings[0], label: 0 }, { embedding: embeddings[1], label: 1 }]);
  assert.equal(shown.answer(embeddings[1], 1)[0].label, "right");
  assert.equal(typeof shown.known(embeddings[0]).none, "boolean");
  for (const one of [head, native, saved, taught, shown]) one.close();
}

// A group's score is the sum of its labels', or with independent answers that of the likeliest.
function checkGroups(session, model, embedding) {
  for (const sigmoid of [false, true]) {
    const head = session.buildHead("[animals]\ncat\ndog\n[things]\ncar\n[]\nsky\n", { sigmoid });
    assert.deepEqual(head.groups, ["animals", "animals", "things", ""]);
    const { score } = head.scores(embedding);
    // SigLIP's answers are independent whether asked to be or not.
    assert.equal(head.info.sigmoid, sigmoid || model.info.sigmoid);
    const animals = head.info.sigmoid ? Math.max(score[0], score[1]) : score[0] + score[1];
    const wanted = [["animals", animals], ["things", score[2]]].sort((a, b) => b[1] - a[1]);
    const got = head.answerGroups(embedding, 5);
    assert.deepEqual(got.map(({ group }) => group), wanted.map(([group]) => group));
    got.forEach((one, i) => assert.ok(Math.abs(one.score - wanted[i][1]) < 1e-6));
    assert.equal(head.answerGroups(embedding, 1).length, 1);
    head.close();
  }
  const plain = session.buildHead("cat\ndog\n");
  assert.deepEqual(plain.answerGroups(embedding), []);
  plain.close();
}

function checkModel(path) {
  console.log(path);
  const bytes = readFileSync(path), example = readCase(`${path}.case`);
  const place = core.place(bytes.length);
  for (let at = 0; at < bytes.length; at += 100003) place.write(bytes.subarray(at, at + 100003));
  const model = core.openModel(place, { towers: "both" });
  const isInt8 = model.info.weights === "int8";
  assert.equal(model.info.imagePx, example.px);
  assert.equal(model.info.embeddingDim, example.dim);
  model.verify();
  for (const { text, ids } of example.texts) assert.deepEqual(model.tokenize(text).ids, ids, text);
  for (const photo of example.photos) {
    assert.deepEqual(model.preprocess(photo), Uint8Array.from(photo.pixels));
    const rgba = new Uint8ClampedArray(photo.width * photo.height * 4);
    for (let i = 0; i < rgba.length; i++) rgba[i] = i % 4 === 3 ? 255 : photo.data[(i >> 2) * 3 + (i % 4)];
    assert.deepEqual(model.preprocess({ ...photo, data: rgba }), Uint8Array.from(photo.pixels));
  }
  const session = model.openSession({ maxImages: 4 });
  const images = session.encodeImages(example.pictures);
  const hasTexts = example.texts.length > 0; // of a model without a tokenizer there are none
  const texts = hasTexts ? session.encodeTexts(example.texts.map(({ text }) => text)) : [];
  for (const other of ["native", "reference"]) {
    if (!example[other]) continue;
    near(`image to ${other}`, flat(images), example[other].image, isInt8);
    if (hasTexts) near(`text to ${other}`, flat(texts), example[other].text, isInt8);
  }
  const before = core.memoryBytes;
  for (let i = 0; i < 3; i++) assert.deepEqual(session.encodeImages([example.pictures[0]])[0], images[0]);
  assert.equal(core.memoryBytes, before, "memory grows while classifying");
  if (hasTexts) {
    checkHeads(session, model, readFileSync(`${path}.head`), images);
    checkGroups(session, model, images[0]);
  }
  session.close();
  model.close();
}

const fails = (status, work) => assert.throws(work, (why) => why instanceof WhatsitError && why.status === status && why.message.length > 5);

// Damage of every kind is said, and what was there before still works.
function checkFailures(path, otherPath) {
  const bytes = readFileSync(path);
  for (const n of [0, 3, 100, bytes.length - 1]) {
    const place = core.place(bytes.subarray(0, n));
    fails("format", () => core.openModel(place));
    place.free();
  }
  const half = core.place(bytes.length);
  half.write(bytes.subarray(0, 10));
  fails("argument", () => core.openModel(half));
  fails("argument", () => half.write(bytes));
  half.free();
  const flipped = Uint8Array.from(bytes);
  flipped[flipped.length - 5] ^= 1;
  const bad = core.openModel(core.place(flipped));
  fails("format", () => bad.verify());
  bad.close();
  fails("format", () => core.openHead(new TextEncoder().encode("not a head")));
  const head = core.openHead(readFileSync(`${otherPath}.head`));
  const model = core.openModel(core.place(bytes)), session = model.openSession();
  fails("mismatch", () => head.check(model));
  fails("mismatch", () => head.answer(new Float32Array(3).fill(1)));
  fails("argument", () => head.answer(new Float32Array(head.info.dim)));
  fails("format", () => session.buildHead(""));
  fails("cancelled", () => session.buildHead("cat\ndog", { onProgress: () => false }));
  assert.throws(() => session.buildHead("cat\ndog", { onProgress: () => { throw new RangeError("mine"); } }), RangeError);
  fails("argument", () => session.encodeTexts(["a\0b"]));
  fails("argument", () => model.preprocess({ data: new Uint8Array(10), width: 3, height: 3 }));
  fails("argument", () => session.encodeImages([new Uint8Array(5)]));
  fails("memory", () => core.place(3.9e9));
  for (const one of [head, session, model]) one.close();
}

// Every line but those that need text repaired that was decoded wrongly, which is not done.
function checkTokens(path, tokensPath) {
  const model = core.openModel(core.place(readFileSync(path)));
  let n = 0;
  for (const line of readFileSync(tokensPath, "utf8").split("\n").filter(Boolean)) {
    const { id, text, ids, truncated, need } = JSON.parse(line);
    if (need === "ftfy_full") continue;
    const got = model.tokenize(text);
    assert.deepEqual([[...got.ids], got.truncated], [ids, truncated], `line ${id}`);
    n++;
  }
  console.log(`    ${n} lines of ${tokensPath}`);
  assert.ok(n > 1000);
  model.close();
}

const paths = readdirSync(cases).filter((name) => name.endsWith(".gguf")).sort().map((name) => join(cases, name));
assert.ok(paths.length >= 2, `no models in ${cases}`);
for (const path of paths) checkModel(path);
checkFailures(paths[0], paths[1]);
if (tokens && existsSync(tokens)) checkTokens(paths[0], tokens);
core.close();
console.log("passed");
