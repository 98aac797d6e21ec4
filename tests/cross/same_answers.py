"""The same question about a grouped list, asked of the command line, over HTTP and of the WebAssembly module: every
field of the answer is the same.

    same_answers.py PROGRAM SOURCE_DIR WASM_FOLDER
"""
import json
import os
import shutil
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "server"))
from serving import SKIPPED, Room  # noqa: E402
import tiny_model  # noqa: E402

LIST = """# title: Things in groups
# template: a photo of a {}.
# template: {} itself
# sensitivity: made up
[animals]
cat|kitty
dog
animals|beast
[vehicles]
sports car
bus
[]
cloud
"""
PLACES = 2e-5  # scores; the module's kernels add in another order


def close(a, b):
    if isinstance(a, float) or isinstance(b, float):
        return a is not None and b is not None and abs(a - b) <= PLACES * max(1, abs(a))
    return a == b


def differences(a, b, path=""):
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(set(a) | set(b)):
            if key not in a or key not in b:
                yield f"{path}.{key} is told by one alone"
            else:
                yield from differences(a[key], b[key], f"{path}.{key}")
    elif isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            yield f"{path} has {len(a)} and {len(b)} entries"
        for i, (x, y) in enumerate(zip(a, b)):
            yield from differences(x, y, f"{path}[{i}]")
    elif not close(a, b):
        yield f"{path}: {a!r} and {b!r}"


def of_http(result):
    """The words of HTTP's documented answer -> those of the others."""
    answers = [{key: answer[key] for key in ("label", "score", "cosine", "logit", "group") if answer.get(key) not in (None, "")}
               for answer in result["answers"]]
    return {"name": result["head"], "kind": result["kind"], "verdict": result["verdict"], "answers": answers,
            "groups": result["groups"]}


def main():
    program, source, modules = sys.argv[1:4]
    node = shutil.which("node")
    wasm = node and os.path.exists(os.path.join(modules, "whatsit.wasm"))
    with Room(program, source) as room:
        list_path = os.path.join(room.path, "share", "heads", "grouped.txt")
        with open(list_path, "w", encoding="utf-8") as file:
            file.write(LIST)
        ask = room.serve().client().call
        wrong = 0
        for seed in range(6):
            picture, pixels = os.path.join(room.path, "p.png"), os.path.join(room.path, "p.safetensors")
            with open(picture, "wb") as file:
                file.write(tiny_model.png(60, 45, seed))
            command = json.loads(room.run(picture, "--as", "grouped", "--model", room.model, "--json", "--top", "99"))["heads"][0]
            with open(picture, "rb") as file:
                told = ask("POST", "/v1/classify?head=grouped&explain=1&top=99", file.read(), expect=200).json["results"][0]
            others = {"HTTP": of_http(told)}
            if wasm:
                room.run("preprocess", picture, "--model", room.model, "--force", "-o", pixels)
                with open(pixels, "rb") as file:
                    data = file.read()
                raw = os.path.join(room.path, "p.raw")
                with open(raw, "wb") as file:
                    file.write(data[8 + struct.unpack("<Q", data[:8])[0]:])
                done = subprocess.run([node, "--no-warnings", os.path.join(source, "tests", "cross", "answers.mjs"), modules,
                                       room.model, list_path, raw], capture_output=True, text=True, check=True)
                others["WebAssembly"] = {**json.loads(done.stdout), "name": "grouped"}
            for name, answer in others.items():
                for difference in differences(command, answer):
                    print(f"picture {seed}: command line and {name}: {difference}")
                    wrong += 1
        assert command["groups"] and any("group" in answer for answer in command["answers"])
    print(f"{wrong} differences" if wrong else "the same answers" + ("" if wasm else "; WebAssembly was not asked"))
    return 1 if wrong else 0 if wasm else SKIPPED


if __name__ == "__main__":
    sys.exit(main())
