#!/bin/sh
# Builds Containerfile line by line with buildah, on a base made here from Debian's packages, and asks what came
# out about a photo. Needs no engine, no daemon and no registry. Takes as long as a build from nothing.
#
#     tools/container.sh [BASE]        BASE: an image to begin with instead, such as docker.io/library/debian:bookworm-slim
#
# Exit status 77: it cannot be built here, and why.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
not_here() {
    echo "container.sh: $1" >&2
    exit 77
}
command -v buildah >/dev/null || not_here "buildah is not installed (tools/packages.sh container)"
work=$(mktemp -d)
# Images and layers lie in a folder of this run, so that nothing of the user's is touched.
store() {
    buildah --root "$work/images" --runroot "$work/run" --storage-driver vfs "$@"
}
trap 'store rm -a >/dev/null 2>&1 || true; rm -rf --one-file-system "$work"' EXIT

base=${1:-}
if [ -z "$base" ]; then
    command -v mmdebstrap >/dev/null || not_here "mmdebstrap is not installed (tools/packages.sh container)"
    release=$(sed -n "s/^VERSION_CODENAME=//p" /etc/os-release)
    mmdebstrap --quiet --variant=apt --dpkgopt=force-unsafe-io "$release" "$work/base.tar" ||
        not_here "no system of $release can be made"
    empty=$(store from scratch) || not_here "buildah cannot work here"
    store add -q "$empty" "$work/base.tar" / >/dev/null
    store config --cmd /bin/sh "$empty"
    base=localhost/whatsit-base
    store commit -q "$empty" "$base" >/dev/null
    rm "$work/base.tar"
fi
store bud --isolation chroot --build-arg BASE="$base" --ignorefile "$root/.containerignore" -t whatsit -f "$root/Containerfile" "$root"
made=$(store from whatsit)
store add -q "$made" "$root/samples/pizza.jpg" /data/pizza.jpg >/dev/null
answer=$(store run --isolation chroot "$made" -- whatsit /data/pizza.jpg --labels pizza,dog --top 1)
echo "$answer"
case $answer in
*pizza*) ;;
*) exit 1 ;;
esac
# shellcheck disable=SC2016 # the container's shell
store run --isolation chroot "$made" -- sh -c 'test "$(id -un)" = whatsit && test ! -e /src'
