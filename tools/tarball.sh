#!/bin/sh
# Makes FOLDER/whatsit-VERSION-linux-ARCH.tar.xz, which needs of a system glibc alone, and its list of parts
# (.spdx.json) beside it: the program, and the library with its headers. Then tries both in a root that holds glibc and
# nothing else. Takes the libraries and their licences from Debian's packages.
#
#     [CMAKE_FLAGS=...] [XZ_OPT=-0] tools/tarball.sh BUILD FOLDER [JOBS [aarch64]]
#
# aarch64: for that processor, by the cross compiler, with the libraries of tools/sysroot.sh; tried under qemu.
# XZ_OPT: xz's own; -0 takes a fifth of the time and a tenth more room, for an archive that is only tried.
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
"$(uname -m)") system='' triplet=$(gcc -print-multiarch) runner='' compiler=gcc ;;
aarch64)
    "$root/tools/sysroot.sh" arm64 "$build-root" || exit $?
    system=$(realpath "$build-root") triplet=aarch64-linux-gnu runner="qemu-aarch64 -cpu max -L"
    compiler="aarch64-linux-gnu-gcc --sysroot=$system"
    ;;
*)
    echo "tarball.sh: for '$processor' there is no cross build" >&2
    exit 2
    ;;
esac

set -- -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DWHATSIT_TESTS=OFF -DWHATSIT_BENCH=OFF -DWHATSIT_FAISS=OFF -DWHATSIT_LIBAV=OFF \
    -DCMAKE_PROJECT_INCLUDE="$root/cmake/self_contained.cmake"
[ -z "$system" ] || set -- "$@" --toolchain "$root/cmake/aarch64.cmake" -DCMAKE_SYSROOT="$system"
# shellcheck disable=SC2086 # words
cmake "$@" ${CMAKE_FLAGS:-} >/dev/null
cmake --build "$build" -j "$jobs" --target whatsit whatsit_static whatsit_shared
version=$(sed -n 's/^CMAKE_PROJECT_VERSION:STATIC=//p' "$build/CMakeCache.txt")
name=whatsit-$version-linux-$processor

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/$name
for component in program library development licence; do
    cmake --install "$build" --prefix "$tree" --component $component --strip >/dev/null
done
rm -r "$tree/lib/systemd" # names a program in /usr/bin; share/whatsit/deploy has it, too
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

# Soname and path of what program and library need, as the loader finds them: `ldd`, also for a program that only qemu
# runs. The loader itself is named as it was called, so it is added by hand.
loader=$(readelf -l "$build/whatsit" | sed -n 's/.*interpreter: \(.*\)\]/\1/p')
for file in "$build/whatsit" "$build"/src/libwhatsit.so; do
    # shellcheck disable=SC2086 # the runner's words
    ${runner:+$runner "$system"} "$system$loader" --list "$file"
done >"$work/listed"
awk -v before="$system" '$2 == "=>" && $1 !~ /ld-linux/ { print $1, before $3 }' "$work/listed" | sort -u >"$work/needed"
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
    --format=gnu -c "$name" | xz -T1 >"$folder/$name.tar.xz"
python3 "$root/tools/sbom.py" "$tree" --version "$version" --output "$folder/$name.spdx.json"
python3 "$root/tools/check_sbom.py" "$tree" "$folder/$name.spdx.json"
(cd "$folder" && sha256sum "$name.tar.xz" "$name.spdx.json" >"$name.sha256")

# A stranger's machine: glibc, a photo, what came out of the archive, and a program of the stranger's that uses the library.
stranger=$work/stranger
mkdir -p "$stranger/proc" "$stranger/tmp" "$stranger$(dirname "$loader")" "$stranger/lib/$triplet"
xz -dc "$folder/$name.tar.xz" | tar -x -C "$stranger"
cp "$work/glibc/$(basename "$loader")" "$stranger$loader"
cp "$work"/glibc/* "$stranger/lib/$triplet/"
mkdir "$stranger/photos"
cp "$root/samples/pizza.jpg" "$stranger/"
cp "$root/samples/pizza.jpg" "$root/samples/schooner.jpg" "$stranger/photos/"
flags=$(PKG_CONFIG_LIBDIR=$stranger/$name/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR='' pkg-config --cflags --libs whatsit)
# shellcheck disable=SC2086 # words
$compiler -std=c11 "$root/tests/install/example.c" -o "$stranger/example" $flags -Wl,-rpath,"/$name/lib:$stranger/$name/lib"

# stranger PROGRAM WORDS. Paths begin with $in.
if [ -n "$runner" ]; then
    in=$stranger
    stranger() {
        # qemu looks for files in its root first and then in this system, whose libraries are of another processor.
        # shellcheck disable=SC2086
        (cd / && env -i HOME="$in/tmp" PATH="$PATH" $runner "$in" "$@")
    }
elif unshare -rm true 2>/dev/null; then
    in=
    stranger() {
        # shellcheck disable=SC2016 # the inner shell's variables
        unshare -rm sh -c 'mount --rbind /proc "$1/proc" && exec env -i HOME=/tmp "$(command -v chroot)" "$@"' sh "$stranger" "$@"
    }
else
    # What the libraries need of glibc is then this system's; that nothing else is needed, check_sbom.py has seen.
    echo "tarball.sh: no user namespaces here: tried in a folder, not in a root of its own" >&2
    in=$stranger
    stranger() {
        (cd / && env -i HOME="$in/tmp" "$@")
    }
fi
# says WORD PROGRAM WORDS
says() {
    word=$1
    shift
    answer=$(stranger "$@") || {
        echo "tarball.sh: failed: $*" >&2
        exit 1
    }
    case $answer in
    *"$word"*) echo "$answer" ;;
    *)
        echo "tarball.sh: no '$word' in what this said: $*" >&2
        exit 1
        ;;
    esac
}
says "whatsit $version" "$in/$name/bin/whatsit" --version
says pizza "$in/$name/bin/whatsit" "$in/pizza.jpg" --labels pizza,dog --top 1
says pizza "$in/example" "$in/$name/share/whatsit/models/whatsit-nano.gguf" "$in/pizza.jpg" pizza dog
stranger "$in/$name/bin/whatsit" index "$in/photos"
says pizza.jpg "$in/$name/bin/whatsit" search pizza --top 1
says --listen "$in/$name/bin/whatsit" serve --help >/dev/null
gzip -dc "$stranger/$name/share/man/man1/whatsit.1.gz" | grep -q '^\.SH NAME'
echo "$folder/$name.tar.xz: $(du -h "$folder/$name.tar.xz" | cut -f1), $(find "$libraries" -type f | wc -l) libraries beside the program, $(wc -l <"$work/archives") inside"
