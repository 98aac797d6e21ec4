#!/usr/bin/env python3
"""Who may include whom: the rules of docs/ARCHITECTURE.md, checked against every #include.

    tools/check_includes.py [FILE...]      (default: all C files that git knows)
"""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# A room may include itself and these. The chain base <- cpu <- kern <- nn <- model may skip links;
# head and checkpoint stand on it and do not know each other, api sees all.
CHAIN = ["base", "cpu", "kern", "nn", "model"]
ROOMS = {room: set(CHAIN[: i + 1]) for i, room in enumerate(CHAIN)}
for room in ("head", "index", "checkpoint"):
    ROOMS[room] = set(CHAIN) | {room}
ROOMS["api"] = set(CHAIN) | {"head", "index", "checkpoint", "api"}
for room, more in {
    "windows": set(),
    "fmt": {"base"},
    "text": {"base"},
    "image": {"base", "kern", "cpu"},
    "model": {"fmt", "text"},
    "checkpoint": {"fmt", "text"},
    "head": {"fmt", "text"},
    "api": {"fmt", "text", "image"},
}.items():
    ROOMS.setdefault(room, set()).update(more | {room})

# Every library is seen by the files named here and by no other.
LIBRARIES = {
    r"jpeglib\.h|jerror\.h|turbojpeg\.h": ["src/image/decode_jpeg.c", "apps/server/jpeg.c"],
    r"spng\.h|png\.h": ["src/image/decode_png.c", "apps/cli/png_spng.c"],
    r"webp/.*": ["src/image/decode_webp.c"],
    r"gif_lib\.h": ["src/image/decode_gif.c"],
    r"libheif/.*": ["src/image/decode_heif.c"],
    r"tiffio\.h": ["src/image/decode_tiff.c"],
    r"jxl/.*": ["src/image/decode_jxl.c"],
    r"libraw/.*": ["src/image/decode_raw.c"],
    r"lcms2\.h": ["src/image/color_icc.c"],
    r"jansson\.h": ["src/fmt/json.c", "src/fmt/plain/", "apps/"],
    r"windows\.h|io\.h": ["src/windows/", "src/image/decode_wic.c", "src/image/color_icm.c", "apps/cli/png_wic.c"],
    r"wincodec\.h": ["src/image/decode_wic.c", "apps/cli/png_wic.c"],
    r"icm\.h": ["src/image/color_icm.c"],
    r"curl/.*": ["apps/cli/hub.c", "apps/server/"],
    r"microhttpd\.h": ["apps/server/"],
    r"sodium\.h": ["apps/server/", "apps/store/"],
    r"seccomp\.h": ["apps/server/sandbox.c"],
    r"ini\.h": ["apps/cli/settings.c"],
    r"zlib\.h": ["apps/server/archive.c"],
    r"sqlite3\.h": ["apps/store/"],
    r"exiv2/.*": ["apps/library/metadata.cpp"],
    r"libav(format|codec|util)/.*|libswscale/.*": ["apps/library/video_libav.c"],
    r"faiss/.*|omp\.h": ["apps/library/approximate_faiss.cpp"],
    r"libpq-fe\.h|postgresql/.*": ["apps/store/"],
}
SYSTEM = re.compile(
    r"(assert|complex|ctype|errno|fenv|float|inttypes|limits|locale|math|setjmp|signal|stdalign"
    r"|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|threads|time|wchar"
    r"|dirent|dlfcn|fcntl|fnmatch|ftw|getopt|iconv|langinfo|libgen|malloc|netdb|poll|pthread|pwd|sched|semaphore"
    r"|strings|termios|unistd|emmintrin|immintrin|cpuid|arm_neon|wasm_simd128|asm/hwcap"
    r"|(sys|arpa|netinet|net|linux)/\w+)\.h$"
)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]', re.M)


def check_public(where, name, problems):
    if not (name.startswith("whatsit/") or SYSTEM.match(name)):
        problems.append(f"{where}: a public header may include public and standard headers only")


def check_library(where, path, name, problems):
    for pattern, allowed in LIBRARIES.items():
        if re.fullmatch(pattern, name):
            if not any(path == a or (a.endswith("/") and path.startswith(a)) for a in allowed):
                problems.append(f"{where}: <{name}> belongs to {' and '.join(allowed)}")
            return
    problems.append(f"{where}: <{name}> is a library that no file is named for here")


def check_room(where, path, name, problems):
    room = path.split("/")[1]
    target = name.split("/")[0] if "/" in name else room
    if target == "whatsit":
        return
    if target not in ROOMS and (ROOT / path).parent.joinpath(name).exists():
        return  # a folder inside the room
    if target not in ROOMS:
        problems.append(f'{where}: "{name}" is in no room')
    elif target not in ROOMS[room]:
        problems.append(f'{where}: {room} may not include {target} ("{name}")')


def check_outside(where, path, name, problems):
    """apps and wasm: their own headers, quoted, and whatsit/."""
    base = ROOT / path
    inside = [base.parent / name, base.parent.parent / name]
    if not any(p.exists() for p in inside) or name.split("/")[0] in ROOMS:
        problems.append(f'{where}: "{name}": apps and wasm see include/whatsit only')


def check_file(path):
    problems = []
    text = (ROOT / path).read_text()
    for match in INCLUDE.finditer(text):
        line = text.count("\n", 0, match.start(2)) + 1
        where, quote, name = f"{path}:{line}", match.group(1), match.group(2)
        if path.startswith("include/"):
            check_public(where, name, problems)
        elif name.startswith("whatsit/") or (quote == "<" and SYSTEM.match(name)):
            continue
        elif quote == "<":
            if path.startswith(("src/", "apps/", "wasm/")):
                check_library(where, path, name, problems)
        elif path.startswith("src/"):
            check_room(where, path, name, problems)
        elif path.startswith(("apps/", "wasm/")):
            check_outside(where, path, name, problems)
    return problems


def main():
    files = sys.argv[1:] or subprocess.run(
        ["git", "ls-files", "*.c", "*.h"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    files = [f for f in files if f.startswith(("src/", "apps/", "wasm/", "include/"))]
    if not files:
        sys.exit("check_includes: no files")
    problems = [p for f in files if (ROOT / f).exists() for p in check_file(f)]
    print("\n".join(problems) if problems else f"includes: {len(files)} files keep the rules")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
