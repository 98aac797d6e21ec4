"""Who may ask, how much, and that it is counted exactly."""
import contextlib
import csv
import http.client
import io
import json
import re
import sqlite3
import threading
import time

import serving


def test_access(room):
    server = room.serve()
    key = room.key("phone", "--requests", "1000")
    assert room.run("keys", "list", "--db", room.database).count("good") == 1
    ask = server.client(key).call
    answer = ask("POST", "/v1/classify", room.picture, expect=200)
    assert answer.headers["RateLimit-Limit"] == "1000" and answer.headers["RateLimit-Remaining"] == "999"
    assert ask("GET", "/v1/models", headers={"Authorization": "", "X-Api-Key": key}, expect=200)
    for wrong in (key[:-1] + ("0" if key[-1] != "0" else "1"), "wk_", key + "0", "wk_0000000000000000_0"):
        server.client(wrong).call("GET", "/v1/models", expect=401)
    plain = server.client().call
    plain("GET", "/v1/models", expect=200)
    # what comes through a proxy, or from another site's page, is not this machine's own
    plain("GET", "/v1/models", headers={"X-Forwarded-For": "127.0.0.1"}, expect=401)
    plain("GET", "/v1/models", headers={"Host": "evil.example"}, expect=403)
    plain("GET", "/v1/models", headers={"Origin": "http://evil.example"}, expect=403)
    plain("GET", "/v1/models", headers={"Host": f"localhost:{server.port}", "Origin": f"http://localhost:{server.port}"},
          expect=200)
    for other in ("Basic eDp5", "Bearer sk-of-another-service"):
        plain("GET", "/v1/models", headers={"Authorization": other}, expect=200)
        plain("GET", "/v1/models", headers={"Authorization": other, "X-Forwarded-For": "192.0.2.1"}, expect=401)
    room.run("keys", "revoke", key, "--db", room.database)
    ask("GET", "/v1/models", expect=401)
    assert "revoked" in room.run("keys", "list", "--db", room.database)
    locked = room.serve("--require-key").client().call
    locked("GET", "/v1/models", expect=401)
    locked("GET", "/healthz", expect=200)
    with open(room.database, "rb") as file:
        assert key.split("_")[2].encode() not in file.read(), "the secret is in the database"


def test_owners(room):
    server = room.serve()
    one, two = (server.client(room.key(name)).call for name in ("one", "two"))
    one("POST", "/v1/heads", {"name": "mine", "labels": ["a", "b"]}, expect=201)
    two("GET", "/v1/heads/mine", expect=200)
    two("POST", "/v1/heads", {"name": "mine", "labels": ["a"], "replace": True}, expect=409)
    two("DELETE", "/v1/heads/mine", expect=403)
    job = one("POST", "/v1/heads", {"name": "later", "labels": ["a", "b"]}, {"Prefer": "respond-async"}, 202)
    two("GET", job.headers["Location"], expect=404)
    two("DELETE", job.headers["Location"], expect=404)
    one("DELETE", "/v1/heads/mine", expect=204)


def test_limits(room):
    server = room.serve("--anonymous", "--rate", "1")
    fast = server.client(room.key("fast", "--rate", "2", "--burst", "3")).call
    statuses = [fast("GET", "/v1/models").status for _ in range(6)]
    assert statuses[:3] == [200] * 3 and 429 in statuses, statuses
    heads = server.client(room.key("heads", "--heads", "1")).call
    heads("POST", "/v1/heads", {"name": "first", "labels": ["a", "b"]}, expect=201)
    refused = heads("POST", "/v1/heads", {"name": "second", "labels": ["a", "b"]}, expect=429)
    assert int(refused.headers["Retry-After"]) > 0
    heads("GET", "/v1/models", expect=200)
    small = server.client(room.key("small", "--megabytes", "1")).call
    small("POST", "/v1/classify", b"x" * (600 << 10), expect=415)
    small("POST", "/v1/classify", b"x" * (600 << 10), expect=429)
    guest = server.client().call
    statuses = [guest("GET", "/v1/models", headers={"X-Forwarded-For": "192.0.2.7"}).status for _ in range(8)]
    assert statuses.count(200) in (4, 5) and statuses.count(429) in (3, 4), statuses
    guest("GET", "/v1/models", headers={"X-Forwarded-For": "192.0.2.8"}, expect=200)


def read_answer(sock):
    """Status, headers in lower case and body of one answer that has a Content-Length."""
    said = b""
    while b"\r\n\r\n" not in said:
        chunk = sock.recv(65536)
        assert chunk, f"closed after {said}"
        said += chunk
    head, body = said.split(b"\r\n\r\n", 1)
    head = head.decode("latin-1").lower()
    n = int(re.search(r"content-length: (\d+)", head).group(1)) if "content-length" in head else 0
    while len(body) < n:
        body += sock.recv(65536)
    return int(head.split()[1]), head, body


def post(path, key, *headers):
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", *headers]
    lines += [f"Authorization: Bearer {key}"] if key else []
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


BODY_ROUTES = ("/v1/classify", "/v1/embed", "/v1/heads", "/v1/embeddings", "/models/tiny", "/hf", "/predict")


def test_refused_before_the_body(room):
    """Of a body that comes with a wrong key, or with none where one is needed, nothing is kept; a client that waits
    for leave to send gets its refusal instead, and what follows on the connection is understood."""
    most = 64 << 20
    server = room.serve("--require-key", "--max-body", "64", "--workers", "1")
    good, revoked = room.key("good", "--requests", "100"), room.key("revoked")
    room.run("keys", "revoke", revoked, "--db", room.database)
    n_used = 0
    as_picture, length = "Content-Type: image/png", f"Content-Length: {len(room.picture)}"
    before = serving.most_resident_mb(server.process.pid)
    piece = b"x" * (1 << 20)
    for key in (good[:-1] + ("0" if good[-1] != "0" else "1"), "wk_0000000000000000_0", "wk_", revoked, None):
        with serving.connect(server.port) as sock:
            for chunked in (False, True):
                sock.sendall(post("/v1/classify", key, as_picture, "Transfer-Encoding: chunked" if chunked else
                                  f"Content-Length: {most - (1 << 20)}"))
                for _ in range(most // len(piece) - 1):
                    sock.sendall(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
                if chunked:
                    sock.sendall(b"0\r\n\r\n")
                assert read_answer(sock)[0] == 401, (key, chunked)
            sock.sendall(post("/v1/classify", good, as_picture, length) + room.picture)
            assert read_answer(sock)[0] == 200
            n_used += 1
    for path in BODY_ROUTES:
        for key in (revoked, "wk_", None):
            with serving.connect(server.port) as sock:
                sock.sendall(post(path, key, f"Content-Length: {most}", "Expect: 100-continue"))
                status, head, _ = read_answer(sock)
                assert status == 401 and "www-authenticate: bearer" in head, (path, key, head)
                assert sock.recv(1) == b"", "the connection waits for a body that does not come"
    grown = serving.most_resident_mb(server.process.pid) - before
    print(f"grown by {grown} MB at most")
    assert grown < 32, grown
    with serving.connect(server.port) as sock:
        sock.sendall(post("/v1/classify", good, as_picture, length, "Expect: 100-continue"))
        assert read_answer(sock)[0] == 100
        sock.sendall(room.picture)
        assert read_answer(sock)[0] == 200
        n_used += 1
        # a key that is revoked while its body comes
        sock.sendall(post("/v1/classify", good, as_picture, length, "Expect: 100-continue"))
        assert read_answer(sock)[0] == 100
        assert used(room, good) == n_used
        room.run("keys", "revoke", good, "--db", room.database)
        sock.sendall(room.picture)
        assert read_answer(sock)[0] == 401
    assert used(room, good) == n_used
    # what never ends is ended
    with serving.connect(server.port) as sock:
        sock.sendall(post("/v1/classify", revoked, "Transfer-Encoding: chunked"))
        try:
            for _ in range(256):
                sock.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            raise AssertionError("a body without an end is read for ever")
        except (ConnectionResetError, BrokenPipeError):
            pass
    server.client().call("GET", "/healthz", expect=200)
    server.end()


def ask_in_threads(servers, key, n_threads, per_thread):
    """Status -> how many; a thread ends when it loses its connection."""
    counts, mutex = {}, threading.Lock()

    def work(index):
        client = servers[index % len(servers)].client(key)
        for _ in range(per_thread):
            try:
                status = client.ask("GET", "/v1/models").status
            except (OSError, http.client.HTTPException):
                return
            with mutex:
                counts[status] = counts.get(status, 0) + 1

    threads = [threading.Thread(target=work, args=(i,)) for i in range(n_threads)]
    for thread in threads:
        thread.start()
    return counts, threads


def used(room, key, database=None):
    said = room.run("keys", "usage", key.split("_")[1], "--json", "--db", database or room.database)
    return sum(json.loads(line)["requests"] for line in said.splitlines())


def test_quota_is_exact(room):
    server = room.serve()
    key = room.key("q", "--requests", "500", "--concurrency", "-1")
    counts, threads = ask_in_threads([server], key, 64, 12)
    for thread in threads:
        thread.join()
    assert counts == {200: 500, 429: 64 * 12 - 500}, counts
    assert used(room, key) == 500


def test_usage_export(room):
    """What all keys have used, for programs and spreadsheets."""
    one, two = room.key('with "quotes", and commas'), room.key("two")
    server = room.serve()
    for key, n in ((one, 3), (two, 2)):
        for _ in range(n):
            server.client(key).call("GET", "/v1/models", expect=200)
    at = ("--db", room.database)
    rows = list(csv.DictReader(io.StringIO(room.run("keys", "usage", "--csv", *at))))
    wanted = {one.split("_")[1]: ('with "quotes", and commas', "3"), two.split("_")[1]: ("two", "2")}
    assert {row["key"]: (row["name"], row["requests"]) for row in rows} == wanted, rows
    lines = [json.loads(line) for line in room.run("keys", "usage", "--json", *at).splitlines()]
    assert {line["key"]: (line["name"], str(line["requests"])) for line in lines} == wanted, lines
    alone = room.run("keys", "usage", two.split("_")[1], *at).splitlines()
    assert len(alone) == 1 and " 2 requests, 0 heads" in alone[0], alone
    assert len(room.run("keys", "usage", "--days", "1", *at).splitlines()) == 2
    with contextlib.closing(sqlite3.connect(room.database)) as database, database:
        database.execute("UPDATE usage SET day = day - 40")
    assert room.run("keys", "usage", *at) == ""
    assert len(room.run("keys", "usage", "--days", "60", *at).splitlines()) == 2


def test_usage_outlives_kill(room):
    """Killed again and again under load: everything that was answered is counted, the quota is never passed, and
    at most the requests under way at a kill are counted without having been answered."""
    server = room.serve()
    key = room.key("q", "--requests", "1500", "--concurrency", "-1")
    answered, n_kills, n_threads = 0, 4, 16
    for i in range(n_kills + 1):
        counts, threads = ask_in_threads([server], key, n_threads, 200 if i < n_kills else 40)
        if i < n_kills:
            time.sleep(0.4)
            server.kill()
        for thread in threads:
            thread.join()
        answered += counts.get(200, 0)
        if i < n_kills:
            server.again()
        assert answered <= used(room, key) <= min(1500, answered + (i + 1) * n_threads), (answered, used(room, key))
    assert answered > n_kills


if __name__ == "__main__":
    serving.main([test_access, test_refused_before_the_body, test_owners, test_limits, test_quota_is_exact,
                  test_usage_export, test_usage_outlives_kill])
