#!/bin/sh
# The examples of examples/bulk on the engines themselves, with the wheel that `make wheel` made: two workers, one of them
# killed in the middle, and what comes out compared with one process bit for bit; then the stores of vectors that are there.
#
#     WHATSIT_ENGINES=PYTHON tools/engines.sh BUILD
#
# PYTHON: one that has numpy, cffi, pyarrow, pandas and the engines: ray, pyspark (and a java), dask and distributed. They
# are some 700 MB, so nothing brings them by itself. Exit status 77: there is no such Python, or an engine is missing.
set -eu
build=$1
root=$(cd "$(dirname "$0")/.." && pwd)
if [ -z "${WHATSIT_ENGINES:-}" ]; then
    echo "engines.sh: WHATSIT_ENGINES names no Python with ray, pyspark and dask: they were not checked" >&2
    exit 77
fi
wheel=$(find "$build/wheels" -name "whatsit-*.whl" -printf "%T@ %p\n" 2>/dev/null | sort -n | tail -n 1 | cut -d " " -f 2-)
[ -n "$wheel" ] || {
    echo "engines.sh: there is no wheel in $build/wheels: make wheel" >&2
    exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$WHATSIT_ENGINES" -m zipfile -e "$wheel" "$work/package"
mkdir "$work/photos"
for i in $(seq 10 49); do
    for photo in "$root"/samples/*.jpg; do
        cp "$photo" "$work/photos/$i-${photo##*/}"
    done
done
WHATSIT=$(realpath "$build/whatsit") PYTHONPATH=$work/package \
    "$WHATSIT_ENGINES" "$root/examples/bulk/kill_test.py" "$work/photos" >"$work/said" || {
    cat "$work/said"
    exit 1
}
cat "$work/said"
"$build/whatsit" embed --into "$work/vectors" "$work/photos" --quiet
"$WHATSIT_ENGINES" "$root/examples/bulk/load_vectors.py" "$work/vectors"
if grep -q skipped "$work/said"; then
    exit 77
fi
