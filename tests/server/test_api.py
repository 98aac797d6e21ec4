"""Every path of /v1, and what surrounds them."""
import contextlib
import hashlib
import hmac
import http.server
import io
import json
import os
import re
import signal
import sqlite3
import struct
import tarfile
import threading
import time
import urllib.parse
import zipfile

import serving
from serving import multipart, text_of, tiny_model, wait_until


def test_classify(room):
    ask = room.serve().client().call
    raw = ask("POST", "/v1/classify?top=3", room.picture, {"Content-Type": "image/png"}, 200).json
    assert raw["picture"] == {"width": 48, "height": 40, "format": "png"}, raw
    assert raw["results"][0]["head"] == "nouns" and len(raw["results"][0]["answers"]) == 3
    scores = [a["score"] for a in raw["results"][0]["answers"]]
    assert scores == sorted(scores, reverse=True)
    body, kind = multipart([("top", b"3")], [("image", room.picture)])
    assert ask("POST", "/v1/classify", body, {"Content-Type": kind}, 200).json == raw
    body = {"image": text_of(room.picture), "top": 3}
    assert ask("POST", "/v1/classify", body, expect=200).json == raw
    body["image"] = "data:image/png;base64," + body["image"]
    assert ask("POST", "/v1/classify", body, expect=200).json == raw
    two = ask("POST", "/v1/classify?head=fruits,nouns&explain=1&top=2", room.picture, expect=200).json
    assert [r["head"] for r in two["results"]] == ["fruits", "nouns"]
    assert {"cosine", "logit", "group"} <= set(two["results"][0]["answers"][0])
    full = {a["label_full"] for a in
            ask("POST", "/v1/classify?head=fruits&explain=1", room.picture, expect=200).json["results"][0]["answers"]}
    assert full == {"apple", "pear|nashi", "plum"}
    typed = ask("POST", "/v1/classify?labels=red,green,blue&template=the+colour+%7B%7D", room.picture, expect=200).json
    assert sum(a["score"] for a in typed["results"][0]["answers"]) > 0.999
    for group in ("warm", "cold"):  # words are kept for the next request: the same ones in another group are others
        body = {"image": text_of(room.picture), "labels": [{"label": "red", "group": group}], "explain": True}
        assert ask("POST", "/v1/classify", body, expect=200).json["results"][0]["answers"][0]["group"] == group
    multi = ask("POST", "/v1/classify", {"image": text_of(room.picture), "labels": ["red", "blue"], "multi": True},
                expect=200).json
    assert multi["results"][0]["multi"] is True


def test_ways_to_read_a_picture(room):
    ask = room.serve().client().call
    folder = os.path.join(room.source, "tests", "image", "conditions")
    with open(os.path.join(folder, "no_end.jpg"), "rb") as file:
        cut = file.read()
    with open(os.path.join(folder, "drawing.png"), "rb") as file:
        drawing = file.read()
    assert "truncated" in ask("POST", "/v1/classify", cut, expect=200).json["warnings"][0]
    assert "warnings" not in ask("POST", "/v1/classify", drawing, expect=200).json
    ask("POST", "/v1/classify?strict=1", cut, expect=400)
    ask("POST", "/v1/embed?strict=true", cut, expect=400)
    ask("POST", "/v1/classify", {"image": text_of(cut), "strict": True}, expect=400)
    ask("POST", "/v1/classify?alpha=black", drawing, expect=400)
    ways = [ask("POST", "/v1/embed?" + way, drawing, expect=200).json["embeddings"][0]
            for way in ("alpha=ground", "", "alpha=original", "exact=1")]
    assert ways[0] == ways[1] != ways[2] == ways[3]


def test_several_pictures(room):
    """One request, several pictures: each is answered in its place, and a broken one harms no other."""
    ask = room.serve().client().call
    one = ask("POST", "/v1/classify?head=fruits", room.picture, expect=200).json
    body, kind = multipart([("head", b"fruits")], [("image", room.picture), ("image", b"no picture"), ("image", room.picture)])
    many = ask("POST", "/v1/classify", body, {"Content-Type": kind}, 200).json
    wanted = {key: one[key] for key in ("picture", "results")}
    assert many["model"] == one["model"] and many["pictures"][0] == many["pictures"][2] == wanted, many
    assert many["pictures"][1]["error"]["code"] == "not_a_picture", many
    packed = {"images": [text_of(room.picture)] * 2, "head": "fruits", "image": None}
    assert ask("POST", "/v1/classify", packed, expect=200).json["pictures"] == [wanted] * 2
    assert len(ask("POST", "/v1/classify", {"images": [text_of(room.picture)]}, expect=200).json["pictures"]) == 1
    ask("POST", "/v1/classify", {**packed, "image": text_of(room.picture)}, expect=400)
    ask("POST", "/v1/classify", {"images": []}, expect=400)
    ask("POST", "/v1/classify", {"images": [text_of(room.picture), "*"]}, expect=400)
    ask("POST", "/v1/classify", {"images": [text_of(room.picture)] * 65}, expect=400)
    body, kind = multipart([], [("image", room.picture)] * 65)
    ask("POST", "/v1/classify", body, {"Content-Type": kind}, 400)
    body, kind = multipart([("head", b"fruits")], [("image", room.picture)])
    assert ask("POST", "/v1/classify?head=nouns", body, {"Content-Type": kind}, 422).json["error"]["code"] == "twice"
    for path in ("/v1/classify?alpha=ground", "/v1/embed?alpha=ground"):
        said = ask("POST", path, {"image": text_of(room.picture), "alpha": "original"}, expect=422)
        assert said.json["error"]["code"] == "twice", said.body


def test_bad_requests(room):
    ask = room.serve("--max-body", "1", "--max-pixels", "1").client().call
    for body, status in ((b"", 400), (b"hello, this is no picture at all", 415), (room.picture[:200], 400),
                         (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, 400)):
        ask("POST", "/v1/classify", body, {"Content-Type": "image/png"}, status)
    bomb = bytearray(room.picture)
    bomb[16:24] = struct.pack(">II", 30000, 30000)
    bomb[29:33] = struct.pack(">I", __import__("zlib").crc32(bytes(bomb[12:29])))
    ask("POST", "/v1/classify", bytes(bomb), expect=413)
    ask("POST", "/v1/classify", b"x" * (1 << 20) + b"y", expect=413)
    ask("POST", "/v1/classify", {"image": "%%%"}, expect=400)
    ask("POST", "/v1/classify", {"top": 3}, expect=400)
    ask("POST", "/v1/classify?top=0", room.picture, expect=400)
    ask("POST", "/v1/classify?head=nothing", room.picture, expect=404)
    ask("POST", "/v1/classify?model=nothing", room.picture, expect=404)
    ask("POST", "/v1/classify?head=..%2F..%2Fetc%2Fpasswd", room.picture, expect=404)
    ask("POST", "/v1/classify", b"{", {"Content-Type": "application/json"}, 400)
    ask("POST", "/v1/classify", b"x", {"Content-Type": "multipart/form-data"}, 400)
    ask("PUT", "/v1/classify", b"x", expect=405)
    ask("GET", "/nothing", expect=404)
    ask("GET", "/../../etc/passwd", expect=404)
    ask("POST", "/v1/heads", {"labels": ["a"]}, expect=422)
    ask("POST", "/v1/heads", {"name": "../x", "labels": ["a"]}, expect=422)
    ask("POST", "/v1/heads", {"name": "x"}, expect=400)
    ask("POST", "/v1/heads", {"name": "x", "labels": ["a"], "templates": ["none"]}, expect=400)
    ask("POST", "/v1/heads", {"name": "x", "labels": ["a", "a"]}, expect=400)
    ask("POST", "/v1/heads", b"<xml/>", {"Content-Type": "application/xml"}, 415)
    ask("POST", "/v1/classify?top=1", room.picture, expect=200)


def test_misspelt(room):
    """What is misspelt or of a wrong kind is refused by its name, and never left out without a word."""
    ask = room.serve().client().call
    picture = {"image": text_of(room.picture)}

    def refused(path, body, *words, headers=None):
        said = ask("POST", path, body, headers, 422).json["error"]["message"]
        assert all(word in said for word in words), said

    refused("/v1/classify", {**picture, "labels": ["a", "b"], "template": "a {}"}, "'template'", "'templates'")
    refused("/v1/classify", {**picture, "labels": ["a"], "multi": "yes"}, "'multi'", "true or false")
    refused("/v1/classify", {**picture, "labels": "a,b"}, "'labels'", "list")
    refused("/v1/classify", {**picture, "top": "3"}, "'top'", "whole number")
    refused("/v1/classify", {**picture, "top": 2.5}, "'top'")
    refused("/v1/classify", {**picture, "templates": ["a {}"]}, "'templates'", "'labels'")
    refused("/v1/classify?lables=cat,dog", room.picture, "'lables'", "'labels'")
    refused("/v1/classify?template=a+%7B%7D", room.picture, "'template'", "'labels'")
    body, kind = multipart([("lables", b"a,b")], [("image", room.picture)])
    refused("/v1/classify", body, "'lables'", headers={"Content-Type": kind})
    refused("/v1/embed", {"texts": "a"}, "'texts'")
    refused("/v1/embed", {"txt": "a"}, "'txt'", "'text'")
    refused("/v1/embed?modle=x", room.picture, "'modle'", "'model'")
    refused("/v1/heads", {"name": "h", "labels": ["a"], "replce": True}, "'replce'", "'replace'")
    refused("/v1/heads", {"name": "h", "labels": ["a"], "examples": [{"label": "a", "picture": ""}]}, "'picture'")
    ask("POST", "/v1/classify", {**picture, "labels": ["a"], "templates": ["NO BRACES"]}, expect=400)
    nothing = {"head": None, "top": None, "labels": None, "templates": None, "multi": None, "explain": None, "model": None}
    assert ask("POST", "/v1/classify", {**picture, **nothing}, expect=200).json == \
        ask("POST", "/v1/classify", room.picture, expect=200).json


def test_heads(room):
    server = room.serve()
    ask = server.client().call
    made = ask("POST", "/v1/heads", {"name": "näme 1", "labels": ["cat|kitty", {"label": "dog", "group": "animal"}],
                                     "templates": ["a {}.", "the {}."], "licence": "CC0-1.0"}, expect=201)
    assert made.headers["Location"] == "/v1/heads/n%C3%A4me%201"
    url = made.headers["Location"]
    head = ask("GET", url, expect=200).json
    assert head["labels"] == [{"label": "cat|kitty", "group": None}, {"label": "dog", "group": "animal"}]
    assert head["templates"] == ["a {}.", "the {}."] and head["licence"] == "CC0-1.0"
    ask("POST", "/v1/heads", {"name": "näme 1", "labels": ["x"]}, expect=409)
    ask("POST", "/v1/heads", {"name": "fruits", "labels": ["x"]}, expect=409)
    file = ask("GET", url, headers={"Accept": "application/octet-stream"}, expect=200)
    assert hashlib.sha256(file.body).hexdigest() == made.json["etag"] == file.headers["ETag"].strip('"')
    path = os.path.join(room.path, "head.safetensors")
    with open(path, "wb") as out:
        out.write(file.body)
    tensors, metadata = tiny_model.read_safetensors(path)
    assert tensors["weight"][1] == [3, 16], tensors["weight"][1]
    same = {"Accept": "application/octet-stream", "If-None-Match": file.headers["ETag"]}
    ask("GET", url, headers=same, expect=304)
    part = ask("GET", url + "?format=safetensors", headers={"Range": "bytes=10-19"}, expect=206)
    assert part.body == file.body[10:20] and part.headers["Content-Range"] == f"bytes 10-19/{len(file.body)}"
    ask("GET", url + "?format=safetensors", headers={"Range": "bytes=999999-"}, expect=416)
    before = ask("POST", "/v1/classify?head=n%C3%A4me%201", room.picture, expect=200).json
    ask("POST", "/v1/heads", {"name": "näme 1", "labels": ["x", "y"], "replace": True}, expect=201)
    after = ask("POST", "/v1/classify?head=n%C3%A4me%201", room.picture, expect=200).json
    assert before != after and {a["label"] for a in after["results"][0]["answers"]} == {"x", "y"}
    names = [h["name"] for h in ask("GET", "/v1/heads", expect=200).json["heads"]]
    assert names == ["fruits", "nouns", "näme 1"], names
    server.kill()  # SIGKILL: what was acknowledged is there
    ask = server.again().client().call
    assert ask("GET", url, expect=200).json["n_labels"] == 2
    ask("DELETE", url, expect=204)
    ask("DELETE", url, expect=404)
    ask("POST", "/v1/classify?head=n%C3%A4me%201", room.picture, expect=404)
    for i in range(5):
        ask("POST", "/v1/heads", {"name": f"h{i}", "labels": ["a", "b"]}, expect=201)
    page = ask("GET", "/v1/heads?limit=2&after=", expect=200).json
    assert [h["name"] for h in page["heads"]] == ["h0", "h1"] and page["next"] == "h1"
    page = ask("GET", "/v1/heads?limit=3&after=h1", expect=200).json
    assert [h["name"] for h in page["heads"]] == ["h2", "h3", "h4"] and page["next"] is None


def test_head_files(room):
    """A head file that was made elsewhere is taken as it is, if it is of a model that is served."""
    server = room.serve()
    ask = server.client(room.key()).call
    kind = {"Content-Type": "application/octet-stream"}
    ask("POST", "/v1/heads", {"name": "first", "labels": ["cat", "dog"]}, expect=201)
    data = ask("GET", "/v1/heads/first?format=safetensors", expect=200).body
    made = ask("POST", "/v1/heads?name=mine&visibility=private", data, kind, 201).json
    assert (made["n_labels"], made["visibility"]) == (2, "private")
    assert {a["label"] for a in ask("POST", "/v1/classify?head=mine", room.picture, expect=200).json["results"][0]["answers"]} == {
        "cat", "dog"}
    ask("POST", "/v1/heads?name=mine", data, kind, 409)
    ask("POST", "/v1/heads?name=mine&replace=1", data, kind, 201)
    ask("POST", "/v1/heads", data, kind, 422)
    ask("POST", "/v1/heads?name=x&visibilty=private", data, kind, 422)
    ask("POST", "/v1/heads?name=x", data[:100], kind, 400)
    ask("POST", "/v1/heads?name=x", data.replace(made["fingerprint"].encode(), b"0" * 64), kind, 409)


def test_examples(room):
    ask = room.serve().client().call
    pictures = [tiny_model.png(40, 40, seed) for seed in range(4)]
    body = {"name": "shots", "labels": ["one", "two"],
            "examples": [{"label": "one", "image": text_of(pictures[0])}, {"label": "one", "image": text_of(pictures[1])},
                         {"label": "two", "image": text_of(pictures[2])}, {"label": "two", "image": text_of(pictures[3])}]}
    made = ask("POST", "/v1/heads", body, expect=201).json
    assert made["kind"] == "few-shot"
    assert ask("GET", "/v1/heads/shots", expect=200).json["n_examples"] == 4
    ask("POST", "/v1/classify?head=shots", pictures[0], expect=200)
    body["examples"][0]["label"] = "three"
    ask("POST", "/v1/heads", {**body, "name": "wrong"}, expect=400)
    body["examples"][0] = {"label": "one", "image": text_of(b"no picture")}
    ask("POST", "/v1/heads", {**body, "name": "wrong"}, expect=400)


def events_of(server, path):
    sock = serving.connect(server.port)
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    text = sock.makefile("rb").read().decode()
    assert text.startswith("HTTP/1.1 200") and "text/event-stream" in text, text[:300]
    return [(line, json.loads(data[6:])) for line, data in
            zip(text.splitlines(), text.splitlines()[1:]) if line.startswith("event:")]


def test_jobs(room):
    # One thread without vector instructions: a long job is long on every machine.
    server = room.serve("--threads", "1", "--isa", "scalar")
    ask = server.client().call
    body = {"name": "later", "labels": [f"label {i}" for i in range(300)], "templates": ["a {}.", "the {}."]}
    answer = ask("POST", "/v1/heads", body, expect=202)
    url = answer.headers["Location"]
    events = events_of(server, url + "/events")
    assert events[-1][0] == "event: end" and events[-1][1]["state"] == "done", events
    assert ask("GET", url, expect=200).json["head"] == "later"
    assert ask("GET", "/v1/heads/later", expect=200).json["n_labels"] == 300
    ask("GET", "/v1/jobs/nothing", expect=404)
    big = {"name": "long", "labels": [f"a rather long label with number {i}" for i in range(50000)]}
    url = ask("POST", "/v1/heads", big, expect=202).headers["Location"]
    wait_until(lambda: ask("GET", url).json["state"] == "running")
    ask("DELETE", url, expect=202)
    wait_until(lambda: ask("GET", url).json["state"] == "cancelled")
    ask("GET", "/v1/heads/long", expect=404)
    ask("DELETE", url, expect=200)
    listed = ask("GET", "/v1/jobs", expect=200).json["jobs"]
    assert [job["state"] for job in listed] == ["cancelled", "done"] and listed[1]["head"] == "later", listed
    failing = ask("POST", "/v1/heads", {"name": "f", "labels": ["a", "a"]}, {"Prefer": "respond-async"}, 202)
    wait_until(lambda: ask("GET", failing.headers["Location"]).json["state"] == "failed")


def kept(room):
    """Of the one job that runs: how many prompts are told to be done, and how many are in what is kept of it."""
    with contextlib.closing(sqlite3.connect(room.database)) as database:
        row = database.execute("SELECT done, (SELECT bytes FROM job_parts WHERE job = id) FROM jobs WHERE state = 'running'"
                               ).fetchone()
    return row and row[1] and (row[0], struct.unpack_from("=Q", row[1], 80)[0])


def archives_of(files):
    """As zip (some stored, some deflated) and as tar."""
    packed, taped = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for i, (name, data) in enumerate(files):
            archive.writestr(name, data, zipfile.ZIP_DEFLATED if i % 2 else zipfile.ZIP_STORED)
    with tarfile.open(fileobj=taped, mode="w") as archive:
        for name, data in files:
            about = tarfile.TarInfo(name)
            about.size = len(data)
            archive.addfile(about, io.BytesIO(data))
    return (("application/zip", packed.getvalue()), ("application/x-tar", taped.getvalue()))


def test_archives(room):
    """An archive of pictures is a job; its answers are those of each picture alone, and kept; whatever is wrong with it is
    said, by name."""
    server = room.serve("--anonymous")
    ask = server.client().call
    one = ask("POST", "/v1/classify?head=fruits&top=2", room.picture, expect=200).json
    deep = "a/" * 60 + "\u00e4" * 40 + ".png"
    files = [("first.png", room.picture), ("folder/second.png", room.picture), ("notes.txt", b"no picture"),
             (".hidden.png", room.picture), ("__MACOSX/._first.png", b"x"), (deep, room.picture)]
    wanted = [{"name": name, **one} for name in ("first.png", "folder/second.png")]
    for kind, data in archives_of(files):
        job = ask("POST", "/v1/jobs?head=fruits&top=2", data, {"Content-Type": kind}, 202)
        assert job.json["total"] == 4 and job.json["result"] is None, job.json
        url = job.headers["Location"]
        over = wait_until(lambda: (at := ask("GET", url, expect=200).json)["state"] == "done" and at)
        assert over["done"] == 4 and over["expires_ms"] == over["updated_ms"] + 86400000
        got = ask("GET", over["result"], expect=200).json["pictures"]
        assert got[:2] == wanted and got[3] == {"name": deep, **one}, got
        assert got[2]["name"] == "notes.txt" and got[2]["error"]["code"] == "not_a_picture", got[2]
        ask("GET", over["result"], headers={"X-Forwarded-For": "198.51.100.7"}, expect=404)
        assert over["id"] in [other["id"] for other in ask("GET", "/v1/jobs", expect=200).json["jobs"]]
        ask("POST", "/v1/jobs?head=none", data, {"Content-Type": kind}, 404)
        ask("POST", "/v1/jobs?tops=1", data, {"Content-Type": kind}, 422)
        ask("POST", "/v1/jobs", data, {"Content-Type": "image/png"}, 415)
        ask("POST", "/v1/jobs", data, {"Content-Type": kind, "X-Forwarded-For": "198.51.100.7"}, 403)
        ask("POST", "/v1/jobs", data[:len(data) // 3], {"Content-Type": kind}, 400)
    plain = ask("POST", "/v1/heads", {"name": "h", "labels": ["a"]}, {"Prefer": "respond-async"}, 202).json
    ask("GET", f"/v1/jobs/{plain['id']}/result", expect=404)
    for i, broken in ((0, b"PK\3\4"), (8, b"\1\0"), (10, b"\x0e\0")):  # no file there; encrypted; LZMA
        data = bytearray(archives_of(files[:1])[0][1])
        at = data.index(b"PK\1\2") + i
        data[at:at + len(broken)] = broken
        ask("POST", "/v1/jobs", bytes(data), {"Content-Type": "application/zip"}, (400, 422, 422)[(0, 8, 10).index(i)])
    data = bytearray(archives_of([("a", b""), ("b.png", room.picture * 20)])[0][1])
    data[data.index(b"b.png") + 60] ^= 0xff  # inside what is deflated
    job = ask("POST", "/v1/jobs?head=fruits", bytes(data), {"Content-Type": "application/zip"}, 202).headers["Location"]
    wait_until(lambda: ask("GET", job, expect=200).json["state"] == "done")
    codes = [one["error"]["code"] for one in ask("GET", job + "/result", expect=200).json["pictures"]]
    assert codes == ["bad_picture", "bad_archive"], codes
    server.end()


class Told(http.server.BaseHTTPRequestHandler):
    """Remembers what it is told; leads elsewhere from /away."""
    said = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.said.append((self.path, self.headers["X-Whatsit-Signature"], body))
        self.send_response(302 if self.path == "/away" else 204)
        self.send_header("Location", f"http://localhost:{self.server.server_address[1]}/elsewhere")
        self.end_headers()

    def log_message(self, *_):
        pass


def test_webhooks(room):
    """The end of a job is told to an origin that is listed, signed, and never along a redirect; names
    that lead to this machine are not followed."""
    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Told)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    here = f"http://127.0.0.1:{listener.server_address[1]}"
    inside = f"http://inside.localhost:{listener.server_address[1]}"  # a name of this machine, without asking anybody
    server = room.serve("--webhook", here, "--webhook", inside)
    ask = server.client(room.key("w")).call
    data = archives_of([("a.png", room.picture)])[0][1]
    zipped = {"Content-Type": "application/zip"}

    def begin(url, expect=202):
        return ask("POST", "/v1/jobs?head=fruits&webhook=" + urllib.parse.quote(url, safe=""), data, zipped, expect)

    for wrong in ("http://127.0.0.1:1/", "https" + here[4:], "http://localhost" + here[16:], here.replace("//", "//me@"), "file:///etc/passwd",
                  here + ".example.org/", "nothing", ""):
        assert begin(wrong, 403).json["error"]["code"] == "webhook", wrong
    job = begin(here + "/again?x=1").json
    begin(here + "/away")
    begin(inside + "/inside")
    wait_until(lambda: sum(path == "/again?x=1" for path, _, _ in Told.said) == 1 and len(Told.said) >= 2)
    path, signature, body = next(said for said in Told.said if said[0] == "/again?x=1")
    assert json.loads(body) == ask("GET", f"/v1/jobs/{job['id']}", expect=200).json
    moment, mac = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", signature).groups()
    assert hmac.new(job["webhook_secret"].encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest() == mac
    assert abs(int(moment) / 1000 - time.time()) < 300
    wait_until(lambda: "leads to an address that is not public" in server.said())
    wait_until(lambda: "no answer with 2xx: webhook " + here + "/away" in server.said())
    assert not any(path in ("/inside", "/elsewhere") for path, _, _ in Told.said), Told.said
    wait_until(lambda: sum(path == "/away" for path, _, _ in Told.said) == 2)  # and tried again
    server.end()
    listener.shutdown()


def test_jobs_go_on(room):
    """A job outlives its server: another one goes on where it stopped, and makes the same head."""
    server = room.serve("--threads", "1", "--isa", "scalar")
    ask = server.client().call
    names = [f"a rather long label with number {i}" for i in range(45000)]
    url = ask("POST", "/v1/heads", {"name": "long", "labels": names}, expect=202).headers["Location"]
    wait_until(lambda: ask("GET", url).json["done"] > 2048)
    # a server that ends in peace keeps all but the batch under way, and leaves the job to the next one at once
    server.end()
    told, n_kept = kept(room)
    assert told - 2048 < n_kept <= told and 2048 <= n_kept < len(names), (told, n_kept)
    # one that is killed leaves what was kept; its lease has to run out
    server.again().kill()
    told, n_kept = kept(room)
    ask = server.again().client().call
    # the first that is told would be little if it had begun anew
    wait_until(lambda: ask("GET", url).json["done"] != told)
    assert ask("GET", url).json["done"] >= n_kept
    wait_until(lambda: ask("GET", url).json["state"] == "done", 300)
    with contextlib.closing(sqlite3.connect(room.database)) as database:
        assert database.execute("SELECT COUNT(*) FROM job_parts").fetchone() == (0,)
    url = ask("POST", "/v1/heads", {"name": "twin", "labels": names}, expect=202).headers["Location"]
    wait_until(lambda: ask("GET", url).json["state"] == "done", 300)
    one, two = (ask("GET", f"/v1/heads/{name}", headers={"Accept": "application/octet-stream"}, expect=200).body
                for name in ("long", "twin"))
    assert one.replace(b'"long"', b'"twin"') == two


def test_many_jobs(room):
    """One client may keep so many jobs and streams, and no more."""
    server = room.serve("--threads", "1", "--isa", "scalar")
    ask = server.client().call
    long = {"name": "long", "labels": [f"a rather long label with number {i}" for i in range(90000)]}
    answers = [ask("POST", "/v1/heads", long)]
    answers += [ask("POST", "/v1/heads", {"name": f"h{i}", "labels": ["a"]}, {"Prefer": "respond-async"}) for i in range(32)]
    assert [a.status for a in answers] == [202] * 32 + [503], [a.status for a in answers]
    socks = []
    for i in range(65):
        socks.append(serving.connect(server.port))
        socks[-1].sendall(f"GET {answers[0].headers['Location']}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        status = socks[-1].recv(12).decode()
        assert status == ("HTTP/1.1 200" if i < 64 else "HTTP/1.1 503"), (i, status)
    for sock in socks:
        sock.close()


def test_models(room):
    ask = room.serve("--alias", "other=tiny").client().call
    model = ask("GET", "/v1/models", expect=200).json["data"][0]
    with open(room.model, "rb") as file:
        data = file.read()
    assert model["file"]["sha256"] == hashlib.sha256(data).hexdigest() and model["file"]["n_bytes"] == len(data)
    whole = ask("GET", model["file"]["url"], expect=200)
    assert whole.body == data and "immutable" in whole.headers["Cache-Control"]
    part = ask("GET", model["file"]["url"], headers={"Range": "bytes=-100"}, expect=206)
    assert part.body == data[-100:]
    ask("GET", model["file"]["url"], headers={"If-None-Match": whole.headers["ETag"]}, expect=304)
    ask("GET", model["file"]["url"], headers={"Range": f"bytes={len(data)}-"}, expect=416)
    ask("GET", "/v1/models/tiny/file/" + "0" * 64, expect=404)
    ask("HEAD", "/v1/models/tiny/file", expect=200)
    assert ask("GET", "/v1/models/other", expect=200).json["id"] == "tiny"
    ask("GET", "/v1/models/none", expect=404)


def test_embed(room):
    ask = room.serve().client().call
    one = ask("POST", "/v1/embed", room.picture, expect=200).json
    assert one["dim"] == 16 and abs(sum(x * x for x in one["embeddings"][0]) - 1) < 1e-4
    several = ask("POST", "/v1/embed", {"images": [text_of(room.picture)] * 2, "texts": ["a", "b"]}, expect=200).json
    assert several["embeddings"][0] == several["embeddings"][1] == one["embeddings"][0]
    assert len(several["embeddings"]) == 4
    body, kind = multipart([], [("image", room.picture), ("image", room.picture)])
    assert len(ask("POST", "/v1/embed", body, {"Content-Type": kind}, 200).json["embeddings"]) == 2
    ask("POST", "/v1/embed", {}, expect=400)


def test_one_place_for_a_field(room):
    """The three that take a picture read forms and JSON alike: a field is known, is text, and stands in one place."""
    ask = room.serve().client().call
    for path, name, good in (("/v1/classify", "top", "1"), ("/v1/describe", "n", "1"), ("/v1/embed", "alpha", "ground")):
        def form(*fields, query="", status=422):
            body, kind = multipart(fields, [("image", room.picture)])
            return ask("POST", path + query, body, {"Content-Type": kind}, status).json
        usual = 404 if path == "/v1/describe" else 200  # here is no describer
        value = good.encode()
        form((name, value), status=usual)
        form(query=f"?{name}={good}", status=usual)
        assert form((name, value), query=f"?{name}={good}")["error"]["code"] == "twice"
        assert form((name, value), (name, value))["error"]["code"] == "twice"
        assert form(query=f"?{name}={good}&{name}={good}")["error"]["code"] == "twice"
        assert form((name + "x", value))["error"]["code"] == "unknown_field"
        assert form((name, b"\xff"), status=400)["error"]["code"] == "not_utf8"
        assert form((name, value + b"\0"), status=400)["error"]["code"] == "not_utf8"
        assert form(("model", b"none"), status=404)["error"]["message"] == "there is no model 'none'"
        body, kind = multipart([(name, value)], [])
        assert ask("POST", path, body, {"Content-Type": kind}, 400).json["error"]["code"] == "no_picture"
        packed = {"image": text_of(room.picture), name: int(good) if good == "1" else good}
        ask("POST", path, packed, expect=usual)
        assert ask("POST", f"{path}?{name}={good}", packed, expect=422).json["error"]["code"] == "twice"
    body, kind = multipart([("head", b"fruits"), ("head", b"nouns")], [("image", room.picture)])
    assert len(ask("POST", "/v1/classify", body, {"Content-Type": kind}, 200).json["results"]) == 2
    body, kind = multipart([], [("image", room.picture)] * 2)
    ask("POST", "/v1/describe", body, {"Content-Type": kind}, 400)


def test_describe(room):
    ask = room.serve().client().call
    assert ask("POST", "/v1/describe", room.picture, expect=404).json["error"]["code"] == "no_describer"
    ask("POST", "/v1/describe?n=9", room.picture, expect=400)
    ask("POST", "/v1/describe?beam=2&n=3", room.picture, expect=400)
    ask("POST", "/v1/describe?model=none", room.picture, expect=404)
    assert "'nn'" in ask("POST", "/v1/describe?nn=2", room.picture, expect=422).json["error"]["message"]
    ask("POST", "/v1/describe", {}, expect=400)
    models = os.path.join(room.source, "models")
    if not os.path.exists(os.path.join(models, "whatsit-describe.gguf")):
        return
    with open(os.path.join(room.source, "samples", "pizza.jpg"), "rb") as file:
        pizza = file.read()
    ask = room.serve(model=os.path.join(models, "whatsit-nano.gguf")).client().call
    one = ask("POST", "/v1/describe", pizza, expect=200).json
    assert len(one["captions"]) == 1 and "pizza" in one["captions"][0]["text"], one
    assert (one["sure"] is False) == ("perhaps" in one)
    body, kind = multipart([("n", b"3"), ("about", b"the table")], [("image", pizza)])
    three = ask("POST", "/v1/describe", body, {"Content-Type": kind}, 200).json
    assert len(three["captions"]) == 3 and all(c["text"].startswith("the table") for c in three["captions"])
    assert ask("POST", "/v1/describe", {"image": text_of(pizza), "n": 3, "about": "the table"}, expect=200).json == three
    assert ask("POST", "/v1/describe?about=xylographic", pizza, expect=422).json["error"]["code"] == "about"
    ask("POST", "/v1/describe", b"no picture", expect=415)


def test_a_model_that_describes_by_itself(room):
    original = os.path.join(room.source, "tests", "model", "data", "originals", "open_clip_coca")
    coca = os.path.join(room.path, "coca.gguf")
    room.run("model", "convert", original, "--output", coca, "--name", "coca")
    path = os.path.join(room.path, "one.png")
    with open(path, "wb") as file:
        file.write(room.picture)
    def native(*words):
        return json.loads(room.run("describe", path, "--model", coca, "--json", "--quiet", *words))["captions"]
    def same(told, *words):
        want = native(*words)
        assert [c["text"] for c in told] == [c["text"] for c in want], (told, want)
        assert all(abs(a["logprob"] - b["logprob"]) < 1e-4 for a, b in zip(told, want))
    server = room.serve("--model", coca, model=room.model)
    ask = server.client().call
    assert ask("POST", "/v1/describe", room.picture, expect=404).json["error"]["code"] == "no_describer"  # of the first model
    one = ask("POST", "/v1/describe?model=coca", room.picture, expect=200).json
    assert one["sure"] is None and "perhaps" not in one and one["model"] == "coca", one
    same(one["captions"])
    same(ask("POST", "/v1/describe?model=coca&n=3&about=cat", room.picture, expect=200).json["captions"], "--n", "3", "--about", "cat")
    same(ask("POST", "/v1/describe?model=coca&beam=1", room.picture, expect=200).json["captions"], "--beam", "1")
    ask("POST", "/v1/describe?model=coca&about=" + "cat%20" * 49, room.picture, expect=422)
    ask("POST", "/v1/describe?model=coca", b"no picture", expect=415)
    assert ask("POST", "/v1/classify?model=coca&head=fruits", room.picture, expect=200).json["results"]
    told, clients = [], [server.client() for _ in range(6)]
    threads = [threading.Thread(target=lambda c=c: told.append(c.call("POST", "/v1/describe?model=coca", room.picture, expect=200).json)) for c in clients]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert len(told) == 6 and all(t == one for t in told), told
    metrics = ask("GET", "/metrics", expect=200).body.decode()
    assert 'whatsit_described_images_total{model="coca"} 9\n' in metrics, metrics


def test_around(room):
    web = os.path.join(room.path, "web")
    os.makedirs(os.path.join(web, "app"))
    os.makedirs(os.path.join(web, "models"))
    for name, text in (("index.html", "<p>hello"), ("app/main.js", "1;"), (".secret", "no"), ("models/a.gguf", "0123456789"),
                       ("app/main.js.gz", "packed")):
        with open(os.path.join(web, name), "w") as file:
            file.write(text)
    os.symlink("/etc/passwd", os.path.join(web, "link.txt"))
    server = room.serve("--web", web, "--cors", "https://good.example")
    client = server.client()
    ask = client.call
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/ping", "/"):
        ask("GET", path, expect=200)
    page = client.ask("GET", "/", headers={"Accept": "text/html"})
    assert page.body == b"<p>hello" and page.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert page.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert client.ask("GET", "/app/main.js").headers["Content-Type"].startswith("text/javascript")
    assert client.ask("GET", "/app/main.js", headers={"If-None-Match": client.ask("GET", "/app/main.js").headers["ETag"]}).status == 304
    packed = client.ask("GET", "/app/main.js", headers={"Accept-Encoding": "br, gzip"})
    assert (packed.body, packed.headers["Content-Encoding"]) == (b"packed", "gzip")
    assert packed.headers["Content-Type"].startswith("text/javascript")
    part = client.ask("GET", "/models/a.gguf", headers={"Range": "bytes=2-4"})
    assert (part.status, part.body, part.headers["Content-Range"]) == (206, b"234", "bytes 2-4/10")
    for path in ("/.secret", "/link.txt", "/app/../.secret", "/app/%2e%2e/.secret", "/app"):
        assert client.ask("GET", path).status == 404, path
    good = client.ask("OPTIONS", "/v1/classify", headers={"Origin": "https://good.example"})
    assert good.status == 204 and good.headers["Access-Control-Allow-Origin"] == "https://good.example"
    bad = client.ask("OPTIONS", "/v1/classify", headers={"Origin": "https://bad.example"})
    assert bad.status == 403 and "Access-Control-Allow-Origin" not in bad.headers
    with open(os.path.join(web, "new.txt"), "w") as file:
        file.write("new")
    assert client.ask("GET", "/new.txt").status == 404
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: client.ask("GET", "/new.txt").status == 200)
    ask("POST", "/v1/classify", room.picture, expect=200)


def test_page(room):
    """A person in a browser sees what this is; the page loads nothing from elsewhere."""
    client = room.serve().client()
    page = client.ask("GET", "/", headers={"Accept": "text/html,*/*"})
    assert page.status == 200 and page.headers["Content-Type"] == "text/html; charset=utf-8" and b"<h1>whatsit" in page.body
    assert page.body == client.call("GET", "/docs", expect=200).body
    assert client.call("GET", "/", expect=200).json == {"message": "Immich ML"}
    for path in re.findall(rb'(?:href|src)="([^"]+)"', page.body):
        assert path.startswith(b"/"), path
        if path != b"/index.html":
            answer = client.call("GET", path.decode(), expect=200)
            assert b"http://" not in answer.body and b"https://" not in answer.body or path == b"/openapi.json", path
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert "unsafe" not in page.headers["Content-Security-Policy"]


def test_reload_and_shutdown(room):
    """Under load: a reload drops nothing; SIGTERM answers what is under way and ends with 0."""
    server = room.serve()
    statuses, refused, stop = [], [], threading.Event()

    def load():
        client = server.client()
        while not stop.is_set():
            try:
                statuses.append(client.ask("POST", "/v1/classify", room.picture).status)
            except OSError:
                refused.append(1)
                return

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for i in range(5):
        n = len(statuses)
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: server.said().count("reloaded") > i and len(statuses) > n + 8)
    assert set(statuses) == {200} and not refused, (set(statuses), refused)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=180) == 0
    stop.set()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {200}, set(statuses)


def test_shutdown_sends_all(room):
    """SIGTERM while a long answer is being read: it is sent to its end."""
    web = os.path.join(room.path, "web")
    os.makedirs(web)
    with open(os.path.join(web, "long.txt"), "wb") as file:
        file.truncate(64 << 20)
    server = room.serve("--web", web)
    sock = serving.connect(server.port)
    sock.sendall(b"GET /long.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")
    said = sock.recv(4096)
    server.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "finishing" in server.said())
    n = len(said) - said.index(b"\r\n\r\n") - 4
    while chunk := sock.recv(1 << 20):
        n += len(chunk)
    assert n == 64 << 20, n
    assert server.process.wait(timeout=180) == 0


def test_another_model(room):
    """Another model, of another width, takes a model's place: requests under way end with the one they began with,
    no request is dropped, and until the reload the old one answers, also from a tower that is opened anew."""
    live, other = os.path.join(room.path, "live.gguf"), os.path.join(room.path, "other.gguf")
    os.link(room.model, live)
    folder = tiny_model.write_model(os.path.join(room.path, "other"), 2, embedding=24)
    room.run("model", "convert", folder, "--output", other, "--name", "other")
    server = room.serve("--alias", "photos=tiny", "--idle", "1", model=live)
    ask = server.client().call
    old = ask("POST", "/v1/embed?model=photos", room.picture, expect=200).json
    old_file = ask("GET", "/v1/models/photos", expect=200).json["file"]
    ask("POST", "/v1/heads", {"name": "h", "labels": ["a", "b"]}, expect=201)
    os.replace(other, live)
    wait_until(lambda: 'whatsit_towers_open{model="tiny"} 0' in ask("GET", "/metrics").body.decode())
    assert ask("POST", "/v1/embed?model=photos", room.picture, expect=200).json == old
    assert len(ask("GET", old_file["url"], expect=200).body) == old_file["n_bytes"]
    seen, failures, stop = [], [], threading.Event()

    def load(ask):
        while not stop.is_set():
            answer = ask("POST", "/v1/embed?model=photos", room.picture)
            if answer.status == 200:
                seen.append((answer.json["model"], answer.json["dim"], len(answer.json["embeddings"][0])))
            else:
                failures.append(answer.body)

    threads = [threading.Thread(target=load, args=(server.client().call,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(seen) > 20)
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: seen[-1][0] == "other" and seen[-20][0] == "other")
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures and set(seen) == {("tiny", 16, 16), ("other", 24, 24)}, (failures[:3], set(seen))
    new = ask("GET", "/v1/models", expect=200).json["data"][0]
    with open(live, "rb") as file:
        assert new["file"]["sha256"] == hashlib.sha256(file.read()).hexdigest()
    ask("GET", old_file["url"], expect=404)
    ask("POST", "/v1/classify?head=h", room.picture, expect=409)
    ask("POST", "/v1/classify?head=fruits", room.picture, expect=200)
    with open(other, "wb") as file:
        file.write(b"GGUF and no more")
    os.replace(other, live)
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "reloading:" in server.said())
    assert ask("GET", "/v1/models", expect=200).json["data"][0] == new
    ask("POST", "/v1/classify?head=fruits", room.picture, expect=200)


def test_idle(room):
    server = room.serve("--idle", "1")
    ask = server.client().call
    ask("POST", "/v1/classify", room.picture, expect=200)
    towers = 'whatsit_towers_open{model="tiny"} '
    assert towers + "2" in ask("GET", "/metrics").body.decode()
    wait_until(lambda: towers + "0" in ask("GET", "/metrics").body.decode())
    ask("POST", "/v1/classify?head=fruits", room.picture, expect=200)


if __name__ == "__main__":
    serving.main([test_classify, test_ways_to_read_a_picture, test_several_pictures, test_bad_requests, test_misspelt, test_heads, test_head_files, test_examples, test_jobs, test_archives, test_webhooks, test_jobs_go_on, test_many_jobs,
                  test_models, test_embed, test_one_place_for_a_field, test_describe, test_a_model_that_describes_by_itself, test_around, test_page, test_reload_and_shutdown, test_shutdown_sends_all, test_another_model, test_idle])
