"""What comes over the wire: requests that two programs could read in two ways, clients that say no more but still
listen, clients that have left, addresses told by the PROXY protocol, and how much of the server one client may hold."""
import contextlib
import json
import os
import re
import signal
import socket
import struct
import threading
import time

import serving
from serving import connect, wait_until
from test_security import costly_decoders, png_of, raw, status_of

POST = b"POST /v1/classify?labels=a,b HTTP/1.1\r\nHost: localhost\r\n"


def answers(said):
    """Statuses of all answers in a stream."""
    return [int(text) for text in re.findall(rb"HTTP/1\.[01] (\d+) ", said)]


def test_smuggling(room):
    """Ambiguous requests are refused as the documented JSON, the connection ends, and what was hidden in them is not
    answered."""
    server = room.serve()
    hidden = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for data in (
            POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
            POST + b"Transfer-Encoding: chunked\r\nContent-Length: 60\r\n\r\n0\r\n\r\n" + hidden,
            POST + b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n" + hidden,
            POST + b"Content-Length: 0, 44\r\n\r\n" + hidden,
            POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + hidden,
            POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + hidden,
            POST + b"Transfer-Encoding: gzip\r\n\r\n" + hidden,
            POST + b"X: a\rContent-Length: 44\r\n\r\n" + hidden,
            POST + b"X: a\nContent-Length: 44\r\n\r\n" + hidden,
            POST + b"X: a\0b\r\n\r\n" + hidden,
            POST + b"X: a\r\n Content-Length: 44\r\n\r\n" + hidden,
            b"GET /healthz HTTP/1.1\r\n\r\n",
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n" + hidden,
            b"GET /healthz HTTP/1.1\nHost: localhost\n\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n"):
        said = raw(server.port, data)
        assert len(answers(said)) == 1 and answers(said)[0] in (400, 501), (data, said[:500])
        head, body = said.split(b"\r\n\r\n", 1)
        assert b"Content-Type: application/json" in head and set(json.loads(body)["error"]) == {"message", "type", "param", "code"}
        assert b"Connection: close" in head
    # refused in the middle of a body: the answers before it come, in order
    good = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert answers(raw(server.port, good + good + b"GET /healthz HTTP/1.1\r\nNo colon\r\n\r\n")) == [200, 200, 400]
    for target in (b"http://localhost/healthz", b"HTTP://other:1/healthz", b"http://localhost/v1/models?x"):
        said = raw(server.port, b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert answers(said) == [200], (target, said[:300])
    chunked = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(room.picture), room.picture)
    assert answers(raw(server.port, chunked + body + good + chunked + b"nonsense\r\n" + good))[:2] == [200, 200]
    assert 'whatsit_refusals_total{method="",route="none",status="400",reason="framing"}' in \
        server.client().call("GET", "/metrics").body.decode()
    server.client().call("POST", "/v1/classify", room.picture, expect=200)
    server.end()


def test_half_closed(room):
    """A client that says that it sends no more is answered, also when the answer takes a while."""
    server = room.serve()
    for request in (POST + b"Content-Length: %d\r\n\r\n" % len(room.picture) + room.picture,
                    b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET /healthz HTTP/1.0\r\n\r\n"):
        with connect(server.port) as sock:
            sock.sendall(request)
            sock.shutdown(socket.SHUT_WR)
            said = b""
            while chunk := sock.recv(65536):
                said += chunk
            assert answers(said) == [200], said[:200]
    half = POST + b"Content-Length: 100\r\n\r\nabc"
    with connect(server.port) as sock:
        sock.sendall(half)
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(100) == b""
    for pid in costly_decoders(server):
        os.kill(pid, signal.SIGSTOP)
    big = png_of(4000, 5000)
    with connect(server.port) as sock:
        sock.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(big) + big)
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(100).startswith(b"HTTP/1.1 100 Continue\r\n")
        for pid in costly_decoders(server):
            os.kill(pid, signal.SIGCONT)
        assert answers(sock.recv(65536)) == [200]


def decoded(ask):
    found = re.search(r'decoded_pictures_total\{class="costly"\} (\d+)', ask("GET", "/metrics").body.decode())
    return int(found.group(1))


def leave(server, ask, n, picture, at_once):
    """n clients who ask for a picture, and are gone before a decoder has begun; when the last one is in."""
    running = re.compile(r"whatsit_requests_running (\d+)")
    socks = []
    for _ in range(n):
        socks.append(connect(server.port))
        socks[-1].sendall(POST + b"Content-Length: %d\r\n\r\n" % len(picture) + picture)
    wait_until(lambda: int(running.search(ask("GET", "/metrics").body.decode()).group(1)) == n)
    for sock in socks:
        if at_once:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

    def nobody_runs():
        hold(server)
        return int(running.search(ask("GET", "/metrics").body.decode()).group(1)) == 0

    wait_until(nobody_runs)


def hold(server, how=signal.SIGSTOP):
    """No decoder of costly pictures works, those that took the place of others neither."""
    for pid in costly_decoders(server):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)


def test_clients_that_left(room):
    """What nobody waits for is not decoded: neither what waits for a turn nor what has begun."""
    server = room.serve()
    ask = server.client().call
    big = png_of(4000, 5000)
    first = costly_decoders(server)
    hold(server)
    leave(server, ask, 12, big, at_once=True)
    # of the twelve only those that stood before a decoder had begun, which were ended and their processes replaced; and
    # one more each, which such a process began before the door had looked at all that left
    assert decoded(ask) <= 2 * len(first), decoded(ask)
    wait_until(lambda: set(costly_decoders(server)).isdisjoint(first))
    # Of clients who fall silent only sending shows that they are gone. That takes a while in which a process that
    # replaces another may begin; but all are held, so no request would end if that were not found out.
    leave(server, ask, 12, big, at_once=False)
    hold(server, signal.SIGCONT)
    ask("POST", "/v1/classify?labels=a,b", big, expect=200)


def test_queue_of_those_who_left(room):
    """A queue that is full of requests whose clients have left has room for one whose client waits."""
    server = room.serve("--workers", "1", "--queue", "6")
    ask = server.client().call
    big = png_of(4000, 5000)
    hold(server)
    request = POST + b"Content-Length: %d\r\n\r\n" % len(big) + big

    def figure(name):
        return int(re.search(rf"whatsit_requests_{name} (\d+)", ask("GET", "/metrics").body.decode()).group(1))

    first = connect(server.port)  # keeps the only worker
    first.sendall(request)
    wait_until(lambda: figure("running") == 1)
    others = [connect(server.port) for _ in range(6)]
    for sock in others:
        sock.sendall(request)
    wait_until(lambda: figure("waiting") == 6)
    ask("POST", "/v1/classify?labels=a,b", room.picture, expect=503)  # it is full
    for sock in others:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    late = connect(server.port)

    def is_taken():
        """One that is refused is answered at once, one that is taken waits."""
        late.sendall(request)
        late.settimeout(0.5)
        try:
            assert answers(late.recv(65536)) == [503]
            return False
        except TimeoutError:
            return figure("waiting") == 1

    wait_until(is_taken)
    hold(server, signal.SIGCONT)
    for sock in (late, first):
        sock.settimeout(180)
        assert answers(sock.recv(65536)) == [200]
        sock.close()


def proxied(source, data, family=socket.AF_INET):
    """The data behind a header of PROXY protocol version 2."""
    size = 4 if family == socket.AF_INET else 16
    addresses = socket.inet_pton(family, source) + bytes(size) + struct.pack(">HH", 1000, 80)
    kind = 0x11 if family == socket.AF_INET else 0x21
    return b"\r\n\r\n\0\r\nQUIT\n" + struct.pack(">BBH", 0x21, kind, len(addresses)) + addresses + data


def test_proxy_protocol(room):
    server = room.serve("--anonymous", "--rate", "1", "--proxy-protocol")
    get = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    counts = [status_of(raw(server.port, proxied("203.0.113.9", get))) for _ in range(10)]
    assert counts.count(200) in (4, 5) and 429 in counts, counts
    assert status_of(raw(server.port, proxied("203.0.113.10", get))) == 200
    six = [status_of(raw(server.port, proxied(f"2001:db8::{i}", get, socket.AF_INET6))) for i in range(1, 11)]
    assert six.count(200) in (4, 5), six  # one network
    local = b"\r\n\r\n\0\r\nQUIT\n" + struct.pack(">BBH", 0x20, 0, 0)
    assert status_of(raw(server.port, local + get)) == 200
    for wrong in (get, b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n" + get, b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c" + bytes(12) + get,
                  b"\r\n\r\n\0\r\nQUIT\n\x21\x31\0\x04" + bytes(4) + get):
        assert raw(server.port, wrong) == b"", wrong
    with connect(server.port) as sock:  # byte by byte
        for byte in proxied("203.0.113.11", get):
            sock.sendall(bytes([byte]))
        assert status_of(sock.recv(100)) == 200


def test_connections_of_one_address(room):
    """One address has a share of the connections; its longest idle ones make room for its new ones, and not others'."""
    server = room.serve("--anonymous", "--connections", "512", "--trust-proxy", "192.0.2.1")
    kept = server.client()
    kept.call("GET", "/healthz", expect=200)
    socks = [connect(server.port) for _ in range(200)]
    for sock in socks[-20:]:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert status_of(sock.recv(2000)) == 200
    count = int(re.search(r"whatsit_connections (\d+)", kept.call("GET", "/metrics").body.decode()).group(1))
    assert count <= 33, count
    for sock in socks:
        sock.close()


def test_bodies_of_one_client(room):
    """Bodies count before they are read: one client has a quarter of the memory, and the others' requests go on."""
    server = room.serve("--require-key")
    hog, good = room.key("hog", "--concurrency", "-1"), room.key("good")
    socks, refused = [], 0
    for i in range(40):
        sock = connect(server.port)
        sock.sendall(b"POST /v1/classify?labels=a,b HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + hog.encode() +
                     b"\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n" % (19 << 20))
        status = status_of(sock.recv(2000))
        refused += status == 503
        assert status in (100, 503), status
        socks.append(sock)
    assert 40 - refused == 6, refused  # 6 x 19 MB of 128 MB
    ask = server.client(good).call
    for _ in range(10):
        ask("POST", "/v1/classify?labels=a,b", room.picture, expect=200)
    for sock in socks:
        sock.close()
    wait_until(lambda: "whatsit_held_bytes 0\n" in ask("GET", "/metrics").body.decode())


def test_request_ids(room):
    """Each answer has a name, which the access log has too; what is in it came from the request, and ends no line."""
    log = os.path.join(room.path, "access.log")
    server = room.serve("--anonymous", "--log", "json", "--access-log", log)
    ask = server.client().call
    given = ask("GET", "/v1/models", headers={"X-Request-Id": "abc-123-given", "traceparent": "00-aa-bb-01"}, expect=200)
    assert given.headers["X-Request-Id"] == "abc-123-given"
    made = ask("GET", "/v1/heads/no%0anewline%22", expect=404).headers["X-Request-Id"]
    assert re.fullmatch("[0-9a-f]{16}", made)
    assert ask("GET", "/healthz", headers={"X-Request-Id": "bad id!"}).headers["X-Request-Id"] != "bad id!"
    ask("POST", "/v1/classify?labels=a,b", room.picture, {"X-Forwarded-For": "198.51.100.4"}, 200)
    lines = wait_until(lambda: (all := [json.loads(line) for line in open(log)]) and len(all) >= 5 and all)
    by_id = {line["id"]: line for line in lines}
    assert by_id["abc-123-given"]["traceparent"] == "00-aa-bb-01" and by_id["abc-123-given"]["status"] == 200
    assert by_id[made]["path"] == '/v1/heads/no\nnewline"' and by_id[made]["code"]
    classified = lines[-1]
    assert classified["client"] == "198.51.100.4" and classified["route"] == "/v1/classify"
    assert classified["bytes_in"] == len(room.picture)
    os.rename(log, log + ".1")
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: os.path.exists(log))
    wait_until(lambda: ask("GET", "/healthz", expect=200) and open(log).read())  # it is there before it is written to
    text = room.serve("--access-log", "-").client()
    text.call("GET", "/v1/heads/no%0anewline", expect=404)
    wait_until(lambda: '"GET /v1/heads/no\\x0anewline" 404' in room.servers[-1].said())


if __name__ == "__main__":
    serving.main([test_smuggling, test_half_closed, test_clients_that_left, test_queue_of_those_who_left, test_proxy_protocol,
                  test_connections_of_one_address, test_bodies_of_one_client, test_request_ids])
