#!/bin/sh
# Every check that reads the sources, one line each; the first failures are shown, all are run.
#
#     tools/lint.sh [BUILD_FOLDER]      (default: build-lint)
set -u
cd "$(dirname "$0")/.." || exit 1
build=${1:-build-lint}
failed=

check() {
    name=$1
    shift
    if output=$("$@" 2>&1); then
        echo "ok      $name${output:+: $(echo "$output" | tail -n 1)}"
    else
        failed="$failed $name"
        echo "FAILED  $name"
        echo "$output" | head -n 40 | sed 's/^/        /'
    fi
}

warnings() {
    cmake --preset lint -B "$build" && cmake --build "$build" -j "$(nproc)"
}

formatting() {
    git ls-files -z '*.c' '*.h' | xargs -0 clang-format-19 --dry-run --Werror
}

scripts() {
    git ls-files -z '*.sh' .ci/run | xargs -0 shellcheck
}

check includes python3 tools/check_includes.py
check circles python3 tools/check_circles.py
check headers tools/check_headers.sh
check sizes python3 tools/check_sizes.py
check words tools/check_words.sh
check formatting formatting
check scripts scripts
check abi python3 tools/check_abi.py
check warnings warnings
check symbols python3 tools/check_symbols.py "$build/src/libwhatsit.so"

if [ -n "$failed" ]; then
    echo "lint: failed:$failed"
    exit 1
fi
echo "lint: all checks passed"
