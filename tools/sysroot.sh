#!/bin/sh
# Makes FOLDER a root of another processor to build against: Debian's packages of `tools/packages.sh build`, unpacked and
# not installed, so nothing of that processor has to run and this system stays as it is. What is in which
# package, dpkg-query --admindir=FOLDER/var/lib/dpkg knows.
#
#     tools/sysroot.sh arm64 FOLDER
set -eu
architecture=$1
folder=$2
here=$(cd "$(dirname "$0")" && pwd)
done=$folder/var/lib/dpkg/made-by-whatsit

libraries=$("$here/packages.sh" --names build | tr ' ' '\n' | sed -n 's/|.*//; /^lib.*-dev$/p' | tr '\n' ',')
wanted="$architecture ${libraries%,}"
if [ "$(cat "$done" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi
[ ! -e "$folder" ] || {
    echo "sysroot.sh: $folder is there, and is not such a root of these packages: remove it" >&2
    exit 1
}
if ! command -v mmdebstrap >/dev/null; then
    echo "sysroot.sh: mmdebstrap is not installed (tools/packages.sh cross)" >&2
    exit 77
fi
release=$(sed -n "s/^VERSION_CODENAME=//p" /etc/os-release)
mmdebstrap --quiet --variant=extract --architectures="$architecture" --include="${libraries%,}" \
    --skip=check/qemu,cleanup/apt "$release" "$folder.part" || {
    rm -rf "$folder.part"
    echo "sysroot.sh: the packages cannot be had" >&2
    exit 77
}

# Links are meant for a system that has this folder as its root.
find "$folder.part/usr" "$folder.part/lib" -lname '/*' | while read -r link; do
    ln -sfnr "$folder.part$(readlink "$link")" "$link"
done

database=$folder.part/var/lib/dpkg
mkdir -p "$database/info" "$database/updates"
echo 1 >"$database/info/format"
for package in "$folder.part"/var/cache/apt/archives/*.deb; do
    name=$(dpkg-deb -f "$package" Package)
    [ "$(dpkg-deb -f "$package" Multi-Arch)" != same ] || name=$name:$architecture
    dpkg-deb --fsys-tarfile "$package" | tar -t | sed 's,^\./,/,; s,/$,,; s,^$,/.,' >"$database/info/$name.list"
    echo "Status: install ok installed"
    dpkg-deb -f "$package"
    echo
done >"$database/status"
rm -f "$folder.part"/var/cache/apt/archives/*.deb
echo "$wanted" >"$database/made-by-whatsit"
mv "$folder.part" "$folder"
