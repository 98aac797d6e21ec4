#!/bin/sh
# Tries the wheel that `make wheel` made, as a stranger would: in an empty environment, then its tests there.
#
#     tools/python.sh BUILD PYTHON...
set -eu
build=$1
shift
program=$(realpath "$build/whatsit")
wheel=$(find "$build/wheels" -name "whatsit-*.whl" -printf "%T@ %p\n" | sort -n | tail -n 1 | cut -d " " -f 2-)
tests=$(realpath python/tests)
for python in "$@"; do
    room=$(mktemp -d)
    trap 'rm -rf "$room"' EXIT
    "$python" -m venv "$room/venv"
    "$room/venv/bin/pip" install -q "$wheel"
    # Three lines answer for a photo, with nothing but the wheel.
    "$room/venv/bin/python" -c "
import whatsit
head = whatsit.Head.from_labels(whatsit.Model(), ['dog', 'pizza', 'ship'])
print(head('samples/pizza.jpg')[0][0])" | grep -q "label='pizza'"
    "$room/venv/bin/pip" install -q pytest pillow scikit-learn pyarrow faiss-cpu usearch duckdb mypy
    cp -r "$tests" "$room/tests"
    # Its types, and those that a caller sees.
    "$room/venv/bin/mypy" --no-incremental --config-file pyproject.toml -p whatsit
    "$room/venv/bin/mypy" --no-incremental --config-file /dev/null --strict "$room/tests/typed.py"
    (cd "$room" && WHATSIT_PROGRAM="$program" WHATSIT_SOURCE="$OLDPWD" \
        "$room/venv/bin/python" -m pytest -q -p no:cacheprovider --rootdir "$room" "$room/tests")
    # Shards in parts, one of them killed in the middle; tools/engines.sh tries the engines.
    mkdir "$room/photos"
    for i in $(seq 10 29); do
        for photo in samples/*.jpg; do
            cp "$photo" "$room/photos/$i-${photo##*/}"
        done
    done
    WHATSIT=$program "$room/venv/bin/python" examples/bulk/kill_test.py "$room/photos" shard
    # And what comes out, where vectors are searched.
    "$program" embed --into "$room/vectors" "$room/photos" --quiet
    "$room/venv/bin/python" examples/bulk/load_vectors.py "$room/vectors" faiss usearch duckdb >"$room/said"
    cat "$room/said"
    if grep -q skipped "$room/said"; then
        exit 1
    fi
    rm -rf "$room"
done
