"""`whatsit lambda` against a stand-in for the runtime's interface."""
import base64
import http.server
import json
import os
import queue
import subprocess
import threading
import time

import serving
from serving import text_of


class Runtime(http.server.ThreadingHTTPServer):
    """Hands out events in order, collects what is posted: answers, and that a start has failed."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.events, self.answers = queue.Queue(), queue.Queue()
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.n = 0

    def ask(self, event):
        self.n += 1
        self.events.put((f"id-{self.n}", event))
        path, body = self.answers.get(timeout=180)
        assert f"/invocation/id-{self.n}/" in path, (path, body)
        return path.rsplit("/", 1)[1], body


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        assert self.path == "/2018-06-01/runtime/invocation/next", self.path
        event = self.server.events.get()
        if event is None:
            self.send_error(500)
            return
        data = event[1] if isinstance(event[1], bytes) else json.dumps(event[1]).encode()
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", event[0])
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int(time.time() * 1000) + 120000))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.answers.put((self.path, json.loads(body)))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def event_of(method, path, body=None, query="", headers=None):
    return {"version": "2.0", "rawPath": path, "rawQueryString": query, "headers": headers or {},
            "requestContext": {"http": {"method": method, "path": path, "sourceIp": "192.0.2.1"}},
            "body": base64.b64encode(body).decode() if isinstance(body, bytes) else body,
            "isBase64Encoded": isinstance(body, bytes)}


def start(room, runtime, *options):
    environment = {**room.environment, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{runtime.server_address[1]}"}
    return subprocess.Popen([room.program, "lambda", "--db", room.database, *options], env=environment,
                            stderr=subprocess.DEVNULL)


def test_events(room):
    runtime = Runtime()
    checker = room.serve().client()
    process = start(room, runtime, "--model", room.model, "--anonymous", "--rate", "1000", "--cors", "https://a.example")
    try:
        def ask(method, path, expect, *rest, **more):
            kind, said = runtime.ask(event_of(method, path, *rest, **more))
            assert kind == "response" and said["statusCode"] == expect and said["isBase64Encoded"], said
            answer = serving.Answer(said["statusCode"], said["headers"], base64.b64decode(said["body"]))
            checker.check(method, path, answer)
            return answer

        seen = ask("POST", "/v1/classify", 200, room.picture, "top=2&labels=a%20b,c+d")
        assert {a["label"] for a in seen.json["results"][0]["answers"]} == {"a b", "c d"}
        text = json.dumps({"image": text_of(room.picture)})
        ask("POST", "/v1/classify", 200, text, headers={"content-type": "application/json"})
        ask("POST", "/v1/heads", 201, '{"name":"h","labels":["a","b"]}', headers={"content-type": "application/json"})
        assert ask("GET", "/v1/heads/h", 200).json["n_labels"] == 2
        assert ask("GET", "/healthz", 200).body == b"ok\n"
        ask("GET", "/nothing", 404)
        ask("PUT", "/v1/classify", 405)
        ask("POST", "/v1/classify", 415, b"not a picture, for sure")
        part = ask("GET", "/v1/models/tiny/file", 206, headers={"range": "bytes=0-3"})
        assert part.body == b"GGUF"
        # a stage before the path, other sites' pages, answers that AWS would not take, jobs that are finished
        def at_stage(path, stage="prod"):
            event = event_of("GET", path)
            event["requestContext"]["stage"] = stage
            return runtime.ask(event)[1]["statusCode"]
        assert [at_stage(p) for p in ("/prod/healthz", "/healthz", "/production/healthz", "/prod")] == [200, 200, 404, 200]
        assert at_stage("/prod/healthz", "$default") == 404
        said = runtime.ask(event_of("OPTIONS", "/v1/classify", headers={"origin": "https://a.example"}))[1]
        assert said["statusCode"] == 204 and said["headers"]["Access-Control-Allow-Origin"] == "https://a.example", said
        assert runtime.ask(event_of("OPTIONS", "/v1/classify", headers={"origin": "https://b.example"}))[1]["statusCode"] == 403
        labels = [f"l{i}" for i in range(70000)]
        job = runtime.ask(event_of("POST", "/v1/heads", json.dumps({"name": "big", "labels": labels}),
                                   headers={"content-type": "application/json"}))[1]
        assert job["statusCode"] == 202, job
        done = runtime.ask(event_of("GET", job["headers"]["Location"]))[1]
        assert json.loads(base64.b64decode(done["body"]))["state"] == "done", done
        whole = runtime.ask(event_of("GET", "/v1/heads/big", headers={"accept": "application/octet-stream"}))[1]
        part = runtime.ask(event_of("GET", "/v1/heads/big", headers={"accept": "application/octet-stream",
                                                                     "range": "bytes=0-999999"}))[1]
        assert whole["statusCode"] == 413 and part["statusCode"] == 206, (whole["statusCode"], part["statusCode"])
        for broken in (b"not json", b"[]", b'{"requestContext":{}}', b'{"rawPath":7}'):
            kind, said = runtime.ask(broken)
            assert kind == "error" and said["errorType"] == "Event", said
    finally:
        runtime.events.put(None)
        process.wait(timeout=180)
        runtime.shutdown()
    assert process.returncode == 1, "the interface has gone"


def test_failed_start(room):
    runtime = Runtime()
    broken = os.path.join(room.path, "broken.gguf")
    with open(broken, "wb") as file:
        file.write(b"GGUF and no more")
    process = start(room, runtime, "--model", broken)
    assert process.wait(timeout=180) == 1
    path, body = runtime.answers.get_nowait()
    assert path.endswith("/init/error") and body["errorType"] == "Init", (path, body)
    runtime.shutdown()


def test_outside(room):
    done = subprocess.run([room.program, "lambda"], env={**room.environment, "AWS_LAMBDA_RUNTIME_API": ""},
                          capture_output=True, text=True)
    assert done.returncode == 1 and "AWS_LAMBDA_RUNTIME_API" in done.stderr


if __name__ == "__main__":
    serving.main([test_events, test_failed_start, test_outside])
