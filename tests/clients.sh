#!/bin/sh
# Programs of others, as their registries have them today: clients of other services and schemathesis against the server, and the
# safetensors package against an exported head. tests/clients.sh PROGRAM
# Exit status 77: they could not be brought here, so nothing was checked.
set -u
program=$(realpath "$1")
cd "$(dirname "$0")/.." || exit 1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
if ! python3 -m pip install -qqq --target "$folder/python" openai huggingface_hub safetensors numpy schemathesis ||
    ! npm install --silent --no-fund --no-audit --prefix "$folder/node" @huggingface/inference openai; then
    echo "skipped: the clients could not be brought here, so none was checked"
    exit 77
fi
for client in openai huggingface_hub safetensors numpy schemathesis; do
    basename "$folder/python/$client"-*.dist-info .dist-info
done
(cd "$folder/node" && npm ls --depth 0 2>/dev/null | tail -n +2)
export PYTHONPATH="$folder/python" NODE_PATH="$folder/node/node_modules" PYTHONDONTWRITEBYTECODE=1
failed=0
for check in tests/server/test_drop_in.py tests/cli/test_safetensors.py tests/server/test_schema.py; do
    python3 "$check" "$program" "$PWD" || failed=1
done
exit $failed
