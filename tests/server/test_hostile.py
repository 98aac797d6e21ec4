"""Broken requests, broken pictures, clients that send nothing or never end: no crash, no answer that the document
does not know, and neighbours notice nothing."""
import json
import os
import random
import re
import resource
import socket
import threading

import serving
from serving import connect, most_resident_mb, multipart, text_of, tiny_model

N_REQUESTS = int(os.environ.get("WHATSIT_FUZZ_REQUESTS", "3000"))
N_CLIENTS = 32
N_SLOW = 1000


def heads_of(source):
    paths = ["/v1/classify", "/v1/embed", "/v1/heads", "/v1/jobs/x", "/v1/models", "/hf", "/v1/embeddings", "/predict",
             "/v1/heads/fruits", "/%00", "/%2e%2e/%2f", "//", "/v1/classify?head=%ff&top=-1", "/v1/classify?top=99999999999",
             "/" + "a" * source.randrange(1, 9000), "*", "http://x/v1/classify", "/v1/classify?labels=a,b&template=x"]
    methods = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "\x7f", "G" * 40]
    kinds = ["application/json", "multipart/form-data; boundary=x", "image/png", "multipart/form-data", "\xff",
             "application/json; charset=x", "multipart/form-data; boundary=\"" + "b" * 100]
    lines = [f"{source.choice(methods)} {source.choice(paths)} {source.choice(['HTTP/1.1', 'HTTP/1.0', 'HTTP/9', 'x'])}",
             "Host: localhost"]
    extra = [f"Content-Type: {source.choice(kinds)}", "Range: bytes=9-1", "Range: bytes=-", "If-None-Match: \"",
             "Authorization: Bearer wk_" + "f" * source.randrange(200), "X: " + "y" * source.randrange(3000),
             "Expect: 100-continue", "Transfer-Encoding: chunked", "Transfer-Encoding: x", "Content-Length: -1",
             "Content-Length: 99999999999999999999", "Content-Length: 5\r\nContent-Length: 6", " folded", ":", "\x00: a",
             "Cookie: \xff\xfe", "Connection: upgrade", "Accept: application/octet-stream"]
    return lines + source.sample(extra, source.randrange(4))


def mutate(source, data):
    data = bytearray(data)
    for _ in range(source.randrange(1, 8)):
        if not data:
            break
        at = source.randrange(len(data))
        kind = source.randrange(4)
        if kind == 0:
            data[at] = source.randrange(256)
        elif kind == 1:
            del data[at:at + source.randrange(1, 50)]
        elif kind == 2:
            data[at:at] = source.randbytes(source.randrange(1, 20))
        else:
            del data[at:]
    return bytes(data)


def bodies_of(room):
    form = multipart([("entries", b'{"clip":{"visual":{"modelName":"tiny"}}}'), ("top", b"3")], [("image", room.picture)])
    head = {"name": "x", "labels": ["a", {"label": "b", "group": "c"}], "templates": ["a {}"], "replace": True,
            "examples": [{"label": "a", "image": text_of(room.picture)}]}
    return [("/v1/classify", room.picture, "image/png"), ("/v1/classify", *form), ("/predict", *form),
            ("/v1/classify", json.dumps({"image": text_of(room.picture), "labels": ["a", "b"]}).encode(), "application/json"),
            ("/v1/heads", json.dumps(head).encode(), "application/json"),
            ("/v1/embeddings", b'{"model":"tiny","input":["a",{"text":"b"}]}', "application/json"),
            ("/hf", json.dumps({"inputs": text_of(room.picture), "parameters": {"candidate_labels": ["a"]}}).encode(),
             "application/json"),
            ("/v1/embed", b'{"texts":["a"]}', "application/json"),
            ("/v1/classify", b"[" * 3000 + b"]" * 3000, "application/json")]


def speak(port, data):
    """The status of the last answer that comes; 0 when the connection was closed without one."""
    said = b""
    with socket.create_connection(("127.0.0.1", port), timeout=180) as sock:
        try:
            sock.sendall(data)
            while chunk := sock.recv(65536):
                said += chunk
        except (ConnectionResetError, BrokenPipeError):
            pass
    found = re.findall(rb"HTTP/1\.[01] (\d+)", said)
    assert found or not said, said[:100]
    return int(found[-1]) if found else 0


def test_malformed(room):
    seed = int(os.environ.get("WHATSIT_FUZZ_SEED", random.randrange(1 << 30)))
    print(f"seed {seed}", flush=True)
    server = room.serve("--timeout", "1")
    known = server.client().document["paths"]
    counts, failures, mutex = {}, [], threading.Lock()
    bodies = bodies_of(room)

    def work(index):
        source = random.Random(seed + index)
        for _ in range(N_REQUESTS // N_CLIENTS + (index < N_REQUESTS % N_CLIENTS)):
            if source.random() < 0.4:
                path, data = None, "\r\n".join(heads_of(source)).encode("latin-1") + b"\r\n\r\n" + source.randbytes(
                    source.choice((0, 5, 500)))
            else:
                path, body, kind = source.choice(bodies)
                body = mutate(source, body) if source.random() < 0.8 else body
                data = (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}"
                        "\r\nConnection: close\r\n\r\n").encode() + body
                if source.random() < 0.1:
                    data = mutate(source, data)
                    path = None
            try:
                status = speak(server.port, data)
            except (OSError, AssertionError) as error:
                failures.append((repr(error), data[:300]))
                return
            with mutex:
                counts[status] = counts.get(status, 0) + 1
            fine = status < 500 or status in (500, 501, 503, 505) and not path
            if path and status:
                fine = str(status) in known[path]["post"]["responses"] and status != 500 or (path, status) == ("/predict", 500)
            if not fine:
                failures.append((status, data[:300]))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(N_CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{sum(counts.values())} requests: {dict(sorted(counts.items()))}")
    assert failures or sum(counts.values()) == N_REQUESTS, sum(counts.values())
    assert server.process.poll() is None, "the server has ended"
    assert not failures, failures[:3]
    server.client().call("POST", "/v1/classify", room.picture, expect=200)
    server.end()


def test_slow_clients(room):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    server = room.serve("--timeout", "4")
    client = server.client()
    begun = [b"", b"GET /v1/models HTTP/1.1\r\nHost: x\r\n", b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Le",
             b"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nabc"]
    sockets = []
    for i in range(N_SLOW):
        sockets.append(connect(server.port))
        sockets[-1].sendall(begun[i % len(begun)])
    for _ in range(30):
        client.call("POST", "/v1/classify", room.picture, expect=200)
    for _ in range(30):  # how soon is measured by bench/serve.py
        client.call("GET", "/healthz", expect=200)
    # one byte now and then does not keep a connection for ever
    def is_ended():
        try:
            sockets[1].sendall(b"X")
            return False
        except OSError:
            return True

    serving.wait_until(is_ended)
    # those that were opened later end later
    serving.wait_until(lambda: "whatsit_connections 1\n" in client.call("GET", "/metrics").body.decode())
    for sock in sockets:
        sock.close()


def test_bad_pictures_harm_nobody(room):
    """Good and broken pictures together: each gets its own answer."""
    server = room.serve()
    want = server.client().call("POST", "/v1/classify", room.picture, expect=200).json
    failures = []

    def work(index):
        source = random.Random(index)
        client = server.client()
        for i in range(40):
            if (index + i) % 2:
                answer = client.call("POST", "/v1/classify", mutate(source, room.picture))
                if answer.status not in (200, 400, 413, 415, 422):
                    failures.append(answer.status)
            elif client.call("POST", "/v1/classify", room.picture).json != want:
                failures.append("another answer")

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[:5]


def test_appetite(room):
    """Requests that would need far more than they have are refused, before that is given to them."""
    server = room.serve("--max-body", "8")
    client = server.client()
    before = most_resident_mb(server.process.pid)
    as_json = {"Content-Type": "application/json"}
    n = 7 << 20
    for item in (b"{},", b"[],", b"0,", b'{"":0},'):
        body = b'{"image":[' + item * (n // len(item)) + b"0]}"
        for path in ("/v1/classify", "/v1/heads", "/v1/embed", "/v1/embeddings", "/hf"):
            assert client.call("POST", path, body, as_json).status == 413, (item, path)
    form, kind = multipart([("entries", b"[" + b"[]," * (n // 3) + b"0]"), ("text", b"a")])
    client.call("POST", "/predict", form, {"Content-Type": kind}, 422)
    form, kind = multipart([("labels", b"a," * (n // 2))], [("image", room.picture)])
    client.call("POST", "/v1/classify", form, {"Content-Type": kind}, 413)
    many = {"image": text_of(room.picture), "labels": [f"l{i}" for i in range(500)], "templates": [f"{i} {{}}" for i in range(5)]}
    client.call("POST", "/v1/classify", many, expect=413)
    client.call("POST", "/hf", {"inputs": text_of(room.picture), "parameters": {"candidate_labels": ["a"] * 2001}}, expect=413)
    client.call("POST", "/v1/heads", {"name": "n", "labels": [f"l{i}" for i in range(20000)], "templates": [f"{i} {{}}" for i in range(101)]},
                expect=413)
    part = b'--x\r\nContent-Disposition: form-data; name="image"\r\nContent-Disposition: form-data; name="image"\r\n\r\nx\r\n--x--\r\n'
    client.call("POST", "/v1/classify", part, {"Content-Type": "multipart/form-data; boundary=x"}, 400)
    client.call("POST", "/v1/embed", {"text": "a" * n}, expect=413)
    client.call("POST", "/v1/embed", {"texts": ["a" * (1 << 20)] * 6}, expect=200)
    client.call("POST", "/v1/classify", room.picture, expect=200)
    grown = most_resident_mb(server.process.pid) - before
    print(f"grown by {grown} MB at most")
    assert grown < 800, grown
    server.end()


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(text) for text in file.read().split()]


def test_decoders_are_replaced(room):
    """A decoder that dies is started anew; the others are sandboxed."""
    server = room.serve()
    client = server.client()
    keeper, = children_of(server.process.pid)
    decoders = children_of(keeper)
    assert decoders
    for pid in decoders:
        with open(f"/proc/{pid}/status") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        assert status["NoNewPrivs"] == "1", "no-new-privs is not set"
        if "seccomp" in server.said():
            assert status["Seccomp"] == "2", "there is no filter"
        with open(f"/proc/{pid}/maps") as file:
            shared = [line for line in file if "rw-s" in line]
        assert len(shared) == 1, "a decoder sees the pictures of another"
        assert len(os.listdir(f"/proc/{pid}/fd")) == 4, "a decoder has more than its socket and the standard files"
        os.kill(pid, 9)
    serving.wait_until(lambda: set(children_of(keeper)).isdisjoint(decoders) and
                       len(children_of(keeper)) == len(decoders))
    client.call("POST", "/v1/classify", room.picture, expect=200)


def test_busy(room):
    """More than fits is refused with 503 and Retry-After, and nothing grows."""
    server = room.serve("--workers", "1", "--queue", "2")
    counts, mutex = {}, threading.Lock()
    picture = tiny_model.png(1500, 1500)

    def work():
        client = server.client()
        for _ in range(10):
            status = client.call("POST", "/v1/classify", picture).status
            with mutex:
                counts[status] = counts.get(status, 0) + 1

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(counts) == {200, 503}, counts


if __name__ == "__main__":
    serving.main([test_malformed, test_slow_clients, test_bad_pictures_harm_nobody, test_appetite,
                  test_decoders_are_replaced, test_busy])
