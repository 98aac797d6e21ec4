#!/bin/sh
# clang-tidy over our sources with .clang-tidy: tools/tidy.sh [BUILD_FOLDER] [FILE...]
set -eu
cd "$(dirname "$0")/.."
build=${1:-build-tidy}
[ $# -eq 0 ] || shift
cmake --preset release -B "$build" -DWHATSIT_TESTS=OFF >/dev/null
if [ $# -gt 0 ]; then
    printf '%s\0' "$@"
else
    # Files for other processors are not in this machine's list of commands.
    git ls-files -z 'src/*.c' 'apps/cli/*.c' ':!src/kern/arm' ':!src/kern/wasm' ':!src/text/*_tables.c' \
        ':!src/text/clip_merges.c'
fi | xargs -0 -n 4 -P "$(nproc)" clang-tidy-19 --quiet -p "$build"
echo "clang-tidy: clean"
