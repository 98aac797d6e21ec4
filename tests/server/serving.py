"""Starts `whatsit serve` on a free port of this machine and asks it; every answer is checked against the
document that it serves at /openapi.json. Needs Debian's python3-jsonschema; without it the tests are
skipped."""
import base64
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
import tiny_model  # noqa: E402

SKIPPED = 77

try:
    import jsonschema
except ImportError:
    print("skipped: python3-jsonschema is not installed, so no answer could be checked")
    sys.exit(SKIPPED)


class Room:
    """A temporary folder with a tiny model as one file, label lists, and servers that end with it."""

    def __init__(self, program, source):
        self.program, self.source = program, source
        self.folder = tempfile.TemporaryDirectory(prefix="whatsit-server-")
        self.path = self.folder.name
        self.servers = []
        share = os.path.join(self.path, "share", "heads")
        os.makedirs(share)
        with open(os.path.join(share, "fruits.txt"), "w") as file:
            file.write("# title: Fruits\n# source: made up\n# licence: CC0-1.0\napple\npear|nashi\nplum\n")
        with open(os.path.join(share, "nouns.txt"), "w") as file:
            file.write("cat\ndog\nhouse\ntree\ncar\nboat\n")
        self.environment = {**os.environ, "HOME": self.path, "WHATSIT_SHARE": os.path.join(self.path, "share"),
                            "XDG_DATA_HOME": os.path.join(self.path, "data"), "WHATSIT_MODEL": "",
                            "XDG_CACHE_HOME": os.path.join(self.path, "cache")}
        folder = tiny_model.write_model(os.path.join(self.path, "tiny-folder"))
        self.model = os.path.join(self.path, "tiny.gguf")
        self.run("model", "convert", folder, "--output", self.model, "--name", "tiny")
        self.database = os.path.join(self.path, "store.db")
        self.picture = tiny_model.png(48, 40)

    def run(self, *arguments, check=True):
        done = subprocess.run([self.program, *arguments], env=self.environment, capture_output=True, text=True)
        if check and done.returncode != 0:
            raise AssertionError(f"whatsit {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def key(self, name="test", *options, database=None):
        return self.run("keys", "new", name, "--db", database or self.database, *options).strip()

    def serve(self, *options, database=None, model=None):
        server = Server(self, ["--db", database or self.database, "--model", model or self.model, *options])
        self.servers.append(server)
        return server

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self.servers:
            server.kill()
        self.folder.cleanup()


class Server:
    def __init__(self, room, options):
        self.room, self.options = room, options
        self.start(0)

    def start(self, port):
        self.log = os.path.join(self.room.path, f"log-{len(self.room.servers)}-{time.monotonic_ns()}")
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [self.room.program, "serve", "--listen", f"127.0.0.1:{port}", *self.options],
                env=self.room.environment, stderr=log)
        found = None
        while not found:
            ended = self.process.poll() is not None
            found = re.search(r"listening on http://127\.0\.0\.1:(\d+)", self.said())
            if ended and not found:
                raise AssertionError("the server did not start: " + self.said())
            time.sleep(0.01)
        self.port = int(found.group(1))
        return self

    def said(self):
        with open(self.log) as log:
            return log.read()

    def again(self):
        """After a kill: the same port, the same database."""
        return self.start(self.port)

    def kill(self, number=signal.SIGKILL):
        """Ends a server, and says so when it had ended by itself."""
        status = self.process.poll()
        if status is None:
            self.process.send_signal(number)
            self.process.wait(timeout=180)
        elif status not in (0, -signal.SIGKILL):
            print(f"the server has ended with {status}: {self.said()[-4000:]}", flush=True)

    def end(self):
        """As an operator would; a sanitizer that found a leak speaks through the status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=180)
        assert status == 0, (status, self.said()[-4000:])

    def client(self, key=None):
        return Client(self.port, key)


def template_of(document, path):
    for template in document["paths"]:
        if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)), path):
            return template
    return "/models/{name}" if path.startswith("/models/") else None


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


class Client:
    """One connection that is kept. Checks each answer against the document."""
    documents = {}

    def __init__(self, port, key=None, timeout=180):
        self.port, self.key, self.timeout = port, key, timeout
        self.connection = None
        if port not in self.documents:
            self.documents[port] = json.loads(self.ask("GET", "/openapi.json").body)
        self.document = self.documents[port]

    def ask(self, method, path, body=None, headers=None):
        headers = dict(headers or {})
        if self.key:
            headers.setdefault("Authorization", "Bearer " + self.key)
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        for attempt in (1, 2):
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
            try:
                self.connection.request(method, path, body, headers)
                answer = self.connection.getresponse()
                return Answer(answer.status, answer.headers, answer.read())
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self.connection.close()
                self.connection = None
                if attempt == 2:
                    raise

    def call(self, method, path, body=None, headers=None, expect=None):
        answer = self.ask(method, path, body, headers)
        self.check(method, path.split("?")[0], answer)
        if expect is not None and answer.status != expect:
            raise AssertionError(f"{method} {path}: {answer.status}, not {expect}: {answer.body[:300]}")
        return answer

    def check(self, method, path, answer):
        template = template_of(self.document, path)
        where = f"{method} {path}: {answer.status}"
        operation = self.document["paths"].get(template, {}).get("get" if method == "HEAD" else method.lower())
        if operation is None:
            assert answer.status in (404, 405), where
            schema = {"$ref": "#/components/schemas/Error"}
        else:
            assert str(answer.status) in operation["responses"], where + " is not in the document"
            content = operation["responses"][str(answer.status)].get("content")
            if content is None or method == "HEAD":
                assert not answer.body, where + " has a body"
                return
            kind = answer.headers["Content-Type"].split(";")[0]
            assert kind in content, f"{where}: {kind} is not in the document"
            schema = content[kind]["schema"]
        for name in ("X-Content-Type-Options", "Content-Security-Policy", "Referrer-Policy"):
            assert name in answer.headers, f"{where}: no {name}"
        if answer.status in (429, 503):
            assert int(answer.headers["Retry-After"]) >= 0, where
        if answer.headers["Content-Type"].split(";")[0] == "application/json":
            whole = {**schema, "components": self.document["components"]}
            jsonschema.Draft202012Validator(whole).validate(json.loads(answer.body))


def multipart(fields, files=()):
    """(body, content type) of a form."""
    mark = "----whatsit" + os.urandom(8).hex()
    parts = [f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value
             for name, value in fields]
    parts += [f'--{mark}\r\nContent-Disposition: form-data; name="{name}"; filename="a.png"\r\n'
              f"Content-Type: image/png\r\n\r\n".encode() + value for name, value in files]
    return b"\r\n".join(parts) + f"\r\n--{mark}--\r\n".encode(), f"multipart/form-data; boundary={mark}"


def text_of(picture):
    return base64.b64encode(picture).decode()


def most_resident_mb(pid):
    """The most memory that a process has had."""
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1)) >> 10


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(text) for text in file.read().split()]


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=180)


def wait_until(check, seconds=180):
    """Long, since it is only how long a failure takes: what is right happens sooner, however slow the machine."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = check()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


def main(tests):
    """Runs functions of one Room each, named on the command line behind PROGRAM SOURCE, or all."""
    program, source, wanted = sys.argv[1], sys.argv[2], sys.argv[3:]
    skipped = False
    for test in tests:
        if wanted and test.__name__ not in wanted:
            continue
        start = time.monotonic()
        with Room(program, source) as room:
            said = test(room)
        skipped = skipped or said == SKIPPED
        print(f"{'skipped' if said == SKIPPED else 'ok'} {test.__name__} ({time.monotonic() - start:.1f} s)",
              flush=True)
    sys.exit(SKIPPED if skipped else 0)
