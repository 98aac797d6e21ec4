"""Several servers over one PostgreSQL behind nginx, with the configuration that is shipped: one of three is killed
under load, PostgreSQL restarts, and nothing that was acknowledged is lost."""
import http.client
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time

import postgres
import serving
from serving import SKIPPED, wait_until


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Nginx:
    """The shipped configuration with this test's ports and a certificate of its own."""

    def __init__(self, room, servers):
        self.port = free_port()
        at = os.path.join(room.path, "nginx")
        os.makedirs(at)
        if os.geteuid() == 0:
            os.chmod(room.path, 0o755)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "2", "-subj", "/CN=localhost", "-keyout", f"{at}/key.pem", "-out", f"{at}/cert.pem"],
                       check=True, capture_output=True)
        with open(os.path.join(room.source, "apps", "server", "deploy", "nginx.conf")) as file:
            text = file.read()
        one = re.search(r"    server 127\.0\.0\.1:8080.*\n", text).group(0)
        text = text.replace(one, "".join(one.replace("8080", str(s.port)) for s in servers))
        text = text.replace("listen 443", f"listen 127.0.0.1:{self.port}")
        text = text.replace("/etc/ssl/whatsit.pem", f"{at}/cert.pem").replace("/etc/ssl/private/whatsit.key", f"{at}/key.pem")
        with open(f"{at}/nginx.conf", "w") as file:
            file.write(f"daemon off; pid {at}/pid; error_log {at}/error.log; worker_processes 1;\n"
                       f"events {{ worker_connections 1024; }}\nhttp {{ access_log off;\n"
                       + "".join(f"{kind}_temp_path {at}/{kind};\n" for kind in
                                 ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")) + text + "}\n")
        self.process = subprocess.Popen(["nginx", "-p", at, "-e", f"{at}/error.log", "-c", f"{at}/nginx.conf"])
        wait_until(self.answers)

    def answers(self):
        try:
            return self.ask("GET", "/healthz")[0] == 200
        except OSError:
            return False

    def ask(self, method, path, body=None, headers=None):
        trust = ssl.create_default_context()
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=180, context=trust)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def stop(self):
        self.process.terminate()
        self.process.wait()


def test_servers_share(room):
    """Keys, quotas, heads and jobs are the same on every server; a job outlives the server that runs it."""
    if not postgres.programs():
        print("skipped: PostgreSQL is not installed")
        return SKIPPED
    with postgres.Postgres() as database:
        servers = [room.serve(database=database.url) for _ in range(3)]
        key = room.key("k", "--requests", "200", "--concurrency", "-1", database=database.url)
        counts, mutex = {}, threading.Lock()

        def work(i):
            client = servers[i % 3].client(key)
            for _ in range(20):
                status = client.ask("GET", "/v1/models").status
                with mutex:
                    counts[status] = counts.get(status, 0) + 1

        threads = [threading.Thread(target=work, args=(i,)) for i in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert counts == {200: 200, 429: 280}, counts
        one, two = (s.client().call for s in servers[:2])
        one("POST", "/v1/heads", {"name": "shared", "labels": ["a", "b"]}, expect=201)
        two("POST", "/v1/classify?head=shared", room.picture, expect=200)
        two("POST", "/v1/heads", {"name": "shared", "labels": ["c", "d"], "replace": True}, expect=201)
        labels = one("POST", "/v1/classify?head=shared", room.picture, expect=200).json["results"][0]["answers"]
        assert {a["label"] for a in labels} == {"c", "d"}
        two("DELETE", "/v1/heads/shared", expect=204)
        one("POST", "/v1/classify?head=shared", room.picture, expect=404)
        job = one("POST", "/v1/heads", {"name": "long", "labels": [f"a long label with number {i}" for i in range(15000)]},
                  expect=202).headers["Location"]
        wait_until(lambda: two("GET", job).json["state"] == "running")
        for server in (servers[0], servers[2]):
            server.kill()
        wait_until(lambda: two("GET", job).json["state"] == "done")
        database.restart()
        assert two("GET", "/v1/heads/long", expect=200).json["n_labels"] == 15000
        wait_until(lambda: two("GET", "/readyz").status == 200)  # it says what was seen a moment ago


def test_one_of_three_is_killed(room):
    if not postgres.programs() or not shutil.which("nginx"):
        print("skipped: PostgreSQL or nginx is not installed")
        return SKIPPED
    with postgres.Postgres() as database:
        servers = [room.serve("--require-key", database=database.url) for _ in range(3)]
        key = room.key("k", "--requests", "-1", "--heads", "-1", "--concurrency", "-1", database=database.url)
        nginx = Nginx(room, servers)
        try:
            load(room, servers, key, nginx)
        finally:
            nginx.stop()


def test_garbage_costs_nothing(room):
    """Keys that are no text, as fast as one connection after another can send them: none is answered with 503, and a good
    client never notices."""
    if not postgres.programs() or not shutil.which("nginx"):
        print("skipped: PostgreSQL or nginx is not installed")
        return SKIPPED
    with postgres.Postgres() as database:
        servers = [room.serve("--require-key", database=database.url) for _ in range(3)]
        key = room.key("k", "--requests", "-1", "--concurrency", "-1", database=database.url)
        nginx = Nginx(room, servers)
        statuses, stop = [], threading.Event()

        def send_garbage():
            trust = ssl.create_default_context()
            trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
            while not stop.is_set():
                time.sleep(0.01)
                with trust.wrap_socket(socket.create_connection(("127.0.0.1", nginx.port), timeout=180)) as sock:
                    for line in (b"Authorization: Bearer wk_\xff_x", b"X-Api-Key: wk_0\xc0\x80_y", b"Authorization: Bearer wk_00_z"):
                        sock.sendall(b"GET /v1/models HTTP/1.1\r\nHost: whatsit.example\r\n" + line + b"\r\n\r\n")
                        said = sock.recv(65536)
                        statuses.append(int(said.split()[1]) if said else 0)
                        if b"onnection: close" in said:
                            break

        def send():
            while not stop.is_set():
                try:
                    send_garbage()
                except OSError:
                    pass

        threads = [threading.Thread(target=send) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            wait_until(lambda: len(statuses) > 20)
            good = [nginx.ask("GET", "/v1/usage", headers={"Authorization": "Bearer " + key})[0] for _ in range(100)]
            wait_until(lambda: len(statuses) > 300)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
            nginx.stop()
        assert set(good) == {200}, good
        assert set(statuses) <= {0, 400, 401, 429}, set(statuses)
        for server in servers:
            assert "whatsit_database_errors_total 0\n" in server.client().call("GET", "/metrics").body.decode()


def load(room, servers, key, nginx):
    headers = {"Authorization": "Bearer " + key}
    assert nginx.ask("GET", "/v1/models")[0] == 401, "a proxied request passed for a local one"
    assert nginx.ask("GET", "/metrics", headers=headers)[0] == 403
    wanted = nginx.ask("POST", "/v1/classify", room.picture, headers)
    assert wanted[0] == 200
    made, failures, n_tries, stop = [], [], [0], threading.Event()

    def classify():
        while not stop.is_set():
            for _ in range(5):  # a client that repeats what failed
                n_tries[0] += 1
                status, body = nginx.ask("POST", "/v1/classify", room.picture, headers)
                if status == 200:
                    break
                time.sleep(0.2)
            if (status, body) != wanted:
                failures.append((status, body[:200]))

    def make(index):
        for i in range(1000):
            if stop.is_set():
                return
            name = f"h{index}-{i}"
            text = f'{{"name":"{name}","labels":["a{i}","b{index}"],"replace":true}}'
            for _ in range(5):
                status, body = nginx.ask("POST", "/v1/heads", text, {**headers, "Content-Type": "application/json"})
                if status == 201:
                    made.append(name)
                    break
                time.sleep(0.2)
            else:
                failures.append((status, body[:200]))

    threads = [threading.Thread(target=classify) for _ in range(4)] + [
        threading.Thread(target=make, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(made) > 3 and n_tries[0] > 8)
    servers[1].kill()
    n_made, n_before = len(made), n_tries[0]
    wait_until(lambda: failures or (len(made) > n_made + 4 and n_tries[0] > n_before + 20))
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures, failures[:3]
    for name in made:
        assert nginx.ask("GET", "/v1/heads/" + name, headers=headers)[0] == 200, f"{name} was acknowledged and is gone"
    print(f"{n_tries[0]} pictures, {len(made)} heads, none lost")


if __name__ == "__main__":
    serving.main([test_servers_share, test_one_of_three_is_killed, test_garbage_costs_nothing])
