#!/bin/sh
# Makes FOLDER/whatsit-VERSION-linux-ARCH.tar.xz, which needs of a system glibc alone, and its list of parts
# (.spdx.json) beside it; then tries it in a root that holds glibc and nothing else. Takes the libraries and their
# licences from Debian's packages.
#
#     tools/tarball.sh BUILD FOLDER [JOBS [aarch64]]
#
# aarch64: for that processor, by the cross compiler, with the libraries of tools/sysroot.sh; tried under qemu. Without the server
# and the library of photos, which apps/CMakeLists.txt leaves out of cross builds.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=$1
folder=$2
jobs=${3:-$(nproc)}
processor=${4:-$(uname -m)}
: "${SOURCE_DATE_EPOCH:=$(git -C "$root" log -1 --format=%ct)}"
export SOURCE_DATE_EPOCH

# Where the libraries lie, and what runs a program of theirs.
case $processor in
"$(uname -m)") system='' triplet=$(gcc -print-multiarch) runner='' ;;
aarch64)
    "$root/tools/sysroot.sh" arm64 "$build-root" || exit $?
    system=$(realpath "$build-root") triplet=aarch64-linux-gnu runner="qemu-aarch64 -cpu max -L"
    ;;
*)
    echo "tarball.sh: for '$processor' there is no cross build" >&2
    exit 2
    ;;
esac

set -- -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DWHATSIT_TESTS=OFF -DWHATSIT_BENCH=OFF -DWHATSIT_FAISS=OFF \
    -DCMAKE_PROJECT_INCLUDE="$root/cmake/self_contained.cmake"
[ -z "$system" ] || set -- "$@" --toolchain "$root/cmake/aarch64.cmake" -DCMAKE_SYSROOT="$system"
cmake "$@" >/dev/null
cmake --build "$build" -j "$jobs" --target whatsit
version=$(sed -n 's/^CMAKE_PROJECT_VERSION:STATIC=//p' "$build/CMakeCache.txt")
name=whatsit-$version-linux-$processor

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/$name
for component in program licence; do
    cmake --install "$build" --prefix "$tree" --component $component --strip >/dev/null
done
libraries=$tree/lib/whatsit
papers=$tree/share/doc/whatsit/third-party
mkdir -p "$libraries" "$papers" "$work/glibc" "$folder"

database() {
    command=$1
    shift
    dpkg-query --admindir="$system/var/lib/dpkg" "$command" "$@"
}

# package_of FILE: dpkg knows a file by the path it was packed with, which may lack or have /usr.
package_of() {
    real=$(readlink -f "$1")
    real=${real#"$system"}
    for path in "$real" "${real#/usr}" "/usr$real"; do
        database -S "$path" 2>/dev/null && return
    done | sed -n '1s/: .*//p'
}

# note PACKAGE HOW: once each, with its licence.
note() {
    bare=${1%%:*}
    [ -n "$bare" ] || return 1
    if [ "$2" != system ] && [ ! -e "$papers/$bare.txt" ]; then
        cat "$system/usr/share/doc/$bare/copyright" >"$papers/$bare.txt"
    fi
    database -W -f "\${Package}\t\${Version}\t\${Architecture}\t\${source:Package}\t\${source:Version}\t$2" "$1"
    printf '\t%s\n' "$3"
}

# Soname and path of what the program needs, as the loader finds them: `ldd`, also for a program that only qemu runs. The
# loader itself is named as it was called, so it is added by hand.
loader=$(readelf -l "$build/whatsit" | sed -n 's/.*interpreter: \(.*\)\]/\1/p')
# shellcheck disable=SC2086 # the runner's words
${runner:+$runner "$system"} "$system$loader" --list "$build/whatsit" |
    awk -v before="$system" '$2 == "=>" && $1 !~ /ld-linux/ { print $1, before $3 }' >"$work/needed"
echo "$(basename "$loader") $system$loader" >>"$work/needed"
while read -r soname path; do
    package=$(package_of "$path")
    if [ "${package%%:*}" = libc6 ]; then
        cp -L "$path" "$work/glibc/"
        note "$package" system -
    else
        cp -L "$path" "$libraries/$soname"
        chmod 644 "$libraries/$soname"
        note "$package" copied "lib/whatsit/$soname"
    fi || {
        echo "tarball.sh: $path belongs to no package, so its licence is unknown" >&2
        exit 1
    }
done <"$work/needed" >"$work/packages"
sed -n 's/^pkgcfg_lib_[^=]*=\(.*\.a\)$/\1/p' "$build/CMakeCache.txt" >"$work/archives"
while read -r path; do
    note "$(package_of "$path")" linked -
done <"$work/archives" >>"$work/packages"
{
    printf 'package\tversion\tarchitecture\tsource\tsource-version\thow\tfile\n'
    LC_ALL=C sort -u "$work/packages"
} >"$papers/PACKAGES.tsv"

tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mode=go=rX,u+w --mtime="@$SOURCE_DATE_EPOCH" \
    --format=gnu -c "$name" | xz -T1 -6 >"$folder/$name.tar.xz"
python3 "$root/tools/sbom.py" "$tree" --version "$version" --output "$folder/$name.spdx.json"
python3 "$root/tools/check_sbom.py" "$tree" "$folder/$name.spdx.json"
(cd "$folder" && sha256sum "$name.tar.xz" "$name.spdx.json" >"$name.sha256")

# A stranger's machine: glibc, a photo, and what came out of the archive.
stranger=$work/stranger
mkdir -p "$stranger/proc" "$stranger/tmp" "$stranger$(dirname "$loader")" "$stranger/lib/$triplet"
xz -dc "$folder/$name.tar.xz" | tar -x -C "$stranger"
cp "$work/glibc/$(basename "$loader")" "$stranger$loader"
cp "$work"/glibc/* "$stranger/lib/$triplet/"
cp "$root/samples/pizza.jpg" "$stranger/"
if [ -n "$runner" ]; then
    # qemu looks for files in its root first and then in this system, whose libraries are of another processor.
    # shellcheck disable=SC2086
    answer=$(cd / && env -i HOME=/tmp PATH="$PATH" $runner "$stranger" "$stranger/$name/bin/whatsit" "$stranger/pizza.jpg" --labels pizza,dog --top 1)
elif unshare -rm true 2>/dev/null; then
    # shellcheck disable=SC2016 # the inner shell's variables
    answer=$(unshare -rm sh -c 'mount --rbind /proc "$1/proc" && exec env -i HOME=/tmp "$(command -v chroot)" "$1" "$2" /pizza.jpg --labels pizza,dog --top 1' \
        sh "$stranger" "/$name/bin/whatsit")
else
    echo "tarball.sh: no user namespaces here, so the archive was made but not tried" >&2
    exit 77
fi
echo "$answer"
case $answer in
*pizza*) ;;
*) exit 1 ;;
esac
echo "$folder/$name.tar.xz: $(du -h "$folder/$name.tar.xz" | cut -f1), $(find "$libraries" -type f | wc -l) libraries beside the program, $(wc -l <"$work/archives") inside"
