#!/usr/bin/env python3
"""The administrator's socket: who may open it, keys, usage, and models that come and go under load."""
import csv
import http.client
import io
import json
import os
import signal
import socket
import stat
import subprocess
import threading

import serving
from serving import multipart, text_of, tiny_model, wait_until  # noqa: F401


class Administrator:
    """HTTP over a Unix socket."""

    def __init__(self, path):
        self.path = path

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("localhost", timeout=180)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.settimeout(180)
        connection.sock.connect(self.path)
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        connection.request(method, path, data, {"Content-Type": "application/json"} if data else {})
        answer = connection.getresponse()
        out = serving.Answer(answer.status, answer.headers, answer.read())
        connection.close()
        return out

    def __call__(self, method, path, body=None, expect=200):
        answer = self.ask(method, path, body)
        assert answer.status == expect, f"{method} {path}: {answer.status}, not {expect}: {answer.body[:300]}"
        return answer.json if answer.body[:1] == b"{" else answer.body


def serve(room, *options, **more):
    path = os.path.join(room.path, "admin.sock")
    server = room.serve("--admin", path, *options, **more)
    return server, Administrator(path), path


def refused(room, path):
    done = subprocess.run([room.program, "serve", "--listen", "127.0.0.1:0", "--db", room.database, "--model", room.model,
                           "--admin", path], env=room.environment, capture_output=True, text=True)
    assert done.returncode != 0 and path[:100] in done.stderr, done.stderr
    return done.stderr


def test_socket(room):
    """For its user alone; never in the place of anything else; gone with the server, and replaced after a kill."""
    server, admin, path = serve(room)
    wait_until(lambda: os.path.exists(path))
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600 and stat.S_ISSOCK(os.stat(path).st_mode)
    assert admin("GET", "/admin/models")["models"][0]["id"] == "tiny"
    assert server.client().ask("GET", "/admin/models").status == 404  # not where others ask
    assert admin("GET", "/v1/models", expect=404)["error"]["code"] == "not_found"
    assert admin.ask("PUT", "/admin/keys").headers["Allow"] == "GET, HEAD, POST"
    admin("POST", "/admin/keys", b"{" + b" " * 70000, expect=413)
    admin("POST", "/admin/keys", b"{", expect=400)
    assert "another server answers there" in refused(room, path)
    server.kill()
    assert os.path.exists(path)
    server, admin, path = serve(room)
    admin("GET", "/admin/keys")
    server.end()
    assert not os.path.exists(path)
    with open(path, "w") as file:
        file.write("mine")
    assert "something else" in refused(room, path)
    with open(path) as file:
        assert file.read() == "mine"
    assert "107 bytes at most" in refused(room, "/tmp/" + "x" * 120)


def test_keys(room):
    server, admin, _ = serve(room, "--require-key")
    assert admin("GET", "/admin/keys") == {"keys": []}
    made = admin("POST", "/admin/keys", {"name": "phone", "requests_a_day": 1000}, expect=201)
    ask = server.client(made["key"]).call
    ask("GET", "/v1/heads", expect=200)
    listed = admin("GET", "/admin/keys")["keys"][0]
    assert listed == json.loads(room.run("keys", "list", "--json", "--db", room.database)), "one truth"
    assert (listed["id"], listed["state"], listed["requests_a_day"], listed["heads_a_day"]) == (made["id"], "good", 1000, 100)
    assert "key" not in listed and made["key"] not in json.dumps(listed)
    ask("POST", "/v1/heads", {"name": "h", "labels": ["a", "b"]}, expect=201)
    path = "/admin/keys/" + made["id"]
    assert admin("PATCH", path, {"read_only": True, "concurrency": -5})["concurrency"] == -1
    ask("POST", "/v1/heads", {"name": "i", "labels": ["a", "b"]}, expect=403)
    assert admin("PATCH", path, {"requests_a_day": 1})["requests_a_day"] == 1
    ask("GET", "/v1/heads", expect=429)
    admin("PATCH", path, {"requests_a_day": -1, "only_heads": "fruits"})
    ask("GET", "/v1/heads/h", expect=404)
    for body in ({"requests": 1}, {"name": "new"}, {"expires_days": -1}, {"expires_days": 1, "expires_ms": 5}, {"read_only": 1}):
        admin("PATCH", path, body, expect=422)
    admin("PATCH", path + "?x=1", {}, expect=422)
    admin("PATCH", "/admin/keys/none", {}, expect=404)
    admin("POST", "/admin/keys", {"requests_a_day": 5}, expect=422)
    # another secret, and the old one for a while
    second = admin("POST", path + "/rotate", {"grace_hours": 1})["key"]
    assert second != made["key"]
    ask("GET", "/v1/heads", expect=200)
    server.client(second).call("GET", "/v1/heads", expect=200)
    third = admin("POST", path + "/rotate", {"grace_hours": 0})["key"]
    server.client(second).call("GET", "/v1/heads", expect=401)
    last = server.client(third).call
    last("GET", "/v1/heads", expect=200)
    # its time is over, is not, and it is revoked
    assert admin("PATCH", path, {"expires_ms": 1})["state"] == "over"
    last("GET", "/v1/heads", expect=401)
    assert admin("PATCH", path, {"expires_days": 1})["state"] == "good"
    last("GET", "/v1/heads", expect=200)
    admin("DELETE", path, expect=204)
    last("GET", "/v1/heads", expect=401)
    assert admin("GET", "/admin/keys")["keys"][0]["state"] == "revoked"
    admin("DELETE", "/admin/keys/none", expect=404)


def test_usage(room):
    server, admin, _ = serve(room)
    key = admin("POST", "/admin/keys", {"name": 'a "quoted", name'}, expect=201)
    for _ in range(3):
        server.client(key["key"]).call("GET", "/v1/heads", expect=200)
    admin("POST", "/admin/keys", {"name": "idle"}, expect=201)
    days = admin("GET", "/admin/usage")["usage"]
    assert [(d["key"], d["name"], d["requests"]) for d in days] == [(key["id"], 'a "quoted", name', 3)]
    text = admin("GET", "/admin/usage?format=csv&days=2").decode()
    assert text == room.run("keys", "usage", "--csv", "--days", "2", "--db", room.database)
    assert list(csv.DictReader(io.StringIO(text)))[0]["name"] == 'a "quoted", name'
    assert admin("GET", "/admin/usage?key=none") == {"usage": []}
    for query in ("days=0", "days=x", "format=xml", "day=3"):
        admin("GET", "/admin/usage?" + query, expect=422)


def other_model(room):
    path = os.path.join(room.path, "other.gguf")
    folder = tiny_model.write_model(os.path.join(room.path, "other"), 2, embedding=24)
    room.run("model", "convert", folder, "--output", path, "--name", "other")
    return path


def test_models(room):
    """What may be loaded, under which name, and what is refused."""
    other = other_model(room)
    size = os.path.getsize(room.model), os.path.getsize(other)
    server, admin, _ = serve(room, "--alias", "photos=tiny")
    ask = server.client().call

    def names():
        return [m["id"] for m in admin("GET", "/admin/models")["models"]]

    loaded = admin("POST", "/admin/models", {"path": other}, expect=201)
    assert (loaded["id"], loaded["dim"], loaded["default"], loaded["path"], loaded["n_bytes"]) == ("other", 24, False, other, size[1])
    assert names() == ["tiny", "other"] and admin("GET", "/admin/models")["n_bytes"] == sum(size)
    assert ask("POST", "/v1/embed?model=other", room.picture, expect=200).json["dim"] == 24
    assert ask("POST", "/v1/embed", room.picture, expect=200).json["dim"] == 16
    admin("POST", "/admin/models", {"path": other}, expect=201)  # it is there: nothing changes
    assert names() == ["tiny", "other"]
    # another default; aliases stay with their models
    admin("POST", "/admin/models", {"path": other, "default": True}, expect=201)
    assert names() == ["other", "tiny"] and ask("POST", "/v1/embed", room.picture, expect=200).json["dim"] == 24
    assert ask("POST", "/v1/embed?model=photos", room.picture, expect=200).json["dim"] == 16
    admin("DELETE", "/admin/models/other", expect=409)
    admin("DELETE", "/admin/models/tiny", expect=204)
    ask("POST", "/v1/embed?model=tiny", room.picture, expect=404)
    ask("POST", "/v1/embed?model=photos", room.picture, expect=404)
    admin("DELETE", "/admin/models/tiny", expect=404)
    admin("DELETE", "/admin/models/other", expect=409)
    wait_until(lambda: admin("GET", "/admin/models")["leaving"] == 0)
    assert admin("GET", "/admin/models")["n_bytes"] == size[1]
    # under other names, which are free
    admin("POST", "/admin/models", {"path": room.model, "as": "small"}, expect=201)
    assert ask("POST", "/v1/embed?model=small", room.picture, expect=200).json["model"] == "small"
    for body, status in (({"path": room.model, "as": "other"}, 409), ({"path": room.model, "as": "photos"}, 409),
                         ({"path": room.model, "as": "a/b"}, 422), ({"path": "tiny.gguf"}, 422), ({}, 422),
                         ({"path": other, "name": "x"}, 422), ({"name": "no-such-model"}, 404), ({"name": "/etc"}, 404),
                         ({"path": room.path + "/none.gguf"}, 422), ({"path": room.database}, 422), ({"paht": other}, 422)):
        assert "message" in admin("POST", "/admin/models", body, expect=status)["error"], body
    assert names() == ["other", "small"]
    for i in range(6):
        admin("POST", "/admin/models", {"path": room.model, "as": f"m{i}"}, expect=201)
    assert admin("POST", "/admin/models", {"path": room.model, "as": "m6"}, expect=409)["error"]["code"] == "no_room"
    # a reload goes by where each lies, however it came
    os.replace(other, room.model)
    admin("POST", "/admin/reload", expect=422)  # 'other' has nothing at its path any more, and goes on
    assert ask("POST", "/v1/embed?model=small", room.picture, expect=200).json["dim"] == 24
    assert ask("POST", "/v1/embed?model=other", room.picture, expect=200).json["dim"] == 24


def test_memory_of_models(room):
    """What all models together may take is kept to, and told."""
    other = other_model(room)
    padding = os.path.join(room.path, "padded")
    tiny_model.write_model(padding)
    with open(os.path.join(padding, "padding.bin"), "wb") as file:
        file.truncate(2 << 20)  # a folder counts with all its files
    most = (os.path.getsize(room.model) + os.path.getsize(other) >> 20) + 1
    _, admin, _ = serve(room, "--models-memory", str(most))
    assert admin("GET", "/admin/models")["max_bytes"] == most << 20
    admin("POST", "/admin/models", {"path": other}, expect=201)
    why = admin("POST", "/admin/models", {"path": padding, "as": "large"}, expect=409)["error"]
    assert why["code"] == "no_room" and "--models-memory" in why["message"]
    done = subprocess.run([room.program, "serve", "--listen", "127.0.0.1:0", "--db", room.database, "--model", padding,
                           "--models-memory", "1"], env=room.environment, capture_output=True, text=True)
    assert done.returncode != 0 and "--models-memory" in done.stderr, done.stderr


def test_models_under_load(room):
    """Two models at once: one that always answers, and one that is loaded and unloaded while both are asked."""
    other = other_model(room)
    server, admin, _ = serve(room)
    wrong, answered, absent, stop = [], [0, 0], [0], threading.Event()

    def load(ask, name):
        while not stop.is_set():
            answer = ask("POST", f"/v1/embed?model={name}", room.picture)
            if answer.status == 200 and answer.json["model"] == name and answer.json["dim"] == {"tiny": 16, "other": 24}[name]:
                answered[name == "other"] += 1
            elif answer.status == 404 and name == "other":
                absent[0] += 1
            else:
                wrong.append(answer.body)

    threads = [threading.Thread(target=load, args=(server.client().ask, name)) for name in ("tiny", "other") * 4]
    for thread in threads:
        thread.start()

    def more_of(counts, index):
        before = counts[index]
        wait_until(lambda: counts[index] >= before + 8)

    try:
        for turn in range(4):
            admin("POST", "/admin/models", {"path": other}, expect=201)
            more_of(answered, 1)
            more_of(answered, 0)
            if turn == 2:
                server.process.send_signal(signal.SIGHUP)  # and a reload between
            admin("DELETE", "/admin/models/other", expect=204)
            more_of(absent, 0)
            more_of(answered, 0)
            wait_until(lambda: admin("GET", "/admin/models")["leaving"] == 0)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not wrong, wrong[:3]
    server.end()


if __name__ == "__main__":
    serving.main([test_socket, test_keys, test_usage, test_models, test_memory_of_models, test_models_under_load])
