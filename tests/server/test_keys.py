"""Who may ask, how much, and that it is counted exactly."""
import http.client
import json
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
    serving.main([test_access, test_owners, test_limits, test_quota_is_exact, test_usage_outlives_kill])
