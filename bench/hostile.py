#!/usr/bin/env python3
"""What one abusive client costs the others: a server of its own on a free port of this machine, good clients that ask it
steadily, and in turn nobody else, or one address that does the worst that its limits allow.

    bench/hostile.py PROGRAM MODEL PHOTO [--rounds N] [--seconds S] [--kinds A,B]

tests/server/test_mixed.py sends all of it at once, mixed.

Each turn of abuse stands between two quiet turns, so that what else the machine does meanwhile falls on both. Prints JSON
lines: for each kind of abuse the good clients' median and 99th percentile, their ratios to those of the quiet turns, and
the median and the range of the rounds' own ratios. Loses nothing: every good request must be answered with 200, or it
says so. For one kind, as often as it takes on a machine that does nothing else:

    bench/hostile.py build/whatsit models/whatsit-nano.gguf samples/sports-car.jpg --kinds heads --rounds 10 --seconds 11"""
import argparse
import http.client
import json
import multiprocessing
import os
import random
import re
import socket
import struct
import subprocess
import tempfile
import threading
import time
import zlib

ABUSER = "203.0.113.66"  # each process of abuse may have another
KEY = None  # of the one who has a key
GOOD_A_SECOND = 10


def say(name, **figures):
    print(json.dumps({"bench": name, **figures}), flush=True)


def png_of(width, height):
    rows = (b"\0" + b"\x40\x80\xc0" * width) * height
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


PICTURES = {}  # made once, and not by those who send them


def picture(side):
    if side not in PICTURES:
        PICTURES[side] = png_of(side, side)
    return PICTURES[side]


def post(port, path, body, address=None, timeout=120, kind=None, key=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    headers = {"X-Forwarded-For": address or ABUSER, **({"Content-Type": kind} if kind else {}),
               **({"Authorization": "Bearer " + key} if key else {})}
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def head(path, length, *more):
    return ("\r\n".join([f"POST {path} HTTP/1.1", "Host: localhost", f"X-Forwarded-For: {ABUSER}", f"Content-Length: {length}",
                         *more]) + "\r\n\r\n").encode()


def abuse(kind, port, until, address=ABUSER, key=None):
    """In a process of its own, which stands for another machine: it takes no core from those who are measured. Goes on
    while the server is away."""
    global ABUSER, KEY
    ABUSER, KEY = address, key
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    while time.monotonic() < until:
        try:
            KINDS[kind](port, until)
        except (OSError, http.client.HTTPException):
            time.sleep(0.1)


def slow_pictures(port, until):
    big = picture(7000)
    while time.monotonic() < until:
        post(port, "/v1/classify?labels=a,b", big)


def medium_pictures(port, until):
    """Each just cheap enough to be decoded beside everybody's."""
    big = picture(3800)
    while time.monotonic() < until:
        post(port, "/v1/classify?labels=a,b", big)


def left_behind(port, until):
    big = picture(7000)
    while time.monotonic() < until:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(head("/v1/classify?labels=a,b", len(big)) + big)
            time.sleep(0.1)


def words(port, until):
    n = 0
    while time.monotonic() < until:
        n += 1
        labels = [f"a rather long label with number {n * 2000 + i}" for i in range(2000)]
        post(port, "/v1/classify", json.dumps({"image": "aGVsbG8=", "labels": labels}), kind="application/json")


def heads(port, until):
    n = 0
    while time.monotonic() < until:
        n += 1
        labels = [f"label {n} {i}" for i in range(8000)]
        post(port, "/v1/heads", json.dumps({"name": f"h{n % 8}", "labels": labels, "replace": True}), kind="application/json")
        time.sleep(0.2)


def garbage_keys(port, until):
    while time.monotonic() < until:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 203.0.113.66\r\n"
                         b"Authorization: Bearer wk_\xff_x\r\n\r\n")
            sock.recv(4096)
        time.sleep(0.01)


def connections(port, until):
    socks = []
    while time.monotonic() < until:
        try:
            socks.append(socket.create_connection(("127.0.0.1", port), timeout=2))
        except OSError:
            pass
        if len(socks) > 1000:
            socks.pop(0).close()
        time.sleep(0.002)


def bodies(port, until):
    socks = []
    while time.monotonic() < until:
        try:
            sock = socket.create_connection(("127.0.0.1", port), timeout=2)
            sock.sendall(head("/v1/classify?labels=a,b", 19 << 20) + b"\xff\xd8\xff" + bytes(60000))
            socks.append(sock)
        except OSError:
            pass
        time.sleep(0.1)


def many_pictures(port, until):
    """With a key whose plan sets no rate: as many small pictures as it can."""
    small = picture(300)
    while time.monotonic() < until:
        post(port, "/v1/classify?labels=a,b", small, key=KEY)


def broken_pictures(port, until):
    source, whole = random.Random(1), picture(300)
    while time.monotonic() < until:
        broken = bytearray(whole)
        for _ in range(source.randrange(1, 20)):
            broken[source.randrange(len(broken))] = source.randrange(256)
        post(port, "/v1/classify?labels=a,b", bytes(broken[:source.randrange(1, len(broken))]))


def no_http(port, until):
    source = random.Random(1)
    begins = (b"", b"GET / HTTP/1.1\r\n", b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", b"\x16\x03\x01")
    while time.monotonic() < until:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as sock:
            sock.sendall(source.choice(begins) + source.randbytes(source.randrange(400)))
        time.sleep(0.01)


def drips(port, until):
    """A hundred requests that come byte by byte."""
    socks = [socket.create_connection(("127.0.0.1", port), timeout=2) for _ in range(100)]
    for sock in socks:
        sock.sendall(head("/v1/classify?labels=a,b", 100))
    while time.monotonic() < until:
        for sock in socks:
            sock.sendall(b"x")
        time.sleep(0.5)


KINDS = {f.__name__: f for f in (slow_pictures, medium_pictures, left_behind, words, heads, garbage_keys, connections,
                                    bodies, many_pictures, broken_pictures, no_http, drips)}


def good(port, photo, seconds, statuses):
    """Latencies of requests that begin at fixed times, each from an address of its own."""
    times, threads = [], []

    def one(i):
        start = time.monotonic()
        try:
            status = post(port, "/v1/classify?labels=cat,dog,car", photo, f"198.51.{i // 250 % 250}.{i % 250}")
        except OSError as error:
            status = type(error).__name__
        times.append(time.monotonic() - start)
        statuses[status] = statuses.get(status, 0) + 1

    start = time.monotonic()
    for i in range(int(seconds * GOOD_A_SECOND)):
        time.sleep(max(0, start + i / GOOD_A_SECOND - time.monotonic()))
        threads.append(threading.Thread(target=one, args=(i,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    return times


def percentile(times, share):
    return sorted(times)[min(len(times) - 1, int(len(times) * share))]


def turn(port, photo, seconds, kind, statuses, key=None):
    abusers = []
    if kind:
        until = time.monotonic() + seconds
        abusers = [multiprocessing.Process(target=abuse, args=(kind, port, until, ABUSER, key)) for _ in range(4)]
        for abuser in abusers:
            abuser.start()
        time.sleep(1)
    times = good(port, photo, seconds - 1, statuses)
    for abuser in abusers:
        abuser.terminate()
        abuser.join()
    return times


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("program", "model", "photo"):
        arguments.add_argument(name)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--seconds", type=float, default=10)
    arguments.add_argument("--kinds", default=",".join(KINDS))
    options = arguments.parse_args()
    with open(options.photo, "rb") as file:
        photo = file.read()
    kinds = options.kinds.split(",")
    picture(7000), picture(3800)
    turns, statuses = {kind: [] for kind in kinds}, {}
    with tempfile.TemporaryDirectory(prefix="whatsit-hostile-") as folder:
        database = os.path.join(folder, "s.db")
        key = subprocess.run([options.program, "keys", "new", "busy", "--rate", "-1", "--requests", "-1", "--db", database], check=True,
                             capture_output=True, text=True).stdout.strip()
        server = subprocess.Popen([options.program, "serve", "--listen", "127.0.0.1:0", "--db", database,
                                   "--model", options.model, "--anonymous"], stderr=subprocess.PIPE, text=True)
        port = int(re.search(r":(\d+) ", server.stderr.readline()).group(1))
        threading.Thread(target=server.stderr.read, daemon=True).start()
        try:
            good(port, photo, 2, {})
            for _ in range(options.rounds):
                for kind in kinds:
                    half = options.seconds / 2 + 0.5  # of a quiet turn, a second of which is not counted
                    before = turn(port, photo, half, None, statuses.setdefault(None, {}))
                    abused = turn(port, photo, options.seconds, kind, statuses.setdefault(kind, {}), key)
                    time.sleep(1)
                    turns[kind].append((before + turn(port, photo, half, None, statuses[None]), abused))
        finally:
            server.terminate()
            server.wait()
    quiet = [t for kind in kinds for before, _ in turns[kind] for t in before]
    say("quiet", n=len(quiet), p50_ms=round(percentile(quiet, 0.5) * 1e3, 1), p99_ms=round(percentile(quiet, 0.99) * 1e3, 1),
        answers={str(k): n for k, n in statuses[None].items()})
    for kind in kinds:
        base, times = ([t for pair in turns[kind] for t in pair[i]] for i in (0, 1))
        figures = {"n": len(times)}
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            figures[f"{name}_ms"] = round(percentile(times, share) * 1e3, 1)
            figures[f"{name}_ratio"] = round(percentile(times, share) / percentile(base, share), 2)
            of_rounds = sorted(percentile(b, share) / percentile(a, share) for a, b in turns[kind])
            figures[f"{name}_of_rounds"] = [round(of_rounds[i], 2) for i in (0, len(of_rounds) // 2, -1)]
        say(kind, **figures, answers={str(k): n for k, n in statuses[kind].items()})


if __name__ == "__main__":
    main()
