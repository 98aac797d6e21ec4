#!/bin/sh
# Tries the archive of tools/windows.sh under wine, as a stranger unpacks it, against the program of this machine:
#
#     tools/try_windows.sh BUILD FOLDER WHATSIT
#
# BUILD: the cross build, for its tests. Exit status 77, with the reason, where the compiler or wine is missing.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=$(realpath "$1")
folder=$2
native=$(realpath "$3")
compiler=x86_64-w64-mingw32-gcc-posix
wine=$(command -v wine64 || ls /usr/lib/wine/wine64 2>/dev/null || true)
for tool in "$compiler" "${wine:-wine64}"; do
    command -v "$tool" >/dev/null || {
        echo "try_windows.sh: not tried: $tool is not installed (tools/packages.sh windows)" >&2
        exit 77
    }
done
archive=$(realpath "$folder"/whatsit-*-windows-x86_64.zip)
name=$(basename "$archive" .zip)

work=$(mktemp -d)
WINEPREFIX=$work/prefix
HOME=$work
export WINEPREFIX HOME WINEDEBUG=-all
unset DISPLAY WAYLAND_DISPLAY XDG_CACHE_HOME XDG_DATA_HOME WHATSIT_MODEL WHATSIT_SHARE || true
cleanup() {
    "$(dirname "$wine")/wineserver" -k 2>/dev/null || /usr/lib/wine/wineserver -k 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
python3 -m zipfile -e "$archive" "$work"
cd "$work"

windows() {
    "$wine" "$work/$name/whatsit.exe" "$@"
}
fail() {
    echo "try_windows.sh: $*" >&2
    exit 1
}
# says STATUS WORDS PROGRAM...: what it prints, on either stream, holds WORDS; a letter that a console lacks is a fault.
says() {
    wanted=$1 words=$2
    shift 2
    status=0
    "$@" >said 2>&1 || status=$?
    if [ "$status" != "$wanted" ] || ! grep -qF -- "$words" said; then
        cat said >&2
        fail "status $status, not $wanted with '$words': $*"
    fi
}

version=${name#whatsit-}
says 0 "whatsit ${version%-windows-x86_64}" windows --version

# The sample photos' first words: of the same pixels the same; of the same JPEGs nearly all, since wine's decoder makes other
# colours at edges of theirs.
words() {
    tr -d '\r' | cut -f 1,4 | sed 's/.*samples.//'
}
for photo in "$root"/samples/*.jpg; do
    pixels=$(basename "$photo" .jpg).safetensors
    "$native" preprocess "$photo" -o "$pixels" --quiet
done
"$native" ./*.safetensors --top 1 --tsv --quiet | words >pixels.here
windows ./*.safetensors --top 1 --tsv --quiet | words >pixels.there
cmp pixels.here pixels.there || fail "the same pixels have other first words"
"$native" "$root"/samples/*.jpg --top 1 --tsv --quiet | words | LC_ALL=C sort >photos.here
windows "$root"/samples/*.jpg --top 1 --tsv --quiet | words | LC_ALL=C sort >photos.there
n=$(($(wc -l <photos.here) - 1))
same=$(($(LC_ALL=C comm -12 photos.here photos.there | wc -l) - 1))
echo "first words of $n sample photos: of the same pixels $n, of the same JPEGs $same the same"
[ $((4 * same)) -ge $((3 * n)) ] || fail "the sample photos have other first words"
rm ./*.safetensors

# The same pixels (BMP is read by the project itself) and texts: the same embeddings.
python3 - <<'END'
import struct
width, height = 320, 200
rows = b"".join(bytes((x * 7 + y * 3 * c + x * y // (c + 1)) % 256 for x in range(width) for c in range(3)) for y in range(height))
with open("pattern.bmp", "wb") as file:
    file.write(b"BM" + struct.pack("<IHHI", 54 + len(rows), 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(rows), 0, 0, 0, 0) + rows)
END
"$native" embed pattern.bmp -o here.npy --quiet
windows embed pattern.bmp -o there.npy --quiet
"$native" embed --text "a red bicycle" >here.json
windows embed --text "a red bicycle" >there.json
python3 - <<'END'
import json, struct, sys
def npy(path):
    data = open(path, "rb").read()
    start = 10 + struct.unpack("<H", data[8:10])[0]
    return struct.unpack(f"<{(len(data) - start) // 4}f", data[start:])
pairs = {"pixels": (npy("here.npy"), npy("there.npy")),
         "text": tuple(json.load(open(p))["embedding"] for p in ("here.json", "there.json"))}
for what, (a, b) in pairs.items():
    worst = max(abs(x - y) for x, y in zip(a, b, strict=True))
    print(f"embedding of the same {what}: {'the same bits' if a == b else f'off by {worst:.2g} at most'}")
    if worst > 2e-5:
        sys.exit("try_windows.sh: which is more than 2e-5")
END

# Names that no code page has, paths of this system's, and what is missing.
cp "$root/samples/pizza.jpg" "Ünïcödé 日本 😀.jpg"
says 0 "Ünïcödé 日本 😀.jpg" windows "Ünïcödé 日本 😀.jpg" --labels "pizza,dog" --top 1
mkdir -p photos/below
cp "$root/samples/pizza.jpg" photos/below/
says 0 "photos/below/pizza.jpg" windows 'photos\below' --labels "pizza,dog" --top 1
says 0 "photos/below/pizza.jpg" windows 'photos\below\*.jpg' --labels "pizza,dog" --top 1
says 1 "nowhere.jpg: No such file or directory" windows nowhere.jpg
says 1 "there.npy: is there already" windows embed photos -o there.npy
for verb in pull index search duplicates tag serve keys lambda; do
    says 2 "'$verb' is not in the build for Windows" windows $verb
done
says 0 '"label":"dog"' windows "$root/samples/pizza.jpg" --labels "dog" --json

# Heads are made, used and gone; a model tells of itself; pictures are written.
says 0 "birds" windows head list
says 0 "use it with --as transport" windows head new transport --labels "boat|ship,car|truck"
says 0 "car" windows "$root/samples/sports-car.jpg" --as transport --top 1
says 0 "transport" windows head rm transport
says 0 "$("$native" model info whatsit-nano | grep ^fingerprint)" windows model info whatsit-nano
says 0 "$("$native" tokenize "a dog")" windows tokenize "a dog"
says 0 "1 picture copied" windows sort photos --into sorted --as everyday --go
[ -s sorted/pizza/pizza.jpg ] || fail "sort copied nothing"
says 0 "" windows sort --undo sorted/whatsit-sort-*.tsv
[ ! -e sorted/pizza/pizza.jpg ] || fail "sort --undo took nothing back"
windows explain "$root/samples/pizza.jpg" --label pizza -o map.png --quiet >/dev/null
"$native" map.png --labels pizza --quiet >/dev/null || fail "map.png is no picture"
says 0 "pizza" windows describe "$root/samples/pizza.jpg"

# A program of the stranger's, by the library.
$compiler -std=c11 "$root/tests/install/example.c" -I "$work/$name/include" "$work/$name/lib/libwhatsit.dll.a" -o "$work/$name/example.exe"
says 0 pizza "$wine" "$work/$name/example.exe" "$work/$name/models/whatsit-nano.gguf" "$root/samples/pizza.jpg" pizza dog

# The kernels against the scalar ones, and pictures as they come. What wine's decoders (no WebP, HEIC and AVIF) and
# Windows' ways with broken files make of those is listed; nothing else may differ.
cmake -DWHATSIT_TESTS=ON "$build" >/dev/null
cmake --build "$build" -j "$(nproc)" >/dev/null
"$wine" "$build/tests/windows/test_kern.exe" | tail -n 1
"$wine" "$build/tests/windows/test_conditions.exe" >conditions 2>&1 || true
grep '^kind' conditions
[ "$(grep -c '^kind' conditions)" = 5 ] || fail "the tests of pictures ended early"
sed -n 's/^\([a-z0-9_]*\.[a-z]*\): .*/\1/p' conditions | LC_ALL=C sort -u >differ
LC_ALL=C comm -13 "$root/tests/windows/wine_differs.txt" differ >new
if [ -s new ]; then
    grep -Ff new conditions >&2
    fail "pictures are read differently that were not before"
fi
echo "$name: works under wine"
