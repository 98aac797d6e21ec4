"""Runs the program the way users and scripts do. Each test file is called with PROGRAM and SOURCE_DIR.
A check that cannot run here says so and makes the whole file count as skipped (77), never as passed."""
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

import tiny_model

SKIPPED = 77


class Result:
    def __init__(self, status, out, err):
        self.status, self.raw, self.raw_err = status, out, err
        self.out, self.err = out.decode("utf-8", "replace"), err.decode("utf-8", "replace")

    def lines(self):
        return self.out.splitlines()

    def error_lines(self):
        return self.err.splitlines()

    def json(self):
        return [json.loads(line) for line in self.lines()]


class Case(unittest.TestCase):
    """Every test has a home of its own; the model and some pictures are made once per file."""

    program = source = None
    faiss = libav = None  # the modules for approximate search and for videos, if they were built
    shared = None

    @classmethod
    def setUpClass(cls):
        if Case.shared is None:
            Case.shared = tempfile.mkdtemp(prefix="whatsit-cli-")
            # Away from the sources, whose models and heads the program would find beside itself.
            os.makedirs(os.path.join(Case.shared, "bin"))
            folder = os.path.dirname(Case.program)
            Case.program = shutil.copy(Case.program, os.path.join(Case.shared, "bin"))
            for name in ("faiss", "libav"):
                module = os.path.join(folder, f"whatsit_{name}.so")
                setattr(Case, name, os.path.exists(module) and shutil.copy(module, os.path.join(Case.shared, "bin")))
            tiny_model.write_model(os.path.join(Case.shared, "tiny"))
            for i in range(6):
                with open(os.path.join(Case.shared, f"p{i}.png"), "wb") as file:
                    file.write(tiny_model.png(40 + 3 * i, 33 + i, i))
        cls.model = os.path.join(Case.shared, "tiny")

    def setUp(self):
        self.dir = tempfile.mkdtemp(dir=Case.shared)
        self.share = os.path.join(self.dir, "share")
        os.makedirs(os.path.join(self.share, "heads"))
        os.makedirs(os.path.join(self.share, "models"))
        self.env = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": os.path.join(self.dir, "home"),
            "WHATSIT_SHARE": self.share, "WHATSIT_MODEL": self.model, "LC_ALL": "C.UTF-8",
        }
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                self.env[name] = os.environ[name]

    def picture(self, i=0):
        return os.path.join(Case.shared, f"p{i}.png")

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def write(self, name, data):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
        return path

    def data_path(self, *names):
        return self.path("home", ".local", "share", "whatsit", *names)

    def cache_path(self, *names):
        return self.path("home", ".cache", "whatsit", *names)

    def run_cli(self, *words, stdin=b"", env=None, stdout=subprocess.PIPE, file_limit=None, timeout=120,
                cwd=None):
        def limits():
            if file_limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))

        done = subprocess.run([self.program, *words], input=stdin, stdout=stdout, stderr=subprocess.PIPE,
                              env={**self.env, **(env or {})}, preexec_fn=limits, timeout=timeout,
                              cwd=cwd or self.dir)
        return Result(done.returncode, done.stdout or b"", done.stderr)

    def ok(self, *words, **options):
        result = self.run_cli(*words, **options)
        self.assertEqual(result.status, 0, f"{words}: {result.err}")
        return result

    def fails(self, *words, status=1, says=None, **options):
        """One clear line on standard error, and that exit status."""
        result = self.run_cli(*words, **options)
        self.assertEqual(result.status, status, f"{words}: {result.out[-300:]} {result.err}")
        lines = [line for line in result.error_lines() if line]
        self.assertEqual(len(lines), 1, f"{words}: {result.err!r}")
        self.assertTrue(lines[0].startswith("whatsit"), lines[0])
        if says:
            self.assertIn(says, lines[0])
        return result

    def wrong(self, *words, says=None, **options):
        return self.fails(*words, status=2, says=says, **options)

    def start(self, *words, **options):
        return subprocess.Popen([self.program, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env=self.env, cwd=self.dir,
                                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
                                **options)


def main():
    if len(sys.argv) < 3:
        sys.exit("usage: test_X.py PROGRAM SOURCE_DIR [unittest options]")
    Case.program, Case.source = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    program = unittest.main(argv=[sys.argv[0], *sys.argv[3:]], exit=False, verbosity=1)
    if Case.shared:
        shutil.rmtree(Case.shared, ignore_errors=True)
    for test, why in program.result.skipped:
        print(f"SKIPPED: {test}: {why}")
    if not program.result.wasSuccessful():
        sys.exit(1)
    sys.exit(SKIPPED if program.result.skipped else 0)
