#!/bin/sh
# Clients that exist, as their registries have them today, against the server: tests/server/clients.sh PROGRAM
# Exit status 77: they could not be brought here, so nothing was checked.
set -u
program=$(realpath "$1")
cd "$(dirname "$0")/../.." || exit 1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
if ! python3 -m pip install -qqq --target "$folder/python" openai huggingface_hub ||
    ! npm install --silent --no-fund --no-audit --prefix "$folder/node" @huggingface/inference openai; then
    echo "skipped: the clients could not be brought here, so none was checked"
    exit 77
fi
for client in "$folder"/python/openai-*.dist-info "$folder"/python/huggingface_hub-*.dist-info; do
    basename "$client" .dist-info
done
(cd "$folder/node" && npm ls --depth 0 2>/dev/null | tail -n +2)
PYTHONPATH="$folder/python" NODE_PATH="$folder/node/node_modules" \
    python3 tests/server/test_drop_in.py "$program" "$PWD"
