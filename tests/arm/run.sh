#!/bin/sh
# Builds the core for AArch64 and runs its tests under qemu: run.sh CMAKE BUILD_FOLDER CASES_FOLDER
# Exits 77, which CTest reports as skipped, where the compiler or qemu is missing.
set -eu
cmake=$1 build=$2 cases=$3
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

for tool in aarch64-linux-gnu-gcc qemu-aarch64; do
    if ! command -v "$tool" >/dev/null; then
        echo "skipped: $tool is not installed (tools/packages.sh arm)"
        exit 77
    fi
done
launcher=
if command -v ccache >/dev/null; then
    launcher=-DCMAKE_C_COMPILER_LAUNCHER=ccache
fi
if [ ! -e "$build/CMakeCache.txt" ]; then
    "$cmake" -S "$here" -B "$build" -G Ninja --toolchain "$here/../../cmake/aarch64.cmake" $launcher
fi
"$cmake" --build "$build"

run() {
    qemu-aarch64 -L /usr/aarch64-linux-gnu -cpu max "$@"
}
run "$build/test_kern"
set -- "$cases"/*.gguf
[ -e "$1" ] || { echo "no models in $cases"; exit 1; }
for isa in neon dotprod i8mm; do
    run "$build/test_models" "$isa" "$@"
done
