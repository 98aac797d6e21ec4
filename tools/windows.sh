#!/bin/sh
# Makes FOLDER/whatsit-VERSION-windows-x86_64.zip by Debian's cross compiler: the program, whatsit.dll with headers and
# import library, the default model, heads and papers. Needs no library that Windows has not; the same sources give the
# same bytes.
#
#     tools/windows.sh BUILD FOLDER [JOBS]
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=$1
folder=$2
jobs=${3:-$(nproc)}
: "${SOURCE_DATE_EPOCH:=$(git -C "$root" log -1 --format=%ct)}"
export SOURCE_DATE_EPOCH
target=x86_64-w64-mingw32

cmake -S "$root" -B "$build" -G Ninja --toolchain "$root/cmake/mingw.cmake" >/dev/null
cmake --build "$build" -j "$jobs" --target whatsit whatsit_shared
version=$(sed -n 's/^CMAKE_PROJECT_VERSION:STATIC=//p' "$build/CMakeCache.txt")
name=whatsit-$version-windows-x86_64

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/$name
mkdir -p "$tree/lib" "$tree/include" "$tree/models" "$tree/docs" "$tree/third-party" "$folder"
for file in whatsit.exe whatsit.dll; do
    $target-strip -o "$tree/$file" "$build/$file"
    # Every library that it needs has to be there on each Windows.
    $target-objdump -p "$tree/$file" | sed -n 's/.*DLL Name: //p' | while read -r library; do
        case $library in
        KERNEL32.dll | msvcrt.dll | ole32.dll | WindowsCodecs.dll | mscms.dll | USER32.dll) ;;
        *)
            echo "windows.sh: $file needs $library" >&2
            exit 1
            ;;
        esac
    done
done
cp "$build/src/libwhatsit.dll.a" "$tree/lib/"
cp -R "$root/include/whatsit" "$tree/include/"
cp -R "$root/heads" "$tree/"
cp "$root"/models/*.gguf "$root"/models/*.json "$root"/models/*.md "$root"/models/*.txt "$tree/models/"
cp "$root"/docs/*.md "$tree/docs/"
cp "$root/README.md" "$root/LICENSE" "$root/NOTICE" "$tree/"
# What of the compiler's is part of both: its runtime, and threads by POSIX's names.
for package in gcc-mingw-w64-x86-64-posix mingw-w64-x86-64-dev; do
    cp "/usr/share/doc/$package/copyright" "$tree/third-party/$package.txt"
done
chmod -R go=rX,u+w "$tree"
rm -f "$folder/$name.zip"
python3 - "$work" "$name" "$folder/$name.zip" <<'END'
import os, sys, time, zipfile
work, name, archive = sys.argv[1:]
date = time.gmtime(max(int(os.environ["SOURCE_DATE_EPOCH"]), 315532800))[:6]  # zip begins in 1980
files = sorted(os.path.join(folder, file) for folder, _, files in os.walk(os.path.join(work, name)) for file in files)
with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
    for path in files:
        info = zipfile.ZipInfo(os.path.relpath(path, work), date)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.create_system = 0
        with open(path, "rb") as file:
            out.writestr(info, file.read())
END
(cd "$folder" && sha256sum "$name.zip" >"$name.sha256")
echo "$folder/$name.zip: $(du -h "$folder/$name.zip" | cut -f1)"
