#!/bin/sh
# Installs the Debian packages in FOLDER with apt into a fresh system, as a stranger would: the program answers for a photo, its
# papers are there, all of it goes again. The system lies in a folder that is removed afterwards.
#
#     tools/try_deb.sh FOLDER
#
# Exit status 77: no fresh system can be had here.
set -eu
folder=$(realpath "$1")
root=$(cd "$(dirname "$0")/.." && pwd)
not_here() {
    echo "try_deb.sh: $1" >&2
    exit 77
}
command -v mmdebstrap >/dev/null || not_here "mmdebstrap is not installed (tools/packages.sh root)"
[ "$(id -u)" = 0 ] || not_here "only root can go into a fresh system"
unshare -m true 2>/dev/null || not_here "no mounts can be made here"
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
chmod 755 "$work"
release=$(sed -n "s/^VERSION_CODENAME=//p" /etc/os-release)
mmdebstrap --quiet --variant=apt --dpkgopt=force-unsafe-io --skip=cleanup/apt "$release" "$work/system" ||
    not_here "no system of $release can be made"
cp /etc/resolv.conf "$work/system/etc/"
mkdir "$work/system/here"
cp "$folder"/*.deb "$root/samples/pizza.jpg" "$work/system/here/"

cat >"$work/system/here/try.sh" <<'INSIDE'
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get install -q -y --no-install-recommends /here/whatsit_*.deb
cd /
whatsit /here/pizza.jpg --labels pizza,dog --top 1 | grep pizza
whatsit --version
apt-get install -q -y --no-install-recommends /here/libwhatsit*.deb
# Small systems leave manuals out of what they install; the packages have them all the same.
holds() {
    dpkg -L "$1" >/tmp/list
    grep -q "/$2\$" /tmp/list || {
        echo "$1 holds no $2"
        exit 1
    }
}
holds whatsit man/man1/whatsit.1.gz
holds whatsit doc/whatsit/README.md
holds whatsit doc/whatsit/docs/BULK.md
holds whatsit bash-completion/completions/whatsit
holds whatsit systemd/system/whatsit.service
holds libwhatsit0 libwhatsit.so.0
holds libwhatsit-dev pkgconfig/whatsit.pc
holds libwhatsit-dev include/whatsit/whatsit.h
apt-get purge -q -y whatsit libwhatsit0 libwhatsit-dev
left=$(find /usr /etc /var/lib -path '*whatsit*' ! -path '/var/lib/dpkg/*' ! -path '/var/lib/apt/*')
[ -z "$left" ] || {
    echo "left after purge: $left"
    exit 1
}
INSIDE
# The program finds its model by /proc.
# shellcheck disable=SC2016 # the inner shell's variables
unshare -m sh -c 'mount -t proc proc "$1/proc" && exec chroot "$1" sh /here/try.sh' sh "$work/system" || {
    echo "try_deb.sh: the packages do not do in a fresh system" >&2
    exit 1
}
