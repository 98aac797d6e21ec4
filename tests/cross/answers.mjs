// What the WebAssembly module answers: MODULES MODEL.gguf LIST.txt PIXELS SIZE -> one JSON object.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

import { loadCore } from "../../wasm/whatsit-core.mjs";

const [modules, modelPath, listPath, pixelsPath] = process.argv.slice(2);
const core = await loadCore({ base: pathToFileURL(resolve(modules) + "/").href, threads: 1, maxMemoryBytes: 512 << 20 });
const model = core.openModel(core.place(readFileSync(modelPath)));
const session = model.openSession();
const head = session.buildHead(readFileSync(listPath, "utf8"));
const [embedding] = session.encodeImages([new Uint8Array(readFileSync(pixelsPath))]);
const answers = head.answer(embedding, 99).map(({ index, label, score, cosine, logit }) => {
  const group = head.groups?.[index] ?? "";
  return { label, score, cosine, logit, ...(group && { group }) };
});
console.log(JSON.stringify({
  name: head.info.name, kind: head.info.kind, verdict: head.verdict(embedding), answers, groups: head.answerGroups(embedding, 99),
}));
