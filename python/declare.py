"""The public headers -> a module that cffi loads (out-of-line ABI mode): python declare.py INCLUDE OUT."""
import re
import sys
from pathlib import Path

from cffi import FFI


def declarations(include):
    """What cffi reads of all headers, in the order in which they include each other."""
    out, seen = [], set()

    def add(name):
        if name in seen:
            return
        seen.add(name)
        text = (include / name).read_text()
        for other in re.findall(r"#include <(whatsit/\w+\.h)>", text):
            add(other)
        text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
        text = re.sub(r'#ifdef __cplusplus\nextern "C" {\n#endif|#ifdef __cplusplus\n}\n#endif', "", text)
        text = re.sub(r"#if defined\(__GNUC__\)\n__attribute__.*?\n#endif", "", text, flags=re.S)
        text = re.sub(r"^\s*#(.*\\\n)*.*$", "", text, flags=re.M)
        out.append(re.sub(r"\bWI_API\b", "", text))

    add("whatsit/whatsit.h")
    return "\n".join(out)


def main():
    include, target = Path(sys.argv[1]), Path(sys.argv[2])
    ffi = FFI()
    ffi.cdef(declarations(include))
    ffi.set_source("_native", None)
    ffi.emit_python_code(str(target))


if __name__ == "__main__":
    main()
