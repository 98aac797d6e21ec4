#!/bin/sh
# What runs in threads, under ThreadSanitizer: the pool, encoding on two threads, the server under load. Fails on any
# report, also one of a server that a test kills.
#
#     tools/tsan.sh [BUILD_FOLDER]      (default: build-tsan, configured with the preset tsan)
set -u
cd "$(dirname "$0")/.." || exit 1
build=${1:-build-tsan}
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
export TSAN_OPTIONS="log_path=$reports/report second_deadlock_stack=1"
export PYTHONDONTWRITEBYTECODE=1 WHATSIT_FUZZ_REQUESTS=500
n=0
failed=

# run NAME COMMAND...
run() {
    name=$1
    shift
    n=$((n + 1))
    if output=$("$@" 2>&1); then
        echo "ok      $name"
    elif [ $? -eq 77 ]; then
        echo "skipped $name: $output"
        n=$((n - 1))
    else
        failed="$failed $name"
        echo "FAILED  $name"
        echo "$output" | tail -n 40 | sed 's/^/        /'
    fi
}

run pool "$build/tests/base/test_base_pool"
run describer "$build/tests/server/test_server_describer"
run photos "$build/whatsit" --threads 2 samples/*.jpg
for tests in "api test_classify test_heads test_examples test_jobs test_a_model_that_describes_by_itself" "keys test_refused_before_the_body test_quota_is_exact" "admin test_models_under_load" \
    "hostile test_malformed test_bad_pictures_harm_nobody"; do
    # shellcheck disable=SC2086 # a file and the tests in it
    set -- $tests
    file=$1
    shift
    run "server_$file" python3 "tests/server/test_$file.py" "$build/whatsit" . "$@"
done
for report in "$reports"/report.*; do
    [ -e "$report" ] || continue
    failed="$failed $(basename "$report")"
    cat "$report"
done
echo "tsan: $n runs,${failed:- none} failed"
[ "$n" -gt 2 ] && [ -z "$failed" ]
