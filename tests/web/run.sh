#!/bin/sh
# The web app in a real browser: tests/web/run.sh [FILE...]. Needs node, npm, Chromium, the built modules and the
# native program. CORE, WHATSIT, MODEL, DESCRIBER name them where they lie elsewhere. Exit status 77: one is missing.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
CORE=${CORE:-$root/build-wasm}
WHATSIT=${WHATSIT:-$root/build/whatsit}
CHROMIUM=${CHROMIUM:-/usr/bin/chromium}
MODEL=${MODEL:-$root/models/whatsit-nano.gguf}
DESCRIBER=${DESCRIBER:-$root/models/whatsit-describe.gguf}
for file in "$CORE/whatsit.wasm" "$WHATSIT" "$CHROMIUM" "$MODEL" "$DESCRIBER"; do
    if [ ! -e "$file" ]; then
        echo "tests/web: $file is missing" >&2
        exit 77
    fi
done
if ! command -v npm >/dev/null; then
    echo "tests/web: npm is missing" >&2
    exit 77
fi
cd "$here"
if [ ! -d node_modules/playwright-core ] || [ ! -d node_modules/axe-core ] || [ ! -d node_modules/vite ]; then
    if ! PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund; then
        echo "tests/web: playwright-core, axe-core and vite cannot be had from npm" >&2
        exit 77
    fi
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 "$root/web/make_site.py" "$work/site" --core "$CORE" --model "$MODEL" --describer "$DESCRIBER" --whatsit "$WHATSIT"
export CHROMIUM CORE WHATSIT WHATSIT_SITE="$work/site" WHATSIT_TEST_MODEL="$MODEL" WHATSIT_TEST_DESCRIBER="$DESCRIBER"
# One browser at a time: the suite also runs on small machines.
if [ $# -eq 0 ]; then
    set -- ./*.test.mjs
fi
node --test --test-reporter=spec --test-concurrency=1 "$@"
