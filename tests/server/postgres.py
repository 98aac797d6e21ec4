"""A PostgreSQL server of this test's own, from Debian's package, on a socket in a temporary folder."""
import glob
import os
import pwd
import shutil
import subprocess
import tempfile
import urllib.parse


def programs():
    """The folder of initdb and postgres, or None."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), key=lambda p: int(p.split("/")[4]))
    beside = shutil.which("initdb")
    return os.path.dirname(found[-1]) if found else os.path.dirname(beside) if beside else None


class Postgres:
    """PostgreSQL refuses to run as root, and then runs as the package's own user."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="whatsit-pg-")
        self.user = None
        if os.geteuid() == 0:
            self.user = "postgres"
            shutil.chown(self.folder, self.user)
        self.data = os.path.join(self.folder, "data")
        self.do("initdb", "-D", self.data, "-A", "trust", "-U", "whatsit", "--no-sync", "-E", "UTF8", "--locale=C")
        self.do("pg_ctl", "-D", self.data, "-w", "-l", os.path.join(self.folder, "log"), "-o",
                f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off -c max_connections=200",
                "start")
        self.url = f"postgresql://whatsit@/postgres?host={urllib.parse.quote(self.folder, safe='')}"

    def do(self, name, *arguments):
        user = {}
        if self.user:
            entry = pwd.getpwnam(self.user)
            user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        done = subprocess.run([os.path.join(programs(), name), *arguments], cwd=self.folder, text=True,
                              stdout=subprocess.PIPE if name == "initdb" else subprocess.DEVNULL,
                              stderr=subprocess.STDOUT, **user)
        if done.returncode != 0:
            raise AssertionError(f"{name}: {done.stdout}")

    def sql(self, text):
        """What it answers, as psql prints it."""
        return "".join(subprocess.run([shutil.which("psql") or os.path.join(programs(), "psql"), "-h", self.folder, "-U", "whatsit", "-d",
                                       "postgres", "-At", "-c", statement], check=True, capture_output=True, text=True).stdout
                       for statement in text.split("; "))

    def restart(self):
        self.do("pg_ctl", "-D", self.data, "-w", "-m", "immediate", "-l", os.path.join(self.folder, "log"), "restart")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.do("pg_ctl", "-D", self.data, "-m", "immediate", "stop")
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
