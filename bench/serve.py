#!/usr/bin/env python3
"""The figures of docs/SERVER.md: a server of its own on a free port of this machine, measured from outside.

    bench/serve.py PROGRAM BENCH_SERVE MODEL PHOTO [--rounds N] [--seconds S] [--connections N] [--soak S] [--compare N,N,...]

BENCH_SERVE is the program of bench/bench_serve.c. Prints JSON lines; checks nothing. --soak: only S seconds of load,
and the server's memory while it lasts. --compare: only so many connections each, in turns; what a request costs whom,
which says something on a machine with other work, too."""
import argparse
import http.client
import json
import os
import re
import resource
import socket
import statistics
import subprocess
import tempfile
import time

N_SLOW = 1000


def say(name, **figures):
    print(json.dumps({"bench": name, **figures}), flush=True)


def family(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [pid] + [p for child in file.read().split() for p in family(int(child))]


def processor_s(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def resident_mb(pid, what="VmRSS"):
    with open(f"/proc/{pid}/status") as file:
        return round(int(re.search(what + r":\s+(\d+)", file.read()).group(1)) / 1024, 1)


class Server:
    def __init__(self, options, folder):
        self.process = subprocess.Popen(
            [options.program, "serve", "--listen", "127.0.0.1:0", "--db", os.path.join(folder, "store.db"), "--model",
             options.model, "--idle", "5", "--timeout", "60"], stderr=subprocess.PIPE, text=True)
        self.port = int(re.search(r":(\d+) ", self.process.stderr.readline()).group(1))
        self.pids = family(self.process.pid)

    def ask(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {data[:200]}")
        return data

    def counters(self):
        text = self.ask("GET", "/metrics").decode()
        return [float(re.search(rf"^whatsit_{name}{{.*}} (\S+)", text, re.M).group(1))
                for name in ("batches_total", "images_total", "encode_seconds_total")]


def load(options, server, *more):
    return subprocess.Popen([options.bench_serve, options.model, options.photo, str(server.port), "--connections",
                             str(options.connections), *more], stdout=subprocess.PIPE, text=True)


def beside(options, server):
    for line in load(options, server, "--rounds", str(options.rounds), "--seconds", str(options.seconds)).stdout:
        print(line, end="", flush=True)


def processor_time(options, server):
    """What one request costs, and of what."""
    before, used, own = server.counters(), processor_s(server.pids), processor_s(server.pids[:1])
    start = time.monotonic()
    load(options, server, "--load", str(2 * options.seconds)).communicate()
    wall = time.monotonic() - start
    used, own = processor_s(server.pids) - used, processor_s(server.pids[:1]) - own
    batches, images, encoding = (b - a for a, b in zip(before, server.counters()))
    say("cost", ms_a_request=round(used / images * 1e3, 2), decoding_ms=round((used - own) / images * 1e3, 2),
        batch=round(images / batches, 1), encoder_busy=round(encoding / wall / os.cpu_count(), 3))


def switches(pid):
    """How often the threads of a process have left a core, by themselves and not."""
    counts = [0, 0]
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{thread}/status") as file:
                found = re.findall(r"voluntary_ctxt_switches:\s+(\d+)", file.read())
        except OSError:  # it has ended meanwhile
            continue
        counts = [a + int(b) for a, b in zip(counts, found)]
    return counts


def is_idle(server):
    text = server.ask("GET", "/metrics").decode()
    return all(float(re.search(rf"^whatsit_requests_{name} (\S+)", text, re.M).group(1)) == 0 for name in ("waiting", "running"))


def one_load(options, server, n):
    while not is_idle(server):  # the last load's requests, which nobody waits for any more
        time.sleep(0.1)
    before, own, used = server.counters(), processor_s(server.pids[:1]), processor_s(server.pids)
    left, client = switches(server.process.pid), resource.getrusage(resource.RUSAGE_CHILDREN)
    said = json.loads(subprocess.run([options.bench_serve, options.model, options.photo, str(server.port), "--connections",
                                      str(n), "--load", str(options.seconds)], check=True, capture_output=True, text=True).stdout)
    client = [b - a for a, b in zip(client[:2], resource.getrusage(resource.RUSAGE_CHILDREN)[:2])]
    own, used = processor_s(server.pids[:1]) - own, processor_s(server.pids) - used
    batches, images, _ = (b - a for a, b in zip(before, server.counters()))
    left = [b - a for a, b in zip(left, switches(server.process.pid))]
    return {**{k: v for k, v in said.items() if isinstance(v, (int, float))}, "server_ms": own / images * 1e3,
            "decoding_ms": (used - own) / images * 1e3, "client_ms": sum(client) / images * 1e3, "batch": images / batches,
            "left_a_core": left[0] / images, "lost_a_core": left[1] / images}


def compare(options, server):
    wanted = [int(n) for n in options.compare.split(",")]
    rows = {n: [] for n in wanted}
    one_load(options, server, wanted[0])
    for _ in range(options.rounds):
        for n in wanted:
            rows[n].append(one_load(options, server, n))
    for n in wanted:
        say("connections", n=n, **{k: round(statistics.median(row[k] for row in rows[n]), 2) for k in rows[n][0]})


def head_of_30(server):
    times = []
    for i in range(5):
        body = json.dumps({"name": f"h{i}", "labels": [f"a thing with number {i * 30 + j}" for j in range(30)]})
        start = time.monotonic()
        server.ask("POST", "/v1/heads", body, {"Content-Type": "application/json"})
        times.append(time.monotonic() - start)
    say("head of 30 labels", first_s=round(times[0], 3), median_s=round(statistics.median(times), 3))


def slow_clients(server):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    begun = (b"", b"GET /v1/models HTTP/1.1\r\nHost: x\r\n", b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Le",
             b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nabc")
    sockets, times = [], []
    for i in range(N_SLOW):
        sockets.append(socket.create_connection(("127.0.0.1", server.port)))
        sockets[-1].sendall(begun[i % len(begun)])
    for _ in range(100):
        start = time.monotonic()
        server.ask("GET", "/healthz")
        times.append((time.monotonic() - start) * 1e3)
    for sock in sockets:
        sock.close()
    say("healthz", slow_connections=N_SLOW, median_ms=round(statistics.median(times), 2), most_ms=round(max(times), 2))


def memory(server):
    busy = resident_mb(server.process.pid)
    time.sleep(9)
    say("memory", busy_mb=busy, idle_mb=resident_mb(server.process.pid),
        decoders_mb=[resident_mb(pid) for pid in server.pids[2:]])


def soak(options, server):
    client = load(options, server, "--load", str(options.soak))
    start, last = time.monotonic(), None
    while client.poll() is None:
        time.sleep(1)
        minute = int(time.monotonic() - start) // 60
        if minute != last:
            last = minute
            say("resident", minute=minute, server_mb=resident_mb(server.process.pid),
                decoders_mb=[resident_mb(pid) for pid in server.pids[2:]])
    say("resident", minute=round((time.monotonic() - start) / 60, 1), server_mb=resident_mb(server.process.pid),
        decoders_mb=[resident_mb(pid) for pid in server.pids[2:]])
    print(client.stdout.read(), end="", flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("program", "bench_serve", "model", "photo"):
        arguments.add_argument(name)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--seconds", type=float, default=5)
    arguments.add_argument("--connections", type=int, default=16)
    arguments.add_argument("--soak", type=int)
    arguments.add_argument("--compare")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="whatsit-serve-") as folder:
        server = Server(options, folder)
        try:
            if options.soak:
                soak(options, server)
            elif options.compare:
                compare(options, server)
            else:
                beside(options, server)
                processor_time(options, server)
                head_of_30(server)
                memory(server)
                slow_clients(server)
        finally:
            server.process.terminate()
            server.process.wait()


if __name__ == "__main__":
    main()
