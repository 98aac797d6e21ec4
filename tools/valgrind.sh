#!/bin/sh
# The tests labelled `fast` under valgrind's memcheck: no error, no leak.
#
#     tools/valgrind.sh [BUILD_FOLDER]      (default: build)
set -u
cd "$(dirname "$0")/.." || exit 1
build=${1:-build}
n=0
failed=
for test in $(ctest --test-dir "$build" -N -L fast | sed -n 's/^ *Test *#[0-9]*: //p'); do
    n=$((n + 1))
    # The command line as CTest would run it, one argument a line.
    ctest --test-dir "$build" -R "^$test\$" --show-only=json-v1 |
        python3 -c 'import json, sys; print("\n".join(json.load(sys.stdin)["tests"][0]["command"]))' >"$build/valgrind.arguments"
    if output=$(xargs -d '\n' -a "$build/valgrind.arguments" \
        valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite,indirect,possible \
        --errors-for-leak-kinds=definite,indirect,possible 2>&1); then
        echo "ok      $test"
    else
        failed="$failed $test"
        echo "FAILED  $test"
        echo "$output" | tail -n 40 | sed 's/^/        /'
    fi
done
echo "valgrind: $n tests,${failed:- none} failed"
[ "$n" -gt 0 ] && [ -z "$failed" ]
