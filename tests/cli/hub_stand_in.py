"""A stand-in for the model hub: serves the same paths on this machine, and misbehaves on request."""
import hashlib
import http.server
import re
import threading

LARGE = 4096  # files of this size and more lie in the "store", behind a redirect


class Hub:
    """files: repository -> {name: bytes}. Faults, each a dict or set keyed by file name:
    cut        {name: [n, ...]}: the next answers for it end after n bytes, then behave
    wrong_sha  {name}: the announced checksum does not fit
    no_range   {name}: ranges are ignored
    refuse     {name: [status, ...]}: the next answers have these statuses
    busy       {name: [seconds, ...]}: the next answers, to HEAD too, are 429 with Retry-After
    drop       {name: n}: the next n requests for it, HEAD too, are not answered at all
    longer     {name}: more bytes come than were announced
    plain      {name}: no redirect, checksum as a plain etag"""

    def __init__(self, files):
        self.files = files
        self.cut, self.refuse, self.busy, self.drop = {}, {}, {}, {}
        self.revision = "main"
        self.wrong_sha, self.no_range, self.longer, self.plain = set(), set(), set(), set()
        self.index_etag_only = False
        self.locked = False
        self.store_refuses_head = False
        self.log = []
        self.stall = threading.Event()
        self.stalling = set()
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_HEAD(self):
                hub.answer(self, False)

            def do_GET(self):
                hub.answer(self, True)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # clients that go away are part of the tests

        self.server = Server(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        # The store is another origin, as with the real hub.
        self.store = Server(("127.0.0.1", 0), Handler)
        self.store_address = f"http://127.0.0.1:{self.store.server_address[1]}"
        for server in (self.server, self.store):
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self):
        self.stall.set()
        for server in (self.server, self.store):
            server.shutdown()
            server.server_close()

    def requests(self, method, name):
        return [entry for entry in self.log if entry[0] == method and entry[1].endswith("/" + name)]

    def answer(self, handler, with_body):
        path = handler.path
        self.log.append((handler.command, path, handler.headers.get("Range"), handler.headers.get("Authorization")))
        match = re.fullmatch(r"/(store/)?([^/]+/[^/]+)/resolve/([^/]+)/([^/]+)", path)
        known = match and match[3] == self.revision
        data = self.files.get(match[2], {}).get(match[4]) if known else None
        if self.locked and handler.headers.get("Authorization") != "Bearer secret" and not (match and match[1]):
            return self.empty(handler, 401)
        if data is None:
            return self.empty(handler, 404)
        in_store, repository, name = match[1], match[2], match[4]
        if not in_store and self.drop.get(name):
            self.drop[name] -= 1
            handler.close_connection = True
            return None
        if not in_store and self.busy.get(name):
            return self.empty(handler, 429, {"Retry-After": str(self.busy[name].pop(0))})
        sha = hashlib.sha256(data).hexdigest()
        if name in self.wrong_sha:
            sha = hashlib.sha256(data + b"x").hexdigest()
        if not in_store and len(data) >= LARGE and name not in self.plain:
            headers = {"Location": f"{self.store_address}/store/{repository}/resolve/{self.revision}/{name}",
                       "X-Linked-Etag": f'"{sha}"', "X-Linked-Size": str(len(data)), "ETag": '"0123456789abcdef"'}
            return self.empty(handler, 302, headers)
        if in_store and not with_body and self.store_refuses_head:
            return self.empty(handler, 403)
        # Small files carry a git blob id, which is no SHA-256; the store's etag is something else again.
        etag = sha if name in self.plain else "f" * 64 if in_store else "b" * 40
        if with_body and self.refuse.get(name):
            return self.empty(handler, self.refuse[name].pop(0))
        self.send(handler, name, data, etag, with_body)

    def empty(self, handler, status, headers=None):
        handler.send_response(status)
        for key, value in (headers or {}).items():
            handler.send_header(key, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def send(self, handler, name, data, etag, with_body):
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range") or "")
        start = int(asked[1]) if asked and name not in self.no_range else 0
        if start and start >= len(data):
            return self.empty(handler, 416, {"Content-Range": f"bytes */{len(data)}"})
        body = data[start:] + (b"more" if name in self.longer else b"")
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        handler.send_header("Content-Length", str(len(body)))
        handler.send_header("ETag", f'"{etag}"')
        handler.end_headers()
        if not with_body:
            return
        if self.cut.get(name):
            body = body[:self.cut[name].pop(0)]
            handler.close_connection = True
        try:
            if name in self.stalling:
                handler.wfile.write(body[:len(body) // 2])
                handler.wfile.flush()
                self.stall.wait(30)
                return
            handler.wfile.write(body)
        except OSError:
            handler.close_connection = True  # the client went away
