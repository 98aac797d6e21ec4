"""Runs the examples of a paper: PROGRAM SOURCE_DIR PAPER [--update]

In every block that is marked ```console, a line `$ command` is run by sh in the source folder, with a home
of its own, and must succeed and print the lines that follow (both streams). Numbers may differ a little,
times altogether. Blocks marked otherwise are not run. --update writes what was printed into the paper.
"""
import os
import re
import subprocess
import sys
import tempfile

SKIPPED = 77
NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
TIMES = re.compile(r'"ms":\{[^}]*\}')
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.M | re.S)


def run(command, environment, source):
    result = subprocess.run(["sh", "-c", command], cwd=source, env=environment, text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return result.returncode, result.stdout


def close(printed, expected):
    """The same words, and numbers within 0.5 or 2 % of each other."""
    printed, expected = TIMES.sub("", printed.rstrip()), TIMES.sub("", expected.rstrip())
    if re.sub(r" +", " ", NUMBER.sub("#", printed)) != re.sub(r" +", " ", NUMBER.sub("#", expected)):
        return False
    pairs = zip(map(float, NUMBER.findall(printed)), map(float, NUMBER.findall(expected)))
    return all(abs(a - b) <= max(0.5, 0.02 * abs(b)) for a, b in pairs)


def examples(block):
    """(command, expected output) pairs; a command goes on in the next line after a backslash."""
    for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
        match = re.match(r"((?:.*\\\n)*.*\n)", part)
        yield match.group(1), part[match.end():]


def main():
    program, source, paper = sys.argv[1:4]
    path = os.path.join(source, paper)
    text = open(path, encoding="utf-8").read()
    if not any(os.path.exists(os.path.join(source, "models", name))
               for name in ("whatsit-nano.gguf", "whatsit-nano")):
        print(f"{paper}: the default model is not here, so its examples were not run")
        return SKIPPED
    n, wrong = 0, 0
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "HOME": home, "TMPDIR": home, "LC_ALL": "C.UTF-8",
                       "WHATSIT_SHARE": source,
                       "PATH": os.path.dirname(program) + ":" + os.environ["PATH"]}
        for name in ("WHATSIT_MODEL", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
            environment.pop(name, None)

        def again(match):
            nonlocal n, wrong
            block = ""
            for command, expected in examples(match.group(1)):
                status, printed = run(command, environment, source)
                n += 1
                block += "$ " + command + printed
                if status != 0 or not close(printed, expected):
                    wrong += 1
                    print(f"--- $ {command}exit status {status}, printed:\n{printed}"
                          f"--- the paper says:\n{expected}")
            return f"```console\n{block}```"

        new = BLOCK.sub(again, text)
    if "--update" in sys.argv:
        with open(path, "w", encoding="utf-8") as file:
            file.write(new)
    print(f"{paper}: {n} examples, {wrong} differ")
    return 1 if n == 0 or (wrong and "--update" not in sys.argv) else 0


if __name__ == "__main__":
    sys.exit(main())
