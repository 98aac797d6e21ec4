"""A day of hostile traffic in a few seconds: everything that bench/hostile.py knows, several kinds at once from addresses
of their own, in turns with quiet moments; in the middle the server is killed and comes back. Good clients are answered,
what was acknowledged is there afterwards, usage is exact, and nothing grows.

WHATSIT_MIXED_SECONDS=1200 makes twenty minutes of it (24 s unsaid), and from ten minutes on the good clients' 99th
percentile must stay within twice that of the quiet moments. WHATSIT_MIXED_MODEL names a model (a tiny one unsaid)."""
import http.client
import json
import multiprocessing
import os
import random
import re
import sys
import threading
import time

import serving
from serving import most_resident_mb, wait_until

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench"))
import hostile  # noqa: E402

SECONDS = float(os.environ.get("WHATSIT_MIXED_SECONDS", "24"))
MEASURED_FROM = 600  # seconds: fewer say nothing about a 99th percentile
AT_ONCE = 4
MOST_GROWN_MB = 700  # what bodies, heads and a picture of 50 million pixels may take at once


class Maker(threading.Thread):
    """A client with a key that makes heads and begins jobs, and remembers what was acknowledged."""

    def __init__(self, server, key):
        super().__init__(daemon=True)
        self.server, self.key, self.stop = server, key, threading.Event()
        self.heads, self.jobs, self.n_counted, self.odd = [], [], 0, []

    def ask(self, method, path, body=None, **headers):
        """None: nothing came back, as when the server was killed."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=120)
        try:
            connection.request(method, path, json.dumps(body) if body else None,
                               {"Authorization": "Bearer " + self.key, "Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        self.n_counted += answer.status not in (429, 503)
        return answer.status, said

    def run(self):
        for i in range(1 << 30):
            if self.stop.is_set():
                return
            later = {"Prefer": "respond-async"} if i % 4 == 3 else {}
            answer = self.ask("POST", "/v1/heads", {"name": f"h{i}", "labels": [f"a{i}", "b"]}, **later)
            if answer and answer[0] == 201:
                self.heads.append(f"h{i}")
            elif answer and answer[0] == 202:
                self.jobs.append((json.loads(answer[1])["id"], f"h{i}"))
            elif answer and answer[0] != 503:
                self.odd.append(answer)
            time.sleep(max(0.2, SECONDS / 500))


def hostile_turn(source, server, key, seconds):
    """Processes that do several kinds of harm until it is over."""
    kinds = source.sample(sorted(hostile.KINDS), AT_ONCE)
    until = time.monotonic() + seconds
    processes = []
    for i, kind in enumerate(kinds):
        address = f"203.0.113.{source.randrange(1, 250)}"
        processes += [multiprocessing.Process(target=hostile.abuse, args=(kind, server.port, until, address, key), daemon=True)
                      for _ in range(2)]
    for process in processes:
        process.start()
    return kinds, processes


def end(processes):
    for process in processes:
        process.terminate()
    for process in processes:
        process.join()


def kill_and_return(server, photo):
    """What comes in the meantime is refused by nobody: there is nobody."""
    server.kill()
    server.again()
    assert set(asked(server, photo, 1)[1]) == {200}


def asked(server, photo, seconds):
    statuses = {}
    return hostile.good(server.port, photo, seconds, statuses), statuses


def look(room, server, maker, key):
    """After it all: what was acknowledged is there, and no more was counted than was asked."""
    ask = server.client(maker.key).call
    for name in maker.heads:
        ask("GET", "/v1/heads/" + name, expect=200)
    for job, name in maker.jobs:
        wait_until(lambda: ask("GET", "/v1/jobs/" + job, expect=200).json["state"] == "done", 300)
        ask("GET", "/v1/heads/" + name, expect=200)
    used = sum(int(line.split()[1]) for line in room.run("keys", "usage", maker.key.split("_")[1], "--db", room.database).splitlines()
               if line[:2] == "20")
    asked_now = len(maker.heads) + len(maker.jobs)
    assert maker.n_counted <= used - asked_now, (maker.n_counted, used, asked_now)
    wait_until(lambda: "whatsit_held_bytes 0\n" in ask("GET", "/metrics").body.decode())
    metrics = ask("GET", "/metrics").body.decode()
    faults = [line for line in metrics.splitlines() if re.search(r'status="500"', line) and not line.endswith(" 0")]
    assert not faults, faults


def test_mixed(room):
    model = os.environ.get("WHATSIT_MIXED_MODEL")
    with open(os.path.join(room.source, "samples", "sports-car.jpg"), "rb") as file:
        photo = file.read()
    hostile.picture(7000), hostile.picture(3800), hostile.picture(300)
    seed = int(os.environ.get("WHATSIT_FUZZ_SEED", random.randrange(1 << 30)))
    print(f"seed {seed}, {SECONDS:.0f} s", flush=True)
    source = random.Random(seed)
    server = room.serve("--anonymous", model=model)
    busy = room.key("busy", "--rate", "-1", "--requests", "-1")
    maker = Maker(server, room.key("maker", "--rate", "-1", "--requests", "-1", "--heads", "-1", "--keep-heads", "100000"))
    n_turns = max(2, round(SECONDS / 40)) * 2
    quiet, under, statuses, kinds = [], [], {}, set()
    asked(server, photo, 1)
    before = most_resident_mb(server.process.pid)
    maker.start()
    for turn in range(n_turns):
        quiet += asked(server, photo, SECONDS / n_turns / 4)[0]
        now, processes = hostile_turn(source, server, busy, SECONDS / n_turns)
        kinds |= set(now)
        try:
            times, said = asked(server, photo, SECONDS / n_turns * 3 / 4)
            under += times
            for status, n in said.items():
                statuses[status] = statuses.get(status, 0) + n
            if turn == n_turns // 2:
                print(f"grown by {most_resident_mb(server.process.pid) - before} MB at most before it was killed")
                kill_and_return(server, photo)
                before = most_resident_mb(server.process.pid)
        finally:
            end(processes)
    maker.stop.set()
    maker.join()
    p99 = [hostile.percentile(times, 0.99) for times in (quiet, under)]
    print(f"{len(under)} good requests: {statuses}; p99 {p99[0] * 1e3:.0f} ms when quiet, {p99[1] * 1e3:.0f} ms beside {len(kinds)} kinds "
          f"of harm (x {p99[1] / p99[0]:.2f}); {len(maker.heads)} heads and {len(maker.jobs)} jobs acknowledged")
    assert server.process.poll() is None, "the server has ended"
    assert set(statuses) == {200}, statuses
    assert not maker.odd, maker.odd[:3]
    look(room, server, maker, busy)
    grown = most_resident_mb(server.process.pid) - before
    assert grown < MOST_GROWN_MB, grown
    if SECONDS >= MEASURED_FROM:
        assert p99[1] <= 2 * p99[0], p99
    server.end()


if __name__ == "__main__":
    serving.main([test_mixed])
