#!/usr/bin/env python3
"""Runs the examples of this folder on one machine with two workers, kills one of them in the middle with SIGKILL, and
compares what comes out with one process that nobody disturbed, bit for bit.

    kill_test.py FOLDER [dask|shard ...]        (default: all whose packages are here)

FOLDER holds pictures (five thousand and more take a minute or two each). An engine whose packages are missing is
said to be skipped."""
import functools
import importlib.util
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import numpy as np
import whatsit

HERE = Path(__file__).resolve().parent
print = functools.partial(print, flush=True)
ENGINES = {  # name -> packages, script, words after FOLDER OUT
    "dask": (["dask", "distributed"], "dask_embed.py", ["2"]),
    "shard": ([], "shard.sh", []),
}


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def worker_of(mark, least_s, not_these):
    """A process of this run that has encoded for so long, and is not the driver."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) in not_these:
            continue
        try:
            if mark in (folder / "environ").read_bytes() and b"libwhatsit" in (folder / "maps").read_bytes():
                if cpu_seconds(folder.name) >= least_s:
                    return int(folder.name)
        except OSError:
            pass  # it ended meanwhile
    return None


def run_and_kill(words, env, after_s):
    mark = uuid.uuid4().hex
    run = subprocess.Popen(words, env={**env, "WHATSIT_KILL_TEST": mark}, stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE, text=True)
    killed = None
    while run.poll() is None and killed is None:
        time.sleep(0.1)
        killed = worker_of(mark.encode(), after_s, {run.pid, os.getpid()})
        if killed:
            os.kill(killed, signal.SIGKILL)
    said = run.communicate()[1]
    return run.returncode, killed, said


def run_shards(folder, out, env, after_s):
    """Two shards at once, as an array of two would have them; one is killed and started again."""
    listed = out.parent / "list.txt"
    listed.write_text("".join(f"{path}\n" for path in pictures(folder)))
    words = [str(HERE / "shard.sh"), str(listed), str(out), "--part-size", "250", "--threads", "1"]
    env = {**env, "SHARDS": "2"}
    other = subprocess.Popen(words, env={**env, "SHARD": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    first = subprocess.Popen(words, env={**env, "SHARD": "0"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             start_new_session=True)
    time.sleep(after_s)
    os.killpg(first.pid, signal.SIGKILL)
    killed = first.wait() == -signal.SIGKILL
    again = subprocess.run(words, env={**env, "SHARD": "0"}, capture_output=True, text=True)
    return other.wait() or again.returncode, killed and first.pid, again.stderr


def pictures(folder):
    return sorted(str(path) for path in Path(folder).rglob("*") if path.is_file())


def rows_of_parts(out):
    found = {}
    for path in sorted((out / "img_emb").glob("*.npy")):
        lines = (out / "metadata" / path.name.replace("img_emb", "metadata").replace(".npy", ".jsonl")).read_text()
        for line, row in zip(lines.splitlines(), np.load(path)):
            found[json.loads(line)["image_path"]] = row
    return found


def main():
    folder, wanted = sys.argv[1], sys.argv[2:] or list(ENGINES)
    paths = pictures(folder)
    begin, used = time.time(), resource.getrusage(resource.RUSAGE_SELF)
    model = whatsit.Model()
    rows = model.embed_images(paths, errors="nan")
    now = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    want = {path: row for path, row in zip(paths, rows) if not np.isnan(row[0])}
    print(f"one process: {len(paths)} pictures, {len(want)} rows, {time.time() - begin:.0f} s, {cpu_s:.0f} s of cores")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    env.setdefault("WHATSIT", str(HERE.parents[1] / "build" / "whatsit"))
    failed = False
    for name in wanted:
        packages, script, words = ENGINES[name]
        missing = [package for package in packages if not importlib.util.find_spec(package)]
        if missing:
            print(f"{name}: skipped, there is no {missing[0]}")
            continue
        room = Path(tempfile.mkdtemp(prefix="whatsit-kill-"))
        out, begin, before = room / "out", time.time(), resource.getrusage(resource.RUSAGE_CHILDREN)
        after_s = max(0.2, cpu_s / 8)
        if name == "shard":
            code, killed, said = run_shards(folder, out, env, after_s)
        else:
            code, killed, said = run_and_kill([sys.executable, str(HERE / script), folder, str(out), *words], env, after_s)
        took = time.time() - begin
        found = {} if code else rows_of_parts(out)
        same = found.keys() == want.keys() and all(np.array_equal(found[path], want[path]) for path in want)
        good = code == 0 and killed and same
        failed = failed or not good
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cores = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(f"{name}: {'equal' if good else 'NOT EQUAL'}: {len(found)} rows, {took:.0f} s"
              f"{f', {cores:.0f} s of cores' if cores > 1 else ''}, "
              f"{'one worker killed' if killed else 'nobody was killed'}{'' if code == 0 else f', exit status {code}'}")
        if not good:
            print(said[-3000:])
        shutil.rmtree(room)
    return failed


if __name__ == "__main__":
    sys.exit(main())
