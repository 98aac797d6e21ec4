"""What an operator does: settings from a file, the environment and options; keys that change, end and see little;
addresses that need none; the end that is announced."""
import json
import os
import signal
import subprocess
import time

import postgres
import serving
from serving import wait_until
from test_security import GUEST, OTHER


def check(room, *options, environment=None, expect=0):
    done = subprocess.run([room.program, "serve", "--check", "--model", room.model, *options], capture_output=True, text=True,
                          env={**room.environment, **(environment or {})})
    assert done.returncode == expect, (options, done.returncode, done.stderr)
    return done.stdout if expect == 0 else done.stderr


def test_settings(room):
    path = os.path.join(room.path, "whatsit.conf")
    with open(path, "w") as file:
        file.write(f"# a comment\ndb = {room.database}\nqueue = 10\nidle = 20\nrequire-key = yes\nanonymous = no\n"
                   "[serve]\ntimeout = 7\ncors = https://a.example\n    https://b.example\n")
    said = check(room, "--config", path, "--idle", "40",
                 environment={"WHATSIT_SERVE_QUEUE": "11", "WHATSIT_SERVE_IDLE": "30"})
    for line in ("queue=11  (from the environment)", "idle=40  (from the command line)", "timeout=7  (from the file)",
                 "require-key  (from the file)", "cors=https://a.example  (from the file)",
                 "cors=https://b.example  (from the file)", f"db={room.database}  (from the file)"):
        assert line in said, (line, said)
    assert "anonymous" not in said
    assert "queue=11" in check(room, environment={"WHATSIT_SERVE_CONFIG": path, "WHATSIT_SERVE_QUEUE": "11"})
    for text, words in (("qeue = 1\n", ("line 1", "'qeue'", "'queue'")), ("[lambda]\nqueue = 1\n", ("[lambda]",)),
                        ("queue\n", ("line 1",)), ("require-key = maybe\n", ("yes or no",)),
                        ("queue = many\n", ("--queue", "many")), ("config = x\n", ("'config'",))):
        with open(path, "w") as file:
            file.write(text)
        done = subprocess.run([room.program, "serve", "--check", "--config", path, "--db", room.database, "--model", room.model],
                              env=room.environment, capture_output=True, text=True)
        assert done.returncode != 0 and all(word in done.stderr for word in words), (text, done.stderr)
        assert "did you mean 'config'" not in done.stderr, done.stderr
    for options in (("--require-key", "--anonymous"), ("--rate", "3"), ("--require-key", "--allow", "10.0.0.0/8"),
                    ("--log", "xml"), ("--log-level", "loud"), ("--guest-decoding", "-1"), ("--listen", "nowhere"), ("--listen", "::1"),
                    ("--listen", "[localhost]:80")):
        check(room, "--db", room.database, *options, expect=2)
    for options, word in ((("--allow", "10.0.0.0/99"), "--allow"), (("--db", "/nothing/here/x.db"), "database"),
                          (("--web", "/nothing/here"), "/nothing/here"), (("--access-log", "/nothing/x"), "/nothing/x"),
                          (("--trust-proxy", "10.0.0.0/99"), "--trust-proxy"), (("--cors", "https://a.example/"), "--cors"),
                          (("--cors", "a.example"), "--cors"), (("--cors", "https://A.example"), "--cors"),
                          (("--cors", "https://a.example:443"), "--cors"), (("--host", "https://a.example"), "--host"),
                          (("--admin", "/nothing/here/socket"), "--admin"), (("--admin", path), "something else"),
                          (("--admin", "/" + 200 * "x"), "bytes at most")):
        assert word in check(room, "--db", room.database, *options, expect=1)


    check(room, "--db", room.database, "--listen", "[::1]:0", "--cors", "*", "--cors", "https://a.example:8443", "--cors", "null",
          "--cors", "capacitor://localhost", "--host", "photos.example", "--admin", os.path.join(room.path, "socket"))


def test_password(room):
    """A password of the database is in no process's command line, wherever it was given."""
    if not postgres.programs():
        print("skipped: PostgreSQL is not installed")
        return serving.SKIPPED
    with postgres.Postgres() as database:
        url = database.url.replace("whatsit@", "whatsit:s3cret-word@")
        by_option = room.serve("--require-key", database=url)
        server = by_option.process.pid
        for pid in (server, *serving.children(server)):
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                assert b"s3cret" not in file.read()
        assert "s3cret" not in by_option.said()
        said = check(room, environment={"WHATSIT_DB": url})
        assert "s3cret" not in said and "(from the environment)" in said, said
        assert room.run("keys", "list", "--db", url) == ""
        by_option.end()


def test_keys_change(room):
    server = room.serve("--require-key")
    key = room.key("one", "--requests", "100")
    name, db = key.split("_")[1], ("--db", room.database)
    ask = server.client(key).call
    head = {"name": "h", "labels": ["a", "b"], "replace": True}
    ask("POST", "/v1/heads", head, expect=201)
    room.run("keys", "change", name, "--requests", "7", "--read-only", *db)
    assert ask("GET", "/v1/models", expect=200).headers["RateLimit-Limit"] == "7"
    ask("POST", "/v1/heads", head, expect=403)
    ask("DELETE", "/v1/heads/h", expect=403)
    ask("POST", "/v1/classify?head=h", room.picture, expect=200)
    listed = json.loads(room.run("keys", "list", "--json", *db))
    assert (listed["requests_a_day"], listed["read_only"], listed["heads_a_day"]) == (7, True, 100), listed
    room.run("keys", "change", name, "--requests", "-1", "--read-write", "--only-heads", "h,fruits", *db)
    ask("POST", "/v1/heads", head, expect=201)
    ask("POST", "/v1/heads", {**head, "name": "other"}, expect=403)
    ask("POST", "/v1/classify?head=nouns", room.picture, expect=404)
    ask("POST", "/v1/classify?head=fruits", room.picture, expect=200)
    assert [h["name"] for h in ask("GET", "/v1/heads", expect=200).json["heads"]] == ["fruits", "h"]
    # a new secret, while the old one is good for a while; and one that ends it at once
    again = room.run("keys", "rotate", name, *db).strip()
    assert again != key and again.split("_")[1] == name
    for good in (key, again):
        server.client(good).call("GET", "/v1/models", expect=200)
    last = room.run("keys", "rotate", key, "--grace", "0", *db).strip()
    server.client(last).call("GET", "/v1/models", expect=200)
    for old in (key, again):
        server.client(old).call("GET", "/v1/models", expect=401)
    short = room.key("short", "--expires", "1")
    server.client(short).call("GET", "/v1/models", expect=200)
    with __import__("sqlite3").connect(room.database) as database:
        database.execute("UPDATE keys SET expires_ms = 1 WHERE id = ?", (short.split("_")[1],))
    server.client(short).call("GET", "/v1/models", expect=401)
    assert "over" in room.run("keys", "list", *db)


def test_allowed_addresses(room):
    """A network that needs no key and has no rate, such as that of a container beside this one."""
    server = room.serve("--allow", "198.51.100.0/29")
    ask = server.client().call
    for _ in range(60):
        ask("GET", "/v1/models", headers=GUEST, expect=200)
    ask("GET", "/v1/models", headers=OTHER, expect=401)


def test_announced_end(room):
    server = room.serve("--drain", "2")
    ask = server.client().call
    assert ask("GET", "/readyz", expect=200).json == {"ready": True, "reasons": []}
    server.process.send_signal(signal.SIGTERM)
    said = wait_until(lambda: (answer := ask("GET", "/readyz")).status == 503 and answer.json)
    assert said["reasons"][0]["reason"] == "draining", said
    server.client().call("POST", "/v1/classify?labels=a,b", room.picture, expect=200)  # a new connection, still
    assert server.process.wait(timeout=180) == 0


if __name__ == "__main__":
    serving.main([test_settings, test_password, test_keys_change, test_allowed_addresses, test_announced_end])
