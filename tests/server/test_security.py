"""What strangers may try: bytes that are no text, other people's heads, invented addresses, pictures that cost much, a
database that falls ill, decoders that cannot be confined. Each promise of docs/THREATS.md has its test here, in
test_hostile.py, test_keys.py, or in C (test_parts.c, test_sandbox.c)."""
import contextlib
import json
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib

import postgres
import serving
from serving import SKIPPED, connect, text_of, tiny_model, wait_until

GUEST = {"X-Forwarded-For": "198.51.100.7"}
OTHER = {"X-Forwarded-For": "198.51.100.8"}


def raw(port, data, seconds=180):
    """All that comes back until the connection is closed."""
    said = b""
    with connect(port) as sock:
        sock.settimeout(seconds)
        sock.sendall(data)
        try:
            while chunk := sock.recv(65536):
                said += chunk
        except (TimeoutError, ConnectionResetError):
            pass
    return said


def status_of(said):
    found = re.match(rb"HTTP/1\.[01] (\d+)", said)
    return int(found.group(1)) if found else 0


def garbage(server, key):
    """Bytes that are no text, wherever a request has room for them: all refused, and none is the database's fault."""
    auth = b"Authorization: Bearer " + key.encode() + b"\r\n" if key else b""
    end = b"Host: localhost\r\nConnection: close\r\n"
    for line, more, expected in (
            (b"GET /v1/models HTTP/1.1", b"Authorization: Bearer wk_\xff_x\r\n", (400, 401)),
            (b"GET /v1/models HTTP/1.1", b"X-Api-Key: wk_\xc0\x80_x\r\n", (400, 401)),
            (b"GET /v1/models HTTP/1.1", b"Authorization: Bearer wk_%00_x\r\n", (401,)), (b"GET /v1/heads?after=%00 HTTP/1.1", auth, (400,)),
            (b"GET /v1/heads/%ff HTTP/1.1", auth, (400,)), (b"GET /v1/heads/a%00b HTTP/1.1", auth, (400,)),
            (b"GET /v1/heads/%ed%a0%80 HTTP/1.1", auth, (400,)), (b"GET /v1/jobs/%ff HTTP/1.1", auth, (400,)),
            (b"DELETE /v1/heads/%c3%28 HTTP/1.1", auth, (400,)), (b"GET /v1/heads?after=%ff HTTP/1.1", auth, (400,)),
            (b"GET /v1/heads?%ff=1 HTTP/1.1", auth, (400,)), (b"GET /v1/models/%f0%28%8c%28 HTTP/1.1", auth, (400,)),
            (b"GET /healthz HTTP/1.1", b"X-Other: \xff\xfe\r\n", (400,)),
            (b"POST /v1/classify?head=%ff HTTP/1.1", auth + b"Content-Length: 3\r\n", (400,))):
        said = raw(server.port, line + b"\r\n" + more + end + b"\r\nabc")
        assert status_of(said) in expected, (line, more, said[:200])
    healthy = server.client().call("GET", "/metrics").body.decode()
    assert "whatsit_database_errors_total 0\n" in healthy, healthy


def test_garbage_at_the_door(room):
    server = room.serve("--require-key")
    garbage(server, room.key())
    server.end()


def test_garbage_with_postgres(room):
    if not postgres.programs():
        print("skipped: PostgreSQL is not installed")
        return SKIPPED
    with postgres.Postgres() as database:
        server = room.serve("--require-key", database=database.url)
        garbage(server, room.key(database=database.url))
        server.end()


def test_owners_without_keys(room):
    """What an address made is that address's, what this machine made is this machine's."""
    server = room.serve("--anonymous", "--rate", "1000")
    ask = server.client().call
    head = {"labels": ["cat", "dog"]}
    ask("POST", "/v1/heads", {"name": "house", **head}, expect=201)
    assert ask("POST", "/v1/heads", {"name": "mine", **head}, GUEST, 201).json["visibility"] == "private"
    for headers in (GUEST, OTHER):
        ask("POST", "/v1/heads", {"name": "house", "labels": ["evil"], "replace": True}, headers, 409)
        ask("DELETE", "/v1/heads/house", headers=headers, expect=403)
        ask("GET", "/v1/heads/house", headers=headers, expect=200)
    ask("POST", "/v1/heads", {"name": "mine", "labels": ["evil"], "replace": True}, OTHER, 409)
    ask("POST", "/v1/heads", {"name": "mine", "labels": ["evil"], "replace": True}, expect=409)
    ask("DELETE", "/v1/heads/mine", headers=OTHER, expect=403)
    for headers in (OTHER, {}):
        ask("GET", "/v1/heads/mine", headers=headers, expect=404)
        ask("POST", "/v1/classify?head=mine", room.picture, headers, 404)
        assert "mine" not in [h["name"] for h in ask("GET", "/v1/heads", headers=headers, expect=200).json["heads"]]
    ask("POST", "/v1/classify?head=mine", room.picture, GUEST, 200)
    own = {h["name"]: h.get("own") for h in ask("GET", "/v1/heads", headers=GUEST, expect=200).json["heads"]}
    assert own["mine"] is True and own["house"] is False
    ask("POST", "/v1/heads", {"name": "mine", "labels": ["x", "y"], "replace": True, "visibility": "public"}, GUEST, 201)
    ask("GET", "/v1/heads/mine", headers=OTHER, expect=200)
    key, read = room.key("k"), room.key("r")
    one, two = server.client(key).call, server.client(read).call
    one("POST", "/v1/heads", {"name": "ours", **head}, expect=201)
    one("POST", "/v1/heads", {"name": "hidden", **head, "visibility": "private"}, expect=201)
    two("GET", "/v1/heads/ours", expect=200)
    two("GET", "/v1/heads/hidden", expect=404)
    ask("GET", "/v1/heads/ours", headers=OTHER, expect=404)
    ask("GET", "/v1/heads/ours", expect=200)
    ask("POST", "/v1/heads", {"name": "z", **head, "visibility": "everyone"}, expect=400)
    ask("DELETE", "/v1/heads/mine", headers=GUEST, expect=204)
    job = ask("POST", "/v1/heads", {"name": "later", **head}, {**GUEST, "Prefer": "respond-async"}, 202)
    ask("GET", job.headers["Location"], headers=OTHER, expect=404)
    ask("GET", job.headers["Location"], headers=GUEST, expect=200)
    with open(room.database, "rb") as file:
        assert b"198.51.100" not in file.read(), "an address is in the database"


def test_what_guests_may_keep(room):
    """Heads of an address are bounded in number and size, before they are made; so are its jobs, and not others'."""
    server = room.serve("--anonymous", "--rate", "100000")
    ask = server.client().call
    statuses = [ask("POST", "/v1/heads", {"name": f"h{i}", "labels": ["a", "b"]}, GUEST).status for i in range(22)]
    assert statuses == [201] * 20 + [413] * 2, statuses
    ask("POST", "/v1/heads", {"name": "o", "labels": ["a", "b"]}, OTHER, 201)
    ask("DELETE", "/v1/heads/h3", headers=GUEST, expect=204)
    ask("POST", "/v1/heads", {"name": "h3", "labels": ["a", "b"]}, GUEST, 201)
    # 90,000 labels of 16 numbers are 5.8 MB, three of them 17 MB
    big = {"labels": [f"l{i}" for i in range(90000)], "replace": True}
    key = room.key("small", "--keep-heads", "1", "--keep-megabytes", "1")
    one = server.client(key).call
    one("POST", "/v1/heads", {"name": "big", **big}, expect=413)
    one("POST", "/v1/heads", {"name": "a", "labels": ["a", "b"]}, expect=201)
    one("POST", "/v1/heads", {"name": "b", "labels": ["a", "b"]}, expect=413)
    one("POST", "/v1/heads", {"name": "a", "labels": ["a", "c"], "replace": True}, expect=201)
    third = {"X-Forwarded-For": "203.0.113.5"}
    statuses = [ask("POST", "/v1/heads", {"name": f"j{i}", **big}, third).status for i in range(6)]
    assert statuses[:4] == [202] * 4 and 503 in statuses, statuses
    ask("POST", "/v1/heads", {"name": "soon", "labels": ["a"]}, {**OTHER, "Prefer": "respond-async"}, 202)


def test_two_lines_of_a_proxy(room):
    """A second X-Forwarded-For line continues the first, and nobody chooses the address that limits him."""
    server = room.serve("--anonymous", "--rate", "1")
    counts = {}
    for i in range(30):
        said = raw(server.port, (f"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 10.9.8.{i}\r\n"
                                 "X-Forwarded-For: 203.0.113.7\r\nConnection: close\r\n\r\n").encode())
        counts[status_of(said)] = counts.get(status_of(said), 0) + 1
    assert counts[429] >= 24 and counts[200] >= 4, counts
    ask = server.client().call
    ask("GET", "/v1/models", headers={"X-Forwarded-For": "not-an-address"}, expect=400)
    ask("GET", "/v1/models", headers={"Forwarded": "for=unknown"}, expect=400)
    ask("GET", "/v1/models", headers={"Forwarded": 'for="[2001:db8::1]:99"'}, expect=200)


def test_wrong_keys(room):
    """Guesses are counted by address; a key that has worked goes on from there."""
    server = room.serve("--require-key")
    key = room.key()
    good = server.client(key).call
    good("GET", "/v1/models", headers=GUEST, expect=200)
    statuses = [good("GET", "/v1/models", headers={**GUEST, "Authorization": f"Bearer wk_{i:016x}_{i:048x}"}).status
                for i in range(100)]
    assert statuses[0] == 401 and statuses[-1] == 429, statuses
    good("GET", "/v1/models", headers=GUEST, expect=200)
    good("GET", "/v1/models", headers=OTHER, expect=200)


def png_of(width, height):
    """A picture of one colour, packed very well."""
    rows = b"".join(b"\0" + b"\x40\x80\xc0" * width for _ in range(1)) * height
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def scans_of(n):
    """The head of a progressive JPEG of 4096 x 4096 with so many scans: it need not be decoded to be too much."""
    frame = b"\xff\xd8\xff\xc2\0\x11\x08\x10\0\x10\0\3\1\x22\0\2\x11\1\3\x11\1"
    return frame + b"\xff\xda\0\x08\1\1\0\0\x3f\0\x12\x34" * n + b"\xff\xd9"


def costly_decoders(server):
    """Those of pictures that take long."""
    keeper, = serving.children(server.process.pid)
    found = []
    for pid in serving.children(keeper):
        try:
            with open(f"/proc/{pid}/comm") as file:
                name = file.read().strip()
            with open(f"/proc/{pid}/stat") as file:
                gives_way = file.read().rsplit(")", 1)[1].split()[16] == "10"
        except (FileNotFoundError, ProcessLookupError):  # it ended since the list was read
            continue
        if name == "whatsit-costly":
            found.append(pid)
        if name.startswith("whatsit-"):  # else it has not been told yet which it is
            assert gives_way == (name != "whatsit-cheap"), name
    return found


def test_costly_pictures(room):
    """Pictures that take long (here: for ever) block neither what asks for the server's health, nor small pictures of
    other clients; what would take far too long is not begun."""
    server = room.serve("--anonymous", "--rate", "100000", "--workers", "8")
    ask = server.client().call
    refused = ask("POST", "/v1/classify?labels=a,b", scans_of(1000), expect=413).json
    assert "1000 scans" in refused["error"]["message"], refused
    ask("POST", "/v1/classify?labels=a,b", room.picture, expect=200)
    big = png_of(4000, 5000)
    statuses = []
    for pid in costly_decoders(server):
        os.kill(pid, signal.SIGSTOP)

    def abuse():
        statuses.append(server.client().ask("POST", "/v1/classify?labels=a,b", big, {"X-Forwarded-For": "203.0.113.66"}).status)

    threads = [threading.Thread(target=abuse) for i in range(12)]
    for thread in threads:
        thread.start()
    waiting = re.compile(r'whatsit_decoding_waiting\{class="costly"\} (\d+)')
    wait_until(lambda: int(waiting.search(ask("GET", "/metrics").body.decode()).group(1)) > 0)
    for i in range(20):
        for path in ("/healthz", "/readyz", "/metrics", "/v1/models"):
            ask("GET", path, headers=OTHER, expect=200)
        ask("POST", "/v1/classify?labels=a,b", room.picture, {"X-Forwarded-For": f"198.51.100.{i}"}, 200)
        ask("GET", "/v1/models", headers={"X-Forwarded-For": "203.0.113.66"}, expect=200)  # nor behind his own pictures
    assert len(statuses) < 12, "nothing waited"
    for pid in costly_decoders(server):
        os.kill(pid, signal.SIGCONT)
    for thread in threads:
        thread.join()
    assert set(statuses) <= {200, 429, 503} and 200 in statuses, statuses


def test_budget_of_guests(room):
    """An address without a key has so many seconds of work, with pictures or words; a key has what its plan says."""
    server = room.serve("--anonymous", "--rate", "100000", "--guest-decoding", "0.01")
    ask = server.client().call
    big = png_of(5000, 5000)
    statuses = [ask("POST", "/v1/classify?labels=a,b", big, GUEST).status for _ in range(12)]
    assert statuses[0] == 200 and statuses[-1] == 429, statuses
    assert ask("POST", "/v1/classify?labels=a,b", room.picture, GUEST, 429).json["error"]["code"] == "budget"
    ask("GET", "/v1/models", headers=GUEST, expect=200)
    ask("POST", "/v1/classify?labels=a,b", room.picture, OTHER, 200)
    third = {"X-Forwarded-For": "203.0.113.5"}
    for i in range(1000):
        words = {"texts": [f"words {i} {j} of a rather long text that says nothing" for j in range(1000)]}
        if (said := ask("POST", "/v1/embed", words, third)).status != 200:
            break
    assert said.status == 429 and said.json["error"]["code"] == "budget", said.body
    server.client(room.key()).call("POST", "/v1/classify?labels=a,b", big, GUEST, 200)
    ask("POST", "/v1/classify?labels=a,b", big, expect=200)


def test_sandbox_that_cannot_be(room):
    """Where no filter can be installed the server does not start, unless it is told to do without."""
    deny = os.path.join(os.path.dirname(room.program), "tests", "server", "test_server_sandbox")
    if not os.path.exists(deny) or "seccomp" not in (server := room.serve()).said():
        print("skipped: no program that denies filters, or no filters in this build")
        return SKIPPED
    server.end()
    for extra, starts in (([], False), (["--no-sandbox"], True)):
        log = os.path.join(room.path, "denied")
        with open(log, "w") as file:
            process = subprocess.Popen([deny, "deny", room.program, "serve", "--listen", "127.0.0.1:0", "--db", room.database,
                                        "--model", room.model, *extra], env=room.environment, stderr=file)
        said = wait_until(lambda: (text := open(log).read()) and (process.poll() is not None or "listening" in text) and text)
        if starts:
            assert "listening" in said and "decoding: none" in said, said
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=180)
        else:
            assert process.wait(timeout=180) == 1 and "seccomp" in said and "--no-sandbox" in said, said


def test_database_falls_ill(room):
    """PostgreSQL is frozen, and then killed: the server says so, in time, and is well again afterwards by itself."""
    if not postgres.programs():
        print("skipped: PostgreSQL is not installed")
        return SKIPPED
    with postgres.Postgres() as database:
        server = room.serve("--require-key", database=database.url)
        ask = server.client(room.key(database=database.url)).call
        ask("GET", "/v1/usage", expect=200)
        with open(os.path.join(database.data, "postmaster.pid")) as file:
            postmaster = int(file.readline())
        family = [postmaster, *serving.children(postmaster)]
        for pid in family:
            with contextlib.suppress(ProcessLookupError):  # PostgreSQL's workers come and go
                os.kill(pid, signal.SIGSTOP)
        try:
            ask("GET", "/healthz", expect=200)
            ask("GET", "/v1/usage", expect=503)
            ready = ask("GET", "/readyz", expect=503).json
            assert ready["ready"] is False and ready["reasons"][0]["reason"] == "database", ready
            assert "error: database" in server.said(), server.said()
            assert not re.search(r"whatsit_database_errors_total 0\n", ask("GET", "/metrics").body.decode())
        finally:
            for pid in family:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        wait_until(lambda: ask("GET", "/readyz").status == 200)
        wait_until(lambda: ask("GET", "/v1/usage").status == 200)
        assert "answers again" in server.said()
        database.restart()
        wait_until(lambda: ask("GET", "/v1/usage").status == 200)
        server.end()


if __name__ == "__main__":
    serving.main([test_garbage_at_the_door, test_garbage_with_postgres, test_owners_without_keys, test_what_guests_may_keep,
                  test_two_lines_of_a_proxy, test_wrong_keys, test_costly_pictures, test_budget_of_guests,
                  test_sandbox_that_cannot_be, test_database_falls_ill])
