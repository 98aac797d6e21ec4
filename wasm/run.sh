#!/bin/sh
# Builds the WebAssembly modules and tests them under node:
#     run.sh CMAKE BUILD_FOLDER CASES_FOLDER [TOKENS.jsonl]
# Exits 77, which CTest reports as skipped, where the compiler or node is missing.
set -eu
cmake=$1 build=$2 cases=$3 tokens=${4:-}
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

skip() {
    echo "skipped: $1 (tools/packages.sh wasm)"
    exit 77
}
for tool in clang-19 wasm-ld-19 node; do
    command -v "$tool" >/dev/null || skip "$tool is not installed"
done
[ -e /usr/lib/wasm32-wasi/libc.a ] || skip "wasi-libc is not installed"
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] || skip "node is older than 20"

if [ ! -e "$build/CMakeCache.txt" ]; then
    launcher=
    if command -v ccache >/dev/null; then
        launcher=-DCMAKE_C_COMPILER_LAUNCHER=ccache
    fi
    "$cmake" -S "$here" -B "$build" -G Ninja $launcher
fi
"$cmake" --build "$build"

# Old versions of node ask for a flag; new ones know no such flag. The first tier of node 20's compiler
# gets the relaxed dot product wrong: without it the relaxed kernels are tested, with it the way around them.
relaxed=--experimental-wasm-relaxed-simd
node $relaxed -e '' 2>/dev/null || relaxed=
seed=${WHATSIT_TEST_SEED:-$(date +%s)}
node --no-warnings "$here/test/run_wasi.mjs" "$build/test_kern_simd.wasm" "WHATSIT_TEST_SEED=$seed"
node --no-warnings $relaxed --no-liftoff "$here/test/run_wasi.mjs" "$build/test_kern_relaxed.wasm" "WHATSIT_TEST_SEED=$seed"
for threads in 1 2; do
    node "$here/test/test_core.mjs" "$build" "$cases" $threads "$tokens"
    [ -z "$relaxed" ] || node $relaxed "$here/test/test_core.mjs" "$build" "$cases" $threads
    node $relaxed --no-liftoff "$here/test/test_core.mjs" "$build" "$cases" $threads
done
models=$here/../models
if [ -e "$models/whatsit-describe.gguf" ]; then
    node "$here/test/test_words.mjs" "$build" "$models/whatsit-nano.gguf" "$models/whatsit-describe.gguf" "${WHATSIT:-}"
fi
