// Runs a WASI program: node run_wasi.mjs PROGRAM.wasm [NAME=VALUE...]; exits as it does.
import { readFile } from "node:fs/promises";
import { WASI } from "node:wasi";

const [program, ...settings] = process.argv.slice(2);
const env = Object.fromEntries(settings.map((setting) => setting.split("=", 2)));
const wasi = new WASI({ version: "preview1", args: [program], env, returnOnExit: true });
const module = await WebAssembly.compile(await readFile(program));
const instance = await WebAssembly.instantiate(module, wasi.getImportObject());
process.exitCode = wasi.start(instance) ?? 0;
