"""The manual page and the help agree with the program: PROGRAM SOURCE_DIR

Every example in the help of every verb must be read by the program's own command line: it may fail because
its files are not here (1), but never as wrong usage (2). Every option in the manual page is in some help.
"""
import os
import re
import shlex
import subprocess
import sys
import tempfile

# What starts no other programs, asks no network and writes nothing.
NETWORK = re.compile(r"curl|whatsit pull")


def run(program, words, home):
    return subprocess.run([program, *words], capture_output=True, text=True, cwd=home, stdin=subprocess.DEVNULL,
                          env={**os.environ, "HOME": home, "WHATSIT_SHARE": home, "WHATSIT_MODEL": "nothing",
                               "LC_ALL": "C.UTF-8"}, timeout=120)


def verbs(manual):
    for line in re.findall(r'^\.SS "whatsit(.*)"$', manual, flags=re.M):
        yield re.sub(r"\s+[A-Z\[].*$", "", line).split()


def main():
    program = sys.argv[1]
    problems, n = [], 0
    with tempfile.TemporaryDirectory() as home:
        manual = run(program, ["help", "--man"], home).stdout
        shown = ""
        for verb in verbs(manual):
            help_text = run(program, [*verb, "--help"], home)
            shown += help_text.stdout
            if help_text.returncode != 0 or "Usage: whatsit" not in help_text.stdout:
                problems.append(f"whatsit {' '.join(verb)} --help: exit status {help_text.returncode}")
            examples = help_text.stdout.split("\nExamples:\n")[-1] if "\nExamples:\n" in help_text.stdout else ""
            for command in re.findall(r"^  (whatsit .*)$", examples, flags=re.M):
                if NETWORK.search(command):
                    continue
                words = shlex.split(re.split(r" [|>]", command)[0])[1:]
                result = run(program, words, home)
                n += 1
                if result.returncode not in (0, 1):
                    problems.append(f"{command}: exit status {result.returncode}: {result.stderr.strip()}")
        for option in set(re.findall(r"^(?:.*, )?\\fB\\-\\-([a-z\\-]+)\\fR", manual, flags=re.M)):
            if "--" + option.replace("\\-", "-") not in shown:
                problems.append(f"--{option} is in the manual page only")
    print("\n".join(problems) if problems else f"{n} examples of the manual page are understood")
    return 1 if problems or n < 5 else 0


if __name__ == "__main__":
    sys.exit(main())
