#!/bin/sh
# Installs what a job needs, by Debian package name, and only what is missing. Asks nothing.
#
#     tools/packages.sh build|test|more|lint|wheel|deb|tidy|valgrind|bench|fuzz|wasm|web|apk|arm|windows|cross|root|container...
#     tools/packages.sh --names JOB                  says them, and installs nothing
#
# "a|b" means that either will do.
set -eu

packages_of() {
    case "$1" in
    build)
        echo "gcc libc6-dev make cmake ninja-build pkg-config libjansson-dev" \
            "libcurl4-openssl-dev|libcurl4-gnutls-dev|libcurl4-nss-dev" \
            "libjpeg62-turbo-dev|libjpeg-turbo8-dev libspng-dev libwebp-dev libgif-dev libheif-dev liblcms2-dev" \
            "libtiff-dev libraw-dev libjxl-dev" \
            "libmicrohttpd-dev libsodium-dev libseccomp-dev libsqlite3-dev libinih-dev zlib1g-dev g++ libexiv2-dev"
        ;;
    test) echo "libcmocka-dev exiv2 libimage-exiftool-perl python3 python3-jsonschema bzip2 unicode-data g++ libpq-dev libfaiss-dev libopenblas-dev libavformat-dev libavcodec-dev libswscale-dev postgresql nginx-light|nginx openssl sentencepiece" ;;
    more) echo "mandoc zsh fish ruby" ;; # what some tests compare with, when there
    lint) echo "python3 git gcc g++ clang-format-19 shellcheck abigail-tools" ;;
    wheel) echo "python3-venv" ;;
    deb) echo "dpkg-dev file" ;;
    tidy) echo "clang-tidy-19" ;;
    valgrind) echo "valgrind" ;;
    bench) echo "python3-numpy" ;;
    fuzz) echo "clang-19 libclang-rt-19-dev" ;;
    wasm) echo "clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32 nodejs" ;;
    web) # some packages of node bring npm along and refuse Debian's
        echo "nodejs chromium fonts-dejavu-core fonts-noto-color-emoji $(command -v npm >/dev/null || echo npm)"
        ;;
    apk) # no compiler to Dalvik is among them: an assembler
        echo "python3 default-jdk-headless aapt apksigner zipalign android-framework-res libsmali-java dexdump enjarify"
        ;;
    arm) echo "gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user" ;;
    windows) echo "gcc-mingw-w64-x86-64-posix binutils-mingw-w64-x86-64 cmake ninja-build python3 wine64" ;;
    cross) echo "gcc-aarch64-linux-gnu g++-aarch64-linux-gnu qemu-user mmdebstrap" ;;
    root) echo "mmdebstrap" ;; # a fresh system in a folder
    container) echo "buildah mmdebstrap" ;;
    *)
        echo "packages.sh: no job is called '$1'" >&2
        exit 2
        ;;
    esac
}

if [ "$1" = --names ]; then
    packages_of "$2"
    exit
fi

is_installed() {
    dpkg-query -W -f '${Status}\n' "$1" 2>/dev/null | grep -q '^install ok installed$'
}

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    echo "This system has no apt-get; see 'What it needs' in README.md. Going on without." >&2
    exit 0
fi

missing=
for job in "$@"; do
    for choice in $(packages_of "$job"); do
        found=
        for package in $(echo "$choice" | tr '|' ' '); do
            if is_installed "$package"; then
                found=yes
                break
            fi
        done
        [ -n "$found" ] || missing="$missing ${choice%%|*}"
    done
done
[ -n "$missing" ] || exit 0

sudo=
[ "$(id -u)" -eq 0 ] || sudo=sudo
echo "Installing:$missing"
# A machine that has lists already may be offline with a local mirror: let the installation decide.
$sudo apt-get update -q </dev/null || echo "packages.sh: apt-get update failed, trying with the lists at hand" >&2
# shellcheck disable=SC2086 # one word per package
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing </dev/null
