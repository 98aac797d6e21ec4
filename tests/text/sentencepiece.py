"""Ids against SentencePiece itself, where Debian's package `sentencepiece` is installed.

    python3 sentencepiece.py WHATSIT SOURCE_DIR

Our two small models, and texts of random pieces: markers and cuts are left aside, everything between is compared.
"""
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

SKIPPED = 77


def texts(source):
    rows = [json.loads(line)["text"] for line in open(os.path.join(source, "tests/text/data/unigram/tokens.jsonl"))]
    draw = random.Random(7)
    signs = "abc deT. ,x0123Zé ßœαΩжщ漢字かな한글 ​😀ﬁＡｂ\xa0▁"
    for _ in range(1500):
        a, b = draw.choice(rows), draw.choice(rows)
        rows.append(a[:draw.randrange(len(a) + 1)] + "".join(draw.choice(signs) for _ in range(draw.randrange(9))) +
                    b[draw.randrange(len(b) + 1):])
    # spm_encode reads lines; a piece such as <b> or "\n" is cut out by its users, not by itself.
    keep = [t for t in rows if len(t) < 200 and not any(c in t for c in "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029\0<")]
    return keep


def theirs(model, rows):
    done = subprocess.run(["spm_encode", f"--model={model}", "--output_format=id"], input="\n".join(rows) + "\n",
                          capture_output=True, check=True, text=True)
    return [[int(i) for i in line.split()] for line in done.stdout.split("\n")[:len(rows)]]


def ours(program, folder, rows):
    lines = "".join(json.dumps({"text": t}) + "\n" for t in rows)
    done = subprocess.run([program, "tokenize", "--tokenizer", folder, "--jsonl"], input=lines.encode(),
                          capture_output=True, check=True)
    return [json.loads(line)["ids"][:-1] for line in done.stdout.decode().splitlines()]


def compare(program, model, config, rows):
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(model, folder)
        with open(os.path.join(folder, "tokenizer_config.json"), "w") as f:
            json.dump({**config, "model_max_length": 4096}, f)
        mine, reference = ours(program, folder, rows), theirs(model, rows)
    wrong = [(t, r, m) for t, r, m in zip(rows, reference, mine) if r != m]
    print(f"{os.path.basename(model)}: {len(rows) - len(wrong)} of {len(rows)} texts equal")
    for t, r, m in wrong[:5]:
        print(f"  {t!r}\n    SentencePiece {r}\n    whatsit       {m}")
    return not wrong and len(mine) == len(rows) > 500


def main():
    program, source = sys.argv[1:3]
    if not shutil.which("spm_encode"):
        print("spm_encode (package sentencepiece) is not installed: not compared")
        return SKIPPED
    rows, data = texts(source), os.path.join(source, "tests/text/data")
    good = compare(program, os.path.join(data, "unigram/spiece.model"), {"tokenizer_class": "T5Tokenizer"}, rows)
    good &= compare(program, os.path.join(data, "pairs/tokenizer.model"), {"do_lower_case": False}, rows)
    return 0 if good else 1


sys.exit(main())
