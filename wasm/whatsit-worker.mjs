// One helper thread of the core: the same module over the same memory, on a stack of its own. It
// serves jobs until it is terminated.
const isNode = typeof process === "object" && Boolean(process.versions?.node);
const port = isNode ? (await import("node:worker_threads")).parentPort : globalThis;

async function serve({ module, memory, number, stackTop }) {
  const { exports } = await WebAssembly.instantiate(module, { env: { memory, progress: () => 1 } });
  exports.__stack_pointer.value = stackTop;
  port.postMessage("ready");
  exports.ww_worker(number);
}

const receive = (message) => serve(message).catch((why) => port.postMessage(String(why)));
if (isNode) port.once("message", receive);
else globalThis.onmessage = (event) => receive(event.data);
