// One helper thread of the core: the same module over the same memory, on a stack of its own. It
// serves jobs until it is terminated.
const NODE_THREADS = "node:worker_threads"; // named apart from its use, so that bundlers for browsers leave it alone
const isNode = typeof process === "object" && Boolean(process.versions?.node);

async function serve(port, { module, memory, number, stackTop }) {
  const { exports } = await WebAssembly.instantiate(module, { env: { memory, progress: () => 1 } });
  exports.__stack_pointer.value = stackTop;
  port.postMessage("ready");
  exports.ww_worker(number);
}

const receive = (port, message) => serve(port, message).catch((why) => port.postMessage(String(why)));
if (isNode) {
  import(/* @vite-ignore */ /* webpackIgnore: true */ NODE_THREADS).then(({ parentPort }) =>
    parentPort.once("message", (message) => receive(parentPort, message)));
} else {
  globalThis.onmessage = (event) => receive(globalThis, event.data);
}
