"""What the public headers declare, for the tools and tests that go by it."""
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Parameter(NamedTuple):
    type: str  # as C writes it, without the name: "const float *", "char [65]"
    name: str


class Function(NamedTuple):
    returns: str
    name: str
    parameters: list


def headers():
    return sorted((ROOT / "include/whatsit").glob("*.h"))


def _text(header):
    return re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)


def _parameter(text):
    text = " ".join(text.split())
    if text == "void":
        return None
    found = re.fullmatch(r"(.*?)\(\*(\w+)\)(\[\d+\])", text)  # const char *const (*metadata)[2]
    if found:
        return Parameter(f"{found[1]}(*){found[3]}", found[2])
    found = re.fullmatch(r"(.*?[\s*])(\w+)(\[\d*\])?", text)
    return Parameter(found[1].strip() + (f" {found[3]}" if found[3] else ""), found[2])


def functions():
    """All public functions, in the order of headers and lines."""
    out = []
    for header in headers():
        for declaration in re.findall(r"^WI_API\b(.*?);", _text(header), flags=re.S | re.M):
            found = re.fullmatch(r"\s*(.*?[\s*])(\w+)\s*\((.*)\)\s*", declaration, flags=re.S)
            parameters = [p for p in map(_parameter, found[3].split(",")) if p]
            out.append(Function(" ".join(found[1].split()), found[2], parameters))
    return out


def structs_with_reserve():
    """Names of the structs that can grow."""
    names = set()
    for header in headers():
        for body, name in re.findall(r"typedef struct \w+ \{(.*?)\n\} (\w+);", _text(header), flags=re.S):
            if re.search(r"\breserved\[", body):
                names.add(name)
    return names
