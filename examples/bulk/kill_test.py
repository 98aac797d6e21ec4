#!/usr/bin/env python3
"""Runs the examples of this folder on one machine with two workers, kills one of them in the middle with SIGKILL, and
compares what comes out with one process that nobody disturbed, bit for bit.

    kill_test.py FOLDER [ray|spark|spark-udf|dask|shard ...]        (default: all whose packages are here)

FOLDER holds pictures (five thousand and more take a minute or two each). An engine whose packages are missing is
said to be skipped. WHATSIT: the program, for shard.sh (default: the one of this checkout's build folder)."""
import argparse
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
from urllib.parse import unquote, urlparse

import numpy as np
import whatsit

HERE = Path(__file__).resolve().parent
TRIES = 3  # a run that ended before a worker was killed, or could not begin on a busy machine, has shown nothing, and is done again
print = functools.partial(print, flush=True)
ENGINES = {  # name -> packages, programs, words: script, then those after FOLDER OUT WORKERS; whether it writes parts
    "ray": (["ray", "pyarrow"], [], ["ray_embed.py"], False),
    "spark": (["pyspark", "pandas", "pyarrow"], ["java"], ["spark_embed.py"], False),
    "spark-udf": (["pyspark", "pandas", "pyarrow"], ["java"], ["spark_embed.py", "--udf"], False),
    "dask": (["dask", "distributed"], [], ["dask_embed.py"], True),
    "shard": ([], [], ["shard.sh"], True),
}


def missing(engine):
    packages, programs = ENGINES[engine][:2]
    return [p for p in packages if not importlib.util.find_spec(p)] + [p for p in programs if not shutil.which(p)]


def environment():
    """For the engines' processes: this Python, and the whatsit that was imported here."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "PYSPARK_PYTHON": sys.executable,
           "PYSPARK_DRIVER_PYTHON": sys.executable}
    env.setdefault("RAY_raylet_start_wait_time_s", "300")  # on a busy machine
    env.setdefault("WHATSIT", str(HERE.parents[1] / "build" / "whatsit"))
    return env


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def workers_of(mark, not_these):
    """The processes of this run that have the library open, and the seconds of a core that each has used."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) in not_these:
            continue
        try:
            if mark in (folder / "environ").read_bytes() and b"libwhatsit" in (folder / "maps").read_bytes():
                found[int(folder.name)] = cpu_seconds(folder.name)
        except OSError:
            pass  # it ended meanwhile
    return found


def run_and_kill(words, env, after_s):
    """Kills the first worker that has used so many seconds of a core since it opened the library."""
    mark, killed, first_seen = uuid.uuid4().hex, None, {}
    run = subprocess.Popen(words, env={**env, "WHATSIT_KILL_TEST": mark}, stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE, text=True)
    while run.poll() is None and killed is None:
        time.sleep(0.05)
        for pid, used in workers_of(mark.encode(), {run.pid, os.getpid()}).items():
            if used - first_seen.setdefault(pid, used) >= after_s:
                os.kill(pid, signal.SIGKILL)
                killed = pid
                break
    said = run.communicate()[1]
    return run.returncode, killed, said


def write_list(folder, out):
    listed = out.parent / "list.txt"
    listed.write_text("".join(f"{path}\n" for path in pictures(folder)))
    return listed


def run_shards(folder, out, env, n_shards=2, kill=True):
    """All shards at once, as an array would have them; one is killed when its first part is there, and started again."""
    listed = write_list(folder, out)
    part_size = max(1, min(250, len(pictures(folder)) // 12))
    words = [str(HERE / "shard.sh"), str(listed), str(out), "--part-size", str(part_size), "--threads", "1"]
    env = {**env, "SHARDS": str(n_shards)}
    runs = [subprocess.Popen(words, env={**env, "SHARD": str(shard)}, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True, start_new_session=True) for shard in range(n_shards)]
    killed = None
    while kill and runs[0].poll() is None and killed is None:
        time.sleep(0.01)
        if (out / "manifest" / "manifest_0000.json").exists():
            os.killpg(runs[0].pid, signal.SIGKILL)
            killed = runs[0].pid
    said = [run.communicate()[1] for run in runs]
    if killed:
        killed = runs[0].returncode == -signal.SIGKILL and killed
        runs[0] = subprocess.Popen(words, env={**env, "SHARD": "0"}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   text=True)
        said.append(runs[0].communicate()[1])
    return max(abs(run.returncode) for run in runs), killed, "".join(said)


def run_engine(engine, folder, out, env, workers=2, after_s=None):
    """Exit status, the killed process, what went to stderr; after_s=None: nobody is killed."""
    script, *words = ENGINES[engine][2]
    if engine == "shard":
        return run_shards(folder, out, env, workers, after_s is not None)
    return run_and_kill([sys.executable, str(HERE / script), str(folder), str(out), str(workers), *words], env,
                        float("inf") if after_s is None else after_s)


def pictures(folder):
    return sorted(str(path) for path in Path(folder).rglob("*") if path.is_file())


def rows_of_parts(out):
    found = {}
    for path in sorted((out / "img_emb").glob("*.npy")):
        lines = (out / "metadata" / path.name.replace("img_emb", "metadata").replace(".npy", ".jsonl")).read_text()
        for line, row in zip(lines.splitlines(), np.load(path)):
            found[json.loads(line)["image_path"]] = row
    return found


def rows_of_parquet(out):
    import pyarrow.parquet as pq

    table, found = pq.read_table(out, columns=["path", "embedding"]), {}
    for path, row in zip(table["path"].to_pylist(), table["embedding"].to_pylist()):
        name = unquote(urlparse(path).path) if path.startswith("file:") else path
        row = np.asarray(row, np.float32)
        if name in found:
            raise SystemExit(f"{name} came out twice")
        if not np.isnan(row).any():
            found[name] = row
    return found


def by_one_process(folder):
    """What should come out: path -> row, and the seconds of a core that it took."""
    paths, used = pictures(folder), resource.getrusage(resource.RUSAGE_SELF)
    rows = whatsit.Model().embed_images(paths, errors="nan")
    now = resource.getrusage(resource.RUSAGE_SELF)
    return ({path: row for path, row in zip(paths, rows) if not np.isnan(row[0])},
            now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime)


def try_once(engine, folder, want, env, after_s):
    """What the run did, as a dict."""
    with tempfile.TemporaryDirectory(prefix="whatsit-kill-") as room:
        out, begin, before = Path(room) / "out", time.time(), resource.getrusage(resource.RUSAGE_CHILDREN)
        code, killed, said = run_engine(engine, folder, out, env, after_s=after_s)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found = {} if code else rows_of_parts(out) if ENGINES[engine][3] else rows_of_parquet(out)
        same = found.keys() == want.keys() and all(np.array_equal(found[path], want[path]) for path in want)
        return {"engine": engine, "rows": len(found), "equal": same, "killed": bool(killed), "exit": code,
                "seconds": round(time.time() - begin, 1), "said": said[-3000:],
                "core_seconds": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder")
    parser.add_argument("engines", nargs="*", metavar="ENGINE", help=", ".join(ENGINES))
    args = parser.parse_args()
    unknown = [name for name in args.engines if name not in ENGINES]
    if unknown:
        parser.error(f"'{unknown[0]}' is none of {', '.join(ENGINES)}")
    want, cpu_s = by_one_process(args.folder)
    print(f"one process: {len(pictures(args.folder))} pictures, {len(want)} rows, {cpu_s:.1f} s of cores")
    failed = False
    for name in args.engines or ENGINES:
        if missing(name):
            print(f"{name}: skipped, there is no {missing(name)[0]}")
            continue
        for _ in range(TRIES):
            result = try_once(name, args.folder, want, environment(), cpu_s / 8)
            if result["killed"]:
                break
        good = result["equal"] and result["killed"] and not result["exit"]
        failed = failed or not good
        print(f"{name}: {'equal' if good else 'FAILED'}: {result['rows']} rows, {result['seconds']:.0f} s, "
              f"{'one worker killed' if result['killed'] else 'nobody was killed'}, exit status {result['exit']}")
        if not good:
            print(result["said"])
    return failed


if __name__ == "__main__":
    sys.exit(main())
