"""The figures of docs/SERVER.md: measure.py PROGRAM MODEL PHOTO [SECONDS]. Needs wrk. Checks nothing."""
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

SCRIPT = """wrk.method = "POST"
local file = io.open("%s", "rb")
wrk.body = file:read("*a")
file:close()
"""


def family(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [pid] + [p for child in file.read().split() for p in family(int(child))]


def processor_seconds(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def resident_mb(pid):
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1)) // 1024


def counters(port):
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
    return [float(re.search(rf"^whatsit_{name}{{.*}} (\S+)", text, re.M).group(1))
            for name in ("batches_total", "images_total", "encode_seconds_total")]


def load(port, script, seconds):
    return subprocess.run(["wrk", "-t1", "-c16", f"-d{seconds}s", "--timeout", "20s", "--latency", "-s", script,
                           f"http://127.0.0.1:{port}/v1/classify?labels=cat,dog,fox"], capture_output=True, text=True,
                          check=True).stdout


def main():
    program, model, photo = sys.argv[1:4]
    seconds = int(sys.argv[4]) if len(sys.argv) > 4 else 15
    with tempfile.TemporaryDirectory() as folder:
        script = os.path.join(folder, "post.lua")
        with open(script, "w") as file:
            file.write(SCRIPT % os.path.abspath(photo))
        process = subprocess.Popen([program, "serve", "--listen", "127.0.0.1:0", "--db", os.path.join(folder, "store.db"),
                                    "--model", model, "--idle", "5"], stderr=subprocess.PIPE, text=True)
        port = int(re.search(r":(\d+) ", process.stderr.readline()).group(1))
        load(port, script, 2)
        pids, start = family(process.pid), time.monotonic()
        before, used, own = counters(port), processor_seconds(pids), processor_seconds(pids[:1])
        said = load(port, script, seconds)
        wall, after = time.monotonic() - start, counters(port)
        used, own = processor_seconds(pids) - used, processor_seconds(pids[:1]) - own
        batches, images, encoding = (b - a for a, b in zip(before, after))
        print(f"{images / wall:.1f} requests/s in batches of {images / batches:.1f}; encoder busy {encoding / wall:.0%}")
        print(f"{used / images * 1e3:.1f} ms of processor time a request, decoding {(used - own) / images * 1e3:.1f}")
        print(", ".join(re.findall(r"(?:50|99)%\s+\S+|Non-2xx.*|Socket errors.*", said)))
        busy = resident_mb(process.pid)
        time.sleep(8)
        print(f"{busy} MB busy, {resident_mb(process.pid)} MB idle, {resident_mb(pids[2])} MB each decoding process")
        process.terminate()
        process.wait()


main()
