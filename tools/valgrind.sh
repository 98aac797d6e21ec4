#!/bin/sh
# The tests labelled `fast` under valgrind's memcheck, one on each core at a time: no error, no leak.
#
#     tools/valgrind.sh [BUILD_FOLDER]      (default: build)
set -u
cd "$(dirname "$0")/.." || exit 1

# One test: a line of result, and what valgrind said where it failed.
if [ "${1-}" = --one ]; then
    build=$2 test=$3
    # The command line as CTest would run it, one argument a line.
    ctest --test-dir "$build" -R "^$test\$" --show-only=json-v1 |
        python3 -c 'import json, sys; print("\n".join(json.load(sys.stdin)["tests"][0]["command"]))' >"$build/valgrind/$test.arguments"
    if output=$(xargs -d '\n' -a "$build/valgrind/$test.arguments" \
        valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite,indirect,possible \
        --errors-for-leak-kinds=definite,indirect,possible 2>&1); then
        echo "ok      $test"
    else
        # In one piece, so that two tests' words do not mix.
        printf 'FAILED  %s\n%s\n' "$test" "$(echo "$output" | tail -n 40 | sed 's/^/        /')"
        exit 1
    fi
    exit
fi

build=${1:-build}
tests=$(ctest --test-dir "$build" -N -L fast | sed -n 's/^ *Test *#[0-9]*: //p')
if [ -z "$tests" ]; then
    echo "valgrind: no tests in $build"
    exit 1
fi
mkdir -p "$build/valgrind"
echo "$tests" | xargs -P "$(nproc)" -n 1 tools/valgrind.sh --one "$build"
failed=$?
echo "valgrind: $(echo "$tests" | wc -l) tests, $([ "$failed" = 0 ] && echo none || echo some) failed"
exit "$failed"
